"""Makes the wheel of the Python package (PEP 517): the sources of bindings/python/tenon, the raw layer, and the libraries.

The libraries come from a build tree of Meson: that of the environment variable TENON_BUILD, else `build` if it is configured
(`make build` does that), else `build-wheel`, which is configured here. In the wheel each library finds the others beside it.
libxxhash is carried along; the C and C++ libraries are the system's. What `libtenon_onednn` needs, the system may have or not.
"""
import base64
import csv
import hashlib
import io
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "bindings" / "python" / "tenon"
MODULES = ("libtenon_cuda.so", "libtenon_onednn.so")  # each where it was built
CARRIED = ("libxxhash.so.0",)


def tool(name):
    """A tool of this Python's environment, else of the path."""
    beside = pathlib.Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise SystemExit(f"{name} is not there: pip install {name}")
    return found


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def version():
    return re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)


def built():
    """The folder of a build tree in which everything is up to date."""
    chosen = os.environ.get("TENON_BUILD")
    tree = pathlib.Path(chosen).resolve() if chosen else ROOT / "build"
    environment = {**os.environ, "NINJA": tool("ninja"), "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    if not chosen and not (tree / "build.ninja").exists():
        tree = ROOT / "build-wheel"
    if not (tree / "build.ninja").exists():
        subprocess.run([tool("meson"), "setup", str(tree), str(ROOT)], check=True, env=environment)
    listed = subprocess.run([tool("ninja"), "-C", str(tree), "-t", "targets", "all"], check=True, env=environment,
                            capture_output=True, text=True).stdout
    targets = {line.split(":")[0] for line in listed.splitlines()}
    library = f"libtenon.so.{version()}"
    raw = "bindings/python/tenon/_raw.abi3.so"
    if raw not in targets:
        raise SystemExit(f"{tree} is configured without the raw layer of Python: SWIG 4.5 or Python's headers were not there")
    wanted = [library, "bindings", *(m for m in MODULES if m in targets)]
    subprocess.run([tool("ninja"), "-C", str(tree), "--quiet", *wanted], check=True, env=environment)
    return tree


def carried(library):
    """Paths of the libraries of CARRIED that a library needs, by name."""
    text = subprocess.run(["ldd", str(library)], check=True, capture_output=True, text=True).stdout
    return {name: path for name, path in re.findall(r"(\S+) => (/\S+)", text) if name in CARRIED}


def libraries(tree, folder):
    """Copies of the binaries, which find each other."""
    library = tree / f"libtenon.so.{version()}"
    wanted = {"_raw.abi3.so": tree / "bindings/python/tenon/_raw.abi3.so", "libtenon.so.0": library,
              **{m: tree / m for m in MODULES if (tree / m).exists()}, **carried(library)}
    for name, path in wanted.items():
        shutil.copy(path, folder / name)
        (folder / name).chmod(0o755)
        if name not in CARRIED:
            subprocess.run([tool("patchelf"), "--set-rpath", "$ORIGIN", str(folder / name)], check=True)
    return [folder / name for name in wanted]


def metadata():
    about = project()
    lines = ["Metadata-Version: 2.4", f"Name: {about['name']}", f"Version: {version()}", f"Summary: {about['description']}",
             f"License-Expression: {about['license']}", "License-File: LICENSE", f"Requires-Python: {about['requires-python']}",
             *(f"Requires-Dist: {d}" for d in about["dependencies"])]
    for extra, dependencies in about["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}", *(f'Requires-Dist: {d}; extra == "{extra}"' for d in dependencies)]
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", (ROOT / about["readme"]).read_text()])


def tag():
    """One binary for CPython 3.11 and later, on the C library that it was linked with and later ones."""
    libc = os.confstr("CS_GNU_LIBC_VERSION").split()[1].replace(".", "_")
    return f"cp311-abi3-manylinux_{libc}_{platform.machine()}"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    tree = built()
    name = f"tenon-{version()}-{tag()}.whl"
    info = f"tenon-{version()}.dist-info"
    rows = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w",
                                                                  zipfile.ZIP_DEFLATED) as wheel:
        def add(path, data, mode=0o644):
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append((path, f"sha256={digest}", len(data)))

        for path in sorted(SOURCES.glob("*.py*")) + [SOURCES / "py.typed"]:
            if path.is_file():
                add(f"tenon/{path.name}", path.read_bytes())
        for path in libraries(tree, pathlib.Path(folder)):
            add(f"tenon/{path.name}", path.read_bytes(), 0o755)
        add(f"{info}/METADATA", metadata().encode())
        add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: tenon\nRoot-Is-Purelib: false\nTag: {tag()}\n".encode())
        add(f"{info}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes())
        record = io.StringIO()
        csv.writer(record, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
        add(f"{info}/RECORD", record.getvalue().encode())
    return name


def build_sdist(sdist_directory, config_settings=None):
    """What Git tracks, with PKG-INFO."""
    top = f"tenon-{version()}"
    files = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=ROOT).stdout.split("\0")
    with tarfile.open(pathlib.Path(sdist_directory) / f"{top}.tar.gz", "w:gz") as archive:
        for file in filter(None, files):
            archive.add(ROOT / file, f"{top}/{file}", recursive=False)
        data = metadata().encode()
        entry = tarfile.TarInfo(f"{top}/PKG-INFO")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return f"{top}.tar.gz"
