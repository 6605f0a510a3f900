// What goes along one axis: cumsum, top_k, reverse_sequence.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "common/element.h"
#include "common/index.h"
#include "index/indices.h"
#include "index/params.h"

namespace tenon {
namespace {

// A tensor as [outer, n, inner] round an axis.
struct Lines {
  int64_t outer, n, inner;
  Lines(const Arg& x, int64_t axis)
      : outer(product(x.shape().first(static_cast<size_t>(axis)))), n(x.dims[axis]),
        inner(product(x.shape().subspan(static_cast<size_t>(axis) + 1))) {}
};

Status expect_axis(int64_t axis, const Arg& x) {
  if (axis >= 0 && axis < x.rank) return {};
  return fail(Code::invalid_plan, "axis {} of {}", axis, describe(x));
}

Status expect_numbers(const Arg& x) {
  if (is_integer(x.dtype) || (is_float(x.dtype) && size_of(x.dtype) >= 2)) return {};
  return fail(Code::invalid_plan, "elements of {} are no numbers for this kernel", describe(x));
}

Status prepare_cumsum(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  TN_TRY(index::expect_data(call.inputs[0], call.outputs[0]));
  TN_TRY(expect_numbers(call.inputs[0]));
  TN_TRY(expect_axis(call.as<CumsumParams>().axis, call.inputs[0]));
  return expect_shape(call.outputs[0], call.inputs[0].shape(), "cumsum output");
}

Status launch_cumsum(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<CumsumParams>();
  const Lines lines(x, params.axis);
  with_number(x.dtype, [&](auto element) {
    using E = decltype(element);
    using T = typename E::Storage;
    auto line = [&](int64_t begin, int64_t end, int) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t base = at / lines.inner * lines.n * lines.inner + at % lines.inner;
        typename E::Value sum{};  // or product
        if (params.product) sum = 1;
        for (int64_t i = 0; i < lines.n; ++i) {
          const int64_t e = base + (params.reverse ? lines.n - 1 - i : i) * lines.inner;
          const typename E::Value value = E::load(x.as<const T>()[e]), next = params.product ? sum * value : sum + value;
          out.as<T>()[e] = E::store(params.exclusive ? sum : next);
          sum = next;
        }
      }
    };
    call.team->parallel_for(lines.outer * lines.inner, line);
  });
  return {};
}

Status prepare_top_k(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 2));
  const Arg &x = call.inputs[0], &values = call.outputs[0], &indices = call.outputs[1];
  const auto& params = call.as<TopKParams>();
  TN_TRY(index::expect_data(x, values));
  TN_TRY(expect_numbers(x));
  TN_TRY(expect_axis(params.axis, x));
  TN_TRY(expect_rank(values, x.rank, x.rank, "top_k values"));
  for (int d = 0; d < x.rank; ++d)
    if (d == params.axis ? values.dims[d] > x.dims[d] : values.dims[d] != x.dims[d])
      return fail(Code::out_of_range, "top_k: dim {} of values {} does not fit that of {}", d, describe(values),
                  describe(x));
  if (indices.present()) {
    TN_TRY(expect_type(indices, DType::i64, "top_k indices"));
    TN_TRY(expect_format(indices, kLinear, "top_k indices"));
    TN_TRY(expect_shape(indices, values.shape(), "top_k indices"));
  }
  prepared.scratch_bytes = (x.dims[params.axis] * 8 + 63) / 64 * 64 * std::max(1, call.threads);
  return {};
}

// Larger numbers first, of equal ones the earlier; NaN counts as the largest.
template <class E>
bool before(typename E::Value a, typename E::Value b, bool largest) {
  if constexpr (std::is_same_v<typename E::Value, double>) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) != std::isnan(b) && std::isnan(a) == largest;
  }
  return largest ? E::less(b, a) : E::less(a, b);
}

template <class E>
void top_k(const LaunchCall& call) {
  using T = typename E::Storage;
  const Arg &x = call.inputs[0], &values = call.outputs[0], &indices = call.outputs[1];
  const auto& params = call.as<TopKParams>();
  const Lines lines(x, params.axis);
  const int64_t k = values.dims[params.axis];
  auto body = [&](int64_t begin, int64_t end, int member) {
    int64_t* order = static_cast<int64_t*>(call.scratch) + (lines.n + 7) / 8 * 8 * member;
    for (int64_t at = begin; at < end; ++at) {
      const T* line = x.as<const T>() + at / lines.inner * lines.n * lines.inner + at % lines.inner;
      for (int64_t i = 0; i < lines.n; ++i) order[i] = i;
      std::partial_sort(order, order + k, order + lines.n, [&](int64_t a, int64_t b) {
        const auto va = E::load(line[a * lines.inner]), vb = E::load(line[b * lines.inner]);
        if (before<E>(va, vb, params.largest != 0)) return true;
        return !before<E>(vb, va, params.largest != 0) && a < b;
      });
      const int64_t to = at / lines.inner * k * lines.inner + at % lines.inner;
      for (int64_t i = 0; i < k; ++i) {
        values.as<T>()[to + i * lines.inner] = line[order[i] * lines.inner];
        if (indices.present()) indices.as<int64_t>()[to + i * lines.inner] = order[i];
      }
    }
  };
  call.team->parallel_for(lines.outer * lines.inner, body);
}

Status launch_top_k(const LaunchCall& call) {
  with_number(call.inputs[0].dtype, [&](auto element) { top_k<decltype(element)>(call); });
  return {};
}

Status prepare_reverse(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  const Arg &x = call.inputs[0], &lengths = call.inputs[1];
  const auto& params = call.as<ReverseSequenceParams>();
  TN_TRY(index::expect_data(x, call.outputs[0]));
  TN_TRY(index::expect_indices(lengths));
  TN_TRY(expect_shape(call.outputs[0], x.shape(), "reverse_sequence output"));
  TN_TRY(expect_axis(params.batch_axis, x));
  TN_TRY(expect_axis(params.time_axis, x));
  if (params.batch_axis == params.time_axis)
    return fail(Code::invalid_plan, "reverse_sequence: batch and time are both axis {}", params.time_axis);
  return expect_shape(lengths, x.shape().subspan(static_cast<size_t>(params.batch_axis), 1), "sequence lengths");
}

Status launch_reverse(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &lengths = call.inputs[1], &out = call.outputs[0];
  const auto& params = call.as<ReverseSequenceParams>();
  const int64_t steps = x.dims[params.time_axis];
  for (int64_t b = 0; b < lengths.dims[0]; ++b)
    if (int64_t length = index::read(lengths, b); length < 0 || length > steps)
      return fail(Code::out_of_range, "reverse_sequence: length {} (element {}) is outside [0, {}]", length, b, steps);
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* position) {
    const int64_t t = position[params.time_axis], length = index::read(lengths, position[params.batch_axis]);
    const int64_t from = t < length ? flat + (length - 1 - 2 * t) * strides[params.time_axis] : flat;
    copy_element(out.data, flat, x.data, from, size_of(x.dtype));
  });
  return {};
}

}  // namespace

extern const Kernel kCumsumReference{"cumsum.reference", sizeof(CumsumParams), 0, 1, prepare_cumsum, launch_cumsum};
extern const Kernel kTopKReference{"top_k.reference", sizeof(TopKParams), 0, 0, prepare_top_k, launch_top_k};
extern const Kernel kReverseSequenceReference = with_texts({"reverse_sequence.reference", sizeof(ReverseSequenceParams), 0, 0,
                                              prepare_reverse, launch_reverse});

}  // namespace tenon
