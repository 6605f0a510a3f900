"""tenon.onnx_backend through the runner of the package onnx."""
import unittest

import onnx
import onnx.backend.test
import numpy as np
import package
import pytest

tenon = package.load()
from tenon import onnx_backend  # noqa: E402

CASES = ["test_add", "test_add_bcast", "test_relu", "test_matmul_2d", "test_conv_with_strides_padding", "test_softmax_axis_1",
         "test_gemm_default_vector_bias", "test_maxpool_2d_default", "test_concat_2d_axis_0", "test_transpose_default",
         "test_layer_normalization_default_axis", "test_basic_conv_with_padding"]


class Runner(onnx_backend.TenonBackend):
    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        return super().prepare(model, device, threads=1, options=package.FAKE, **kwargs)


def chosen():
    """Of the thousands of cases those of CASES, by kind."""
    found = {}
    for kind, group in onnx.backend.test.BackendTest(Runner, __name__).test_cases.items():
        for name, test in vars(group).items():
            if name.removesuffix("_cpu") in CASES:
                found.setdefault(kind, {})[name] = test
    return found


CHOSEN = chosen()
globals().update({kind: type(kind, (unittest.TestCase,), tests) for kind, tests in CHOSEN.items()})


def test_the_cases_are_there():
    assert sorted(name for tests in CHOSEN.values() for name in tests) == sorted(f"{case}_cpu" for case in CASES)


def test_run_node_and_inputs():
    node = onnx.helper.make_node("Add", ["a", "b"], ["c"])
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(onnx_backend.run_node(node, [a, a], outputs_info=[(a.dtype, a.shape)], options=package.FAKE)[0], a + a)
    with pytest.raises(ValueError, match="outputs_info"):
        onnx_backend.run_node(node, [a, a])
    assert onnx_backend.supports_device("CPU") and not onnx_backend.supports_device("TPU")


def test_shapes_change(model, x, expected):
    rep = onnx_backend.prepare(onnx.load_from_string(model), threads=1, options=package.FAKE)
    assert np.allclose(rep.run([x])[0], expected, atol=1e-5) and np.allclose(rep.run({"x": x[:1]})[0], expected[:1], atol=1e-5)
    with pytest.raises(ValueError, match="2 inputs were given"):
        rep.run([x, x])
