// RotaryEmbedding: pairs of a head's elements turned by an angle of their position.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// X as [batch, length, heads, size].
Result<ValueId> split_heads(OnnxNode& node) {
  const TensorType x = node.type(0);
  if (x.rank() == 4) return transpose(node.build(), node.input(0), {0, 2, 1, 3});
  const int64_t heads = node.attrs().integer("num_heads");
  if (x.rank() != 3 || heads < 1 || (x.shape[2].is_constant() && x.shape[2].value() % heads != 0))
    return fail(Code::invalid_model,
                "X of RotaryEmbedding is {}; it must have 4 dims, or 3 of which the attribute num_heads ({}) divides the last",
                print(x), heads);
  return reshape(node.build(), node.input(0), {x.shape[0], x.shape[1], Dim(heads), quotient({x.shape[2]}, {Dim(heads)})});
}

// A cache's rows of the tokens: [batch, length, 1, half].
Result<ValueId> rows_of(OnnxNode& node, size_t i, const Dim& half) {
  ValueId cache = node.input(i);
  if (node.has(3)) {
    if (node.rank(i) != 2 || node.rank(3) != 2)
      return fail(Code::invalid_model, "RotaryEmbedding with position_ids [batch, length] takes caches of 2 dims; they are {} "
                                       "and {}", print(node.type(3)), print(node.type(i)));
    TN_ASSIGN(cache, node.add(kGather, {cache, node.input(3)}, {{"axis", int64_t{0}}}));
  }
  Shape shape = node.type(cache).shape;
  if (shape.size() != 3 || always_equal(shape[2], half) == false)
    return fail(Code::invalid_model, "input {} of RotaryEmbedding is {}; its rows must have {} numbers, half of what is turned",
                i, print(node.type(i)), half.text());
  shape.insert(shape.begin() + 2, Dim(1));
  return reshape(node.build(), cache, std::move(shape));
}

Status expand_rotary(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  TN_ASSIGN(ValueId x, split_heads(node));
  const Shape shape = node.type(x).shape;
  const int64_t turned = node.attrs().integer("rotary_embedding_dim");
  const Dim size = turned > 0 ? Dim(turned) : shape[3], half = floordiv(size, Dim(2));
  if (turned < 0 || always_equal(half + half, size) == false || at_least(size - shape[3], 1))
    return fail(Code::invalid_model, "RotaryEmbedding turns {} of {} elements; it must be an even number of them", size.text(),
                shape[3].text());
  TN_ASSIGN(ValueId cosine, rows_of(node, 1, half));
  TN_ASSIGN(ValueId sine, rows_of(node, 2, half));
  TN_ASSIGN(ValueId head, slice(node.build(), x, 3, Dim(0), size));
  const bool interleaved = node.attrs().integer("interleaved") != 0;
  const int64_t axis = interleaved ? 4 : 3;
  if (interleaved) {
    TN_ASSIGN(head, reshape(node.build(), head, {shape[0], shape[1], shape[2], half, Dim(2)}));
  }
  ValueId part[2];
  for (int64_t i = 0; i < 2; ++i) {
    TN_ASSIGN(part[i], slice(node.build(), head, static_cast<size_t>(axis), interleaved ? Dim(i) : Dim(i) * half,
                             interleaved ? Dim(1) : half));
    TN_ASSIGN(part[i], reshape(node.build(), part[i], {shape[0], shape[1], shape[2], half}));
  }
  const std::vector<ValueId> operands = {part[0], part[1], cosine, sine};
  TN_ASSIGN(ValueId real, add_formula(node, "sub(mul(x2, x0), mul(x3, x1))", operands));
  TN_ASSIGN(ValueId imaginary, add_formula(node, "add(mul(x3, x0), mul(x2, x1))", operands));
  if (interleaved) {
    TN_ASSIGN(real, reshape(node.build(), real, {shape[0], shape[1], shape[2], half, Dim(1)}));
    TN_ASSIGN(imaginary, reshape(node.build(), imaginary, {shape[0], shape[1], shape[2], half, Dim(1)}));
  }
  TN_ASSIGN(ValueId y, concat(node, {real, imaginary}, axis));
  TN_ASSIGN(y, reshape(node.build(), y, {shape[0], shape[1], shape[2], size}));
  if (!(size == shape[3])) {
    TN_ASSIGN(ValueId rest, slice(node.build(), x, 3, size, shape[3] - size));
    TN_ASSIGN(y, concat(node, {y, rest}, 3));
  }
  if (node.rank(0) == 4) {
    TN_ASSIGN(y, transpose(node.build(), y, {0, 2, 1, 3}));
  } else {
    TN_ASSIGN(y, reshape(node.build(), y, node.type(0).shape));
  }
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"RotaryEmbedding", 23, expand_rotary}};

}  // namespace

const OpFile rotary_embedding_ops{nullptr, kRows};

}  // namespace tenon
