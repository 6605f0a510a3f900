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

// `sources[i]`: bytes of the program's i-th source, at any address; `outputs[i]`: where its i-th weight goes;
// `weights[i]`: bytes of the plan's i-th weight, read for literals only. Of the plan, dims, weights' types,
// sources and origins are used. Sizes are checked against the plan's; memory beyond that is allocated here
// and freed on return.
Status run_refit_program(const plan::Plan& plan, const plan::RefitProgram& program,
                         std::span<const std::byte* const> sources, std::span<std::byte* const> outputs,
                         std::span<const std::byte* const> weights, const KernelTable& kernels,
                         Allocator& allocator, Team& team);

}  // namespace tenon
