// Stores f32 tensors as f16 or bf16, in the format that they have.
#include "reformat/narrow.h"

#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "common/kernel.h"

namespace tenon {
namespace {

constexpr int64_t kUnit = 16 << 10;  // elements that one thread rounds at a time

template <uint16_t (*round)(float)>
void narrow_scalar(const void* from, void* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float x;
    std::memcpy(&x, static_cast<const char*>(from) + 4 * i, sizeof x);
    const uint16_t y = round(x);
    std::memcpy(static_cast<char*>(to) + 2 * i, &y, sizeof y);
  }
}

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (x.dtype != DType::f32 || (out.dtype != DType::f16 && out.dtype != DType::bf16))
    return fail(Code::invalid_plan, "cast.narrow takes f32 to f16 or bf16, not {} to {}", describe(x), describe(out));
  TN_TRY(expect_rank(x, 0, kMaxRank, "cast.narrow input"));
  TN_TRY(expect_shape(out, x.shape(), "cast.narrow output"));
  if (!is_known(x.format) || (x.format != kLinear && x.rank < 2))
    return fail(Code::invalid_plan, "cast.narrow: {} has no channels for its format", describe(x));
  return expect_format(out, x.format, "cast.narrow output");
}

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const NarrowRow row = narrow_row(out.dtype, cpu_features());
  const int64_t count = storage_count(x);
  auto body = [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * kUnit, last = std::min(count, end * kUnit);
    if (first < last) row(x.as<float>() + first, out.as<uint16_t>() + first, last - first);
  };
  const int64_t units = (count + kUnit - 1) / kUnit;
  if (units <= 1) body(0, units, 0);
  else call.team->parallel_for(units, body);
  return {};
}

}  // namespace

NarrowRow narrow_row(DType to, uint32_t features) {
  const bool half = to == DType::f16;
  if (features & kAvx512) return half ? avx512::narrow_to_f16 : avx512::narrow_to_bf16;
  if (features & kAvx2) return half ? avx2::narrow_to_f16 : avx2::narrow_to_bf16;
  return half ? narrow_scalar<float_to_half> : narrow_scalar<float_to_bfloat>;
}

extern const Kernel kCastNarrow{"cast.narrow", 0, 0, 0, prepare, launch};

}  // namespace tenon
