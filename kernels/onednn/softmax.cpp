// onednn.softmax.f32: softmax and log-softmax along one axis.
#include "onednn/params.h"
#include "onednn/primitive.h"

namespace tenon::onednn {
namespace {

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<OnednnSoftmaxParams>();
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  for (const Arg* arg : {&x, &y}) {
    TN_TRY(expect_type(*arg, DType::f32, arg == &x ? "x" : "y"));
    TN_TRY(expect_format(*arg, kLinear, arg == &x ? "x" : "y"));
  }
  TN_TRY(expect_rank(x, 1, kMaxRank, "x"));
  TN_TRY(expect_shape(y, x.shape(), "y"));
  TN_TRY(expect_addressable(call.inputs));
  if (params.axis < 0 || params.axis >= x.rank)
    return fail(Code::invalid_plan, "axis must be from 0 to {}, it is {}", x.rank - 1, params.axis);
  if (x.count() == 0) return {};

  // As [before, axis, after]: what oneDNN computes does not depend on more.
  int64_t dims[3] = {1, x.dims[params.axis], 1};
  for (int i = 0; i < x.rank; ++i)
    if (i != params.axis) dims[i < params.axis ? 0 : 2] *= x.dims[i];
  const int64_t strides[3] = {dims[1] * dims[2], dims[2], 1};
  const size_t rank = dims[2] == 1 ? 2 : 3;
  TN_ASSIGN(dnnl_memory_desc_t desc, strided_desc({dims, rank}, {strides, rank}));

  ThreadScope scope(call.threads);
  TN_ASSIGN(auto attr, attributes({}, {}, false));
  dnnl_softmax_v2_desc_t op;
  TN_TRY(check(dnnl_softmax_v2_forward_desc_init(&op, dnnl_forward_inference,
                                                 params.log ? dnnl_softmax_log : dnnl_softmax_accurate, &desc, &desc, 1),
               "describing a softmax"));
  TN_ASSIGN(auto found, implementation(&op, attr.get()));
  TN_ASSIGN(Execution run, Execution::create(found.get(), prepared.scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_SRC, desc, {Source::Kind::input, 0}));
  TN_TRY(run.bind(DNNL_ARG_DST, desc, {Source::Kind::output, 0}));
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  state->steps.push_back(std::move(run));
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kSoftmax{"onednn.softmax.f32", sizeof(OnednnSoftmaxParams), 0, 1,
                          guarded_prepare<prepare>, guarded_launch<launch_sequence>};

}  // namespace tenon::onednn
