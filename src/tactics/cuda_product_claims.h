// What the tactics of products and convolutions on CUDA share.
#pragma once

#include <string>
#include <vector>

#include "cuda/gemm_params.h"
#include "tactics/onednn_claims.h"
#include "tactics/tactic.h"

namespace tenon {

// A way to store the operands and the result of a product, and to multiply.
struct ProductPrecision {
  DType in = DType::none, out = DType::none;   // as forms name them: none for the node's own type
  CudaMath math = CudaMath::exact;
  std::string name;                            // "tf32", "f16", "f16 to f32"
  bool reduced() const { return in != DType::none; }
  std::string_view math_name() const { return math == CudaMath::tf32 ? "tf32" : ""; }   // of a Candidate
};
// Those that the target allows for operands of the type; none when it is no float of up to 32 bits. `wide_results`:
// also f16 and bf16 operands with an f32 result.
std::vector<ProductPrecision> product_precisions(DType type, const TargetInfo& target, bool wide_results);

// The form of an operand of an epilogue: floats are stored as the result is.
Form extra_form(const TensorType& type, const ProductPrecision& precision, Format format);

// "" or why a CUDA kernel of products cannot give the node's output.
std::string product_refusal(NodeView node);

// A convolution with what its epilogue reads.
struct ConvProblem {
  ConvParams conv;
  std::vector<KernelCall::DimParam> dims;
  std::vector<ExtraKind> extras;
  Program epilogue;            // f32
  bool has_bias = false;
  bool other = false;          // an extra operand has neither the output's dims, nor one value a channel, nor one value
  bool has_tail() const { return has_bias || !epilogue.empty(); }
};
// "" or why no kernel of products can be claimed for the convolution.
std::string read_conv(NodeView node, ConvProblem& p);
// "" or why it is no product of matrices: its kernel is not 1.
std::string no_product(NodeView node, const ConvProblem& p);
// x, w and the result in one format, extras of the result's dims too; without config and call.
Candidate conv_candidate(NodeView node, const ConvProblem& p, const ProductPrecision& precision, Format format);

}  // namespace tenon
