"""Operators at the ends of what they take: each is refused with a reason, or is right, and neither takes long."""
import time

import numpy as np
import package
import pytest
from onnx import TensorProto, helper, numpy_helper

tenon = package.load()
TYPES = {np.dtype("float16"): TensorProto.FLOAT16, np.dtype("float32"): TensorProto.FLOAT, np.dtype("int64"): TensorProto.INT64,
         np.dtype("int8"): TensorProto.INT8}


def build(op, inputs, opset, outputs=("y",), constants=None, dims=None, **attributes):
    """`inputs`: arrays by name in order; those named in `constants` are part of the model; `dims`: other dims of an input."""
    constants = set(constants or ())
    node = helper.make_node(op, list(inputs), list(outputs), **attributes)
    infos = [helper.make_tensor_value_info(k, TYPES[v.dtype], (dims or {}).get(k, v.shape)) for k, v in inputs.items() if k not in constants]
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info(k) for k in outputs],
                              [numpy_helper.from_array(inputs[k], k) for k in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    profile = {k: (v.shape, v.shape, v.shape) for k, v in inputs.items() if k not in constants}
    return tenon.build(model.SerializeToString(), profiles=[profile] if profile else [], threads=1, options=package.FAKE)


def run(op, inputs, opset, constants=(), **more):
    return build(op, inputs, opset, constants=constants, **more).run({k: v for k, v in inputs.items() if k not in constants})["y"]


def scalars(**values):
    return {k: np.array(v, np.float32 if isinstance(v, float) else np.int64) for k, v in values.items()}


def test_local_response_of_large_halves():
    x = np.full((1, 3, 1, 2), 300, np.float16)
    wide = x.astype(np.float64)
    sums = np.array([2, 3, 2]).reshape(1, 3, 1, 1) * wide ** 2
    expected = wide / (1 + 1e-4 / 3 * sums) ** 0.75
    assert np.allclose(run("LRN", {"x": x}, 13, size=3), expected, rtol=2e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_loss_of_many_halves(weighted):
    scores, targets = np.zeros((70000, 3), np.float16), np.arange(70000) % 3
    inputs = {"x": scores, "t": targets.astype(np.int64), **({"w": np.ones(3, np.float16)} if weighted else {})}
    got = run("SoftmaxCrossEntropyLoss", inputs, 13, ignore_index=-100)
    assert got.dtype == np.float16 and np.isclose(float(got), np.log(3), rtol=2e-3)


def test_regions_far_larger_than_the_image():
    x, regions = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), np.array([[0, 0, 1e30, 1e30], [0, 0, 4000, 4000]], np.float32)
    start = time.monotonic()
    y = run("RoiAlign", {"x": x, "r": regions, "b": np.zeros(2, np.int64)}, 16, coordinate_transformation_mode="output_half_pixel")
    assert time.monotonic() - start < 10 and y[0, 0, 0, 0] == 0
    # One point an element: the whole image's sum among 4000 x 4000 points of which the others are 0.
    assert np.isclose(y[1, 0, 0, 0], run("RoiAlign", {"x": x, "r": regions[1:], "b": np.zeros(1, np.int64)}, 16, sampling_ratio=1000,
                                         coordinate_transformation_mode="output_half_pixel")[0, 0, 0, 0], atol=1e-5)


def test_scale_and_zero_point_of_dims_with_two_names():
    x, scale, zero = np.arange(60, dtype=np.int8).reshape(3, 4, 5), np.array([1, 2, 4], np.float32), np.array([0, 1, 2], np.int8)
    got = run("DequantizeLinear", {"x": x, "s": scale, "z": zero}, 13, axis=0, dims={"s": ["a"], "z": ["b"]})
    shape = (3, 1, 1)
    assert np.array_equal(got, (x.astype(np.float32) - zero.reshape(shape)) * scale.reshape(shape))


def test_mel_bands_beyond_the_spectrum():
    names = scalars(bands=8, length=2 ** 20, rate=1, low=0.0, high=2.0 ** 24)
    start = time.monotonic()
    y = run("MelWeightMatrix", names, 17, constants=names)
    assert y.shape == (2 ** 19 + 1, 8) and time.monotonic() - start < 20


F32 = np.zeros((2, 3), np.float32)
GRAMS = {"mode": "TF", "min_gram_length": 2, "max_gram_length": 2, "ngram_counts": [0, 0], "pool_int64s": [1, 2]}
REFUSED = {
    "skips without end": (("TfIdfVectorizer", {"x": np.zeros((1, 5), np.int64)}, 9),
                          {**GRAMS, "ngram_indexes": [0], "max_skip_count": 2 ** 40, "dims": {"x": [1, "n"]}}, "max_skip_count"),
    "a column far off": (("TfIdfVectorizer", {"x": np.zeros((1, 5), np.int64)}, 9),
                         {**GRAMS, "ngram_indexes": [2 ** 31 - 1], "max_skip_count": 0}, "ngram_indexes"),
    "a diagonal of no square": (("Einsum", {"x": F32}, 12), {"equation": "ii->i"}, "one letter"),
    "negative strides": (("MaxUnpool", {"x": np.zeros((1, 1, 2, 2), np.float32), "i": np.zeros((1, 1, 2, 2), np.int64)}, 11),
                         {"kernel_shape": [2, 2], "strides": [-1, 0]}, "strides"),
    "pads without end": (("MaxUnpool", {"x": np.zeros((1, 1, 2, 2), np.float32), "i": np.zeros((1, 1, 2, 2), np.int64)}, 11),
                         {"kernel_shape": [2, 2], "pads": [-2 ** 63, 0, 0, 2 ** 63 - 1]}, "pads"),
    "a class beyond numbers": (("NegativeLogLikelihoodLoss", {"x": F32, "t": np.zeros(2, np.int64)}, 13), {"ignore_index": 2 ** 60}, "ignore_index"),
    "a precision of integers": (("QuantizeLinear", {"x": F32, "s": np.float32(1).reshape(())}, 24), {"precision": 7}, "precision"),
    "a window of negative size": (("HannWindow", scalars(n=-5), 17), {"constants": ["n"]}, "negative"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    arguments, more, text = REFUSED[case]
    with pytest.raises(tenon.TenonError, match=text):
        build(*arguments, **more)
