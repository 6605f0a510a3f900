// The definition of nonzero: the positions of the elements that are not zero, in order.
#include <cstring>

#include "common/kernel.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 2));
  const Arg &x = call.inputs[0], &out = call.outputs[0], &sizes = call.outputs[1];
  if (size_of(x.dtype) == 0) return fail(Code::invalid_plan, "nonzero: elements of {} cannot be looked at", describe(x));
  for (const Arg* arg : {&x, &out, &sizes}) TN_TRY(expect_format(*arg, kLinear, "nonzero operand"));
  TN_TRY(expect_type(out, DType::i64, "nonzero output"));
  TN_TRY(expect_type(sizes, DType::i64, "nonzero sizes"));
  const int64_t dims[] = {x.count(), x.rank}, one[] = {1};
  TN_TRY(expect_shape(out, dims, "nonzero output"));
  return expect_shape(sizes, one, "nonzero sizes");
}

// Both zeros of a float that has two; of the types with one, other bits are a number or NaN.
bool has_two_zeros(DType type) {
  return is_float(type) && type != DType::f8e4m3fnuz && type != DType::f8e5m2fnuz && type != DType::f8e8m0;
}

template <class U>
int64_t find(const U* x, const Arg& shape, U mask, int64_t* out) {
  int64_t found = 0, at[kMaxRank] = {};
  const int64_t count = shape.count();
  for (int64_t i = 0; i < count; ++i) {
    if (x[i] & mask) {
      std::memcpy(out + found * shape.rank, at, sizeof(int64_t) * static_cast<size_t>(shape.rank));
      ++found;
    }
    for (int d = shape.rank - 1; d >= 0; --d) {
      if (++at[d] < shape.dims[d]) break;
      at[d] = 0;
    }
  }
  return found;
}

Status launch(const LaunchCall& call) {
  const Arg& x = call.inputs[0];
  int64_t* out = call.outputs[0].as<int64_t>();
  int64_t& found = *call.outputs[1].as<int64_t>();
  auto of = [&](auto unsigned_zero) {
    using U = decltype(unsigned_zero);
    constexpr U kAll = static_cast<U>(~U{0});
    found = find<U>(x.as<const U>(), x, has_two_zeros(x.dtype) ? static_cast<U>(kAll >> 1) : kAll, out);
  };
  switch (size_of(x.dtype)) {
    case 1: of(uint8_t{}); break;
    case 2: of(uint16_t{}); break;
    case 4: of(uint32_t{}); break;
    default: of(uint64_t{}); break;
  }
  return {};
}

}  // namespace

extern const Kernel kNonzeroReference{"nonzero.reference", 0, 0, 0, prepare, launch};

}  // namespace tenon
