// conv.winograd.f32.<isa>: 3 x 3 convolutions with stride 1 of blocked tensors by Winograd's minimal filtering, tiles of
// m x m outputs (ConvPackedParams::rows, 2 or 4). conv.winograd_line.f32.<isa>: those of filters that extend along one dim,
// tiles of m outputs along it. Tiles of the whole batch are taken in chunks whose values fit the cache. Each of a chunk's
// values is one product of [tiles, input channels] with [input channels, output channels]. Every element is summed in one
// order, whatever the threads and chunks. conv.winograd.bf16.<isa> transforms in f32 and rounds the values and those of the
// filter to bf16, of tiles of 2 x 2 only: those of 4 x 4 would be off by a hundredth.
#include <algorithm>
#include <vector>

#include "conv/packed.h"
#include "conv/winograd_tile.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr double kFilters = 3.0;
constexpr int64_t kManyChunks = 4;   // of a thread, enough for those that are done first to help others
constexpr int64_t kLeastTiles = 42;  // of a chunk, though its values fall out of the second-level cache, unless a thread has fewer: filters
                                    // are read once for each

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  int64_t lanes = 0, m = 0, values = 0;  // values of a tile
  int64_t pair = 1, depth = 0;  // input channels of an element of values; elements of all channels
  int64_t span = 0, axis = 0;   // inputs along a tile; the dim of a line
  bool line = false;
  int64_t before = 1, after = 1;  // positions in the dims before a line's and behind it
  int64_t blocks_in = 0, blocks_out = 0;
  int64_t vectors = 0, width = 0, panels = 0, max_rows = 0;
  int64_t tiles_h = 0, tiles_w = 0, tiles = 0;  // of an image down (along a line) and across, of the batch
  int64_t chunk = 0, chunks = 0;                // tiles of a chunk at most
  bool shared = false;                          // the threads share a chunk, else each has chunks of its own
  int64_t in_step = 0, out_step = 0;            // floats from one value of all tiles and channels to the next
  std::vector<MicroBlock> blocks[2];            // [1]: last panel
  int64_t chunk_floats = 0;
  int64_t values_bytes = 0;                     // of scratch, before the tiles' own
};

int64_t panel_columns(const State& s, int64_t panel) { return std::min(s.width, s.blocks_out * s.lanes - panel * s.width); }

void plan_work(State& s, int threads, int64_t cache) {
  const int64_t chunk_bytes = cache * 5 / 8;  // of values, for one thread
  const int64_t tile_bytes = s.values * (s.blocks_in + s.blocks_out) * s.lanes * 4;
  const int64_t wanted = std::max(chunk_bytes / tile_bytes, kLeastTiles);
  s.chunks = ceil_div(s.tiles, std::min(wanted, s.tiles));
  if (threads > 1 && s.chunks < kManyChunks * threads) {
    // Of a chunk that threads share, each reads what the others made of its tiles; with chunks of its own, all the filters. Of two
    // threads that is quicker up to kFilters times as many bytes; more threads read the filters more often.
    const double filters = static_cast<double>(s.values * s.depth * s.blocks_out * s.lanes * 4), made = static_cast<double>(tile_bytes);
    s.shared = s.tiles < threads || filters * threads > 2 * kFilters * made * static_cast<double>(s.tiles);
    const int64_t each = std::clamp<int64_t>(s.tiles / (threads * kLeastTiles), 1, kManyChunks);
    s.chunks = s.shared ? ceil_div(s.tiles, std::min(wanted * threads, s.tiles)) : round_up(std::max(s.chunks, each * threads), threads);
  }
  s.chunk = ceil_div(s.tiles, s.chunks);
  s.chunks = Split(s.tiles, s.chunk).parts;
  // An odd number of lines of the cache, so that the values of a tile do not share its sets.
  auto step = [&](int64_t blocks) { return (blocks * s.chunk * s.lanes * 4 / 64 | 1) * 16 + (s.lanes < 16 ? 16 : 0); };
  s.in_step = step(s.blocks_in);
  s.out_step = step(s.blocks_out);
  s.chunk_floats = s.values * (s.in_step + s.out_step);
  for (int last = 0; last < 2; ++last) {
    const int64_t columns = panel_columns(s, last ? s.panels - 1 : 0);
    for (int64_t i = 0; i < s.blocks_in; ++i)
      s.blocks[last].push_back({i * s.chunk * s.lanes, i * s.lanes * columns, std::min(s.lanes, s.depth - i * s.lanes)});
  }
}

Status expect_squares(State& s, int64_t m, const Arg& w) {
  const ConvGeometry& g = s.g;
  const bool fits = w.rank == 4 && g.group == 1 && g.kernel[1] == 3 && g.kernel[2] == 3 && g.stride[1] == 1 && g.stride[2] == 1 &&
                    g.dilation[1] == 1 && g.dilation[2] == 1;
  if (!fits)
    return fail(Code::invalid_plan, "Winograd's convolution is 3 x 3 of one group without strides or dilations, not of {}",
                describe(w));
  s.span = m + 2;
  s.values = s.span * s.span;
  s.tiles_h = ceil_div(g.out[1], m);
  s.tiles_w = ceil_div(g.out[2], m);
  return {};
}

Status expect_lines(State& s, int64_t m, const Arg& w) {
  const ConvGeometry& g = s.g;
  s.line = true;
  for (int64_t d = 0; d < 3; ++d)
    if (g.kernel[d] > 1) s.axis = d;
  s.span = s.values = m + g.kernel[s.axis] - 1;
  bool fits = g.group == 1 && is_winograd_line(s.span, g.kernel[s.axis]) && g.dilation[s.axis] == 1;
  for (int64_t d = 0; d < 3; ++d)
    fits &= g.stride[d] == 1 && (d == s.axis || (g.kernel[d] == 1 && g.pad[d] == 0 && g.in[d] == g.out[d]));
  if (!fits)
    return fail(Code::invalid_plan,
                "lines of {} outputs are not made with {}: one group, no strides, one dim that the filter extends along", m,
                describe(w));
  for (int64_t d = 0; d < 3; ++d)
    if (d != s.axis) (d < s.axis ? s.before : s.after) *= g.in[d];
  s.tiles_h = ceil_div(g.out[s.axis], m);
  s.tiles_w = s.before * s.after;
  return {};
}

template <const MicroTable& kTable, bool kLine>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  const auto& params = call.as<ConvPackedParams>();
  TN_TRY(expect_cache(params.cache));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const Format format = blocked(kTable.lanes);
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_format(x, format, "x"));
  TN_TRY(expect_format(out, format, "output"));
  const int64_t m = params.rows;
  if (kLine ? m < 2 || m > 6 : m != 2 && (m != 4 || kTable.group > 1))
    return fail(Code::invalid_plan, "tiles are 2 x 2 or, in f32, 4 x 4, or of 2 to 6 outputs of a line, not of {}", m);
  auto state = std::make_unique<State>();
  State& s = *state;
  Arg w;
  ConvLayout layout = m == 2 ? ConvLayout::winograd2 : ConvLayout::winograd4;
  if (kLine) {
    const int64_t rank = std::clamp<int64_t>(params.w_rank, 2, 2 + kMaxSpatial);
    const int64_t taps = rank > 2 ? *std::max_element(params.w_dims + 2, params.w_dims + rank) : 0;
    layout = taps == 9 - m ? ConvLayout::winograd_line8 : ConvLayout::winograd_line6;
  }
  TN_TRY(unpacked_weight(params, layout, kTable.lanes, call.inputs[1], w, kTable.group));
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  TN_TRY(conv_geometry(params.conv, x, w, bias, out, false, s.g));
  const ConvGeometry& g = s.g;
  TN_TRY((kLine ? expect_lines : expect_squares)(s, m, w));
  if (params.vectors < 1 || params.vectors > kMaxVectors)
    return fail(Code::invalid_plan, "a panel of {} vectors is not supported", params.vectors);
  const auto extras = call.inputs.subspan(std::min<size_t>(3, call.inputs.size()));
  TN_TRY(blocked_epilogue(params.conv.epilogue, extras, out, bias.present(), s.epilogue));
  if (s.epilogue.silu) s.epilogue.leave_registers();
  if (g.n != 0 && g.o != 0 && g.out_count != 0) {
    s.lanes = kTable.lanes;
    s.m = m;
    s.pair = kTable.group;
    s.depth = conv_depth(g.cg, s.lanes, s.pair);
    s.blocks_in = ceil_div(s.depth, s.lanes);
    s.blocks_out = ceil_div(g.o, s.lanes);
    s.vectors = params.vectors;
    s.width = s.vectors * s.lanes;
    s.panels = ceil_div(s.blocks_out, s.vectors);
    s.max_rows = kTable.max_rows[s.vectors];
    s.tiles = g.n * s.tiles_h * s.tiles_w;
    plan_work(s, call.threads, params.cache);
    s.values_bytes = round_up(s.chunk_floats * 4, 64) * (s.shared ? 1 : call.threads);
    prepared.scratch_bytes = s.values_bytes + call.threads * round_up(kTileScratchBytes, 64);
  }
  prepared.state = std::move(state);
  return {};
}

// A chunk of tiles, in three phases, each of which may be shared out in parts.
template <const MicroTable& kTable, const WinogradTable& kTransforms>
class Chunk {
 public:
  Chunk(const LaunchCall& call, const State& s, float* memory, int64_t index)
      : call_(call), s_(s), g_(s.g), in_(memory), out_(memory + s.values * s.in_step) {
    const Split split(s.tiles, s.chunk);
    first_ = split.begin(index);
    tiles_ = split.size(index);
    bias_ = call.inputs.size() > 2 && call.inputs[2].present() ? call.inputs[2].as<const float>() : nullptr;
    if (s.epilogue.bias >= 0) bias_ = extra(s.epilogue.bias);
    if (s.epilogue.add >= 0) add_ = extra(s.epilogue.add);
  }

  int64_t inputs() const { return s_.blocks_in * tiles_; }
  void transform_inputs(int64_t begin, int64_t end) const {
    const auto* x = call_.inputs[0].as<const float>();
    const int64_t x_blocks = ceil_div(g_.cg, s_.lanes);
    const auto transform = s_.line ? kTransforms.input_line[s_.span == 8] : s_.m == 2 ? kTransforms.input2 : kTransforms.input4;
    WinogradInput t{};
    t.row_step = (s_.line ? s_.after : g_.in[2]) * s_.lanes;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / tiles_, tile = i % tiles_;
      const Place at = place(first_ + tile);
      t.x = x + (at.n * x_blocks + block * s_.pair) * g_.in_count * s_.lanes;
      if (s_.line) {
        const int64_t along = at.h - g_.pad[s_.axis];
        t.x += ((at.w / s_.after * g_.in[s_.axis] + along) * s_.after + at.w % s_.after) * s_.lanes;
        inside(along, g_.in[s_.axis], t.row_begin, t.row_end);
      } else {
        const int64_t h = at.h - g_.pad[1], w = at.w - g_.pad[2];
        t.x += (h * g_.in[2] + w) * s_.lanes;
        inside(h, g_.in[1], t.row_begin, t.row_end);
        inside(w, g_.in[2], t.column_begin, t.column_end);
      }
      t.second = s_.pair > 1 && block * s_.pair + 1 < x_blocks ? t.x + g_.in_count * s_.lanes : nullptr;
      t.to = in_ + (block * s_.chunk + tile) * s_.lanes;
      t.step = s_.in_step;
      transform(t);
    }
  }

  int64_t products() const { return s_.values * s_.panels; }
  void multiply(int64_t begin, int64_t end) const {
    const auto* packed = call_.inputs[1].as<const float>();
    const Split rows(tiles_, s_.max_rows);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t value = i / s_.panels, panel = i % s_.panels, columns = panel_columns(s_, panel);
      const auto& blocks = s_.blocks[panel + 1 == s_.panels];
      MicroTile t{};
      t.blocks = blocks.data();
      t.count = static_cast<int64_t>(blocks.size());
      t.b = packed + (value * s_.blocks_out * s_.lanes + panel * s_.width) * s_.depth;
      t.c_row = s_.lanes;
      t.c_vector = s_.chunk * s_.lanes;
      t.lanes = s_.lanes;
      // What the next product reads, which may come from memory: where a chunk has few tiles, each filter is used for those only.
      t.prefetch_lines = ceil_div(columns, 4 * rows.parts);
      const auto* next = reinterpret_cast<const char*>(t.b + columns * s_.depth);
      for (int64_t part = 0; part < rows.parts; ++part) {
        const bool wanted = part * t.prefetch_lines < columns / 4;
        t.prefetch = wanted ? next + part * t.prefetch_lines * (s_.depth / 4) * 64 : nullptr;
        const int64_t at = rows.begin(part), count = rows.size(part), half = (count + 1) / 2 * s_.lanes;
        t.a = in_ + value * s_.in_step + at * s_.lanes;
        t.c = out_ + value * s_.out_step + (panel * s_.vectors * s_.chunk + at) * s_.lanes;
        t.a_jump = t.c_jump = half;
        kTable.dense[columns / s_.lanes][count](t);
      }
    }
  }

  int64_t outputs() const { return s_.blocks_out * tiles_; }
  void transform_outputs(int64_t begin, int64_t end) const {
    auto* y = call_.outputs[0].as<float>();
    const auto transform = s_.line     ? kTransforms.output_line[s_.span == 8][s_.m]
                           : s_.m == 2 ? kTransforms.output2
                                       : kTransforms.output4;
    WinogradOutput t{};
    t.step = s_.out_step;
    t.row_step = (s_.line ? s_.after : g_.out[2]) * s_.lanes;
    if (s_.epilogue.in_registers) {
      t.low = s_.epilogue.add_clamp.low;
      t.high = s_.epilogue.add_clamp.high;
      t.bounded = s_.epilogue.bounded();
    }
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / tiles_, tile = i % tiles_;
      const Place at = place(first_ + tile);
      const int64_t pixel =
          s_.line ? (at.w / s_.after * g_.out[s_.axis] + at.h) * s_.after + at.w % s_.after : at.h * g_.out[2] + at.w;
      const int64_t to = ((at.n * s_.blocks_out + block) * g_.out_count + pixel) * s_.lanes;
      t.from = out_ + (block * s_.chunk + tile) * s_.lanes;
      t.bias = bias_ ? bias_ + block * s_.lanes : nullptr;
      t.add = add_ ? add_ + to : nullptr;
      t.lanes = std::min(s_.lanes, g_.o - block * s_.lanes);
      t.y = y + to;
      t.rows = std::min(s_.m, g_.out[s_.line ? s_.axis : 1] - at.h);
      t.columns = s_.line ? 1 : std::min(s_.m, g_.out[2] - at.w);
      transform(t);
    }
  }

 private:
  // Of a tile's first output: h is along a line, w which line of the image it is.
  struct Place {
    int64_t n, h, w;
  };
  Place place(int64_t tile) const {
    const int64_t row = tile / s_.tiles_w, column = tile % s_.tiles_w;
    return {row / s_.tiles_h, row % s_.tiles_h * s_.m, s_.line ? column : column * s_.m};
  }
  void inside(int64_t start, int64_t extent, int64_t& begin, int64_t& end) const {
    begin = std::clamp<int64_t>(-start, 0, s_.span);
    end = std::clamp<int64_t>(extent - start, begin, s_.span);
  }
  const float* extra(int e) const { return call_.inputs[static_cast<size_t>(e) + 3].as<const float>(); }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  float *in_, *out_;
  int64_t first_ = 0, tiles_ = 0;
  const float *bias_ = nullptr, *add_ = nullptr;
};

// Runs an epilogue that is no addition and bounds over the whole output.
template <const MicroTable& kTable>
void run_program(const LaunchCall& call, const State& s) {
  const TileFunction tile = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  const Program& program = call.as<ConvPackedParams>().conv.epilogue;
  auto* scratch = static_cast<std::byte*>(call.scratch) + s.values_bytes;
  call.team->parallel_for(s.g.n * s.blocks_out, [&](int64_t begin, int64_t end, int member) {
    for (int64_t i = begin; i < end; ++i)
      run_blocked_program(s.epilogue, program, call.inputs, call.outputs[0], i / s.blocks_out, i % s.blocks_out * s.lanes, 0,
                          s.g.out_count, s.g.out_count, tile, scratch + member * round_up(kTileScratchBytes, 64));
  });
}

template <const MicroTable& kTable, const WinogradTable& kTransforms>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  if (s.chunks == 0) return {};
  auto* memory = static_cast<float*>(call.scratch);
  if (s.shared) {
    for (int64_t i = 0; i < s.chunks; ++i) {
      const Chunk<kTable, kTransforms> chunk(call, s, memory, i);
      call.team->parallel_for(chunk.inputs(), [&](int64_t begin, int64_t end, int) { chunk.transform_inputs(begin, end); });
      call.team->parallel_items(chunk.products(), [&](Team::Items& products, int) {
        for (int64_t i; products.next(i);) chunk.multiply(i, i + 1);
      });
      call.team->parallel_for(chunk.outputs(), [&](int64_t begin, int64_t end, int) { chunk.transform_outputs(begin, end); });
    }
  } else {
    call.team->parallel_items(s.chunks, [&](Team::Items& chunks, int member) {
      for (int64_t i; chunks.next(i);) {
        const Chunk<kTable, kTransforms> chunk(call, s, memory + member * (round_up(s.chunk_floats * 4, 64) / 4), i);
        chunk.transform_inputs(0, chunk.inputs());
        chunk.multiply(0, chunk.products());
        chunk.transform_outputs(0, chunk.outputs());
      }
    });
  }
  if (!s.epilogue.in_registers) run_program<kTable>(call, s);
  return {};
}

}  // namespace

extern const Kernel kConvWinogradAvx2{"conv.winograd.f32.avx2",
                                      sizeof(ConvPackedParams),
                                      kAvx2,
                                      0,
                                      prepare<avx2::kMicro, false>,
                                      launch<avx2::kMicro, avx2::kWinograd>};
extern const Kernel kConvWinogradAvx512{"conv.winograd.f32.avx512",
                                        sizeof(ConvPackedParams),
                                        kAvx2 | kAvx512,
                                        0,
                                        prepare<avx512::kMicro, false>,
                                        launch<avx512::kMicro, avx512::kWinograd>};
extern const Kernel kConvWinogradBf16Avx512{
    "conv.winograd.bf16.avx512",         sizeof(ConvPackedParams),
    kAvx2 | kAvx512 | kAvx512Bf16,       0,
    prepare<avx512_bf16::kMicro, false>, launch<avx512_bf16::kMicro, avx512_bf16::kWinograd>};
extern const Kernel kConvWinogradLineAvx2{
    "conv.winograd_line.f32.avx2",        sizeof(ConvPackedParams), kAvx2, 0, prepare<avx2::kMicro, true>,
    launch<avx2::kMicro, avx2::kWinograd>};
extern const Kernel kConvWinogradLineAvx512{
    "conv.winograd_line.f32.avx512",          sizeof(ConvPackedParams), kAvx2 | kAvx512, 0, prepare<avx512::kMicro, true>,
    launch<avx512::kMicro, avx512::kWinograd>};

}  // namespace tenon
