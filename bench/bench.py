#!/usr/bin/env python3
"""Tenon against ONNX Runtime on the CPU: the zoo at batch 1, FP32; or Tenon in BF16 against itself in FP32.

    bench/bench.py [--build DIR] [--threads 1,2] [--rounds 7] [--no-onednn | --both] [--bf16] [--results]
                   [--layers | --layers-to DIR] [MODEL ...]

Both run in one process, on the same processors (sched_setaffinity), with the same number of threads. In each round
they alternate: Tenon, ONNX Runtime, Tenon again; each begins when the process has come to rest (ONNX Runtime's workers
poll for a while after a run, on the processors that the other would use), warms up, and measures the median
of several runs over rotated input buffers.
A row is the median over the rounds of (ONNX Runtime's time / Tenon's time): above 1, Tenon is faster. The A/A column is
the spread of (Tenon's first time / Tenon's second time) over the rounds: what the machine's noise does to a ratio.
On two threads the column `trip` says how far apart the processors were: the least and most nanoseconds, over the rounds, that a line
of the cache took to the other and back (distance.cpp).

--bf16: the other is Tenon in FP32, the ratio says how many times faster BF16 is; `share`: of the multiply-adds, those in BF16.

--results merges the rows into docs/results/cpu-DATE.json (--date for another day's) and writes the page beside it anew,
but for what follows its heading "Notes". --layers prints where Tenon's time goes, step by step, with the rate of
products and its share of what the machine's register tile reaches on data in the first-level cache (bench_kernels, on as many
threads), and ONNX Runtime's time by operator. Rates count every product of the definition: a kernel that makes fewer may exceed the peak.
"""
import argparse
import collections
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
ROTATED = 4        # input buffers, so that inputs do not sit in a cache
SLICE = 0.15       # seconds of runs a peer gets in each round, at least three runs


def feeds(zoo, name):
    length = zoo.LENGTHS[0] if zoo.is_sequence(name) else None
    return [zoo.draw(name, 1, length, seed=seed) for seed in range(ROTATED)]


def fixed_profile(feed):
    return {name: (array.shape,) * 3 for name, array in feed.items()}


class Tenon:
    def __init__(self, zoo, name, threads, onednn, precisions=()):
        import tenon_ctypes as tenon
        self.feeds = feeds(zoo, name)
        start = time.monotonic()
        self.built = tenon.build(zoo.path(name), [fixed_profile(self.feeds[0])], threads=threads, onednn=onednn, precisions=precisions,
                                 timing_cache=zoo.CACHE / f"bench-{threads}.timing")
        self.build_s = time.monotonic() - start
        self.engine = tenon.Engine(self.built.plan, threads=threads)
        self.contexts = []
        for feed in self.feeds:
            context = self.engine.context()
            context.bind(feed)
            self.contexts.append(context)

    def run(self, index):
        self.contexts[index % ROTATED].execute()

    def outputs(self):
        return self.contexts[0].outputs


class OnnxRuntime:
    def __init__(self, zoo, name, threads, profile=False):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = tempfile.mktemp(prefix="tenon-ort-")
        self.session = ort.InferenceSession(str(zoo.path(name)), options, providers=["CPUExecutionProvider"])
        self.bindings = []
        names = [o.name for o in self.session.get_outputs()]
        for feed in feeds(zoo, name):
            outputs = self.session.run(None, feed)
            binding = self.session.io_binding()
            for tensor, array in feed.items():
                binding.bind_cpu_input(tensor, array)
            values = [ort.OrtValue.ortvalue_from_numpy(o) for o in outputs]
            for tensor, value in zip(names, values):
                binding.bind_ortvalue_output(tensor, value)
            self.bindings.append((binding, feed, values))

    def run(self, index):
        self.session.run_with_iobinding(self.bindings[index % ROTATED][0])

    def outputs(self):
        return {o.name: v.numpy() for o, v in zip(self.session.get_outputs(), self.bindings[0][2])}


def rest():
    """Waits until no thread of this process works or polls."""
    for _ in range(100):
        before = time.process_time()
        time.sleep(0.02)
        if time.process_time() - before < 0.001:
            return


def measure(peer, runs):
    rest()
    for index in range(2):
        peer.run(index)
    times = []
    for index in range(runs):
        start = time.perf_counter_ns()
        peer.run(index)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1e6


def distance(build):
    """Nanoseconds from one of this process's processors to the other and back; 0 where that is not known."""
    program = pathlib.Path(build).resolve() / "bench" / "distance"
    if not program.exists():
        return 0
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return 0
    return int(done.stdout) if done.returncode == 0 else 0


def row(arguments, name, threads, onednn):
    """One network, one thread count, in this process; prints a JSON row."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import zoo
    if arguments.bf16:
        tenon, peer = Tenon(zoo, name, threads, onednn, ("bf16",)), Tenon(zoo, name, threads, onednn)
    else:
        tenon, peer = Tenon(zoo, name, threads, onednn), OnnxRuntime(zoo, name, threads)
    multiply_adds = tenon.built.report["multiply_adds"]
    runs = {each: max(3, int(SLICE * 1e3 / max(measure(each, 3), 1e-3))) for each in (tenon, peer)}
    runs = {each: min(n, 2000) for each, n in runs.items()}
    rounds, trips = [], []
    for _ in range(arguments.rounds):
        trips.append(distance(arguments.build) if threads == 2 else 0)
        rounds.append((measure(tenon, runs[tenon]), measure(peer, runs[peer]), measure(tenon, runs[tenon])))
    for each in (tenon, peer):
        each.run(0)
    worst = max(zoo.error(tenon.outputs()[k], v) for k, v in peer.outputs().items())
    ratios = [2 * b / (a + c) for a, b, c in rounds]
    aa = [a / c for a, _, c in rounds]
    print("ROW " + json.dumps({
        "model": name, "threads": threads, "onednn": onednn, "batch": 1, "precision": "bf16" if arguments.bf16 else "fp32",
        "tenon_ms": statistics.median(a for a, _, _ in rounds), "peer_ms": statistics.median(b for _, b, _ in rounds),
        "share": multiply_adds.get("bf16" if arguments.bf16 else "f32", 0) / max(1, sum(multiply_adds.values())),
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
        "aa_min": min(aa), "aa_max": max(aa), "trip_ns": trips, "rounds": len(rounds), "error": worst, "build_s": tenon.build_s,
        "tenon_rounds_ms": [t for a, _, c in rounds for t in (a, c)], "peer_rounds_ms": [b for _, b, _ in rounds]}), flush=True)


def peaks(build, threads):
    """GFLOP/s of the register tile on all threads, by precision; those that the processor has."""
    found = {}
    program = pathlib.Path(build).resolve() / "bench" / "bench_kernels"
    for precision in ("f32", "bf16"):
        done = subprocess.run([program, str(threads), "none", precision], capture_output=True, text=True) if program.exists() else None
        if done and done.returncode == 0:
            found[precision] = float(done.stdout.split()[1])
    return found


def layers(arguments, name, threads, onednn):
    """Where the time goes: Tenon by step, both by operator."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import zoo
    tenon, repeats = Tenon(zoo, name, threads, onednn, ("bf16",) if arguments.bf16 else ()), 20
    for index in range(3):
        tenon.run(index)
    totals = collections.OrderedDict()
    for index in range(repeats):
        for position, layer in enumerate(tenon.contexts[0].profile()):
            entry = totals.setdefault((position, layer.name, layer.kernel), [0.0, layer.nodes])
            entry[0] += layer.microseconds / repeats
    whole = sum(t for t, _ in totals.values())
    peak = peaks(arguments.build, threads)
    products = {n["name"]: n for n in tenon.built.report["nodes"] if n.get("multiply_adds")}
    rate = lambda step, microseconds: 2e-3 * products[step]["multiply_adds"] / microseconds
    share = lambda step, microseconds: rate(step, microseconds) / peak[products[step]["precision"]]
    print(f"{name}, {threads} threads, oneDNN {'on' if onednn else 'off'}: {len(totals)} steps, {whole / 1e3:.2f} ms; peak "
          + (", ".join(f"{value:.0f} GFLOP/s in {precision}" for precision, value in peak.items()) or "unknown: bench_kernels is not built"))
    print(f"{'µs':>10} {'share':>6} {'GFLOP/s':>8} {'of peak':>7}  {'kernel':28} step: ONNX nodes")
    shown = sorted(totals.items(), key=lambda item: -item[1][0])[:arguments.top]
    for (_, step, kernel), (microseconds, nodes) in shown:
        speed = f"{rate(step, microseconds):8.1f}" if step in products else f"{'':8}"
        speed += f" {share(step, microseconds):7.1%}" if step in products and products[step]["precision"] in peak else f" {'':7}"
        print(f"{microseconds:10.1f} {microseconds / whole:6.1%} {speed}  {kernel:28} {step}: {', '.join(nodes)[:90]}")
    in_products = sum(microseconds for (_, step, _), (microseconds, _) in totals.items() if step in products)
    flops = sum(2e-3 * n["multiply_adds"] for n in products.values())
    print(f"\nproducts: {in_products / whole:.1%} of the time, {flops / in_products:.1f} GFLOP/s; everything else {1 - in_products / whole:.1%}")
    by_kernel = collections.Counter()
    for (_, _, kernel), (microseconds, _) in totals.items():
        by_kernel[kernel] += microseconds
    print("\nTenon by kernel")
    for kernel, microseconds in by_kernel.most_common():
        print(f"{microseconds:10.1f} {microseconds / whole:6.1%}  {kernel}")

    peer = OnnxRuntime(zoo, name, threads, profile=True)
    for index in range(repeats):
        peer.run(index)
    by_operator, file = collections.Counter(), peer.session.end_profiling()
    runs = repeats + ROTATED
    for event in json.loads(pathlib.Path(file).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            by_operator[event["args"]["op_name"]] += event["dur"] / runs
    os.unlink(file)
    whole = sum(by_operator.values())
    print(f"\nONNX Runtime by operator (its own profiler): {whole / 1e3:.2f} ms")
    for operator, microseconds in by_operator.most_common():
        print(f"{microseconds:10.1f} {microseconds / whole:6.1%}  {operator}")


def spawn(arguments, name, threads, onednn, extra=()):
    command = [sys.executable, __file__, "--build", str(arguments.build), "--rounds", str(arguments.rounds),
               "--top", str(arguments.top), "--threads", str(threads), *extra, name]
    command += [] if onednn else ["--no-onednn"]
    command += ["--bf16"] if arguments.bf16 else []
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout, done.stderr


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    import onnxruntime
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout
    return {"date": datetime.date.today().isoformat(), "processor": model, "processors": os.cpu_count(),
            "onnxruntime": onnxruntime.__version__, "commit": commit.strip()}


def merged(file, rows, about):
    """The rows of `file` and `rows`, which replace those of the same network, thread count and library."""
    key = lambda r: (r["precision"] != "fp32", not r["onednn"], r["threads"], r["model"])
    known = {}
    if file.exists():
        before = json.loads(file.read_text())
        for what in ("processor", "processors", "onnxruntime"):
            if before["machine"][what] != about[what]:
                sys.exit(f"{file} is of another machine: {what} is {before['machine'][what]}, here {about[what]}; move the "
                         "file away or name another --date")
        known = {key(r): r for r in before["rows"]}
    known.update({key(r): {**r, "commit": about["commit"]} for r in rows})
    return [known[k] for k in sorted(known)]


def trip(row):
    known = [ns for ns in row.get("trip_ns", []) if ns]
    return f"{min(known)}–{max(known)}" if known else ""


NOTES = "## Notes"


def write_results(rows, date):
    about = {**machine(), "date": date}
    folder = ROOT / "docs" / "results"
    data, page = folder / f"cpu-{date}.json", folder / f"cpu-{date}.md"
    rows = merged(data, rows, about)
    about["commit"] = ", ".join(dict.fromkeys(r["commit"] for r in rows))
    notes = page.read_text().partition(NOTES)[2] if page.exists() else "\n"
    data.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    page.write_text("# CPU results\n\n" + markdown(rows, about) + "\n" + NOTES + notes)
    print(f"written: {data}, {page}")


def markdown(rows, about):
    lines = [f"Tenon against ONNX Runtime {about['onnxruntime']}, batch 1, FP32. {about['date'][:10]}, commit {about['commit']}, "
             f"{about['processor']}, {about['processors']} processors.", "",
             "Ratio: ONNX Runtime's time over Tenon's, median over alternating rounds; above 1, Tenon is faster. A/A: the "
             "same ratio of Tenon to itself, smallest to largest. Trip: ns that a line of the cache took from one processor to the other and back, "
             "least and most of the rounds.", ""]
    for precision, onednn in (("fp32", True), ("fp32", False), ("bf16", True), ("bf16", False)):
        for threads in sorted({r["threads"] for r in rows}):
            part = [r for r in rows if (r["precision"], r["onednn"], r["threads"]) == (precision, onednn, threads)]
            if not part:
                continue
            own, peer = ("Tenon", "ONNX Runtime") if precision == "fp32" else ("BF16", "FP32")
            title = "" if precision == "fp32" else "BF16 over Tenon's own FP32, "
            lines += [f"## {title}{threads} thread{'s' if threads > 1 else ''}, {'with' if onednn else 'without'} oneDNN", "",
                      f"| model | {own} ms | {peer} ms | ratio | of rounds | A/A | trip | share | error |",
                      "| --- | ---: | ---: | ---: | --- | --- | --- | ---: | ---: |"]
            lines += [f"| {r['model']} | {r['tenon_ms']:.3f} | {r['peer_ms']:.3f} | **{r['ratio']:.2f}** | "
                      f"{r['ratio_min']:.2f}–{r['ratio_max']:.2f} | {r['aa_min']:.2f}–{r['aa_max']:.2f} | "
                      f"{trip(r)} | {r['share']:.1%} | {r['error']:.0e} |" for r in part]
            lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-onednn", action="store_true")
    parser.add_argument("--both", action="store_true", help="a second table without oneDNN")
    parser.add_argument("--bf16", action="store_true", help="BF16 against Tenon's own FP32")
    parser.add_argument("--results", action="store_true", help="merge into docs/results/cpu-DATE.{json,md}")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="of the results, today")
    parser.add_argument("--layers", action="store_true", help="per-layer tables instead of ratios")
    parser.add_argument("--layers-to", type=pathlib.Path, metavar="DIR", help="write the per-layer tables of every row there too")
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    threads = [int(t) for t in arguments.threads.split(",")]
    if arguments.row:
        return row(arguments, arguments.models[0], threads[0], not arguments.no_onednn)
    import zoo
    names = arguments.models or zoo.NAMES + ["magika"]
    if unknown := set(names) - {*zoo.NAMES, "magika"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(zoo.NAMES)}, magika")
    if arguments.layers:
        return layers(arguments, names[0], threads[-1], not arguments.no_onednn)

    rows, failed = [], 0
    print(f"{'model':24} {'threads':>7} {'oneDNN':>6} {'Tenon ms':>9} {'peer ms':>9} {'ratio':>6} {'rounds':>11} {'A/A':>11} {'trip':>8} {'share':>6} {'error':>8}")
    for onednn in ([True, False] if arguments.both else [not arguments.no_onednn]):
        for count in threads:
            for name in names:
                status, out, err = spawn(arguments, name, count, onednn, ["--row"])
                found = [json.loads(line[4:]) for line in out.splitlines() if line.startswith("ROW ")]
                if not found:
                    failed += 1
                    print(f"{name:24} {count:7} {'on' if onednn else 'off':>6} failed, status {status}: "
                          f"{err.strip().splitlines()[-1] if err.strip() else ''}", flush=True)
                    continue
                r = found[0]
                rows.append(r)
                if arguments.layers_to:
                    arguments.layers_to.mkdir(parents=True, exist_ok=True)
                    _, table, _ = spawn(arguments, name, count, onednn, ["--layers"])
                    file = f"{name}-{count}{'' if onednn else '-own'}{'-bf16' if arguments.bf16 else ''}.txt"
                    (arguments.layers_to / file).write_text(table)
                print(f"{name:24} {count:7} {'on' if onednn else 'off':>6} {r['tenon_ms']:9.3f} {r['peer_ms']:9.3f} {r['ratio']:6.2f} "
                      f"{r['ratio_min']:5.2f}–{r['ratio_max']:<5.2f} {r['aa_min']:5.2f}–{r['aa_max']:<5.2f} {trip(r):>8} {r['share']:6.1%} {r['error']:8.0e}", flush=True)
    if arguments.results and rows:
        write_results(rows, arguments.date)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
