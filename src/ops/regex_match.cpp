// regex_match: whether a regular expression (base/regex.h), a constant, matches all of each string. ONNX: RegexFullMatch.
#include "base/regex.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expect_text(NodeView view, size_t i) {
  if (view.input(i).dtype == DType::string) return {};
  return fail(Code::invalid_model, "regex_match: input {} must be of strings, it is {}", i, print(view.input(i)));
}

Result<Inferred> infer(NodeView view) {
  TN_TRY(expect_text(view, 0));
  TN_TRY(expect_text(view, 1));
  return one_output({DType::boolean, view.input(0).shape, kLinear});
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("regex_match.reference"); }

Status expand_full_match(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const std::string pattern = node.attrs().text("pattern");
  TN_TRY(Regex::compile(pattern));
  TN_ASSIGN(ValueId y, node.add(kRegexMatch, {node.input(0), text_constant(node, {}, {pattern})}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"RegexFullMatch", 20, expand_full_match}};


}  // namespace

const OpDef kRegexMatch{.name = "regex_match", .min_inputs = 2, .max_inputs = 2, .attrs = {}, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile regex_match_ops{&kRegexMatch, kRows};

}  // namespace tenon
