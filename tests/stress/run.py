#!/usr/bin/env python3
"""Many threads on one engine, with real networks through the C API (ctypes lets go of Python's lock during a call).

    tests/stress/run.py [--build DIR] [--runs N] [MODEL ...]

For each network: 16 threads × 16 contexts give the bits that one thread gives; the process has no more threads than
the callers and the engine's team; a second caller of a context gets BUSY; a context and its engine may be destroyed
while they run; nothing is alive afterwards; memory and descriptors stay flat over many changes of shape.
"""
import argparse
import gc
import os
import pathlib
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import zoo  # noqa: E402

CALLERS = 16
TEAM = 2
BUSY = 9
MODELS = ["squeezenet1_1.dynamo", "lstm_gru.dynamo", "magika"]


def status_number(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field + ":"))


def in_threads(count, work):
    """Runs work(index) in so many threads at once; raises the first failure."""
    failures, gate = [], threading.Barrier(count)

    def body(index):
        gate.wait()
        try:
            work(index)
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=body, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Subject:
    """A network with the outputs that one thread gives, for each batch size."""

    def __init__(self, tenon, name, plan):
        self.tenon, self.name, self.plan = tenon, name, plan
        self.feeds = [zoo.draw(name, batch, None, seed=batch) for batch in (1, 2, 3, 4)]
        context = tenon.Engine(plan, threads=TEAM).context()
        self.expected = [{k: v.tobytes() for k, v in context.run(feed).items()} for feed in self.feeds]


def same_bits(subject, arguments):
    engine = subject.tenon.Engine(subject.plan, threads=TEAM)
    contexts = [engine.context() for _ in range(CALLERS)]
    planted = b"\1" if arguments.canary else b""

    def work(index):
        for turn in range(arguments.runs):
            which = (index + turn) % len(subject.feeds)
            for output, value in contexts[index].run(subject.feeds[which]).items():
                if value.tobytes() + planted != subject.expected[which][output]:
                    raise AssertionError(f"caller {index}, run {turn}: {output} has other bits")
    in_threads(CALLERS, work)


def no_more_threads(subject, arguments):
    engine = subject.tenon.Engine(subject.plan, threads=TEAM)
    contexts = [engine.context() for _ in range(CALLERS)]
    contexts[0].run(subject.feeds[0])
    before, most = status_number("Threads"), []

    def work(index):
        contexts[index].run(subject.feeds[0])
        most.append(status_number("Threads"))
    in_threads(CALLERS, work)
    if max(most) > before + CALLERS:
        raise AssertionError(f"{before} threads before {CALLERS} callers, {max(most)} with them")


def second_caller_is_busy(subject, arguments):
    context = subject.tenon.Engine(subject.plan, threads=TEAM).context()
    context.bind(subject.feeds[3])
    seen = {"busy": 0, "done": 0}

    def work(index):
        for _ in range(400):
            try:
                context.execute()
                seen["done"] += 1
            except subject.tenon.TenonError as error:
                if error.code != BUSY:
                    raise
                seen["busy"] += 1
            if seen["busy"] and seen["done"]:
                return
    in_threads(2, work)
    if not seen["busy"] or not seen["done"]:
        raise AssertionError(f"two callers of one context: {seen}")


def destroyed_while_running(subject, arguments):
    import ctypes
    tenon = subject.tenon
    for _ in range(4):
        engine = tenon.Engine(subject.plan, threads=TEAM)
        context = engine.context()
        context.bind(subject.feeds[3])
        handle, started, result = ctypes.c_void_p(context.value.value), threading.Event(), []

        def work():
            started.set()
            try:
                tenon.call("tn_execution_context_run", handle)
                result.append(True)
            except tenon.TenonError:  # destroyed before it began
                result.append(False)
        outputs = context.outputs  # the run's memory, which outlives the handles
        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        for owner in (engine, context):
            getattr(tenon._lib, f"tn_{owner.noun}_destroy")(owner.value)
            owner.value = None
        thread.join()
        if result[0] and {k: v.tobytes() for k, v in outputs.items()} != subject.expected[3]:
            raise AssertionError("a run whose handles were destroyed gave other bits")


def flat_memory(subject, arguments):
    engine = subject.tenon.Engine(subject.plan, threads=TEAM)
    context = engine.context()

    def rounds(count):
        for turn in range(count):
            context.run(subject.feeds[turn % 4])
        gc.collect()
        return status_number("VmRSS"), len(os.listdir("/proc/self/fd"))
    rounds(8)
    memory, files = rounds(8)
    memory_later, files_later = rounds(10 * arguments.runs)
    if memory_later > memory + 16 * 1024 or files_later != files:
        raise AssertionError(f"{memory} kB and {files} descriptors became {memory_later} kB and {files_later}")


SCENARIOS = (same_bits, no_more_threads, second_caller_is_busy, destroyed_while_running, flat_memory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=4, help="of each caller")
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    import tenon_ctypes as tenon

    passed, failures = 0, []
    models = arguments.models[:1] if arguments.canary else arguments.models
    scenarios = SCENARIOS[:1] if arguments.canary else SCENARIOS
    planted = " (planted)" if arguments.canary else ""
    for name in models:
        alive = tenon.live_count()
        subject = Subject(tenon, name, tenon.build(zoo.path(name), [zoo.profile(name)], threads=TEAM, timer="fake").plan)
        for scenario in scenarios:
            try:
                scenario(subject, arguments)
                gc.collect()
                if tenon.live_count() != alive:
                    raise AssertionError(f"{tenon.live_count() - alive} objects are still alive")
                passed += 1
                verdict = "ok"
            except Exception as error:
                failures.append(f"{scenario.__name__} of {name}{planted}: {error}")
                verdict = "FAIL"
            print(f"{name:24} {scenario.__name__:26} {verdict}", flush=True)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
