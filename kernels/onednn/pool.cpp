// onednn.pool.f32: max and average pooling in any format, without indices.
#include <algorithm>

#include "onednn/params.h"
#include "onednn/primitive.h"
#include "pool/geometry.h"
#include "pool/params.h"

namespace tenon::onednn {
namespace {

constexpr int64_t kMaxAttribute = 1 << 12;

// One pooling as oneDNN takes it: arrays over the spatial dims.
struct Problem {
  dnnl_alg_kind_t kind;
  dnnl_memory_desc_t from, to;
  int64_t kernel[3], strides[3], dilations[3], pads_begin[3], pads_end[3];
};

Status add_pooling(const Problem& p, const PrepareCall& call, Prepared& prepared) {
  ThreadScope scope(call.threads);
  TN_ASSIGN(auto attr, attributes({}, {}, false));
  dnnl_pooling_v2_desc_t op;
  TN_TRY(check(dnnl_pooling_v2_forward_desc_init(&op, dnnl_forward_inference, p.kind, &p.from, &p.to, p.strides, p.kernel,
                                                 p.dilations, p.pads_begin, p.pads_end),
               "describing a pooling"));
  TN_ASSIGN(auto found, implementation(&op, attr.get()));
  TN_ASSIGN(Execution run, Execution::create(found.get(), prepared.scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_SRC, p.from, {Source::Kind::input, 0}));
  TN_TRY(run.bind(DNNL_ARG_DST, p.to, {Source::Kind::output, 0}));
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  state->steps.push_back(std::move(run));
  prepared.state = std::move(state);
  return {};
}

Status check_operands(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  TN_TRY(expect_type(call.inputs[0], DType::f32, "x"));
  TN_TRY(expect_type(call.outputs[0], DType::f32, "y"));
  TN_TRY(expect_addressable(call.outputs));
  return expect_addressable(call.inputs);
}

Status expect_not_empty(const Arg& x) {
  if (x.count() > 0) return {};
  return fail(Code::unsupported, "oneDNN pooling needs a non-empty x, it is {}", describe(x));
}

Status check_params(const PrepareCall& call, PoolGeometry& g) {
  const auto& params = call.as<PoolParams>();
  TN_TRY(check_operands(call));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  TN_TRY(expect_format(y, x.format, "y"));
  if (params.kind != PoolKind::max && params.kind != PoolKind::average)
    return fail(Code::invalid_plan, "kind must be max or average");
  TN_TRY(pool_geometry(params, x, y, g));
  for (int i = 0; i < 3; ++i)
    if (g.kernel[i] > kMaxAttribute || g.stride[i] > kMaxAttribute || g.dilation[i] > kMaxAttribute ||
        g.pad[i] > kMaxAttribute || g.pad_end[i] > kMaxAttribute)
      return fail(Code::unsupported, "oneDNN pooling takes kernel dims, strides, dilations and pads up to {}",
                  kMaxAttribute);
  return {};
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<PoolParams>();
  PoolGeometry g;
  TN_TRY(check_params(call, g));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  if (y.count() == 0) return {};
  TN_TRY(expect_not_empty(x));
  Problem p;
  const int spatial = x.rank - 2;
  for (int i = 0; i < spatial; ++i) {
    const int at = 3 - spatial + i;
    p.kernel[i] = g.kernel[at];
    p.strides[i] = g.stride[at];
    p.dilations[i] = g.dilation[at] - 1;
    p.pads_begin[i] = g.pad[at];
    const int64_t reach = g.dilation[at] * (g.kernel[at] - 1) + 1;
    // With ceil_mode the last window may need more padding than there is.
    p.pads_end[i] = std::max(g.pad_end[at], (g.out[at] - 1) * g.stride[at] + reach - g.in[at] - g.pad[at]);
    if (params.kind == PoolKind::average && params.count_include_pad && p.pads_end[i] > g.pad_end[at])
      return fail(Code::unsupported, "oneDNN averages do not count padding that ceil_mode adds");
    if (g.pad[at] >= reach || p.pads_end[i] >= reach)
      return fail(Code::unsupported, "oneDNN pooling windows must not lie wholly in the padding");
  }
  p.kind = params.kind == PoolKind::max       ? dnnl_pooling_max
           : params.count_include_pad         ? dnnl_pooling_avg_include_padding
                                              : dnnl_pooling_avg_exclude_padding;
  TN_ASSIGN(p.from, desc_of(x));
  TN_ASSIGN(p.to, desc_of(y));
  return add_pooling(p, call, prepared);
}

// The output as a tensor of x's rank and format.
Status pooled(const Arg& x, const Arg& y, Arg& out) {
  out = x;
  out.data = nullptr;
  for (int i = 2; i < x.rank; ++i) out.dims[i] = 1;
  TN_TRY(expect_shape(y, y.rank == 2 ? out.shape().first(2) : out.shape(), "y"));
  if (y.format == x.format) return expect_rank(y, x.format == kLinear ? 2 : 3, x.rank, "y");
  TN_TRY(expect_format(y, kLinear, "y"));
  if (storage_count(out) == out.count()) return {};
  return fail(Code::invalid_plan, "y must lie in the format of x {}, whose channels are no multiple of its block",
              describe(x));
}

Status prepare_global(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<OnednnGlobalPoolParams>();
  TN_TRY(check_operands(call));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  TN_TRY(expect_rank(x, 3, 5, "x"));
  if (params.kind != PoolKind::max && params.kind != PoolKind::average)
    return fail(Code::invalid_plan, "kind must be max or average");
  Arg out;
  TN_TRY(pooled(x, y, out));
  if (y.count() == 0) return {};
  TN_TRY(expect_not_empty(x));
  Problem p{};
  for (int i = 0; i < x.rank - 2; ++i) {
    p.kernel[i] = x.dims[2 + i];
    p.strides[i] = 1;
  }
  p.kind = params.kind == PoolKind::max ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding;
  TN_ASSIGN(p.from, desc_of(x));
  TN_ASSIGN(p.to, desc_of(out));
  return add_pooling(p, call, prepared);
}

}  // namespace

extern const Kernel kPool{"onednn.pool.f32", sizeof(PoolParams), 0, 0,
                          guarded_prepare<prepare>, guarded_launch<launch_sequence>};
extern const Kernel kGlobalPool{"onednn.global_pool.f32", sizeof(OnednnGlobalPoolParams), 0, 0,
                          guarded_prepare<prepare_global>, guarded_launch<launch_sequence>};

}  // namespace tenon::onednn
