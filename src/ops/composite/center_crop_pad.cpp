// CenterCropPad: dims cut or filled with zeros on both sides alike.
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// How much goes before a dim that grows by `growth`; negative where it shrinks. Halves round towards zero.
Dim before(const Dim& growth) {
  const Dim two(2);
  if (at_least(growth, 0)) return floordiv(growth, two);
  if (at_least(Dim(0) - growth, 0)) return ceildiv(growth, two);
  return floordiv(max(growth, Dim(0)), two) + ceildiv(min(growth, Dim(0)), two);
}

Status expand_center_crop_pad(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const Shape x = node.type(0).shape;
  TN_ASSIGN(std::vector<Dim> wanted, node.dims(1, "shape"));
  std::vector<int64_t> axes = node.attrs().integers("axes");
  if (!node.attrs().has("axes"))
    for (size_t i = 0; i < x.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (axes.size() != wanted.size())
    return fail(Code::invalid_model, "CenterCropPad: {} dims for {} axes", wanted.size(), axes.size());
  Shape begins(x.size(), Dim(0)), ends = begins;
  for (size_t i = 0; i < axes.size(); ++i) {
    TN_ASSIGN(int64_t axis, node.axis(axes[i], x.size()));
    const auto d = static_cast<size_t>(axis);
    begins[d] = before(wanted[i] - x[d]);
    ends[d] = wanted[i] - x[d] - begins[d];
  }
  TN_ASSIGN(ValueId y, node.add(kPad, {node.input(0)},
                                {{"mode", std::string("constant")}, {"begins", begins}, {"ends", ends}}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"CenterCropPad", 18, expand_center_crop_pad}};

}  // namespace

const OpFile center_crop_pad_ops{nullptr, kRows};

}  // namespace tenon
