"""Callbacks, exceptions, threads, coroutines, forks, ends."""
import asyncio
import gc
import logging
import pickle
import sys
import threading
import time

import numpy as np
import package
import pytest

tenon = package.load()


class Custom(Exception):
    pass


# --- exceptions and callbacks
def test_errors_say_what_where_and_of_which_kind(model):
    with pytest.raises(tenon.InvalidPlanError) as refused:
        tenon.load(b"nothing of the kind")
    error = refused.value
    assert isinstance(error, ValueError) and error.code is tenon.ErrorCode.INVALID_PLAN and error.text == str(error).split("\n")[0]
    assert error.tn_error_code == 6 and isinstance(error.where, tuple)
    for missing in (lambda: tenon.build("no/such/file.onnx"), lambda: tenon.load("no/such/file.onnx")):
        with pytest.raises(FileNotFoundError, match="no/such/file") as caught:
            missing()
        assert isinstance(caught.value, tenon.IoError) and caught.value.code is tenon.ErrorCode.IO
    with pytest.raises(tenon.InvalidModelError):
        tenon.build(model[: len(model) // 2])
    with pytest.raises(LookupError):
        tenon.Device("toaster")
    with pytest.raises(NotImplementedError):
        tenon.Device("cuda:77")
    with pytest.raises(ValueError, match="null"):
        tenon.Device("c\0pu")
    with pytest.raises(TypeError, match="one shape, or three"):
        tenon.OptimizationProfile({"x": ((1, 2), (3, 4))})
    with pytest.raises(tenon.InvalidArgumentError):
        tenon.BuilderConfig().optimization_level = 99
    assert pickle.loads(pickle.dumps(error)).message == error.message


@pytest.mark.parametrize("raised", [Custom("mine"), KeyboardInterrupt(), tenon.CancelledError("enough"), SystemExit(3)])
def test_what_a_callback_raises_comes_back_as_itself(model, raised):
    def progress(phase, fraction):
        raise raised
    with pytest.raises(type(raised)) as caught:
        tenon.build(model, profiles=[package.PROFILE], options=package.FAKE, progress=progress)
    assert caught.value is raised
    assert any(entry.name == "progress" for entry in caught.traceback)


def test_progress(model):
    seen = []
    tenon.build(model, profiles=[package.PROFILE], options=package.FAKE, progress=lambda *told: seen.append(told))
    fractions = [fraction for _, fraction in seen]
    assert seen and fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] <= 1
    config = tenon.BuilderConfig()
    config.set_progress(lambda *_: None)
    config.set_progress(None)


def test_profiler(engine, x):
    context, profiler = engine.create_context(), tenon.Profiler()
    context.set_profiler(profiler)
    context.run({"x": x})
    assert [t.name for t in profiler.times] == [layer.name for layer in engine.layers()]
    assert set(profiler.by_kernel()) == {layer.kernel for layer in engine.layers()}
    assert profiler.total() >= 0 and "times" in repr(profiler)
    count = len(profiler.times)
    context.set_profiler(None)
    context.run({"x": x})
    assert len(profiler.times) == count
    profiler.clear()

    def raises(time):
        raise Custom(time.name)
    context.set_profiler(raises)
    with pytest.raises(Custom):
        context.run({"x": x})
    context.enqueue()
    with pytest.raises(Custom):
        context.wait()
    context.set_profiler(lambda time: context.run())
    with pytest.raises(tenon.BusyError):
        context.run({"x": x})


def test_logger(model, caplog):
    lines = []
    logger = tenon.Logger(lambda severity, text: lines.append((severity, text)), tenon.Severity.VERBOSE)
    engine = tenon.build(model, threads=1, options=package.FAKE, logger=logger)  # no profile: a warning
    logger.close()
    assert any(severity is tenon.Severity.WARNING for severity, _ in lines) and all(isinstance(text, str) for _, text in lines)
    engine.close()
    with caplog.at_level(logging.DEBUG, "tenon.test"):
        tenon.build(model, threads=1, options=package.FAKE, logger=tenon.Logger(logging.getLogger("tenon.test")))
    assert any(record.levelno == logging.WARNING for record in caplog.records)


def test_logger_that_raises_is_unraisable(model, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: seen.append(what.exc_value))

    def log(severity, text):
        raise Custom("in a logger")
    tenon.build(model, threads=1, options=package.FAKE, logger=tenon.Logger(log))
    assert seen and isinstance(seen[0], Custom)


class Source:
    """Memory from ctypes, counted."""
    def __init__(self, limit=None):
        self.memory, self.lock, self.limit, self.error = {}, threading.Lock(), limit, None

    def allocate(self, size, alignment):
        import ctypes
        if self.error:
            raise self.error
        if self.limit is not None and size > self.limit:
            return None
        room = (ctypes.c_char * (size + alignment))()
        address = (ctypes.addressof(room) + alignment - 1) // alignment * alignment
        with self.lock:
            self.memory[address] = room
        return address

    def deallocate(self, memory, size, alignment):
        with self.lock:
            del self.memory[memory]


def test_allocator(plan, x):
    source = Source()
    engine = tenon.load(plan, allocator=tenon.Allocator(source))
    context = engine.create_context()
    context.run({"x": x})
    assert source.memory
    source.error = Custom("no more")
    with pytest.raises(Custom, match="no more"):
        engine.create_context().run({"x": x})
    del context, engine
    source.error = None  # its traceback holds what was in use
    gc.collect()
    assert not source.memory
    with pytest.raises(MemoryError):
        tenon.load(plan, allocator=tenon.Allocator(Source(limit=0)))


# --- life and death
def test_close(plan, x):
    engine = tenon.load(plan)
    with engine.create_context() as context:
        engine.close()
        engine.close()
        assert context.run({"x": x})["y"].shape == (3, 3)  # it keeps what it needs
    for use in (lambda: context.run({"x": x}), lambda: engine.run({"x": x}), engine.serialize, lambda: context.get_shape("x")):
        with pytest.raises(tenon.InvalidHandleError):
            use()
    assert engine.closed and repr(engine) == "<tenon.Engine closed>"
    with pytest.raises(tenon.InvalidHandleError):
        logger = tenon.Logger(print)
        logger.close()
        tenon.Builder(logger)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(context)


def test_nothing_is_left(plan, model, x):
    def work():
        engine = tenon.load(plan, logger=tenon.Logger(lambda *_: None), allocator=tenon.Allocator(Source()))
        context = engine.create_context()
        context.set_profiler(lambda time: context)  # a cycle, through the library
        context.run({"x": x})
        context.set_profiler(None)
        engine.run({"x": x})
        engine.refitter(), engine.inspector().text()
        with pytest.raises(tenon.InvalidPlanError):
            tenon.load(b"")
    work()
    gc.collect()
    before = tenon.live_count("all"), tenon.live_count("error")
    for _ in range(50):
        work()
    gc.collect()
    assert (tenon.live_count("all"), tenon.live_count("error")) == before


def test_every_order_of_ends(plan, x):
    import itertools
    for order in itertools.permutations(range(4)):
        engine = tenon.load(plan)
        things = [engine, engine.create_context(), engine.refitter(), engine.inspector()]
        things[1].run({"x": x})
        del engine
        for index in order:
            things[index].close()


def test_collection_at_exit():
    done = package.script("""
import numpy as np, tenon
from small_model import small_model
from package import PROFILE, FAKE
engine = tenon.build(small_model(), profiles=[PROFILE], threads=2, options=FAKE, logger=tenon.Logger(print, tenon.Severity.VERBOSE))
context = engine.create_context()
context.set_profiler(tenon.Profiler())
context.bind({"x": np.zeros((8, 1, 4, 4), np.float32)})
context.enqueue()
cycle = [context]; cycle.append(cycle)
print("end")
""")
    assert done.stdout.endswith("end\n") and not done.stderr


# --- threads
def test_a_working_call_lets_other_threads_run():
    """While one thread is inside a run that takes long, another computes in Python."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    w = numpy_helper.from_array(np.full((1024, 1024), 1e-3, np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x" if i == 0 else f"h{i}", "w"], [f"h{i + 1}" if i < 7 else "y"]) for i in range(8)]
    graph = helper.make_graph(nodes, "long", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [512, 1024])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [512, 1024])], [w])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    engine = tenon.build(made, threads=1, options=package.FAKE)
    context = engine.create_context()
    context.bind({"x": np.ones((512, 1024), np.float32)})
    context.run()
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # a thread gives the GIL up only of its own accord
    counted, inside, done = [0], threading.Event(), threading.Event()

    def count():
        inside.wait()
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        inside.set()
        before = counted[0]
        context.run()
        during = counted[0] - before
    finally:
        done.set()
        sys.setswitchinterval(switch)
        thread.join()
    assert during > 0, "nothing ran beside the network"


def test_threads_share_an_engine(engine, x, expected):
    wrong = []

    def work(rows):
        for _ in range(200):
            y = engine.run({"x": x[:rows]})["y"]
            if not np.allclose(y, expected[:rows], atol=1e-5):
                wrong.append(rows)
    threads = [threading.Thread(target=work, args=(1 + i % 3,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_second_caller_of_a_context_is_told(engine, x):
    context = engine.create_context()
    inside, go = threading.Event(), threading.Event()

    def hold(time):
        inside.set()
        go.wait(30)
    context.set_profiler(hold)
    thread = threading.Thread(target=context.run, args=({"x": x},))
    thread.start()
    assert inside.wait(30)
    try:
        for use in (lambda: context.run(), lambda: context.bind({"x": x}), lambda: context.set_profile(0),
                    lambda: context.get_shape("y")):
            with pytest.raises(tenon.BusyError):
                use()
    finally:
        go.set()
        thread.join()


# --- coroutines
def test_run_async(engine, x, expected):
    async def several():
        contexts = [engine.create_context() for _ in range(4)]
        return await asyncio.gather(*(c.run_async({"x": x * i}) for i, c in enumerate(contexts)))
    results = asyncio.run(several())
    assert np.allclose(results[1]["y"], expected, atol=1e-5) and len(results) == 4

    async def prebound():
        context, y = engine.create_context(), np.zeros((3, 3), np.float32)
        context.bind({"x": x}, {"y": y})
        assert (await context.run_async())["y"] is y
        with pytest.raises(tenon.InvalidArgumentError):
            await context.run_async({"x": x.astype(np.float64)})
        await context.run_async()

        def raises(time):
            raise Custom("async")
        context.set_profiler(raises)
        with pytest.raises(Custom, match="async"):
            await context.run_async()
        return y
    assert np.allclose(asyncio.run(prebound()), expected, atol=1e-5)


def test_the_event_loop_goes_on_and_a_cancelled_run_ends(engine, x):
    async def work():
        context = engine.create_context()
        go = threading.Event()
        context.set_profiler(lambda time: go.wait(30))
        task = asyncio.create_task(context.run_async({"x": x}))
        await asyncio.sleep(0.02)  # the loop is free while the run is held up
        with pytest.raises(tenon.BusyError):
            await context.run_async({"x": x})
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(tenon.BusyError):
            context.run()
        go.set()
        for _ in range(1000):
            try:
                return context.run({"x": x})["y"].shape
            except tenon.BusyError:
                await asyncio.sleep(0.01)
    assert asyncio.run(work()) == (3, 3)


# --- forks
FORK = """
import os, sys
import numpy as np, tenon
from small_model import small_model
from package import PROFILE, FAKE
def use():
    return tenon.build(small_model(), profiles=[PROFILE], threads=2, options=FAKE)
before = use() if sys.argv[1] == "used" else None
child = os.fork()
if child == 0:
    try:
        if before:
            try:
                before.run({"x": np.zeros((1, 1, 4, 4), np.float32)})
            except tenon.ForkError as error:
                assert "spawn" in str(error), error
            else:
                raise AssertionError("the child may use its parent's engine")
            before.close()
            try:
                use()
            except tenon.ForkError:
                pass
            else:
                raise AssertionError("the child may build")
        else:
            use().run({"x": np.zeros((1, 1, 4, 4), np.float32)})
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
if before:
    before.run({"x": np.zeros((1, 1, 4, 4), np.float32)})
print("good")
"""


@pytest.mark.parametrize("parent", ["used", "imported"])
def test_fork(parent):
    assert package.script(FORK, parent).stdout == "good\n"


def test_a_refit_out_of_a_profiler_is_busy(model, x):
    """The engine's threads are in the run that the profiler hears of."""
    with tenon.build(model, threads=2, profiles=[package.PROFILE], options=package.FAKE) as engine:
        weight = next(w for w in engine.refitter().weights if not w.pin_reason)
        seen = []

        def refit(_):
            with pytest.raises(tenon.BusyError) as refused:
                engine.refit({weight.name: np.zeros(weight.shape, tenon.numpy_dtype(weight.data_type))})
            seen.append(refused.value)
        context = engine.create_context()
        context.set_profiler(refit)
        context.run({"x": x})
        assert seen
