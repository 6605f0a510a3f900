"""The other tests, taken together, call every C function that the package names."""
import os
import pathlib
import subprocess
import sys

import package

tenon = package.load()
sys.path.insert(0, str(package.ROOT / "bindings"))


def test_every_function_is_called(tmp_path):
    import called
    import coverage
    shim = called.make_shim(tmp_path, package.BUILD)
    names = tmp_path / "names"
    here = pathlib.Path(__file__).parent
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", here / "test_engine.py",
                           here / "test_calls.py", here / "test_memory.py", "-k", "not ten_thousand and not typed and not canary"],
                          capture_output=True, text=True, env={**os.environ, **called.environment(shim, names)}, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    wanted = coverage.judge("python")[0]
    assert len(wanted) > 100 and sorted(wanted - called.names(names)) == []
