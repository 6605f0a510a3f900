// string_normalize: the elements that are none of some words, in upper or lower case, as many as the run finds. ONNX:
// StringNormalizer.
#include <algorithm>
#include <set>

#include "base/letter_case.h"
#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/content.h"
#include "ops/found_sizes.h"
#include "text/params.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kFound, AttrKind::shape, true}, {kMost, AttrKind::shape, true},
                               {"letter_case", AttrKind::integer}, {"case_sensitive", AttrKind::integer}};

Result<Inferred> infer(NodeView view) {
  TN_TRY(check_found_attrs(view, 1));
  for (size_t i = 0; i < 2; ++i)
    if (view.input(i).dtype != DType::string || view.input(i).rank() != 1)
      return fail(Code::invalid_model, "string_normalize takes vectors of strings, not {}", print(view.input(i)));
  Inferred out = one_output({DType::string, {max(view.input(0).shape[0], Dim(1))}, kLinear});
  out.outputs.push_back({DType::i64, {Dim(1)}, kLinear});
  return out;
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("string_normalize.reference",
                          StringNormalizeParams{view.attrs().integer("letter_case"), view.attrs().integer("case_sensitive")});
}

// The locale, which only says how letters change their case, is not looked at.
Status expand_normalizer(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const TensorType x = node.type(0);
  if (x.dtype != DType::string || (x.rank() != 1 && (x.rank() != 2 || always_equal(x.shape[0], Dim(1)) == false)))
    return fail(Code::invalid_model, "StringNormalizer takes strings [C] or [1, C], not {}", print(x));
  constexpr std::string_view kCases[] = {"NONE", "LOWER", "UPPER"};
  const std::string action = node.attrs().text("case_change_action", "NONE");
  const auto letter_case = std::find(std::begin(kCases), std::end(kCases), action) - std::begin(kCases);
  if (letter_case == std::ssize(kCases))
    return fail(Code::invalid_model, "attribute case_change_action must be NONE, LOWER or UPPER, it is '{}'", action);
  const bool sensitive = node.attrs().integer("is_case_sensitive") != 0;
  std::set<std::string> words;
  for (const std::string& word : node.attrs().get<std::vector<std::string>>("stopwords")) {
    std::string compared;
    append_in_case(word, sensitive ? LetterCase::as_it_is : LetterCase::lower, compared);
    words.insert(std::move(compared));
  }
  const ValueId stop = text_constant(node, {Dim(static_cast<int64_t>(words.size()))}, {words.begin(), words.end()});
  const Dim count = x.shape.back();
  TN_ASSIGN(ValueId flat, reshape(node.build(), node.input(0), {count}));
  TN_ASSIGN(FoundSizes found, find_sizes(node, kStringNormalize, {flat, stop},
                                         {{"letter_case", int64_t{letter_case}}, {"case_sensitive", int64_t{sensitive}}}, 1,
                                         {max(count, Dim(1))}));
  TN_ASSIGN(ValueId y, slice(node.build(), found.outputs[0], 0, Dim(0), found.sizes[0]));
  if (x.rank() == 2) {
    TN_ASSIGN(y, reshape(node.build(), y, {Dim(1), found.sizes[0]}));
  }
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"StringNormalizer", 10, expand_normalizer}};


}  // namespace

const OpDef kStringNormalize{.name = "string_normalize", .min_inputs = 2, .max_inputs = 2, .min_outputs = 2, .max_outputs = 2, .attrs = kAttrs, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_normalize_ops{&kStringNormalize, kRows};

}  // namespace tenon
