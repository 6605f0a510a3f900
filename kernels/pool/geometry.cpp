#include "pool/geometry.h"

#include <algorithm>

#include "base/checked.h"

namespace tenon {
namespace {

constexpr int64_t kMaxStep = int64_t{1} << 30;

Status expect_between(int64_t value, int64_t low, int64_t high, const char* what) {
  if (value >= low && value <= high) return {};
  return fail(Code::invalid_plan, "{} must be from {} to {}, it is {}", what, low, high, value);
}

}  // namespace

Status pool_geometry(const PoolParams& params, const Arg& x, const Arg& y, PoolGeometry& g) {
  TN_TRY(expect_rank(x, 3, 5, "x"));
  TN_TRY(expect_rank(y, x.rank, x.rank, "y"));
  TN_TRY(expect_between(static_cast<int64_t>(params.kind), 0, 2, "kind"));
  TN_TRY(expect_between(params.p, 1, kMaxStep, "p"));
  g = {};
  g.planes = x.dims[0] * x.dims[1];
  if (y.dims[0] != x.dims[0] || y.dims[1] != x.dims[1])
    return fail(Code::invalid_plan, "y {} must have the items and channels of x {}", describe(y),
                describe(x));
  const int spatial = x.rank - 2;
  for (int i = 0; i < spatial; ++i) {
    const int at = 3 - spatial + i;
    TN_TRY(expect_between(params.kernel[i], 1, kMaxStep, "kernel dim"));
    TN_TRY(expect_between(params.strides[i], 1, kMaxStep, "stride"));
    TN_TRY(expect_between(params.dilations[i], 1, kMaxStep, "dilation"));
    TN_TRY(expect_between(params.pads_begin[i], 0, kMaxStep, "pad"));
    TN_TRY(expect_between(params.pads_end[i], 0, kMaxStep, "pad"));
    g.in[at] = x.dims[2 + i];
    TN_TRY(expect_between(g.in[at], 0, int64_t{1} << 40, "spatial dim"));
    g.kernel[at] = params.kernel[i];
    g.stride[at] = params.strides[i];
    g.dilation[at] = params.dilations[i];
    g.pad[at] = params.pads_begin[i];
    g.pad_end[at] = params.pads_end[i];
    const int64_t room = g.in[at] + g.pad[at] + g.pad_end[at] - g.dilation[at] * (g.kernel[at] - 1) - 1;
    int64_t want = room < 0 ? 0 : room / g.stride[at] + 1;
    if (params.ceil_mode && room >= 0)
      want = std::min(ceil_div(room, g.stride[at]) + 1, ceil_div(g.in[at] + g.pad[at], g.stride[at]));
    g.out[at] = y.dims[2 + i];
    if (g.out[at] != want)
      return fail(Code::invalid_plan, "y's spatial dim {} must be {}, it is {}", i, want, g.out[at]);
    g.in_count *= g.in[at];
    g.out_count *= g.out[at];
  }
  return {};
}

}  // namespace tenon
