"""The command-line tool as a user runs it, on models small enough to be made here."""
import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("TENON_BUILD", ROOT / "build")) / "tenon"


def save(path, nodes, inputs, outputs, weights=()):
    """inputs, outputs: (name, type, dims); weights: {name: array}."""
    graph = helper.make_graph(nodes, "test", [helper.make_tensor_value_info(*i) for i in inputs],
                              [helper.make_tensor_value_info(*o) for o in outputs],
                              [numpy_helper.from_array(v, k) for k, v in dict(weights).items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def tenon(tmp_path):
    def run(*arguments, code=0):
        done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path, timeout=120)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done
    return run


def weights(seed):
    rng = np.random.default_rng(seed)
    return {"w": rng.standard_normal((4, 3), dtype=np.float32), "b": rng.standard_normal(3, dtype=np.float32)}


def expected(x, seed=0):
    w = weights(seed)
    return np.maximum(x @ w["w"] + w["b"], 0)


@pytest.fixture
def model(tmp_path):
    """y = relu(x·w + b), x: batch × 4."""
    return affine(tmp_path / "model.onnx", 0)


def affine(path, seed):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["xw"], "project"), helper.make_node("Add", ["xw", "b"], ["s"], "shift"),
             helper.make_node("Relu", ["s"], ["y"], "clip")]
    return save(path, nodes, [("x", TensorProto.FLOAT, ["batch", 4])], [("y", TensorProto.FLOAT, ["batch", 3])], weights(seed))


@pytest.fixture
def two_inputs(tmp_path):
    """sum = a + b, and difference = a - b; both batch × 2."""
    nodes = [helper.make_node("Add", ["first", "second"], ["sum"]), helper.make_node("Sub", ["first", "second"], ["difference"])]
    dims = ["batch", 2]
    return save(tmp_path / "two.onnx", nodes, [("first", TensorProto.FLOAT, dims), ("second", TensorProto.FLOAT, dims)],
                [("sum", TensorProto.FLOAT, dims), ("difference", TensorProto.FLOAT, dims)])


@pytest.fixture
def looping(tmp_path):
    """y = x·w·w·…, until an element is large; the largest ones on the way; x: batch × 3."""
    info = helper.make_tensor_value_info
    body = helper.make_graph([helper.make_node("MatMul", ["h", "w"], ["h1"], "product"),
                              helper.make_node("ReduceMax", ["h1"], ["m"], "largest", keepdims=0),
                              helper.make_node("Less", ["m", "limit"], ["c1"], "small")], "body",
                             [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("h", TensorProto.FLOAT, None)],
                             [info("c1", TensorProto.BOOL, []), info("h1", TensorProto.FLOAT, None), info("m", TensorProto.FLOAT, [])])
    return save(tmp_path / "loop.onnx", [helper.make_node("Loop", ["most", "", "x"], ["y", "sums"], "steps", body=body)],
                [("x", TensorProto.FLOAT, ["batch", 3])], [("y", TensorProto.FLOAT, None), ("sums", TensorProto.FLOAT, None)],
                {"w": np.eye(3, dtype=np.float32) * 2, "limit": np.array(1e6, np.float32), "most": np.array(500, np.int64)})
