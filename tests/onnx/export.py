#!/usr/bin/env python3
"""What `tenon convert` writes of the ONNX project's own cases is the same network.

    tests/onnx/export.py [--build DIR] [--canary] [PATTERN ...]

Each case that Tenon imports and whose types it infers is written as ONNX. The result must pass onnx.checker, be read back as the same
graph, and give the same results, bit for bit, in ONNX Runtime; what that does not run as it is, is not compared there. Cases that cannot
be written are listed in REFUSED with the reason, and counted as skipped.
"""
import argparse
import collections
import fnmatch
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
# A pattern of the message of what is not written, and why that is so.
REFUSED = ((r"while the types of the outputs were inferred", "the case does not build either: tests/onnx/exceptions.txt"),
           (r"nodes with sub-graphs are not written", "sub-graphs"),
           (r"an output is a sequence or an optional", "sequences and optionals"))


def cases():
    from onnx.backend.test.loader import load_model_tests
    found = {}
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            if case.model_dir:
                found[case.name] = pathlib.Path(case.model_dir)
    return dict(sorted(found.items()))


def write(tenon, network):
    import ctypes
    blob = ctypes.c_void_p()
    tenon.call("tn_network_serialize_to_onnx", network, None, ctypes.byref(blob), None)
    try:
        return tenon._blob_bytes(blob)
    finally:
        tenon._lib.tn_blob_destroy(blob)


def text(tenon, network):
    """The graph's lines, in an order of their own: constants stand where the file has them. Origins and numbers of values are not kept."""
    import ctypes
    blob = ctypes.c_void_p()
    tenon.call("tn_network_get_information", network, ctypes.c_int32(1), ctypes.byref(blob))
    try:
        import json
        made = json.loads(tenon._blob_bytes(blob))
    finally:
        tenon._lib.tn_blob_destroy(blob)
    return made


def results(model, feed):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, feed)


def feed_of(folder, model):
    import onnx
    given = {i.name for i in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in given]
    return {name: onnx.numpy_helper.to_array(onnx.TensorProto.FromString((folder / "test_data_set_0" / f"input_{n}.pb").read_bytes()))
            for n, name in enumerate(names)}


def check(tenon, folder, canary):
    """(None or what is wrong, whether ONNX Runtime compared)."""
    import numpy as np
    import onnx
    network = tenon.Network(folder / "model.onnx")
    written = write(tenon, network)
    model = onnx.load_model_from_string(written)
    if canary:
        model.graph.node[0].op_type = "Identity" if model.graph.node[0].op_type != "Identity" else "Neg"
        written = model.SerializeToString()
    before = onnx.load(folder / "model.onnx")
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        return f"onnx.checker: {error}", False
    one, two = text(tenon, network), text(tenon, tenon.Network(written))
    for part in ("inputs", "outputs", "nodes"):
        if one[part] != two[part]:
            return f"another graph when it is read back, in {part}", False
    try:
        feed = feed_of(folder, before)
        expected = results((folder / "model.onnx").read_bytes(), feed)
    except Exception:
        return None, False
    try:
        got = results(written, feed)
    except Exception as error:
        return f"ONNX Runtime runs the case and not what was written: {error}", True
    for a, b in zip(expected, got, strict=True):
        if not isinstance(a, np.ndarray):
            continue
        same = a.tolist() == b.tolist() if a.dtype == b.dtype == object else a.tobytes() == b.tobytes()
        if a.dtype != b.dtype or a.shape != b.shape or not same:
            return "another result in ONNX Runtime", True
    return None, True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns", nargs="*")
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = arguments.build
    import tenon_ctypes as tenon
    passed, failed, compared, skipped = 0, 0, 0, collections.Counter()
    for name, folder in list(cases().items())[::40 if arguments.canary else 1]:
        if arguments.patterns and not any(fnmatch.fnmatch(name, p) for p in arguments.patterns):
            continue
        try:
            wrong, ran = check(tenon, folder, arguments.canary)
        except tenon.TenonError as error:
            reason = next((why for pattern, why in REFUSED if re.search(pattern, str(error))), None)
            if reason is None and "serialize" not in str(error) and not imports(tenon, folder):
                reason = "the case is not imported: tests/onnx/exceptions.txt"
            if reason:
                skipped[reason] += 1
                continue
            wrong, ran = str(error), False
        compared += ran
        passed, failed = passed + (wrong is None), failed + (wrong is not None)
        if wrong:
            print(f"FAILED {name}{' (planted)' if arguments.canary else ''}: {wrong}")
    for reason, count in skipped.items():
        print(f"skipped {count}: {reason}")
    print(f"{compared} of them gave the same in ONNX Runtime" if not failed else f"{compared} were compared in ONNX Runtime")
    print(f"{passed} passed, {failed} failed, {sum(skipped.values())} skipped")
    sys.exit(1 if failed else 0)


def imports(tenon, folder):
    try:
        tenon.Network(folder / "model.onnx")
    except tenon.TenonError:
        return False
    return True


if __name__ == "__main__":
    main()
