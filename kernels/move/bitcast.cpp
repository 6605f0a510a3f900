// The definition of bitcast: the same bytes as elements of another type.
#include <cstring>

#include "base/narrow.h"
#include "common/kernel.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (size_of(x.dtype) == 0 || size_of(x.dtype) != size_of(out.dtype) || narrow_bits(x.dtype) != narrow_bits(out.dtype) ||
      (out.dtype == DType::boolean && x.dtype != DType::boolean))
    return fail(Code::invalid_plan, "bitcast: {} to {}", describe(x), describe(out));
  TN_TRY(expect_rank(x, 0, kMaxRank, "bitcast input"));
  TN_TRY(expect_format(x, kLinear, "bitcast input"));
  TN_TRY(expect_format(out, kLinear, "bitcast output"));
  return expect_shape(out, x.shape(), "bitcast output");
}

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (x.count() > 0) std::memcpy(out.data, x.data, static_cast<size_t>(storage_bytes(x)));
  return {};
}

}  // namespace

extern const Kernel kBitcastReference{"bitcast.reference", 0, 0, 0, prepare, launch};

}  // namespace tenon
