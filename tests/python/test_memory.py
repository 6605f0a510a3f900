"""Memory of other libraries: pointers, types, shapes and orders are read as the protocols say, and nothing is copied."""
import ctypes

import numpy as np
import package
import pytest

tenon = package.load()


class Cuda:
    """An array on a GPU, as far as its description goes."""
    def __init__(self, **interface):
        self.__cuda_array_interface__ = {"shape": (3, 1, 4, 4), "typestr": "<f4", "data": (0x7F0000001000, False), "version": 3,
                                         **interface}


def test_cuda_array_interface():
    memory = tenon.memory_of(Cuda(stream=2))
    assert (memory.address, memory.size, memory.shape) == (0x7F0000001000, 192, (3, 1, 4, 4))
    assert memory.data_type is tenon.DataType.FLOAT32 and memory.device == "cuda" and memory.stream == 2 and not memory.readonly
    assert tenon.memory_of(Cuda(strides=(64, 64, 16, 4), data=(4096, True))).readonly
    assert tenon.memory_of(Cuda(strides=None)).stream is None
    assert tenon.memory_of(Cuda(shape=(), typestr="|b1")).size == 1
    assert tenon.memory_of(Cuda(shape=(0, 4), data=(0, False))).size == 0
    assert tenon.memory_of(Cuda(shape=(1, 4), strides=(999, 4))).size == 16  # the stride of a dim of 1 says nothing


@pytest.mark.parametrize("interface, error", [
    ({"strides": (4, 4, 4, 4)}, ValueError), ({"mask": object()}, NotImplementedError), ({"version": 1}, NotImplementedError),
    ({"typestr": ">f4"}, NotImplementedError), ({"typestr": "<c8"}, NotImplementedError), ({"stream": 0}, ValueError),
    ({"data": (0, False)}, ValueError)])
def test_cuda_array_interface_refused(interface, error):
    with pytest.raises(error):
        tenon.memory_of(Cuda(**interface))


class Follower:
    """Memory of a GPU by DLPack, which notes the stream that it is asked to follow."""
    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, stream=None, **options):
        self.asked = stream
        raise BufferError("noted")


def test_arrays_follow_the_stream_that_another_names(engine):
    for inputs, stream, expected in (({"x": Follower()}, None, 1), ({"x": Follower()}, 7, 7), ({"x": Follower(), "z": Cuda(stream=2)}, None, 2)):
        with pytest.raises(BufferError, match="noted"):
            engine.create_context().run(inputs, stream=stream)
        assert inputs["x"].asked == expected
    follower = Follower()
    with pytest.raises(BufferError, match="noted"):
        engine.run({"x": follower}, {"y": Cuda(stream=5)})
    assert follower.asked == 5


def test_device_memory_is_refused_by_an_engine_of_the_cpu(engine, x):
    with pytest.raises(ValueError, match="must lie in the host's memory; the array lies on cuda"):
        engine.run({"x": Cuda()})
    with pytest.raises(ValueError, match="must lie in the host's memory"):
        engine.create_context().set_buffer("x", Cuda())


def test_orders_of_streams(engine):
    """Which stream a run is on follows from its arrays; two orders do not go together."""
    context = engine.create_context()
    assert context._agreed(None) is None and context._agreed(7) == 7
    context._streams = {"x": 5}
    assert context._agreed(None) == 5 and context._agreed(5) == 5
    with pytest.raises(ValueError, match="stream 5, but the run is to be on stream 7"):
        context._agreed(7)
    context._streams = {"x": 5, "y": 6}
    with pytest.raises(ValueError, match="synchronise"):
        context._agreed(None)
    context._forget()
    with pytest.raises(tenon.InvalidArgumentError):
        context.enqueue(stream=12345)  # the CPU has no streams


class OnlyDlpack:
    """Has DLPack and nothing else, and counts."""
    def __init__(self, array, old=False):
        self.array, self.old, self.calls = array, old, []

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        if self.old and "max_version" in options:
            raise TypeError("an unexpected keyword")
        self.calls.append(options)
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize("old", [False, True])
def test_dlpack_in(engine, x, expected, old):
    given, y = OnlyDlpack(x, old), OnlyDlpack(np.zeros((3, 3), np.float32), old)
    memory = tenon.memory_of(given)
    assert (memory.address, memory.size, memory.shape) == (x.ctypes.data, x.nbytes, x.shape) and memory.device == "cpu"
    assert "stream" not in given.calls[0]
    results = engine.run({"x": given}, {"y": y})
    assert results["y"] is y and np.allclose(y.array, expected, atol=1e-5)


def test_dlpack_lets_go_of_its_memory(engine):
    import gc
    import weakref
    array = np.zeros((1, 1, 4, 4), np.float32)
    watched = weakref.ref(array)
    engine.run({"x": OnlyDlpack(array)})
    memory = tenon.memory_of(OnlyDlpack(array))
    del array
    gc.collect()
    assert watched() is not None and memory.size == 64
    del memory
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "bool", "float16", "float64",
                                   "uint32", "uint64"])
def test_types(dtype):
    array = np.zeros((2, 3), dtype)
    for thing in (array, OnlyDlpack(array), memoryview(array)):
        memory = tenon.memory_of(thing)
        assert memory.data_type.name.lower() == dtype and memory.size == array.nbytes == 6 * tenon.element_size(memory.data_type)
        assert tenon.numpy_dtype(memory.data_type) == array.dtype and memory.address == array.ctypes.data
    assert tenon.dtype_name(tenon.DataType.INT64) == "i64"


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint2", "float4_e2m1fn", "float8_e8m0fnu"])
def test_types_of_ml_dtypes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.zeros(4, getattr(ml_dtypes, name))
    assert tenon.numpy_dtype(tenon.memory_of(array).data_type) == array.dtype


def test_dlpack_refused():
    with pytest.raises(ValueError, match="next to each other"):
        tenon.memory_of(OnlyDlpack(np.zeros((4, 4), np.float32)[:, ::2]))
    with pytest.raises(NotImplementedError, match="code 5"):
        tenon.memory_of(OnlyDlpack(np.zeros(4, np.complex64)))
    readonly = np.zeros(4, np.float32)
    readonly.flags.writeable = False
    assert tenon.memory_of(OnlyDlpack(readonly)).readonly

    class Elsewhere:
        def __dlpack_device__(self):
            return 8, 0

        def __dlpack__(self, **_):
            raise AssertionError("not asked")
    with pytest.raises(NotImplementedError, match="kind 8"):
        tenon.memory_of(Elsewhere())


class CudaCapsule:
    """A DLPack producer whose capsule says CUDA: what is asked of it, and how its answer is read."""
    def __init__(self):
        from tenon import _tensors
        self.shape = (ctypes.c_int64 * 2)(2, 8)
        self.managed = _tensors._DLManagedTensorVersioned(1, 0, None, None, 0)
        tensor = self.managed.tensor
        tensor.data, tensor.byte_offset, tensor.ndim = 0x7F0000001000, 64, 2
        tensor.device.type, tensor.device.id = 2, 1
        tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes = 2, 16, 1
        tensor.shape = ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64))
        self.asked = []

    def __dlpack_device__(self):
        return 2, 1

    def __dlpack__(self, *, stream=None, max_version=None):
        self.asked.append((stream, max_version))
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.name = ctypes.create_string_buffer(b"dltensor_versioned")
        return new(ctypes.addressof(self.managed), ctypes.cast(self.name, ctypes.c_char_p), None)


def test_dlpack_of_a_gpu():
    producer = CudaCapsule()
    memory = tenon.memory_of(producer, stream=77)
    assert producer.asked == [(77, (1, 0))]
    assert (memory.address, memory.size, memory.shape) == (0x7F0000001040, 32, (2, 8))
    assert memory.data_type is tenon.DataType.FLOAT16 and memory.device == "cuda:1" and memory.stream == 77
    assert tenon.memory_of(CudaCapsule()).stream == 1


def test_dlpack_out(engine, x, expected):
    """Results export DLPack."""
    y = engine.run({"x": x})["y"]
    assert y.__dlpack_device__() == (1, 0)
    again = np.from_dlpack(y)
    assert again.ctypes.data == y.ctypes.data and np.allclose(again, expected, atol=1e-5)


def test_torch(engine, x, expected):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    given, y = torch.from_numpy(x.copy()), torch.zeros(3, 3)
    assert tenon.memory_of(given).address == given.data_ptr()
    assert engine.run({"x": given}, {"y": y})["y"] is y
    assert np.allclose(y.numpy(), expected, atol=1e-5)
