// The references of layer_norm and group_norm: two passes for mean and variance, in double.
#include <cmath>

#include "base/checked.h"
#include "common/element.h"
#include "norm/check.h"

namespace tenon {
namespace {

template <class Shape>
struct State : KernelState {
  Shape shape;
  int64_t bytes = 0;   // of scratch for the own result, with an epilogue
};

template <class Params, class Shape, Status (*Check)(const PrepareCall&, Shape&)>
Status prepare(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State<Shape>>();
  TN_TRY(Check(call, state->shape));
  auto bytes = scratch_for(state->shape.result);
  auto total = bytes ? checked_add(*bytes, kTileScratchBytes) : bytes;
  if (!total) return fail(Code::limit_exceeded, "{} needs too much memory", describe(state->shape.result));
  state->bytes = call.as<Params>().epilogue.empty() ? 0 : *bytes;
  out.scratch_bytes = state->bytes + kTileScratchBytes;
  out.state = std::move(state);
  return {};
}

struct Moments {
  double mean, inverse;   // of the standard deviation
};

template <class E>
Moments moments(const typename E::Storage* x, int64_t count, double epsilon) {
  double sum = 0, square = 0;
  for (int64_t i = 0; i < count; ++i) sum += E::load(x[i]);
  double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) square += (E::load(x[i]) - mean) * (E::load(x[i]) - mean);
  return {mean, 1 / std::sqrt(square / static_cast<double>(count) + epsilon)};
}

void run_epilogue(const LaunchCall& call, const Program& program, const TileNest& nest, const void* result,
                  void* tile_scratch) {
  if (program.empty()) return;
  const void* operands[kMaxProgramInputs] = {result};
  for (size_t k = 3; k < call.inputs.size(); ++k) operands[k - 2] = call.inputs[k].data;
  run_nest(nest, tile_function(0), program, operands, call.outputs[0].data, 0, nest.count(), tile_scratch);
}

// Where a broadcast vector's element for x's element `index` lies.
int64_t element_of(const BroadcastStrides& strides, const Arg& x, int64_t index) {
  int64_t at = 0;
  for (int i = x.rank - 1; i >= 0; --i) {
    at += index % x.dims[i] * strides.at[i];
    index /= x.dims[i];
  }
  return at;
}

Status launch_layer_norm(const LaunchCall& call) {
  const LayerNormParams& params = call.as<LayerNormParams>();
  const auto& state = *static_cast<const State<LayerNormShape>*>(call.state);
  const LayerNormShape& shape = state.shape;
  const Arg &x = call.inputs[0], &scale = call.inputs[1], &bias = call.inputs[2];
  void* result = params.epilogue.empty() ? call.outputs[0].data : call.scratch;
  with_float(x.dtype, [&](auto element) {
    using E = decltype(element);
    using T = typename E::Storage;
    for (int64_t row = 0; row < shape.rows; ++row) {
      const T* from = x.as<T>() + row * shape.length;
      T* to = static_cast<T*>(result) + row * shape.length;
      Moments m = moments<E>(from, shape.length, params.epsilon);
      for (size_t i = 1; i < call.outputs.size(); ++i)
        if (call.outputs[i].present()) call.outputs[i].as<float>()[row] = static_cast<float>(i == 1 ? m.mean : m.inverse);
      for (int64_t i = 0; i < shape.length; ++i) {
        double y = (E::load(from[i]) - m.mean) * m.inverse;
        int64_t index = row * shape.length + i;
        if (scale.present()) y *= E::load(scale.as<T>()[element_of(shape.scale, x, index)]);
        if (bias.present()) y += E::load(bias.as<T>()[element_of(shape.bias, x, index)]);
        to[i] = E::store(y);
      }
    }
  });
  run_epilogue(call, params.epilogue, shape.epilogue, result, static_cast<std::byte*>(call.scratch) + state.bytes);
  return {};
}

Status launch_group_norm(const LaunchCall& call) {
  const GroupNormParams& params = call.as<GroupNormParams>();
  const auto& state = *static_cast<const State<GroupNormShape>*>(call.state);
  const GroupNormShape& shape = state.shape;
  const Arg& x = call.inputs[0];
  const int64_t per_group = shape.channels / params.groups, count = per_group * shape.spatial;
  void* result = params.epilogue.empty() ? call.outputs[0].data : call.scratch;
  with_float(x.dtype, [&](auto element) {
    using E = decltype(element);
    using T = typename E::Storage;
    for (int64_t group = 0; group < shape.batches * params.groups; ++group) {
      const T* from = x.as<T>() + group * count;
      T* to = static_cast<T*>(result) + group * count;
      Moments m = moments<E>(from, count, params.epsilon);
      for (int64_t i = 0; i < count; ++i) {
        int64_t channel = group % params.groups * per_group + i / shape.spatial;
        double scale = E::load(call.inputs[1].as<T>()[channel]), bias = E::load(call.inputs[2].as<T>()[channel]);
        to[i] = E::store((E::load(from[i]) - m.mean) * m.inverse * scale + bias);
      }
    }
  });
  run_epilogue(call, params.epilogue, shape.epilogue, result, static_cast<std::byte*>(call.scratch) + state.bytes);
  return {};
}

}  // namespace

extern const Kernel kLayerNormReference = {"layer_norm.reference",
                                           sizeof(LayerNormParams),
                                           0,
                                           0,
                                           prepare<LayerNormParams, LayerNormShape, check_layer_norm>,
                                           launch_layer_norm};
extern const Kernel kGroupNormReference = {"group_norm.reference",
                                           sizeof(GroupNormParams),
                                           0,
                                           0,
                                           prepare<GroupNormParams, GroupNormShape, check_group_norm>,
                                           launch_group_norm};

}  // namespace tenon
