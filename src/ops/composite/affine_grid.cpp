// AffineGrid: where an affine map brings the points of an even grid from -1 to 1.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// The coordinates along the axis of `grid`, for each of its points, [grid…, 1]. One point alone is in the middle.
Result<ValueId> coordinate(OnnxNode& node, const Shape& grid, size_t axis, DType type) {
  TN_ASSIGN(ValueId at, positions(node, grid[axis], axis, grid.size() + 1));
  TN_ASSIGN(ValueId count, dim_value(node, grid[axis]));
  const std::string_view text = node.attrs().integer("align_corners")
                                    ? "div(cast(add(sub(mul(x0, 2), x1), 1)):f32, cast(max(sub(x1, 1), 1)):f32)"
                                    : "div(cast(add(sub(mul(x0, 2), x1), 1)):f32, cast(x1):f32)";
  TN_ASSIGN(ValueId value, add_formula(node, text, {at, count}));
  TN_ASSIGN(value, cast(node, value, type));
  Shape shape = grid;
  shape.push_back(Dim(1));
  return expand(node.build(), value, std::move(shape));
}

Status expand_affine_grid(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const TensorType theta = node.type(0);
  TN_ASSIGN(std::vector<Dim> size, node.dims(1, "size"));
  const size_t spatial = size.size() < 2 ? 0 : size.size() - 2;
  const Dim rows(static_cast<int64_t>(spatial)), columns(static_cast<int64_t>(spatial) + 1);
  if ((spatial != 2 && spatial != 3) || !is_float(theta.dtype) || theta.rank() != 3 ||
      always_equal(theta.shape[0], size[0]) == false || always_equal(theta.shape[1], rows) == false ||
      always_equal(theta.shape[2], columns) == false)
    return fail(Code::invalid_model, "AffineGrid: theta is {} for the size {}; they must be [N,2,3] for [N,C,H,W], or "
                                     "[N,3,4] for [N,C,D,H,W]", print(theta), print(size));
  const Shape grid(size.begin() + 2, size.end());
  std::vector<ValueId> columns_of;
  for (size_t i = spatial; i-- > 0;) {
    TN_ASSIGN(ValueId column, coordinate(node, grid, i, theta.dtype));
    columns_of.push_back(column);
  }
  Shape column_shape = grid;
  column_shape.push_back(Dim(1));
  TN_ASSIGN(ValueId ones, expand(node.build(), node.build().scalar(theta.dtype, 1), column_shape));
  columns_of.push_back(ones);
  TN_ASSIGN(ValueId points, concat(node, std::move(columns_of), static_cast<int64_t>(spatial)));
  TN_ASSIGN(points, reshape(node.build(), points, {element_count(grid), columns}));
  TN_ASSIGN(ValueId map, transpose(node.build(), node.input(0), {0, 2, 1}));
  TN_ASSIGN(ValueId y, node.add(kMatmul, {points, map}));
  Shape out = grid;
  out.insert(out.begin(), theta.shape[0]);
  out.push_back(rows);
  TN_ASSIGN(y, reshape(node.build(), y, std::move(out)));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"AffineGrid", 20, expand_affine_grid}};

}  // namespace

const OpFile affine_grid_ops{nullptr, kRows};

}  // namespace tenon
