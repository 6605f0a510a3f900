#!/usr/bin/env python3
"""Lives in every language: build, load, run, a profiler's callback, an error, destroy, again and again in one process. Resident
memory, descriptors and objects stay as they were when it was warm.

    tests/soak/run.py --build DIR [--cycles N] [--canary] [LANGUAGE ...]

Each language has a program of this folder, `soak MODEL CYCLES WARM_UP [leak]`. After WARM_UP cycles and after CYCLES, which
counts from the first one, it collects what its language collects, prints the number of the library's objects, and waits for a line while it is measured. With `leak`
each cycle keeps an engine and a descriptor: the canary, whose every figure must be found to grow.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("capi", "tests/support", "tests/conformance")]
import models  # noqa: E402
from languages import Absent, cargo_settings, csharp_sources, java_sources, linked, need, python_settings  # noqa: E402
from report import Report, must_run  # noqa: E402

WARNINGS = ["-O1", "-Wall", "-Wextra", "-Werror"]
# Their heaps have their whole size from the beginning: what grows is outside.
JVM = ["-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"]


# Each gives (command, environment) of its program, compiled into `folder`.
def c(build, folder):
    need("gcc")
    must_run(["gcc", "-std=gnu11", *WARNINGS, HERE / "soak.c", "-o", folder / "soak_c", *linked(build)])
    return [folder / "soak_c"], {}


def cpp(build, folder):
    need("g++")
    must_run(["g++", "-std=c++17", *WARNINGS, HERE / "soak.cpp", "-o", folder / "soak_cpp", *linked(build)])
    return [folder / "soak_cpp"], {}


def python(build, folder):
    return [sys.executable, HERE / "soak.py"], python_settings(build)


def rust(build, folder):
    need("cargo")
    must_run(["cargo", "build", "-q", "--locked", "--release", "--manifest-path", ROOT / "bindings/rust/Cargo.toml", "-p",
             "tenon-conformance", "--bin", "soak"], cargo_settings(build))
    return [build / "bindings/rust/release/soak"], {}


def java(build, folder):
    need("javac", "java")
    must_run(["javac", "-encoding", "UTF-8", "-d", folder / "classes", *java_sources(build), HERE / "Soak.java"])
    return ["java", *JVM, f"-Dtenon.library.path={build / 'bindings/java'}", "-cp", folder / "classes", "Soak"], {}


def csharp(build, folder):
    need("mcs", "mono")
    must_run(["mcs", "-langversion:latest", "-unsafe", "-nowarn:1591", f"-out:{folder / 'Soak.exe'}", *csharp_sources(build),
             HERE / "Soak.cs"])
    return ["mono", folder / "Soak.exe"], {"LD_LIBRARY_PATH": str(build / "bindings/csharp")}


# How each is prepared, its cycles until it is warm (the JVM compiles for long, in memory that comes and goes), and by how many kB
# resident memory may grow afterwards: nothing is kept for a cycle, but the languages' own allocators move a little.
LANGUAGES = {"c": (c, 1000, 512), "cpp": (cpp, 1000, 512), "rust": (rust, 1000, 512), "python": (python, 1000, 1024),
             "java": (java, 15000, 4096), "csharp": (csharp, 1000, 2048)}

MOST_SECONDS = 300  # of one language


def measure(process):
    """(objects, kB resident, descriptors) of a program that waits; None if it has ended."""
    line = process.stdout.readline()
    found = re.fullmatch(r"(\d+) objects\n", line)
    if not found:
        return None
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    figures = int(found[1]), int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]), len(os.listdir(f"/proc/{process.pid}/fd"))
    process.stdin.write("\n")
    process.stdin.flush()
    return figures


def soak(command, environment, *arguments):
    """The figures when it was warm, those of the end, and what it said if it failed."""
    process = subprocess.Popen([str(part) for part in (*command, *arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    stop = threading.Timer(MOST_SECONDS, process.kill)  # a program that stands still is a failure of its language
    stop.start()
    try:
        warm, end = measure(process), measure(process)
        said = process.communicate()[1]
        return warm, end, "" if process.returncode == 0 and warm and end else f"status {process.returncode}\n{said}"
    finally:
        stop.cancel()
        process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--cycles", type=int, default=10000, help="after those that warm up")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", choices=[[], *LANGUAGES])
    arguments = parser.parse_args()
    build, report, blind = arguments.build.resolve(), Report(), []
    planted = " (planted)" if arguments.canary else ""
    print(f"  {'':8} {'cycles':>14}  {'kB resident':>17}  {'descriptors':>11}  {'objects':>11}  {'s':>5}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        models.write(folder)
        for language in arguments.languages or LANGUAGES:
            prepare, warm_up, bound = LANGUAGES[language]
            cycles = 1000 if arguments.canary else arguments.cycles
            try:
                command, environment = prepare(build, folder)
            except Absent as reason:
                report.skip(language, reason)
                continue
            except RuntimeError as error:
                report.check(False, f"{language}: the program compiles", error)
                continue
            start = time.monotonic()
            warm, end, wrong = soak(command, environment, folder / "linear.onnx", warm_up + cycles, warm_up, *(["leak"] if planted else []))
            if not report.check(not wrong, f"{language}: {cycles} lives", wrong):
                blind.append(f"{language} does not live")
                continue
            pairs = [f"{a} then {b}" for a, b in zip(warm, end)]
            print(f"  {language:8} {f'{warm_up} + {cycles}':>14}  {pairs[1]:>17}  {pairs[2]:>11}  {pairs[0]:>11}  {time.monotonic() - start:5.0f}", flush=True)
            for good, what in ((end[1] - warm[1] <= bound, f"memory grows by at most {bound} kB: {pairs[1]}"),
                               (end[2] <= warm[2], f"descriptors do not grow: {pairs[2]}"),
                               (end[0] <= warm[0], f"objects do not grow: {pairs[0]}")):
                if report.check(good, f"{language}: {what}{planted}") and planted:
                    blind.append(f"{language}: {what}")
    if planted and blind:
        print(f"leaks that are not found: {', '.join(blind)}\n0 passed, 0 failed, 0 skipped")
        return 0
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
