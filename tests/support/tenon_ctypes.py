"""Tenon's C API for the tests, through ctypes: build, run, refit, inspect, profile with NumPy arrays.

The library is TENON_BUILD's (a build folder; default: build). Every failure raises TenonError with code and message.
"""
import ctypes as c
import json
import os
import pathlib
from dataclasses import dataclass, field

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _library():
    build = pathlib.Path(os.environ.get("TENON_BUILD", ROOT / "build"))
    if not (build / "libtenon.so").exists():
        raise FileNotFoundError(f"no libtenon.so in {build}: run `make build` first")
    library = c.CDLL(str((build / "libtenon.so").resolve()))
    library.tn_error_get_code.restype = c.c_int32
    library.tn_error_get_message.restype = None
    library.tn_build_info.restype = c.c_char_p
    library.tn_version.restype = c.c_uint32
    return library


_lib = _library()
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "object", 9: "bool", 10: "float16",
           11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz",
           19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4_e2m1fn", 24: "float8_e8m0fnu",
           25: "uint2", 26: "int2"}
MIN, OPT, MAX = 0, 1, 2


def numpy_type(code):
    name = _DTYPES[code]
    if code >= 16:
        import ml_dtypes
        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def type_code(dtype):
    name = np.dtype(dtype).name
    for code, known in _DTYPES.items():
        if known == name:
            return code
    raise TypeError(f"Tenon has no tensors of {dtype}")


class TenonError(RuntimeError):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def _message(error):
    size = c.c_size_t()
    _lib.tn_error_get_message(c.c_void_p(error), None, c.c_size_t(0), c.byref(size))
    buffer = c.create_string_buffer(size.value + 1)
    _lib.tn_error_get_message(c.c_void_p(error), buffer, c.c_size_t(len(buffer)), None)
    return buffer.value.decode("utf-8", "replace")


def call(name, *arguments):
    """Calls a fallible function. Handles are Handle or c_void_p, text is str, integers are ctypes integers."""
    function = getattr(_lib, name)
    function.restype = c.c_void_p
    error = function(*(a.encode() if isinstance(a, str) else a.value if isinstance(a, Handle) else a for a in arguments))
    if error:
        code, message = _lib.tn_error_get_code(c.c_void_p(error)), _message(error)
        _lib.tn_error_destroy(c.c_void_p(error))
        raise TenonError(code, message)


class Handle:
    """A handle and its destroy function. `Handle("engine", "tn_engine_create", …)` adds the out parameter."""

    def __init__(self, noun, creator, *arguments):
        self.noun, self.value = noun, c.c_void_p()
        call(creator, *arguments, c.byref(self.value))

    def __del__(self):
        if self.value:
            getattr(_lib, f"tn_{self.noun}_destroy")(self.value)


def _blob_bytes(blob):
    data, size = c.c_void_p(), c.c_size_t()
    call("tn_blob_get_data", blob, c.byref(data), c.byref(size))
    return bytes((c.c_char * size.value).from_address(data.value)) if size.value else b""  # string_at ends at 2 GB


def _text(function, *arguments):
    size = c.c_size_t()
    call(function, *arguments, None, c.c_size_t(0), c.byref(size))
    buffer = c.create_string_buffer(size.value + 1)
    call(function, *arguments, buffer, c.c_size_t(len(buffer)), None)
    return buffer.value.decode()


def _dims(function, *arguments):
    dims, size = (c.c_int64 * 8)(), c.c_size_t()
    call(function, *arguments, dims, c.c_size_t(8), c.byref(size))
    return tuple(dims[: size.value])


def _number(kind, function, *arguments):
    out = kind()
    call(function, *arguments, c.byref(out))
    return out.value


def _int64s(values):
    return (c.c_int64 * len(values))(*values), c.c_size_t(len(values))


def build_info():
    return _lib.tn_build_info().decode()


def live_count(what="all"):
    return _number(c.c_int64, "tn_debug_get_live_count", what)


class Network(Handle):
    def __init__(self, model, builder=None):
        """From a path, or from the bytes of a model."""
        self.builder = builder or Handle("builder", "tn_builder_create")
        if isinstance(model, bytes):
            super().__init__("network", "tn_network_create_from_onnx", self.builder, model, c.c_size_t(len(model)))
        else:
            super().__init__("network", "tn_network_create_from_onnx_file", self.builder, str(model))


@dataclass
class Built:
    plan: bytes
    report: dict
    timing_cache: bytes


PRECISIONS = {"tf32": 0, "fp16": 1, "bf16": 2}


def build(model, profiles=(), *, device="cpu", precisions=(), level=3, threads=0, timer="real", onednn=True, timing_cache=None,
          options=None):
    """A plan from an ONNX file or bytes.

    profiles: list of {input: (min, opt, max)}. precisions: those of PRECISIONS that are allowed. timing_cache: bytes, or a file that is read if it is there and
    written afterwards. options: experimental options (tn_builder_config_set_option).
    """
    network = Network(model)
    config = Handle("builder_config", "tn_builder_config_create")
    if device != "cpu":
        call("tn_builder_config_set_device", config, Handle("device", "tn_device_create", device))
    call("tn_builder_config_set_optimization_level", config, c.c_int32(level))
    for name, number in PRECISIONS.items():
        call("tn_builder_config_set_precision_allowed", config, c.c_int32(number), c.c_int32(int(name in precisions)))
    call("tn_builder_config_set_thread_count", config, c.c_int32(threads))
    call("tn_builder_config_set_onednn_enabled", config, c.c_int32(int(onednn)))
    for key, value in {"timer": timer, **(options or {})}.items():
        call("tn_builder_config_set_option", config, key, value)
    for shapes in profiles:
        profile = Handle("optimization_profile", "tn_optimization_profile_create")
        for name, three in shapes.items():
            for selector, dims in zip((MIN, OPT, MAX), three):
                call("tn_optimization_profile_set_shape", profile, name, c.c_int32(selector), *_int64s(dims))
        call("tn_builder_config_add_profile", config, profile, None)
    cache = Handle("timing_cache", "tn_timing_cache_create")
    file = timing_cache if isinstance(timing_cache, (str, pathlib.Path)) else None
    data = pathlib.Path(file).read_bytes() if file and pathlib.Path(file).exists() else timing_cache if not file else None
    if data:
        call("tn_timing_cache_load", cache, data, c.c_size_t(len(data)))
    call("tn_builder_config_set_timing_cache", config, cache)

    plan, report = c.c_void_p(), c.c_void_p()
    call("tn_builder_build", network.builder, network, config, c.byref(plan), c.byref(report))
    try:
        built = Built(_blob_bytes(plan), json.loads(_blob_bytes(report) or b"{}"), b"")
    finally:
        _lib.tn_blob_destroy(plan)
        _lib.tn_blob_destroy(report)
    blob = Handle("blob", "tn_timing_cache_serialize", cache)
    built.timing_cache = _blob_bytes(blob)
    if file:
        pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(f"{file}.{os.getpid()}")
        temporary.write_bytes(built.timing_cache)
        temporary.replace(file)
    return built


@dataclass
class Tensor:
    name: str
    is_input: bool
    dtype: np.dtype
    shape: tuple


@dataclass
class Layer:
    name: str
    kernel: str
    nodes: list = field(default_factory=list)
    microseconds: float = 0.0


class Engine(Handle):
    def __init__(self, plan, threads=0):
        runtime = Handle("runtime", "tn_runtime_create")
        call("tn_runtime_set_thread_count", runtime, c.c_int32(threads))
        super().__init__("engine", "tn_engine_create", runtime, plan, c.c_size_t(len(plan)))
        self.tensors = {}
        for i in range(_number(c.c_size_t, "tn_engine_get_tensor_count", self)):
            index = c.c_size_t(i)
            tensor = Tensor(_text("tn_engine_get_tensor_name", self, index),
                            _number(c.c_int32, "tn_engine_get_tensor_mode", self, index) == 0,
                            numpy_type(_number(c.c_int32, "tn_engine_get_tensor_data_type", self, index)),
                            _dims("tn_engine_get_tensor_shape", self, index))
            self.tensors[tensor.name] = tensor

    def context(self, profile=0):
        return Context(self, profile)

    def serialize(self):
        return _blob_bytes(Handle("blob", "tn_engine_serialize", self))

    def arena_size(self, profile=0):
        return _number(c.c_uint64, "tn_engine_get_arena_size", self, c.c_int32(profile))

    def weight_size(self):
        return _number(c.c_uint64, "tn_engine_get_weight_size", self)

    def layers(self, profile=0):
        index = c.c_int32(profile)
        count = _number(c.c_size_t, "tn_engine_get_layer_count", self, index)
        return [Layer(_text("tn_engine_get_layer_name", self, index, c.c_size_t(i)),
                      _text("tn_engine_get_layer_kernel", self, index, c.c_size_t(i)),
                      _text("tn_engine_get_layer_origins", self, index, c.c_size_t(i)).splitlines())
                for i in range(count)]


def inspect(plan, as_json=False):
    """The description of a plan's bytes: text, or an object."""
    inspector = Handle("engine_inspector", "tn_engine_inspector_create_from_plan", plan, c.c_size_t(len(plan)))
    document = _blob_bytes(Handle("blob", "tn_engine_inspector_get_information", inspector, c.c_int32(int(as_json))))
    return json.loads(document) if as_json else document.decode()


_LAYER = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_size_t, c.c_char_p, c.c_char_p, c.c_char_p, c.c_double)


class _Profiler(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("user_data", c.c_void_p), ("layer", _LAYER), ("release", c.c_void_p)]


class Strings:
    """The views that a tensor of strings is: pointer and size of each element's UTF-8."""
    def __init__(self, shape):
        self.shape = tuple(shape)
        self.views = np.zeros((int(np.prod(self.shape, dtype=np.int64)), 2), np.uint64)

    @classmethod
    def of(cls, array):
        out = cls(array.shape)
        out.bytes = [text.encode() if isinstance(text, str) else bytes(text) for text in array.reshape(-1)]
        out.kept = [c.create_string_buffer(data, max(len(data), 1)) for data in out.bytes]
        for i, data in enumerate(out.bytes):
            out.views[i] = c.addressof(out.kept[i]) if data else 0, len(data)
        return out

    def array(self, shape=None):
        """The strings, in the first elements of another shape."""
        shape = self.shape if shape is None else tuple(shape)
        texts = [c.string_at(int(data), int(size)).decode() if size else ""
                 for data, size in self.views[: int(np.prod(shape, dtype=np.int64))]]
        out = np.empty(len(texts), object)
        out[:] = texts
        return out.reshape(shape)


class Context(Handle):
    def __init__(self, engine, profile=0):
        super().__init__("execution_context", "tn_execution_context_create", engine, c.c_int32(profile))
        self.engine, self.inputs, self.outputs, self.strings = engine, {}, {}, {}

    def bind(self, inputs):
        """Sets shapes and buffers; inputs are kept, outputs allocated and poisoned."""
        self.inputs, self.outputs, self.strings = {}, {}, {}
        for name, array in inputs.items():
            array = np.require(array, requirements=["C", "A"])
            if array.dtype.kind in "OUS":
                array = array.astype(object)
            known = self.engine.tensors.get(name)
            if known is not None and known.dtype != array.dtype:
                raise TypeError(f"input {name} is {known.dtype}, got {array.dtype}")
            self.inputs[name] = array
            call("tn_execution_context_set_input_shape", self, name, *_int64s(array.shape))
        for name, tensor in self.engine.tensors.items():
            if not tensor.is_input:
                dims = tuple(max(dim, 0) for dim in _dims("tn_execution_context_get_shape", self, name))
                if tensor.dtype == object:
                    self.strings[name] = Strings(dims)
                    self.strings[name].views[:] = 0xA5A5A5A5A5A5A5A5
                    continue
                poisoned = np.full(int(np.prod(dims, dtype=np.int64)) * tensor.dtype.itemsize, 0xA5, np.uint8)
                self.outputs[name] = poisoned.view(tensor.dtype).reshape(dims)
        self.strings.update((name, Strings.of(array)) for name, array in self.inputs.items() if array.dtype == object)
        for name, array in {**self.inputs, **self.outputs, **{n: s.views for n, s in self.strings.items()}}.items():
            data = c.c_void_p(array.ctypes.data) if array.nbytes else None
            call("tn_execution_context_set_buffer", self, name, data, c.c_size_t(array.nbytes))

    def execute(self):
        call("tn_execution_context_run", self)

    def measure(self):
        """Runs; the device's microseconds."""
        return _number(c.c_double, "tn_execution_context_run_measured", self)

    def parts(self):
        """Runs part by part; microseconds of copying inputs, of the host's enqueueing, of copying outputs."""
        times = [c.c_double() for _ in range(3)]
        call("tn_execution_context_run_in_parts", self, *map(c.byref, times))
        return tuple(time.value for time in times)

    def replay(self):
        """Whether the next run is a replay, how many recordings were made, and why it is none."""
        replayed, count = c.c_int32(), c.c_uint64()
        call("tn_execution_context_get_replay", self, c.byref(replayed), c.byref(count))
        return bool(replayed.value), count.value, _text("tn_execution_context_get_replay_refusal", self)

    def run(self, inputs):
        """The outputs, as large as the run found them."""
        self.bind(inputs)
        unknown = any(-1 in _dims("tn_execution_context_get_shape", self, name)
                      for name, tensor in self.engine.tensors.items() if not tensor.is_input)
        try:
            self.execute()
        except TenonError:
            if not unknown:
                raise
            sizes = {name: _dims("tn_execution_context_get_shape", self, name) for name in self.engine.tensors}
            for name, tensor in self.engine.tensors.items():  # a size without a bound is known now
                if tensor.is_input:
                    continue
                if -1 in sizes[name]:
                    raise
                view = np.zeros(int(np.prod(sizes[name], dtype=np.int64)) * (16 if tensor.dtype == object else tensor.dtype.itemsize), np.uint8)
                if tensor.dtype == object:
                    self.strings[name] = Strings(sizes[name])
                    view = self.strings[name].views
                else:
                    self.outputs[name] = view.view(tensor.dtype).reshape(sizes[name])
                call("tn_execution_context_set_buffer", self, name, c.c_void_p(view.ctypes.data) if view.nbytes else None,
                     c.c_size_t(view.nbytes))
            self.execute()
        for name, strings in self.strings.items():
            if name not in self.inputs:
                self.outputs[name] = strings.array(_dims("tn_execution_context_get_shape", self, name))
        for name, array in self.outputs.items():
            dims = _dims("tn_execution_context_get_shape", self, name)
            if dims != array.shape:
                self.outputs[name] = array.reshape(-1)[: int(np.prod(dims, dtype=np.int64))].reshape(dims)
        return self.outputs

    def profile(self):
        """One run of what is bound, layer by layer."""
        layers = []

        def layer(_, index, name, kernel, origins, microseconds):
            layers.append(Layer(name.decode(), kernel.decode(), origins.decode().splitlines(), microseconds))
            return None
        function = _LAYER(layer)
        table = _Profiler(c.sizeof(_Profiler), None, function, None)
        call("tn_execution_context_set_profiler", self, c.byref(table))
        try:
            self.execute()
        finally:
            call("tn_execution_context_set_profiler", self, None)
        return layers


class Refitter(Handle):
    def __init__(self, engine):
        super().__init__("refitter", "tn_refitter_create", engine)

    def weights(self):
        """(name, type, shape, pin reason) of every weight."""
        out = []
        for i in range(_number(c.c_size_t, "tn_refitter_get_weight_count", self)):
            index = c.c_size_t(i)
            out.append((_text("tn_refitter_get_weight_name", self, index),
                        numpy_type(_number(c.c_int32, "tn_refitter_get_weight_data_type", self, index)),
                        _dims("tn_refitter_get_weight_shape", self, index),
                        _text("tn_refitter_get_pin_reason", self, index)))
        return out

    def set(self, name, array):
        array = np.require(array, requirements=["C"])
        call("tn_refitter_set_weight", self, name, c.c_int32(type_code(array.dtype)), *_int64s(array.shape),
             c.c_void_p(array.ctypes.data) if array.nbytes else None, c.c_size_t(array.nbytes))

    def set_from(self, model):
        network = Network(model)
        return _number(c.c_size_t, "tn_refitter_set_weights_from_network", self, network)

    def missing(self):
        count = _number(c.c_size_t, "tn_refitter_get_missing_count", self)
        return [_text("tn_refitter_get_missing_name", self, c.c_size_t(i)) for i in range(count)]

    def apply(self):
        call("tn_refitter_apply", self)
