#!/usr/bin/env python3
"""Packs what a machine with a GPU needs to run the GPU suites: built programs, the zoo's structures, scripts.

    tests/gpu/bundle.py --build DIR OUT.tar.gz

There: `tar xzf OUT.tar.gz && tenon-gpu/run-gpu-tests`. CUDA's libraries are found by the loader's path or among the
packages of the Python that runs the script; weights are made there.
"""
import argparse
import pathlib
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ["libtenon.so.0", "libtenon_cuda.so", "tenon", "tests/gpu/gpu_device", "tests/gpu/gpu_kernels", "tests/gpu/gpu_gemm",
         "tests/gpu/gpu_attention", "tests/gpu/gpu_enqueue"]
SOURCES = ["tests/models", "tests/networks", "tests/plan", "tests/stress", "tests/support", "tests/data/zoo", "bench/gpu.py", "bench/torch_peers.py"]
MOST_BYTES = 40_000_000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default="build")
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    missing = [name for name in BUILT if not (arguments.build / name).exists()]
    if missing:
        sys.exit(f"not built: {', '.join(missing)}. Is a CUDA toolkit there? .ci/cuda_toolkit.py says")
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=9"], capture_output=True, text=True)
    stamp = arguments.build / "commit"
    stamp.write_text(commit.stdout.strip() or "unknown")
    with tarfile.open(arguments.out, "w:gz", dereference=True) as tar:
        for name in BUILT:
            tar.add(arguments.build / name, f"tenon-gpu/build/{name}")
        tar.add(arguments.build / "libtenon.so.0", "tenon-gpu/build/libtenon.so")
        tar.add(stamp, "tenon-gpu/commit")
        tar.add(ROOT / "tests/gpu/run_gpu_tests.py", "tenon-gpu/run-gpu-tests")
        for name in SOURCES:
            tar.add(ROOT / name, f"tenon-gpu/{name}", filter=lambda item: None if "__pycache__" in item.name else item)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {size / 1e6:.1f} MB")
    return size > MOST_BYTES


if __name__ == "__main__":
    sys.exit(main())
