#!/usr/bin/env python3
"""Many threads on one engine, with real networks through the C API (ctypes lets go of Python's lock during a call).

    tests/stress/run.py [--build DIR] [--runs N] [--device cuda --precision fp16] [MODEL ...]

For each network: 16 threads × 16 contexts give the bits that one thread gives; the process has no more threads than
the callers and the engine's team; a second caller of a context gets BUSY; a context and its engine may be destroyed
while they run; nothing is alive afterwards; memory and descriptors stay flat over many changes of shape. On a GPU each
context has its own stream, and memory of the GPU stays flat too, where this process's share or the whole can be seen (the
whole only means something when nothing else runs there).
"""
import argparse
import gc
import os
import pathlib
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import target  # noqa: E402
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
        length = zoo.LENGTHS[1] if zoo.is_sequence(name) else None
        self.feeds = [zoo.draw(name, batch, length, seed=batch) for batch in (1, 2, 3, 4)]
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


def gpu_memory():
    """kB of the GPU that this process uses, else that anybody uses, and which; (None, why) where neither is seen."""
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.splitlines()
        ours = [line.split(",")[1].strip() for line in lines if line.split(",")[0].strip() == str(os.getpid())]
        if ours and ours[0].isdigit():
            return int(ours[0]) * 1024, "of this process"
    except (OSError, IndexError, subprocess.TimeoutExpired):
        pass
    try:
        import torch
        free, total = torch.cuda.mem_get_info()
        return (total - free) // 1024, "of the whole GPU"
    except Exception as error:  # no PyTorch, or one that does not know this GPU
        return None, f"nvidia-smi does not list this process, and torch: {type(error).__name__}"


def flat_memory(subject, arguments):
    engine = subject.tenon.Engine(subject.plan, threads=TEAM)
    context = engine.context()

    def rounds(count):
        for turn in range(count):
            context.run(subject.feeds[turn % 4])
        gc.collect()
        return status_number("VmRSS"), len(os.listdir("/proc/self/fd"))
    on_gpu = target.on_gpu(arguments)
    rounds(16)
    device, seen = gpu_memory() if on_gpu else (None, "")  # before the descriptors: what it loads has some
    memory, files = rounds(1)
    memory_later, files_later = rounds(10 * arguments.runs)
    if memory_later > memory + 16 * 1024 or files_later != files:
        raise AssertionError(f"{memory} kB and {files} descriptors became {memory_later} kB and {files_later}")
    if device is None:
        return f"memory of the GPU not seen: {seen}" if on_gpu else ""
    device_later, seen_later = gpu_memory()
    if seen_later != seen:
        return f"memory of the GPU not compared: {seen}, then {seen_later}"
    if device_later > device + 32 * 1024:
        raise AssertionError(f"{device} kB {seen} became {device_later} kB")
    return f"GPU memory {seen}: {device // 1024} MiB, later {device_later // 1024} MiB"


# Each may give a note for its row. Where it makes sense: on the CPU, on a GPU, whose driver has threads of its own.
SCENARIOS = {same_bits: (True, True), no_more_threads: (True, False), second_caller_is_busy: (True, True),
             destroyed_while_running: (True, True), flat_memory: (True, True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=4, help="of each caller")
    parser.add_argument("--canary", action="store_true")
    target.add_options(parser)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = str(arguments.build)
    import tenon_ctypes as tenon

    passed, failures = 0, []
    models = arguments.models[:1] if arguments.canary else arguments.models
    scenarios = [scenario for scenario, (cpu, gpu) in SCENARIOS.items() if (gpu if target.on_gpu(arguments) else cpu)]
    scenarios = scenarios[:1] if arguments.canary else scenarios
    cache = zoo.CACHE / f"stress-{target.label(arguments)}build.timing" if target.on_gpu(arguments) else None
    planted = " (planted)" if arguments.canary else ""
    for name in models:
        alive = tenon.live_count()
        built = target.build(arguments, name, cpu_timer="fake", threads=TEAM, timing_cache=cache)
        subject = Subject(tenon, name, built.plan)
        for scenario in scenarios:
            note = ""
            try:
                note = scenario(subject, arguments) or ""
                gc.collect()
                if tenon.live_count() != alive:
                    raise AssertionError(f"{tenon.live_count() - alive} objects are still alive")
                passed += 1
                verdict = "ok"
            except Exception as error:
                failures.append(f"{scenario.__name__} of {name}{planted}: {error}")
                verdict = "FAIL"
            print(f"{name:24} {scenario.__name__:26} {verdict:5} {note}".rstrip(), flush=True)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed, 0 skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
