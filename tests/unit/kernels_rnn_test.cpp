#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "base/half.h"
#include "common/kernel.h"
#include "rnn/pack.h"
#include "rnn/packed.h"
#include "support/kernel_launch.h"

namespace tenon {
namespace {

const Kernel* find(std::string_view id) {
  for (const Kernel* kernel : host_kernels())
    if (id == kernel->id) return kernel;
  return nullptr;
}

// A layer's tensors, filled with random numbers; outputs poisoned with NaN.
struct Layer {
  RnnParams params;
  int64_t steps, batch, input;
  std::vector<std::vector<float>> in{8}, out{};
  std::vector<int32_t> lens{};
  bool with_b = true, with_states = true, with_p = false;

  int64_t directions() const { return params.direction == RnnDirection::bidirectional ? 2 : 1; }

  void fill(uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const int64_t d = directions(), g = rnn_gates(params.kind), h = params.hidden;
    auto make = [&](int64_t count, float scale) {
      std::vector<float> values(static_cast<size_t>(count));
      for (float& v : values) v = normal(random) * scale;
      return values;
    };
    in[0] = make(steps * batch * input, 1);
    in[1] = make(d * g * h * input, 1 / std::sqrt(static_cast<float>(input + 1)));
    in[2] = make(d * g * h * h, 1 / std::sqrt(static_cast<float>(h)));
    if (with_b) in[3] = make(d * 2 * g * h, 0.5f);
    if (with_states) in[5] = make(d * batch * h, 1);
    if (with_states && params.kind == RnnKind::lstm) in[6] = make(d * batch * h, 1);
    if (with_p && params.kind == RnnKind::lstm) in[7] = make(d * 3 * h, 1);
    if (params.functions[0].kind != RnnActivation::relu)
      for (int i = 0; i < kMaxRnnFunctions; ++i)
        params.functions[i].kind = params.kind != RnnKind::rnn && i % rnn_functions(params.kind) == 0
                                       ? RnnActivation::sigmoid
                                       : RnnActivation::tanh;
  }

  static Arg arg(DType type, std::initializer_list<int64_t> dims, void* data) {
    Arg out;
    out.dtype = type;
    for (int64_t d : dims) out.dims[out.rank++] = d;
    out.data = data;
    return out;
  }
  Arg state(float* data) const {
    const int64_t d = directions(), h = params.hidden;
    return params.layout ? arg(DType::f32, {batch, d, h}, data) : arg(DType::f32, {d, batch, h}, data);
  }
  std::vector<Arg> inputs() {
    const int64_t d = directions(), g = rnn_gates(params.kind), h = params.hidden;
    std::vector<Arg> args(params.kind == RnnKind::lstm ? 8 : 6);
    args[0] = params.layout ? arg(DType::f32, {batch, steps, input}, in[0].data())
                            : arg(DType::f32, {steps, batch, input}, in[0].data());
    args[1] = arg(DType::f32, {d, g * h, input}, in[1].data());
    args[2] = arg(DType::f32, {d, g * h, h}, in[2].data());
    if (with_b) args[3] = arg(DType::f32, {d, 2 * g * h}, in[3].data());
    if (!lens.empty()) args[4] = arg(DType::i32, {batch}, lens.data());
    if (with_states) args[5] = state(in[5].data());
    if (params.kind == RnnKind::lstm && with_states) args[6] = state(in[6].data());
    if (params.kind == RnnKind::lstm && with_p) args[7] = arg(DType::f32, {d, 3 * h}, in[7].data());
    return args;
  }
  std::vector<Arg> outputs() {
    const int64_t d = directions(), h = params.hidden;
    out.assign(params.kind == RnnKind::lstm ? 3 : 2, {});
    std::vector<Arg> args;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i].assign(static_cast<size_t>((i ? 1 : steps) * d * batch * h), std::nanf(""));
      args.push_back(state(out[i].data()));
    }
    args[0] = params.layout ? arg(DType::f32, {batch, steps, d, h}, out[0].data())
                            : arg(DType::f32, {steps, d, batch, h}, out[0].data());
    return args;
  }
};

template <class P>
Status call(const Kernel& kernel, const P& params, std::span<const Arg> in, std::span<const Arg> out,
            int threads) {
  auto team = Team::create(threads);
  if (!team) return tl::unexpected<Error>(team.error());
  auto bytes = std::as_bytes(std::span(&params, 1));
  Prepared prepared;
  TN_TRY(kernel.prepare({bytes, in, out, threads}, prepared));
  return test::launch_guarded(kernel, bytes, in, out, prepared, **team);
}

using Outputs = std::vector<std::vector<float>>;

Outputs run_reference(Layer& layer) {
  auto in = layer.inputs(), out = layer.outputs();
  Status status = call(*find("rnn.reference"), layer.params, in, out, 1);
  EXPECT_TRUE(status) << status.error().text();
  return layer.out;
}

Outputs run_packed(Layer& layer, const std::string& isa, int threads, RnnDivision division) {
  const int64_t lanes = isa == "avx512" ? 16 : 8, g = rnn_gates(layer.params.kind);
  auto in = layer.inputs(), out = layer.outputs();
  std::vector<std::vector<float>> packed(3);
  for (int i : {1, 2}) {
    const RnnPackParams params{layer.params.kind, i == 2 && rnn_two_segments(layer.params), lanes};
    const int64_t k = i == 1 ? layer.input : layer.params.hidden;
    const int64_t bytes = *packed_rnn_bytes(layer.directions(), g, layer.params.hidden, k, lanes);
    packed[i].assign(static_cast<size_t>(bytes / 4), std::nanf(""));
    Arg to = Layer::arg(DType::u8, {bytes}, packed[i].data());
    Status status = call(*find("rnn.pack.f32"), params, {&in[i], 1}, {&to, 1}, threads);
    EXPECT_TRUE(status) << status.error().text();
    in[i] = to;
  }
  Status status = call(*find("rnn.packed.f32." + isa), RnnPackedParams{layer.params, division}, in, out, threads);
  EXPECT_TRUE(status) << status.error().text();
  return layer.out;
}

double error(const Outputs& got, const Outputs& want) {
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i)
    for (size_t j = 0; j < want[i].size(); ++j) {
      const double e =
          std::abs(static_cast<double>(got[i][j]) - want[i][j]) / std::max(1.0, std::abs(double{want[i][j]}));
      if (std::isnan(e)) return e;
      worst = std::max(worst, e);
    }
  return worst;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> out;
  if (cpu_features() & kAvx2) out.push_back("avx2");
  if (cpu_features() & kAvx512) out.push_back("avx512");
  return out;
}

void expect_same(Layer layer, const std::string& what) {
  layer.fill(static_cast<uint32_t>(layer.params.hidden * 31 + layer.steps));
  const Outputs want = run_reference(layer);
  for (const std::string& isa : instruction_sets()) {
    const Outputs one = run_packed(layer, isa, 1, RnnDivision::sequences);
    EXPECT_LT(error(one, want), 3e-6) << what << " " << isa;
    for (RnnDivision division : {RnnDivision::sequences, RnnDivision::steps, RnnDivision::turns})
      EXPECT_EQ(error(run_packed(layer, isa, 3, division), one), 0)
          << what << " " << isa << ", division " << static_cast<int>(division) << ": three threads differ from one";
  }
}

TEST(Rnn, PackedAgreesWithTheReference) {
  for (RnnKind kind : {RnnKind::rnn, RnnKind::lstm, RnnKind::gru})
    for (RnnDirection direction : {RnnDirection::forward, RnnDirection::reverse, RnnDirection::bidirectional})
      for (int64_t hidden : {1, 9, 16, 33})
        for (int64_t batch : {1, 5, 8}) {
          Layer layer{{kind, direction, hidden}, 6, batch, hidden + 3};
          layer.params.linear_before_reset = batch == 5;
          layer.params.layout = hidden == 9;
          layer.with_b = hidden != 16;
          layer.with_states = hidden != 1;
          layer.with_p = batch == 8;
          layer.params.input_forget = hidden == 33 && batch == 8;
          layer.params.clip = hidden == 33 ? 0.4 : 0;
          expect_same(layer, fmt::format("kind {} direction {} hidden {} batch {}", static_cast<int>(kind),
                                         static_cast<int>(direction), hidden, batch));
        }
}

TEST(Rnn, SequenceLengths) {
  for (RnnKind kind : {RnnKind::rnn, RnnKind::lstm, RnnKind::gru}) {
    Layer layer{{kind, RnnDirection::bidirectional, 17}, 7, 6, 5};
    layer.lens = {7, 0, 3, 1, 6, 7};
    expect_same(layer, "lengths");
    // A sequence alone gives what it gives among others.
    layer.fill(3);
    const Outputs all = run_reference(layer);
    Layer alone{{kind, RnnDirection::bidirectional, 17}, 3, 1, 5};
    alone.params = layer.params;
    alone.in = layer.in;
    alone.in[0].clear();
    for (int64_t t = 0; t < 3; ++t)
      alone.in[0].insert(alone.in[0].end(), layer.in[0].begin() + (t * 6 + 2) * 5,
                         layer.in[0].begin() + (t * 6 + 3) * 5);
    for (int i : {5, 6}) {
      alone.in[i].clear();
      for (int64_t d = 0; d < 2 && !layer.in[i].empty(); ++d)
        alone.in[i].insert(alone.in[i].end(), layer.in[i].begin() + (d * 6 + 2) * 17,
                           layer.in[i].begin() + (d * 6 + 3) * 17);
    }
    const Outputs one = run_reference(alone);
    for (int64_t t = 0; t < 7; ++t)
      for (int64_t d = 0; d < 2; ++d)
        for (int64_t j = 0; j < 17; ++j) {
          const float got = all[0][static_cast<size_t>(((t * 2 + d) * 6 + 2) * 17 + j)];
          EXPECT_EQ(got, t < 3 ? one[0][static_cast<size_t>((t * 2 + d) * 17 + j)] : 0.0f);
        }
    for (int64_t j = 0; j < 17; ++j)
      EXPECT_EQ(all[1][static_cast<size_t>((6 + 2) * 17 + j)], one[1][static_cast<size_t>(17 + j)]);
  }
}

TEST(Rnn, LargeLayersSplitTheirSteps) {
  for (RnnKind kind : {RnnKind::lstm, RnnKind::gru})
    for (RnnDirection direction : {RnnDirection::forward, RnnDirection::bidirectional})  // which take turns
      for (int64_t batch : {1, 2}) expect_same(Layer{{kind, direction, 400}, 5, batch, 20}, "split");
}

TEST(Rnn, EmptySizes) {
  expect_same(Layer{{RnnKind::lstm, RnnDirection::forward, 8}, 0, 2, 3}, "no steps");
  expect_same(Layer{{RnnKind::gru, RnnDirection::bidirectional, 8}, 3, 0, 3}, "no sequences");
  expect_same(Layer{{RnnKind::rnn, RnnDirection::forward, 8}, 3, 2, 0}, "no input");
}

TEST(Rnn, ALinearGruByHand) {
  // One unit, one step, weights 1, x = 1, h = 2: z = r = sigmoid(3), h' = tanh(1 + r * (2 + 0.5)).
  Layer layer{{RnnKind::gru, RnnDirection::forward, 1}, 1, 1, 1};
  layer.params.linear_before_reset = 1;
  layer.fill(1);
  layer.in = {{1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0, 0, 0, 0.5f}, {}, {2}, {}, {}};
  const double z = 1 / (1 + std::exp(-3.0));
  EXPECT_NEAR(run_reference(layer)[0][0], (1 - z) * std::tanh(1 + z * 2.5) + z * 2, 1e-6);
  layer.params.linear_before_reset = 0;
  EXPECT_NEAR(run_reference(layer)[0][0], (1 - z) * std::tanh(1 + z * 2 + 0.5) + z * 2, 1e-6);
}

TEST(Rnn, HalfPrecisionReference) {
  Layer layer{{RnnKind::lstm, RnnDirection::forward, 7}, 4, 2, 5};
  layer.fill(9);
  const Outputs want = run_reference(layer);
  auto in = layer.inputs(), out = layer.outputs();
  std::vector<std::vector<uint16_t>> halves;
  halves.reserve(16);
  for (auto* args : {&in, &out})
    for (Arg& arg : *args) {
      if (!arg.present()) continue;
      halves.emplace_back();
      for (int64_t i = 0; i < arg.count(); ++i) halves.back().push_back(float_to_half(arg.as<float>()[i]));
      arg.dtype = DType::f16;
      arg.data = halves.back().data();
    }
  ASSERT_TRUE(call(*find("rnn.reference"), layer.params, in, out, 1));
  for (size_t i = 0; i < want.size(); ++i)
    for (size_t j = 0; j < want[i].size(); ++j)
      EXPECT_NEAR(half_to_float(out[i].as<uint16_t>()[j]), want[i][j], 5e-3);
}

TEST(Rnn, RefusesWhatDoesNotFit) {
  Layer layer{{RnnKind::lstm, RnnDirection::forward, 8}, 4, 2, 3};
  layer.fill(1);
  const Kernel& kernel = *find("rnn.reference");
  auto refused = [&](auto&& change) {
    auto in = layer.inputs(), out = layer.outputs();
    RnnParams params = layer.params;
    change(params, in, out);
    Prepared prepared;
    return !kernel.prepare({std::as_bytes(std::span(&params, 1)), in, out, 1}, prepared);
  };
  EXPECT_FALSE(refused([](auto&, auto&, auto&) {}));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.hidden = 9; }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.hidden = 0; }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.hidden = INT64_MAX; }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.kind = RnnKind::gru; }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.kind = static_cast<RnnKind>(7); }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.direction = RnnDirection::bidirectional; }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.direction = static_cast<RnnDirection>(-1); }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.layout = 1; }));
  EXPECT_TRUE(refused([](auto& p, auto&, auto&) { p.functions[5].kind = static_cast<RnnActivation>(11); }));
  EXPECT_TRUE(refused([](auto&, auto& in, auto&) { in[1].dims[2] = 4; }));
  EXPECT_TRUE(refused([](auto&, auto& in, auto&) { in[5].dims[1] = 1; }));
  EXPECT_TRUE(refused([](auto&, auto& in, auto&) { in[3].dtype = DType::f64; }));
  EXPECT_TRUE(refused([](auto&, auto& in, auto&) { in.resize(2); }));
  EXPECT_TRUE(refused([](auto&, auto&, auto& out) { out[0].dims[0] = 5; }));
  EXPECT_TRUE(refused([](auto&, auto&, auto& out) { out[2].rank = 2; }));
  layer.lens = {4, 5};
  auto in = layer.inputs(), out = layer.outputs();
  Status status = call(kernel, layer.params, in, out, 1);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("sequence_lens[1] is 5"), std::string::npos);
  // Packed weights of another size, or an activation that the kernel lacks.
  for (const std::string& isa : instruction_sets()) {
    auto plain = layer.inputs();
    plain[1] = Layer::arg(DType::u8, {64}, nullptr);
    plain[2] = Layer::arg(DType::u8, {64}, nullptr);
    EXPECT_FALSE(call(*find("rnn.packed.f32." + isa), RnnPackedParams{layer.params, {}}, plain, out, 1));
    RnnPackedParams other{layer.params, static_cast<RnnDivision>(3)};
    EXPECT_FALSE(call(*find("rnn.packed.f32." + isa), other, plain, out, 1));
    other.division = RnnDivision::steps;
    other.functions[1].kind = RnnActivation::elu;
    EXPECT_FALSE(call(*find("rnn.packed.f32." + isa), other, plain, out, 1));
  }
}

}  // namespace
}  // namespace tenon
