#include "cuda/pointwise_tail.h"

#include "pointwise/params.h"

namespace tenon::cuda {

extern const Kernel kCudaPointwise;

Result<std::unique_ptr<PointwiseTail>> PointwiseTail::create(const PrepareCall& call, const Program& program,
                                                             std::vector<Arg> extras, std::vector<size_t> sources) {
  auto out = std::make_unique<PointwiseTail>();
  PointwiseParams params{};
  params.program = program;
  const auto bytes = std::as_bytes(std::span(&params, 1));
  out->params_.assign(bytes.begin(), bytes.end());
  out->out_ = call.outputs[0];
  out->inputs_ = {out->out_};
  out->inputs_.insert(out->inputs_.end(), extras.begin(), extras.end());
  out->sources_ = std::move(sources);
  const PrepareCall inner{out->params_, out->inputs_, {&out->out_, 1}, call.threads, call.session};
  TN_TRY(kCudaPointwise.prepare(inner, out->prepared_));
  if (out->prepared_.scratch_bytes != 0) return fail(Code::internal, "a pointwise kernel wants scratch memory");
  return out;
}

Status PointwiseTail::launch(const LaunchCall& call) const {
  Arg inputs[kMaxProgramInputs];
  std::copy(inputs_.begin(), inputs_.end(), inputs);
  Arg out = out_;
  out.data = inputs[0].data = call.outputs[0].data;
  for (size_t i = 0; i < sources_.size(); ++i) inputs[i + 1].data = call.inputs[sources_[i]].data;
  LaunchCall inner = call;
  inner.params = params_;
  inner.inputs = {inputs, inputs_.size()};
  inner.outputs = {&out, 1};
  inner.state = prepared_.state.get();
  inner.scratch = nullptr;
  return kCudaPointwise.launch(inner);
}

}  // namespace tenon::cuda
