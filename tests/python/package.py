"""The package as the build leaves it, and models for the tests."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
BUILD = pathlib.Path(os.environ.get("TENON_BUILD", ROOT / "build")).resolve()
PACKAGE = BUILD / "bindings" / "python"
PROFILE = {"x": ((1, 1, 4, 4), (3, 1, 4, 4), (8, 1, 4, 4))}
FAKE = {"timer": "fake"}


def load():
    """The module tenon; skips the module that asks where the build has none."""
    if not (PACKAGE / "tenon" / "_raw.abi3.so").exists():
        pytest.skip("the raw layer was not built: SWIG or Python's headers were not there", allow_module_level=True)
    if str(PACKAGE) not in sys.path:
        sys.path.insert(0, str(PACKAGE))
    import tenon
    return tenon


def script(text, *arguments, timeout=120):
    """What a program of its own prints; it must end well."""
    places = ":".join(map(str, (PACKAGE, ROOT / "tests/support", ROOT / "tests/python")))
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", text, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, "PYTHONPATH": places})
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
