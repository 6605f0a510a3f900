// The source text of one kernel and the arguments that it is launched with.
//
// Every generated kernel takes one struct, `a`: pointers a.p[…], then numbers a.v[…]. Numbers that are the same at every
// shape of a plan become literals in the text instead.
#pragma once

#include <string>
#include <vector>

#include "common/kernel.h"
#include "cuda/generate/space.h"
#include "cuda/session.h"

namespace tenon::cuda {

// What a pointer argument points to.
struct Slot {
  enum Kind : uint8_t { input, output, scratch };
  Kind kind = input;
  uint32_t index = 0;       // of inputs or outputs
  int64_t offset = 0;       // bytes behind the tensor's or the scratch memory's first
};

// One launch, complete but for the tensors' addresses.
struct Launch {
  cudaKernel_t function = nullptr;
  LaunchShape shape;
  std::vector<Slot> slots;
  std::vector<int64_t> numbers;
};

// What launch_all needs: the launches in order.
struct LaunchState : KernelState {
  std::vector<Launch> launches;
};

// Whether no more variants are needed: one fits this shape, and other shapes are not asked for.
inline bool is_enough(const PrepareCall& call, const LaunchState& state) {
  return !state.launches.empty() && !session_of(call).every_shape();
}

// The launch function of all generated kernels. Nothing is launched with an empty grid.
Status launch_all(const LaunchCall& call);

inline constexpr int kMaxPointers = 64;
inline constexpr int kMaxNumbers = 192;

class Source {
 public:
  // `entry` names the kernel in profiles. `wide`: indices (type I) have 64 bits, else 32.
  Source(std::string entry, bool wide) : entry_(std::move(entry)), wide_(wide) {}

  // The pointer as an expression of type void*.
  std::string pointer(Slot slot);
  std::string input(size_t i) { return pointer({Slot::input, static_cast<uint32_t>(i), 0}); }
  std::string output(size_t i) { return pointer({Slot::output, static_cast<uint32_t>(i), 0}); }
  std::string scratch(int64_t offset) { return pointer({Slot::scratch, 0, offset}); }
  // An expression of type I with the extent's value.
  std::string number(const Extent& extent);
  // The same with a value that may differ from shape to shape, every time another argument.
  std::string argument(int64_t value);
  // n / d and n % d for an expression n below 2^31 (or of 64 bits, when wide); d at least 1.
  std::string quotient(const std::string& n, const Extent& d);
  // A line that sets `name` to the quotient and `rest` to the remainder.
  std::string divide(const std::string& n, const Extent& d, const std::string& quotient, const std::string& rest);

  // Functions and types in front of the kernel.
  Source& head(std::string text) { head_ += std::move(text); return *this; }
  Source& body(std::string text) { body_ += std::move(text); return *this; }
  // Threads that a block has at most, for the compiler; and blocks per multiprocessor, 0 for any.
  void bounds(int threads, int blocks = 0) { threads_ = threads; blocks_ = blocks; }
  // Blocks that make a cluster, along the grid's first dim.
  void cluster(int blocks) { cluster_ = blocks; }
  bool wide() const { return wide_; }

  std::string source() const;
  // Compiles and appends to `state`.
  Status finish(Session& session, const LaunchShape& shape, LaunchState& state);

 private:
  std::string entry_, head_, body_;
  bool wide_;
  int threads_ = 0, blocks_ = 0, cluster_ = 0;
  std::vector<Slot> slots_;
  std::vector<int64_t> numbers_;
  std::vector<std::pair<Extent, std::string>> known_;
  std::vector<std::pair<Extent, std::string>> divisors_;
};

// Lines that split `flat`, an index into the loops [first, last) of the space (row-major), into `prefix`<loop>.
std::string split_index(Source& code, const Space& space, const std::string& flat, int first, int last,
                        const std::string& prefix);
// Sum of index × step over loops [first, last): an expression of type I.
std::string offset_text(Source& code, const Steps& steps, int first, int last, const std::string& prefix);

// A grid dim: refused when it is more than the hardware takes.
Status grid_of(int64_t blocks, unsigned& out);

}  // namespace tenon::cuda
