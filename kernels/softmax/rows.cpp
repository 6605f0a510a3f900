// softmax.rows.f32: prologue, softmax and epilogue of a few rows at a time, in the output's own memory.
#include <algorithm>

#include "softmax/check.h"
#include "softmax/vector.h"

namespace tenon {
namespace {

constexpr int64_t kBlock = 8192;     // elements worked on at a time: they stay in the cache
constexpr int64_t kColumns = 256;    // columns at a time, where the axis is not the last

struct State : KernelState {
  SoftmaxShape shape;
  int64_t rows_per_block = 1;
};

Status prepare(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State>();
  TN_TRY(check_softmax(call, state->shape));
  TN_TRY(expect_type(state->shape.prologue.x, DType::f32, "x"));
  TN_TRY(expect_type(call.outputs[0], DType::f32, "output"));
  if (state->shape.outer > 0)
    state->rows_per_block = std::max<int64_t>(1, kBlock / (state->shape.length * state->shape.inner));
  out.scratch_bytes = kTileScratchBytes * call.threads;
  out.state = std::move(state);
  return {};
}

template <const SoftmaxVector* Vector, uint32_t Features>
Status launch(const LaunchCall& call) {
  const SoftmaxParams& params = call.as<SoftmaxParams>();
  const State& state = *static_cast<const State*>(call.state);
  const SoftmaxShape& shape = state.shape;
  const int64_t line = shape.length * shape.inner, step = state.rows_per_block;
  const TileFunction tile = tile_function(Features);
  const size_t own = prologue_inputs(params.prologue);
  float* y = call.outputs[0].as<float>();
  const void *before[kMaxProgramInputs], *after[kMaxProgramInputs] = {y};
  for (size_t k = 0; k < own; ++k) before[k] = call.inputs[k].data;
  for (size_t k = own; k < call.inputs.size(); ++k) after[k - own + 1] = call.inputs[k].data;
  const float* x = params.prologue.empty() ? call.inputs[0].as<float>() : y;
  call.team->parallel_for((shape.outer + step - 1) / step, [&](int64_t begin, int64_t end, int member) {
    void* scratch = static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes;
    for (int64_t row = begin * step; row < std::min(end * step, shape.outer); row += step) {
      const int64_t rows = std::min(step, shape.outer - row);
      if (!params.prologue.empty())
        run_nest(shape.prologue.nest, tile, params.prologue, before, y, row * line, (row + rows) * line, scratch);
      for (int64_t r = row; r < row + rows; ++r) {
        if (shape.inner == 1) {
          Vector->row(x + r * line, y + r * line, shape.length, params.log);
          continue;
        }
        for (int64_t c = 0; c < shape.inner; c += kColumns)
          Vector->columns(x + r * line + c, y + r * line + c, shape.length, shape.inner,
                          std::min(kColumns, shape.inner - c), params.log);
      }
      if (!params.epilogue.empty())
        run_nest(shape.epilogue, tile, params.epilogue, after, y, row * line, (row + rows) * line, scratch);
    }
  });
  return {};
}

}  // namespace

extern const Kernel kSoftmaxRowsAvx2, kSoftmaxRowsAvx512;
const Kernel kSoftmaxRowsAvx2 = {
    "softmax.rows.f32.avx2", sizeof(SoftmaxParams), kAvx2, 1, prepare, launch<&avx2::kSoftmaxVector, kAvx2>};
const Kernel kSoftmaxRowsAvx512 = {"softmax.rows.f32.avx512",
                                   sizeof(SoftmaxParams),
                                   kAvx2 | kAvx512,
                                   1,
                                   prepare,
                                   launch<&avx512::kSoftmaxVector, kAvx2 | kAvx512>};

}  // namespace tenon
