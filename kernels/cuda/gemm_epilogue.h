// Which epilogues cuBLASLt applies to a product as it stores it. Knows no CUDA header: claim and prepare ask the same code.
#pragma once

#include <span>
#include <string>

#include "base/program.h"

namespace tenon::cuda {

// activation(alpha * product + bias + residual)
struct GemmEpilogue {
  enum class Activation : uint8_t { none, relu, gelu_tanh };
  float alpha = 1;
  int bias = -1;       // which extra operand; -1: none
  int residual = -1;
  Activation activation = Activation::none;
};

// What an extra operand can be by its dims.
struct ExtraRole {
  bool bias = false;       // one value a column, the same for each row and batch item
  bool residual = false;   // the result's dims
};

// The program with f32 in place of f16 and bf16: how kernels compute it, whatever tensors are stored as.
Program widened(Program program);

// Whether the program, whose types are f32, is such an epilogue; says why not.
bool match_gemm_epilogue(const Program& program, std::span<const ExtraRole> extras, GemmEpilogue& out,
                         std::string& refusal);

}  // namespace tenon::cuda
