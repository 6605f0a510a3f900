#include "tactics/claims.h"

#include "base/checked.h"
#include "base/cpu.h"
#include "matmul/packed.h"

namespace tenon {
namespace {

bool is_static(const Graph& graph, ValueId id, int depth) {
  if (!id.valid()) return true;
  const Value& value = graph.value(id);
  if (value.constant) return true;
  const Node* producer = graph.producer(id);
  if (!producer || !producer->op->deterministic || depth > 64) return false;
  for (ValueId input : producer->inputs)
    if (!is_static(graph, input, depth + 1)) return false;
  for (ValueId output : producer->outputs)
    if (!constant_shape(graph.value(output).type.shape)) return false;
  return true;
}

}  // namespace

bool is_static_input(NodeView node, size_t input) {
  return node.has_input(input) && is_static(node.graph(), node.node().inputs[input], 0);
}

std::string name_of(const Form& form) {
  return form.dtype == DType::none ? name_of(form.format) : std::string(name_of(form.dtype)) + " " + name_of(form.format);
}

std::optional<std::vector<int64_t>> typical_shape(const Shape& shape, const TargetInfo& target) {
  std::vector<int64_t> out;
  for (const Dim& dim : shape) {
    auto value = evaluate(dim, [&](std::string_view name) -> std::optional<int64_t> {
      if (!target.typical) return std::nullopt;
      auto found = target.typical->find(name);
      return found == target.typical->end() ? std::nullopt : std::optional(found->second);
    });
    if (!value) return std::nullopt;
    out.push_back(*value);
  }
  return out;
}

std::vector<ProductCut> product_cuts(const InstructionSet& isa, const ProductSize& size, int threads) {
  const std::vector<int64_t> widths = isa.lanes == 16 ? std::vector<int64_t>{2, 4, 3} : std::vector<int64_t>{2, 3};
  std::vector<ProductCut> out;
  for (int64_t vectors : widths) out.push_back({vectors});
  if (size.rows <= kFewStrassenRows) return out;
  const auto blocks = checked_mul(size.batches, ceil_div(size.rows, size.block_rows));
  for (int64_t vectors : widths)
    if (blocks && shares_blocks(*blocks, ceil_div(size.columns, vectors * isa.lanes), threads)) out.push_back({vectors, true});
  return out;
}

bool multiplies_pairs(const TargetInfo& target) {
  return target.allow_bf16 && (target.cpu_features & kAvx512Bf16) && instruction_set(target).lanes == 16;
}

InstructionSet instruction_set(const TargetInfo& target) {
  if ((target.cpu_features & kAvx512) && (target.cpu_features & kAvx2)) return {"avx512", 16};
  if (target.cpu_features & kAvx2) return {"avx2", 8};
  return {};
}

}  // namespace tenon
