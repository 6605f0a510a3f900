// Normalisations of transformers as ONNX Runtime fuses them: of a sum with what skips a block, of embeddings,
// and by the root of the mean square. In 16 bits they are computed in f32.
#include <numeric>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// f64 stays f64; other floats are computed in f32.
DType wide_type(DType type) { return type == DType::f64 ? DType::f64 : DType::f32; }

struct Normalised {
  ValueId y, inverse;  // y in the type of x; 1 / sqrt(mean square + epsilon)
};

// Over the dims from `axis` on, times `scale`.
Result<Normalised> by_root_mean_square(OnnxNode& node, ValueId x, ValueId scale, int64_t axis,
                                       double epsilon) {
  const DType type = node.type(x).dtype, wide = wide_type(type);
  std::vector<int64_t> axes(node.type(x).rank() - static_cast<size_t>(axis));
  std::iota(axes.begin(), axes.end(), axis);
  TN_ASSIGN(x, cast(node, x, wide));
  TN_ASSIGN(ValueId square, add_formula(node, "mul(x0, x0)", {x}));
  TN_ASSIGN(ValueId mean, reduce(node, "mean", square, std::move(axes)));
  Normalised out;
  TN_ASSIGN(out.inverse, add_formula(node, fmt::format("reciprocal(sqrt(add(x0, {})))", epsilon), {mean}));
  TN_ASSIGN(scale, cast(node, scale, wide));
  TN_ASSIGN(out.y, add_formula(node, "mul(mul(x0, x1), x2)", {x, out.inverse, scale}));
  TN_ASSIGN(out.y, cast(node, out.y, type));
  return out;
}

// Over the last dim.
Result<ValueId> layer_norm(OnnxNode& node, ValueId x, ValueId scale, ValueId bias, double epsilon) {
  const DType type = node.type(x).dtype, wide = wide_type(type);
  TN_ASSIGN(x, cast(node, x, wide));
  TN_ASSIGN(scale, cast(node, scale, wide));
  if (bias.valid()) {
    TN_ASSIGN(bias, cast(node, bias, wide));
  }
  const int64_t last = static_cast<int64_t>(node.type(x).rank()) - 1;
  TN_ASSIGN(ValueId y, node.add(kLayerNorm, {x, scale, bias}, {{"axis", last}, {"epsilon", epsilon}}));
  return cast(node, y, type);
}

// A vector of the last dim of input 0.
Status expect_vector(OnnxNode& node, size_t i) {
  if (!node.has(i)) return {};
  if (node.rank(i) == 1 && always_equal(node.type(i).shape[0], node.type(0).shape.back()) != false) return {};
  return fail(Code::invalid_model, "input {} of {} must be a vector of the last dim of {}, it is {}", i,
              node.attrs().text("op_type"), print(node.type(0)), print(node.type(i)));
}

// x + skip [+ bias]. The skip may lack x's first dim, or have 1 there.
Result<ValueId> skip_sum(OnnxNode& node, size_t bias) {
  TN_TRY(expect_inputs(node, 3));
  if (node.rank(0) != 2 && node.rank(0) != 3)
    return fail(Code::invalid_model, "{} takes x of 2 or 3 dims, it is {}", node.attrs().text("op_type"),
                print(node.type(0)));
  if (node.rank(1) > node.rank(0))
    return fail(Code::invalid_model, "skip {} of {} does not broadcast to x {}", print(node.type(1)),
                node.attrs().text("op_type"), print(node.type(0)));
  for (size_t i : {size_t{2}, size_t{3}, size_t{4}}) TN_TRY(expect_vector(node, i));
  TN_TRY(refuse_output(node, 1, "mean"));
  TN_TRY(refuse_output(node, 2, "inv_std_var"));
  std::vector<ValueId> operands = {node.input(0), node.input(1)};
  std::string text = "add(x0, x1)";
  if (node.has(bias)) {
    operands.push_back(node.input(bias));
    text = "add(add(x0, x1), x2)";
  }
  TN_ASSIGN(ValueId sum, add_formula(node, text, std::move(operands)));
  for (size_t d = 0; d < node.rank(0); ++d)
    if (always_equal(node.type(sum).shape[d], node.type(0).shape[d]) == false)
      return fail(Code::invalid_model, "skip {} of {} does not broadcast to x {}", print(node.type(1)),
                  node.attrs().text("op_type"), print(node.type(0)));
  node.output(3, sum);
  return sum;
}

Status expand_skip_layer_norm(OnnxNode& node) {
  TN_ASSIGN(ValueId sum, skip_sum(node, 4));
  TN_ASSIGN(ValueId y,
            layer_norm(node, sum, node.input(2), node.input(3), node.attrs().number("epsilon", 1e-12)));
  node.output(0, y);
  return {};
}

Status expand_skip_simplified(OnnxNode& node) {
  TN_ASSIGN(ValueId sum, skip_sum(node, 3));
  const int64_t last = static_cast<int64_t>(node.rank(0)) - 1;
  TN_ASSIGN(Normalised out,
            by_root_mean_square(node, sum, node.input(2), last, node.attrs().number("epsilon", 1e-12)));
  node.output(0, out.y);
  return {};
}

Status expand_simplified(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", -1), node.rank(0)));
  TN_ASSIGN(DType stash, type_attribute(node, "stash_type", DType::f32));
  if (stash != DType::f32 && stash != DType::f64)
    return fail(Code::unsupported,
                "SimplifiedLayerNormalization: stash_type {} is not supported; f32 and f64 are",
                name_of(stash));
  TN_ASSIGN(Normalised out, by_root_mean_square(node, node.input(0), node.input(1), axis,
                                                node.attrs().number("epsilon", 1e-5)));
  TN_ASSIGN(ValueId y, cast(node, out.y, node.type(1).dtype));
  TN_ASSIGN(ValueId inverse, cast(node, out.inverse, stash));
  node.output(0, y);
  node.output(1, inverse);
  return {};
}

// Rows of a table that ids name.
Result<ValueId> rows(OnnxNode& node, size_t table, ValueId ids) {
  if (node.rank(table) != 2)
    return fail(Code::invalid_model, "input {} of EmbedLayerNormalization must have 2 dims, it is {}", table,
                print(node.type(table)));
  return node.add(kGather, {node.input(table), ids}, {{"axis", int64_t{0}}});
}

Status expand_embed(OnnxNode& node) {
  for (size_t i : {0, 2, 3, 5, 6})
    if (!node.has(i)) return fail(Code::invalid_model, "input {} of EmbedLayerNormalization is missing", i);
  const Shape ids = node.type(0).shape;
  if (ids.size() != 2)
    return fail(Code::invalid_model, "input_ids must have 2 dims, they are {}", print(node.type(0)));
  if (node.has(1) != node.has(4))
    return fail(Code::invalid_model,
                "EmbedLayerNormalization takes segment_ids and segment_embedding, or neither");
  TN_ASSIGN(ValueId sum, rows(node, 2, node.input(0)));
  ValueId places = node.input(8);
  if (!places.valid()) {
    TN_ASSIGN(places, positions(node, ids[1], 1, 2));
  }
  TN_ASSIGN(ValueId place, rows(node, 3, places));
  TN_ASSIGN(sum, add_formula(node, "add(x0, x1)", {sum, place}));
  if (node.has(1)) {
    TN_ASSIGN(ValueId segment, rows(node, 4, node.input(1)));
    TN_ASSIGN(sum, add_formula(node, "add(x0, x1)", {sum, segment}));
  }
  TN_ASSIGN(ValueId y,
            layer_norm(node, sum, node.input(5), node.input(6), node.attrs().number("epsilon", 1e-12)));
  node.output(0, y);
  if (node.has_output(1)) {
    ValueId count = node.build().scalar(DType::i32, 0);
    if (node.has(7)) {
      if (node.rank(7) != 2)
        return fail(Code::invalid_model, "the mask of EmbedLayerNormalization must have 2 dims, it is {}",
                    print(node.type(7)));
      TN_ASSIGN(ValueId on, add_formula(node, "cast(eq(x0, 1)):i32", {node.input(7)}));
      TN_ASSIGN(count, reduce(node, "sum", on, {1}, false));
    } else {
      TN_ASSIGN(count, expand(node.build(), count, {ids[0]}));
    }
    node.output(1, count);
  }
  node.output(2, sum);
  return {};
}

constexpr OnnxRow kRows[] = {{"SkipLayerNormalization", 1, expand_skip_layer_norm, "com.microsoft"},
                             {"SkipSimplifiedLayerNormalization", 1, expand_skip_simplified, "com.microsoft"},
                             {"EmbedLayerNormalization", 1, expand_embed, "com.microsoft"},
                             {"SimplifiedLayerNormalization", 1, expand_simplified}};

}  // namespace

extern const OpFile skip_norm_ops = {nullptr, kRows};

}  // namespace tenon
