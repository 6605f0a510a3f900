// string_index: the place of each string among sorted keys, their number where it is none of them.
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expect_text(NodeView view, size_t i) {
  if (view.input(i).dtype == DType::string) return {};
  return fail(Code::invalid_model, "string_index: input {} must be of strings, it is {}", i, print(view.input(i)));
}

Result<Inferred> infer(NodeView view) {
  TN_TRY(expect_text(view, 0));
  TN_TRY(expect_text(view, 1));
  if (view.input(1).rank() != 1) return fail(Code::invalid_model, "string_index: keys are {}, not a vector", print(view.input(1)));
  return one_output({DType::i64, view.input(0).shape, kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("string_index.reference"); }

}  // namespace

const OpDef kStringIndex{.name = "string_index", .min_inputs = 2, .max_inputs = 2, .attrs = {}, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_index_ops{&kStringIndex, {}};

}  // namespace tenon
