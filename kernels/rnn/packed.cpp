// The schedule of the packed recurrent kernels: inputs are projected for a chunk of steps at once, as one
// product; then each step multiplies the state and applies the gates while they are in registers.
//
// Threads divide the work as RnnDivision says. Sums are made in one order, so that does not change the result.
#include "rnn/packed.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "rnn/cell.h"
#include "rnn/geometry.h"

namespace tenon {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;  // of projected inputs, per direction

struct State : KernelState {
  RnnGeometry g;
  const RnnTable* table = nullptr;
  int64_t blocks = 0, padded = 0;  // of units; `padded` is a multiple of the lanes
  int64_t chunk = 1;               // steps projected at once
  // Offsets into scratch, in floats.
  int64_t projected = 0, cells = 0, update = 0, reset = 0, biases = 0, peepholes = 0, zeros = 0;
};

Status expect_packed(const Arg& arg, const RnnGeometry& g, int64_t k, int64_t lanes, const char* what) {
  const auto bytes = packed_rnn_bytes(g.directions, g.gates, g.hidden, k, lanes);
  if (!bytes) return fail(Code::invalid_plan, "{} is too large", what);
  TN_TRY(expect_type(arg, DType::u8, what));
  TN_TRY(expect_format(arg, kLinear, what));
  return expect_shape(arg, {&*bytes, 1}, what);
}

// Lays parts out one after the other; fails when they cannot be counted.
class Layout {
 public:
  int64_t add(int64_t a, int64_t b, int64_t c) {
    const int64_t at = floats_;
    const auto ab = checked_mul(a, b);
    const auto abc = ab ? checked_mul(*ab, c) : ab;
    const auto sum = abc && *abc <= kMost ? checked_add(floats_, round_up(*abc, 16)) : std::nullopt;
    good_ = good_ && sum && *sum <= kMost;
    if (good_) floats_ = *sum;
    return at;
  }
  bool good() const { return good_; }
  int64_t bytes() const { return floats_ * static_cast<int64_t>(sizeof(float)); }

 private:
  static constexpr int64_t kMost = int64_t{1} << 56;
  int64_t floats_ = 0;
  bool good_ = true;
};

Status prepare(const RnnTable& table, const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<RnnPackedParams>();
  auto state = std::make_unique<State>();
  RnnGeometry& g = state->g;
  TN_TRY(rnn_geometry(params, call.inputs, call.outputs, g));
  TN_TRY(expect_type(call.inputs[0], DType::f32, "x"));
  if (params.division < RnnDivision::sequences || params.division > RnnDivision::turns)
    return fail(Code::invalid_plan, "there is no division {} of a recurrent layer", static_cast<int64_t>(params.division));
  const int count = static_cast<int>(g.directions) * rnn_functions(params.kind);
  for (int i = 0; i < count; ++i)
    if (!has_packed_rnn(params.functions[i].kind))
      return fail(Code::invalid_plan, "activations must be relu, tanh or sigmoid");
  TN_TRY(expect_packed(call.inputs[1], g, g.input, table.lanes, "packed w"));
  TN_TRY(expect_packed(call.inputs[2], g, g.hidden, table.lanes, "packed r"));
  state->table = &table;
  state->blocks = ceil_div(g.hidden, table.lanes);
  state->padded = state->blocks * table.lanes;
  const auto row = checked_mul(g.gates * state->padded * 4, std::max<int64_t>(g.batch, 1));
  state->chunk = std::clamp<int64_t>(row ? kChunkBytes / *row : 1, 1, std::max<int64_t>(g.steps, 1));
  Layout layout;
  const int64_t sequences = g.directions * g.batch, padded = state->padded;
  state->projected = layout.add(sequences * state->chunk, g.gates, padded);
  state->cells = layout.add(sequences, padded, params.kind == RnnKind::lstm);
  state->update = layout.add(sequences, padded, rnn_two_segments(params));
  state->reset = layout.add(sequences, padded, rnn_two_segments(params));
  state->biases = layout.add(g.directions, g.gates + 1, padded);
  state->peepholes = layout.add(g.directions, 3, padded);
  state->zeros = layout.add(1, 1, padded);
  if (!layout.good())
    return fail(Code::invalid_plan, "x needs more scratch than can be counted: {}", describe(call.inputs[0]));
  prepared.scratch_bytes = layout.bytes();
  prepared.state = std::move(state);
  return {};
}

class Layer {
 public:
  explicit Layer(const LaunchCall& call)
      : call_(call),
        params_(call.as<RnnPackedParams>()),
        s_(*static_cast<const State*>(call.state)),
        g_(s_.g),
        args_(rnn_args(call.inputs, call.outputs)),
        scratch_(static_cast<float*>(call.scratch)) {}

  void run() {
    for (int64_t d = 0; d < g_.directions; ++d) load_biases(d);
    std::fill_n(scratch_ + s_.zeros, s_.padded, 0.0f);
    int64_t longest = 0;
    for (int64_t n = 0; n < g_.batch; ++n) longest = std::max(longest, length(n));
    if (params_.division != RnnDivision::sequences && g_.batch < call_.team->size()) {
      each(g_.directions, [&](int64_t d) { begin(d, 0, g_.batch); });
      const int64_t together = params_.division == RnnDivision::turns ? 1 : g_.directions;
      for (int64_t turn = 0; turn < g_.directions; turn += together)
        for (int64_t first = 0; first < longest; first += s_.chunk) {
          const int64_t last = std::min(first + s_.chunk, longest);
          each_block(turn, together,
                     [&](int64_t d, int64_t from, int64_t to) { project(d, 0, g_.batch, first, last, from, to); });
          for (int64_t step = first; step < last; ++step)
            for (int phase = 0; phase < phases(); ++phase)
              each_block(turn, together, [&](int64_t d, int64_t from, int64_t to) {
                advance(d, 0, g_.batch, step, phase, from, to, first);
              });
        }
      each(g_.directions, [&](int64_t d) { finish(d, 0, g_.batch); });
      return;
    }
    const int64_t groups =
        std::clamp<int64_t>(call_.team->size() / g_.directions, 1, std::max<int64_t>(g_.batch, 1));
    each(g_.directions * groups, [&](int64_t unit) {
      const int64_t d = unit % g_.directions, group = unit / g_.directions;
      const int64_t low = g_.batch * group / groups, high = g_.batch * (group + 1) / groups;
      begin(d, low, high);
      for (int64_t first = 0; first < longest; first += s_.chunk) {
        const int64_t last = std::min(first + s_.chunk, longest);
        project(d, low, high, first, last, 0, s_.blocks);
        for (int64_t step = first; step < last; ++step)
          for (int phase = 0; phase < phases(); ++phase)
            advance(d, low, high, step, phase, 0, s_.blocks, first);
      }
      finish(d, low, high);
    });
  }

 private:
  template <class F>
  void each(int64_t count, F&& fn) {
    call_.team->parallel_for(count, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) fn(i);
    });
  }
  // The blocks of `count` directions from `first` on.
  template <class F>
  void each_block(int64_t first, int64_t count, F&& fn) {
    call_.team->parallel_for(count * s_.blocks, [&](int64_t begin, int64_t end, int) {
      for (int64_t d = begin / s_.blocks; d * s_.blocks < end; ++d)
        fn(first + d, std::max<int64_t>(begin - d * s_.blocks, 0), std::min(end - d * s_.blocks, s_.blocks));
    });
  }

  int64_t length(int64_t n) const { return sequence_length(g_, args_.lens, n); }
  int phases() const { return rnn_two_segments(params_) ? 2 : 1; }
  bool reversed(int64_t d) const { return params_.direction == RnnDirection::reverse || d == 1; }
  int64_t time(int64_t d, int64_t n, int64_t step) const { return reversed(d) ? length(n) - 1 - step : step; }
  float* y(int64_t d, int64_t n, int64_t step) const {
    return args_.y.as<float>() + time(d, n, step) * g_.y_step + d * g_.y_direction + n * g_.y_item;
  }
  int64_t state_at(int64_t d, int64_t n) const { return d * g_.state_direction + n * g_.state_item; }
  float* per_sequence(int64_t part, int64_t d, int64_t n) const {
    return scratch_ + part + (d * g_.batch + n) * s_.padded;
  }
  // [blocks][gates][lanes] of a projected step.
  float* projected(int64_t d, int64_t n, int64_t step_of_chunk) const {
    return scratch_ + s_.projected + ((d * g_.batch + n) * s_.chunk + step_of_chunk) * g_.gates * s_.padded;
  }
  // [blocks][gates][lanes], then [padded]: the recurrent bias that a linear GRU keeps apart.
  float* bias(int64_t d) const { return scratch_ + s_.biases + d * (g_.gates + 1) * s_.padded; }

  void load_biases(int64_t d) {
    const int64_t lanes = s_.table->lanes, h = g_.hidden;
    std::fill_n(bias(d), (g_.gates + 1) * s_.padded, 0.0f);
    const float* b = args_.b.present() ? args_.b.as<const float>() + d * 2 * g_.gates * h : nullptr;
    for (int64_t gate = 0; b && gate < g_.gates; ++gate)
      for (int64_t j = 0; j < h; ++j) {
        float& to = bias(d)[(j / lanes * g_.gates + gate) * lanes + j % lanes];
        const float recurrent = b[(g_.gates + gate) * h + j];
        to = b[gate * h + j];
        if (params_.kind == RnnKind::gru && params_.linear_before_reset && gate == 2)
          bias(d)[g_.gates * s_.padded + j] = recurrent;
        else
          to += recurrent;
      }
    float* p = scratch_ + s_.peepholes + d * 3 * s_.padded;
    for (int64_t i = 0; args_.p.present() && i < 3; ++i) {
      std::fill_n(p + i * s_.padded, s_.padded, 0.0f);
      std::copy_n(args_.p.as<const float>() + (d * 3 + i) * h, h, p + i * s_.padded);
    }
  }

  void begin(int64_t d, int64_t low, int64_t high) {
    for (int64_t n = low; n < high; ++n) {
      if (params_.kind == RnnKind::lstm) {
        std::fill_n(per_sequence(s_.cells, d, n), s_.padded, 0.0f);
        if (args_.initial_c.present() && length(n) > 0)
          std::copy_n(args_.initial_c.as<const float>() + state_at(d, n), g_.hidden,
                      per_sequence(s_.cells, d, n));
      }
      for (int64_t t = length(n); t < g_.steps; ++t)
        std::fill_n(args_.y.as<float>() + t * g_.y_step + d * g_.y_direction + n * g_.y_item, g_.hidden,
                    0.0f);
    }
  }

  void finish(int64_t d, int64_t low, int64_t high) {
    for (int64_t n = low; n < high; ++n) {
      if (args_.y_h.present())
        std::copy_n(before(d, n, length(n)), g_.hidden, args_.y_h.as<float>() + state_at(d, n));
      if (args_.y_c.present())
        std::copy_n(per_sequence(s_.cells, d, n), g_.hidden, args_.y_c.as<float>() + state_at(d, n));
    }
  }

  // The state before a step: the output of the one before, the initial state, or zeros.
  const float* before(int64_t d, int64_t n, int64_t step) const {
    if (step > 0) return y(d, n, step - 1);
    if (args_.initial_h.present() && length(n) > 0) return args_.initial_h.as<const float>() + state_at(d, n);
    return scratch_ + s_.zeros;
  }

  const float* weights(const Arg& packed, int64_t d, int64_t k) const {
    return packed.as<const float>() + d * g_.gates * s_.padded * k;
  }

  void project(int64_t d, int64_t low, int64_t high, int64_t first, int64_t last, int64_t from, int64_t to) {
    const int64_t panel = g_.gates * s_.table->lanes;
    for (int64_t block = from; block < to; ++block) {
      RnnProjection tile;
      tile.k = g_.input;
      tile.panel = weights(args_.w, d, g_.input) + block * panel * g_.input;
      tile.bias = bias(d) + block * panel;
      auto flush = [&] {
        if (tile.rows > 0) s_.table->project[g_.gates](tile);
        tile.rows = 0;
      };
      for (int64_t n = low; n < high; ++n)
        for (int64_t step = first; step < std::min(last, length(n)); ++step) {
          tile.a[tile.rows] = args_.x.as<const float>() + time(d, n, step) * g_.x_step + n * g_.x_item;
          tile.out[tile.rows] = projected(d, n, step - first) + block * panel;
          if (++tile.rows == s_.table->max_rows) flush();
        }
      flush();
    }
  }

  void advance(int64_t d, int64_t low, int64_t high, int64_t step, int phase, int64_t from, int64_t to,
               int64_t first) {
    const int64_t lanes = s_.table->lanes, gates = g_.gates;
    const int64_t head = phases() == 2 ? 2 : gates;  // gates of the first segment
    const RnnFunction* functions = params_.functions + d * rnn_functions(params_.kind);
    RnnCell cell;
    cell.k = g_.hidden;
    cell.f = functions[0].kind, cell.g = functions[1].kind, cell.out = functions[2].kind;
    cell.clip = params_.clip > 0 ? static_cast<float>(params_.clip) : std::numeric_limits<float>::infinity();
    cell.input_forget = params_.input_forget != 0;
    for (int64_t block = from; block < to; ++block) {
      cell.unit = block * lanes;
      cell.units = std::min(lanes, g_.hidden - cell.unit);
      cell.panel = weights(args_.r, d, g_.hidden) +
                   (phase == 0 ? block * head : s_.blocks * head + block) * lanes * g_.hidden;
      cell.bias = bias(d) + gates * s_.padded + cell.unit;
      for (int i = 0; args_.p.present() && i < 3; ++i)
        cell.peephole[i] = scratch_ + s_.peepholes + (d * 3 + i) * s_.padded + cell.unit;
      cell.rows = 0;
      for (int64_t n = low; n < high; ++n) {
        if (step < length(n)) add_row(cell, d, n, step, step - first, block * gates * lanes);
        if (cell.rows == s_.table->max_rows || (n + 1 == high && cell.rows > 0)) {
          compute(cell, phase);
          cell.rows = 0;
        }
      }
    }
  }

  void add_row(RnnCell& cell, int64_t d, int64_t n, int64_t step, int64_t step_of_chunk, int64_t gate_at) {
    const int64_t r = cell.rows++;
    cell.x[r] = projected(d, n, step_of_chunk) + gate_at;
    cell.h[r] = before(d, n, step);
    cell.y[r] = y(d, n, step);
    cell.c[r] = per_sequence(s_.cells, d, n);
    cell.z[r] = per_sequence(s_.update, d, n);
    cell.reset[r] = per_sequence(s_.reset, d, n);
  }

  void compute(const RnnCell& cell, int phase) {
    switch (params_.kind) {
      case RnnKind::rnn: return s_.table->rnn(cell);
      case RnnKind::lstm: return s_.table->lstm(cell);
      case RnnKind::gru:
        if (phases() == 1) return s_.table->gru_linear(cell);
        return (phase == 0 ? s_.table->gru_reset : s_.table->gru_update)(cell);
    }
  }

  const LaunchCall& call_;
  const RnnPackedParams& params_;
  const State& s_;
  const RnnGeometry& g_;
  RnnArgs args_;
  float* scratch_;
};

Status launch(const LaunchCall& call) {
  const RnnGeometry& g = static_cast<const State*>(call.state)->g;
  TN_TRY(check_sequence_lens(g, rnn_args(call.inputs, call.outputs).lens));
  Layer(call).run();
  return {};
}

Status prepare_avx2(const PrepareCall& call, Prepared& out) { return prepare(avx2::kRnn, call, out); }
Status prepare_avx512(const PrepareCall& call, Prepared& out) { return prepare(avx512::kRnn, call, out); }

}  // namespace

extern const Kernel kRnnPackedAvx2{
    "rnn.packed.f32.avx2", sizeof(RnnPackedParams), kAvx2, 0, prepare_avx2, launch};
extern const Kernel kRnnPackedAvx512{
    "rnn.packed.f32.avx512", sizeof(RnnPackedParams), kAvx512, 0, prepare_avx512, launch};

}  // namespace tenon
