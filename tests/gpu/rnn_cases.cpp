// rnn: every variant of the op, by launches a step and by clusters, small and odd sizes.
#include <cmath>

#include "cuda/rnn_params.h"
#include "gpu/case_tables.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

struct Element {
  DType storage = f32;
  bool tf32 = false;
};
constexpr Element kExact = {f32}, kTf32 = {f32, true}, kHalf = {f16}, kBrain = {bf16};

struct Layer {
  RnnKind kind = RnnKind::lstm;
  int64_t steps = 5, batch = 3, input = 10, hidden = 20;
  RnnDirection direction = RnnDirection::forward;
  bool b = true, lens = false, states = true, p = false;
  int64_t layout = 0, linear = 0, input_forget = 0;
  double clip = 0;
  std::vector<RnnFunction> functions = {};   // empty: the defaults
  int outputs = 3;
  bool dynamic = false;
};

std::vector<RnnFunction> default_functions(RnnKind kind) {
  const RnnFunction sigmoid = {RnnActivation::sigmoid, 0, 0}, tanh = {RnnActivation::tanh, 0, 0};
  if (kind == RnnKind::rnn) return {tanh};
  if (kind == RnnKind::gru) return {sigmoid, tanh};
  return {sigmoid, tanh, tanh};
}

Case make(const Layer& l, Element e, int64_t rows, int64_t blocks) {
  CudaRnnParams own;
  RnnParams& p = own.rnn;
  p.kind = l.kind;
  p.direction = l.direction;
  p.hidden = l.hidden;
  p.layout = l.layout;
  p.linear_before_reset = l.linear;
  p.input_forget = l.input_forget;
  p.clip = l.clip;
  const std::vector<RnnFunction> functions = l.functions.empty() ? default_functions(l.kind) : l.functions;
  const int64_t d = l.direction == RnnDirection::bidirectional ? 2 : 1, g = rnn_gates(l.kind), h = l.hidden;
  const size_t count = static_cast<size_t>(d * rnn_functions(l.kind));
  for (size_t i = 0; i < count; ++i) p.functions[i] = functions[i % functions.size()];
  own.math = e.tf32 ? CudaMath::tf32 : CudaMath::exact;
  own.rows = rows;
  own.blocks = blocks;
  Case c{fmt::format("{} {}{} [{},{},{}] of {}, {}, {}{}{}{}{}{}, {} blocks x {}{}",
                     l.kind == RnnKind::rnn ? "rnn" : l.kind == RnnKind::lstm ? "lstm" : "gru", name_of(e.storage),
                     e.tf32 ? " tf32" : "", l.steps, l.batch, l.input, h, static_cast<int64_t>(l.direction), l.b ? "" : "no b ",
                     l.lens ? "lens " : "", l.states ? "" : "no states ", l.p ? "p " : "", l.linear ? "linear " : "",
                     l.layout ? "batch first " : "", blocks, rows, l.dynamic ? " dynamic" : ""),
         "cuda.rnn", "rnn.reference"};
  c.with(own);
  c.reference_params.assign(reinterpret_cast<const std::byte*>(&p), reinterpret_cast<const std::byte*>(&p + 1));
  auto floats = [&](D dims, double range) { return Spec(f32, std::move(dims)).range(-range, range).stored(e.storage); };
  const bool lstm = l.kind == RnnKind::lstm;
  const D x = l.layout ? D{l.batch, l.steps, l.input} : D{l.steps, l.batch, l.input};
  const D y = l.layout ? D{l.batch, l.steps, d, h} : D{l.steps, d, l.batch, h};
  const D state = l.layout ? D{l.batch, d, h} : D{d, l.batch, h};
  const double narrow = 1.5 / std::sqrt(static_cast<double>(h)), wide = 1.5 / std::sqrt(static_cast<double>(std::max<int64_t>(1, l.input)));
  c.inputs = {floats(x, 1), floats({d, g * h, l.input}, wide), floats({d, g * h, h}, narrow)};
  c.inputs.resize(lstm ? 8 : 6);
  if (l.b) c.inputs[3] = floats({d, 2 * g * h}, 0.3);
  if (l.lens) c.inputs[4] = Spec(i32, {l.batch}).range(0, static_cast<double>(l.steps));
  if (l.states) c.inputs[5] = floats(state, 1);
  if (l.states && lstm) c.inputs[6] = floats(state, 1);
  if (l.p && lstm) c.inputs[7] = floats({d, 3 * h}, 0.5);
  c.outputs = {floats(y, 1)};
  for (int i = 1; i < std::min(l.outputs, lstm ? 3 : 2); ++i) c.outputs.push_back(floats(state, 1));
  if (l.dynamic) {
    c.inputs[0] = c.inputs[0].dynamic(3);
    c.outputs[0] = c.outputs[0].dynamic(l.layout ? 3 : 5);
    for (size_t i : {5, 6})
      if (i < c.inputs.size() && l.states) c.inputs[i] = c.inputs[i].dynamic(l.layout ? 1 : 2);
  }
  // Errors of one step go into the next.
  c.scale = e.tf32 ? 100 : e.storage == f32 ? 2 : 3;
  c.operations = 2.0 * static_cast<double>(l.steps * l.batch * d * g * h) * static_cast<double>(l.input + h);
  return c;
}

std::vector<Layer> variants() {
  using enum RnnDirection;
  std::vector<Layer> out;
  auto add = [&](auto change) {
    for (RnnKind kind : {RnnKind::rnn, RnnKind::lstm, RnnKind::gru})
      for (int64_t linear : {0, 1}) {
        if (linear && kind != RnnKind::gru) continue;
        Layer l;
        l.kind = kind;
        l.linear = linear;
        change(l);
        out.push_back(l);
      }
  };
  add([](Layer&) {});
  add([](Layer& l) { l.direction = reverse; l.b = false; });
  add([](Layer& l) { l.direction = bidirectional; l.lens = true; l.p = true; l.batch = 9; l.steps = 7; });
  add([](Layer& l) { l.direction = bidirectional; l.layout = 1; l.lens = true; l.clip = 0.4; l.hidden = 33; });
  add([](Layer& l) { l.direction = reverse; l.lens = true; l.states = false; l.input_forget = 1; l.p = true; l.dynamic = true; });
  add([](Layer& l) { l.states = false; l.b = false; l.outputs = 1; l.hidden = 64; l.input = 32; l.batch = 8; });
  add([](Layer& l) { l.hidden = 1; l.input = 1; l.batch = 24; l.steps = 1; });
  add([](Layer& l) { l.hidden = 130; l.input = 70; l.batch = 17; l.layout = 1; l.dynamic = true; });
  add([](Layer& l) { l.batch = 70; l.steps = 2; l.lens = true; });
  add([](Layer& l) { l.input = 0; });
  add([](Layer& l) { l.steps = 0; });
  add([](Layer& l) { l.batch = 0; });
  return out;
}

// Every activation function, another one in the other direction.
std::vector<Layer> activations() {
  using enum RnnActivation;
  const std::vector<RnnFunction> all = {
      {relu, 0, 0},           {affine, 0.5, 0.1},       {leaky_relu, 0.1, 0}, {thresholded_relu, 0.2, 0},
      {scaled_tanh, 0.8, 1.2}, {hard_sigmoid, 0.3, 0.4}, {elu, 0.7, 0},        {softsign, 0, 0},
      {softplus, 0, 0},       {sigmoid, 0, 0}};
  std::vector<Layer> out;
  for (size_t i = 0; i < all.size(); ++i) {
    Layer l;
    l.kind = RnnKind::rnn;
    l.direction = RnnDirection::bidirectional;
    l.functions = {all[i], all[(i + 3) % all.size()]};
    l.steps = 3;
    out.push_back(l);
  }
  Layer l;
  l.functions = {{hard_sigmoid, 0.2, 0.5}, {softsign, 0, 0}, {scaled_tanh, 0.9, 1.1}, {sigmoid, 0, 0}, {relu, 0, 0}, {tanh, 0, 0}};
  l.direction = RnnDirection::bidirectional;
  out.push_back(l);
  l.kind = RnnKind::gru;
  l.functions = {{hard_sigmoid, 0.2, 0.5}, {elu, 1, 0}, {sigmoid, 0, 0}, {softsign, 0, 0}};
  out.push_back(l);
  return out;
}

}  // namespace

void rnn_cases(std::vector<Case>& out) {
  int number = 0;
  for (const Layer& l : variants()) {
    ++number;
    for (Element e : {kExact, kTf32, kHalf, kBrain}) {
      // Of tf32 and bf16 half: they differ from f32 and f16 in their products only.
      const bool all = !e.tf32 && e.storage != bf16;
      for (int64_t blocks : {0, 1}) {
        if (!all && (number + e.tf32) % 2 != blocks) continue;
        out.push_back(make(l, e, 8, blocks));
        out.back().optional = blocks > 0 && l.hidden > 100;  // more than one block may hold
        if (blocks == 0 && l.batch > 8) out.push_back(make(l, e, 32, 0));
      }
    }
  }
  for (const Layer& l : activations()) {
    out.push_back(make(l, kExact, 8, 0));
    out.push_back(make(l, kHalf, 8, 1));
  }
  for (RnnKind kind : {RnnKind::rnn, RnnKind::lstm, RnnKind::gru})
    for (int64_t linear : {0, 1})
      for (Element e : {kExact, kTf32, kHalf, kBrain}) {
        if (linear && kind != RnnKind::gru) continue;
        Layer l;
        l.kind = kind;
        l.linear = linear;
        l.direction = RnnDirection::bidirectional;
        // Clusters, with more units than a multiple of their blocks; the last block has none.
        l.hidden = 136, l.batch = 20, l.steps = 12, l.lens = true;
        for (int64_t blocks : {2, 4, 8})
          for (int64_t rows : {8, 32}) {
            if (e.storage == f32 && blocks == 2) continue;
            out.push_back(make(l, e, rows, blocks));
            // Other architectures have no clusters, and less shared memory.
            out.back().optional = true;
          }
        l.hidden = 256, l.input = 128, l.lens = false;
        out.push_back(make(l, e, 8, 8));
        out.back().optional = true;
        out.push_back(make(l, e, 64, 0));
      }
  // One number, which may be small beside what it is the sum of.
  Layer l;
  l.hidden = l.input = l.batch = l.steps = 1;
  out.push_back(make(l, kExact, 8, 0));
  out.back().scale = 200;
  // A part of r in registers; 16 warps.
  l = Layer{};
  l.hidden = 512, l.batch = 9, l.steps = 6;
  out.push_back(make(l, kHalf, 8, 8));
  out.back().optional = true;
  l.kind = RnnKind::gru, l.linear = 1, l.hidden = 570;
  out.push_back(make(l, kBrain, 8, 8));
  out.back().optional = true;
  l.kind = RnnKind::rnn, l.hidden = 900;
  out.push_back(make(l, kExact, 8, 8));
  out.back().optional = true;
  // Steps in several chunks: more projected gates than are held at once.
  l = Layer{};
  l.hidden = 64, l.batch = 200, l.steps = 200, l.input = 4, l.lens = true, l.direction = RnnDirection::bidirectional;
  l.outputs = 2;
  out.push_back(make(l, kHalf, 64, 0));
  out.push_back(make(l, kHalf, 32, 4));
  out.back().optional = true;

  for (Element e : {kExact, kTf32, kHalf})
    for (int64_t batch : {1, 8, 64}) {
      for (auto [kind, hidden, direction] : {std::tuple(RnnKind::lstm, 256, RnnDirection::bidirectional), {RnnKind::gru, 128, RnnDirection::forward},
                                             {RnnKind::lstm, 512, RnnDirection::forward}, {RnnKind::lstm, 1024, RnnDirection::forward}}) {
        Layer large;
        large.kind = kind, large.hidden = hidden, large.direction = direction, large.input = hidden, large.steps = 40, large.batch = batch;
        large.linear = kind == RnnKind::gru;
        for (auto [rows, blocks] : {std::pair<int64_t, int64_t>(8, 0), {32, 0}, {8, 8}, {32, 8}, {8, 4}}) {
          if (rows > 8 && batch <= 8) continue;
          out.push_back(make(large, e, rows, blocks));
          out.back().large = out.back().optional = true;
        }
      }
    }
}

}  // namespace tenon::test
