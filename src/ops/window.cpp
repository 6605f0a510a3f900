#include "ops/window.h"

#include "ops/content.h"

namespace tenon {

Result<WindowAttrs> window_attrs(const Attrs& attrs, size_t spatial, bool negative_pads) {
  WindowAttrs out;
  out.strides = attrs.has("strides") ? attrs.integers("strides") : std::vector<int64_t>(spatial, 1);
  out.dilations = attrs.has("dilations") ? attrs.integers("dilations") : std::vector<int64_t>(spatial, 1);
  const Shape pads = attrs.has("pads") ? attrs.shape("pads") : Shape(2 * spatial, Dim(0));
  if (out.strides.size() != spatial || out.dilations.size() != spatial || pads.size() != 2 * spatial)
    return fail(Code::invalid_model,
                "strides, dilations and pads must have {0}, {0} and {1} entries, they have {2}, {3} "
                "and {4}",
                spatial, 2 * spatial, out.strides.size(), out.dilations.size(), pads.size());
  for (size_t i = 0; i < spatial; ++i)
    if (out.strides[i] < 1 || out.dilations[i] < 1)
      return fail(Code::invalid_model, "strides and dilations must be at least 1, dim {} has {} and {}", i,
                  out.strides[i], out.dilations[i]);
  for (const Dim& pad : pads)
    if (!negative_pads && pad.is_constant() && pad.value() < 0)
      return fail(Code::invalid_model, "pads must not be negative, one is {}", pad.value());
  out.pads_begin.assign(pads.begin(), pads.begin() + static_cast<ptrdiff_t>(spatial));
  out.pads_end.assign(pads.begin() + static_cast<ptrdiff_t>(spatial), pads.end());
  return out;
}

Dim window_extent(const Dim& kernel, int64_t dilation) { return Dim(dilation) * (kernel - Dim(1)) + Dim(1); }

Result<Shape> onnx_pads(const Attrs& attrs, std::span<const Dim> in, std::span<const Dim> kernel,
                        std::span<const int64_t> strides, std::span<const int64_t> dilations) {
  const size_t spatial = in.size();
  const std::string mode = attrs.text("auto_pad", "NOTSET");
  if (mode == "NOTSET" || mode.empty()) {
    TN_ASSIGN(std::vector<int64_t> pads, onnx_steps(attrs, "pads", 2 * spatial, 0));
    return Shape(pads.begin(), pads.end());
  }
  Shape out(2 * spatial, Dim(0));
  if (mode == "VALID") return out;
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return fail(Code::invalid_model, "auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, it is '{}'",
                mode);
  for (size_t i = 0; i < spatial; ++i) {
    const Dim covered = (ceildiv(in[i], Dim(strides[i])) - Dim(1)) * Dim(strides[i]);
    const Dim total = max(covered + window_extent(kernel[i], dilations[i]) - in[i], Dim(0));
    const Dim half = floordiv(total, Dim(2));
    out[i] = mode == "SAME_UPPER" ? half : total - half;
    out[spatial + i] = total - out[i];
  }
  return out;
}

Result<std::vector<int64_t>> onnx_steps(const Attrs& attrs, std::string_view name, size_t count,
                                        int64_t fallback) {
  std::vector<int64_t> out = attrs.integers(name);
  if (out.empty()) out.assign(count, fallback);
  if (out.size() == count) return out;
  return fail(Code::invalid_model, "attribute {} must have {} entries, it has {}", name, count, out.size());
}

void write_window(const WindowAttrs& window, const WindowTarget& target,
                  std::vector<KernelCall::DimParam>& dims) {
  auto write_dim = [&dims](const Dim& dim, int64_t& slot, uint32_t offset) {
    slot = dim.is_constant() ? dim.value() : 0;
    if (!dim.is_constant()) dims.push_back({offset, dim});
  };
  for (size_t i = 0; i < window.strides.size(); ++i) {
    target.strides[i] = window.strides[i];
    target.dilations[i] = window.dilations[i];
  }
  // In the order of the parameters, as a plan's steps list them.
  auto at = [](uint32_t offset, size_t i) { return offset + static_cast<uint32_t>(i * sizeof(int64_t)); };
  for (size_t i = 0; i < window.pads_begin.size(); ++i)
    write_dim(window.pads_begin[i], target.pads_begin[i], at(target.pads_begin_offset, i));
  for (size_t i = 0; i < window.pads_end.size(); ++i)
    write_dim(window.pads_end[i], target.pads_end[i], at(target.pads_end_offset, i));
}

}  // namespace tenon
