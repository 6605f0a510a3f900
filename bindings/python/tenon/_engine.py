"""From a plan to results."""
from __future__ import annotations

import asyncio
import json
import os
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _raw
from ._build import Network
from ._core import (BusyError, InvalidArgumentError, Object, OutOfRangeError, TenonError, UnsupportedError, check, dims_in,
                    dims_of, fail, given, handle_of, text_of)
from ._enums import DataType, DocumentFormat, IoMode, Limit, ShapeSelector, TensorFormat, TensorLocation
from ._host import Allocator, Blob, Logger
from ._tensors import Array, Memory, Shape, TensorInfo, Texts, dtype_name, memory_of, named_stream, numpy_dtype, print_shape

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass(frozen=True)
class LayerInfo:
    """A layer of a plan: what computes it, and the nodes of the ONNX model that it computes, wholly or in part."""
    name: str
    kernel: str
    origins: tuple[str, ...]


@dataclass(frozen=True)
class LayerTime:
    """What a profiler is told after each layer of a run."""
    index: int
    name: str
    kernel: str
    origins: tuple[str, ...]
    microseconds: float


@dataclass(frozen=True)
class WeightInfo:
    """A weight that a refitter knows. `pin_reason` says why it takes only the value that it has; "" if it can be changed."""
    name: str
    data_type: DataType
    shape: Shape
    pin_reason: str

    def __repr__(self) -> str:
        return f"{self.name}: {dtype_name(self.data_type)}{print_shape(self.shape)}" + (" pinned" if self.pin_reason else "")


@dataclass(frozen=True)
class RunParts:
    """Times of a run in microseconds."""
    input: float
    enqueue: float
    output: float


class Profiler:
    """Collects the times of layers. It may serve several contexts, but one run at a time."""

    def __init__(self) -> None:
        self.times: list[LayerTime] = []

    def __call__(self, time: LayerTime) -> None:
        self.times.append(time)

    def clear(self) -> None:
        self.times.clear()

    def total(self) -> float:
        """Microseconds of everything that was collected."""
        return sum(time.microseconds for time in self.times)

    def by_kernel(self) -> dict[str, float]:
        """Microseconds by kernel, the largest first."""
        sums: dict[str, float] = {}
        for time in self.times:
            sums[time.kernel] = sums.get(time.kernel, 0.0) + time.microseconds
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def __repr__(self) -> str:
        return f"<tenon.Profiler {len(self.times)} times, {self.total():.1f} us>"


class _Layers:
    def __init__(self, function: Callable[[LayerTime], object]) -> None:
        self.function = function

    def layer(self, index: int, name: str, kernel: str, origins: str, microseconds: float) -> None:
        self.function(LayerTime(index, name, kernel, tuple(origins.splitlines()), microseconds))


class Runtime(Object):
    """Settings of engines that are made afterwards. Any thread."""
    __slots__ = ()

    def __init__(self, *, threads: int = 0, logger: Logger | None = None, allocator: Allocator | None = None) -> None:
        self._own(given(_raw.tn_runtime_create()), _raw.tn_runtime_destroy)
        self.thread_count = threads
        self.set_logger(logger)
        self.set_allocator(allocator)

    def set_logger(self, logger: Logger | None) -> None:
        check(_raw.tn_runtime_set_logger(self._handle, handle_of(logger)))

    def set_allocator(self, allocator: Allocator | None) -> None:
        check(_raw.tn_runtime_set_allocator(self._handle, handle_of(allocator)))

    @property
    def thread_count(self) -> int:
        """Threads that work for one engine: 1 … 1024, or 0 for what the plan was tuned for. With 1 every call works on its
        caller's thread, and contexts run beside each other."""
        count: int = given(_raw.tn_runtime_get_thread_count(self._handle))
        return count

    @thread_count.setter
    def thread_count(self, count: int) -> None:
        check(_raw.tn_runtime_set_thread_count(self._handle, count))

    def set_limit(self, limit: Limit, value: int) -> None:
        check(_raw.tn_runtime_set_limit(self._handle, limit, value))

    def get_limit(self, limit: Limit) -> int:
        value: int = given(_raw.tn_runtime_get_limit(self._handle, limit))
        return value

    def _describe(self) -> str:
        return f"{self.thread_count or 'the plan’s'} threads"


class Engine(Object):
    """A verified plan with its weights in memory, ready to run. Any thread."""
    __slots__ = ("_pool", "_ranges", "_tensors")

    def __init__(self, plan: Blob | ReadableBuffer, runtime: Runtime | None = None) -> None:
        """Raises InvalidPlanError (damaged), IncompatiblePlanError (for another machine), …"""
        made = Runtime() if runtime is None else runtime
        data = plan.view() if isinstance(plan, Blob) else plan
        self._own(given(_raw.tn_engine_create(made.handle, data)), _raw.tn_engine_destroy)
        self._pool: dict[int, list[ExecutionContext]] = {}
        self._ranges: list[dict[str, tuple[Shape, Shape]]] = []
        self._tensors = tuple(self._tensor(index) for index in range(given(_raw.tn_engine_get_tensor_count(self._handle))))

    def close(self) -> None:
        self._pool = {}
        super().close()

    # --- running
    def run(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Runs the network once: the outputs by name, as NumPy arrays or as the objects that were given for them.

        inputs: every input by name: arrays as ExecutionContext.run() takes them.
        outputs: memory for some or all of the outputs.
        Any thread, several at once: each call uses a context of its own, which the engine keeps for later calls. The profile
        is the first that takes the inputs' shapes.
        """
        stream = named_stream([*inputs.values(), *(outputs or {}).values()])
        arrays = {name: _array_in(name, value, self, stream) for name, value in inputs.items()}
        if missing := [t.name for t in self._tensors if t.mode == IoMode.INPUT and t.name not in arrays]:
            raise InvalidArgumentError(f"inputs are missing: {', '.join(missing)}")
        profile = self._profile_for(arrays)
        pool = self._pool.setdefault(profile, [])
        try:
            context = pool.pop()
        except IndexError:
            context = self.create_context(profile)
        try:
            return context.run(arrays, outputs)
        finally:
            context._unbind()
            if not self.closed:
                pool.append(context)

    def create_context(self, profile: int = 0) -> ExecutionContext:
        return ExecutionContext(self, profile)

    def _profile_for(self, arrays: Mapping[str, Memory]) -> int:
        if not self._ranges:
            self._ranges = [{t.name: (low, high) for t in self.inputs for low, _, high in [self.profile_shapes(t.name, profile)]}
                            for profile in range(self.profile_count)]
        if len(self._ranges) == 1:
            return 0
        for profile, ranges in enumerate(self._ranges):
            if all(name not in ranges or len(a.shape) == len(ranges[name][0])
                   and all(low <= dim <= high for low, dim, high in zip(ranges[name][0], a.shape, ranges[name][1]))
                   for name, a in arrays.items()):
                return profile
        raise OutOfRangeError("no profile of the plan takes " + ", ".join(
            f"{name}{print_shape(a.shape)}" for name, a in arrays.items()) + "; there are " + "; ".join(
            ", ".join(f"{name}{print_shape(low)} to {print_shape(high)}" for name, (low, high) in ranges.items())
            for ranges in self._ranges))

    # --- what it is
    @property
    def name(self) -> str:
        return text_of(lambda buffer: _raw.tn_engine_get_name(self._handle, buffer))

    @property
    def tensors(self) -> list[TensorInfo]:
        """Inputs, then outputs, both in the network's order."""
        return list(self._tensors)

    @property
    def inputs(self) -> list[TensorInfo]:
        return [t for t in self._tensors if t.mode == IoMode.INPUT]

    @property
    def outputs(self) -> list[TensorInfo]:
        return [t for t in self._tensors if t.mode == IoMode.OUTPUT]

    def tensor(self, name: str) -> TensorInfo:
        """Raises NotFoundError, which names what there is."""
        index: int = given(_raw.tn_engine_find_tensor(self._handle, name))
        return self._tensors[index]

    def _tensor(self, index: int) -> TensorInfo:
        handle = self._handle
        return TensorInfo(text_of(lambda buffer: _raw.tn_engine_get_tensor_name(handle, index, buffer)),
                          IoMode(given(_raw.tn_engine_get_tensor_mode(handle, index))),
                          DataType(given(_raw.tn_engine_get_tensor_data_type(handle, index))),
                          dims_of(lambda dims: _raw.tn_engine_get_tensor_shape(handle, index, dims)), (),
                          TensorFormat(given(_raw.tn_engine_get_tensor_format(handle, index))),
                          TensorLocation(given(_raw.tn_engine_get_tensor_location(handle, index))))

    @property
    def thread_count(self) -> int:
        count: int = given(_raw.tn_engine_get_thread_count(self._handle))
        return count

    @property
    def profile_count(self) -> int:
        count: int = given(_raw.tn_engine_get_profile_count(self._handle))
        return count

    def profile_shapes(self, name: str, profile: int = 0) -> tuple[Shape, Shape, Shape]:
        """The smallest, likeliest and largest shape of an input."""
        def one(selector: ShapeSelector) -> Shape:
            return dims_of(lambda dims: _raw.tn_engine_get_profile_shape(self._handle, profile, name, selector, dims))
        return one(ShapeSelector.MIN), one(ShapeSelector.OPT), one(ShapeSelector.MAX)

    def arena_size(self, profile: int = 0) -> int:
        """Bytes that each context of the profile takes for intermediate results."""
        size: int = given(_raw.tn_engine_get_arena_size(self._handle, profile))
        return size

    @property
    def weight_size(self) -> int:
        """Bytes that the weights take."""
        size: int = given(_raw.tn_engine_get_weight_size(self._handle))
        return size

    def layers(self, profile: int = 0) -> list[LayerInfo]:
        """What a profile runs, in order."""
        handle = self._handle

        def one(index: int) -> LayerInfo:
            return LayerInfo(text_of(lambda buffer: _raw.tn_engine_get_layer_name(handle, profile, index, buffer)),
                             text_of(lambda buffer: _raw.tn_engine_get_layer_kernel(handle, profile, index, buffer)),
                             tuple(text_of(lambda buffer: _raw.tn_engine_get_layer_origins(handle, profile, index,
                                                                                          buffer)).splitlines()))
        return [one(index) for index in range(given(_raw.tn_engine_get_layer_count(handle, profile)))]

    # --- its plan
    def serialize(self) -> Blob:
        """The plan with the weights that are in force now."""
        return Blob._adopt(given(_raw.tn_engine_serialize(self._handle)), _raw.tn_blob_destroy)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the plan; `tenon.load()` reads it."""
        with self.serialize() as plan:
            plan.save(path)

    def inspector(self) -> EngineInspector:
        return EngineInspector(self)

    def refitter(self) -> Refitter:
        return Refitter(self)

    def refit(self, weights: Mapping[str, Any] | Network) -> None:
        """New values of weights, all or none: by name, or those of another network."""
        with Refitter(self) as refitter:
            if isinstance(weights, Network):
                refitter.set_weights_from_network(weights)
            else:
                for name, value in weights.items():
                    refitter.set_weight(name, value)
            refitter.apply()

    def _describe(self) -> str:
        return (f"{self.name!r} ({', '.join(map(repr, self.inputs))}) -> ({', '.join(map(repr, self.outputs))}), "
                f"{self.profile_count} profile{'s' if self.profile_count != 1 else ''}")


def _array_in(name: str, value: Any, engine: Engine, stream: int | None = None) -> Memory:
    """The memory of an input. Numbers and lists become arrays of the input's type; NumPy arrays that are not contiguous are
    copied; those of str, bytes or object, and lists of str, become tensors of strings."""
    info = next((t for t in engine.inputs if t.name == name), None)
    if info is not None and info.data_type == DataType.STRING and isinstance(value, (str, bytes, list, tuple, np.ndarray, np.generic)):
        return Texts.of(np.asarray(value, object) if not isinstance(value, np.ndarray) else value, name).memory(True)
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            value = value.copy(order="C")
    elif isinstance(value, (bool, int, float, list, tuple, np.generic)):
        made = np.asarray(value)
        wanted = engine.tensor(name).dtype
        if not np.can_cast(made.dtype, wanted, "same_kind") and not (made.size == 0 or made.dtype.kind in "iu"):
            raise InvalidArgumentError(f"input {name} must be {wanted}, not {made.dtype}")
        value = np.ascontiguousarray(made.astype(wanted)).reshape(made.shape)
        if not np.array_equal(value, made, equal_nan=made.dtype.kind == "f") and wanted.kind in "iub":
            raise InvalidArgumentError(f"input {name} is {wanted}, which cannot hold the values that were given")
        if wanted.kind == "f" and made.dtype.kind == "f" and not np.array_equal(np.isinf(value), np.isinf(made)):
            raise InvalidArgumentError(f"input {name} is {wanted}, which cannot hold the values that were given")
    return memory_of(value, stream)


def _expect(info: TensorInfo, memory: Memory) -> None:
    kind = "input" if info.mode == IoMode.INPUT else "output"
    if info.format != TensorFormat.LINEAR:
        raise UnsupportedError(f"{kind} {info.name} is not laid out row by row: use set_buffer()")
    if memory.data_type is not None and memory.data_type != info.data_type:
        raise InvalidArgumentError(f"{kind} {info.name} must be {dtype_name(info.data_type)}; the array is "
                                   f"{dtype_name(memory.data_type)}")
    if memory.device != "cpu" and info.location == TensorLocation.HOST:
        raise InvalidArgumentError(f"{kind} {info.name} must lie in the host's memory; the array lies on {memory.device}")
    if info.mode == IoMode.OUTPUT and memory.readonly:
        raise InvalidArgumentError(f"output {info.name} is to be written; the array is read-only")


class ExecutionContext(Object):
    """One run of an engine at a time. Make one per thread: a second caller gets BusyError, and so does every call but `wait()`
    and `close()` between `enqueue()` and `wait()`. It keeps the arrays that are bound alive."""
    __slots__ = ("_bound", "_engine", "_infos", "_lock", "_output_shapes", "_results", "_shapes", "_stream", "_streams", "_with_texts")

    def __init__(self, engine: Engine, profile: int = 0) -> None:
        self._own(given(_raw.tn_execution_context_create(engine.handle, profile)), _raw.tn_execution_context_destroy)
        self._engine = engine
        self._infos = {t.name: t for t in engine._tensors}
        self._with_texts = any(t.data_type == DataType.STRING and t.mode == IoMode.OUTPUT for t in engine._tensors)
        self._lock = threading.Lock()
        self._bound: dict[str, Memory] = {}
        self._results: dict[str, Any] = {}  # the outputs' objects
        self._shapes: dict[str, Shape] = {}         # of the inputs
        self._output_shapes: dict[str, Shape] = {}  # at those
        self._streams: dict[str, int] = {}
        self._stream: int | None = None     # on which a run must be enqueued; None for the context's own

    # --- settings
    def _enter(self) -> None:
        if not self._lock.acquire(False):
            raise BusyError("the execution context is used by another call: make one context for each thread")

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def profile(self) -> int:
        number: int = given(_raw.tn_execution_context_get_profile(self._handle))
        return number

    def set_profile(self, profile: int) -> None:
        """Shapes and arrays must be set again afterwards."""
        self._enter()
        try:
            check(_raw.tn_execution_context_set_profile(self._handle, profile))
            self._forget()
        finally:
            self._lock.release()

    def set_input_shape(self, name: str, shape: Iterable[int]) -> None:
        self._enter()
        try:
            self._set_shape(name, tuple(shape))
        finally:
            self._lock.release()

    def get_shape(self, name: str) -> Shape:
        """Of an input or output, at the input shapes that are set."""
        return dims_of(lambda dims: _raw.tn_execution_context_get_shape(self._handle, name, dims))

    def set_buffer(self, name: str, array: Any, *, stream: int | None = None) -> None:
        """The memory of one input or output, as it is: whatever memory_of() takes, also bytes. Neither type nor shape is
        looked at, but the size is when the network runs. It is kept until another is set."""
        self._enter()
        try:
            memory = memory_of(array, stream)
            info = self._infos.get(name)
            if info is not None and info.mode == IoMode.OUTPUT and memory.readonly:
                raise InvalidArgumentError(f"output {name} is to be written; the array is read-only")
            if info is not None and memory.device != "cpu" and info.location == TensorLocation.HOST:
                raise InvalidArgumentError(f"{name} must lie in the host's memory; the array lies on {memory.device}")
            self._set_buffer(name, memory, array)
            self._choose_stream(stream)
        finally:
            self._lock.release()

    def bind(self, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None, *,
             stream: int | None = None) -> dict[str, Any]:
        """Sets shapes and memory as `run()` does, without running. `run()` without arguments then uses what is bound: nothing
        is copied, nothing is allocated. The outputs by name."""
        self._enter()
        try:
            self._bind(inputs, outputs, stream)
            return dict(self._results)
        finally:
            self._lock.release()

    def prepare(self) -> None:
        """Does for the shapes that are set what the first run would do, so that it neither plans nor allocates."""
        check(_raw.tn_execution_context_prepare(self._handle))

    def set_profiler(self, profiler: Callable[[LayerTime], object] | None) -> None:
        """profiler: called after each layer on the thread that runs the network; it must not call a context of the engine.
        What it raises comes out of the run, once that has ended. A Profiler collects the times."""
        check(_raw.tn_execution_context_set_profiler(self._handle, None if profiler is None else _Layers(profiler)))

    # --- running
    def run(self, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None, *,
            stream: int | None = None) -> dict[str, Any]:
        """Runs the network and returns its outputs by name, when they are there.

        inputs: arrays by name: NumPy's, or any that memory_of() takes without a copy (torch, cupy, array.array, …); also
            numbers and lists. They must have the inputs' types. NumPy arrays that are not contiguous are copied; others are
            refused. Those that are left out stay as they were bound. None: everything stays.
        outputs: memory to write outputs to, by name; it must have their types and shapes, and comes back as the same object.
            Other outputs are new NumPy arrays, or, without `inputs`, what is bound.
        stream: the CUDA stream to work on, as a number. None: that of the arrays, if they have one, else the context's own.
        Raises InvalidArgumentError, OutOfRangeError (a shape outside the profile), BusyError, …, or what the profiler raised.
        """
        if not self._lock.acquire(False):
            self._enter()  # says why it fails
        try:
            if inputs is not None or outputs is not None:
                self._bind(inputs, outputs, stream)
            try:
                self._run_once(stream)
            except InvalidArgumentError:
                if not self._grow():
                    raise
                self._run_once(stream)
            return self._given()
        finally:
            self._lock.release()

    def _run_once(self, stream: int | None) -> None:
        if stream is None and self._stream is None:
            if error := _raw.tn_execution_context_run(self._handle):
                fail(error)
        else:
            self._run_on(stream)

    async def run_async(self, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None, *,
                        stream: int | None = None) -> dict[str, Any]:
        """`run()` for coroutines: the event loop goes on meanwhile. The context is busy until the run has ended, also when the
        coroutine that awaits it is cancelled; the arrays must not be touched until then."""
        self._enter()
        try:
            if inputs is not None or outputs is not None:
                self._bind(inputs, outputs, stream)
            pending = asyncio.get_running_loop().run_in_executor(None, self._run_and_leave, stream)
        except BaseException:
            self._lock.release()
            raise
        return await asyncio.shield(pending)

    def _run_and_leave(self, stream: int | None) -> dict[str, Any]:
        try:
            self._run_on(stream)
            return self._given()
        finally:
            self._lock.release()

    def _run_on(self, stream: int | None) -> None:
        check(_raw.tn_execution_context_enqueue(self._handle, self._agreed(stream)))
        check(_raw.tn_execution_context_wait(self._handle))

    def enqueue(self, stream: int | None = None) -> None:
        """Starts a run with what is bound; `wait()` waits for it. The arrays must not be touched until then."""
        self._enter()
        try:
            check(_raw.tn_execution_context_enqueue(self._handle, self._agreed(stream)))
        finally:
            self._lock.release()

    def wait(self) -> dict[str, Any]:
        """Waits for the run that was enqueued: its outputs. Returns at once if there is none."""
        check(_raw.tn_execution_context_wait(self._handle))
        return self._given()

    def run_measured(self) -> float:
        """Runs with what is bound: the microseconds that the device took."""
        self._enter()
        try:
            microseconds: float = given(_raw.tn_execution_context_run_measured(self._handle))
            return microseconds
        finally:
            self._lock.release()

    def run_in_parts(self) -> RunParts:
        """Runs with what is bound, one part after the other."""
        self._enter()
        try:
            error, *times = _raw.tn_execution_context_run_in_parts(self._handle)
            check(error)
            return RunParts(*times)
        finally:
            self._lock.release()

    @property
    def replay(self) -> tuple[bool, int]:
        """Whether the next run is one replay of a recording, and how many recordings were made. Never on the CPU."""
        error, replayed, count = _raw.tn_execution_context_get_replay(self._handle)
        check(error)
        return bool(replayed), count

    @property
    def replay_refusal(self) -> str:
        """Why the next run is not a replay; "" if it is one."""
        return text_of(lambda buffer: _raw.tn_execution_context_get_replay_refusal(self._handle, buffer))

    # --- beneath
    def _forget(self) -> None:
        self._bound, self._results, self._streams, self._stream = {}, {}, {}, None
        self._shapes, self._output_shapes = {}, {}

    def _unbind(self) -> None:
        """Lets go of all arrays. Where the library still uses them they are kept."""
        if not self._lock.acquire(False):
            return
        try:
            for name in list(self._bound):
                if error := _raw.tn_execution_context_set_buffer(self._handle, name, 0, 0):
                    _raw.tn_error_destroy(error)
                    if not self.closed:
                        return
                del self._bound[name]
            self._results, self._streams, self._stream = {}, {}, None
        finally:
            self._lock.release()

    def _set_shape(self, name: str, shape: Shape) -> None:
        if self._shapes.get(name) != shape:
            self._output_shapes = {}
            check(_raw.tn_execution_context_set_input_shape(self._handle, name, dims_in(shape)))
            self._shapes[name] = shape

    def _output_shape(self, name: str) -> Shape:
        if (shape := self._output_shapes.get(name)) is None:
            shape = self._output_shapes[name] = self.get_shape(name)
        return shape

    def _set_buffer(self, name: str, memory: Memory, thing: Any) -> None:
        if error := _raw.tn_execution_context_set_buffer(self._handle, name, memory.address, memory.size):
            fail(error)
        self._bound[name] = memory
        info = self._infos.get(name)
        if info is not None and info.mode == IoMode.OUTPUT:
            self._results[name] = thing
        if memory.stream is None:
            self._streams.pop(name, None)
        else:
            self._streams[name] = memory.stream

    def _bind(self, inputs: Mapping[str, Any] | None, outputs: Mapping[str, Any] | None, stream: int | None) -> None:
        order = stream if stream is not None else named_stream([*(inputs or {}).values(), *(outputs or {}).values()])
        for name, value in (inputs or {}).items():
            memory = value if type(value) is Memory else _array_in(name, value, self._engine, order)
            info = self._infos.get(name)
            if info is None or info.mode != IoMode.INPUT:
                raise InvalidArgumentError(f"{name} is no input of the engine; its inputs are "
                                           f"{', '.join(t.name for t in self._engine.inputs)}")
            _expect(info, memory)
            if memory.data_type is not None:
                self._set_shape(name, memory.shape)
            self._set_buffer(name, memory, value)
        for name in outputs or {}:
            if (info := self._infos.get(name)) is None or info.mode != IoMode.OUTPUT:
                raise InvalidArgumentError(f"{name} is no output of the engine; its outputs are "
                                           f"{', '.join(t.name for t in self._engine.outputs)}")
        for name, info in self._infos.items():
            if info.mode != IoMode.OUTPUT:
                continue
            if outputs is not None and name in outputs:
                if info.data_type == DataType.STRING:
                    raise UnsupportedError(f"output {name} is of strings, which come as a new array: leave it out of outputs")
                memory = memory_of(outputs[name], order)
                _expect(info, memory)
                shape = self._output_shape(name)
                if memory.data_type is not None and memory.shape != shape:
                    raise InvalidArgumentError(f"output {name} has the shape {print_shape(shape)}; the array has "
                                               f"{print_shape(memory.shape)}")
                self._set_buffer(name, memory, outputs[name])
            elif inputs is not None:
                shape = tuple(max(dim, 0) for dim in self._output_shape(name))  # -1: not known before a run
                if info.data_type == DataType.STRING:
                    texts = Texts(shape)
                    self._set_buffer(name, texts.memory(False), texts)
                else:
                    made: Array = np.empty(shape, numpy_dtype(info.data_type))
                    self._set_buffer(name, memory_of(made), made)
        self._choose_stream(stream)

    def _given(self) -> dict[str, Any]:
        """The outputs of a run that has ended; those of strings as arrays of str."""
        if not self._with_texts:
            return dict(self._results)
        return {name: thing.array(self.get_shape(name)) if isinstance(thing, Texts) else thing for name, thing in self._results.items()}

    def _grow(self) -> bool:
        """New memory for outputs whose size has become known in a run that failed for want of it; whether there are any."""
        grown = False
        for name, shape in list(self._output_shapes.items()):
            if -1 not in shape or -1 in (found := self.get_shape(name)) or self._infos[name].mode != IoMode.OUTPUT:
                continue
            if self._infos[name].data_type == DataType.STRING:
                texts = Texts(found)
                self._set_buffer(name, texts.memory(False), texts)
            else:
                made: Array = np.empty(found, numpy_dtype(self._infos[name].data_type))
                self._set_buffer(name, memory_of(made), made)
            grown = True
        return grown

    def _choose_stream(self, stream: int | None) -> None:
        self._stream = self._agreed(stream if stream is not None or self._streams else None)

    def _agreed(self, stream: int | None) -> int | None:
        """The stream to work on: the caller's, else the one of the arrays. Arrays that are ordered on another are refused."""
        for name, other in self._streams.items():
            if stream is None:
                stream = other
            elif stream != other:
                raise InvalidArgumentError(f"{name} is ready in the order of CUDA stream {other}, but the run is to be on "
                                           f"stream {stream}: synchronise, or use one stream")
        return stream

    def _describe(self) -> str:
        def one(info: TensorInfo) -> str:
            try:
                return f"{info.name}: {dtype_name(info.data_type)}{print_shape(self.get_shape(info.name))}"
            except TenonError:
                return repr(info)
        engine = self._engine
        return f"({', '.join(map(one, engine.inputs))}) -> ({', '.join(map(one, engine.outputs))})"


class EngineInspector(Object):
    """Describes a plan: target, inputs and outputs, profiles with their layers, weights. Any thread."""
    __slots__ = ()

    def __init__(self, engine: Engine) -> None:
        self._own(given(_raw.tn_engine_inspector_create(engine.handle)), _raw.tn_engine_inspector_destroy)

    @classmethod
    def from_plan(cls, plan: Blob | ReadableBuffer) -> EngineInspector:
        """Of a plan that is not loaded, which may be for another machine."""
        data = plan.view() if isinstance(plan, Blob) else plan
        return cls._adopt(given(_raw.tn_engine_inspector_create_from_plan(data)), _raw.tn_engine_inspector_destroy)

    def _information(self, form: DocumentFormat) -> str:
        with Blob._adopt(given(_raw.tn_engine_inspector_get_information(self._handle, form)), _raw.tn_blob_destroy) as blob:
            return blob.text()

    def text(self) -> str:
        """One line per fact."""
        return self._information(DocumentFormat.TEXT)

    def json(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self._information(DocumentFormat.JSON))
        return made

    def to_onnx(self, profile: int = 0, report: dict[str, Any] | None = None) -> Blob:
        """A profile as an ONNX model to look at; with the report of the build that made the plan also tactics and times."""
        text = b"" if report is None else json.dumps(report).encode()
        return Blob._adopt(given(_raw.tn_engine_inspector_serialize_to_onnx(self._handle, profile, text)), _raw.tn_blob_destroy)


class Refitter(Object):
    """Collects new weights for an engine, which take effect together, or not at all, with `apply()`. Any thread; contexts may
    run meanwhile."""
    __slots__ = ()

    def __init__(self, engine: Engine) -> None:
        self._own(given(_raw.tn_refitter_create(engine.handle)), _raw.tn_refitter_destroy)

    @property
    def weights(self) -> list[WeightInfo]:
        """Every weight that can be named, pinned ones included."""
        return [self._weight(index) for index in range(given(_raw.tn_refitter_get_weight_count(self._handle)))]

    def weight(self, name: str) -> WeightInfo:
        """Raises NotFoundError."""
        return self._weight(given(_raw.tn_refitter_find_weight(self._handle, name)))

    def _weight(self, index: int) -> WeightInfo:
        handle = self._handle
        return WeightInfo(text_of(lambda buffer: _raw.tn_refitter_get_weight_name(handle, index, buffer)),
                          DataType(given(_raw.tn_refitter_get_weight_data_type(handle, index))),
                          dims_of(lambda dims: _raw.tn_refitter_get_weight_shape(handle, index, dims)),
                          text_of(lambda buffer: _raw.tn_refitter_get_pin_reason(handle, index, buffer)))

    def set_weight(self, name: str, value: Any) -> None:
        """value: an array in the host's memory of the weight's type and shape, or bare bytes. Copied; the engine does not
        change yet."""
        if isinstance(value, np.ndarray) and not value.flags.c_contiguous:
            value = value.copy(order="C")
        memory = memory_of(value)
        if memory.device != "cpu":
            raise InvalidArgumentError(f"the value of {name} must lie in the host's memory; it lies on {memory.device}")
        data_type, shape = memory.data_type, memory.shape
        if data_type is None:
            info = self.weight(name)
            data_type, shape = info.data_type, info.shape
        data = _raw.Memory(memory.address, memory.size, True, memory.owner)
        check(_raw.tn_refitter_set_weight(self._handle, name, data_type, array("q", shape), data))

    __setitem__ = set_weight

    def set_weights_from_network(self, network: Network) -> int:
        """The values of all weights that the network has under the same names: how many those are."""
        count: int = given(_raw.tn_refitter_set_weights_from_network(self._handle, network.handle))
        return count

    @property
    def missing(self) -> list[str]:
        """Weights that must be set besides those that are."""
        count = given(_raw.tn_refitter_get_missing_count(self._handle))

        def name(index: int) -> str:
            return text_of(lambda buffer: _raw.tn_refitter_get_missing_name(self._handle, index, buffer))
        return [name(index) for index in range(count)]

    def apply(self) -> None:
        """Gives the engine the new values. After a failure it is as it was, and the values are still set."""
        check(_raw.tn_refitter_apply(self._handle))

    def _describe(self) -> str:
        return f"{len(self.weights)} weights"
