#!/usr/bin/env python3
"""Whole networks through Tenon's C API against ONNX Runtime on the CPU.

    tests/models/run.py [--build DIR] [--subset] [--threads N] [--timer fake] [--device cuda --precision fp16]
                        [--least-share 0.95] [MODEL ...]

Each network is built once (profile: batch 1 to 4, sequences of 1 to 128) and run at batch 1 and 3 (and two sequence
lengths) from the same plan. Every floating-point output must satisfy ‖out−ref‖/‖ref‖ ≤ the precision's bound, 1e-4 in
FP32; integers and bools are equal. `share`: of the multiply-adds, those in the precision that is asked for. Each network
runs in a process of its own, so a crash is one failure. `--canary` disturbs the reference.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import numpy as np  # noqa: E402
import zoo  # noqa: E402

BOUNDS = {"fp32": 1e-4, "tf32": 5e-3, "fp16": 1e-2, "bf16": 5e-2}


def shapes_of(name):
    lengths = zoo.LENGTHS if zoo.is_sequence(name) else (None,)
    return [(batch, length) for length in lengths for batch in (1, 3)]


def processor_flags():
    with open("/proc/cpuinfo") as file:
        return next((line.split() for line in file if line.startswith("flags")), [])


def share_of(multiply_adds, precision):
    """Of the multiply-adds, those in the precision that is asked for."""
    total = sum(multiply_adds.values())
    return multiply_adds.get({"fp32": "f32", "fp16": "f16"}.get(precision, precision), 0) / total if total else 1.0


def one(arguments, name):
    """Builds and runs one network; prints one JSON row a shape."""
    import tenon_ctypes as tenon
    model = zoo.path(name)
    cache = zoo.CACHE / f"models-{arguments.device.replace(':', '-')}.timing"
    options = {} if arguments.device == "cpu" else {"code_cache": str(zoo.CACHE / "code")}
    start = time.monotonic()
    built = tenon.build(model, [zoo.profile(name)], device=arguments.device,
                        precisions=() if arguments.precision == "fp32" else (arguments.precision,),
                        level=arguments.level, threads=arguments.threads, timer=arguments.timer, options=options,
                        timing_cache=cache if arguments.timer == "real" else None)
    build_s = time.monotonic() - start
    if arguments.reports:
        arguments.reports.mkdir(parents=True, exist_ok=True)
        (arguments.reports / f"{name}.{arguments.precision}.json").write_text(json.dumps(built.report))
    engine = tenon.Engine(built.plan, threads=arguments.threads)
    context = engine.context()
    bound = BOUNDS[arguments.precision]
    share = share_of(built.report["multiply_adds"], arguments.precision)
    session = zoo.reference_session(model)
    names = [o.name for o in session.get_outputs()]
    for batch, length in shapes_of(name):
        feed = zoo.draw(name, batch, length, seed=7)
        expected = dict(zip(names, session.run(None, feed)))
        start = time.monotonic()
        got = context.run(feed)
        row = {"batch": batch, "length": length, "build_s": build_s, "plan_bytes": len(built.plan),
               "run_ms": (time.monotonic() - start) * 1e3, "share": share, "outputs": {}}
        for output, ref in expected.items():
            if arguments.canary:
                ref = ref * np.asarray(1 + 3 * bound, ref.dtype)
            out = got.get(output)
            if out is None or out.dtype != ref.dtype:
                row["outputs"][output] = f"missing, or not {ref.dtype}"
            elif np.issubdtype(ref.dtype, np.floating):
                row["outputs"][output] = zoo.error(out, ref)
            else:
                row["outputs"][output] = 0.0 if np.array_equal(out, ref) else "integers differ"
        print("ROW " + json.dumps(row), flush=True)


def check(arguments, name):
    """Runs `one` in a process of its own; prints the table's rows; returns (passed, failures)."""
    command = [sys.executable, __file__, "--build", str(arguments.build), "--one", name]
    command += ["--timer", arguments.timer, *(["--canary"] if arguments.canary else [])]
    command += ["--threads", str(arguments.threads)] if arguments.threads else []
    command += ["--level", str(arguments.level), "--device", arguments.device, "--precision", arguments.precision]
    command += ["--reports", str(arguments.reports)] if arguments.reports else []
    bound = BOUNDS[arguments.precision]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=arguments.seconds)
        status, text = done.returncode, done.stderr
        rows = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("ROW ")]
    except subprocess.TimeoutExpired:
        status, text, rows = -1, f"stopped after {arguments.seconds} s", []
    passed, failures = 0, []
    planted = " (planted)" if arguments.canary else ""
    for row in rows:
        bad = {o: e for o, e in row["outputs"].items() if isinstance(e, str) or not e <= bound}
        if row["share"] < arguments.least_share:
            bad["share"] = f"{row['share']:.1%} of the multiply-adds are in {arguments.precision}"
        worst = max((e for e in row["outputs"].values() if not isinstance(e, str)), default=float("nan"))
        shape = f"b{row['batch']}" + (f" L{row['length']}" if row["length"] else "")
        print(f"{name:24} {shape:9} {worst:9.1e} {row['build_s']:8.1f} {row['plan_bytes'] / 1e6:9.1f} "
              f"{row['run_ms']:9.1f} {row['share']:6.1%}  {'FAIL' if bad else 'ok'}", flush=True)
        if bad:
            failures.append(f"{name} {shape}{planted}: {bad}")
        else:
            passed += 1
    missing = len(shapes_of(name)) - len(rows)
    if missing or status != 0:
        reason = text.strip().splitlines()[-1] if text.strip() else "no message"
        print(f"{name:24} {'':9} {'':9} ended with status {status}: {text.strip()[-1500:]}", flush=True)
        failures += [f"{name}: status {status}: {reason}"] * max(missing, 1)
    return passed, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--subset", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--timer", default="real", help="fake: costs from a model, quick builds; shuffled:N: any choice")
    parser.add_argument("--level", type=int, default=3, help="the build's optimisation level")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=BOUNDS, default="fp32")
    parser.add_argument("--least-share", type=float, default=0, help="of the multiply-adds in the precision, else a failure")
    parser.add_argument("--reports", type=pathlib.Path, help="folder for the build reports")
    parser.add_argument("--seconds", type=int, default=1500, help="for one network")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    if arguments.one:
        return one(arguments, arguments.one)

    everything = zoo.NAMES + ["magika"]
    names = arguments.models or (zoo.SUBSET if arguments.subset else everything)
    if unknown := set(names) - set(everything):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(everything)}")
    if arguments.canary:
        names = names[:1]
    if arguments.device == "cpu" and arguments.precision == "bf16" and "avx512_bf16" not in processor_flags():
        for name in names:
            print(f"SKIPPED {name} in bf16: this processor does not have AVX512_BF16")
        print(f"0 passed, 0 failed, {len(names)} skipped")
        return 0
    print(f"{'model':24} {'shape':9} {'error':>9} {'build s':>8} {'plan MB':>9} {'run ms':>9} {'share':>6}")
    passed, failures = 0, []
    for name in names:
        good, bad = check(arguments, name)
        passed += good
        failures += bad
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
