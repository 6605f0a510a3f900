#!/usr/bin/env python3
"""Elementwise functions behind products, where their arguments are large: against float64.

    tests/onnx/activations.py [--build DIR] [--device NAME] [--canary] [FUNCTION ...]

A kernel that applies a function to its own result must do so over its whole range: exponentials overflow in f32 beyond 88, in
quotients of them beyond 44. Each function follows a convolution, one of kernel 1, and a matrix product whose results go from -200
to 200; floats within 1e-5 + 1e-4·|ref|, and no NaN.
"""
import argparse
import math
import os
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
erf = np.vectorize(math.erf)
sigmoid = lambda x: np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
softplus = lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


# name → nodes from h to y, and the function.
FUNCTIONS = {
    "Tanh": ([("Tanh", ["h"], {})], np.tanh),
    "Sigmoid": ([("Sigmoid", ["h"], {})], sigmoid),
    "SiLU": ([("Sigmoid", ["h"], {}), ("Mul", ["h", "t0"], {})], lambda x: x * sigmoid(x)),
    "Gelu": ([("Gelu", ["h"], {})], lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)))),
    "GeluTanh": ([("Gelu", ["h"], {"approximate": "tanh"})], gelu_tanh),
    "Softplus": ([("Softplus", ["h"], {})], softplus),
    "Mish": ([("Mish", ["h"], {})], lambda x: x * np.tanh(softplus(x))),
    "HardSwish": ([("HardSwish", ["h"], {})], lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "HardSigmoid": ([("HardSigmoid", ["h"], {})], lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "Elu": ([("Elu", ["h"], {})], lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "Erf": ([("Erf", ["h"], {})], erf),
    "LeakyRelu": ([("LeakyRelu", ["h"], {"alpha": 0.1})], lambda x: np.where(x > 0, x, 0.1 * x)),
    "Softsign": ([("Softsign", ["h"], {})], lambda x: x / (1 + np.abs(x))),
}
CHANNELS, OUT = 16, 32


def products(rng):
    """name → node, its constants, the feed, and what it gives in float64."""
    spread = np.linspace(-200, 200, OUT).astype(np.float32)
    scale = rng.uniform(0.01, 1, (1, CHANNELS, 6, 7)).astype(np.float32)
    for name, kernel in (("conv3", 3), ("conv1", 1)):
        w = np.zeros((OUT, CHANNELS, kernel, kernel), np.float32)
        w[:, 0, kernel // 2, kernel // 2] = spread
        bias = rng.uniform(-1, 1, OUT).astype(np.float32)
        node = ("Conv", ["x", "w", "b"], {"pads": [kernel // 2] * 4})
        yield name, node, {"w": w, "b": bias}, scale, scale[:, :1].astype(np.float64) * spread[:, None, None] + bias[:, None, None]
    rows, w = rng.uniform(0.01, 1, (9, CHANNELS)).astype(np.float32), np.zeros((CHANNELS, OUT), np.float32)
    w[0] = spread
    yield "matmul", ("MatMul", ["x", "w"], {}), {"w": w}, rows, rows[:, :1].astype(np.float64) * spread


def model(node, constants, x, function):
    nodes = [helper.make_node(node[0], node[1], ["h"], **node[2])]
    for i, (op, inputs, attributes) in enumerate(function):
        nodes.append(helper.make_node(op, inputs, ["y" if i + 1 == len(function) else f"t{i}"], **attributes))
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    tensors = [helper.make_tensor(n, TensorProto.FLOAT, a.shape, a.tobytes(), raw=True) for n, a in constants.items()]
    graph = helper.make_graph(nodes, "g", [value("x", x.shape)], [value("y", None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10).SerializeToString()


def check(tenon, device, functions, planted):
    for name in functions:
        nodes, function = FUNCTIONS[name]
        for product, node, constants, x, h in products(np.random.default_rng(5)):
            want = function(h)
            if planted:
                want = want + 1
            for level, onednn in ((1, True), (4, True), (4, False)):
                built = tenon.build(model(node, constants, x, nodes), [], device=device, level=level, onednn=onednn, threads=1)
                got = tenon.Engine(built.plan, threads=1).context().run({"x": x})["y"]
                bad = ~(np.abs(got - want) <= 1e-5 + 1e-4 * np.abs(want))
                tactics = {n["name"]: n["tactic"] for n in built.report["nodes"]}
                where = f"{name} behind {product}, level {level}, {'with' if onednn else 'without'} oneDNN"
                first = tuple(np.argwhere(bad)[0]) if bad.any() else ()
                yield where, f"{got[first]}, not {want[first]}; by {tactics}" if bad.any() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    import tenon_ctypes as tenon
    passed = failed = 0
    wanted = arguments.functions or list(FUNCTIONS)
    for where, wrong in check(tenon, arguments.device, wanted[:1] if arguments.canary else wanted, arguments.canary):
        passed, failed = passed + (wrong is None), failed + (wrong is not None)
        if wrong:
            print(f"FAILED {where}{' (planted)' if arguments.canary else ''}: {wrong}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
