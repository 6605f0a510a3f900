#!/usr/bin/env python3
"""What kind of file is this? Google's magika network (real weights, from the PyPI package) on Tenon.

filetype.cpp does the work through Tenon's C++ header over the C API: it builds a plan from the ONNX file, runs it on
the first and last bytes of each file, and prints label and score. This script finds the model, gathers files of
several kinds, and checks every score against ONNX Runtime on the same inputs.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib

import numpy as np
import onnxruntime as ort

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOUND = 1e-4


def png(width, height):
    """A small picture: a gradient."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in (x * 255 // width, y * 255 // height, 128))
                    for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def gather(folder, build, model):
    """(shown name, path, label expected) for files of several kinds; those that no project has are made here."""
    (folder / "gradient.png").write_bytes(png(64, 64))
    (folder / "readings.csv").write_text("time,room,temperature\n" + "".join(
        f"2026-01-{d:02} 08:00,kitchen,{18 + d % 5}.{d % 10}\n" for d in range(1, 29)))
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(ROOT / "LICENSE", "LICENSE")
        archive.write(ROOT / "README.md", "README.md")
    (folder / "package.json").write_text(json.dumps(
        {"name": "demo", "version": "1.0.0", "scripts": {"test": "make test"}, "dependencies": {"left-pad": "^1.3.0"}}, indent=2))
    library = build / "libtenon.so"
    files = [("README.md", ROOT / "README.md", "markdown"), ("Makefile", ROOT / "Makefile", "makefile"),
             ("filetype.cpp", pathlib.Path(__file__).with_name("filetype.cpp"), "cpp"),
             ("demo.py", pathlib.Path(__file__), "python"), ("LICENSE", ROOT / "LICENSE", "txt"),
             ("libtenon.so", library, "elf"), ("model.onnx", model, "onnx"), ("gradient.png", folder / "gradient.png", "png"),
             ("archive.zip", folder / "archive.zip", "zip"), ("package.json", folder / "package.json", "json"),
             ("readings.csv", folder / "readings.csv", "csv")]
    return files


def reference(session, features, rounds=50):
    """ONNX Runtime's scores for all files, and its median latency for one."""
    scores = session.run(None, {"bytes": features})[0]
    times = []
    for index in range(rounds + 5):
        row = features[index % len(features)][None]
        start = time.perf_counter()
        session.run(None, {"bytes": row})
        times.append(time.perf_counter() - start)
    return scores, statistics.median(times[5:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    program = arguments.build / "examples" / "demo" / "filetype"

    package = importlib.util.find_spec("magika").submodule_search_locations[0]
    model = pathlib.Path(package) / "models" / "standard_v3_3" / "model.onnx"
    config = json.loads(model.with_name("config.min.json").read_text())
    labels = config["target_labels_space"]

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = gather(folder, arguments.build.resolve(), model)
        (folder / "labels.txt").write_text("\n".join(labels) + "\n")
        print(f"magika: {model.stat().st_size / 1e6:.1f} MB of ONNX, {len(labels)} kinds of file\n", flush=True)
        command = [program, model, folder / "labels.txt", folder / "plan", str(arguments.threads), folder]
        subprocess.run([*command, *(f"{shown}={path}" for shown, path, _ in files)], check=True)
        features = np.fromfile(folder / "features.i32", np.int32).reshape(len(files), -1)
        scores = np.fromfile(folder / "scores.f32", np.float32).reshape(len(files), -1)

    options = ort.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    expected, latency = reference(ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]), features)
    errors = np.linalg.norm(scores - expected, axis=1) / np.linalg.norm(expected, axis=1)
    same = int((scores.argmax(1) == expected.argmax(1)).sum())
    print(f"ONNX Runtime {ort.__version__}: median latency {latency * 1e3:.2f} ms for one file, {arguments.threads} threads")
    print(f"agreement: {same} of {len(files)} labels, largest ‖out−ref‖/‖ref‖ {errors.max():.1e} (bound {BOUND:.0e})")
    wrong = [f"{shown}: {labels[s.argmax()]}, expected {label}"
             for (shown, _, label), s in zip(files, scores) if labels[s.argmax()] != label]
    if wrong:
        print("not as expected: " + "; ".join(wrong))
    return 0 if same == len(files) and errors.max() <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
