// onednn.pool.f32: max and average pooling in any format, without indices.
#include <algorithm>

#include "onednn/params.h"
#include "onednn/primitive.h"
#include "pool/geometry.h"
#include "pool/params.h"

namespace tenon::onednn {
namespace {

constexpr int64_t kMaxAttribute = 1 << 12;

Status check_params(const PrepareCall& call, PoolGeometry& g) {
  const auto& params = call.as<PoolParams>();
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_type(y, DType::f32, "y"));
  TN_TRY(expect_format(y, x.format, "y"));
  if (params.kind != PoolKind::max && params.kind != PoolKind::average)
    return fail(Code::invalid_plan, "kind must be max or average");
  TN_TRY(pool_geometry(params, x, y, g));
  for (int i = 0; i < 3; ++i)
    if (g.kernel[i] > kMaxAttribute || g.stride[i] > kMaxAttribute || g.dilation[i] > kMaxAttribute ||
        g.pad[i] > kMaxAttribute || g.pad_end[i] > kMaxAttribute)
      return fail(Code::unsupported, "oneDNN pooling takes kernel dims, strides, dilations and pads up to {}",
                  kMaxAttribute);
  TN_TRY(expect_addressable(call.outputs));
  return expect_addressable(call.inputs);
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<PoolParams>();
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  PoolGeometry g;
  TN_TRY(check_params(call, g));
  if (y.count() == 0) return {};
  if (x.count() == 0) return fail(Code::unsupported, "oneDNN pooling needs a non-empty x, it is {}", describe(x));
  const int spatial = x.rank - 2;
  int64_t kernel[3], strides[3], dilations[3], pads_begin[3], pads_end[3];
  for (int i = 0; i < spatial; ++i) {
    const int at = 3 - spatial + i;
    kernel[i] = g.kernel[at];
    strides[i] = g.stride[at];
    dilations[i] = g.dilation[at] - 1;
    pads_begin[i] = g.pad[at];
    const int64_t reach = g.dilation[at] * (g.kernel[at] - 1) + 1;
    // With ceil_mode the last window may need more padding than there is.
    pads_end[i] = std::max(g.pad_end[at], (g.out[at] - 1) * g.stride[at] + reach - g.in[at] - g.pad[at]);
    if (params.kind == PoolKind::average && params.count_include_pad && pads_end[i] > g.pad_end[at])
      return fail(Code::unsupported, "oneDNN averages do not count padding that ceil_mode adds");
    if (g.pad[at] >= reach || pads_end[i] >= reach)
      return fail(Code::unsupported, "oneDNN pooling windows must not lie wholly in the padding");
  }
  const dnnl_alg_kind_t kind = params.kind == PoolKind::max       ? dnnl_pooling_max
                               : params.count_include_pad         ? dnnl_pooling_avg_include_padding
                                                                  : dnnl_pooling_avg_exclude_padding;
  TN_ASSIGN(dnnl_memory_desc_t from, desc_of(x));
  TN_ASSIGN(dnnl_memory_desc_t to, desc_of(y));
  ThreadScope scope(call.threads);
  TN_ASSIGN(auto attr, attributes({}, {}, false));
  dnnl_pooling_v2_desc_t op;
  TN_TRY(check(dnnl_pooling_v2_forward_desc_init(&op, dnnl_forward_inference, kind, &from, &to, strides, kernel,
                                                 dilations, pads_begin, pads_end),
               "describing a pooling"));
  TN_ASSIGN(auto found, implementation(&op, attr.get()));
  TN_ASSIGN(Execution run, Execution::create(found.get(), prepared.scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_SRC, from, {Source::Kind::input, 0}, false));
  TN_TRY(run.bind(DNNL_ARG_DST, to, {Source::Kind::output, 0}, true));
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  state->steps.push_back(std::move(run));
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kPool{"onednn.pool.f32", sizeof(PoolParams), 0, 0, prepare, launch_sequence};

}  // namespace tenon::onednn
