#include "tactics/cuda_claims.h"

#include <algorithm>

#include "tactics/claims.h"
#include "tactics/reference_params.h"

namespace tenon {
namespace {

bool is_computed(DType type) { return type != DType::string && !is_only_stored(type); }

std::vector<const TensorType*> tensors(NodeView node) {
  std::vector<const TensorType*> out;
  for (size_t i = 0; i < node.input_count(); ++i)
    if (node.has_input(i)) out.push_back(&node.input(i));
  for (size_t i = 0; i < node.output_count(); ++i) out.push_back(&node.output(i));
  return out;
}

}  // namespace

std::vector<Storage> cuda_storages(NodeView node, const TargetInfo& target) {
  std::vector<Storage> out = {{DType::none, ""}};
  const auto all = tensors(node);
  if (std::none_of(all.begin(), all.end(), [](const TensorType* type) { return type->dtype == DType::f32; })) return out;
  if (target.allow_f16) out.push_back({DType::f16, "f16"});
  if (target.allow_bf16) out.push_back({DType::bf16, "bf16"});
  return out;
}

Form stored(const TensorType& type, const Storage& storage, Format format) {
  return {type.dtype == DType::f32 ? storage.dtype : DType::none, format};
}

std::string cuda_refuses_types(NodeView node) {
  for (const TensorType* type : tensors(node))
    if (type->dtype != DType::none && !is_computed(type->dtype))
      return fmt::format("CUDA kernels do not compute {}", name_of(type->dtype));
  for (const char* name : {"program", "prologue", "epilogue"}) {
    const Attr* attr = node.attrs().find(name);
    const auto* program = attr ? std::get_if<ProgramAttr>(attr) : nullptr;
    if (!program) continue;
    for (const Instr& instr : static_cast<const Program&>(*program).instructions())
      if (!is_computed(instr.type)) return fmt::format("CUDA kernels do not compute {} in an expression program", name_of(instr.type));
  }
  return {};
}

Claim claim_cuda(NodeView node, const TargetInfo& target, std::string_view kernel) {
  if (std::string why = cuda_refuses_types(node); !why.empty()) return Claim::refuse(std::move(why));
  Claim plain = claim_linear(node, kernel);
  if (plain.candidates.empty()) return plain;
  Claim out;
  for (const Storage& storage : cuda_storages(node, target)) {
    Candidate candidate = plain.candidates[0];
    candidate.config = storage.name;
    for (size_t i = 0; i < node.input_count(); ++i) candidate.inputs[i] = stored(node.input(i), storage, kLinear);
    for (size_t i = 0; i < node.output_count(); ++i) candidate.outputs[i] = stored(node.output(i), storage, kLinear);
    out.candidates.push_back(std::move(candidate));
  }
  return out;
}

bool has_nhwc(const TensorType& type) { return type.rank() >= 3; }

std::vector<Format> nhwc_inputs(NodeView node) {
  const TensorType& y = node.output(0);
  std::vector<Format> out;
  for (size_t i = 0; i < node.input_count(); ++i) {
    const TensorType& x = node.input(i);
    bool more = x.rank() == y.rank();
    if (more && is_static_input(node, i)) {
      more = false;
      for (size_t d = 2; d < x.rank(); ++d) more = more || !x.shape[d].is(1);
    }
    out.push_back(node.has_input(i) && more ? kChannelsLast : kLinear);
  }
  return out;
}

void add_formats(Claim& claim, NodeView node, const std::vector<Format>& inputs, const std::vector<Format>& outputs) {
  for (size_t k = 0, count = claim.candidates.size(); k < count; ++k) {
    Candidate candidate = claim.candidates[k];
    candidate.config += candidate.config.empty() ? "nhwc" : " nhwc";
    for (size_t i = 0; i < node.input_count(); ++i) candidate.inputs[i].format = inputs[i];
    for (size_t i = 0; i < node.output_count(); ++i) candidate.outputs[i].format = outputs[i];
    claim.candidates.push_back(std::move(candidate));
  }
}

}  // namespace tenon
