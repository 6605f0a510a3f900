// conv_transpose.blocked.f32.<isa>: transposed convolution of channel-blocked tensors without a product that is added up
// behind. The outputs of one phase of the strides, those at s * q + r, are a plain convolution with every s-th tap (Shi et al.,
// "Is the deconvolution layer the same as a convolutional layer?", 2016): each register tile is a batch-reduce product of
// pixels of one phase with a panel of output channels over (input channel block, tap), stored s pixels apart. Rows of the input are
// first copied to scratch where taps reach beyond them; taps outside the other spatial dims are left out. Every element is
// summed in one order, whatever the threads.
#include <algorithm>
#include <span>
#include <vector>

#include "conv/packed.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kMostPhases = 4096;
constexpr int64_t kRowsTogether = 16;

// A tap of one dim: output s * q + r of its phase reads input q - back.
struct Tap {
  int64_t k, back;
};
struct Phase {
  std::vector<Tap> taps;  // by `back`
};

// One output coordinate of a dim that is not the last.
struct Line {
  int64_t at, q;
  int64_t phase, first, last;  // which taps of the phase are inside
  bool same_taps(const Line& other) const { return phase == other.phase && first == other.first && last == other.last; }
};

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  int64_t lanes = 0;
  int64_t group_blocks_in = 0, blocks_in = 0, blocks_out = 0;
  int64_t vectors = 0, width = 0, panels = 0;  // of output channels, per group
  int64_t max_rows = 0;
  std::vector<Phase> phases[3];
  std::vector<Line> lines[2];  // of the outer dims, those of one phase behind each other
  bool copies = false;
  int64_t first_column = 0, row_width = 0;  // of the source, in input columns
  int64_t row_chunks = 1, column_chunks = 1;
  int64_t copy_bytes = 0, thread_bytes = 0;
};

int64_t phase_of(const ConvGeometry& g, int dim, int64_t at) {
  return at + g.pad[dim] - floor_div(at + g.pad[dim], g.stride[dim]) * g.stride[dim];
}
int64_t quotient(const ConvGeometry& g, int dim, int64_t at) { return floor_div(at + g.pad[dim], g.stride[dim]); }
// The first output coordinate of the phase that is not before `from`.
int64_t first_of_phase(const ConvGeometry& g, int dim, int64_t phase, int64_t from) {
  const int64_t ahead = phase - phase_of(g, dim, from);
  return from + (ahead < 0 ? ahead + g.stride[dim] : ahead);
}

Status plan_phases(State& s) {
  const ConvGeometry& g = s.g;
  for (int dim = 0; dim < 3; ++dim) {
    if (g.stride[dim] > kMostPhases)
      return fail(Code::unsupported, "stride {} has more than {} phases", g.stride[dim], kMostPhases);
    s.phases[dim].resize(static_cast<size_t>(g.stride[dim]));
    for (int64_t k = 0; k < (g.cg > 0 ? g.kernel[dim] : 0); ++k) {
      const int64_t reach = k * g.dilation[dim];
      s.phases[dim][static_cast<size_t>(reach % g.stride[dim])].taps.push_back({k, reach / g.stride[dim]});
    }
  }
  for (int dim = 0; dim < 2; ++dim)
    for (int64_t phase = 0; phase < g.stride[dim]; ++phase)
      for (int64_t at = first_of_phase(g, dim, phase, 0); at < g.out[dim]; at += g.stride[dim]) {
        const std::vector<Tap>& taps = s.phases[dim][static_cast<size_t>(phase)].taps;
        Line line{at, quotient(g, dim, at), phase, 0, static_cast<int64_t>(taps.size())};
        while (line.first < line.last && line.q - taps[static_cast<size_t>(line.first)].back >= g.in[dim]) ++line.first;
        while (line.last > line.first && line.q - taps[static_cast<size_t>(line.last - 1)].back < 0) --line.last;
        s.lines[dim].push_back(line);
      }
  return {};
}

// The columns of the source that some tap of some output reads.
Status plan_columns(State& s) {
  const ConvGeometry& g = s.g;
  int64_t first = 0, last = g.in[2] - 1;
  for (int64_t phase = 0; phase < g.stride[2]; ++phase) {
    const int64_t begin = first_of_phase(g, 2, phase, 0);
    if (begin >= g.out[2]) continue;
    const int64_t end = begin + (g.out[2] - 1 - begin) / g.stride[2] * g.stride[2];
    for (const Tap& tap : s.phases[2][static_cast<size_t>(phase)].taps) {
      first = std::min(first, quotient(g, 2, begin) - tap.back);
      last = std::max(last, quotient(g, 2, end) - tap.back);
    }
  }
  s.copies = first < 0 || last >= g.in[2];
  s.first_column = first;
  s.row_width = last - first + 1;
  if (!s.copies) return {};
  auto bytes = checked_mul(s.row_width, s.lanes * 4);
  bytes = bytes ? checked_mul(*bytes, g.in[0] * g.in[1]) : bytes;
  bytes = bytes ? checked_mul(*bytes, s.blocks_in) : bytes;
  if (!bytes || *bytes > int64_t{1} << 40) return fail(Code::invalid_plan, "the padded copy of the input would be too large");
  s.copy_bytes = round_up(*bytes, 64);
  return {};
}

int64_t panel_columns(const State& s, int64_t panel) { return std::min(s.width, s.g.og - panel * s.width); }

void plan_work(State& s, int threads, int64_t cache) {
  const int64_t most_input = cache / 2;  // bytes that a chunk of rows reads
  const ConvGeometry& g = s.g;
  const int64_t rows = g.out[0] * g.out[1], input_bytes = g.in_count * s.group_blocks_in * s.lanes * 4;
  const int64_t others = g.group * s.panels * (s.copies ? 1 : g.n);
  s.row_chunks = std::clamp<int64_t>(ceil_div(input_bytes, most_input), 1, rows);
  if (threads > 1 && others * s.row_chunks < 4 * threads) s.row_chunks = std::min(rows, ceil_div(4 * threads, others));
  const int64_t most = std::max<int64_t>(1, g.out[2] / (4 * g.stride[2] * s.max_rows));
  s.column_chunks = std::clamp<int64_t>(ceil_div(input_bytes, most_input * s.row_chunks), 1, most);
  const int64_t all = others * s.row_chunks;
  if (threads > 1 && all * s.column_chunks < 4 * threads) s.column_chunks = std::min(most, ceil_div(4 * threads, all));
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(blocked_convolution(call, blocked(kTable.lanes), ConvLayout::transposed_blocked, kTable.lanes, 1, s.g, s.epilogue));
  const auto& params = call.as<ConvPackedParams>();
  drop_unit_columns(s.g);
  const ConvGeometry& g = s.g;
  s.lanes = kTable.lanes;
  if (g.group > 1 && (g.cg % s.lanes != 0 || g.og % s.lanes != 0))
    return fail(Code::invalid_plan, "channels of a group must be a multiple of {}, x is {} in {} groups", s.lanes, describe(call.inputs[0]), g.group);
  if (params.vectors < 1 || params.vectors > kMaxVectors)
    return fail(Code::invalid_plan, "a panel of {} vectors is not supported", params.vectors);
  if (g.n * g.o * g.out_count != 0) {
    s.vectors = params.vectors;
    s.width = s.vectors * s.lanes;
    s.max_rows = kTable.max_rows[s.vectors];
    s.panels = ceil_div(g.og, s.width);
    s.group_blocks_in = ceil_div(g.cg, s.lanes);
    s.blocks_in = s.group_blocks_in * g.group;
    s.blocks_out = ceil_div(g.o, s.lanes);
    TN_TRY(plan_phases(s));
    TN_TRY(plan_columns(s));
    plan_work(s, call.threads, params.cache);
    s.thread_bytes = kTileScratchBytes + round_up(s.group_blocks_in * g.taps * static_cast<int64_t>(sizeof(MicroBlock)), 64);
    prepared.scratch_bytes = s.copy_bytes + call.threads * s.thread_bytes;
  }
  prepared.state = std::move(state);
  return {};
}

// Copies row `row` (of all blocks' rows) with zeros around it.
void copy_row(const State& s, const float* x, int64_t row, float* copy) {
  const int64_t before = std::clamp<int64_t>(-s.first_column, 0, s.row_width);
  const int64_t inside = std::min(s.g.in[2], s.row_width - before), behind = s.row_width - before - inside;
  float* to = copy + row * s.row_width * s.lanes;
  auto bytes = [&](int64_t columns) { return static_cast<size_t>(columns * s.lanes) * sizeof(float); };
  std::memset(to, 0, bytes(before));
  std::memcpy(to + before * s.lanes, x + row * s.g.in[2] * s.lanes, bytes(inside));
  std::memset(to + (before + inside) * s.lanes, 0, bytes(behind));
}

// One thread's part: some rows of a panel, or some columns of them.
template <const MicroTable& kTable>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& s, int member) : call_(call), s_(s), g_(s.g) {
    auto* memory = static_cast<std::byte*>(call.scratch) + s.copy_bytes + member * s.thread_bytes;
    tile_scratch_ = memory;
    blocks_ = reinterpret_cast<MicroBlock*>(memory + kTileScratchBytes);
    program_ = &call.as<ConvPackedParams>().conv.epilogue;
    bias_ = call.inputs.size() > 2 && call.inputs[2].present() ? call.inputs[2].as<const float>() : nullptr;
    if (s.epilogue.bias >= 0) bias_ = extra(s.epilogue.bias);
  }

  // `source`: the input, or its copy, of item n.
  void run(const float* source, int64_t n, int64_t item) {
    const int64_t panel = item % s_.panels, chunk = item / s_.panels % (s_.row_chunks * s_.column_chunks);
    const int64_t group = item / s_.panels / (s_.row_chunks * s_.column_chunks);
    n_ = n;
    columns_ = panel_columns(s_, panel);
    vectors_ = ceil_div(columns_, s_.lanes);
    channel_ = group * g_.og + panel * s_.width;
    const int64_t group_floats = round_up(g_.og, s_.lanes) * g_.taps * g_.cg;
    b_ = call_.inputs[1].as<const float>() + group * group_floats + panel * s_.width * g_.taps * g_.cg;
    source_ = source + group * s_.group_blocks_in * g_.in[0] * g_.in[1] * s_.row_width * s_.lanes;
    listed_ = {};
    const int64_t all = g_.out[0] * g_.out[1];
    const Split rows(all, ceil_div(all, s_.row_chunks)), columns(g_.out[2], ceil_div(g_.out[2], s_.column_chunks));
    const int64_t r = chunk / s_.column_chunks, c = chunk % s_.column_chunks;
    if (r >= rows.parts || c >= columns.parts) return;
    begin_ = columns.begin(c);
    end_ = begin_ + columns.size(c);
    run_rows(rows.begin(r), rows.begin(r) + rows.size(r));
  }

 private:
  struct Listed {
    const Line *d = nullptr, *h = nullptr;
    int64_t phase = -1;
  };

  const Line& line_d(int64_t row) const { return s_.lines[0][static_cast<size_t>(row / g_.out[1])]; }
  const Line& line_h(int64_t row) const { return s_.lines[1][static_cast<size_t>(row % g_.out[1])]; }

  // Rows of one phase go together, so that the weights of their taps stay in the cache.
  void run_rows(int64_t first, int64_t last) {
    const bool pairs = 2 * ceil_div(end_ - begin_, g_.stride[2]) <= s_.max_rows;
    for (int64_t row = first; row < last;) {
      int64_t group_end = row + 1;
      while (group_end < last && group_end - row < kRowsTogether && group_end % g_.out[1] != 0 &&
             line_h(group_end).phase == line_h(row).phase)
        ++group_end;
      for (int64_t phase = 0; phase < g_.stride[2]; ++phase)
        for (int64_t at = row; at < group_end;) {
          const Line &d = line_d(at), &h = line_h(at);
          const Line* next = pairs && at + 1 < group_end && line_h(at + 1).same_taps(h) ? &line_h(at + 1) : nullptr;
          list(d, h, phase);
          run_phase(d, h, next, phase);
          at += next ? 2 : 1;
        }
      for (; row < group_end; ++row) program(line_d(row), line_h(row));
    }
  }

  // Blocks of the sum of a phase of the last dim, relative to the source of the row at q and column q.
  void list(const Line& d, const Line& h, int64_t phase) {
    if (listed_.phase == phase && listed_.d->same_taps(d) && listed_.h->same_taps(h)) return;
    listed_ = {&d, &h, phase};
    const int64_t plane = g_.in[0] * g_.in[1] * s_.row_width, columns = round_up(columns_, s_.lanes);
    const auto &all_d = s_.phases[0][static_cast<size_t>(d.phase)].taps, &all_h = s_.phases[1][static_cast<size_t>(h.phase)].taps;
    const std::span taps_d(all_d.data() + d.first, all_d.data() + d.last), taps_h(all_h.data() + h.first, all_h.data() + h.last);
    count_ = 0;
    for (int64_t i = 0; i < s_.group_blocks_in; ++i) {
      const int64_t k = std::min(s_.lanes, g_.cg - i * s_.lanes);
      for (const Tap& td : taps_d)
        for (const Tap& th : taps_h)
          for (const Tap& tw : s_.phases[2][static_cast<size_t>(phase)].taps) {
            const int64_t tap = (td.k * g_.kernel[1] + th.k) * g_.kernel[2] + tw.k;
            const int64_t back = (td.back * g_.in[1] + th.back) * s_.row_width + tw.back;
            blocks_[count_++] = {(i * plane - back) * s_.lanes, (i * s_.lanes * g_.taps + tap * k) * columns, k};
          }
    }
  }

  // The pixels of one phase of the last dim, of one row or of it and the next one of its phase.
  void run_phase(const Line& d, const Line& h, const Line* next, int64_t phase) {
    const int64_t stride = g_.stride[2], at = first_of_phase(g_, 2, phase, begin_);
    if (at >= end_) return;
    const int64_t count = (end_ - 1 - at) / stride + 1;
    MicroTile t{};
    t.blocks = blocks_;
    t.count = count_;
    t.b = b_;
    const float* a = source_ + ((d.q * g_.in[1] + h.q) * s_.row_width + quotient(g_, 2, at) - s_.first_column) * s_.lanes;
    const int64_t pixel = (d.at * g_.out[1] + h.at) * g_.out[2] + at;
    if (next) {
      t.a_jump = (next->q - h.q) * s_.row_width * s_.lanes;
      tile(t, a, pixel, 2 * count, (next->at - h.at) * g_.out[2] * s_.lanes);
      return;
    }
    const Split tiles(count, s_.max_rows);
    for (int64_t i = 0; i < tiles.parts; ++i) {
      const int64_t first = tiles.begin(i), rows = tiles.size(i), half = (rows + 1) / 2;
      t.a_jump = half * s_.lanes;
      tile(t, a + first * s_.lanes, pixel + first * stride, rows, half * stride * s_.lanes);
    }
  }

  void tile(MicroTile& t, const float* a, int64_t pixel, int64_t rows, int64_t jump) {
    t.a = a;
    t.c_vector = g_.out_count * s_.lanes;
    t.c_row = g_.stride[2] * s_.lanes;
    t.c_jump = jump;
    const int64_t at = ((n_ * s_.blocks_out + channel_ / s_.lanes) * g_.out_count + pixel) * s_.lanes;
    t.c = call_.outputs[0].as<float>() + at;
    t.lanes = columns_ - (vectors_ - 1) * s_.lanes;
    t.fill = true;
    if (bias_) t.bias = bias_ + channel_;
    s_.epilogue.finish(t, s_.epilogue.add >= 0 ? extra(s_.epilogue.add) + at : nullptr);
    kTable.dense[vectors_][rows](t);
  }

  // Runs the epilogue program over a row's pixels, whose sums are ready.
  void program(const Line& d, const Line& h) {
    if (s_.epilogue.in_registers) return;
    const int64_t pixel = (d.at * g_.out[1] + h.at) * g_.out[2] + begin_;
    for (int64_t v = 0; v < vectors_; ++v)
      run_blocked_program(s_.epilogue, *program_, call_.inputs, call_.outputs[0], n_, channel_ + v * s_.lanes, pixel, end_ - begin_,
                          g_.out_count, tile_, tile_scratch_);
  }

  const float* extra(int e) const { return call_.inputs[static_cast<size_t>(e) + 3].as<const float>(); }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  const Program* program_;
  const float *bias_, *b_ = nullptr, *source_ = nullptr;
  void* tile_scratch_;
  MicroBlock* blocks_;
  Listed listed_;  // whose blocks these are
  int64_t count_ = 0;
  int64_t n_ = 0, channel_ = 0, columns_ = 0, vectors_ = 0, begin_ = 0, end_ = 0;
};

template <const MicroTable& kTable>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const ConvGeometry& g = s.g;
  if (s.panels == 0) return {};
  const int64_t items = g.group * s.row_chunks * s.column_chunks * s.panels;
  const int64_t item_floats = s.blocks_in * g.in_count * s.lanes;
  const auto* x = call.inputs[0].as<const float>();
  if (!s.copies) {
    call.team->parallel_for(g.n * items, [&](int64_t begin, int64_t end, int member) {
      Worker<kTable> worker(call, s, member);
      for (int64_t i = begin; i < end; ++i) worker.run(x + i / items * item_floats, i / items, i % items);
    });
    return {};
  }
  auto* copy = static_cast<float*>(call.scratch);
  for (int64_t n = 0; n < g.n; ++n, x += item_floats) {
    call.team->parallel_for(s.blocks_in * g.in[0] * g.in[1], [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) copy_row(s, x, row, copy);
    });
    call.team->parallel_for(items, [&](int64_t begin, int64_t end, int member) {
      Worker<kTable> worker(call, s, member);
      for (int64_t i = begin; i < end; ++i) worker.run(copy, n, i);
    });
  }
  return {};
}

}  // namespace

extern const Kernel kConvTransposeBlockedAvx2{"conv_transpose.blocked.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0,
                                              prepare<avx2::kMicro>, launch<avx2::kMicro>};
extern const Kernel kConvTransposeBlockedAvx512{"conv_transpose.blocked.f32.avx512", sizeof(ConvPackedParams), kAvx2 | kAvx512, 0,
                                                prepare<avx512::kMicro>, launch<avx512::kMicro>};

}  // namespace tenon
