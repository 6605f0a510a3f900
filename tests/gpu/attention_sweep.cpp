// gpu_attention: the sweep over attention's sizes, lengths, masks and layouts.
#include "gpu/case_tables.h"

namespace tenon::test {

std::vector<Case> kernel_cases() {
  std::vector<Case> out;
  attention_sweep(out);
  return out;
}

}  // namespace tenon::test
