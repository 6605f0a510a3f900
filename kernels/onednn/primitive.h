// oneDNN's C interface as this module uses it: handles that free themselves, memory descriptors of step arguments, and
// primitives bound to a step's arguments. Every oneDNN status becomes a Status. libdnnl itself may throw when memory
// runs out: kernels are entered through `guarded`.
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "common/kernel.h"
#include "onednn/post_ops.h"

namespace tenon::onednn {

struct Deleter {
  void operator()(dnnl_primitive_t p) const { dnnl_primitive_destroy(p); }
  void operator()(dnnl_primitive_desc_t p) const { dnnl_primitive_desc_destroy(p); }
  void operator()(dnnl_primitive_attr_t p) const { dnnl_primitive_attr_destroy(p); }
  void operator()(dnnl_post_ops_t p) const { dnnl_post_ops_destroy(p); }
  void operator()(dnnl_memory_t p) const { dnnl_memory_destroy(p); }
};
template <class T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Deleter>;

Status check(dnnl_status_t status, const char* what);

// The CPU engine, one for the process, and its stream; never destroyed. Thread rule: any thread.
Result<dnnl_engine_t> cpu_engine();
Result<dnnl_stream_t> cpu_stream();

// While it lives, oneDNN uses `threads` threads for what this thread asks of it. See openmp.h.
class ThreadScope {
 public:
  explicit ThreadScope(int threads, Team* team = nullptr);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int threads_before_;
};

// Tensors of this size and more are refused: oneDNN's kernels address within them by 32 bits.
inline constexpr int64_t kMaxTensorBytes = (int64_t{1} << 31) - 1;
Status expect_addressable(std::span<const Arg> args);

Result<dnnl_memory_desc_t> tagged_desc(std::span<const int64_t> dims, dnnl_format_tag_t tag);
Result<dnnl_memory_desc_t> strided_desc(std::span<const int64_t> dims, std::span<const int64_t> strides);
// The descriptor of an f32 tensor in its format; blocked and channels-last ones have rank 3 to 5.
Result<dnnl_memory_desc_t> desc_of(const Arg& arg);
// A row-major tensor with `rank` dims, ones before its own.
Result<dnnl_memory_desc_t> broadcast_desc(const Arg& arg, int rank);
dnnl_memory_desc_t any_layout(dnnl_memory_desc_t desc);

// Where a primitive's argument comes from when a step runs.
struct Source {
  enum class Kind : uint8_t { input, output, scratch } kind;
  size_t at = 0;  // index of the input or output; offset in the scratch
};

// What a chain needs as primitive attributes, scratch memory by the caller: `extras` are the descriptors of the
// program's inputs 1 …; with `sum`, the chain's first post-op, which adds an extra, takes it from the destination.
Result<Owned<dnnl_primitive_attr_t>> attributes(const PostOpChain& chain, std::span<const dnnl_memory_desc_t> extras,
                                                bool sum);

// The first implementation for `op`. Fails when oneDNN has none.
Result<Owned<dnnl_primitive_desc_t>> implementation(const void* op, const dnnl_primitive_attr_t attributes);
// Whether it is one of oneDNN's unoptimised implementations.
bool is_reference(const_dnnl_primitive_desc_t desc);
std::string name_of(const_dnnl_primitive_desc_t desc);
const dnnl_memory_desc_t& memory_desc(const_dnnl_primitive_desc_t desc, dnnl_query_t what);

// A primitive and the memories of its arguments.
class Execution {
 public:
  // Takes `scratch_bytes` more for the primitive's own scratchpad.
  static Result<Execution> create(const_dnnl_primitive_desc_t desc, int64_t& scratch_bytes);
  Status bind(int argument, const dnnl_memory_desc_t& desc, Source source);
  // The arguments of `chain`, whose program inputs 1 … are the step's inputs first_input ….
  Status bind_extras(const PostOpChain& chain, std::span<const dnnl_memory_desc_t> extras, size_t first_input, bool sum);
  Status run(const LaunchCall& call, dnnl_stream_t stream) const;

 private:
  Owned<dnnl_primitive_t> primitive_;
  std::vector<Owned<dnnl_memory_t>> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::vector<Source> sources_;
};

// Appends a primitive that copies between two descriptions of one tensor.
Status add_reorder(const dnnl_memory_desc_t& from, Source source, const dnnl_memory_desc_t& to, Source target,
                   int64_t& scratch_bytes, std::vector<Execution>& steps);

// Primitives in order; the state of every kernel of this module.
struct Sequence : KernelState {
  std::vector<Execution> steps;
  int threads = 1;
};
// A kernel's prepare or launch, with what is thrown out of libdnnl turned into a failure.
template <auto function, class... Args>
Status guarded(Args... args) {
  try {
    return function(args...);
  } catch (const std::bad_alloc&) {
    return fail(Code::out_of_memory, "out of memory in oneDNN");
  } catch (...) {
    return fail(Code::internal, "oneDNN threw an exception");
  }
}
template <auto function>
Status guarded_prepare(const PrepareCall& call, Prepared& out) {
  return guarded<function, const PrepareCall&, Prepared&>(call, out);
}
template <auto function>
Status guarded_launch(const LaunchCall& call) {
  return guarded<function, const LaunchCall&>(call);
}

// Runs call.state, a Sequence or null for nothing to do.
Status launch_sequence(const LaunchCall& call);

}  // namespace tenon::onednn
