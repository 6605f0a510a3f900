// Resizes a row at a time: the rows that an output row is made of are summed first, then the row itself is resized.
//
// A tensor is seen as axes in memory order, then `inner` elements that stay together: 1 for linear, the channels for
// channels_last, a block for blocked formats.
#include <algorithm>

#include "common/index.h"
#include "resize/taps.h"

namespace tenon {
namespace {

struct RowAxis {
  resize::Axis taps;
  int64_t stride = 0;  // of the input, in elements
  std::vector<float> weight;
};

struct State : KernelState {
  std::vector<RowAxis> outer;
  RowAxis last;
  int64_t inner = 1, rows = 1, row_in = 0, row_out = 0;
  int64_t most_taps = 1;  // rows that one output row is made of
};

Status build(const PrepareCall& call, State& state) {
  std::vector<resize::Axis> axes;
  TN_TRY(resize::prepare(call, axes));
  const Arg& x = call.inputs[0];
  const size_t least = x.format == kLinear ? 1 : 3;
  if (axes.size() < least) return fail(Code::invalid_plan, "resize.rows: {} has no rows to resize", describe(x));
  for (const resize::Axis& axis : axes)
    if (!axis.outside.empty()) return fail(Code::invalid_plan, "resize.rows: extrapolation is not done by rows");
  std::vector<resize::Axis> order;
  if (x.format == kLinear) {
    order = std::move(axes);
  } else {
    if (!axes[1].identity) return fail(Code::invalid_plan, "resize.rows: channels are resized in {}", describe(x));
    const bool channels_last = x.format.layout == Layout::channels_last;
    state.inner = channels_last ? x.dims[1] : x.format.block;
    order.push_back(std::move(axes[0]));
    if (!channels_last) {
      resize::Axis blocks;
      blocks.in = blocks.out = (x.dims[1] + x.format.block - 1) / x.format.block;
      order.push_back(std::move(blocks));
    }
    std::move(axes.begin() + 2, axes.end(), std::back_inserter(order));
  }
  int64_t stride = state.inner;
  for (size_t d = order.size(); d-- > 0;) {
    RowAxis row{std::move(order[d]), stride, {}};
    row.weight.assign(row.taps.weight.begin(), row.taps.weight.end());
    stride *= row.taps.in;
    if (d + 1 == order.size()) {
      state.last = std::move(row);
    } else {
      state.rows *= row.taps.out;
      state.most_taps *= row.taps.taps;
      state.outer.insert(state.outer.begin(), std::move(row));
    }
  }
  if (state.most_taps > 1 << 16) return fail(Code::limit_exceeded, "resize.rows: {} taps", state.most_taps);
  state.row_in = state.last.taps.in * state.inner;
  state.row_out = state.last.taps.out * state.inner;
  return {};
}

// Calls visit(offset of the input row, weight) for each row that output row `row` is made of.
template <class F>
void for_each_row(const State& state, int64_t row, F&& visit) {
  int64_t index[kMaxRank], tap[kMaxRank] = {};
  const size_t n = state.outer.size();
  for (size_t d = n; d-- > 0;) {
    index[d] = row % state.outer[d].taps.out;
    row /= state.outer[d].taps.out;
  }
  for (;;) {
    int64_t at = 0;
    float weight = 1;
    for (size_t d = 0; d < n; ++d) {
      const RowAxis& axis = state.outer[d];
      if (axis.taps.identity) {
        at += index[d] * axis.stride;
        continue;
      }
      const auto t = static_cast<size_t>(index[d] * axis.taps.taps + tap[d]);
      at += axis.taps.index[t] * axis.stride;
      weight *= axis.weight[t];
    }
    visit(at, weight);
    size_t d = n;
    while (d-- > 0) {
      if (++tap[d] < state.outer[d].taps.taps) break;
      tap[d] = 0;
    }
    if (d == SIZE_MAX) return;
  }
}

int64_t padded_row(const State& state) { return (state.row_in + 15) / 16 * 16; }

Status prepare_linear(const PrepareCall& call, Prepared& out) {
  TN_TRY(expect_type(call.inputs.empty() ? Arg{} : call.inputs[0], DType::f32, "resize input"));
  auto state = std::make_unique<State>();
  TN_TRY(build(call, *state));
  out.scratch_bytes = padded_row(*state) * 4 * std::max(1, call.threads);
  out.state = std::move(state);
  return {};
}

// to[i] = Σ weight of tap k * from[index of tap k] for each element i of the last axis.
void resize_row(const State& state, const float* from, float* to) {
  const RowAxis& last = state.last;
  const int64_t taps = last.taps.taps, inner = state.inner;
  const int32_t* index = last.taps.index.data();
  const float* weight = last.weight.data();
  if (taps == 2 && inner == 1) {
    for (int64_t i = 0; i < last.taps.out; ++i)
      to[i] = weight[2 * i] * from[index[2 * i]] + weight[2 * i + 1] * from[index[2 * i + 1]];
    return;
  }
  for (int64_t i = 0; i < last.taps.out; ++i)
    for (int64_t k = 0; k < taps; ++k) {
      const float w = weight[i * taps + k];
      const float* src = from + index[i * taps + k] * inner;
      float* dst = to + i * inner;
      if (k == 0) for (int64_t l = 0; l < inner; ++l) dst[l] = w * src[l];
      else for (int64_t l = 0; l < inner; ++l) dst[l] += w * src[l];
    }
}

Status launch_linear(const LaunchCall& call) {
  const auto& state = *static_cast<const State*>(call.state);
  const float* x = call.inputs[0].as<const float>();
  float* out = call.outputs[0].as<float>();
  if (state.rows == 0 || state.row_out == 0) return {};
  auto body = [&](int64_t begin, int64_t end, int member) {
    float* sum = static_cast<float*>(call.scratch) + padded_row(state) * member;
    for (int64_t row = begin; row < end; ++row) {
      float* to = out + row * state.row_out;
      float* target = state.last.taps.identity ? to : sum;
      bool first = true;
      for_each_row(state, row, [&](int64_t at, float w) {
        const float* src = x + at;
        if (first) for (int64_t i = 0; i < state.row_in; ++i) target[i] = w * src[i];
        else for (int64_t i = 0; i < state.row_in; ++i) target[i] += w * src[i];
        first = false;
      });
      if (!state.last.taps.identity) resize_row(state, sum, to);
    }
  };
  call.team->parallel_for(state.rows, body);
  return {};
}

Status prepare_nearest(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State>();
  TN_TRY(build(call, *state));
  if (call.as<ResizeParams>().mode != ResizeMode::nearest)
    return fail(Code::invalid_plan, "resize.rows: only nearest is for any element type");
  out.state = std::move(state);
  return {};
}

template <class T>
void nearest_rows(const LaunchCall& call, const State& state) {
  const T* x = call.inputs[0].as<const T>();
  T* out = call.outputs[0].as<T>();
  const RowAxis& last = state.last;
  auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t at = 0;
      for_each_row(state, row, [&](int64_t from, float) { at = from; });
      const T* src = x + at;
      T* dst = out + row * state.row_out;
      if (last.taps.identity) {
        std::copy_n(src, state.row_out, dst);
      } else if (state.inner == 1) {
        for (int64_t i = 0; i < state.row_out; ++i) dst[i] = src[last.taps.index[static_cast<size_t>(i)]];
      } else {
        for (int64_t i = 0; i < last.taps.out; ++i)
          std::copy_n(src + last.taps.index[static_cast<size_t>(i)] * state.inner, state.inner, dst + i * state.inner);
      }
    }
  };
  call.team->parallel_for(state.rows, body);
}

Status launch_nearest(const LaunchCall& call) {
  const auto& state = *static_cast<const State*>(call.state);
  if (state.rows == 0 || state.row_out == 0) return {};
  switch (size_of(call.inputs[0].dtype)) {
    case 1: nearest_rows<uint8_t>(call, state); break;
    case 2: nearest_rows<uint16_t>(call, state); break;
    case 4: nearest_rows<uint32_t>(call, state); break;
    default: nearest_rows<uint64_t>(call, state); break;
  }
  return {};
}

}  // namespace

extern const Kernel kResizeNearestRows{"resize.nearest_rows", sizeof(ResizeParams), 0, 0, prepare_nearest,
                                       launch_nearest};
extern const Kernel kResizeRows{"resize.rows.f32", sizeof(ResizeParams), 0, 0, prepare_linear, launch_linear};

}  // namespace tenon
