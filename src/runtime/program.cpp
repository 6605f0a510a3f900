#include "runtime/program.h"

#include <cstring>

#include "plan/verify.h"
#include "runtime/prepared.h"

namespace tenon {
namespace {

// Kernels never write an input.
void* writable(const std::byte* data) { return const_cast<std::byte*>(data); }

// Sources where kernels may read them: in place if they are aligned to their elements (a mapped file's need
// not be), else copied.
class SourceMemory {
 public:
  Result<void*> place(const std::byte* data, int64_t bytes, size_t element, Allocator& allocator) {
    if (reinterpret_cast<uintptr_t>(data) % element == 0) return writable(data);
    TN_ASSIGN(Block copy, Block::allocate(allocator, static_cast<uint64_t>(bytes), "a copy of a weight"));
    if (bytes) std::memcpy(copy.data(), data, static_cast<size_t>(bytes));
    copies_.push_back(std::move(copy));
    return copies_.back().data();
  }

 private:
  std::vector<Block> copies_;
};

}  // namespace

Status run_refit_program(const plan::Plan& plan, const plan::RefitProgram& program,
                         std::span<const std::byte* const> sources, std::span<std::byte* const> outputs,
                         std::span<const std::byte* const> weights, const KernelTable& kernels,
                         Allocator& allocator, Team& team) {
  const plan::Region& region = program.region;
  std::vector<int64_t> source_bytes, output_bytes;
  for (uint32_t s : program.sources)
    source_bytes.push_back(
        plan::storage_bytes(plan.sources[s].dtype, kLinear, plan.sources[s].dims).value_or(-1));
  for (uint32_t w : program.weights) output_bytes.push_back(static_cast<int64_t>(plan.weights[w].bytes));
  if (region.steps.empty()) {  // a copy
    if (output_bytes[0]) std::memcpy(outputs[0], sources[0], static_cast<size_t>(output_bytes[0]));
    return {};
  }
  TN_ASSIGN(RegionKernels found, find_kernels(region, kernels, cpu_features(), true));
  DimValues dims(plan, std::vector<std::optional<int64_t>>(plan.symbols.size()));
  PrepareOptions options;
  options.threads = team.size();
  options.inputs = source_bytes;
  options.outputs = output_bytes;
  TN_ASSIGN(std::unique_ptr<PreparedRegion> prepared, prepare_region(plan, region, found, dims, options));
  TN_ASSIGN(Block arena, Block::allocate(allocator, region.arena_bytes, "memory to compute weights"));
  TN_ASSIGN(Block scratch, Block::allocate(allocator, prepared->host_scratch_bytes, "scratch to compute weights"));
  SourceMemory memory;
  std::vector<void*> inputs, literals;
  for (size_t i = 0; i < sources.size(); ++i) {
    size_t element = size_of(plan.sources[program.sources[i]].dtype);
    TN_ASSIGN(void* data, memory.place(sources[i], source_bytes[i], element, allocator));
    inputs.push_back(data);
  }
  for (const std::byte* data : weights) literals.push_back(writable(data));
  std::vector<void*> results(outputs.begin(), outputs.end());
  prepared->bind({arena.data(), nullptr, nullptr, scratch.data(), literals, inputs, results});
  for (size_t i = 0; i < prepared->launches.size(); ++i) {
    PreparedRegion::Launch& launch = prepared->launches[i];
    launch.call.team = &team;
    if (Status status = launch.kernel->launch(launch.call); !status)
      return trail(std::move(status.error()), "{}", step_text(plan, region.steps[i]));
  }
  return {};
}

}  // namespace tenon
