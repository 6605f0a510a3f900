#!/usr/bin/env python3
"""Networks beyond the zoo's (networks.py) through Tenon and ONNX Runtime, at one shape each.

    tests/networks/run.py [--build DIR] [--device cpu] [--precision fp32] [--canary] [NAME ...]

The relative norm of the difference is at most 1e-4 in FP32, 1e-2 in TF32 and FP16, 5e-2 in BF16. --canary gives Tenon another
weight.
"""
import argparse
import os
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
BOUNDS = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 1e-2, "bf16": 5e-2}


def draw(model, seed=1):
    random = np.random.default_rng(seed)
    feed = {}
    for value in model.graph.input:
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        is_float = value.type.tensor_type.elem_type == 1
        feed[value.name] = random.standard_normal(dims).astype(np.float32) if is_float else random.integers(0, 1000, dims)
    return feed


def difference(got, want):
    if got.shape != want.shape or not np.all(np.isfinite(got)):
        return float("inf")
    return float(np.linalg.norm(got.astype(np.float64) - want) / max(np.linalg.norm(want.astype(np.float64)), 1e-30))


def spoil(model):
    from onnx import numpy_helper
    last = next(i for i in reversed(model.graph.initializer) if i.data_type == 1 and len(i.dims) > 1)
    last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) * np.float32(1.01), last.name))


def check(tenon, model, arguments):
    """The largest difference, and what was built."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    feed = draw(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    want = dict(zip([o.name for o in session.get_outputs()], session.run(None, feed)))
    if arguments.canary:
        spoil(model)
    precisions = () if arguments.precision == "fp32" else (arguments.precision,)
    built = tenon.build(model.SerializeToString(), [{name: (x.shape,) * 3 for name, x in feed.items()}], device=arguments.device,
                        precisions=precisions, timer=arguments.timer)
    context = tenon.Engine(built.plan).context()
    context.bind(feed)
    for _ in range(2):  # what the first run left in memory does not matter
        context.execute()
    return max(difference(context.outputs[name], value) for name, value in want.items()), built.report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=BOUNDS)
    parser.add_argument("--timer", default="real", help="shuffled:N: whatever that number chooses")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = arguments.build
    import tenon_ctypes as tenon
    from networks import NETWORKS
    if unknown := set(arguments.names) - set(NETWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    failed, names = 0, arguments.names or (["mixer"] if arguments.canary else list(NETWORKS))
    for name in names:
        try:
            worst, report = check(tenon, NETWORKS[name](), arguments)
            verdict = "" if worst <= BOUNDS[arguments.precision] else f"differs by {worst:.1e}, allowed is {BOUNDS[arguments.precision]:.0e}"
            joined = sum("joined" in node for node in report["nodes"])
            print(f"{name:18} {worst:.1e}  {report['plan']['regions'][0]['steps']} steps, {joined} joined, {len(report['fallbacks'])} fallbacks", flush=True)
        except tenon.TenonError as error:
            verdict = str(error)
        if verdict:
            failed += 1
            print(f"FAILED {name}{' (planted)' if arguments.canary else ''}: {verdict}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
