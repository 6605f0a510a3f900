#include "compile/region.h"

#include <algorithm>

#include "base/checked.h"
#include "ir/control.h"
#include "ir/found.h"
#include "plan/memory.h"

namespace tenon {

void RegionBuilder::set_leaf(ValueId id, plan::ValueKind kind, uint32_t index) { leaves_[id] = {kind, index}; }

Result<uint64_t> RegionBuilder::bytes_of(const TensorType& type) {
  int64_t count = 1;
  for (size_t i = 0; i < type.rank(); ++i) {
    TN_ASSIGN(Interval range, s_.bounds(type.shape[i]));
    int64_t high = std::max<int64_t>(range.high, 0);
    if (i == 1 && type.format.layout == Layout::blocked && high < INT64_MAX - 16) high = round_up(high, type.format.block);
    auto product = checked_mul(count, high);
    if (!product || *product > s_.limits.tensor_elements)
      return fail(Code::limit_exceeded, "a tensor {} would have more than tensor_elements = {} elements", print(type),
                  s_.limits.tensor_elements);
    count = *product;
  }
  auto bytes = checked_mul(count, static_cast<int64_t>(size_of(type.dtype)));
  if (!bytes || *bytes > s_.limits.tensor_bytes)
    return fail(Code::limit_exceeded, "a tensor {} would have more than tensor_bytes = {} bytes", print(type),
                s_.limits.tensor_bytes);
  return static_cast<uint64_t>(round_up(std::max<int64_t>(*bytes, 1), 64));
}

// Whether no symbol without a bound says how large it is.
Result<bool> RegionBuilder::is_bounded(const TensorType& type) const {
  std::vector<std::string> names;
  for (const Dim& dim : type.shape) collect_symbols(dim, names);
  for (const std::string& name : names) {
    TN_ASSIGN(Interval range, s_.bounds(Dim::symbol(name)));
    if (range.high >= plan::kNoBound) return false;
  }
  return true;
}

Result<uint32_t> RegionBuilder::push(ValueId id, plan::Value value, uint32_t root, bool leaf) {
  const TensorType& type = s_.graph.value(id).type;
  value.dtype = type.dtype;
  value.format = type.format;
  if (s_.on_host) value.format.place = Place::device;
  for (const Dim& dim : type.shape) value.dims.push_back(s_.dims.of(dim));
  uint32_t number = static_cast<uint32_t>(drafts_.size());
  drafts_.push_back({std::move(value), root == UINT32_MAX ? number : root, UINT32_MAX, 0, leaf});
  memory_of_.push_back(number);
  numbers_[id] = number;
  return number;
}

Result<uint32_t> RegionBuilder::value_of(ValueId id) {
  if (auto known = numbers_.find(id); known != numbers_.end()) return known->second;
  plan::Value value;
  if (auto leaf = leaves_.find(id); leaf != leaves_.end()) {
    value.kind = leaf->second.first;
    value.index = leaf->second.second;
    return push(id, std::move(value), UINT32_MAX, true);
  }
  if (s_.pieces)
    if (auto piece = s_.pieces->values.find(id); piece != s_.pieces->values.end()) return push_piece(id, piece->second);
  const Node* producer = s_.graph.producer(id);
  if (producer && producer->op->is_view) {
    TN_ASSIGN(uint32_t of, value_of(producer->inputs[0]));
    TN_ASSIGN(uint32_t number, push(id, {}, drafts_[of].root, false));
    drafts_[number].at = drafts_[of].at;
    drafts_[number].bytes = drafts_[of].bytes;
    return number;
  }
  if (!producer) return fail(Code::internal, "value {} is no leaf of its region", s_.graph.value(id).name);
  TN_ASSIGN(const bool bounded, is_bounded(s_.graph.value(id).type));
  if (!bounded) {
    value.kind = plan::ValueKind::found;
  } else {
    TN_ASSIGN(value.max_bytes, bytes_of(s_.graph.value(id).type));
  }
  return push(id, std::move(value), UINT32_MAX, false);
}

Result<uint32_t> RegionBuilder::push_piece(ValueId id, const Piece& piece) {
  TN_ASSIGN(uint32_t of, value_of(piece.of));
  TN_ASSIGN(uint64_t bytes, bytes_of(s_.graph.value(id).type));
  TN_ASSIGN(uint32_t number, push(id, {}, of, false));
  if (bytes == drafts_[of].value.max_bytes) return number;  // all of it: a view
  drafts_[number].at = piece.offset;
  drafts_[number].bytes = bytes;
  return number;
}

uint32_t RegionBuilder::absent() {
  if (absent_ == UINT32_MAX) {
    absent_ = static_cast<uint32_t>(drafts_.size());
    plan::Value value;
    value.kind = plan::ValueKind::absent;
    drafts_.push_back({std::move(value), absent_, UINT32_MAX, 0, true});
    memory_of_.push_back(absent_);
  }
  return absent_;
}

void RegionBuilder::touch(uint32_t value, uint32_t step) {
  Draft& draft = root(value);
  draft.first = std::min(draft.first, step);
  draft.last = std::max(draft.last, step);
}

Status RegionBuilder::add_node(NodeId id) {
  const Node& node = s_.graph.node(id);
  if (node.op->is_view) return {};
  if (s_.pieces && s_.pieces->nodes.count(id)) return add_to_maker(node);
  auto call = s_.calls.find(id);
  if (call == s_.calls.end()) return fail(Code::internal, "node {} has no kernel", node.name);
  plan::Step step;
  step.kernel = call->second.kernel;
  step.params = call->second.params;
  for (const KernelCall::DimParam& dim : call->second.dims)
    step.dim_params.push_back({dim.offset, s_.dims.of(dim.dim)});
  step.name = node.name;
  for (uint32_t origin : node.origins) step.origins.push_back(s_.origin ? s_.origin(origin) : origin);
  for (const Dim& symbol : node.attrs.shape(kFound)) {
    const plan::DimExpr entry = s_.dims.table()[s_.dims.of(symbol)];
    if (entry.op != plan::DimOp::symbol) return fail(Code::internal, "node {} finds {}, which is no symbol", node.name, symbol.text());
    step.found.push_back(static_cast<uint32_t>(entry.value));
  }
  uint32_t index = static_cast<uint32_t>(steps_.size());
  for (ValueId input : node.inputs) {
    uint32_t number = absent_;
    if (input.valid()) {
      TN_ASSIGN(number, value_of(input));
      touch(number, index);
    } else {
      number = absent();
    }
    step.inputs.push_back(number);
  }
  for (ValueId output : node.outputs) {
    TN_ASSIGN(uint32_t number, value_of(output));
    touch(number, index);
    step.outputs.push_back(number);
  }
  if (node.op->runs_graphs) TN_TRY(add_control(node, step));
  steps_.push_back(std::move(step));
  return {};
}

// A node that needs no step is computed by the last one that makes what it joins, or takes from.
Status RegionBuilder::add_to_maker(const Node& node) {
  std::vector<uint32_t> inputs;
  for (ValueId input : node.inputs) {
    TN_ASSIGN(uint32_t number, value_of(input));
    inputs.push_back(number);
  }
  auto end = [](const Draft& d) { return d.bytes > 0 ? d.at + d.bytes : UINT64_MAX; };
  auto makes = [&](uint32_t output) {
    const Draft& made = drafts_[output];
    return std::ranges::any_of(inputs, [&](uint32_t input) {
      const Draft& in = drafts_[input];
      return in.root == made.root && in.at < end(made) && made.at < end(in);
    });
  };
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    if (std::ranges::none_of(step->outputs, makes)) continue;
    for (uint32_t origin : node.origins) {
      const uint32_t own = s_.origin ? s_.origin(origin) : origin;
      if (std::ranges::find(step->origins, own) == step->origins.end()) step->origins.push_back(own);
    }
    return {};
  }
  return {};
}

// A vector of bytes in an arena; absent if it has none.
Result<uint32_t> RegionBuilder::workspace(uint64_t bytes, Place place) {
  if (bytes == 0) return absent();
  plan::Value value;
  value.dtype = DType::u8;
  value.format.place = s_.on_host ? Place::device : place;
  value.dims = {s_.dims.of(Dim(static_cast<int64_t>(bytes)))};
  value.max_bytes = bytes;
  const auto number = static_cast<uint32_t>(drafts_.size());
  drafts_.push_back({std::move(value), number, UINT32_MAX, 0, false});
  memory_of_.push_back(number);
  touch(number, static_cast<uint32_t>(steps_.size()));
  return number;
}

// What a step that runs regions has besides the node's tensors. See plan::Control.
Status RegionBuilder::add_control(const Node& node, plan::Step& step) {
  if (!s_.bodies) return fail(Code::internal, "node {} runs graphs where none can run", node.name);
  TN_ASSIGN(step.bodies, s_.bodies(node));
  const Attrs& attrs = node.attrs;
  plan::Control& control = step.control;
  const bool loop = attrs.has(kBody);
  control.kind = loop ? plan::ControlKind::loop : plan::ControlKind::branch;
  control.selector = s_.dims.of(attrs.shape(loop ? kTrips : kWhich)[0]);
  control.split = static_cast<uint32_t>(attrs.integer(loop ? kCarried : kSplit));
  for (int64_t reversed : attrs.integers(kReversed)) control.reversed.push_back(static_cast<uint32_t>(reversed));
  for (const Dim& symbol : attrs.shape(kCondition)) control.condition = static_cast<uint32_t>(s_.dims.table()[s_.dims.of(symbol)].value);
  for (const Dim& dim : attrs.shape(kThenSizes)) control.sizes[0].push_back(s_.dims.of(dim));
  for (const Dim& dim : attrs.shape(kElseSizes)) control.sizes[1].push_back(s_.dims.of(dim));
  uint64_t bytes = 0, host_bytes = 0;
  for (const plan::Region& body : step.bodies) {
    bytes = std::max(bytes, body.arena_bytes);
    host_bytes = std::max(host_bytes, body.host_arena_bytes);
  }
  if (loop) {  // a second copy of what is carried, and a slice of what is stacked
    const GraphPtr body = attrs.get<GraphPtr>(kBody);
    for (ValueId output : body->outputs) {
      TN_ASSIGN(uint64_t own, bytes_of(body->value(output).type));
      bytes = (bytes + 63) / 64 * 64 + own;
    }
  }
  bytes = (bytes + 63) / 64 * 64;
  host_bytes = (host_bytes + 63) / 64 * 64;
  TN_ASSIGN(uint32_t device, workspace(bytes, Place::device));
  TN_ASSIGN(uint32_t host, workspace(host_bytes, Place::host));
  const auto before_sizes = step.outputs.end() - (step.found.empty() ? 0 : 1);
  step.outputs.insert(before_sizes, {device, host});
  return {};
}

Status RegionBuilder::add_output(ValueId id, uint32_t index) {
  TN_ASSIGN(uint32_t number, value_of(id));
  Draft& own = root(number);
  const bool is_text = s_.graph.value(id).type.dtype == DType::string;
  const bool is_own = own.value.kind == plan::ValueKind::arena || own.value.kind == plan::ValueKind::found;
  if (!is_text && !own.leaf && is_own) {
    own.value.kind = plan::ValueKind::output;
    own.value.index = index;
    own.value.max_bytes = 0;
    return {};
  }
  plan::Step step;
  step.kernel = is_text ? std::string(kKeepTexts) : s_.copy_kernel;
  step.name = "copy to output " + std::to_string(index);
  step.inputs = {number};
  touch(number, static_cast<uint32_t>(steps_.size()));
  plan::Value value = drafts_[number].value;
  value.kind = plan::ValueKind::output;
  value.index = index;
  value.offset = value.max_bytes = 0;
  uint32_t copy = static_cast<uint32_t>(drafts_.size());
  drafts_.push_back({std::move(value), copy, UINT32_MAX, 0, false});
  memory_of_.push_back(copy);
  touch(copy, static_cast<uint32_t>(steps_.size()));
  step.outputs = {copy};
  steps_.push_back(std::move(step));
  return {};
}

// Output 0 takes over the memory of an input that dies in the step, where the kernel allows it.
void RegionBuilder::share_in_place(uint32_t index) {
  const plan::Step& step = steps_[index];
  const Kernel* kernel = s_.kernels.find(step.kernel);
  if (!kernel || !kernel->in_place || step.outputs.empty()) return;
  uint32_t output = step.outputs[0];
  const plan::Value& out = drafts_[output].value;
  if (drafts_[output].root != output || out.kind != plan::ValueKind::arena) return;
  for (size_t i = 0; i < step.inputs.size() && i < 32; ++i) {
    if (!(kernel->in_place >> i & 1)) continue;
    uint32_t input = drafts_[step.inputs[i]].root;
    const Draft& in = drafts_[input];
    const plan::Value& seen = drafts_[step.inputs[i]].value;
    auto same_memory = [&](uint32_t other) { return drafts_[other].root == input; };
    if (in.leaf || in.value.kind != plan::ValueKind::arena || in.last != index || in.first == index) continue;
    if (drafts_[step.inputs[i]].bytes > 0 || seen.dtype != out.dtype || seen.dims != out.dims || seen.format != out.format ||
        in.value.max_bytes != out.max_bytes || std::count_if(step.inputs.begin(), step.inputs.end(), same_memory) != 1)
      continue;
    memory_of_[output] = memory_of_[input];
    return;
  }
}

// One interval per piece of memory: from the first write of its first value to the last read of its last.
uint64_t RegionBuilder::place_values(Place place, std::map<uint32_t, uint64_t>& offsets) const {
  std::map<uint32_t, plan::Lifetime> lives;
  for (uint32_t i = 0; i < drafts_.size(); ++i) {
    const Draft& draft = drafts_[i];
    if (draft.root != i || draft.leaf || draft.value.kind != plan::ValueKind::arena ||
        draft.value.format.place != place)
      continue;
    auto [it, inserted] = lives.emplace(memory_of_[i], plan::Lifetime{draft.value.max_bytes, draft.first, draft.last});
    if (inserted) continue;
    it->second.first = std::min(it->second.first, draft.first);
    it->second.last = std::max(it->second.last, draft.last);
  }
  std::vector<plan::Lifetime> intervals;
  for (const auto& [draft, life] : lives) intervals.push_back(life);
  plan::Layout layout = plan::plan_memory(intervals);
  size_t next = 0;
  for (const auto& [draft, life] : lives) offsets[draft] = layout.offsets[next++];
  return layout.total;
}

Result<plan::Region> RegionBuilder::finish() {
  for (uint32_t i = 0; i < steps_.size(); ++i) share_in_place(i);
  std::map<uint32_t, uint64_t> offset;
  plan::Region region;
  region.arena_bytes = place_values(Place::device, offset);
  region.host_arena_bytes = place_values(Place::host, offset);
  for (uint32_t i = 0; i < drafts_.size(); ++i) {
    Draft& draft = drafts_[i];
    if (draft.root != i) {  // a view is its root's memory under its own dims
      plan::Value view = region.values[draft.root];
      view.dims = std::move(draft.value.dims);
      view.view_of = draft.root;
      view.offset += draft.at;
      if (draft.bytes > 0) view.max_bytes = draft.bytes;
      region.values.push_back(std::move(view));
      continue;
    }
    if (!draft.leaf && draft.value.kind == plan::ValueKind::arena) draft.value.offset = offset.at(memory_of_[i]);
    region.values.push_back(std::move(draft.value));
  }
  region.steps = std::move(steps_);
  return region;
}

}  // namespace tenon
