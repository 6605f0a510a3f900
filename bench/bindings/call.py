#!/usr/bin/env python3
"""What a call costs in Python beside C: the same plan (y = relu(x), four floats, one thread) in the same minutes.

    bench/bindings/call.py [--build DIR] [--rounds N] [--calls N] [--json FILE]

A small build is timed too: the same ONNX file becomes an engine, under the fake timer. C (call.c, compiled here) and Python take
turns, round by round; a figure is the median over all rounds, each the mean of N calls in a loop, with the quartiles beside it.
What the loop itself costs in Python is measured and taken off; it is shown.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def model():
    from onnx import TensorProto, helper
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def seconds(function, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls * 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    sys.path.insert(0, str(build / "bindings" / "python"))
    import numpy as np
    import tenon
    from tenon import _raw as raw

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = folder / "call"
        source = pathlib.Path(__file__).with_name("call.c")
        subprocess.run(["cc", "-O2", "-std=c11", "-D_POSIX_C_SOURCE=200809L", f"-I{ROOT / 'include'}", str(source), "-o", str(program),
                        f"-L{build}", "-ltenon", f"-Wl,-rpath,{build}"], check=True)
        engine = tenon.build(model(), threads=1, options={"timer": "fake"})
        engine.save(folder / "plan")
        context = engine.create_context()
        x, y = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
        context.bind({"x": x}, {"y": y})
        assert context.run()["y"] is y and np.array_equal(x, y)
        assert tenon.memory_of(y).address == y.ctypes.data  # no copy
        handle = context.handle
        fresh, other = engine.create_context(), engine.create_context()
        cases = {"an empty loop body": lambda: None,
                 "raw tn_execution_context_run": lambda: raw.tn_execution_context_run(handle),
                 "context.run(), bound beforehand": context.run,
                 "context.run({'x': x}, {'y': y})": lambda: fresh.run({"x": x}, {"y": y}),
                 "context.run({'x': x})": lambda: other.run({"x": x}),
                 "engine.run({'x': x})": lambda: engine.run({"x": x})}
        times = {name: [] for name in ("C tn_execution_context_run", *cases, "C a small build", "tenon.build()")}
        (folder / "model.onnx").write_bytes(model())

        def build_one():
            tenon.build(folder / "model.onnx", threads=1, options={"timer": "fake"}).close()

        def in_c(what, path, calls):
            done = subprocess.run([program, what, folder / path, "1", str(calls)], check=True, capture_output=True, text=True)
            return map(float, done.stdout.split())
        builds = max(1, arguments.calls // 50)
        for case in cases.values():
            seconds(case, arguments.calls)
        for _ in range(arguments.rounds):
            times["C tn_execution_context_run"] += in_c("run", "plan", arguments.calls)
            times["C a small build"] += in_c("build", "model.onnx", builds)
            times["tenon.build()"].append(seconds(build_one, builds))
            for name, case in cases.items():
                times[name].append(seconds(case, arguments.calls))

    loop = statistics.median(times["an empty loop body"])
    bases = {"run": statistics.median(times["C tn_execution_context_run"]), "build": statistics.median(times["C a small build"])}
    rows = {}
    print(f"{'':34} {'ns':>8} {'quartiles':>17} {'over C':>8}")
    for name, values in times.items():
        taken = 0 if name.startswith(("C ", "an ")) else loop
        low, middle, high = (v - taken for v in statistics.quantiles(values, n=4))
        base = bases["build" if "build" in name else "run"]
        rows[name] = {"ns": middle, "low": low, "high": high, "over_c": middle - base}
        over = "" if name.startswith(("C ", "an ")) else f"{middle - base:8.0f}"
        print(f"{name:34} {middle:8.0f} {low:8.0f} {high:8.0f} {over}")
    if arguments.json:
        made = {"rounds": arguments.rounds, "calls": arguments.calls, "cases": rows}
        arguments.json.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
