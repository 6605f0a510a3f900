// HannWindow, HammingWindow, BlackmanWindow and MelWeightMatrix: weights that follow from a few numbers.
#include <algorithm>
#include <cmath>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"

namespace tenon {
namespace {

// A window: `text` of the angle t0, which runs from 0 to a whole turn.
Status window(OnnxNode& node, std::string_view text) {
  TN_ASSIGN(std::vector<Dim> size, node.dims(0, "size"));
  if (size.size() != 1) return fail(Code::invalid_model, "{}: size must be one number", node.attrs().text("op_type"));
  TN_ASSIGN(DType type, type_attribute(node, "output_datatype", DType::f32));
  const bool periodic = node.attrs().integer("periodic", 1) != 0;
  TN_ASSIGN(ValueId at, positions(node, size[0], 0, 1));
  TN_ASSIGN(ValueId turn, dim_value(node, periodic ? size[0] : size[0] - Dim(1)));
  TN_ASSIGN(ValueId y, add_formula(node, fmt::format("t0 = mul(div(cast(x0):f64, cast(x1):f64), 6.283185307179586); {}", text),
                                   {at, turn}));
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  return {};
}

Status expand_hann(OnnxNode& node) { return window(node, "sub(0.5, mul(cos(t0), 0.5))"); }

// 25/46 and 21/46.
Status expand_hamming(OnnxNode& node) {
  return window(node, "sub(0.5434782608695652, mul(cos(t0), 0.45652173913043476))");
}

Status expand_blackman(OnnxNode& node) {
  return window(node, "add(sub(0.42, mul(cos(t0), 0.5)), mul(cos(mul(t0, 2)), 0.08))");
}

struct MelScale {
  int64_t bands, length, rate;
  double low, high;  // hertz
};

// The spectrogram's bins at which bands begin, peak and end: band i's are the entries i, i + 1, i + 2.
std::vector<int64_t> band_edges(const MelScale& scale) {
  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double first = mel(scale.low), step = (mel(scale.high) - first) / static_cast<double>(scale.bands + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < scale.bands + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * step + first) / 2595) - 1);
    edges.push_back(static_cast<int64_t>(std::floor(static_cast<double>(scale.length + 1) * hertz /
                                                    static_cast<double>(scale.rate))));
  }
  return edges;
}

// [bins, bands]: a triangle with the peak 1 for each band.
std::vector<double> triangles(const MelScale& scale, int64_t bins) {
  const std::vector<int64_t> edges = band_edges(scale);
  std::vector<double> out(static_cast<size_t>(bins * scale.bands));
  auto set = [&](int64_t bin, int64_t band, double value) {
    if (bin >= 0 && bin < bins) out[static_cast<size_t>(bin * scale.bands + band)] = value;
  };
  for (int64_t band = 0; band < scale.bands; ++band) {
    const auto at = static_cast<size_t>(band);
    const int64_t left = edges[at], peak = edges[at + 1], right = edges[at + 2];
    if (peak == left) set(peak, band, 1);
    else
      for (int64_t bin = left; bin <= std::min(peak, bins - 1); ++bin)
        set(bin, band, static_cast<double>(bin - left) / static_cast<double>(peak - left));
    for (int64_t bin = peak; bin < std::min(right, bins); ++bin)
      set(bin, band, static_cast<double>(right - bin) / static_cast<double>(right - peak));
  }
  return out;
}

Status expand_mel(OnnxNode& node) {
  constexpr std::string_view kNames[] = {"num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz",
                                         "upper_edge_hertz"};
  double given[5];
  for (size_t i = 0; i < 5; ++i) {
    TN_ASSIGN(given[i], node.scalar(i, kNames[i]));
    constexpr double kMost = 1 << 24;
    if (!(given[i] >= (i < 3 ? 1 : 0) && given[i] <= kMost))
      return fail(Code::invalid_model, "MelWeightMatrix: {} is {}, it must be at least {} and at most {}", kNames[i], given[i],
                  i < 3 ? 1 : 0, kMost);
  }
  const MelScale scale{static_cast<int64_t>(given[0]), static_cast<int64_t>(given[1]), static_cast<int64_t>(given[2]),
                       given[3], given[4]};
  const int64_t bins = scale.length / 2 + 1;
  constexpr int64_t kMostWeights = int64_t{1} << 26;
  if (!(scale.low < scale.high) || bins * scale.bands > kMostWeights)
    return fail(Code::invalid_model, "MelWeightMatrix: {} bins by {} bands from {} to {} Hz", bins, scale.bands, scale.low,
                scale.high);
  TN_ASSIGN(DType type, type_attribute(node, "output_datatype", DType::f32));
  const std::vector<double> weights = triangles(scale, bins);
  ValueId y = node.build().constant({DType::f64, {Dim(bins), Dim(scale.bands)}, kLinear}, std::as_bytes(std::span(weights)));
  TN_ASSIGN(y, cast(node, y, type));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"HannWindow", 17, expand_hann},
                             {"HammingWindow", 17, expand_hamming},
                             {"BlackmanWindow", 17, expand_blackman},
                             {"MelWeightMatrix", 17, expand_mel}};

}  // namespace

extern const OpFile signal_window_ops = {nullptr, kRows};

}  // namespace tenon
