#!/usr/bin/env python3
"""The first results of docs/languages: the code of each page runs as it stands, and prints what the network computes.

    tests/languages/run.py --build DIR [--canary]
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))
import models  # noqa: E402

EXPECTED = [12.0, 24.0, 38.0]  # linear.onnx of ones
PACKAGE = """[package]
name = "first"
version = "0.1.0"
edition = "2021"
[dependencies]
tenon = { path = "%s" }
"""


class Absent(Exception):
    pass


def need(tool):
    if not shutil.which(tool):
        raise Absent(f"{tool} is not installed")


def run(command, folder, build, **environment):
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, errors="replace", timeout=600,
                          env={**os.environ, "LD_LIBRARY_PATH": str(build), **environment})
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {done.stdout[-1500:]}{done.stderr[-3000:]}")
    return done.stdout


def compiled(compiler, suffix, code, folder, build):
    need(compiler[0])
    (folder / f"first.{suffix}").write_text(code)
    run([*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", f"first.{suffix}", "-o", "first", "-I", ROOT / "include", "-L", build,
         "-ltenon"], folder, build)
    return run(["./first"], folder, build)


def rust(code, folder, build):
    need("cargo")
    (folder / "src").mkdir()
    (folder / "src" / "main.rs").write_text(code)
    (folder / "Cargo.toml").write_text(PACKAGE % (ROOT / "bindings/rust/tenon"))
    shutil.copy(ROOT / "bindings/rust/Cargo.lock", folder)
    return run(["cargo", "run", "-q"], folder, build, CARGO_TARGET_DIR=str(build / "bindings" / "rust"), TENON_LIB_DIR=str(build))


def java(code, folder, build):
    need("javac")
    sources = [*(build / "bindings").glob("*.java"), *(build / "bindings/java").glob("*.java"),
               *(ROOT / "bindings/java/src/main/java").glob("**/*.java")]
    (folder / "First.java").write_text(code)
    run(["javac", "-encoding", "UTF-8", "-d", "classes", "First.java", *sources], folder, build)
    return run(["java", f"-Dtenon.library.path={build / 'bindings/java'}", "-cp", "classes", "First"], folder, build)


def csharp(code, folder, build):
    need("mcs")
    sources = [*(build / "bindings").glob("*.cs"), *(build / "bindings/csharp").glob("*.cs"), *(ROOT / "bindings/csharp/src").glob("**/*.cs")]
    (folder / "First.cs").write_text(code)
    run(["mcs", "-langversion:latest", "-unsafe", "-out:First.exe", "First.cs", *sources], folder, build)
    return run(["mono", "First.exe"], folder, build, LD_LIBRARY_PATH=f"{build / 'bindings/csharp'}:{build}")


# Page: how its code, which is marked with the language's name, runs.
PAGES = {
    "c": ("c", lambda *rest: compiled(["gcc", "-std=c99"], "c", *rest)),
    "cpp": ("cpp", lambda *rest: compiled(["g++", "-std=c++17"], "cpp", *rest)),
    "rust": ("rust", rust),
    "java": ("java", java),
    "csharp": ("csharp", csharp),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    passed, failures, skips = 0, [], []
    for page, (mark, start) in PAGES.items():
        text = (ROOT / "docs" / "languages" / f"{page}.md").read_text()
        code = re.search(rf"^## A first result$.*?^```{mark}$\n(.*?)^```$", text, re.M | re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            models.write(folder)
            # The canary gives the programs another network.
            shutil.move(folder / ("linear2.onnx" if arguments.canary else "linear.onnx"), folder / "model.onnx")
            try:
                printed = start(code, folder, arguments.build.resolve())
                got = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", printed)]
                good, detail = got == EXPECTED, printed
            except Absent as reason:
                skips.append(f"{page}: {reason}")
                continue
            except RuntimeError as error:
                good, detail = False, str(error)
        if good:
            passed += 1
        else:
            failures.append(f"{page}: the first result{' (planted)' if arguments.canary else ''}")
            print(detail)
    for failure in failures:
        print(f"FAILED {failure}")
    for skip in skips:
        print(f"SKIPPED {skip}")
    print(f"{passed} passed, {len(failures)} failed, {len(skips)} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
