// pointwise: one expression program per element of operands that broadcast together.
#include "pointwise/params.h"

#include <cmath>

#include "ops/broadcast.h"
#include "ops/content.h"
#include "ops/fold_scale.h"
#include "ops/ops.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"program", AttrKind::program, true}};


Result<Inferred> infer(NodeView view) {
  Program program = view.attrs().program("program");
  TN_TRY(verify(program));
  if (program.inputs != view.input_count())
    return fail(Code::invalid_argument, "the program '{}' takes {} inputs, the node has {}", print(program),
                program.inputs, view.input_count());
  std::vector<TensorType> types;
  std::vector<Content> contents;
  for (size_t i = 0; i < view.input_count(); ++i) {
    if (!view.has_input(i)) return fail(Code::invalid_argument, "input {} is absent", i);
    if (view.input(i).dtype != program.input_type[i])
      return fail(Code::invalid_argument, "input {} of the program '{}' must be {}, it is {}", i, print(program),
                  name_of(program.input_type[i]), print(view.input(i)));
    types.push_back(view.input(i));
    contents.push_back(content_of(view, i));
  }
  TN_ASSIGN(Shape shape, broadcast_shapes(types));
  Content content = evaluate_content(program, types, contents);
  if (!content) content = content_by_floats(view);
  return Inferred{{{program.result_type(), std::move(shape), kLinear}}, {std::move(content)}};
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("pointwise.reference", PointwiseParams{view.attrs().program("program")});
}

// The value of a literal (a scalar that no refit changes) that a program's constant holds exactly.
Result<std::optional<double>> literal(Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (!value.constant || !value.constant->refit_name.empty() || value.constant->bytes.view.empty()) return std::nullopt;
  if (!element_count(value.type.shape).is(1) || is_only_stored(value.type.dtype))
    return std::nullopt;
  TN_ASSIGN(std::vector<double> numbers, use_numbers(graph, id, "a literal of an expression"));
  constexpr double kExact = 9007199254740992;  // 2^53
  if (!is_float(value.type.dtype) && std::fabs(numbers[0]) >= kExact) return std::nullopt;
  return numbers[0];
}

// Literals become constants of the program, where they can be matched and cost no operand.
Result<bool> inline_literals(NodeView view, Patch& patch) {
  Program program = view.attrs().program("program");
  std::vector<ValueId> inputs;
  std::vector<TensorType> types;
  std::vector<DType> dtypes;
  std::vector<std::optional<double>> values(view.input_count());
  bool found = false;
  for (size_t i = 0; i < view.input_count(); ++i) {
    TN_ASSIGN(values[i], literal(patch.graph(), view.node().inputs[i]));
    found |= values[i].has_value();
    if (values[i]) continue;
    inputs.push_back(view.node().inputs[i]);
    types.push_back(view.input(i));
    dtypes.push_back(view.input(i).dtype);
  }
  if (!found || inputs.empty()) return false;
  auto shape = broadcast_shapes(types);
  if (!shape || *shape != view.output(0).shape) return false;  // the literal gives the result its rank
  ProgramBuilder builder(dtypes);
  std::vector<uint8_t> operands;
  uint8_t next = 0;
  for (size_t i = 0; i < values.size(); ++i)
    operands.push_back(values[i] ? builder.constant(view.input(i).dtype, *values[i]) : next++);
  auto inlined = builder.finish(builder.inline_program(program, operands));
  if (!inlined) return false;
  TN_ASSIGN(ValueId made, patch.add(kPointwise, inputs, {{"program", *inlined}}));
  patch.replace(view.node().outputs[0], made);
  return true;
}

constexpr Rule kRules[] = {{"inline_literals", inline_literals}, {"fold_scale", fold_scale}};

}  // namespace

const OpDef kPointwise = {
    .name = "pointwise",
    .min_inputs = 1,
    .max_inputs = kMaxProgramInputs,
    .attrs = kAttrs,
    .infer = infer,
    .reference = reference,
    .rules = kRules,
};

extern const OpFile pointwise_ops = {&kPointwise, {}};

}  // namespace tenon
