// What tactics of the library's own vector kernels share.
#pragma once

#include <optional>

#include "tactics/tactic.h"

namespace tenon {

// Whether the node's input follows from constants alone, so that a pack of it is folded.
bool is_static_input(NodeView node, size_t input);

// The dims where candidates will be timed; nothing where a symbol has no value there.
std::optional<std::vector<int64_t>> typical_shape(const Shape& shape, const TargetInfo& target);

// The widest instruction set that the target has: "avx512", "avx2", or "" for neither. Its f32 lanes: 16, 8,
// 0.
struct InstructionSet {
  std::string name;
  int lanes = 0;
};
InstructionSet instruction_set(const TargetInfo& target);

// How a product by constant panels is cut.
struct ProductCut {
  int64_t vectors;        // width of a panel
  bool together = false;  // threads make blocks of rows together
};
// Panels of every width, the likeliest first; then, where `batches` of `rows` in blocks of `block_rows` are too few blocks for
// all threads, the same with rows that threads make together. `columns` are divided into panels; no rows: not known.
struct ProductSize {
  int64_t batches = 1, rows = 0, block_rows = 1, columns = 0;
};
std::vector<ProductCut> product_cuts(const InstructionSet& isa, const ProductSize& size, int threads);

// Whether f32 products may round their operands to bf16 and the target multiplies pairs of it.
bool multiplies_pairs(const TargetInfo& target);

}  // namespace tenon
