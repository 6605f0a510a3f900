// rnn.pack.f32: see pack.h.
#include "rnn/pack.h"

#include "base/checked.h"
#include "common/kernel.h"

namespace tenon {

std::optional<int64_t> packed_rnn_bytes(int64_t directions, int64_t gates, int64_t hidden, int64_t k,
                                        int64_t lanes) {
  if (directions < 0 || gates < 0 || hidden < 0 || k < 0 || hidden > INT64_MAX - lanes) return std::nullopt;
  std::optional<int64_t> bytes =
      checked_mul(round_up(hidden, lanes), gates * static_cast<int64_t>(sizeof(float)));
  if (bytes) bytes = checked_mul(*bytes, k);
  return bytes ? checked_mul(*bytes, directions) : bytes;
}

namespace {

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const auto& params = call.as<RnnPackParams>();
  const Arg& w = call.inputs[0];
  if (params.kind < RnnKind::rnn || params.kind > RnnKind::gru)
    return fail(Code::invalid_plan, "kind must be 0 to 2");
  if (params.lanes != 8 && params.lanes != 16)
    return fail(Code::invalid_plan, "lanes must be 8 or 16, it is {}", params.lanes);
  if (params.two_segments < 0 || params.two_segments > (params.kind == RnnKind::gru))
    return fail(Code::invalid_plan, "two_segments must be 0, or 1 for a GRU");
  TN_TRY(expect_type(w, DType::f32, "weights"));
  TN_TRY(expect_format(w, kLinear, "weights"));
  TN_TRY(expect_rank(w, 3, 3, "weights"));
  const int64_t gates = rnn_gates(params.kind);
  if (w.dims[1] % gates != 0)
    return fail(Code::invalid_plan, "weights must have a multiple of {} rows, it is {}", gates, describe(w));
  const auto bytes = packed_rnn_bytes(w.dims[0], gates, w.dims[1] / gates, w.dims[2], params.lanes);
  if (!bytes) return fail(Code::invalid_plan, "weights are too large to pack: {}", describe(w));
  TN_TRY(expect_type(call.outputs[0], DType::u8, "packed weights"));
  return expect_shape(call.outputs[0], {&*bytes, 1}, "packed weights");
}

// One panel from rows first … first + gates of every unit.
void pack_panel(const float* w, int64_t hidden, int64_t k, int64_t first, int64_t gates, int64_t unit,
                int64_t lanes, float* panel) {
  for (int64_t i = 0; i < k; ++i)
    for (int64_t g = 0; g < gates; ++g)
      for (int64_t lane = 0; lane < lanes; ++lane)
        *panel++ = unit + lane < hidden ? w[((first + g) * hidden + unit + lane) * k + i] : 0.0f;
}

Status launch(const LaunchCall& call) {
  const auto& params = call.as<RnnPackParams>();
  const Arg& w = call.inputs[0];
  const int64_t gates = rnn_gates(params.kind), hidden = w.dims[1] / gates, k = w.dims[2],
                lanes = params.lanes;
  const int64_t blocks = ceil_div(hidden, lanes), each = gates * hidden * k,
                packed = blocks * lanes * gates * k;
  if (packed == 0) return {};
  call.team->parallel_for(w.dims[0] * blocks, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t block = unit % blocks;
      const float* from = w.as<const float>() + unit / blocks * each;
      float* to = call.outputs[0].as<float>() + unit / blocks * packed;
      const int64_t head = params.two_segments ? gates - 1 : gates;
      pack_panel(from, hidden, k, 0, head, block * lanes, lanes, to + block * k * head * lanes);
      if (head < gates)
        pack_panel(from, hidden, k, head, 1, block * lanes, lanes, to + (blocks * head + block) * k * lanes);
    }
  });
  return {};
}

}  // namespace

extern const Kernel kRnnPack{"rnn.pack.f32", sizeof(RnnPackParams), 0, 0, prepare, launch};

}  // namespace tenon
