"""The examples that classify files: what they are given, and what they must print."""
import json

import zoo

FILES = {"README.md": "markdown", "Makefile": "makefile", "examples/demo/demo.py": "python", "LICENSE": "txt",
         "examples/demo/filetype.cpp": "cpp"}


def arguments(folder):
    """The model, its labels, which are written into `folder`, and the files."""
    model = zoo.magika_folder()
    labels = folder / "labels.txt"
    labels.write_text("\n".join(json.loads((model / "config.min.json").read_text())["target_labels_space"]) + "\n")
    return [model / "model.onnx", labels, *(zoo.ROOT / file for file in FILES)]


def check(report, name, done):
    """Each file is taken for what it is by a program that has ended."""
    for file, label in FILES.items():
        good = any(line.startswith(f"{zoo.ROOT / file} {label} ") for line in done.stdout.splitlines())
        report.check(done.returncode == 0 and good, f"{name}: {file}", done.stdout + done.stderr)
