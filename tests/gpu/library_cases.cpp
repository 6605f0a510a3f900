// The table of gpu_gemm: products and convolutions, those of libraries too.
#include "gpu/case_tables.h"

namespace tenon::test {

std::vector<Case> kernel_cases() {
  std::vector<Case> out;
  gemm_cases(out);
  conv_gemm_cases(out);
  lt_cases(out);
  conv_cases(out);
  return out;
}

}  // namespace tenon::test
