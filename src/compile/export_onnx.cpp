// A network as an ONNX model: the views that onnx/writer.h writes, over names and elements of the graph.
#include "compile/export_onnx.h"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/checked.h"
#include "base/narrow.h"
#include "base/text.h"
#include "ir/pass.h"
#include "onnx/writer.h"
#include "ops/ops.h"
#include "passes/passes.h"

namespace tenon {
namespace {

using onnx::AttributeType;
using onnx::AttributeView;

constexpr size_t kLeastExternal = 1024;    // bytes of a tensor that goes into the file of weights
constexpr int64_t kExternalAlignment = 64;

// The least IR version that has a type; models of opset 9 and later may leave constants out of their inputs from 4 on.
int64_t ir_version_of(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz: return 9;
    case DType::u4:
    case DType::i4: return 10;
    case DType::f4e2m1: return 11;
    case DType::f8e8m0: return 12;
    case DType::u2:
    case DType::i2: return 13;
    default: return 8;
  }
}

class Export {
 public:
  Export(const Graph& network, std::string_view weights_location) : graph_(network), location_(weights_location) {}

  Result<OnnxExport> run() {
    TN_TRY(infer_outputs());
    name_values();
    TN_TRY(choose_op_sets());
    model_.ir_version = 8;
    model_.producer_name = "tenon";
    model_.producer_version = TENON_VERSION;
    model_.has_graph = true;
    model_.graph.name = graph_.name.empty() ? keep("network") : std::string_view(graph_.name);
    for (ValueId id : graph_.inputs) model_.graph.inputs.push_back(value_info(names_.at(id.index), graph_.value(id).type));
    for (uint32_t i = 0; i < graph_.value_count(); ++i)
      if (const Value& value = graph_.value(ValueId{i}); value.constant && !value.erased) {
        TN_ASSIGN(onnx::TensorView tensor, tensor_of(*value.constant, names_.at(i)));
        model_.graph.initializers.push_back(std::move(tensor));
      }
    for (NodeId id : graph_.order())
      if (auto status = add_node(graph_.node(id)); !status)
        return trail(std::move(status.error()), "in node {}", graph_.node(id).name);
    add_outputs();
    OnnxExport out;
    TN_ASSIGN(out.model, onnx::write_model(model_));
    out.weights = std::move(weights_);
    return out;
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  std::span<const std::byte> keep(std::vector<std::byte> bytes) { return buffers_.emplace_back(std::move(bytes)); }

  // ONNX wants the types of outputs, which a network's values do not have until they are expanded.
  Status infer_outputs() {
    Graph copy = graph_;
    if (auto status = k_expand.run(copy, {}); !status)
      return trail(std::move(status.error()), "while the types of the outputs were inferred");
    if (copy.output_names != graph_.output_names)
      return fail(Code::unsupported, "an output is a sequence or an optional, whose type is not written");
    for (ValueId output : copy.outputs) output_types_.push_back(copy.value(output).type);
    return {};
  }

  // Every value has a name of its own: an output has the network's, others their own or one made from it.
  void name_values() {
    std::unordered_set<std::string> taken(graph_.output_names.begin(), graph_.output_names.end());
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const Value& value = graph_.value(graph_.outputs[i]);
      // Of inputs and constants of other names, and where one value is several outputs, an Identity gives the name.
      if ((value.producer.valid() || value.name == graph_.output_names[i]) && names_.try_emplace(graph_.outputs[i].index, graph_.output_names[i]).second)
        direct_.insert(i);
    }
    auto name = [&](ValueId id) {
      if (names_.count(id.index)) return;
      const std::string& wanted = graph_.value(id).name;
      std::string unique = wanted.empty() ? fmt::format("value_{}", id.index) : wanted;
      for (int n = 2; !taken.insert(unique).second; ++n) unique = fmt::format("{}_{}", wanted.empty() ? "value" : wanted, n);
      names_.emplace(id.index, keep(std::move(unique)));
    };
    for (ValueId id : graph_.inputs) name(id);
    for (uint32_t i = 0; i < graph_.value_count(); ++i)
      if (const Value& value = graph_.value(ValueId{i}); !value.erased) name(ValueId{i});
  }

  // A model has one op set of each domain: the newest that a node has, if the others' nodes mean the same there.
  Status choose_op_sets() {
    std::map<std::string, int64_t> newest;
    for (NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      const bool is_onnx = node.op == &kOnnxOp;
      int64_t& version = newest[is_onnx ? node.attrs.text("domain") : std::string(kToolDomain)];
      version = std::max(version, is_onnx ? node.attrs.integer("version") : 1);
    }
    if (direct_.size() != graph_.outputs.size()) newest.try_emplace("", kMaxOnnxOpset);  // of Identity
    for (NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (node.op != &kOnnxOp) continue;
      const std::string domain = node.attrs.text("domain"), op = node.attrs.text("op_type");
      const int64_t version = node.attrs.integer("version");
      if (find_onnx_row(domain, op, version) != find_onnx_row(domain, op, newest[domain]))
        return fail(Code::unsupported,
                    "node {} ({}) is of op set {} of domain {}, other nodes are of op set {}, where the operator means something "
                    "else; a model has one op set of a domain",
                    node.name, op, version, shown_onnx_domain(domain), newest[domain]);
    }
    for (auto& [domain, version] : newest) model_.opsets.push_back({keep(domain), version, 0});
    return {};
  }

  onnx::ValueInfoView value_info(std::string_view name, const TensorType& type) {
    onnx::ValueInfoView info;
    info.name = name;
    info.type.kind = onnx::TypeView::Kind::tensor;
    info.type.elem_type = static_cast<int32_t>(type.dtype);
    info.type.has_shape = true;
    need(type.dtype);
    for (const Dim& dim : type.shape) {
      onnx::DimView view;
      view.kind = dim.is_constant() ? onnx::DimView::Kind::value : onnx::DimView::Kind::param;
      if (dim.is_constant()) view.value = dim.value();
      else view.param = keep(dim.text());
      info.type.dims.push_back(view);
    }
    return info;
  }

  void need(DType dtype) { model_.ir_version = std::max(model_.ir_version, ir_version_of(dtype)); }

  // Elements as raw_data has them: those of less than a byte beside each other, the first in the low bits.
  std::span<const std::byte> raw_of(const Constant& constant) {
    const int bits = narrow_bits(constant.type.dtype);
    if (bits == 8) return constant.bytes.view;
    const size_t each = static_cast<size_t>(8 / bits), count = constant.bytes.view.size();
    std::vector<std::byte> packed(count / each + (count % each != 0));
    for (size_t i = 0; i < count; ++i)
      packed[i / each] |= constant.bytes.view[i] << (i % each * static_cast<size_t>(bits));
    return keep(std::move(packed));
  }

  Result<onnx::TensorView> tensor_of(const Constant& constant, std::string_view name) {
    onnx::TensorView tensor;
    tensor.name = name;
    tensor.data_type = static_cast<int32_t>(constant.type.dtype);
    need(constant.type.dtype);
    for (const Dim& dim : constant.type.shape) tensor.dims.push_back(dim.value());
    if (constant.bytes.view.empty() && !element_count(constant.type.shape).is(0))
      return fail(Code::unsupported, "constant '{}' has no elements in this network", name);
    if (constant.type.dtype == DType::string) {
      TN_ASSIGN(const PackedTexts texts, PackedTexts::read(constant.bytes.view, element_count(constant.type.shape).value()));
      for (size_t i = 0; i < texts.size(); ++i) tensor.strings.push_back(texts[i]);
      return tensor;
    }
    const std::span<const std::byte> raw = raw_of(constant);
    if (location_.empty() || raw.size() < kLeastExternal) {
      tensor.has_raw = true;
      tensor.raw = raw;
      return tensor;
    }
    weights_.resize(static_cast<size_t>(round_up(static_cast<int64_t>(weights_.size()), kExternalAlignment)));
    tensor.external = true;
    tensor.external_data = {{"location", location_},
                            {"offset", keep(std::to_string(weights_.size()))},
                            {"length", keep(std::to_string(raw.size()))}};
    weights_.insert(weights_.end(), raw.begin(), raw.end());
    return tensor;
  }

  Status add_node(const Node& node) {
    const bool is_onnx = node.op == &kOnnxOp;
    onnx::NodeView view;
    view.name = node.name;
    view.op_type = is_onnx ? keep(node.attrs.text("op_type")) : node.op->name;
    view.domain = is_onnx ? keep(node.attrs.text("domain")) : kToolDomain;
    for (ValueId input : node.inputs) view.inputs.push_back(input.valid() ? names_.at(input.index) : std::string_view());
    for (ValueId output : node.outputs) {
      // What the model does not name, nothing reads.
      const bool named = !graph_.value(output).name.empty() || graph_.is_output(output) || !graph_.users(output).empty();
      view.outputs.push_back(named ? names_.at(output.index) : std::string_view());
    }
    while (!view.outputs.empty() && view.outputs.back().empty()) view.outputs.pop_back();
    for (const auto& [name, attr] : node.attrs) {
      if (is_onnx && (name == "op_type" || name == "domain" || name == "version")) continue;
      AttributeView attribute;
      attribute.name = name;
      TN_TRY(set_attribute(attribute, attr));
      view.attributes.push_back(std::move(attribute));
    }
    model_.graph.nodes.push_back(std::move(view));
    return {};
  }

  Status set_attribute(AttributeView& a, const Attr& attr) {
    if (const auto* i = std::get_if<int64_t>(&attr)) return a.type = AttributeType::integer, a.i = *i, Status();
    if (const auto* f = std::get_if<double>(&attr))
      return a.type = AttributeType::number, a.f = static_cast<float>(*f), Status();
    if (const auto* s = std::get_if<std::string>(&attr)) return a.type = AttributeType::text, a.s = *s, Status();
    if (const auto* ints = std::get_if<std::vector<int64_t>>(&attr))
      return a.type = AttributeType::integers, a.ints = *ints, Status();
    if (const auto* floats = std::get_if<std::vector<double>>(&attr)) {
      a.type = AttributeType::numbers;
      for (double f : *floats) a.floats.push_back(static_cast<float>(f));
      return {};
    }
    if (const auto* texts = std::get_if<std::vector<std::string>>(&attr)) {
      a.type = AttributeType::texts;
      a.strings.assign(texts->begin(), texts->end());
      return {};
    }
    if (const auto* constant = std::get_if<std::shared_ptr<const Constant>>(&attr)) {
      a.type = AttributeType::tensor;
      TN_ASSIGN(onnx::TensorView tensor, tensor_of(**constant, {}));
      a.tensors.push_back(std::move(tensor));
      return {};
    }
    if (std::holds_alternative<GraphPtr>(attr))
      return fail(Code::unsupported, "attribute {}: nodes with sub-graphs are not written", a.name);
    a.type = AttributeType::text;  // of core ops
    if (const auto* shape = std::get_if<Shape>(&attr)) a.s = keep(print(*shape));
    else if (const auto* dtype = std::get_if<DType>(&attr)) a.s = name_of(*dtype);
    else if (const auto* program = std::get_if<ProgramAttr>(&attr)) a.s = keep(print(static_cast<const Program&>(*program)));
    return {};
  }

  void add_outputs() {
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      model_.graph.outputs.push_back(value_info(graph_.output_names[i], output_types_[i]));
      if (direct_.count(i)) continue;
      onnx::NodeView identity;
      identity.name = keep("output_" + graph_.output_names[i]);
      identity.op_type = "Identity";
      identity.inputs = {names_.at(graph_.outputs[i].index)};
      identity.outputs = {graph_.output_names[i]};
      model_.graph.nodes.push_back(std::move(identity));
    }
  }

  const Graph& graph_;
  std::string_view location_;
  onnx::ModelView model_;
  std::vector<std::byte> weights_;
  std::vector<TensorType> output_types_;
  std::unordered_map<uint32_t, std::string_view> names_;  // by value
  std::unordered_set<size_t> direct_;                     // outputs that their own node writes
  // What the views are of.
  std::deque<std::string> texts_;
  std::deque<std::vector<std::byte>> buffers_;
};

}  // namespace

Result<OnnxExport> export_onnx(const Graph& network, std::string_view weights_location) {
  return Export(network, weights_location).run();
}

}  // namespace tenon
