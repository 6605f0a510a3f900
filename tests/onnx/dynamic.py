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


def body_of(nodes, carried, outputs, stacked=(), constants=(), name="body"):
    """The body of a Loop: number and condition come first; names of what is carried in and out, of the condition first."""
    return graph(nodes, [tensor("i", I, []), tensor("c", B, [])] + [tensor(n, t, None) for n, t in carried],
                 [tensor(outputs[0], B, [])] + [tensor(n, t, None) for (n, (_, t)) in zip(outputs[1:], carried)] +
                 [tensor(n, t, None) for n, t in stacked],
                 constants, name)


def loop_of_count(rng):
    """As many steps of a recurrence as an input says, with values and a weight of the graph around."""
    body = body_of([("MatMul", "h w", "hw", {}), ("Tanh", "hw", "t", {}), ("Add", "t x2", "h1", {}), ("Cast", "i", "f", {"to": F}),
                    ("Add", "s f", "s1", {}), ("Identity", "c", "c1", {})], [("h", F), ("s", F)], ["c1", "h1", "s1"])
    g = graph([("Mul", "x two", "x2", {}), ("Loop", "trips _ x zero", "last sum", {"body": body})],
              [tensor("x", F, ["n", 4]), tensor("trips", I, [])], [tensor("last", F, None), tensor("sum", F, None)],
              [("w", normal(rng, 4, 4) / 2), ("two", np.float32(2)), ("zero", np.float32(0))])
    feeds = [{"x": normal(rng, n, 4), "trips": np.array(t, np.int64)} for n, t in ((3, 2), (1, 0), (6, 7), (3, 1), (3, -5), (2, 2))]
    return g, {"x": ((1, 4), (3, 4), (6, 4)), "trips": ((), (), ())}, feeds


def loop_of_bounded_count(rng):
    """As many slices as an input says, up to a number that the model has."""
    body = body_of([("Mul", "h x", "h1", {}), ("ReduceSum", "h1", "row", {"keepdims": 0}), ("Unsqueeze", "row zero", "r", {}),
                    ("Identity", "c", "c1", {})],
                   [("h", F)], ["c1", "h1"], [("h1", F), ("r", F)])
    g = graph([("Min", "trips twelve", "m", {}), ("Loop", "m _ x", "last all rows", {"body": body}), ("Neg", "all", "minus", {})],
              [tensor("x", F, ["n", 3]), tensor("trips", I, [1])],
              [tensor("last", F, None), tensor("all", F, None), tensor("rows", F, None), tensor("minus", F, None)],
              [("twelve", i64(12)), ("zero", i64(0))])
    feeds = [{"x": normal(rng, n, 3), "trips": i64(t)} for n, t in ((3, 4), (1, 0), (5, 20), (2, 12), (3, 1))]
    return g, {"x": ((1, 3), (3, 3), (5, 3)), "trips": ((1,), (1,), (1,))}, feeds


def loop_while(rng):
    """Doubles until a sum is large; all values on the way are an output."""
    body = body_of([("Add", "h h", "h1", {}), ("ReduceSum", "h1", "s", {"keepdims": 0}), ("Less", "s limit", "c1", {})], [("h", F)], ["c1", "h1"],
                   [("h1", F), ("s", F)])
    g = graph([("Loop", "thirty true x", "last all sums", {"body": body}), ("Shape", "all", "shape", {})],
              [tensor("x", F, ["n", 3]), tensor("limit", F, [])],
              [tensor("last", F, None), tensor("all", F, None), tensor("sums", F, None), tensor("shape", I, None)],
              [("thirty", np.array(30, np.int64)), ("true", np.array(True))])
    feeds = [{"x": np.abs(normal(rng, n, 3)), "limit": np.array(l, np.float32)} for n, l in ((2, 100), (1, 0), (5, 1e4), (2, 1e30), (3, 50))]
    return g, {"x": ((1, 3), (2, 3), (5, 3)), "limit": ((), (), ())}, feeds


def loop_of_both(rng):
    """Trip count, first condition and later ones: all of them inputs' or computed."""
    body = body_of([("Mul", "h half", "h1", {}), ("ReduceMax", "h1", "m", {"keepdims": 0}), ("Greater", "m one", "c1", {})], [("h", F)], ["c1", "h1"],
                   constants=[("half", np.float32(.5)), ("one", np.float32(1))])
    g = graph([("Loop", "trips go x", "y", {"body": body}), ("Neg", "y", "z", {})],
              [tensor("x", F, ["n"]), tensor("trips", I, []), tensor("go", B, [])], [tensor("y", F, None), tensor("z", F, None)])
    feeds = [{"x": np.abs(normal(rng, n)) * 40, "trips": np.array(t, np.int64), "go": np.array(g)}
             for n, t, g in ((3, 3, True), (5, 100, True), (2, 4, False), (1, 0, True), (3, 1, True))]
    return g, {"x": ((1,), (3,), (5,)), "trips": ((), (), ()), "go": ((), (), ())}, feeds


def loop_once(rng):
    """A body whose condition never holds, as often as an input says: once, or not at all; what it stacks has one slice."""
    body = body_of([("Add", "h x", "h1", {}), ("Identity", "false", "c1", {})], [("h", F)], ["c1", "h1"], [("h1", F)],
                   [("false", np.array(False))])
    g = graph([("Loop", "trips _ x", "last all", {"body": body}), ("Neg", "all", "minus", {})], [tensor("x", F, ["n", 3]), tensor("trips", I, [])],
              [tensor("last", F, None), tensor("all", F, None), tensor("minus", F, None)])
    feeds = [{"x": normal(rng, n, 3), "trips": np.array(t, np.int64)} for n, t in ((2, 4), (4, 1), (1, 0), (2, 9))]
    return g, {"x": ((1, 3), (2, 3), (4, 3)), "trips": ((), (), ())}, feeds


def loop_of_found(rng):
    """Each iteration finds other elements above zero and another branch; what it makes of them is one number."""
    some = graph([("GatherND", "r pt", "v", {}), ("ReduceMean", "v", "a", {"keepdims": 0})], [], [tensor("a", F, None)], name="some")
    none = graph([("Identity", "zero", "b", {})], [], [tensor("b", F, None)], name="none")
    body = body_of([("Relu", "h", "r", {}), ("NonZero", "r", "p", {}), ("Transpose", "p", "pt", {}), ("Size", "p", "size", {}),
                    ("Greater", "size nothing", "any", {}), ("If", "any", "mean", {"then_branch": some, "else_branch": none}),
                    ("Sub", "h mean", "hm", {}), ("Sub", "hm step", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"], [("mean", F)],
                   [("nothing", np.array(0, np.int64)), ("step", np.float32(.1))])
    feeds = [{"x": normal(rng, n, 4) + 1, "trips": np.array(t, np.int64)} for n, t in ((3, 4), (1, 6), (5, 2), (3, 9))]
    g = graph([("Min", "trips ten", "m", {}), ("Loop", "m _ x", "last means", {"body": body})], [tensor("x", F, ["n", 4]), tensor("trips", I, [])],
              [tensor("last", F, None), tensor("means", F, None)], [("zero", np.array(0, np.float32)), ("ten", np.array(10, np.int64))])
    return g, {"x": ((1, 4), (3, 4), (5, 4)), "trips": ((), (), ())}, feeds


def loop_nested(rng):
    """A loop in a loop, and an If in that: the inner one stacks what the outer one reduces."""
    add = graph([("Add", "v x", "a", {})], [], [tensor("a", F, None)], name="add")
    keep = graph([("Identity", "v", "b", {})], [], [tensor("b", F, None)], name="keep")
    inner = body_of([("Mod", "i two", "odd", {}), ("Cast", "odd", "is_odd", {"to": B}),
                     ("If", "is_odd", "v1", {"then_branch": add, "else_branch": keep}),
                     ("Mul", "v1 scale", "v2", {}), ("Identity", "c", "c2", {})], [("v", F)], ["c2", "v2"], [("v1", F)], name="inner")
    for i, name in enumerate(("j", "d")):  # names of its own: ONNX forbids to shadow
        inner.input[i].name = name
    for node in inner.node:
        for i, wanted in enumerate(node.input):
            node.input[i] = {"i": "j", "c": "d"}.get(wanted, wanted)
    outer = body_of([("Shape", "x", "shape", {}), ("Gather", "shape zero", "n", {}), ("Loop", "n _ h", "h1 all", {"body": inner}),
                     ("ReduceSum", "all axes", "s", {"keepdims": 0}), ("Add", "h1 s", "h2", {}), ("Identity", "c", "c1", {})], [("h", F)],
                     ["c1", "h2"],
                    constants=[("zero", np.array(0, np.int64)), ("axes", i64(0))], name="outer")
    g = graph([("Loop", "trips _ x", "y", {"body": outer})], [tensor("x", F, ["n", 2]), tensor("trips", I, [])], [tensor("y", F, None)],
              [("two", np.array(2, np.int64)), ("scale", np.float32(.25))])
    feeds = [{"x": normal(rng, n, 2), "trips": np.array(t, np.int64)} for n, t in ((3, 2), (1, 3), (5, 0), (4, 4))]
    return g, {"x": ((1, 2), (3, 2), (5, 2)), "trips": ((), (), ())}, feeds


def loop_over_time(rng):
    """A recurrent network as TensorFlow's converter writes it: a Loop over a dynamic time axis, two states, outputs stacked."""
    body = body_of([("Gather", "x i", "xt", {"axis": 0}), ("Concat", "xt h", "xh", {"axis": 1}), ("MatMul", "xh w", "z", {}),
                    ("Add", "z bias", "zb", {}),
                    ("Split", "zb", "gi gf", {"axis": 1}), ("Sigmoid", "gi", "si", {}), ("Sigmoid", "gf", "sf", {}), ("Mul", "s sf", "kept", {}),
                    ("Mul", "si si", "fresh", {}), ("Add", "kept fresh", "s1", {}), ("Tanh", "s1", "h1", {}), ("Less", "i last", "c1", {})],
                   [("h", F), ("s", F)], ["c1", "h1", "s1"], [("h1", F)])
    g = graph([("Shape", "x", "shape", {}), ("Gather", "shape zero", "t", {"axis": 0}), ("Sub", "t one", "last", {}),
               ("Gather", "shape one", "n", {}),
               ("Unsqueeze", "n axes", "n1", {}), ("Concat", "n1 eight", "state", {"axis": 0}), ("ConstantOfShape", "state", "h0", {}),
               ("Loop", "t true h0 h0", "h s all", {"body": body}), ("Transpose", "all", "y", {"perm": [1, 0, 2]})],
              [tensor("x", F, ["t", "n", 5])], [tensor("h", F, None), tensor("s", F, None), tensor("y", F, None)],
              [("w", normal(rng, 13, 16) / 3), ("bias", normal(rng, 16)), ("zero", np.array(0, np.int64)), ("one", np.array(1, np.int64)),
               ("axes", i64(0)), ("eight", i64(8)), ("true", np.array(True))])
    feeds = [{"x": normal(rng, t, n, 5)} for t, n in ((6, 2), (1, 1), (40, 3), (6, 2), (17, 1))]
    return g, {"x": ((1, 1, 5), (6, 2, 5), (40, 3, 5))}, feeds


def loop_of_many(rng):
    """More constant iterations than are unrolled."""
    body = body_of([("MatMul", "h w", "hw", {}), ("Sin", "hw", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"], [("hw", F)])
    g = graph([("Loop", "many _ x", "last all", {"body": body}), ("ReduceMean", "all", "y", {"axes": [0], "keepdims": 0})],
              [tensor("x", F, ["n", 3])],
              [tensor("last", F, None), tensor("y", F, None)], [("w", np.eye(3, dtype=np.float32) * .9), ("many", np.array(1000, np.int64))])
    return g, {"x": ((1, 3), (2, 3), (4, 3))}, [{"x": normal(rng, n, 3)} for n in (2, 1, 4)]


def loop_greedy(rng):
    """A decoder that takes the best token until every member of the batch has ended, of 24 at most."""
    body = body_of([("Gather", "embedding token", "e", {"axis": 0}), ("Add", "h e", "he", {}), ("MatMul", "he w", "hw", {}), ("Tanh", "hw", "h1", {}),
                    ("MatMul", "h1 head", "logits", {}), ("ArgMax", "logits", "best", {"axis": 1, "keepdims": 0}),
                    ("Where", "ended end best", "token1", {}),
                    ("Equal", "token1 end", "ended1", {}), ("Cast", "ended1", "ones", {"to": I}), ("ReduceMin", "ones", "all", {"keepdims": 0}),
                    ("Cast", "all", "stop", {"to": B}), ("Not", "stop", "c1", {})],
                   [("token", I), ("h", F), ("ended", B)], ["c1", "token1", "h1", "ended1"], [("token1", I)])
    g = graph([("Equal", "start end", "ended0", {}), ("Loop", "most true start h0 ended0", "t h e tokens", {"body": body}),
               ("Transpose", "tokens", "y", {"perm": [1, 0]})],
              [tensor("h0", F, ["n", 6]), tensor("start", I, ["n"])], [tensor("y", I, None), tensor("h", F, None)],
              [("embedding", normal(rng, 5, 6)), ("w", normal(rng, 6, 6)), ("head", normal(rng, 6, 5)), ("end", np.array(4, np.int64)),
               ("most", np.array(24, np.int64)), ("true", np.array(True))])
    feeds = [{"h0": normal(rng, n, 6), "start": rng.integers(0, 4, n)} for n in (3, 1, 8, 1, 3, 1)]
    return g, {"h0": ((1, 6), (3, 6), (8, 6)), "start": ((1,), (3,), (8,))}, feeds


def scan_dynamic(rng):
    """Two scan inputs along other axes, one from its end, outputs on other axes and from their end, over a dynamic length."""
    body = graph([("Mul", "a b", "ab", {}), ("Add", "h ab", "h1", {}), ("Tanh", "h1", "y", {}), ("ReduceSum", "ab", "z", {"keepdims": 0})],
                 [tensor("h", F, None), tensor("a", F, None), tensor("b", F, None)],
                 [tensor("h1", F, None), tensor("y", F, None), tensor("z", F, None)],
                 name="body")
    g = graph([("Scan", "h0 a b", "h y z", {"body": body, "num_scan_inputs": 2, "scan_input_axes": [1, -1], "scan_input_directions": [1, 0],
                                            "scan_output_axes": [1, 0], "scan_output_directions": [0, 1]})],
              [tensor("h0", F, ["n", 3]), tensor("a", F, ["n", "t", 3]), tensor("b", F, ["n", 3, "t"])],
              [tensor("h", F, None), tensor("y", F, None), tensor("z", F, None)])
    feeds = [{"h0": normal(rng, n, 3), "a": normal(rng, n, t, 3), "b": normal(rng, n, 3, t)} for n, t in ((2, 6), (1, 1), (5, 30), (2, 2))]
    return g, {"h0": ((1, 3), (2, 3), (5, 3)), "a": ((1, 0, 3), (2, 6, 3), (5, 30, 3)), "b": ((1, 3, 0), (2, 3, 6), (5, 3, 30))}, feeds


def scan_8(rng):
    """Op set 8: a dynamic batch, a dynamic length, one input from its end."""
    body = graph([("Add", "h a", "h1", {}), ("Mul", "h1 b", "y", {})], [tensor("h", F, [3]), tensor("a", F, [3]), tensor("b", F, [3])],
                 [tensor("h1", F, [3]), tensor("y", F, [3])], name="body")
    g = graph([("Scan", "_ h0 a b", "h y", {"body": body, "num_scan_inputs": 2, "directions": [0, 1]})],
              [tensor("h0", F, ["n", 3]), tensor("a", F, ["n", "t", 3]), tensor("b", F, ["n", "t", 3])],
              [tensor("h", F, ["n", 3]), tensor("y", F, ["n", "t", 3])])
    feeds = [{"h0": normal(rng, n, 3), "a": normal(rng, n, t, 3), "b": normal(rng, n, t, 3)} for n, t in ((2, 4), (1, 1), (5, 9), (3, 2))]
    return g, {"h0": ((1, 3), (2, 3), (5, 3)), "a": ((1, 1, 3), (2, 4, 3), (5, 9, 3)), "b": ((1, 1, 3), (2, 4, 3), (5, 9, 3))}, feeds, 8


def branch_of_rate(rng):
    """A network for each of two sampling rates, as voice detectors have: states of other shapes within, one result."""
    def side(width, name):
        return graph([("Reshape", "x shape", f"r_{name}", {}), ("MatMul", f"r_{name} w_{name}", f"m_{name}", {}),
                      ("ReduceMean", f"m_{name}", f"o_{name}", {"axes": [1], "keepdims": 0})], [], [tensor(f"o_{name}", F, None)],
                     [("shape", i64(0, -1, width)), (f"w_{name}", normal(rng, width, 6))], name)
    g = graph([("Equal", "sr rate", "high", {}), ("If", "high", "y", {"then_branch": side(8, "high"), "else_branch": side(4, "low")}),
               ("Sigmoid", "y", "p", {})],
              [tensor("x", F, ["n", 64]), tensor("sr", I, [])], [tensor("p", F, None)], [("rate", np.array(16000, np.int64))])
    feeds = [{"x": normal(rng, n, 64), "sr": np.array(r, np.int64)} for n, r in ((2, 16000), (2, 8000), (1, 8000), (4, 16000))]
    return g, {"x": ((1, 64), (2, 64), (4, 64)), "sr": ((), (), ())}, feeds


def branch_of_other_shapes(rng):
    """Results of other dims in each branch; one of them as large as its branch finds."""
    then = graph([("Concat", "x x", "a", {"axis": 0}), ("NonZero", "x", "p", {}), ("Transpose", "p", "pt", {})], [],
                 [tensor("a", F, None), tensor("pt", I, None)],
                 name="then")
    other = graph([("Transpose", "x", "b", {"perm": [1, 0]}), ("Shape", "x", "s", {}), ("Unsqueeze", "s zero", "q", {})], [],
                  [tensor("b", F, None), tensor("q", I, None)], [("zero", i64(0))], name="else")
    g = graph([("If", "c", "y q", {"then_branch": then, "else_branch": other}), ("ReduceSum", "y", "s", {"keepdims": 0}), ("Neg", "y", "z", {})],
              [tensor("x", F, ["n", 3]), tensor("c", B, [])], [tensor("y", F, None), tensor("q", I, None), tensor("s", F, None),
                                                               tensor("z", F, None)])
    feeds = [{"x": np.round(normal(rng, n, 3)), "c": np.array(c)} for n, c in ((2, True), (2, False), (5, False), (5, True), (1, False))]
    return g, {"x": ((1, 3), (2, 3), (5, 3)), "c": ((), (), ())}, feeds


def loop_in_branch(rng):
    """A size that the run finds is the trip count of a loop in a branch: another one in each run at the same shapes."""
    body = body_of([("Add", "h v", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"])
    then = graph([("Loop", "k _ v", "a", {"body": body})], [], [tensor("a", F, [2])], name="then")
    other = graph([("Neg", "v", "b", {})], [], [tensor("b", F, [2])], name="else")
    g = graph([("NonZero", "x", "p", {}), ("Shape", "p", "shape", {}), ("Gather", "shape last", "k", {}),
               ("If", "go", "y", {"then_branch": then, "else_branch": other})],
              [tensor("x", F, [8]), tensor("v", F, [2]), tensor("go", B, [])], [tensor("y", F, [2])], [("last", np.array(1, np.int64))])
    feeds = [{"x": (np.arange(8) < k).astype(np.float32), "v": normal(rng, 2), "go": np.array(go)}
             for k, go in ((3, True), (5, True), (1, True), (0, True), (8, False), (8, True), (2, True))]
    return g, {"x": ((8,),) * 3, "v": ((2,),) * 3, "go": ((), (), ())}, feeds


def branch_that_fails(rng):
    """An If whose branch that is not taken has an index that the tensor lacks."""
    then = graph([("Gather", "x k", "a", {"axis": 0})], [], [tensor("a", F, None)], name="then")
    other = graph([("ReduceSum", "x zero", "b", {"keepdims": 0})], [], [tensor("b", F, None)], [("zero", i64(0))], name="else")
    g = graph([("Shape", "x", "shape", {}), ("Gather", "shape first", "n", {}), ("Less", "k n", "c", {}),
               ("If", "c", "y", {"then_branch": then, "else_branch": other})],
              [tensor("x", F, ["n", 3]), tensor("k", I, [])], [tensor("y", F, None)], [("first", np.array(0, np.int64))])
    feeds = [{"x": normal(rng, n, 3), "k": np.array(k, np.int64)} for n, k in ((2, 1), (2, 7), (5, 4), (1, 1000))]
    return g, {"x": ((1, 3), (2, 3), (5, 3)), "k": ((), (), ())}, feeds


def branch_of_others(rng):
    """Branches that compute nothing: a constant, an input of the graph around, one value as two results; swapped in a loop."""
    then = graph([("Identity", "one", "a", {}), ("Identity", "x", "b", {})], [], [tensor("a", F, None), tensor("b", F, None)],
                 [("one", np.ones((2, 3), np.float32))], name="then")
    other = graph([("Neg", "x", "m", {}), ("Identity", "m", "p", {}), ("Identity", "m", "q", {})], [], [tensor("p", F, None), tensor("q", F, None)],
                  name="else")
    body = body_of([("Identity", "v", "u1", {}), ("Identity", "u", "v1", {}), ("Identity", "c", "c1", {})], [("u", F), ("v", F)], ["c1", "u1", "v1"])
    g = graph([("If", "go", "y z", {"then_branch": then, "else_branch": other}), ("Loop", "trips _ y z", "s t", {"body": body})],
              [tensor("x", F, [2, 3]), tensor("go", B, []), tensor("trips", I, [])], [tensor(n, F, None) for n in ("y", "z", "s", "t")])
    feeds = [{"x": normal(rng, 2, 3), "go": np.array(go), "trips": np.array(t, np.int64)} for go in (True, False) for t in (0, 1, 2, 5)]
    return g, {"x": ((2, 3),) * 3, "go": ((), (), ()), "trips": ((), (), ())}, feeds


def branch_of_sequences(rng):
    """Branches that make sequences, and a loop in one of them whose bodies read the sequence of the graph around."""
    body = body_of([("SequenceAt", "parts zero", "p", {}), ("Add", "h p", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"],
                   constants=[("zero", np.array(0, np.int64))])
    then = graph([("Loop", "trips _ x", "l", {"body": body}), ("SequenceConstruct", "l x", "s", {})], [],
                 [helper.make_tensor_sequence_value_info("s", F, None)], name="then")
    other = graph([("Neg", "x", "m", {}), ("SequenceConstruct", "x m", "s2", {})], [], [helper.make_tensor_sequence_value_info("s2", F, None)],
                  name="else")
    g = graph([("Mul", "x x", "xx", {}), ("SequenceConstruct", "xx x", "parts", {}), ("If", "c", "all", {"then_branch": then, "else_branch": other}),
               ("ConcatFromSequence", "all", "y", {"axis": 0})],
              [tensor("x", F, ["n", 2]), tensor("c", B, []), tensor("trips", I, [])], [tensor("y", F, None)])
    feeds = [{"x": normal(rng, n, 2), "c": np.array(c), "trips": np.array(t, np.int64)} for n, c,
             t in ((2, True, 3), (2, False, 3), (4, True, 0), (1, True, 2))]
    return g, {"x": ((1, 2), (2, 2), (4, 2)), "c": ((), (), ()), "trips": ((), (), ())}, feeds


CASES = (nonzero, masked_product, boxes, unique, branches, branch_of_shapes, branch_of_emptiness, branch_of_rate, branch_of_other_shapes,
         branch_that_fails, branch_of_others, branch_of_sequences, loop, loop_until, loop_of_count, loop_of_bounded_count, loop_while, loop_of_both,
         loop_once, loop_of_found, loop_nested, loop_in_branch,
         loop_over_time, loop_of_many, loop_greedy, scan, scan_dynamic, scan_8)


def difference(got, ref):
    if ref.shape == (0,) and got.shape[:1] == (0,) and got.dtype == ref.dtype:
        return None  # of a loop without iterations ONNX Runtime does not know the dims of a slice
    if got.dtype != ref.dtype or got.shape != ref.shape:
        return f"{got.dtype}{list(got.shape)}, expected {ref.dtype}{list(ref.shape)}"
    if np.allclose(got.astype(np.float64), ref.astype(np.float64), rtol=1e-4, atol=1e-5, equal_nan=True):
        return None
    return f"largest difference {np.nanmax(np.abs(got.astype(np.float64) - ref)):.3g}"


def run(case, device, planted):
    """What is wrong, or None."""
    import onnxruntime
    import tenon_ctypes as tenon
    g, profile, feeds, *opset = case(np.random.default_rng(7))
    model = helper.make_model(g, opset_imports=[helper.make_opsetid("", *(opset or [OPSET]))], ir_version=9).SerializeToString()
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


def failing_iteration(rng):
    """The i + 1 largest elements in iteration i: there may be fewer."""
    body = body_of([("Add", "i one", "k", {}), ("Reshape", "k axis", "k1", {}), ("TopK", "x k1", "v at", {"name": "take"}),
                    ("ReduceSum", "v", "s", {"keepdims": 0}), ("Add", "h s", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"],
                   constants=[("one", np.array(1, np.int64)), ("axis", i64(1))])
    g = graph([("Loop", "trips _ zero", "y", {"body": body, "name": "steps"})], [tensor("x", F, ["n"]), tensor("trips", I, [])],
              [tensor("y", F, None)],
              [("zero", np.array(0, np.float32))])
    return g, {"x": ((1,), (3,), (6,)), "trips": ((), (), ())}, []


def unbounded(rng):
    body = body_of([("Add", "h h", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"], [("h1", F)])
    g = graph([("Loop", "trips _ x", "y all", {"body": body, "name": "steps"})], [tensor("x", F, ["n", 2]), tensor("trips", I, [])],
              [tensor("y", F, None), tensor("all", F, None)])
    return g, {"x": ((1, 2), (3, 2), (6, 2)), "trips": ((), (), ())}, []


def growing(rng):
    body = body_of([("Concat", "h x", "h1", {"axis": 1}), ("Identity", "c", "c1", {})], [("h", F)], ["c1", "h1"])
    g = graph([("Loop", "trips _ x", "y", {"body": body, "name": "steps"})], [tensor("x", F, ["n", 2]), tensor("trips", I, [])],
              [tensor("y", F, None)])
    return g, {"x": ((1, 2), (3, 2), (6, 2)), "trips": ((), (), ())}, []


def sequence_of_count(rng):
    body = graph([("SequenceInsert", "s x", "s1", {}), ("Identity", "c", "c1", {})],
                 [tensor("i", I, []), tensor("c", B, []), helper.make_tensor_sequence_value_info("s", F, None)],
                 [tensor("c1", B, []), helper.make_tensor_sequence_value_info("s1", F, None)], name="body")
    g = graph([("SequenceEmpty", "", "s", {}), ("Loop", "trips _ s", "all", {"body": body, "name": "steps"}),
               ("ConcatFromSequence", "all", "y", {"axis": 0})],
              [tensor("x", F, ["n", 2]), tensor("trips", I, [])], [tensor("y", F, None)])
    return g, {"x": ((1, 2), (3, 2), (6, 2)), "trips": ((), (), ())}, []


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
    engine, feeds = built(failing_iteration)
    context = engine.context()
    context.bind({"x": np.ones(3, np.float32), "trips": np.array(5, np.int64)})
    if wrong := refused(context, "'steps/3/take'"):
        return wrong
    if context.run({"x": np.ones(3, np.float32), "trips": np.array(3, np.int64)})["y"] != 6:
        return "the context does not run after an iteration that failed"
    for case, expected in ((unbounded, "without a bound"), (growing, "must keep its type"), (sequence_of_count, "a sequence")):
        try:
            built(case)
            return f"{case.__name__} was built"
        except tenon.TenonError as error:
            if expected not in str(error) or "'steps'" not in str(error) and "node steps" not in str(error):
                return f"the message of {case.__name__} is '{error}', expected '{expected}' and the node's name"
    engine, feeds = built(unique)
    context = engine.context()
    context.bind({"x": np.array([1, 2, 1, 1], np.float32), "k": i64(5)})
    if wrong := refused(context, "it must be from 0 to 2"):
        return wrong
    if context.run({"x": np.array([1, 2, 1, 1], np.float32), "k": i64(1)})["tv"].tolist() != [2]:
        return "the context does not run after a size that was refused"
    return None


def empty_scan(device):
    """Without slices, which ONNX Runtime does not survive, states stay and outputs are empty. None, or what is wrong."""
    import tenon_ctypes as tenon
    g, profile, feeds = scan_dynamic(np.random.default_rng(7))
    model = helper.make_model(g, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9).SerializeToString()
    context = tenon.Engine(tenon.build(model, [profile], device=device, threads=1, timer="fake", level=1).plan, threads=1).context()
    full = context.run(feeds[0])
    h0 = normal(np.random.default_rng(8), 3, 3)
    got = context.run({"h0": h0, "a": np.zeros((3, 0, 3), np.float32), "b": np.zeros((3, 3, 0), np.float32)})
    if not np.array_equal(got["h"], h0) or got["y"].shape != (3, 0, 3) or got["z"].shape != (0,):
        return f"the state is {got['h']}, expected {h0}; outputs are {got['y'].shape} and {got['z'].shape}"
    again = context.run(feeds[0])
    return None if all(np.array_equal(full[n], again[n]) for n in full) else "a run after an empty one gives other results"


def refit(device):
    """The weights of bodies, captured and their own, are refitted like any others. None, or what is wrong."""
    import tenon_ctypes as tenon

    def model_of(seed):
        rng = np.random.default_rng(seed)
        body = body_of([("MatMul", "h w", "hw", {}), ("Add", "hw bias", "hb", {}), ("Tanh", "hb", "h1", {}), ("Identity", "c", "c1", {})], [("h", F)],
                       ["c1", "h1"], constants=[("bias", normal(rng, 8))])
        side = graph([("MatMul", "y w", "a", {})], [], [tensor("a", F, None)], name="then")
        other = graph([("Mul", "y scale", "b", {})], [], [tensor("b", F, None)], [("scale", normal(rng, 8))], "else")
        g = graph([("Loop", "trips _ x", "y", {"body": body, "name": "steps"}),
                   ("If", "go", "z", {"then_branch": side, "else_branch": other, "name": "if"})],
                  [tensor("x", F, ["n", 8]), tensor("trips", I, []), tensor("go", B, [])], [tensor("z", F, None)], [("w", normal(rng, 8, 8) / 2)])
        return helper.make_model(g, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9).SerializeToString()
    profile = {"x": ((1, 8), (3, 8), (6, 8)), "trips": ((), (), ()), "go": ((), (), ())}

    def engine_of(seed):
        return tenon.Engine(tenon.build(model_of(seed), [profile], device=device, threads=1, timer="fake", level=1).plan, threads=1)
    engine, fresh = engine_of(1), engine_of(2)
    feeds = [{"x": normal(np.random.default_rng(n), n, 8), "trips": np.array(n, np.int64), "go": np.array(go)} for n in (3, 5) for go in (True,
                                                                                                                                          False)]
    context = engine.context()
    before = [context.run(feed)["z"] for feed in feeds]
    refitter = tenon.Refitter(engine)
    if sorted(name for name, *_ in refitter.weights()) != ["if/scale", "steps/bias", "w"]:
        return f"the weights that can be refitted are {sorted(refitter.weights())}"
    refitter.set_from(model_of(2))
    refitter.apply()
    expected = fresh.context()
    for i, feed in enumerate(feeds):
        want = expected.run(feed)["z"]
        if np.array_equal(before[i], want):
            return f"feed {i}: the weights make no difference"
        for who in (context, engine.context()):
            if not np.array_equal(who.run(feed)["z"], want):
                return f"feed {i}: a refitted engine computes something else than one built with the weights"
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
        for check in (refusals, empty_scan, refit):
            try:
                wrong = check(arguments.device)
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            failed, count = failed + (wrong is not None), count + 1
            if wrong:
                print(f"FAILED {check.__name__}: {wrong}")
    print(f"{count - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
