// read_sizes: dims that a tensor's elements say when the network runs.
#include "found/params.h"
#include "ir/found.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kFound, AttrKind::shape, true}, {kMost, AttrKind::shape, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  if (x.rank() != 1 || !x.shape[0].is_constant() || x.shape[0].value() > kMostSizes || (x.dtype != DType::i64 && x.dtype != DType::i32))
    return fail(Code::invalid_model, "read_sizes takes up to {} integers, not {}", kMostSizes, print(x));
  TN_TRY(check_found_attrs(view, static_cast<size_t>(x.shape[0].value())));
  return one_output({DType::i64, x.shape, kLinear});
}

Result<KernelCall> reference(NodeView view) {
  KernelCall call = KernelCall::with("read_sizes.reference", ReadSizesParams{});
  set_dims(call, offsetof(ReadSizesParams, most), view.attrs().shape(kMost));
  return call;
}

}  // namespace

const OpDef kReadSizes{.name = "read_sizes", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer, .reference = reference};
const OpFile read_sizes_ops{&kReadSizes, {}};

}  // namespace tenon
