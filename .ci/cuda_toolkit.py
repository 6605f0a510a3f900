#!/usr/bin/env python3
"""Where the CUDA toolkit is: prints lines of a name, a tab and a value:
version, home, include (several), lib (the folder of libcudart_static.a).

    .ci/cuda_toolkit.py [HOME]     HOME: the toolkit's folder; else CUDA_HOME, this Python's packages, /usr/local/cuda

Exits with 1 and one line that says what is missing when there is none of version 13.
"""
import os
import pathlib
import re
import sys
import sysconfig


def candidates(given):
    if given:
        return [pathlib.Path(given)]
    site = pathlib.Path(sysconfig.get_paths()["purelib"])
    homes = [pathlib.Path(os.environ["CUDA_HOME"])] if os.environ.get("CUDA_HOME") else []
    return [*homes, site / "nvidia/cu13", pathlib.Path("/usr/local/cuda")]


def version_of(home):
    try:
        text = (home / "include/cuda.h").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"#define CUDA_VERSION (\d+)", text)
    return int(found.group(1)) if found else None


def first(paths, what):
    for path in paths:
        if path.exists():
            return path
    sys.exit(f"{what} was not found: looked at {', '.join(map(str, paths))}")


def main():
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    site = pathlib.Path(sysconfig.get_paths()["purelib"])
    for home in candidates(given):
        version = version_of(home)
        if version is None or version < 13000:
            continue
        runtime = first([home / "lib/libcudart_static.a", home / "lib64/libcudart_static.a"], "libcudart_static.a")
        cudnn = first([site / "nvidia/cudnn/include/cudnn.h", home / "include/cudnn.h", pathlib.Path("/usr/include/cudnn.h")],
                      "cudnn.h")
        frontend = first([site / "include/cudnn_frontend.h", home / "include/cudnn_frontend.h",
                          pathlib.Path("/usr/include/cudnn_frontend.h")], "cudnn_frontend.h")
        print(f"version\t{version // 1000}.{version % 1000 // 10}\nhome\t{home}")
        for folder in dict.fromkeys([home / "include", cudnn.parent, frontend.parent]):
            print(f"include\t{folder}")
        print(f"lib\t{runtime.parent}")
        return 0
    sys.exit(f"no CUDA toolkit of version 13: looked at {', '.join(map(str, candidates(given)))}")


sys.exit(main())
