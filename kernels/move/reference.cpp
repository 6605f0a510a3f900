// One element at a time: the definition of the kernels that move elements.
#include <algorithm>

#include "base/half.h"
#include "common/index.h"
#include "move/check.h"
#include "move/pad.h"

namespace tenon {
namespace {

Status prepare_transpose(const PrepareCall& call, Prepared&) { return move::check_transpose(call); }

Status launch_transpose(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<TransposeParams>();
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    int64_t from = 0;
    for (int d = 0; d < out.rank; ++d) from += index[d] * strides[params.perm[d]];
    copy_element(out.data, flat, x.data, from, size_of(x.dtype));
  });
  return {};
}

Status prepare_slice(const PrepareCall& call, Prepared&) { return move::check_slice(call); }

Status launch_slice(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<SliceParams>();
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    int64_t from = 0;
    for (int d = 0; d < out.rank; ++d) from += (params.starts[d] + index[d] * params.steps[d]) * strides[d];
    copy_element(out.data, flat, x.data, from, size_of(x.dtype));
  });
  return {};
}

Status prepare_expand(const PrepareCall& call, Prepared&) { return move::check_expand(call); }

Status launch_expand(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  const int lead = out.rank - x.rank;
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    int64_t from = 0;
    for (int d = 0; d < x.rank; ++d) from += x.dims[d] == 1 ? 0 : index[lead + d] * strides[d];
    copy_element(out.data, flat, x.data, from, size_of(x.dtype));
  });
  return {};
}

Status prepare_concat(const PrepareCall& call, Prepared&) {
  TN_TRY(move::check_concat(call));
  return expect_format(call.outputs[0], kLinear, "concat output");
}

Status launch_concat(const LaunchCall& call) {
  const Arg& out = call.outputs[0];
  const int64_t axis = call.as<ConcatParams>().axis;
  int64_t strides[kMaxRank];
  row_major_strides(out.shape(), strides);
  int64_t at = 0;
  for (const Arg& x : call.inputs) {
    for_each_index(x.shape(), [&](int64_t flat, const int64_t* index) {
      int64_t to = at * strides[axis];
      for (int d = 0; d < x.rank; ++d) to += index[d] * strides[d];
      copy_element(out.data, to, x.data, flat, size_of(x.dtype));
    });
    at += x.dims[axis];
  }
  return {};
}

Status prepare_pad(const PrepareCall& call, Prepared&) { return move::check_pad(call); }

Status launch_pad(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<PadParams>();
  const size_t size = size_of(x.dtype);
  static constexpr std::byte kZero[16] = {};
  const void* value = call.inputs.size() > 1 && call.inputs[1].present() ? call.inputs[1].data : kZero;
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    int64_t from = 0;
    bool outside = false;
    for (int d = 0; d < out.rank; ++d) {
      int64_t i = move::padded_source(params.mode, index[d] - params.begins[d], x.dims[d]);
      outside |= i < 0;
      from += i * strides[d];
    }
    if (outside) copy_element(out.data, flat, value, 0, size);
    else copy_element(out.data, flat, x.data, from, size);
  });
  return {};
}

Status prepare_iota(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 0, 0, 1));
  const Arg& out = call.outputs[0];
  TN_TRY(expect_rank(out, 1, 1, "iota output"));
  TN_TRY(expect_format(out, kLinear, "iota output"));
  switch (out.dtype) {
    case DType::f32: case DType::f64: case DType::f16: case DType::bf16: return {};
    case DType::i16: case DType::i32: case DType::i64: break;
    default: return fail(Code::invalid_plan, "iota: no numbers of type {}", name_of(out.dtype));
  }
  const auto& params = call.as<IotaParams>();
  for (double number : {params.start, params.step})
    if (!(number >= -0x1p62 && number <= 0x1p62))
      return fail(Code::invalid_plan, "iota: start {} and step {} must be integers of 62 bits for {}", params.start,
                  params.step, describe(out));
  return {};
}

template <class T>
void iota_integers(const IotaParams& params, const Arg& out) {
  auto start = static_cast<uint64_t>(static_cast<int64_t>(params.start)) + static_cast<uint64_t>(params.start_dim);
  auto step = static_cast<uint64_t>(static_cast<int64_t>(params.step));
  for (int64_t i = 0; i < out.dims[0]; ++i) out.as<T>()[i] = static_cast<T>(start + static_cast<uint64_t>(i) * step);
}

Status launch_iota(const LaunchCall& call) {
  const Arg& out = call.outputs[0];
  const auto& params = call.as<IotaParams>();
  auto number = [&](int64_t i) {
    return params.start + static_cast<double>(params.start_dim) + static_cast<double>(i) * params.step;
  };
  for (int64_t i = 0; i < out.dims[0] && is_float(out.dtype); ++i) {
    if (out.dtype == DType::f32) out.as<float>()[i] = static_cast<float>(number(i));
    if (out.dtype == DType::f64) out.as<double>()[i] = number(i);
    if (out.dtype == DType::f16) out.as<uint16_t>()[i] = float_to_half(static_cast<float>(number(i)));
    if (out.dtype == DType::bf16) out.as<uint16_t>()[i] = float_to_bfloat(static_cast<float>(number(i)));
  }
  if (out.dtype == DType::i16) iota_integers<int16_t>(params, out);
  if (out.dtype == DType::i32) iota_integers<int32_t>(params, out);
  if (out.dtype == DType::i64) iota_integers<int64_t>(params, out);
  return {};
}

Status prepare_shape_value(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 0, 0, 1));
  const Arg& out = call.outputs[0];
  TN_TRY(expect_type(out, DType::i64, "shape_value output"));
  TN_TRY(expect_rank(out, 0, 1, "shape_value output"));
  TN_TRY(expect_format(out, kLinear, "shape_value output"));
  const int64_t count = call.as<ShapeValueParams>().count;
  if (count < 0 || count > kMaxShapeValues || count != out.count())
    return fail(Code::invalid_plan, "shape_value: {} values for output {}", count, describe(out));
  return {};
}

Status launch_shape_value(const LaunchCall& call) {
  const auto& params = call.as<ShapeValueParams>();
  std::copy_n(params.values, params.count, call.outputs[0].as<int64_t>());
  return {};
}

Status prepare_copy(const PrepareCall& call, Prepared&) { return move::check_copy(call); }

Status launch_copy(const LaunchCall& call) {
  const int64_t bytes = storage_bytes(call.inputs[0]);
  const char* from = call.inputs[0].as<const char>();
  char* to = call.outputs[0].as<char>();
  if (from == to) return {};
  constexpr int64_t kBlock = 1 << 15;
  auto copy = [&](int64_t begin, int64_t end, int) {
    if (begin < end)
      std::memcpy(to + begin * kBlock, from + begin * kBlock,
                  static_cast<size_t>(std::min(end * kBlock, bytes) - begin * kBlock));
  };
  const int64_t blocks = (bytes + kBlock - 1) / kBlock;
  if (blocks < 4) copy(0, blocks, 0);
  else call.team->parallel_for(blocks, copy);
  return {};
}

}  // namespace

extern const Kernel kTransposeReference = with_texts({"transpose.reference", sizeof(TransposeParams), 0, 0, prepare_transpose,
                                 launch_transpose});
extern const Kernel kSliceReference = with_texts({"slice.reference", sizeof(SliceParams), 0, 0, prepare_slice, launch_slice});
extern const Kernel kExpandReference = with_texts({"expand.reference", 0, 0, 0, prepare_expand, launch_expand});
extern const Kernel kConcatReference = with_texts({"concat.reference", sizeof(ConcatParams), 0, 0, prepare_concat, launch_concat});
extern const Kernel kPadReference = with_texts({"pad.reference", sizeof(PadParams), 0, 0, prepare_pad, launch_pad});
extern const Kernel kIotaReference{"iota.reference", sizeof(IotaParams), 0, 0, prepare_iota, launch_iota};
extern const Kernel kShapeValueReference{"shape_value.reference", sizeof(ShapeValueParams), 0, 0, prepare_shape_value,
                                  launch_shape_value};
extern const Kernel kCopy = with_texts({"copy.linear", 0, 0, 1, prepare_copy, launch_copy});

}  // namespace tenon
