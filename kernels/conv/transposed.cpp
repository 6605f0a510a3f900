// conv_transpose.product.f32.<isa>: a product of the turned weights with the input gives every tap's
// contribution, which the output pixels then add up, each in the order of the taps.
#include <algorithm>
#include <vector>

#include "conv/packed.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kVectors = 2;  // of a panel of input pixels

struct State : KernelState {
  ConvGeometry g;
  BroadcastStrides extra[kMaxProgramInputs];
  int64_t rows = 0;  // of the product: output channels of a group * taps
  int64_t width = 0, panels = 0, max_rows = 0;
  std::vector<MicroBlock> blocks[2];  // [1]: of the last panel
  int64_t weight_bytes = 0, product_bytes = 0, panel_bytes = 0, thread_bytes = 0;
};

// The rest of the plan, for a problem that is not empty.
Status plan(State& s, const MicroTable& table, bool packed, int threads, Prepared& prepared) {
  const ConvGeometry& g = s.g;
  const auto rows = checked_mul(g.og, g.taps);
  const auto product = rows ? checked_mul(*rows, g.in_count * 4) : rows;
  const auto weights = rows ? checked_mul(*rows, round_up(g.cg, table.lanes) * 4) : rows;
  const auto all_weights = weights ? checked_mul(*weights, g.group) : weights;
  if (!product || !all_weights || *product > int64_t{1} << 40 || *all_weights > int64_t{1} << 40)
    return fail(Code::invalid_plan, "the product of weights and input would be too large");
  s.rows = *rows;
  s.width = kVectors * table.lanes;
  s.panels = ceil_div(g.in_count, s.width);
  s.max_rows = table.max_rows[kVectors];
  for (int last = 0; last < 2 && s.panels > 0; ++last) {
    const int64_t width = last ? round_up(g.in_count - (s.panels - 1) * s.width, table.lanes) : s.width;
    for (int64_t k = 0; k < g.cg; k += table.lanes)
      s.blocks[last].push_back({k * s.rows, k * width, std::min<int64_t>(table.lanes, g.cg - k)});
  }
  s.weight_bytes = packed ? 0 : round_up(*all_weights, 64);
  s.product_bytes = round_up(*product, 64);
  s.panel_bytes = round_up(g.cg * s.width * 4, 64);
  s.thread_bytes = s.panel_bytes + kTileScratchBytes;
  prepared.scratch_bytes = s.weight_bytes + s.product_bytes + threads * s.thread_bytes;
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
    TN_TRY(unpacked_weight(params, ConvLayout::transposed, kTable.lanes, call.inputs[1], w));
  } else {
    TN_TRY(expect_type(w, DType::f32, "w"));
    TN_TRY(expect_format(w, kLinear, "w"));
  }
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  TN_TRY(conv_geometry(params.conv, x, w, bias, out, true, s.g));
  const auto extras = call.inputs.subspan(std::min<size_t>(3, call.inputs.size()));
  TN_TRY(check_epilogue(params.conv.epilogue, DType::f32, extras, out));
  TN_TRY(expect_type(out, DType::f32, "output"));
  for (size_t e = 0; e < extras.size(); ++e)
    TN_TRY(broadcast_strides(extras[e], out.shape(), "extra operand", s.extra[e]));
  if (s.g.n * s.g.o * s.g.out_count != 0) TN_TRY(plan(s, kTable, packed, call.threads, prepared));
  prepared.state = std::move(state);
  return {};
}

// product[row][input pixel] for one panel of pixels of one item and group.
template <const MicroTable& kTable>
void multiply(const LaunchCall& call, const State& s, const float* weights, int64_t n, int64_t group,
              int64_t panel, float* packed, float* product) {
  const ConvGeometry& g = s.g;
  const int64_t first = panel * s.width, columns = std::min(s.width, g.in_count - first);
  const int64_t vectors = ceil_div(columns, kTable.lanes);
  const float* x = call.inputs[0].as<const float>() + (n * g.c + group * g.cg) * g.in_count + first;
  kTable.pack_b(x, g.in_count, 1, g.cg, columns, packed, vectors * kTable.lanes);
  const auto& blocks = s.blocks[panel + 1 == s.panels];
  const Split tiles(s.rows, s.max_rows);
  for (int64_t i = 0; i < tiles.parts; ++i) {
    const int64_t row = tiles.begin(i), rows = tiles.size(i), half = (rows + 1) / 2;
    MicroTile t{};
    t.a = weights + group * s.rows * round_up(g.cg, kTable.lanes) + row * kTable.lanes;
    t.a_jump = half * kTable.lanes;
    t.b = packed;
    t.blocks = blocks.data();
    t.count = static_cast<int64_t>(blocks.size());
    t.lanes = columns - (vectors - 1) * kTable.lanes;
    t.c = product + row * g.in_count + first;
    t.c_row = g.in_count;
    t.c_jump = half * t.c_row;
    t.c_vector = kTable.lanes;
    kTable.dense[vectors][rows](t);
  }
}

// The input coordinate that tap `k` spreads to output coordinate `at`; -1 if none.
int64_t source(const ConvGeometry& g, int dim, int64_t at, int64_t k) {
  const int64_t scaled = at + g.pad[dim] - k * g.dilation[dim];
  if (scaled < 0 || scaled % g.stride[dim] != 0) return -1;
  const int64_t i = scaled / g.stride[dim];
  return i < g.in[dim] ? i : -1;
}

// One output row of channel o (of the group): adds up the taps that reach it.
void add_up(const ConvGeometry& g, const float* product, int64_t o, int64_t d, int64_t h, float start,
            float* out) {
  std::fill(out, out + g.out[2], start);
  for (int64_t kd = 0; kd < g.kernel[0]; ++kd) {
    const int64_t id = source(g, 0, d, kd);
    if (id < 0) continue;
    for (int64_t kh = 0; kh < g.kernel[1]; ++kh) {
      const int64_t ih = source(g, 1, h, kh);
      if (ih < 0) continue;
      for (int64_t kw = 0; kw < g.kernel[2]; ++kw) {
        const int64_t tap = (kd * g.kernel[1] + kh) * g.kernel[2] + kw;
        const float* row = product + ((o * g.taps + tap) * g.in[0] + id) * g.in[1] * g.in[2] + ih * g.in[2];
        const int64_t offset = kw * g.dilation[2] - g.pad[2], stride = g.stride[2];
        const int64_t first = offset < 0 ? std::min(g.in[2], ceil_div(-offset, stride)) : 0;
        const int64_t room = g.out[2] > offset ? ceil_div(g.out[2] - offset, stride) : 0;
        const int64_t last = std::clamp(room, first, g.in[2]);
        for (int64_t i = first; i < last; ++i) out[i * stride + offset] += row[i];
      }
    }
  }
}

template <const MicroTable& kTable>
class Launch {
 public:
  Launch(const LaunchCall& call) : call_(call), s_(*static_cast<const State*>(call.state)), g_(s_.g) {
    memory_ = static_cast<std::byte*>(call.scratch);
    product_ = reinterpret_cast<float*>(memory_ + s_.weight_bytes);
  }

  void run() {
    const float* weights = pack();
    for (int64_t n = 0; n < g_.n; ++n)
      for (int64_t group = 0; group < g_.group; ++group) {
        call_.team->parallel_for(s_.panels, [&](int64_t begin, int64_t end, int member) {
          for (int64_t i = begin; i < end; ++i)
            multiply<kTable>(call_, s_, weights, n, group, i, reinterpret_cast<float*>(scratch(member)),
                             product_);
        });
        const int64_t lines = g_.out[0] * g_.out[1];
        call_.team->parallel_for(g_.og * lines, [&](int64_t begin, int64_t end, int member) {
          for (int64_t i = begin; i < end; ++i)
            finish(n, group, i / lines, i % lines, scratch(member) + s_.panel_bytes);
        });
      }
  }

 private:
  std::byte* scratch(int member) const {
    return memory_ + s_.weight_bytes + s_.product_bytes + member * s_.thread_bytes;
  }

  const float* pack() {
    const auto* w = call_.inputs[1].as<const float>();
    if (s_.weight_bytes == 0) return w;
    auto* to = reinterpret_cast<float*>(memory_);
    call_.team->parallel_for(g_.group, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i)
        kTable.pack_a(w + i * g_.cg * s_.rows, 1, s_.rows, s_.rows, g_.cg,
                      to + i * s_.rows * round_up(g_.cg, kTable.lanes), s_.rows * kTable.lanes);
    });
    return to;
  }

  void finish(int64_t n, int64_t group, int64_t channel, int64_t line, std::byte* tile_scratch) {
    const int64_t o = group * g_.og + channel, d = line / g_.out[1], h = line % g_.out[1];
    const Arg& out = call_.outputs[0];
    float* to = out.as<float>() + ((n * g_.o + o) * g_.out[0] * g_.out[1] + line) * g_.out[2];
    const bool biased = call_.inputs.size() > 2 && call_.inputs[2].present();
    add_up(g_, product_, channel, d, h, biased ? call_.inputs[2].as<const float>()[o] : 0.0f, to);
    const Program& program = call_.as<ConvPackedParams>().conv.epilogue;
    if (program.empty()) return;
    TileOperand operands[kMaxProgramInputs] = {{to, 0, 1}};
    const int64_t outer[3] = {d, h, 0};
    for (int e = 1; e < program.inputs; ++e) {
      const Arg& arg = call_.inputs[static_cast<size_t>(e) + 2];
      const int64_t* strides = s_.extra[e - 1].at;
      int64_t offset = n * strides[0] + o * strides[1];
      for (int i = 2; i < out.rank; ++i) offset += outer[5 - out.rank + i - 2] * strides[i];
      operands[e] = {arg.as<const std::byte>() + offset * static_cast<int64_t>(size_of(arg.dtype)), 0,
                     strides[out.rank - 1]};
    }
    tile_(program, operands, 1, g_.out[2], to, g_.out[2], tile_scratch);
  }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  std::byte* memory_;
  float* product_;
};

template <const MicroTable& kTable>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  if (s.width > 0) Launch<kTable>(call).run();
  return {};
}

}  // namespace

extern const Kernel kConvTransposeAvx2{"conv_transpose.product.f32.avx2",
                                       sizeof(ConvPackedParams),
                                       kAvx2,
                                       0,
                                       prepare<avx2::kMicro>,
                                       launch<avx2::kMicro>};
extern const Kernel kConvTransposeAvx512{"conv_transpose.product.f32.avx512",
                                         sizeof(ConvPackedParams),
                                         kAvx2 | kAvx512,
                                         0,
                                         prepare<avx512::kMicro>,
                                         launch<avx512::kMicro>};

}  // namespace tenon
