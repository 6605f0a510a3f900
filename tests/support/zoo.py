"""The model zoo: real exporters' network structures, with weights drawn from a seeded generator.

Weights are written once into a cache folder (TENON_CACHE/zoo, about 6.7 GB for the whole zoo) by make_weights.py.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRUCTURES = ROOT / "tests" / "data" / "zoo"
CACHE = pathlib.Path(os.environ.get("TENON_CACHE", ROOT / ".cache"))
NAMES = sorted(p.name.removesuffix(".onnx") for p in STRUCTURES.glob("*.onnx"))

# What `make test` takes time for: every operator family of the zoo, both exporters, little weight.
SUBSET = ["squeezenet1_1.dynamo", "mobilenet_v2.legacy", "efficientnet_b0.dynamo", "unet_gn.legacy", "dlrm.legacy",
          "lstm_gru.dynamo", "lstm_gru.legacy", "distilbert.legacy", "magika"]


@dataclass(frozen=True)
class Input:
    """How an input is drawn: `kind` and the dims past the batch, "L" standing for the sequence length."""
    kind: str  # image, dense, tokens, mask
    dims: tuple
    dtype: type
    high: int = 0


IMAGE = {"image": Input("image", (3, 224, 224), np.float32)}


def text(vocabulary):
    return {"input_ids": Input("tokens", ("L",), np.int64, vocabulary),
            "attention_mask": Input("mask", ("L",), np.int64)}


INPUTS = {
    "bert_base": text(30522), "bert_large": text(30522), "distilbert": text(30522), "gpt2": text(50257),
    "dlrm": {"dense": Input("dense", (13,), np.float32), "sparse": Input("tokens", (8,), np.int64, 10000)},
    "lstm_gru": {"tokens": Input("tokens", (40,), np.int64, 5000)},
    "unet_gn": {"image": Input("image", (3, 128, 128), np.float32)},
    "magika": {"bytes": Input("tokens", (2048,), np.int32, 257)},
}
LENGTHS = (128, 37)  # of sequences: the one that benchmarks use, and an odd one
MAX_BATCH = 4


def family(name):
    return name.split(".")[0]


def inputs_of(name):
    return INPUTS.get(family(name), IMAGE)


def is_sequence(name):
    return any("L" in spec.dims for spec in inputs_of(name).values())


def magika_folder():
    import importlib.util
    spec = importlib.util.find_spec("magika")
    return pathlib.Path(spec.submodule_search_locations[0]) / "models" / "standard_v3_3"


def path(name, weights="A"):
    """The model with weights; they are generated when they are not there. `weights` "B" is another draw."""
    if name == "magika":
        return magika_folder() / "model.onnx"
    folder = CACHE / "zoo" if weights == "A" else CACHE / f"zoo-{weights}"
    model = folder / f"{name}.onnx"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as made:  # others may make or read the same
            command = [sys.executable, STRUCTURES / "make_weights.py", made, name]
            env = os.environ if weights == "A" else {**os.environ, "ZOO_DRAW": weights}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
            for part in (f"{name}.weights", f"{name}.onnx"):
                os.replace(pathlib.Path(made) / part, folder / part)
    return model


def draw(name, batch, length=None, seed=0):
    """Seeded inputs in sensible ranges: token ids within the vocabulary, masks of ones with a padded tail."""
    rng = np.random.default_rng([seed, batch, length or 0])
    out = {}
    for tensor, spec in inputs_of(name).items():
        shape = (batch, *(length if d == "L" else d for d in spec.dims))
        if spec.kind == "tokens":
            out[tensor] = rng.integers(0, spec.high, shape).astype(spec.dtype)
        elif spec.kind == "mask":
            out[tensor] = np.ones(shape, spec.dtype)
            for row in range(batch):  # the first row whole, the others padded ever further
                out[tensor][row, shape[1] - row * shape[1] // (2 * batch):] = 0
        else:
            out[tensor] = rng.standard_normal(shape, dtype=np.float32)
    return out


def profile(name):
    """min, opt and max dims per input: batch 1 to 4; sequences of 1 to 128."""
    def dims(spec, batch, length):
        return [batch, *(length if d == "L" else d for d in spec.dims)]
    return {tensor: (dims(spec, 1, 1), dims(spec, 1, LENGTHS[0]), dims(spec, MAX_BATCH, LENGTHS[0]))
            for tensor, spec in inputs_of(name).items()}


def reference_session(model, threads=None):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def error(out, ref):
    """‖out−ref‖/‖ref‖ in double precision; infinity for another shape or values that are not finite."""
    if out.shape != ref.shape or not np.all(np.isfinite(out)):
        return float("inf")
    norm = float(np.linalg.norm(ref.astype(np.float64)))
    difference = float(np.linalg.norm(out.astype(np.float64) - ref.astype(np.float64)))
    return difference / norm if norm > 0 else difference
