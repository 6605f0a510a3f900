#!/usr/bin/env python3
"""The core ops that ONNX's operators become, over the ONNX project's own cases: src/compile/onnx_expansions.def.

    tests/onnx/expansions.py [--build DIR] --write    writes the table
    tests/onnx/expansions.py [--build DIR]            says whether it is what the cases become

Cases that are not supported add nothing. Prints `N passed, N failed, N skipped`, where each line of the table is one test.
"""
import argparse
import collections
import ctypes
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "src" / "compile" / "onnx_expansions.def"
HEAD = """// The core ops that rows of ONNX operators become, over the cases of the ONNX project: domain, operator, the row's first op
// set, names of core ops. Sorted. Written by `tests/onnx/expansions.py --write`; a test compares them.
"""


def cases():
    from onnx.backend.test.loader import load_model_tests
    found = {}
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            if case.model_dir:
                found[case.name] = pathlib.Path(case.model_dir) / "model.onnx"
    return [found[name] for name in sorted(found)]


def capability(tenon, builder, path):
    model = tenon.Handle("onnx_model", "tn_onnx_model_create_from_file", builder, str(path))
    return document(tenon, "tn_onnx_model_get_capability", model)


def document(tenon, function, *arguments):
    supported, blob = ctypes.c_int32(), ctypes.c_void_p()
    tenon.call(function, *arguments, ctypes.c_int32(1), ctypes.byref(supported), ctypes.byref(blob))
    try:
        return json.loads(tenon._blob_bytes(blob))
    finally:
        tenon._lib.tn_blob_destroy(blob)


def since(tenon, domain, op, version, memo):
    """The first op set of the row that holds at `version`: rows part where the answers differ."""
    key = (domain, op, version)
    if key not in memo:
        memo[key] = document(tenon, "tn_onnx_operator_get_capability", domain, op, ctypes.c_int64(version)).get("row_since")
    return memo[key]


def lines(build):
    os.environ["TENON_BUILD"] = build
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import tenon_ctypes as tenon
    builder = tenon.Handle("builder", "tn_builder_create")
    found, memo = collections.defaultdict(set), {}
    for path in cases():
        try:
            answer = capability(tenon, builder, path)
        except tenon.TenonError:
            continue  # not a model that is read: listed in exceptions.txt
        for node in answer["nodes"]:
            if node["support"] not in ("supported", "expanded", "folded"):
                continue
            row = since(tenon, node["domain"], node["op"], node["version"], memo)
            found["" if node["domain"] == "ai.onnx" else node["domain"], node["op"], row] |= set(node["core_ops"])
    return [f'TN_ONNX_EXPANSION("{domain}", "{op}", {first}, "{" ".join(sorted(ops))}")' for (domain, op, first), ops in sorted(found.items())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    made = lines(arguments.build)
    if arguments.write:
        TABLE.write_text(HEAD + "\n".join(made) + "\n")
        print(f"wrote {TABLE.relative_to(ROOT)}: {len(made)} rows")
        return
    there = TABLE.read_text().splitlines()[HEAD.count("\n"):]
    if arguments.canary:
        there = there[1:]
    wrong = sorted(set(made) ^ set(there))
    for line in wrong:
        print(f"FAILED {line} {'is missing' if line in made else 'is not what the cases become'}; write it with --write{' (planted)' if arguments.canary else ''}")
    print(f"{len(made) - len(wrong)} passed, {len(wrong)} failed, 0 skipped")
    sys.exit(1 if wrong or not made else 0)


if __name__ == "__main__":
    main()
