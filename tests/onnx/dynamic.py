#!/usr/bin/env python3
"""Models whose course or sizes the inputs decide, one plan over a profile, against ONNX Runtime on the CPU.

    tests/onnx/dynamic.py [--build DIR] [--device NAME] [--canary] [CASE ...]

Each case is one model and a list of feeds of several shapes and values, run in turn by one context and then by several
contexts in threads of their own. Outputs must have ONNX Runtime's types and shapes; floats within 1e-5 + 1e-4·|ref|.
"""
import argparse
import ctypes
import os
import pathlib
import sys
import threading

import numpy as np
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
OPSET, THREADS = 17, 4


def tensor(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name, array):
    return helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.tobytes(), raw=True)


def graph(nodes, inputs, outputs, constants=(), name="g"):
    nodes = [helper.make_node(op, ins.split(), outs.split(), **attrs) for op, ins, outs, attrs in nodes]
    for node in nodes:  # "_" is an absent input
        for i, wanted in enumerate(node.input):
            node.input[i] = "" if wanted == "_" else wanted
    return helper.make_graph(nodes, name, inputs, outputs, [constant(n, np.asarray(a)) for n, a in constants])


def i64(*values):
    return np.array(values, np.int64)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def nonzero(rng):
    """Elements above zero, their sum of squares, their number and their softmax."""
    g = graph([("Relu", "x", "r", {}), ("NonZero", "r", "p", {}), ("Transpose", "p", "pt", {}), ("GatherND", "r pt", "v", {}),
               ("Mul", "v v", "vv", {}), ("ReduceSum", "vv", "s", {"keepdims": 0}), ("Shape", "pt", "n", {}),
               ("Softmax", "vv", "m", {"axis": 0})],
              [tensor("x", F, ["n", 4])], [tensor("v", F, None), tensor("s", F, None), tensor("n", I, None), tensor("m", F, None)])
    feeds = [{"x": normal(rng, n, 4)} for n in (3, 8, 1, 3, 5)] + [{"x": -np.ones((2, 4), np.float32)}, {"x": np.ones((2, 4), np.float32)}]
    return g, {"x": ((1, 4), (3, 4), (8, 4))}, feeds


def masked_product(rng):
    """A product of the rows that a mask keeps, put back among zeros."""
    g = graph([("NonZero", "keep", "p", {}), ("Squeeze", "p zero", "rows", {}), ("Gather", "x rows", "kept", {"axis": 0}),
               ("MatMul", "kept w", "y", {}), ("Relu", "y", "yr", {}), ("Unsqueeze", "rows one", "at", {}), ("Shape", "x", "shape", {}),
               ("Slice", "shape zero one zero", "n", {}), ("Concat", "n six", "whole", {"axis": 0}),
               ("ConstantOfShape", "whole", "zeros", {}), ("ScatterND", "zeros at yr", "z", {})],
              [tensor("x", F, ["n", 16]), tensor("keep", B, ["n"])], [tensor("yr", F, None), tensor("z", F, None)],
              [("w", normal(rng, 16, 6)), ("zero", i64(0)), ("one", i64(1)), ("six", i64(6))])
    feeds = [{"x": normal(rng, n, 16), "keep": rng.random(n) < share} for n, share in ((7, .5), (32, .3), (1, 2), (9, -1), (7, .5))]
    return g, {"x": ((1, 16), (7, 16), (32, 16)), "keep": ((1,), (7,), (32,))}, feeds


def boxes(rng):
    """Boxes that suppression leaves, of two classes."""
    def drawn(n):
        corner = rng.random((1, n, 2)).astype(np.float32)
        return np.concatenate([corner, corner + rng.random((1, n, 2)).astype(np.float32) * .3 + .01], 2)
    g = graph([("NonMaxSuppression", "b s m i t", "k", {}), ("Gather", "k two", "ki", {"axis": 1}), ("Squeeze", "ki one", "kk", {}),
               ("Squeeze", "b zero", "b0", {}), ("Gather", "b0 kk", "chosen", {"axis": 0})],
              [tensor("b", F, [1, "N", 4]), tensor("s", F, [1, 2, "N"])], [tensor("k", I, None), tensor("chosen", F, None)],
              [("m", np.array(5, np.int64)), ("i", np.float32(.3)), ("t", np.float32(.2)), ("two", i64(2)), ("one", i64(1)), ("zero", i64(0))])
    feeds = [{"b": drawn(n), "s": rng.random((1, 2, n)).astype(np.float32)} for n in (20, 100, 7, 1)]
    return g, {"b": ((1, 1, 4), (1, 20, 4), (1, 100, 4)), "s": ((1, 2, 1), (1, 2, 20), (1, 2, 100))}, feeds


def unique(rng):
    """Values that differ, the k largest of them, and of those the ones above 2."""
    g = graph([("Unique", "x", "u first inverse counts", {"sorted": 0}), ("TopK", "u k", "tv ti", {"axis": 0}),
               ("Greater", "tv two", "c", {}), ("Compress", "tv c", "cc", {"axis": 0})],
              [tensor("x", F, ["n"]), tensor("k", I, [1])],
              [tensor(n, t, None) for n, t in (("u", F), ("first", I), ("inverse", I), ("counts", I), ("tv", F), ("cc", F))],
              [("two", np.float32(2))])
    feeds = [{"x": rng.integers(0, 6, n).astype(np.float32), "k": i64(k)} for n, k in ((10, 2), (50, 3), (12, 1), (50, 0))]
    return g, {"x": ((1,), (10,), (50,)), "k": ((1,), (1,), (1,))}, feeds


def branches(rng):
    """An If that the input decides, one branch in the other, values of the graph around them."""
    inner_then = graph([("Mul", "y y", "a", {})], [], [tensor("a", F, None)], name="inner_then")
    inner_else = graph([("Add", "y x", "b", {})], [], [tensor("b", F, None)], name="inner_else")
    then = graph([("MatMul", "x w", "y", {}), ("If", "large", "t", {"then_branch": inner_then, "else_branch": inner_else})], [],
                 [tensor("t", F, None)], name="then")
    other = graph([("Neg", "x", "e", {})], [], [tensor("e", F, None)], name="else")
    g = graph([("ReduceSum", "x", "s", {"keepdims": 0}), ("Greater", "s zero", "positive", {}), ("Greater", "s ten", "large", {}),
               ("If", "positive", "y", {"then_branch": then, "else_branch": other})],
              [tensor("x", F, ["n", 4])], [tensor("y", F, None)],
              [("w", normal(rng, 4, 4)), ("zero", np.float32(0)), ("ten", np.float32(10))])
    feeds = [{"x": normal(rng, n, 4) + shift} for n in (1, 3, 6) for shift in (-2, .3, 5)]
    return g, {"x": ((1, 4), (3, 4), (6, 4))}, feeds


def branch_of_shapes(rng):
    """An If that constant dims decide; its branches have other shapes."""
    then = graph([("Squeeze", "x one", "a", {})], [], [tensor("a", F, None)], name="then")
    other = graph([("Identity", "x", "b", {})], [], [tensor("b", F, None)], name="else")
    g = graph([("Shape", "x", "shape", {}), ("Gather", "shape one", "d", {}), ("Equal", "d one", "is_one", {}),
               ("If", "is_one", "y", {"then_branch": then, "else_branch": other})],
              [tensor("x", F, ["n", 1, 4])], [tensor("y", F, None)], [("one", i64(1))])
    return g, {"x": ((1, 1, 4), (2, 1, 4), (5, 1, 4))}, [{"x": normal(rng, n, 1, 4)} for n in (2, 5)]


def branch_of_emptiness(rng):
    """An If on a dim that a profile lets be 0: what is not there has no maximum."""
    then = graph([("ReduceSum", "x", "a", {"keepdims": 0})], [], [tensor("a", F, [])], name="then")
    other = graph([("Identity", "none", "b", {})], [], [tensor("b", F, [])], name="else")
    g = graph([("Shape", "x", "shape", {}), ("Squeeze", "shape zero", "n", {}), ("Greater", "n nothing", "some", {}),
               ("If", "some", "y", {"then_branch": then, "else_branch": other}), ("Cast", "shape", "any", {"to": B})],
              [tensor("x", F, ["n"])], [tensor("y", F, None), tensor("some", B, None), tensor("any", B, None)],
              [("zero", i64(0)), ("nothing", np.array(0, np.int64)), ("none", np.float32(-7))])
    return g, {"x": ((0,), (2,), (4,))}, [{"x": normal(rng, n)} for n in (0, 3, 0, 4)]


def loop(rng):
    """Eight steps of a recurrence, all of them an output, with a weight of the graph around."""
    body = graph([("MatMul", "h w", "hw", {}), ("Tanh", "hw", "h1", {}), ("Add", "h1 x", "h2", {}), ("ReduceSum", "h2", "sum", {"keepdims": 0}),
                  ("Identity", "c", "c1", {})],
                 [tensor("i", I, []), tensor("c", B, []), tensor("h", F, None)],
                 [tensor("c1", B, []), tensor("h2", F, None), tensor("sum", F, None)], name="body")
    g = graph([("Loop", "trips true x", "last sums", {"body": body})], [tensor("x", F, ["n", 4])],
              [tensor("last", F, None), tensor("sums", F, None)],
              [("w", normal(rng, 4, 4) / 2), ("trips", np.array(8, np.int64)), ("true", np.array(True))])
    return g, {"x": ((1, 4), (3, 4), (6, 4))}, [{"x": normal(rng, n, 4)} for n in (3, 1, 6)]


def loop_until(rng):
    """A loop that its own condition ends, known when the plan is built, with a sequence that it carries."""
    body = graph([("Add", "i one", "i1", {}), ("Less", "i1 five", "c1", {}), ("Cast", "i1", "f", {"to": F}), ("Mul", "x f", "xf", {}),
                  ("SequenceInsert", "s xf", "s1", {})],
                 [tensor("i", I, []), tensor("c", B, []), helper.make_tensor_sequence_value_info("s", F, None)],
                 [tensor("c1", B, []), helper.make_tensor_sequence_value_info("s1", F, None)], name="body")
    g = graph([("SequenceEmpty", "", "s", {}), ("Loop", "_ true s", "all", {"body": body}), ("ConcatFromSequence", "all", "y", {"axis": 0})],
              [tensor("x", F, ["n", 3])], [tensor("y", F, None)],
              [("one", np.array(1, np.int64)), ("five", np.array(5, np.int64)), ("true", np.array(True))])
    return g, {"x": ((1, 3), (2, 3), (4, 3))}, [{"x": normal(rng, n, 3)} for n in (2, 4)]


def scan(rng):
    """Running sums along an axis, from the back, with a state."""
    body = graph([("Add", "h x", "h1", {}), ("Mul", "h1 h1", "y", {})], [tensor("h", F, None), tensor("x", F, None)],
                 [tensor("h1", F, None), tensor("y", F, None)], name="body")
    g = graph([("Scan", "h0 x", "h y", {"body": body, "num_scan_inputs": 1, "scan_input_axes": [1], "scan_input_directions": [1],
                                        "scan_output_axes": [1]})],
              [tensor("h0", F, ["n", 3]), tensor("x", F, ["n", 6, 3])], [tensor("h", F, None), tensor("y", F, None)])
    feeds = [{"h0": normal(rng, n, 3), "x": normal(rng, n, 6, 3)} for n in (2, 5, 1)]
    return g, {"h0": ((1, 3), (2, 3), (5, 3)), "x": ((1, 6, 3), (2, 6, 3), (5, 6, 3))}, feeds


CASES = (nonzero, masked_product, boxes, unique, branches, branch_of_shapes, branch_of_emptiness, loop, loop_until, scan)


def difference(got, ref):
    if got.dtype != ref.dtype or got.shape != ref.shape:
        return f"{got.dtype}{list(got.shape)}, expected {ref.dtype}{list(ref.shape)}"
    if np.allclose(got.astype(np.float64), ref.astype(np.float64), rtol=1e-4, atol=1e-5, equal_nan=True):
        return None
    return f"largest difference {np.nanmax(np.abs(got.astype(np.float64) - ref)):.3g}"


def run(case, device, planted):
    """What is wrong, or None."""
    import onnxruntime
    import tenon_ctypes as tenon
    g, profile, feeds = case(np.random.default_rng(7))
    model = helper.make_model(g, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    expected = [dict(zip(names, session.run(None, feed))) for feed in feeds]
    if planted:
        expected[-1][names[0]] = expected[-1][names[0]] + 1
    engine = tenon.Engine(tenon.build(model, [profile], device=device, threads=1, timer="fake", level=1).plan, threads=1)
    wrong = []

    def turn(order):
        try:
            context = engine.context()
            for i in order:
                got = context.run(feeds[i])
                for name in names:
                    if d := difference(got[name], expected[i][name]):
                        wrong.append(f"feed {i}, {name}: {d}")
        except tenon.TenonError as error:
            wrong.append(str(error))
    turn(range(len(feeds)))
    threads = [threading.Thread(target=turn, args=([(i + t) % len(feeds) for i in range(3 * len(feeds))],)) for t in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong[0] if wrong else None


def refusals(device):
    """What a run finds may be refused: the error says so, and the context runs again afterwards. None, or what is wrong."""
    import tenon_ctypes as tenon
    rng = np.random.default_rng(3)

    def built(case):
        g, profile, feeds = case(rng)
        model = helper.make_model(g, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9).SerializeToString()
        return tenon.Engine(tenon.build(model, [profile], device=device, threads=1, timer="fake", level=1).plan, threads=1), feeds

    def refused(context, expected):
        try:
            context.execute()
        except tenon.TenonError as error:
            return None if expected in str(error) else f"the message is '{error}', expected '{expected}'"
        return f"nothing was refused, expected '{expected}'"
    engine, feeds = built(nonzero)
    context = engine.context()
    context.bind({"x": np.ones((2, 4), np.float32)})
    small = np.zeros(3, np.float32)
    tenon.call("tn_execution_context_set_buffer", context, "v", ctypes.c_void_p(small.ctypes.data), ctypes.c_size_t(small.nbytes))
    if wrong := refused(context, "the buffer of 'v' has 12 bytes, its shape, which the run found, needs 32"):
        return wrong
    if context.run({"x": np.ones((2, 4), np.float32)})["v"].shape != (8,):
        return "the context does not run after a buffer that was too small"
    tenon.call("tn_execution_context_set_buffer", context, "v", ctypes.c_void_p(small.ctypes.data), ctypes.c_size_t(small.nbytes))
    if wrong := refused(context, "the buffer of 'v' has 12 bytes"):  # the sizes are those of the run before
        return wrong
    engine, feeds = built(unique)
    context = engine.context()
    context.bind({"x": np.array([1, 2, 1, 1], np.float32), "k": i64(5)})
    if wrong := refused(context, "it must be from 0 to 2"):
        return wrong
    if context.run({"x": np.array([1, 2, 1, 1], np.float32), "k": i64(1)})["tv"].tolist() != [2]:
        return "the context does not run after a size that was refused"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    failed = 0
    todo = [c for c in CASES if not arguments.cases or c.__name__ in arguments.cases]
    for case in todo[:1] if arguments.canary else todo:
        try:
            wrong = run(case, arguments.device, arguments.canary)
        except Exception as error:  # whatever failed is the verdict
            wrong = f"{type(error).__name__}: {error}"
        failed += wrong is not None
        if wrong:
            print(f"FAILED {case.__name__}{' (planted)' if arguments.canary else ''}: {wrong}")
    count = 1 if arguments.canary else len(todo)
    if not arguments.canary and not arguments.cases:
        wrong = refusals(arguments.device)
        failed, count = failed + (wrong is not None), count + 1
        if wrong:
            print(f"FAILED refusals: {wrong}")
    print(f"{count - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
