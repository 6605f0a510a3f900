#!/usr/bin/env python3
"""Runs the GPU suites of an unpacked bundle, as many as there is time for; a later call goes on.

    ./run-gpu-tests [--seconds N] [--results FILE] [--jobs N] [SUITE ...]

SUITE: device, kernels, gemm, attention, or models-PRECISION (fp32, tf32, fp16, bf16), or models-PRECISION/NETWORK. One
JSON line a suite or network goes into FILE, with the commit; what FILE says of this commit is not run again. Ends with
`N passed, N failed, N skipped`, where a network at one precision and a suite of programs are one each; what there was no
time for is listed as not run.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import time

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = {"device": "tests/gpu/gpu_device", "kernels": "tests/gpu/gpu_kernels", "gemm": "tests/gpu/gpu_gemm",
            "attention": "tests/gpu/gpu_attention"}
PRECISIONS = ("fp32", "tf32", "fp16", "bf16")


def networks():
    return sorted(p.name.removesuffix(".onnx") for p in (HERE / "tests/data/zoo").glob("*.onnx"))


def environment():
    packages = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    folders = [str(p) for p in packages.glob("*/lib")]
    return {**os.environ, "TENON_BUILD": str(HERE / "build"), "TENON_MODULE_DIR": str(HERE / "build"),
            "TENON_CACHE": os.environ.get("TENON_CACHE", str(HERE / "cache")),
            "PYTHONPATH": str(HERE / "tests/support"),
            "LD_LIBRARY_PATH": ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")])}


def gpu():
    done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True)
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else "no GPU"


def run_one(name, seconds):
    suite, _, network = name.partition("/")
    if suite in PROGRAMS:
        command = [HERE / "build" / PROGRAMS[suite], "--gtest_brief=1"]
    else:
        command = [sys.executable, HERE / "tests/models/run.py", "--build", HERE / "build", "--device", "cuda", "--precision",
                   suite.removeprefix("models-"), "--level", "1", network]
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment(), cwd=HERE)
        status, text = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return {"name": name, "result": "not run", "why": f"stopped after {seconds:.0f} s"}
    row = {"name": name, "seconds": round(time.monotonic() - start, 1)}
    if suite in PROGRAMS and re.search(r"\[  SKIPPED \] 1 test", text) and "[  PASSED  ] 0 tests" in text:
        return {**row, "result": "skipped", "why": text.strip()[-600:]}
    row["result"] = "passed" if status == 0 else "failed"
    row["text"] = [line for line in text.splitlines() if line.endswith(" ok")] if status == 0 else text.strip()[-3000:].splitlines()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results.jsonl")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    arguments = parser.parse_args()
    commit, device = (HERE / "commit").read_text().strip(), gpu()
    wanted = []
    for suite in arguments.suites or [*PROGRAMS, *(f"models-{p}" for p in PRECISIONS)]:
        is_family = suite.startswith("models-") and "/" not in suite
        wanted += [f"{suite}/{network}" for network in networks()] if is_family else [suite]
    known = {}
    if arguments.results.exists():
        rows = map(json.loads, arguments.results.read_text().splitlines())
        known = {r["name"]: r for r in rows if r["commit"] == commit and r["result"] in ("passed", "failed")}
    print(f"{device}, commit {commit}: {len(wanted)} wanted, {len(set(wanted) & set(known))} known")
    end = time.monotonic() + arguments.seconds
    arguments.results.parent.mkdir(parents=True, exist_ok=True)

    def job(name):
        left = end - time.monotonic()
        return run_one(name, left) if left > 5 else {"name": name, "result": "not run", "why": "no time left"}

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool, arguments.results.open("a") as file:
        for row in pool.map(job, [name for name in wanted if name not in known]):
            row.update(commit=commit, device=device, date=datetime.date.today().isoformat())
            known[row["name"]] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"{row['result']:8} {row['name']} {row.get('seconds', '')} {row.get('why', '')[:200]}", flush=True)
            for line in row.get("text", []):
                print(f"         {line[:200]}")
    counts = {kind: sum(known[name]["result"] == kind for name in wanted) for kind in ("passed", "failed", "skipped", "not run")}
    for name in wanted:
        if known[name]["result"] in ("not run", "skipped"):
            print(f"SKIPPED {name}: {known[name]['result']}, {known[name]['why'][:200]}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped'] + counts['not run']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
