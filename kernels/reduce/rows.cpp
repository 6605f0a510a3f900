// reduce.rows.f32: folds contiguous rows, or rows of accumulators, as the axes lie. Work is split over results, so that
// every thread count gives the same bits.
#include <algorithm>
#include <cmath>
#include <limits>

#include <vector>

#include "common/epilogue.h"
#include "reduce/check.h"
#include "reduce/vector.h"

namespace tenon {
namespace {

constexpr int64_t kColumns = 512;      // accumulators of one unit of work, where the innermost dim is kept
constexpr int64_t kChunk = 2048;       // prologue results at a time
constexpr int64_t kMinWork = 16384;    // elements that are worth a thread

// Dims of x that are reduced, or kept, outside the innermost one.
struct Loop {
  int rank = 0;
  int64_t dims[kNestRank], step[kMaxProgramInputs][kNestRank];  // step of each operand; of x itself: operand 0

  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  int64_t at(int operand, int64_t index) const {
    int64_t offset = 0;
    for (int i = rank - 1; i >= 0; --i) {
      offset += index % dims[i] * step[operand][i];
      index /= dims[i];
    }
    return offset;
  }
};

struct State : KernelState {
  ReduceShape shape;
  Fold fold{};
  int operands = 1;
  Loop kept, reduced;        // without the innermost dim
  int64_t inner = 1;         // innermost dim of x
  int64_t inner_step[kMaxProgramInputs] = {1};
  bool inner_reduced = false;
  int64_t reduced_count = 1; // elements behind one result
  int64_t unit_results = 1;  // results of one unit of work
  int64_t units = 0, grain = 1;
  int64_t member_scratch = 0;
};

bool fold_of(ReduceKind kind, Fold& fold) {
  switch (kind) {
    case ReduceKind::sum:
    case ReduceKind::mean:
    case ReduceKind::log_sum: return fold = Fold::sum, true;
    case ReduceKind::sum_square:
    case ReduceKind::l2: return fold = Fold::sum_square, true;
    case ReduceKind::l1: return fold = Fold::sum_abs, true;
    case ReduceKind::prod: return fold = Fold::prod, true;
    case ReduceKind::max: return fold = Fold::max, true;
    case ReduceKind::min: return fold = Fold::min, true;
    default: return false;
  }
}

// Splits x's dims into merged loops; the innermost merged dim apart.
void make_loops(const ReduceParams& params, const Arg& x, std::span<const Arg> operands, State& state) {
  BroadcastStrides steps[kMaxProgramInputs];
  for (size_t k = 0; k < operands.size(); ++k)
    (void)broadcast_strides(operands[k], x.shape(), "operand", steps[k]);  // checked with the prologue
  struct Group { int64_t dim; bool reduced; int64_t step[kMaxProgramInputs]; };
  std::vector<Group> groups;
  for (int i = 0; i < x.rank; ++i) {
    if (x.dims[i] == 1) continue;
    Group group{x.dims[i], (params.axes >> i & 1) != 0, {}};
    bool merges = !groups.empty() && groups.back().reduced == group.reduced;
    for (size_t k = 0; k < operands.size(); ++k) {
      group.step[k] = steps[k].at[i];
      merges = merges && groups.back().step[k] == group.step[k] * group.dim;
    }
    if (merges) {
      group.dim *= groups.back().dim;
      groups.back() = group;
    } else {
      groups.push_back(group);
    }
  }
  if (groups.empty()) groups.push_back({1, true, {}});
  const Group inner = groups.back();
  groups.pop_back();
  state.inner = inner.dim;
  state.inner_reduced = inner.reduced;
  std::copy_n(inner.step, kMaxProgramInputs, state.inner_step);
  for (const Group& group : groups) {
    Loop& loop = group.reduced ? state.reduced : state.kept;
    loop.dims[loop.rank] = group.dim;
    for (int k = 0; k < kMaxProgramInputs; ++k) loop.step[k][loop.rank] = group.step[k];
    ++loop.rank;
  }
}

Status prepare(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State>();
  TN_TRY(check_reduce(call, state->shape));
  const ReduceParams& params = call.as<ReduceParams>();
  const Arg& x = state->shape.prologue.x;
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_type(call.outputs[0], DType::f32, "output"));
  if (!fold_of(params.kind, state->fold))
    return fail(Code::invalid_plan, "reduce.rows does not compute kind {}", static_cast<int>(params.kind));
  const int64_t results = state->shape.result.count();
  out.scratch_bytes = 64;
  if (results == 0) {
    out.state = std::move(state);
    return {};
  }
  state->operands = static_cast<int>(prologue_inputs(params.prologue));
  if (x.count() == 0) {  // every result folds nothing
    state->inner = 0;
    state->inner_reduced = true;
  } else {
    make_loops(params, x, call.inputs.first(static_cast<size_t>(state->operands)), *state);
  }
  state->reduced_count = x.count() / results;
  const int64_t blocks = state->inner_reduced ? 1 : (state->inner + kColumns - 1) / kColumns;
  state->unit_results = state->inner_reduced ? 1 : std::min(state->inner, kColumns);
  state->units = state->inner_reduced ? results : state->kept.count() * blocks;
  state->grain = std::max<int64_t>(1, kMinWork / std::max<int64_t>(1, state->reduced_count * state->unit_results));
  state->member_scratch = kTileScratchBytes + (kChunk + kColumns) * 4;
  out.scratch_bytes = state->member_scratch * call.threads;
  out.state = std::move(state);
  return {};
}

// One member's view of a launch.
class Worker {
 public:
  Worker(const LaunchCall& call, const ReduceVector& vector, uint32_t features, int member)
      : state_(*static_cast<const State*>(call.state)), params_(call.as<ReduceParams>()), vector_(vector),
        tile_(tile_function(features)), call_(call) {
    auto* memory = static_cast<std::byte*>(call.scratch) + member * state_.member_scratch;
    tile_scratch_ = memory;
    chunk_ = reinterpret_cast<float*>(memory + kTileScratchBytes);
    sums_ = chunk_ + kChunk;
  }

  void unit(int64_t index) {
    float* out = call_.outputs[0].as<float>();
    int64_t first = index, count = 1;
    if (state_.inner_reduced) {
      out[index] = one_result(index);
    } else {
      const int64_t blocks = (state_.inner + kColumns - 1) / kColumns;
      const int64_t col = index % blocks * kColumns;
      count = std::min(kColumns, state_.inner - col);
      first = index / blocks * state_.inner + col;
      columns(index / blocks, col, count);
      std::copy_n(sums_, count, out + first);
    }
    for (int64_t i = first; i < first + count; ++i) out[i] = finished(out[i]);
    if (params_.epilogue.empty()) return;
    const void* operands[kMaxProgramInputs] = {out};
    const size_t own = static_cast<size_t>(state_.operands);
    for (size_t k = own; k < call_.inputs.size(); ++k) operands[k - own + 1] = call_.inputs[k].data;
    run_nest(state_.shape.epilogue, tile_, params_.epilogue, operands, out, first, first + count, tile_scratch_);
  }

 private:
  float finished(float value) const {
    switch (params_.kind) {
      case ReduceKind::mean: return value / static_cast<float>(state_.reduced_count);
      case ReduceKind::l2: return std::sqrt(value);
      case ReduceKind::log_sum: return std::log(value);
      default: return value;
    }
  }

  float neutral() const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    return state_.fold == Fold::prod  ? 1.0f
           : state_.fold == Fold::max ? -kInfinity
           : state_.fold == Fold::min ? kInfinity
                                      : 0.0f;
  }

  // Operand k at x's element (kept, reduced, inner).
  const void* operand(int k, int64_t kept, int64_t reduced, int64_t inner) const {
    const auto size = static_cast<int64_t>(size_of(call_.inputs[static_cast<size_t>(k)].dtype));
    const int64_t at = state_.kept.at(k, kept) + state_.reduced.at(k, reduced) + inner * state_.inner_step[k];
    return call_.inputs[static_cast<size_t>(k)].as<std::byte>() + at * size;
  }

  // n <= kChunk elements of x from there on.
  const float* row(int64_t kept, int64_t reduced, int64_t inner, int64_t n) {
    if (params_.prologue.empty()) return static_cast<const float*>(operand(0, kept, reduced, inner));
    TileOperand operands[kMaxProgramInputs];
    for (int k = 0; k < state_.operands; ++k) operands[k] = {operand(k, kept, reduced, inner), 0, state_.inner_step[k]};
    tile_(params_.prologue, operands, 1, n, chunk_, n, tile_scratch_);
    return chunk_;
  }

  float one_result(int64_t kept) {
    const int64_t outer = state_.reduced.count();
    const bool whole = params_.prologue.empty();
    const int64_t step = whole ? state_.inner : kChunk;
    double sum = 0;
    float value = neutral();
    for (int64_t r = 0; r < outer; ++r) {
      for (int64_t i = 0; i < state_.inner; i += step) {
        const int64_t n = std::min(step, state_.inner - i);
        const float part = vector_.row(state_.fold, row(kept, r, i, n), n);
        if (state_.fold == Fold::prod) value *= part;
        else if (state_.fold == Fold::max) value = part > value || part != part ? part : value;
        else if (state_.fold == Fold::min) value = part < value || part != part ? part : value;
        else sum += static_cast<double>(part);
        if (value != value) return value;
      }
    }
    return state_.fold < Fold::prod ? static_cast<float>(sum) : value;
  }

  // Folds columns [col, col + n) of all reduced rows into sums_.
  void columns(int64_t kept, int64_t col, int64_t n) {
    std::fill_n(sums_, n, neutral());
    const int64_t rows = state_.reduced.count();
    if (params_.prologue.empty() && state_.reduced.rank == 1)
      return vector_.columns(state_.fold, sums_, row(kept, 0, col, n), state_.reduced.step[0][0], rows, n);
    for (int64_t r = 0; r < rows; ++r) vector_.columns(state_.fold, sums_, row(kept, r, col, n), 0, 1, n);
  }

  const State& state_;
  const ReduceParams& params_;
  const ReduceVector& vector_;
  TileFunction tile_;
  const LaunchCall& call_;
  void* tile_scratch_;
  float *chunk_, *sums_;
};

template <const ReduceVector* Vector, uint32_t Features>
Status launch(const LaunchCall& call) {
  const State& state = *static_cast<const State*>(call.state);
  const int64_t grain = state.grain;
  call.team->parallel_for((state.units + grain - 1) / grain, [&](int64_t begin, int64_t end, int member) {
    Worker worker(call, *Vector, Features, member);
    for (int64_t unit = begin * grain; unit < std::min(end * grain, state.units); ++unit) worker.unit(unit);
  });
  return {};
}

}  // namespace

extern const Kernel kReduceRowsAvx2, kReduceRowsAvx512;
const Kernel kReduceRowsAvx2 = {
    "reduce.rows.f32.avx2", sizeof(ReduceParams), kAvx2, 0, prepare, launch<&avx2::kReduceVector, kAvx2>};
const Kernel kReduceRowsAvx512 = {"reduce.rows.f32.avx512",
                                  sizeof(ReduceParams),
                                  kAvx2 | kAvx512,
                                  0,
                                  prepare,
                                  launch<&avx512::kReduceVector, kAvx2 | kAvx512>};

}  // namespace tenon
