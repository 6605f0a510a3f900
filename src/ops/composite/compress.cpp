// Compress: the elements where a condition holds.
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expand_compress(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  ValueId x = node.input(0);
  int64_t axis = 0;
  if (node.attrs().has("axis")) {
    TN_ASSIGN(axis, node.axis(node.attrs().integer("axis"), node.rank(0)));
  } else {
    TN_ASSIGN(x, reshape(node.build(), x, {element_count(node.type(0).shape)}));
  }
  if (node.rank(1) == 1 && !node.is_constant(1) && !content_of(node.graph(), node.input(1))) {
    // As many as the run finds.
    TN_ASSIGN(ValueId positions, nonzero_positions(node, node.input(1)));
    TN_ASSIGN(positions, reshape(node.build(), positions, {node.type(positions).shape[0]}));
    TN_ASSIGN(ValueId y, node.add(kGather, {x, positions}, {{"axis", axis}}));
    node.output(0, y);
    return {};
  }
  if (node.rank(1) != 1) return fail(Code::invalid_model, "condition must be a vector, it is {}", print(node.type(1)));
  TN_ASSIGN(std::vector<int64_t> condition, node.integers(1, "condition"));
  std::vector<int64_t> kept;
  for (size_t i = 0; i < condition.size(); ++i)
    if (condition[i]) kept.push_back(static_cast<int64_t>(i));
  const Dim& size = node.type(x).shape[static_cast<size_t>(axis)];
  if (!kept.empty() && at_least(Dim(kept.back()) - size, 0))
    return fail(Code::invalid_model, "condition holds at {}, beyond the {} elements along axis {} of {}", kept.back(),
                size.text(), axis, print(node.type(x)));
  TN_ASSIGN(ValueId y, node.add(kGather, {x, node.build().constant_integers(kept)}, {{"axis", axis}}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"Compress", 9, expand_compress}};

}  // namespace

const OpFile compress_ops{nullptr, kRows};

}  // namespace tenon
