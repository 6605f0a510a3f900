// conv.first.f32.<isa>: direct convolution of few input channels, linear input to channel-blocked output. Tiles of output pixels
// (conv/first_tile.h) read the input where it lies, whatever the stride; a tile with taps outside it reads a small copy of its
// part, padded with zeros. Each thread has a range of tiles, all panels of it or, of few tiles, some panels. Every element is
// summed in one order, whatever the threads.
#include <algorithm>
#include <cmath>
#include <vector>

#include "conv/first_tile.h"
#include "conv/packed.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kChunkTiles = 32;         // whose inputs and outputs stay in the caches for all panels
constexpr int64_t kPatchBytes = 128 << 10;  // of a chunk's copies, but for one tile

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  int64_t lanes = 0, vectors = 0, width = 0, panels = 0, panel_groups = 1;  // width: channels of a panel
  bool pairs = false;                  // a unit is two rows and a tile both, but for an odd last row
  int64_t plane_units = 0, units = 0;  // rows or pairs: of a plane of rows, and of an item
  std::vector<FirstPlace> columns;     // of the tiles of a unit, from its first pixel on
  // Pixels of the first large_count tiles, in each row; the others have one less.
  int64_t large = 0, large_count = 0;
  int64_t inside_begin = 0, inside_end = 0;  // tiles that read no padded column
  int64_t chunk_tiles = 0;
  std::vector<int64_t> taps, patch_taps;
  bool patches = false;                                         // some tile has taps outside the input
  int64_t patch_width = 0, patch_floats = 0;                    // patch_floats: of one row's copy
  std::vector<int64_t> patch_rows;                              // the input rows of a row's copy, from that of the first tap on
  int64_t patch_rows_at = 0, patches_at = 0, thread_bytes = 0;  // in a thread's scratch

  int64_t tiles() const { return static_cast<int64_t>(columns.size()); }
  int64_t pixels(int64_t column) const { return column < large_count ? large : large - 1; }
};

void plan_columns(State& s, int64_t max_pixels) {
  const ConvGeometry& g = s.g;
  const Split split(g.out[2], max_pixels);
  s.large = split.size(0);
  s.large_count = g.out[2] % split.parts == 0 ? split.parts : g.out[2] % split.parts;
  s.inside_begin = s.inside_end = split.parts;
  for (int64_t i = 0; i < split.parts; ++i) {
    s.columns.push_back({split.begin(i) * g.stride[2], split.begin(i) * s.lanes});
    const int64_t first = s.columns.back().a - g.pad[2];
    const int64_t last = first + (split.size(i) - 1) * g.stride[2] + g.dilation[2] * (g.kernel[2] - 1);
    if (first >= 0) s.inside_begin = std::min(s.inside_begin, i);
    if (last >= g.in[2]) s.inside_end = std::min(s.inside_end, i);
  }
  s.inside_end = std::max(s.inside_begin, s.inside_end);
}

Status plan_tiles(State& s, int64_t max_pixels, int threads) {
  const ConvGeometry& g = s.g;
  s.pairs = 2 * g.out[2] <= max_pixels && g.out[1] > 1;
  s.plane_units = s.pairs ? ceil_div(g.out[1], 2) : g.out[1];
  s.units = g.out[0] * s.plane_units;
  plan_columns(s, max_pixels);
  bool fits = true;  // the taps of a pixel into the input's outer dims: else every tile needs a copy
  for (int i = 0; i < 3; ++i) {
    const int64_t reach = g.dilation[i] * (g.kernel[i] - 1);
    if (i < 2) fits &= reach < g.in[i];
    s.patches |= g.pad[i] > 0 || (g.out[i] - 1) * g.stride[i] + reach >= g.in[i];
  }
  s.patch_width = round_up((s.large - 1) * g.stride[2] + g.dilation[2] * (g.kernel[2] - 1) + 1, s.lanes);
  const auto floats = checked_mul(s.patch_width, g.cg * g.kernel[0] * g.kernel[1]);
  if (!floats || *floats > int64_t{1} << 36) return fail(Code::invalid_plan, "a padded part of the input would be too large");
  s.patch_floats = *floats;
  const int64_t tile_bytes = s.patch_floats * 4 * (s.pairs ? 2 : 1);
  s.chunk_tiles = s.patches ? std::clamp<int64_t>(kPatchBytes / tile_bytes, 1, kChunkTiles) : kChunkTiles;
  const int64_t tiles = g.n * s.units * s.tiles();
  if (tiles < 8 * threads && threads > 1) s.panel_groups = std::clamp<int64_t>(ceil_div(8 * threads, tiles), 1, s.panels);
  for (int64_t c = 0; c < g.cg; ++c)
    for (int64_t d = 0; d < g.kernel[0]; ++d)
      for (int64_t h = 0; h < g.kernel[1]; ++h) {
        const int64_t row = fits ? ((c * g.in[0] + d * g.dilation[0]) * g.in[1] + h * g.dilation[1]) * g.in[2] : 0;
        for (int64_t w = 0; w < g.kernel[2]; ++w) {
          s.taps.push_back(row + w * g.dilation[2]);
          s.patch_taps.push_back(static_cast<int64_t>(s.patch_rows.size()) * s.patch_width + w * g.dilation[2]);
        }
        s.patch_rows.push_back(row);
      }
  s.patch_rows_at = kTileScratchBytes + round_up(3 * s.chunk_tiles * static_cast<int64_t>(sizeof(FirstPlace)), 64);
  s.patches_at = s.patch_rows_at + round_up(2 * static_cast<int64_t>(s.patch_rows.size()) * 8, 64);
  s.thread_bytes = s.patches_at + (s.patches ? round_up(s.chunk_tiles * tile_bytes, 64) : 0);
  return {};
}

template <const FirstTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(blocked_convolution(call, kLinear, ConvLayout::first, kTable.lanes, 1, s.g, s.epilogue));
  const auto& params = call.as<ConvPackedParams>();
  drop_unit_columns(s.g);
  const ConvGeometry& g = s.g;
  if (g.group > 1) return fail(Code::invalid_plan, "a first layer has one group, not {}", g.group);
  if (params.vectors < 1 || params.vectors > kFirstVectors)
    return fail(Code::invalid_plan, "a panel of {} vectors is not supported", params.vectors);
  if (s.epilogue.add >= 0) s.epilogue.leave_registers();
  if (g.n * g.o * g.out_count != 0) {
    if (g.cg == 0) return fail(Code::invalid_plan, "x {} has no channels", describe(call.inputs[0]));
    s.lanes = kTable.lanes;
    s.vectors = params.vectors;
    s.width = s.vectors * s.lanes;
    s.panels = ceil_div(g.o, s.width);
    TN_TRY(plan_tiles(s, kTable.max_pixels[s.vectors], call.threads));
    prepared.scratch_bytes = call.threads * s.thread_bytes;
  }
  prepared.state = std::move(state);
  return {};
}

// One thread's tiles, by chunks: some tiles of a unit, or all tiles of some units of one kind.
template <const FirstTable& kTable>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& s, int member) : call_(call), s_(s), g_(s.g) {
    auto* memory = static_cast<std::byte*>(call.scratch) + member * s.thread_bytes;
    tile_scratch_ = memory;
    rows_.places = reinterpret_cast<FirstPlace*>(memory + kTileScratchBytes);
    for (int i = 0; i < 2; ++i) patched_[i].places = rows_.places + (i + 1) * s.chunk_tiles;
    outside_rows_ = reinterpret_cast<int64_t*>(memory + s.patch_rows_at);
    patches_ = reinterpret_cast<float*>(memory + s.patches_at);
    bias_ = call.inputs.size() > 2 && call.inputs[2].present() ? call.inputs[2].as<const float>() : nullptr;
    if (s.epilogue.bias >= 0) bias_ = call.inputs[static_cast<size_t>(s.epilogue.bias) + 3].as<const float>();
  }

  // Tiles first … last - 1 of item n, and the panels of a group.
  void run(int64_t n, int64_t panel_group, int64_t first, int64_t last) {
    n_ = n;
    x_ = call_.inputs[0].as<const float>() + n * g_.c * g_.in_count;
    const Split panels(s_.panels, ceil_div(s_.panels, s_.panel_groups));
    if (panel_group >= panels.parts) return;
    while (first < last) {
      const int64_t count = list(first, last);
      for (int64_t i = 0; i < panels.size(panel_group); ++i) run_panel(panels.begin(panel_group) + i, i == 0 ? count : 0);
      first += count;
    }
  }

 private:
  struct List {
    FirstPlace* places;
    int64_t count;
    void add(FirstPlace place) { places[count++] = place; }
  };

  // Lists the places of a chunk's rows that are inside the input, and those of its other tiles, whose inputs it copies. Returns
  // how many tiles the chunk has.
  int64_t list(int64_t first, int64_t last) {
    rows_.count = patched_[0].count = patched_[1].count = 0;
    const int64_t tiles = s_.tiles(), unit = first / tiles;
    column_ = first % tiles;
    column_end_ = std::min({tiles, column_ + last - first, column_ + s_.chunk_tiles});
    int64_t units = 1, in_plane = unit % s_.plane_units;
    const int64_t pairs = s_.pairs ? g_.out[1] / 2 : s_.plane_units;  // or rows, of a plane
    if (column_ == 0 && column_end_ == tiles && in_plane < pairs)
      units = std::clamp<int64_t>(std::min((last - first), s_.chunk_tiles) / tiles, 1, pairs - in_plane);
    two_ = s_.pairs && in_plane < pairs;
    for (int64_t i = 0; i < units; ++i) list_unit(unit / s_.plane_units, (in_plane + i) * (s_.pairs ? 2 : 1));
    const int64_t row = unit / s_.plane_units * g_.out[1] + in_plane * (s_.pairs ? 2 : 1);
    begin_ = row * g_.out[2] + s_.columns[static_cast<size_t>(column_)].c / s_.lanes;
    end_ = column_end_ < tiles ? row * g_.out[2] + s_.columns[static_cast<size_t>(column_end_)].c / s_.lanes
                               : (row + units * (two_ ? 2 : 1)) * g_.out[2];
    return units * (column_end_ - column_);
  }

  void list_unit(int64_t d, int64_t h) {
    const int64_t in_d = d * g_.stride[0] - g_.pad[0], in_h = h * g_.stride[1] - g_.pad[1];
    const int64_t c = (d * g_.out[1] + h) * g_.out[2] * s_.lanes;
    const bool inside = in_d >= 0 && in_d + g_.dilation[0] * (g_.kernel[0] - 1) < g_.in[0] && in_h >= 0 &&
                        in_h + g_.dilation[1] * (g_.kernel[1] - 1) + (two_ ? g_.stride[1] : 0) < g_.in[1];
    if (inside) rows_.add({(in_d * g_.in[1] + in_h) * g_.in[2] - g_.pad[2], c});
    if (inside && column_ >= s_.inside_begin && column_end_ <= s_.inside_end) return;
    FirstPatch patch[2];
    const auto rows = static_cast<int64_t>(s_.patch_rows.size());
    for (int i = 0; i <= two_; ++i) patch[i] = patch_of(in_d, in_h + i * g_.stride[1], inside, outside_rows_ + i * rows);
    const int64_t skip = inside ? std::clamp(s_.inside_begin, column_, column_end_) : column_end_;
    for (int64_t i = column_; i < skip; ++i) copy(patch, c, i);
    for (int64_t i = inside ? std::clamp(s_.inside_end, column_, column_end_) : column_end_; i < column_end_; ++i)
      copy(patch, c, i);
  }

  // Lists a tile whose inputs it copies; `c`: its row of the output.
  void copy(FirstPatch* patch, int64_t c, int64_t column) {
    const FirstPlace& place = s_.columns[static_cast<size_t>(column)];
    const int64_t at = (patched_[0].count + patched_[1].count) * s_.patch_floats * (two_ ? 2 : 1);
    patched_[column >= s_.large_count].add({at, c + place.c});
    for (int h = 0; h <= two_; ++h) {
      patch[h].begin = place.a - g_.pad[2];
      patch[h].to = patches_ + at + h * s_.patch_floats;
      kTable.fill(patch[h]);
    }
  }

  // What the taps of a row's pixels read; `memory` for a list of rows, if some may be outside.
  FirstPatch patch_of(int64_t d, int64_t h, bool inside, int64_t* memory) const {
    FirstPatch patch{};
    patch.row_count = static_cast<int64_t>(s_.patch_rows.size());
    patch.columns = g_.in[2];
    patch.width = s_.patch_width;
    patch.x = inside ? x_ + (d * g_.in[1] + h) * g_.in[2] : x_;
    patch.rows = inside ? s_.patch_rows.data() : memory;
    for (int64_t c = 0; !inside && c < g_.cg; ++c)
      for (int64_t kd = 0; kd < g_.kernel[0]; ++kd)
        for (int64_t kh = 0; kh < g_.kernel[1]; ++kh) {
          const int64_t at_d = d + kd * g_.dilation[0], at_h = h + kh * g_.dilation[1];
          const bool is_there = at_d >= 0 && at_d < g_.in[0] && at_h >= 0 && at_h < g_.in[1];
          *memory++ = is_there ? ((c * g_.in[0] + at_d) * g_.in[1] + at_h) * g_.in[2] : FirstPatch::kOutside;
        }
    return patch;
  }

  // `ahead`: the chunk's tiles, for the panel that fetches the next chunk's input; else 0.
  void run_panel(int64_t panel, int64_t ahead) {
    const int64_t channel = panel * s_.width, columns = std::min(s_.width, g_.o - channel), vectors = ceil_div(columns, s_.lanes);
    alignas(64) float bias[kFirstVectors * kMostLanes] = {};
    if (bias_) std::copy(bias_ + channel, bias_ + channel + columns, bias);
    const BlockedEpilogue& e = s_.epilogue;
    FirstRun run{};
    run.step = g_.stride[2];
    run.depth = g_.cg * g_.taps;
    run.b = call_.inputs[1].as<const float>() + channel * run.depth;
    run.bias = bias;
    run.c = call_.outputs[0].as<float>() + (n_ * ceil_div(g_.o, s_.lanes) * s_.lanes + channel) * g_.out_count;
    run.c_vector = g_.out_count * s_.lanes;
    run.low = e.in_registers ? e.add_clamp.low : -HUGE_VALF;
    run.high = e.in_registers ? e.add_clamp.high : HUGE_VALF;
    if (ahead > 0 && rows_.count > 0) {
      const int64_t reach = g_.dilation[1] * (g_.kernel[1] - 1), first = rows_.places[rows_.count - 1].a + (reach + 1) * g_.in[2];
      const int64_t left = std::max<int64_t>(g_.in_count - first, 0) / g_.in[2];  // rows of the input
      const int64_t rows = std::min(left, std::min(left, g_.stride[1]) * rows_.count * (two_ ? 2 : 1));
      if (rows > 0) {
        run.ahead = x_ + first;
        run.ahead_lines = ceil_div(rows * g_.in[2], kFirstLine * ahead);
        run.channels = g_.cg;
        run.channel_step = g_.in_count;
      }
    }
    run_inside(run, vectors);
    run_patched(run, vectors);
    for (int64_t v = 0; v < vectors; ++v) {
      const int64_t lanes = std::min(s_.lanes, columns - v * s_.lanes);
      if (e.silu || lanes < s_.lanes) kTable.finish(run.c + v * run.c_vector + begin_ * s_.lanes, end_ - begin_, lanes, e.silu);
      if (!e.in_registers)
        run_blocked_program(e, call_.as<ConvPackedParams>().conv.epilogue, call_.inputs, call_.outputs[0], n_,
                            channel + v * s_.lanes, begin_, end_ - begin_, g_.out_count, tile_, tile_scratch_);
    }
  }

  void run_inside(FirstRun& run, int64_t vectors) const {
    run.a = x_;
    run.taps = s_.taps.data();
    run.rows = rows_.places;
    run.row_count = rows_.count;
    const int64_t begin = std::max(column_, s_.inside_begin), end = std::min(column_end_, s_.inside_end);
    const int64_t middle = std::clamp(s_.large_count, begin, std::max(begin, end));
    run_columns(run, vectors, begin, middle, g_.stride[1] * g_.in[2]);
    run_columns(run, vectors, middle, end, g_.stride[1] * g_.in[2]);
  }
  void run_columns(FirstRun& run, int64_t vectors, int64_t begin, int64_t end, int64_t row_step) const {
    run.columns = s_.columns.data() + begin;
    run.column_count = end - begin;
    if (run.row_count > 0 && begin < end) run_tiles(run, vectors, s_.pixels(begin), row_step);
  }

  void run_patched(FirstRun& run, int64_t vectors) const {
    static constexpr FirstPlace kHere{0, 0};
    run.a = patches_;
    run.taps = s_.patch_taps.data();
    run.columns = &kHere;
    run.column_count = 1;
    for (int small = 0; small < 2; ++small) {
      run.rows = patched_[small].places;
      run.row_count = patched_[small].count;
      if (run.row_count > 0) run_tiles(run, vectors, s_.large - small, s_.patch_floats);
    }
  }

  // `row_step`: from a row of a pair to the other one.
  void run_tiles(FirstRun& run, int64_t vectors, int64_t pixels, int64_t row_step) const {
    run.second = two_ ? row_step : (pixels + 1) / 2 * g_.stride[2];
    kTable.run[vectors][two_ ? 2 * pixels : pixels](run);
    run.ahead += run.row_count * run.column_count * run.ahead_lines * kFirstLine;
  }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  void* tile_scratch_;
  const float *bias_, *x_ = nullptr;
  int64_t* outside_rows_;  // of each row of a pair
  float* patches_;
  int64_t n_ = 0;
  // The chunk: tiles of each unit, whether those are pairs of rows, and output pixels.
  int64_t column_ = 0, column_end_ = 0, begin_ = 0, end_ = 0;
  bool two_ = false;
  List rows_{}, patched_[2] = {};  // [1]: of smaller tiles
};

template <const FirstTable& kTable>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  if (s.panels == 0) return {};
  const int64_t tiles = s.units * s.tiles();
  call.team->parallel_for(s.g.n * s.panel_groups * tiles, [&](int64_t begin, int64_t end, int member) {
    Worker<kTable> worker(call, s, member);
    while (begin < end) {
      const int64_t item = begin / tiles, first = begin % tiles, last = std::min(tiles, first + end - begin);
      worker.run(item / s.panel_groups, item % s.panel_groups, first, last);
      begin += last - first;
    }
  });
  return {};
}

}  // namespace

extern const Kernel kConvFirstAvx2{"conv.first.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0,
                                   prepare<avx2::kFirst>, launch<avx2::kFirst>};
extern const Kernel kConvFirstAvx512{"conv.first.f32.avx512", sizeof(ConvPackedParams), kAvx2 | kAvx512, 0,
                                     prepare<avx512::kFirst>, launch<avx512::kFirst>};

}  // namespace tenon
