// The definition of string_normalize: elements that are none of some words, in upper or lower case.
#include "base/letter_case.h"
#include "text/operands.h"
#include "text/params.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 2));
  const auto& params = call.as<StringNormalizeParams>();
  if (params.letter_case < 0 || params.letter_case > 2 || params.case_sensitive < 0 || params.case_sensitive > 1)
    return fail(Code::invalid_plan, "string_normalize: case {}, sensitive {}", params.letter_case, params.case_sensitive);
  for (const Arg& in : call.inputs) {
    TN_TRY(expect_type(in, DType::string, "string_normalize input"));
    TN_TRY(expect_rank(in, 1, 1, "string_normalize input"));
  }
  const int64_t room[] = {std::max<int64_t>(call.inputs[0].dims[0], 1)}, one[] = {1};
  TN_TRY(expect_type(call.outputs[0], DType::string, "string_normalize output"));
  TN_TRY(expect_type(call.outputs[1], DType::i64, "string_normalize sizes"));
  TN_TRY(text::expect_linear(call, "string_normalize operand"));
  TN_TRY(expect_shape(call.outputs[0], room, "string_normalize output"));
  return expect_shape(call.outputs[1], one, "string_normalize sizes");
}

Status run(const LaunchCall& call) {
  const auto& params = call.as<StringNormalizeParams>();
  const std::span<const Text> x = text::texts_of(call.inputs[0]), words = text::texts_of(call.inputs[1]);
  Text* out = call.outputs[0].as<Text>();
  int64_t count = 0;
  std::string compared, changed;
  for (const Text& element : x) {
    std::string_view text = element.view();
    if (!params.case_sensitive) {
      compared.clear();
      append_in_case(text, LetterCase::lower, compared);
      text = compared;
    }
    const auto at = std::lower_bound(words.begin(), words.end(), text, [](const Text& word, std::string_view t) { return word.view() < t; });
    if (at != words.end() && at->view() == text) continue;
    if (params.letter_case == 0) {
      out[count++] = element;
      continue;
    }
    changed.clear();
    append_in_case(element.view(), static_cast<LetterCase>(params.letter_case), changed);
    TN_ASSIGN(out[count++], call.texts->copy(changed));
  }
  std::fill(out + count, out + call.outputs[0].dims[0], Text{});
  *call.outputs[1].as<int64_t>() = std::max<int64_t>(count, 1);  // of none, one empty string is left
  return {};
}

Status launch(const LaunchCall& call) {
  return text::with_memory([&] { return run(call); });
}

}  // namespace

extern const Kernel kStringNormalizeReference =
    with_texts({"string_normalize.reference", sizeof(StringNormalizeParams), 0, 0, prepare, launch});

}  // namespace tenon
