// Checks and walks that the kernels on strings share.
#pragma once

#include <algorithm>

#include "common/index.h"
#include "common/kernel.h"

namespace tenon::text {

inline Status expect_linear(const PrepareCall& call, const char* what) {
  for (const auto& list : {call.inputs, call.outputs})
    for (const Arg& arg : list) {
      TN_TRY(expect_rank(arg, 0, kMaxRank, what));
      TN_TRY(expect_format(arg, kLinear, what));
    }
  return {};
}

// Every operand broadcasts to the output.
inline Status expect_broadcast(const PrepareCall& call, const char* kernel) {
  const Arg& out = call.outputs[0];
  for (const Arg& in : call.inputs) {
    bool fits = in.rank <= out.rank;
    for (int d = 0; fits && d < in.rank; ++d) fits = in.dims[d] == 1 || in.dims[d] == out.dims[out.rank - in.rank + d];
    if (!fits) return fail(Code::out_of_range, "{}: {} does not broadcast to {}", kernel, describe(in), describe(out));
  }
  return {};
}

inline Status expect_one(const Arg& arg, const char* what) {
  TN_TRY(expect_type(arg, DType::string, what));
  if (arg.count() == 1) return {};
  return fail(Code::out_of_range, "{} must have one element, it is {}", what, describe(arg));
}

// The element of an operand that broadcasts to `out`, at an index of that.
inline int64_t element_at(const Arg& in, const Arg& out, const int64_t* index) {
  int64_t at = 0;
  for (int d = 0; d < in.rank; ++d) at = at * in.dims[d] + (in.dims[d] == 1 ? 0 : index[out.rank - in.rank + d]);
  return at;
}

// The elements of a tensor of strings.
inline std::span<const Text> texts_of(const Arg& arg) { return {arg.as<const Text>(), static_cast<size_t>(arg.count())}; }

// Runs the body, which may need memory of the heap.
template <class F>
Status with_memory(F&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return tl::unexpected<Error>(Error{Code::out_of_memory, "no memory for strings", {}});
  }
}

}  // namespace tenon::text
