#!/usr/bin/env python3
"""What a plan promises, on whole networks.

    tests/plan/run.py [--build DIR] [--all] [--bless] [--check NAME]... [MODEL ...]
    tests/plan/run.py --device cuda --precision fp16 [--level N] [--check NAME]... [MODEL ...]

- refit: a plan built with weights A and refitted with B gives, bit for bit, the outputs of a plan built with B from
  the same timing cache; the two text dumps differ in weight hashes only; so does refitting back to A.
- determinism: two processes with the same model, configuration and timing cache write the same bytes. Shows the seconds of
  the build that fills the cache (on a GPU nothing is compiled before it either) and of two that use it.
- golden: steps, arena bytes and reformats under the fake timer, as golden.json says (`make bless` rewrites it). CPU only.
- threads: the same bits on 1, 2 and 4 threads. CPU only.
- refit-time: the median time to apply all weights, against a copy of as many bytes to the GPU. GPU only; cannot fail.

Without --all, the small subset of the zoo that `make test` takes time for.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import numpy as np  # noqa: E402
import target  # noqa: E402
import zoo  # noqa: E402

GOLDEN = pathlib.Path(__file__).with_name("golden.json")
HASHES = re.compile(r"hash=[0-9a-f]{16}")
REPEATS = 6  # of what is timed, after one that is not


def refit_of_zoo(arguments, name):
    """Failures of the refit promise for one network."""
    import tenon_ctypes as tenon
    cache = target.build(arguments, name, cpu_timer="fake").timing_cache
    plan_a, plan_b = (target.build(arguments, name, w, cpu_timer="fake", timing_cache=cache).plan for w in ("A", "B"))
    if plan_a == plan_b:
        return ["weights A and B give the same plan: the test has no second set of weights"], ""
    length = zoo.LENGTHS[1] if zoo.is_sequence(name) else None
    feed = zoo.draw(name, 3, length, seed=11)
    outputs_a, outputs_b = (tenon.Engine(plan).context().run(feed) for plan in (plan_a, plan_b))

    engine = tenon.Engine(plan_a)
    kept = engine.context()  # its recordings, on a GPU, hold the weights that it ran with
    for _ in range(2):
        kept.run(feed)
    refitter = tenon.Refitter(engine)
    failures = []
    for weights, outputs, plan in (("B", outputs_b, plan_b), ("A", outputs_a, plan_a)):
        if refitter.set_from(zoo.path(name, weights)) == 0:
            failures.append(f"no weight of {weights} was set")
        if missing := refitter.missing():
            failures.append(f"missing after all of {weights} were set: {missing[:3]}")
            continue
        refitter.apply()
        for which, context in (("a new context", engine.context()), ("a context that had run", kept)):
            for run in ("first", "second"):
                got = context.run(feed)
                for output, value in outputs.items():
                    if arguments.canary:
                        value = np.nextafter(value, np.inf)
                    if got[output].tobytes() != value.tobytes():
                        failures.append(f"refitted with {weights}, {run} run of {which}: {output} differs from a plan built with "
                                        f"{weights} by {zoo.error(got[output], value):.1e}")
        written = engine.serialize()
        if HASHES.sub("", tenon.inspect(written)) != HASHES.sub("", tenon.inspect(plan)):
            failures.append(f"refitted with {weights}: the dumps differ in more than weight hashes")
        if tenon.inspect(written) != tenon.inspect(plan):
            failures.append(f"refitted with {weights}: weight hashes differ from a plan built with {weights}")
    return failures, ""


def copy_times(size, device):
    """Milliseconds to copy so many bytes to the GPU, from pinned and from pageable memory; or why that is not known."""
    try:
        import torch
        to = torch.empty(size, dtype=torch.uint8, device=device)
    except Exception as error:  # no PyTorch, or one without this GPU
        return None, f"{type(error).__name__}: {error}".splitlines()[0]
    pageable = torch.ones(size, dtype=torch.uint8)
    out = []
    for source in (pageable.pin_memory(), pageable):
        times = []
        for _ in range(REPEATS + 1):
            torch.cuda.synchronize(device)
            start = time.perf_counter()
            to.copy_(source)
            torch.cuda.synchronize(device)
            times.append((time.perf_counter() - start) * 1e3)
        out.append(statistics.median(times[1:]))
    return out, ""


def refit_time(arguments, name):
    """Never fails: all weights applied, against a copy of as many bytes."""
    import tenon_ctypes as tenon
    engine = tenon.Engine(target.build(arguments, name).plan)
    refitter = tenon.Refitter(engine)
    times = []
    for turn in range(REPEATS + 1):
        refitter.set_from(zoo.path(name, "BA"[turn % 2]))
        start = time.perf_counter()
        refitter.apply()
        times.append((time.perf_counter() - start) * 1e3)
    size, apply_ms = engine.weight_size(), statistics.median(times[1:])
    note = f"apply {apply_ms:.2f} ms, {size / 1e6:.1f} MB of weights"
    copies, why_not = copy_times(size, arguments.device)
    if not copies:
        return [], f"{note}; no copy to compare with: {why_not}"
    pinned, pageable = copies
    return [], (f"{note}; a copy takes {pinned:.2f} ms from pinned memory, {pageable:.2f} ms from pageable: "
                f"{apply_ms / pinned:.1f} and {apply_ms / pageable:.1f} times as long")


def files_of(arguments, name):
    """The timing cache and the folder of compiled code that only the determinism check of this target uses."""
    stem = f"plan-{target.label(arguments)}{name}"
    return zoo.CACHE / f"{stem}.timing", zoo.CACHE / f"{stem}.code"


def digest(arguments, name):
    """SHA-256 and seconds of a plan built with the real timer and a timing cache that has all it needs."""
    timing, code = files_of(arguments, name)
    zoo.path(name)  # made outside the time
    start = time.perf_counter()
    built = target.build(arguments, name, timing_cache=timing, code_cache=code)
    return f"{hashlib.sha256(built.plan).hexdigest()} {time.perf_counter() - start:.2f}"


def determinism(arguments, name):
    def in_a_process():
        command = [sys.executable, __file__, "--build", str(arguments.build), *target.flags(arguments), "--digest", name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}")
        return done.stdout.split()[-2:]
    timing, code = files_of(arguments, name)
    timing.unlink(missing_ok=True)
    shutil.rmtree(code, ignore_errors=True)
    (first, cold), (second, warm), (third, again) = in_a_process(), in_a_process(), in_a_process()  # the first fills the cache
    shutil.rmtree(code, ignore_errors=True)
    note = f"cold {cold} s, warm {warm} s and {again} s"
    if second != third or (first != second and not target.on_gpu(arguments)):
        return [f"three builds from one timing cache: {first[:12]}, {second[:12]}, {third[:12]}"], note
    return [], note + ("; the cold build gave another plan" if first != second else "")


def statistics_of(name):
    import tenon_ctypes as tenon
    # A fixed target: statistics must not depend on how many processors or which instruction sets a machine has.
    built = tenon.build(zoo.path(name), [zoo.profile(name)], threads=2, timer="fake", onednn=False,
                        options={"mask_cpu": "avx512", "check_passes": "1"})
    profile = tenon.inspect(built.plan, as_json=True)["profiles"][0]
    kernels = [step["kernel"] for step in profile["steps"]]
    return {"steps": len(kernels), "arena_bytes": profile["arena_bytes"],
            "reformats": sum(k.startswith("reformat") for k in kernels)}


def golden(arguments, name):
    got = statistics_of(name)
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if arguments.bless:
        known[name] = got
        GOLDEN.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(known.items())) + "\n}\n")
        return [], ""
    if name not in known:
        return ["not in golden.json: make bless"], ""
    return [f"{key}: {got[key]}, golden {known[name].get(key)}" for key in got if got[key] != known[name].get(key)], ""


def threads(arguments, name):
    """Kernels as timed, those of oneDNN among them where it has any; and those of Tenon alone, in FP32 and BF16."""
    import tenon_ctypes as tenon
    length = zoo.LENGTHS[1] if zoo.is_sequence(name) else None
    feed = zoo.draw(name, 3, length, seed=13)
    failures = []
    for what, how in (("as timed", {}), ("without oneDNN", {"onednn": False}), ("in BF16", {"onednn": False, "precisions": ("bf16",)})):
        plan = tenon.build(zoo.path(name), [zoo.profile(name)], timer="real" if not how else "fake", threads=2, **how).plan
        results = [tenon.Engine(plan, threads=count).context().run(feed) for count in (1, 2, 4)]
        for count, result in zip((2, 4), results[1:]):
            for output, value in results[0].items():
                if result[output].tobytes() != value.tobytes():
                    failures.append(f"{what}: {output} on {count} threads differs from one by {zoo.error(result[output], value):.1e}")
    return failures, ""


# Each gives its failures and a note for its row. Where it makes sense: on the CPU, on a GPU.
CHECKS = {"refit": (refit_of_zoo, True, True), "determinism": (determinism, True, True), "golden": (golden, True, False),
          "threads": (threads, True, False),
          "refit-time": (refit_time, False, True)}


def one(arguments, check, name):
    failures, note = CHECKS[check][0](arguments, name)
    print("NOTE " + note)
    for failure in failures:
        print("FAILURE " + failure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="the whole zoo")
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("--check", choices=CHECKS, action="append", help="these only")
    target.add_options(parser)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--digest", help=argparse.SUPPRESS)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    if arguments.digest:
        return print(digest(arguments, arguments.digest))
    if arguments.one:
        return one(arguments, *arguments.one)

    names = arguments.models or (zoo.NAMES + ["magika"] if arguments.all else zoo.SUBSET)
    there = [check for check, (_, cpu, gpu) in CHECKS.items() if (gpu if target.on_gpu(arguments) else cpu)]
    checks = arguments.check or (["golden"] if arguments.bless else there)
    if impossible := set(checks) - set(there):
        parser.error(f"not on {arguments.device}: {', '.join(sorted(impossible))}")
    if arguments.canary:
        names, checks = names[:1], ["refit"]
    flags = [f for f, on in (("--bless", arguments.bless), ("--canary", arguments.canary)) if on]
    planted = " (planted)" if arguments.canary else ""
    passed, failures, skips = 0, [], []
    for name in names:
        for check in checks:
            if name == "magika" and check.startswith("refit"):
                skips.append(f"{check} of {name}: it has one set of weights")
                continue
            command = [sys.executable, __file__, "--build", str(arguments.build), *target.flags(arguments), *flags, "--one", check, name]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            found = [line[8:] for line in done.stdout.splitlines() if line.startswith("FAILURE ")]
            note = next((line[5:] for line in done.stdout.splitlines() if line.startswith("NOTE ")), "")
            if done.returncode != 0:
                last = done.stderr.strip().splitlines()[-1:] or ["no message"]
                found.append(f"ended with status {done.returncode}: {last[0]}")
            print(f"{name:24} {check:12} {'FAIL' if found else 'ok':5} {note}".rstrip(), flush=True)
            failures += [f"{check} of {name}{planted}: {reason}" for reason in found]
            passed += not found
    for failure in failures:
        print(f"FAILED {failure}")
    for skip in skips:
        print(f"SKIPPED {skip}")
    print(f"{passed} passed, {len(failures)} failed, {len(skips)} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
