// A plan as a graph to look at.
#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

#include "base/json.h"
#include "compile/export_onnx.h"
#include "onnx/writer.h"
#include "plan/verify.h"

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
    for (const plan::Step& step : region_.steps) {
      for (uint32_t input : step.inputs) add_pieces(input);
      add_step(step);
    }
    for (size_t i = 0; i < region_.values.size(); ++i)
      if (const plan::Value& value = region_.values[i]; (value.kind == plan::ValueKind::arena || value.kind == plan::ValueKind::found) && root(i) == i && !names_[i].empty())
        model_.graph.values.push_back(value_info(names_[i], value.dtype, value.dims));
    return onnx::write_model(model_);
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  size_t root(size_t value) const { return roots_[value]; }

  // The first value of those that are the same memory. A piece is apart from what it is a piece of.
  void find_roots() {
    std::map<std::tuple<uint32_t, uint64_t, uint64_t>, size_t> pieces;
    for (size_t i = 0; i < region_.values.size(); ++i) {
      const plan::Value& value = region_.values[i];
      if (value.view_of == plan::kNoView) roots_.push_back(i);
      else if (!plan::is_piece(region_, value)) roots_.push_back(value.view_of);
      else roots_.push_back(pieces.try_emplace({value.view_of, value.offset, value.max_bytes}, i).first->second);
    }
  }

  // What steps wrote by pieces, or what is a piece of that, is a node's, so that the graph hangs together.
  void add_pieces(uint32_t value) {
    const size_t wanted = root(value);
    const plan::Value& whole = region_.values[wanted];
    if (!names_[wanted].empty() || whole.kind != plan::ValueKind::arena) return;
    const uint32_t memory = plan::root_of(region_, static_cast<uint32_t>(wanted));
    onnx::NodeView node;
    node.domain = kToolDomain;
    node.op_type = "pieces";
    for (size_t i = 0; i < region_.values.size(); ++i) {
      const plan::Value& part = region_.values[i];
      if (written_[i] && plan::root_of(region_, static_cast<uint32_t>(i)) == memory && part.offset < whole.offset + whole.max_bytes &&
          whole.offset < part.offset + part.max_bytes)
        node.inputs.push_back(names_[i]);
    }
    names_[wanted] = unique_name(node.inputs.empty() ? "pieces" : fmt::format("{}_pieces", node.inputs[0]));
    for (size_t i = 0; i < names_.size(); ++i)
      if (root(i) == wanted) names_[i] = names_[wanted];
    node.name = names_[wanted];
    node.outputs.push_back(names_[wanted]);
    model_.graph.nodes.push_back(std::move(node));
  }

  std::string_view unique_name(const std::string& wanted) {
    std::string unique = wanted;
    while (taken_[unique]++ > 0) unique = fmt::format("{}_{}", wanted, taken_[unique]);
    return keep(std::move(unique));
  }

  // A view has the name of what it is a view of. Values in the arena are called after the step that writes them.
  void name_values() {
    find_roots();
    names_.resize(region_.values.size());
    written_.resize(region_.values.size());
    for (const auto* list : {&plan_.inputs, &plan_.outputs})
      for (const plan::Binding& binding : *list) taken_[binding.name] = 1;
    for (size_t i = 0; i < region_.values.size(); ++i) {
      const plan::Value& value = region_.values[i];
      if (value.kind == plan::ValueKind::input) names_[i] = plan_.inputs[value.index].name;
      if (value.kind == plan::ValueKind::output) names_[i] = plan_.outputs[value.index].name;
    }
    for (const plan::Step& step : region_.steps)
      for (uint32_t output : step.outputs) {
        std::string_view& name = names_[root(output)];
        if (region_.values[output].kind == plan::ValueKind::absent) continue;
        written_[root(output)] = true;
        if (name.empty()) name = unique_name(step.name);
      }
    for (size_t i = 0; i < names_.size(); ++i) names_[i] = names_[root(i)];
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
  std::vector<size_t> roots_;
  std::vector<bool> written_;            // roots that are a step's output
  std::map<std::string, int, std::less<>> taken_;
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
