// The definition of gather, gather_elements and gather_nd.
#include "common/index.h"
#include "index/indices.h"
#include "index/params.h"

namespace tenon {
namespace index {

Status check_gather(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  TN_TRY(expect_data(x, out));
  TN_TRY(expect_indices(indices));
  const int64_t axis = call.as<GatherParams>().axis;
  if (axis < 0 || axis >= x.rank) return fail(Code::invalid_plan, "gather: axis {} of input {}", axis, describe(x));
  if (x.rank - 1 + indices.rank > kMaxRank)
    return fail(Code::invalid_plan, "gather: result of {} by {} has more than {} dims", describe(x), describe(indices),
                kMaxRank);
  int64_t dims[kMaxRank];
  int rank = 0;
  for (int d = 0; d < axis; ++d) dims[rank++] = x.dims[d];
  for (int d = 0; d < indices.rank; ++d) dims[rank++] = indices.dims[d];
  for (int d = static_cast<int>(axis) + 1; d < x.rank; ++d) dims[rank++] = x.dims[d];
  return expect_shape(out, {dims, static_cast<size_t>(rank)}, "gather output");
}

}  // namespace index

namespace {

Status prepare_gather(const PrepareCall& call, Prepared&) { return index::check_gather(call); }

Status launch_gather(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  const auto axis = static_cast<size_t>(call.as<GatherParams>().axis);
  const int64_t n = x.dims[axis], outer = product(x.shape().first(axis)), inner = product(x.shape().subspan(axis + 1));
  const int64_t count = indices.count();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = index::wrap(index::read(indices, i), n);
      if (at < 0) return index::out_of_range("gather", index::read(indices, i), i, n);
      for (int64_t e = 0; e < inner; ++e)
        copy_element(out.data, (o * count + i) * inner + e, x.data, (o * n + at) * inner + e, size_of(x.dtype));
    }
  return {};
}

Status prepare_gather_elements(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  TN_TRY(index::expect_data(x, out));
  TN_TRY(index::expect_indices(indices));
  const int64_t axis = call.as<GatherParams>().axis;
  if (axis < 0 || axis >= x.rank || indices.rank != x.rank)
    return fail(Code::invalid_plan, "gather_elements: axis {} of input {} by {}", axis, describe(x), describe(indices));
  for (int d = 0; d < x.rank; ++d)
    if (d != axis && indices.dims[d] > x.dims[d])
      return fail(Code::out_of_range, "gather_elements: dim {} of indices {} is beyond that of input {}", d,
                  describe(indices), describe(x));
  return expect_shape(out, indices.shape(), "gather_elements output");
}

Status launch_gather_elements(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  const auto axis = static_cast<int>(call.as<GatherParams>().axis);
  int64_t strides[kMaxRank], bad = -1;
  row_major_strides(x.shape(), strides);
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* position) {
    int64_t at = index::wrap(index::read(indices, flat), x.dims[axis]);
    if (at < 0) {
      if (bad < 0) bad = flat;
      return;
    }
    int64_t from = at * strides[axis];
    for (int d = 0; d < x.rank; ++d) from += d == axis ? 0 : position[d] * strides[d];
    copy_element(out.data, flat, x.data, from, size_of(x.dtype));
  });
  if (bad >= 0) return index::out_of_range("gather_elements", index::read(indices, bad), bad, x.dims[axis]);
  return {};
}

Status prepare_gather_nd(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  TN_TRY(index::expect_data(x, out));
  TN_TRY(index::expect_indices(indices));
  TN_TRY(expect_rank(indices, 1, kMaxRank, "gather_nd indices"));
  const int64_t batch = call.as<GatherNdParams>().batch_dims;
  if (batch < 0 || batch >= indices.rank || batch >= x.rank)
    return fail(Code::invalid_plan, "gather_nd: {} batch dims of {} by {}", batch, describe(x), describe(indices));
  for (int64_t d = 0; d < batch; ++d)
    if (x.dims[d] != indices.dims[d])
      return fail(Code::out_of_range, "gather_nd: batch dim {} of {} differs from that of {}", d, describe(x),
                  describe(indices));
  const int64_t depth = indices.dims[indices.rank - 1];
  if (depth < 1 || depth > x.rank - batch)
    return fail(Code::out_of_range, "gather_nd: indices {} of {} numbers into {} after {} batch dims", describe(indices),
                depth, describe(x), batch);
  if (indices.rank - 1 + x.rank - batch - depth > kMaxRank)
    return fail(Code::invalid_plan, "gather_nd: result of {} by {} has more than {} dims", describe(x), describe(indices),
                kMaxRank);
  int64_t dims[kMaxRank];
  size_t rank = 0;
  for (int d = 0; d + 1 < indices.rank; ++d) dims[rank++] = indices.dims[d];
  for (int64_t d = batch + depth; d < x.rank; ++d) dims[rank++] = x.dims[d];
  return expect_shape(out, {dims, rank}, "gather_nd output");
}

Status launch_gather_nd(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  const auto batch = static_cast<size_t>(call.as<GatherNdParams>().batch_dims);
  const int64_t depth = indices.dims[indices.rank - 1];
  const int64_t batches = product(x.shape().first(batch));
  const int64_t per_batch = product(indices.shape().subspan(batch, static_cast<size_t>(indices.rank) - 1 - batch));
  const int64_t inner = product(x.shape().subspan(batch + static_cast<size_t>(depth)));
  const int64_t bytes = inner * static_cast<int64_t>(size_of(x.dtype));
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  const int64_t batch_stride = product(x.shape().subspan(batch));
  for (int64_t b = 0, row = 0; b < batches; ++b)
    for (int64_t i = 0; i < per_batch; ++i, ++row) {
      int64_t from = b * batch_stride;
      for (int64_t d = 0; d < depth; ++d) {
        const int64_t n = x.dims[batch + static_cast<size_t>(d)], value = index::read(indices, row * depth + d);
        const int64_t at = index::wrap(value, n);
        if (at < 0) return index::out_of_range("gather_nd", value, row * depth + d, n);
        from += at * strides[batch + static_cast<size_t>(d)];
      }
      copy_element(out.data, row, static_cast<const char*>(x.data) + from * static_cast<int64_t>(size_of(x.dtype)), 0,
                   static_cast<size_t>(bytes));
    }
  return {};
}

}  // namespace

extern const Kernel kGatherReference = with_texts({"gather.reference", sizeof(GatherParams), 0, 0, prepare_gather, launch_gather});
extern const Kernel kGatherElementsReference = with_texts({"gather_elements.reference", sizeof(GatherParams), 0, 0, prepare_gather_elements,
                                      launch_gather_elements});
extern const Kernel kGatherNdReference = with_texts({"gather_nd.reference", sizeof(GatherNdParams), 0, 0, prepare_gather_nd,
                                launch_gather_nd});

}  // namespace tenon
