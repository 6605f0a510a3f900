// What tactics of CUDA kernels share: in which element types and formats a kernel can be had.
#pragma once

#include <functional>
#include <vector>

#include "tactics/tactic.h"

namespace tenon {

// An element type that f32 tensors are stored as, and what candidates with it are called.
struct Storage {
  DType dtype = DType::none;   // none: as they are
  std::string name;            // "", "f16", "bf16"
};
// f32 first, then what the target allows; f32 alone where the node has no f32 tensor.
std::vector<Storage> cuda_storages(NodeView node, const TargetInfo& target);

// The form of a tensor: f32 ones in the storage, others in their own type.
Form stored(const TensorType& type, const Storage& storage, Format format);

// Why generated code does not compute this node: an element type of its tensors or programs; "" if it does.
std::string cuda_refuses_types(NodeView node);

// The op's reference parameters for `kernel`: a candidate for each storage, all tensors linear.
Claim claim_cuda(NodeView node, const TargetInfo& target, std::string_view kernel);

// Formats of the node's inputs when its output 0 is nhwc: nhwc for those of its rank that have more than channels, linear
// for others.
std::vector<Format> nhwc_inputs(NodeView node);
// Whether the tensor has channels and something behind them.
bool has_nhwc(const TensorType& type);

// Adds to each candidate its like with these formats; names it "… nhwc".
void add_formats(Claim& claim, NodeView node, const std::vector<Format>& inputs, const std::vector<Format>& outputs);

}  // namespace tenon
