// scatter_elements and scatter_nd: x, with updates stored or combined where indices say. Updates are taken in order, so
// that of two for one element the later one counts.
#include <cstring>

#include "common/element.h"
#include "common/index.h"
#include "index/indices.h"
#include "index/params.h"

namespace tenon {
namespace {

Status expect_reduction(ScatterReduction reduction, const Arg& x) {
  if (reduction < ScatterReduction::none || reduction > ScatterReduction::min)
    return fail(Code::invalid_plan, "scatter: reduction {} is unknown", static_cast<int64_t>(reduction));
  if (reduction != ScatterReduction::none && !is_float(x.dtype) && !is_integer(x.dtype))
    return fail(Code::invalid_plan, "scatter: elements of {} cannot be combined", describe(x));
  return {};
}

// x, indices, updates → output; what both kernels expect of them.
Status expect_tensors(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 3, 3, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(index::expect_data(x, out));
  TN_TRY(expect_shape(out, x.shape(), "scatter output"));
  TN_TRY(index::expect_indices(call.inputs[1]));
  TN_TRY(expect_type(call.inputs[2], x.dtype, "scatter updates"));
  TN_TRY(expect_rank(call.inputs[2], 0, kMaxRank, "scatter updates"));
  return expect_format(call.inputs[2], kLinear, "scatter updates");
}

template <class E>
void combine(ScatterReduction reduction, typename E::Storage& to, typename E::Storage update) {
  const typename E::Value a = E::load(to), b = E::load(update);
  switch (reduction) {
    case ScatterReduction::add: to = E::store(a + b); break;
    case ScatterReduction::mul: to = E::store(a * b); break;
    // A NaN that is there is less than nothing and stays.
    case ScatterReduction::max: to = E::less(a, b) || b != b ? update : to; break;
    case ScatterReduction::min: to = E::less(b, a) || b != b ? update : to; break;
    case ScatterReduction::none: to = update; break;
  }
}

// Brings `count` elements of updates, from element `from` on, to element `at` on of the output.
void put(const LaunchCall& call, ScatterReduction reduction, int64_t at, int64_t from, int64_t count) {
  const Arg &updates = call.inputs[2], &out = call.outputs[0];
  const auto size = static_cast<int64_t>(size_of(out.dtype));
  if (reduction == ScatterReduction::none) {
    std::memcpy(out.as<char>() + at * size, updates.as<const char>() + from * size, static_cast<size_t>(count * size));
    return;
  }
  with_number(out.dtype, [&](auto element) {
    using E = decltype(element);
    using T = typename E::Storage;
    for (int64_t i = 0; i < count; ++i) combine<E>(reduction, out.as<T>()[at + i], updates.as<const T>()[from + i]);
  });
}

void copy_input(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (x.data != out.data && x.count() != 0) std::memcpy(out.data, x.data, static_cast<size_t>(storage_bytes(x)));
}

Status prepare_elements(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_tensors(call));
  const Arg &x = call.inputs[0], &indices = call.inputs[1];
  const auto& params = call.as<ScatterElementsParams>();
  TN_TRY(expect_reduction(params.reduction, x));
  if (params.axis < 0 || params.axis >= x.rank || indices.rank != x.rank)
    return fail(Code::invalid_plan, "scatter_elements: axis {} of {} by {}", params.axis, describe(x), describe(indices));
  for (int d = 0; d < x.rank; ++d)
    if (d != params.axis && indices.dims[d] > x.dims[d])
      return fail(Code::out_of_range, "scatter_elements: dim {} of indices {} is beyond that of {}", d, describe(indices),
                  describe(x));
  return expect_shape(call.inputs[2], indices.shape(), "scatter updates");
}

Status launch_elements(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &indices = call.inputs[1];
  const auto& params = call.as<ScatterElementsParams>();
  const auto axis = static_cast<int>(params.axis);
  const int64_t n = x.dims[axis], count = indices.count();
  for (int64_t i = 0; i < count; ++i)
    if (index::wrap(index::read(indices, i), n) < 0)
      return index::out_of_range("scatter_elements", index::read(indices, i), i, n);
  copy_input(call);
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  for_each_index(indices.shape(), [&](int64_t flat, const int64_t* position) {
    int64_t at = index::wrap(index::read(indices, flat), n) * strides[axis];
    for (int d = 0; d < x.rank; ++d) at += d == axis ? 0 : position[d] * strides[d];
    put(call, params.reduction, at, flat, 1);
  });
  return {};
}

Status prepare_nd(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_tensors(call));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &updates = call.inputs[2];
  TN_TRY(expect_reduction(call.as<ScatterNdParams>().reduction, x));
  TN_TRY(expect_rank(indices, 1, kMaxRank, "scatter_nd indices"));
  const int64_t depth = indices.dims[indices.rank - 1];
  if (depth < 1 || depth > x.rank || indices.rank - 1 + x.rank - depth > kMaxRank)
    return fail(Code::out_of_range, "scatter_nd: indices {} into {}", describe(indices), describe(x));
  int64_t dims[kMaxRank];
  size_t rank = 0;
  for (int d = 0; d + 1 < indices.rank; ++d) dims[rank++] = indices.dims[d];
  for (int64_t d = depth; d < x.rank; ++d) dims[rank++] = x.dims[d];
  return expect_shape(updates, {dims, rank}, "scatter updates");
}

Status launch_nd(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &indices = call.inputs[1];
  const int64_t depth = indices.dims[indices.rank - 1], count = indices.count();
  for (int64_t i = 0; i < count; ++i)
    if (index::wrap(index::read(indices, i), x.dims[i % depth]) < 0)
      return index::out_of_range("scatter_nd", index::read(indices, i), i, x.dims[i % depth]);
  copy_input(call);
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  const int64_t inner = product(x.shape().subspan(static_cast<size_t>(depth)));
  for (int64_t row = 0; row < count / depth; ++row) {
    int64_t at = 0;
    for (int64_t d = 0; d < depth; ++d) at += index::wrap(index::read(indices, row * depth + d), x.dims[d]) * strides[d];
    put(call, call.as<ScatterNdParams>().reduction, at, row * inner, inner);
  }
  return {};
}

}  // namespace

extern const Kernel kScatterElementsReference = with_texts({"scatter_elements.reference", sizeof(ScatterElementsParams), 0, 1,
                                              prepare_elements, launch_elements});
extern const Kernel kScatterNdReference = with_texts({"scatter_nd.reference", sizeof(ScatterNdParams), 0, 1, prepare_nd, launch_nd});

}  // namespace tenon
