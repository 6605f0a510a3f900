// matmul.strassen.f32.<isa>: one level of Strassen's product for a constant b: seven products of halves instead of eight
// (Strassen, "Gaussian elimination is not optimal", 1969; the sums taken while packing and before storing as in Huang et al.,
// "Strassen's Algorithm Reloaded", 2016). Rows are halved block by block, so that a block of a and its results stay in the
// cache. Its error is bounded in the norm, not element by element (Higham, "Accuracy and Stability of Numerical Algorithms",
// section 23.2.2), and two rows meet in a sum: a block in which one of such a pair is not finite, or far larger than the other,
// takes eight products instead, which keep rows apart. Every element is summed in one order, whatever the threads. matmul.pack_strassen.f32.<isa> packs b.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "gemm/split.h"
#include "matmul/packed.h"
#include "matmul/packed_b.h"
#include "matmul/strassen_tile.h"

namespace tenon {
namespace {

constexpr int kProducts = 7;
constexpr int64_t kPackedABytes = 4 << 20;  // of the seven sums of a block's rows
constexpr int64_t kMostRows = 256;          // of a block
constexpr int64_t kMaxDepth = 512;          // of k summed at a time
constexpr float kMostApart = 64;            // how much larger one of two rows that meet may be

// Where the quadrants of a, and sums of the results, lie among the seven blocks.
constexpr int kQuadrantsOfA[4] = {2, 5, 6, 3}, kQuadrantsOfC[4] = {0, 2, 1, 3};

struct State : KernelState {
  MatmulGeometry g;
  int64_t vectors = 0, width = 0, panels = 0;  // of half of b's columns
  int64_t row_blocks = 1, block_rows = 0;      // rows of a taken at a time, at most
  int64_t max_rows = 0;                        // of a register tile
  int64_t depth = 0;                           // half of k
  // Of a block with (block_rows + 1) / 2 upper rows, or one fewer: [1: one fewer][1: the last panel]
  std::vector<MicroBlock> blocks[2][2];
  int64_t a_step = 0, product_step = 0;        // floats
  int64_t thread_bytes = 0;
};

int64_t upper(int64_t rows) { return (rows + 1) / 2; }
int64_t columns_of(const State& s, int64_t panel) { return std::min(s.width, s.g.n / 2 - panel * s.width); }

// Which rows meet in a block decides how they are rounded: it does not depend on the number of threads.
void cut(State& s, int64_t lanes) {
  const MatmulGeometry& g = s.g;
  s.depth = g.k / 2;
  const int64_t most = std::clamp<int64_t>(2 * (kPackedABytes / (kProducts * s.depth * 4)), 2 * s.max_rows, kMostRows);
  const Split split(g.m, most);
  s.row_blocks = split.parts;
  s.block_rows = split.size(0);
  for (int fewer = 0; fewer < 2; ++fewer)
    for (int last = 0; last < 2; ++last) {
      const int64_t rows = upper(s.block_rows) - fewer, columns = columns_of(s, last ? s.panels - 1 : 0);
      for (int64_t k = 0; k < s.depth; k += lanes) s.blocks[fewer][last].push_back({k * rows, k * columns, lanes});
    }
  // Not a multiple of 4 KiB: the seven do not share the cache's sets.
  s.a_step = round_up(upper(s.block_rows) * s.depth * 4, 4096) / 4 + 80;
  s.product_step = upper(s.block_rows) * s.width + 16;
}

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
  const auto bytes = bytes_of<kTable>(params.k, params.n);
  if (params.packed != 1 || !bytes)
    return fail(Code::invalid_plan, "Strassen's product takes a packed b of multiples of {}, not {} x {}", 2 * kTable.lanes, params.k, params.n);
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
    if (s.g.out.col != 1) return fail(Code::unsupported, "Strassen's product writes rows, not columns");
    s.vectors = params.vectors;
    s.width = params.vectors * kTable.lanes;
    s.panels = ceil_div(s.g.n / 2, s.width);
    s.max_rows = kTable.max_rows[params.vectors];
    cut(s, kTable.lanes);
    s.thread_bytes = round_up(kProducts * (s.a_step + s.product_step) * 4, 64) + round_up(kTileScratchBytes, 64);
    prepared.scratch_bytes = s.thread_bytes * call.threads;
  }
  prepared.state = std::move(state);
  return {};
}

// One thread's work: items (batch, row block, panel) in order.
template <const MicroTable& kTable, const StrassenTable& kSums>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& state, int member)
      : call_(call), s_(state), g_(state.g), program_(call.as<MatmulPackedParams>().matmul.epilogue) {
    auto* memory = static_cast<std::byte*>(call.scratch) + member * s_.thread_bytes;
    packed_a_ = reinterpret_cast<float*>(memory);
    products_ = packed_a_ + kProducts * s_.a_step;
    tile_scratch_ = memory + s_.thread_bytes - round_up(kTileScratchBytes, 64);
  }

  void run(int64_t begin, int64_t end) {
    const Split rows(g_.m, s_.block_rows);
    for (int64_t item = begin; item < end;) {
      const int64_t block = item / s_.panels, part = block % s_.row_blocks, first = item % s_.panels;
      const int64_t last = std::min(s_.panels, first + end - item);
      batch_ = block / s_.row_blocks;
      row_ = rows.begin(part);
      upper_ = upper(rows.size(part));
      lower_ = rows.size(part) - upper_;
      pack();
      for (int64_t panel = first; panel < last; ++panel) compute(panel);
      item += last - first;
    }
  }

 private:
  void pack() {
    const int64_t count = upper_ * s_.depth;
    for (int quadrant = 0; quadrant < 4; ++quadrant) {
      const bool low = quadrant >= 2;
      float* to = packed_a_ + kQuadrantsOfA[quadrant] * s_.a_step;
      if (low && lower_ < upper_) std::fill(to, to + count, 0.0f);
      const float* from = call_.inputs[0].as<const float>() + g_.offset(g_.a, batch_) + (row_ + (low ? upper_ : 0)) * g_.a.row +
                          quadrant % 2 * s_.depth * g_.a.col;
      kTable.pack_a(from, g_.a.row, g_.a.col, low ? lower_ : upper_, s_.depth, to, upper_ * kTable.lanes);
    }
    apart_ = rows_differ();
    (apart_ ? kSums.combine_rows : kSums.combine_a)(packed_a_, s_.a_step, count);
  }

  bool rows_differ() const {
    const float* a = call_.inputs[0].as<const float>() + g_.offset(g_.a, batch_);
    for (int64_t r = 0; r < upper_; ++r) {
      const float one = kSums.largest(a + (row_ + r) * g_.a.row, g_.a.col, g_.k);
      const float two = r < lower_ ? kSums.largest(a + (row_ + upper_ + r) * g_.a.row, g_.a.col, g_.k) : one;
      if (!(std::max(one, two) <= kMostApart * std::min(one, two)) || std::isinf(one)) return true;
    }
    return false;
  }

  // A product of blocks of a and b that is added to, or begins, a block of results.
  struct Product {
    int a, b, to;
    bool adds;
  };
  // Rows apart: 11 = (a11 + a12) b11 + a12 (b21 - b11), 12 = a11 (b12 - b22) + (a11 + a12) b22, and so of the lower rows.
  static constexpr Product kApart[] = {{0, 1, kQuadrantsOfC[0], false}, {5, 3, kQuadrantsOfC[0], true}, {2, 2, kQuadrantsOfC[1], false},
                                       {0, 4, kQuadrantsOfC[1], true},  {1, 1, kQuadrantsOfC[2], false}, {3, 3, kQuadrantsOfC[2], true},
                                       {6, 2, kQuadrantsOfC[3], false}, {1, 4, kQuadrantsOfC[3], true}};
  static constexpr Product kSeven[] = {{0, 0, 0, false}, {1, 1, 1, false}, {2, 2, 2, false}, {3, 3, 3, false},
                                       {4, 4, 4, false}, {5, 5, 5, false}, {6, 6, 6, false}};

  void compute(int64_t panel) {
    const int64_t columns = columns_of(s_, panel), vectors = columns / kTable.lanes;
    const auto& blocks = s_.blocks[upper_ != upper(s_.block_rows)][panel + 1 == s_.panels];
    const float* b = call_.inputs[1].as<const float>() + kProducts * panel * s_.width * s_.depth;
    const Split tiles(upper_, s_.max_rows);
    MicroTile t{};
    t.lanes = t.c_vector = kTable.lanes;
    t.c_row = columns;
    const auto count = static_cast<int64_t>(blocks.size()), parts = ceil_div(s_.depth, kMaxDepth);
    for (int64_t part = 0; part < parts; ++part)
      for (const Product& product : apart_ ? std::span<const Product>(kApart) : kSeven)
        for (int64_t i = 0; i < tiles.parts; ++i) {
          const int64_t rows = tiles.size(i), half = (rows + 1) / 2;
          t.a = packed_a_ + product.a * s_.a_step + tiles.begin(i) * kTable.lanes;
          t.b = b + product.b * s_.depth * columns;
          t.blocks = blocks.data() + part * count / parts;
          t.count = (part + 1) * count / parts - part * count / parts;
          t.c = products_ + product.to * s_.product_step + tiles.begin(i) * columns;
          t.a_jump = half * kTable.lanes;
          t.c_jump = half * columns;
          t.accumulate = part > 0 || product.adds;
          kTable.dense[vectors][rows](t);
        }
    finish(panel * s_.width, columns);
  }

  // The results of the quadrants from the products of a panel.
  void finish(int64_t column, int64_t columns) {
    StrassenSums sums{products_, s_.product_step, columns, upper_, lower_, columns, {}, columns};
    for (int q = 0; q < 4; ++q) sums.to[q] = products_ + kQuadrantsOfC[q] * s_.product_step;
    if (!apart_) {
      if (program_.empty()) {
        sums.row = g_.out.row;
        for (int q = 0; q < 4; ++q) sums.to[q] = reinterpret_cast<float*>(out(q, column, 4));
      }
      kSums.sum(sums);
      if (program_.empty()) return;
    }
    for (int q = 0; q < 4; ++q) {
      TileOperand operands[kMaxProgramInputs];
      operands[0] = {sums.to[q], columns, 1};
      for (int e = 1; e < program_.inputs; ++e) {
        const Arg& arg = call_.inputs[static_cast<size_t>(e) + 1];
        const MatmulGeometry::Steps& steps = g_.extra[e - 1];
        operands[e] = {arg.as<const std::byte>() + offset(steps, q, column) * static_cast<int64_t>(size_of(arg.dtype)), steps.row, steps.col};
      }
      const auto size = static_cast<int64_t>(size_of(call_.outputs[0].dtype));
      const int64_t rows = q < 2 ? upper_ : lower_;
      if (rows > 0 && program_.empty())
        for (int64_t r = 0; r < rows; ++r)
          std::memcpy(out(q, column, size) + r * g_.out.row * size, sums.to[q] + r * columns, static_cast<size_t>(columns * size));
      else if (rows > 0)
        tile_(program_, operands, rows, columns, out(q, column, size), g_.out.row, tile_scratch_);
    }
  }

  // Of the first element of the panel's part of a quadrant.
  int64_t offset(const MatmulGeometry::Steps& steps, int quadrant, int64_t column) const {
    return g_.offset(steps, batch_) + (row_ + (quadrant >= 2 ? upper_ : 0)) * steps.row + (column + quadrant % 2 * (g_.n / 2)) * steps.col;
  }
  std::byte* out(int quadrant, int64_t column, int64_t size) const {
    return call_.outputs[0].as<std::byte>() + offset(g_.out, quadrant, column) * size;
  }

  const LaunchCall& call_;
  const State& s_;
  const MatmulGeometry& g_;
  const Program& program_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  int64_t batch_ = 0, row_ = 0, upper_ = 0, lower_ = 0;
  bool apart_ = false;  // the block's rows are
  float *packed_a_, *products_;
  std::byte* tile_scratch_;
};

template <const MicroTable& kTable, const StrassenTable& kSums>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  call.team->parallel_for(s.g.batch_count * s.row_blocks * s.panels, [&](int64_t begin, int64_t end, int member) {
    if (begin < end) Worker<kTable, kSums>(call, s, member).run(begin, end);
  });
  return {};
}

template <const MicroTable& kTable>
Status prepare_pack(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_vectors(kTable, call.as<MatmulPackParams>().vectors));
  TN_TRY(prepare_pack_b(call, bytes_of<kTable>, prepared));
  prepared.scratch_bytes = 4 * kMaxVectors * kTable.lanes * 4 * call.threads;
  return {};
}

template <const MicroTable& kTable, const StrassenTable& kSums>
Status launch_pack(const LaunchCall& call) {
  const auto& s = *static_cast<const PackedB*>(call.state);
  const int64_t width = call.as<MatmulPackParams>().vectors * kTable.lanes, depth = s.k / 2, half = s.n / 2;
  const auto* b = call.inputs[0].as<const float>();
  call.team->parallel_for(ceil_div(half, width), [&](int64_t begin, int64_t end, int member) {
    float* lines = static_cast<float*>(call.scratch) + member * 4 * kMaxVectors * kTable.lanes;
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t first = panel * width, columns = std::min(width, half - first);
      float* to = call.outputs[0].as<float>() + kProducts * first * depth;
      for (int64_t k = 0; k < depth; ++k, to += columns) {
        const float* quadrants[4];
        for (int q = 0; q < 4; ++q) {
          float* line = lines + q * kMaxVectors * kTable.lanes;
          const float* from = b + (k + q / 2 * depth) * s.k_step + (first + q % 2 * half) * s.n_step;
          for (int64_t i = 0; i < columns; ++i) line[i] = from[i * s.n_step];
          quadrants[q] = line;
        }
        kSums.combine_b(quadrants, to, depth * columns, columns);
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
