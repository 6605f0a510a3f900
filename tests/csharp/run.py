#!/usr/bin/env python3
"""The assembly Tenon: its tests, also under constant collection, every function called, 10,000 lives, ends of processes, the
documentation's form, the example, the project file.

    tests/csharp/run.py --build DIR [--canary]
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / part) for part in ("bindings", "capi", "tests/support", "tests/conformance")]
import api as public  # noqa: E402
import called  # noqa: E402
import coverage  # noqa: E402
import models  # noqa: E402

FILES = {"README.md": "markdown", "Makefile": "makefile", "examples/demo/demo.py": "python", "LICENSE": "txt",
         "examples/demo/filetype.cpp": "cpp"}
PACKAGE = ROOT / "bindings/csharp"


def run(command, folder=None, **environment):
    return subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, errors="replace", timeout=300,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **environment})


def wrong_enums():
    """Enumerations that have not the numbers of C's."""
    wrong = []
    for enum in public.load().enums:
        name = "".join(part.capitalize() for part in enum.name.removeprefix("tn_").split("_"))
        text = (PACKAGE / "src" / f"{name}.cs").read_text()
        if {int(number) for number in re.findall(r"^    \w+ = (\d+),", text, re.M)} != {c.value for c in enum.constants}:
            wrong.append(name)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    absent = [tool for tool in ("mcs", "mono") if not shutil.which(tool)]
    if absent:
        print(f"SKIPPED csharp: {absent[0]} is not installed\n0 passed, 0 failed, 1 skipped")
        return 0
    passed, failures = 0, []

    def check(good, name, detail=""):
        nonlocal passed
        passed += bool(good)
        if not good:
            failures.append(name)
            print(f"{name}\n{detail}"[-4000:], flush=True)
        return good

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        models.write(folder)
        sources = [*(build / "bindings").glob("*.cs"), *(build / "bindings/csharp").glob("*.cs"), *PACKAGE.glob("src/**/*.cs")]
        mcs = ["mcs", "-langversion:latest", "-warnaserror"]
        # 1591: constants of enumerations whose names say it.
        done = run([*mcs, "-unsafe", "-nowarn:1591", "-target:library", f"-doc:{folder / 'Tenon.xml'}", f"-out:{folder / 'Tenon.dll'}", *sources])
        good = check(done.returncode == 0, "the assembly compiles without a warning", done.stdout + done.stderr)
        for program, source in (("Tests", HERE / "Tests.cs"), ("Classify", ROOT / "examples/csharp/Classify.cs")):
            done = run([*mcs, f"-r:{folder / 'Tenon.dll'}", f"-out:{folder / program}.exe", source])
            good = check(done.returncode == 0, f"{program} compiles", done.stdout + done.stderr) and good
        libraries = {"LD_LIBRARY_PATH": str(build / "bindings/csharp")}
        program = ["mono", "Tests.exe"]
        if good and arguments.canary:
            done = run(program, folder, TENON_CANARY="1", **libraries)
            failures += [f"{line} (planted)" for line in re.findall(r"^FAILED (\w+)", done.stdout, re.M)]
        elif good:
            shim = called.make_shim(folder, build)
            done = run(program, folder, **libraries, **called.environment(shim, folder / "names"))
            tests = re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M)
            for how, test in tests:
                check(how == "passed", test, done.stdout + done.stderr)
            check(not wrong_enums(), "enumerations have the numbers of C", wrong_enums())
            check(done.returncode == 0 and len(tests) > 10, "the tests end", done.stdout + done.stderr)
            wanted = coverage.named_in("csharp", ROOT)[0] & {f.name for f in public.load().functions}
            missed = sorted(wanted - called.names(folder / "names"))
            print(f"  {len(wanted) - len(missed)} of {len(wanted)} functions called")
            check(not missed, f"no test calls {', '.join(missed)}")
            # A collection at every tenth allocation: what is freed too early is freed while it is used.
            done = run(program, folder, **libraries, MONO_GC_DEBUG="collect-before-allocs=10")
            stressed = re.findall(r"^(passed|FAILED) (\w+)", done.stdout, re.M)
            check(done.returncode == 0 and stressed == [("passed", test) for how, test in tests], "the tests under constant collection",
                  done.stdout + done.stderr)
            done = run([*program, "lives"], folder, **libraries)
            print(done.stdout.partition("ended")[0].rstrip())
            check(done.returncode == 0 and done.stdout.endswith("ended 10000\n"), "10,000 lives", done.stdout + done.stderr)
            for how in ("alive", "running", "enqueued", "exit"):
                done = run([*program, how], folder, **libraries)
                check(done.returncode == 0 and done.stdout == "ended 12\n", f"a process ends: {how}", done.stdout + done.stderr)
            documents = xml.parse(folder / "Tenon.xml").getroot()
            check(len(documents.findall(".//summary")) > 100, "the documentation is there")
            version = re.search(r'TN_VERSION_STRING "(.*)"', (ROOT / "include/tenon/version.h").read_text()).group(1)
            check(xml.parse(PACKAGE / "Tenon.csproj").findtext(".//Version") == version, "the project's version is the library's")
            model = pathlib.Path(importlib.util.find_spec("magika").submodule_search_locations[0]) / "models/standard_v3_3/model.onnx"
            labels = folder / "labels.txt"
            labels.write_text("\n".join(json.loads(model.with_name("config.min.json").read_text())["target_labels_space"]) + "\n")
            done = run(["mono", "Classify.exe", model, labels, *(ROOT / file for file in FILES)], folder, **libraries)
            for file, label in FILES.items():
                check(f"{ROOT / file} {label} " in done.stdout, f"examples/csharp: {file}", done.stdout + done.stderr)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
