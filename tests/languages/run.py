#!/usr/bin/env python3
"""The first results of docs/languages: the code of each page runs as it stands, and prints what the network computes.

    tests/languages/run.py --build DIR [--canary]
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("capi", "tests/support", "tests/conformance")]
import models  # noqa: E402
import report  # noqa: E402
from languages import Absent, cargo_settings, csharp_sources, java_sources, need  # noqa: E402

EXPECTED = [12.0, 24.0, 38.0]  # linear.onnx of ones
PACKAGE = """[package]
name = "first"
version = "0.1.0"
edition = "2021"
[dependencies]
tenon = { path = "%s" }
"""


def run(command, folder, build, **environment):
    return report.must_run(command, {"LD_LIBRARY_PATH": str(build), **environment}, cwd=folder).stdout


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
    return run(["cargo", "run", "-q"], folder, build, **cargo_settings(build))


def java(code, folder, build):
    need("javac", "java")
    (folder / "First.java").write_text(code)
    run(["javac", "-encoding", "UTF-8", "-d", "classes", "First.java", *java_sources(build)], folder, build)
    return run(["java", f"-Dtenon.library.path={build / 'bindings/java'}", "-cp", "classes", "First"], folder, build)


def csharp(code, folder, build):
    need("mcs", "mono")
    (folder / "First.cs").write_text(code)
    run(["mcs", "-langversion:latest", "-unsafe", "-out:First.exe", "First.cs", *csharp_sources(build)], folder, build)
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
    counts = report.Report()
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
                counts.skip(page, reason)
                continue
            except RuntimeError as error:
                good, detail = False, str(error)
        counts.check(good, f"{page}: the first result{' (planted)' if arguments.canary else ''}", detail)
    return counts.end()


if __name__ == "__main__":
    sys.exit(main())
