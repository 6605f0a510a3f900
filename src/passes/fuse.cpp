// fuse: pointwise nodes move into one another, into the epilogue of the node whose result they use, or into the
// prologue of the node that uses theirs.
// Requires: core level, canonical. Ensures: a pointwise node that remains has several users, mixes shapes, or was
// refused (the report says why). Static nodes are left alone: they are folded.
#include <algorithm>
#include <optional>

#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/static_values.h"

namespace tenon {
namespace {

// How many of a node's first inputs are its own; the rest are the epilogue's extras.
struct Anchor {
  const OpDef* op;
  size_t own_inputs;
  bool prologue;  // own inputs are the prologue's when it has one
};

constexpr Anchor kAnchors[] = {
    {&kConv, 3, false},      {&kConvTranspose, 3, false}, {&kMatmul, 2, false},    {&kLayerNorm, 3, false},
    {&kGroupNorm, 3, false}, {&kReduce, 1, true},         {&kSoftmax, 1, true},
};

const Anchor* find_anchor(const OpDef* op) {
  for (const Anchor& anchor : kAnchors)
    if (anchor.op == op) return &anchor;
  return nullptr;
}

size_t own_inputs(const Anchor& anchor, const Node& node) {
  Program prologue = node.attrs.program("prologue");
  return anchor.prologue && !prologue.empty() ? prologue.inputs : anchor.own_inputs;
}

// Collects operands of a fused program, each value once.
class Operands {
 public:
  uint8_t of(ValueId id, DType type) {
    auto found = std::find(ids_.begin(), ids_.end(), id);
    if (found == ids_.end()) {
      ids_.push_back(id);
      types_.push_back(type);
      return static_cast<uint8_t>(ids_.size() - 1);
    }
    return static_cast<uint8_t>(found - ids_.begin());
  }
  const std::vector<ValueId>& ids() const { return ids_; }
  const std::vector<DType>& types() const { return types_; }

 private:
  std::vector<ValueId> ids_;
  std::vector<DType> types_;
};

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  Status run() {
    for (auto step : {&Fuser::into_pointwise, &Fuser::into_epilogue, &Fuser::into_prologue}) {
      bool changed = true;
      while (changed) {
        TN_ASSIGN(changed, sweep(step));
      }
    }
    return {};
  }

 private:
  using Step = Result<bool> (Fuser::*)(NodeId);

  Result<bool> sweep(Step step) {
    static_ = static_values(graph_);
    bool changed = false;
    const std::vector<NodeId> order = graph_.order();
    for (NodeId id : order) {
      if (graph_.node(id).erased) continue;
      auto done = (this->*step)(id);
      if (!done) return trail(std::move(done.error()), "while fusing node {}", graph_.node(id).name);
      changed |= *done;
    }
    return changed;
  }

  bool is_static(ValueId id) const { return id.index < static_.size() && static_[id.index]; }

  // The node makes `id`, `id` is used once (by `user`), and is no output of the network.
  bool only_for(ValueId id, NodeId user) const {
    const std::vector<NodeId>& users = graph_.users(id);
    return users.size() == 1 && users[0] == user && !graph_.is_output(id);
  }

  const TensorType& type(ValueId id) const { return graph_.value(id).type; }

  // pointwise(pointwise(x), y): one program, when the inner result has the outer's shape (else it would be computed
  // once per broadcast element).
  Result<bool> into_pointwise(NodeId id) {
    const Node& outer = graph_.node(id);
    if (outer.op != &kPointwise || is_static(outer.outputs[0])) return false;
    for (size_t slot = 0; slot < outer.inputs.size(); ++slot) {
      ValueId middle = outer.inputs[slot];
      const Node* inner = graph_.producer(middle);
      if (!inner || inner->op != &kPointwise || is_static(middle) || !only_for(middle, id) ||
          type(middle).shape != type(outer.outputs[0]).shape)
        continue;
      NodeId inner_id = graph_.value(middle).producer;
      Operands operands;
      std::vector<uint8_t> inner_slots, outer_slots;
      for (ValueId input : inner->inputs) inner_slots.push_back(operands.of(input, type(input).dtype));
      for (ValueId input : outer.inputs)
        outer_slots.push_back(input == middle ? 0 : operands.of(input, type(input).dtype));
      if (operands.ids().size() > kMaxProgramInputs) continue;
      ProgramBuilder builder(operands.types());
      uint8_t value = builder.inline_program(inner->attrs.program("program"), inner_slots);
      for (size_t i = 0; i < outer.inputs.size(); ++i)
        if (outer.inputs[i] == middle) outer_slots[i] = value;
      auto program = builder.finish(builder.inline_program(outer.attrs.program("program"), outer_slots));
      if (!program) continue;  // too long: the chain is cut here
      NodeId both[] = {id, inner_id};
      Patch patch(graph_, both);
      TN_ASSIGN(ValueId made, patch.add(kPointwise, operands.ids(), {{"program", *program}}));
      patch.replace(outer.outputs[0], made);
      TN_TRY(apply(graph_, std::move(patch)));
      return true;
    }
    return false;
  }

  // The anchor of a pointwise node that comes last in the order.
  std::optional<ValueId> anchor_of(NodeId id) const {
    const Node& node = graph_.node(id);
    std::optional<ValueId> best;
    for (ValueId input : node.inputs) {
      const Node* producer = graph_.producer(input);
      if (!producer || !find_anchor(producer->op) || is_static(input) || !only_for(input, id)) continue;
      if (producer->outputs.size() != 1 || type(input).shape != type(node.outputs[0]).shape) continue;
      if (!best || graph_.value(*best).producer < graph_.value(input).producer) best = input;
    }
    return best;
  }

  Result<bool> into_epilogue(NodeId id) {
    const Node& tail = graph_.node(id);
    if (tail.op != &kPointwise || is_static(tail.outputs[0])) return false;
    std::optional<ValueId> anchored = anchor_of(id);
    if (!anchored) return false;
    NodeId anchor_id = graph_.value(*anchored).producer;
    const Node& anchor = graph_.node(anchor_id);
    const Anchor& kind = *find_anchor(anchor.op);
    if (std::string reason = extras_refusal(anchor, tail, *anchored); !reason.empty()) {
      context_.note("fuse", anchor.name, "epilogue " + tail.name, reason);
      return false;
    }
    size_t own = own_inputs(kind, anchor);
    Program before = anchor.attrs.program("epilogue");
    Operands extras;
    extras.of({}, before.empty() ? type(*anchored).dtype : before.input_type[0]);  // operand 0: the anchor's result
    for (size_t i = own; i < anchor.inputs.size(); ++i) extras.of(anchor.inputs[i], type(anchor.inputs[i]).dtype);
    std::vector<uint8_t> before_slots, tail_slots;
    for (uint8_t i = 0; i < before.inputs; ++i) before_slots.push_back(i);
    for (ValueId input : tail.inputs)
      tail_slots.push_back(input == *anchored ? 0 : extras.of(input, type(input).dtype));
    if (extras.ids().size() > kMaxProgramInputs) return false;
    ProgramBuilder builder(extras.types());
    uint8_t result = before.empty() ? 0 : builder.inline_program(before, before_slots);
    for (size_t i = 0; i < tail.inputs.size(); ++i)
      if (tail.inputs[i] == *anchored) tail_slots[i] = result;
    auto program = builder.finish(builder.inline_program(tail.attrs.program("program"), tail_slots));
    if (!program) return false;

    Attrs attrs = anchor.attrs;
    attrs.set("epilogue", *program);
    std::vector<ValueId> inputs = anchor.inputs;
    inputs.resize(own);
    inputs.insert(inputs.end(), extras.ids().begin() + 1, extras.ids().end());
    NodeId both[] = {anchor_id, id};
    return commit(both, *anchor.op, std::move(inputs), std::move(attrs), tail.outputs[0], "epilogue " + tail.name,
                  anchor);
  }

  // A permuted result: extras would have to be permuted back, so only single elements are taken.
  std::string extras_refusal(const Node& anchor, const Node& tail, ValueId anchored) const {
    if (!anchor.attrs.has("perm_out")) return {};
    for (ValueId input : tail.inputs)
      if (input != anchored && !element_count(type(input).shape).is(1)) return "an operand follows a permuted result";
    return {};
  }

  Result<bool> into_prologue(NodeId id) {
    const Node& user = graph_.node(id);
    const Anchor* kind = find_anchor(user.op);
    if (!kind || !kind->prologue || is_static(user.outputs[0]) || user.attrs.has("prologue")) return false;
    ValueId operand = user.inputs[0];
    const Node* producer = graph_.producer(operand);
    if (!producer || producer->op != &kPointwise || is_static(operand) || !only_for(operand, id)) return false;
    if (std::count(user.inputs.begin(), user.inputs.end(), operand) != 1) return false;
    Attrs attrs = user.attrs;
    attrs.set("prologue", producer->attrs.program("program"));
    std::vector<ValueId> inputs = producer->inputs;
    inputs.insert(inputs.end(), user.inputs.begin() + 1, user.inputs.end());
    NodeId both[] = {id, graph_.value(operand).producer};
    return commit(both, *user.op, std::move(inputs), std::move(attrs), user.outputs[0], "prologue " + producer->name,
                  user);
  }

  // Makes the fused node unless no fast tactic would take it although one takes the anchor alone.
  Result<bool> commit(std::span<const NodeId> replaces, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs,
                      ValueId output, const std::string& what, const Node& anchor) {
    Patch patch(graph_, replaces);
    TN_ASSIGN(ValueId made, patch.add(op, std::move(inputs), std::move(attrs)));
    if (type(made).shape != type(output).shape || type(made).dtype != type(output).dtype) {
      context_.note("fuse", anchor.name, what, "the fused node would have another type");
      return false;
    }
    if (context_.oracle) {
      std::string reason = context_.oracle->refusal(NodeView(graph_, graph_.node(patch.added()[0])));
      if (!reason.empty() && context_.oracle->refusal(NodeView(graph_, anchor)).empty()) {
        context_.note("fuse", anchor.name, what, reason);
        return false;
      }
    }
    context_.note("fuse", anchor.name, what);
    patch.replace(output, made);
    TN_TRY(apply(graph_, std::move(patch)));
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
  std::vector<bool> static_;
};

Status run(Graph& graph, const PassContext& context) { return Fuser(graph, context).run(); }

}  // namespace

const Pass k_fuse{"fuse", run};

}  // namespace tenon
