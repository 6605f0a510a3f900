// The passes, in the order in which compile.cpp runs them.
#pragma once

#include "ir/pass.h"

namespace tenon {

#define TN_PASS(name) extern const Pass k_##name;
#include "passes/passes.def"
#undef TN_PASS

std::span<const Pass* const> all_passes();
// nullptr if there is none of that name.
const Pass* find_pass(std::string_view name);

}  // namespace tenon
