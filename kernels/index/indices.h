// Reading index tensors.
#pragma once

#include "common/kernel.h"

namespace tenon::index {

inline int64_t read(const Arg& indices, int64_t i) {
  return indices.dtype == DType::i32 ? indices.as<const int32_t>()[i] : indices.as<const int64_t>()[i];
}

// The index in [0, n) that the value stands for, or -1.
inline int64_t wrap(int64_t value, int64_t n) {
  if (value < 0) value += n;
  return value >= 0 && value < n ? value : -1;
}

inline Status expect_indices(const Arg& arg) {
  if (arg.dtype != DType::i32 && arg.dtype != DType::i64)
    return fail(Code::invalid_plan, "indices must be i32 or i64, they are {}", describe(arg));
  TN_TRY(expect_rank(arg, 0, kMaxRank, "indices"));
  return expect_format(arg, kLinear, "indices");
}

inline tl::unexpected<Error> out_of_range(const char* kernel, int64_t value, int64_t position, int64_t n) {
  if (n == 0) return fail(Code::out_of_range, "{}: index {} (element {} of the indices) into an empty dim", kernel, value,
                          position);
  return fail(Code::out_of_range, "{}: index {} (element {} of the indices) is outside [{}, {}]", kernel, value, position,
              -n, n - 1);
}

// What all of these kernels expect of the tensor they read and the one they write.
inline Status expect_data(const Arg& x, const Arg& out) {
  if (size_of(x.dtype) == 0 || x.dtype != out.dtype)
    return fail(Code::invalid_plan, "output {} must have the element type of input {}, of fixed size", describe(out),
                describe(x));
  TN_TRY(expect_rank(x, 0, kMaxRank, "input"));
  TN_TRY(expect_format(x, kLinear, "input"));
  return expect_format(out, kLinear, "output");
}

Status check_gather(const PrepareCall& call);

}  // namespace tenon::index
