#include "cuda/gemm_epilogue.h"

#include "onednn/post_ops.h"

namespace tenon::cuda {

Program widened(Program program) {
  auto widen = [](DType& type) {
    if (type == DType::f16 || type == DType::bf16) type = DType::f32;
  };
  for (DType& type : program.input_type) widen(type);
  for (Instr& instr : program.code) widen(instr.type);
  return program;
}

bool match_gemm_epilogue(const Program& program, std::span<const ExtraRole> extras, GemmEpilogue& out,
                         std::string& refusal) {
  using onednn::PostOp;
  using onednn::PostOpKind;
  out = {};
  onednn::PostOpChain chain;
  auto refuse = [&] {
    refusal = "cuBLASLt cannot apply the epilogue " + print(program);
    return false;
  };
  std::string detail;
  if (!onednn::match_post_ops(program, chain, detail)) return refuse();
  for (int i = 0; i < chain.count; ++i) {
    const PostOp& op = chain.ops[i];
    if (out.activation != GemmEpilogue::Activation::none) return refuse();
    if (op.kind == PostOpKind::linear && i == 0 && op.beta == 0) {
      out.alpha = op.alpha;
    } else if (op.kind == PostOpKind::add) {
      const int extra = op.input - 1;
      if (extra < 0 || static_cast<size_t>(extra) >= extras.size()) return refuse();
      const ExtraRole role = extras[static_cast<size_t>(extra)];
      if (role.bias && out.bias < 0) out.bias = extra;
      else if (role.residual && out.residual < 0) out.residual = extra;
      else return refuse();
    } else if (op.kind == PostOpKind::relu && op.alpha == 0) {
      out.activation = GemmEpilogue::Activation::relu;
    } else if (op.kind == PostOpKind::gelu_tanh) {
      out.activation = GemmEpilogue::Activation::gelu_tanh;
    } else {
      return refuse();
    }
  }
  return true;
}

}  // namespace tenon::cuda
