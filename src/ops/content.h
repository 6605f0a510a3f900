// Shape values: what is known at build time of small integer tensors, as dims.
//
// Exported models compute shapes with ordinary nodes (Shape, Gather, Concat, arithmetic). Each op's infer passes
// contents on with these functions, so that the result of such a computation is known, symbols included, where a shape
// is wanted.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

using Content = std::optional<std::vector<Dim>>;

// Tensors with more elements are not followed.
inline constexpr int64_t kMaxContent = 64;

// The content of a value: what infer found, or a small integer or bool constant's elements. Reading is not using: a
// pass or an expansion whose result depends on a content calls use_content.
Content content_of(const Graph& graph, ValueId value);
inline Content content_of(const NodeView& view, size_t i) {
  return view.has_input(i) ? content_of(view.graph(), view.node().inputs[i]) : std::nullopt;
}

// The content, for a result that depends on it: every constant that went into it is pinned. nullopt if not known.
Result<Content> use_content(Graph& graph, ValueId value, std::string_view reason);

// The elements of an integer or bool constant of any size, pinned.
Result<std::vector<int64_t>> use_integers(Graph& graph, ValueId constant, std::string_view reason);

// The elements of a constant as doubles, pinned. Float tensors of more than one element cannot be pinned: refused.
Result<std::vector<double>> use_numbers(Graph& graph, ValueId constant, std::string_view reason);

// The elements of a node's tensor attribute, as doubles.
Result<std::vector<double>> numbers_of(const Constant& constant);

// The number that a constant of one element holds, or that pointwise nodes make of such constants; all of them pinned.
// nullopt when it is none of these.
Result<std::optional<double>> use_number(Graph& graph, ValueId value, std::string_view reason);

// What a pointwise program yields on operands of known content (types: the operands' tensor types, broadcast
// together to rank 0 or 1). nullopt when it cannot be said.
Content evaluate_content(const Program& program, std::span<const TensorType> types, std::span<const Content> contents);

// The same of a node that comes to integers by way of floats, as exporters scale dims: cast, mul by 0.5, floor, cast. What
// the floats are computed from is followed through pointwise nodes and views to dims and constants; where a dim is dynamic,
// only through what a fraction of it can say exactly.
Content content_by_floats(const NodeView& view);

// Rule: a value whose content is known is a constant, or a shape_value, whatever computed it.
Result<bool> replace_by_content(NodeView view, Patch& patch);

// Whether a dim is at least `low` for all values of the symbols; a symbol is taken to be at least 1, one that a run finds at least
// 0.
bool at_least(const Dim& dim, int64_t low);
// Whether two dims are equal, or cannot be, for any such values; nullopt: it depends.
std::optional<bool> always_equal(const Dim& a, const Dim& b);

}  // namespace tenon
