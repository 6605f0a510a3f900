// pool, and the ONNX operators MaxPool, AveragePool and LpPool.
#include "ops/pool.h"

#include <cstddef>

#include "ops/ops.h"
#include "ops/window.h"

namespace tenon {
namespace {

Result<PoolKind> kind_of(const Attrs& attrs) {
  const std::string kind = attrs.text("kind");
  if (kind == "max") return PoolKind::max;
  if (kind == "average") return PoolKind::average;
  if (kind == "lp") return PoolKind::lp;
  return fail(Code::invalid_model, "kind must be max, average or lp, it is '{}'", kind);
}

Result<Inferred> infer(NodeView view) {
  const TensorType& x = view.input(0);
  TN_ASSIGN(PoolKind kind, kind_of(view.attrs()));
  if (!is_float(x.dtype) && !(kind == PoolKind::max && is_integer(x.dtype)))
    return fail(Code::invalid_model, "x has a type that this kind of pooling does not take: {}", print(x));
  if (x.rank() < 3 || x.rank() > 5)
    return fail(Code::invalid_model, "x must have 3 to 5 dims, it is {}", print(x));
  const size_t spatial = x.rank() - 2;
  const std::vector<int64_t> kernel = view.attrs().integers("kernel");
  if (kernel.size() != spatial)
    return fail(Code::invalid_model, "kernel must have {} entries, it has {}", spatial, kernel.size());
  TN_ASSIGN(WindowAttrs window, window_attrs(view.attrs(), spatial));
  if (view.output_count() > 1 && kind != PoolKind::max)
    return fail(Code::invalid_model, "only max pooling yields indices");
  TensorType out{x.dtype, {x.shape[0], x.shape[1]}, {}};
  for (size_t i = 0; i < spatial; ++i) {
    if (kernel[i] < 1)
      return fail(Code::invalid_model, "kernel dims must be at least 1, one is {}", kernel[i]);
    const Dim padded = x.shape[2 + i] + window.pads_begin[i];
    const Dim room = padded + window.pads_end[i] - window_extent(Dim(kernel[i]), window.dilations[i]);
    if (room.is_constant() && room.value() < 0)
      return fail(Code::invalid_model, "spatial dim {} of x {} is smaller than the window", i, print(x));
    const Dim stride(window.strides[i]);
    out.shape.push_back(view.attrs().integer("ceil_mode")
                            ? min(ceildiv(room, stride) + Dim(1), ceildiv(padded, stride))
                            : floordiv(room, stride) + Dim(1));
  }
  Inferred inferred{{out}, {}};
  if (view.output_count() > 1) inferred.outputs.push_back({DType::i64, out.shape, {}});
  return inferred;
}

Result<KernelCall> reference(NodeView view) {
  std::vector<KernelCall::DimParam> dims;
  TN_ASSIGN(PoolParams params, pool_params(view, dims));
  KernelCall call = KernelCall::with("pool.reference", params);
  call.dims = std::move(dims);
  return call;
}

constexpr AttrSpec kAttrs[] = {{"kind", AttrKind::text, true},
                               {"kernel", AttrKind::integers, true},
                               {"strides", AttrKind::integers},
                               {"dilations", AttrKind::integers},
                               {"pads", AttrKind::shape},
                               {"ceil_mode", AttrKind::integer},
                               {"count_include_pad", AttrKind::integer},
                               {"p", AttrKind::integer},
                               {"storage_order", AttrKind::integer}};

// --- ONNX ---

Status expand(OnnxNode& node, const char* kind) {
  const Attrs& from = node.attrs();
  if (node.rank(0) < 3)
    return fail(Code::invalid_model, "x must have at least 3 dims, it is {}", print(node.type(0)));
  const size_t spatial = node.rank(0) - 2;
  const std::vector<int64_t> kernel = from.integers("kernel_shape");
  if (kernel.size() != spatial)
    return fail(Code::invalid_model, "kernel_shape must have {} entries, it has {}", spatial, kernel.size());
  TN_ASSIGN(std::vector<int64_t> strides, onnx_steps(from, "strides", spatial, 1));
  TN_ASSIGN(std::vector<int64_t> dilations, onnx_steps(from, "dilations", spatial, 1));
  for (size_t i = 0; i < spatial; ++i)
    if (strides[i] < 1 || dilations[i] < 1)
      return fail(Code::invalid_model, "strides and dilations must be at least 1");
  const std::vector<Dim> window(kernel.begin(), kernel.end());
  const Shape& x = node.type(0).shape;
  TN_ASSIGN(Shape pads, onnx_pads(from, std::span(x).subspan(2), window, strides, dilations));
  Attrs attrs{{"kind", std::string(kind)},
              {"kernel", kernel},
              {"strides", strides},
              {"dilations", dilations},
              {"pads", std::move(pads)}};
  for (const char* name : {"ceil_mode", "count_include_pad", "storage_order"})
    if (from.integer(name)) attrs.set(name, from.integer(name));
  if (std::string_view(kind) == "lp")
    attrs.set("p", from.has("p") ? from.integer("p", static_cast<int64_t>(from.number("p", 2))) : int64_t{2});
  const size_t outputs = node.has_output(1) ? 2 : 1;
  TN_ASSIGN(std::vector<ValueId> out,
            node.build().add_many(kPool, {node.input(0)}, std::move(attrs), outputs));
  for (size_t i = 0; i < outputs; ++i) node.output(i, out[i]);
  return {};
}

Status expand_max(OnnxNode& node) { return expand(node, "max"); }
Status expand_average(OnnxNode& node) { return expand(node, "average"); }
Status expand_lp(OnnxNode& node) { return expand(node, "lp"); }

constexpr OnnxRow kRows[] = {
    {"MaxPool", 1, expand_max}, {"AveragePool", 1, expand_average}, {"LpPool", 1, expand_lp}};

}  // namespace

Result<PoolParams> pool_params(NodeView view, std::vector<KernelCall::DimParam>& dims) {
  const size_t spatial = view.input(0).rank() - 2;
  TN_ASSIGN(WindowAttrs window, window_attrs(view.attrs(), spatial));
  PoolParams params;
  write_window(window,
               {params.strides, params.dilations, params.pads_begin, params.pads_end,
                offsetof(PoolParams, pads_begin), offsetof(PoolParams, pads_end)},
               dims);
  TN_ASSIGN(params.kind, kind_of(view.attrs()));
  const std::vector<int64_t> kernel = view.attrs().integers("kernel");
  for (size_t i = 0; i < spatial && i < kernel.size(); ++i) params.kernel[i] = kernel[i];
  params.ceil_mode = view.attrs().integer("ceil_mode");
  params.count_include_pad = view.attrs().integer("count_include_pad");
  params.p = view.attrs().integer("p", 2);
  params.storage_order = view.attrs().integer("storage_order");
  return params;
}

const OpDef kPool{.name = "pool",
                  .min_inputs = 1,
                  .max_inputs = 1,
                  .min_outputs = 1,
                  .max_outputs = 2,
                  .attrs = kAttrs,
                  .infer = infer,
                  .reference = reference};

extern const OpFile pool_ops{&kPool, kRows};

}  // namespace tenon
