#!/usr/bin/env python3
"""What a shape costs that differs from the last run's: µs a node, beyond a run of the same shape.

    bench/shapes.py [--build DIR] [--nodes 100] [--rounds 2000]

A chain of small nodes with a dynamic batch, one thread. In each round a batch is bound and the network runs twice: the first run
finds or makes what it needs for that shape, the second has it, and the first less the second is what the shape cost. Batches go
round: among few, which a context remembers, and among more than it does. Medians.
"""
import argparse
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
COLUMNS = 8


def model(nodes):
    """Alternating softmax and a matmul of its rows, so that nothing is fused."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    weight = numpy_helper.from_array(np.eye(COLUMNS, dtype="float32") + 0.1, "w")
    steps = [helper.make_node("Softmax", [f"x{i}"], [f"x{i + 1}"]) if i % 2 == 0 else helper.make_node("MatMul", [f"x{i}", "w"], [f"x{i + 1}"])
             for i in range(nodes)]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", COLUMNS])
    graph = helper.make_graph(steps, "shapes", [value("x0")], [value(f"x{nodes}")], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def cost(context, batches, rounds):
    """Median of the first run less the second at each shape, in µs."""
    import numpy as np
    feeds = [{"x0": np.ones((batch, COLUMNS), "float32")} for batch in batches]
    times = []
    for index in range(rounds):
        context.bind(feeds[index % len(feeds)])
        ends = [time.perf_counter_ns()]
        for _ in range(2):
            context.execute()
            ends.append(time.perf_counter_ns())
        times.append((ends[1] - ends[0]) - (ends[2] - ends[1]))
    return statistics.median(times[rounds // 2:]) / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--nodes", default=100, type=int)
    parser.add_argument("--rounds", default=2000, type=int)
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build.resolve())
    import tenon_ctypes as tenon
    most = 32
    built = tenon.build(model(arguments.nodes), [{"x0": ((1, COLUMNS), (4, COLUMNS), (most, COLUMNS))}], threads=1)
    engine = tenon.Engine(built.plan, threads=1)
    steps = len(engine.layers())
    for what, batches in (("seen before", range(1, 5)), ("new", range(1, most + 1))):
        microseconds = cost(engine.context(), list(batches), arguments.rounds)
        print(f"shapes that are {what}: {microseconds / steps:.2f} µs a node ({steps} nodes, {microseconds:.1f} µs a run)")


if __name__ == "__main__":
    main()
