// What operators on strings share. StringConcat.
#include "ops/composite/texts.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/ops.h"

namespace tenon {

ValueId text_constant(OnnxNode& node, Shape shape, const std::vector<std::string>& texts) {
  return node.build().constant({DType::string, std::move(shape), kLinear},
                               pack_texts(std::vector<std::string_view>(texts.begin(), texts.end())));
}

Result<std::vector<std::string>> texts_of(const Constant& tensor) {
  const Dim count = element_count(tensor.type.shape);
  if (tensor.type.dtype != DType::string || !count.is_constant())
    return fail(Code::invalid_model, "a tensor of strings is needed, not {}", print(tensor.type));
  TN_ASSIGN(const PackedTexts texts, PackedTexts::read(tensor.bytes.view, count.value()));
  std::vector<std::string> out;
  for (size_t i = 0; i < texts.size(); ++i) out.emplace_back(texts[i]);
  return out;
}

Result<ValueId> index_of(OnnxNode& node, ValueId x, const std::vector<std::string>& keys) {
  std::map<std::string, int64_t> last;
  for (size_t i = 0; i < keys.size(); ++i) last[keys[i]] = static_cast<int64_t>(i);
  std::vector<std::string> sorted;
  std::vector<int64_t> numbers;
  for (const auto& [key, number] : last) {
    sorted.push_back(key);
    numbers.push_back(number);
  }
  numbers.push_back(static_cast<int64_t>(keys.size()));
  const ValueId table = text_constant(node, {Dim(static_cast<int64_t>(sorted.size()))}, sorted);
  TN_ASSIGN(ValueId at, node.add(kStringIndex, {x, table}));
  if (std::is_sorted(numbers.begin(), numbers.end()) && sorted.size() == keys.size()) return at;
  return node.add(kGather, {node.build().constant_integers(numbers), at}, {{"axis", int64_t{0}}});
}

Result<ValueId> texts_at(OnnxNode& node, const std::vector<std::string>& texts, ValueId indices) {
  const ValueId table = text_constant(node, {Dim(static_cast<int64_t>(texts.size()))}, texts);
  return node.add(kGather, {table, indices}, {{"axis", int64_t{0}}});
}

Result<ValueId> where(OnnxNode& node, ValueId condition, ValueId a, ValueId b) {
  if (node.type(a).dtype == DType::string) return node.add(kStringWhere, {condition, a, b});
  return add_formula(node, "where(x0, x1, x2)", {condition, a, b});
}

Result<ValueId> cast_texts(OnnxNode& node, ValueId x, DType type) {
  const DType from = node.type(x).dtype;
  if (from == type) return x;
  // Types that nothing is computed in have the texts of the numbers that they are.
  const DType narrow = from == DType::string ? type : from;
  const bool is_integer = narrow == DType::u4 || narrow == DType::i4 || narrow == DType::u2 || narrow == DType::i2;
  const DType text = !is_only_stored(narrow) ? narrow : is_integer ? DType::i32 : DType::f32;
  if (from == DType::string) {
    TN_ASSIGN(x, node.add(kParseString, {x}, {{"dtype", text}}));
    return cast(node, x, type);
  }
  TN_ASSIGN(x, cast(node, x, text));
  return node.add(kFormatString, {x});
}

namespace {

Status expand_concat(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(ValueId y, node.add(kStringConcat, {node.input(0), node.input(1)}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"StringConcat", 20, expand_concat}};

}  // namespace

extern const OpFile texts_ops = {nullptr, kRows};

}  // namespace tenon
