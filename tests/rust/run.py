#!/usr/bin/env python3
"""The crate tenon: its tests, what must not compile, the code in its pages, with and without the feature ndarray; the example.

    tests/rust/run.py --build DIR [--canary]
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("bindings", "capi", "tests/support")]
import api as public  # noqa: E402
import called  # noqa: E402
import coverage  # noqa: E402

TEST = re.compile(r"^test (.*) \.\.\. (ok|FAILED|ignored)", re.M)


def cargo(build, *arguments, environment=None):
    settings = {"CARGO_TARGET_DIR": str(build / "bindings" / "rust"), "TENON_LIB_DIR": str(build), "RUSTFLAGS": "-D warnings"}
    return subprocess.run(["cargo", *arguments], cwd=ROOT / "bindings" / "rust", capture_output=True, text=True, errors="replace",
                          env={**os.environ, **settings, **(environment or {})}, timeout=1200)


def uncalled(build):
    """Functions that the crate calls, and no test of it does."""
    done = cargo(build, "test", "--locked", "-p", "tenon", "--test", "tenon", "--no-run", "--message-format=json")
    program = re.findall(r'"executable":"([^"]*/deps/tenon-[^"]*)"', done.stdout)[-1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        environment = called.environment(called.make_shim(folder, build), folder / "names")
        subprocess.run([program], cwd=folder, env={**os.environ, **environment}, capture_output=True, timeout=300)
        names = called.names(folder / "names")
    wanted = coverage.named_in("rust", ROOT)[0] & {f.name for f in public.load().functions}
    print(f"  {len(names & wanted)} of {len(wanted)} functions called")
    return sorted(wanted - names)


FILES = {"README.md": "markdown", "Makefile": "makefile", "examples/demo/demo.py": "python", "LICENSE": "txt",
         "examples/demo/filetype.cpp": "cpp"}


def example(build):
    """The files that examples/rust does not take for what they are."""
    package = importlib.util.find_spec("magika").submodule_search_locations[0]
    model = pathlib.Path(package) / "models" / "standard_v3_3" / "model.onnx"
    with tempfile.TemporaryDirectory() as folder:
        labels = pathlib.Path(folder) / "labels.txt"
        labels.write_text("\n".join(json.loads(model.with_name("config.min.json").read_text())["target_labels_space"]) + "\n")
        done = cargo(build, "run", "-q", "--locked", "--release", "--manifest-path", str(ROOT / "examples/rust/Cargo.toml"), "--",
                     str(model), str(labels), *(str(ROOT / file) for file in FILES), environment={"LD_LIBRARY_PATH": str(build)})
    lines = done.stdout.splitlines()
    wrong = [f"examples/rust: {file} is {label}" for file, label in FILES.items()
             if not any(line.startswith(f"{ROOT / file} {label} ") for line in lines)]
    if wrong:
        print(done.stdout + done.stderr[-3000:])
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if not shutil.which("cargo"):
        print("SKIPPED rust: Cargo is not installed\n0 passed, 0 failed, 1 skipped")
        return 0
    passed, failures = 0, []
    if arguments.canary:
        done = cargo(build, "test", "--locked", "-p", "tenon", "--test", "tenon", environment={"TENON_RUST_CANARY": "1"})
        failures = [f"{name} (planted)" for name, how in TEST.findall(done.stdout) if how == "FAILED"]
    else:
        for features in ([], ["--features", "ndarray"]):
            done = cargo(build, "test", "--locked", "-p", "tenon", *features)
            tests = TEST.findall(done.stdout)
            passed += sum(how == "ok" for _, how in tests)
            failures += [f"{name} {' '.join(features)}" for name, how in tests if how == "FAILED"]
            if done.returncode and not failures:
                failures.append(f"cargo test {' '.join(features)} ended with status {done.returncode}")
            if done.returncode:
                print(done.stdout[-6000:] + done.stderr[-6000:])
        missed = uncalled(build)
        passed += not missed
        failures += [f"no test calls {', '.join(missed)}"] if missed else []
        found = example(build)
        passed += len(FILES) - len(found)
        failures += found
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
