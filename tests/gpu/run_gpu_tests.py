#!/usr/bin/env python3
"""Runs the GPU suites of an unpacked bundle, as many as there is time for; a later call goes on.

    ./run-gpu-tests [--seconds N] [--results FILE] [--jobs N] [--list] [NAME ...]

NAME: a suite (SUITES below), a suite in one precision, or one row: `models`, `models-fp16`, `models-fp16/resnet50.legacy`.
One JSON line a row goes into FILE, with the commit; what FILE says of this commit is not run again. Suites whose times
count run alone, after the others. Ends with `N passed, N failed, N skipped`; what there was no time for is listed as not
run, what cannot run here as skipped, with the reason.
"""
import argparse
import concurrent.futures
import datetime
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE / "build"
FEW = ("squeezenet1_1.dynamo", "resnet50.legacy", "bert_base.legacy")
# Where compute-sanitizer looks: everything that fails no call, loses no GPU and expects no times on purpose, and a sample of
# the tables of kernels. Racecheck takes Tenon's own kernels only, a few of each.
SANITIZED = {
    "memcheck/device": ("memcheck", "gpu_device", ("--gtest_filter=-Gpu.EveryCallMayFail:Gpu.MeasuresEachExecution:GpuDeathTest.*",)),
    "memcheck/kernels": ("memcheck", "gpu_kernels", ("--every=25",)),
    "memcheck/gemm": ("memcheck", "gpu_gemm", ("--every=40",)),
    "memcheck/attention": ("memcheck", "gpu_attention", ("--every=25",)),
    "racecheck/gemm": ("racecheck", "gpu_gemm", (".mma", ".wgmma", "--every=80")),
    "racecheck/attention": ("racecheck", "gpu_attention", ("cuda.attention", "--every=60")),
}


TOOLS = {"memcheck": ("--report-api-errors", "no"), "racecheck": ()}  # calls that fail are the programs' own to judge


class Skipped(Exception):
    """Why a row cannot run here."""


# --- What a row runs: each of these gives the command, from the row's precision and what stands behind its name's slash.
def program(path):
    return lambda precision, what: [BUILD / path, "--gtest_brief=1"]


def script(path, *flags):
    return lambda precision, network: [sys.executable, HERE / path, "--build", BUILD, "--device", "cuda", "--precision", precision,
                                       "--level", "1", *flags, network]


def enqueue(precision, network):
    return [sys.executable, pathlib.Path(__file__).resolve(), "--enqueue", network, precision]


def drawn_networks(precision, what):
    if not importlib.util.find_spec("onnx"):
        raise Skipped("the package onnx, which the networks are made with, is not installed")
    return [sys.executable, HERE / "tests/networks/run.py", "--build", BUILD, "--device", "cuda", "--precision", precision]


def sanitizer(precision, what):
    tool, name, flags = SANITIZED[what]
    return [find_sanitizer(), "--tool", tool, *TOOLS[tool], "--error-exitcode", "99", "--print-limit", "20",
            BUILD / "tests/gpu" / name, "--gtest_brief=1", *flags]


@dataclass(frozen=True)
class Suite:
    command: object
    precisions: tuple = ()   # none: the suite knows no precision
    of: object = ("",)       # what each precision runs on, networks as a rule; a function when it is looked up
    alone: bool = False      # its times or the GPU's free memory count: nothing runs beside it


def networks():
    return sorted(p.name.removesuffix(".onnx") for p in (HERE / "tests/data/zoo").glob("*.onnx"))


SUITES = {
    "device": Suite(program("tests/gpu/gpu_device")),
    "kernels": Suite(program("tests/gpu/gpu_kernels")),
    "gemm": Suite(program("tests/gpu/gpu_gemm")),
    "attention": Suite(program("tests/gpu/gpu_attention")),
    "models": Suite(script("tests/models/run.py"), ("fp32", "tf32", "fp16", "bf16"), networks),
    "networks": Suite(drawn_networks, ("fp32", "fp16")),
    "refit": Suite(script("tests/plan/run.py", "--check", "refit"), ("fp32", "fp16"), FEW),
    "determinism": Suite(script("tests/plan/run.py", "--check", "determinism"), ("fp32", "fp16"), FEW, alone=True),
    "stress": Suite(script("tests/stress/run.py"), ("fp32", "fp16"), FEW, alone=True),
    "refit-time": Suite(script("tests/plan/run.py", "--check", "refit-time"), ("fp32", "fp16"), FEW, alone=True),
    "enqueue": Suite(enqueue, ("fp16",), FEW[1:], alone=True),
    "sanitizer": Suite(sanitizer, (), tuple(SANITIZED)),
}


@dataclass(frozen=True)
class Row:
    suite: str
    precision: str
    what: str
    name: str = field(init=False)
    family: str = field(init=False)  # the suite in one precision

    def __post_init__(self):
        family = f"{self.suite}-{self.precision}" if self.precision else self.suite
        object.__setattr__(self, "family", family)
        object.__setattr__(self, "name", f"{family}/{self.what}" if self.what else family)


def rows():
    return [Row(name, precision, what) for name, suite in SUITES.items() for precision in suite.precisions or ("",)
            for what in (suite.of() if callable(suite.of) else suite.of)]


# --- Where things are
def packages():
    return pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"


def find_sanitizer():
    places = [shutil.which("compute-sanitizer"), "/usr/local/cuda/bin/compute-sanitizer",
              "/usr/local/cuda/compute-sanitizer/compute-sanitizer", *packages().glob("**/compute-sanitizer")]
    for place in places:
        if place and pathlib.Path(place).is_file() and os.access(place, os.X_OK):
            return place
    raise Skipped("compute-sanitizer is not in PATH, /usr/local/cuda or the nvidia packages of this Python")


def environment():
    folders = [str(p) for p in packages().glob("*/lib")]
    return {**os.environ, "TENON_BUILD": str(BUILD), "TENON_MODULE_DIR": str(BUILD),
            "TENON_CACHE": os.environ.get("TENON_CACHE", str(HERE / "cache")),
            "PYTHONPATH": str(HERE / "tests/support"),
            "LD_LIBRARY_PATH": ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")])}


def gpu():
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True)
    except OSError:
        return "no GPU"
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else "no GPU"


# --- Running
def build_and_enqueue(network, precision):
    """The enqueue suite's row, in a process of its own: a plan for batch 1 through the command-line tool, then gpu_enqueue."""
    import zoo
    plan = zoo.CACHE / f"enqueue-{network}.{precision}.plan"
    timing = zoo.CACHE / f"enqueue-{precision}.timing"
    feed = zoo.draw(network, 1, zoo.LENGTHS[0] if zoo.is_sequence(network) else None)
    shapes = ",".join(f"{name}:{'x'.join(map(str, value.shape))}" for name, value in feed.items())
    subprocess.run([BUILD / "tenon", "build", zoo.path(network), "-o", plan, "--device", "cuda", f"--{precision}", "--opt-level", "1",
                    "--shapes", shapes, "--timing-cache", timing], check=True)
    return subprocess.run([BUILD / "tests/gpu/gpu_enqueue", plan]).returncode


def counted(text):
    """Passed and skipped tests of what ran, by its closing line or GoogleTest's."""
    closing = re.findall(r"^(\d+) passed, \d+ failed, (\d+) skipped$", text, re.M)
    if closing:
        return int(closing[-1][0]), int(closing[-1][1])
    passed, skipped = re.search(r"\[  PASSED  \] (\d+) test", text), re.search(r"\[  SKIPPED \] (\d+) test", text)
    return int(passed.group(1)) if passed else 0, int(skipped.group(1)) if skipped else 0


def told(text):
    """What a passed row keeps of its output, and the least share of multiply-adds in its precision."""
    lines = [line for line in text.splitlines() if re.search(r" (ok|fixed|rotating)( |$)|^\{|µs|ERROR SUMMARY|RACECHECK SUMMARY|\d+ passed, ", line)]
    shares = [float(share) for line in lines for share in re.findall(r" (\d+\.\d)%  ok$", line)]
    return lines, min(shares) / 100 if shares else None


def run_one(row, seconds):
    start = time.monotonic()
    try:
        command = SUITES[row.suite].command(row.precision, row.what)
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment(), cwd=HERE)
    except Skipped as why:
        return {"name": row.name, "result": "skipped", "why": str(why)}
    except subprocess.TimeoutExpired:
        return {"name": row.name, "result": "not run", "why": f"stopped after {seconds:.0f} s"}
    text = done.stdout + done.stderr
    out = {"name": row.name, "seconds": round(time.monotonic() - start, 1)}
    passed, skipped = counted(text)
    if done.returncode == 0 and passed == 0 and skipped:
        return {**out, "result": "skipped", "why": " ".join(text.strip()[-600:].split())}
    if done.returncode != 0:
        return {**out, "result": "failed", "text": text.strip()[-3000:].splitlines()}
    lines, share = told(text)
    return {**out, "result": "passed", "text": lines, **({} if share is None else {"share": share})}


def show(row):
    parts = [f"{row['result']:8}", row["name"]]
    if "seconds" in row:
        parts.append(f"{row['seconds']} s")
    if "share" in row:
        parts.append(f"share {row['share']:.1%}")
    print(*parts, row.get("why", "")[:200], flush=True)
    for line in row.get("text", []):
        print(f"         {line[:300]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results.jsonl")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--list", action="store_true", help="the rows, and nothing else")
    parser.add_argument("--enqueue", nargs=2, metavar=("NETWORK", "PRECISION"), help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.enqueue:
        return build_and_enqueue(*arguments.enqueue)
    every = rows()
    if unknown := [n for n in arguments.names if not any(n in (r.suite, r.family, r.name) for r in every)]:
        parser.error(f"unknown: {', '.join(unknown)}; suites: {', '.join(SUITES)}")
    wanted = [r for r in every if not arguments.names or {r.suite, r.family, r.name} & set(arguments.names)]
    if arguments.list:
        print("\n".join(r.name for r in wanted))
        return 0

    commit, device = (HERE / "commit").read_text().strip(), gpu()
    known = {}
    if arguments.results.exists():
        lines = map(json.loads, arguments.results.read_text().splitlines())
        known = {line["name"]: line for line in lines if line["commit"] == commit and line["result"] in ("passed", "failed")}
    print(f"{device}, commit {commit}: {len(wanted)} wanted, {sum(r.name in known for r in wanted)} known", flush=True)
    end = time.monotonic() + arguments.seconds
    arguments.results.parent.mkdir(parents=True, exist_ok=True)

    def job(row):
        left = end - time.monotonic()
        return run_one(row, left) if left > 5 else {"name": row.name, "result": "not run", "why": "no time left"}

    with arguments.results.open("a") as file:
        for alone in (False, True):
            left = [r for r in wanted if r.name not in known and SUITES[r.suite].alone == alone]
            with concurrent.futures.ThreadPoolExecutor(1 if alone else arguments.jobs) as pool:
                for row in pool.map(job, left):
                    row.update(commit=commit, device=device, date=datetime.date.today().isoformat())
                    known[row["name"]] = row
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                    show(row)
    counts = {kind: sum(known[r.name]["result"] == kind for r in wanted) for kind in ("passed", "failed", "skipped", "not run")}
    for result in (known[r.name] for r in wanted):
        if result["result"] in ("not run", "skipped"):
            print(f"SKIPPED {result['name']}: {result['result']}, {result['why'][:200]}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped'] + counts['not run']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
