// The tables that make up kernel_cases; one file each.
#pragma once

#include "gpu/cases.h"

namespace tenon::test {

// The program of this text; ends the test program when it is none.
Program program(std::string_view text, std::vector<DType> types);

void pointwise_cases(std::vector<Case>& out);
void move_cases(std::vector<Case>& out);
void rows_cases(std::vector<Case>& out);
void index_cases(std::vector<Case>& out);
void window_cases(std::vector<Case>& out);
void product_cases(std::vector<Case>& out);
void rnn_cases(std::vector<Case>& out);
void attention_cases(std::vector<Case>& out);
void attention_sweep(std::vector<Case>& out);

inline Case make_case(std::string name, const char* kernel, const char* reference, std::vector<Spec> inputs,
                      std::vector<Spec> outputs) {
  Case c{std::move(name), kernel, reference};
  c.inputs = std::move(inputs);
  c.outputs = std::move(outputs);
  return c;
}
void gemm_cases(std::vector<Case>& out);
void conv_gemm_cases(std::vector<Case>& out);
// Of kernels that need NVIDIA's libraries.
void lt_cases(std::vector<Case>& out);
void conv_cases(std::vector<Case>& out);

}  // namespace tenon::test
