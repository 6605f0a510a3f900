// merge_matmuls: products of one value with several constant weights that attention reads become one product, with the
// weights side by side; attention reads its parts of the result where they lie.
// Requires: core level, attention fused. Ensures: q, k and v of an attention that are such products, of the same value,
// are one. What follows them (bias, scale) becomes part of the weights: ordinary nodes, folded with them and rerun by a
// refit.
#include <algorithm>
#include <optional>

#include "ops/ops.h"
#include "ops/shapes.h"
#include "passes/passes.h"
#include "passes/static_values.h"

namespace tenon {
namespace {

// factor * x0 + addend, by operand numbers of a builder.
struct Affine {
  std::optional<uint8_t> factor, addend;  // none: 1, 0
  bool has_x = false;
};

// An operand of `program` as an affine expression of its input 0; nullopt when it is none.
std::optional<Affine> affine(const Program& program, uint8_t operand, ProgramBuilder& to) {
  if (operand == 0) return Affine{{}, {}, true};
  if (operand < program.inputs) return Affine{{}, operand, false};
  Instr instr = program.code[operand - program.inputs];
  const int count = arity(instr.op);
  Affine at[3];
  bool any = false;
  const uint8_t operands[3] = {instr.a, instr.b, instr.c};
  for (int i = 0; i < count; ++i) {
    auto found = affine(program, operands[i], to);
    if (!found) return std::nullopt;
    at[i] = *found;
    any |= found->has_x;
  }
  if (!any) {
    if (count > 0) instr.a = *at[0].addend;
    if (count > 1) instr.b = *at[1].addend;
    if (count > 2) instr.c = *at[2].addend;
    return Affine{{}, to.emit(instr), false};
  }
  const bool left = at[0].has_x;
  if (count != 2 || (left && at[1].has_x)) return std::nullopt;
  Affine x = left ? at[0] : at[1];
  const uint8_t other = *(left ? at[1] : at[0]).addend;
  switch (instr.op) {
    case ExprOp::add:
      x.addend = x.addend ? to.binary(ExprOp::add, *x.addend, other) : other;
      return x;
    case ExprOp::mul:
      x.factor = x.factor ? to.binary(ExprOp::mul, *x.factor, other) : other;
      if (x.addend) x.addend = to.binary(ExprOp::mul, *x.addend, other);
      return x;
    case ExprOp::div:
      if (!left) return std::nullopt;
      x.factor = to.binary(ExprOp::div, x.factor ? *x.factor : to.constant(instr.type, 1), other);
      if (x.addend) x.addend = to.binary(ExprOp::div, *x.addend, other);
      return x;
    default: return std::nullopt;
  }
}

// A product that an attention's operand is, seen through a reshape.
struct Product {
  size_t operand = 0;      // of the attention
  NodeId node;
  int64_t heads = 0, size = 0;
  bool transposed = false; // the weights are [columns, depth]
};

class Merger {
 public:
  Merger(Graph& graph, const PassContext& context) : graph_(graph), context_(context), static_(static_values(graph)) {}

  Result<bool> merge(NodeId id) {
    if (graph_.node(id).op != &kAttention) return false;
    std::vector<Product> all;
    for (size_t i = 0; i < 3; ++i) {
      std::string reason;
      if (auto product = product_of(id, i, reason)) all.push_back(*product);
      else context_.note("merge_matmuls", graph_.node(id).name, std::string(kOperands[i]), reason);
    }
    // Those of the same value: a self-attention's three, a cross-attention's k and v.
    for (size_t first = 0; first + 1 < all.size(); ++first) {
      std::vector<Product> group = {all[first]};
      for (size_t i = first + 1; i < all.size(); ++i)
        if (fit(all[first], all[i])) group.push_back(all[i]);
      if (group.size() < 2) continue;
      auto reason = build(id, group);
      if (!reason) return trail(std::move(reason.error()), "while merging the products of {}", graph_.node(id).name);
      context_.note("merge_matmuls", graph_.node(id).name, fmt::format("{} products", group.size()), *reason);
      return reason->empty();
    }
    return false;
  }

 private:
  static constexpr std::string_view kOperands[] = {"q", "k", "v"};

  const TensorType& type(ValueId id) const { return graph_.value(id).type; }
  bool is_static(ValueId id) const { return id.index < static_.size() && static_[id.index]; }
  bool used_once(ValueId id) const { return graph_.users(id).size() == 1 && !graph_.is_output(id); }

  std::optional<Product> product_of(NodeId id, size_t i, std::string& reason) const {
    auto refuse = [&](std::string why) {
      reason = std::move(why);
      return std::nullopt;
    };
    const Node& attention = graph_.node(id);
    const ValueId operand = attention.inputs[i];
    const std::vector<int64_t> perm = attention.attrs.integers(fmt::format("perm_{}", kOperands[i]));
    if (attention.attrs.has(fmt::format("heads_{}", kOperands[i]))) return refuse("it is a part of a value already");
    if (perm != std::vector<int64_t>{0, 2, 1, 3}) return refuse("its heads do not lie in its rows");
    const Node* split = graph_.producer(operand);
    if (!split || split->op != &kReshape || !used_once(operand) ||
        std::count(attention.inputs.begin(), attention.inputs.end(), operand) != 1)
      return refuse("it is no reshaped product that it alone uses");
    const ValueId result = split->inputs[0];
    const Node* product = graph_.producer(result);
    if (!product || product->op != &kMatmul || !used_once(result)) return refuse("it is no product that it alone uses");
    const Shape &shape = type(operand).shape, &rows = type(result).shape;
    if (!shape[2].is_constant() || !shape[3].is_constant() || !rows.back().is(shape[2].value() * shape[3].value()))
      return refuse("a head is no part of one row");
    if (product->attrs.has("perm_out")) return refuse("the product is transposed");
    const TensorType& weights = type(product->inputs[1]);
    if (weights.rank() != 2 || !is_static(product->inputs[1])) return refuse("its weights are no constant matrix");
    return Product{i, graph_.value(result).producer, shape[2].value(), shape[3].value(), product->attrs.has("perm_b")};
  }

  bool fit(const Product& a, const Product& b) const {
    const Node &x = graph_.node(a.node), &y = graph_.node(b.node);
    const ValueId ra = x.outputs[0], rb = y.outputs[0];
    return x.inputs[0] == y.inputs[0] && x.attrs.integers("perm_a") == y.attrs.integers("perm_a") &&
           a.transposed == b.transposed && a.size == b.size && type(ra).dtype == type(rb).dtype &&
           type(x.inputs[1]).dtype == type(y.inputs[1]).dtype && type(ra).rank() == type(rb).rank();
  }

  // What an expression over the product's extras gives, as a value of one number per column or one for all. Operand 0 of
  // the builder is the product, which it does not read.
  Result<ValueId> column_values(Patch& patch, ProgramBuilder& builder, uint8_t result, const std::vector<ValueId>& extras,
                                DType own) {
    if (result <= extras.size()) return extras[result - 1u];
    TN_ASSIGN(Program program, builder.finish(result));
    std::vector<bool> used(program.inputs);
    for (const Instr& instr : program.instructions()) {
      const uint8_t operands[3] = {instr.a, instr.b, instr.c};
      for (int i = 0; i < arity(instr.op); ++i)
        if (operands[i] < program.inputs) used[operands[i]] = true;
    }
    std::vector<ValueId> operands;
    std::vector<DType> types;
    std::vector<uint8_t> slots(program.inputs);
    for (size_t i = 1; i < used.size(); ++i) {
      if (!used[i]) continue;
      slots[i] = static_cast<uint8_t>(operands.size());
      operands.push_back(extras[i - 1]);
      types.push_back(own);
    }
    if (operands.empty()) {  // constants alone
      operands.push_back(patch.scalar(own, 0));
      types.push_back(own);
    }
    ProgramBuilder pruned(types);
    TN_ASSIGN(program, pruned.finish(pruned.inline_program(program, slots)));
    return patch.add(kPointwise, std::move(operands), {{"program", program}});
  }

  struct Columns {
    ValueId weights, bias;  // bias invalid: none
  };

  Result<std::string> columns_of(Patch& patch, const Product& product, Columns& out) {
    const Node node = graph_.node(product.node);
    const Dim width(product.heads * product.size);
    out.weights = node.inputs[1];
    const Program epilogue = node.attrs.program("epilogue");
    if (epilogue.empty()) return "";
    std::vector<ValueId> extras;
    for (size_t i = 2; i < node.inputs.size(); ++i) {
      const Shape& shape = type(node.inputs[i]).shape;
      for (size_t d = 0; d < shape.size(); ++d)
        if (!shape[d].is(1) && !(d + 1 == shape.size() && shape[d] == width)) return "an operand behind a product is no row";
      if (!is_static(node.inputs[i])) return "an operand behind a product is not constant";
      const Shape row = {shape.empty() ? Dim(1) : shape.back()};
      TN_ASSIGN(ValueId extra, reshape(patch, node.inputs[i], row));
      extras.push_back(extra);
    }
    const DType own = epilogue.input_type[0];
    for (int i = 0; i < epilogue.inputs; ++i)
      if (epilogue.input_type[static_cast<size_t>(i)] != own) return "what follows a product mixes types";
    if (epilogue.result_type() != own) return "what follows a product changes its type";
    ProgramBuilder builder({epilogue.input_type.data(), epilogue.inputs});
    auto found = affine(epilogue, static_cast<uint8_t>(epilogue.inputs + epilogue.size - 1), builder);
    if (!found || !found->has_x) return "what follows a product is no factor and addend";
    if (found->factor) {
      TN_ASSIGN(ValueId factor, column_values(patch, builder, *found->factor, extras, own));
      if (product.transposed) {
        const Shape column = {patch.type(factor).shape[0], Dim(1)};
        TN_ASSIGN(factor, reshape(patch, factor, column));
      }
      const DType types[] = {own, own};
      ProgramBuilder times(types);
      TN_ASSIGN(Program program, times.finish(times.binary(ExprOp::mul, 0, 1)));
      TN_ASSIGN(out.weights, patch.add(kPointwise, {out.weights, factor}, {{"program", program}}));
    }
    if (found->addend) {
      TN_ASSIGN(ValueId addend, column_values(patch, builder, *found->addend, extras, own));
      TN_ASSIGN(out.bias, expand(patch, addend, {width}));
    }
    return "";
  }

  Result<std::string> build(NodeId id, const std::vector<Product>& group) {
    const Node attention = graph_.node(id), first = graph_.node(group[0].node);
    std::vector<NodeId> replaced;
    for (const Product& product : group) replaced.push_back(product.node);
    Patch patch(graph_, replaced);
    std::vector<ValueId> weights, biases;
    const DType own = type(first.outputs[0]).dtype;
    bool biased = false;
    int64_t heads = 0;
    for (const Product& product : group) {
      Columns columns;
      TN_ASSIGN(std::string reason, columns_of(patch, product, columns));
      if (!reason.empty()) return reason;
      weights.push_back(columns.weights);
      biases.push_back(columns.bias);
      biased |= columns.bias.valid();
      heads += product.heads;
    }
    TN_ASSIGN(ValueId all, patch.add(kConcat, weights, {{"axis", int64_t{group[0].transposed ? 0 : 1}}}));
    std::vector<ValueId> inputs = {first.inputs[0], all};
    Attrs attrs;
    for (const char* name : {"perm_a", "perm_b"})
      if (first.attrs.has(name)) attrs.set(name, first.attrs.integers(name));
    if (biased) {
      for (size_t i = 0; i < biases.size(); ++i) {
        if (biases[i].valid()) continue;
        TN_ASSIGN(biases[i], expand(patch, patch.scalar(own, 0), {Dim(group[i].heads * group[i].size)}));
      }
      TN_ASSIGN(ValueId bias, patch.add(kConcat, biases, {{"axis", int64_t{0}}}));
      inputs.push_back(bias);
      const DType types[] = {own, own};
      ProgramBuilder plus(types);
      TN_ASSIGN(Program program, plus.finish(plus.binary(ExprOp::add, 0, 1)));
      attrs.set("epilogue", program);
    }
    TN_ASSIGN(ValueId product, patch.add(kMatmul, std::move(inputs), std::move(attrs)));
    const NodeId product_node = patch.added().back();

    Shape shape = type(attention.inputs[group[0].operand]).shape;
    shape[2] = Dim(heads);
    TN_ASSIGN(ValueId parts, reshape(patch, product, shape));
    patch.on_behalf_of(id);
    std::vector<ValueId> operands = attention.inputs;
    Attrs described = attention.attrs;
    int64_t begin = 0;
    for (const Product& part : group) {
      operands[part.operand] = parts;
      described.set(fmt::format("heads_{}", kOperands[part.operand]), std::vector<int64_t>{begin, part.heads});
      begin += part.heads;
    }
    TN_ASSIGN(ValueId made, patch.add(kAttention, std::move(operands), std::move(described)));
    if (type(made) != type(attention.outputs[0])) return "the merged products would give another type";
    if (context_.oracle)
      for (NodeId node : {product_node, patch.added().back()}) {
        std::string refusal = context_.oracle->refusal(NodeView(graph_, graph_.node(node)));
        if (!refusal.empty()) return refusal;
      }
    patch.replace(attention.outputs[0], made);
    TN_TRY(apply(graph_, std::move(patch)));
    return "";
  }

  Graph& graph_;
  const PassContext& context_;
  std::vector<bool> static_;
};

Status run(Graph& graph, const PassContext& context) {
  const std::vector<NodeId> order = graph.order();
  for (NodeId id : order) {
    if (graph.node(id).erased) continue;
    TN_ASSIGN(bool done, Merger(graph, context).merge(id));
    static_cast<void>(done);
  }
  return {};
}

}  // namespace

const Pass k_merge_matmuls{"merge_matmuls", run};

}  // namespace tenon
