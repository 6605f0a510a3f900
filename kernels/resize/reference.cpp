// The definition of resize: every element is the sum over all combinations of its axes' taps.
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/element.h"
#include "common/index.h"
#include "resize/taps.h"

namespace tenon {
namespace {

struct State : KernelState {
  std::vector<resize::Axis> axes;
  int64_t strides[kMaxRank] = {};
};

Status prepare(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State>();
  TN_TRY(resize::prepare(call, state->axes));
  TN_TRY(expect_format(call.inputs[0], kLinear, "resize input"));
  const bool nearest = call.as<ResizeParams>().mode == ResizeMode::nearest;
  if (!nearest && !is_float(call.inputs[0].dtype) && !is_integer(call.inputs[0].dtype))
    return fail(Code::invalid_plan, "resize: elements of {} cannot be interpolated", describe(call.inputs[0]));
  row_major_strides(call.inputs[0].shape(), state->strides);
  out.state = std::move(state);
  return {};
}

bool is_outside(const State& state, const int64_t* index) {
  for (size_t d = 0; d < state.axes.size(); ++d)
    if (!state.axes[d].outside.empty() && state.axes[d].outside[static_cast<size_t>(index[d])]) return true;
  return false;
}

// Calls visit(position in x, weight) for each combination of taps of an element.
template <class F>
void for_each_tap(const State& state, const int64_t* index, size_t d, int64_t at, double weight, F& visit) {
  if (d == state.axes.size()) {
    visit(at, weight);
    return;
  }
  const resize::Axis& axis = state.axes[d];
  if (axis.identity) {
    for_each_tap(state, index, d + 1, at + index[d] * state.strides[d], weight, visit);
    return;
  }
  for (int64_t k = 0; k < axis.taps; ++k) {
    const auto tap = static_cast<size_t>(index[d] * axis.taps + k);
    for_each_tap(state, index, d + 1, at + axis.index[tap] * state.strides[d], weight * axis.weight[tap], visit);
  }
}

// Rounds and saturates for integer types.
template <class E>
typename E::Storage stored(double value) {
  using T = typename E::Storage;
  if constexpr (std::is_same_v<typename E::Value, double>) {
    return E::store(value);
  } else {
    value = std::nearbyint(value);
    if (!(value > static_cast<double>(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();
    if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return static_cast<T>(value);
  }
}

template <class E>
void interpolate(const LaunchCall& call, const State& state) {
  using T = typename E::Storage;
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    double sum = 0;
    auto visit = [&](int64_t at, double weight) {
      const T value = x.as<const T>()[at];
      if constexpr (std::is_integral_v<T> && std::is_same_v<typename E::Value, uint64_t>)
        sum += weight * static_cast<double>(value);
      else
        sum += weight * E::load(value);
    };
    if (is_outside(state, index)) sum = call.as<ResizeParams>().extrapolation_value;
    else for_each_tap(state, index, 0, 0, 1, visit);
    out.as<T>()[flat] = stored<E>(sum);
  });
}

Status launch(const LaunchCall& call) {
  const auto& state = *static_cast<const State*>(call.state);
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const bool any_outside =
      std::any_of(state.axes.begin(), state.axes.end(), [](const resize::Axis& axis) { return !axis.outside.empty(); });
  if (call.as<ResizeParams>().mode != ResizeMode::nearest || any_outside) {
    with_number(x.dtype, [&](auto element) { interpolate<decltype(element)>(call, state); });
    return {};
  }
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    auto visit = [&](int64_t at, double) { copy_element(out.data, flat, x.data, at, size_of(x.dtype)); };
    for_each_tap(state, index, 0, 0, 1, visit);
  });
  return {};
}

}  // namespace

extern const Kernel kResizeReference{"resize.reference", sizeof(ResizeParams), 0, 0, prepare, launch};

}  // namespace tenon
