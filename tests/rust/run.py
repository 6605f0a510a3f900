#!/usr/bin/env python3
"""The crate tenon: its tests, what must not compile, the code in its pages, with and without the feature ndarray; the example.

    tests/rust/run.py --build DIR [--canary]
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("bindings", "capi", "tests/support")]
import api as public  # noqa: E402
import called  # noqa: E402
import classification  # noqa: E402
import coverage  # noqa: E402
import languages  # noqa: E402
from report import Report, run  # noqa: E402

TEST = re.compile(r"^test (.*) \.\.\. (ok|FAILED|ignored)", re.M)


def cargo(build, *arguments, environment=None):
    return run(["cargo", *arguments], {**languages.cargo_settings(build), "RUSTFLAGS": "-D warnings", **(environment or {})},
               cwd=ROOT / "bindings" / "rust")


def uncalled(build):
    """Functions that the crate calls, and no test of it does."""
    done = cargo(build, "test", "--locked", "-p", "tenon", "--test", "tenon", "--no-run", "--message-format=json")
    program = re.findall(r'"executable":"([^"]*/deps/tenon-[^"]*)"', done.stdout)[-1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run([program], called.environment(called.make_shim(folder, build), folder / "names"), cwd=folder, timeout=300)
        names = called.names(folder / "names")
    wanted = coverage.named_in("rust", ROOT)[0] & {f.name for f in public.load().functions}
    print(f"  {len(names & wanted)} of {len(wanted)} functions called")
    return sorted(wanted - names)


def example(report, build):
    with tempfile.TemporaryDirectory() as folder:
        classification.check(report, "examples/rust", cargo(
            build, "run", "-q", "--locked", "--release", "--manifest-path", ROOT / "examples/rust/Cargo.toml", "--",
            *classification.arguments(pathlib.Path(folder)), environment={"LD_LIBRARY_PATH": str(build)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    report = Report()
    if not shutil.which("cargo"):
        report.skip("rust", "Cargo is not installed")
    elif arguments.canary:
        done = cargo(build, "test", "--locked", "-p", "tenon", "--test", "tenon", environment={"TENON_RUST_CANARY": "1"})
        for name, how in TEST.findall(done.stdout):
            report.check(how != "FAILED", f"{name} (planted)")
    else:
        for features in ([], ["--features", "ndarray"]):
            done = cargo(build, "test", "--locked", "-p", "tenon", *features)
            tests = TEST.findall(done.stdout)
            for name, how in tests:
                if how != "ignored":
                    report.check(how == "ok", f"{name} {' '.join(features)}".rstrip())
            report.check(done.returncode == 0 and len(tests) > 10, f"cargo test {' '.join(features)} ends well".replace("  ", " "),
                         done.stdout + done.stderr)
        missed = uncalled(build)
        report.check(not missed, f"no test calls {', '.join(missed)}")
        example(report, build)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
