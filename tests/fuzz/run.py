#!/usr/bin/env python3
"""Replays the fuzzers' corpora, or fuzzes.

    tests/fuzz/run.py --build DIR                        replay every corpus, and mutations where a target makes them
    tests/fuzz/run.py --build DIR --seconds N [TARGET]   fuzz each target for N seconds, in DIR configured -Dfuzz=true

New inputs that a run finds go to .cache/fuzz/TARGET, findings to .cache/fuzz/TARGET-findings; both are kept between
runs. With TENON_CANARY in the environment every replay crashes.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def targets():
    return re.findall(r"^  \['(\w+)',", (HERE / "meson.build").read_text(), re.MULTILINE)


def seeds(name):
    folder = HERE / "corpus" / name
    return sorted(folder.iterdir()) if folder.is_dir() else []


def replay(build):
    passed = failed = 0
    for name in targets():
        inputs = seeds(name)
        done = subprocess.run([build / "tests/fuzz" / f"fuzz_{name}", "--mutate", "2000", *inputs], capture_output=True,
                              text=True, errors="replace")
        if done.returncode == 0:
            passed += max(len(inputs), 1)
            print(f"{name}: {done.stdout.strip()}")
        else:
            failed += 1
            planted = "planted canary, " if os.environ.get("TENON_CANARY") else ""
            print(f"{done.stderr[-3000:]}\nFAILED {planted}{name}: ended with status {done.returncode}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


def fuzz(build, seconds, wanted):
    passed = failed = 0
    for name in wanted or targets():
        found = ROOT / ".cache/fuzz" / name
        findings = ROOT / ".cache/fuzz" / f"{name}-findings"
        for folder in (found, findings):
            folder.mkdir(parents=True, exist_ok=True)
        dictionary = HERE / f"{name}.dict"
        command = [build / "tests/fuzz" / f"fuzz_{name}", f"-max_total_time={seconds}", "-max_len=16384", "-timeout=20",
                   "-rss_limit_mb=3000", "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={findings}/",
                   *([f"-dict={dictionary}"] if dictionary.exists() else []), found,
                   *([HERE / "corpus" / name] if seeds(name) else [])]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        runs = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
        coverage = re.findall(r"cov: (\d+)", done.stderr)
        print(f"{name}: {runs[1] if runs else '?'} inputs in {seconds} s, {coverage[-1] if coverage else '?'} edges covered")
        if done.returncode == 0:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {name}: a finding in {findings}\n{done.stderr[-6000:]}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("target", nargs="*")
    options = parser.parse_args()
    build = options.build.resolve()
    sys.exit(fuzz(build, options.seconds, options.target) if options.seconds else replay(build))


if __name__ == "__main__":
    main()
