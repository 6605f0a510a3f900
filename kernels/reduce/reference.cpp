// The reference of reduce: every element by index arithmetic, floats accumulated in double, integers in 64 bits.
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "common/element.h"
#include "reduce/check.h"

namespace tenon {
namespace {

struct State : KernelState {
  ReduceShape shape;
  int64_t x_bytes = 0, result_bytes = 0;   // of scratch
  // The elements of one result, and of all results, as loops over x.
  int reduced_rank = 0, kept_rank = 0;
  int64_t reduced_dims[kMaxRank], reduced_steps[kMaxRank], kept_dims[kMaxRank], kept_steps[kMaxRank];
  int64_t reduced_count = 1;
};

Status prepare(const PrepareCall& call, Prepared& out) {
  auto state = std::make_unique<State>();
  TN_TRY(check_reduce(call, state->shape));
  const ReduceParams& params = call.as<ReduceParams>();
  const Arg& x = state->shape.prologue.x;
  uint64_t step = 1, reduced_count = 1;  // may wrap when a dim is 0, and is not used then
  for (int i = x.rank - 1; i >= 0; --i) {
    bool reduced = params.axes >> i & 1;
    int& rank = reduced ? state->reduced_rank : state->kept_rank;
    (reduced ? state->reduced_dims : state->kept_dims)[rank] = x.dims[i];
    (reduced ? state->reduced_steps : state->kept_steps)[rank++] = static_cast<int64_t>(step);
    if (reduced) reduced_count *= static_cast<uint64_t>(x.dims[i]);
    step *= static_cast<uint64_t>(x.dims[i]);
  }
  state->reduced_count = static_cast<int64_t>(reduced_count);
  auto x_bytes = scratch_for(x), result_bytes = scratch_for(state->shape.result);
  if (!x_bytes || !result_bytes) return fail(Code::limit_exceeded, "reduce of {} needs too much memory", describe(x));
  state->x_bytes = params.prologue.empty() ? 0 : *x_bytes;
  state->result_bytes = params.epilogue.empty() ? 0 : *result_bytes;
  auto both = checked_add(state->x_bytes, state->result_bytes);
  auto total = both ? checked_add(*both, kTileScratchBytes) : both;
  if (!total) return fail(Code::limit_exceeded, "reduce of {} needs too much memory", describe(x));
  out.scratch_bytes = *total;
  out.state = std::move(state);
  return {};
}

// Where the `index`-th element of a loop nest lies (innermost dim first).
int64_t element(int64_t index, int rank, const int64_t* dims, const int64_t* steps) {
  int64_t at = 0;
  for (int i = 0; i < rank; ++i) {
    at += index % dims[i] * steps[i];
    index /= dims[i];
  }
  return at;
}

// The reductions of `count` numbers, number i being at(i).
template <class At>
double reduce_floats(ReduceKind kind, int64_t count, At at) {
  double sum = 0, product = 1, square = 0, absolute = 0;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  bool nan = false;
  for (int64_t i = 0; i < count; ++i) {
    double v = at(i);
    sum += v;
    product *= v;
    square += v * v;
    absolute += std::fabs(v);
    low = std::fmin(low, v);
    high = std::fmax(high, v);
    nan |= std::isnan(v);
  }
  switch (kind) {
    case ReduceKind::sum: return sum;
    case ReduceKind::mean: return sum / static_cast<double>(count);
    case ReduceKind::max: return nan ? std::nan("") : high;
    case ReduceKind::min: return nan ? std::nan("") : low;
    case ReduceKind::prod: return product;
    case ReduceKind::sum_square: return square;
    case ReduceKind::l1: return absolute;
    case ReduceKind::l2: return std::sqrt(square);
    case ReduceKind::log_sum: return std::log(sum);
    default: break;
  }
  if (nan) return std::nan("");
  if (std::isinf(high)) return high;  // all -inf, or one inf
  double exponentials = 0;
  for (int64_t i = 0; i < count; ++i) exponentials += std::exp(at(i) - high);
  return high + std::log(exponentials);
}

template <class T, class At>
uint64_t reduce_integers(ReduceKind kind, int64_t count, At at) {
  using E = Element<T>;
  uint64_t sum = 0, product = 1, square = 0, absolute = 0;
  uint64_t low = E::load(std::numeric_limits<T>::max()), high = E::load(std::numeric_limits<T>::min());
  for (int64_t i = 0; i < count; ++i) {
    uint64_t v = at(i);
    sum += v;
    product *= v;
    square += v * v;
    absolute += E::less(v, 0) ? 0 - v : v;
    if (E::less(v, low)) low = v;
    if (E::less(high, v)) high = v;
  }
  switch (kind) {
    case ReduceKind::sum: return sum;
    case ReduceKind::max: return high;
    case ReduceKind::min: return low;
    case ReduceKind::prod: return product;
    case ReduceKind::sum_square: return square;
    case ReduceKind::l1: return absolute;
    default: break;  // mean
  }
  if (count == 0) return 0;
  if constexpr (std::is_signed_v<T>) return static_cast<uint64_t>(static_cast<int64_t>(sum) / count);
  return sum / static_cast<uint64_t>(count);
}

// The index of the extreme element; a NaN is one.
template <class E, class At>
int64_t extreme(ReduceKind kind, int64_t count, At at) {
  bool largest = kind == ReduceKind::arg_max || kind == ReduceKind::arg_max_last;
  bool last = kind == ReduceKind::arg_max_last || kind == ReduceKind::arg_min_last;
  int64_t best = 0;
  for (int64_t i = 1; i < count; ++i) {
    auto a = at(i), b = at(best);
    bool better = a != a ? (b == b || last) : b == b && (largest ? E::less(b, a) : E::less(a, b));
    if (better || (last && a == b)) best = i;
  }
  return best;
}

template <class T>
T saturated(double value) {
  if (std::isnan(value)) return 0;
  if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  return static_cast<T>(value);
}

// `where(i)` is where the i-th element of this result lies.
template <class E, class Where>
void reduce_one(ReduceKind kind, int64_t count, const typename E::Storage* x, Where where, void* result, int64_t out) {
  using T = typename E::Storage;
  auto at = [&](int64_t i) { return E::load(x[where(i)]); };
  T* results = static_cast<T*>(result);
  if (is_arg(kind)) {
    static_cast<int64_t*>(result)[out] = extreme<E>(kind, count, at);
  } else if constexpr (std::is_same_v<typename E::Value, double>) {
    results[out] = E::store(reduce_floats(kind, count, at));
  } else if (kind == ReduceKind::l2 || kind == ReduceKind::log_sum || kind == ReduceKind::log_sum_exp) {
    auto number = [&](int64_t i) { return static_cast<double>(x[where(i)]); };
    results[out] = saturated<T>(reduce_floats(kind, count, number));
  } else {
    results[out] = E::store(reduce_integers<T>(kind, count, at));
  }
}

void reduce_all(const State& state, ReduceKind kind, const void* x, void* result) {
  const DType type = state.shape.prologue.x.dtype;
  with_number(type == DType::boolean ? DType::u8 : type, [&](auto element_type) {
    using E = decltype(element_type);
    for (int64_t out = 0, results = state.shape.result.count(); out < results; ++out) {
      int64_t base = element(out, state.kept_rank, state.kept_dims, state.kept_steps);
      auto where = [&](int64_t i) {
        return base + element(i, state.reduced_rank, state.reduced_dims, state.reduced_steps);
      };
      reduce_one<E>(kind, state.reduced_count, static_cast<const typename E::Storage*>(x), where, result, out);
    }
  });
}

Status launch(const LaunchCall& call) {
  const ReduceParams& params = call.as<ReduceParams>();
  const State& state = *static_cast<const State*>(call.state);
  auto* scratch = static_cast<std::byte*>(call.scratch);
  std::byte* tile_scratch = scratch + state.x_bytes + state.result_bytes;
  const void* x = call.inputs[0].data;
  const size_t own = prologue_inputs(params.prologue);
  const void* operands[kMaxProgramInputs];
  if (!params.prologue.empty()) {
    for (size_t k = 0; k < own; ++k) operands[k] = call.inputs[k].data;
    const TileNest& nest = state.shape.prologue.nest;
    run_nest(nest, tile_function(0), params.prologue, operands, scratch, 0, nest.count(), tile_scratch);
    x = scratch;
  }
  void* output = call.outputs[0].data;
  void* result = params.epilogue.empty() ? output : scratch + state.x_bytes;
  reduce_all(state, params.kind, x, result);
  if (params.epilogue.empty()) return {};
  operands[0] = result;
  for (size_t k = own; k < call.inputs.size(); ++k) operands[k - own + 1] = call.inputs[k].data;
  const TileNest& nest = state.shape.epilogue;
  run_nest(nest, tile_function(0), params.epilogue, operands, output, 0, nest.count(), tile_scratch);
  return {};
}

}  // namespace

extern const Kernel kReduceReference = {"reduce.reference", sizeof(ReduceParams), 0, 0, prepare, launch};

}  // namespace tenon
