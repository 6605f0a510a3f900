// Einsum: diagonals, sums, products of two operands at a time, and a last transpose.
#include <algorithm>
#include <map>
#include <set>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// A dim of the equation: a letter, or one of those that an ellipsis stands for, counted from the last (negative).
using Label = int;
using Labels = std::vector<Label>;

struct Equation {
  std::vector<std::string> terms;
  std::optional<std::string> result;
};

Result<Equation> parse_equation(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  Equation out;
  if (size_t arrow = text.find("->"); arrow != text.npos) {
    out.result = text.substr(arrow + 2);
    text.resize(arrow);
  }
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    out.terms.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The labels of a term for a tensor of `rank` dims; without a rank the ellipsis stands for `ellipsis` dims.
Result<Labels> labels_of(const std::string& term, std::optional<size_t> rank, size_t ellipsis) {
  const size_t letters = static_cast<size_t>(std::count_if(term.begin(), term.end(), is_letter));
  const size_t dots = term.find("...");
  const bool sound = letters + (dots == term.npos ? 0 : 3) == term.size() &&
                     (!rank || (dots == term.npos ? letters == *rank : letters <= *rank));
  if (!sound)
    return fail(Code::invalid_model, "the term '{}' of an Einsum equation does not fit {}; a term has a letter for each dim, and "
                                     "'...' once for any others", term,
                rank ? fmt::format("an operand of {} dims", *rank) : std::string("a result"));
  if (rank) ellipsis = dots == term.npos ? 0 : *rank - letters;
  Labels out;
  for (size_t i = 0; i < term.size(); ++i) {
    if (i == dots) {
      for (size_t d = 0; d < ellipsis; ++d) out.push_back(-static_cast<int>(ellipsis - d));
      i += 2;
    } else {
      out.push_back(term[i]);
    }
  }
  return out;
}

// A value whose dims are labelled, each label once.
struct Operand {
  ValueId value;
  Labels labels;
};

bool has(const Labels& labels, Label label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }
int64_t place(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) - labels.begin();
}

// Elements off the diagonal of two dims of one label become zeros, then one of the dims is summed.
Status take_diagonals(OnnxNode& node, Operand& operand) {
  for (size_t second = 1; second < operand.labels.size(); ++second) {
    const int64_t first = place(operand.labels, operand.labels[second]);
    if (first == static_cast<int64_t>(second)) continue;
    const TensorType type = node.type(operand.value);
    if (always_equal(type.shape[static_cast<size_t>(first)], type.shape[second]) == false)
      return fail(Code::invalid_model, "Einsum: one letter stands for dims {} and {} of {}, which differ", first, second, print(type));
    ValueId at[2];
    for (int i = 0; i < 2; ++i) {
      const size_t axis = i == 0 ? static_cast<size_t>(first) : second;
      TN_ASSIGN(at[i], positions(node, type.shape[axis], axis, type.rank()));
    }
    TN_ASSIGN(ValueId masked, add_formula(node, "where(eq(x0, x1), x2, 0)", {at[0], at[1], operand.value}));
    TN_ASSIGN(operand.value, reduce(node, "sum", masked, {static_cast<int64_t>(second)}, false));
    operand.labels.erase(operand.labels.begin() + static_cast<ptrdiff_t>(second));
    --second;
  }
  return {};
}

// Sums the dims whose labels are not in `kept`.
Status sum_others(OnnxNode& node, Operand& operand, const std::set<Label>& kept) {
  std::vector<int64_t> axes;
  Labels left;
  for (size_t i = 0; i < operand.labels.size(); ++i) {
    if (kept.count(operand.labels[i])) left.push_back(operand.labels[i]);
    else axes.push_back(static_cast<int64_t>(i));
  }
  if (axes.empty()) return {};
  TN_ASSIGN(operand.value, reduce(node, "sum", operand.value, axes, false));
  operand.labels = std::move(left);
  return {};
}

// The operand's dims in the order of `order`, all of which it has.
Status arrange(OnnxNode& node, Operand& operand, const Labels& order) {
  std::vector<int64_t> perm;
  for (Label label : order) perm.push_back(place(operand.labels, label));
  TN_ASSIGN(operand.value, transpose(node.build(), operand.value, perm));
  operand.labels = order;
  return {};
}

Shape dims_of(const OnnxNode& node, const Operand& operand, const Labels& labels) {
  Shape out;
  for (Label label : labels) out.push_back(node.type(operand.value).shape[static_cast<size_t>(place(operand.labels, label))]);
  return out;
}

// A dim of 1 that is summed together with a longer one stands for all of it.
Status widen(OnnxNode& node, Operand& narrow, const Operand& wide, const Labels& summed) {
  Shape shape = node.type(narrow.value).shape;
  for (Label label : summed) {
    Dim& dim = shape[static_cast<size_t>(place(narrow.labels, label))];
    const Dim other = dims_of(node, wide, {label})[0];
    if (dim.is(1) && !other.is(1)) dim = other;
  }
  TN_ASSIGN(narrow.value, expand(node.build(), narrow.value, std::move(shape)));
  return {};
}

Shape joined(const Shape& a, const Shape& b) {
  Shape out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

// The product of two operands, summed over the labels that both have and nobody keeps.
Result<Operand> multiply(OnnxNode& node, Operand a, Operand b, const std::set<Label>& kept) {
  std::set<Label> for_a = kept, for_b = kept;
  for_a.insert(b.labels.begin(), b.labels.end());
  for_b.insert(a.labels.begin(), a.labels.end());
  TN_TRY(sum_others(node, a, for_a));
  TN_TRY(sum_others(node, b, for_b));
  Labels batch, summed, only_a, only_b;
  for (Label label : a.labels) (!has(b.labels, label) ? only_a : kept.count(label) ? batch : summed).push_back(label);
  for (Label label : b.labels)
    if (!has(a.labels, label)) only_b.push_back(label);
  TN_TRY(widen(node, a, b, summed));
  TN_TRY(widen(node, b, a, summed));
  auto order = [](const Labels& x, const Labels& y, const Labels& z) {
    Labels out = x;
    out.insert(out.end(), y.begin(), y.end());
    out.insert(out.end(), z.begin(), z.end());
    return out;
  };
  TN_TRY(arrange(node, a, order(batch, only_a, summed)));
  TN_TRY(arrange(node, b, order(batch, summed, only_b)));
  const Shape rows = dims_of(node, a, only_a), columns = dims_of(node, b, only_b);
  const Shape batch_a = dims_of(node, a, batch), batch_b = dims_of(node, b, batch);
  ValueId product;
  Shape batch_out;
  if (summed.empty()) {
    TN_ASSIGN(ValueId left, reshape(node.build(), a.value, joined(joined(batch_a, rows), Shape(columns.size(), Dim(1)))));
    TN_ASSIGN(ValueId right, reshape(node.build(), b.value, joined(joined(batch_b, Shape(rows.size(), Dim(1))), columns)));
    TN_ASSIGN(product, add_formula(node, "mul(x0, x1)", {left, right}));
    return Operand{product, order(batch, only_a, only_b)};
  }
  const Dim inner_a = element_count(dims_of(node, a, summed)), inner_b = element_count(dims_of(node, b, summed));
  TN_ASSIGN(ValueId left, reshape(node.build(), a.value, joined(batch_a, {element_count(rows), inner_a})));
  TN_ASSIGN(ValueId right, reshape(node.build(), b.value, joined(batch_b, {inner_b, element_count(columns)})));
  TN_ASSIGN(product, node.add(kMatmul, {left, right}));
  batch_out = node.type(product).shape;
  batch_out.resize(batch.size());
  TN_ASSIGN(product, reshape(node.build(), product, joined(joined(batch_out, rows), columns)));
  return Operand{product, order(batch, only_a, only_b)};
}

// What the result has when the equation does not say: the ellipsis, then the letters that appear once, sorted.
Labels implicit_result(const std::vector<Operand>& operands, const std::map<Label, int>& uses) {
  Labels out;
  size_t ellipsis = 0;
  for (const Operand& operand : operands)
    ellipsis = std::max(ellipsis, static_cast<size_t>(std::count_if(operand.labels.begin(), operand.labels.end(),
                                                                    [](Label label) { return label < 0; })));
  for (size_t d = 0; d < ellipsis; ++d) out.push_back(-static_cast<int>(ellipsis - d));
  for (const auto& [label, count] : uses)
    if (label > 0 && count == 1) out.push_back(label);
  return out;
}

Status expand_einsum(OnnxNode& node) {
  const std::string text = node.attrs().text("equation");
  TN_ASSIGN(Equation equation, parse_equation(text));
  if (node.input_count() == 0 || equation.terms.size() != node.input_count())
    return fail(Code::invalid_model, "the Einsum equation '{}' has {} terms for {} operands", text, equation.terms.size(),
                node.input_count());
  TN_TRY(expect_inputs(node, node.input_count()));
  std::vector<Operand> operands;
  std::map<Label, int> uses;
  size_t ellipsis = 0;
  for (size_t i = 0; i < node.input_count(); ++i) {
    TN_ASSIGN(Labels labels, labels_of(equation.terms[i], node.rank(i), 0));
    for (Label label : labels) {
      ++uses[label];
      ellipsis = std::max(ellipsis, static_cast<size_t>(std::max(0, -label)));
    }
    operands.push_back({node.input(i), std::move(labels)});
  }
  Labels result = implicit_result(operands, uses);
  if (equation.result) {
    TN_ASSIGN(result, labels_of(*equation.result, std::nullopt, ellipsis));
  }
  for (size_t i = 0; i < result.size(); ++i)
    if (!uses.count(result[i]) || place(result, result[i]) != static_cast<int64_t>(i))
      return fail(Code::invalid_model, "the result of the Einsum equation '{}' has a letter twice, or one that no term has",
                  text);
  for (Operand& operand : operands) TN_TRY(take_diagonals(node, operand));
  Operand so_far = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    std::set<Label> kept(result.begin(), result.end());
    for (size_t later = i + 1; later < operands.size(); ++later)
      kept.insert(operands[later].labels.begin(), operands[later].labels.end());
    TN_ASSIGN(so_far, multiply(node, std::move(so_far), operands[i], kept));
  }
  TN_TRY(sum_others(node, so_far, {result.begin(), result.end()}));
  TN_TRY(arrange(node, so_far, result));
  node.output(0, so_far.value);
  return {};
}

constexpr OnnxRow kRows[] = {{"Einsum", 12, expand_einsum}};

}  // namespace

const OpFile einsum_ops{nullptr, kRows};

}  // namespace tenon
