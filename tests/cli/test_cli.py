import contextlib
import json
import os
import pty
import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT, TOOL, affine, expected, save
from onnx import TensorProto, helper


def test_canary():
    assert "TENON_CANARY" not in os.environ, "planted fault"


# --- arguments --------------------------------------------------------------------------------------------------------
def test_help_names_every_command(tenon):
    text = tenon("--help").stdout
    for command in ("build", "run", "bench", "inspect", "refit", "convert"):
        assert command in text
        assert "--" in tenon(command, "--help").stdout


def test_version_says_how_it_was_built(tenon):
    assert "0.1" in tenon("--version").stdout


def test_no_command_is_a_usage_error(tenon):
    assert "subcommand" in tenon(code=2).stderr


def test_mistyped_option_suggests_the_nearest(tenon, model):
    assert 'did you mean "--min-shapes"?' in tenon("build", model, "-o", "p", "--min-shape", "x:1x4", code=2).stderr
    assert 'did you mean "--output-dir"?' in tenon("run", model, "--ouput-dir=here", code=2).stderr


def test_mistyped_command_suggests_the_nearest(tenon, model):
    assert 'did you mean "build"?' in tenon("biuld", model, code=2).stderr


def test_mistyped_input_suggests_the_nearest(tenon, two_inputs):
    done = tenon("run", two_inputs, "--shapes", "frist:1x2", code=5)
    assert 'no input is named "frist", did you mean "first"?' in done.stderr
    assert "second" in done.stderr


def test_shapes_that_do_not_parse(tenon, model):
    assert "x:1x" in tenon("run", model, "--shapes", "x:1x", code=2).stderr
    assert "twice" in tenon("run", model, "--shapes", "x:1x4,x:2x4", code=2).stderr


def test_exit_codes_are_those_of_the_page():
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    header = (ROOT / "src" / "cli" / "failure.h").read_text()
    assert sorted(re.findall(r"^\| (\d+) \|", page, re.M)) == sorted(re.findall(r"kExit\w+ = (\d+)", header))


def test_every_command_answers_one_json_object(tenon, model):
    shapes = ["--shapes", "x:2x4"]
    for command in (["build", model, "-o", "plan", *shapes], ["run", "plan", *shapes], ["inspect", "plan"], ["inspect", model],
                    ["refit", "plan", "--onnx", model, "-o", "plan2"], ["inspect", "--capability", model],
                    ["convert", model, "-o", "out.onnx"], ["convert", "plan", "-o", "view.onnx"],
                    ["bench", "plan", "--duration", "0", "--warm-up", "0", *shapes]):
        done = tenon(*command, "--json")
        assert isinstance(json.loads(done.stdout), dict) and done.stderr == "", command


def test_every_command_refuses_an_option_with_the_nearest(tenon, model):
    for command, typed, meant in (("build", "--repotr", "--report"), ("run", "--inptu", "--input"), ("run", "--devcie", "--device"),
                                  ("bench", "--durtion", "--duration"), ("bench", "--timing-cahce", "--timing-cache"),
                                  ("inspect", "--jsno", "--json"), ("refit", "--onxn", "--onnx"), ("build", "--theads", "--threads")):
        assert f'did you mean "{meant}"?' in tenon(command, model, f"{typed}=1", code=2).stderr


def test_threads_and_kernels_do_not_change_what_is_asked(tenon, model, tmp_path):
    for name, options in (("one", ["--threads", "1"]), ("two", ["--threads", "2"]), ("own", ["--no-onednn", "--device", "cpu"])):
        tenon("run", model, "--shapes", "x:4x4", *options, "--output-dir", name)
    one, two, own = (np.load(tmp_path / n / "0.npy") for n in ("one", "two", "own"))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one, own, rtol=1e-5, atol=1e-6)
    for wrong in ("-1", "1025", "many"):
        assert "--threads" in tenon("run", model, f"--threads={wrong}", code=2).stderr


def test_error_as_json(tenon, two_inputs):
    done = tenon("run", two_inputs, "--shapes", "frist:1x2", "--json", code=5)
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == 5 and "first" in answer["error"]


def test_paths_that_are_not_text(tenon, model, tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff.onnx"
    with open(odd, "wb") as file:
        file.write(model.read_bytes())
    for command in (["build", "-o", "plan", "--shapes", "x:1x4"], ["run", "--shapes", "x:1x4"]):
        done = subprocess.run([TOOL, command[0], odd, *command[1:], "--json"], capture_output=True, cwd=tmp_path, timeout=120)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["model"].endswith("\ufffd.onnx")


def test_shapes_beyond_every_tensor(tenon, model):
    tenon("build", model, "-o", "plan", "--min-shapes", "x:1x4", "--max-shapes", "x:5000000000x4", code=1)
    for batch in (2**62, 2**63 - 1):
        assert f"input x [{batch},4]" in tenon("run", model, "--shapes", f"x:{batch}x4", code=1).stderr
    assert "x:" in tenon("run", model, "--shapes", f"x:{2**63}x4", code=2).stderr


def test_paths_that_cannot_be_read(tenon, model):
    for command in ("run", "inspect"):
        assert "device" in tenon(command, "/dev/zero", code=5).stderr
    assert "not a regular file" in tenon("build", "/dev/zero", "-o", "plan", code=5).stderr
    assert "too long" in tenon("build", model, "-o", "plan", "--timing-cache", "t" * 5000, code=5).stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_durations_are_numbers_of_seconds(tenon, model, seconds):
    for option in ("--duration", "--warm-up"):
        assert option in tenon("bench", model, f"{option}={seconds}", code=2).stderr


def test_options_name_what_exists(tenon, model):
    options = ["--shapes", "x:1x4", "--option"]
    assert "fsue" in tenon("run", model, *options, "disable_passes=fsue", code=5).stderr
    assert "fastest" in tenon("run", model, *options, "force_tactic=fastest", code=5).stderr
    tenon("run", model, *options, "force_tactic=reference")


def test_device_that_is_not_there(tenon, model):
    assert "cuda" in tenon("run", model, "--device", "cuda", code=7).stderr


# --- build --------------------------------------------------------------------------------------------------------------
def test_dynamic_dims_without_profile_become_one_with_one_warning(tenon, model):
    done = tenon("build", model, "-o", "plan")
    warnings = [line for line in done.stderr.splitlines() if line]
    assert len(warnings) == 1 and "x:1x4" in warnings[0], done.stderr
    assert "plan" in done.stdout


def test_one_warning_wherever_dims_become_one(tenon, model, two_inputs):
    for command in (["run"], ["bench", "--duration", "0", "--warm-up", "0"]):
        warnings = tenon(command[0], two_inputs, *command[1:]).stderr.splitlines()
        assert len(warnings) == 1 and "first:1x2" in warnings[0] and "second:1x2" in warnings[0]


def test_missing_shapes_come_from_the_others(tenon, model):
    def profile(*options):
        return json.loads(tenon("build", model, "-o", "plan", "--json", *options).stdout)["profile"]["x"]
    assert profile("--opt-shapes", "x:3x4") == {"min": [3, 4], "opt": [3, 4], "max": [3, 4]}
    assert profile("--min-shapes", "x:2x4", "--max-shapes", "x:8x4") == {"min": [2, 4], "opt": [8, 4], "max": [8, 4]}
    assert "x" in tenon("build", model, "-o", "plan", "--min-shapes", "x:4x4", "--max-shapes", "x:2x4", code=5).stderr


def test_build_is_quiet_where_there_is_no_terminal(tenon, model):
    assert tenon("build", model, "-o", "plan", "--shapes", "x:2x4").stderr == ""


def test_build_shows_progress_on_a_terminal(model, tmp_path):
    main, side = pty.openpty()
    subprocess.run([TOOL, "build", model, "-o", tmp_path / "plan", "--shapes", "x:2x4"], stderr=side, check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    os.close(side)
    shown = b""
    with contextlib.suppress(OSError):  # how the end of a terminal is told; what was written arrives in pieces
        while piece := os.read(main, 65536):
            shown += piece
    os.close(main)
    shown = shown.decode()
    assert "%]" in shown and "\r" in shown


def test_plan_holds_for_the_range_of_its_profile(tenon, model, tmp_path):
    tenon("build", model, "-o", "plan", "--min-shapes", "x:1x4", "--opt-shapes", "x:2x4", "--max-shapes", "x:8x4")
    for batch in (1, 5, 8):
        x = np.random.default_rng(batch).standard_normal((batch, 4), dtype=np.float32)
        np.save(tmp_path / "x.npy", x)
        tenon("run", "plan", "--input", "x=x.npy", "--output-dir", "out")
        np.testing.assert_allclose(np.load(tmp_path / "out" / "0.npy"), expected(x), rtol=1e-5, atol=1e-6)
    done = tenon("run", "plan", "--shapes", "x:9x4", code=5)
    assert "x" in done.stderr and "9" in done.stderr and "8" in done.stderr


def test_report_is_json(tenon, model, tmp_path):
    tenon("build", model, "-o", "plan", "--shapes", "x:2x4", "--report", "report.json")
    assert json.loads((tmp_path / "report.json").read_text())


def test_build_as_json(tenon, model, tmp_path):
    answer = json.loads(tenon("build", model, "-o", "plan", "--shapes", "x:2x4", "--json").stdout)
    assert answer["plan_bytes"] == (tmp_path / "plan").stat().st_size
    assert answer["profile"]["x"] == {"min": [2, 4], "opt": [2, 4], "max": [2, 4]}


def test_same_timing_cache_same_plan(tenon, model, tmp_path):
    for plan in ("first", "second"):
        tenon("build", model, "-o", plan, "--shapes", "x:2x4", "--timing-cache", "times")
    assert (tmp_path / "times").stat().st_size > 0
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_damaged_timing_cache_is_refused(tenon, model, tmp_path):
    (tmp_path / "times").write_bytes(b"not a cache")
    assert "times" in tenon("build", model, "-o", "plan", "--shapes", "x:2x4", "--timing-cache", "times", code=5).stderr


def test_exit_codes_of_bad_files(tenon, model, tmp_path):
    tenon("build", tmp_path / "missing.onnx", "-o", "plan", code=5)
    (tmp_path / "half.onnx").write_bytes(model.read_bytes()[:-20])
    tenon("build", tmp_path / "half.onnx", "-o", "plan", code=3)
    (tmp_path / "not-a-plan").write_bytes(b"x" * 1000)
    tenon("run", "not-a-plan", code=4)
    tenon("build", model, "-o", tmp_path / "no" / "such" / "folder", "--shapes", "x:1x4", code=6)


def test_unknown_operator_is_named(tenon, tmp_path):
    nodes = [helper.make_node("Frobnicate", ["x"], ["y"], "odd")]
    path = save(tmp_path / "odd.onnx", nodes, [("x", TensorProto.FLOAT, [2])], [("y", TensorProto.FLOAT, [2])])
    done = tenon("build", path, "-o", "plan", code=3)
    assert "Frobnicate" in done.stderr and "odd" in done.stderr


def test_reshape_that_cannot_be(tenon, tmp_path):
    path = save(tmp_path / "odd.onnx", [helper.make_node("Reshape", ["x", "s"], ["y"], "odd")],
                [("x", TensorProto.FLOAT, ["batch", 4])], [("y", TensorProto.FLOAT, ["rows", "columns"])],
                {"s": np.array([3, -1], np.int64)})
    assert "odd" in tenon("build", path, "-o", "plan", "--shapes", "x:1x4", code=3).stderr
    tenon("run", path, "--shapes", "x:3x4")


# --- run ----------------------------------------------------------------------------------------------------------------
def test_outputs_are_files_by_position(tenon, two_inputs, tmp_path):
    a, b = np.float32([[1, 2], [3, 4], [5, 6]]), np.float32([[10, 20], [30, 40], [50, 60]])
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    tenon("run", two_inputs, "--input", "first=a.npy", "--input", "second=b.npy", "--output-dir", "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "0.npy"), a + b)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "1.npy"), a - b)
    assert json.loads((tmp_path / "out" / "outputs.json").read_text()) == [
        {"name": "sum", "type": "f32", "shape": [3, 2], "file": "0.npy"},
        {"name": "difference", "type": "f32", "shape": [3, 2], "file": "1.npy"}]


def test_dims_come_from_files_then_shapes_then_one(tenon, two_inputs, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2), np.float32))

    def shapes(*arguments):
        answer = json.loads(tenon("run", two_inputs, "--json", *arguments).stdout)
        return {i["name"]: i["shape"] for i in answer["inputs"]}
    assert shapes("--input", "first=a.npy") == {"first": [3, 2], "second": [3, 2]}
    assert shapes("--input", "first=a.npy", "--shapes", "first:7x2") == {"first": [3, 2], "second": [3, 2]}
    assert shapes("--shapes", "first:5x2") == {"first": [5, 2], "second": [5, 2]}
    assert shapes() == {"first": [1, 2], "second": [1, 2]}


def test_random_inputs_follow_the_seed(tenon, model, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        tenon("run", model, "--shapes", "x:4x4", "--seed", seed, "--output-dir", name)
    one, again, two = (np.load(tmp_path / n / "0.npy") for n in ("one", "again", "two"))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("dtype,onnx_type", [(np.float32, TensorProto.FLOAT), (np.float64, TensorProto.DOUBLE),
                                             (np.int64, TensorProto.INT64), (np.int32, TensorProto.INT32),
                                             (np.uint8, TensorProto.UINT8), (np.int8, TensorProto.INT8),
                                             (np.bool_, TensorProto.BOOL), (np.float16, TensorProto.FLOAT16)])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3)])
def test_npy_files_keep_type_and_shape(tenon, tmp_path, dtype, onnx_type, shape):
    path = save(tmp_path / "same.onnx", [helper.make_node("Identity", ["x"], ["y"])], [("x", onnx_type, shape)],
                [("y", onnx_type, shape)])
    x = (np.random.default_rng(3).random(shape) * 100).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    tenon("run", path, "--input", "x=x.npy", "--output-dir", "out")
    y = np.load(tmp_path / "out" / "0.npy")
    assert y.dtype == x.dtype and y.shape == x.shape
    np.testing.assert_array_equal(y, x)


def test_files_that_do_not_fit(tenon, model, tmp_path):
    np.save(tmp_path / "double.npy", np.zeros((2, 4)))
    assert "<f8" in tenon("run", model, "--input", "x=double.npy", code=5).stderr
    np.save(tmp_path / "rank.npy", np.zeros(4, np.float32))
    assert "2 dims" in tenon("run", model, "--input", "x=rank.npy", code=5).stderr
    np.save(tmp_path / "dim.npy", np.zeros((2, 5), np.float32))
    assert "dim 1 is 4" in tenon("run", model, "--input", "x=dim.npy", code=5).stderr
    np.save(tmp_path / "fortran.npy", np.asfortranarray(np.zeros((2, 4), np.float32)))
    assert "Fortran" in tenon("run", model, "--input", "x=fortran.npy", code=5).stderr
    (tmp_path / "text.npy").write_text("hello, this is text")
    assert "text.npy" in tenon("run", model, "--input", "x=text.npy", code=5).stderr
    whole = (tmp_path / "dim.npy").read_bytes()
    for size in (7, 9, 40, len(whole) - 1):
        (tmp_path / "cut.npy").write_bytes(whole[:size])
        tenon("run", model, "--input", "x=cut.npy", code=5)


# --- bench, inspect, refit ------------------------------------------------------------------------------------------------
def test_bench_summary(tenon, model):
    options = ["--shapes", "x:2x4", "--duration", "0.05", "--warm-up", "0"]
    text = tenon("bench", model, *options).stdout
    for word in ("Throughput", "min", "mean", "median", "p90", "p95", "p99"):
        assert word in text
    answer = json.loads(tenon("bench", model, *options, "--json", "--layers").stdout)
    latency = answer["latency_ms"]
    assert latency["min"] <= latency["median"] <= latency["p90"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert answer["iterations"] >= 10 and answer["throughput_per_second"] > 0
    assert answer["layers"] and all(layer["kernel"] for layer in answer["layers"])
    assert "GPU" not in text and not {"device_ms", "enqueue_ms", "h2d_ms", "d2h_ms", "warnings"} & answer.keys()


def test_inspect_plan_and_model(tenon, model):
    tenon("build", model, "-o", "plan", "--shapes", "x:2x4")
    for what in ("plan", model):
        text = tenon("inspect", what).stdout
        assert "x" in text and "y" in text
        json.loads(tenon("inspect", what, "--json").stdout)
    assert tenon("inspect", "plan").stdout != tenon("inspect", model).stdout


def test_refit_gives_the_other_models_outputs(tenon, model, tmp_path):
    other = affine(tmp_path / "other.onnx", 1)
    tenon("build", model, "-o", "plan", "--shapes", "x:3x4")
    tenon("refit", "plan", "--onnx", other, "-o", "plan2")
    x = np.random.default_rng(9).standard_normal((3, 4), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    for plan, seed in (("plan", 0), ("plan2", 1)):
        tenon("run", plan, "--input", "x=x.npy", "--output-dir", "out")
        np.testing.assert_allclose(np.load(tmp_path / "out" / "0.npy"), expected(x, seed), rtol=1e-5, atol=1e-6)


def test_refit_with_another_network_is_refused(tenon, model, two_inputs, tmp_path):
    tenon("build", model, "-o", "plan", "--shapes", "x:3x4")
    assert "none of the 2 weights" in tenon("refit", "plan", "--onnx", two_inputs, "-o", "plan2", code=5).stderr
    tenon("refit", "plan", "--onnx", "plan", "-o", "plan2", code=3)
    tenon("refit", model, "--onnx", model, "-o", "plan2", code=4)
    assert not (tmp_path / "plan2").exists()


@pytest.mark.parametrize("tactic", ["onednn_matmul", "matmul_packed", "reference"])
def test_dims_that_may_be_empty_are_while_others_are_not(tenon, tmp_path, tactic):
    model, plan = tmp_path / "inner.onnx", tmp_path / "inner.plan"
    save(model, [helper.make_node("MatMul", ["a", "b"], ["y"])], [("a", TensorProto.FLOAT, ["M", "K"]), ("b", TensorProto.FLOAT, ["K", "N"])],
         [("y", TensorProto.FLOAT, ["M", "N"])])
    if tactic.startswith("onednn") and not TOOL.with_name("libtenon_onednn.so").exists():
        pytest.skip("the oneDNN module is not there")
    tenon("build", model, "-o", plan, "--option", f"force_tactic={tactic}", "--min-shapes", "a:0x0,b:0x0", "--opt-shapes", "a:3x4,b:4x5",
          "--max-shapes", "a:8x8,b:8x8")
    for a, b in (("3x0", "0x5"), ("0x4", "4x5"), ("3x4", "4x0"), ("8x8", "8x8")):
        tenon("run", plan, "--shapes", f"a:{a},b:{b}")


def test_a_plan_never_replaces_its_model(tenon, model):
    before = model.read_bytes()
    assert "is the model itself" in tenon("build", model, "-o", model, code=2).stderr
    assert model.read_bytes() == before


def test_types_that_differ_are_the_models_fault(tenon, tmp_path):
    save(tmp_path / "types.onnx", [helper.make_node("Add", ["a", "b"], ["y"])], [("a", TensorProto.FLOAT, [2]), ("b", TensorProto.INT32, [2])],
         [("y", TensorProto.FLOAT, [2])])
    tenon("run", tmp_path / "types.onnx", code=3)


# --- capability and convert -------------------------------------------------------------------------------------------
def test_capability_names_every_problem_at_once(tenon, tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], "mm"), helper.make_node("Frob", ["a"], ["c"], "frob", domain="com.x"),
             helper.make_node("Reluu", ["a"], ["d"], "relu"), helper.make_node("Gelu", ["a"], ["e"], "gelu"),
             helper.make_node("Softmax", ["a"], ["f"], "soft", colour=3), helper.make_node("Add", ["c", "d"], ["z"], "sum"),
             helper.make_node("Abs", ["a"], ["nobody"], "abs"), helper.make_node("Det", ["x"], ["g"], "det"),
             helper.make_node("Celu", ["a"], ["h"], "celu"), helper.make_node("MatMul", ["a", "x3"], ["i"], "odd"),
             helper.make_node("Shape", ["x"], ["s"], "shape"), helper.make_node("Reshape", ["a", "s"], ["r"], "same")]
    outputs = [(name, TensorProto.FLOAT, None) for name in ("z", "e", "f", "g", "h", "i", "r")]
    path = save(tmp_path / "many.onnx", nodes, [("x", TensorProto.FLOAT, [4, 4]), ("x3", TensorProto.FLOAT, [5, 5])], outputs,
                {"w": np.eye(4, dtype=np.float32)})
    done = tenon("inspect", "--capability", path, "--json", code=3)
    answer = json.loads(done.stdout)
    by_name = {node["name"]: node for node in answer["nodes"]}
    assert done.stderr == "" and answer["supported"] is False and [n["name"] for n in answer["nodes"]] == [n.name for n in nodes]
    assert {name: node["support"] for name, node in by_name.items()} == {
        "mm": "supported", "frob": "unsupported", "relu": "unsupported", "gelu": "unsupported", "soft": "unsupported", "sum": "unknown",
        "abs": "unused", "det": "supported", "celu": "supported", "odd": "unsupported", "shape": "supported", "same": "folded"}
    assert by_name["relu"]["nearest"] == {"domain": "ai.onnx", "op": "Relu", "since": 1}
    # A model of op set 17: the operator came later.
    assert by_name["gelu"]["known"]["since"] == 20 and by_name["gelu"]["known"]["until"] >= 27
    assert "colour" in by_name["soft"]["problems"][0] and "'c'" in by_name["sum"]["problems"][0]
    assert by_name["mm"]["cuda"] == "device" and by_name["mm"]["cpu"] == "kernel" and by_name["mm"]["core_ops"] == ["matmul"]
    assert by_name["det"]["cuda"] == "host" and "determinant" in by_name["det"]["host_reasons"][0] and by_name["det"]["cpu"] == "reference"
    assert answer["summary"]["unsupported"] == 5 and answer["summary"]["nodes"] == len(nodes)
    text = tenon("inspect", "--capability", path, code=3).stdout
    assert "not supported: 12 nodes" in text and "nearest: ai.onnx.Relu" in text and "CUDA: a host step (determinant" in text


def test_capability_of_a_model_that_is_supported(tenon, model):
    answer = json.loads(tenon("inspect", "--capability", model, "--json").stdout)
    assert answer["supported"] and answer["problems"] == [] and answer["summary"]["supported"] == 3
    assert {(o["domain"], o["op"], o["version"], o["nodes"]) for o in answer["operators"]} == {
        ("ai.onnx", "MatMul", 17, 1), ("ai.onnx", "Add", 17, 1), ("ai.onnx", "Relu", 17, 1)}
    tenon("build", model, "-o", "plan", "--shapes", "x:1x4")
    assert "no ONNX model" in tenon("inspect", "--capability", "plan", code=2).stderr


def test_capability_sees_through_functions(tenon, tmp_path):
    import onnx
    inner = [helper.make_node("Relu", ["a"], ["t"], "clip"), helper.make_node("Nonsense", ["t"], ["b"], "odd")]
    function = helper.make_function("own", "F", ["a"], ["b"], inner, [helper.make_opsetid("", 17)])
    graph = helper.make_graph([helper.make_node("F", ["x"], ["y"], "call", domain="own")], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])])
    onnx.save(helper.make_model(graph, functions=[function], ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]), tmp_path / "f.onnx")
    answer = json.loads(tenon("inspect", "--capability", "f.onnx", "--json", code=3).stdout)
    assert [(n["name"], n["support"]) for n in answer["nodes"]] == [("call/clip", "supported"), ("call/odd", "unsupported")]


def test_convert_gives_the_same_results(tenon, model):
    import onnx
    import onnxruntime
    tenon("convert", model, "-o", "out.onnx")
    tenon("convert", model, "-o", "split.onnx", "--weights", "split.bin")
    folder = model.parent
    for path in ("out.onnx", "split.onnx"):
        onnx.checker.check_model(str(folder / path), full_check=True)
        x = np.arange(8, dtype=np.float32).reshape(2, 4)
        np.testing.assert_allclose(onnxruntime.InferenceSession(folder / path).run(None, {"x": x})[0], expected(x), rtol=1e-6)
    assert [n.name for n in onnx.load(folder / "out.onnx").graph.node] == ["project", "shift", "clip"]
    assert "file's name" in tenon("convert", model, "-o", "o.onnx", "--weights", "../w.bin", code=2).stderr
    assert "--report goes with a plan" in tenon("convert", model, "-o", "o.onnx", "--report", "r", code=2).stderr


def test_convert_shows_what_was_chosen(tenon, model, tmp_path):
    import onnx
    tenon("build", model, "-o", "plan", "--shapes", "x:1x4", "--report", "report.json", "--option", "timer=fake")
    tenon("convert", "plan", "-o", "bare.onnx")
    tenon("convert", "plan", "-o", "view.onnx", "--report", "report.json")
    bare, view = onnx.load(tmp_path / "bare.onnx"), onnx.load(tmp_path / "view.onnx")
    onnx.checker.check_model(view)
    report = json.loads((tmp_path / "report.json").read_text())
    shown = {node.name: {a.name: helper.get_attribute_value(a) for a in node.attribute} for node in view.graph.node}
    for node in report["nodes"]:
        attributes = shown[node["name"]]
        assert attributes["tactic"].decode() == node["tactic"] and attributes["kernel"].decode() == node["kernel"]
        assert [name.decode() for name in attributes["onnx_nodes"]] == node["onnx_nodes"]
        assert attributes["precision"] == b"f32" and attributes["inputs"] and attributes["outputs"]
        if "microseconds" in node:
            assert attributes["microseconds"] == pytest.approx(node["microseconds"])
    assert all(not {"tactic", "microseconds"} & {a.name for a in node.attribute} for node in bare.graph.node)
    report["network"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(report))
    assert 'network "another"' in tenon("convert", "plan", "-o", "v.onnx", "--report", "other.json", code=5).stderr
    (tmp_path / "broken.json").write_text('{"network": [')
    assert "JSON, byte" in tenon("convert", "plan", "-o", "v.onnx", "--report", "broken.json", code=5).stderr


# A concatenation without a step of its own still stands between those that make its parts and those that read it.
def test_convert_shows_pieces(tenon, tmp_path):
    import onnx
    nodes = [helper.make_node("Softmax", ["x"], ["a"], "a", axis=1), helper.make_node("Softmax", ["a"], ["b"], "b", axis=1),
             helper.make_node("Concat", ["a", "b"], ["j"], "j", axis=0), helper.make_node("Softmax", ["j"], ["y"], "y", axis=1)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 32])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 32])])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    tenon("build", "m.onnx", "-o", "plan", "--report", "report.json", "--option", "timer=fake")
    report = json.loads((tmp_path / "report.json").read_text())
    assert [node["name"] for node in report["nodes"] if node.get("joined")] == ["j"]
    tenon("convert", "plan", "-o", "view.onnx", "--report", "report.json")
    view = onnx.load(tmp_path / "view.onnx")
    onnx.checker.check_model(view)
    pieces = [(list(node.input), list(node.output)) for node in view.graph.node if node.op_type == "pieces"]
    assert pieces == [(["a", "b"], ["a_pieces"])]
    reader = next(node for node in view.graph.node if node.name == "y")
    assert reader.input == ["a_pieces"]


# --- strings ----------------------------------------------------------------------------------------------------------
def test_strings_run_and_print(tenon, tmp_path):
    value = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("StringConcat", ["x", "w"], ["t"]), helper.make_node("StringSplit", ["t"], ["y", "n"], delimiter="|")],
                              "strings", [value("x", TensorProto.STRING, ["N"])],
                              [value("y", TensorProto.STRING, None), value("n", TensorProto.INT64, None)],
                              [helper.make_tensor("w", TensorProto.STRING, [1], [b"|end"])])
    path, plan = tmp_path / "strings.onnx", tmp_path / "strings.plan"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString())
    tenon("build", path, "-o", plan, "--min-shapes", "x:1", "--opt-shapes", "x:2", "--max-shapes", "x:4")
    for model in (path, plan):
        text = tenon("run", model, "--shapes", "x:3").stdout
        assert "input  x string 3" in text and "output n i64 3: 2 2 2" in text
        assert re.search(r'output y string 3x2:( "[^"]*" "end"){2} ', text)
    assert tenon("run", path, "--shapes", "x:3").stdout == tenon("run", path, "--shapes", "x:3").stdout
    assert "which .npy files do not have" in tenon("run", path, "--shapes", "x:3", "--output-dir", tmp_path / "out", code=6).stderr
    np.save(tmp_path / "x.npy", np.array(["a", "b"]))
    assert "x" in tenon("run", path, "--input", f"x={tmp_path}/x.npy", code=5).stderr
    assert "text.keep" in tenon("inspect", plan).stdout
    tenon("convert", path, "-o", tmp_path / "again.onnx")
    assert tenon("run", tmp_path / "again.onnx", "--shapes", "x:3").stdout == tenon("run", path, "--shapes", "x:3").stdout


def test_loops_are_shown_with_their_bodies(tenon, looping, tmp_path):
    tenon("build", looping, "-o", "plan", "--shapes", "x:2x3", "--report", "report.json", "--option", "timer=fake")
    text = tenon("inspect", "plan").stdout
    assert re.search(r"steps\.\d+\.control .*kind=loop .*trips=500 .*carried=1", text), text
    assert re.search(r"bodies\.0\.steps\.\d+ .*name=product", text), text
    node, = [n for n in json.loads((tmp_path / "report.json").read_text())["nodes"] if n["op"] == "loop"]
    assert node["name"] == "steps" and node["tactic"] == "runtime"
    body, = node["bodies"]
    assert body["name"] == "body" and body["multiply_adds"] == {"f32": 18} and "product" in [n["name"] for n in body["nodes"]]
    layers = json.loads(tenon("bench", "plan", "--shapes", "x:2x3", "--duration", "0.05", "--warm-up", "0", "--json", "--layers").stdout)["layers"]
    assert [layer["kernel"] for layer in layers if layer["name"] == "steps"][0] == "loop"
    tenon("convert", "plan", "-o", "view.onnx", "--report", "report.json")
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    tenon("run", "plan", "--input", "x=x.npy", "--output-dir", "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "1.npy"), 2.0 ** np.arange(1, 21))
