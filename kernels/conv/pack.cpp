// conv.pack.f32.<isa>, conv.pack.bf16.<isa>: constant weights into the layouts of conv/layout.h.
#include <algorithm>
#include <bit>

#include "base/half.h"
#include "common/kernel.h"
#include "conv/layout.h"
#include "conv/winograd_tile.h"

namespace tenon {
namespace {

struct State : KernelState {
  ConvWeight w;
};

bool transposes(ConvLayout layout) { return layout == ConvLayout::transposed || layout == ConvLayout::transposed_blocked; }

bool is_winograd(ConvLayout layout) { return layout == ConvLayout::winograd2 || layout == ConvLayout::winograd4; }
// Of a line's values; 0: another layout.
int64_t line_values(ConvLayout layout) {
  return layout == ConvLayout::winograd_line6 ? 6 : layout == ConvLayout::winograd_line8 ? 8 : 0;
}

template <int64_t kLanes, int64_t kPair>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const auto& params = call.as<ConvPackParams>();
  const Arg &w = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(w, DType::f32, "w"));
  TN_TRY(expect_format(w, kLinear, "w"));
  TN_TRY(expect_rank(w, 3, 2 + kMaxSpatial, "w"));
  const auto layout = static_cast<int64_t>(params.layout);
  if (layout < 0 || layout > 9) return fail(Code::invalid_plan, "layout {} of packed weights is not known", layout);
  if (params.group < 1 || params.vectors < 1 || params.vectors > 64)
    return fail(Code::invalid_plan, "group {} or vectors {} of packed weights is out of range", params.group,
                params.vectors);
  auto state = std::make_unique<State>();
  ConvWeight& c = state->w;
  const int64_t channels = w.dims[0];
  if (channels % params.group != 0)
    return fail(Code::invalid_plan, "w {} must have a first dim that is a multiple of {} groups", describe(w),
                params.group);
  c.group = params.group;
  c.og = transposes(params.layout) ? w.dims[1] : channels / params.group;
  c.cg = transposes(params.layout) ? channels / params.group : w.dims[1];
  for (int i = 2; i < w.rank; ++i) c.taps *= w.dims[i];
  if (params.layout == ConvLayout::first && c.group != 1)
    return fail(Code::invalid_plan, "weights of a first layer have one group, not {}", c.group);
  if (params.layout == ConvLayout::depthwise && (c.cg != 1 || c.og != 1))
    return fail(Code::invalid_plan, "depthwise weights have one channel a group, w is {}", describe(w));
  if (is_winograd(params.layout) && (c.group != 1 || w.rank != 4 || w.dims[2] != 3 || w.dims[3] != 3))
    return fail(Code::invalid_plan, "Winograd's weights are 3 x 3 of one group, w is {}", describe(w));
  if (const int64_t n = line_values(params.layout))
    if (c.group != 1 || kPair != 1 || !is_winograd_line(n, c.taps) || std::count(w.dims + 2, w.dims + w.rank, 1) + 3 != w.rank)
      return fail(Code::invalid_plan, "weights of Winograd's lines extend along one dim, 2 to {}, in one group, w is {}", n - 1,
                  describe(w));
  const auto bytes = conv_packed_bytes(params.layout, c, kLanes, kPair);
  if (!bytes) return fail(Code::invalid_plan, "w {} is empty or too large to be packed", describe(w));
  TN_TRY(expect_type(out, DType::u8, "output"));
  TN_TRY(expect_format(out, kLinear, "output"));
  TN_TRY(expect_shape(out, {&*bytes, 1}, "output"));
  prepared.state = std::move(state);
  return {};
}

// One element of a block of input channels that begins at `first`: channel first + i, or that and first + block + i as a
// pair of bf16. `weight(k)`: of channel k, of `channels`.
template <int64_t kPair, class F>
float element(int64_t first, int64_t i, int64_t block, int64_t channels, F&& weight) {
  if constexpr (kPair == 1) return weight(first + i);
  const int64_t second = first + block + i;
  const uint32_t low = float_to_bfloat(weight(first + i));
  const uint32_t high = second < channels ? float_to_bfloat(weight(second)) : 0;
  return std::bit_cast<float>(low | high << 16);
}

// [group][panel][input channels / block][tap][channel of the block][panel's channels]
// `turned`: w has the input channels first.
template <int64_t kPair>
void pack_panels(const ConvWeight& c, const float* w, int64_t lanes, int64_t width, int64_t block,
                 float* out, bool turned = false) {
  const int64_t o_step = turned ? c.taps : c.cg * c.taps, i_step = turned ? c.og * c.taps : c.taps;
  for (int64_t g = 0; g < c.group; ++g)
    for (int64_t o = 0; o < c.og; o += width) {
      const int64_t channels = std::min(width, c.og - o), columns = round_up(channels, lanes);
      for (int64_t i = 0; i < c.cg; i += block * kPair)
        for (int64_t tap = 0; tap < c.taps; ++tap)
          for (int64_t k = 0; k < std::min(c.cg - i, block); ++k)
            for (int64_t j = 0; j < columns; ++j) {
              const float* filter = w + g * c.og * c.cg * c.taps + (o + j) * o_step + tap;
              *out++ = j < channels ? element<kPair>(i, k, block, c.cg, [&](int64_t at) { return filter[at * i_step]; }) : 0.0f;
            }
    }
}

void pack_depthwise(const ConvWeight& c, const float* w, int64_t lanes, float* out) {
  for (int64_t g = 0; g < c.group; g += lanes)
    for (int64_t tap = 0; tap < c.taps; ++tap)
      for (int64_t j = g; j < g + lanes; ++j) *out++ = j < c.group ? w[j * c.taps + tap] : 0.0f;
}

// Rows of k elements that lie `k_step` apart: [k / lanes][row][lanes] for each group.
void pack_rows(int64_t group, int64_t rows, int64_t k, int64_t group_step, int64_t row_step, int64_t k_step,
               const float* w, int64_t lanes, float* out) {
  for (int64_t g = 0; g < group; ++g)
    for (int64_t i = 0; i < k; i += lanes)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t j = i; j < i + lanes; ++j)
          *out++ = j < k ? w[g * group_step + row * row_step + j * k_step] : 0.0f;
}

// A filter's line of taps at each of n - 1 points a: (w0 + a w1 + a² w2 …) / the product of a's distances to the other points.
void transform_line(int64_t n, int64_t taps, const double* w, int64_t step, double* out, int64_t out_step) {
  const WinogradPoints of = winograd_points(n);
  const double points[] = {0, of.at[0], -of.at[0], of.at[1], -of.at[1], of.at[2], -of.at[2]};
  const int64_t count = n - 1;
  for (int64_t i = 0; i < count; ++i) {
    double scale = 1;
    for (int64_t j = 0; j < count; ++j)
      if (j != i) scale *= points[i] - points[j];
    double sum = 0;
    for (int64_t k = taps; k-- > 0;) sum = w[k * step] + points[i] * sum;
    out[i * out_step] = sum / scale;
  }
  out[count * out_step] = w[(taps - 1) * step];
}

// The (m + 2)² values of the filter from input channel i to output channel o.
void transform_filter(const ConvWeight& c, int64_t m, const float* w, int64_t o, int64_t i, double* values) {
  double taps[9], lines[6 * 3];
  for (int64_t t = 0; t < 9; ++t) taps[t] = w[(o * c.cg + i) * 9 + t];
  for (int64_t k = 0; k < 3; ++k) transform_line(m + 2, 3, taps + k, 3, lines + k, 3);
  for (int64_t k = 0; k < m + 2; ++k) transform_line(m + 2, 3, lines + k * 3, 1, values + k * (m + 2), 1);
}

template <int64_t kPair>
void pack_winograd(const ConvWeight& c, int64_t m, const float* w, int64_t lanes, int64_t width, float* out) {
  const int64_t count = (m + 2) * (m + 2), channels_out = round_up(c.og, lanes), depth = conv_depth(c.cg, lanes, kPair);
  for (int64_t o = 0; o < channels_out; ++o) {
    const int64_t first = o / width * width, columns = std::min(width, channels_out - first);
    for (int64_t e = 0; e < depth; ++e) {
      const int64_t low = kPair == 1 ? e : e / lanes * 2 * lanes + e % lanes;
      double values[kPair][6 * 6] = {};
      for (int64_t p = 0; p < kPair && o < c.og; ++p)
        if (low + p * lanes < c.cg) transform_filter(c, m, w, o, low + p * lanes, values[p]);
      for (int64_t v = 0; v < count; ++v)
        out[v * channels_out * depth + first * depth + e * columns + (o - first)] =
            element<kPair>(0, 0, 1, kPair, [&](int64_t p) { return static_cast<float>(values[p][v]); });
    }
  }
}

void pack_winograd_line(const ConvWeight& c, int64_t n, const float* w, int64_t lanes, int64_t width, float* out) {
  const int64_t channels_out = round_up(c.og, lanes);
  for (int64_t o = 0; o < channels_out; ++o) {
    const int64_t first = o / width * width, columns = std::min(width, channels_out - first);
    for (int64_t i = 0; i < c.cg; ++i) {
      double taps[8] = {}, values[8];
      for (int64_t t = 0; t < c.taps && o < c.og; ++t) taps[t] = w[(o * c.cg + i) * c.taps + t];
      transform_line(n, c.taps, taps, 1, values, 1);
      for (int64_t v = 0; v < n; ++v)
        out[v * channels_out * c.cg + first * c.cg + i * columns + (o - first)] = static_cast<float>(values[v]);
    }
  }
}

template <int64_t kLanes, int64_t kPair>
Status launch(const LaunchCall& call) {
  const auto& params = call.as<ConvPackParams>();
  const ConvWeight& c = static_cast<const State*>(call.state)->w;
  const auto* w = call.inputs[0].as<const float>();
  auto* out = call.outputs[0].as<float>();
  const int64_t width = params.vectors * kLanes;
  switch (params.layout) {
    case ConvLayout::blocked: pack_panels<kPair>(c, w, kLanes, width, kLanes, out); break;
    case ConvLayout::transposed_blocked: pack_panels<1>(c, w, kLanes, width, kLanes, out, true); break;
    case ConvLayout::first: pack_panels<1>(c, w, kLanes, width, 1, out); break;
    case ConvLayout::depthwise: pack_depthwise(c, w, kLanes, out); break;
    case ConvLayout::linear: {
      const int64_t k = c.cg * c.taps;
      pack_rows(c.group, c.og, k, c.og * k, k, 1, w, kLanes, out);
      break;
    }
    case ConvLayout::transposed: {
      const int64_t rows = c.og * c.taps;
      pack_rows(c.group, rows, c.cg, c.cg * rows, 1, rows, w, kLanes, out);
      break;
    }
    case ConvLayout::winograd2: pack_winograd<kPair>(c, 2, w, kLanes, width, out); break;
    case ConvLayout::winograd4: pack_winograd<1>(c, 4, w, kLanes, width, out); break;
    case ConvLayout::strassen: break;  // matmul.pack_strassen's
    case ConvLayout::winograd_line6:
    case ConvLayout::winograd_line8: pack_winograd_line(c, line_values(params.layout), w, kLanes, width, out); break;
  }
  return {};
}

}  // namespace

extern const Kernel kConvPackAvx2{"conv.pack.f32.avx2", sizeof(ConvPackParams), 0, 0, prepare<8, 1>, launch<8, 1>};
extern const Kernel kConvPackAvx512{"conv.pack.f32.avx512", sizeof(ConvPackParams), 0, 0, prepare<16, 1>, launch<16, 1>};
extern const Kernel kConvPackBf16Avx512{"conv.pack.bf16.avx512", sizeof(ConvPackParams), 0, 0, prepare<16, 2>, launch<16, 2>};

}  // namespace tenon
