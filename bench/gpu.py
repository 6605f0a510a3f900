#!/usr/bin/env python3
"""Tenon on a GPU, beside PyTorch where it is installed: one JSON line and one table row a network.

    bench/gpu.py [--build DIR] [--out FILE] [--level N] [--peers] [--seconds N] [ROW ...]      rows: see ROWS

Every row runs in a process of its own. Tenon: the plan is built for exactly the row's shape with FP16 allowed, its
output compared with ONNX Runtime's on the CPU where the batch is 1, then 60 runs after 10 are measured by the device
(each one replay of the recorded run, between two events). PyTorch: bench/torch_peers.py, which measures alike, in the
same call. The ratio is the best peer's median over Tenon's; above 1, Tenon is faster. Rows that FILE has are not
measured again.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
# Row: network of the zoo, batch, sequence length, torch_peers.py's name.
ROWS = {
    "resnet50 b1": ("resnet50.legacy", 1, None, "resnet50_b1"),
    "bert_base s128 b1": ("bert_base.legacy", 1, 128, "bert_base_s128_b1"),
    "vit_b16 b1": ("vit_b16.legacy", 1, None, "vit_b16_b1"),
    "mobilenet_v2 b1": ("mobilenet_v2.legacy", 1, None, "mobilenet_v2_b1"),
    "resnet50 b32": ("resnet50.legacy", 32, None, "resnet50_b32"),
    "vit_b16 b32": ("vit_b16.legacy", 32, None, "vit_b16_b32"),
    "bert_base s128 b32": ("bert_base.legacy", 32, 128, "bert_base_s128_b32"),
    "bert_large s384 b1": ("bert_large.legacy", 1, 384, "bert_large_s384_b1"),
    "efficientnet_b0 b32": ("efficientnet_b0.legacy", 32, None, "efficientnet_b0_b32"),
    "resnet50 b128": ("resnet50.legacy", 128, None, "resnet50_b128"),
    "bert_large s384 b32": ("bert_large.legacy", 32, 384, "bert_large_s384_b32"),
}
WARM, RUNS = 10, 60


def tenon_row(arguments, row):
    import tenon_ctypes as tenon
    import zoo
    name, batch, length, _ = ROWS[row]
    feed = zoo.draw(name, batch, length, seed=3)
    model, profile = zoo.path(name), {k: (v.shape,) * 3 for k, v in feed.items()}
    cache = zoo.CACHE / "bench-gpu.timing"
    start = time.monotonic()
    built = tenon.build(model, [profile], device="cuda", precisions=("tf32", "fp16"), level=arguments.level,
                        timing_cache=cache, options={"code_cache": str(zoo.CACHE / "code")})
    out = {"row": row, "build_s": time.monotonic() - start, "plan_bytes": len(built.plan),
           "selection": built.report["selection"], "steps": built.report["plan"]["regions"][0]["steps"],
           "fallbacks": len(built.report["fallbacks"])}
    if arguments.reports:
        arguments.reports.mkdir(parents=True, exist_ok=True)
        (arguments.reports / (row.replace(" ", "_") + ".json")).write_text(json.dumps(built.report))
    context = tenon.Engine(built.plan).context()
    got = context.run(feed)
    if batch == 1:
        session = zoo.reference_session(model)
        expected = dict(zip([o.name for o in session.get_outputs()], session.run(None, feed)))
        out["error"] = max(zoo.error(got[k], v) for k, v in expected.items())
    for _ in range(WARM):
        context.measure()
    times = sorted(context.measure() for _ in range(RUNS))
    out.update(tenon_ms=statistics.median(times) / 1e3, tenon_min_ms=times[0] / 1e3)
    if arguments.reports:
        layers = sorted(((layer.microseconds, layer.kernel, layer.name) for layer in context.profile()), reverse=True)
        (arguments.reports / (row.replace(" ", "_") + ".layers.json")).write_text(json.dumps(layers))
    print("ROW " + json.dumps(out), flush=True)


def run(command, seconds):
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds)
        return done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return "", f"stopped after {seconds} s"


def last(text):
    return text.strip().splitlines()[-1] if text.strip() else "no message"


def measured(arguments, row):
    out, err = run([sys.executable, __file__, "--one", row, "--build", str(arguments.build), "--level", str(arguments.level),
                    *(["--reports", str(arguments.reports)] if arguments.reports else [])], arguments.seconds)
    found = [json.loads(line[4:]) for line in out.splitlines() if line.startswith("ROW ")]
    result = found[0] if found else {"row": row, "failed": last(err)}
    if arguments.peers:
        out, err = run([sys.executable, ROOT / "bench/torch_peers.py", ROWS[row][3]], arguments.seconds)
        lines = [line for line in out.splitlines() if line.startswith("{")]
        result["peers"] = json.loads(lines[-1]) if lines else {"failed": last(err)}
    return result


def best_peer(result):
    times = [v for k, v in result.get("peers", {}).items() if k.endswith("_ms")]
    return min(times) if times else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--reports", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=600, help="for one row, of Tenon and of the peers each")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    if arguments.one:
        return tenon_row(arguments, arguments.one)
    known = {}
    if arguments.out and arguments.out.exists():
        known = {r["row"]: r for r in map(json.loads, arguments.out.read_text().splitlines())}
    print(f"{'row':22} {'Tenon ms':>9} {'best peer':>9} {'ratio':>6} {'error':>8} {'steps':>5} {'build s':>8}")
    failed = 0
    for row in arguments.rows or ROWS:
        result = known.get(row) or measured(arguments, row)
        if arguments.out and row not in known:
            with arguments.out.open("a") as file:
                file.write(json.dumps(result) + "\n")
        peer = best_peer(result)
        if "failed" in result:
            failed += 1
            print(f"{row:22} failed: {result['failed']}; peers {result.get('peers')}", flush=True)
            continue
        print(f"{row:22} {result['tenon_ms']:9.3f} {peer or float('nan'):9.3f} {(peer or float('nan')) / result['tenon_ms']:6.2f} "
              f"{result.get('error', float('nan')):8.0e} {result['steps']:5} {result['build_s']:8.1f}  {result.get('peers', '')}",
              flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
