"""Arrays on a GPU go straight in and out. Skipped where there is none, or no torch that sees it."""
import asyncio

import numpy as np
import package
import pytest

tenon = package.load()
if "cuda" not in tenon.devices():
    pytest.skip("there is no NVIDIA GPU, or its module or libraries are not there", allow_module_level=True)
torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("torch does not see a GPU", allow_module_level=True)
BOUND = 1e-4


@pytest.fixture(scope="module")
def on_gpu(model):
    return tenon.build(model, device="cuda", profiles=[package.PROFILE], precisions=[], optimization_level=1)


def test_engine(on_gpu, x, reference):
    assert on_gpu.tensor("x").location is tenon.TensorLocation.DEVICE
    assert np.allclose(on_gpu.run({"x": x})["y"], reference, atol=BOUND)  # the host's memory is taken too


class Interface:
    """Only __cuda_array_interface__."""
    def __init__(self, tensor, stream):
        self.tensor = tensor
        self.__cuda_array_interface__ = {**tensor.__cuda_array_interface__, "version": 3, "stream": stream}


class Dlpack:
    """Only DLPack."""
    def __init__(self, tensor):
        self.tensor, self.__dlpack_device__ = tensor, tensor.__dlpack_device__

    def __dlpack__(self, **options):
        self.asked = options
        options.pop("max_version", None)
        return self.tensor.__dlpack__(**options)


def test_memory(x):
    tensor = torch.from_numpy(x).cuda()
    for thing in (tensor, Interface(tensor, None), Dlpack(tensor)):
        memory = tenon.memory_of(thing)
        assert memory.address == tensor.data_ptr() and memory.device.startswith("cuda") and memory.size == x.nbytes


@pytest.mark.parametrize("wrap", ["torch", "interface", "dlpack"])
def test_run(on_gpu, x, reference, wrap):
    given, y = torch.from_numpy(x).cuda(), torch.zeros(3, 3, device="cuda")
    torch.cuda.synchronize()
    thing = {"torch": lambda t: t, "interface": lambda t: Interface(t, None), "dlpack": Dlpack}[wrap]
    results = on_gpu.run({"x": thing(given)}, {"y": y})
    assert results["y"] is y and np.allclose(y.cpu().numpy(), reference, atol=BOUND)


@pytest.mark.parametrize("wrap", ["interface", "dlpack"])
def test_the_order_of_a_stream(on_gpu, x, reference, wrap):
    """What a stream is still computing is waited for, without the host's waiting."""
    stream = torch.cuda.Stream()
    context = on_gpu.create_context()
    for _ in range(5):
        y = torch.zeros(3, 3, device="cuda")
        source = torch.from_numpy(x).cuda()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(50_000_000)
            given = source * 1.0
        if wrap == "interface":
            context.run({"x": Interface(given, stream.cuda_stream)}, {"y": y})
        else:
            with torch.cuda.stream(stream):
                context.run({"x": Dlpack(given)}, {"y": Dlpack(y)}, stream=stream.cuda_stream)
        assert np.allclose(y.cpu().numpy(), reference, atol=BOUND)
    with pytest.raises(ValueError, match="synchronise"):
        context.run({"x": Interface(given, stream.cuda_stream)}, {"y": Interface(y, 1)})


def test_default_stream_and_coroutine(on_gpu, x, reference):
    context, y = on_gpu.create_context(), torch.zeros(3, 3, device="cuda")
    torch.cuda._sleep(50_000_000)
    given = torch.from_numpy(x).cuda() * 1.0
    asyncio.run(context.run_async({"x": Dlpack(given)}, {"y": Dlpack(y)}))
    assert np.allclose(y.cpu().numpy(), reference, atol=BOUND)
    context.bind({"x": given}, {"y": y})
    for _ in range(4):
        context.run()
    assert isinstance(context.replay[0], bool)
