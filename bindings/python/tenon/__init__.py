"""Tenon: trained networks become plans for one machine, and run.

    import tenon
    engine = tenon.build("model.onnx", profiles=[{"x": ((1, 4), (8, 4), (32, 4))}])
    outputs = engine.run({"x": x})

The objects underneath are those of the C API: Builder, BuilderConfig, Network, OnnxModel, OptimizationProfile, TimingCache; Runtime,
Engine, ExecutionContext, Refitter, EngineInspector; Device, Logger, Allocator, Blob. Every failure is a TenonError.
"""
from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any


def _find_cuda() -> None:
    """Lets the library find NVIDIA's own wheels, where they are installed. The user's setting wins."""
    if "TENON_CUDA_LIBRARY_DIR" in os.environ:
        return
    spec = importlib.util.find_spec("nvidia")
    folders = [str(pathlib.Path(place) / part) for place in (spec.submodule_search_locations or [] if spec else [])
               for part in ("cu13/lib", "cudnn/lib") if (pathlib.Path(place) / part).is_dir()]
    if folders:
        os.environ["TENON_CUDA_LIBRARY_DIR"] = os.pathsep.join(folders)


_find_cuda()

from ._build import (Builder, BuilderConfig, Network, OnnxModel, OptimizationProfile, ProgressFunction,  # noqa: E402
                     ShapeRange, TimingCache, onnx_operator_capability)
from ._core import (BusyError, CallbackError, CancelledError, DeviceError, ForkError, IncompatiblePlanError,  # noqa: E402
                    InternalError, InvalidArgumentError, InvalidHandleError, InvalidModelError, InvalidPlanError, IoError,
                    LimitExceededError, MissingFileError, NotFoundError, OutOfMemoryError, OutOfRangeError, TenonError,
                    UnsupportedError)
from ._engine import (Engine, EngineInspector, ExecutionContext, LayerInfo, LayerTime, Profiler, Refitter, RunParts,  # noqa: E402
                      Runtime, WeightInfo)
from ._enums import (DataType, DeviceType, DocumentFormat, ErrorCode, IoMode, Limit, Precision, Severity,  # noqa: E402
                     ShapeSelector, TensorFormat, TensorLocation)
from ._host import (Allocator, Blob, Device, Logger, MemorySource, abi_version, build_info, devices,  # noqa: E402
                    error_code_name, live_count, version)
from ._tensors import Memory, TensorInfo, dtype_name, element_size, memory_of, numpy_dtype  # noqa: E402

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "Allocator", "Blob", "Builder", "BuilderConfig", "BusyError", "CallbackError", "CancelledError", "DataType", "Device",
    "DeviceError", "DeviceType", "DocumentFormat", "Engine", "EngineInspector", "ErrorCode", "ExecutionContext", "ForkError",
    "IncompatiblePlanError", "InternalError", "InvalidArgumentError", "InvalidHandleError", "InvalidModelError",
    "InvalidPlanError", "IoError", "IoMode", "LayerInfo", "LayerTime", "Limit", "LimitExceededError", "Logger", "Memory",
    "MemorySource", "MissingFileError", "Network", "NotFoundError", "OnnxModel", "OptimizationProfile", "OutOfMemoryError",
    "OutOfRangeError", "Precision",
    "Profiler", "Refitter", "RunParts", "Runtime", "Severity", "ShapeSelector", "TenonError", "TensorFormat", "TensorInfo",
    "TensorLocation", "TimingCache", "UnsupportedError", "WeightInfo", "abi_version", "build", "build_info", "devices",
    "dtype_name", "element_size", "error_code_name", "live_count", "load", "memory_of", "numpy_dtype", "onnx_operator_capability",
    "version"]

__version__ = ".".join(map(str, version()))


def build(model: str | os.PathLike[str] | Blob | ReadableBuffer | Any, *, device: Device | str = "cpu",
          profiles: Iterable[OptimizationProfile | Mapping[str, ShapeRange]] = (), threads: int = 0,
          precisions: Iterable[Precision] | None = None, optimization_level: int | None = None, deadline: float | None = None,
          timing_cache: TimingCache | None = None, progress: ProgressFunction | None = None, logger: Logger | None = None,
          options: Mapping[str, str] | None = None, limits: Mapping[Limit, int] | None = None,
          allocator: Allocator | None = None) -> Engine:
    """Builds a plan from an ONNX model for a device of this machine, and loads it.

    model: a path, the model's bytes, a Blob with them, or a model of the package onnx.
    profiles: shapes of the inputs with dynamic dims: for each profile a dict of input to one shape or to a tuple of three
        (smallest, likeliest, largest). Without any, every dynamic dim becomes 1.
    threads: 0 for as many as the process may use.
    precisions: those that FP32 work may be done in; None for the library's default.
    optimization_level: 0 … 5, how many variants of each kernel are timed.
    deadline: seconds after which no more kernels are timed.
    progress: see BuilderConfig.set_progress().
    options: experimental ones.
    """
    builder, config = Builder(logger), BuilderConfig()
    for limit, value in (limits or {}).items():
        builder.set_limit(limit, value)
    config.set_device(device)
    config.thread_count = threads
    for profile in profiles:
        config.add_profile(profile)
    if precisions is not None:
        allowed = set(precisions)
        for precision in Precision:
            config.set_precision_allowed(precision, precision in allowed)
    if optimization_level is not None:
        config.optimization_level = optimization_level
    if deadline is not None:
        config.deadline = deadline
    if timing_cache is not None:
        config.set_timing_cache(timing_cache)
    if progress is not None:
        config.set_progress(progress)
    for key, text in (options or {}).items():
        config.set_option(key, text)
    if isinstance(model, (str, os.PathLike)):
        network = Network.from_onnx_file(builder, model)
    elif isinstance(model, Blob):
        network = Network.from_onnx_blob(builder, model)
    else:
        network = Network.from_onnx(builder, model)
    with builder, config, network, builder.build(network, config) as plan:
        return load(plan, threads=threads, logger=logger, allocator=allocator)


def load(plan: str | os.PathLike[str] | Blob | ReadableBuffer, *, threads: int = 0, logger: Logger | None = None,
         allocator: Allocator | None = None, limits: Mapping[Limit, int] | None = None) -> Engine:
    """Loads a plan from a path, bytes or a Blob.

    threads: that work for the engine; 0 for what the plan was tuned for.
    """
    with Runtime(threads=threads, logger=logger, allocator=allocator) as runtime:
        for limit, value in (limits or {}).items():
            runtime.set_limit(limit, value)
        if isinstance(plan, (str, os.PathLike)):
            with Blob.from_file(plan) as blob:
                return Engine(blob, runtime)
        return Engine(plan, runtime)
