#!/usr/bin/env python3
"""What the import of a large model costs: time beside reading its bytes, and memory.

    tests/import_cost/run.py [--build DIR] [--canary] [--folder DIR]

Models are generated in a folder of their own and deleted: 1.3 GB of weights in the file; 2.2 GB of weights beside it; 100,000
small nodes. A model that the disk has no room for is skipped. Each is imported in a fresh process, after a process that read all
its bytes. Time is printed, with the goal of 1.2 × reading + 5 µs a node beside it: machines that are shared do not measure. Memory
passes or fails: besides what the process had before, it holds at most 1.05 × the file, of which at most 0.05 × are its own (weights
are mapped, not copied); models of small weights may have 4 KB a node of their own. `--canary` imports a copy of the bytes.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
GB = 10**9
NODE_BYTES = 4096
NODE_SECONDS = 5e-6


# --- protobuf, written as it streams: the onnx package would hold such models three times -----------------------------
def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def integer(number, value):
    return varint(number << 3) + varint(value)


def value_info(name, dims):
    shape = b"".join(field(1, integer(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, integer(1, 1) + field(2, shape)))


def tensor_head(name, dims):
    return b"".join(integer(1, d) for d in dims) + integer(2, 1) + field(8, name)


def node(op, name, inputs, outputs):
    return field(1, b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, name) + field(4, op))


def model_head(graph_bytes):
    return integer(1, 8) + field(8, field(1, b"") + integer(2, 17)) + varint(7 << 3 | 2) + varint(graph_bytes)


def write_model(path, layers, side, weights_beside):
    """`layers` products with a weight of side × side each, followed by an activation; returns nodes and bytes of all files."""
    nodes, value = [], b"x"
    for i in range(layers):
        nodes.append(node(b"MatMul", b"m%d" % i, [value, b"w%d" % i], [b"p%d" % i]))
        value = b"y" if i == layers - 1 else b"v%d" % i
        nodes.append(node(b"Relu", b"r%d" % i, [b"p%d" % i], [value]))
    small = b"".join(nodes) + field(2, b"large") + field(11, value_info(b"x", [1, side])) + field(12, value_info(b"y", [1, side]))
    size = side * side * 4
    block = os.urandom(1 << 20)

    def elements(file):
        for begin in range(0, size, len(block)):
            file.write(block[:min(len(block), size - begin)])
    heads = []
    for i in range(layers):
        head = tensor_head(b"w%d" % i, [side, side])
        if weights_beside:
            entries = ((b"location", b"weights.bin"), (b"offset", str(i * size).encode()), (b"length", str(size).encode()))
            head += b"".join(field(13, field(1, key) + field(2, text)) for key, text in entries) + integer(14, 1)
            heads.append(field(5, head))
        else:
            head += varint(9 << 3 | 2) + varint(size)
            heads.append(varint(5 << 3 | 2) + varint(len(head) + size) + head)
    graph_bytes = len(small) + sum(map(len, heads)) + (0 if weights_beside else layers * size)
    total = 0
    with path.open("wb") as file:
        file.write(model_head(graph_bytes) + small)
        for head in heads:
            file.write(head)
            if not weights_beside:
                elements(file)
        total = file.tell()
    if weights_beside:
        with (path.parent / "weights.bin").open("wb") as file:
            for _ in range(layers):
                elements(file)
            total += file.tell()
    return 2 * layers, total


# --- measuring --------------------------------------------------------------------------------------------------------
def memory():
    """Resident bytes: all, the process's own, the most so far."""
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return {key: int(status[name].split()[0]) * 1024 for key, name in (("all", "VmRSS"), ("own", "RssAnon"), ("peak", "VmHWM"))}


def import_one(path, copied):
    """Imports in this process; prints what it cost."""
    import tenon_ctypes as tenon
    model = path.read_bytes() if copied else path
    before = memory()
    start, busy = time.perf_counter(), time.process_time()
    network = tenon.Network(model)
    seconds = time.perf_counter() - start
    busy = time.process_time() - busy
    after = memory()
    del network
    print(json.dumps({"seconds": seconds, "busy": busy, "own": after["own"] - before["own"], "peak": after["peak"] - before["all"]}))


def read_seconds(folder):
    start = time.perf_counter()
    buffer = bytearray(1 << 20)
    for path in folder.iterdir():
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.perf_counter() - start


def check(arguments, folder, name, layers, side, beside):
    """None if it is as it must be, else what is wrong."""
    path = folder / "model.onnx"
    nodes, size = write_model(path, layers, side, beside)
    read_seconds(folder)  # from now on in the page cache, as far as that goes
    reading = read_seconds(folder)
    done = subprocess.run([sys.executable, __file__, "--build", arguments.build, "--import", path, *(["--copied"] if arguments.canary else [])],
                          capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        return f"import failed: {done.stderr.strip()[-500:]}"
    cost = json.loads(done.stdout)
    goal = 1.2 * reading + NODE_SECONDS * nodes
    print(f"  {name}: {size / GB:.2f} GB, {nodes} nodes: read in {reading * 1e3:.0f} ms, imported in {cost['seconds'] * 1e3:.1f} ms "
          f"(goal {goal * 1e3:.0f} ms; processor {cost['busy'] * 1e3:.1f} ms, {cost['busy'] / nodes * 1e6:.2f} µs a node); memory: own {cost['own'] / 1e6:.1f} MB, "
          f"peak {cost['peak'] / size:.3f} × the file")
    own = max(0.05 * size, NODE_BYTES * nodes)
    if cost["own"] > own:
        return f"{cost['own'] / 1e6:.1f} MB of its own, more than {own / 1e6:.1f} MB"
    if cost["peak"] > size + own:
        return f"a peak of {cost['peak'] / 1e6:.1f} MB, more than the file and {own / 1e6:.1f} MB"
    return None


# name, layers, side of the weights, whether they lie beside the model
MODELS = [("weights within", 20, 4031, False), ("weights beside", 34, 4023, True), ("small nodes", 50_000, 2, False)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--canary", action="store_true")
    parser.add_argument("--folder", help="where the models are made for a while")
    parser.add_argument("--import", dest="path", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--copied", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ["TENON_BUILD"] = arguments.build
    if arguments.path:
        return import_one(arguments.path, arguments.copied)
    passed, failed, skipped = 0, 0, 0
    for name, layers, side, beside in MODELS[:1] if arguments.canary else MODELS:
        size = layers * side * side * 4
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            if shutil.disk_usage(folder).free < 2 * size + GB:
                print(f"skipped {name}: less than {(2 * size + GB) / GB:.1f} GB free in {folder}")
                skipped += 1
                continue
            wrong = check(arguments, pathlib.Path(folder), name, layers, side, beside)
        if wrong:
            print(f"FAILED {name}{' (planted)' if arguments.canary else ''}: {wrong}")
        passed, failed = passed + (wrong is None), failed + (wrong is not None)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
