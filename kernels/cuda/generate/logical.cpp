#include "cuda/generate/logical.h"

#include <algorithm>

#include "cuda/generate/element.h"

namespace tenon::cuda {

bool is_small_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

Logical::Logical(const PrepareCall& call)
    : inputs(call.inputs.begin(), call.inputs.end()), outputs(call.outputs.begin(), call.outputs.end()),
      original_(call) {
  for (auto* args : {&inputs, &outputs})
    for (Arg& arg : *args) arg.format = kLinear;
}

Result<Logical> Logical::of(const PrepareCall& call) {
  for (std::span<const Arg> args : {call.inputs, call.outputs})
    for (const Arg& arg : args) {
      if (!arg.present()) continue;
      TN_TRY(expect_rank(arg, 0, kMaxRank, "tensor"));
      const bool last = arg.format == kChannelsLast && arg.rank >= 2;
      if (arg.format == kLinear || last) continue;
      return fail(Code::invalid_plan, "a CUDA kernel takes linear and nhwc tensors of the device, not {}", describe(arg));
    }
  return Logical(call);
}

void Logical::as(Arg& arg, DType type) {
  if (may_store(type, arg.dtype)) arg.dtype = type;
}

void Logical::as_f32(Arg& arg) {
  if (is_small_float(arg.dtype)) arg.dtype = DType::f32;
}

void Logical::by_programs(const Program* prologue, size_t own, const Program& epilogue, size_t first_extra) {
  const bool typed = prologue && !prologue->empty();
  for (size_t k = 0; k < own && k < inputs.size(); ++k) {
    if (typed) as(inputs[k], k < kMaxProgramInputs ? prologue->input_type[k] : DType::none);
    else if (epilogue.empty() || !is_small_float(epilogue.input_type[0])) as_f32(inputs[k]);
    else as(inputs[k], epilogue.input_type[0]);
  }
  for (size_t k = first_extra; k < inputs.size() && k - first_extra + 1 < kMaxProgramInputs; ++k)
    as(inputs[k], epilogue.input_type[k - first_extra + 1]);
  if (outputs.empty()) return;
  if (!epilogue.empty()) as(outputs[0], epilogue.size <= kMaxProgramCode ? epilogue.result_type() : DType::none);
  else if (typed) as(outputs[0], prologue->size <= kMaxProgramCode ? prologue->result_type() : DType::none);
  else as_f32(outputs[0]);
}

PrepareCall Logical::call() const {
  PrepareCall out = original_;
  out.inputs = inputs;
  out.outputs = outputs;
  return out;
}

}  // namespace tenon::cuda
