// The definition of the formats: where each element lies.
#include <cstring>

#include "common/index.h"
#include "reformat/check.h"

namespace tenon {
namespace reformat {

Status check(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (size_of(x.dtype) == 0 || x.dtype != out.dtype)
    return fail(Code::invalid_plan, "reformat: output {} must have the element type of input {}, of fixed size",
                describe(out), describe(x));
  TN_TRY(expect_rank(x, 0, kMaxRank, "reformat input"));
  TN_TRY(expect_shape(out, x.shape(), "reformat output"));
  for (const Arg* arg : {&x, &out})
    if (!is_known(arg->format) || (arg->format != kLinear && arg->rank < 2))
      return fail(Code::invalid_plan, "reformat: {} has no channels for its format", describe(*arg));
  return {};
}

}  // namespace reformat

namespace {

// Position in memory of an element, in elements.
int64_t position(const Arg& arg, const int64_t* index) {
  int64_t at = 0;
  switch (arg.format.layout) {
    case Layout::linear:
      for (int d = 0; d < arg.rank; ++d) at = at * arg.dims[d] + index[d];
      return at;
    case Layout::channels_last:
      at = index[0];
      for (int d = 2; d < arg.rank; ++d) at = at * arg.dims[d] + index[d];
      return at * arg.dims[1] + index[1];
    case Layout::blocked: break;
  }
  const int64_t block = arg.format.block;
  at = index[0] * ((arg.dims[1] + block - 1) / block) + index[1] / block;
  for (int d = 2; d < arg.rank; ++d) at = at * arg.dims[d] + index[d];
  return at * block + index[1] % block;
}

Status prepare(const PrepareCall& call, Prepared&) { return reformat::check(call); }

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (out.format.layout == Layout::blocked) std::memset(out.data, 0, static_cast<size_t>(storage_bytes(out)));
  for_each_index(out.shape(), [&](int64_t, const int64_t* index) {
    copy_element(out.data, position(out, index), x.data, position(x, index), size_of(x.dtype));
  });
  return {};
}

}  // namespace

extern const Kernel kReformatReference{"reformat.reference", 0, 0, 0, prepare, launch};

}  // namespace tenon
