#!/usr/bin/env python3
"""Writes tests/support/test_model.h: a small network with a dynamic batch, as bytes that C and C++ tests embed.

x[N,1,4,4] → Conv(w1, b1) → Relu → Reshape(shape) → Gemm(w2, b2) → y[N,3]. `shape` is an initialiser whose value decides
the network's shapes, so a plan pins it. Needs the onnx package; the result is kept with the sources.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(7)


VALUES = {}


def weight(name, *shape):
    VALUES[name] = (rng.integers(-8, 9, shape) / 16).astype(np.float32)
    return numpy_helper.from_array(VALUES[name], name)


def model():
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Reshape", ["r", "shape"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], name="dense"),
    ]
    graph = helper.make_graph(
        nodes, "test_model", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [weight("w1", 2, 1, 3, 3), weight("b1", 2), weight("w2", 32, 3), weight("b2", 3),
         numpy_helper.from_array(np.array([0, -1], np.int64), "shape")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def main():
    data = model()
    rows = [", ".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    text = ("/* Written by make_test_model.py, which says what it is. */\n#ifndef TENON_TEST_MODEL_H\n"
            "#define TENON_TEST_MODEL_H\n\n/* clang-format off */\nstatic const unsigned char test_model[] = {\n  "
            + ",\n  ".join(rows) + "\n};\n")
    for name, value in VALUES.items():
        numbers = [f"{v:.4f}f" for v in value.ravel()]
        rows = [", ".join(numbers[i:i + 12]) for i in range(0, len(numbers), 12)]
        text += f"/* {list(value.shape)} */\nstatic const float test_model_{name}[] = {{\n  " + ",\n  ".join(rows) + "\n};\n"
    text += "/* clang-format on */\n\n#endif\n"
    pathlib.Path(__file__).with_name("test_model.h").write_text(text)


if __name__ == "__main__":
    main()
