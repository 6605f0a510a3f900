#!/usr/bin/env python3
"""Replays the fuzzers' corpora, or fuzzes.

    tests/fuzz/run.py --build DIR [--sanitized] [TARGET]   replay every corpus, and mutations of it
    tests/fuzz/run.py --build DIR --seconds N [TARGET]     fuzz each target for N seconds

--sanitized and --seconds need DIR configured with -Dfuzz=true and sanitizers. New inputs that a run finds go to
.cache/fuzz/TARGET, findings to .cache/fuzz/TARGET-findings; both are kept between runs, so that short runs add up. With
TENON_CANARY in the environment every replay crashes, in a sanitized build through the sanitizer.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MOST_BYTES = 16384


def targets():
    return re.findall(r"^  \['(\w+)',", (HERE / "meson.build").read_text(), re.MULTILINE)


def suite_models(folder):
    """The models of ONNX's backend cases, copied to `folder`."""
    import onnx
    found = []
    for model in sorted((pathlib.Path(onnx.__file__).parent / "backend/test/data").glob("*/*/model.onnx")):
        copy = folder / f"{model.parent.name}.onnx"
        if model.stat().st_size <= MOST_BYTES and not copy.exists():
            shutil.copyfile(model, copy)
            found.append(copy)
    return found


def seeds(name, build, folder, fuzzing=False):
    """Files to begin with: those in corpus/, for `onnx` when it fuzzes the models of ONNX's backend cases, and for `plan`
    those that `onnx` builds of its own, written to `folder`."""
    kept = HERE / "corpus" / name
    files = sorted(kept.iterdir()) if kept.is_dir() else []
    if name == "onnx" and fuzzing:
        files += suite_models(folder)
    if name != "plan":
        return files
    subprocess.run([build / "tests/fuzz/fuzz_onnx", *seeds("onnx", build, folder)], capture_output=True, check=True,
                   env={**os.environ, "TENON_FUZZ_PLANS": str(folder)})
    return files + sorted(folder.iterdir())


def replay(build, wanted, sanitized):
    passed = failed = 0
    for name in wanted or targets():
        program = build / "tests/fuzz" / f"fuzz_{name}"
        with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as found:
            try:
                inputs = seeds(name, build, pathlib.Path(made))
            except subprocess.CalledProcessError:  # onnx is at fault, and says so itself
                inputs = []
            command = [program, "--mutate", "2000", *inputs]
            if sanitized:
                command = [program, f"-runs={2000 + len(inputs)}", "-seed=1", "-timeout=20", f"-artifact_prefix={found}/",
                           found, *sorted({i.parent for i in inputs})]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            passed += max(len(inputs), 1)
            print(f"{name}: {len(inputs)} inputs and 2000 that were made of them")
        else:
            failed += 1
            planted = os.environ.get("TENON_CANARY") and (not sanitized or "AddressSanitizer" in done.stderr)
            print(f"{done.stderr[-3000:]}\nFAILED {'planted canary, ' if planted else ''}{name}: ended with status "
                  f"{done.returncode}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


def fuzz(build, seconds, wanted):
    passed = failed = 0
    for name in wanted or targets():
        found = ROOT / ".cache/fuzz" / name
        findings = ROOT / ".cache/fuzz" / f"{name}-findings"
        for folder in (found, findings):
            folder.mkdir(parents=True, exist_ok=True)
        fresh = ROOT / ".cache/fuzz" / f"{name}-seeds"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        inputs = seeds(name, build, fresh, fuzzing=True)
        dictionary = HERE / f"{name}.dict"
        command = [build / "tests/fuzz" / f"fuzz_{name}", f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", "-timeout=20",
                   "-rss_limit_mb=3000", "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={findings}/",
                   *([f"-dict={dictionary}"] if dictionary.exists() else []), found,
                   *sorted({i.parent for i in inputs})]
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
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("target", nargs="*")
    options = parser.parse_args()
    build = options.build.resolve()
    sys.exit(fuzz(build, options.seconds, options.target) if options.seconds
             else replay(build, options.target, options.sanitized))


if __name__ == "__main__":
    main()
