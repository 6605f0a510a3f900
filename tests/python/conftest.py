import numpy as np
import package
import pytest


@pytest.fixture(scope="session")
def model():
    from small_model import small_model
    return small_model()


@pytest.fixture(scope="session")
def x():
    return (np.arange(48, dtype=np.float32) % 7 - 3).reshape(3, 1, 4, 4) / 4


@pytest.fixture(scope="session")
def expected(model, x):
    import onnxruntime
    return onnxruntime.InferenceSession(model).run(None, {"x": x})[0]


@pytest.fixture(scope="session")
def reference(model, x):
    """The same by the CPU's plan, which the other tests hold against another runtime."""
    tenon = package.load()
    return tenon.build(model, profiles=[package.PROFILE], threads=1, options=package.FAKE).run({"x": x})["y"]


@pytest.fixture(scope="session")
def plan(model):
    tenon = package.load()
    return bytes(tenon.build(model, profiles=[package.PROFILE], threads=1, options=package.FAKE).serialize())


@pytest.fixture
def engine(plan):
    with package.load().load(plan, threads=1) as engine:
        yield engine
