"""From a network to a plan."""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union

from . import _raw
from ._core import Object, UnsupportedError, check, dims_in, dims_of, given, given_of_file, handle_of, path_in, text_of
from ._enums import DataType, DocumentFormat, IoMode, Limit, Precision, ShapeSelector
from ._host import Blob, Device, Logger, as_bytes
from ._tensors import Shape, TensorInfo

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ShapeRange = Union[Iterable[int], tuple[Iterable[int], Iterable[int], Iterable[int]]]
ProgressFunction = Callable[[str, float], object]


def _document(handle: int) -> Blob:
    return Blob._adopt(handle, _raw.tn_blob_destroy)


class Builder(Object):
    """Makes networks and plans. Any thread; builds may run beside each other."""
    __slots__ = ()

    def __init__(self, logger: Logger | None = None) -> None:
        self._own(given(_raw.tn_builder_create()), _raw.tn_builder_destroy)
        if logger is not None:
            self.set_logger(logger)

    def set_logger(self, logger: Logger | None) -> None:
        """Where messages of imports and builds go, from the next one on."""
        check(_raw.tn_builder_set_logger(self._handle, handle_of(logger)))

    def set_limit(self, limit: Limit, value: int) -> None:
        """For models that are imported and plans that are built."""
        check(_raw.tn_builder_set_limit(self._handle, limit, value))

    def get_limit(self, limit: Limit) -> int:
        value: int = given(_raw.tn_builder_get_limit(self._handle, limit))
        return value

    def build(self, network: Network, config: BuilderConfig) -> Blob:
        """The plan for this machine, which Engine takes. It measures kernels, so it takes a while.

        Raises InvalidArgumentError (a profile that does not fit the network), InvalidModelError, UnsupportedError,
        LimitExceededError, OutOfMemoryError, or what the progress callback raised.
        """
        error, plan, _ = _raw.tn_builder_build(self._handle, network.handle, config.handle, False)
        check(error)
        return _document(plan)

    def build_with_report(self, network: Network, config: BuilderConfig) -> tuple[Blob, dict[str, Any]]:
        """The plan, and the build report: every node's candidates with their times or the reasons why they were refused."""
        error, plan, report = _raw.tn_builder_build(self._handle, network.handle, config.handle, True)
        check(error)
        with _document(report) as document:
            return _document(plan), json.loads(document.text())


class Network(Object):
    """A network as its user defined it, read from an ONNX model. Immutable: any thread."""
    __slots__ = ()

    @classmethod
    def from_onnx_file(cls, builder: Builder, path: str | os.PathLike[str]) -> Network:
        """The file is mapped and must not change until the network is closed. External data lies beneath the file's folder."""
        name = path_in(path)
        return cls._adopt(given_of_file(_raw.tn_network_create_from_onnx_file(builder.handle, name), name), _raw.tn_network_destroy)

    @classmethod
    def from_onnx(cls, builder: Builder, model: ReadableBuffer | Any) -> Network:
        """From bytes, which are copied, or from a model of the package onnx."""
        return cls._adopt(given(_raw.tn_network_create_from_onnx(builder.handle, as_bytes(model))), _raw.tn_network_destroy)

    @classmethod
    def from_onnx_blob(cls, builder: Builder, blob: Blob) -> Network:
        """Nothing is copied: the network keeps the blob."""
        return cls._adopt(given(_raw.tn_network_create_from_onnx_blob(builder.handle, blob.handle)), _raw.tn_network_destroy)

    @classmethod
    def from_onnx_model(cls, model: OnnxModel) -> Network:
        """With the weights that the model was given."""
        return cls._adopt(given(_raw.tn_network_create_from_onnx_model(model.handle)), _raw.tn_network_destroy)

    def to_onnx(self) -> Blob:
        """An ONNX model that computes the same; its weights are in it, so that it must not exceed 2 GB."""
        error, model, _ = _raw.tn_network_serialize_to_onnx(self._handle, None, False)
        check(error)
        return _document(model)

    def to_onnx_with_weights(self, location: str) -> tuple[Blob, Blob]:
        """The same, and the bytes of the file `location` beside it, which holds its larger weights."""
        error, model, weights = _raw.tn_network_serialize_to_onnx(self._handle, location, True)
        check(error)
        return _document(model), _document(weights)

    @property
    def name(self) -> str:
        return text_of(lambda buffer: _raw.tn_network_get_name(self._handle, buffer))

    @property
    def tensors(self) -> list[TensorInfo]:
        """Inputs, then outputs, both in the network's order."""
        return [self._tensor(index) for index in range(given(_raw.tn_network_get_tensor_count(self._handle)))]

    @property
    def inputs(self) -> list[TensorInfo]:
        return [t for t in self.tensors if t.mode == IoMode.INPUT]

    @property
    def outputs(self) -> list[TensorInfo]:
        return [t for t in self.tensors if t.mode == IoMode.OUTPUT]

    def tensor(self, name: str) -> TensorInfo:
        """Raises NotFoundError, which names what there is."""
        return self._tensor(given(_raw.tn_network_find_tensor(self._handle, name)))

    def _tensor(self, index: int) -> TensorInfo:
        handle = self._handle
        shape: Shape | None
        names: tuple[str, ...] = ()
        try:
            shape = dims_of(lambda dims: _raw.tn_network_get_tensor_shape(handle, index, dims))
            names = tuple(self._dim_name(index, dim) for dim in range(len(shape)))
        except UnsupportedError:
            shape = None  # only a build finds it out
        return TensorInfo(text_of(lambda buffer: _raw.tn_network_get_tensor_name(handle, index, buffer)),
                          IoMode(given(_raw.tn_network_get_tensor_mode(handle, index))),
                          DataType(given(_raw.tn_network_get_tensor_data_type(handle, index))), shape, names)

    def _dim_name(self, index: int, dim: int) -> str:
        return text_of(lambda buffer: _raw.tn_network_get_tensor_dim_name(self._handle, index, dim, buffer))

    @property
    def node_count(self) -> int:
        count: int = given(_raw.tn_network_get_node_count(self._handle))
        return count

    def _information(self, form: DocumentFormat) -> str:
        with _document(given(_raw.tn_network_get_information(self._handle, form))) as document:
            return document.text()

    def text(self) -> str:
        """The graph, for people."""
        return self._information(DocumentFormat.TEXT)

    def json(self) -> dict[str, Any]:
        """Name, inputs, outputs, weights and nodes."""
        made: dict[str, Any] = json.loads(self._information(DocumentFormat.JSON))
        return made

    def _describe(self) -> str:
        return (f"{self.name!r} ({', '.join(map(repr, self.inputs))}) -> ({', '.join(map(repr, self.outputs))}), "
                f"{self.node_count} nodes")


class OnnxModel(Object):
    """An ONNX model that has been read but not imported: it may be asked what of it is supported, and given weights. Any
    thread."""
    __slots__ = ()

    @classmethod
    def from_file(cls, builder: Builder, path: str | os.PathLike[str]) -> OnnxModel:
        """The file is mapped and must not change until the model, and what is made of it, is closed."""
        name = path_in(path)
        return cls._adopt(given_of_file(_raw.tn_onnx_model_create_from_file(builder.handle, name), name), _raw.tn_onnx_model_destroy)

    @classmethod
    def from_blob(cls, builder: Builder, blob: Blob) -> OnnxModel:
        """Nothing is copied: the model keeps the blob. External data must be given."""
        return cls._adopt(given(_raw.tn_onnx_model_create_from_blob(builder.handle, blob.handle)), _raw.tn_onnx_model_destroy)

    def set_initializer(self, name: str, data_type: DataType, shape: Iterable[int], data: Blob, offset: int = 0) -> None:
        """A weight in place of the model's: an initialiser's, an input's, or of a name that nothing makes. The elements lie in
        `data` from the byte `offset` on, as in ONNX's raw_data; networks that are made from then on keep the blob."""
        check(_raw.tn_onnx_model_set_initializer(self._handle, data.handle, name, data_type, dims_in(shape), offset))

    def capability(self) -> dict[str, Any]:
        """Of each node whether and how it is supported, and all that is wrong; `supported` says it of the whole."""
        error, _, document = _raw.tn_onnx_model_get_capability(self._handle, DocumentFormat.JSON)
        return _capability(error, document)


def onnx_operator_capability(domain: str, op_type: str, version: int) -> dict[str, Any]:
    """Of an operator in an op set, without a model, as OnnxModel.capability() says it of a node."""
    error, _, document = _raw.tn_onnx_operator_get_capability(domain, op_type, version, DocumentFormat.JSON)
    return _capability(error, document)


def _capability(error: int, document: int) -> dict[str, Any]:
    check(error)
    with _document(document) as blob:
        made: dict[str, Any] = json.loads(blob.text())
        return made


class OptimizationProfile(Object):
    """For which shapes of the inputs a plan is made: of each the smallest, the likeliest and the largest. Any thread."""
    __slots__ = ("_names",)

    def __init__(self, shapes: Mapping[str, ShapeRange] | None = None) -> None:
        """shapes: by input, one shape, or a tuple of three (smallest, likeliest, largest)."""
        self._own(given(_raw.tn_optimization_profile_create()), _raw.tn_optimization_profile_destroy)
        self._names: dict[str, None] = {}
        for name, shape in (shapes or {}).items():
            parts = list(shape)
            if parts and not any(isinstance(part, Iterable) for part in parts):
                self.set(name, parts, parts, parts)  # type: ignore[arg-type]
            elif len(parts) == 3 and all(isinstance(part, Iterable) for part in parts):
                self.set(name, *parts)  # type: ignore[arg-type]
            elif not parts:
                self.set(name, (), (), ())
            else:
                raise TypeError(f"the profile of {name!r} must be one shape, or three (smallest, likeliest, largest); it is "
                                f"{shape!r}")

    def set(self, name: str, smallest: Iterable[int], likeliest: Iterable[int], largest: Iterable[int]) -> None:
        """Whether the three fit each other is checked when the profile is added to a configuration."""
        for selector, shape in zip(ShapeSelector, (smallest, likeliest, largest)):
            check(_raw.tn_optimization_profile_set_shape(self._handle, name, selector, dims_in(shape)))
        self._names[name] = None

    def get(self, name: str) -> tuple[Shape, Shape, Shape]:
        def one(selector: ShapeSelector) -> Shape:
            return dims_of(lambda dims: _raw.tn_optimization_profile_get_shape(self._handle, name, selector, dims))
        return one(ShapeSelector.MIN), one(ShapeSelector.OPT), one(ShapeSelector.MAX)

    def _describe(self) -> str:
        return ", ".join(f"{name}: {' '.join(map(str, map(list, self.get(name))))}" for name in self._names)


class TimingCache(Object):
    """What builds have measured, for later builds: one that finds all it needs measures nothing and gives the same plan. Any
    thread, also while builds use it."""
    __slots__ = ()

    def __init__(self, data: ReadableBuffer | None = None) -> None:
        """data: bytes of an earlier cache."""
        self._own(given(_raw.tn_timing_cache_create()), _raw.tn_timing_cache_destroy)
        if data is not None:
            self.load(data)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> TimingCache:
        with Blob.from_file(path) as blob:
            return cls(blob.view())

    def load(self, data: ReadableBuffer) -> None:
        """Adds entries; where both have a key, the loaded one holds."""
        check(_raw.tn_timing_cache_load(self._handle, data))

    def merge(self, other: TimingCache) -> None:
        """Adds another's entries; where both have a key, the other's holds."""
        check(_raw.tn_timing_cache_merge(self._handle, other.handle))

    def serialize(self) -> Blob:
        """Equal caches give equal bytes."""
        return _document(given(_raw.tn_timing_cache_serialize(self._handle)))

    def save(self, path: str | os.PathLike[str]) -> None:
        with self.serialize() as blob:
            blob.save(path)

    def __len__(self) -> int:
        count: int = given(_raw.tn_timing_cache_get_count(self._handle))
        return count

    def __bool__(self) -> bool:
        return True

    def _describe(self) -> str:
        return f"{len(self)} entries"


class _Progress:
    def __init__(self, function: ProgressFunction) -> None:
        self.update = function


class BuilderConfig(Object):
    """How a plan is to be built. A build takes what it needs when it starts. Any thread."""
    __slots__ = ()

    def __init__(self) -> None:
        """The CPU, all its threads, no profile, a timing cache of its own, all libraries."""
        self._own(given(_raw.tn_builder_config_create()), _raw.tn_builder_config_destroy)

    def set_device(self, device: Device | str) -> None:
        made = Device(device) if isinstance(device, str) else device
        check(_raw.tn_builder_config_set_device(self._handle, made.handle))

    def add_profile(self, profile: OptimizationProfile | Mapping[str, ShapeRange]) -> int:
        """Its number in the plan. Without any profile, every dynamic dim becomes 1."""
        made = profile if isinstance(profile, OptimizationProfile) else OptimizationProfile(profile)
        index: int = given(_raw.tn_builder_config_add_profile(self._handle, made.handle))
        return index

    @property
    def profile_count(self) -> int:
        count: int = given(_raw.tn_builder_config_get_profile_count(self._handle))
        return count

    @property
    def thread_count(self) -> int:
        """What the plan is tuned for: 1 … 1024, or 0 for as many as the process may use."""
        count: int = given(_raw.tn_builder_config_get_thread_count(self._handle))
        return count

    @thread_count.setter
    def thread_count(self, count: int) -> None:
        check(_raw.tn_builder_config_set_thread_count(self._handle, count))

    def set_timing_cache(self, cache: TimingCache | None) -> None:
        """Shared, not copied. None: a new one for each build."""
        check(_raw.tn_builder_config_set_timing_cache(self._handle, handle_of(cache)))

    @property
    def onednn_enabled(self) -> bool:
        """Whether kernels of oneDNN may be chosen, where the library is there and is faster."""
        return bool(given(_raw.tn_builder_config_get_onednn_enabled(self._handle)))

    @onednn_enabled.setter
    def onednn_enabled(self, enabled: bool) -> None:
        check(_raw.tn_builder_config_set_onednn_enabled(self._handle, int(enabled)))

    @property
    def optimization_level(self) -> int:
        """0 … 5: how many variants of each kernel are timed."""
        level: int = given(_raw.tn_builder_config_get_optimization_level(self._handle))
        return level

    @optimization_level.setter
    def optimization_level(self, level: int) -> None:
        check(_raw.tn_builder_config_set_optimization_level(self._handle, level))

    @property
    def deadline(self) -> float:
        """Seconds after which a build stops timing; 0 for none."""
        seconds: float = given(_raw.tn_builder_config_get_deadline(self._handle))
        return seconds

    @deadline.setter
    def deadline(self, seconds: float) -> None:
        check(_raw.tn_builder_config_set_deadline(self._handle, seconds))

    def set_precision_allowed(self, precision: Precision, allowed: bool) -> None:
        check(_raw.tn_builder_config_set_precision_allowed(self._handle, precision, int(allowed)))

    def get_precision_allowed(self, precision: Precision) -> bool:
        return bool(given(_raw.tn_builder_config_get_precision_allowed(self._handle, precision)))

    def set_option(self, key: str, value: str) -> None:
        """An experimental option; "" takes it back."""
        check(_raw.tn_builder_config_set_option(self._handle, key, value))

    def get_option(self, key: str) -> str:
        return text_of(lambda buffer: _raw.tn_builder_config_get_option(self._handle, key, buffer))

    def set_progress(self, progress: ProgressFunction | None) -> None:
        """progress: called with the phase and the fraction in [0, 1] that is done, on the thread that builds. What it raises
        ends the build and comes out of it; CancelledError is there for that."""
        check(_raw.tn_builder_config_set_progress(self._handle, None if progress is None else _Progress(progress)))

    def _describe(self) -> str:
        return f"{self.thread_count or 'all'} threads, level {self.optimization_level}, {self.profile_count} profiles"
