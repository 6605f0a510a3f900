#!/usr/bin/env python3
"""The C programs of other suites under Valgrind's memcheck: no access to memory that is not theirs, none that is not
initialised, nothing lost at the end.

    tests/valgrind/run.py --build DIR [--canary] [SCENARIO ...]

The runner of C of tests/conformance with each scenario, and tests/capi, each of whose tests is a process. With SCENARIOs only
those, and of tests/capi the run of a network. `--canary` plants two faults in both programs, and demands that each is found.
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("capi", "tests/support", "tests/conformance")]
import instrumented  # noqa: E402
import models  # noqa: E402
from report import Report, run, run_canaries  # noqa: E402

LOST = "definite,indirect,possible"
PLANTED = {"blocks that are lost": instrumented.LOST, "a read of freed memory": instrumented.FREED}


def compile(build, folder, source, flags=(), planted=None):
    program = folder / source.stem
    more = [instrumented.write_fault(folder, PLANTED[planted])] if planted else []
    wrong = instrumented.compile_c(program, [source, *more], build, flags=["-O1", *flags])
    if wrong:
        raise RuntimeError(wrong)
    return program


def memcheck(program, arguments, folder, processes=1):
    """What is wrong: what memcheck said of each process, or that there were fewer than `processes`; "" if nothing is."""
    folder.mkdir()
    models.write(folder)
    done = run(["valgrind", "--trace-children=yes", f"--log-file={folder}/memcheck.%p", "--leak-check=full", f"--show-leak-kinds={LOST}",
                f"--errors-for-leak-kinds={LOST}", "--num-callers=30", program, *arguments], cwd=folder)
    logs = [path.read_text() for path in sorted(folder.glob("memcheck.*"))]
    wrong = [log[-3000:] for log in logs if not re.search(r"ERROR SUMMARY: 0 errors", log)]
    if done.returncode:
        wrong.append(f"status {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    if len(logs) < processes:
        wrong.append(f"{len(logs)} processes were looked at, not {processes}")
    return "\n".join(wrong)


def check(report, build, scenarios, capi_filter, planted=None):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            runner = compile(build, folder, ROOT / "tests/conformance/runner.c", planted=planted)
            capi = compile(build, folder, ROOT / "tests/capi/capi_test.c", ["-lcriterion"], planted)
        except RuntimeError as error:
            report.check(False, "the programs compile", error)
            return
        tests = len(re.findall(r"^[├└]", run([capi, "--list"]).stdout, re.M)) if capi_filter == "*" else 1
        jobs = {"capi": lambda: memcheck(capi, ["-j1", f"--filter={capi_filter}"], folder / "capi", tests + 1)}
        for path in scenarios:
            jobs[path.stem] = lambda path=path: memcheck(runner, [path], folder / path.stem)
        with ThreadPoolExecutor(2) as pool:
            for job, wrong in zip(jobs, pool.map(lambda one: one(), jobs.values())):
                report.check(not wrong, f"memcheck: {job}", wrong)


def canaries(build, scenarios):
    blind = []
    for planted in PLANTED:
        report = Report()
        print(f"-- planted: {planted}")
        check(report, build, scenarios, "run/*", planted)
        blind += [f"{planted} in {job}" for job in ("capi", *(path.stem for path in scenarios)) if f"memcheck: {job}" not in report.failures]
    return blind


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    build, report = arguments.build.resolve(), Report()
    missing = [tool for tool in ("valgrind", "gcc") if not shutil.which(tool)]
    if not missing and run(["gcc", "-E", "-x", "c", "-"], input="#include <criterion/criterion.h>\n").returncode:
        missing = ["Criterion"]
    if missing:
        report.skip("valgrind", f"{missing[0]} is not installed")
        return report.end()
    everything = sorted((ROOT / "tests/conformance/scenarios").glob("*.json"))
    if arguments.canary:
        return run_canaries(lambda: canaries(build, [path for path in everything if path.stem == "load"]))
    if unknown := set(arguments.scenarios) - {path.stem for path in everything}:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    wanted = [path for path in everything if path.stem in arguments.scenarios or not arguments.scenarios]
    check(report, build, wanted, "run/*" if arguments.scenarios else "*")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
