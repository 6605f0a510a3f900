// The interface between a plan's step and the code that computes it. Kernels know raw memory, plain parameter
// structs and a thread team; they know no graph, plan or engine.
//
// A kernel's life: prepare once per shape (validates everything, plans, says how much scratch it needs), then
// launch any number of times. Parameters and shapes may come from a file that somebody forged: prepare must refuse
// every combination for which launch would touch memory outside the given tensors and scratch. After prepare has
// passed, launch checks tensor *values* that it uses as indices and nothing else, and neither throws nor allocates but for
// the bytes of strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/cpu.h"
#include "base/dtype.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/team.h"
#include "base/text.h"

namespace tenon {

// One tensor argument at one shape. Dims are logical; `format` says how they lie in memory. Dense: no padding but
// the padding lanes of blocked formats. `data` is 64-byte aligned, but for a network's inputs and outputs, which are
// aligned to their element size only: use unaligned vector loads and stores.
struct Arg {
  DType dtype = DType::none;
  Format format;
  int32_t rank = 0;
  // Bit i: dim i is the same at every shape that the plan allows, so that generated code may hold it as a constant.
  uint32_t fixed_dims = 0;
  int64_t dims[kMaxRank] = {};
  void* data = nullptr;  // nullptr in prepare, and for an optional input that is absent (then dtype is none)

  bool present() const { return dtype != DType::none; }
  std::span<const int64_t> shape() const { return {dims, static_cast<size_t>(rank)}; }
  int64_t count() const {  // logical elements; prepare's caller has checked that it fits
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  template <class T>
  T* as() const { return static_cast<T*>(data); }
};

// Elements in memory, padding lanes included.
int64_t storage_count(const Arg& arg);
inline int64_t storage_bytes(const Arg& arg) { return storage_count(arg) * static_cast<int64_t>(size_of(arg.dtype)); }
// "f32[1,64,56,56] c16": for messages.
std::string describe(const Arg& arg);

// What the kernels of one engine share on a device that is not the host: compiled code, handles of libraries.
// src/device/device.h makes it; each device's kernels know their own kind.
class DeviceSession;

// What prepare decided for one shape; used by launch, which does not change it: equal calls may share it.
struct KernelState {
  virtual ~KernelState() = default;
};

struct Prepared {
  int64_t scratch_bytes = 0;            // 64-byte aligned memory that launch may write, undefined before
  std::shared_ptr<const KernelState> state;   // may stay null
};

struct PrepareCall {
  std::span<const std::byte> params;    // exactly Kernel::params_size bytes, 8-byte aligned
  std::span<const Arg> inputs;
  std::span<const Arg> outputs;
  int threads = 1;                      // size of the team that will launch
  DeviceSession* session = nullptr;     // never null for kernels of a device that is not the host

  template <class P>
  const P& as() const { return *reinterpret_cast<const P*>(params.data()); }
};

struct LaunchCall {
  std::span<const std::byte> params;
  std::span<const Arg> inputs;
  std::span<const Arg> outputs;
  void* scratch = nullptr;
  const KernelState* state = nullptr;
  Team* team = nullptr;                 // never null for kernels of the host
  void* queue = nullptr;                // of kernels of a device: where to launch, a cudaStream_t on CUDA
  TextArena* texts = nullptr;           // where bytes of new strings go; never null for kernels that take strings

  template <class P>
  const P& as() const { return *reinterpret_cast<const P*>(params.data()); }
};

struct Kernel {
  const char* id;             // "<family>.<variant>.<dtype>[.<isa>]", e.g. "matmul.packed.f32.avx512"
  uint32_t params_size;       // sizeof the parameter struct; 0 for none
  uint32_t cpu_features;      // CpuFeature bits that launch needs
  uint32_t in_place;          // bit i: output 0 may be input i's memory when both have the same type and dims
  Status (*prepare)(const PrepareCall& call, Prepared& out);
  // On the host it computes; on another device it puts the work into call.queue and returns.
  Status (*launch)(const LaunchCall& call);
  // What runs it, and the memory of its tensors but for the exceptions below.
  Place place = Place::host;
  // Of a device's kernels: bit i is set when input i is read from the memory of the host.
  uint32_t host_inputs = 0;
  Place output_place = place;
  // The library that computes it, as Device::libraries begins its entry: "cublas"; "" for the kernel's own code.
  const char* library = "";
  // Whether tensors of strings may be among its own; of the others none is.
  bool takes_texts = false;
};

// The kernel that copies strings and, if the run has not made them, their bytes into the run's memory.
inline constexpr std::string_view kKeepTexts = "text.keep";

constexpr Kernel with_texts(Kernel kernel) {
  kernel.takes_texts = true;
  return kernel;
}

// The kernels of this library for the host, in the order of the families' kernels.inc. A module adds its own.
std::span<const Kernel* const> host_kernels();

// Shared checks for prepare functions. Each names the kernel's argument in its message.
Status expect_counts(const PrepareCall& call, size_t min_inputs, size_t max_inputs, size_t outputs);
Status expect_type(const Arg& arg, DType type, const char* what);
Status expect_format(const Arg& arg, Format format, const char* what);
Status expect_rank(const Arg& arg, int min_rank, int max_rank, const char* what);
Status expect_shape(const Arg& arg, std::span<const int64_t> dims, const char* what);

}  // namespace tenon
