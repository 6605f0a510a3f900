"""The enumerations of the C headers. A newer library may give a number that has no name here: it becomes a member named
`UNKNOWN_<number>`, never an exception."""
from __future__ import annotations

import enum
from typing import TypeVar

_E = TypeVar("_E", bound="_Enum")


class _Enum(enum.IntEnum):
    @classmethod
    def _missing_(cls: type[_E], value: object) -> _E | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class ErrorCode(_Enum):
    """What kind of failure it was."""
    INVALID_ARGUMENT = 1
    INVALID_HANDLE = 2
    OUT_OF_MEMORY = 3
    INVALID_MODEL = 4
    UNSUPPORTED = 5
    INVALID_PLAN = 6
    INCOMPATIBLE_PLAN = 7
    OUT_OF_RANGE = 8
    BUSY = 9
    NOT_FOUND = 10
    IO = 11
    CANCELLED = 12
    LIMIT_EXCEEDED = 13
    DEVICE = 14
    INTERNAL = 15
    CALLBACK = 16


class DataType(_Enum):
    """Type of a tensor's elements; the numbers are those of ONNX's `TensorProto.DataType`."""
    NONE = 0
    FLOAT32 = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    FLOAT64 = 11
    UINT32 = 12
    UINT64 = 13
    BFLOAT16 = 16
    FLOAT8_E4M3FN = 17
    FLOAT8_E4M3FNUZ = 18
    FLOAT8_E5M2 = 19
    FLOAT8_E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22
    FLOAT4_E2M1 = 23
    FLOAT8_E8M0 = 24
    UINT2 = 25
    INT2 = 26


class TensorFormat(_Enum):
    """How the elements of a tensor lie in memory."""
    LINEAR = 0
    CHANNELS_LAST = 1


class IoMode(_Enum):
    """Whether a tensor goes into a network or comes out of it."""
    INPUT = 0
    OUTPUT = 1


class TensorLocation(_Enum):
    """In which memory the buffer of a tensor lies."""
    HOST = 0
    DEVICE = 1


class ShapeSelector(_Enum):
    """One of the three shapes that a profile gives each input."""
    MIN = 0
    OPT = 1
    MAX = 2


class Precision(_Enum):
    """Precisions that a build may use for FP32 work on devices that have them."""
    TF32 = 0
    FP16 = 1
    BF16 = 2


class DocumentFormat(_Enum):
    """Form of a document that describes an object."""
    TEXT = 0
    JSON = 1


class Limit(_Enum):
    """What a reader of untrusted bytes enforces."""
    MODEL_BYTES = 0
    TENSOR_ELEMENTS = 1
    TENSOR_BYTES = 2
    NODES = 3
    NESTING = 4
    NAME_BYTES = 5
    PLAN_BYTES = 6
    FOLD_BYTES = 7
    MODEL_RECORDS = 8
    ARENA_BYTES = 9


class Severity(_Enum):
    """How much a message matters."""
    ERROR = 0
    WARNING = 1
    INFO = 2
    VERBOSE = 3


class DeviceType(_Enum):
    """Kind of a device."""
    CPU = 0
    CUDA = 1
