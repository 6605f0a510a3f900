// Which expression programs oneDNN can apply to a result as it stores it: a chain of post-ops. Knows no oneDNN header,
// so that tactics and kernels decide by the same function.
#pragma once

#include <cstdint>
#include <string>

#include "base/program.h"

namespace tenon::onednn {

enum class PostOpKind : uint8_t {
  // of the value alone; v is the value so far
  relu,       // v < 0 ? alpha * v : v
  clip,       // min(max(v, alpha), beta)
  linear,     // alpha * v + beta
  sigmoid,
  swish,      // v * sigmoid(alpha * v)
  hardswish,  // v * clip(v + 3, 0, 6) / 6
  gelu_erf,   // v * (1 + erf(v / sqrt(2))) / 2
  gelu_tanh,  // v * (1 + tanh(sqrt(2 / pi) * (v + 0.044715 * v^3))) / 2
  tanh, abs, sqrt, square, exp, log, softplus, round,
  // with the program's input `input`
  add, sub, mul, div, max, min,
};

struct PostOp {
  PostOpKind kind = PostOpKind::linear;
  uint8_t input = 0;
  float alpha = 0, beta = 0;
};

inline constexpr int kMaxPostOps = 8;

struct PostOpChain {
  int count = 0;
  PostOp ops[kMaxPostOps];
};

inline bool is_binary(PostOpKind kind) { return kind >= PostOpKind::add; }

// The chain that computes `program` from its input 0, to within float32 rounding of the program's own steps (oneDNN's
// erf, exp and tanh are approximations within 1e-6 of the largest value involved; NaN inputs may be lost by clip and
// relu). Returns false and says why when there is none. A program without instructions is the empty chain.
bool match_post_ops(const Program& program, PostOpChain& chain, std::string& refusal);

}  // namespace tenon::onednn
