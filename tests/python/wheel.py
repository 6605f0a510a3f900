#!/usr/bin/env python3
"""The wheel: made by the ordinary front end, complete, and at work in an environment where nothing else is.

    tests/python/wheel.py [--build DIR] [--canary]
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from report import Report  # noqa: E402
from small_model import small_model  # noqa: E402

PROGRAM = """
import sys
import numpy as np
import tenon
x = np.ones((2, 1, 4, 4), np.float32)
engine = tenon.build(sys.argv[1], profiles=[{"x": (2, 1, 4, 4)}], threads=1, options={"timer": "fake"})
engine.save(sys.argv[1] + ".plan")
y = tenon.load(sys.argv[1] + ".plan").run({"x": x})["y"]
assert y.shape == (2, 3) and np.array_equal(y[0], y[1]) and np.abs(y).max() > 0
maps = {line.split()[-1] for line in open("/proc/self/maps") if "libtenon.so" in line or "libxxhash" in line or "_raw.abi3" in line}
print(*sorted(maps), sep="\\n")
"""


def run(command, **options):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")}
    return subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          env={**environment, **options.pop("environment", {})}, timeout=900, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--canary", action="store_true")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    report = Report()

    def check(good, name, detail=""):
        return report.check(good, f"{name}{' (planted: libtenon is not in the wheel)' if arguments.canary else ''}", detail)

    if not (build / "bindings/python/tenon/_raw.abi3.so").exists():
        report.skip("wheel", "the raw layer was not built: SWIG or Python's headers were not there")
        return report.end()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        done = run([sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", folder, ROOT],
                   environment={"TENON_BUILD": str(build)})
        wheels = list(folder.glob("*.whl"))
        sys.path.insert(0, str(ROOT / "bindings" / "python"))
        import build_backend
        if (ROOT / ".git").exists():
            with tarfile.open(folder / build_backend.build_sdist(folder)) as archive:
                inside = {name.partition("/")[2] for name in archive.getnames()}
            wanted = {"PKG-INFO", "pyproject.toml", "meson.build", "bindings/python/tenon/__init__.py", "src/cli/meson.build"}
            check(wanted <= inside, f"the source archive lacks {sorted(wanted - inside)}")
        else:
            report.skip("the source archive", "this is no Git repository")
        if check(len(wheels) == 1, "pip wheel", done.stdout[-2000:] + done.stderr[-2000:]):
            wheel = wheels[0]
            check(re.fullmatch(r"tenon-\d+\.\d+\.\d+-cp311-abi3-manylinux_\d+_\d+_x86_64\.whl", wheel.name), f"name {wheel.name}")
            with zipfile.ZipFile(wheel) as archive:
                names = set(archive.namelist())
            sources = (ROOT / "bindings/python/tenon").iterdir()
            wanted = {f"tenon/{p.name}" for p in sources if p.suffix in (".py", ".pyi", ".typed")}
            wanted |= {"tenon/_raw.abi3.so", "tenon/libtenon.so.0", "tenon/libxxhash.so.0"}
            wanted |= {f"tenon/{m}" for m in ("libtenon_cuda.so", "libtenon_onednn.so") if (build / m).exists()}
            in_wheel = {n for n in names if ".dist-info/" not in n}
            check(in_wheel == wanted, f"contents: lacks {sorted(wanted - in_wheel)}, has besides {sorted(in_wheel - wanted)}")
            if arguments.canary:
                with zipfile.ZipFile(wheel) as archive:
                    kept = {n: archive.read(n) for n in archive.namelist() if n != "tenon/libtenon.so.0"}
                kept = {n: re.sub(rb"tenon/libtenon\.so\.0,.*\n", b"", d) if n.endswith("RECORD") else d for n, d in kept.items()}
                with zipfile.ZipFile(wheel, "w") as archive:
                    for name, data in kept.items():
                        archive.writestr(name, data)
            run([sys.executable, "-m", "venv", folder / "empty"], check=True)
            python = folder / "empty/bin/python"
            done = run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel])
            check(done.returncode == 0, "pip install", done.stderr[-2000:])
            (folder / "model.onnx").write_bytes(small_model())
            done = run([python, "-c", PROGRAM, folder / "model.onnx"], cwd=folder)
            loaded = done.stdout.split()
            if check(done.returncode == 0, "a program in an empty environment", done.stderr[-2000:]):
                outside = [path for path in loaded if not path.startswith(str(folder / "empty"))]
                check(len(loaded) == 3 and not outside, f"libraries are the wheel's: {loaded}")
            done = run([python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"])
            packages = {line.split("==")[0] for line in done.stdout.split()} - {"pip", "setuptools"}
            check(packages == {"numpy", "tenon"}, f"nothing but NumPy comes along: {sorted(packages)}")
            done = run([python, "-m", "pip", "check"])
            check(done.returncode == 0, "pip check", done.stdout)
            print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
