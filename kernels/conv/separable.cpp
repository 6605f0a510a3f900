// conv.separable.f32.<isa>: a depthwise convolution with the 1 x 1 convolutions before and behind it, or one of them, on
// channel-blocked tensors: an inverted residual (Sandler et al., "MobileNetV2", 2018). What lies between the convolutions
// stays in the second-level cache: for a few rows of output at a time, the rows of the expanded input that those read and
// the rows before did not are made in a ring of rows, a panel of channels and then its depthwise rows. With a product behind,
// all panels' rows are made before that is; without one, each panel is a work of its own, with a ring of its channels only.
// Threads divide bands of rows, whose first rows make again what the band before had, and panels. While products are made,
// the weights that follow are fetched, and then the rows of x that are read next. Every element is summed as by conv.blocked
// and conv.depthwise.
#include <algorithm>
#include <numeric>
#include <vector>

#include "conv/depthwise_plane.h"
#include "conv/packed.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kMostRows = 64;
constexpr int64_t kMostScratch = int64_t{1} << 40;

// One of the convolutions.
struct Stage {
  bool present = false;
  size_t first_input = 0;  // of the step's: w, then bias and extras if there are any
  size_t inputs = 0;
  ConvGeometry g;
  BlockedEpilogue epilogue;
  // Of a product: see conv.blocked.
  int64_t vectors = 0, width = 0, panels = 0;
  std::vector<MicroBlock> blocks[2];  // [1]: last panel

  std::span<const Arg> extras(std::span<const Arg> inputs_of_step) const {
    return inputs > 2 ? inputs_of_step.subspan(first_input + 2, inputs - 2) : std::span<const Arg>();
  }
  Arg bias(std::span<const Arg> inputs_of_step) const { return inputs > 1 ? inputs_of_step[first_input + 1] : Arg{}; }
};

struct State : KernelState {
  Stage stage[kSeparableStages];
  DepthwisePlan plan;
  int64_t blocks = 0;             // of the channels between
  int64_t group = 0;              // blocks of one work: all of them, or a panel
  int64_t panel = 1;              // blocks made together
  int64_t rows = 0;               // of output at a time
  int64_t ring = 0;               // rows of the expanded input that are kept; all of x where there is no product before
  int64_t groups = 0, bands = 0;  // works of an item
  int64_t ring_block = 0, middle_block = 0;  // floats of a channel block: of the ring, of the depthwise rows
  int64_t ring_bytes = 0, thread_bytes = 0;
  bool is_far = false;  // x: its rows are fetched ahead
};

Status read_stages(const PrepareCall& call, State& s) {
  const auto& params = call.as<SeparableParams>();
  size_t next = 1;
  for (int i = 0; i < kSeparableStages; ++i) {
    const int64_t count = params.operands[i];
    if (count < 0 || count > 1 + kMaxProgramInputs || (i == kDepthwiseStage && count == 0))
      return fail(Code::invalid_plan, "convolution {} of a separable one cannot have {} operands", i, count);
    s.stage[i].present = count > 0;
    s.stage[i].first_input = next;
    s.stage[i].inputs = static_cast<size_t>(count);
    next += s.stage[i].inputs;
  }
  if (!s.stage[kExpandStage].present && !s.stage[kProjectStage].present)
    return fail(Code::invalid_plan, "a separable convolution has a product before or behind the depthwise one");
  TN_TRY(expect_counts(call, next, next, 1));
  if (params.rows < 1 || params.rows > kMostRows)
    return fail(Code::invalid_plan, "a separable convolution computes 1 to {} rows at a time, not {}", kMostRows, params.rows);
  s.rows = params.rows;
  return {};
}

// One stage from x to out, which are not whole in memory where other stages are before and behind.
Status check_stage(const PrepareCall& call, int which, const Arg& x, const Arg& out, bool last, int64_t lanes, Stage& s) {
  const ConvPackedParams& params = call.as<SeparableParams>().stage[which];
  const ConvLayout layout = which == kDepthwiseStage ? ConvLayout::depthwise : ConvLayout::blocked;
  TN_TRY(expect_cache(params.cache));
  const Arg bias = s.bias(call.inputs);
  Arg w;
  TN_TRY(unpacked_weight(params, layout, lanes, call.inputs[s.first_input], w));
  TN_TRY(conv_geometry(params.conv, x, w, bias, out, false, s.g));
  TN_TRY(blocked_epilogue(params.conv.epilogue, s.extras(call.inputs), out, bias.present(), s.epilogue));
  for (size_t i = 0; i < s.extras(call.inputs).size(); ++i)
    if (!last && s.epilogue.extra[i].full)
      return fail(Code::invalid_plan, "the epilogue of a convolution that another one follows has one value per channel");
  if (which == kDepthwiseStage) {
    if (s.epilogue.add >= 0) s.epilogue.leave_registers();
    return {};
  }
  if (!is_pointwise(s.g) || s.g.group != 1 || s.g.c < 1)
    return fail(Code::invalid_plan, "the convolutions before and behind a depthwise one are 1 x 1 of one group, and have channels");
  if (params.vectors < 1 || params.vectors > kMaxVectors)
    return fail(Code::invalid_plan, "a panel of {} vectors is not supported", params.vectors);
  s.vectors = params.vectors;
  s.width = s.vectors * lanes;
  s.panels = ceil_div(s.g.o, s.width);
  return {};
}

// The sum over the input's channel blocks, `block_floats` apart.
void list_blocks(Stage& s, int64_t lanes, int64_t block_floats) {
  for (int last = 0; last < 2; ++last) {
    const int64_t panel = last ? s.panels - 1 : 0;
    const int64_t width = round_up(std::min(s.width, s.g.o - panel * s.width), lanes);
    for (int64_t c = 0; c < s.g.c; c += lanes)
      s.blocks[last].push_back({c / lanes * block_floats, c * width, std::min(lanes, s.g.c - c)});
  }
}

// Sizes of the ring and of the rows behind it, both of all channels.
Status plan_scratch(State& s, int64_t lanes) {
  const ConvGeometry& g = s.stage[kDepthwiseStage].g;
  const int64_t window = (s.rows - 1) * g.stride[1] + g.dilation[1] * (g.kernel[1] - 1) + 1;
  s.ring = std::min(window, std::max<int64_t>(g.in[1], 1));
  auto floats = [&](int64_t rows, int64_t columns) { return checked_mul(rows * lanes, columns); };
  auto bytes = [&](int64_t block) { return checked_mul(block, s.group * 4); };
  std::optional<int64_t> ring = 0, middle = 0;
  if (s.stage[kExpandStage].present)
    ring = floats(s.ring, g.in[2]);
  else
    s.ring = g.in[1];
  if (s.stage[kProjectStage].present) middle = floats(s.rows, g.out[2]);
  const auto ring_bytes = ring ? bytes(*ring) : ring, middle_bytes = middle ? bytes(*middle) : middle;
  if (!ring_bytes || !middle_bytes || *ring_bytes > kMostScratch || *middle_bytes > kMostScratch)
    return fail(Code::invalid_plan, "the rows between separable convolutions would be too large");
  s.ring_block = *ring, s.middle_block = *middle;
  s.ring_bytes = round_up(*ring_bytes, 64);
  s.thread_bytes = kTileScratchBytes + s.ring_bytes + round_up(*middle_bytes, 64);
  return {};
}

// How threads divide the work.
void plan_works(State& s, int64_t lanes, int64_t threads) {
  constexpr int64_t kEven = 8;  // works of a thread from which on they are divided evenly enough
  const ConvGeometry& g = s.stage[kDepthwiseStage].g;
  s.blocks = ceil_div(g.c, lanes);
  s.panel = s.stage[kExpandStage].present ? s.stage[kExpandStage].vectors : 1;
  s.group = s.stage[kProjectStage].present ? s.blocks : std::min(s.panel, s.blocks);
  s.groups = ceil_div(s.blocks, s.group);
  const int64_t works = g.n * s.groups;
  const bool even = works % threads == 0 || works >= kEven * threads;
  s.bands = even ? 1 : std::min(threads / std::gcd(works, threads), g.out[1]);
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 3, 1 + kSeparableStages * (1 + kMaxProgramInputs), 1));
  const auto& params = call.as<SeparableParams>();
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const int64_t lanes = kTable.lanes;
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_format(x, blocked(kTable.lanes), "x"));
  TN_TRY(expect_rank(x, 3, 4, "x"));
  TN_TRY(expect_format(out, blocked(kTable.lanes), "output"));
  TN_TRY(expect_rank(out, x.rank, x.rank, "output"));
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(read_stages(call, s));
  const bool expands = s.stage[kExpandStage].present, projects = s.stage[kProjectStage].present;
  Arg expanded = x, middle = out;
  if (expands) expanded.dims[1] = params.stage[kDepthwiseStage].w_dims[0];
  if (projects) middle.dims[1] = params.stage[kDepthwiseStage].w_dims[0], middle.dtype = DType::f32;
  TN_TRY(check_stage(call, kDepthwiseStage, expanded, middle, !projects, lanes, s.stage[kDepthwiseStage]));
  if (expands) TN_TRY(check_stage(call, kExpandStage, x, expanded, false, lanes, s.stage[kExpandStage]));
  if (projects) TN_TRY(check_stage(call, kProjectStage, middle, out, true, lanes, s.stage[kProjectStage]));
  const ConvGeometry& g = s.stage[kDepthwiseStage].g;
  if (g.n * out.dims[1] * g.out_count != 0) {
    s.plan = plan_depthwise(g);
    s.rows = std::min(s.rows, g.out[1]);
    plan_works(s, lanes, call.threads);
    TN_TRY(plan_scratch(s, lanes));
    // The second-level cache does not hold a band of x any more.
    s.is_far = round_up(x.dims[1], lanes) * g.in_count * 4 / s.bands > params.stage[kDepthwiseStage].cache / 2;
    list_blocks(s.stage[kExpandStage], lanes, g.in_count * lanes);
    list_blocks(s.stage[kProjectStage], lanes, s.middle_block);
    prepared.scratch_bytes = call.threads * s.thread_bytes;
  }
  prepared.state = std::move(state);
  return {};
}

// Memory that is wanted soon, in pieces of lines: brought into the second-level cache between products, a little at a time.
struct Ahead {
  const float* from = nullptr;    // of the first piece
  int64_t step = 0;               // floats from one piece to the next
  int64_t pieces = 0, lines = 0;  // of 16 floats, each piece
  int64_t pace = 1;               // lines for four input channels of a tile
  int64_t piece = 0, line = 0;    // what comes next

  // Over `slots` tiles of four input channels.
  static Ahead over(const float* from, int64_t step, int64_t pieces, int64_t lines, int64_t slots) {
    if (slots < 1) return {};
    return {from, step, pieces, lines, ceil_div(pieces * lines, slots)};
  }
  // Where a tile begins to fetch so many lines; nullptr behind the last one.
  const char* take(int64_t count) {
    if (piece >= pieces || lines <= 0) return nullptr;
    const float* at = from + piece * step + line * 16;
    line += count;
    if (line >= lines) ++piece, line = 0;
    return reinterpret_cast<const char*>(at);
  }
};

// One thread's rows.
template <const MicroTable& kTable, const DepthwiseTable& kPlanes, int64_t kLanes>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& s, int member)
      : call_(call),
        params_(call.as<SeparableParams>()),
        s_(s),
        g_(s.stage[kDepthwiseStage].g),
        expands_(s.stage[kExpandStage].present),
        projects_(s.stage[kProjectStage].present) {
    auto* memory = static_cast<std::byte*>(call.scratch) + member * s.thread_bytes;
    tile_scratch_ = memory;
    ring_ = reinterpret_cast<float*>(memory + kTileScratchBytes);
    middle_ = reinterpret_cast<float*>(memory + kTileScratchBytes + s.ring_bytes);
  }

  // Rows first … last-1 of a group of channels of item n.
  void run(int64_t n, int64_t group, int64_t first, int64_t last) {
    n_ = n;
    first_block_ = group * s_.group;
    const int64_t last_block = std::min(first_block_ + s_.group, s_.blocks);
    const int64_t channels_in = expands_ ? s_.stage[kExpandStage].g.c : g_.c;
    const int64_t channels_out = projects_ ? s_.stage[kProjectStage].g.o : g_.c;
    x_ = call_.inputs[0].as<const float>() + n * ceil_div(channels_in, kLanes) * g_.in_count * kLanes;
    item_at_ = n * ceil_div(channels_out, kLanes) * g_.out_count * kLanes;
    const int64_t reach = g_.dilation[1] * (g_.kernel[1] - 1) + 1;
    int64_t ready = 0;  // rows of the expanded input before this one have been made
    for (int64_t row = first; row < last; row += s_.rows) {
      const int64_t end = std::min(row + s_.rows, last);
      const int64_t top = row * g_.stride[1] - g_.pad[1], bottom = (end - 1) * g_.stride[1] - g_.pad[1] + reach;
      const int64_t begin = std::max({ready, top, int64_t{0}});
      ready = std::max(begin, std::min(bottom, g_.in[1]));
      first_rows_ = row == first;
      ahead_ = {};
      if (s_.is_far && !first_rows_ && end < last) {  // the rows of x that are read next
        const Stage& stage = s_.stage[expands_ ? kExpandStage : kProjectStage];
        const int64_t rows = std::min(s_.rows * g_.stride[1], g_.in[1] - ready);
        const int64_t pixels = expands_ ? (ready - begin) * g_.in[2] : (end - row) * g_.out[2];
        const int64_t panels = expands_ ? ceil_div(last_block - first_block_, s_.panel) : stage.panels;
        ahead_ = Ahead::over(x_ + ready * g_.in[2] * kLanes, g_.in_count * kLanes, ceil_div(channels_in, kLanes),
                             rows * g_.in[2] * kLanes / 16, panels * (pixels / kTable.max_rows[stage.vectors]) * (stage.g.c / 4));
      }
      for (int64_t block = first_block_; block < last_block; block += s_.panel) {
        if (expands_) expand(block / s_.panel, begin, ready);
        for (int64_t b = block; b < std::min(block + s_.panel, last_block); ++b) planes(b, row, end);
      }
      if (projects_) project(row, end);
    }
  }

 private:
  // Rows begin … end-1 of a panel of the expanded input.
  void expand(int64_t panel, int64_t begin, int64_t end) {
    const Stage& stage = s_.stage[kExpandStage];
    if (panel + 1 < stage.panels)
      want_weights(stage, panel + 1);
    else if (projects_)
      want_weights(s_.stage[kProjectStage], 0);
    const int64_t row_floats = g_.in[2] * kLanes;
    for (int64_t until; begin < end; begin = until) {
      const int64_t slot = begin % s_.ring;
      until = std::min(end, begin + s_.ring - slot);
      float* to = ring_ + (panel * s_.panel - first_block_) * s_.ring_block + slot * row_floats;
      product(kExpandStage, panel, x_ + begin * row_floats, (until - begin) * g_.in[2], to, s_.ring_block, 0);
    }
  }

  // Rows first … last-1 of a channel block.
  void planes(int64_t block, int64_t first, int64_t last) {
    const Stage& stage = s_.stage[kDepthwiseStage];
    const int64_t channel = block * kLanes, at = item_at_ + (block * g_.out_count + first * g_.out[2]) * kLanes;
    const float* from = expands_ ? ring_ + (block - first_block_) * s_.ring_block : x_ + block * g_.in_count * kLanes;
    float* to = projects_ ? middle_ + block * s_.middle_block : call_.outputs[0].as<float>() + at;
    const float *w = call_.inputs[stage.first_input].as<const float>() + channel * g_.taps, *bias = bias_of(stage);
    DepthwisePlane<kPlanes, kLanes>(g_, stage.epilogue, s_.plan, s_.ring, w, bias ? bias + channel : nullptr,
                                    std::min(kLanes, g_.c - channel))
        .run(from, first, last, to);
    program(kDepthwiseStage, {to, (last - first) * g_.out[2], kLanes, n_, channel, g_.c, at});
  }

  void project(int64_t first, int64_t last) {
    const Stage& stage = s_.stage[kProjectStage];
    for (int64_t panel = 0; panel < stage.panels; ++panel) {
      const int64_t at = item_at_ + (panel * stage.vectors * g_.out_count + first * g_.out[2]) * kLanes;
      if (panel + 1 < stage.panels) want_weights(stage, panel + 1);
      product(kProjectStage, panel, middle_, (last - first) * g_.out[2], call_.outputs[0].as<float>() + at, g_.out_count * kLanes,
              at);
    }
  }

  // A panel of weights that no cache may hold yet when the first rows are made.
  void want_weights(const Stage& stage, int64_t panel) {
    if (first_rows_) ahead_ = {weights(stage, panel), 0, 1, stage.width * stage.g.c / 16};
  }

  // `pixels` pixels of a panel; `c_vector`: floats from one channel block of c to the next. `at`: c's element in the output, if
  // it is one of that.
  void product(int which, int64_t panel, const float* a, int64_t pixels, float* c, int64_t c_vector, int64_t at) {
    const Stage& stage = s_.stage[which];
    const BlockedEpilogue& epilogue = stage.epilogue;
    const int64_t channel = panel * stage.width, columns = std::min(stage.width, stage.g.o - channel);
    const int64_t vectors = ceil_div(columns, kLanes), last_lanes = columns - (vectors - 1) * kLanes;
    const bool half = kTable.max_half_rows[vectors] > 0 && 2 * last_lanes <= kLanes;
    const auto& blocks = stage.blocks[panel + 1 == stage.panels];
    const float* bias = bias_of(stage);
    MicroTile t{};
    t.b = weights(stage, panel);
    t.blocks = blocks.data(), t.count = static_cast<int64_t>(blocks.size());
    t.c_vector = c_vector, t.c_row = kLanes;
    t.lanes = last_lanes;
    t.fill = true;
    t.bias = bias ? bias + channel : nullptr;
    epilogue.finish(t, nullptr);
    const float* residual = epilogue.add >= 0
                                ? stage.extras(call_.inputs)[static_cast<size_t>(epilogue.add)].template as<const float>() + at
                                : nullptr;
    auto part = [&](int64_t pixel, int64_t rows) {
      const int64_t jump = (rows + 1) / 2 * kLanes;
      t.a = a + pixel * kLanes, t.a_jump = jump;
      t.c = c + pixel * kLanes, t.c_jump = jump;
      if (residual) {
        t.add = residual + pixel * kLanes;
        t.add_row = kLanes, t.add_jump = jump, t.add_vector = c_vector;
      }
      t.prefetch = ahead_.take(stage.g.c / 4 * t.prefetch_lines);
      (half && rows % 2 == 0 ? kTable.half : kTable.dense)[vectors][rows](t);
    };
    const int64_t unit = half ? 2 : 1;  // pixels that share a vector
    const Split tiles(pixels / unit, (half ? kTable.max_half_rows : kTable.max_rows)[vectors] / unit);
    if (first_rows_) ahead_.pace = ceil_div(stage.width / 4, std::max<int64_t>(tiles.parts, 1));
    t.prefetch_lines = ahead_.pace;
    for (int64_t i = 0; i < tiles.parts; ++i) part(tiles.begin(i) * unit, tiles.size(i) * unit);
    if (pixels % unit != 0) part(pixels - 1, 1);
    for (int64_t v = 0; v < vectors; ++v)
      program(which, {c + v * c_vector, pixels, kLanes, n_, channel + v * kLanes, stage.g.o, at + v * c_vector});
  }

  // Where the epilogue is not in registers.
  void program(int which, const BlockOfPixels& block) {
    const Stage& stage = s_.stage[which];
    if (stage.epilogue.in_registers) return;
    run_blocked_program(stage.epilogue, params_.stage[which].conv.epilogue, stage.extras(call_.inputs), block, tile_,
                        tile_scratch_);
  }

  const float* weights(const Stage& stage, int64_t panel) const {
    return call_.inputs[stage.first_input].as<const float>() + panel * stage.width * stage.g.c;
  }

  const float* bias_of(const Stage& stage) const {
    if (stage.epilogue.bias >= 0)
      return stage.extras(call_.inputs)[static_cast<size_t>(stage.epilogue.bias)].template as<const float>();
    return stage.bias(call_.inputs).template as<const float>();
  }

  const LaunchCall& call_;
  const SeparableParams& params_;
  const State& s_;
  const ConvGeometry& g_;
  const bool expands_, projects_;
  const TileFunction tile_ = tile_function(kLanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  void* tile_scratch_;
  float *ring_, *middle_;
  const float* x_ = nullptr;
  int64_t n_ = 0, item_at_ = 0;  // the item, and its first element in the output
  int64_t first_block_ = 0;      // of the group
  bool first_rows_ = false;      // of the band
  Ahead ahead_;
};

template <const MicroTable& kTable, const DepthwiseTable& kPlanes, int64_t kLanes>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  if (s.bands == 0) return {};
  const ConvGeometry& g = s.stage[kDepthwiseStage].g;
  const Split split(g.out[1], ceil_div(g.out[1], s.bands));
  call.team->parallel_items(g.n * s.groups * split.parts, [&](Team::Items& bands, int member) {
    Worker<kTable, kPlanes, kLanes> worker(call, s, member);
    for (int64_t i; bands.next(i);) {
      const int64_t group = i % s.groups, band = i / s.groups % split.parts, first = split.begin(band);
      worker.run(i / s.groups / split.parts, group, first, first + split.size(band));
    }
  });
  return {};
}

}  // namespace

extern const Kernel kConvSeparableAvx2{"conv.separable.f32.avx2",
                                       sizeof(SeparableParams),
                                       kAvx2,
                                       0,
                                       prepare<avx2::kMicro>,
                                       launch<avx2::kMicro, avx2::kDepthwise, 8>};
extern const Kernel kConvSeparableAvx512{"conv.separable.f32.avx512",
                                         sizeof(SeparableParams),
                                         kAvx2 | kAvx512,
                                         0,
                                         prepare<avx512::kMicro>,
                                         launch<avx512::kMicro, avx512::kDepthwise, 16>};

}  // namespace tenon
