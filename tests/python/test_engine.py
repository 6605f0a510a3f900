"""Build, load, run, save, refit, inspect."""
import array
import json
import os
import pathlib

import numpy as np
import package
import pytest

tenon = package.load()
BOUND = 1e-5


def close(a, b):
    return np.allclose(a, b, atol=BOUND, rtol=BOUND)


def test_canary(engine, x, expected):
    """The planted fault: a result that is a little off is found."""
    off = 10 * BOUND if "TENON_CANARY" in os.environ else 0
    assert close(engine.run({"x": x})["y"] + off, expected)


def test_result(engine, x, expected):
    got = engine.run({"x": x})
    assert list(got) == ["y"] and got["y"].dtype == np.float32
    assert close(got["y"], expected)


@pytest.mark.parametrize("form", ["path", "bytes", "blob", "taken", "onnx"])
def test_build_takes_every_form_of_a_model(form, model, x, expected, tmp_path):
    import onnx
    path = tmp_path / "modèle 🙂.onnx"
    path.write_bytes(model)
    given = {"path": lambda: path, "bytes": lambda: model, "blob": lambda: tenon.Blob.from_file(path),
             "taken": lambda: tenon.Blob.take(bytearray(model)), "onnx": lambda: onnx.load_from_string(model)}[form]()
    engine = tenon.build(given, device="cpu", profiles=[package.PROFILE], threads=1, options=package.FAKE)
    assert close(engine.run({"x": x})["y"], expected)


def test_save_and_load(engine, x, expected, tmp_path):
    path = tmp_path / "plän.plan"
    engine.save(path)
    for plan in (path, str(path), path.read_bytes(), memoryview(path.read_bytes()), tenon.Blob.from_file(path)):
        with tenon.load(plan, threads=2) as again:
            assert close(again.run({"x": x})["y"], expected) and again.thread_count == 2


def test_several_profiles_are_chosen_by_shape(model, x, expected):
    engine = tenon.build(model, profiles=[{"x": (1, 1, 4, 4)}, {"x": ((2, 1, 4, 4), (3, 1, 4, 4), (4, 1, 4, 4))}], threads=1,
                         options=package.FAKE)
    assert engine.profile_count == 2 and engine.profile_shapes("x", 1)[2] == (4, 1, 4, 4)
    assert close(engine.run({"x": x})["y"], expected) and close(engine.run({"x": x[:1]})["y"], expected[:1])
    with pytest.raises(tenon.OutOfRangeError, match=r"no profile of the plan takes x\[6, 1, 4, 4\]"):
        engine.run({"x": np.concatenate([x, x])})


def test_description(engine):
    x, y = engine.tensors
    assert repr(x) == "x: f32[?, 1, 4, 4]" and x.shape == (-1, 1, 4, 4) and x.dtype == np.float32
    assert x.mode is tenon.IoMode.INPUT and x.format is tenon.TensorFormat.LINEAR and x.location is tenon.TensorLocation.HOST
    assert engine.tensor("y") == y and engine.inputs == [x] and engine.outputs == [y] and engine.name == "test_model"
    assert repr(engine) == "<tenon.Engine 'test_model' (x: f32[?, 1, 4, 4]) -> (y: f32[?, 3]), 1 profile>"
    assert engine.arena_size() >= 0 and engine.weight_size > 0 and engine.thread_count == 1
    layers = engine.layers()
    assert layers and all(layer.name and layer.kernel for layer in layers)
    assert {"conv", "dense"} <= {origin for layer in layers for origin in layer.origins}
    with pytest.raises(tenon.NotFoundError, match="z"):
        engine.tensor("z")


def test_inspector(engine, plan):
    for inspector in (engine.inspector(), tenon.EngineInspector.from_plan(plan), tenon.EngineInspector.from_plan(tenon.Blob(plan))):
        assert "test_model" in inspector.text() and isinstance(inspector.json(), dict)


def test_onnx_models_are_asked_and_given_weights(model, x, tmp_path):
    import onnx
    import onnxruntime
    assert tenon.onnx_operator_capability("", "Relu", 17)["supported"]
    unknown = tenon.onnx_operator_capability("com.x", "Relu", 1)
    assert not unknown["supported"] and unknown["nearest"] == {"domain": "ai.onnx", "op": "Relu", "since": 1}
    builder = tenon.Builder()
    (tmp_path / "m.onnx").write_bytes(model)
    read, same = tenon.OnnxModel.from_file(builder, tmp_path / "m.onnx"), tenon.OnnxModel.from_blob(builder, tenon.Blob(model))
    assert read.capability() == same.capability() and read.capability()["supported"]
    given = np.array([9, 1, 2, 3], np.float32)
    same.set_initializer("b2", tenon.DataType.FLOAT32, [3], tenon.Blob(given), offset=4)
    for wrong, error in (({"shape": [2]}, tenon.InvalidArgumentError), ({"data_type": tenon.DataType.INT32}, tenon.InvalidArgumentError),
                         ({"offset": 8}, tenon.InvalidArgumentError), ({"name": "z"}, tenon.NotFoundError)):
        with pytest.raises(error, match=wrong.get("name", "b2")):
            same.set_initializer(**{"name": "b2", "data_type": tenon.DataType.FLOAT32, "shape": [3], "data": tenon.Blob(given), **wrong})
    network = tenon.Network.from_onnx_model(same)
    written = bytes(network.to_onnx())
    proto = onnx.load_model_from_string(written)
    onnx.checker.check_model(proto, full_check=True)
    before = onnx.load_model_from_string(model)
    for tensor in before.graph.initializer:
        if tensor.name == "b2":
            tensor.CopyFrom(onnx.numpy_helper.from_array(given[1:], "b2"))
    want = onnxruntime.InferenceSession(before.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_array_equal(onnxruntime.InferenceSession(written).run(None, {"x": x})[0], want)
    small, weights = network.to_onnx_with_weights("w.bin")
    (tmp_path / "small.onnx").write_bytes(bytes(small))
    (tmp_path / "w.bin").write_bytes(bytes(weights))
    np.testing.assert_array_equal(onnxruntime.InferenceSession(tmp_path / "small.onnx").run(None, {"x": x})[0], want)


def test_plans_are_written_to_look_at(plan):
    import onnx
    inspector = tenon.EngineInspector.from_plan(plan)
    view = onnx.load_model_from_string(bytes(inspector.to_onnx()))
    assert [i.name for i in view.graph.input] == ["x"] and [o.name for o in view.graph.output] == ["y"]
    assert view.graph.node and all(node.domain == "dev.tenon" for node in view.graph.node)
    with pytest.raises(tenon.InvalidArgumentError, match="report"):
        inspector.to_onnx(report={})


def test_context_binds_once_and_copies_nothing(engine, x, expected):
    y = np.zeros((3, 3), np.float32)
    context = engine.create_context()
    bound = context.bind({"x": x}, {"y": y})
    assert bound["y"] is y
    results = context.run()
    assert results["y"] is y and close(y, expected)
    changing = x.copy()
    context.bind({"x": changing})
    for factor in (0.0, 1.0):
        changing[...] = x * factor
        got = context.run()["y"]
        assert np.shares_memory(got, context.run()["y"])
    assert close(got, expected)
    assert tenon.memory_of(y).address == y.ctypes.data
    assert context.run_measured() >= 0 and context.run_in_parts().enqueue >= 0
    assert context.replay == (False, 0) and context.replay_refusal
    assert context.profile == 0 and context.engine is engine


def test_context_settings(engine, x, expected):
    context = engine.create_context()
    assert repr(context) == "<tenon.ExecutionContext (x: f32[?, 1, 4, 4]) -> (y: f32[?, 3])>"
    context.set_input_shape("x", [3, 1, 4, 4])
    assert context.get_shape("y") == (3, 3) and "y: f32[3, 3]" in repr(context)
    context.prepare()
    y = bytearray(36)
    context.set_buffer("x", x.tobytes())
    context.set_buffer("y", y)
    context.enqueue()
    assert context.wait()["y"] is y
    assert close(np.frombuffer(y, np.float32).reshape(3, 3), expected)
    context.set_profile(0)
    with pytest.raises(tenon.InvalidArgumentError):
        context.run()
    with pytest.raises(tenon.OutOfRangeError):
        context.set_profile(1)


def test_run_leaves_memory_alone(engine, x):
    """Results of one run are not those of the next, and the engine keeps no array."""
    import gc
    import weakref
    first = engine.run({"x": x})["y"]
    copy = first.copy()
    given = x * 2
    watched = weakref.ref(given)
    engine.run({"x": given})
    del given
    gc.collect()
    assert watched() is None and np.array_equal(first, copy)


def test_inputs_of_other_kinds(engine, x, expected):
    strided = np.empty((3, 1, 4, 8), np.float32)[..., ::2]
    strided[...] = x
    for given in (strided, x.tolist(), x.T.copy().T, memoryview(x)):
        assert close(engine.run({"x": given})["y"], expected)
    readonly = x.copy()
    readonly.flags.writeable = False
    assert close(engine.run({"x": readonly})["y"], expected)
    flat = array.array("f", x.ravel().tolist())
    context = engine.create_context()
    context.set_input_shape("x", x.shape)
    context.set_buffer("x", flat)
    y = np.empty((3, 3), np.float32)
    context.bind(None, {"y": y})
    context.run()
    assert close(y, expected)


def test_numbers_and_lists(model):
    from onnx import TensorProto, helper
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "sum",
                              [helper.make_tensor_value_info(n, TensorProto.INT32, s) for n, s in (("a", []), ("b", [2]))],
                              [helper.make_tensor_value_info("c", TensorProto.INT32, [2])])
    engine = tenon.build(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), threads=1,
                         options=package.FAKE)
    for a, b in ((3, [1, 2]), (np.int32(3), (1, 2)), (np.int64(3), [True, np.int8(2)])):
        assert engine.run({"a": a, "b": b})["c"].tolist() == [4, 5]
    for a in (1.5, "1", 2 ** 40, [1, 2], None):
        with pytest.raises((ValueError, TypeError)):
            engine.run({"a": a, "b": [1, 2]})


def test_wrong_inputs(engine, x):
    with pytest.raises(tenon.InvalidArgumentError, match="input x must be f32; the array is f64"):
        engine.run({"x": x.astype(np.float64)})
    with pytest.raises(ValueError, match="missing: x"):
        engine.run({})
    with pytest.raises(ValueError, match="z is no input"):
        engine.run({"x": x, "z": x})
    with pytest.raises(IndexError, match="dim 0"):
        engine.run({"x": np.zeros((9, 1, 4, 4), np.float32)})
    with pytest.raises(TypeError, match="is no array"):
        engine.run({"x": object()})
    with pytest.raises(tenon.UnsupportedError):
        engine.run({"x": x.astype(">f4")})
    with pytest.raises(ValueError, match="read-only"):
        frozen = np.zeros((3, 3), np.float32)
        frozen.flags.writeable = False
        engine.run({"x": x}, {"y": frozen})
    with pytest.raises(ValueError, match=r"has the shape \[3, 3\]"):
        engine.run({"x": x}, {"y": np.zeros((4, 3), np.float32)})
    with pytest.raises(ValueError, match="z is no output"):
        engine.run({"x": x}, {"z": np.zeros((3, 3), np.float32)})
    with pytest.raises(ValueError, match="next to each other"):
        engine.run({"x": x}, {"y": np.zeros((3, 6), np.float32)[:, ::2]})
    assert engine.run({"x": x})["y"].shape == (3, 3)


def test_builder_objects(model, tmp_path):
    builder = tenon.Builder()
    builder.set_limit(tenon.Limit.NODES, 1000)
    assert builder.get_limit(tenon.Limit.NODES) == 1000
    network = tenon.Network.from_onnx(builder, model)
    assert repr(network) == "<tenon.Network 'test_model' (x: f32[N, 1, 4, 4]) -> (y: ?[…]), 4 nodes>"
    assert network.tensor("y").shape is None and network.tensor("y").data_type is tenon.DataType.NONE
    assert network.tensor("x").dim_names == ("N", "", "", "") and network.node_count == 4
    assert "conv" in network.text() and network.json()["name"] == "test_model"
    profile = tenon.OptimizationProfile(package.PROFILE)
    assert profile.get("x") == package.PROFILE["x"] and "[8, 1, 4, 4]" in repr(profile)
    config = tenon.BuilderConfig()
    config.set_device(tenon.Device("cpu"))
    config.set_device("cpu")
    assert config.add_profile(profile) == 0 and config.profile_count == 1
    config.thread_count = 1
    config.onednn_enabled = False
    config.optimization_level = 2
    config.deadline = 100.0
    config.set_precision_allowed(tenon.Precision.TF32, False)
    config.set_option("timer", "fake")
    assert (config.thread_count, config.onednn_enabled, config.optimization_level, config.deadline) == (1, False, 2, 100.0)
    assert config.get_option("timer") == "fake" and not config.get_precision_allowed(tenon.Precision.TF32)
    cache = tenon.TimingCache()
    config.set_timing_cache(cache)
    plan, report = builder.build_with_report(network, config)
    assert isinstance(report, dict) and report
    cache.save(tmp_path / "cache")
    other = tenon.TimingCache.from_file(tmp_path / "cache")
    assert len(other) == len(cache) and bytes(other.serialize()) == bytes(cache.serialize()) and other
    cache.merge(other)
    other.load(cache.serialize().view())
    config.set_timing_cache(other)
    assert bytes(builder.build(network, config)) == bytes(plan)
    runtime = tenon.Runtime(threads=1)
    runtime.set_limit(tenon.Limit.PLAN_BYTES, 10)
    assert runtime.get_limit(tenon.Limit.PLAN_BYTES) == 10 and runtime.thread_count == 1
    with pytest.raises(tenon.LimitExceededError):
        tenon.Engine(plan, runtime)


def test_refit(engine, model, x):
    import onnx
    import onnxruntime
    from onnx import numpy_helper
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.name in ("w2", "b2"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2 + 1, tensor.name))
    values = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    wanted = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    before = engine.run({"x": x})["y"]
    refitter = engine.refitter()
    names = {w.name: w for w in refitter.weights}
    assert set(names) == set(values) and names["w2"].shape == (32, 3) and not names["w2"].pin_reason
    assert names["shape"].pin_reason and repr(names["shape"]) == "shape: i64[2] pinned" and refitter.weight("b2").shape == (3,)
    refitter["b2"] = values["b2"]
    refitter.set_weight("w2", np.asfortranarray(values["w2"]))
    refitter.apply()
    assert close(engine.run({"x": x})["y"], wanted) and not close(before, wanted)
    engine.refit({"b2": values["b2"].tobytes(), "w2": values["w2"]})
    assert close(engine.run({"x": x})["y"], wanted)
    network = tenon.Network.from_onnx(tenon.Builder(), model)
    assert engine.refitter().set_weights_from_network(network) == len(values)
    engine.refit(network)
    assert close(engine.run({"x": x})["y"], before)
    with pytest.raises(tenon.InvalidArgumentError, match="shape"):
        engine.refit({"shape": np.array([1, 1], np.int64)})
    with pytest.raises(tenon.NotFoundError):
        engine.refit({"nothing": np.zeros(1, np.float32)})


def test_refit_of_weights_that_the_plan_combined():
    """A convolution with the normalisation behind it: one weight alone is not enough."""
    from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(3)
    of_norm = ("scale", "b", "mean", "var")
    weights = {"w": rng.random((4, 2, 3, 3), np.float32), **{n: rng.random(4, np.float32) + 1 for n in of_norm}}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("BatchNormalization", ["c", *of_norm], ["y"])],
        "normalised", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()])
    engine = tenon.build(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), threads=1,
                         options=package.FAKE)
    x = rng.random((1, 2, 8, 8), np.float32)
    before = engine.run({"x": x})["y"]
    refitter = engine.refitter()
    refitter["w"] = weights["w"] * 2
    assert refitter.missing and set(refitter.missing) <= set(weights) - {"w"}
    with pytest.raises(tenon.InvalidArgumentError, match=refitter.missing[0]):
        refitter.apply()
    assert np.array_equal(engine.run({"x": x})["y"], before)
    for name in refitter.missing:
        refitter[name] = weights[name]
    assert not refitter.missing
    refitter.apply()
    shift = (weights["b"] - weights["mean"] * weights["scale"] / np.sqrt(weights["var"] + 1e-5))[:, None, None]
    assert np.allclose(engine.run({"x": x})["y"] - shift, 2 * (before - shift), rtol=1e-4, atol=1e-4)


def test_blob_and_device(tmp_path):
    blob = tenon.Blob(b"abc")
    view = blob.view()
    blob.close()
    assert bytes(view) == b"abc" and view.readonly
    taken = tenon.Blob.take(bytearray(b"defg"))
    assert len(taken) == 4 and bytes(taken.share()) == b"defg" and repr(taken) == "<tenon.Blob 4 bytes>" and taken.text() == "defg"
    grown = bytearray(b"x")
    with tenon.Blob.take(grown):
        with pytest.raises(BufferError):
            grown.extend(b"y")
    grown.extend(b"y")
    taken.save(tmp_path / "bytes")
    assert (tmp_path / "bytes").read_bytes() == b"defg"
    device = tenon.Device()
    assert tenon.devices()[0] == "cpu" == device.name and device.type is tenon.DeviceType.CPU
    assert device.thread_count >= 1 and device.features and "cpu" in repr(device)
    assert tenon.version() == tuple(map(int, tenon.__version__.split("."))) and tenon.abi_version() >= 0
    assert tenon.build_info().startswith("tenon ") and tenon.error_code_name(9) == "BUSY"


def test_enumerations_are_those_of_the_headers():
    api = json.loads((package.ROOT / "capi/api.json").read_text())
    names = {"tn_" + "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_"): getattr(tenon, name)
             for name in ("DataType", "TensorFormat", "IoMode", "TensorLocation", "ShapeSelector", "Precision", "DocumentFormat",
                          "Limit", "Severity", "DeviceType", "ErrorCode")}
    assert {e["name"] for e in api["enums"]} == set(names)
    for enum in api["enums"]:
        prefix = enum["name"].upper().removesuffix("_CODE") + "_"
        found = {c["name"].removeprefix(prefix): c["value"] for c in enum["constants"]}
        if enum["name"] == "tn_error_code":
            del found["NONE"]
        assert found == {m.name: m.value for m in names[enum["name"]]}, enum["name"]
    assert tenon.Severity(99).name == "UNKNOWN_99" and int(tenon.Severity(99)) == 99
    codes = {c.value for c in tenon.ErrorCode}
    from tenon import _core
    assert set(_core._CLASSES) == codes


def test_typed():
    pytest.importorskip("mypy", reason="mypy is not installed")
    import subprocess
    import sys
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", package.BUILD / "mypy",
                           package.ROOT / "bindings/python/tenon", pathlib.Path(__file__).with_name("typed_use.py")],
                          capture_output=True, text=True, env={**os.environ, "MYPYPATH": str(package.ROOT / "bindings/python")})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
@pytest.mark.parametrize("shape, profiles, one", [((2, 8), [], True), ((4000, 1000), [], False),
                                                  (("n", 8), [{"x": ((1, 8), (1, 8), (4000, 8))}], False)])
def test_small_networks_take_one_thread(shape, profiles, one):
    """One where it takes no longer and there is one shape, else all."""
    from onnx import TensorProto, helper
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"])], "g", [value("x")], [value("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    engine = tenon.build(model, device="cpu", profiles=profiles)
    assert (engine.thread_count == 1) == one
    late = tenon.build(model, device="cpu", profiles=profiles, deadline=1e-6)  # nothing is timed: nothing speaks for one
    assert late.thread_count > 1
