#!/usr/bin/env python3
"""A model gives the same results before and after ONNX's version converter: each of its adapters, up and down.

    tests/onnx/versions.py [--build DIR] [--sample N] [--canary] [PATTERN ...]

Conversions are those that the onnx package's own tests of the converter make (its test folder), and those of every
single-node backend case to each op set at which its operator changes. Before and after are compared on the case's data, or
on numbers drawn by seed. Conversions that the converter refuses are none. Skipped: what Tenon refuses before the
conversion. EXCUSED: conversions that are wrong, with what is wrong about them.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(pathlib.Path(__file__).parent)]
SECONDS = 60
RTOL, ATOL = 1e-4, 1e-6  # Tenon against itself: other kernels, other order of sums

# Pattern → what the converter does wrong.
EXCUSED = {
    "test_PReLU_?d_multiparam-to-*": "a slope of a channel each (PRelu 6) stays as it is, and broadcasts from PRelu 7 on",
    "test_prelu_broadcast-to-6": "a slope that broadcasts stays as it is, and PRelu 6 does not broadcast",
    "test_averagepool_*dilations*": "the attribute dilations stays, which AveragePool has from 19 on",
    "test_averagepool_3d_dilations_small-to-*": "the attribute dilations stays, which AveragePool has from 19 on",
    "test_castlike_*_expanded-to-1[38]": "the attribute saturate stays, which Cast has from 19 on",
    "test_softmax_axis_[01]-to-1[012]": "Softmax 13 along one axis becomes Softmax 12 along all from it on; ONNX Runtime's results change too",
    "test_logsoftmax_axis_[01]-to-1[012]": "as of Softmax",
    "test_scan_sum-to-*": "Scan 8 with its batch becomes Scan 9 whose inputs have no batch: the model takes other tensors",
    "test_scan9_*-to-8": "Scan 9 becomes Scan 8 with a batch: the model takes other tensors",
    "version_converter_test.test_scan_*": "as of Scan in the cases",
    "version_converter_test.test_constant_9_8": "a value of u64 is declared as f32",
}


# --- conversions --------------------------------------------------------------------------------------------------------
def of_package():
    """(name, before, after) of each conversion in the package's tests."""
    import onnx
    from onnx import version_converter
    folder = pathlib.Path(onnx.__file__).parent / "test"
    sys.path[:0] = [str(folder), str(folder / "version_converter")]

    class Parameterized:
        """Of the package `parameterized`, what the tests use: every case in one test."""
        @staticmethod
        def expand(cases):
            return lambda test: lambda self: [test(self, *(c if isinstance(c, (tuple, list)) else (c,))) for c in cases]
    sys.modules.setdefault("parameterized", types.SimpleNamespace(parameterized=Parameterized))
    import automatic_downgrade_test
    import automatic_upgrade_test
    import version_converter_test
    found, original = [], version_converter.convert_version

    def recorded(model, target):
        converted = original(model, target)
        found.append((current[0], model, converted))
        return converted
    current = [""]
    version_converter.convert_version = recorded
    try:
        for module in (automatic_upgrade_test, automatic_downgrade_test, version_converter_test):
            for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
                for test in suite:
                    current[0] = f"{module.__name__}.{test._testMethodName}"
                    result = unittest.TestResult()
                    with open(os.devnull, "w") as nowhere:
                        stdout, sys.stdout = sys.stdout, nowhere
                        try:
                            test.run(result)
                        finally:
                            sys.stdout = stdout
    finally:
        version_converter.convert_version = original
    count = {}
    for name, before, after in found:
        number = count[name] = count.get(name, 0) + 1
        yield f"{name}-{number}" if number > 1 else name, before, after


def changes():
    """Operator → the op sets at which it changes."""
    import onnx.defs
    found = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            found.setdefault(schema.name, set()).add(schema.since_version)
    return found


def of_suite():
    """(name, case's folder, op set) of backend cases of one node."""
    import onnx
    import run
    at, newest = changes(), onnx.defs.onnx_opset_version()
    for name, (folder, _, _) in run.cases(None).items():
        model = onnx.load(pathlib.Path(folder) / "model.onnx", load_external_data=False)
        if len(model.graph.node) != 1 or model.graph.node[0].domain not in ("", "ai.onnx") or model.functions:
            continue
        op, now = model.graph.node[0].op_type, model.opset_import[0].version
        for target in sorted({newest, *at.get(op, ()), *(v - 1 for v in at.get(op, ()))} - {now}):
            if 6 <= target <= newest:
                yield f"{name}-to-{target}", folder, target


def converted(folder, target):
    """A case's model before and after; None where the converter has no such adapter."""
    import onnx
    from onnx import version_converter
    model = onnx.load(pathlib.Path(folder) / "model.onnx", load_external_data=False)
    try:
        return model, version_converter.convert_version(model, target)
    except Exception:
        return None


# --- one conversion -----------------------------------------------------------------------------------------------------
def drawn(model):
    """Values for the inputs: everyday floats; integers and bools 0 and 1; a few strings."""
    import numpy as np
    from onnx import helper
    generator, sizes, feed = np.random.default_rng(7), {}, {}
    given = {t.name for t in model.graph.initializer}
    for value in model.graph.input:
        if value.name in given:
            continue
        if value.type.WhichOneof("value") != "tensor_type":
            raise ValueError(f"input {value.name} is no tensor")
        dims = [d.dim_value if d.WhichOneof("value") == "dim_value" else sizes.setdefault(d.dim_param, 2 + len(sizes))
                for d in value.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if dtype == object:
            feed[value.name] = generator.choice(np.array(["", "a", "ß 1"], object), dims)
            continue
        array = generator.normal(size=dims) if dtype.kind in "fV" else generator.integers(0, 2, dims)
        feed[value.name] = np.asarray(array).astype(dtype)
    return feed


def check(tenon, before, after, folder):
    """(verdict, detail): ok, skipped, failed."""
    import onnx
    import run
    try:
        if folder is None:
            feed = drawn(before)
        else:
            given = {t.name for t in before.graph.initializer}
            values = [v for v in before.graph.input if v.name not in given]
            data = pathlib.Path(folder) / "test_data_set_0"
            feed = {v.name: run.load_value(data / f"input_{i}.pb", v.type.WhichOneof("value")) for i, v in enumerate(values)}
            if any(isinstance(v, list) or v is None for v in feed.values()):
                return "skipped", "an input is no tensor"
        expected, _, _ = run.run_model(tenon, before, feed, "cpu")
    except (ValueError, TypeError) as error:
        return "skipped", str(error)
    except tenon.TenonError as error:
        return ("failed" if error.code == run.INTERNAL else "skipped"), "before: " + " ".join(str(error).split())[:200]
    try:
        given = {v.name for v in after.graph.input}
        got, _, _ = run.run_model(tenon, after, {n: a for n, a in feed.items() if n in given}, "cpu")
    except tenon.TenonError as error:
        return "failed", "after: " + " ".join(str(error).split())[:300]
    for old, new in zip(before.graph.output, after.graph.output):
        if old.name not in expected:
            return "skipped", f"output {old.name} is no tensor"
        difference = run.same(got[new.name], expected[old.name], RTOL, ATOL)
        if difference:
            return "failed", f"output {old.name}: {difference}"
    return "ok", ""


def wanted(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, p) for p in patterns)


def worker(arguments):
    """Checks each n-th conversion from one on; a line before and behind each."""
    import tenon_ctypes as tenon
    first, step, start = map(int, arguments.shard.split("/"))
    every = [*of_package(), *of_suite()][::arguments.sample]
    for index, (name, *rest) in enumerate(every):
        if index % step != first or index < start or not wanted(name, arguments.patterns):
            continue
        folder = rest[0] if isinstance(rest[0], str) else None
        models = converted(*rest) if folder else rest
        if models is None:
            continue
        before, after = models
        print("BEGIN " + json.dumps([index, name]), flush=True)
        if arguments.canary:
            for node in after.graph.node:
                node.op_type = {"Add": "Sub", "Sub": "Add"}.get(node.op_type, node.op_type)
        try:
            verdict, detail = check(tenon, before, after, folder)
        except Exception as error:
            verdict, detail = "failed", f"{type(error).__name__}: {error}"
        print("END " + json.dumps([index, name, verdict, detail]), flush=True)
    print("DONE", flush=True)


def shard(first, step, arguments, verdicts):
    start = 0
    while True:
        command = [sys.executable, __file__, "--build", str(arguments.build), "--sample", str(arguments.sample), "--shard", f"{first}/{step}/{start}",
                   *(["--canary"] if arguments.canary else []), *arguments.patterns]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        begun = None
        for line in done.stdout.splitlines():
            if line.startswith("BEGIN "):
                begun = json.loads(line[6:])
            elif line.startswith("END "):
                verdicts.append(json.loads(line[4:])[1:])
                begun = None
        if done.stdout.endswith("DONE\n"):
            return
        if begun is None:
            verdicts.append(["conversions", "failed", f"a worker ended with status {done.returncode}"])
            return
        verdicts.append([begun[1], "failed", f"the process ended with status {done.returncode}"])
        start = begun[0] + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true", help="after the conversion an Add is a Sub")
    parser.add_argument("--sample", type=int, default=1, help="every n-th conversion")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--shard", help=argparse.SUPPRESS)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    if arguments.canary:
        arguments.patterns = ["test_add*"]
    if arguments.shard:
        return worker(arguments)

    import threading
    verdicts = []
    threads = [threading.Thread(target=shard, args=(i, arguments.jobs, arguments, verdicts)) for i in range(arguments.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {"ok": 0, "failed": 0, "skipped": 0}
    for name, verdict, detail in sorted(verdicts):
        if verdict == "failed":
            reason = next((r for p, r in EXCUSED.items() if fnmatch.fnmatch(name, p)), None)
            if reason:
                verdict, detail = "skipped", reason
        counts[verdict] += 1
        if verdict != "ok":
            planted = " (planted)" if arguments.canary else ""
            print(f"{verdict.upper()} {name}{planted}: {detail}")
    if not verdicts:
        counts["failed"] += 1
        print("FAILED no conversion was found")
    print(f"{counts['ok']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
