// conv.linear.f32.<isa>: convolution of linear tensors as a product: rows are output channels, columns output
// pixels, whose inputs are gathered into panels as they are needed (im2col: Chellapilla et al., "High
// Performance Convolutional Neural Networks for Document Processing", 2006). Any groups, strides, dilations
// and pads.
#include <algorithm>
#include <cmath>
#include <vector>

#include "conv/packed.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kVectors = 2;  // of a panel of pixels

// How an extra operand is addressed by batch item, channel and pixel.
struct Steps {
  int64_t item = 0, channel = 0, pixel = 0;
};

struct State : KernelState {
  ConvGeometry g;
  int64_t k = 0, width = 0, panels = 0, max_rows = 0;
  Steps extra[kMaxProgramInputs];
  AddClamp add_clamp;
  bool in_registers = false;  // bias and add: which extras, -1 none
  int bias = -1, add = -1;
  std::vector<MicroBlock> blocks[2];  // [1]: of the last panel
  int64_t weight_bytes = 0, panel_bytes = 0, thread_bytes = 0;
};

Status place(const Arg& extra, const Arg& out, Steps& steps) {
  BroadcastStrides strides;
  TN_TRY(broadcast_strides(extra, out.shape(), "extra operand", strides));
  bool all = true, none = true;
  int64_t step = 1;
  for (int i = out.rank - 1; i >= 2; --i) {
    if (out.dims[i] != 1) {
      all &= strides.at[i] == step;
      none &= strides.at[i] == 0;
    }
    step *= out.dims[i];
  }
  if (!all && !none)
    return fail(Code::invalid_plan, "extra operand {} must have all of the output's spatial dims or none",
                describe(extra));
  steps = {strides.at[0], strides.at[1], none ? 0 : 1};
  return {};
}

Status plan_epilogue(const Program& program, std::span<const Arg> extras, const Arg& out, bool has_bias,
                     State& s) {
  TN_TRY(check_epilogue(program, DType::f32, extras, out));
  TN_TRY(expect_type(out, DType::f32, "output"));
  for (size_t e = 0; e < extras.size(); ++e) TN_TRY(place(extras[e], out, s.extra[e]));
  s.in_registers = match_add_clamp(program, s.add_clamp);
  for (int i = 0; s.in_registers && i < s.add_clamp.adds; ++i) {
    const int which = s.add_clamp.extra[i];
    const Steps& steps = s.extra[which];
    if (steps.pixel == 1 && s.add < 0)
      s.add = which;
    else if (steps.pixel == 0 && steps.item == 0 && steps.channel == 1 && !has_bias && s.bias < 0 &&
             s.add < 0)
      s.bias = which;
    else
      s.in_registers = false;
  }
  return {};
}

// The rest of the plan, for a problem that is not empty.
Status plan(State& s, const MicroTable& table, bool packed, int threads, Prepared& prepared) {
  const ConvGeometry& g = s.g;
  s.k = g.cg * g.taps;
  s.width = kVectors * table.lanes;
  s.panels = ceil_div(g.out_count, s.width);
  s.max_rows = table.max_rows[kVectors];
  for (int last = 0; last < 2; ++last) {
    const int64_t width = last ? round_up(g.out_count - (s.panels - 1) * s.width, table.lanes) : s.width;
    for (int64_t k = 0; k < s.k; k += table.lanes)
      s.blocks[last].push_back({k * g.og, k * width, std::min<int64_t>(table.lanes, s.k - k)});
  }
  const auto panel = checked_mul(s.k, s.width * 4);
  const auto weights = checked_mul(round_up(s.k, table.lanes) * 4, g.o);
  if (!panel || !weights || *panel > int64_t{1} << 40 || *weights > int64_t{1} << 40)
    return fail(Code::invalid_plan, "the panels of {} values would be too large", s.k);
  s.weight_bytes = packed ? 0 : round_up(*weights, 64);
  s.panel_bytes = round_up(*panel, 64);
  s.thread_bytes = s.panel_bytes + kTileScratchBytes;
  prepared.scratch_bytes = s.weight_bytes + threads * s.thread_bytes;
  return {};
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  const auto& params = call.as<ConvPackedParams>();
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_format(x, kLinear, "x"));
  TN_TRY(expect_format(out, kLinear, "output"));
  auto state = std::make_unique<State>();
  State& s = *state;
  Arg w = call.inputs[1];
  const bool packed = params.w_rank != 0;
  if (packed) {
    TN_TRY(unpacked_weight(params, ConvLayout::linear, kTable.lanes, call.inputs[1], w));
  } else {
    TN_TRY(expect_type(w, DType::f32, "w"));
    TN_TRY(expect_format(w, kLinear, "w"));
  }
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  TN_TRY(conv_geometry(params.conv, x, w, bias, out, false, s.g));
  const auto extras = call.inputs.subspan(std::min<size_t>(3, call.inputs.size()));
  TN_TRY(plan_epilogue(params.conv.epilogue, extras, out, bias.present(), s));
  if (s.g.n * s.g.o * s.g.out_count != 0) TN_TRY(plan(s, kTable, packed, call.threads, prepared));
  prepared.state = std::move(state);
  return {};
}

// Pixels of one output row that lie next to each other in a panel.
struct Run {
  int64_t column, pixels;  // in the panel
  int64_t d, h, w;         // output coordinates of the first
};

// One input value: panel[run] = the source of each pixel for one channel and tap, zero outside.
void gather(const ConvGeometry& g, const float* plane, int64_t kd, int64_t kh, int64_t kw, const Run& run,
            float* to) {
  const int64_t d = run.d * g.stride[0] - g.pad[0] + kd * g.dilation[0];
  const int64_t h = run.h * g.stride[1] - g.pad[1] + kh * g.dilation[1];
  if (d < 0 || d >= g.in[0] || h < 0 || h >= g.in[1]) {
    std::memset(to, 0, static_cast<size_t>(run.pixels) * 4);
    return;
  }
  const float* row = plane + (d * g.in[1] + h) * g.in[2];
  const int64_t stride = g.stride[2], begin = run.w * stride - g.pad[2] + kw * g.dilation[2];
  const int64_t first = begin < 0 ? std::min(run.pixels, ceil_div(-begin, stride)) : 0;
  const int64_t inside = g.in[2] > begin ? ceil_div(g.in[2] - begin, stride) : 0;
  const int64_t last = std::clamp(inside, first, run.pixels);
  for (int64_t i = 0; i < first; ++i) to[i] = 0;
  if (stride == 1)
    std::memcpy(to + first, row + begin + first, static_cast<size_t>(last - first) * 4);
  else
    for (int64_t i = first; i < last; ++i) to[i] = row[begin + i * stride];
  for (int64_t i = last; i < run.pixels; ++i) to[i] = 0;
}

template <const MicroTable& kTable>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& s, const float* weights, int member)
      : call_(call), s_(s), g_(s.g), weights_(weights) {
    auto* memory = static_cast<std::byte*>(call.scratch) + s.weight_bytes + member * s.thread_bytes;
    panel_ = reinterpret_cast<float*>(memory);
    tile_scratch_ = memory + s.panel_bytes;
    bias_ = call.inputs.size() > 2 && call.inputs[2].present() ? call.inputs[2].as<const float>() : nullptr;
    if (s.bias >= 0) bias_ = call.inputs[static_cast<size_t>(s.bias) + 3].as<const float>();
  }

  void run(int64_t item) {
    const int64_t panel = item % s_.panels, group = item / s_.panels % g_.group,
                  n = item / s_.panels / g_.group;
    const int64_t first = panel * s_.width, columns = std::min(s_.width, g_.out_count - first);
    const int64_t vectors = ceil_div(columns, kTable.lanes), width = vectors * kTable.lanes;
    fill(n, group, first, columns, width);
    const auto& blocks = s_.blocks[panel + 1 == s_.panels];
    const float* weights = weights_ + group * g_.og * round_up(s_.k, kTable.lanes);
    const Split tiles(g_.og, s_.max_rows);
    for (int64_t i = 0; i < tiles.parts; ++i) {
      const int64_t row = tiles.begin(i), rows = tiles.size(i), half = (rows + 1) / 2,
                    o = group * g_.og + row;
      MicroTile t{};
      t.a = weights + row * kTable.lanes;
      t.a_jump = half * kTable.lanes;
      t.b = panel_;
      t.blocks = blocks.data();
      t.count = static_cast<int64_t>(blocks.size());
      t.lanes = columns - (vectors - 1) * kTable.lanes;
      t.c = call_.outputs[0].as<float>() + (n * g_.o + o) * g_.out_count + first;
      t.c_row = g_.out_count;
      t.c_jump = half * t.c_row;
      t.c_vector = kTable.lanes;
      if (bias_) t.row_bias = bias_ + o;
      if (s_.in_registers) registers(t, n, o, first, half);
      kTable.dense[vectors][rows](t);
      if (!s_.in_registers) program(t.c, n, o, first, rows, columns);
    }
  }

 private:
  // Gathers the panel's inputs: [channel, tap][width].
  void fill(int64_t n, int64_t group, int64_t first, int64_t columns, int64_t width) {
    const float* x = call_.inputs[0].as<const float>() + (n * g_.c + group * g_.cg) * g_.in_count;
    float* to = panel_;
    for (int64_t c = 0; c < g_.cg; ++c, x += g_.in_count)
      for (int64_t kd = 0; kd < g_.kernel[0]; ++kd)
        for (int64_t kh = 0; kh < g_.kernel[1]; ++kh)
          for (int64_t kw = 0; kw < g_.kernel[2]; ++kw, to += width) {
            for (int64_t at = 0; at < columns;) {
              const int64_t pixel = first + at, w = pixel % g_.out[2], outer = pixel / g_.out[2];
              const Run run{at, std::min(columns - at, g_.out[2] - w), outer / g_.out[1], outer % g_.out[1],
                            w};
              gather(g_, x, kd, kh, kw, run, to + at);
              at += run.pixels;
            }
            for (int64_t i = columns; i < width; ++i) to[i] = 0;
          }
  }

  void registers(MicroTile& t, int64_t n, int64_t o, int64_t pixel, int64_t half) const {
    if (s_.add >= 0) {
      const Steps& steps = s_.extra[s_.add];
      t.add = call_.inputs[static_cast<size_t>(s_.add) + 3].as<const float>() + n * steps.item +
              o * steps.channel + pixel;
      t.add_row = steps.channel;
      t.add_jump = half * t.add_row;
      t.add_vector = kTable.lanes;
    }
    t.low = s_.add_clamp.low;
    t.high = s_.add_clamp.high;
    t.bounded = t.low != -HUGE_VALF || t.high != HUGE_VALF;
  }

  void program(float* c, int64_t n, int64_t o, int64_t pixel, int64_t rows, int64_t columns) {
    const Program& program = call_.as<ConvPackedParams>().conv.epilogue;
    TileOperand operands[kMaxProgramInputs];
    operands[0] = {c, g_.out_count, 1};
    for (int e = 1; e < program.inputs; ++e) {
      const Arg& arg = call_.inputs[static_cast<size_t>(e) + 2];
      const Steps& steps = s_.extra[e - 1];
      const int64_t offset = n * steps.item + o * steps.channel + pixel * steps.pixel;
      operands[e] = {arg.as<const std::byte>() + offset * static_cast<int64_t>(size_of(arg.dtype)),
                     steps.channel, steps.pixel};
    }
    tile_(program, operands, rows, columns, c, g_.out_count, tile_scratch_);
  }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  const float *weights_, *bias_;
  float* panel_;
  void* tile_scratch_;
};

template <const MicroTable& kTable>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  const ConvGeometry& g = s.g;
  if (s.panels == 0) return {};
  const auto* weights = call.inputs[1].as<const float>();
  if (s.weight_bytes > 0) {
    auto* to = static_cast<float*>(call.scratch);
    call.team->parallel_for(g.group, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i)
        kTable.pack_a(weights + i * g.og * s.k, s.k, 1, g.og, s.k,
                      to + i * g.og * round_up(s.k, kTable.lanes), g.og * kTable.lanes);
    });
    weights = to;
  }
  call.team->parallel_for(g.n * g.group * s.panels, [&](int64_t begin, int64_t end, int member) {
    Worker<kTable> worker(call, s, weights, member);
    for (int64_t i = begin; i < end; ++i) worker.run(i);
  });
  return {};
}

}  // namespace

extern const Kernel kConvLinearAvx2{"conv.linear.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0,
                                    prepare<avx2::kMicro>,  launch<avx2::kMicro>};
extern const Kernel kConvLinearAvx512{"conv.linear.f32.avx512", sizeof(ConvPackedParams), kAvx2 | kAvx512, 0,
                                      prepare<avx512::kMicro>,  launch<avx512::kMicro>};

}  // namespace tenon
