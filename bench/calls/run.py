#!/usr/bin/env python3
"""What a call costs in each language: a run of a tiny network with bound buffers, a getter, a whole run.

    bench/calls/run.py --build DIR
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests" / "conformance"))
import models  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    build = parser.parse_args().build.resolve()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(build), "TENON_LIB_DIR": str(build),
                   "CARGO_TARGET_DIR": str(build / "bindings" / "rust-bench")}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models.write(folder)
        subprocess.run(["gcc", "-std=gnu11", "-O2", HERE / "calls.c", "-o", folder / "calls", "-I", ROOT / "include", "-L", build,
                        "-ltenon"], check=True)
        print("C, medians", flush=True)
        subprocess.run([folder / "calls"], check=True, cwd=folder, env=environment)
        if not shutil.which("cargo"):
            print("no figures of Rust: Cargo is not installed")
            return
        print("Rust, by Criterion", flush=True)
        # Cargo starts a bench in the package's folder; the models lie elsewhere.
        subprocess.run(["cargo", "bench", "-q", "--locked", "--manifest-path", HERE / "rust/Cargo.toml", "--", "--noplot"],
                       check=True, cwd=folder, env={**environment, "TENON_MODELS": str(folder)})


if __name__ == "__main__":
    main()
