// The definition of read_sizes: elements of an integer tensor that become dims.
#include "common/kernel.h"
#include "found/params.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (x.dtype != DType::i32 && x.dtype != DType::i64) return fail(Code::invalid_plan, "read_sizes: sizes are i32 or i64, not {}", describe(x));
  TN_TRY(expect_type(out, DType::i64, "read_sizes output"));
  TN_TRY(expect_format(x, kLinear, "read_sizes input"));
  TN_TRY(expect_format(out, kLinear, "read_sizes output"));
  const int64_t count[] = {x.count()};
  if (count[0] > kMostSizes) return fail(Code::invalid_plan, "read_sizes: {} has more than {} elements", describe(x), kMostSizes);
  return expect_shape(out, count, "read_sizes output");
}

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<ReadSizesParams>();
  for (int64_t i = 0; i < out.dims[0]; ++i) {
    const int64_t size = x.dtype == DType::i64 ? x.as<const int64_t>()[i] : x.as<const int32_t>()[i];
    if (size < 0 || size > params.most[i])
      return fail(Code::invalid_argument, "element {} of a tensor that says sizes is {}, it must be from 0 to {}", i, size, params.most[i]);
    out.as<int64_t>()[i] = size;
  }
  return {};
}

}  // namespace

extern const Kernel kReadSizesReference{"read_sizes.reference", sizeof(ReadSizesParams), 0, 0, prepare, launch};

}  // namespace tenon
