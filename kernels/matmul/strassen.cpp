// matmul.strassen.f32.<isa>: one level of Strassen's product for a constant b: seven products of halves instead of eight
// (Strassen, "Gaussian elimination is not optimal", 1969; the sums taken while packing and before storing as in Huang et al.,
// "Strassen's Algorithm Reloaded", 2016). k goes slab by slab, rows block by block, so that what is made of a block of a stays
// in the cache. Its error is bounded in the norm, not element by element (Higham, "Accuracy and Stability of Numerical
// Algorithms", section 23.2.2), and two rows meet in a sum: a block in which one of such a pair is not finite, or far larger
// than the other, takes eight products instead, which keep rows apart. A block of few rows, where reading b takes the time, is
// all upper rows: four products, of four of b's seven parts. Every element is summed in one order, whatever the threads.
// matmul.pack_strassen.f32.<isa> packs b.
#include <algorithm>
#include <bit>
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
constexpr int64_t kPackedABytes = 1152 << 10;  // of the seven sums of a block's rows
constexpr int64_t kMostRows = 256;             // of a block
constexpr int64_t kFewRows = 24;               // of a block that is multiplied directly, by four of b's seven parts
constexpr float kMostApart = 64;            // how much larger one of two rows that meet may be

// Where the quadrants of a, and sums of the results, lie among the seven blocks.
constexpr int kQuadrantsOfA[4] = {2, 5, 6, 3}, kQuadrantsOfC[4] = {0, 2, 1, 3};

struct State : KernelState {
  MatmulGeometry g;
  int64_t half = 0;                            // of b's columns
  int64_t vectors = 0, width = 0, panels = 0;  // of the half
  int64_t row_blocks = 1, block_rows = 0;      // rows of a taken at a time, at most
  int64_t max_rows = 0;                        // of a register tile
  Split slabs{0, 1};                           // of k
  bool few = false;                            // rows of a block: all are upper ones
  // Of a block with upper(block_rows) upper rows, or one fewer: [1: one fewer][1: the last panel]
  std::vector<MicroBlock> blocks[2][2];
  int64_t a_step = 0, product_step = 0;        // floats
  bool straight = true;                        // rows of the output are rows of results
  int64_t waiting_floats = 0;                  // of sums of k's slabs that cannot wait in the output
  int64_t largest_floats = 0, thread_bytes = 0;
  StoredEpilogue stored;
};

int64_t upper(const State& s, int64_t rows) { return s.few ? rows : (rows + 1) / 2; }
int64_t columns_of(const State& s, int64_t panel) { return std::min(s.width, s.half - panel * s.width); }

// Which rows meet in a block decides how they are rounded: it does not depend on the number of threads.
void cut(State& s, int64_t lanes) {
  const MatmulGeometry& g = s.g;
  s.slabs = strassen_slabs(g.k, lanes);
  const int64_t depth = s.slabs.size(0) * lanes;
  const int64_t most = std::clamp<int64_t>(2 * (kPackedABytes / (kProducts * depth * 4)), 2 * s.max_rows, kMostRows);
  const Split split(g.m, most);
  s.row_blocks = split.parts;
  s.block_rows = split.size(0);
  s.few = s.block_rows <= kFewRows;
  for (int fewer = 0; fewer < 2; ++fewer)
    for (int last = 0; last < 2; ++last) {
      const int64_t rows = upper(s, s.block_rows) - fewer, columns = columns_of(s, last ? s.panels - 1 : 0);
      for (int64_t k = 0; k < depth; k += lanes) s.blocks[fewer][last].push_back({k * rows, k * columns, lanes});
    }
  // Not a multiple of 4 KiB: the seven do not share the cache's sets.
  s.a_step = round_up(upper(s, s.block_rows) * depth * 4, 4096) / 4 + 80;
  s.product_step = upper(s, s.block_rows) * s.width + 16;
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
    s.vectors = params.vectors;
    s.width = params.vectors * kTable.lanes;
    s.half = strassen_half(s.g.n, kTable.lanes);
    s.panels = ceil_div(s.half, s.width);
    s.stored = stored_epilogue(params.matmul.epilogue, s.g);
    s.max_rows = kTable.max_rows[params.vectors];
    cut(s, kTable.lanes);
    s.straight = s.g.out.col == 1;
    const bool in_place = s.straight && call.outputs[0].dtype == DType::f32;
    if (s.slabs.parts > 1 && !in_place) s.waiting_floats = 4 * upper(s, s.block_rows) * s.half;
    s.largest_floats = 2 * upper(s, s.block_rows) * kTable.lanes;
    s.thread_bytes = round_up((kProducts * (s.a_step + s.product_step) + s.largest_floats + s.waiting_floats) * 4, 64) +
                     round_up(kTileScratchBytes, 64);
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
    largest_ = products_ + kProducts * s_.product_step;
    waiting_ = largest_ + s_.largest_floats;
    tile_scratch_ = memory + s_.thread_bytes - round_up(kTileScratchBytes, 64);
  }

  void run(int64_t begin, int64_t end) {
    const Split rows(g_.m, s_.block_rows);
    for (int64_t item = begin; item < end;) {
      const int64_t block = item / s_.panels, part = block % s_.row_blocks, first = item % s_.panels;
      const int64_t last = std::min(s_.panels, first + end - item);
      batch_ = block / s_.row_blocks;
      row_ = rows.begin(part);
      upper_ = upper(s_, rows.size(part));
      lower_ = rows.size(part) - upper_;
      for (slab_ = 0; slab_ < s_.slabs.parts; ++slab_) {
        depth_ = s_.slabs.size(slab_) * kTable.lanes;
        pack();
        for (int64_t panel = first; panel < last; ++panel) compute(panel);
      }
      item += last - first;
    }
  }

 private:
  int64_t first_k() const { return s_.slabs.begin(slab_) * 2 * kTable.lanes; }

  void pack() {
    const StrassenRows rows = quadrants();
    if (s_.few) {
      apart_ = true;
      kSums.combine_rows(rows);
      return;
    }
    kSums.combine_a(rows);
    apart_ = rows_differ();
    if (apart_) kSums.combine_rows(g_.a.col == 1 ? rows : quadrants());
  }

  // a's quadrants where they are, or, if its rows are no vectors, packed to where the sums will be.
  StrassenRows quadrants() {
    StrassenRows out{{}, g_.a.row, kTable.lanes, upper_, lower_, depth_, packed_a_, s_.a_step, largest_};
    for (int quadrant = 0; quadrant < 4; ++quadrant) {
      const bool low = quadrant >= 2;
      const float* from = call_.inputs[0].as<const float>() + g_.offset(g_.a, batch_) + (row_ + (low ? upper_ : 0)) * g_.a.row +
                          (first_k() + quadrant % 2 * depth_) * g_.a.col;
      out.from[quadrant] = from;
      if (g_.a.col == 1) continue;
      float* to = packed_a_ + kQuadrantsOfA[quadrant] * s_.a_step;
      kTable.pack_a(from, g_.a.row, g_.a.col, low ? lower_ : upper_, depth_, to, upper_ * kTable.lanes);
      out.from[quadrant] = to;
    }
    if (g_.a.col != 1) out.row = kTable.lanes, out.vector = upper_ * kTable.lanes;
    return out;
  }

  bool rows_differ() const {
    for (int64_t r = 0; r < lower_; ++r) {
      const float one = largest(r), two = largest(upper_ + r);
      if (!(std::max(one, two) <= kMostApart * std::min(one, two)) || std::isinf(one)) return true;
    }
    return lower_ < upper_ && std::isinf(largest(lower_));
  }

  // Infinity for infinities and NaN.
  float largest(int64_t row) const {
    const auto* bits = reinterpret_cast<const int32_t*>(largest_ + row * kTable.lanes);
    const int32_t most = std::min(*std::max_element(bits, bits + kTable.lanes), std::bit_cast<int32_t>(HUGE_VALF));
    return std::bit_cast<float>(most);
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
    const auto& blocks = s_.blocks[upper_ != upper(s_, s_.block_rows)][panel + 1 == s_.panels];
    const int64_t b_step = depth_ * columns;
    const float* b = call_.inputs[1].as<const float>() + kProducts * (first_k() / 2 * s_.half + panel * s_.width * depth_);
    const Split tiles(upper_, s_.max_rows);
    MicroTile t{};
    t.lanes = t.c_vector = kTable.lanes;
    t.c_row = columns;
    t.count = depth_ / kTable.lanes;
    t.blocks = blocks.data();
    t.prefetch_lines = ceil_div(columns, 4 * tiles.parts);
    const auto products = !apart_ ? std::span<const Product>(kSeven) : std::span<const Product>(kApart).first(lower_ > 0 ? 8 : 4);
    for (size_t p = 0; p < products.size(); ++p) {
      const Product& product = products[p];
      const int next = p + 1 < products.size() ? products[p + 1].b : kProducts + products[0].b;
      t.b = b + product.b * b_step;
      for (int64_t i = 0; i < tiles.parts; ++i) {
        const int64_t rows = tiles.size(i), half = (rows + 1) / 2;
        t.a = packed_a_ + product.a * s_.a_step + tiles.begin(i) * kTable.lanes;
        t.c = products_ + product.to * s_.product_step + tiles.begin(i) * columns;
        t.a_jump = half * kTable.lanes;
        t.c_jump = half * columns;
        t.accumulate = product.adds;
        t.prefetch = reinterpret_cast<const char*>(b + next * b_step) + i * t.prefetch_lines * depth_ * 16;
        kTable.dense[vectors][rows](t);
      }
    }
    finish(panel * s_.width, columns);
  }

  // The results of the quadrants from the products of a panel: the last slab's go through the epilogue.
  void finish(int64_t column, int64_t columns) {
    const bool last = slab_ + 1 == s_.slabs.parts, stay = last && !s_.stored.fits;
    const int64_t right = std::clamp<int64_t>(g_.n - s_.half - column, 0, columns);
    float* wait[4];  // where sums of slabs are
    for (int q = 0; q < 4; ++q)
      wait[q] =
          s_.waiting_floats ? waiting_ + 4 * upper_ * column + q * upper_ * columns : reinterpret_cast<float*>(out(q, column, 4));
    const int64_t wait_row = s_.waiting_floats ? columns : g_.out.row;
    StrassenSums sums{};
    sums.products = products_, sums.step = s_.product_step;
    sums.rows = upper_, sums.lower_rows = lower_;
    sums.columns = columns, sums.right_columns = right;
    sums.row = stay ? columns : last ? g_.out.row : wait_row;
    sums.from_row = wait_row;
    for (int q = 0; q < 4; ++q) {
      sums.to[q] = stay   ? products_ + kQuadrantsOfC[q] * s_.product_step
                   : last ? reinterpret_cast<float*>(out(q, column, 4))
                          : wait[q];
      if (slab_ > 0) sums.from[q] = wait[q];
    }
    if (last && s_.stored.fits) store_with_epilogue(sums, column);
    kSums.sum(sums, apart_);
    for (int q = 0; stay && q < 4; ++q)
      run_epilogue(q, sums.to[q], columns, q < 2 ? upper_ : lower_, column, q % 2 ? right : columns);
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
    auto* done = reinterpret_cast<std::byte*>(products_ + 4 * s_.product_step);
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
    return g_.offset(steps, batch_) + (row_ + (quadrant >= 2 ? upper_ : 0)) * steps.row +
           (column + quadrant % 2 * s_.half) * steps.col;
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
  int64_t slab_ = 0, depth_ = 0;  // of k, half of its size
  bool apart_ = false;            // the block's rows are
  float *packed_a_, *products_, *largest_, *waiting_;
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
      float* to = call.outputs[0].as<float>() + kProducts * (from_k * half / 2 + first * depth);
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
