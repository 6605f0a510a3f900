#!/usr/bin/env python3
"""The models of docs/conformance.md: `models.py FOLDER` writes them. Weights are small integers, so results are exact."""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

F32, I32, BOOL = TensorProto.FLOAT, TensorProto.INT32, TensorProto.BOOL


def model(name, nodes, inputs, outputs, weights):
    tensors = [[helper.make_tensor_value_info(*one) for one in group] for group in (inputs, outputs)]
    graph = helper.make_graph(nodes, name, *tensors, [numpy_helper.from_array(v, k) for k, v in weights.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tenon")
    checker.check_model(made)
    return made.SerializeToString()


def linear(w, b):
    return model("linear", [helper.make_node("MatMul", ["x", "W"], ["p"], name="product"),
                            helper.make_node("Add", ["p", "b"], ["y"], name="shift")],
                 [("x", F32, ["batch", 4])], [("y", F32, ["batch", 3])],
                 {"W": np.array(w, np.float32), "b": np.array(b, np.float32)})


def write(folder):
    first = linear([[1, 2, 3], [0, 1, 0], [2, 0, 1], [-1, 1, 4]], [10, 20, 30])
    files = {
        "linear.onnx": first,
        "linear2.onnx": linear([[2, 0, 1], [1, 1, 1], [0, 3, 0], [1, 0, 2]], [1, 2, 3]),
        "pair.onnx": model("pair", [helper.make_node("Add", ["a", "b"], ["sum"], name="add"),
                                    helper.make_node("Mul", ["a", "b"], ["product"], name="mul")],
                           [("a", F32, ["n", "m"]), ("b", F32, ["n", "m"])],
                           [("sum", F32, ["n", "m"]), ("product", F32, ["n", "m"])], {}),
        "fixed.onnx": model("fixed", [helper.make_node("Add", ["x", "c"], ["s"], name="add"),
                                      helper.make_node("Relu", ["s"], ["y"], name="relu")],
                            [("x", F32, [2, 3])], [("y", F32, [2, 3])], {"c": np.array([1, -2, 3], np.float32)}),
        "integers.onnx": model("integers", [helper.make_node("Add", ["x", "x"], ["y"], name="double"),
                                            helper.make_node("Mod", ["x", "two"], ["rest"], name="mod"),
                                            helper.make_node("Equal", ["rest", "zero"], ["even"], name="equal")],
                               [("x", I32, ["n"])], [("y", I32, ["n"]), ("even", BOOL, ["n"])],
                               {"two": np.array([2], np.int32), "zero": np.array([0], np.int32)}),
        "combined.onnx": model("combined", [helper.make_node("Add", ["a", "b"], ["ab"], name="combine"),
                                            helper.make_node("Add", ["x", "ab"], ["y"], name="add")],
                               [("x", F32, [2, 3])], [("y", F32, [2, 3])],
                               {"a": np.array([1, 2, 3], np.float32), "b": np.array([10, 20, 30], np.float32)}),
        "broken.onnx": first[:len(first) // 2],
    }
    for name, data in files.items():
        (pathlib.Path(folder) / name).write_bytes(data)


if __name__ == "__main__":
    write(sys.argv[1])
