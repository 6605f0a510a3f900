// rnn.reference: RNN, LSTM and GRU of any float type, computed in double, as ONNX's operator pages define
// them. Where those pages leave room, as ONNX Runtime does: `clip` bounds the gates before their activation
// and not the cell state that an LSTM's h takes; after a sequence's length y is 0; a sequence of no steps has
// states of 0.
#include <algorithm>
#include <cmath>

#include "common/element.h"
#include "rnn/geometry.h"

namespace tenon {
namespace {

struct State : KernelState {
  RnnGeometry geometry;
};

// Doubles that one thread needs: states h and c, gates, and the GRU's reset state or recurrent part.
int64_t scratch_doubles(const RnnGeometry& g) { return (g.gates + 3) * g.hidden; }

Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  TN_TRY(rnn_geometry(call.as<RnnParams>(), call.inputs, call.outputs, state->geometry));
  const RnnArgs args = rnn_args(call.inputs, call.outputs);
  if (!with_float(args.x.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "x must have a float type, it is {}", describe(args.x));
  TN_TRY(expect_rnn_weights(state->geometry, args));
  prepared.scratch_bytes =
      call.threads * scratch_doubles(state->geometry) * static_cast<int64_t>(sizeof(double));
  prepared.state = std::move(state);
  return {};
}

double activate(const RnnFunction& f, double x) {
  switch (f.kind) {
    case RnnActivation::relu: return std::max(x, 0.0);
    case RnnActivation::tanh: return std::tanh(x);
    case RnnActivation::sigmoid: return 1 / (1 + std::exp(-x));
    case RnnActivation::affine: return f.alpha * x + f.beta;
    case RnnActivation::leaky_relu: return x < 0 ? f.alpha * x : x;
    case RnnActivation::thresholded_relu: return x >= f.alpha ? x : 0;
    case RnnActivation::scaled_tanh: return f.alpha * std::tanh(f.beta * x);
    case RnnActivation::hard_sigmoid: return std::min(std::max(f.alpha * x + f.beta, 0.0), 1.0);
    case RnnActivation::elu: return x < 0 ? f.alpha * std::expm1(x) : x;
    case RnnActivation::softsign: return x / (1 + std::abs(x));
    case RnnActivation::softplus: return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  return x;
}

// One sequence of one direction.
template <class E>
class Sequence {
 public:
  using T = typename E::Storage;

  Sequence(const RnnParams& params, const RnnGeometry& g, const RnnArgs& args, int64_t direction,
           int64_t item, double* scratch)
      : params_(params), g_(g), args_(args), f_(params.functions + direction * rnn_functions(params.kind)) {
    h_ = scratch, c_ = h_ + g.hidden, gate_ = c_ + g.hidden, other_ = gate_ + g.gates * g.hidden;
    // An operand that is absent or without elements has no address, and none is computed from it.
    auto at = [](auto* data, int64_t offset) { return data ? data + offset : nullptr; };
    x_ = at(args.x.as<const T>(), item * g.x_item);
    y_ = at(args.y.as<T>(), direction * g.y_direction + item * g.y_item);
    w_ = at(args.w.as<const T>(), direction * g.gates * g.hidden * g.input);
    r_ = at(args.r.as<const T>(), direction * g.gates * g.hidden * g.hidden);
    if (args.b.present()) b_ = args.b.as<const T>() + direction * 2 * g.gates * g.hidden;
    if (args.p.present()) p_ = args.p.as<const T>() + direction * 3 * g.hidden;
    state_ = direction * g.state_direction + item * g.state_item;
    reverse_ = params.direction == RnnDirection::reverse || direction == 1;
  }

  void run(int64_t length) {
    for (int64_t j = 0; j < g_.hidden; ++j) {
      h_[j] =
          length > 0 && args_.initial_h.present() ? E::load(args_.initial_h.as<const T>()[state_ + j]) : 0;
      c_[j] =
          length > 0 && args_.initial_c.present() ? E::load(args_.initial_c.as<const T>()[state_ + j]) : 0;
    }
    for (int64_t s = 0; s < length; ++s) {
      const int64_t t = reverse_ ? length - 1 - s : s;
      switch (params_.kind) {
        case RnnKind::rnn: step_rnn(x_ + t * g_.x_step); break;
        case RnnKind::lstm: step_lstm(x_ + t * g_.x_step); break;
        case RnnKind::gru: step_gru(x_ + t * g_.x_step); break;
      }
      for (int64_t j = 0; j < g_.hidden; ++j) y_[t * g_.y_step + j] = E::store(h_[j]);
    }
    for (int64_t t = length; t < g_.steps; ++t)
      for (int64_t j = 0; j < g_.hidden; ++j) y_[t * g_.y_step + j] = E::store(0);
    for (int64_t j = 0; j < g_.hidden; ++j) {
      if (args_.y_h.present()) args_.y_h.as<T>()[state_ + j] = E::store(h_[j]);
      if (args_.y_c.present()) args_.y_c.as<T>()[state_ + j] = E::store(c_[j]);
    }
  }

 private:
  double call(int function, double x) const {
    if (params_.clip > 0) x = std::min(std::max(x, -params_.clip), params_.clip);
    return activate(f_[function], x);
  }
  double from_input(const T* x, int64_t row) const {
    double sum = b_ ? E::load(b_[row]) : 0;
    for (int64_t i = 0; i < g_.input; ++i) sum += E::load(x[i]) * E::load(w_[row * g_.input + i]);
    return sum;
  }
  double from_state(const double* h, int64_t row) const {
    double sum = b_ ? E::load(b_[g_.gates * g_.hidden + row]) : 0;
    for (int64_t i = 0; i < g_.hidden; ++i) sum += h[i] * E::load(r_[row * g_.hidden + i]);
    return sum;
  }
  double peephole(int64_t which, int64_t j, double c) const {
    return p_ ? E::load(p_[which * g_.hidden + j]) * c : 0;
  }

  void step_rnn(const T* x) {
    for (int64_t j = 0; j < g_.hidden; ++j) gate_[j] = call(0, from_input(x, j) + from_state(h_, j));
    std::copy(gate_, gate_ + g_.hidden, h_);
  }

  void step_lstm(const T* x) {
    const int64_t n = g_.hidden;
    for (int64_t row = 0; row < 4 * n; ++row) gate_[row] = from_input(x, row) + from_state(h_, row);
    for (int64_t j = 0; j < n; ++j) {
      const double in = call(0, gate_[j] + peephole(0, j, c_[j]));
      const double forget = params_.input_forget ? 1 - in : call(0, gate_[2 * n + j] + peephole(2, j, c_[j]));
      c_[j] = forget * c_[j] + in * call(1, gate_[3 * n + j]);
      const double out = call(0, gate_[n + j] + peephole(1, j, c_[j]));
      h_[j] = out * activate(f_[2], c_[j]);
    }
  }

  void step_gru(const T* x) {
    const int64_t n = g_.hidden;
    for (int64_t row = 0; row < 2 * n; ++row) gate_[row] = call(0, from_input(x, row) + from_state(h_, row));
    const double *update = gate_, *reset = gate_ + n;
    for (int64_t j = 0; j < n; ++j) other_[j] = reset[j] * h_[j];
    for (int64_t j = 0; j < n; ++j) {
      const double recurrent =
          params_.linear_before_reset ? reset[j] * from_state(h_, 2 * n + j) : from_state(other_, 2 * n + j);
      gate_[2 * n + j] = call(1, from_input(x, 2 * n + j) + recurrent);
    }
    for (int64_t j = 0; j < n; ++j) h_[j] = (1 - update[j]) * gate_[2 * n + j] + update[j] * h_[j];
  }

  const RnnParams& params_;
  const RnnGeometry& g_;
  const RnnArgs& args_;
  const RnnFunction* f_;
  double *h_, *c_, *gate_, *other_;
  const T *x_, *w_, *r_, *b_ = nullptr, *p_ = nullptr;
  T* y_;
  int64_t state_;
  bool reverse_;
};

template <class E>
void run(const LaunchCall& call, const RnnGeometry& g, const RnnArgs& args) {
  call.team->parallel_for(g.directions * g.batch, [&](int64_t begin, int64_t end, int member) {
    double* scratch = static_cast<double*>(call.scratch) + member * scratch_doubles(g);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t item = unit % g.batch;
      Sequence<E>(call.as<RnnParams>(), g, args, unit / g.batch, item, scratch)
          .run(sequence_length(g, args.lens, item));
    }
  });
}

Status launch(const LaunchCall& call) {
  const RnnGeometry& g = static_cast<const State*>(call.state)->geometry;
  const RnnArgs args = rnn_args(call.inputs, call.outputs);
  TN_TRY(check_sequence_lens(g, args.lens));
  with_float(args.x.dtype, [&](auto element) { run<decltype(element)>(call, g, args); });
  return {};
}

}  // namespace

extern const Kernel kRnnReference{"rnn.reference", sizeof(RnnParams), 0, 0, prepare, launch};

}  // namespace tenon
