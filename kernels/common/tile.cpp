#include "common/tile.h"

#include <algorithm>
#include <cstddef>

#include "base/cpu.h"
#include "common/tile_form.h"
#include "common/tile_scalar.h"
#include "common/tile_vector.h"

namespace tenon {
namespace {

// The vectorised executors see programs and operands as plain data of the same form.
static_assert(sizeof(VectorInstr) == sizeof(Instr) && offsetof(VectorInstr, imm) == offsetof(Instr, imm) &&
              offsetof(VectorInstr, a) == offsetof(Instr, a));
static_assert(sizeof(VectorOperand) == sizeof(TileOperand));

bool is_small_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

bool converts(DType type) {
  return type == DType::u8 || type == DType::i8 || type == DType::i32 || type == DType::i64;
}

// Whether the vectorised executors take the program: see VectorTile.
bool is_vectorised(const Program& program) {
  uint32_t integers = 0;
  for (int i = 0; i < program.inputs; ++i) {
    DType type = program.input_type[static_cast<size_t>(i)];
    if (converts(type)) integers |= 1u << i;
    else if (!is_small_float(type) && type != DType::boolean) return false;
  }
  if (program.size == 0) return !(integers & 1);
  for (const Instr& instr : program.instructions()) {
    if (!is_small_float(instr.type) && instr.type != DType::boolean) return false;
    int operands[] = {instr.a, instr.b, instr.c};
    for (int k = 0; k < arity(instr.op); ++k)
      if (operands[k] < program.inputs && integers >> operands[k] & 1 && instr.op != ExprOp::cast) return false;
    bool ordered = instr.op == ExprOp::lt || instr.op == ExprOp::le || instr.op == ExprOp::gt || instr.op == ExprOp::ge;
    if (ordered && program.type_of(instr.a) == DType::boolean) return false;
  }
  return true;
}

using RunTile = void (*)(const VectorTile&);
using RunForm = void (*)(const VectorForm&, const VectorTile&);

template <RunTile Tile, RunForm Form>
void run_vector(const Program& program, const TileOperand* inputs, int64_t rows, int64_t cols, void* dst,
                int64_t dst_row_stride, void* scratch) {
  if (rows <= 0 || cols <= 0) return;
  VectorForm form;
  const bool in_registers = program.size > 0 && match_form(program, inputs, form);
  if (!in_registers && !is_vectorised(program))
    return run_tile_scalar(program, inputs, rows, cols, dst, dst_row_stride, scratch);
  // Rows that every operand walks on from one to the next are one long row; a column is a row.
  VectorOperand operands[kMaxProgramInputs];
  const int used = program.size ? program.inputs : 1;
  bool one_row = dst_row_stride == cols, one_column = cols == 1 && dst_row_stride == 1;
  for (int i = 0; i < used; ++i) {
    const TileOperand& in = inputs[i];
    operands[i] = {in.data, in.row_stride, in.col_stride};
    one_row = one_row && in.row_stride == cols * in.col_stride;
    one_column = one_column && (in.row_stride == 0 || in.row_stride == 1);
  }
  if (one_column)
    for (int i = 0; i < used; ++i) operands[i].col_stride = operands[i].row_stride;
  if (one_row || one_column) cols *= rows, rows = 1;
  VectorTile tile = {reinterpret_cast<const VectorInstr*>(program.code.data()),
                     program.size,
                     program.inputs,
                     reinterpret_cast<const uint8_t*>(program.input_type.data()),
                     operands,
                     rows,
                     cols,
                     dst,
                     dst_row_stride,
                     static_cast<float*>(scratch)};
  if (in_registers) return Form(form, tile);
  Tile(tile);
}

}  // namespace

TileFunction tile_function(uint32_t features) {
  if (features & kAvx512) return run_vector<avx512::run_tile, avx512::run_form>;
  if (features & kAvx2) return run_vector<avx2::run_tile, avx2::run_form>;
  return run_tile_scalar;
}

}  // namespace tenon
