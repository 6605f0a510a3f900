#!/usr/bin/env python3
"""What a plan promises, on whole networks.

    tests/plan/run.py [--build DIR] [--all] [--bless] [MODEL ...]

- refit: a plan built with weights A and refitted with B gives, bit for bit, the outputs of a plan built with B from
  the same timing cache; the two text dumps differ in weight hashes only; so does refitting back to A.
- determinism: two processes with the same model, configuration and timing cache write the same bytes.
- golden: steps, arena bytes and reformats under the fake timer, as golden.json says (`make bless` rewrites it).

Without --all, the small subset of the zoo that `make test` takes time for.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import numpy as np  # noqa: E402
import zoo  # noqa: E402

GOLDEN = pathlib.Path(__file__).with_name("golden.json")
HASHES = re.compile(r"hash=[0-9a-f]{16}")


def refit_of_zoo(arguments, name):
    """Failures of the refit promise for one network."""
    import tenon_ctypes as tenon
    if name == "magika":
        return []  # one set of weights only
    cache = tenon.build(zoo.path(name), [zoo.profile(name)], timer="fake").timing_cache
    plan_a, plan_b = (tenon.build(zoo.path(name, w), [zoo.profile(name)], timing_cache=cache, timer="fake").plan
                      for w in ("A", "B"))
    if plan_a == plan_b:
        return ["weights A and B give the same plan: the test has no second set of weights"]
    length = zoo.LENGTHS[1] if zoo.is_sequence(name) else None
    feed = zoo.draw(name, 3, length, seed=11)
    outputs_a, outputs_b = (tenon.Engine(plan).context().run(feed) for plan in (plan_a, plan_b))

    engine = tenon.Engine(plan_a)
    refitter = tenon.Refitter(engine)
    failures = []
    for weights, outputs, plan in (("B", outputs_b, plan_b), ("A", outputs_a, plan_a)):
        if refitter.set_from(zoo.path(name, weights)) == 0:
            failures.append(f"no weight of {weights} was set")
        if missing := refitter.missing():
            failures.append(f"missing after all of {weights} were set: {missing[:3]}")
            continue
        refitter.apply()
        got = engine.context().run(feed)
        for output, value in outputs.items():
            if arguments.canary:
                value = np.nextafter(value, np.inf)
            if got[output].tobytes() != value.tobytes():
                failures.append(f"refitted with {weights}: {output} differs from a plan built with {weights} "
                                f"by {zoo.error(got[output], value):.1e}")
        written = engine.serialize()
        if HASHES.sub("", tenon.inspect(written)) != HASHES.sub("", tenon.inspect(plan)):
            failures.append(f"refitted with {weights}: the dumps differ in more than weight hashes")
        if tenon.inspect(written) != tenon.inspect(plan):
            failures.append(f"refitted with {weights}: weight hashes differ from a plan built with {weights}")
    return failures


def digest(arguments, name):
    """SHA-256 of a plan built with the real timer and a timing cache that has all it needs."""
    import tenon_ctypes as tenon
    built = tenon.build(zoo.path(name), [zoo.profile(name)], timing_cache=zoo.CACHE / f"plan-{name}.timing")
    return hashlib.sha256(built.plan).hexdigest()


def determinism(arguments, name):
    def in_a_process():
        done = subprocess.run([sys.executable, __file__, "--build", str(arguments.build), "--digest", name],
                              capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}")
        return done.stdout.split()[-1]
    (zoo.CACHE / f"plan-{name}.timing").unlink(missing_ok=True)
    first, second, third = in_a_process(), in_a_process(), in_a_process()  # the first fills the cache
    if not first == second == third:
        return [f"three builds from one timing cache: {first[:12]}, {second[:12]}, {third[:12]}"]
    return []


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
        return []
    if name not in known:
        return ["not in golden.json: make bless"]
    return [f"{key}: {got[key]}, golden {known[name].get(key)}" for key in got if got[key] != known[name].get(key)]


CHECKS = {"refit": refit_of_zoo, "determinism": determinism, "golden": golden}


def one(arguments, check, name):
    for failure in CHECKS[check](arguments, name):
        print("FAILURE " + failure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="the whole zoo")
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("--check", choices=CHECKS, help="this one only")
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
    checks = [arguments.check] if arguments.check else ["golden"] if arguments.bless else list(CHECKS)
    if arguments.canary:
        names, checks = names[:1], ["refit"]
    flags = [f for f, on in (("--bless", arguments.bless), ("--canary", arguments.canary)) if on]
    planted = " (planted)" if arguments.canary else ""
    passed, failures = 0, []
    for name in names:
        for check in checks:
            command = [sys.executable, __file__, "--build", str(arguments.build), *flags, "--one", check, name]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            found = [line[8:] for line in done.stdout.splitlines() if line.startswith("FAILURE ")]
            if done.returncode != 0:
                last = done.stderr.strip().splitlines()[-1:] or ["no message"]
                found.append(f"ended with status {done.returncode}: {last[0]}")
            print(f"{name:24} {check:12} {'ok' if not found else 'FAIL'}", flush=True)
            failures += [f"{check} of {name}{planted}: {reason}" for reason in found]
            passed += not found
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
