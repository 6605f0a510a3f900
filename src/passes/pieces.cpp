#include "passes/pieces.h"

#include <algorithm>
#include <optional>

#include "base/checked.h"
#include "ir/found.h"
#include "ops/ops.h"

namespace tenon {
namespace {

// Bytes of a tensor whose shape is known; none where it is not, or where there is no element.
std::optional<uint64_t> bytes_of(const TensorType& type) {
  std::optional<int64_t> bytes = static_cast<int64_t>(size_of(type.dtype));
  for (size_t i = 0; bytes && i < type.rank(); ++i) {
    if (!type.shape[i].is_constant() || type.shape[i].value() <= 0) return std::nullopt;
    const bool blocks = i == 1 && type.format.layout == Layout::blocked;
    const int64_t dim = type.shape[i].value();
    if (blocks && dim > INT64_MAX - type.format.block) return std::nullopt;
    bytes = checked_mul(*bytes, blocks ? round_up(dim, type.format.block) : dim);
  }
  return bytes && *bytes > 0 ? std::optional(static_cast<uint64_t>(*bytes)) : std::nullopt;
}

TensorType fixed(TensorType type, const FixDim& fix) {
  for (Dim& dim : type.shape) dim = fix(dim);
  return type;
}

// A piece is told from the whole by what it takes of memory.
uint64_t lines(uint64_t bytes) { return (bytes + kPieceAlignment - 1) / kPieceAlignment; }

// Whether parts along the axis lie one behind the other.
bool is_outermost(const TensorType& type, size_t axis) {
  auto is_one = [&](size_t dim) { return type.shape[dim].is(1); };
  if (type.format.layout == Layout::blocked && axis > 1) return false;
  for (size_t dim = 0; dim < axis; ++dim)
    if (!(type.format.layout == Layout::channels_last && dim == 1) && !is_one(dim)) return false;
  if (type.format.layout == Layout::channels_last && axis == 1)
    for (size_t dim = 2; dim < type.rank(); ++dim)
      if (!is_one(dim)) return false;
  return true;
}

// How many indices of the axis a part of a tensor may begin and end at a multiple of.
int64_t granularity(const TensorType& type, size_t axis) {
  return axis == 1 && type.format.layout == Layout::blocked ? type.format.block : 1;
}

// The first byte of each part of a concatenation, then the number of all; none if the parts are no pieces of the result.
std::optional<std::vector<uint64_t>> part_offsets(std::span<const TensorType> parts, const TensorType& whole, size_t axis) {
  if (whole.dtype == DType::string || axis >= whole.rank() || !is_outermost(whole, axis)) return std::nullopt;
  const auto all = bytes_of(whole);
  std::vector<uint64_t> out = {0};
  for (const TensorType& part : parts) {
    const auto bytes = bytes_of(part);
    if (!all || !bytes || part.dtype != whole.dtype || part.format != whole.format) return std::nullopt;
    const bool last = out.size() == parts.size();
    if (!last && (part.shape[axis].value() % granularity(whole, axis) != 0 || *bytes % kPieceAlignment != 0)) return std::nullopt;
    out.push_back(out.back() + *bytes);
  }
  return out.back() == *all ? std::optional(std::move(out)) : std::nullopt;
}

// The first byte of what a slice takes; none if that is no piece, or all.
std::optional<uint64_t> slice_offset(NodeView node, const TensorType& whole, const TensorType& part, const FixDim& fix) {
  Shape starts = node.attrs().shape("starts");
  for (Dim& start : starts) start = fix(start);
  const auto all = bytes_of(whole), bytes = bytes_of(part);
  if (!all || !bytes || whole.dtype == DType::string || part.dtype != whole.dtype || part.format != whole.format) return std::nullopt;
  for (int64_t step : node.attrs().integers("steps"))
    if (step != 1) return std::nullopt;
  std::optional<size_t> axis;
  for (size_t dim = 0; dim < whole.rank(); ++dim) {
    if (part.shape[dim] == whole.shape[dim]) continue;
    if (axis || !starts[dim].is_constant()) return std::nullopt;
    axis = dim;
  }
  if (!axis || !is_outermost(whole, *axis)) return std::nullopt;
  const int64_t begin = starts[*axis].value(), end = begin + part.shape[*axis].value(), unit = granularity(whole, *axis);
  if (begin < 0 || begin % unit != 0 || (end % unit != 0 && end != whole.shape[*axis].value())) return std::nullopt;
  TensorType before = whole;
  before.shape[*axis] = Dim(begin);
  const uint64_t offset = begin == 0 ? 0 : bytes_of(before).value_or(1);
  if (offset % kPieceAlignment != 0 || offset + *bytes > *all || lines(*bytes) == lines(*all)) return std::nullopt;
  return offset;
}

class Finder {
 public:
  Finder(const Graph& graph, const std::vector<bool>& is_static, const FixDim& fix) : graph_(graph), is_static_(is_static), fix_(fix) {
    for (uint32_t i = 0; i < graph.value_count(); ++i) types_.push_back(fixed(graph.value({i}).type, fix));
    for (ValueId id : graph.outputs) outputs_.insert(base(id));
  }

  Pieces run() {
    const std::vector<NodeId>& order = graph_.order();
    for (NodeId id : order)
      if (graph_.node(id).op == &kSlice) take(id);
    // The last concatenation first: it may hold those before it.
    for (auto id = order.rbegin(); id != order.rend(); ++id)
      if (graph_.node(*id).op == &kConcat) join(*id);
    for (auto& [id, piece] : found_.values) piece = resolved(id);
    return std::move(found_);
  }

 private:
  struct Part {
    ValueId of;  // a base
    uint64_t offset, bytes;
  };

  const TensorType& type(ValueId id) const { return types_[id.index]; }

  // The value whose memory this one is: views look at another's.
  ValueId base(ValueId id) const {
    for (const Node* node = graph_.producer(id); node && node->op->is_view; node = graph_.producer(id)) id = node->inputs[0];
    return id;
  }

  // Whether the base's memory is for the plan to place, and the base and all views of it have shapes that are known.
  bool is_free(ValueId base) const {
    const Node* producer = graph_.producer(base);
    if (!producer || is_static_[base.index] || outputs_.count(base)) return false;
    return !producer->op->runs_graphs && !finds_sizes(*producer) && has_known_views(base);
  }
  bool has_known_views(ValueId id) const {
    if (!bytes_of(type(id))) return false;
    return std::ranges::all_of(graph_.users(id), [&](NodeId user) {
      const Node& node = graph_.node(user);
      return !node.op->is_view || node.inputs[0] != id || has_known_views(node.outputs[0]);
    });
  }

  Piece resolved(ValueId base) const {
    Piece out{base, 0};
    for (auto it = found_.values.find(base); it != found_.values.end(); it = found_.values.find(out.of))
      out = {it->second.of, out.offset + it->second.offset};
    return out;
  }

  void take(NodeId id) {
    const Node& node = graph_.node(id);
    const ValueId from = base(node.inputs[0]), out = node.outputs[0];
    if (!is_free(from) || !is_free(out)) return;
    const auto offset = slice_offset(NodeView(graph_, node), type(node.inputs[0]), type(out), fix_);
    if (!offset) return;
    found_.values[out] = {from, *offset};
    found_.nodes.insert(id);
  }

  void join(NodeId id) {
    const Node& node = graph_.node(id);
    const ValueId whole = node.outputs[0];
    if (!is_free(whole)) return;
    std::vector<TensorType> types;
    for (ValueId input : node.inputs) types.push_back(type(input));
    const auto offsets = part_offsets(types, type(whole), static_cast<size_t>(node.attrs.integer("axis")));
    if (!offsets) return;
    std::vector<Part> parts;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId from = base(node.inputs[i]);
      if (!is_free(from)) return;
      parts.push_back({from, (*offsets)[i], (*offsets)[i + 1] - (*offsets)[i]});
    }
    if (lies_within(whole, parts) || takes(whole, merged(parts))) found_.nodes.insert(id);
  }

  // Whether a value of so many bytes is a piece of the whole's memory, or all of it as a plan's view can be: in order, or of the
  // same dims.
  bool is_told_apart(ValueId whole, ValueId piece, uint64_t bytes) const {
    const uint64_t all = *bytes_of(type(whole));
    if (bytes != all) return lines(bytes) != lines(all);
    return is_linear(type(whole).format) || graph_.value(whole).type.shape == graph_.value(piece).type.shape;
  }

  // The parts lie one behind the other already, as the result does then.
  bool lies_within(ValueId whole, const std::vector<Part>& parts) {
    if (found_.values.count(whole)) return false;  // it is to be written elsewhere
    const Piece first = resolved(parts[0].of);
    for (const Part& part : parts) {
      const Piece at = resolved(part.of);
      if (!found_.values.count(part.of) || at.of != first.of || at.offset != first.offset + part.offset) return false;
    }
    const uint64_t bytes = parts.back().offset + parts.back().bytes;
    if (!is_told_apart(first.of, whole, bytes)) return false;
    found_.values[whole] = first;
    return true;
  }

  // Slices of one value that make up all of it are that value.
  std::vector<Part> merged(const std::vector<Part>& parts) const {
    std::vector<Part> out;
    for (size_t i = 0; i < parts.size(); ++i) {
      out.push_back(parts[i]);
      const auto first = found_.values.find(parts[i].of);
      if (first == found_.values.end() || first->second.offset != 0) continue;
      const ValueId of = first->second.of;
      const uint64_t all = *bytes_of(type(of));
      uint64_t bytes = parts[i].bytes;
      size_t last = i;
      while (bytes < all && last + 1 < parts.size()) {
        const auto next = found_.values.find(parts[last + 1].of);
        if (next == found_.values.end() || next->second.of != of || next->second.offset != bytes) break;
        bytes += parts[++last].bytes;
      }
      if (bytes != all) continue;
      out.back() = {of, parts[i].offset, all};
      i = last;
    }
    return out;
  }

  bool takes(ValueId whole, const std::vector<Part>& parts) {
    std::set<ValueId> different;
    for (const Part& part : parts)
      if (!is_free(part.of) || found_.values.count(part.of) || !different.insert(part.of).second || !is_told_apart(whole, part.of, part.bytes))
        return false;
    for (const Part& part : parts) found_.values[part.of] = {whole, part.offset};
    return true;
  }

  const Graph& graph_;
  const std::vector<bool>& is_static_;
  const FixDim& fix_;
  std::vector<TensorType> types_;  // by value
  std::set<ValueId> outputs_;      // bases of the graph's outputs
  Pieces found_;
};

}  // namespace

Pieces find_pieces(const Graph& graph, const std::vector<bool>& is_static, const FixDim& fix) {
  auto is_any = [&](NodeId id) { return graph.node(id).op == &kConcat || graph.node(id).op == &kSlice; };
  if (std::ranges::none_of(graph.order(), is_any)) return {};
  return Finder(graph, is_static, fix).run();
}

bool may_copy_nothing(NodeView node, std::span<const TensorType> wanted, const FixDim& fix) {
  if (node.node().op != &kSlice && node.node().op != &kConcat) return false;
  std::vector<TensorType> types;
  for (const TensorType& type : wanted) types.push_back(fixed(type, fix));
  const Graph& graph = node.graph();
  for (size_t i = 0; i < node.input_count(); ++i) {
    ValueId input = node.node().inputs[i];
    if (std::count(node.node().inputs.begin(), node.node().inputs.end(), input) > 1) return false;
    while (graph.producer(input) && graph.producer(input)->op->is_view) input = graph.producer(input)->inputs[0];
    if (!graph.producer(input) || graph.is_output(input)) return false;
  }
  if (graph.is_output(node.node().outputs[0])) return false;
  if (node.node().op == &kSlice) return slice_offset(node, types[0], types[1], fix).has_value();
  return part_offsets(std::span(types).first(types.size() - 1), types.back(), static_cast<size_t>(node.attrs().integer("axis"))).has_value();
}

}  // namespace tenon
