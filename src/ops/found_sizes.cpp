#include "ops/found_sizes.h"

#include "ir/found.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {

Result<FoundSizes> find_sizes(OnnxNode& node, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, size_t outputs, Shape most) {
  FoundSizes out;
  // The graph's nodes are never numbered anew, so that the name is new.
  for (size_t i = 0; i < most.size(); ++i)
    out.sizes.push_back(Dim::symbol(fmt::format("{}{}{}{}", kFoundPrefix, node.graph().found_scope, node.graph().node_count(), i ? fmt::format("_{}", i) : "")));
  attrs.set(std::string(kFound), out.sizes);
  attrs.set(std::string(kMost), std::move(most));
  TN_ASSIGN(out.outputs, node.build().add_many(op, std::move(inputs), std::move(attrs), outputs + 1));
  out.outputs.pop_back();
  return out;
}

Result<ValueId> nonzero_positions(OnnxNode& node, ValueId x) {
  const Dim count = element_count(node.type(x).shape);
  TN_ASSIGN(FoundSizes found, find_sizes(node, kNonzero, {x}, {}, 1, {count}));
  return slice(node.build(), found.outputs[0], 0, Dim(0), found.sizes[0]);
}

Result<Dim> size_in(OnnxNode& node, ValueId x, const Dim& most) {
  TN_ASSIGN(ValueId vector, reshape(node.build(), x, {Dim(1)}));
  TN_ASSIGN(FoundSizes found, find_sizes(node, kReadSizes, {vector}, {}, 0, {most}));
  return found.sizes[0];
}

Status check_found_attrs(NodeView view, size_t count) {
  const Shape found = view.attrs().shape(kFound), most = view.attrs().shape(kMost);
  bool symbols = found.size() == count && most.size() == count;
  for (const Dim& size : found) symbols = symbols && size.symbol_name().starts_with(kFoundPrefix);
  if (symbols) return {};
  return fail(Code::invalid_model, "{} finds {} sizes: its attributes found and most must say as many symbols and dims", view.node().op->name,
              count);
}

}  // namespace tenon
