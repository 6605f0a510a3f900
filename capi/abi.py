#!/usr/bin/env python3
"""The binary interface: a library of empty functions, declared by the public headers and linked by the version script, as
libabigail reads it. That the real library exports exactly these functions is another check's (tests/abi/run.py symbols).

    capi/abi.py --check    compares with capi/tenon.abi
    capi/abi.py --bless    prints the difference and writes capi/tenon.abi anew: before 0.1 is tagged only
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import api as public  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD = ROOT / "capi" / "tenon.abi"
TOOLS = ("gcc", "abidw", "abidiff")


def empty_functions(include):
    """C that defines every function which the headers declare, with the prototype that they give it."""
    out = ['#include "tenon/tenon.h"']
    for header in sorted((include / "tenon").glob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for prototype in re.findall(r"^TN_API\s+TN_SINCE\([^)]*\)\s*([^;]*?)\s*TN_NOEXCEPT\s*;", text, re.M | re.S):
            out.append(f"{prototype} {{ __builtin_trap(); }}")
    return "\n".join(out) + "\n"


def dump(include, out):
    """Writes what libabigail reads of the headers in `include`; raises CalledProcessError if they do not compile."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = pathlib.Path(folder) / "tenon.c", pathlib.Path(folder) / "libtenon.so.0"
        source.write_text(empty_functions(include))
        subprocess.run(["gcc", "-shared", "-fPIC", "-g", "-O0", "-w", f"-I{include}", source, "-o", library, "-Wl,-soname,libtenon.so.0",
                        f"-Wl,--version-script={ROOT / 'capi' / 'tenon.map'}"], check=True, capture_output=True, text=True)
        subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-architecture", "--out-file", out, library],
                       check=True, capture_output=True, text=True)


def difference(include=ROOT / "include", record=RECORD):
    """What changed since the record, as abidiff prints it; "" if nothing has. Functions that were added are no change."""
    with tempfile.TemporaryDirectory() as folder:
        now = pathlib.Path(folder) / "now.abi"
        dump(include, now)
        done = subprocess.run(["abidiff", "--no-added-syms", "--no-architecture", record, now], capture_output=True, text=True)
    if done.returncode & 3:
        raise RuntimeError(f"abidiff failed: {done.stderr}")
    return done.stdout if done.returncode else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--check", action="store_true")
    group.add_argument("--bless", action="store_true")
    arguments = parser.parse_args()
    changed = difference() if RECORD.exists() else "there is no record yet\n"
    print(changed, end="")
    if arguments.bless:
        dump(ROOT / "include", RECORD)
        return 0
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
