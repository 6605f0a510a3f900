// patch_embedding: a convolution whose kernels lie side by side (its strides are its kernel, no pads, one group), of which
// each position becomes a row (reshape and transpose), is a product of patches: the first layer of vision transformers
// (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929, section 3.1).
// Requires: core level. Ensures: such a convolution with a kernel of more than 1 along every dim is a matmul.
#include "ops/ops.h"
#include "ops/shapes.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr size_t kSpatial = 2;   // dims before the spatial ones: N and C, O and C

bool all_are(const std::vector<int64_t>& values, int64_t value) {
  for (int64_t v : values)
    if (v != value) return false;
  return true;
}

bool is_zero(const Shape& pads) {
  for (const Dim& pad : pads)
    if (!pad.is(0)) return false;
  return true;
}

// Whether x falls into whole patches of the kernel's extents.
bool has_patches(const Graph& graph, const Node& conv) {
  const Shape &x = graph.value(conv.inputs[0]).type.shape, &w = graph.value(conv.inputs[1]).type.shape;
  const std::vector<int64_t> strides = conv.attrs.integers("strides");
  if (conv.attrs.integer("group", 1) != 1 || !is_zero(conv.attrs.shape("pads")) || !all_are(conv.attrs.integers("dilations"), 1) ||
      !conv.attrs.program("epilogue").empty() || conv.inputs.size() > 3 || strides.size() + kSpatial != w.size() || !x[1].is_constant())
    return false;
  for (size_t i = kSpatial; i < w.size(); ++i) {
    if (!w[i].is_constant() || !x[i].is_constant()) return false;
    const int64_t kernel = w[i].value();
    if (kernel < 2 || strides[i - kSpatial] != kernel || x[i].value() == 0 || x[i].value() % kernel != 0) return false;
  }
  return w[0].is_constant();
}

// The convolution, when `transpose` turns its positions into rows of its channels.
const Node* rows_of_conv(const Graph& graph, const Node& transpose) {
  if (transpose.op != &kTranspose || transpose.attrs.integers("perm") != std::vector<int64_t>{0, 2, 1}) return nullptr;
  auto alone = [&](ValueId id) { return graph.users(id).size() == 1 && !graph.is_output(id); };
  const ValueId merged = transpose.inputs[0];
  const Node* reshape = graph.producer(merged);
  if (!reshape || reshape->op != &kReshape || !alone(merged)) return nullptr;
  const ValueId result = reshape->inputs[0];
  const Node* conv = graph.producer(result);
  if (!conv || conv->op != &kConv || !alone(result) || !has_patches(graph, *conv)) return nullptr;
  const Shape &positions = graph.value(merged).type.shape, &y = graph.value(result).type.shape;
  return positions[0] == y[0] && positions[1] == y[1] ? conv : nullptr;
}

Result<bool> patches_to_product(NodeView view, Patch& patch) {
  const Graph& graph = view.graph();
  const Node* conv = rows_of_conv(graph, view.node());
  if (!conv) return false;
  const std::vector<ValueId> inputs = conv->inputs;
  const Shape x = graph.value(inputs[0]).type.shape, w = graph.value(inputs[1]).type.shape;
  const TensorType rows = view.output(0);
  patch.on_behalf_of(graph.value(conv->outputs[0]).producer);

  // N C (H h) (W w) -> N H W C h w.
  Shape split = {x[0], x[1]};
  std::vector<int64_t> perm = {0}, inner = {1};
  int64_t depth = x[1].value();
  for (size_t i = kSpatial; i < x.size(); ++i) {
    perm.push_back(static_cast<int64_t>(split.size()));
    split.push_back(Dim(x[i].value() / w[i].value()));
    inner.push_back(static_cast<int64_t>(split.size()));
    split.push_back(w[i]);
    depth *= w[i].value();
  }
  perm.insert(perm.end(), inner.begin(), inner.end());
  TN_ASSIGN(ValueId patches, reshape(patch, inputs[0], split));
  TN_ASSIGN(patches, transpose(patch, patches, perm));
  TN_ASSIGN(patches, reshape(patch, patches, {x[0], rows.shape[1], Dim(depth)}));
  TN_ASSIGN(ValueId weights, reshape(patch, inputs[1], {w[0], Dim(depth)}));
  TN_ASSIGN(ValueId out, patch.add(kMatmul, {patches, weights}, {{"perm_b", std::vector<int64_t>{1, 0}}}));
  if (inputs.size() > 2 && inputs[2].valid()) {
    const DType types[] = {rows.dtype, rows.dtype};
    ProgramBuilder plus(types);
    TN_ASSIGN(Program program, plus.finish(plus.binary(ExprOp::add, 0, 1)));
    TN_ASSIGN(out, patch.add(kPointwise, {out, inputs[2]}, {{"program", program}}));
  }
  patch.replace(view.node().outputs[0], out);
  return true;
}

constexpr Rule kRules[] = {{"patches_to_product", patches_to_product}};

Status run(Graph& graph, const PassContext&) { return rewrite(graph, kRules); }

}  // namespace

const Pass k_patch_embedding{"patch_embedding", run};

}  // namespace tenon
