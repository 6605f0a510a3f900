#!/usr/bin/env python3
"""The C API from C: capi_test.c with Criterion, each test in a process of its own.

    tests/capi/run.py --build DIR [--canary]
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))
import models  # noqa: E402

SYNTHESIS = re.compile(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if not shutil.which("gcc") or subprocess.run(["gcc", "-E", "-x", "c", "-"], input="#include <criterion/criterion.h>\n",
                                                 capture_output=True, text=True).returncode:
        print("SKIPPED capi: Criterion is not installed\n0 passed, 0 failed, 1 skipped")
        return 0
    environment = {**os.environ, **({"TENON_CANARY": "1"} if arguments.canary else {})}
    passed, failures = 0, []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models.write(folder)
        done = subprocess.run(["gcc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", ROOT / "tests/capi/capi_test.c", "-o",
                               folder / "capi_test", "-I", ROOT / "include", "-L", build, "-ltenon", f"-Wl,-rpath,{build}",
                               "-lcriterion", "-lpthread"], capture_output=True, text=True)
        if done.returncode:
            failures.append("capi_test.c does not compile")
            print(done.stderr[-3000:])
        else:
            done = subprocess.run([folder / "capi_test", "--color=never", "-j2"], cwd=folder, capture_output=True, text=True,
                                  errors="replace", env=environment, timeout=600)
            text = done.stdout + done.stderr
            synthesis = SYNTHESIS.search(text)
            if synthesis:
                tested, passed = int(synthesis.group(1)), int(synthesis.group(2))
                failures += [f"capi: {name}" for name in re.findall(r"^\[FAIL\] ([\w:]+)", text, re.M)]
                failures = list(dict.fromkeys(failures))
                if tested - passed and not failures:
                    failures.append(f"capi: {tested - passed} tests")
            if not synthesis or tested == 0 or (done.returncode and not failures):
                failures.append(f"capi_test ended with status {done.returncode}")
            if failures and not arguments.canary:
                print(text[-4000:])
    for failure in failures:
        print(f"FAILED {failure}{' (planted)' if arguments.canary else ''}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
