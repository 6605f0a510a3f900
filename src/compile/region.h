// Builds one region of a plan from nodes: values, views, steps, lifetimes, arena.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/limits.h"
#include "compile/dim_table.h"
#include "device/kernel_table.h"
#include "ir/op_def.h"
#include "passes/pieces.h"
#include "plan/plan.h"

namespace tenon {

class RegionBuilder {
 public:
  struct Setting {
    const Graph& graph;
    const std::map<NodeId, KernelCall>& calls;
    const KernelTable& kernels;
    DimTable& dims;
    std::function<Result<Interval>(const Dim&)> bounds;   // over the region's symbols
    Limits limits;
    bool on_host = true;                                  // it runs on the host, where values have no place
    std::string copy_kernel = "copy.linear";              // for results that are leaves
    // The regions of a node that runs graphs, in order.
    std::function<Result<std::vector<plan::Region>>(const Node&)> bodies = {};
    // Values that lie within others' memory; null for none.
    const Pieces* pieces = nullptr;
    // The plan's number of one of the graph's origins.
    std::function<uint32_t(uint32_t)> origin = {};
  };
  explicit RegionBuilder(Setting setting) : s_(std::move(setting)) {}

  // A value that this region does not compute: an input or a weight.
  void set_leaf(ValueId id, plan::ValueKind kind, uint32_t index);
  // Nodes in topological order. Views make no step.
  Status add_node(NodeId id);
  // Where the region's results go; call after the last add_node, once per output. A result that is a leaf, or whose
  // memory is another output already, is copied.
  Status add_output(ValueId id, uint32_t index);
  Result<plan::Region> finish();

 private:
  struct Draft {
    plan::Value value;
    uint32_t root;                    // itself if no view
    uint32_t first = UINT32_MAX, last = 0;
    bool leaf = false;
    uint64_t at = 0, bytes = 0;       // of a piece of the root's memory: where, and how much of it
  };
  Result<uint32_t> value_of(ValueId id);
  Result<uint32_t> push(ValueId id, plan::Value value, uint32_t root, bool leaf);
  Result<uint32_t> push_piece(ValueId id, const Piece& piece);
  Result<uint64_t> bytes_of(const TensorType& type);
  Result<bool> is_bounded(const TensorType& type) const;
  uint32_t absent();
  Status add_to_maker(const Node& node);
  Status add_control(const Node& node, plan::Step& step);
  Result<uint32_t> workspace(uint64_t bytes, Place place);
  void touch(uint32_t value, uint32_t step);
  void share_in_place(uint32_t step);
  // Offsets of the values of a place, by the draft whose memory they are; returns the arena's size.
  uint64_t place_values(Place place, std::map<uint32_t, uint64_t>& offsets) const;
  Draft& root(uint32_t value) { return drafts_[drafts_[value].root]; }

  Setting s_;
  std::map<ValueId, std::pair<plan::ValueKind, uint32_t>> leaves_;
  std::map<ValueId, uint32_t> numbers_;
  std::vector<Draft> drafts_;
  std::vector<plan::Step> steps_;
  std::vector<uint32_t> memory_of_;   // per draft: the draft whose memory it shares in place
  uint32_t absent_ = UINT32_MAX;
};

}  // namespace tenon
