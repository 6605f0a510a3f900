// absorb_transposes: transposes of a matmul's operands and result become its permutations.
// Requires: core level. Ensures: no matmul reads a transpose of a value that is not static.
#include <numeric>

#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/static_values.h"

namespace tenon {
namespace {

std::vector<int64_t> permutation(const Attrs& attrs, std::string_view name, size_t rank) {
  std::vector<int64_t> perm = attrs.integers(name);
  if (perm.empty()) {
    perm.resize(rank);
    std::iota(perm.begin(), perm.end(), 0);
  }
  return perm;
}

// Transposing by `first`, then by `second`.
std::vector<int64_t> compose(const std::vector<int64_t>& first, const std::vector<int64_t>& second) {
  std::vector<int64_t> out(first.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = first[static_cast<size_t>(second[i])];
  return out;
}

bool is_identity(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return false;
  return true;
}

void set_permutation(Attrs& attrs, const char* name, std::vector<int64_t> perm) {
  if (is_identity(perm)) attrs.erase(name);
  else attrs.set(name, std::move(perm));
}

Result<bool> absorb_operand(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op != &kMatmul) return false;
  for (size_t i = 0; i < 2; ++i) {
    const Node* producer = view.graph().producer(node.inputs[i]);
    if (!producer || producer->op != &kTranspose) continue;
    const char* name = i == 0 ? "perm_a" : "perm_b";
    Attrs attrs = node.attrs;
    set_permutation(attrs, name, compose(producer->attrs.integers("perm"),
                                         permutation(node.attrs, name, view.input(i).rank())));
    std::vector<ValueId> inputs = node.inputs;
    inputs[i] = producer->inputs[0];
    TN_ASSIGN(ValueId made, patch.add(kMatmul, std::move(inputs), std::move(attrs)));
    patch.replace(node.outputs[0], made);
    return true;
  }
  return false;
}

Result<bool> absorb_result(NodeView view, Patch& patch) {
  const Node& node = view.node();
  if (node.op != &kTranspose) return false;
  const Graph& graph = view.graph();
  const Node* matmul = graph.producer(node.inputs[0]);
  if (!matmul || matmul->op != &kMatmul || graph.users(node.inputs[0]).size() != 1 || graph.is_output(node.inputs[0]))
    return false;
  Attrs attrs = matmul->attrs;
  set_permutation(attrs, "perm_out", compose(permutation(attrs, "perm_out", view.input(0).rank()),
                                             node.attrs.integers("perm")));
  TN_ASSIGN(ValueId made, patch.add(kMatmul, matmul->inputs, std::move(attrs)));
  patch.replace(node.outputs[0], made);
  return true;
}

constexpr Rule kRules[] = {{"absorb_operand", absorb_operand}, {"absorb_result", absorb_result}};

Status run(Graph& graph, const PassContext&) { return rewrite(graph, kRules); }

}  // namespace

const Pass k_absorb_transposes{"absorb_transposes", run};

}  // namespace tenon
