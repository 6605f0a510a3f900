"""Tensors of strings: arrays of str go in and come out, whatever becomes of contexts and inputs."""
import asyncio

import numpy as np
import onnx
import package
import pytest
from onnx import TensorProto, helper

tenon = package.load()


def built(nodes, inputs, outputs):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "strings", [value(name, TensorProto.STRING, dims) for name, dims in inputs.items()],
                              [value(name, kind, None) for name, kind in outputs.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return tenon.build(model.SerializeToString(), threads=1, options=package.FAKE)


@pytest.fixture(scope="module")
def joined():
    with built([helper.make_node("StringConcat", ["x", "x"], ["y"])], {"x": [2, 2]}, {"y": TensorProto.STRING}) as engine:
        yield engine


@pytest.mark.parametrize("x", [
    np.array([["a", "ß"], ["", "🙂"]]), np.array([["a", "ß"], ["", "🙂"]], object), [["a", "ß"], ["", "🙂"]],
    np.array([[b"a", "ß".encode()], [b"", "🙂".encode()]], object), np.array([["a", ""], ["ß", "🙂"]]).T])
def test_arrays_and_lists_of_str(joined, x):
    y = joined.run({"x": x})["y"]
    assert y.dtype == object and y.tolist() == [["aa", "ßß"], ["", "🙂🙂"]]


def test_results_stay_when_all_else_goes(joined):
    context = joined.create_context()
    first = context.run({"x": [["a", "b"], ["c", "d"]]})["y"]
    context.run({"x": [["x" * 5000] * 2] * 2})
    context.close()
    assert first.tolist() == [["aa", "bb"], ["cc", "dd"]]
    with joined.create_context() as other:
        assert asyncio.run(other.run_async({"x": [["a", "b"], ["c", "d"]]}))["y"].tolist() == first.tolist()
        other.enqueue()
        assert other.wait()["y"].tolist() == first.tolist()


def test_what_is_no_string_is_refused(joined):
    with pytest.raises(tenon.InvalidArgumentError, match="holds int"):
        joined.run({"x": [[1, 2], [3, 4]]})
    with pytest.raises(tenon.InvalidArgumentError):
        joined.run({"x": ["a"]})
    with pytest.raises(tenon.UnsupportedError, match="leave it out of outputs"):
        with joined.create_context() as context:
            context.run({"x": [["a", "b"], ["c", "d"]]}, {"y": np.empty((2, 2), object)})
    with pytest.raises(tenon.UnsupportedError, match="no tensor has elements"):
        tenon.memory_of(np.empty(2, object))


def test_sizes_without_a_bound():
    nodes = [helper.make_node("StringSplit", ["x"], ["y", "z"], delimiter=",")]
    with built(nodes, {"x": [2]}, {"y": TensorProto.STRING, "z": TensorProto.INT64}) as engine, engine.create_context() as context:
        context.set_input_shape("x", (2,))
        assert context.get_shape("y") == (2, -1)
        for x, pieces in ((["a,b", "c"], [["a", "b"], ["c", ""]]), (["", "1,2,3"], [["", "", ""], ["1", "2", "3"]]),
                          ([",".join("p" * 500)] * 2, [["p"] * 500] * 2)):
            results = context.run({"x": x})
            assert results["y"].tolist() == pieces
            assert results["z"].tolist() == [text.count(",") + 1 for text in x]
