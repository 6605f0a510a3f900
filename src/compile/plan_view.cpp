// A plan as a graph to look at.
#include <algorithm>
#include <deque>
#include <map>

#include "base/json.h"
#include "compile/export_onnx.h"
#include "onnx/writer.h"

namespace tenon {
namespace {

using onnx::AttributeType;
using onnx::AttributeView;

std::string text_member(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  return member && member->is_string() ? member->text() : std::string();
}

class PlanView {
 public:
  PlanView(const plan::Plan& plan, const plan::Profile& profile) : plan_(plan), region_(profile.region) {}

  Status read_report(std::string_view text) {
    TN_ASSIGN(report_, parse_json(text));
    const Json *network = report_.find("network"), *nodes = report_.find("nodes");
    if (!network || !network->is_string() || !nodes || !nodes->is_array())
      return fail(Code::invalid_argument, "the report has no network or no nodes: it is no build report");
    if (network->text() != plan_.network)
      return fail(Code::invalid_argument, "the report is of network \"{}\", the plan of \"{}\"", network->text(), plan_.network);
    for (const Json& node : nodes->elements())
      by_kernel_[{text_member(node, "name"), text_member(node, "kernel")}].push_back(&node);
    return {};
  }

  Result<std::vector<std::byte>> run() {
    model_.ir_version = onnx::kMaxIrVersion;
    model_.producer_name = "tenon";
    model_.producer_version = TENON_VERSION;
    model_.opsets.push_back({kToolDomain, 1, 0});
    model_.has_graph = true;
    model_.graph.name = plan_.network.empty() ? std::string_view("plan") : std::string_view(plan_.network);
    name_values();
    for (const plan::Binding& input : plan_.inputs) model_.graph.inputs.push_back(value_info(input.name, input.dtype, input.dims));
    for (const plan::Binding& output : plan_.outputs)
      model_.graph.outputs.push_back(value_info(output.name, output.dtype, output.dims));
    for (size_t i = 0; i < region_.values.size(); ++i)
      if (const plan::Value& value = region_.values[i]; (value.kind == plan::ValueKind::arena || value.kind == plan::ValueKind::found) && value.view_of == plan::kNoView)
        model_.graph.values.push_back(value_info(names_[i], value.dtype, value.dims));
    for (const plan::Step& step : region_.steps) add_step(step);
    return onnx::write_model(model_);
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  size_t root(size_t value) const {
    const uint32_t of = region_.values[value].view_of;
    return of == plan::kNoView ? value : of;
  }

  // A view has the name of what it is a view of. Values in the arena are called after the step that writes them.
  void name_values() {
    names_.resize(region_.values.size());
    std::map<std::string, int, std::less<>> taken;
    for (const auto* list : {&plan_.inputs, &plan_.outputs})
      for (const plan::Binding& binding : *list) taken[binding.name] = 1;
    for (size_t i = 0; i < region_.values.size(); ++i) {
      const plan::Value& value = region_.values[i];
      if (value.kind == plan::ValueKind::input) names_[i] = plan_.inputs[value.index].name;
      if (value.kind == plan::ValueKind::output) names_[i] = plan_.outputs[value.index].name;
    }
    for (const plan::Step& step : region_.steps)
      for (uint32_t output : step.outputs) {
        std::string_view& name = names_[root(output)];
        if (!name.empty() || region_.values[output].kind == plan::ValueKind::absent) continue;
        std::string unique = step.name;
        while (taken[unique]++ > 0) unique = fmt::format("{}_{}", step.name, taken[unique]);
        name = keep(std::move(unique));
      }
    for (size_t i = 0; i < names_.size(); ++i)
      if (region_.values[i].view_of != plan::kNoView) names_[i] = names_[root(i)];
  }

  std::string dim_text(uint32_t index) const {
    static constexpr std::string_view kNames[] = {"",    "",    " + ", " - ", "*",        "floordiv",
                                                  "ceildiv", "mod", "max", "min", "broadcast"};
    const plan::DimExpr& e = plan_.dims[index];
    if (e.op == plan::DimOp::constant) return std::to_string(e.value);
    if (e.op == plan::DimOp::symbol) return plan_.symbols[static_cast<size_t>(e.value)].name;
    // Expressions share their parts, so that a text of all of them may be far longer than the table.
    auto operand = [&](uint32_t part) {
      return plan_.dims[part].op <= plan::DimOp::symbol ? dim_text(part) : fmt::format("d{}", part);
    };
    const std::string_view name = kNames[static_cast<size_t>(e.op)];
    if (e.op <= plan::DimOp::mul) return fmt::format("{}{}{}", operand(e.a), name, operand(e.b));
    return fmt::format("{}({}, {})", name, operand(e.a), operand(e.b));
  }

  onnx::ValueInfoView value_info(std::string_view name, DType dtype, const std::vector<uint32_t>& dims) {
    onnx::ValueInfoView info;
    info.name = name;
    info.type.kind = onnx::TypeView::Kind::tensor;
    info.type.elem_type = static_cast<int32_t>(dtype);
    info.type.has_shape = true;
    for (uint32_t index : dims) {
      onnx::DimView dim;
      const bool constant = plan_.dims[index].op == plan::DimOp::constant;
      dim.kind = constant ? onnx::DimView::Kind::value : onnx::DimView::Kind::param;
      if (constant) dim.value = plan_.dims[index].value;
      else dim.param = keep(dim_text(index));
      info.type.dims.push_back(dim);
    }
    return info;
  }

  // "f32[1,64,N] c16".
  std::string type_text(const plan::Value& value) const {
    std::string out = fmt::format("{}[", name_of(value.dtype));
    for (size_t i = 0; i < value.dims.size(); ++i) out += (i ? "," : "") + dim_text(value.dims[i]);
    out += ']';
    return value.format == kLinear ? out : fmt::format("{} {}", out, name_of(value.format));
  }

  static AttributeView& attribute(onnx::NodeView& node, std::string_view name, AttributeType type) {
    AttributeView& a = node.attributes.emplace_back();
    a.name = name;
    a.type = type;
    return a;
  }
  void add_text(onnx::NodeView& node, std::string_view name, std::string text) {
    if (!text.empty()) attribute(node, name, AttributeType::text).s = keep(std::move(text));
  }
  void add_texts(onnx::NodeView& node, std::string_view name, std::vector<std::string> texts) {
    if (texts.empty()) return;
    AttributeView& a = attribute(node, name, AttributeType::texts);
    for (std::string& text : texts) a.strings.push_back(keep(std::move(text)));
  }
  void add_number(onnx::NodeView& node, std::string_view name, const Json& object, std::string_view key) {
    if (const Json* member = object.find(key); member && member->is_number())
      attribute(node, name, AttributeType::number).f = static_cast<float>(member->number());
  }

  void add_step(const plan::Step& step) {
    onnx::NodeView node;
    node.name = step.name;
    node.domain = kToolDomain;
    std::vector<std::string> inputs, outputs, origins;
    for (uint32_t input : step.inputs) {
      const plan::Value& value = region_.values[input];
      const bool absent = value.kind == plan::ValueKind::absent;
      inputs.push_back(absent ? "absent" : type_text(value));
      if (value.kind == plan::ValueKind::weight) inputs.back() += fmt::format(" weight {}", value.index);
      // Weights are told in the attribute alone: their bytes are packed for the kernel.
      node.inputs.push_back(absent || value.kind == plan::ValueKind::weight ? std::string_view() : names_[input]);
    }
    while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
    for (uint32_t output : step.outputs) {
      const plan::Value& value = region_.values[output];
      outputs.push_back(value.kind == plan::ValueKind::absent ? "absent" : type_text(value));
      node.outputs.push_back(value.kind == plan::ValueKind::absent ? std::string_view() : names_[output]);
    }
    for (uint32_t origin : step.origins)
      origins.push_back(fmt::format("{} ({})", plan_.origins[origin].first, plan_.origins[origin].second));
    const std::string precision = step.inputs.empty() ? "" : std::string(name_of(region_.values[step.inputs[0]].dtype));
    node.op_type = step.kernel;
    add_text(node, "kernel", step.kernel);
    const Json* decided = take_report(step);
    if (decided) {
      if (std::string op = text_member(*decided, "op"); !op.empty()) node.op_type = keep(std::move(op));
      add_text(node, "tactic", text_member(*decided, "tactic"));
      add_number(node, "multiply_adds", *decided, "multiply_adds");
      add_text(node, "config", text_member(*decided, "config"));
      add_number(node, "microseconds", *decided, "microseconds");
    }
    const std::string told = decided ? text_member(*decided, "precision") : "";
    add_text(node, "precision", told.empty() ? precision : told);
    add_texts(node, "inputs", std::move(inputs));
    add_texts(node, "outputs", std::move(outputs));
    add_texts(node, "onnx_nodes", std::move(origins));
    model_.graph.nodes.push_back(std::move(node));
  }

  // The report's node of a step: those of one name and kernel are in the order of the steps.
  const Json* take_report(const plan::Step& step) {
    auto found = by_kernel_.find({step.name, step.kernel});
    if (found == by_kernel_.end() || found->second.empty()) return nullptr;
    const Json* node = found->second.front();
    found->second.pop_front();
    return node;
  }

  const plan::Plan& plan_;
  const plan::Region& region_;
  Json report_;
  std::map<std::pair<std::string, std::string>, std::deque<const Json*>> by_kernel_;
  onnx::ModelView model_;
  std::vector<std::string_view> names_;  // by value of the region
  std::deque<std::string> texts_;        // what the views are of
};

}  // namespace

Result<std::vector<std::byte>> export_plan_view(const plan::Plan& plan, int32_t profile, std::string_view report) {
  if (profile < 0 || static_cast<size_t>(profile) >= plan.profiles.size())
    return fail(Code::out_of_range, "profile is {}; the plan has {}", profile, plan.profiles.size());
  PlanView view(plan, plan.profiles[static_cast<size_t>(profile)]);
  if (!report.empty()) TN_TRY(view.read_report(report));
  return view.run();
}

}  // namespace tenon
