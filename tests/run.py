#!/usr/bin/env python3
"""Runs test suites and adds up what they counted.

    tests/run.py [--build DIR] [--bless] SUITE ...     (SUITES below; `test` and `test-all` are groups)

Each suite ends with `N passed, N failed, N skipped`; skipped ones are listed by name with a reason. A suite that does
not print that line, or whose status is not 0, has failed. `canaries` plants one fault in every suite that has one and
demands that the suite fails.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
PYTHON = sys.executable


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)
    skips: list = field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.skips += other.skips

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Suite:
    """`kind` says how the program reports: gtest, pytest, or lines (it prints the closing line itself).

    A command holds {build}; `targets` are built first. `canary` is added to the command (or, for gtest and pytest, put
    into the environment as TENON_CANARY) to plant the fault; None: the suite is part of one that has a canary.
    """
    kind: str
    command: tuple
    targets: tuple = ()
    configure: tuple = ()  # (folder, meson options): built in a folder of its own
    canary: tuple | None = ()
    environment: tuple = ()
    seconds: int = 1200


SUITES = {}
# What the languages show; in each "test" and "test-all".
LANGUAGES = [
    "bindings",
    "conformance",
    "languages",
    "python",
    "java",
    "csharp",
    "rust",
]
GROUPS = {
    "test": ["layers", "docs", "onnx-attributes", "onnx-expansions", "unit", "kernels-avx2", "kernels-avx512", "filetests", "cli", "models-subset", "models-bf16", "networks", "plan", "provenance", "onnx",
             "onnx-dynamic", "onnx-export", "onnx-activations",
             "onnx-contrib", "onnx-versions", "diff", "abi", "capi", *LANGUAGES,
             "soak", "valgrind-sample", "asan-smoke", "fault", "stress", "fuzz-corpus", "device-code", "canaries"],
    "test-all": ["layers", "docs", "onnx-attributes", "onnx-expansions", "unit", "kernels-avx2", "kernels-avx512", "filetests", "cli", "models", "models-bf16", "networks", "plan-all", "provenance-all", "onnx",
                 "onnx-dynamic", "onnx-export", "onnx-activations",
                 "onnx-contrib", "onnx-versions-all", "diff", "diff-long", "abi", "capi", *LANGUAGES,
                 "python-wheel", "import-cost", "soak", "valgrind", "fault", "stress",
                 "fuzz-corpus", "device-code-all", "asan", "asan-corpus", "fault-asan", "capi-asan", "abi-asan",
                 "conformance-asan", "tsan", "capi-tsan", "abi-tsan", "conformance-tsan", "fuzz", "canaries"],
}


def suite(name, *args, **kwargs):
    SUITES[name] = Suite(*args, **kwargs)


suite("unit", "gtest", ("{build}/tests/unit_*",), targets=("unit",))
# The kernels of a smaller instruction set than this processor's, and what chooses between them.
for isa in ("avx2", "avx512"):
    suite(f"kernels-{isa}", "gtest", ("{build}/tests/unit_kernels", "{build}/tests/unit_tactics"),
          targets=("tests/unit_kernels", "tests/unit_tactics"), canary=None, environment=(("TENON_CPU", isa),))
suite("layers", "lines", (PYTHON, "tests/layers/run.py"), canary=("--canary",))
suite("docs", "lines", (PYTHON, "tests/docs/run.py"), canary=("--canary",))
suite("onnx-attributes", "lines", (PYTHON, "tests/onnx/attributes.py"), canary=("--canary",))
suite("onnx-expansions", "lines", (PYTHON, "tests/onnx/expansions.py", "--build", "{build}"), canary=("--canary",))
suite("onnx-export", "lines", (PYTHON, "tests/onnx/export.py", "--build", "{build}"), canary=("--canary",))
suite("filetests", "lines", ("{build}/tests/filetest", "tests/filetests"), targets=("tests/filetest",),
      canary=("--canary",))
suite("cli", "pytest", ("tests/cli",))
suite("models", "lines", (PYTHON, "tests/models/run.py", "--build", "{build}"), canary=None, seconds=7200)
suite("models-subset", "lines", (PYTHON, "tests/models/run.py", "--build", "{build}", "--subset"), canary=("--canary",))
# With costs from a model: which precision a loaded machine finds quicker is not what is tested.
suite("models-bf16", "lines", (PYTHON, "tests/models/run.py", "--build", "{build}", "--precision", "bf16", "--least-share", "0.95",
                               "--timer", "fake", "resnet50.dynamo",
                               "vit_b16.legacy", "bert_base.legacy"), canary=("--canary",))
suite("networks", "lines", (PYTHON, "tests/networks/run.py", "--build", "{build}"), canary=("--canary",))
suite("plan", "lines", (PYTHON, "tests/plan/run.py", "--build", "{build}"), canary=("--canary",))
suite("plan-all", "lines", (PYTHON, "tests/plan/run.py", "--build", "{build}", "--all"), canary=None, seconds=7200)
suite("provenance", "lines", (PYTHON, "tests/plan/provenance.py", "--build", "{build}"), canary=("--canary",))
suite("provenance-all", "lines", (PYTHON, "tests/plan/provenance.py", "--build", "{build}", "--all"), canary=None, seconds=7200)
suite("onnx", "lines", (PYTHON, "tests/onnx/run.py", "--build", "{build}"), canary=("--canary",))
suite("onnx-dynamic", "lines", (PYTHON, "tests/onnx/dynamic.py", "--build", "{build}"), canary=("--canary",))
suite("onnx-activations", "lines", (PYTHON, "tests/onnx/activations.py", "--build", "{build}"), canary=("--canary",))
suite("onnx-contrib", "lines", (PYTHON, "tests/onnx/contrib.py", "--build", "{build}"), canary=("--canary",))
# Every eighth conversion of the ONNX package's version converter, so that `make test` stays short.
suite("onnx-versions", "lines", (PYTHON, "tests/onnx/versions.py", "--build", "{build}", "--sample", "8"), canary=("--canary",))
suite("onnx-versions-all", "lines", (PYTHON, "tests/onnx/versions.py", "--build", "{build}"), canary=None)
suite("diff", "lines", (PYTHON, "tests/diff/run.py", "--build", "{build}", "--count", "1000"), canary=("--canary", "--count", "60"))
suite("diff-long", "lines", (PYTHON, "tests/diff/run.py", "--build", "{build}", "--seed", "1001", "--count", "10000"), canary=None, seconds=7200)
suite("abi", "lines", (PYTHON, "tests/abi/run.py", "--build", "{build}"), canary=("--canary",))
suite("capi", "lines", (PYTHON, "tests/capi/run.py", "--build", "{build}"), canary=("--canary",))
suite("bindings", "lines", (PYTHON, "tests/bindings/run.py", "--build", "{build}"), targets=("bindings",), canary=("--canary",))
suite("python", "pytest", ("tests/python",), targets=("bindings",))
suite("python-wheel", "lines", (PYTHON, "tests/python/wheel.py", "--build", "{build}"), targets=("bindings",), canary=("--canary",))
suite("conformance", "lines", (PYTHON, "tests/conformance/run.py", "--build", "{build}"), targets=("bindings",), canary=("--canary",))
suite("languages", "lines", (PYTHON, "tests/languages/run.py", "--build", "{build}"), canary=("--canary",))
suite("rust", "lines", (PYTHON, "tests/rust/run.py", "--build", "{build}"), canary=("--canary",))
suite("java", "lines", (PYTHON, "tests/java/run.py", "--build", "{build}"), targets=("bindings",), canary=("--canary",))
suite("csharp", "lines", (PYTHON, "tests/csharp/run.py", "--build", "{build}"), targets=("bindings",), canary=("--canary",))
suite("fault", "lines", ("{build}/tests/fault_allocation",), targets=("tests/fault_allocation",),
      canary=("--canary",))
suite("import-cost", "lines", (PYTHON, "tests/import_cost/run.py", "--build", "{build}"), canary=("--canary",))
suite("soak", "lines", (PYTHON, "tests/soak/run.py", "--build", "{build}"), targets=("bindings",), canary=("--canary",))
# Under memcheck a scenario takes seconds: `make test` takes one, and one of the tests of capi.
suite("valgrind-sample", "lines", (PYTHON, "tests/valgrind/run.py", "--build", "{build}", "run"), canary=("--canary",))
suite("valgrind", "lines", (PYTHON, "tests/valgrind/run.py", "--build", "{build}"), canary=None)
suite("stress", "lines", (PYTHON, "tests/stress/run.py", "--build", "{build}"), canary=("--canary",))
suite("fuzz-corpus", "lines", (PYTHON, "tests/fuzz/run.py", "--build", "{build}"), targets=("fuzz",))

# One instrumented build serves the unit tests, the sweep of failing allocations and the fuzzers. In it and in the one
# for ThreadSanitizer, unit_base also holds tests that the sanitizers find what is planted (base_sanitizer_test.cpp).
SANITIZED = ("-Doptimization=1", "-Dc_args=-g1", "-Db_lundef=false")
ASAN = {"configure": ("build-asan", (*SANITIZED, "--native-file", "tests/fuzz/clang.ini", "-Dfuzz=true",
                                     "-Db_sanitize=address,undefined", "-Dcpp_args=-g1 -fno-sanitize-recover=undefined")),
        "environment": (("ASAN_OPTIONS", "detect_leaks=1:allocator_may_return_null=1"), ("UBSAN_OPTIONS", "print_stacktrace=1"),
                        ("LSAN_OPTIONS", f"suppressions={ROOT}/tests/fault/lsan.supp:print_suppressions=0"))}
SMOKE = ("tests/unit_base", "tests/unit_onnx", "tests/unit_plan")
# No canary of their own: unit_base holds faults that the sanitizers must find.
suite("asan-smoke", "gtest", tuple("{build}/" + program for program in SMOKE), targets=SMOKE, canary=None, **ASAN)
suite("asan-corpus", "lines", (PYTHON, "tests/fuzz/run.py", "--build", "{build}", "--sanitized"), targets=("fuzz",),
      canary=None, **ASAN)
suite("asan", "gtest", ("{build}/tests/unit_*",), targets=("unit",), canary=None, seconds=3600, **ASAN)
suite("fault-asan", "lines", ("{build}/tests/fault_allocation",), targets=("tests/fault_allocation",), canary=None,
      seconds=3600, **ASAN)
suite("fuzz", "lines", (PYTHON, "tests/fuzz/run.py", "--build", "{build}", "--seconds", "600"), targets=("fuzz",),
      canary=None, seconds=7200, **ASAN)
# oneDNN's libgomp gives false reports: it is built without knowledge of ThreadSanitizer.
TSAN = {"configure": ("build-tsan", (*SANITIZED, "-Dcpp_args=-g1", "-Db_sanitize=thread", "-Donednn=disabled")),
        "environment": (("TSAN_OPTIONS", "halt_on_error=1"),)}
suite("tsan", "gtest", ("{build}/tests/unit_*",), targets=("unit",), canary=None, seconds=3600, **TSAN)
# The C API from C: programs that are instrumented like the library. They begin with faults that must be found.
C_PROGRAMS = {"capi": ("tests/capi/run.py",), "abi": ("tests/abi/run.py", "misuse"), "conformance": ("tests/conformance/run.py",)}
for of, command in C_PROGRAMS.items():
    for short, sanitizers, how in (("asan", "address,undefined", ASAN), ("tsan", "thread", TSAN)):
        suite(f"{of}-{short}", "lines", (PYTHON, *command, "--build", "{build}", "--sanitize", sanitizers), targets=("libraries",),
              canary=None, seconds=3600, **how)

# Every eighth source of the generated CUDA kernels, so that `make test` stays short; the whole without a sample.
suite("device-code", "gtest", ("{build}/tests/gpu/gpu_compile",), targets=("tests/gpu/gpu_compile",),
      environment=(("TENON_SAMPLE", "8"),))
suite("device-code-all", "gtest", ("{build}/tests/gpu/gpu_compile",), targets=("tests/gpu/gpu_compile",), canary=None)
for arch in ("sm_80", "sm_86", "sm_89"):
    suite(f"device-code-{arch}", "gtest", ("{build}/tests/gpu/gpu_compile", "--gtest_filter=DeviceCode.Compiles"),
          targets=("tests/gpu/gpu_compile",), canary=None, seconds=3600, environment=(("TENON_ARCHITECTURE", arch),))


def build_targets(folder, targets):
    if not targets:
        return True
    ninja = pathlib.Path(PYTHON).with_name("ninja")
    return subprocess.run([str(ninja), "-C", str(folder), "--quiet", *targets]).returncode == 0


def configure(folder, options):
    meson = pathlib.Path(PYTHON).with_name("meson")
    stamp = folder / "tests-run-options"
    if stamp.exists() and stamp.read_text() == repr(options):
        return True
    wipe = ["--wipe"] if (folder / "build.ninja").exists() else []
    done = subprocess.run([str(meson), "setup", *wipe, str(folder), *options], capture_output=True, text=True,
                          env={**os.environ, "NINJA": str(pathlib.Path(PYTHON).with_name("ninja"))})
    if done.returncode == 0:
        stamp.write_text(repr(options))
    else:
        print(done.stdout[-2000:])
    return done.returncode == 0


def stream(command, environment, seconds):
    """Runs a command, shows its output as it comes, and returns (status, lines)."""
    lines = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
                               cwd=ROOT, errors="replace")
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if not CLOSING.match(lines[-1]) and not lines[-1].startswith(("FAILED ", "SKIPPED ")):  # said at the end
                print(line, end="", flush=True)
        return process.wait(), lines
    finally:
        timer.cancel()
        process.kill()


def gtest(suite, build, environment):
    """One program per room: each is a process of its own, so that a crash is one failure."""
    counts = Counts()
    patterns = [part.removeprefix("{build}/") for part in suite.command if part.startswith("{build}/")]
    options = [part for part in suite.command if not part.startswith("{build}/")]
    programs = sorted(p for pattern in patterns for p in build.glob(pattern) if p.is_file() and os.access(p, os.X_OK))
    for program in programs:
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.json"
            try:
                done = subprocess.run([str(program), f"--gtest_output=json:{report}", "--gtest_brief=1", *options],
                                      env=environment, cwd=ROOT, capture_output=True, text=True, errors="replace",
                                      timeout=suite.seconds)
                status, text = done.returncode, done.stdout + done.stderr
            except subprocess.TimeoutExpired:
                status, text = -1, f"stopped after {suite.seconds} s"
            part = Counts()
            reasons = iter(re.findall(r": Skipped\n(.*)", text))  # in the order of the tests
            if report.exists():
                for group in json.loads(report.read_text())["testsuites"]:
                    for case in group["testsuite"]:
                        name = f"{program.name}: {case['classname']}.{case['name']}"
                        if case.get("failures"):
                            part.failed += 1
                            part.failures.append(name)
                        elif case["result"] == "SKIPPED":
                            part.skipped += 1
                            part.skips.append(f"{name}: {next(reasons, 'no reason given').strip()}")
                        elif case["status"] == "RUN":
                            part.passed += 1
            if status != 0 and part.failed == 0:
                part.failed += 1
                part.failures.append(f"{program.name}: ended with status {status}")
            if part.failed:
                print(text[-6000:])
            print(f"  {program.name}: {part}", flush=True)
            counts.add(part)
    if not programs:
        counts.failed, counts.failures = 1, ["no test program was built"]
    return counts


def pytest(suite, build, environment):
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *suite.command]
        status, _ = stream(command, environment, suite.seconds)
        if report.exists():
            for case in xml.parse(report).getroot().iter("testcase"):
                name = f"{case.get('classname')}.{case.get('name')}"
                if case.find("failure") is not None or case.find("error") is not None:
                    counts.failed += 1
                    counts.failures.append(name)
                elif (skip := case.find("skipped")) is not None:
                    counts.skipped += 1
                    of_module = re.search(r"Skipped: (.*?)['\"]\)", skip.text or "")  # a whole file
                    counts.skips.append(f"{name}: {of_module.group(1) if of_module else skip.get('message')}")
                else:
                    counts.passed += 1
    if status != 0 and counts.failed == 0:
        counts.failed, counts.failures = 1, [f"pytest ended with status {status}"]
    return counts


def lines(suite, build, environment, extra=()):
    command = [part.format(build=build) for part in suite.command] + list(extra)
    status, output = stream(command, environment, suite.seconds)
    closing = [m for m in map(CLOSING.match, output) if m]
    if not closing:
        return Counts(failed=1, failures=[f"ended with status {status} and no closing line"])
    counts = Counts(*map(int, closing[-1].groups()))
    counts.failures = [line.removeprefix("FAILED ") for line in output if line.startswith("FAILED ")]
    counts.skips = [line.removeprefix("SKIPPED ") for line in output if line.startswith("SKIPPED ")]
    if status != 0 and counts.failed == 0:
        counts.failed, counts.failures = 1, [f"ended with status {status}"]
    return counts


def run_suite(name, build, extra=(), planted=False):
    suite = SUITES[name]
    if suite.configure:
        build = ROOT / suite.configure[0]
        if not configure(build, suite.configure[1]):
            return Counts(failed=1, failures=[f"{name}: {build} could not be configured"])
    if not build_targets(build, suite.targets):
        return Counts(failed=1, failures=[f"{name}: {' '.join(suite.targets)} could not be built"])
    environment = {**os.environ, "TENON_BUILD": str(build), "PYTHONPATH": str(ROOT / "tests" / "support"),
                   **dict(suite.environment)}
    if planted:
        environment["TENON_CANARY"] = "1"
    if suite.kind == "gtest":
        return gtest(suite, build, environment)
    if suite.kind == "pytest":
        return pytest(suite, build, environment)
    return lines(suite, build, environment, extra)


def run_canaries(build):
    """Each suite with its planted fault: passed when exactly that makes it fail."""
    counts = Counts()
    for name, suite in SUITES.items():
        if suite.canary is None or name not in GROUPS["test-all"] + GROUPS["test"]:
            continue
        print(f"-- {name} with a planted fault", flush=True)
        sys.stdout.flush()
        result = run_suite(name, build, extra=suite.canary, planted=True)
        if result.failed > 0 and any("canary" in f.lower() or "planted" in f.lower() for f in result.failures):
            counts.passed += 1
        else:
            counts.failed += 1
            counts.failures.append(f"canary of {name}: the planted fault was not found ({result})")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE", choices=[*SUITES, *GROUPS, "canaries"])
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--bless", action="store_true", help="rewrite expectations (filetests, plan)")
    parser.add_argument("--seconds", help="for fuzz: how long each target runs")
    arguments = parser.parse_args()

    names = [part for name in arguments.suites for part in GROUPS.get(name, [name])]
    extra = [*(["--bless"] if arguments.bless else []), *(["--seconds", arguments.seconds] if arguments.seconds else [])]
    total, rows = Counts(), []
    for name in names:
        print(f"== {name}", flush=True)
        start = time.monotonic()
        counts = run_canaries(arguments.build.resolve()) if name == "canaries" else run_suite(
            name, arguments.build.resolve(), extra)
        rows.append((name, counts, time.monotonic() - start))
        total.add(counts)

    print()
    for skip in total.skips:
        print(f"SKIPPED {skip}")
    if len(rows) > 1:
        for name, counts, seconds in rows:
            print(f"{name:16} {str(counts):44} {seconds:6.0f} s")
    for failure in total.failures:
        print(f"FAILED {failure}")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
