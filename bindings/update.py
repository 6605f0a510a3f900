#!/usr/bin/env python3
"""Brings what is committed and generated from the public headers up to date: capi/api.json, capi/tenon.map, the stub of
the raw Python module, and the sources of the Rust crate tenon-sys. (The raw layers of Python, Java and C# are made by every build of the target `bindings`.)

    bindings/update.py             writes what has changed and says what
    bindings/update.py --check     only says what would change, with status 1

Without Cargo, bindings.rs is left as it is, which is said.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "capi"), str(ROOT / "bindings" / "generate")]
import api as public  # noqa: E402
import python  # noqa: E402
import rust  # noqa: E402

STUB = ROOT / "bindings" / "python" / "tenon" / "_raw.pyi"
CRATE = ROOT / "bindings" / "rust" / "tenon-sys" / "src"


class NoCargo(Exception):
    pass


def bindgen(target_dir):
    """The text of bindings.rs. The parser is the one of capi/api.py, with the same stubs of the C library's headers."""
    if not shutil.which("cargo"):
        raise NoCargo("Cargo is not installed: https://rustup.rs")
    import clang
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, text in public.STUBS.items():
            (folder / name).write_text(text)
        output = folder / "bindings.rs"
        command = ["cargo", "run", "-q", "--locked", "--manifest-path", ROOT / "bindings" / "rust" / "Cargo.toml", "-p",
                   "tenon-bindgen", "--", ROOT / "include" / "tenon" / "tenon.h", output, "-std=c99", "-nostdinc",
                   "--target=x86_64-linux-gnu", f"-I{ROOT / 'include'}", "-isystem", folder]
        environment = {**os.environ, "CARGO_TARGET_DIR": str(target_dir),
                       "LIBCLANG_PATH": str(pathlib.Path(clang.__path__[0]) / "native")}
        done = subprocess.run([str(c) for c in command], env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"bindgen failed:\n{done.stdout}{done.stderr}")
        return output.read_text()


def files(target_dir):
    """({path: text} of everything that is committed, why bindings.rs is not among it or None)"""
    try:
        api = public.read_headers()
    except public.GrammarError as error:
        sys.exit(f"the public headers: {error}")
    wanted = {public.API_JSON: api.to_json(), public.MAP: api.version_script(),
              STUB: python.stub(api), **{CRATE / name: text for name, text in rust.sources(api).items()}}
    try:
        wanted[CRATE / "bindings.rs"] = bindgen(target_dir)
    except NoCargo as error:
        return wanted, str(error)
    return wanted, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    arguments = parser.parse_args()
    wanted, left_out = files(arguments.build.resolve() / "bindings" / "rust")
    old = {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}
    for path, text in old.items():
        if not arguments.check:
            path.write_text(text)
        print(f"{'old' if arguments.check else 'wrote'}: {path.relative_to(ROOT)}")
    if left_out:
        print(f"left as it is: {(CRATE / 'bindings.rs').relative_to(ROOT)} ({left_out})")
    return 1 if old and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
