#!/usr/bin/env python3
"""Which of a model's nodes each kernel of its plan computes, on the zoo's structures.

    tests/plan/provenance.py [--build DIR] [--all] [--canary] [MODEL ...]

Plans are built with the fake timer, their weights drawn, for batches of 1 to 4 and for one shape. Every layer names at least one node of the model, none that the model does
not have; and every node that `tenon inspect --capability` says a kernel is needed for is named by a layer. `--canary` leaves one
layer's nodes out.
"""
import argparse
import ctypes
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))


def needed(tenon, path):
    """Names of the nodes for which a kernel is needed, and of all."""
    builder = tenon.Handle("builder", "tn_builder_create")
    model = tenon.Handle("onnx_model", "tn_onnx_model_create_from_file", builder, str(path))
    supported, blob = ctypes.c_int32(), ctypes.c_void_p()
    tenon.call("tn_onnx_model_get_capability", model, ctypes.c_int32(1), ctypes.byref(supported), ctypes.byref(blob))
    try:
        nodes = json.loads(tenon._blob_bytes(blob))["nodes"]
    finally:
        tenon._lib.tn_blob_destroy(blob)
    return {n["name"] for n in nodes if n.get("cpu", "none") != "none"}, {n["name"] for n in nodes}


def check(tenon, zoo, name, canary):
    """What is wrong, line by line."""
    path = zoo.path(name)
    wanted, known = needed(tenon, path)
    profile = zoo.profile(name)
    one_shape = {tensor: (opt, opt, opt) for tensor, (_, opt, _) in profile.items()}
    wrong = []
    for which in profile, one_shape:
        wrong += check_layers(tenon, tenon.build(path, [which], threads=1, timer="fake"), name, wanted, known, canary)
    return wrong


def check_layers(tenon, built, name, wanted, known, canary):
    layers = tenon.inspect(built.plan, as_json=True)["profiles"][0]["steps"]
    if canary:
        layers[0]["origins"] = []
    wrong = [f"layer {step['name']} ({step['kernel']}) names no node" for step in layers if not step.get("origins")]
    named = {origin["name"] for step in layers for origin in step.get("origins", [])}
    wrong += [f"a layer names {node}, which the model does not have" for node in sorted(named - known)]
    wrong += [f"no layer names node {node}" for node in sorted(wanted - named)]
    print(f"  {name}: {len(layers)} layers name {len(named)} of {len(known)} nodes; {len(wanted)} need a kernel")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = arguments.build
    import tenon_ctypes as tenon
    import zoo
    names = arguments.models or (zoo.NAMES if arguments.all else zoo.SUBSET[:1] if arguments.canary else zoo.SUBSET)
    passed = failed = 0
    for name in names:
        wrong = check(tenon, zoo, name, arguments.canary)
        for line in wrong[:20]:
            print(f"FAILED {name}{' (planted)' if arguments.canary else ''}: {line}")
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
