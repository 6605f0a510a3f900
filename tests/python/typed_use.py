"""What a type checker must say of a user's program. Only checked, never run."""
from typing import Any, assert_type

import numpy as np
import tenon

engine = tenon.build("m.onnx", device="cpu", profiles=[{"x": ((1, 4), (2, 4), (8, 4))}])
assert_type(engine, tenon.Engine)
assert_type(engine.run({"x": np.zeros((1, 4), np.float32)}), dict[str, Any])
assert_type(engine.tensors, list[tenon.TensorInfo])
assert_type(engine.create_context().get_shape("x"), tuple[int, ...])
engine.save(3)  # type: ignore[arg-type]
tenon.load()    # type: ignore[call-arg]
