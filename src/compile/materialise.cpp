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
  Materialiser(Graph graph, const std::vector<bool>& is_static, const Selection& selection, std::string_view device)
      : is_static_(is_static), selection_(selection), device_(device), mapped_(graph.value_count()) {
    out_.graph = std::move(graph);
  }

  Result<ChosenGraph> run() {
    Graph& graph = out_.graph;
    Patch patch(graph, std::span<const NodeId>());
    patch_ = &patch;
    for (const auto* reports : {&selection_.nodes, &selection_.views})
      for (const NodeReport& report : *reports)
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
      TN_ASSIGN(ValueId after, in_form(before, plain_format(graph.value(before).type)));
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
      TN_ASSIGN(inputs[i], in_form(node.inputs[i], candidate ? candidate->inputs[i] : Form(plain_format(out_.graph.value(node.inputs[i]).type))));
    }
    if (candidate)
      for (const Pack& pack : candidate->packs) {
        TN_ASSIGN(inputs[pack.input], packed(node.inputs[pack.input], pack));
      }
    std::vector<TensorType> types;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      types.push_back(out_.graph.value(node.outputs[i]).type);
      if (candidate) set_form(types.back(), full_form(candidate->outputs[i], types.back()));
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
      TN_ASSIGN(out_.calls[made], static_call(NodeView(out_.graph, out_.graph.node(made))));
    }
    return {};
  }

  static void set_form(TensorType& type, const Form& form) {
    type.dtype = form.dtype;
    type.format = form.format;
  }

  // The value that stands for `before` in the wanted form; the nodes that convert are made once.
  Result<ValueId> in_form(ValueId before, const Form& wanted) {
    ValueId value = mapped(before);
    const TensorType& own = out_.graph.value(before).type;  // as selection saw it
    const Form form = full_form(wanted, own);
    const TensorType type = out_.graph.value(value).type;
    const Form now(type.dtype, type.format);
    if (now == form) return value;
    const bool is_static = static_value(before);
    TN_ASSIGN(std::vector<Conversion> steps, is_static ? static_conversions(own, now, form)
                                                       : conversions(own, now, form, device_));
    for (const Conversion& step : steps) {
      TN_ASSIGN(value, converted(value, step, is_static));
    }
    return value;
  }

  Result<ValueId> converted(ValueId value, const Conversion& step, bool is_static) {
    auto [it, inserted] = reformats_.emplace(std::pair(value, name_of(step.to)), ValueId{});
    if (!inserted) return it->second;
    if (!is_static) ++out_.reformats;
    const DType before = out_.graph.value(value).type.dtype;
    Attrs attrs = {{"format", name_of(step.to.format)}};
    if (step.to.dtype != before) attrs.set("dtype", step.to.dtype);
    TN_ASSIGN(it->second, patch_->add(kReformat, {value}, std::move(attrs)));
    out_.calls[patch_->added().back()] = step.call;
    return it->second;
  }

  Result<ValueId> packed(ValueId before, const Pack& pack) {
    TN_ASSIGN(ValueId source, in_form(before, kLinear));
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
  const std::string device_;
  ChosenGraph out_;
  Patch* patch_ = nullptr;
  std::map<NodeId, const Candidate*> chosen_;
  std::vector<ValueId> mapped_;
  std::map<std::pair<ValueId, std::string>, ValueId> reformats_;
  std::map<std::tuple<ValueId, std::string, std::string>, ValueId> packs_;
};

}  // namespace

Result<ChosenGraph> materialise(Graph graph, const std::vector<bool>& is_static, const Selection& selection,
                                std::string_view device) {
  return Materialiser(std::move(graph), is_static, selection, device).run();
}

}  // namespace tenon
