#include "tactics/cuda_product_claims.h"

namespace tenon {
namespace {

bool is_small_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

}  // namespace

std::vector<ProductPrecision> product_precisions(DType type, const TargetInfo& target, bool wide_results) {
  std::vector<ProductPrecision> out;
  if (!is_small_float(type)) return out;
  out.push_back({DType::none, DType::none, CudaMath::exact, std::string(name_of(type))});
  if (type != DType::f32) return out;
  if (target.allow_tf32) out.push_back({DType::none, DType::none, CudaMath::tf32, "tf32"});
  for (DType reduced : {DType::f16, DType::bf16}) {
    if (!(reduced == DType::f16 ? target.allow_f16 : target.allow_bf16)) continue;
    out.push_back({reduced, reduced, CudaMath::exact, std::string(name_of(reduced))});
    if (wide_results) out.push_back({reduced, DType::none, CudaMath::exact, std::string(name_of(reduced)) + " to f32"});
  }
  return out;
}

Form extra_form(const TensorType& type, const ProductPrecision& precision, Format format) {
  return Form(type.dtype == DType::f32 ? precision.out : DType::none, format);
}

std::string product_refusal(NodeView node) {
  if (!is_small_float(node.input(0).dtype)) return "operands must be f32, f16 or bf16, they are " + print(node.input(0));
  const DType result = node.output(0).dtype;
  if (result != node.input(0).dtype) return "the result must have the type of the operands, it is " + print(node.output(0));
  return {};
}

}  // namespace tenon
