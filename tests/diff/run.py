#!/usr/bin/env python3
"""Random ONNX graphs through Tenon, optimised, unoptimised and with any kernels, against ONNX Runtime.

    tests/diff/run.py [--build DIR] [--seed N] [--count N] [--only OPERATOR,…] [--jobs N] [--findings DIR] [--device cuda]
    tests/diff/run.py [--build DIR] --replay FILE

Graph number i of a run has the seed `seed + i`; with the same seed it is the same graph. A graph whose results differ is
made small and written to the findings' folder, with what the small one is; --replay checks such a file again. What the
oracle cannot compute is not drawn (graph.py); when a difference is none of Tenon's is in check.py. A worker that dies or
stands still is a finding of its graph.
"""
import argparse
import collections
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support")]
SECONDS = 60  # that one graph may take


# --- worker: a seed or a file a line in, a verdict a line out -------------------------------------------------------------
def worker(options):
    import tenon_ctypes as tenon
    from check import check
    from draw import draw
    from graph import Case, Oracle
    oracle = Oracle()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "file" in request:
                case, kinds = Case.load(request["file"]), {}
            else:
                case, kinds = draw(request["seed"], oracle, options.only)
                if case is not None:
                    case.save(request["save"])
            verdict = {"kind": "none", "text": ""} if case is None else check(case, oracle, tenon, request["seed"], options.canary, options.device)
        except Exception as error:
            verdict, kinds = {"kind": "broken", "text": f"{type(error).__name__}: {error}"}, {}
        print("VERDICT " + json.dumps({**verdict, "operators": kinds}), flush=True)


class Worker:
    def __init__(self, options, folder):
        self.options, self.process = options, None
        self.file = folder / f"case-{id(self)}.npz"

    def ask(self, **request):
        if self.process is None:
            command = [sys.executable, __file__, "--worker", "--build", str(self.options.build), "--device", self.options.device, *(["--canary"] if self.options.canary else []),
                       *(["--only", ",".join(self.options.only)] if self.options.only else [])]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        timer = threading.Timer(SECONDS, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("VERDICT "):
                    return json.loads(line[8:])
        except BrokenPipeError:
            pass
        finally:
            alive = timer.is_alive()
            timer.cancel()
        status = self.process.wait()
        self.process = None
        return {"kind": "died" if alive else "hung", "text": f"the process ended with status {status}", "operators": {}}

    def check(self, case, seed):
        case.save(self.file)
        return self.ask(file=str(self.file), seed=seed)

    def end(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
        self.file.unlink(missing_ok=True)


FAULTS = ("wrong", "error", "refused", "died", "hung", "broken")


def plain(text):
    """A message without names and numbers."""
    import re
    return re.sub(r"'[^']*'|\b\w*_\d+\b|\[[^]]*\]|\d+", "", text.split(";")[0])


def reduce_case(worker, case, verdict, seed):
    """The small case and its verdict."""
    from graph import Oracle
    from minimise import minimise
    last = dict(verdict)

    def fails(smaller):
        now = worker.check(smaller, seed)
        if now["kind"] != verdict["kind"] or now["kind"] in ("refused", "error") and plain(now["text"]) != plain(verdict["text"]):
            return False
        if ("alone" in now["text"]) != ("alone" in verdict["text"]):
            return False
        last.update(now)
        return True
    return minimise(case, fails, Oracle()), last


def describe(case, verdict, seed, path):
    import onnx.printer
    lines = [f"seed {seed}: {verdict['kind']}, {verdict.get('variant', 'every variant')}: {verdict['text']}"]
    if verdict.get("oracle"):
        lines.append(f"  computed by ONNX's reference, not by ONNX Runtime: {', '.join(verdict['oracle'])}")
    text = onnx.printer.to_text(case.model)
    lines += ["  " + line[:400] for line in text.splitlines()[:40]]
    lines.append(f"  tests/diff/run.py --replay {path}")
    return "\n".join(lines)


def drive(todo, done, options, lock, folder):
    from graph import Case
    mine = Worker(options, folder)
    drawn = folder / f"drawn-{id(mine)}.npz"
    while True:
        try:
            seed = todo.get_nowait()
        except queue.Empty:
            break
        drawn.unlink(missing_ok=True)
        verdict = mine.ask(seed=seed, save=str(drawn))
        if verdict["kind"] in ("died", "hung") and not drawn.exists():  # before Tenon was asked anything
            verdict = {"kind": "none", "text": f"the oracle {verdict['kind']}", "operators": {}}
        verdict["seed"] = seed
        if verdict["kind"] in FAULTS:
            text = f"seed {seed}: {verdict['kind']}, {verdict.get('variant', 'every variant')}: {verdict['text']}"
            if drawn.exists() and not options.no_minimise:
                case, small = reduce_case(mine, Case.load(drawn), verdict, seed)
                path = options.findings / f"{seed}.npz"
                case.save(path)
                verdict["small"] = len(case.model.graph.node)
                text = describe(case, small, seed, path)
                (options.findings / f"{seed}.txt").write_text(text + "\n")
            with lock:
                print(text, flush=True)
        with lock:
            done.append(verdict)
            if len(done) % 500 == 0:
                print(f"{len(done)} graphs, {sum(v['kind'] in FAULTS for v in done)} findings", flush=True)
    mine.end()
    drawn.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--only", type=lambda text: text.split(","), default=None, help="operators that nodes are drawn from")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--findings", type=pathlib.Path, default=ROOT / ".cache/diff")
    parser.add_argument("--replay", type=pathlib.Path)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: one plan for it, without TF32")
    parser.add_argument("--no-minimise", action="store_true")
    parser.add_argument("--canary", action="store_true", help="every Sub that Tenon is given is an Add")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["TENON_BUILD"] = str(options.build)
    if options.worker:
        return worker(options)
    options.findings.mkdir(parents=True, exist_ok=True)
    if options.replay:
        mine = Worker(options, options.findings)
        digits = options.replay.stem
        verdict = mine.ask(file=str(options.replay), seed=int(digits) if digits.isdigit() else 0)
        mine.end()
        print(f"{verdict['kind']}: {verdict.get('variant', '')}: {verdict['text']}")
        return int(verdict["kind"] in FAULTS)

    todo, done, lock = queue.SimpleQueue(), [], threading.Lock()
    for seed in range(options.seed, options.seed + options.count):
        todo.put(seed)
    threads = [threading.Thread(target=drive, args=(todo, done, options, lock, options.findings)) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kinds = collections.Counter(v["kind"] for v in done)
    operators = collections.Counter()
    for verdict in done:
        operators.update(verdict["operators"])
    failures = sorted(((v["seed"], v) for v in done if v["kind"] in FAULTS), key=lambda pair: pair[0])
    print(f"{sum(operators.values())} nodes of {len(operators)} operators; {kinds['ill']} graphs are ill-conditioned, "
          f"{kinds['none'] + kinds['unfit']} were not drawn")
    if options.canary and failures and all(v.get("small") == 1 for _, v in failures):
        print("each planted Sub was found and is alone")
        print("FAILED planted canary\n0 passed, 1 failed, 0 skipped")
        return 1
    if options.canary:
        print("0 passed, 0 failed, 0 skipped")
        return 0
    for seed, verdict in failures:
        print(f"FAILED seed {seed}: {verdict['kind']}, {verdict.get('variant', 'every variant')}: {verdict['text'][:300]}")
    print(f"{kinds['ok'] + kinds['ill']} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
