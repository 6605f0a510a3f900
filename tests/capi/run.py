#!/usr/bin/env python3
"""The C API from C: capi_test.c with Criterion, or, under ThreadSanitizer, with plain/criterion; each test in a process of its own.

    tests/capi/run.py --build DIR [--canary] [--sanitize address,undefined|thread]
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / part) for part in ("conformance", "support")] + [str(ROOT / "capi")]
import instrumented  # noqa: E402
import models  # noqa: E402
from report import Report, run  # noqa: E402

SYNTHESIS = re.compile(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    instrumented.add_option(parser)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    report = Report()
    if not shutil.which("gcc") or run(["gcc", "-E", "-x", "c", "-"], input="#include <criterion/criterion.h>\n").returncode:
        report.skip("capi", "Criterion is not installed")
        return report.end()
    planted = " (planted)" if arguments.canary else ""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models.write(folder)
        program = folder / "capi_test"
        criterion = ["-I", ROOT / "tests/capi/plain"] if arguments.sanitize == "thread" else ["-lcriterion"]

        def compile_with(*more):
            return instrumented.compile_c(program, [ROOT / "tests/capi/capi_test.c", *more], build, arguments.sanitize,
                                          ["-O1", "-Wall", "-Wextra", "-Werror", *criterion])

        def start(*options):
            return run([program, "--color=never", "-j2", *options], {"TENON_CANARY": "1"} if arguments.canary else {}, cwd=folder,
                       timeout=600)
        instrumented.check_faults(report, "capi", arguments.sanitize, folder, compile_with, lambda: start("--filter=run/*"))
        wrong = compile_with()
        if report.check(not wrong, "capi_test.c compiles", wrong):
            failed, done = len(report.failures), start()
            text = done.stdout + done.stderr
            synthesis = SYNTHESIS.search(text)
            tested, passed = map(int, synthesis.groups()[:2]) if synthesis else (0, 0)
            report.passed += passed
            for name in dict.fromkeys(re.findall(r"^\[FAIL\] ([\w:]+\w)", text, re.M)):
                report.check(False, f"capi: {name}{planted}")
            ended = tested > 0 and (done.returncode == 0) == (passed == tested)
            report.check(ended and len(report.failures) - failed == tested - passed, f"capi_test tells of all its tests: status {done.returncode}",
                         "" if planted else text)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
