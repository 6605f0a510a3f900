#include "runtime/program.h"

#include <cstring>

#include "plan/verify.h"
#include "runtime/prepared.h"

namespace tenon {
namespace {

// Kernels never write an input.
void* writable(const std::byte* data) { return const_cast<std::byte*>(data); }

uint64_t padded(int64_t bytes) { return (static_cast<uint64_t>(bytes) + 63) / 64 * 64; }

}  // namespace

// The block with at least so many bytes, whose old ones need not stay.
Result<std::byte*> ProgramMemory::at_least(Block& block, Allocator& allocator, uint64_t bytes, const char* what) {
  if (block.bytes() < bytes) {
    block = Block();  // before the new one is there
    TN_ASSIGN(block, Block::allocate(allocator, bytes, what));
  }
  return block.data();
}

class ProgramRun {
 public:
  ProgramRun(const plan::Plan& plan, const plan::RefitProgram& program, ProgramMemory& memory)
      : plan_(plan), program_(program), region_(program.region), memory_(memory) {
    for (uint32_t s : program.sources)
      source_bytes_.push_back(
          plan::storage_bytes(plan.sources[s].dtype, kLinear, plan.sources[s].dims).value_or(-1));
    for (uint32_t w : program.weights) output_bytes_.push_back(static_cast<int64_t>(plan.weights[w].bytes));
  }

  Status run(std::span<const std::byte* const> sources, std::span<std::byte* const> outputs,
             std::span<const std::byte* const> weights, const KernelTable& kernels, Team& team) {
    if (region_.steps.empty()) {  // a copy
      if (output_bytes_[0]) std::memcpy(outputs[0], sources[0], static_cast<size_t>(output_bytes_[0]));
      return {};
    }
    TN_ASSIGN(RegionKernels found, find_kernels(region_, kernels, cpu_features(), true));
    DimValues dims(plan_, std::vector<std::optional<int64_t>>(plan_.symbols.size()));
    PrepareOptions options;
    options.threads = team.size();
    options.inputs = source_bytes_;
    options.outputs = output_bytes_;
    TN_ASSIGN(std::unique_ptr<PreparedRegion> prepared, prepare_region(plan_, region_, found, dims, options));
    TN_ASSIGN(std::byte * arena, get(memory_.arena_, region_.arena_bytes, "memory to compute weights"));
    TN_ASSIGN(std::byte * scratch, get(memory_.scratch_, prepared->host_scratch_bytes, "scratch to compute weights"));
    TN_ASSIGN(std::vector<void*> inputs, place(sources));
    std::vector<void*> literals, results(outputs.begin(), outputs.end());
    for (const std::byte* data : weights) literals.push_back(writable(data));
    prepared->bind({arena, nullptr, nullptr, scratch, literals, inputs, results, nullptr, {}});
    for (size_t i = 0; i < prepared->launches.size(); ++i) {
      PreparedRegion::Launch& launch = prepared->launches[i];
      launch.call.team = &team;
      if (Status status = launch.kernel->launch(launch.call); !status)
        return trail(std::move(status.error()), "{}", step_text(plan_, region_.steps[i]));
    }
    return {};
  }

 private:
  Result<std::byte*> get(Block& block, uint64_t bytes, const char* what) {
    return ProgramMemory::at_least(block, memory_.allocator_, bytes, what);
  }

  // Sources where kernels may read them: in place if they are aligned to their elements (a mapped file's need
  // not be), else copied.
  Result<std::vector<void*>> place(std::span<const std::byte* const> sources) {
    auto is_aligned = [&](size_t i) {
      return reinterpret_cast<uintptr_t>(sources[i]) % size_of(plan_.sources[program_.sources[i]].dtype) == 0;
    };
    uint64_t bytes = 0;
    for (size_t i = 0; i < sources.size(); ++i)
      if (!is_aligned(i)) bytes += padded(source_bytes_[i]);
    TN_ASSIGN(std::byte * next, get(memory_.sources_, bytes, "a copy of weights"));
    std::vector<void*> out;
    for (size_t i = 0; i < sources.size(); ++i) {
      if (is_aligned(i)) {
        out.push_back(writable(sources[i]));
        continue;
      }
      if (source_bytes_[i]) std::memcpy(next, sources[i], static_cast<size_t>(source_bytes_[i]));
      out.push_back(next);
      next += padded(source_bytes_[i]);
    }
    return out;
  }

  const plan::Plan& plan_;
  const plan::RefitProgram& program_;
  const plan::Region& region_;
  ProgramMemory& memory_;
  std::vector<int64_t> source_bytes_, output_bytes_;
};

Status run_refit_program(const plan::Plan& plan, const plan::RefitProgram& program,
                         std::span<const std::byte* const> sources, std::span<std::byte* const> outputs,
                         std::span<const std::byte* const> weights, const KernelTable& kernels,
                         ProgramMemory& memory, Team& team) {
  return ProgramRun(plan, program, memory).run(sources, outputs, weights, kernels, team);
}

}  // namespace tenon
