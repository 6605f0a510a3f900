#!/usr/bin/env python3
"""Writes from capi/api.json what the raw layers are made of. Nothing of it is edited by hand.

    bindings/generate --out DIR      what a build makes anew: grammar.i for SWIG; the trampolines under callback tables for
                                     Python and Java in C, Callbacks.java, Callbacks.cs
    bindings/generate --rust         what is committed: constants.rs and callbacks.rs of the crate tenon-sys

A trampoline is what C calls when a callback table belongs to an object of another language: it turns the arguments into
that language's, calls the method that has the callback's name, and turns an exception into an error that carries it.
"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "capi"))
import api as public  # noqa: E402
import csharp  # noqa: E402
import grammar  # noqa: E402
import java  # noqa: E402
import python  # noqa: E402
import rust  # noqa: E402

RUST = ROOT / "bindings" / "rust" / "tenon-sys" / "src"


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--rust", action="store_true")
    arguments = parser.parse_args()
    api = public.load()
    if arguments.out:
        write(arguments.out, {"grammar.i": grammar.source(api), "trampolines_python.h": python.source(api),
                              "trampolines_java.h": java.c_source(api), "Callbacks.java": java.source(api),
                              "Callbacks.cs": csharp.source(api)})
    if arguments.rust:
        write(RUST, rust.sources(api))


if __name__ == "__main__":
    main()
