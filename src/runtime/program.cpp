#include "runtime/program.h"

#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/checked.h"

namespace tenon {
namespace {

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Result<Memory> allocate(uint64_t bytes) {
  size_t size = (static_cast<size_t>(bytes) + 63) / 64 * 64;
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(64, size ? size : 64)));
  if (!memory) return fail(Code::out_of_memory, "{} bytes to compute weights", bytes);
  return memory;
}

Arg arg_of(const plan::Value& value, std::span<const plan::DimExpr> dims) {
  Arg arg;
  if (value.kind == plan::ValueKind::absent) return arg;
  arg.dtype = value.dtype;
  arg.format = value.format;
  arg.rank = static_cast<int32_t>(value.dims.size());
  for (size_t i = 0; i < value.dims.size(); ++i) arg.dims[i] = dims[value.dims[i]].value;
  return arg;
}

Status run_step(const plan::Step& step, std::span<const Arg> args, const KernelTable& kernels, Team& team) {
  const Kernel* kernel = kernels.find(step.kernel);
  if (!kernel) return fail(Code::incompatible_plan, "there is no kernel {}", step.kernel);
  if (kernel->params_size != step.params.size())
    return fail(Code::invalid_plan, "{} takes {} bytes of parameters, the step has {}", step.kernel,
                kernel->params_size, step.params.size());
  if (kernel->cpu_features & ~cpu_features())
    return fail(Code::incompatible_plan, "{} needs {}", step.kernel, cpu_feature_names(kernel->cpu_features));
  std::vector<Arg> inputs, outputs;
  for (uint32_t id : step.inputs) inputs.push_back(args[id]);
  for (uint32_t id : step.outputs) outputs.push_back(args[id]);
  Prepared prepared;
  TN_TRY(kernel->prepare({step.params, inputs, outputs, team.size()}, prepared));
  TN_ASSIGN(Memory scratch, allocate(static_cast<uint64_t>(prepared.scratch_bytes)));
  return kernel->launch({step.params, inputs, outputs, scratch.get(), prepared.state.get(), &team});
}

}  // namespace

Status run_refit_program(const plan::RefitProgram& program, std::span<const plan::DimExpr> dims,
                         std::span<const plan::Weight> weight_types, std::span<const std::byte* const> sources,
                         std::span<std::byte* const> outputs, std::span<const std::byte* const> weights,
                         const KernelTable& kernels, Team& team) {
  const plan::Region& region = program.region;
  if (region.values.empty()) {  // a copy
    std::memcpy(outputs[0], sources[0], weight_types[program.weights[0]].bytes);
    return {};
  }
  TN_ASSIGN(Memory arena, allocate(region.arena_bytes));
  std::vector<Arg> args;
  for (const plan::Value& value : region.values) {
    Arg arg = arg_of(value, dims);
    switch (value.kind) {
      case plan::ValueKind::arena: arg.data = arena.get() + value.offset; break;
      // Kernels never write an input.
      case plan::ValueKind::weight: arg.data = const_cast<std::byte*>(weights[value.index]); break;
      case plan::ValueKind::input: arg.data = const_cast<std::byte*>(sources[value.index]); break;
      case plan::ValueKind::output: arg.data = outputs[value.index]; break;
      default: break;
    }
    args.push_back(arg);
  }
  for (const plan::Step& step : region.steps)
    if (auto status = run_step(step, args, kernels, team); !status)
      return trail(std::move(status.error()), "while computing weights, in step {}", step.name);
  return {};
}

}  // namespace tenon
