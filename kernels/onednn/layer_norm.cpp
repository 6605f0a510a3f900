// onednn.layer_norm.f32: normalisation over the last dims, with scale and bias.
#include "onednn/params.h"
#include "onednn/primitive.h"

namespace tenon::onednn {
namespace {

Status check_affine(const Arg& arg, const Arg& x, int64_t axis, const char* what) {
  TN_TRY(expect_type(arg, DType::f32, what));
  TN_TRY(expect_format(arg, kLinear, what));
  return expect_shape(arg, x.shape().subspan(static_cast<size_t>(axis)), what);
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<OnednnLayerNormParams>();
  TN_TRY(expect_counts(call, 3, 3, 1));
  const Arg &x = call.inputs[0], &y = call.outputs[0], &scale = call.inputs[1], &bias = call.inputs[2];
  for (const Arg* arg : {&x, &y}) {
    TN_TRY(expect_type(*arg, DType::f32, arg == &x ? "x" : "y"));
    TN_TRY(expect_format(*arg, kLinear, arg == &x ? "x" : "y"));
  }
  TN_TRY(expect_rank(x, 1, kMaxRank, "x"));
  TN_TRY(expect_shape(y, x.shape(), "y"));
  TN_TRY(expect_addressable(call.inputs));
  if (params.axis < 0 || params.axis >= x.rank)
    return fail(Code::invalid_plan, "axis must be from 0 to {}, it is {}", x.rank - 1, params.axis);
  if (!(params.epsilon >= 0)) return fail(Code::invalid_plan, "epsilon must be at least 0, it is {}", params.epsilon);
  TN_TRY(check_affine(scale, x, params.axis, "scale"));
  TN_TRY(check_affine(bias, x, params.axis, "bias"));
  if (x.count() == 0) return {};

  int64_t dims[2] = {1, 1};
  for (int i = 0; i < x.rank; ++i) dims[i < params.axis ? 0 : 1] *= x.dims[i];
  const int64_t strides[2] = {dims[1], 1};
  TN_ASSIGN(dnnl_memory_desc_t desc, strided_desc(dims, strides));
  TN_ASSIGN(dnnl_memory_desc_t affine, strided_desc({dims + 1, 1}, {strides + 1, 1}));

  ThreadScope scope(call.threads);
  TN_ASSIGN(auto attr, attributes({}, {}, false));
  dnnl_layer_normalization_desc_t op;
  TN_TRY(check(dnnl_layer_normalization_forward_desc_init(&op, dnnl_forward_inference, &desc, nullptr,
                                                          static_cast<float>(params.epsilon),
                                                          dnnl_use_scale | dnnl_use_shift),
               "describing a layer normalisation"));
  TN_ASSIGN(auto found, implementation(&op, attr.get()));
  TN_ASSIGN(Execution run, Execution::create(found.get(), prepared.scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_SRC, desc, {Source::Kind::input, 0}));
  TN_TRY(run.bind(DNNL_ARG_SCALE, affine, {Source::Kind::input, 1}));
  TN_TRY(run.bind(DNNL_ARG_SHIFT, affine, {Source::Kind::input, 2}));
  TN_TRY(run.bind(DNNL_ARG_DST, desc, {Source::Kind::output, 0}));
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  state->steps.push_back(std::move(run));
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kLayerNorm{"onednn.layer_norm.f32", sizeof(OnednnLayerNormParams), 0, 0,
                          guarded_prepare<prepare>, guarded_launch<launch_sequence>};

}  // namespace tenon::onednn
