#!/usr/bin/env python3
"""The ONNX project's own backend cases (the data of the onnx wheel: node, simple, PyTorch) through Tenon's C API.

    tests/onnx/run.py [--build DIR] [--device cuda] [--data DIR] [--beside] [--write-exceptions] [PATTERN ...]

Cases that Tenon refuses are listed by name with a reason in exceptions.txt. An unexpected failure fails, and so does an
unexpected pass: the list only shrinks. A listed case may be refused, by an error of Tenon's or for inputs that no tensor
holds; a crash, a time-out or a wrong result of it fails. Cases run in worker processes; a crash is that case's failure.
Inputs that decide shapes (of Reshape, Slice, …) are given as constants where a plan needs them when it is built; cases
that pass so are counted in a line of their own.
Comparison is the suite's own: equal types and shapes, |out−ref| ≤ atol + rtol·|ref| with the case's bounds.
With a device other than the CPU every case is built for both, and that device's outputs must also equal the CPU's within the
case's bounds; cases of which no node became a host step are counted.
--beside runs ONNX Runtime's CPU provider through the same cases, compared alike, and prints both counts.
"""
import argparse
import collections
import fnmatch
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
EXCEPTIONS = pathlib.Path(__file__).with_name("exceptions.txt")
CASE_SECONDS = 60


def cases(data):
    """name → (folder, rtol, atol), in a fixed order. Cases that name a model to download hold no data here."""
    if data is None:
        from onnx.backend.test import loader
        data = pathlib.Path(loader.DATA_DIR)
    found = {}
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for folder in (data / kind).iterdir():
            if (folder / "model.onnx").exists():
                settings = folder / "data.json"
                bounds = json.loads(settings.read_text()) if settings.exists() else {}
                found[folder.name] = (str(folder), bounds.get("rtol", 1e-3), bounds.get("atol", 1e-7))
    return dict(sorted(found.items()))


# --- worker: one case a line in, one JSON verdict a line out ------------------------------------------------------------
def load_value(path, kind):
    """A test datum as numpy array, list (sequence) or None (empty optional)."""
    import onnx
    from onnx import numpy_helper
    data = path.read_bytes()
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def with_tensors(model, feed):
    """The model with the sequences and optionals of the feed made by nodes from inputs that are tensors, and that feed."""
    import onnx
    listed = {name: value for name, value in feed.items() if isinstance(value, list) or value is None}
    if not listed:
        return model, feed
    copy, feed = onnx.ModelProto.FromString(model.SerializeToString()), {n: v for n, v in feed.items() if n not in listed}
    nodes = []
    for info in [v for v in copy.graph.input if v.name in listed]:
        value, name = listed[info.name], info.name
        copy.graph.input.remove(info)
        if value is None:
            nodes.append(onnx.helper.make_node("Optional", [], [name], type=info.type.optional_type.elem_type))
            continue
        items = [f"{name}[{i}]" for i in range(len(value))]
        for item, array in zip(items, value):
            dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            copy.graph.input.append(onnx.helper.make_tensor_value_info(item, dtype, array.shape))
            feed[item] = array
        nodes.append(onnx.helper.make_node("SequenceConstruct" if items else "SequenceEmpty", items, [name]))
    nodes += copy.graph.node
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy, feed


def output_of(got, name, ref):
    """An output as the case has it: a list is outputs `name[i]`; None where the outputs say nothing."""
    if isinstance(ref, list):
        items = {key: value for key, value in got.items() if key.startswith(name + "[")}
        return [items[f"{name}[{i}]"] for i in range(len(items))]
    return got.get(name)


def same(out, ref, rtol, atol):
    """None, or what differs."""
    import numpy as np
    if isinstance(ref, list):
        if len(out) != len(ref):
            return f"{len(out)} tensors, expected {len(ref)}"
        return next((f"[{i}]: {d}" for i, d in enumerate(same(a, b, rtol, atol) for a, b in zip(out, ref)) if d), None)
    if ref is None or out is None:
        return None if ref is out else "an optional without an element"
    if out.dtype != ref.dtype:
        return f"type {out.dtype}, expected {ref.dtype}"
    if out.shape != ref.shape:
        return f"shape {out.shape}, expected {ref.shape}"
    if ref.dtype == object:
        return None if np.array_equal(out, ref) else "strings differ"
    a, b = (np.asarray(x).astype(np.float64) if x.dtype.kind not in "c" else x for x in (out, ref))
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        return None
    with np.errstate(all="ignore"):
        return f"largest difference {np.nanmax(np.abs(a - b)):.3g}"


# Cases of zeros and ones that are drawn at random: which of both is no one's to say.
DRAWN = re.compile(r"test_bernoulli")


def of_the_draw(out, ref):
    """The reference with out's zeros and ones."""
    import numpy as np
    return np.where(np.isin(out, (0, 1)), out, ref).astype(ref.dtype) if out.shape == ref.shape else ref


# Verdicts that a listed case may have.
REFUSED = re.compile(r"TenonError: ")
INTERNAL = 15  # TN_ERROR_INTERNAL: an error of Tenon's own, no refusal
NEEDS_CONSTANTS = ("must be known when the plan is built", "must be constant", "is dynamic")


def with_constants(model, feed):
    """The model's bytes with inputs of rank 0 and 1 as constants and the dims of the others fixed, and the feed without them."""
    import onnx
    fixed = {name: array for index, (name, array) in enumerate(feed.items())
             if array.ndim <= 1 and (array.ndim == 0 or array.dtype.kind in "iu" or index > 0)}
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    kept = [v for v in copy.graph.input if v.name not in fixed]
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    for value in copy.graph.input:
        if value.name in feed:
            for dim, size in zip(value.type.tensor_type.shape.dim, feed[value.name].shape):
                dim.dim_value = size
    copy.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in fixed.items())
    return copy.SerializeToString(), {name: array for name, array in feed.items() if name not in fixed}


def run_model(tenon, model, feed, device):
    """Outputs of a model at exactly these inputs' shapes on the CPU and on the device (None: the same), and marks."""
    def run(model, feed, device):
        profile = {name: (array.shape,) * 3 for name, array in feed.items()}
        built = tenon.build(model, [profile] if profile else [], device=device, threads=1, timer="fake", level=1)
        steps = [node["kernel"] for node in built.report["nodes"]]
        return tenon.Engine(built.plan, threads=1).context().run(feed), all(name.startswith("cuda.") for name in steps)

    def both(model, feed):
        out, _ = run(model, feed, "cpu")
        other, native = run(model, feed, device) if device != "cpu" else (None, False)
        return out, other, {"native": native}
    try:
        return both(model.SerializeToString(), feed)
    except tenon.TenonError as error:
        if not any(n in str(error) for n in NEEDS_CONSTANTS):
            raise
        constants = with_constants(model, feed)
    out, other, marks = both(*constants)
    return out, other, {**marks, "constants": True}


def run_case(tenon, folder, rtol, atol, device, planted):
    """None or what is wrong, and marks: inputs became constants, no node is a host step."""
    import onnx
    folder = pathlib.Path(folder)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    initializers = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in initializers]
    marks = collections.Counter()
    for data in sorted(folder.glob("test_data_set_*")):
        feed = {}
        for index, value in enumerate(inputs):
            file = data / f"input_{index}.pb"
            feed[value.name] = load_value(file, value.type.WhichOneof("value"))
        given, feed = with_tensors(model, feed)
        got, other, seen = run_model(tenon, given, feed, device)
        if given is not model:
            seen["tensors"] = True
        marks.update(name for name, holds in seen.items() if holds)
        for index, value in enumerate(model.graph.output):
            if not value.name:
                continue
            ref = load_value(data / f"output_{index}.pb", value.type.WhichOneof("value"))
            if DRAWN.match(folder.name):
                ref = of_the_draw(got[value.name], ref)
            if planted:
                ref = ref[..., None]
            out = output_of(got, value.name, ref)
            if difference := same(out, ref, rtol, atol):
                return f"output {value.name}: {difference}", {}
            for expected, what in ((ref, "expected"), (out, "the CPU's")) if other else ():
                if difference := same(output_of(other, value.name, ref), expected, rtol, atol):
                    return f"output {value.name} on {device} is not {what}: {difference}", {}
    return None, dict(marks)


def run_beside(folder, rtol, atol):
    """None, or what of the case ONNX Runtime does not compute as it should."""
    import onnx
    import onnxruntime
    folder = pathlib.Path(folder)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    initializers = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in initializers]
    for data in sorted(folder.glob("test_data_set_*")):
        feed = {v.name: load_value(data / f"input_{i}.pb", v.type.WhichOneof("value")) for i, v in enumerate(inputs)}
        names = [v.name for v in model.graph.output]
        for index, (value, out) in enumerate(zip(model.graph.output, session.run(names, feed))):
            ref = load_value(data / f"output_{index}.pb", value.type.WhichOneof("value"))
            if DRAWN.match(folder.name):
                ref = of_the_draw(out, ref)
            if difference := same(out, ref, rtol, atol):
                return f"output {value.name}: {difference}"
    return None


def worker(device, planted, beside):
    if not beside:
        import tenon_ctypes as tenon
    for line in sys.stdin:
        name, folder, rtol, atol = json.loads(line)
        try:
            verdict, marks = (run_beside(folder, rtol, atol), {}) if beside else run_case(tenon, folder, rtol, atol, device, planted)
        except Exception as error:  # the verdict is the message, whatever failed
            text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
            kind = "internal error" if getattr(error, "code", None) == INTERNAL else type(error).__name__
            verdict, marks = f"{kind}: {text}"[:400], {}
        print("VERDICT " + json.dumps([name, verdict, marks]), flush=True)


# --- the runner ---------------------------------------------------------------------------------------------------------
def drive(todo, verdicts, arguments, beside=False):
    """Feeds one worker; a worker that dies or hangs gives its case that verdict, and a new one takes over."""
    process = None

    def start():
        command = [sys.executable, __file__, "--build", str(arguments.build), "--device", arguments.device, "--worker"]
        flags = ["--canary"] * arguments.canary + ["--beside"] * beside
        return subprocess.Popen(command + flags, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while True:
        try:
            case = todo.get_nowait()
        except queue.Empty:
            break
        process = process or start()
        timer = threading.Timer(CASE_SECONDS, process.kill)
        timer.start()
        verdict = None
        try:
            process.stdin.write(json.dumps(case) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith("VERDICT "):
                    verdict = json.loads(line[8:])
                    break
        except BrokenPipeError:
            pass
        timer.cancel()
        if verdict is None:
            verdict = [case[0], f"the process ended with status {process.wait()}", {}]
            process = None
        verdicts.append(verdict)
    if process:
        process.stdin.close()
        process.wait()


def write_table(verdicts, everything, path):
    """Operators of which a case passes: how many of the cases that are one node of that operator."""
    import onnx
    passing, all_cases = collections.Counter(), collections.Counter()
    for name, verdict in verdicts.items():
        nodes = onnx.load(pathlib.Path(everything[name][0]) / "model.onnx", load_external_data=False).graph.node
        if len(nodes) == 1 and nodes[0].domain in ("", "ai.onnx"):
            all_cases[nodes[0].op_type] += 1
            passing[nodes[0].op_type] += verdict is None
    lines = ["# ONNX operators", "",
             "Operators that Tenon builds and runs, with the share of the ONNX project's own single-node cases that pass "
             "(`make test-onnx`); those that do not are listed with their reasons in `tests/onnx/exceptions.txt`. Written by "
             "`make operators`.", "", "| operator | cases that pass |", "| --- | --- |"]
    lines += [f"| {name} | {passing[name]} of {all_cases[name]} |" for name in sorted(all_cases) if passing[name]]
    path.write_text("\n".join(lines) + "\n")


def read_exceptions():
    listed = {}
    if EXCEPTIONS.exists():
        for line in EXCEPTIONS.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                name, _, reason = line.partition(" ")
                listed[name] = reason.strip()
    return listed


def run_all(names, everything, arguments, beside=False):
    """(name, verdict, marks) of each case."""
    todo, verdicts = queue.SimpleQueue(), []
    for name in names:
        todo.put([name, *everything[name]])
    threads = [threading.Thread(target=drive, args=(todo, verdicts, arguments, beside)) for _ in range(arguments.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return verdicts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=pathlib.Path, help="the cases' folder; default: the onnx package's")
    parser.add_argument("--write-exceptions", action="store_true", help="list what fails now; review it like code")
    parser.add_argument("--table", type=pathlib.Path, help="write which operators pass how many cases")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("--beside", action="store_true", help="ONNX Runtime through the same cases; both counts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    if arguments.worker:
        return worker(arguments.device, arguments.canary, arguments.beside)

    everything = cases(arguments.data)
    names = list(everything)
    if arguments.patterns:
        names = [n for n in names if any(fnmatch.fnmatch(n, p) for p in arguments.patterns)]
    listed = read_exceptions()
    if arguments.canary:
        names = [n for n in names if n not in listed][:1]

    verdicts = run_all(names, everything, arguments)
    marked = collections.Counter(name for _, _, marks in verdicts for name in marks)
    verdicts = {name: verdict for name, verdict, _ in verdicts}
    if arguments.write_exceptions:
        write_exceptions(verdicts, {**listed})
        return 0
    if arguments.table:
        write_table(verdicts, everything, arguments.table)
    planted = " (planted)" if arguments.canary else ""
    failures = [f"{n}{planted}: {v}" for n, v in sorted(verdicts.items()) if v is not None and n not in listed]
    failures += [f"{n}: listed in exceptions.txt, which excuses refusals only: {v}"
                 for n, v in sorted(verdicts.items()) if v is not None and n in listed and not REFUSED.match(v)]
    failures += [f"{n}: passes but is listed in exceptions.txt; take it off the list"
                 for n, v in sorted(verdicts.items()) if v is None and n in listed]
    failures += [f"{n}: listed in exceptions.txt but no such case" for n in sorted(set(listed) - set(everything))]
    skipped = {n: listed[n] for n, v in sorted(verdicts.items()) if v is not None and n in listed and REFUSED.match(v)}
    passed = sum(v is None and n not in listed for n, v in verdicts.items())
    if arguments.beside:
        other = {name for name, verdict, _ in run_all(names, everything, arguments, beside=True) if verdict is None}
        own = {name for name, verdict in verdicts.items() if verdict is None}
        print(f"of {len(names)} cases Tenon passes {len(own)}, ONNX Runtime {len(other)}; Tenon alone {len(own - other)}, "
              f"ONNX Runtime alone {len(other - own)}: {', '.join(sorted(other - own)) or 'none'}")
    print(f"{marked['constants']} cases passed with inputs that decide shapes given as constants")
    print(f"{marked['tensors']} cases passed with sequences and optionals made from inputs that are tensors")
    if arguments.device != "cpu":
        print(f"{marked['native']} cases passed without a host step on {arguments.device}")
    for name, reason in skipped.items():
        print(f"SKIPPED {name}: {reason}")
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, {len(skipped)} skipped")
    return 1 if failures else 0


def reason_of(verdict):
    """A verdict without what differs between runs and files."""
    unsupported = sorted(set(re.findall(r"operator (\S+) of domain (\S+) is not supported", verdict)))
    if unsupported:
        return "no " + ", ".join(name if domain == "ai.onnx" else f"{domain}.{name}" for name, domain in unsupported)
    types = sorted(set(re.findall(r"elements of type (\S+) are not supported", verdict)))
    if types:
        return "no tensors of " + ", ".join(types)
    if "nodes with sub-graphs are not supported" in verdict:
        return "no sub-graphs (If, Loop, Scan)"
    verdict = re.sub(r" \(graph/[^)]*\)|; in pass \w+", "", verdict.removeprefix("TenonError: "))
    return " ".join(verdict.split())[:160]


def write_exceptions(verdicts, listed):
    failing = {n: v for n, v in verdicts.items() if v is not None}
    kept = {n: r for n, r in listed.items() if n not in verdicts}
    lines = ["# ONNX backend cases that do not pass, each with the reason. The list only shrinks: a case that passes",
             "# must be taken off (tests/onnx/run.py says so)."]
    for name, verdict in sorted({**kept, **failing}.items()):
        lines.append(f"{name}  {reason_of(verdict) if name in failing else verdict}")
    EXCEPTIONS.write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 2} of {len(verdicts)} cases listed")
    for reason, count in collections.Counter(reason_of(v) for v in failing.values()).most_common(60):
        print(f"{count:5} {reason}")


if __name__ == "__main__":
    sys.exit(main())
