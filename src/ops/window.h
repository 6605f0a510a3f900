// Sliding windows: the attributes that convolution and pooling share.
#pragma once

#include "ir/op_def.h"

namespace tenon {

// Per spatial dim.
struct WindowAttrs {
  std::vector<int64_t> strides, dilations;
  std::vector<Dim> pads_begin, pads_end;
};

// The attributes `strides`, `dilations`, `pads` of a core op; absent ones are 1, 1, 0. Refuses wrong lengths,
// steps below 1 and, unless `negative_pads`, pads that are negative.
Result<WindowAttrs> window_attrs(const Attrs& attrs, size_t spatial, bool negative_pads = false);

// The extent of a window: dilation * (kernel - 1) + 1.
Dim window_extent(const Dim& kernel, int64_t dilation);

// The pads of an ONNX node, from `pads` or `auto_pad`, as the shape attribute of the core op: all begins,
// then all ends. `in` and `kernel` are the spatial dims.
Result<Shape> onnx_pads(const Attrs& attrs, std::span<const Dim> in, std::span<const Dim> kernel,
                        std::span<const int64_t> strides, std::span<const int64_t> dilations);

// An integers attribute of the ONNX node with one entry per spatial dim; all `fallback` where it is absent.
Result<std::vector<int64_t>> onnx_steps(const Attrs& attrs, std::string_view name, size_t spatial,
                                        int64_t fallback);

// Writes a window's numbers into a parameter struct, and those that are symbolic into the call.
// `pads_begin_offset` and `pads_end_offset` are of int64 arrays.
struct WindowTarget {
  int64_t *strides, *dilations, *pads_begin, *pads_end;
  uint32_t pads_begin_offset, pads_end_offset;
};
void write_window(const WindowAttrs& window, const WindowTarget& target,
                  std::vector<KernelCall::DimParam>& dims);

}  // namespace tenon
