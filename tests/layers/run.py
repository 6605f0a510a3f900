#!/usr/bin/env python3
"""Who may include whom: the table of docs/architecture.md as data. Every #include "…" of the project that the table does
not allow is a failure. Prints `N passed, N failed, N skipped`, where each source file is one test.

    tests/layers/run.py [--canary]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ("*.h", "*.cpp", "*.c", "*.hpp", "*.inc", "*.def")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)

PUBLIC = "tenon/"
SOURCE_ROOMS = ("base", "ir", "onnx", "ops", "passes", "plan", "device", "tactics", "compile", "runtime", "cli")
PARAMS = re.compile(r"^\w+/params\.h$")  # of a kernel family
KERNEL_API = "common/kernel.h"           # what a kernel is: for whoever keeps kernels without running one

# Room: the rooms whose headers it may include besides its own, and single headers beyond that with their reason.
ROOMS = {
    "include": ([], {}),
    "capi": (["include", "base", "ir", "onnx", "plan", "device", "compile", "runtime"],
             {"tactics/timing_cache.h": "the timing cache is an object of the API"}),
    "kernels": (["base"], {}),
    "base": ([], {}),
    "ir": (["base"], {}),
    "onnx": (["base"], {}),
    "ops": (["base", "ir", "onnx", "params"], {}),
    "passes": (["base", "ir", "ops"], {}),
    "plan": (["base"], {}),
    "device": (["base"], {KERNEL_API: "the kernel table and modules"}),
    "tactics": (["base", "ir", "ops", "plan", "device", "params"],
                {KERNEL_API: "the timer launches candidates",
                 "conv/layout.h": "sizes of packed weights, which tactics ask for",
                 "matmul/packed.h": "sizes of packed weights, which tactics ask for",
                 "rnn/packed.h": "sizes of packed weights, which tactics ask for",
                 "cuda/gemm_params.h": "parameters of products and convolutions on CUDA",
                 "cuda/rnn_params.h": "parameters of recurrent layers on CUDA",
                 "cuda/gemm_epilogue.h": "which programs cuBLASLt applies: claim and prepare ask the same code",
                 "onednn/post_ops.h": "which programs oneDNN's post-ops express: claim and prepare ask the same code"}),
    "compile": (["base", "ir", "onnx", "ops", "passes", "plan", "device", "tactics", "params"],
                {"runtime/program.h": "weights are computed by the code that refits them",
                 "runtime/prepared.h": "a plan's code is what an engine asks for when it prepares the plan",
                 KERNEL_API: "lowering asks what may run in place"}),
    "runtime": (["base", "plan", "device", "kernels"], {}),
    "cli": (["include"], {}),
    "examples": (["include"], {}),
    "bindings": (["include"], {"slots.h": "objects in errors, the same for all languages"}),
}

# Single files with headers of their own, and why.
FILES = {
    "kernels/onednn/module.cpp": {"device/module.h": "what a module exports"},
    "kernels/cuda/module.cpp": {"device/module.h": "what a module exports",
                                "device/cuda/cuda_device.h": "the devices that it exports"},
    "kernels/cuda/session.h": {"device/device.h": "the session of an engine on a device"},
    **{f"src/device/cuda/{file}.cpp": {f"cuda/{name}.h": "part of the same module" for name in names}
       for file, names in {"cuda_device": ("driver", "library", "session"),
                           "cuda_session": ("code_store", "cubin", "cudnn_api", "driver", "library", "nvrtc", "session"),
                           "cuda_stream": ("driver", "session"),
                           "memory": ("driver", "session")}.items()},
}

# Headers of libraries, and the only rooms or folders that may include them.
LIBRARIES = {
    re.compile(r"^(oneapi/dnnl|dnnl)"): ("kernels/onednn/",),
    re.compile(r"^(cuda(?!/)|cublas|cudnn|nvrtc|nvml)"): ("kernels/cuda/", "src/device/cuda/"),
    re.compile(r"^(flatbuffers/|plan_generated\.h)"): ("src/plan/",),
    re.compile(r"^protozero/"): ("src/onnx/",),
    re.compile(r"^xxhash\.h"): ("src/base/",),
    re.compile(r"^CLI/"): ("src/cli/",),
}


def room_of_file(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" else parts[0]


def room_of_header(header, path):
    """The room a quoted header belongs to, by the roots that sources are compiled with."""
    first = header.split("/")[0]
    if header.startswith(PUBLIC):
        return "include"
    if (path.parent / header).exists() and "/" not in header:
        return room_of_file(path)
    if first in SOURCE_ROOMS and (ROOT / "src" / header).exists():
        return first
    if (ROOT / "kernels" / header).exists():
        return "kernels"
    if (ROOT / "capi" / pathlib.PurePath(header).name).exists() and first in ("capi", header):
        return "capi"
    return None


def problems_of(path):
    room, found = room_of_file(path), []
    allowed, singles = ROOMS[room]
    singles = {**singles, **FILES.get(str(path.relative_to(ROOT)), {})}
    for quote, header in INCLUDE.findall(path.read_text()):
        for pattern, folders in LIBRARIES.items():
            inside = str(path.relative_to(ROOT)).startswith(folders)
            if pattern.match(header) and not inside:
                found.append(f"includes {header}, which belongs to {' and '.join(folders)} only")
        if quote != '"' and not header.startswith(PUBLIC):
            continue
        target = room_of_header(header, path)
        if target in (room, *allowed) or header in singles or header == "plan_generated.h":
            continue
        if "params" in allowed and target == "kernels" and PARAMS.match(header):
            continue
        found.append(f"includes {header} ({target or 'no room of the project'}); {room} may include: "
                     f"{', '.join([room, *allowed, *singles])}")
    return found


def main():
    passed = failed = 0
    folders = [ROOT / "src", ROOT / "kernels", ROOT / "capi", ROOT / "include", ROOT / "examples",
               ROOT / "bindings"]
    files = sorted(f for folder in folders for pattern in SOURCES for f in folder.rglob(pattern))
    planted = "--canary" in sys.argv
    if planted:  # as if the runtime had begun to include plans unasked
        ROOMS["runtime"][0].remove("plan")
    for path in files:
        problems = problems_of(path)
        for problem in problems:
            print(f"FAILED {'planted: ' if planted else ''}{path.relative_to(ROOT)}: {problem}")
        failed += bool(problems)
        passed += not problems
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0 or passed == 0


sys.exit(main())
