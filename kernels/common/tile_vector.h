// The vectorised executors behind tile.h, compiled once per instruction set. Plain data only: see kernels/meson.build.
#pragma once

#include <cstdint>

namespace tenon {

// As ExprOp.
enum class VectorOp : uint8_t {
#define TN_EXPR(name, arity, kind) name,
#include "base/program.def"
#undef TN_EXPR
};

// As Instr. `type`: as DType.
struct VectorInstr {
  VectorOp op;
  uint8_t type, a, b, c, zero[3];
  double imm;
};

// As TileOperand.
struct VectorOperand {
  const void* data;
  int64_t row_stride, col_stride;
};

// A program of f32, f16, bf16 and bool whose integer inputs are only cast to those; the result is none of the integers.
struct VectorTile {
  const VectorInstr* code;
  int size;                       // 0: the identity of input 0
  int inputs;
  const uint8_t* input_type;      // as DType
  const VectorOperand* operands;
  int64_t rows, cols;
  void* dst;
  int64_t dst_row_stride;
  float* scratch;                 // kTileScratchBytes
};

// Programs that run in registers: act(pre), all f32.
struct VectorForm {
  enum Pre : uint8_t { leaf, sum2, sum3, product_sum, product_sum2 } pre;  // a, a+b, a+b+c, a*b+c, a*b+c+d
  enum Act : uint8_t { none, clip, silu, gelu, gelu_tanh, hard_swish } act;
  uint8_t leaves[4];              // program inputs
  // clip: low, high. gelu: x * p0 * (erf(x * p1) + p2). gelu_tanh: x * p0 * (tanh(x * (p1 + p2 * x²)) + 1). hard_swish: x *
  // clip(x * p0 + p1, p2, p3) * p4.
  float p[5];
};

#define TN_VECTOR_TILE(isa)                                        \
  namespace isa {                                                  \
  void run_tile(const VectorTile& tile);                           \
  void run_form(const VectorForm& form, const VectorTile& tile);   \
  }
TN_VECTOR_TILE(avx2)
TN_VECTOR_TILE(avx512)
#undef TN_VECTOR_TILE

}  // namespace tenon
