// attention.blocked.f32.<isa>: inputs, output and meaning as attention's. A head's keys and values are packed for the register
// tile, each as it lies; then a tile of queries at a time multiplies the keys, becomes weights in the layout in which they
// multiply the values, and is divided by their sums when it is stored: a line of scores is made whole, so that its weights are
// rounded as softmax's are, and stays in the cache (Dao et al., "FlashAttention", 2022, without its rescaling). Keys behind the
// last one that the mask leaves any query of a tile are not read. Every element is summed in one order, whatever the threads. Each
// of few queries, as when a decoder makes a token, reads keys and values where they lie.
#include <algorithm>
#include <limits>
#include <vector>

#include "attention/geometry.h"
#include "attention/vector.h"
#include "base/checked.h"
#include "gemm/micro.h"
#include "gemm/split.h"

namespace tenon {
namespace {

constexpr int64_t kVectors = 2;     // of a panel
constexpr int64_t kFewQueries = 3;  // by which keys and values are multiplied sooner than packed

struct State : KernelState {
  AttentionGeometry g;
  bool few = false;   // queries, by keys and values whose rows or columns are contiguous: these are not packed
  Split tiles{0, 1};  // of queries
  // Of a tile of tiles.size(0) rows, or one fewer, by a panel of keys, of values: [1: one fewer][vectors of the panel]
  std::vector<MicroBlock> scores[2][kVectors + 1], values[2][kVectors + 1];
  int64_t keys_floats = 0, values_floats = 0, queries_floats = 0, scores_floats = 0, sums_floats = 0;
  int64_t thread_bytes = 0;
};

std::vector<MicroBlock> blocks_of(int64_t depth, int64_t lanes, int64_t rows, int64_t width) {
  std::vector<MicroBlock> out;
  for (int64_t at = 0; at < depth; at += lanes) out.push_back({at * rows, at * width, std::min(lanes, depth - at)});
  return out;
}

std::optional<int64_t> product(int64_t a, int64_t b) {
  auto out = checked_mul(a, b);
  return out && *out <= std::numeric_limits<int64_t>::max() / 64 ? out : std::nullopt;
}

template <const MicroTable& kTable>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  auto state = std::make_unique<State>();
  State& s = *state;
  AttentionGeometry& g = s.g;
  TN_TRY(attention_geometry(call, call.as<AttentionParams>(), g));
  constexpr const char* kNames[] = {"q", "k", "v", "mask"};
  for (size_t i = 0; i < call.inputs.size(); ++i)
    if (i < 3 || g.masked) TN_TRY(expect_type(call.inputs[i], DType::f32, kNames[i]));
  TN_TRY(expect_type(call.outputs[0], DType::f32, "output"));
  if (g.batch == 0 || g.heads == 0 || g.queries == 0 || g.value_size == 0) {
    g.batch = 0;
    prepared.state = std::move(state);
    return {};
  }
  const int64_t lanes = kTable.lanes;
  s.tiles = Split(g.queries, kTable.max_rows[kVectors]);
  const int64_t rows = s.tiles.size(0);
  const auto keys = product(round_up(g.keys, lanes), round_up(g.size, lanes)),
             values = product(g.keys, round_up(g.value_size, lanes)), scores = product(round_up(g.keys, lanes), rows),
             queries = product(round_up(g.size, lanes), rows), sums = product(round_up(g.value_size, lanes), rows);
  if (!keys || !values || !scores || !queries || !sums)
    return fail(Code::limit_exceeded, "attention over {} keys needs too much memory", g.keys);
  s.few = g.queries <= kFewQueries && (g.k.col == 1 || g.k.row == 1) && (g.v.col == 1 || g.v.row == 1);
  s.keys_floats = s.few ? 0 : *keys;
  s.values_floats = s.few ? 0 : round_up(*values, lanes);
  s.scores_floats = *scores;
  s.queries_floats = *queries;
  s.sums_floats = *sums + round_up(rows, lanes);
  const auto bytes = product(s.keys_floats / lanes + s.values_floats / lanes + s.scores_floats / lanes +
                                 s.queries_floats / lanes + s.sums_floats / lanes,
                             lanes * 4);
  const auto all = bytes ? product(round_up(*bytes, 64), call.threads) : std::nullopt;
  if (!all) return fail(Code::limit_exceeded, "attention over {} keys needs too much memory", g.keys);
  for (int fewer = 0; !s.few && fewer < 2; ++fewer)
    for (int64_t vectors = 1; vectors <= kVectors; ++vectors) {
      const int64_t of_tile = std::max<int64_t>(rows - fewer, 1), width = vectors * lanes;
      s.scores[fewer][vectors] = blocks_of(g.size, lanes, of_tile, width);
      s.values[fewer][vectors] = blocks_of(g.keys, lanes, of_tile, width);
    }
  s.thread_bytes = round_up(*bytes, 64);
  prepared.scratch_bytes = *all;
  prepared.state = std::move(state);
  return {};
}

// One thread's work: items (batch, head, tile of queries); what follows another one of the same keys finds them packed.
template <const MicroTable& kTable, const AttentionVector& kVector>
class Worker {
 public:
  Worker(const LaunchCall& call, const State& state, int member)
      : call_(call), s_(state), g_(state.g), params_(call.as<AttentionParams>()) {
    keys_ = reinterpret_cast<float*>(static_cast<std::byte*>(call.scratch) + member * s_.thread_bytes);
    values_ = keys_ + s_.keys_floats;
    queries_ = values_ + s_.values_floats;
    scores_ = queries_ + s_.queries_floats;
    results_ = scores_ + s_.scores_floats;
    sums_ = results_ + s_.sums_floats - round_up(s_.tiles.size(0), kTable.lanes);
  }

  void run(Team::Items& items) {
    int64_t packed = -1;
    for (int64_t item; items.next(item);) {
      const int64_t line = item / s_.tiles.parts, part = item % s_.tiles.parts;
      batch_ = line / g_.heads;
      head_ = line % g_.heads;
      kv_head_ = head_ / (g_.heads / g_.kv_heads);
      if (!s_.few && batch_ * g_.kv_heads + kv_head_ != packed) pack();
      packed = batch_ * g_.kv_heads + kv_head_;
      tile(s_.tiles.begin(part), s_.tiles.size(part));
    }
  }

 private:
  const float* at(size_t input, const AttentionGeometry::Steps& steps, int64_t head) const {
    return call_.inputs[input].as<const float>() + steps.first + batch_ * steps.batch + head * steps.head;
  }

  // Panels of `kVectors` vectors, the last one of as many as it fills.
  void pack() {
    const float *k = at(1, g_.k, kv_head_), *v = at(2, g_.v, kv_head_);
    const int64_t width = kVectors * kTable.lanes;
    for (int64_t j = 0; j < g_.keys; j += width) {
      const int64_t some = std::min(width, g_.keys - j);
      kTable.pack_b(k + j * g_.k.row, g_.k.col, g_.k.row, g_.size, some, keys_ + j * g_.size, round_up(some, kTable.lanes));
    }
    for (int64_t d = 0; d < g_.value_size; d += width) {
      const int64_t some = std::min(width, g_.value_size - d);
      kTable.pack_b(v + d * g_.v.col, g_.v.row, g_.v.col, g_.keys, some, values_ + d * g_.keys, round_up(some, kTable.lanes));
    }
  }

  void tile(int64_t first, int64_t rows) {
    const int64_t lanes = kTable.lanes;
    const int64_t seen =
        params_.causal == Causal::none ? g_.keys : std::clamp<int64_t>(first + rows - 1 + g_.visible, 0, g_.keys);
    AttentionScores scores{
        scores_, rows, std::min(round_up(seen, lanes), g_.keys), g_.keys, static_cast<float>(params_.scale), nullptr, 0,
        0,       sums_};
    if (params_.causal != Causal::none) scores.visible = first + g_.visible;
    if (g_.masked) {
      scores.mask = at(3, g_.mask, head_) + first * g_.mask.row;
      scores.mask_row = g_.mask.row;
      scores.mask_col = g_.mask.col;
      if (g_.mask.col == 1 && params_.causal == Causal::none) scores.keys = kVector.needed(scores);
    }
    const int64_t keys = scores.keys;
    kTable.pack_a(at(0, g_.q, head_) + first * g_.q.row, g_.q.row, g_.q.col, rows, g_.size, queries_, rows * lanes);

    multiply_keys(rows, keys);
    kVector.weigh(scores);
    multiply_values(rows, keys);
    float* out = call_.outputs[0].as<float>() + g_.out.first + batch_ * g_.out.batch + head_ * g_.out.head + first * g_.out.row;
    const bool zero_masked = params_.zero_masked != 0 || g_.keys == 0;
    kVector.store({results_, rows, round_up(g_.value_size, lanes), g_.value_size, sums_, zero_masked, out, g_.out.row, g_.out.col});
  }

  // scores = queries by keys, as AttentionScores has them.
  void multiply_keys(int64_t rows, int64_t keys) {
    const int64_t lanes = kTable.lanes;
    for (int64_t r = 0; s_.few && r < rows; ++r)
      multiply({queries_ + r * lanes, rows * lanes, at(1, g_.k, kv_head_), 0, g_.size, keys, scores_ + r * lanes, rows * lanes}, g_.k.col,
               g_.k.row);
    if (s_.few) return;
    MicroTile t = tile_by(queries_, rows, lanes);
    t.c_vector = rows * lanes;
    for (int64_t j = 0; j < keys; j += kVectors * lanes)
      multiply(t, s_.scores, ceil_div(g_.size, lanes), keys_ + j * g_.size, panel_vectors(j, g_.keys), rows, scores_ + j * rows);
  }

  // results = weights by values, [rows][whole vectors of the value's size].
  void multiply_values(int64_t rows, int64_t keys) {
    const int64_t lanes = kTable.lanes, width = round_up(g_.value_size, lanes);
    for (int64_t r = 0; s_.few && r < rows; ++r)
      multiply({scores_ + r * lanes, rows * lanes, at(2, g_.v, kv_head_), 0, keys, g_.value_size, results_ + r * width, lanes}, g_.v.row,
               g_.v.col);
    if (s_.few) return;
    MicroTile t = tile_by(scores_, rows, width);
    t.c_vector = lanes;
    for (int64_t d = 0; d < g_.value_size; d += kVectors * lanes)
      multiply(t, s_.values, ceil_div(keys, lanes), values_ + d * g_.keys, panel_vectors(d, g_.value_size), rows, results_ + d);
  }

  // By a matrix where it lies; its steps along the row and along the result, one of which is 1.
  void multiply(AttentionLine line, int64_t along_row, int64_t along_result) {
    line.b_step = along_result == 1 ? along_row : along_result;
    along_result == 1 ? kVector.by_rows(line) : kVector.by_columns(line);
  }

  static int64_t panel_vectors(int64_t at, int64_t columns) {
    return std::min(kVectors, ceil_div(columns - at, int64_t{kTable.lanes}));
  }

  static MicroTile tile_by(const float* a, int64_t rows, int64_t c_row) {
    MicroTile t{};
    const int64_t half = (rows + 1) / 2;
    t.a = a;
    t.a_jump = half * kTable.lanes;
    t.lanes = kTable.lanes;
    t.c_row = c_row;
    t.c_jump = half * c_row;
    return t;
  }

  void multiply(MicroTile& t, const std::vector<MicroBlock> (&blocks)[2][kVectors + 1], int64_t count, const float* b, int64_t vectors,
                int64_t rows, float* c) {
    t.b = b;
    t.blocks = blocks[rows != s_.tiles.size(0)][vectors].data();
    t.count = count;
    t.c = c;
    kTable.dense[vectors][rows](t);
  }

  const LaunchCall& call_;
  const State& s_;
  const AttentionGeometry& g_;
  const AttentionParams& params_;
  int64_t batch_ = 0, head_ = 0, kv_head_ = 0;
  float *keys_, *values_, *queries_, *scores_, *results_, *sums_;
};

template <const MicroTable& kTable, const AttentionVector& kVector>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  call.team->parallel_items(s.g.batch * s.g.heads * s.tiles.parts, [&](Team::Items& tiles, int member) {
    Worker<kTable, kVector>(call, s, member).run(tiles);
  });
  return {};
}

}  // namespace

extern const Kernel kAttentionBlockedAvx2{"attention.blocked.f32.avx2",
                                          sizeof(AttentionParams),
                                          kAvx2,
                                          0,
                                          prepare<avx2::kMicro>,
                                          launch<avx2::kMicro, avx2::kAttentionVector>};
extern const Kernel kAttentionBlockedAvx512{"attention.blocked.f32.avx512",
                                            sizeof(AttentionParams),
                                            kAvx2 | kAvx512,
                                            0,
                                            prepare<avx512::kMicro>,
                                            launch<avx512::kMicro, avx512::kAttentionVector>};

}  // namespace tenon
