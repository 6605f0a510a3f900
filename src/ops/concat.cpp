// concat: tensors one after another along an axis.
#include "move/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrKind::integer, true}};

Result<Inferred> infer(NodeView view) {
  TensorType out = view.input(0);
  const int64_t axis = view.attrs().integer("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(out.rank()))
    return fail(Code::invalid_model, "concat: axis {} of {}", axis, print(out));
  const auto along = static_cast<size_t>(axis);
  Content content = content_of(view, 0);
  for (size_t i = 1; i < view.input_count(); ++i) {
    const TensorType& x = view.input(i);
    if (x.dtype != out.dtype || x.rank() != out.rank())
      return fail(Code::invalid_model, "concat: input {} is {}, input 0 is {}", i, print(x), print(view.input(0)));
    for (size_t d = 0; d < out.rank(); ++d) {
      if (d == along) {
        out.shape[d] = out.shape[d] + x.shape[d];
        continue;
      }
      auto same = same_dim(out.shape[d], x.shape[d]);
      if (!same)
        return fail(Code::invalid_model, "concat along {}: dim {} of input {} ({}) differs from input 0 ({})", axis, d, i,
                    print(x), print(view.input(0)));
      out.shape[d] = *same;
    }
    Content more = content_of(view, i);
    if (!content || !more || content->size() + more->size() > kMaxContent) content.reset();
    else content->insert(content->end(), more->begin(), more->end());
  }
  return one_output(std::move(out), std::move(content));
}

Result<KernelCall> reference(NodeView view) {
  ConcatParams params{view.attrs().integer("axis")};
  return KernelCall::with("concat.reference", params);
}

// Inputs that are empty along the axis go; a single input is the result; a concat of a concat along the same axis is
// one.
Result<bool> flatten(NodeView view, Patch& patch) {
  const int64_t axis = view.attrs().integer("axis");
  const auto along = static_cast<size_t>(axis);
  std::vector<ValueId> parts;
  bool changed = false;
  for (ValueId input : view.node().inputs) {
    const Node* inner = view.graph().producer(input);
    if (inner && inner->op == &kConcat && inner->attrs.integer("axis") == axis &&
        view.graph().users(input).size() == 1 && !view.graph().is_output(input)) {
      parts.insert(parts.end(), inner->inputs.begin(), inner->inputs.end());
      changed = true;
    } else if (view.graph().value(input).type.shape[along].is(0) && view.input_count() > 1) {
      changed = true;
    } else {
      parts.push_back(input);
    }
  }
  if (parts.empty()) parts.push_back(view.node().inputs[0]);
  if (parts.size() == 1) {
    patch.replace(view.node().outputs[0], parts[0]);
    return true;
  }
  if (!changed) return false;
  TN_ASSIGN(ValueId out, patch.add(kConcat, std::move(parts), {{"axis", axis}}));
  patch.replace(view.node().outputs[0], out);
  return true;
}

constexpr Rule kRules[] = {{"flatten_concat", flatten}};

Status onnx_concat(OnnxNode& node) {
  const int64_t fallback = node.version() < 4 ? 1 : 0;
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", fallback), node.rank(0)));
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.input_count(); ++i) inputs.push_back(node.input(i));
  if (inputs.size() == 1) {
    node.output(0, inputs[0]);
    return {};
  }
  TN_ASSIGN(ValueId out, node.add(kConcat, std::move(inputs), {{"axis", axis}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"Concat", 1, onnx_concat}};

}  // namespace

const OpDef kConcat{.name = "concat", .min_inputs = 1, .max_inputs = -1, .attrs = kAttrs, .infer = infer,
                    .reference = reference, .rules = kRules, .takes_texts = true};
const OpFile concat_ops{&kConcat, kRows};

}  // namespace tenon
