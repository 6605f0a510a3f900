#include "conv/geometry.h"

#include <algorithm>

#include "base/checked.h"

namespace tenon {
namespace {

constexpr int64_t kMaxStep = int64_t{1} << 30;
constexpr int64_t kMaxExtent = int64_t{1} << 40;

Status expect_between(int64_t value, int64_t low, int64_t high, const char* what) {
  if (value >= low && value <= high) return {};
  return fail(Code::invalid_plan, "{} must be from {} to {}, it is {}", what, low, high, value);
}

// One spatial dim: its attributes and extents.
Status check_dim(const ConvParams& params, int i, int at, int64_t out, bool transposed, ConvGeometry& g) {
  TN_TRY(expect_between(params.strides[i], 1, kMaxStep, "stride"));
  TN_TRY(expect_between(params.dilations[i], 1, kMaxStep, "dilation"));
  const int64_t least = transposed ? -kMaxStep : 0;
  TN_TRY(expect_between(params.pads_begin[i], least, kMaxStep, "pad"));
  TN_TRY(expect_between(params.pads_end[i], least, kMaxStep, "pad"));
  TN_TRY(expect_between(g.kernel[at], 1, kMaxStep, "kernel dim"));
  TN_TRY(expect_between(g.in[at], 0, kMaxExtent, "spatial dim"));
  g.stride[at] = params.strides[i];
  g.dilation[at] = params.dilations[i];
  g.pad[at] = params.pads_begin[i];
  const auto reach = checked_mul(g.dilation[at], g.kernel[at] - 1);
  if (!reach || *reach >= kMaxExtent)
    return fail(Code::invalid_plan, "dilation times kernel dim is too large");
  const int64_t pads = params.pads_begin[i] + params.pads_end[i];
  int64_t want;
  if (transposed) {
    TN_TRY(expect_between(params.output_padding[i], 0, kMaxStep, "output padding"));
    const auto span = checked_mul(g.stride[at], g.in[at] - 1);
    if (!span) return fail(Code::invalid_plan, "stride times spatial dim is too large");
    want = g.in[at] ? *span + params.output_padding[i] + *reach + 1 - pads : 0;
  } else {
    const int64_t room = g.in[at] + pads - *reach - 1;
    want = room < 0 ? 0 : room / g.stride[at] + 1;
  }
  if (out != want || want < 0)
    return fail(Code::invalid_plan, "output's spatial dim {} must be {}, it is {}", i, want, out);
  g.out[at] = out;
  return {};
}

}  // namespace

Status conv_geometry(const ConvParams& params, const Arg& x, const Arg& w, const Arg& bias, const Arg& out,
                     bool transposed, ConvGeometry& g) {
  TN_TRY(expect_rank(x, 3, 2 + kMaxSpatial, "x"));
  TN_TRY(expect_rank(w, x.rank, x.rank, "w"));
  TN_TRY(expect_rank(out, x.rank, x.rank, "output"));
  g = {};
  g.n = x.dims[0];
  g.c = x.dims[1];
  g.group = params.group;
  TN_TRY(expect_between(g.group, 1, kMaxStep, "group"));
  if (g.c % g.group != 0)
    return fail(Code::invalid_plan, "x {} has {} channels, not a multiple of {} groups", describe(x), g.c,
                g.group);
  g.cg = g.c / g.group;
  if (transposed) {
    g.og = w.dims[1];
    if (w.dims[0] != g.c) return fail(Code::invalid_plan, "w {} must have first dim {}", describe(w), g.c);
    const auto o = checked_mul(g.og, g.group);
    if (!o) return fail(Code::invalid_plan, "w {} has too many output channels", describe(w));
    g.o = *o;
  } else {
    g.o = w.dims[0];
    if (w.dims[1] != g.cg || g.o % g.group != 0)
      return fail(Code::invalid_plan,
                  "w {} must have a multiple of {} output channels and {} input channels a group",
                  describe(w), g.group, g.cg);
    g.og = g.o / g.group;
  }
  const int spatial = x.rank - 2;
  for (int i = 0; i < spatial; ++i) {
    const int at = 3 - spatial + i;
    g.in[at] = x.dims[2 + i];
    g.kernel[at] = w.dims[2 + i];
    TN_TRY(check_dim(params, i, at, out.dims[2 + i], transposed, g));
  }
  for (int i = 0; i < 3; ++i) {
    g.in_count *= g.in[i];
    g.out_count *= g.out[i];
    g.taps *= g.kernel[i];
  }
  if (out.dims[0] != g.n || out.dims[1] != g.o)
    return fail(Code::invalid_plan, "output {} must have {} items of {} channels", describe(out), g.n, g.o);
  if (bias.present()) {
    TN_TRY(expect_type(bias, x.dtype, "bias"));
    TN_TRY(expect_format(bias, kLinear, "bias"));
    TN_TRY(expect_shape(bias, {&g.o, 1}, "bias"));
  }
  return {};
}

void drop_unit_columns(ConvGeometry& g) {
  for (int i = 0; i < 2 && g.in[2] == 1 && g.out[2] == 1 && g.kernel[2] == 1 && g.pad[2] == 0; ++i)
    for (auto* list : {&g.in, &g.out, &g.kernel, &g.stride, &g.dilation, &g.pad}) {
      std::rotate(*list, *list + 2, *list + 3);
      (*list)[0] = list == &g.pad ? 0 : 1;
    }
}

bool is_pointwise(const ConvGeometry& g) {
  for (int i = 0; i < 3; ++i)
    if (g.kernel[i] != 1 || g.stride[i] != 1 || g.pad[i] != 0 || g.in[i] != g.out[i]) return false;
  return true;
}

}  // namespace tenon
