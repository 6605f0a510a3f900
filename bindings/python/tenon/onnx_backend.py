"""Tenon as a backend of the package onnx: `onnx.backend.base.Backend`, and the same functions on the module itself.

A model is built when its first inputs come, for exactly their shapes, and again for others.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep

from . import Engine, build, devices


def _device_name(device: str) -> str:
    """ONNX's "CPU", "CUDA", "CUDA:1"."""
    return device.lower()


class TenonBackendRep(BackendRep):
    """A model that is ready to run. `run()` takes a sequence in the order of the model's inputs, or a dict."""

    def __init__(self, model: onnx.ModelProto, device: str, **options: Any) -> None:
        constants = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [value.name for value in model.graph.input if value.name not in constants]
        self._outputs = [value.name for value in model.graph.output]
        self._bytes = model.SerializeToString()
        self._device, self._options = device, options
        self._engines: dict[tuple[tuple[int, ...], ...], Engine] = {}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        if isinstance(inputs, Mapping):
            feed = {name: np.asarray(inputs[name]) for name in self._inputs}
        else:
            values = list(inputs) if isinstance(inputs, Sequence) else [inputs]
            if len(values) != len(self._inputs):
                raise ValueError(f"{len(values)} inputs were given, the model has {len(self._inputs)}: {self._inputs}")
            feed = {name: np.asarray(value) for name, value in zip(self._inputs, values)}
        key = tuple(array.shape for array in feed.values())
        if (engine := self._engines.get(key)) is None:
            profile = {name: (array.shape,) * 3 for name, array in feed.items()}
            engine = build(self._bytes, device=self._device, profiles=[profile] if profile else [], **self._options)
            self._engines[key] = engine
        results = engine.run(feed)
        return tuple(results[name] for name in self._outputs)


class TenonBackend(Backend):
    """Options of `prepare` and `run_model` are those of `tenon.build()`."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> TenonBackendRep:
        onnx.checker.check_model(model)
        return TenonBackendRep(model, _device_name(device), **kwargs)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU",
                 outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
                 **kwargs: Any) -> tuple[Any, ...]:
        """One node; `outputs_info` (type and shape of each output) is needed, as is an array for each input."""
        if outputs_info is None:
            raise ValueError("outputs_info is needed: the type and shape of each output")
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        arrays = {name: np.asarray(value) for name, value in zip((n for n in node.input if n), inputs)}

        def value(name: str, dtype: Any, shape: Sequence[int]) -> onnx.ValueInfoProto:
            return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        graph = onnx.helper.make_graph([node], "node", [value(n, a.dtype, a.shape) for n, a in arrays.items()],
                                       [value(n, *info) for n, info in zip((n for n in node.output if n), outputs_info)])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
        return cls.run_model(model, list(arrays.values()), device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        name = _device_name(device)
        return name in devices() or name == "cuda" and any(d.startswith("cuda") for d in devices())


prepare = TenonBackend.prepare
run_model = TenonBackend.run_model
run_node = TenonBackend.run_node
supports_device = TenonBackend.supports_device
is_compatible = TenonBackend.is_compatible
