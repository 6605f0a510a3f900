#include "ops/prologue.h"

#include "ops/broadcast.h"

namespace tenon {

size_t own_inputs(const NodeView& view) {
  Program prologue = view.attrs().program("prologue");
  return prologue.empty() ? 1 : prologue.inputs;
}

Result<TensorType> apply_prologue(const NodeView& view) {
  Program prologue = view.attrs().program("prologue");
  if (prologue.empty()) {
    if (!view.has_input(0)) return fail(Code::invalid_model, "input 0 is absent");
    return TensorType{view.input(0).dtype, view.input(0).shape, kLinear};
  }
  TN_TRY(verify(prologue));
  std::vector<TensorType> types;
  for (size_t i = 0; i < prologue.inputs; ++i) {
    if (!view.has_input(i)) return fail(Code::invalid_model, "the prologue's operand {} is absent", i);
    if (view.input(i).dtype != prologue.input_type[i])
      return fail(Code::invalid_model, "the prologue's operand {} must be {}, it is {}", i,
                  name_of(prologue.input_type[i]), print(view.input(i)));
    types.push_back(view.input(i));
  }
  TN_ASSIGN(Shape shape, broadcast_shapes(types));
  return TensorType{prologue.result_type(), std::move(shape), kLinear};
}

}  // namespace tenon
