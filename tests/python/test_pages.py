"""The page's code runs as it stands, and so does the example."""
import builtins
import os
import re
import subprocess
import sys

import package
import pytest
import zoo

tenon = package.load()


def test_page(tmp_path, model, monkeypatch, capsys):
    (tmp_path / "model.onnx").write_bytes(model)
    monkeypatch.chdir(tmp_path)
    text = (package.ROOT / "docs/languages/python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(block, names)
    said = re.findall(r"^print.*?# (.*)$", "\n".join(blocks), re.M)
    assert capsys.readouterr().out.splitlines() == said
    assert (names["y"] == names["outputs"]["y"]).all()


def test_page_lists_every_exception():
    text = (package.ROOT / "docs/languages/python.md").read_text()
    errors = {n for n in tenon.__all__ if n.endswith("Error")}
    assert {n for n in re.findall(r"`(\w+Error)`", text)} >= errors
    for row in re.findall(r"^\| (`\w+Error.*?) \| (.*?) \|$", text, re.M):
        for name in re.findall(r"`(\w+)`", row[0]):
            bases = re.findall(r"`(\w+)`", row[1])
            assert any(issubclass(getattr(tenon, name), getattr(builtins, base)) for base in bases) or not bases, name


def test_example(tmp_path):
    pytest.importorskip("magika", reason="the model's package is not installed")
    folder = zoo.magika_folder()
    files = [package.ROOT / "README.md", package.ROOT / "Makefile", __file__, package.BUILD / "libtenon.so", folder / "model.onnx"]
    for _ in range(2):  # built, then loaded
        settings = {"PYTHONPATH": str(package.PACKAGE), "TENON_PLANS": str(tmp_path)}
        done = subprocess.run([sys.executable, package.ROOT / "examples/python/classify.py", folder, *files], capture_output=True,
                              text=True, timeout=300, env={**os.environ, **settings})
        assert done.returncode == 0, done.stderr
        labels = [re.fullmatch(r".*: (\w+) \([\d.]+\)", line).group(1) for line in done.stdout.splitlines()]
        assert labels == ["markdown", "makefile", "python", "elf", "onnx"]
    assert (tmp_path / "magika.plan").exists()
