"""What stands around networks and engines: bytes, devices, messages, memory."""
from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from . import _raw
from ._core import Object, check, given, given_of_file, path_in, text_of
from ._enums import DeviceType, Severity

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Blob(Object):
    """Immutable bytes: plans, caches, documents, models. Any thread."""
    __slots__ = ()

    def __init__(self, data: ReadableBuffer) -> None:
        """Copies the bytes."""
        self._own(given(_raw.tn_blob_create(data)), _raw.tn_blob_destroy)

    @classmethod
    def take(cls, data: ReadableBuffer) -> Blob:
        """Refers to the bytes, which must not change while the blob, or what was made from it, lives. Nothing is copied."""
        view = memoryview(data)
        address, size = _raw.address(view)
        user_data, release = _raw.keep(view)
        return cls._adopt(given(_raw.tn_blob_create_take(address, size, user_data, release)), _raw.tn_blob_destroy)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Blob:
        name = path_in(path)
        return cls._adopt(given_of_file(_raw.tn_blob_create_from_file(name), name), _raw.tn_blob_destroy)

    def share(self) -> Blob:
        """A second owner of the same bytes."""
        return Blob._adopt(given(_raw.tn_blob_create_shared(self._handle)), _raw.tn_blob_destroy)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Replaces the file as a whole: a reader finds the old contents or the new."""
        check(_raw.tn_blob_save(self._handle, path_in(path)))

    def view(self) -> memoryview:
        """The bytes where they are, read-only. The view stays good when this object is closed."""
        owner = self.share()
        error, address, size = _raw.tn_blob_get_data(owner._handle)
        check(error)
        return memoryview(_raw.Memory(address, size, True, owner))

    def __bytes__(self) -> bytes:
        return bytes(self.view())

    def __len__(self) -> int:
        error, _, size = _raw.tn_blob_get_data(self._handle)
        check(error)
        return size

    def text(self) -> str:
        """A document, as UTF-8."""
        return str(self.view(), "utf-8")

    def _describe(self) -> str:
        return f"{len(self)} bytes"


class Device(Object):
    """A device of this machine: "cpu", "cuda", "cuda:1". Any thread."""
    __slots__ = ()

    def __init__(self, name: str = "cpu") -> None:
        """Raises UnsupportedError (not on this machine), NotFoundError (unknown)."""
        self._own(given(_raw.tn_device_create(name)), _raw.tn_device_destroy)

    @property
    def type(self) -> DeviceType:
        return DeviceType(given(_raw.tn_device_get_type(self._handle)))

    @property
    def name(self) -> str:
        return text_of(lambda buffer: _raw.tn_device_get_name(self._handle, buffer))

    @property
    def features(self) -> list[str]:
        """Of a CPU its instruction sets, of a GPU its architecture and product."""
        return text_of(lambda buffer: _raw.tn_device_get_features(self._handle, buffer)).split(",")

    @property
    def thread_count(self) -> int:
        """Threads that this process may run at once: what a thread count of 0 stands for. 0 for devices without a limit."""
        count: int = given(_raw.tn_device_get_thread_count(self._handle))
        return count

    def _describe(self) -> str:
        return f"{self.name} ({', '.join(self.features)})"


def devices() -> list[str]:
    """Names of the devices that can be used."""
    def name(index: int) -> str:
        return text_of(lambda buffer: _raw.tn_device_at(index, buffer))
    return [name(index) for index in range(_raw.tn_device_count())]


LogFunction = Callable[[Severity, str], object]
_LEVELS = {Severity.ERROR: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO,
           Severity.VERBOSE: logging.DEBUG}


class _Log:
    def __init__(self, function: LogFunction) -> None:
        self.function = function

    def log(self, severity: int, message: str) -> None:
        self.function(Severity(severity), message)


class Logger(Object):
    """Where the library's messages go. It lives on in what uses it."""
    __slots__ = ()

    def __init__(self, to: LogFunction | logging.Logger, severity: Severity = Severity.WARNING) -> None:
        """
        to: called with severity and message, on any thread, perhaps on several at once; or a logger of the standard library.
            It may call the library, but not the object that is being used. What it raises goes to `sys.unraisablehook`.
        severity: messages that matter less are not made.
        """
        if isinstance(to, logging.Logger):
            logger = to

            def function(severity: Severity, message: str) -> None:
                logger.log(_LEVELS.get(severity, logging.INFO), "%s", message)
        else:
            function = to  # type: ignore[assignment]
        self._own(given(_raw.tn_logger_create(_Log(function), severity)), _raw.tn_logger_destroy)


class MemorySource(Protocol):
    """What an Allocator calls: on any thread, perhaps on several at once. It must not call the library."""

    def allocate(self, size: int, alignment: int, /) -> int | None:
        """The address of `size` > 0 bytes at a multiple of `alignment`; None for lack of memory. What it raises comes out of
        the call that needed the memory."""

    def deallocate(self, memory: int, size: int, alignment: int, /) -> object:
        """Takes memory back. Must not raise."""


class Allocator(Object):
    """Where the large memory of engines comes from. It lives on in what uses it."""
    __slots__ = ()

    def __init__(self, source: MemorySource) -> None:
        self._own(given(_raw.tn_allocator_create(source)), _raw.tn_allocator_destroy)


def version() -> tuple[int, int, int]:
    """Of the library that is loaded."""
    number = _raw.tn_version()
    return number // 10000, number // 100 % 100, number % 100


def abi_version() -> int:
    return _raw.tn_abi_version()


def build_info() -> str:
    """One line about how the library was built: version, compiler, modules."""
    return _raw.tn_build_info()


def live_count(type_: str = "all") -> int:
    """Number of objects that exist in this process, for tests: of a type ("engine", "blob"), "internal", or "all"."""
    count: int = given(_raw.tn_debug_get_live_count(type_))
    return count


def error_code_name(code: int) -> str:
    """"INVALID_ARGUMENT"; "?" for a number that names no code."""
    return _raw.tn_error_code_get_name(code)


def as_bytes(model: Any) -> Any:
    """A model that a caller gave as bytes, or as an object of the onnx package."""
    serialize = getattr(model, "SerializeToString", None)
    return serialize() if serialize is not None else model
