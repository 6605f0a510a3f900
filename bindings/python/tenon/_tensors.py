"""Memory of other libraries, without a copy: NumPy, `__cuda_array_interface__`, DLPack, the buffer protocol."""
from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _raw
from ._core import InvalidArgumentError, UnsupportedError
from ._enums import DataType, IoMode, TensorFormat, TensorLocation

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_NUMPY = {DataType.FLOAT32: "float32", DataType.UINT8: "uint8", DataType.INT8: "int8", DataType.UINT16: "uint16",
          DataType.INT16: "int16", DataType.INT32: "int32", DataType.INT64: "int64", DataType.BOOL: "bool",
          DataType.FLOAT16: "float16", DataType.FLOAT64: "float64", DataType.UINT32: "uint32", DataType.UINT64: "uint64", DataType.STRING: "object"}
_ML_DTYPES = {DataType.BFLOAT16: "bfloat16", DataType.FLOAT8_E4M3FN: "float8_e4m3fn",
              DataType.FLOAT8_E4M3FNUZ: "float8_e4m3fnuz", DataType.FLOAT8_E5M2: "float8_e5m2",
              DataType.FLOAT8_E5M2FNUZ: "float8_e5m2fnuz", DataType.UINT4: "uint4", DataType.INT4: "int4",
              DataType.FLOAT4_E2M1: "float4_e2m1fn", DataType.FLOAT8_E8M0: "float8_e8m0fnu", DataType.UINT2: "uint2",
              DataType.INT2: "int2"}
_BY_NAME = {name: data_type for table in (_NUMPY, _ML_DTYPES) for data_type, name in table.items()
            if data_type != DataType.STRING}  # an array of objects is no tensor's memory


def dtype_name(data_type: DataType) -> str:
    """Tenon's short name: "f32"."""
    return _raw.tn_data_type_get_name(data_type)


def element_size(data_type: DataType) -> int:
    """Bytes of one element; 0 for types that have no size."""
    return _raw.tn_data_type_get_size(data_type)


@functools.cache
def numpy_dtype(data_type: DataType) -> np.dtype[Any]:
    """NumPy's type. BF16 and the FP8 types come from the package ml_dtypes, which must be installed for them."""
    if (name := _NUMPY.get(data_type)) is not None:
        return np.dtype(name)
    if (name := _ML_DTYPES.get(data_type)) is None:
        raise UnsupportedError(f"NumPy has no type for {data_type!r}")
    try:
        import ml_dtypes
    except ImportError:
        raise UnsupportedError(f"arrays of {name} need the package ml_dtypes: pip install ml_dtypes") from None
    made: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return made


@functools.cache
def data_type_of(dtype: np.dtype[Any]) -> DataType:
    """Tenon's type of a NumPy type. Raises UnsupportedError for types that have none, and for swapped bytes."""
    found = _BY_NAME.get(dtype.name)
    if found is None or not dtype.isnative:
        raise UnsupportedError(f"no tensor has elements of NumPy's type {dtype}")
    return found


def print_shape(shape: Shape | None, names: tuple[str, ...] = ()) -> str:
    if shape is None:
        return "[…]"
    parts = [str(d) if d >= 0 else (names[i] if i < len(names) and names[i] else "?") for i, d in enumerate(shape)]
    return "[" + ", ".join(parts) + "]"


@dataclass(frozen=True, repr=False)
class TensorInfo:
    """An input or output. `shape` has -1 for dims that depend on the inputs' shapes; it is None, and the type NONE, where
    only a build finds them out. `dim_names` are the names of a network's dynamic dims, "" for the others."""
    name: str
    mode: IoMode
    data_type: DataType
    shape: Shape | None
    dim_names: tuple[str, ...] = ()
    format: TensorFormat = TensorFormat.LINEAR
    location: TensorLocation = TensorLocation.HOST

    @property
    def dtype(self) -> np.dtype[Any]:
        return numpy_dtype(self.data_type)

    def __repr__(self) -> str:
        return f"{self.name}: {dtype_name(self.data_type)}{print_shape(self.shape, self.dim_names)}"


class Memory(NamedTuple):
    """Memory that somebody else owns; `owner` keeps it alive. `device` is "cpu", "cuda:0", …; `stream` is the CUDA stream in
    whose order the contents are there, None if they are there already. `data_type` is None for bare bytes."""
    address: int
    size: int
    shape: Shape
    data_type: DataType | None
    device: str
    readonly: bool
    stream: int | None
    owner: object


class Texts:
    """A tensor of strings as the library has it: for each element where its UTF-8 begins and how long that is."""
    __slots__ = ("_kept", "shape", "views")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.views = np.zeros((_count(shape), 2), np.uintp)
        self._kept: bytes = b""

    @classmethod
    def of(cls, array: Array, name: str) -> Texts:
        """Of an array of str or bytes (which are taken to be UTF-8)."""
        made = cls(array.shape)
        parts = []
        for text in array.reshape(-1).tolist():
            if not isinstance(text, (str, bytes)):
                raise InvalidArgumentError(f"input {name} is of strings; the array holds {type(text).__name__}")
            parts.append(text.encode() if isinstance(text, str) else text)
        made._kept = b"".join(parts)
        sizes = np.fromiter(map(len, parts), np.uintp, len(parts))
        begin = np.cumsum(sizes) - sizes
        address = ctypes.cast(ctypes.c_char_p(made._kept), ctypes.c_void_p).value or 0
        made.views[:, 0] = np.where(sizes > 0, begin + np.uintp(address), 0)
        made.views[:, 1] = sizes
        return made

    def memory(self, readonly: bool) -> Memory:
        return Memory(self.views.ctypes.data if self.views.size else 0, self.views.nbytes, self.shape, DataType.STRING, "cpu", readonly,
                      None, self)

    def array(self, shape: Shape) -> Array:
        """The strings of the first elements, which are as many as the shape says. Bytes that are no UTF-8 are kept as
        surrogates."""
        made: Array = np.empty(_count(shape), object)
        for i, (data, size) in enumerate(self.views[:len(made)].tolist()):
            made[i] = ctypes.string_at(data, size).decode("utf-8", "surrogateescape") if size else ""
        return made.reshape(shape)


def _contiguous(shape: Shape, strides: tuple[int, ...] | None, item: int) -> bool:
    """Strides in bytes."""
    if strides is None or 0 in shape:
        return True
    expected = item
    for dim, stride in zip(reversed(shape), reversed(strides)):
        if dim != 1 and stride != expected:
            return False
        expected *= dim
    return True


def _count(shape: Shape) -> int:
    count = 1
    for dim in shape:
        count *= dim
    return count


def _refuse_strides(kind: object) -> InvalidArgumentError:
    return InvalidArgumentError(f"the elements of {type(kind).__name__} must lie next to each other, row by row: make it "
                                "contiguous")


def _from_numpy(array: Array) -> Memory:
    flags, dtype, size = array.flags, array.dtype, array.nbytes
    if not flags.c_contiguous:
        raise _refuse_strides(array)
    data_type = data_type_of(dtype)
    if not size:
        address = 0
    elif dtype.isbuiltin == 1:
        buffer: Any = array
        address = _raw.address(buffer)[0]
    else:  # of ml_dtypes: these have no buffer
        address = array.__array_interface__["data"][0]
    return Memory(address, size, array.shape, data_type, "cpu", not flags.writeable, None, array)


def _from_cuda_array_interface(thing: Any) -> Memory:
    """Version 2 and 3 of the protocol. `stream`: 1 is the legacy default stream, 2 that of the thread, as CUDA numbers them."""
    interface = thing.__cuda_array_interface__
    if interface.get("version", 0) < 2:
        raise UnsupportedError("version 2 or later of __cuda_array_interface__ is needed")
    if interface.get("mask") is not None:
        raise UnsupportedError("arrays with a mask are not tensors")
    shape = tuple(int(d) for d in interface["shape"])
    dtype = np.dtype(interface["typestr"])
    data_type: DataType | None = None if dtype.kind == "V" else data_type_of(dtype)
    address, readonly = interface["data"]
    strides = interface.get("strides")
    if not _contiguous(shape, None if strides is None else tuple(strides), dtype.itemsize):
        raise _refuse_strides(thing)
    stream = interface.get("stream")
    if stream == 0:
        raise InvalidArgumentError("stream 0 of __cuda_array_interface__ is ambiguous: the protocol forbids it")
    size = _count(shape) * dtype.itemsize
    if size and not address:
        raise InvalidArgumentError("__cuda_array_interface__ gives no address")
    index = getattr(getattr(thing, "device", None), "id", None)  # of cupy; the protocol itself has none
    return Memory(int(address or 0) if size else 0, size, shape, data_type, f"cuda:{index}" if index is not None else "cuda",
                  bool(readonly), stream, thing)


class _DLDevice(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class _DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", _DLDevice), ("ndim", ctypes.c_int32), ("dtype", _DLDataType),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


class _DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("manager_ctx", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", _DLTensor)]


_DL_TYPES = {(0, 8): DataType.INT8, (0, 16): DataType.INT16, (0, 32): DataType.INT32, (0, 64): DataType.INT64,
             (1, 8): DataType.UINT8, (1, 16): DataType.UINT16, (1, 32): DataType.UINT32, (1, 64): DataType.UINT64,
             (2, 16): DataType.FLOAT16, (2, 32): DataType.FLOAT32, (2, 64): DataType.FLOAT64, (4, 16): DataType.BFLOAT16,
             (6, 8): DataType.BOOL, (10, 8): DataType.FLOAT8_E4M3FN, (11, 8): DataType.FLOAT8_E4M3FNUZ,
             (12, 8): DataType.FLOAT8_E5M2, (13, 8): DataType.FLOAT8_E5M2FNUZ}
_DL_CPU, _DL_CUDA, _DL_CUDA_HOST, _DL_CUDA_MANAGED = 1, 2, 3, 13
_DL_READ_ONLY = 1
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_capsule_is = ctypes.pythonapi.PyCapsule_IsValid
_capsule_is.restype, _capsule_is.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]


def _dlpack_capsule(thing: Any, **options: object) -> object:
    try:
        return thing.__dlpack__(max_version=(1, 0), **options)
    except TypeError:  # a producer from before version 1
        return thing.__dlpack__(**options)


def _from_dlpack(thing: Any, stream: int | None) -> Memory:
    """The capsule is not renamed: it stays the owner, and calls the producer's deleter when it is collected."""
    kind, index = thing.__dlpack_device__()
    kind = int(kind)
    on_device = kind in (_DL_CUDA, _DL_CUDA_MANAGED)
    if not on_device and kind not in (_DL_CPU, _DL_CUDA_HOST):
        raise UnsupportedError(f"a DLPack device of kind {kind} is neither the host's memory nor CUDA's")
    capsule = _dlpack_capsule(thing, stream=1 if stream is None else stream) if on_device else _dlpack_capsule(thing)
    readonly = False
    if _capsule_is(capsule, b"dltensor_versioned"):
        managed = _DLManagedTensorVersioned.from_address(_capsule_pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise UnsupportedError(f"DLPack of version {managed.major}.{managed.minor} is not known; 1 is")
        tensor, readonly = managed.tensor, bool(managed.flags & _DL_READ_ONLY)
    elif _capsule_is(capsule, b"dltensor"):
        tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    else:
        raise InvalidArgumentError(f"__dlpack__ of {type(thing).__name__} does not give a DLPack capsule that is unused")
    data_type = _DL_TYPES.get((tensor.dtype.code, tensor.dtype.bits))
    if data_type is None or tensor.dtype.lanes != 1:
        raise UnsupportedError(f"a DLPack type of code {tensor.dtype.code} with {tensor.dtype.bits} bits and "
                               f"{tensor.dtype.lanes} lanes is no tensor's")
    item = tensor.dtype.bits // 8
    shape = tuple(tensor.shape[: tensor.ndim]) if tensor.ndim else ()
    strides = tuple(s * item for s in tensor.strides[: tensor.ndim]) if tensor.strides and tensor.ndim else None
    if not _contiguous(shape, strides, item):
        raise _refuse_strides(thing)
    size = _count(shape) * item
    address = (tensor.data or 0) + tensor.byte_offset if size else 0
    return Memory(address, size, shape, data_type, f"cuda:{index}" if on_device else "cpu", readonly,
                  (1 if stream is None else stream) if on_device else None, (capsule, thing))


def _from_buffer(thing: Any) -> Memory:
    view = memoryview(thing)
    if not view.c_contiguous:
        raise _refuse_strides(thing)
    data_type: DataType | None = None
    if view.format != "B" or not isinstance(thing, (bytes, bytearray)):
        data_type = data_type_of(np.asarray(view).dtype)
    address, size = _raw.address(view)
    return Memory(address, size, tuple(view.shape or ()), data_type, "cpu", view.readonly, None, view)


def _has_interface(thing: Any) -> bool:
    # torch's CPU tensors have the attribute too, and raise when it is asked for.
    try:
        return hasattr(thing, "__cuda_array_interface__")
    except (RuntimeError, TypeError):
        return False


def named_stream(things: Iterable[Any]) -> int | None:
    """The CUDA stream that the first of the arrays names which names one; producers of DLPack are asked to follow it."""
    for thing in things:
        if isinstance(thing, np.ndarray):
            continue
        stream: int | None = None
        if isinstance(thing, Memory):
            stream = thing.stream
        elif _has_interface(thing):
            stream = thing.__cuda_array_interface__.get("stream")
        if stream:  # 0 is refused where the array is taken
            return stream
    return None


def memory_of(thing: Any, stream: int | None = None) -> Memory:
    """The memory of an array: of NumPy's, of whatever has `__cuda_array_interface__` or `__dlpack__` (torch, cupy, JAX, …),
    of whatever has a buffer (array.array, memoryview; bytes and bytearray are bare bytes, of any type). Nothing is copied.

    stream: the CUDA stream on which the memory will be used; a producer of DLPack orders its work before that of the stream.
    None: the legacy default stream.
    Raises InvalidArgumentError (not contiguous), UnsupportedError (a type that no tensor has), TypeError (no array).
    """
    if isinstance(thing, np.ndarray):
        return _from_numpy(thing)
    if isinstance(thing, Memory):
        return thing
    has_interface = _has_interface(thing)
    has_dlpack = hasattr(thing, "__dlpack__") and hasattr(thing, "__dlpack_device__")
    # An interface that names no stream says nothing of the order; DLPack does.
    if has_interface and (not has_dlpack or thing.__cuda_array_interface__.get("stream") is not None):
        return _from_cuda_array_interface(thing)
    if has_dlpack:
        return _from_dlpack(thing, stream)
    try:
        return _from_buffer(thing)
    except TypeError:
        raise TypeError(f"{type(thing).__name__} is no array: it has neither __dlpack__ nor __cuda_array_interface__ nor a "
                        "buffer") from None
