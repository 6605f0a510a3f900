// The definition of unique: rows that are equal are one; each with its first row, how often it is there, and for every row
// which of them it is. NaNs are equal to each other and larger than all numbers.
#include <algorithm>
#include <cstring>

#include "common/element.h"
#include "common/kernel.h"
#include "found/params.h"

namespace tenon {
namespace {

// x [m, r] → values [m, r], first i64[m], inverse i64[m], counts i64[m], sizes i64[1].
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 5));
  const auto& params = call.as<UniqueParams>();
  if (params.sorted != 0 && params.sorted != 1) return fail(Code::invalid_plan, "unique: sorted is {}", params.sorted);
  const Arg& x = call.inputs[0];
  const bool computed = with_number(x.dtype, [](auto) {}) || x.dtype == DType::boolean;
  if (!computed) return fail(Code::invalid_plan, "unique: elements of {} are not compared", describe(x));
  TN_TRY(expect_rank(x, 2, 2, "unique input"));
  TN_TRY(expect_format(x, kLinear, "unique input"));
  TN_TRY(expect_type(call.outputs[0], x.dtype, "unique values"));
  TN_TRY(expect_shape(call.outputs[0], x.shape(), "unique values"));
  const int64_t rows[] = {x.dims[0]}, one[] = {1};
  for (size_t i = 1; i < 5; ++i) {
    TN_TRY(expect_type(call.outputs[i], DType::i64, "unique output"));
    TN_TRY(expect_shape(call.outputs[i], i == 4 ? one : rows, "unique output"));
  }
  for (const Arg& out : call.outputs) TN_TRY(expect_format(out, kLinear, "unique output"));
  if (x.dims[0] > INT64_MAX / 16) return fail(Code::limit_exceeded, "unique: {} has too many rows", describe(x));
  prepared.scratch_bytes = 2 * x.dims[0] * static_cast<int64_t>(sizeof(int64_t));
  return {};
}

template <class E>
int compare(typename E::Value a, typename E::Value b) {
  if constexpr (std::is_same_v<typename E::Value, double>) {
    const bool no_a = a != a, no_b = b != b;
    if (no_a || no_b) return static_cast<int>(no_a) - static_cast<int>(no_b);
  }
  return E::less(a, b) ? -1 : E::less(b, a) ? 1 : 0;
}

template <class E>
void run(const LaunchCall& call) {
  using T = typename E::Storage;
  const Arg& x = call.inputs[0];
  const int64_t rows = x.dims[0], width = x.dims[1];
  const T* data = x.as<const T>();
  T* values = call.outputs[0].as<T>();
  int64_t *first = call.outputs[1].as<int64_t>(), *inverse = call.outputs[2].as<int64_t>(), *counts = call.outputs[3].as<int64_t>();
  int64_t *order = static_cast<int64_t*>(call.scratch), *groups = order + rows;
  auto compare_rows = [&](int64_t a, int64_t b) {
    for (int64_t i = 0; i < width; ++i)
      if (int c = compare<E>(E::load(data[a * width + i]), E::load(data[b * width + i]))) return c;
    return 0;
  };
  for (int64_t i = 0; i < rows; ++i) order[i] = i;
  std::sort(order, order + rows, [&](int64_t a, int64_t b) {
    const int c = compare_rows(a, b);
    return c ? c < 0 : a < b;
  });
  // The place in `order` at which each group of equal rows begins; its first row is the smallest there.
  int64_t found = 0;
  for (int64_t i = 0; i < rows; ++i)
    if (i == 0 || compare_rows(order[i - 1], order[i]) != 0) groups[found++] = i;
  // Where rows are to come as they first appear, groups are put in that order; their ends are found again by comparing.
  if (!call.as<UniqueParams>().sorted)
    std::sort(groups, groups + found, [&](int64_t a, int64_t b) { return order[a] < order[b]; });
  for (int64_t g = 0; g < found; ++g) {
    int64_t i = groups[g];
    first[g] = order[i];
    counts[g] = 0;
    for (; i < rows && (counts[g] == 0 || compare_rows(order[i - 1], order[i]) == 0); ++i) {
      inverse[order[i]] = g;
      ++counts[g];
    }
    std::memcpy(values + g * width, data + first[g] * width, sizeof(T) * static_cast<size_t>(width));
  }
  *call.outputs[4].as<int64_t>() = found;
}

Status launch(const LaunchCall& call) {
  if (call.inputs[0].dtype == DType::boolean) run<Element<uint8_t>>(call);
  else with_number(call.inputs[0].dtype, [&](auto element) { run<decltype(element)>(call); });
  return {};
}

}  // namespace

extern const Kernel kUniqueReference{"unique.reference", sizeof(UniqueParams), 0, 0, prepare, launch};

}  // namespace tenon
