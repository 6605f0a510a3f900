// conv.strassen.f32.<isa>: convolutions with one tap between channel-blocked tensors as one level of Strassen's product, which
// matmul/strassen.cpp describes: pixels are the rows, and what a vector of channels is there, a channel block is here.
// matmul.pack_strassen.f32.<isa> packs w.
#include <algorithm>

#include "conv/packed.h"
#include "matmul/packed_b.h"
#include "matmul/strassen_block.h"

namespace tenon {
namespace {

struct State : KernelState {
  ConvGeometry g;
  BlockedEpilogue epilogue;
  StrassenCut cut;
  StrassenTeam team;
};

Status expect_one_tap(const ConvGeometry& g) {
  bool one = g.group == 1;
  for (int i = 0; i < 3; ++i) one = one && g.kernel[i] == 1 && g.stride[i] == 1 && g.pad[i] == 0 && g.in[i] == g.out[i];
  if (one) return {};
  return fail(Code::invalid_plan, "Strassen's product takes convolutions of one tap and group, without strides and pads");
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  State& s = *state;
  TN_TRY(blocked_convolution(call, blocked(kTable.lanes), ConvLayout::strassen, kTable.lanes, 1, s.g, s.epilogue));
  const auto& params = call.as<ConvPackedParams>();
  const ConvGeometry& g = s.g;
  TN_TRY(expect_one_tap(g));
  TN_TRY(expect_together(params.together));
  if (params.vectors < 1 || params.vectors > kMaxVectors || kTable.max_rows[params.vectors] == 0)
    return fail(Code::invalid_plan, "a panel of {} vectors is not supported", params.vectors);
  if (s.epilogue.silu) s.epilogue.leave_registers();
  if (g.n * g.out_count != 0) {
    s.cut = strassen_cut(g.out_count, g.o, g.c, params.vectors, params.cache, kTable);
    s.team = strassen_team(s.cut, g.n, kTileScratchBytes, call.threads, params.together != 0);
    prepared.scratch_bytes = s.team.bytes();
  }
  prepared.state = std::move(state);
  return {};
}

// One thread's work, a block of pixels, a slab and a panel at a time.
template <const MicroTable& kTable, const StrassenTable& kSums>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& s, int member)
      : call_(call), s_(s), g_(s.g), products_(reinterpret_cast<float*>(s.team.own(call.scratch, member))),
        block_(s.cut, s.team.packed(call.scratch, member), products_),
        tile_scratch_(reinterpret_cast<std::byte*>(products_ + round_up(s.cut.product_floats(), 16))) {
    bias_ = call.inputs.size() > 2 && call.inputs[2].present() ? call.inputs[2].as<const float>() : nullptr;
    if (s.epilogue.bias >= 0) bias_ = call.inputs[static_cast<size_t>(s.epilogue.bias) + 3].as<const float>();
  }

  void begin(int64_t block, int64_t slab) {
    const Split pixels(g_.out_count, s_.cut.block_rows);
    const int64_t part = block % s_.cut.row_blocks;
    n_ = block / s_.cut.row_blocks, pixel_ = pixels.begin(part), slab_ = slab;
    block_.begin(pixels.size(part), slab);
  }
  StrassenBlock<kTable, kSums>& block() { return block_; }
  void make() {
    block_.pack([&] { return quadrants(); }, packs());
  }
  void join() { block_.settle(); }
  void multiply(int64_t panel) {
    block_.multiply(call_.inputs[1].as<const float>(), panel);
    finish(panel);
  }

  bool packs() const { return false; }
  StrassenRows quadrants() const {
    StrassenRows out{};
    for (int q = 0; q < 4; ++q)
      out.from[q] = call_.inputs[0].as<const float>() + at(g_.c, block_.first_k() + q % 2 * block_.depth(), q >= 2);
    out.row = kTable.lanes;
    out.vector = g_.out_count * kTable.lanes;
    return out;
  }

 private:
  // Of channel block `channel` / lanes at the first upper pixel, or lower one.
  int64_t at(int64_t channels, int64_t channel, bool lower) const {
    const int64_t pixel = pixel_ + (lower ? block_.upper() : 0), block = channel / kTable.lanes;
    return ((n_ * ceil_div(channels, kTable.lanes) + block) * g_.out_count + pixel) * kTable.lanes;
  }

  // The results of the quadrants from the products of a panel; until the last slab they wait in the output.
  void finish(int64_t panel) {
    const StrassenCut& cut = s_.cut;
    const bool last = slab_ + 1 == cut.slabs.parts;
    const int64_t channel = panel * cut.width;
    StrassenSums sums = block_.sums(panel);
    sums.right_columns = std::clamp<int64_t>(g_.o - cut.half - channel, 0, sums.columns);
    sums.row = sums.from_row = sums.add_row = kTable.lanes;
    sums.vector = sums.from_vector = sums.add_vector = g_.out_count * kTable.lanes;
    sums.fill = true;
    auto* y = call_.outputs[0].as<float>();
    const BlockedEpilogue& e = s_.epilogue;
    const float* add = e.add >= 0 ? call_.inputs[static_cast<size_t>(e.add) + 3].as<const float>() : nullptr;
    for (int q = 0; q < 4; ++q) {
      const int64_t offset = at(g_.o, channel + q % 2 * cut.half, q >= 2);
      sums.to[q] = y + offset;
      if (slab_ > 0) sums.from[q] = sums.to[q];
      if (last && add) sums.add[q] = add + offset;
      if (last && bias_) sums.bias[q % 2] = bias_ + channel + q % 2 * cut.half;
    }
    if (last && e.in_registers) {
      sums.low = e.add_clamp.low;
      sums.high = e.add_clamp.high;
      sums.bounded = e.bounded();
    }
    block_.sum(sums);
    if (!last || e.in_registers) return;
    run_program(channel, sums.columns);
    run_program(channel + cut.half, sums.right_columns);
  }

  void run_program(int64_t channel, int64_t columns) {
    for (int64_t c = 0; c < columns; c += kTable.lanes)
      run_blocked_program(s_.epilogue, call_.as<ConvPackedParams>().conv.epilogue, call_.inputs, call_.outputs[0], n_, channel + c,
                          pixel_, block_.upper() + block_.lower(), g_.out_count, tile_, tile_scratch_);
  }

  const LaunchCall& call_;
  const State& s_;
  const ConvGeometry& g_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  float* products_;
  StrassenBlock<kTable, kSums> block_;
  std::byte* tile_scratch_;
  const float* bias_;
  int64_t n_ = 0, pixel_ = 0, slab_ = 0;
};

template <const MicroTable& kTable, const StrassenTable& kSums>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  run_strassen<Worker<kTable, kSums>>(call, s, s.g.n);
  return {};
}

}  // namespace

extern const Kernel kConvStrassenAvx2{"conv.strassen.f32.avx2", sizeof(ConvPackedParams), kAvx2, 0, prepare<avx2::kMicro>,
                                      launch<avx2::kMicro, avx2::kStrassen>};
extern const Kernel kConvStrassenAvx512{"conv.strassen.f32.avx512", sizeof(ConvPackedParams), kAvx2 | kAvx512, 0,
                                        prepare<avx512::kMicro>, launch<avx512::kMicro, avx512::kStrassen>};

}  // namespace tenon
