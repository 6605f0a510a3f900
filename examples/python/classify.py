#!/usr/bin/env python3
"""What kind of file is this? Classifies files with Google's magika network.

    classify.py MODEL FILE …

MODEL is the folder of the PyPI package with model.onnx and config.min.json:
    python -c "import magika, pathlib; print(pathlib.Path(magika.__file__).parent / 'models/standard_v3_3')"
The plan is kept beside this run's files in the folder of the environment variable TENON_PLANS, if it is set.
"""
import json
import os
import pathlib
import sys

import numpy as np
import tenon


def features(path, config):
    """The first bytes without leading space, padded behind; then the last without trailing space, padded in front."""
    begin, end, block, padding = (config[k] for k in ("beg_size", "end_size", "block_size", "padding_token"))
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(block).lstrip()[:begin]
        file.seek(max(0, size - block))
        last = file.read(block).rstrip()[-end:]
    row = np.full(begin + end, padding, np.int32)
    row[: len(first)] = np.frombuffer(first, np.uint8)
    row[begin + end - len(last):] = np.frombuffer(last, np.uint8)
    return row


def engine_for(folder, width):
    plans = os.environ.get("TENON_PLANS")
    path = pathlib.Path(plans) / "magika.plan" if plans else None
    if path and path.exists():
        try:
            return tenon.load(path)
        except tenon.IncompatiblePlanError as error:
            print(f"built anew: {error.text}", file=sys.stderr)
    engine = tenon.build(folder / "model.onnx", profiles=[{"bytes": ((1, width), (1, width), (32, width))}])
    if path:
        engine.save(path)
    return engine


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
    config = json.loads((folder / "config.min.json").read_text())
    labels = config["target_labels_space"]
    engine = engine_for(folder, config["beg_size"] + config["end_size"])
    for start in range(0, len(files), 32):
        batch = files[start:start + 32]
        scores = engine.run({"bytes": np.stack([features(path, config) for path in batch])})["target_label"]
        for path, row in zip(batch, scores):
            print(f"{path}: {labels[row.argmax()]} ({row.max():.2f})")


if __name__ == "__main__":
    main()
