#include "passes/passes.h"

namespace tenon {

std::span<const Pass* const> all_passes() {
  static const Pass* const passes[] = {
#define TN_PASS(name) &k_##name,
#include "passes/passes.def"
#undef TN_PASS
  };
  return passes;
}

const Pass* find_pass(std::string_view name) {
  for (const Pass* pass : all_passes())
    if (pass->name == name) return pass;
  return nullptr;
}

}  // namespace tenon
