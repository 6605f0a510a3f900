# Everything a user or a developer types. Plain `make` lists the targets.
BUILD ?= build
VENV ?= .venv
PREFIX ?= /usr/local
SECONDS ?= 60
COUNT ?= 10000
SEED ?= 1
MESON_FLAGS ?=
export TENON_CACHE ?= $(CURDIR)/.cache
export CCACHE_DIR ?= $(HOME)/.cache/ccache

python := $(VENV)/bin/python
meson := $(VENV)/bin/meson
ninja := $(VENV)/bin/ninja
# Meson's too: an older Ninja would drop the log of what is built.
export NINJA := $(abspath $(ninja))
run := $(python) tests/run.py --build $(BUILD)

.DEFAULT_GOAL := help
# Every target that has a description.
.PHONY: help setup build bindings demo test test-all test-unit test-layers test-filetests test-models test-networks test-onnx test-diff test-device-code test-archs gpu-test gpu-bench test-abi test-bindings test-conformance test-cli test-plan test-python test-python-wheel test-rust \
  test-fuzz-corpus test-fault test-import-cost test-soak test-valgrind test-stress test-asan test-tsan test-canaries fuzz bless bless-abi operators format format-check tidy bench bench-bindings bench-calls bench-shapes \
  install clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-17s %s\n", $$1, $$2}'

# --- what the build needs ---------------------------------------------------------------------------------------------
packages_stamp := .cache/packages-$(firstword $(shell cksum packages.txt))
python_stamp := $(VENV)/.requirements-$(firstword $(shell cksum requirements.txt))

$(packages_stamp): packages.txt
	@mkdir -p .cache && .ci/packages && touch $@

$(python_stamp): requirements.txt | $(packages_stamp)
	@echo "Installing Python packages into $(VENV)"
	@test -x $(python) || python3 -m venv $(VENV)
	@$(python) -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

$(BUILD)/build.ninja: | $(packages_stamp) $(python_stamp)
	@$(meson) setup $(BUILD) $(MESON_FLAGS) >.cache/configure.log 2>&1 || { tail -n 20 .cache/configure.log; exit 1; }

setup: $(packages_stamp) $(python_stamp) $(BUILD)/build.ninja  ## install what the build needs, configure ./build

build: setup  ## the libraries and the command-line tool, build/tenon
	@$(ninja) -C $(BUILD) --quiet

bindings: setup  ## what is made from the public headers: capi/api.json, the raw layers of Python, Java, C# and Rust
	@$(python) bindings/update.py --build $(BUILD) && $(ninja) -C $(BUILD) --quiet bindings

docs: $(python_stamp)  ## the documentation as a searchable site, build/site/html/index.html
	@$(python) docs/site/build.py --build $(BUILD)

# --- first result -----------------------------------------------------------------------------------------------------
demo: build  ## a real network (magika) turned into a plan; it tells what kind of file each of several files is
	@$(python) examples/demo/demo.py --build $(BUILD)

# --- tests: each ends with "N passed, N failed, N skipped" ------------------------------------------------------------
test: build  ## everything that shows that Tenon is right, in less than 40 minutes from nothing on two cores
	@$(run) test
test-all: build  ## test, the whole zoo, the whole ONNX suite, sanitizers, ten minutes of each fuzzer
	@$(run) test-all
test-unit: build  ## unit tests of every room
	@$(run) unit
test-layers: $(python_stamp)  ## who may include whom
	@$(run) layers
test-filetests: build  ## passes: text in, text out
	@$(run) filetests
test-cli: build  ## the command-line tool
	@$(run) cli
test-models: build  ## all 28 networks of the zoo and magika against ONNX Runtime
	@$(run) models
test-networks: build  ## networks beyond the zoo's against ONNX Runtime
	@$(run) networks
test-plan: build  ## refit, determinism, golden statistics of the plans, the whole zoo
	@$(run) plan-all provenance-all
test-onnx: build  ## every ONNX backend case, operators of other domains, models that inputs decide, conversions between op sets, attributes
	@$(run) onnx-attributes onnx-expansions onnx onnx-export onnx-dynamic onnx-contrib onnx-versions-all
test-diff: build  ## COUNT=10000 random graphs, from SEED=1 on, against ONNX Runtime
	@$(python) tests/diff/run.py --build $(BUILD) --seed $(SEED) --count $(COUNT)
test-abi: build  ## headers, exported symbols, installed library, examples; the C API from C, with Criterion
	@$(run) abi capi
test-bindings: build  ## the raw layers of Python, Java, C# and Rust: complete, up to date, and each runs a network
	@$(run) bindings
test-python: build  ## the Python package: what it computes, memory, callbacks, threads, forks, types, onnx.backend
	@$(run) python
test-python-wheel: build  ## its wheel, in an environment of its own
	@$(run) python-wheel
test-conformance: build  ## one set of scenarios in every language: the transcripts are equal; the first results of docs/languages
	@$(run) conformance languages
test-rust: build  ## the crate tenon: tests, what must not compile, the code in its pages, the example
	@$(run) rust
test-java: build  ## the package dev.tenon: what it computes, memory, callbacks, threads, collection, a jar with the natives
	@$(run) java
test-csharp: build  ## the assembly Tenon: what it computes, memory, callbacks, threads, collection
	@$(run) csharp
GPU_TARGETS := libtenon.so.0.1.0 libtenon_cuda.so tenon tests/gpu/gpu_device tests/gpu/gpu_kernels tests/gpu/gpu_gemm tests/gpu/gpu_attention \
               tests/gpu/gpu_enqueue
gpu-test: build  ## pack what a machine with a GPU needs into build/tenon-gpu.tar.gz; there: tenon-gpu/run-gpu-tests
	@$(ninja) -C $(BUILD) --quiet $(GPU_TARGETS) && $(python) tests/gpu/bundle.py --build $(BUILD) $(BUILD)/tenon-gpu.tar.gz
gpu-bench: gpu-test  ## the same bundle; there: cd tenon-gpu && bench/gpu.py --build build --peers
test-device-code: build  ## all generated CUDA code through NVRTC, which needs no GPU
	@$(run) device-code-all
test-archs: build  ## all generated CUDA code for each architecture that is supported
	@$(run) device-code-all device-code-sm_80 device-code-sm_86 device-code-sm_89
test-fuzz-corpus: build  ## the fuzzers' corpora, replayed
	@$(run) fuzz-corpus
test-fault: build  ## failed allocations, damaged plans
	@$(run) fault
test-import-cost: build  ## what the import of models of gigabytes costs: time beside reading them, memory
	@$(run) import-cost
test-soak: build  ## 10,000 times build, run and destroy in every language: figures of memory, descriptors, objects
	@$(run) soak
test-valgrind: build  ## the C programs of conformance and capi under memcheck
	@$(run) valgrind
test-stress: build  ## many threads on one engine
	@$(run) stress
test-asan: setup  ## unit tests, corpora, failed allocations, the C API from C under AddressSanitizer and UBSan
	@$(run) asan asan-corpus fault-asan capi-asan abi-asan conformance-asan
test-tsan: setup  ## threads, the C API from C under ThreadSanitizer
	@$(run) tsan capi-tsan abi-tsan conformance-tsan
test-canaries: build  ## every suite must fail when a fault is planted
	@$(run) canaries
fuzz: setup  ## each libFuzzer target for SECONDS=60 seconds
	@$(run) fuzz --seconds $(SECONDS)
bless-abi: $(python_stamp)  ## the binary interface as it is now becomes the one that tests demand (before 0.1); prints the difference
	@$(python) capi/abi.py --bless
bless: build  ## rewrite the expectations of filetests and golden statistics; review the difference like code
	@$(run) --bless filetests plan-all

operators: build  ## write docs/operators.md from the ONNX cases that pass
	@$(python) tests/onnx/run.py --build $(BUILD) --table docs/operators.md | tail -n 1
	@$(python) tests/onnx/contrib.py --build $(BUILD) --table docs/operators.md | tail -n 1

# --- the rest ---------------------------------------------------------------------------------------------------------
bench: build  ## Tenon against ONNX Runtime: the zoo, batch 1, FP32, 1 and 2 threads, with and without oneDNN; build/layers: each layer's rate
	@$(ninja) -C $(BUILD) --quiet bench/bench_kernels bench/distance && $(python) bench/bench.py --build $(BUILD) --both --layers-to $(BUILD)/layers $(BENCH_FLAGS)
bench-calls: build  ## what a call costs in C and in Rust
	@$(python) bench/calls/run.py --build $(BUILD)
bench-shapes: build  ## what a shape costs that differs from the last run's
	@$(python) bench/shapes.py --build $(BUILD) $(BENCH_FLAGS)
bench-bindings: bindings  ## what a call costs in Python beside C
	@$(python) bench/bindings/call.py --build $(BUILD) $(BENCH_FLAGS)
format: setup  ## clang-format over the sources
	@git ls-files '*.h' '*.hpp' '*.cpp' '*.c' | xargs clang-format-14 -i
format-check: setup  ## says which sources clang-format would change
	@git ls-files '*.h' '*.hpp' '*.cpp' '*.c' | xargs clang-format-14 --dry-run -Werror
tidy: build  ## clang-tidy over the sources; needs Debian's clang-tidy-14
	@command -v clang-tidy-14 >/dev/null || { echo "clang-tidy-14 is not there: apt install clang-tidy-14"; exit 1; }
	@git ls-files 'src/*.cpp' 'capi/*.cpp' 'kernels/*.cpp' | xargs clang-tidy-14 -p $(BUILD) --quiet
install: build  ## headers, libraries, pkg-config and CMake files under PREFIX=/usr/local
	@$(meson) configure $(BUILD) --prefix=$(abspath $(PREFIX)) && $(ninja) -C $(BUILD) --quiet && \
	  $(meson) install -C $(BUILD) --no-rebuild --quiet
clean:  ## remove what was built (not .venv, not the caches)
	@rm -rf $(BUILD) $(BUILD)-*
