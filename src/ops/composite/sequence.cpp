// Sequences and optionals, whose lengths are known when the plan is built: they are lists of tensors while ONNX nodes are
// expanded, and nothing of them is left behind that.
#include "ops/composite/parts.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

using Items = std::vector<OnnxValue>;

Result<Items> items_of(OnnxNode& node, size_t input) {
  const OnnxValue& value = node.value(input);
  if (value.list) return *value.list;
  return fail(Code::invalid_model, "input {} must be a sequence", input);
}

Result<ValueId> tensor_of(OnnxNode& node, size_t input) {
  if (node.input(input).valid()) return node.input(input);
  return fail(Code::invalid_model, "input {} must be a tensor", input);
}

// A position in a sequence of `size`, from the back where negative; `end`: the place behind the last is one too.
Result<size_t> position(OnnxNode& node, size_t input, size_t size, bool end) {
  TN_ASSIGN(std::vector<int64_t> values, node.integers(input, "position"));
  const auto count = static_cast<int64_t>(size), last = count - (end ? 0 : 1);
  if (values.size() == 1 && values[0] >= -count && values[0] <= last)
    return static_cast<size_t>(values[0] < 0 ? values[0] + count : values[0]);
  return fail(Code::invalid_model, "position {} is outside [{}, {}] of a sequence of {}",
              values.size() == 1 ? std::to_string(values[0]) : "that is no single number", -count, last, count);
}

Status sequence_construct(OnnxNode& node) {
  Items items;
  for (size_t i = 0; i < node.input_count(); ++i) items.push_back(node.value(i));
  node.output(0, OnnxValue::of_list(std::move(items)));
  return {};
}

Status sequence_empty(OnnxNode& node) {
  node.output(0, OnnxValue::of_list({}));
  return {};
}

Status sequence_length(OnnxNode& node) {
  TN_ASSIGN(Items items, items_of(node, 0));
  TN_ASSIGN(ValueId length, dim_value(node, Dim(static_cast<int64_t>(items.size()))));
  node.output(0, length);
  return {};
}

Status sequence_at(OnnxNode& node) {
  TN_ASSIGN(Items items, items_of(node, 0));
  TN_ASSIGN(size_t at, position(node, 1, items.size(), false));
  node.output(0, items[at]);
  return {};
}

Status sequence_insert(OnnxNode& node) {
  TN_ASSIGN(Items items, items_of(node, 0));
  TN_ASSIGN(ValueId tensor, tensor_of(node, 1));
  size_t at = items.size();
  if (node.has(2)) {
    TN_ASSIGN(at, position(node, 2, items.size(), true));
  }
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(at), tensor);
  node.output(0, OnnxValue::of_list(std::move(items)));
  return {};
}

Status sequence_erase(OnnxNode& node) {
  TN_ASSIGN(Items items, items_of(node, 0));
  if (items.empty()) return fail(Code::invalid_model, "nothing can be taken from an empty sequence");
  size_t at = items.size() - 1;
  if (node.has(1)) {
    TN_ASSIGN(at, position(node, 1, items.size(), false));
  }
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  node.output(0, OnnxValue::of_list(std::move(items)));
  return {};
}

Status split_to_sequence(OnnxNode& node) {
  TN_ASSIGN(ValueId x, tensor_of(node, 0));
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
  const Shape whole = node.type(x).shape;
  const Dim size = whole[static_cast<size_t>(axis)];
  if (!size.is_constant()) return fail(Code::unsupported, "the dim that is split, {}, is dynamic; it must be constant", size.text());
  std::vector<int64_t> parts;
  if (node.has(1)) {
    TN_ASSIGN(parts, node.integers(1, "split"));
    if (node.rank(1) == 0) {
      const int64_t step = parts[0];
      if (step < 1) return fail(Code::invalid_model, "split is {}, it must be at least 1", step);
      parts.assign(static_cast<size_t>(size.value() / step), step);
      if (size.value() % step) parts.push_back(size.value() % step);
    }
  } else {
    parts.assign(static_cast<size_t>(size.value()), 1);
  }
  // Without `split`, keepdims decides whether the slices keep their dim of 1.
  const bool squeeze = !node.has(1) && node.attrs().integer("keepdims", 1) == 0;
  Items items;
  int64_t start = 0;
  for (int64_t part : parts) {
    if (part < 0 || part > size.value() - start)
      return fail(Code::invalid_model, "the parts do not make up the dim of {}", size.value());
    TN_ASSIGN(ValueId item, slice(node.build(), x, static_cast<size_t>(axis), Dim(start), Dim(part)));
    if (squeeze) {
      Shape shape = whole;
      shape.erase(shape.begin() + axis);
      TN_ASSIGN(item, reshape(node.build(), item, std::move(shape)));
    }
    items.push_back(item);
    start += part;
  }
  if (start != size.value()) return fail(Code::invalid_model, "the parts make {} of the dim of {}", start, size.value());
  node.output(0, OnnxValue::of_list(std::move(items)));
  return {};
}

Status concat_from_sequence(OnnxNode& node) {
  TN_ASSIGN(Items items, items_of(node, 0));
  if (items.empty()) return fail(Code::invalid_model, "an empty sequence cannot be joined");
  const bool fresh = node.attrs().integer("new_axis") != 0;
  std::vector<ValueId> parts;
  for (const OnnxValue& item : items) {
    if (!item.tensor.valid()) return fail(Code::invalid_model, "the sequence holds what is no tensor");
    parts.push_back(item.tensor);
  }
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis"), node.type(parts[0]).rank() + (fresh ? 1 : 0)));
  if (fresh)
    for (ValueId& part : parts) {
      Shape shape = node.type(part).shape;
      if (static_cast<size_t>(axis) > shape.size()) return fail(Code::invalid_model, "a tensor of the sequence has no axis {}", axis);
      shape.insert(shape.begin() + axis, Dim(1));
      TN_ASSIGN(part, reshape(node.build(), part, std::move(shape)));
    }
  TN_ASSIGN(ValueId joined, concat(node, std::move(parts), axis));
  node.output(0, joined);
  return {};
}

Status sequence_map(OnnxNode& node) {
  TN_ASSIGN(Items items, items_of(node, 0));
  TN_ASSIGN(const Graph* body, node.subgraph("body"));
  std::vector<Items> results(body->outputs.size());
  for (size_t i = 0; i < items.size(); ++i) {
    Items arguments;
    for (size_t input = 0; input < node.input_count(); ++input) {
      const OnnxValue& value = node.value(input);
      if (value.list && value.list->size() != items.size())
        return fail(Code::invalid_model, "input {} is a sequence of {}, the first of {}", input, value.list->size(), items.size());
      arguments.push_back(value.list ? (*value.list)[i] : value);
    }
    TN_ASSIGN(Items made, node.expand_subgraph("body", std::move(arguments), std::to_string(i)));
    for (size_t output = 0; output < results.size(); ++output) results[output].push_back(made[output]);
  }
  for (size_t output = 0; output < results.size(); ++output) node.output(output, OnnxValue::of_list(std::move(results[output])));
  return {};
}

// An optional is its element, or none.
Status optional(OnnxNode& node) {
  node.output(0, node.has(0) ? node.value(0) : OnnxValue::none());
  return {};
}

Status optional_has_element(OnnxNode& node) {
  const bool there = node.has(0) && !node.value(0).is_none;
  node.output(0, node.build().scalar(DType::boolean, there));
  return {};
}

Status optional_get_element(OnnxNode& node) {
  if (!node.has(0) || node.value(0).is_none) return fail(Code::invalid_model, "the optional has no element");
  node.output(0, node.value(0));
  return {};
}

constexpr OnnxRow kRows[] = {{"SequenceConstruct", 11, sequence_construct, "", true},
                             {"SequenceEmpty", 11, sequence_empty, "", true},
                             {"SequenceLength", 11, sequence_length, "", true},
                             {"SequenceAt", 11, sequence_at, "", true},
                             {"SequenceInsert", 11, sequence_insert, "", true},
                             {"SequenceErase", 11, sequence_erase, "", true},
                             {"SplitToSequence", 11, split_to_sequence, "", true},
                             {"ConcatFromSequence", 11, concat_from_sequence, "", true},
                             {"SequenceMap", 17, sequence_map, "", true},
                             {"Optional", 15, optional, "", true},
                             {"OptionalHasElement", 15, optional_has_element, "", true},
                             {"OptionalGetElement", 15, optional_get_element, "", true}};

}  // namespace

const OpFile sequence_ops{nullptr, kRows};

}  // namespace tenon
