// pad, a row of the last dim at a time.
#include <algorithm>
#include <vector>

#include "common/index.h"
#include "move/check.h"
#include "move/pad.h"

namespace tenon {
namespace {

struct PadState : KernelState {
  // Of each dim: the source of each position, or -1. The last dim's stretch [copied, copied + length) is one run.
  std::vector<int64_t> source[kMaxRank];
  int64_t run_at = 0, run_length = 0;
};

Status prepare_pad(const PrepareCall& call, Prepared& out) {
  TN_TRY(move::check_pad(call));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  if (y.rank == 0) return fail(Code::invalid_plan, "pad.rows: a tensor without dims has no rows");
  const auto& params = call.as<PadParams>();
  constexpr int64_t kLongest = 1 << 26;
  for (int d = 0; d < y.rank; ++d)
    if (y.count() != 0 && y.dims[d] > kLongest)
      return fail(Code::limit_exceeded, "pad.rows: dim {} of output {} is too long for a table of positions, at most {}", d,
                  describe(y), kLongest);
  auto state = std::make_unique<PadState>();
  if (y.count() != 0)
    for (int d = 0; d < y.rank; ++d)
      for (int64_t i = 0; i < y.dims[d]; ++i)
        state->source[d].push_back(move::padded_source(params.mode, i - params.begins[d], x.dims[d]));
  const int last = y.rank - 1;
  state->run_at = std::clamp<int64_t>(params.begins[last], 0, y.dims[last]);
  const int64_t run_end = std::clamp<int64_t>(params.begins[last] + x.dims[last], 0, y.dims[last]);
  state->run_length = std::max<int64_t>(0, run_end - state->run_at);
  out.state = std::move(state);
  return {};
}

template <class T>
void pad_rows(const LaunchCall& call, const PadState& state, const T& value) {
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  const int last = y.rank - 1;
  const int64_t width = y.dims[last], rows = y.count() / std::max<int64_t>(1, width);
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  const std::vector<int64_t>& source = state.source[last];
  auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row, from = 0;
      bool outside = false;
      for (int d = last; d-- > 0;) {
        int64_t i = state.source[d][static_cast<size_t>(rest % y.dims[d])];
        rest /= y.dims[d];
        outside |= i < 0;
        from += i * strides[d];
      }
      T* to = y.as<T>() + row * width;
      if (outside) {
        std::fill_n(to, width, value);
        continue;
      }
      const T* src = x.as<const T>() + from;
      auto edge = [&](int64_t i) { to[i] = source[static_cast<size_t>(i)] < 0 ? value : src[source[static_cast<size_t>(i)]]; };
      for (int64_t i = 0; i < state.run_at; ++i) edge(i);
      if (state.run_length > 0)
        std::copy_n(src + source[static_cast<size_t>(state.run_at)], state.run_length, to + state.run_at);
      for (int64_t i = state.run_at + state.run_length; i < width; ++i) edge(i);
    }
  };
  if (storage_bytes(y) < 32 << 10) body(0, rows, 0);
  else call.team->parallel_for(rows, body);
}

Status launch_pad(const LaunchCall& call) {
  const auto& state = *static_cast<const PadState*>(call.state);
  const Arg& x = call.inputs[0];
  if (call.outputs[0].count() == 0) return {};
  auto run = [&](auto value) {
    if (call.inputs.size() > 1 && call.inputs[1].present()) std::memcpy(&value, call.inputs[1].data, sizeof value);
    pad_rows(call, state, value);
  };
  switch (size_of(x.dtype)) {
    case 1: run(uint8_t{}); break;
    case 2: run(uint16_t{}); break;
    case 4: run(uint32_t{}); break;
    default: run(uint64_t{}); break;
  }
  return {};
}

}  // namespace

extern const Kernel kPadRows{"pad.rows", sizeof(PadParams), 0, 0, prepare_pad, launch_pad};

}  // namespace tenon
