// fuse_attention: softmax of a product times another product's operand becomes one attention node.
// Requires: core level, fused, transposes absorbed. Ensures: where a fast tactic takes it, matmul - scale and mask -
// softmax - matmul is one node; why one is not is in the report.
//
// The scores may be scaled by a constant, then masked by addends, or by a where that puts a very low number in place of
// a score; both come as the epilogue of the first product, the prologue of the softmax, or both. What the addends are
// computed from is left to a pointwise node, which all layers share.
#include <algorithm>
#include <cmath>
#include <optional>

#include "ops/content.h"
#include "ops/ops.h"
#include "passes/passes.h"

namespace tenon {
namespace {

// A number this low added to a score or put in its place gives the same weight: none.
constexpr double kLowest = -1e30;
constexpr std::string_view kReason = "a number of an attention";

// The expression behind the scores, over the first product (operand 0) and other values.
struct Expression {
  Program program;
  std::vector<ValueId> operands;  // of the program; the first is the product
};

// A part of an expression that does not depend on the product.
struct Part {
  uint8_t operand = 0;
  double value = 0;        // of a condition: what stands where it does not hold
  bool condition = false;
  bool holds = true;       // the scores stand where the condition is this
};

struct Scores {
  double scale = 1;
  std::vector<Part> addends;
};

class Matcher {
 public:
  Matcher(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  Result<bool> fuse(NodeId id) {
    const Node& last = graph_.node(id);
    if (last.op != &kMatmul) return false;
    const Node* softmax = graph_.producer(last.inputs[0]);
    if (!softmax || softmax->op != &kSoftmax) return false;
    auto reason = match(id);
    if (!reason) return trail(std::move(reason.error()), "while matching attention at node {}", last.name);
    if (reason->empty()) return true;
    context_.note("fuse_attention", last.name, "attention", *reason);
    return false;
  }

 private:
  const TensorType& type(ValueId id) const { return graph_.value(id).type; }
  bool used_once(ValueId id) const { return graph_.users(id).size() == 1 && !graph_.is_output(id); }

  static std::vector<int64_t> permutation(const Attrs& attrs, std::string_view name) {
    std::vector<int64_t> perm = attrs.integers(name);
    return perm.empty() ? std::vector<int64_t>{0, 1, 2, 3} : perm;
  }

  // Fuses, or says why not.
  Result<std::string> match(NodeId id) {
    const Node last = graph_.node(id);
    const NodeId softmax_id = graph_.value(last.inputs[0]).producer;
    const Node softmax = graph_.node(softmax_id);
    if (last.inputs.size() != 2 || last.attrs.has("epilogue")) return "the second product has an epilogue";
    if (last.attrs.has("perm_a")) return "the weights are transposed";
    if (!used_once(last.inputs[0])) return "the weights are used elsewhere too";
    const TensorType weights = type(last.inputs[0]);
    if (weights.rank() != 4 || type(last.inputs[1]).rank() != 4) return "the operands have not 4 dims";
    if (softmax.attrs.integer("axis") != 3 || softmax.attrs.integer("log")) return "the softmax is not along the keys";

    TN_ASSIGN(std::optional<NodeId> first_id, first_product(softmax));
    if (!first_id) return "the scores are no product that the softmax alone uses";
    const Node first = graph_.node(*first_id);
    if (first.attrs.has("perm_out")) return "the scores are transposed";
    if (type(first.inputs[0]).rank() != 4 || type(first.inputs[1]).rank() != 4) return "the operands have not 4 dims";
    // Asked first without mask and scale: reading numbers pins them.
    TN_ASSIGN(std::string refusal, attempt(id, *first_id, {}));
    if (!refusal.empty()) return refusal;
    TN_ASSIGN(std::optional<bool> zero_masked, zeros_where_no_number(softmax));
    if (!zero_masked) return "the softmax has an epilogue that is not understood";
    TN_ASSIGN(Expression expression, expression_of(first, softmax));
    Scores scores;
    TN_ASSIGN(std::string reason, decompose(expression, scores));
    if (!reason.empty()) return reason;
    return attempt(id, *first_id, {softmax_id, &expression, &scores, *zero_masked});
  }

  // How many inputs of the softmax are its own.
  static size_t own_inputs(const Node& softmax) {
    const Program prologue = softmax.attrs.program("prologue");
    return prologue.empty() ? 1 : prologue.inputs;
  }

  Result<std::optional<NodeId>> first_product(const Node& softmax) const {
    std::optional<NodeId> found;
    for (size_t i = 0; i < own_inputs(softmax); ++i) {
      const Node* producer = graph_.producer(softmax.inputs[i]);
      if (!producer || producer->op != &kMatmul || !used_once(softmax.inputs[i])) continue;
      if (found) return std::optional<NodeId>{};
      found = graph_.value(softmax.inputs[i]).producer;
    }
    return found;
  }

  // Whether the softmax's epilogue makes zeros of what is no number; false without one, nullopt for another one.
  Result<std::optional<bool>> zeros_where_no_number(const Node& softmax) {
    const Program epilogue = softmax.attrs.program("epilogue");
    if (epilogue.empty()) return std::optional(false);
    const size_t own = own_inputs(softmax);
    const Instr& last = epilogue.code[epilogue.size - 1];
    auto instr = [&](uint8_t operand) {
      return operand >= epilogue.inputs ? &epilogue.code[operand - epilogue.inputs] : nullptr;
    };
    if (last.op != ExprOp::where || last.c != 0) return std::optional<bool>{};
    const Instr* condition = instr(last.a);
    if (!condition || condition->op != ExprOp::isnan || condition->a != 0) return std::optional<bool>{};
    std::optional<double> value;
    if (const Instr* constant = instr(last.b)) {
      if (constant->op == ExprOp::constant) value = constant->imm;
    } else if (last.b > 0) {
      TN_ASSIGN(value, use_number(graph_, softmax.inputs[own + last.b - 1], kReason));
    }
    return value == 0.0 ? std::optional(true) : std::nullopt;
  }

  // The first product's epilogue, then the softmax's prologue.
  Result<Expression> expression_of(const Node& first, const Node& softmax) const {
    Expression out;
    out.operands = {first.outputs[0]};
    std::vector<DType> types = {first.attrs.has("epilogue") ? first.attrs.program("epilogue").input_type[0]
                                                             : type(first.outputs[0]).dtype};
    auto slot = [&](ValueId id) {
      auto found = std::find(out.operands.begin() + 1, out.operands.end(), id);
      if (found != out.operands.end()) return static_cast<uint8_t>(found - out.operands.begin());
      out.operands.push_back(id);
      types.push_back(type(id).dtype);
      return static_cast<uint8_t>(out.operands.size() - 1);
    };
    const Program epilogue = first.attrs.program("epilogue"), prologue = softmax.attrs.program("prologue");
    std::vector<uint8_t> inner = {0}, outer;
    for (size_t i = 2; i < first.inputs.size(); ++i) inner.push_back(slot(first.inputs[i]));
    for (size_t i = 0; i < own_inputs(softmax); ++i)
      outer.push_back(softmax.inputs[i] == first.outputs[0] ? 0 : slot(softmax.inputs[i]));
    if (types.size() > kMaxProgramInputs)
      return fail(Code::limit_exceeded, "the scores have {} operands", types.size());
    ProgramBuilder builder(types);
    uint8_t result = epilogue.empty() ? 0 : builder.inline_program(epilogue, inner);
    for (uint8_t& operand : outer)
      if (operand == 0) operand = result;
    if (!prologue.empty()) result = builder.inline_program(prologue, outer);
    if (result == 0) {
      out.program.inputs = static_cast<uint8_t>(types.size());
      std::copy(types.begin(), types.end(), out.program.input_type.begin());
      return out;
    }
    TN_ASSIGN(out.program, builder.finish(result));
    return out;
  }

  static const Instr* instruction(const Program& program, uint8_t operand) {
    return operand >= program.inputs ? &program.code[operand - program.inputs] : nullptr;
  }

  static bool depends(const Program& program, uint8_t operand) {
    if (operand == 0) return true;
    const Instr* instr = instruction(program, operand);
    if (!instr) return false;
    const int count = arity(instr->op);
    return (count > 0 && depends(program, instr->a)) || (count > 1 && depends(program, instr->b)) ||
           (count > 2 && depends(program, instr->c));
  }

  // The number that an operand is, if it is one.
  Result<std::optional<double>> number_of(const Expression& e, uint8_t operand) {
    if (const Instr* instr = instruction(e.program, operand))
      return instr->op == ExprOp::constant ? std::optional(instr->imm) : std::nullopt;
    return use_number(graph_, e.operands[operand], kReason);
  }

  // The expression as scale * product + addends; the reason why it is none.
  Result<std::string> decompose(const Expression& e, Scores& out) {
    if (e.program.empty()) return "";
    uint8_t at = static_cast<uint8_t>(e.program.inputs + e.program.size - 1);
    bool scaled = false;
    while (at != 0) {
      const Instr& instr = *instruction(e.program, at);
      if (instr.op == ExprOp::where) {
        const bool first = depends(e.program, instr.b);
        if (depends(e.program, instr.a) || first == depends(e.program, instr.c)) return "a where is not understood";
        TN_ASSIGN(std::optional<double> value, number_of(e, first ? instr.c : instr.b));
        if (!value || *value > kLowest) return "a where puts no very low number in place of scores";
        if (scaled) return "scores are scaled after they are masked";
        out.addends.push_back({instr.a, *value, true, first});
        at = first ? instr.b : instr.c;
        continue;
      }
      if (arity(instr.op) != 2) return fmt::format("{} of the scores is no scale and no mask", name_of(instr.op));
      const bool left = depends(e.program, instr.a);
      if (left == depends(e.program, instr.b)) return "the scores are used twice";
      const uint8_t other = left ? instr.b : instr.a;
      if (instr.op == ExprOp::add) {
        if (scaled) return "scores are scaled after they are masked";
        const Instr* term = instruction(e.program, other);
        if (!term || term->op != ExprOp::constant || term->imm != 0) out.addends.push_back({other});
      } else if (instr.op == ExprOp::mul || (instr.op == ExprOp::div && left)) {
        TN_ASSIGN(std::optional<double> factor, number_of(e, other));
        if (!factor) return "the scale is no constant";
        out.scale = instr.op == ExprOp::mul ? out.scale * *factor : out.scale / *factor;
        scaled = out.scale != 1;
      } else {
        return fmt::format("{} of the scores is no scale and no mask", name_of(instr.op));
      }
      at = left ? instr.a : instr.b;
    }
    if (!std::isfinite(out.scale)) return "the scale is no number";
    for (const Part& part : out.addends) {
      std::vector<bool> used(e.program.inputs);
      collect(e.program, part.operand, used);
      if (std::find(used.begin(), used.end(), true) == used.end()) return "a mask is a constant";
    }
    return "";
  }

  static uint8_t copy(const Program& from, uint8_t operand, const std::vector<uint8_t>& inputs, ProgramBuilder& to) {
    const Instr* found = instruction(from, operand);
    if (!found) return inputs[operand];
    Instr instr = *found;
    const int count = arity(instr.op);
    if (count > 0) instr.a = copy(from, instr.a, inputs, to);
    if (count > 1) instr.b = copy(from, instr.b, inputs, to);
    if (count > 2) instr.c = copy(from, instr.c, inputs, to);
    return to.emit(instr);
  }

  static void collect(const Program& program, uint8_t operand, std::vector<bool>& used) {
    const Instr* instr = instruction(program, operand);
    if (!instr) {
      used[operand] = true;
      return;
    }
    const int count = arity(instr->op);
    if (count > 0) collect(program, instr->a, used);
    if (count > 1) collect(program, instr->b, used);
    if (count > 2) collect(program, instr->c, used);
  }

  // The sum of all addends as one value; invalid without any.
  Result<ValueId> mask_of(Patch& patch, const Expression& e, const Scores& scores, DType dtype) {
    if (scores.addends.empty()) return ValueId{};
    const Part& only = scores.addends[0];
    if (scores.addends.size() == 1 && !only.condition && only.operand < e.program.inputs) return e.operands[only.operand];
    std::vector<bool> used(e.program.inputs);
    for (const Part& part : scores.addends) collect(e.program, part.operand, used);
    std::vector<ValueId> operands;
    std::vector<DType> types;
    std::vector<uint8_t> slots(e.program.inputs);
    for (size_t i = 1; i < used.size(); ++i) {
      if (!used[i]) continue;
      slots[i] = static_cast<uint8_t>(operands.size());
      operands.push_back(e.operands[i]);
      types.push_back(type(e.operands[i]).dtype);
    }
    ProgramBuilder builder(types);
    std::optional<uint8_t> sum;
    for (const Part& part : scores.addends) {
      uint8_t term = copy(e.program, part.operand, slots, builder);
      if (part.condition) {
        const uint8_t zero = builder.constant(dtype, 0), low = builder.constant(dtype, part.value);
        term = part.holds ? builder.where(term, zero, low) : builder.where(term, low, zero);
      }
      sum = sum ? builder.binary(ExprOp::add, *sum, term) : term;
    }
    TN_ASSIGN(Program program, builder.finish(*sum));
    return patch.add(kPointwise, std::move(operands), {{"program", program}});
  }

  // What a value [batch, heads, …] was before each of its heads was repeated for the queries' heads that share it: a
  // reshape, an expand and a reshape. Invalid if it was not.
  ValueId shared_heads(ValueId id) const {
    auto producer = [&](ValueId of, const OpDef& op) {
      const Node* node = graph_.producer(of);
      return node && node->op == &op ? node : nullptr;
    };
    const Node* joined = producer(id, kReshape);
    const Node* repeated = joined ? producer(joined->inputs[0], kExpand) : nullptr;
    const Node* split = repeated ? producer(repeated->inputs[0], kReshape) : nullptr;
    if (!split) return {};
    const Shape &before = type(split->inputs[0]).shape, &after = type(id).shape, &many = type(joined->inputs[0]).shape;
    if (before.size() != 4 || many.size() != 5) return {};
    Shape once = before;
    once.insert(once.begin() + 2, Dim(1));
    Shape all = once, merged = before;
    all[2] = many[2];
    merged[1] = before[1] * many[2];
    const bool repeats = type(repeated->inputs[0]).shape == once && many == all && after == merged;
    return repeats ? split->inputs[0] : ValueId{};
  }

  // What is not told from the two products.
  struct Details {
    NodeId softmax;                // valid: the node is made in place of the others
    const Expression* expression = nullptr;
    const Scores* scores = nullptr;
    bool zero_masked = false;
  };

  // The attention node of the two products: "" if it can be made, else why not.
  Result<std::string> attempt(NodeId last_id, NodeId first_id, const Details& details) {
    const Node last = graph_.node(last_id), first = graph_.node(first_id);
    const std::vector<int64_t> q = permutation(first.attrs, "perm_a"), k = permutation(first.attrs, "perm_b"),
                               v = permutation(last.attrs, "perm_b");
    const Shape &qs = type(first.inputs[0]).shape, &ks = type(first.inputs[1]).shape, &vs = type(last.inputs[1]).shape;
    auto at = [](const Shape& shape, int64_t i) { return shape[static_cast<size_t>(i)]; };
    for (size_t i = 0; i < 2; ++i)
      if (!(at(qs, q[i]) == at(ks, k[i])) || !(at(qs, q[i]) == at(vs, v[i])))
        return "batch or heads of q, k and v may differ";
    if (!(at(ks, k[3]) == at(vs, v[2]))) return "k and v may have different lengths";
    if (!at(qs, q[1]).is_constant() || !at(qs, q[3]).is_constant() || !at(vs, v[3]).is_constant())
      return "the number of heads and their size are not constant";

    std::vector<NodeId> replaced = {last_id, first_id};
    if (details.softmax.valid()) replaced.push_back(details.softmax);
    Patch patch(graph_, replaced);
    Attrs attrs{{"perm_q", q}, {"perm_k", std::vector<int64_t>{k[0], k[1], k[3], k[2]}}, {"perm_v", v}};
    if (last.attrs.has("perm_out")) attrs.set("perm_out", last.attrs.integers("perm_out"));
    std::vector<ValueId> inputs = {first.inputs[0], first.inputs[1], last.inputs[1]};
    const ValueId shared_k = shared_heads(inputs[1]), shared_v = shared_heads(inputs[2]);
    if (shared_k.valid() && shared_v.valid() && type(shared_k).shape[1] == type(shared_v).shape[1] && k[1] == 1 && v[1] == 1) {
      inputs[1] = shared_k;
      inputs[2] = shared_v;
    }
    if (details.softmax.valid()) {
      TN_ASSIGN(ValueId mask, mask_of(patch, *details.expression, *details.scores, type(first.outputs[0]).dtype));
      if (mask.valid()) inputs.push_back(mask);
      if (details.scores->scale != 1) attrs.set("scale", details.scores->scale);
      if (details.zero_masked) attrs.set("zero_masked", int64_t{1});
    }
    auto made = patch.add(kAttention, std::move(inputs), std::move(attrs));
    if (!made) return made.error().text();
    if (type(*made) != type(last.outputs[0])) return "the mask or an operand may widen the scores";
    if (context_.oracle) {
      std::string refusal = context_.oracle->refusal(NodeView(graph_, graph_.node(patch.added().back())));
      if (!refusal.empty()) return refusal;
    }
    if (!details.softmax.valid()) return "";
    context_.note("fuse_attention", last.name, "attention");
    patch.replace(last.outputs[0], *made);
    TN_TRY(apply(graph_, std::move(patch)));
    return "";
  }

  Graph& graph_;
  const PassContext& context_;
};

Status run(Graph& graph, const PassContext& context) {
  const std::vector<NodeId> order = graph.order();
  for (NodeId id : order) {
    if (graph.node(id).erased) continue;
    TN_ASSIGN(bool done, Matcher(graph, context).fuse(id));
    static_cast<void>(done);
  }
  return {};
}

}  // namespace

const Pass k_fuse_attention{"fuse_attention", run};

}  // namespace tenon
