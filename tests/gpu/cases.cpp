#include "gpu/cases.h"

#include "gpu/case_tables.h"

namespace tenon::test {

std::vector<Case> kernel_cases() {
  std::vector<Case> out;
  pointwise_cases(out);
  move_cases(out);
  rows_cases(out);
  index_cases(out);
  window_cases(out);
  product_cases(out);
  attention_cases(out);
  rnn_cases(out);
  gemm_cases(out);
  conv_gemm_cases(out);
  return out;
}

}  // namespace tenon::test
