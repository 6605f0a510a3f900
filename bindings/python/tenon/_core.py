"""What every object has: a handle that it owns, errors as exceptions, texts and dims. Nothing here is public but the
exceptions."""
from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn, TypeVar

from . import _raw
from ._enums import ErrorCode

_S = TypeVar("_S", bound="Object")


class TenonError(Exception):
    """A failure that the library reports. Subclasses, one for each kind, also derive from the built-in exception that fits.

    `str()` of it is the whole message: what was wrong, with which object, what was expected. A callback may raise one: the
    outer call then fails with that very object.
    """
    tn_error_code: ClassVar[int] = int(ErrorCode.INTERNAL)

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    @property
    def code(self) -> ErrorCode:
        return ErrorCode(self.tn_error_code)

    @property
    def text(self) -> str:
        """The first line: what was wrong."""
        return self.message.partition("\n")[0]

    @property
    def where(self) -> tuple[str, ...]:
        """The further lines, innermost first: what the library was doing."""
        return tuple(line.strip() for line in self.message.split("\n")[1:] if line.strip())


class InvalidArgumentError(TenonError, ValueError):
    tn_error_code = int(ErrorCode.INVALID_ARGUMENT)


class InvalidHandleError(TenonError, ValueError):
    """The object was closed."""
    tn_error_code = int(ErrorCode.INVALID_HANDLE)


class OutOfMemoryError(TenonError, MemoryError):
    tn_error_code = int(ErrorCode.OUT_OF_MEMORY)


class InvalidModelError(TenonError, ValueError):
    tn_error_code = int(ErrorCode.INVALID_MODEL)


class UnsupportedError(TenonError, NotImplementedError):
    tn_error_code = int(ErrorCode.UNSUPPORTED)


class InvalidPlanError(TenonError, ValueError):
    tn_error_code = int(ErrorCode.INVALID_PLAN)


class IncompatiblePlanError(TenonError, ValueError):
    tn_error_code = int(ErrorCode.INCOMPATIBLE_PLAN)


class OutOfRangeError(TenonError, IndexError):
    tn_error_code = int(ErrorCode.OUT_OF_RANGE)


class BusyError(TenonError, RuntimeError):
    tn_error_code = int(ErrorCode.BUSY)


class NotFoundError(TenonError, LookupError):
    tn_error_code = int(ErrorCode.NOT_FOUND)


class IoError(TenonError, OSError):
    tn_error_code = int(ErrorCode.IO)


class MissingFileError(IoError, FileNotFoundError):
    """There is no file of that name."""


class CancelledError(TenonError):
    """Raise it in a progress callback to end a build."""
    tn_error_code = int(ErrorCode.CANCELLED)


class LimitExceededError(TenonError, ValueError):
    tn_error_code = int(ErrorCode.LIMIT_EXCEEDED)


class DeviceError(TenonError, RuntimeError):
    tn_error_code = int(ErrorCode.DEVICE)


class InternalError(TenonError, RuntimeError):
    """A defect of the library: please report it."""
    tn_error_code = int(ErrorCode.INTERNAL)


class CallbackError(TenonError, RuntimeError):
    tn_error_code = int(ErrorCode.CALLBACK)


class ForkError(TenonError, RuntimeError):
    """The process was forked after it had used the library, whose threads are gone."""
    tn_error_code = int(ErrorCode.UNSUPPORTED)


_CLASSES: dict[int, type[TenonError]] = {
    c.tn_error_code: c for c in (
        InvalidArgumentError, InvalidHandleError, OutOfMemoryError, InvalidModelError, UnsupportedError, InvalidPlanError,
        IncompatiblePlanError, OutOfRangeError, BusyError, NotFoundError, IoError, CancelledError, LimitExceededError,
        DeviceError, InternalError, CallbackError)}


def _message_of(error: int) -> str:
    buffer = bytearray(_raw.tn_error_get_message(error, None) + 1)
    _raw.tn_error_get_message(error, buffer)
    return buffer[:-1].decode("utf-8", "replace")


def fail(error: int) -> NoReturn:
    """Raises what an error says, and destroys it: the exception of a callback as itself, else a TenonError."""
    try:
        exception = _raw.payload(_raw.tn_error_get_payload(error))
        if exception is None:
            code, message = _raw.tn_error_get_code(error), _message_of(error)
            exception = _CLASSES.get(code, TenonError)(message)
            if code not in _CLASSES:
                setattr(exception, "tn_error_code", code)
    finally:
        _raw.tn_error_destroy(error)
    try:
        raise exception
    finally:
        del exception  # no cycle of frame and traceback


def check(error: int) -> None:
    if error:
        fail(error)


def given(result: list[Any]) -> Any:
    """The only value that a function gives."""
    error, value = result
    if error:
        fail(error)
    return value


def given_of_file(result: list[Any], path: str) -> Any:
    """given() of a function that opens a file."""
    try:
        return given(result)
    except IoError as error:
        message = error.message
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            raise error from None
        else:
            raise
    raise MissingFileError(message)


def text_of(get: Callable[[bytearray | None], list[int]]) -> str:
    """A text of a function that fills a buffer. The text may grow between the two calls."""
    size = given(get(None))
    while True:
        buffer = bytearray(size + 1)
        size = given(get(buffer))
        if size < len(buffer):
            return buffer[:size].decode("utf-8")


def dims_of(get: Callable[[array[int]], list[int]]) -> tuple[int, ...]:
    dims = array("q", bytes(8 * _raw.TN_MAX_RANK))
    return tuple(dims[:given(get(dims))])


def dims_in(shape: Iterable[int]) -> array[int]:
    return array("q", shape)


def path_in(path: str | os.PathLike[str]) -> str:
    return os.fspath(path)


_used = False  # whether an object was ever made in this process


def _after_fork() -> None:
    """In a child of a process that used the library: every function refuses, and nothing is destroyed."""
    if not _used:
        return

    def refuse(*_: object) -> NoReturn:
        raise ForkError("tenon was used before this process was forked: its threads do not exist here. Start processes with "
                        "multiprocessing.set_start_method('spawn'), or use tenon only in the children")

    def nothing(*_: object) -> None:
        return None

    for name in dir(_raw):
        if name.startswith("tn_"):
            setattr(_raw, name, nothing if name.endswith("_destroy") else refuse)


os.register_at_fork(after_in_child=_after_fork)


class Object:
    """Owns a handle. It ends with `close()`, at the end of a `with` block, when it is collected, or when the interpreter
    ends, in any order: what still needs the thing behind it keeps that alive. Afterwards its methods raise
    InvalidHandleError; `close()` may be called again."""
    __slots__ = ("__weakref__", "_finalizer", "_handle")
    _handle: int

    def _own(self, handle: int, destroy: Callable[[int], None]) -> None:
        global _used
        _used = True
        self._handle = handle
        self._finalizer = weakref.finalize(self, _destroyer(destroy.__name__), handle)

    @classmethod
    def _adopt(cls: type[_S], handle: int, destroy: Callable[[int], None]) -> _S:
        made = cls.__new__(cls)
        made._own(handle, destroy)
        return made

    def close(self) -> None:
        self._handle = 0
        self._finalizer()

    @property
    def closed(self) -> bool:
        return self._handle == 0

    @property
    def handle(self) -> int:
        """The C handle as a number, still owned by this object."""
        return self._handle

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _describe(self) -> str:
        return ""

    def __repr__(self) -> str:
        about = "closed" if self.closed else self._describe()
        return f"<tenon.{type(self).__name__}{' ' + about if about else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} owns a handle of this process and cannot be pickled")


def _destroyer(name: str) -> Callable[[int], None]:
    """Looks the function up when it is called, so that a forked child destroys nothing."""
    def destroy(handle: int, raw: Any = _raw) -> None:
        getattr(raw, name)(handle)
    return destroy


def handle_of(thing: Object | None) -> int:
    """The handle of an object that is optional: 0 for None. A closed object is refused, not taken for none."""
    if thing is None:
        return 0
    if thing.closed:
        raise InvalidHandleError(f"{type(thing).__name__} is closed")
    return thing._handle
