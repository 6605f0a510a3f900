// DepthToSpace and SpaceToDepth: a transpose between two reshapes.
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

Result<int64_t> block_of(OnnxNode& node) {
  const int64_t block = node.attrs().integer("blocksize");
  if (node.rank(0) != 4)
    return fail(Code::invalid_model, "the input is {}, it must have 4 dims [N,C,H,W]", print(node.type(0)));
  if (block < 1 || block > 1 << 20) return fail(Code::invalid_model, "blocksize is {}", block);
  return block;
}

Status expect_divides(const Dim& dim, int64_t by, std::string_view what) {
  if (!dim.is_constant() || dim.value() % by == 0) return {};
  return fail(Code::invalid_model, "{} {} do not divide by {}", dim.value(), what, by);
}

Status move(OnnxNode& node, Shape split, std::vector<int64_t> perm, Shape out) {
  TN_ASSIGN(ValueId value, reshape(node.build(), node.input(0), std::move(split)));
  TN_ASSIGN(value, transpose(node.build(), value, std::move(perm)));
  TN_ASSIGN(value, reshape(node.build(), value, std::move(out)));
  node.output(0, value);
  return {};
}

Status onnx_depth_to_space(OnnxNode& node) {
  TN_ASSIGN(int64_t block, block_of(node));
  const Shape x = node.type(0).shape;
  const Dim b(block);
  TN_TRY(expect_divides(x[1], block * block, "channels"));
  const Dim c = floordiv(x[1], b * b);
  const Shape out{x[0], c, x[2] * b, x[3] * b};
  std::string mode = node.attrs().text("mode", "DCR");
  if (mode == "DCR") return move(node, {x[0], b, b, c, x[2], x[3]}, {0, 3, 4, 1, 5, 2}, out);
  if (mode == "CRD") return move(node, {x[0], c, b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, out);
  return fail(Code::invalid_model, "DepthToSpace: mode '{}' is neither DCR nor CRD", mode);
}

Status onnx_space_to_depth(OnnxNode& node) {
  TN_ASSIGN(int64_t block, block_of(node));
  const Shape x = node.type(0).shape;
  const Dim b(block);
  TN_TRY(expect_divides(x[2], block, "rows"));
  TN_TRY(expect_divides(x[3], block, "columns"));
  const Dim h = floordiv(x[2], b), w = floordiv(x[3], b);
  return move(node, {x[0], x[1], h, b, w, b}, {0, 3, 5, 1, 2, 4}, {x[0], x[1] * b * b, h, w});
}

constexpr OnnxRow kRows[] = {{"DepthToSpace", 1, onnx_depth_to_space}, {"SpaceToDepth", 1, onnx_space_to_depth}};

}  // namespace

const OpFile depth_to_space_ops{nullptr, kRows};

}  // namespace tenon
