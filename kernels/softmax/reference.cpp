// The reference of softmax: three passes in double for every line along the axis.
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "common/element.h"
#include "softmax/check.h"

namespace tenon {
namespace {

struct State : KernelState {
  SoftmaxShape shape;
  int64_t bytes = 0;   // of scratch for x or the own result
};

Status prepare(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State>();
  TN_TRY(check_softmax(call, state->shape));
  const SoftmaxParams& params = call.as<SoftmaxParams>();
  auto bytes = scratch_for(state->shape.prologue.x);
  auto total = bytes ? checked_add(*bytes, kTileScratchBytes) : bytes;
  if (!total)
    return fail(Code::limit_exceeded, "softmax of {} needs too much memory", describe(state->shape.prologue.x));
  state->bytes = params.prologue.empty() && params.epilogue.empty() ? 0 : *bytes;
  out.scratch_bytes = state->bytes + kTileScratchBytes;
  out.state = std::move(state);
  return {};
}

// `x` and `y` may be the same memory.
template <class E>
void line(const typename E::Storage* x, typename E::Storage* y, int64_t length, int64_t step, bool log) {
  double high = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t i = 0; i < length; ++i) high = std::fmax(high, E::load(x[i * step]));
  for (int64_t i = 0; i < length; ++i) sum += std::exp(E::load(x[i * step]) - high);
  for (int64_t i = 0; i < length; ++i) {
    double shifted = E::load(x[i * step]) - high;
    y[i * step] = E::store(log ? shifted - std::log(sum) : std::exp(shifted) / sum);
  }
}

Status launch(const LaunchCall& call) {
  const SoftmaxParams& params = call.as<SoftmaxParams>();
  const State& state = *static_cast<const State*>(call.state);
  const SoftmaxShape& shape = state.shape;
  auto* scratch = static_cast<std::byte*>(call.scratch);
  std::byte* tile_scratch = scratch + state.bytes;
  const size_t own = prologue_inputs(params.prologue);
  const void* operands[kMaxProgramInputs];
  const void* x = call.inputs[0].data;
  if (!params.prologue.empty()) {
    for (size_t k = 0; k < own; ++k) operands[k] = call.inputs[k].data;
    const TileNest& nest = shape.prologue.nest;
    run_nest(nest, tile_function(0), params.prologue, operands, scratch, 0, nest.count(), tile_scratch);
    x = scratch;
  }
  void* output = call.outputs[0].data;
  void* result = params.epilogue.empty() ? output : scratch;
  with_float(shape.result.dtype, [&](auto element) {
    using E = decltype(element);
    using T = typename E::Storage;
    for (int64_t o = 0; o < shape.outer; ++o)
      for (int64_t i = 0; i < shape.inner; ++i) {
        int64_t at = o * shape.length * shape.inner + i;
        line<E>(static_cast<const T*>(x) + at, static_cast<T*>(result) + at, shape.length, shape.inner, params.log);
      }
  });
  if (params.epilogue.empty()) return {};
  operands[0] = result;
  for (size_t k = own; k < call.inputs.size(); ++k) operands[k - own + 1] = call.inputs[k].data;
  run_nest(shape.epilogue, tile_function(0), params.epilogue, operands, output, 0, shape.epilogue.count(), tile_scratch);
  return {};
}

}  // namespace

extern const Kernel kSoftmaxReference = {"softmax.reference", sizeof(SoftmaxParams), 0, 0, prepare, launch};

}  // namespace tenon
