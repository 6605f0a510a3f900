// lookups: what depends on nothing but the number of a row is looked up in a table that is made when the plan is. A product
// of one-hot rows with a constant matrix picks rows of it; an elementwise function of rows that were picked, and of what is
// constant along the rows, picks rows of the function of the table.
// Requires: core level, canonical, nothing fused. Ensures: a product of a node that compares numbers with 0 … depth-1 and a
// static matrix is a gather; no pointwise node has gathers of small static tables at the same indices, and rows that are
// static, as its only operands. Tables are made by ordinary nodes, folded and rerun by a refit.
#include <cstring>
#include <map>

#include "base/checked.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "passes/passes.h"
#include "passes/static_values.h"

namespace tenon {
namespace {

constexpr int64_t kMostTableBytes = 4 << 20;  // a function of a larger table is not worth a second one
constexpr int64_t kMostDepth = 1 << 24;       // numbers below are exact in f32

bool is_static(const Graph& graph, ValueId id) { return static_values(graph)[id.index]; }

// The one-hot rows of a node: of what, and with which values in place of 1 and 0.
struct OneHot {
  ValueId count;  // 0 … depth-1, along the last dim
  int64_t depth = 0;
  uint8_t number = 0;       // operands of its program
  bool plain = true;        // 1 and 0
  uint8_t on = 0, off = 0;  // else
};

template <class T>
bool counts(std::span<const std::byte> bytes, int64_t depth) {
  if (bytes.size() != static_cast<size_t>(depth) * sizeof(T)) return false;
  for (int64_t i = 0; i < depth; ++i) {
    T value;
    std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    if (static_cast<int64_t>(value) != i) return false;
  }
  return true;
}

bool counts(const Constant& constant, DType type, int64_t depth) {
  const std::span<const std::byte> bytes = constant.bytes.view;
  switch (type) {
    case DType::u8: return counts<uint8_t>(bytes, depth);
    case DType::i8: return counts<int8_t>(bytes, depth);
    case DType::i16: return counts<int16_t>(bytes, depth);
    case DType::i32: return counts<int32_t>(bytes, depth);
    case DType::i64: return counts<int64_t>(bytes, depth);
    default: return false;
  }
}

// Whether a type holds 0 … depth-1 exactly.
bool holds(DType type, int64_t depth) {
  switch (type) {
    case DType::i8: return depth <= 1 << 7;
    case DType::u8: return depth <= 1 << 8;
    case DType::i16: return depth <= 1 << 15;
    case DType::i32:
    case DType::i64:
    case DType::f32:
    case DType::f64: return depth <= kMostDepth;
    default: return false;
  }
}

// The constant or iota that makes `id` 0, 1, 2 … along its last dim, the others being 1; an invalid value if none does.
ValueId count_of(const Graph& graph, ValueId id) {
  const TensorType& type = graph.value(id).type;
  if (type.rank() == 0 || !type.shape.back().is_constant()) return {};
  const int64_t depth = type.shape.back().value();
  while (depth > 0 && holds(graph.value(id).type.dtype, depth) && element_count(graph.value(id).type.shape).is(depth)) {
    if (const auto& constant = graph.value(id).constant)
      return counts(*constant, graph.value(id).type.dtype, depth) ? id : ValueId{};
    const Node* node = graph.producer(id);
    if (!node) return {};
    const Attrs& attrs = node->attrs;
    if (node->op == &kIota)
      return attrs.number("start") == 0 && attrs.number("step", 1) == 1 && attrs.shape("start_dim").empty() ? id : ValueId{};
    const bool cast = node->op == &kPointwise && node->inputs.size() == 1 && attrs.program("program").size == 1 &&
                      attrs.program("program").code[0].op == ExprOp::cast;
    if (!cast && node->op != &kReshape && node->op != &kExpand) return {};
    id = node->inputs[0];
  }
  return {};
}

// What a pointwise node computes.
struct Expression {
  Program program;
  std::vector<ValueId> inputs;
};

// The node's expression; where its first operand is a condition that another pointwise node makes, with that one's in it.
std::optional<Expression> expression_of(const Graph& graph, const Node& node) {
  Expression out{node.attrs.program("program"), node.inputs};
  const Node* inner = graph.producer(node.inputs[0]);
  if (!inner || inner->op != &kPointwise || out.program.input_type[0] != DType::boolean ||
      graph.value(node.inputs[0]).type.shape != graph.value(node.outputs[0]).type.shape)
    return out;
  auto both = compose(out.program, 0, inner->attrs.program("program"));
  if (!both) return std::nullopt;
  out.program = *both;
  out.inputs = inner->inputs;
  out.inputs.insert(out.inputs.end(), node.inputs.begin() + 1, node.inputs.end());
  return out;
}

// One element that is a constant of the program or a static operand.
bool is_value(const Graph& graph, const Expression& of, uint8_t operand) {
  const Program& program = of.program;
  if (operand >= program.inputs) return program.code[operand - program.inputs].op == ExprOp::constant;
  const ValueId id = of.inputs[operand];
  return element_count(graph.value(id).type.shape).is(1) && is_static(graph, id);
}

// Marks the inputs that `operand` is computed from. Instructions read what stands before them.
void mark_inputs(const Program& program, uint8_t operand, std::vector<bool>& used) {
  std::vector<bool> wanted(program.inputs + program.size);
  wanted[operand] = true;
  for (size_t at = operand; at >= program.inputs && at < wanted.size(); --at) {
    if (!wanted[at]) continue;
    const Instr& instr = program.code[at - program.inputs];
    const uint8_t operands[3] = {instr.a, instr.b, instr.c};
    for (int i = 0; i < arity(instr.op); ++i) wanted[operands[i]] = true;
  }
  for (size_t i = 0; i < program.inputs; ++i) used[i] = used[i] || wanted[i];
}

// The expression as cast(number == count), or where(number == count, on, off).
std::optional<OneHot> one_hot(const Graph& graph, const Expression& of) {
  const Program& program = of.program;
  if (program.empty()) return std::nullopt;
  const Instr last = program.code[program.size - 1u];
  if ((last.op != ExprOp::cast && last.op != ExprOp::where) || last.a < program.inputs) return std::nullopt;
  const Instr equal = program.code[last.a - program.inputs];
  if (equal.op != ExprOp::eq) return std::nullopt;
  OneHot out;
  if (last.op == ExprOp::where) {
    if (!is_value(graph, of, last.b) || !is_value(graph, of, last.c)) return std::nullopt;
    out.on = last.b;
    out.off = last.c;
    auto is = [&](uint8_t operand, double value) {
      return operand >= program.inputs && program.code[operand - program.inputs].imm == value;
    };
    out.plain = is(out.on, 1) && is(out.off, 0);
  }
  for (auto [count, number] : {std::pair(equal.a, equal.b), std::pair(equal.b, equal.a)}) {
    if (count >= program.inputs) continue;
    std::vector<bool> used(program.inputs);
    mark_inputs(program, number, used);
    bool varies = false;
    for (size_t i = 0; i < used.size(); ++i) {
      const Shape& shape = graph.value(of.inputs[i]).type.shape;
      varies |= used[i] && !shape.empty() && !shape.back().is(1);
    }
    out.count = varies ? ValueId{} : count_of(graph, of.inputs[count]);
    if (!out.count.valid()) continue;
    out.depth = graph.value(of.inputs[count]).type.shape.back().value();
    out.number = number;
    return out;
  }
  return std::nullopt;
}

// Appends the instructions that `operand` of `program` needs; `slots`: what its inputs are to the builder, and what has been
// appended.
uint8_t append_once(ProgramBuilder& to, const Program& program, uint8_t operand, std::map<uint8_t, uint8_t>& slots) {
  if (auto found = slots.find(operand); found != slots.end()) return found->second;
  Instr instr = program.code[operand - program.inputs];
  uint8_t* operands[3] = {&instr.a, &instr.b, &instr.c};
  for (int i = 0; i < arity(instr.op); ++i) *operands[i] = append_once(to, program, *operands[i], slots);
  return slots[operand] = to.emit(instr);
}
uint8_t append(ProgramBuilder& to, const Program& program, uint8_t operand, const std::vector<uint8_t>& inputs) {
  std::map<uint8_t, uint8_t> slots;
  for (size_t i = 0; i < inputs.size(); ++i) slots[static_cast<uint8_t>(i)] = inputs[i];
  return append_once(to, program, operand, slots);
}

// The row that each number names: `depth` for those that name none.
uint8_t row_of(ProgramBuilder& to, uint8_t number, int64_t depth) {
  const DType type = to.type_of(number);
  const auto limit = static_cast<double>(depth);
  const uint8_t beyond = to.constant(DType::i32, limit);
  if (is_float(type)) {
    const uint8_t inside = to.binary(ExprOp::logical_and, to.binary(ExprOp::ge, number, to.constant(type, 0)),
                                     to.binary(ExprOp::lt, number, to.constant(type, limit)));
    const uint8_t row = to.cast(DType::i32, to.where(inside, number, to.constant(type, 0)));
    return to.where(to.binary(ExprOp::eq, to.cast(type, row), number), row, beyond);
  }
  const DType wide = type == DType::i64 ? DType::i64 : DType::i32;
  const uint8_t index = to.cast(wide, number);
  const uint8_t high = to.where(to.binary(ExprOp::lt, index, to.constant(wide, limit)), index, to.constant(wide, limit));
  const uint8_t low = to.where(to.binary(ExprOp::lt, index, to.constant(wide, 0)), to.constant(wide, limit), high);
  return to.cast(DType::i32, low);
}

// The number of a row for each one-hot row; an invalid value where the rows are not of `shape`.
Result<ValueId> rows(Patch& patch, const Expression& of, const OneHot& hot, const Shape& shape) {
  const Program& program = of.program;
  std::vector<bool> used(program.inputs);
  mark_inputs(program, hot.number, used);
  std::vector<ValueId> inputs;
  std::vector<DType> types;
  std::vector<uint8_t> slots(program.inputs);
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    Shape outer = patch.type(of.inputs[i]).shape;
    if (!outer.empty()) outer.pop_back();
    TN_ASSIGN(ValueId input, reshape(patch, of.inputs[i], outer));
    slots[i] = static_cast<uint8_t>(inputs.size());
    inputs.push_back(input);
    types.push_back(patch.type(input).dtype);
  }
  if (inputs.empty()) return ValueId{};
  ProgramBuilder builder(types);
  auto index = builder.finish(row_of(builder, append(builder, program, hot.number, slots), hot.depth));
  if (!index) return ValueId{};
  TN_ASSIGN(ValueId out, patch.add(kPointwise, inputs, {{"program", *index}}));
  return patch.type(out).shape == shape ? out : ValueId{};
}

// What the product of a one-hot row is, by the row's number, and in the last row that of a row without a one.
Result<ValueId> table(Patch& patch, const Expression& of, const OneHot& hot, ValueId weights) {
  const TensorType type = patch.type(weights);
  const Dim columns = type.shape[1];
  ValueId outside;
  if (hot.plain) {
    TN_ASSIGN(outside, expand(patch, patch.scalar(type.dtype, 0), {Dim(1), columns}));
  } else {
    TN_ASSIGN(ValueId sum,
              patch.add(kReduce, {weights},
                        {{"kind", std::string("sum")}, {"axes", std::vector<int64_t>{0}}, {"keep_dims", int64_t{1}}}));
    const Program& program = of.program;
    std::vector<ValueId> inputs = {weights, sum};
    std::vector<DType> types = {type.dtype, type.dtype};
    std::vector<uint8_t> slots(program.inputs);
    for (uint8_t value : {hot.on, hot.off}) {
      if (value >= program.inputs) continue;
      TN_ASSIGN(ValueId input, reshape(patch, of.inputs[value], {}));
      slots[value] = static_cast<uint8_t>(inputs.size());
      inputs.push_back(input);
      types.push_back(type.dtype);
    }
    ProgramBuilder none(types);
    TN_ASSIGN(Program of_none, none.finish(none.binary(ExprOp::mul, 1, append(none, program, hot.off, slots))));
    std::vector<ValueId> of_sum = inputs;
    of_sum[0] = sum;
    TN_ASSIGN(outside, patch.add(kPointwise, of_sum, {{"program", of_none}}));
    ProgramBuilder one(types);
    const uint8_t off = append(one, program, hot.off, slots);
    const uint8_t more = one.binary(ExprOp::sub, append(one, program, hot.on, slots), off);
    TN_ASSIGN(Program of_one,
              one.finish(one.binary(ExprOp::add, one.binary(ExprOp::mul, more, 0), one.binary(ExprOp::mul, off, 1))));
    TN_ASSIGN(weights, patch.add(kPointwise, inputs, {{"program", of_one}}));
  }
  return patch.add(kConcat, {weights, outside}, {{"axis", int64_t{0}}});
}

Result<bool> one_hot_product(NodeView view, Patch& patch) {
  const Node& product = view.node();
  if (product.op != &kMatmul || product.attrs.has("perm_a") || product.attrs.has("perm_out") || product.inputs.size() != 2)
    return false;
  Graph& graph = patch.graph();
  const Node* node = graph.producer(product.inputs[0]);
  const TensorType &left = view.input(0), &right = view.input(1);
  if (!node || node->op != &kPointwise || right.rank() != 2 || !constant_shape(right.shape) || left.rank() < 2) return false;
  const std::optional<Expression> expression = expression_of(graph, *node);
  const std::optional<OneHot> hot = expression ? one_hot(graph, *expression) : std::nullopt;
  if (!hot || !left.shape.back().is(hot->depth) || !is_static(graph, product.inputs[1])) return false;
  const Shape outer(left.shape.begin(), left.shape.end() - 1);
  TN_ASSIGN(ValueId index, rows(patch, *expression, *hot, outer));
  if (!index.valid()) return false;
  ValueId weights = product.inputs[1];
  if (product.attrs.has("perm_b")) {
    TN_ASSIGN(weights, transpose(patch, weights, product.attrs.integers("perm_b")));
  }
  if (!patch.type(weights).shape[0].is(hot->depth)) return false;
  if (graph.is_constant(hot->count)) TN_TRY(graph.pin(hot->count, "the numbers that one-hot rows are made with"));
  TN_ASSIGN(weights, table(patch, *expression, *hot, weights));
  TN_ASSIGN(ValueId out, patch.add(kGather, {weights, index}, {{"axis", int64_t{0}}}));
  patch.replace(product.outputs[0], out);
  return true;
}

// A gather of rows of a matrix.
const Node* picked_rows(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  const bool fits =
      node && node->op == &kGather && node->attrs.integer("axis") == 0 && graph.value(node->inputs[0]).type.rank() == 2;
  return fits ? node : nullptr;
}

Result<bool> function_of_rows(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op != &kPointwise) return false;
  const Graph& graph = view.graph();
  const Node* first = nullptr;
  for (ValueId input : node.inputs)
    if (const Node* picked = picked_rows(graph, input); picked && !first) first = picked;
  if (!first || view.output(0).shape != graph.value(first->outputs[0]).type.shape) return false;
  const ValueId index = first->inputs[1];
  const auto table = constant_shape(graph.value(first->inputs[0]).type.shape);
  if (!table) return false;
  const auto count = checked_mul((*table)[0], (*table)[1]);
  const auto bytes = count ? checked_mul(*count, static_cast<int64_t>(size_of(view.output(0).dtype))) : count;
  if (!bytes || *bytes > kMostTableBytes) return false;

  const std::vector<bool> known = static_values(graph);
  if (known[index.index]) return false;
  std::vector<ValueId> operands;
  for (ValueId input : node.inputs) {
    const Node* picked = picked_rows(graph, input);
    const Shape& shape = graph.value(picked ? picked->inputs[0] : input).type.shape;
    if (!known[(picked ? picked->inputs[0] : input).index]) return false;
    if (picked) {
      if (picked->inputs[1] != index || !shape[0].is((*table)[0]) || !shape[1].is((*table)[1])) return false;
      operands.push_back(picked->inputs[0]);
      continue;
    }
    for (size_t d = 0; d < shape.size(); ++d)
      if (!shape[d].is(1) && !(d + 1 == shape.size() && shape[d].is((*table)[1]))) return false;
    TN_ASSIGN(ValueId row, reshape(patch, input, shape.empty() ? Shape{} : Shape{shape.back()}));
    operands.push_back(row);
  }
  TN_ASSIGN(ValueId made, patch.add(kPointwise, std::move(operands), {{"program", node.attrs.program("program")}}));
  TN_ASSIGN(ValueId out, patch.add(kGather, {made, index}, {{"axis", int64_t{0}}}));
  patch.replace(node.outputs[0], out);
  return true;
}

constexpr Rule kRules[] = {{"one_hot_product", one_hot_product}, {"function_of_rows", function_of_rows}};

Status run(Graph& graph, const PassContext&) { return rewrite(graph, kRules); }

}  // namespace

const Pass k_lookups{"lookups", run};

}  // namespace tenon
