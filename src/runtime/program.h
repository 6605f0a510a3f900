// Runs a refit program: the one code that computes weights, both when a plan is built and when it is
// refitted, so that the two agree bit for bit.
#pragma once

#include <cstddef>
#include <span>

#include "base/allocator.h"
#include "base/team.h"
#include "device/kernel_table.h"
#include "plan/plan.h"

namespace tenon {

// Memory that programs need besides their sources and results; kept from one to the next.
class ProgramMemory {
 public:
  explicit ProgramMemory(Allocator& allocator) : allocator_(allocator) {}

 private:
  friend class ProgramRun;
  static Result<std::byte*> at_least(Block& block, Allocator& allocator, uint64_t bytes, const char* what);

  Allocator& allocator_;
  Block arena_, scratch_, sources_;
};

// `sources[i]`: bytes of the program's i-th source, at any address; `outputs[i]`: where its i-th weight goes;
// `weights[i]`: bytes of the plan's i-th weight, read for literals only. Of the plan, dims, weights' types,
// sources and origins are used. Sizes are checked against the plan's. Calls may run side by side, each with a team and
// memory of its own; a team of one may serve them all.
Status run_refit_program(const plan::Plan& plan, const plan::RefitProgram& program,
                         std::span<const std::byte* const> sources, std::span<std::byte* const> outputs,
                         std::span<const std::byte* const> weights, const KernelTable& kernels,
                         ProgramMemory& memory, Team& team);

}  // namespace tenon
