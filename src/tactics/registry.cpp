#include "tactics/tactic.h"

namespace tenon {

#define TN_TACTIC(name) extern const Tactic k_##name;
#include "tactics/tactics.def"
#undef TN_TACTIC

std::span<const Tactic* const> all_tactics() {
  static const Tactic* const tactics[] = {
#define TN_TACTIC(name) &k_##name,
#include "tactics/tactics.def"
#undef TN_TACTIC
  };
  return tactics;
}

}  // namespace tenon
