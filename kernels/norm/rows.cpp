// layer_norm.rows.f32 and group_norm.rows.f32: a row, or a group, at a time; the epilogue follows in the output's own
// memory while it is in the cache.
#include <algorithm>
#include <cmath>

#include "norm/check.h"
#include "norm/vector.h"

namespace tenon {
namespace {

constexpr int64_t kMinWork = 8192;   // elements that are worth a thread

template <class Shape>
struct State : KernelState {
  Shape shape;
  int64_t grain = 1;                 // rows, or groups, of one part of the work
};

Status check_types(const PrepareCall& call) {
  TN_TRY(expect_type(call.inputs[0], DType::f32, "x"));
  return expect_type(call.outputs[0], DType::f32, "output");
}

int64_t grain_of(int64_t length) { return std::max<int64_t>(1, kMinWork / std::max<int64_t>(1, length)); }

Status prepare_layer_norm(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State<LayerNormShape>>();
  TN_TRY(check_layer_norm(call, state->shape));
  TN_TRY(check_types(call));
  if (!state->shape.contiguous)
    return fail(Code::invalid_plan, "layer_norm.rows takes scale and bias of the normalised dims only");
  if (state->shape.length == 0) state->shape.rows = 0;
  if (state->shape.rows == 0 && call.outputs.size() > 1)
    return fail(Code::invalid_plan, "layer_norm.rows gives no statistics of empty rows");
  state->grain = grain_of(state->shape.length);
  out.scratch_bytes = kTileScratchBytes * call.threads;
  out.state = std::move(state);
  return {};
}

Status prepare_group_norm(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State<GroupNormShape>>();
  TN_TRY(check_group_norm(call, state->shape));
  TN_TRY(check_types(call));
  state->grain = grain_of(state->shape.channels / call.as<GroupNormParams>().groups * state->shape.spatial);
  out.scratch_bytes = kTileScratchBytes * call.threads;
  out.state = std::move(state);
  return {};
}

// Runs `part(first, last)` over [0, count) in parallel, and the epilogue over the elements of each part.
template <class Part>
void run_parts(const LaunchCall& call, uint32_t features, int64_t count, int64_t grain, int64_t length,
               const Program& epilogue, const TileNest& nest, Part part) {
  const TileFunction tile = tile_function(features);
  const void* operands[kMaxProgramInputs] = {call.outputs[0].data};
  for (size_t k = 3; k < call.inputs.size(); ++k) operands[k - 2] = call.inputs[k].data;
  call.team->parallel_for((count + grain - 1) / grain, [&](int64_t begin, int64_t end, int member) {
    for (int64_t first = begin * grain; first < std::min(end * grain, count); first += grain) {
      const int64_t last = std::min(first + grain, count);
      part(first, last);
      if (!epilogue.empty())
        run_nest(nest, tile, epilogue, operands, call.outputs[0].data, first * length, last * length,
                 static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes);
    }
  });
}

template <const NormVector* Vector, uint32_t Features>
Status launch_layer_norm(const LaunchCall& call) {
  const LayerNormParams& params = call.as<LayerNormParams>();
  const auto& state = *static_cast<const State<LayerNormShape>*>(call.state);
  const LayerNormShape& shape = state.shape;
  const float *scale = call.inputs[1].as<float>(), *bias = call.inputs[2].as<float>();
  const float* x = call.inputs[0].as<float>();
  float* y = call.outputs[0].as<float>();
  auto statistic = [&](size_t i) {
    return i < call.outputs.size() && call.outputs[i].present() ? call.outputs[i].as<float>() : nullptr;
  };
  float *means = statistic(1), *inverses = statistic(2);
  run_parts(call, Features, shape.rows, state.grain, shape.length, params.epilogue, shape.epilogue,
            [&](int64_t first, int64_t last) {
              for (int64_t row = first; row < last; ++row) {
                float mean, variance;
                Vector->moments(x + row * shape.length, shape.length, &mean, &variance);
                const float inverse = 1.0f / std::sqrt(variance + params.epsilon);
                if (means) means[row] = mean;
                if (inverses) inverses[row] = inverse;
                Vector->row(x + row * shape.length, y + row * shape.length, shape.length, mean, inverse, scale, bias);
              }
            });
  return {};
}

template <const NormVector* Vector, uint32_t Features>
Status launch_group_norm(const LaunchCall& call) {
  const GroupNormParams& params = call.as<GroupNormParams>();
  const auto& state = *static_cast<const State<GroupNormShape>*>(call.state);
  const GroupNormShape& shape = state.shape;
  const int64_t per_group = shape.channels / params.groups, length = per_group * shape.spatial;
  const float *x = call.inputs[0].as<float>(), *scale = call.inputs[1].as<float>(), *bias = call.inputs[2].as<float>();
  float* y = call.outputs[0].as<float>();
  run_parts(call, Features, shape.batches * params.groups, state.grain, length, params.epilogue, shape.epilogue,
            [&](int64_t first, int64_t last) {
              for (int64_t group = first; group < last; ++group) {
                float mean, variance;
                Vector->moments(x + group * length, length, &mean, &variance);
                const float inverse = 1.0f / std::sqrt(variance + params.epsilon);
                for (int64_t c = 0; c < per_group; ++c) {
                  const int64_t channel = group % params.groups * per_group + c, at = group * length + c * shape.spatial;
                  const float factor = inverse * scale[channel];
                  Vector->affine(x + at, y + at, shape.spatial, factor, bias[channel] - mean * factor);
                }
              }
            });
  return {};
}

}  // namespace

extern const Kernel kLayerNormRowsAvx2, kLayerNormRowsAvx512, kGroupNormRowsAvx2, kGroupNormRowsAvx512;
const Kernel kLayerNormRowsAvx2 = {"layer_norm.rows.f32.avx2",
                                   sizeof(LayerNormParams),
                                   kAvx2,
                                   1,
                                   prepare_layer_norm,
                                   launch_layer_norm<&avx2::kNormVector, kAvx2>};
const Kernel kLayerNormRowsAvx512 = {"layer_norm.rows.f32.avx512",
                                     sizeof(LayerNormParams),
                                     kAvx2 | kAvx512,
                                     1,
                                     prepare_layer_norm,
                                     launch_layer_norm<&avx512::kNormVector, kAvx2 | kAvx512>};
const Kernel kGroupNormRowsAvx2 = {"group_norm.rows.f32.avx2",
                                   sizeof(GroupNormParams),
                                   kAvx2,
                                   1,
                                   prepare_group_norm,
                                   launch_group_norm<&avx2::kNormVector, kAvx2>};
const Kernel kGroupNormRowsAvx512 = {"group_norm.rows.f32.avx512",
                                     sizeof(GroupNormParams),
                                     kAvx2 | kAvx512,
                                     1,
                                     prepare_group_norm,
                                     launch_group_norm<&avx512::kNormVector, kAvx2 | kAvx512>};

}  // namespace tenon
