// parse_string: the numbers that strings are, in decimal; the run fails at one that is none of the type.
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"dtype", AttrKind::dtype, true}};

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  const auto to = view.attrs().get<DType>("dtype");
  if (x.dtype != DType::string || (to != DType::boolean && !is_integer(to) && (!is_float(to) || is_only_stored(to))))
    return fail(Code::invalid_model, "parse_string makes numbers or bools of strings, not {} of {}", name_of(to), print(x));
  return one_output({to, x.shape, kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("parse_string.reference"); }

}  // namespace

const OpDef kParseString{.name = "parse_string", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile parse_string_ops{&kParseString, {}};

}  // namespace tenon
