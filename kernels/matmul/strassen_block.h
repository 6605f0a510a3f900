// What Strassen's kernels share: how a product [m, k] by [k, n] is cut into blocks, and the products of one block.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <vector>

#include "common/kernel.h"
#include "gemm/blocks.h"
#include "gemm/micro.h"
#include "gemm/split.h"
#include "matmul/packed.h"
#include "matmul/strassen_tile.h"

namespace tenon {

inline constexpr int kStrassenProducts = 7;
// Where the quadrants of a, and sums of the results, lie among the seven blocks.
inline constexpr int kQuadrantsOfA[4] = {2, 5, 6, 3}, kQuadrantsOfC[4] = {0, 2, 1, 3};

struct StrassenCut {
  int64_t half = 0;                            // of b's columns
  int64_t vectors = 0, width = 0, panels = 0;  // of the half
  int64_t row_blocks = 1, block_rows = 0;      // rows of a taken at a time, at most
  int64_t max_rows = 0;                        // of a register tile
  Split slabs{0, 1};                           // of k
  bool few = false;                            // rows of a block: all are upper ones
  // Of a block with upper(block_rows) upper rows, or one fewer: [1: one fewer][1: the last panel]
  std::vector<MicroBlock> blocks[2][2];
  int64_t a_step = 0, product_step = 0;        // floats
  int64_t largest_floats = 0;

  int64_t upper(int64_t rows) const { return few ? rows : (rows + 1) / 2; }
  int64_t columns_of(int64_t panel) const { return std::min(width, half - panel * width); }
  // Of what is made of a block of a, and of the products of a panel.
  int64_t packed_floats() const { return kStrassenProducts * a_step + largest_floats; }
  int64_t product_floats() const { return kStrassenProducts * product_step; }
};

// m, n and k must not be 0; `cache`: bytes of the second-level cache. Which rows meet in a block decides how they are rounded: it does
// not depend on the number of threads.
StrassenCut strassen_cut(int64_t m, int64_t n, int64_t k, int64_t vectors, int64_t cache, const MicroTable& table);

// How the threads divide the blocks and panels, and where their memory lies.
struct StrassenTeam {
  // All threads make one block after the other, each some of its rows, and multiply it, each by some of the panels. Else each
  // thread makes what its items need.
  bool shared = false;
  int threads = 1;
  int64_t packed_bytes = 0, own_bytes = 0;  // of a block; of a thread

  int64_t bytes() const { return packed_bytes * (shared ? 1 : threads) + own_bytes * threads; }
  float* packed(void* scratch, int member) const {
    return reinterpret_cast<float*>(static_cast<std::byte*>(scratch) + (shared ? 0 : member * packed_bytes));
  }
  std::byte* own(void* scratch, int member) const {
    return static_cast<std::byte*>(scratch) + packed_bytes * (shared ? 1 : threads) + member * own_bytes;
  }
};

// `batches` products; `own_bytes`: what a thread needs besides the products of a panel, which come first. `together`: whether
// blocks are shared where they may; k must then be contiguous in a, or lie in vectors.
StrassenTeam strassen_team(const StrassenCut& cut, int64_t batches, int64_t own_bytes, int threads, bool together);

// A block of rows of a that is multiplied by b's panels, slab by slab of k.
template <const MicroTable& kTable, const StrassenTable& kSums>
class StrassenBlock {
 public:
  StrassenBlock(const StrassenCut& cut, float* packed, float* products)
      : cut_(cut), packed_a_(packed), products_(products), largest_(packed + kStrassenProducts * cut.a_step) {}

  void begin(int64_t rows, int64_t slab) {
    upper_ = cut_.upper(rows);
    lower_ = rows - upper_;
    slab_ = slab;
    depth_ = cut_.slabs.size(slab) * kTable.lanes;
  }

  int64_t upper() const { return upper_; }
  int64_t lower() const { return lower_; }
  int64_t depth() const { return depth_; }  // half of the slab's k
  int64_t first_k() const { return cut_.slabs.begin(slab_) * 2 * kTable.lanes; }
  float* products() const { return products_; }
  float* packed_a() const { return packed_a_; }

  // What the products take of the slab. `rows()` gives from, row and vector of the quadrants; where they are packed into the
  // blocks of kQuadrantsOfA, which the sums overwrite, it is called again.
  template <class F>
  void pack(F&& rows, bool packed) {
    const StrassenRows all = rows();
    combine(all, 0, upper_);
    if (settle()) keep_apart(packed && !cut_.few ? rows() : all, 0, upper_);
  }
  // The same in steps, of upper rows first … last-1: when all are combined, and it has settled that rows must be kept apart, all
  // once more.
  void combine(const StrassenRows& rows, int64_t first, int64_t last) const {
    if (!cut_.few) kSums.combine_a(filled(rows, first, last));
  }
  bool settle() { return apart_ = cut_.few || rows_differ(); }
  void keep_apart(const StrassenRows& rows, int64_t first, int64_t last) const { kSums.combine_rows(filled(rows, first, last)); }

  // The products of a panel; `b`: of all panels and slabs.
  void multiply(const float* b, int64_t panel) {
    const int64_t columns = cut_.columns_of(panel), vectors = columns / kTable.lanes;
    const auto& blocks = cut_.blocks[upper_ != cut_.upper(cut_.block_rows)][panel + 1 == cut_.panels];
    const int64_t b_step = depth_ * columns;
    b += kStrassenProducts * (first_k() / 2 * cut_.half + panel * cut_.width * depth_);
    const Split tiles(upper_, cut_.max_rows);
    MicroTile t{};
    t.lanes = t.c_vector = kTable.lanes;
    t.c_row = columns;
    t.count = depth_ / kTable.lanes;
    t.blocks = blocks.data();
    t.prefetch_lines = ceil_div(columns, 4 * tiles.parts);
    const auto products = !apart_ ? std::span<const Product>(kSeven) : std::span<const Product>(kApart).first(lower_ > 0 ? 8 : 4);
    for (size_t p = 0; p < products.size(); ++p) {
      const Product& product = products[p];
      const int next = p + 1 < products.size() ? products[p + 1].b : kStrassenProducts + products[0].b;
      t.b = b + product.b * b_step;
      for (int64_t i = 0; i < tiles.parts; ++i) {
        const int64_t rows = tiles.size(i), half = (rows + 1) / 2;
        t.a = packed_a_ + product.a * cut_.a_step + tiles.begin(i) * kTable.lanes;
        t.c = products_ + product.to * cut_.product_step + tiles.begin(i) * columns;
        t.a_jump = half * kTable.lanes;
        t.c_jump = half * columns;
        t.accumulate = product.adds;
        t.prefetch = reinterpret_cast<const char*>(b + next * b_step) + i * t.prefetch_lines * depth_ * 16;
        kTable.dense[vectors][rows](t);
      }
    }
  }

  // The results' sums of a panel, with everything but where they go.
  StrassenSums sums(int64_t panel) const {
    StrassenSums out{};
    out.products = products_, out.step = cut_.product_step;
    out.rows = upper_, out.lower_rows = lower_;
    out.columns = cut_.columns_of(panel);
    out.vector = out.from_vector = out.add_vector = kTable.lanes;
    return out;
  }
  void sum(const StrassenSums& sums) const { kSums.sum(sums, apart_); }

 private:
  static constexpr float kMostApart = 64;  // how much larger one of two rows that meet may be

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

  StrassenRows filled(StrassenRows rows, int64_t first, int64_t last) const {
    rows.first = first, rows.last = last;
    rows.rows = upper_, rows.lower_rows = lower_, rows.depth = depth_;
    rows.to = packed_a_, rows.step = cut_.a_step, rows.largest = largest_;
    return rows;
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

  const StrassenCut& cut_;
  float *packed_a_, *products_, *largest_;
  int64_t upper_ = 0, lower_ = 0;
  int64_t slab_ = 0, depth_ = 0;
  bool apart_ = false;  // the block's rows are
};

// Runs all blocks, slabs and panels of `batches` products. Worker(call, state, member) works on a block at a time:
//   begin(block, slab)        a block of all batches' rows, and part of k
//   block()                   the StrassenBlock
//   quadrants()               of a, where they are or packed to where the sums will be
//   make(), join(), multiply(panel)   see run_blocks
template <class Worker, class State>
void run_strassen(const LaunchCall& call, const State& s, int64_t batches) {
  const StrassenCut& cut = s.cut;
  const BlockLoop loop{batches * cut.row_blocks, cut.panels, cut.slabs.parts, s.team.shared};
  run_blocks(*call.team, loop, [&](int member) { return Worker(call, s, member); }, [&](int64_t block, int64_t slab) {
    Worker one(call, s, 0);
    one.begin(block, slab);
    const auto& made = one.block();
    call.team->parallel_for(made.upper(), [&](int64_t begin, int64_t end, int) { made.combine(one.quadrants(), begin, end); });
    if (one.block().settle())
      call.team->parallel_for(made.upper(), [&](int64_t begin, int64_t end, int) { made.keep_apart(one.quadrants(), begin, end); });
  });
}

}  // namespace tenon
