#include "compile/materialise.h"

#include "ops/ops.h"

namespace tenon {
namespace {

std::string hex(const std::vector<std::byte>& bytes) {
  std::string out;
  for (std::byte b : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(b));
  return out;
}

class Materialiser {
 public:
  Materialiser(Graph graph, const std::vector<bool>& is_static, const Selection& selection)
      : is_static_(is_static), selection_(selection), mapped_(graph.value_count()) {
    out_.graph = std::move(graph);
  }

  Result<ChosenGraph> run() {
    Graph& graph = out_.graph;
    Patch patch(graph, std::span<const NodeId>());
    patch_ = &patch;
    for (const NodeReport& report : selection_.nodes)
      chosen_[report.node] = &report.candidates[static_cast<size_t>(report.chosen)].candidate;
    for (NodeId id : graph.order()) {
      patch.on_behalf_of(id);
      patch.erase(id);
      if (auto status = add(id); !status)
        return trail(std::move(status.error()), "while placing node {}", graph.node(id).name);
    }
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      ValueId before = graph.outputs[i];
      if (const Value& value = graph.value(before); value.producer.valid()) patch.on_behalf_of(value.producer);
      TN_ASSIGN(ValueId after, in_format(before, kLinear));
      if (after != before) patch.replace(before, after);
    }
    patch_ = nullptr;
    TN_TRY(apply(graph, std::move(patch)));
    graph.level = Level::chosen;
    return std::move(out_);
  }

 private:
  ValueId mapped(ValueId id) const { return mapped_[id.index].valid() ? mapped_[id.index] : id; }

  bool static_value(ValueId id) const { return id.index < is_static_.size() && is_static_[id.index]; }

  Status add(NodeId id) {
    const Node node = out_.graph.node(id);
    auto found = chosen_.find(id);
    const Candidate* candidate = found == chosen_.end() ? nullptr : found->second;
    std::vector<ValueId> inputs(node.inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!node.inputs[i].valid()) continue;
      TN_ASSIGN(inputs[i], in_format(node.inputs[i], candidate ? candidate->inputs[i] : kLinear));
    }
    if (candidate)
      for (const Pack& pack : candidate->packs) {
        TN_ASSIGN(inputs[pack.input], packed(node.inputs[pack.input], pack));
      }
    std::vector<TensorType> types;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      types.push_back(out_.graph.value(node.outputs[i]).type);
      if (candidate) types.back().format = candidate->outputs[i];
    }
    TN_ASSIGN(std::vector<ValueId> outputs, patch_->add_typed(*node.op, inputs, node.attrs, std::move(types)));
    NodeId made = patch_->added().back();
    out_.chosen_from[made] = id;
    for (size_t i = 0; i < outputs.size(); ++i) {
      mapped_[node.outputs[i].index] = outputs[i];
      out_.graph.set_value_name(outputs[i], out_.graph.value(node.outputs[i]).name);
    }
    if (node.op->is_view) return {};
    if (candidate) {
      out_.calls[made] = candidate->call;
    } else {
      TN_ASSIGN(out_.calls[made], node.op->reference(NodeView(out_.graph, out_.graph.node(made))));
    }
    return {};
  }

  void set_format(ValueId id, Format format) {
    TensorType type = out_.graph.value(id).type;
    type.format = format;
    out_.graph.set_value_type(id, std::move(type));
  }

  Result<ValueId> in_format(ValueId before, Format format) {
    ValueId home = mapped(before);
    const TensorType type = out_.graph.value(home).type;
    if (type.format == format) return home;
    auto [it, inserted] = reformats_.emplace(std::tuple(home, static_cast<int>(format.layout), int{format.block}),
                                             ValueId{});
    if (!inserted) return it->second;
    TN_ASSIGN(KernelCall call, reformat_call_for(type, type.format, format));
    TN_ASSIGN(it->second, patch_->add(kReformat, {home}, {{"format", name_of(format)}}));
    set_format(it->second, format);
    out_.calls[patch_->added().back()] = std::move(call);
    if (!static_value(before)) ++out_.reformats;
    return it->second;
  }

  Result<ValueId> packed(ValueId before, const Pack& pack) {
    TN_ASSIGN(ValueId source, in_format(before, kLinear));
    std::string params = hex(pack.call.params);
    auto [it, inserted] = packs_.emplace(std::tuple(source, pack.call.kernel, params), ValueId{});
    if (!inserted) return it->second;
    TN_ASSIGN(it->second,
              patch_->add(kPack, {source}, {{"kernel", pack.call.kernel}, {"params", params}, {"bytes", pack.bytes}}));
    out_.calls[patch_->added().back()] = pack.call;
    return it->second;
  }

  const std::vector<bool>& is_static_;
  const Selection& selection_;
  ChosenGraph out_;
  Patch* patch_ = nullptr;
  std::map<NodeId, const Candidate*> chosen_;
  std::vector<ValueId> mapped_;
  std::map<std::tuple<ValueId, int, int>, ValueId> reformats_;
  std::map<std::tuple<ValueId, std::string, std::string>, ValueId> packs_;
};

}  // namespace

Result<ChosenGraph> materialise(Graph graph, const std::vector<bool>& is_static, const Selection& selection) {
  return Materialiser(std::move(graph), is_static, selection).run();
}

}  // namespace tenon
