// conv.separable.reference: each convolution by conv.reference, through scratch.
#include "base/checked.h"
#include "common/stage.h"
#include "conv/params.h"

namespace tenon {

extern const Kernel kConvReference;

namespace {

struct Stage {
  std::vector<Arg> inputs;  // the first one without data unless it is the step's
  Arg out;
  size_t first_input = 0;  // of the step's, w and what follows it
  Prepared prepared;
  int64_t scratch_at = 0, out_at = -1;  // in scratch; -1: the step's output
};

struct State : KernelState {
  std::vector<Stage> stages;
};

std::span<const std::byte> params_of(const SeparableParams& params, int stage) {
  return std::as_bytes(std::span(&params.stage[stage].conv, 1));
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 1 + kSeparableStages * (1 + kMaxProgramInputs), 1));
  const auto& params = call.as<SeparableParams>();
  const Arg &step_x = call.inputs[0], &step_out = call.outputs[0];
  int last = -1;
  size_t next = 1;
  for (int i = 0; i < kSeparableStages; ++i) {
    if (params.operands[i] < 0 || params.operands[i] > 1 + kMaxProgramInputs)
      return fail(Code::invalid_plan, "convolution {} of a separable one cannot have {} operands", i, params.operands[i]);
    if (params.operands[i] > 0) last = i;
    next += static_cast<size_t>(params.operands[i]);
  }
  if (last < 0) return fail(Code::invalid_plan, "a separable convolution has no stage");
  TN_TRY(expect_counts(call, next, next, 1));
  TN_TRY(expect_rank(step_x, 3, 2 + kMaxSpatial, "x"));
  TN_TRY(expect_rank(step_out, step_x.rank, step_x.rank, "output"));
  auto state = std::make_unique<State>();
  Arg x = step_x;
  next = 1;
  for (int i = 0; i < kSeparableStages; ++i) {
    if (params.operands[i] == 0) continue;
    Stage stage;
    stage.first_input = next;
    const auto own = call.inputs.subspan(next, static_cast<size_t>(params.operands[i]));
    next += own.size();
    stage.inputs.push_back(x);
    stage.inputs.insert(stage.inputs.end(), own.begin(), own.end());
    stage.out = step_out;
    if (i != last) {  // the depthwise convolution alone changes the spatial dims
      TN_TRY(expect_rank(own[0], x.rank, x.rank, "w"));
      if (i == kExpandStage) std::copy(x.dims, x.dims + x.rank, stage.out.dims);
      stage.out.dims[0] = x.dims[0];
      stage.out.dims[1] = own[0].dims[0];
      const Program& epilogue = params.stage[i].conv.epilogue;
      if (!epilogue.empty()) TN_TRY(verify(epilogue));
      stage.out.dtype = epilogue.empty() ? x.dtype : epilogue.result_type();
      stage.out.format = kLinear;
      stage.out.fixed_dims = 0;
      int64_t count = 1;
      for (int64_t dim : stage.out.shape()) {
        const auto product = checked_mul(count, dim);
        if (!product || *product > int64_t{1} << 48)
          return fail(Code::invalid_plan, "a separable convolution's tensors are too large");
        count = *product;
      }
    }
    x = stage.out;
    state->stages.push_back(std::move(stage));
  }
  int64_t bytes = 0;
  auto place = [&](std::optional<int64_t> size) -> std::optional<int64_t> {
    const int64_t at = bytes;
    const auto end = size ? checked_add(bytes, *size) : std::nullopt;
    if (!end || *end > int64_t{1} << 56) return std::nullopt;
    bytes = (*end + 63) & ~int64_t{63};
    return at;
  };
  int which = 0;
  for (Stage& stage : state->stages) {
    while (params.operands[which] == 0) ++which;
    TN_TRY(kConvReference.prepare({params_of(params, which), stage.inputs, {&stage.out, 1}, call.threads}, stage.prepared));
    const auto scratch = place(stage.prepared.scratch_bytes);
    const auto out = which == last ? std::optional<int64_t>(-1) : place(scratch_for(stage.out));
    if (!scratch || !out) return fail(Code::invalid_plan, "a separable convolution's tensors are too large");
    stage.scratch_at = *scratch, stage.out_at = *out;
    ++which;
  }
  prepared.scratch_bytes = bytes;
  prepared.state = std::move(state);
  return {};
}

Status launch(const LaunchCall& call) {
  const auto& params = call.as<SeparableParams>();
  auto* scratch = static_cast<std::byte*>(call.scratch);
  Arg x = call.inputs[0];
  int which = 0;
  for (const Stage& stage : static_cast<const State*>(call.state)->stages) {
    while (params.operands[which] == 0) ++which;
    Arg inputs[2 + kMaxProgramInputs], out = stage.out;
    inputs[0] = x;
    std::copy_n(call.inputs.begin() + static_cast<ptrdiff_t>(stage.first_input), stage.inputs.size() - 1, inputs + 1);
    out.data = stage.out_at < 0 ? call.outputs[0].data : scratch + stage.out_at;
    TN_TRY(kConvReference.launch({params_of(params, which),
                                  {inputs, stage.inputs.size()},
                                  {&out, 1},
                                  scratch + stage.scratch_at,
                                  stage.prepared.state.get(),
                                  call.team}));
    x = out;
    ++which;
  }
  return {};
}

}  // namespace

extern const Kernel kConvSeparableReference{"conv.separable.reference", sizeof(SeparableParams), 0, 0, prepare, launch};

}  // namespace tenon
