// matmul.packed.f32.<isa>: blocked product over packed panels (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008). Every element is summed in order of k, so results depend
// neither on threads nor on blocking. matmul.pack_b.f32.<isa> packs a constant b. matmul.packed.bf16.<isa> and
// matmul.pack_b.bf16.<isa>: the same, with operands rounded to bf16 as they are packed.
#include "matmul/packed.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gemm/blocks.h"
#include "gemm/micro.h"
#include "gemm/split.h"
#include "matmul/geometry.h"
#include "matmul/packed_b.h"

namespace tenon {
namespace {

constexpr int64_t kTilesAtOnce = 8;  // row tiles between runs of an epilogue program
constexpr int64_t kRowsAtOnce = 16;  // that a thread packs of a shared block

struct State : KernelState {
  MatmulGeometry g;
  int64_t vectors = 0, width = 0, panels = 0;  // of b
  int64_t row_blocks = 1, block_rows = 0;      // a's rows packed at a time, at most
  int64_t max_rows = 0;                        // of a register tile
  int64_t depth = 0, depths = 1;  // of k summed at a time: all but the last part, number of parts
  // [part of k: 1 the last][1: one row fewer than block_rows][1: the last panel]
  std::vector<MicroBlock> blocks[2][2][2];
  StoredEpilogue stored;
  bool in_place = false;  // sums may lie in the output before the program runs
  // All threads pack a block of rows, each some of them, and multiply it, each by some of the panels; else a thread packs for
  // itself what its items need.
  bool shared = false;
  int64_t a_bytes = 0, b_bytes = 0, region_bytes = 0;
  int64_t thread_bytes = 0;  // without a's, where they are shared
};

// k: elements of 32 bits, as those below.
std::vector<MicroBlock> k_blocks(int64_t k, int64_t lanes, int64_t rows, int64_t width) {
  std::vector<MicroBlock> out;
  for (int64_t at = 0; at < k; at += lanes)
    out.push_back({at / lanes * rows * lanes, at * width, std::min(lanes, k - at)});
  return out;
}

// How a's rows are cut: blocks that fit the cache, and enough of them for the threads.
void cut_rows(State& s, const MicroTable& table, int threads, const MatmulPackedParams& params) {
  const MatmulGeometry& g = s.g;
  const int64_t lanes = table.lanes, block = lanes * table.group;
  s.depths = s.in_place && g.k > kPackedDepth * table.group ? ceil_div(g.k, kPackedDepth * table.group) : 1;
  s.depth = round_up(ceil_div(g.k, s.depths), block);
  s.depths = s.depth ? ceil_div(g.k, s.depth) : 1;
  const int64_t row_floats = std::max(s.depth, block) / table.group;
  int64_t most = std::clamp(packed_rows_at_once(row_floats, params.cache), std::min(s.max_rows, g.m), g.m);
  s.shared = params.together && g.m > s.max_rows && shares_blocks(g.batch_count * ceil_div(g.m, most), s.panels, threads);
  auto items = [&] { return g.batch_count * s.panels * ceil_div(g.m, most); };
  while (!s.shared && threads > 1 && items() < 3 * threads && most >= 2 * s.max_rows)
    most = round_up(most / 2, s.max_rows);
  const Split split(g.m, most);
  s.row_blocks = split.parts;
  s.block_rows = split.size(0);
  const int64_t last_width = round_up(g.n - (s.panels - 1) * s.width, lanes);
  for (int end = 0; end < 2; ++end)
    for (int fewer = 0; fewer < 2; ++fewer)
      for (int last = 0; last < 2; ++last)
        s.blocks[end][fewer][last] =
            k_blocks(ceil_div(end ? g.k - (s.depths - 1) * s.depth : s.depth, table.group), lanes,
                     std::max<int64_t>(s.block_rows - fewer, 1), last ? last_width : s.width);
  s.a_bytes = round_up(s.block_rows * row_floats * 4, 64);
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 1 + kMaxProgramInputs, 1));
  const auto& params = call.as<MatmulPackedParams>();
  const Arg& a = call.inputs[0];
  TN_TRY(expect_type(a, DType::f32, "a"));
  TN_TRY(expect_vectors(kTable, params.vectors));
  TN_TRY(expect_together(params.together));
  TN_TRY(expect_cache(params.cache));
  auto state = std::make_unique<State>();
  State& s = *state;
  s.vectors = params.vectors;
  s.width = params.vectors * kTable.lanes;
  s.max_rows = kTable.max_rows[params.vectors];
  Arg b = call.inputs[1];
  if (params.packed) {
    const auto bytes = packed_b_bytes(params.k, params.n, kTable.lanes, kTable.group);
    if (!bytes) return fail(Code::invalid_plan, "packed b of {} x {} is too large", params.k, params.n);
    TN_TRY(expect_type(b, DType::u8, "packed b"));
    TN_TRY(expect_format(b, kLinear, "packed b"));
    TN_TRY(expect_shape(b, {&*bytes, 1}, "packed b"));
    TN_TRY(unpacked_b(params, b));
  } else {
    TN_TRY(expect_type(b, DType::f32, "b"));
  }
  const auto extras = call.inputs.subspan(2);
  TN_TRY(matmul_geometry(params.matmul, a, b, extras, call.outputs[0], s.g));
  if (s.g.batch_count == 0 || s.g.m == 0 || s.g.n == 0) s.g.batch_count = 0;
  if (s.g.batch_count) {
    merge_rows(s.g, extras.size());
    s.panels = ceil_div(s.g.n, s.width);
    s.stored = stored_epilogue(params.matmul.epilogue, s.g);
    s.in_place = (s.g.out.col == 1 || s.g.n == 1) && call.outputs[0].dtype == DType::f32;
    cut_rows(s, kTable, call.threads, params);
    if (!params.packed) s.b_bytes = round_up(s.depth / kTable.group * s.width * 4, 64);
    if (!s.stored.fits) s.region_bytes = kTilesAtOnce * s.max_rows * s.width * 12;
    s.thread_bytes = (s.shared ? 0 : s.a_bytes) + s.b_bytes + round_up(s.region_bytes, 64) + kTileScratchBytes;
    prepared.scratch_bytes = (s.shared ? s.a_bytes : 0) + s.thread_bytes * call.threads;
  }
  prepared.state = std::move(state);
  return {};
}

// One thread's work, a block of rows, a part of k and a panel at a time.
template <const MicroTable& kTable>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& state, int member)
      : call_(call), s_(state), g_(state.g), params_(call.as<MatmulPackedParams>()) {
    auto* shared = static_cast<std::byte*>(call.scratch);
    auto* own = shared + (s_.shared ? s_.a_bytes : 0) + member * s_.thread_bytes;
    packed_a_ = reinterpret_cast<float*>(s_.shared ? shared : own);
    if (!s_.shared) own += s_.a_bytes;
    packed_b_ = reinterpret_cast<float*>(own);
    region_ = own + s_.b_bytes;
    tile_scratch_ = region_ + round_up(s_.region_bytes, 64);
  }

  // A block of rows (of all batches' blocks), and a part of k.
  void begin(int64_t block, int64_t depth) {
    const Split rows(g_.m, s_.block_rows);
    const int64_t part = block % s_.row_blocks;
    batch_ = block / s_.row_blocks;
    row_ = rows.begin(part), rows_ = rows.size(part);
    depth_ = depth, k_ = depth * s_.depth;
  }
  void make() { pack(0, rows_); }
  void join() {}

  // Of a shared block, the rows from `piece` * kRowsAtOnce on.
  void make_piece(int64_t piece) {
    const int64_t first = piece * kRowsAtOnce, last = std::min(first + kRowsAtOnce, rows_);
    if (first < last) pack(first, last);
  }

  // One panel of b's columns by the rows whose a is packed.
  void multiply(int64_t panel) {
    const int64_t first = row_, count = rows_;
    const int64_t column = panel * s_.width, columns = std::min(s_.width, g_.n - column);
    vectors_ = ceil_div(columns, kTable.lanes);
    const int64_t width = vectors_ * kTable.lanes, some = std::min(s_.depth, g_.k - k_);
    const int64_t panel_floats = ceil_div(g_.k, kTable.group) * s_.width;
    const float* b;
    if (params_.packed) {
      b = call_.inputs[1].as<const float>() + panel * panel_floats + k_ / kTable.group * width;
    } else {
      const float* from =
          call_.inputs[1].as<const float>() + g_.offset(g_.b, batch_) + column * g_.b.col + k_ * g_.b.row;
      kTable.pack_b(from, g_.b.row, g_.b.col, some, columns, packed_b_, width);
      b = packed_b_;
    }
    last_ = depth_ + 1 == s_.depths;
    const Split tiles(count, s_.max_rows);
    const int64_t lines = ceil_div(width, 4 * tiles.parts), next_bytes = lines * (some / kTable.group / 4) * 64;
    const auto& blocks = s_.blocks[last_][count != s_.block_rows][panel + 1 == s_.panels];
    for (int64_t t = 0; t < tiles.parts; t += kTilesAtOnce) {
      const int64_t last = std::min(tiles.parts, t + kTilesAtOnce);
      const int64_t row = tiles.begin(t);
      for (int64_t i = t; i < last; ++i) {
        const char* next = params_.packed && i * next_bytes < width * some / kTable.group * 4
                               ? reinterpret_cast<const char*>(b + panel_floats) + i * next_bytes
                               : nullptr;
        tile(b, blocks, tiles.begin(i), tiles.size(i), first, row, column, columns - (vectors_ - 1) * kTable.lanes, next, lines);
      }
      if (last_ && !s_.stored.fits) finish(first + row, tiles.begin(last - 1) + tiles.size(last - 1) - row, column, columns);
    }
  }

 private:
  void pack(int64_t first, int64_t last) {
    const float* a = call_.inputs[0].as<const float>() + g_.offset(g_.a, batch_) + (row_ + first) * g_.a.row + k_ * g_.a.col;
    kTable.pack_a(a, g_.a.row, g_.a.col, last - first, std::min(s_.depth, g_.k - k_), packed_a_ + first * kTable.lanes,
                  rows_ * kTable.lanes);
  }

  void tile(const float* b, const std::vector<MicroBlock>& blocks, int64_t at, int64_t rows, int64_t first, int64_t region_row,
            int64_t column, int64_t lanes, const char* next, int64_t lines) {
    MicroTile t{};
    t.a = packed_a_ + at * kTable.lanes;
    t.b = b;
    t.blocks = blocks.data();
    t.count = static_cast<int64_t>(blocks.size());
    t.lanes = lanes;
    t.prefetch = next;
    t.prefetch_lines = lines;
    t.c_vector = kTable.lanes;
    if (s_.stored.fits || s_.in_place) {
      t.c = out<float>(first + at, column);
      t.c_row = g_.out.row;
    } else {
      t.c = reinterpret_cast<float*>(region_) + (at - region_row) * s_.width;
      t.c_row = s_.width;
    }
    t.accumulate = depth_ > 0;
    if (last_ && s_.stored.fits) {
      if (s_.stored.bias >= 0) t.bias = extra(s_.stored.bias, first + at, column);
      if (s_.stored.add >= 0) {
        t.add = extra(s_.stored.add, first + at, column);
        t.add_row = g_.extra[s_.stored.add].row;
        t.add_vector = kTable.lanes;
      }
      t.low = s_.stored.add_clamp.low;
      t.high = s_.stored.add_clamp.high;
      t.bounded = !(t.low == -HUGE_VALF && t.high == HUGE_VALF);
    }
    const int64_t half = (rows + 1) / 2;
    t.a_jump = half * kTable.lanes;
    t.c_jump = half * t.c_row;
    t.add_jump = half * t.add_row;
    kTable.dense[vectors_][rows](t);
  }

  // Runs the epilogue over rows whose sums are ready.
  void finish(int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const Program& program = params_.matmul.epilogue;
    const int64_t size = static_cast<int64_t>(size_of(call_.outputs[0].dtype));
    TileOperand operands[kMaxProgramInputs];
    operands[0] =
        s_.in_place ? TileOperand{out<float>(row, column), g_.out.row, 1} : TileOperand{region_, s_.width, 1};
    for (int e = 1; e < program.inputs; ++e) {
      const Arg& arg = call_.inputs[static_cast<size_t>(e) + 1];
      const MatmulGeometry::Steps& steps = g_.extra[e - 1];
      const int64_t offset = g_.offset(steps, batch_) + row * steps.row + column * steps.col;
      operands[e] = {arg.as<const std::byte>() + offset * static_cast<int64_t>(size_of(arg.dtype)), steps.row,
                     steps.col};
    }
    const bool straight = g_.out.col == 1 || g_.n == 1;
    std::byte* done = straight ? out<std::byte>(row, column, size) : region_ + s_.region_bytes / 3;
    const int64_t done_step = straight ? g_.out.row : columns;
    if (!program.empty())
      tile_(program, operands, rows, columns, done, done_step, tile_scratch_);
    else
      done = region_;
    if (!straight) scatter(done, program.empty() ? s_.width : columns, row, rows, column, columns, size);
  }

  // Copies results whose columns lie apart in the output, along its rows.
  void scatter(const std::byte* done, int64_t step, int64_t row, int64_t rows, int64_t column,
               int64_t columns, int64_t size) {
    if (call_.outputs[0].dtype == DType::f32) {
      scatter_rows(kTable, reinterpret_cast<const float*>(done), step, rows, columns, out<float>(row, column), g_.out.row,
                   g_.out.col);
      return;
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        std::memcpy(out<std::byte>(row + r, column + c, size), done + (r * step + c) * size,
                    static_cast<size_t>(size));
  }

  template <class T>
  T* out(int64_t row, int64_t column, int64_t size = 1) const {
    return call_.outputs[0].as<T>() +
           (g_.offset(g_.out, batch_) + row * g_.out.row + column * g_.out.col) * size;
  }
  const float* extra(int e, int64_t row, int64_t column) const {
    const MatmulGeometry::Steps& steps = g_.extra[e];
    return call_.inputs[static_cast<size_t>(e) + 2].as<const float>() + g_.offset(steps, batch_) +
           row * steps.row + column * steps.col;
  }

  const LaunchCall& call_;
  const State& s_;
  const MatmulGeometry& g_;
  const MatmulPackedParams& params_;
  const TileFunction tile_ = tile_function(kTable.lanes == 16 ? kAvx2 | kAvx512 : kAvx2);
  int64_t batch_ = 0, row_ = 0, rows_ = 0, vectors_ = 0;
  int64_t depth_ = 0, k_ = 0;  // part of k, where it begins
  bool last_ = true;           // part of k
  float *packed_a_, *packed_b_;
  std::byte *region_, *tile_scratch_;
};

template <const MicroTable& kTable>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  auto worker = [&](int member) { return Worker<kTable>(call, s, member); };
  run_blocks(*call.team, {s.g.batch_count * s.row_blocks, s.panels, s.depths, s.shared}, worker, [&](int64_t block, int64_t depth) {
    call.team->parallel_for(ceil_div(s.block_rows, kRowsAtOnce), [&](int64_t begin, int64_t end, int member) {
      auto one = worker(member);
      one.begin(block, depth);
      for (int64_t piece = begin; piece < end; ++piece) one.make_piece(piece);
    });
  });
  return {};
}

template <const MicroTable& kTable>
Status prepare_pack(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_vectors(kTable, call.as<MatmulPackParams>().vectors));
  return prepare_pack_b(call, [](int64_t k, int64_t n) { return packed_b_bytes(k, n, kTable.lanes, kTable.group); }, prepared);
}

template <const MicroTable& kTable>
Status launch_pack(const LaunchCall& call) {
  const auto& s = *static_cast<const PackedB*>(call.state);
  const int64_t width = call.as<MatmulPackParams>().vectors * kTable.lanes;
  call.team->parallel_for(ceil_div(s.n, width), [&](int64_t begin, int64_t end, int) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t column = panel * width, columns = std::min(width, s.n - column);
      kTable.pack_b(call.inputs[0].as<const float>() + column * s.n_step, s.k_step, s.n_step, s.k, columns,
                    call.outputs[0].as<float>() + column * ceil_div(s.k, kTable.group), round_up(columns, kTable.lanes));
    }
  });
  return {};
}

}  // namespace

extern const Kernel kMatmulPackedAvx2{"matmul.packed.f32.avx2", sizeof(MatmulPackedParams), kAvx2, 0,
                                      prepare<avx2::kMicro>,    launch<avx2::kMicro>};
extern const Kernel kMatmulPackedAvx512{
    "matmul.packed.f32.avx512", sizeof(MatmulPackedParams), kAvx2 | kAvx512, 0,
    prepare<avx512::kMicro>,    launch<avx512::kMicro>};
extern const Kernel kMatmulPackedBf16Avx512{
    "matmul.packed.bf16.avx512",  sizeof(MatmulPackedParams),  kAvx2 | kAvx512 | kAvx512Bf16, 0,
    prepare<avx512_bf16::kMicro>, launch<avx512_bf16::kMicro>};
extern const Kernel kMatmulPackAvx2{"matmul.pack_b.f32.avx2",   sizeof(MatmulPackParams), kAvx2, 0,
                                    prepare_pack<avx2::kMicro>, launch_pack<avx2::kMicro>};
extern const Kernel kMatmulPackAvx512{
    "matmul.pack_b.f32.avx512",   sizeof(MatmulPackParams),   kAvx2 | kAvx512, 0,
    prepare_pack<avx512::kMicro>, launch_pack<avx512::kMicro>};
extern const Kernel kMatmulPackBf16Avx512{
    "matmul.pack_b.bf16.avx512",       sizeof(MatmulPackParams),         kAvx2 | kAvx512 | kAvx512Bf16, 0,
    prepare_pack<avx512_bf16::kMicro>, launch_pack<avx512_bf16::kMicro>};

}  // namespace tenon
