#include "passes/passes.h"

namespace tenon {

const Pass* find_pass(std::string_view name) {
  static const Pass* const passes[] = {
#define TN_PASS(name) &k_##name,
#include "passes/passes.def"
#undef TN_PASS
  };
  for (const Pass* pass : passes)
    if (pass->name == name) return pass;
  return nullptr;
}

}  // namespace tenon
