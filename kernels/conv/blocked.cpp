// conv.blocked.f32.<isa>: direct convolution of channel-blocked tensors. Each register tile is a batch-reduce
// product of a row of output pixels with a panel of output channels over (input channel block, tap). Rows that
// need padding or a stride along the last dim are first copied to scratch, with the columns of each phase of
// the stride next to each other; taps outside the other spatial dims are left out. Every element is summed in
// one order, whatever the threads. conv.blocked.bf16.<isa> rounds weights and inputs to bf16 and multiplies pairs: its source is
// always a copy, of the whole input, or, where all pixels are one row, of a chunk of them.
#include <algorithm>
#include <vector>

#include "conv/packed.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kProgramPixels = 128;  // between runs of an epilogue program, at least

// A tap's place: which rows it reads, and the column of output column 0 in a row of the source.
struct Tap {
  int64_t d, h;  // offsets in input rows, before padding is subtracted
  int64_t kd, kh;
  int64_t column;
};

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  int64_t lanes = 0;
  int64_t pair = 1;       // input channels of an element of the source
  int64_t depth = 0;      // elements of packed w for each tap of a group's filter
  int64_t blocks_in = 0;  // of the whole source
  int64_t group_blocks_in = 0, blocks_out = 0;
  int64_t vectors = 0, width = 0, panels = 0;  // of output channels, per group
  int64_t max_rows = 0;
  bool copies = false, flat = false;  // of the whole input; flat: all pixels are one row
  int64_t chunk_pixels = 0;           // of a thread's copy of a chunk; 0: none is made
  int64_t row_width = 0;              // pixels of a row of the source
  std::vector<int64_t> phase_begin;   // input column (may be negative) of the first pixel of a phase
  int64_t phase_width = 0;
  std::vector<Tap> taps;
  std::vector<MicroBlock> whole[2];  // all taps; [1]: last panel
  int64_t rows = 0, row_pixels = 0, chunks = 1;
  int64_t copy_bytes = 0, chunk_bytes = 0, thread_bytes = 0;
};

// Columns of the source: direct, or phases of a padded copy.
Status plan_columns(State& s) {
  const ConvGeometry& g = s.g;
  const int64_t reach = g.dilation[2] * (g.kernel[2] - 1);
  const bool direct = s.flat || (s.pair == 1 && g.stride[2] == 1 && g.pad[2] == 0 && g.out[2] + reach <= g.in[2]);
  s.copies = !direct;
  std::vector<int64_t> column(static_cast<size_t>(g.kernel[2]));
  if (direct) {
    s.row_width = g.in[2];
    for (size_t k = 0; k < column.size(); ++k) column[k] = static_cast<int64_t>(k) * g.dilation[2];
  } else {
    s.phase_width = g.out[2] + reach / g.stride[2];
    for (size_t k = 0; k < column.size(); ++k) {
      const int64_t at = static_cast<int64_t>(k) * g.dilation[2];
      const int64_t begin = at % g.stride[2] - g.pad[2];
      auto found = std::find(s.phase_begin.begin(), s.phase_begin.end(), begin);
      if (found == s.phase_begin.end() && s.phase_begin.size() > 256) break;
      if (found == s.phase_begin.end()) found = s.phase_begin.insert(found, begin);
      column[k] = (found - s.phase_begin.begin()) * s.phase_width + at / g.stride[2];
    }
    if (s.phase_begin.size() > 256)
      return fail(Code::invalid_plan, "stride {} needs {} copies of a row, at most 256 are made", g.stride[2],
                  s.phase_begin.size());
    s.row_width = s.phase_width * static_cast<int64_t>(s.phase_begin.size());
    auto bytes = checked_mul(s.row_width * s.lanes * 4, g.in[0] * g.in[1]);
    bytes = bytes ? checked_mul(*bytes, s.blocks_in) : bytes;
    if (!bytes || *bytes > int64_t{1} << 40)
      return fail(Code::invalid_plan, "the padded copy of the input would be too large");
    s.copy_bytes = round_up(*bytes, 64);
  }
  for (int64_t kd = 0; kd < g.kernel[0]; ++kd)
    for (int64_t kh = 0; kh < g.kernel[1]; ++kh)
      for (int64_t kw = 0; kw < g.kernel[2]; ++kw)
        s.taps.push_back({kd * g.dilation[0], kh * g.dilation[1], kd, kh, column[static_cast<size_t>(kw)]});
  return {};
}

// Blocks of the sum over the taps that `has`, relative to the source row of tap 0.
template <class F>
void list_blocks(const State& s, int64_t panel_width, F&& has, std::vector<MicroBlock>& out) {
  const ConvGeometry& g = s.g;
  out.clear();
  const int64_t plane = (s.chunk_pixels ? s.chunk_pixels : g.in[0] * g.in[1] * s.row_width) * s.lanes;
  int64_t b = 0;
  for (int64_t i = 0; i < s.group_blocks_in; ++i) {
    const int64_t k = std::min(s.lanes, g.cg - i * s.lanes * s.pair);
    for (const Tap& tap : s.taps) {
      const int64_t a = i * plane + ((tap.d * g.in[1] + tap.h) * s.row_width + tap.column) * s.lanes;
      if (has(tap)) out.push_back({a, b, k});
      b += k * panel_width;
    }
  }
}

int64_t panel_columns(const State& s, int64_t panel) { return std::min(s.width, s.g.og - panel * s.width); }

void plan_work(State& s, int threads, int64_t cache) {
  const int64_t most_input = cache / 2;  // bytes that a chunk of rows reads
  const ConvGeometry& g = s.g;
  s.rows = s.flat ? g.out_count : g.out[0] * g.out[1];
  s.row_pixels = s.flat ? 1 : g.out[2];
  const int64_t input_bytes = g.in_count * s.group_blocks_in * s.lanes * 4;
  const int64_t least = std::max<int64_t>(1, ceil_div(4 * s.max_rows, std::max<int64_t>(s.row_pixels, 1)));
  const int64_t most_chunks = std::max<int64_t>(1, s.rows / least);
  s.chunks = std::clamp<int64_t>(ceil_div(input_bytes, most_input), 1, most_chunks);
  const int64_t others = g.group * s.panels * (s.copies ? 1 : g.n);
  if (threads > 1 && others * s.chunks < 4 * threads)
    s.chunks = std::min(most_chunks, ceil_div(4 * threads, others));
  if (s.flat && s.pair > 1) {
    s.chunk_pixels = ceil_div(s.rows, s.chunks);
    s.chunk_bytes = s.chunk_pixels * s.group_blocks_in * s.lanes * 4;
  }
  for (int last = 0; last < 2; ++last)
    list_blocks(
        s, round_up(panel_columns(s, last ? s.panels - 1 : 0), s.lanes), [](const Tap&) { return true; },
        s.whole[last]);
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(blocked_convolution(call, blocked(kTable.lanes), ConvLayout::blocked, kTable.lanes, kTable.group, s.g, s.epilogue));
  const auto& params = call.as<ConvPackedParams>();
  drop_unit_columns(s.g);
  const ConvGeometry& g = s.g;
  s.lanes = kTable.lanes;
  s.pair = kTable.group;
  s.flat = is_pointwise(g);
  if (g.group > 1 && (g.cg % (s.lanes * s.pair) != 0 || g.og % s.lanes != 0))
    return fail(Code::invalid_plan, "channels of a group must be a multiple of {}, x is {} in {} groups",
                s.lanes * s.pair, describe(call.inputs[0]), g.group);
  if (params.vectors < 1 || params.vectors > kMaxVectors)
    return fail(Code::invalid_plan, "a panel of {} vectors is not supported", params.vectors);
  if (g.n * g.o * g.out_count != 0) {
    s.vectors = params.vectors;
    s.width = s.vectors * s.lanes;
    s.max_rows = kTable.max_rows[s.vectors];
    s.panels = ceil_div(g.og, s.width);
    s.depth = conv_depth(g.cg, s.lanes, s.pair);
    s.group_blocks_in = ceil_div(g.cg, s.lanes * s.pair);
    s.blocks_in = s.group_blocks_in * g.group;
    s.blocks_out = ceil_div(g.o, s.lanes);
    if (g.cg > 0) TN_TRY(plan_columns(s));
    plan_work(s, call.threads, params.cache);
    s.thread_bytes = kTileScratchBytes + round_up(s.chunk_bytes, 64) +
                     round_up(static_cast<int64_t>(s.whole[0].size() * sizeof(MicroBlock)), 64);
    prepared.scratch_bytes = s.copy_bytes + call.threads * s.thread_bytes;
  }
  prepared.state = std::move(state);
  return {};
}

// The blocks of x whose channels make pairs with those of block `block` of the source: the first of two, and whether there is
// a second one.
bool has_second(const State& s, int64_t block) { return (2 * block + 1) * s.lanes < s.g.cg * s.g.group; }

// Copies row `row` (of all blocks' rows) of the source's pixels into the phases of the padded copy.
void copy_row(const State& s, const MicroTable& table, const float* x, int64_t row, float* copy) {
  const int64_t bytes = s.lanes * 4, columns = s.g.in[2], stride = s.g.stride[2];
  const int64_t plane_rows = s.g.in[0] * s.g.in[1], block = row / plane_rows;
  const float* from = x + (row + (s.pair - 1) * block * plane_rows) * columns * s.lanes;
  float* to = copy + row * s.row_width * s.lanes;
  for (int64_t begin : s.phase_begin) {
    const int64_t skip = std::min(s.phase_width, begin < 0 ? ceil_div(-begin, stride) : 0);
    const int64_t inside = columns - begin > 0 ? ceil_div(columns - begin, stride) : 0;
    const int64_t end = std::clamp(inside, skip, s.phase_width);
    std::memset(to, 0, static_cast<size_t>(skip * bytes));
    const float* at = from + (begin + skip * stride) * s.lanes;
    if (s.pair > 1) {
      const float* second = has_second(s, block) ? at + s.g.in_count * s.lanes : nullptr;
      table.pair_blocks(at, second, stride * s.lanes, end - skip, to + skip * s.lanes);
    } else if (stride == 1) {
      std::memcpy(to + skip * s.lanes, at, static_cast<size_t>((end - skip) * bytes));
    } else {
      for (int64_t i = skip; i < end; ++i, at += stride * s.lanes)
        std::memcpy(to + i * s.lanes, at, static_cast<size_t>(bytes));
    }
    std::memset(to + end * s.lanes, 0, static_cast<size_t>((s.phase_width - end) * bytes));
    to += s.phase_width * s.lanes;
  }
}

// Whether some tap reads input row h (within its plane).
bool is_read(const ConvGeometry& g, int64_t h) {
  if (g.kernel[1] > 1 || g.stride[1] == 1) return true;
  return (h + g.pad[1]) % g.stride[1] == 0;
}

// One thread's part of one chunk and panel.
template <const MicroTable& kTable>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& s, int member) : call_(call), s_(s), g_(s.g) {
    auto* memory = static_cast<std::byte*>(call.scratch) + s.copy_bytes + member * s.thread_bytes;
    tile_scratch_ = memory;
    chunk_source_ = reinterpret_cast<float*>(memory + kTileScratchBytes);
    blocks_ = reinterpret_cast<MicroBlock*>(memory + kTileScratchBytes + round_up(s.chunk_bytes, 64));
    program_ = &call.as<ConvPackedParams>().conv.epilogue;
    bias_ = call.inputs.size() > 2 && call.inputs[2].present() ? call.inputs[2].as<const float>() : nullptr;
    if (s.epilogue.bias >= 0) bias_ = extra(s.epilogue.bias);
  }

  // `source`: the input, or its copy, of item n.
  void run(const float* source, int64_t n, int64_t item) {
    panel_ = item % s_.panels;
    const int64_t chunk = item / s_.panels % s_.chunks, group = item / s_.panels / s_.chunks;
    n_ = n;
    columns_ = panel_columns(s_, panel_);
    vectors_ = ceil_div(columns_, s_.lanes);
    half_ = kTable.max_half_rows[vectors_] > 0 && 2 * (columns_ - (vectors_ - 1) * s_.lanes) <= s_.lanes;
    max_rows_ = half_ ? kTable.max_half_rows[vectors_] : s_.max_rows;
    channel_ = group * g_.og + panel_ * s_.width;
    const auto* packed = call_.inputs[1].as<const float>();
    const int64_t group_floats = round_up(g_.og, s_.lanes) * g_.taps * s_.depth;
    b_ = packed + group * group_floats + panel_ * s_.width * g_.taps * s_.depth;
    source_ = source + group * s_.group_blocks_in * g_.in[0] * g_.in[1] * s_.row_width * s_.lanes;
    const Split split(s_.rows, ceil_div(s_.rows, s_.chunks));
    if (chunk >= split.parts) return;
    tiles_done_ = 0;
    lines_ = ceil_div(s_.width, 4 * std::max<int64_t>(split.size(chunk) * s_.row_pixels / max_rows_, 1));
    pending_ = split.begin(chunk) * s_.row_pixels;
    const int64_t first = split.begin(chunk), last = first + split.size(chunk);
    if (s_.chunk_pixels) {
      if (chunk_item_ != item / s_.panels || chunk_n_ != n) pair_chunk(source, group, first, last - first);
      chunk_item_ = item / s_.panels, chunk_n_ = n;
      source_ = chunk_source_ - first * s_.lanes;
    }
    if (s_.flat)
      run_flat(first, last);
    else
      run_rows(first, last);
    program(last * s_.row_pixels);
  }

 private:
  // Makes pairs of `count` pixels of a group's channels.
  void pair_chunk(const float* x, int64_t group, int64_t first, int64_t count) {
    const int64_t block_floats = g_.in_count * s_.lanes;
    for (int64_t i = 0; i < s_.group_blocks_in; ++i) {
      const int64_t block = group * s_.group_blocks_in + i;
      const float* low = x + 2 * block * block_floats + first * s_.lanes;
      kTable.pair_blocks(low, has_second(s_, block) ? low + block_floats : nullptr, s_.lanes, count,
                         chunk_source_ + i * s_.chunk_pixels * s_.lanes);
    }
  }

  void run_flat(int64_t first, int64_t last) {
    const auto& blocks = s_.whole[panel_ + 1 == s_.panels];
    auto part = [&](int64_t at, int64_t rows) {
      tile(source_ + at * s_.lanes, (rows + 1) / 2, blocks.data(), static_cast<int64_t>(blocks.size()), at,
           rows, (rows + 1) / 2);
      if (at + rows - pending_ >= kProgramPixels) program(at + rows);
    };
    const int64_t unit = half_ ? 2 : 1;  // pixels that share a vector
    const Split tiles((last - first) / unit, max_rows_ / unit);
    for (int64_t t = 0; t < tiles.parts; ++t) part(first + tiles.begin(t) * unit, tiles.size(t) * unit);
    if ((last - first) % unit != 0) part(last - 1, 1);
  }

  // Taps of one output row that lie inside along the outer spatial dims, as bounds of kd and kh.
  struct Inside {
    int64_t d0, d1, h0, h1;
    friend bool operator==(const Inside&, const Inside&) = default;
  };
  static void inside(const ConvGeometry& g, int dim, int64_t start, int64_t& first, int64_t& last) {
    first = start < 0 ? std::min(g.kernel[dim], ceil_div(-start, g.dilation[dim])) : 0;
    const int64_t room = g.in[dim] - start;
    last = room > 0 ? std::min(g.kernel[dim], ceil_div(room, g.dilation[dim])) : 0;
    if (last < first) last = first;
  }
  Inside inside_of(int64_t row) const {
    Inside out;
    inside(g_, 0, row / g_.out[1] * g_.stride[0] - g_.pad[0], out.d0, out.d1);
    inside(g_, 1, row % g_.out[1] * g_.stride[1] - g_.pad[1], out.h0, out.h1);
    return out;
  }
  // Source of output row `row`, column 0, tap 0; outside the source where that tap is not inside.
  int64_t origin(int64_t row) const {
    const int64_t d = row / g_.out[1] * g_.stride[0] - g_.pad[0],
                  h = row % g_.out[1] * g_.stride[1] - g_.pad[1];
    return (d * g_.in[1] + h) * s_.row_width * s_.lanes;
  }

  void run_rows(int64_t first, int64_t last) {
    const int64_t width = g_.out[2];
    const bool pairs = 2 * width <= max_rows_;
    for (int64_t row = first; row < last;) {
      const Inside now = inside_of(row);
      const bool two = pairs && row + 1 < last && (row + 1) % g_.out[1] != 0 && inside_of(row + 1) == now;
      const MicroBlock* blocks = list(now);
      const float* a = source_ + origin(row);
      if (two) {
        tile(a, origin(row + 1) - origin(row), blocks, count_, row * width, 2 * width, width, true);
      } else {
        const Split tiles(width, max_rows_);
        for (int64_t t = 0; t < tiles.parts; ++t) {
          const int64_t at = tiles.begin(t), pixels = tiles.size(t);
          tile(a + at * s_.lanes, (pixels + 1) / 2, blocks, count_, row * width + at, pixels,
               (pixels + 1) / 2);
        }
      }
      row += two ? 2 : 1;
      if (row * width - pending_ >= kProgramPixels) program(row * width);
    }
  }

  // The blocks of the taps inside: the whole list where those are all.
  const MicroBlock* list(const Inside& now) {
    const auto& whole = s_.whole[panel_ + 1 == s_.panels];
    if (now == Inside{0, g_.kernel[0], 0, g_.kernel[1]}) {
      count_ = static_cast<int64_t>(whole.size());
      return whole.data();
    }
    count_ = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      const Tap& tap = s_.taps[i % s_.taps.size()];
      if (tap.kd >= now.d0 && tap.kd < now.d1 && tap.kh >= now.h0 && tap.kh < now.h1)
        blocks_[count_++] = whole[i];
    }
    return blocks_;
  }

  // `jump`: from row 0 of the tile to its second half, in pixels, or in floats when `floats`.
  void tile(const float* a, int64_t jump, const MicroBlock* blocks, int64_t count, int64_t pixel,
            int64_t rows, int64_t half, bool floats = false) {
    MicroTile t{};
    t.a = a;
    t.a_jump = floats ? jump : jump * s_.lanes;
    t.b = b_;
    t.blocks = blocks;
    t.count = count;
    t.c_vector = g_.out_count * s_.lanes;
    t.c_row = s_.lanes;
    t.c_jump = half * s_.lanes;
    const int64_t at = ((n_ * s_.blocks_out + channel_ / s_.lanes) * g_.out_count + pixel) * s_.lanes;
    t.c = call_.outputs[0].as<float>() + at;
    t.lanes = columns_ - (vectors_ - 1) * s_.lanes;
    t.fill = true;
    if (bias_) t.bias = bias_ + channel_;
    s_.epilogue.finish(t, s_.epilogue.add >= 0 ? extra(s_.epilogue.add) + at : nullptr);
    if (tiles_done_ * lines_ < s_.width / 4)
      t.prefetch = reinterpret_cast<const char*>(b_ + s_.width * g_.taps * s_.depth) +
                   tiles_done_ * lines_ * (g_.taps * s_.depth / 4) * 64;
    t.prefetch_lines = lines_;
    ++tiles_done_;
    const auto& kernels = half_ && rows % 2 == 0 ? kTable.half : kTable.dense;
    kernels[vectors_][rows](t);
  }

  // Runs the epilogue program over the pixels whose sums are ready.
  void program(int64_t end) {
    if (!s_.epilogue.in_registers && end > pending_)
      for (int64_t v = 0; v < vectors_; ++v)
        run_blocked_program(s_.epilogue, *program_, call_.inputs, call_.outputs[0], n_,
                            channel_ + v * s_.lanes, pending_, end - pending_, g_.out_count, tile_,
                            tile_scratch_);
    pending_ = end;
  }

  const float* extra(int e) const { return call_.inputs[static_cast<size_t>(e) + 3].as<const float>(); }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  const Program* program_;
  const float *bias_, *b_ = nullptr, *source_ = nullptr;
  void* tile_scratch_;
  float* chunk_source_;
  MicroBlock* blocks_;
  int64_t chunk_item_ = -1, chunk_n_ = -1;  // which chunk has been made pairs of
  int64_t count_ = 0, n_ = 0, panel_ = 0, channel_ = 0, columns_ = 0, vectors_ = 0, max_rows_ = 0;
  int64_t tiles_done_ = 0, lines_ = 1;  // of the panel; that each fetches of the next one for four input channels of a tap
  bool half_ = false;    // the last vector of the panel is at most half full
  int64_t pending_ = 0;  // first pixel whose epilogue program has not run
};

template <const MicroTable& kTable>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const ConvGeometry& g = s.g;
  if (s.panels == 0) return {};
  const int64_t items = g.group * s.chunks * s.panels;
  const int64_t plane_rows = g.in[0] * g.in[1];
  const int64_t item_floats = ceil_div(g.cg * g.group, s.lanes) * g.in_count * s.lanes;
  const auto* x = call.inputs[0].as<const float>();
  if (!s.copies) {
    call.team->parallel_items(g.n * items, [&](Team::Items& mine, int member) {
      Worker<kTable> worker(call, s, member);
      for (int64_t i; mine.next(i);) worker.run(x + i / items * item_floats, i / items, i % items);
    });
    return {};
  }
  auto* copy = static_cast<float*>(call.scratch);
  for (int64_t n = 0; n < g.n; ++n, x += item_floats) {
    call.team->parallel_for(s.blocks_in * plane_rows, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row)
        if (is_read(g, row % g.in[1])) copy_row(s, kTable, x, row, copy);
    });
    call.team->parallel_items(items, [&](Team::Items& mine, int member) {
      Worker<kTable> worker(call, s, member);
      for (int64_t i; mine.next(i);) worker.run(copy, n, i);
    });
  }
  return {};
}

}  // namespace

extern const Kernel kConvBlockedAvx2{
    "conv.blocked.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0, prepare<avx2::kMicro>, launch<avx2::kMicro>};
extern const Kernel kConvBlockedAvx512{
    "conv.blocked.f32.avx512", sizeof(ConvPackedParams), kAvx2 | kAvx512, 0, prepare<avx512::kMicro>, launch<avx512::kMicro>};
extern const Kernel kConvBlockedBf16Avx512{
    "conv.blocked.bf16.avx512",   sizeof(ConvPackedParams),   kAvx2 | kAvx512 | kAvx512Bf16, 0,
    prepare<avx512_bf16::kMicro>, launch<avx512_bf16::kMicro>};

}  // namespace tenon
