// matmul.strassen.f32.<isa>: one level of Strassen's product for a constant b: seven products of halves instead of eight
// (Strassen, "Gaussian elimination is not optimal", 1969; the sums taken while packing and before storing as in Huang et al.,
// "Strassen's Algorithm Reloaded", 2016). k goes slab by slab, rows block by block, so that what is made of a block of a stays
// in the cache. Its error is bounded in the norm, not element by element (Higham, "Accuracy and Stability of Numerical
// Algorithms", section 23.2.2), and two rows meet in a sum: a block in which one of such a pair is not finite, or far larger
// than the other, takes eight products instead, which keep rows apart. A block of few rows, where reading b takes the time, is
// all upper rows: four products, of four of b's seven parts. Every element is summed in one order, whatever the threads.
// matmul.pack_strassen.f32.<isa> packs b.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "matmul/packed_b.h"
#include "matmul/strassen_block.h"

namespace tenon {
namespace {

struct State : KernelState {
  MatmulGeometry g;
  StrassenCut cut;
  bool straight = true;        // rows of the output are rows of results
  int64_t waiting_floats = 0;  // of a block's sums of k's slabs, which cannot wait in the output
  int64_t waiting_at = 0;      // bytes of the scratch in front of all blocks' waiting sums
  StrassenTeam team;
  StoredEpilogue stored;
};

template <const MicroTable& kTable>
std::optional<int64_t> bytes_of(int64_t k, int64_t n) {
  return strassen_b_bytes(k, n, kTable.lanes);
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 1 + kMaxProgramInputs, 1));
  const auto& params = call.as<MatmulPackedParams>();
  TN_TRY(expect_type(call.inputs[0], DType::f32, "a"));
  TN_TRY(expect_vectors(kTable, params.vectors));
  TN_TRY(expect_together(params.together));
  TN_TRY(expect_cache(params.cache));
  const auto bytes = bytes_of<kTable>(params.k, params.n);
  if (params.packed != 1 || !bytes)
    return fail(Code::invalid_plan, "Strassen's product takes a packed b of k a multiple of {} and n at least that, not {} x {}",
                2 * kTable.lanes, params.k, params.n);
  TN_TRY(expect_type(call.inputs[1], DType::u8, "packed b"));
  TN_TRY(expect_format(call.inputs[1], kLinear, "packed b"));
  TN_TRY(expect_shape(call.inputs[1], {&*bytes, 1}, "packed b"));
  auto state = std::make_unique<State>();
  State& s = *state;
  Arg b;
  TN_TRY(unpacked_b(params, b));
  const auto extras = call.inputs.subspan(2);
  TN_TRY(matmul_geometry(params.matmul, call.inputs[0], b, extras, call.outputs[0], s.g));
  if (s.g.batch_count == 0 || s.g.m == 0) s.g.batch_count = 0;
  if (s.g.batch_count) {
    merge_rows(s.g, extras.size());
    s.cut = strassen_cut(s.g.m, s.g.n, s.g.k, params.vectors, params.cache, kTable);
    s.stored = stored_epilogue(params.matmul.epilogue, s.g);
    s.straight = s.g.out.col == 1;
    const bool in_place = s.straight && call.outputs[0].dtype == DType::f32;
    if (s.cut.slabs.parts > 1 && !in_place) s.waiting_floats = 4 * s.cut.upper(s.cut.block_rows) * s.cut.half;
    s.team = strassen_team(s.cut, s.g.batch_count, kTileScratchBytes, call.threads, params.together && s.g.a.col == 1);
    s.waiting_at = round_up(s.team.bytes(), 64);
    prepared.scratch_bytes = s.waiting_at + s.g.batch_count * s.cut.row_blocks * s.waiting_floats * 4;
  }
  prepared.state = std::move(state);
  return {};
}

// One thread's work, a block, a slab and a panel at a time.
template <const MicroTable& kTable, const StrassenTable& kSums>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& state, int member)
      : call_(call), s_(state), g_(state.g), program_(call.as<MatmulPackedParams>().matmul.epilogue),
        products_(reinterpret_cast<float*>(state.team.own(call.scratch, member))),
        block_(state.cut, state.team.packed(call.scratch, member), products_),
        tile_scratch_(reinterpret_cast<std::byte*>(products_ + round_up(state.cut.product_floats(), 16))) {}

  void begin(int64_t block, int64_t slab) {
    const Split rows(g_.m, s_.cut.block_rows);
    const int64_t part = block % s_.cut.row_blocks;
    batch_ = block / s_.cut.row_blocks, row_ = rows.begin(part), slab_ = slab;
    waiting_ = reinterpret_cast<float*>(static_cast<std::byte*>(call_.scratch) + s_.waiting_at) + block * s_.waiting_floats;
    block_.begin(rows.size(part), slab);
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

  // Whether the quadrants are packed to where the sums will be.
  bool packs() const { return g_.a.col != 1; }
  // a's quadrants where they are, or, if its rows are no vectors, packed to where the sums will be.
  StrassenRows quadrants() {
    StrassenRows out{};
    out.row = g_.a.row, out.vector = kTable.lanes;
    const int64_t upper = block_.upper(), depth = block_.depth();
    for (int quadrant = 0; quadrant < 4; ++quadrant) {
      const bool low = quadrant >= 2;
      const float* from = call_.inputs[0].as<const float>() + g_.offset(g_.a, batch_) + (row_ + (low ? upper : 0)) * g_.a.row +
                          (block_.first_k() + quadrant % 2 * depth) * g_.a.col;
      out.from[quadrant] = from;
      if (g_.a.col == 1) continue;
      float* to = block_.packed_a() + kQuadrantsOfA[quadrant] * s_.cut.a_step;
      kTable.pack_a(from, g_.a.row, g_.a.col, low ? block_.lower() : upper, depth, to, upper * kTable.lanes);
      out.from[quadrant] = to;
    }
    if (g_.a.col != 1) out.row = kTable.lanes, out.vector = upper * kTable.lanes;
    return out;
  }

 private:
  // The results of the quadrants from the products of a panel: the last slab's go through the epilogue.
  void finish(int64_t panel) {
    const StrassenCut& cut = s_.cut;
    const int64_t column = panel * cut.width, columns = cut.columns_of(panel), upper = block_.upper();
    const bool last = slab_ + 1 == cut.slabs.parts, stay = last && !s_.stored.fits;
    const int64_t right = std::clamp<int64_t>(g_.n - cut.half - column, 0, columns);
    float* wait[4];  // where sums of slabs are
    for (int q = 0; q < 4; ++q)
      wait[q] =
          s_.waiting_floats ? waiting_ + 4 * upper * column + q * upper * columns : reinterpret_cast<float*>(out(q, column, 4));
    const int64_t wait_row = s_.waiting_floats ? columns : g_.out.row;
    StrassenSums sums = block_.sums(panel);
    sums.right_columns = right;
    sums.row = stay ? columns : last ? g_.out.row : wait_row;
    sums.from_row = wait_row;
    for (int q = 0; q < 4; ++q) {
      sums.to[q] = stay   ? block_.products() + kQuadrantsOfC[q] * cut.product_step
                   : last ? reinterpret_cast<float*>(out(q, column, 4))
                          : wait[q];
      if (slab_ > 0) sums.from[q] = wait[q];
    }
    if (last && s_.stored.fits) store_with_epilogue(sums, column);
    block_.sum(sums);
    for (int q = 0; stay && q < 4; ++q)
      run_epilogue(q, sums.to[q], columns, q < 2 ? upper : block_.lower(), column, q % 2 ? right : columns);
  }

  void store_with_epilogue(StrassenSums& sums, int64_t column) {
    const StoredEpilogue& stored = s_.stored;
    auto extra = [&](int e, int quadrant) {
      return call_.inputs[static_cast<size_t>(e) + 2].as<const float>() + offset(g_.extra[e], quadrant, column);
    };
    for (int half = 0; stored.bias >= 0 && half < 2; ++half) sums.bias[half] = extra(stored.bias, half);
    for (int q = 0; stored.add >= 0 && q < 4; ++q) sums.add[q] = extra(stored.add, q);
    if (stored.add >= 0) sums.add_row = g_.extra[stored.add].row;
    sums.low = stored.add_clamp.low;
    sums.high = stored.add_clamp.high;
    sums.bounded = !(sums.low == -HUGE_VALF && sums.high == HUGE_VALF);
  }

  // The epilogue's program over a part of a quadrant, whose rows are `step` floats apart. Results whose columns lie apart pass
  // through the memory of the last products, which are summed.
  void run_epilogue(int quadrant, const float* sums, int64_t step, int64_t rows, int64_t column, int64_t columns) {
    if (rows == 0 || columns == 0) return;
    TileOperand operands[kMaxProgramInputs];
    operands[0] = {sums, step, 1};
    for (int e = 1; e < program_.inputs; ++e) {
      const Arg& arg = call_.inputs[static_cast<size_t>(e) + 1];
      const MatmulGeometry::Steps& steps = g_.extra[e - 1];
      const int64_t at = offset(steps, quadrant, column) * static_cast<int64_t>(size_of(arg.dtype));
      operands[e] = {arg.as<const std::byte>() + at, steps.row, steps.col};
    }
    const auto size = static_cast<int64_t>(size_of(call_.outputs[0].dtype));
    std::byte* to = out(quadrant, column, size);
    if (s_.straight) {
      tile_(program_, operands, rows, columns, to, g_.out.row, tile_scratch_);
      return;
    }
    auto* done = reinterpret_cast<std::byte*>(block_.products() + 4 * s_.cut.product_step);
    if (program_.empty())
      done = reinterpret_cast<std::byte*>(const_cast<float*>(sums));
    else
      tile_(program_, operands, rows, columns, done, step, tile_scratch_);
    if (call_.outputs[0].dtype == DType::f32) {
      scatter_rows(kTable, reinterpret_cast<const float*>(done), step, rows, columns, reinterpret_cast<float*>(to), g_.out.row,
                   g_.out.col);
      return;
    }
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = 0; r < rows; ++r)
        std::memcpy(to + (r * g_.out.row + c * g_.out.col) * size, done + (r * step + c) * size, static_cast<size_t>(size));
  }

  // Of the first element of the panel's part of a quadrant.
  int64_t offset(const MatmulGeometry::Steps& steps, int quadrant, int64_t column) const {
    return g_.offset(steps, batch_) + (row_ + (quadrant >= 2 ? block_.upper() : 0)) * steps.row +
           (column + quadrant % 2 * s_.cut.half) * steps.col;
  }
  std::byte* out(int quadrant, int64_t column, int64_t size) const {
    return call_.outputs[0].as<std::byte>() + offset(g_.out, quadrant, column) * size;
  }

  const LaunchCall& call_;
  const State& s_;
  const MatmulGeometry& g_;
  const Program& program_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  float* products_;
  StrassenBlock<kTable, kSums> block_;
  float* waiting_ = nullptr;
  std::byte* tile_scratch_;
  int64_t batch_ = 0, row_ = 0, slab_ = 0;
};

template <const MicroTable& kTable, const StrassenTable& kSums>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  run_strassen<Worker<kTable, kSums>>(call, s, s.g.batch_count);
  return {};
}

template <const MicroTable& kTable>
Status prepare_pack(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_vectors(kTable, call.as<MatmulPackParams>().vectors));
  TN_TRY(prepare_pack_b(call, bytes_of<kTable>, prepared));
  prepared.scratch_bytes = 4 * kTable.lanes * kMaxVectors * kTable.lanes * 4 * call.threads;
  return {};
}

template <const MicroTable& kTable, const StrassenTable& kSums>
Status launch_pack(const LaunchCall& call) {
  const auto& s = *static_cast<const PackedB*>(call.state);
  const int64_t width = call.as<MatmulPackParams>().vectors * kTable.lanes, half = strassen_half(s.n, kTable.lanes),
                panels = ceil_div(half, width);
  const Split slabs = strassen_slabs(s.k, kTable.lanes);
  const auto* b = call.inputs[0].as<const float>();
  call.team->parallel_for(slabs.parts * panels, [&](int64_t begin, int64_t end, int member) {
    const int64_t lanes = kTable.lanes, block = lanes * kMaxVectors * lanes;
    float* quadrants = static_cast<float*>(call.scratch) + member * 4 * block;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t slab = item / panels, depth = slabs.size(slab) * lanes, from_k = slabs.begin(slab) * 2 * lanes;
      const int64_t first = item % panels * width, columns = std::min(width, half - first);
      float* to = call.outputs[0].as<float>() + kStrassenProducts * (from_k * half / 2 + first * depth);
      for (int64_t k = 0; k < depth; k += lanes) {
        for (int q = 0; q < 4; ++q) {
          const int64_t column = first + q % 2 * half, some = std::clamp<int64_t>(s.n - column, 0, columns);
          kTable.pack_b(b + (from_k + k + q / 2 * depth) * s.k_step + column * s.n_step, s.k_step, s.n_step, lanes, some,
                        quadrants + q * block, columns);
        }
        for (int64_t i = 0; i < lanes; ++i, to += columns) {
          const float* at = quadrants + i * columns;
          const float* const rows[4] = {at, at + block, at + 2 * block, at + 3 * block};
          kSums.combine_b(rows, to, depth * columns, columns);
        }
      }
    }
  });
  return {};
}

}  // namespace

extern const Kernel kMatmulStrassenAvx2{"matmul.strassen.f32.avx2", sizeof(MatmulPackedParams), kAvx2, 0, prepare<avx2::kMicro>,
                                        launch<avx2::kMicro, avx2::kStrassen>};
extern const Kernel kMatmulStrassenAvx512{"matmul.strassen.f32.avx512", sizeof(MatmulPackedParams), kAvx2 | kAvx512, 0,
                                          prepare<avx512::kMicro>, launch<avx512::kMicro, avx512::kStrassen>};
extern const Kernel kMatmulPackStrassenAvx2{"matmul.pack_strassen.f32.avx2", sizeof(MatmulPackParams), kAvx2, 0,
                                            prepare_pack<avx2::kMicro>, launch_pack<avx2::kMicro, avx2::kStrassen>};
extern const Kernel kMatmulPackStrassenAvx512{"matmul.pack_strassen.f32.avx512", sizeof(MatmulPackParams), kAvx2 | kAvx512, 0,
                                              prepare_pack<avx512::kMicro>, launch_pack<avx512::kMicro, avx512::kStrassen>};

}  // namespace tenon
