// TensorScatter: an update written into a cache along one axis, from a place of its own for each element of the batch.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Status expand_tensor_scatter(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const TensorType cache = node.type(0), update = node.type(1);
  const std::string mode = node.attrs().text("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return fail(Code::invalid_model, "attribute mode of TensorScatter must be linear or circular, it is '{}'", mode);
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -2), cache.rank()));
  const auto along_axis = static_cast<size_t>(axis);
  bool fits = axis > 0 && update.rank() == cache.rank() && update.dtype == cache.dtype;
  for (size_t d = 0; fits && d < cache.rank(); ++d)
    fits = d == along_axis ? !at_least(update.shape[d] - cache.shape[d], 1)
                           : always_equal(update.shape[d], cache.shape[d]) != false;
  if (!fits)
    return fail(Code::invalid_model, "TensorScatter: the update {} does not fit the cache {} along axis {}, which must not be "
                                     "the first", print(update), print(cache), axis);
  TN_ASSIGN(ValueId at, positions(node, update.shape[along_axis], along_axis, cache.rank()));
  if (node.has(2)) {
    if (node.rank(2) != 1) return fail(Code::invalid_model, "write_indices must be [batch], they are {}", print(node.type(2)));
    TN_ASSIGN(ValueId begin, along(node, node.input(2), 0, cache.rank()));
    TN_ASSIGN(begin, cast(node, begin, DType::i64));
    TN_ASSIGN(at, add_formula(node, "add(x0, x1)", {at, begin}));
  }
  if (mode == "circular") {
    TN_ASSIGN(ValueId size, dim_value(node, cache.shape[along_axis]));
    TN_ASSIGN(at, add_formula(node, "mod(x0, x1)", {at, size}));
  }
  TN_ASSIGN(at, expand(node.build(), at, update.shape));
  TN_ASSIGN(ValueId y, node.add(kScatterElements, {node.input(0), at, node.input(1)},
                                {{"axis", axis}, {"reduction", std::string("none")}}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"TensorScatter", 24, expand_tensor_scatter}};

}  // namespace

const OpFile tensor_scatter_ops{nullptr, kRows};

}  // namespace tenon
