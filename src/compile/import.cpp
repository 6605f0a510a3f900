// Views of an ONNX model → a graph at network level. One pass over the model reports every problem that it
// finds.
#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "compile/onnx_model.h"
#include "ir/found.h"
#include "ir/op_def.h"
#include "onnx/model.h"
#include "onnx/tensor.h"
#include "ops/ops.h"

namespace tenon {
namespace {

using onnx::AttributeType;

constexpr size_t kMaxProblems = 50;
constexpr int64_t kMaxCalls = 32;  // functions within functions

constexpr const char* kKinds[] = {"no type", "a tensor", "a sequence", "a map", "a sparse tensor", "an optional"};

std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

// Problems are collected, not returned, so that a user sees all of them at once. In a survey each goes to its node.
class Problems {
 public:
  explicit Problems(ImportSurvey* survey) : survey_(survey) {}
  template <class... Args>
  void add(Code code, fmt::format_string<Args...> format, Args&&... args) {
    code_ = count_ == 0 || code_ == code ? code : Code::invalid_model;
    ++count_;
    if (survey_)
      (node_ ? survey_->nodes[*node_].problems : survey_->problems)
          .push_back(fmt::format(format, std::forward<Args>(args)...));
    else if (count_ <= kMaxProblems)
      lines_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void add(const Error& error, const std::string& where) { add(error.code, "{}: {}", where, error.message); }

  // The node of the survey that problems are of from now on; gives the one before.
  std::optional<size_t> set_node(std::optional<size_t> node) { return std::exchange(node_, node); }
  size_t count() const { return count_; }
  bool full() const { return count_ >= kMaxProblems; }
  Status status() const {
    if (count_ == 0 || survey_) return {};
    if (count_ == 1) return tl::unexpected<Error>(Error{code_, lines_[0], {}});
    Error error{code_, fmt::format("the model has {} problems", count_), lines_};
    if (count_ > kMaxProblems) error.trail.push_back(fmt::format("and {} more", count_ - kMaxProblems));
    return tl::unexpected<Error>(std::move(error));
  }

 private:
  ImportSurvey* survey_;
  std::optional<size_t> node_;
  Code code_ = Code::invalid_model;
  size_t count_ = 0;
  std::vector<std::string> lines_;
};

// Names of symbolic dims: identifiers, one for each of the model's names.
class Symbols {
 public:
  Dim named(std::string_view param) {
    auto [it, fresh] = by_param_.try_emplace(std::string(param));
    if (fresh) it->second = unique(param);
    return Dim::symbol(it->second);
  }
  Dim fresh(std::string_view wanted) { return Dim::symbol(unique(wanted)); }

 private:
  std::string unique(std::string_view wanted) {
    static constexpr std::string_view kOperations[] = {"floordiv", "ceildiv", "mod",
                                                       "max",      "min",     "broadcast"};
    std::string name;
    for (char c : wanted.substr(0, 64)) name += is_alphanumeric(c) ? c : '_';
    if (name.empty() || (name[0] >= '0' && name[0] <= '9') || name.starts_with(kFoundPrefix) ||
        std::find(std::begin(kOperations), std::end(kOperations), name) != std::end(kOperations))
      name.insert(0, "_");
    std::string base = name;
    for (int n = 2; !taken_.emplace(name, true).second; ++n) name = fmt::format("{}_{}", base, n);
    return name;
  }
  static bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  std::map<std::string, std::string, std::less<>> by_param_;
  std::unordered_map<std::string, bool> taken_;
};

// A name of a graph or function body. While nodes are added, those of nodes that wait have no value yet.
struct Slot {
  ValueId value;
  int64_t node = kGiven;  // that makes it

  static constexpr int64_t kGiven = -1;  // an initialiser, or a function's input
  static constexpr int64_t kGraphInput = -2;
};
using Names = std::unordered_map<std::string_view, Slot>;

// The nodes of a graph or of one call of a function, and what their names mean there.
struct Scope {
  Graph* graph = nullptr;   // that the nodes are added to
  Names names;
  std::span<const onnx::OpsetView> opsets;
  const onnx::FunctionView* function = nullptr;
  const Scope* caller = nullptr;
  Attrs bound;         // the function's attributes at this call
  std::string prefix;  // of names of nodes and values: "call/"
  std::string where;   // "graph", "function f"
  int64_t depth = 0;
  // Of a sub-graph: the scope around it, whose names hold here too, and which of its values were asked for: the
  // sub-graph's last inputs.
  Scope* around = nullptr;
  std::vector<ValueId> captured;
};

// The names that a sub-graph asks for of the graphs around it.
void add_wanted(const onnx::GraphView& graph, std::vector<std::string_view>& out) {
  std::unordered_set<std::string_view> own;
  for (const onnx::ValueInfoView& input : graph.inputs) own.insert(input.name);
  for (const onnx::TensorView& tensor : graph.initializers) own.insert(tensor.name);
  std::vector<std::string_view> asked;
  for (const onnx::NodeView& node : graph.nodes) {
    own.insert(node.outputs.begin(), node.outputs.end());
    asked.insert(asked.end(), node.inputs.begin(), node.inputs.end());
    for (const onnx::AttributeView& attribute : node.attributes)
      for (const auto& inner : attribute.graphs) add_wanted(*inner, asked);
  }
  for (const onnx::ValueInfoView& output : graph.outputs) asked.push_back(output.name);
  std::copy_if(asked.begin(), asked.end(), std::back_inserter(out), [&](std::string_view name) { return !own.count(name); });
}

// The names that a node and its sub-graphs ask for.
std::vector<std::string_view> wanted(const onnx::NodeView& node) {
  std::vector<std::string_view> out(node.inputs.begin(), node.inputs.end());
  for (const onnx::AttributeView& attribute : node.attributes)
    for (const auto& graph : attribute.graphs) add_wanted(*graph, out);
  return out;
}

class Importer {
 public:
  Importer(const onnx::ModelView& model, onnx::Source source, const GivenInitializers& given, ImportSurvey* survey)
      : model_(model), source_(std::move(source)), given_(given), survey_(survey), problems_(survey) {}

  Result<Graph> run() {
    graph_.level = Level::network;
    graph_.name = model_.graph.name;
    for (const onnx::FunctionView& f : model_.functions) add_function(f);
    Scope scope;
    scope.graph = &graph_;
    scope.opsets = model_.opsets;
    scope.where = "graph";
    scope.names.reserve(model_.graph.initializers.size() + 2 * model_.graph.nodes.size());
    check_opsets();
    add_initializers(model_.graph, scope);
    add_inputs(scope);
    add_nodes(model_.graph.nodes, scope);
    add_outputs(scope);
    declare_values(scope);
    report_unsupported();
    TN_TRY(problems_.status());
    return std::move(graph_);
  }

 private:
  using FunctionKey = std::tuple<std::string_view, std::string_view, std::string_view>;

  void add_function(const onnx::FunctionView& f) {
    if (!functions_.emplace(FunctionKey{plain_domain(f.domain), f.name, f.overload}, &f).second)
      problems_.add(Code::invalid_model, "function '{}' of domain '{}' (byte {}) is defined twice", f.name,
                    f.domain, f.offset);
  }

  void check_opsets() {
    for (const onnx::OpsetView& opset : model_.opsets)
      if (plain_domain(opset.domain).empty() && (opset.version < 1 || opset.version > kMaxOnnxOpset))
        problems_.add(opset.version < 1 ? Code::invalid_model : Code::unsupported,
                      "the model imports op set {} of domain ai.onnx (byte {}); this library knows 1 to {}",
                      opset.version, opset.offset, kMaxOnnxOpset);
  }

  // ── values ──

  // `where` gives the text that names the value in a problem.
  template <class F>
  void define(Scope& scope, std::string_view name, Slot slot, F&& where) {
    if (name.empty())
      problems_.add(Code::invalid_model, "{} has no name", where());
    else if (!scope.names.emplace(name, slot).second)
      problems_.add(Code::invalid_model, "{}: the name '{}' is given to more than one value", where(), name);
  }

  void add_initializers(const onnx::GraphView& graph, Scope& scope) {
    for (size_t i = 0; i < graph.initializers.size(); ++i) {
      const onnx::TensorView& tensor = graph.initializers[i];
      auto where = [&] {
        return fmt::format("initialiser '{}' ({}/initializer[{}], byte {})", tensor.name, scope.where, i, tensor.offset);
      };
      auto given = given_.find(tensor.name);
      const bool is_given = given != given_.end() && !scope.around;
      auto constant = is_given ? given->second : read_constant(tensor, scope.prefix + std::string(tensor.name));
      Slot slot;
      if (constant)
        slot.value = scope.graph->add_constant(scope.prefix + std::string(tensor.name), std::move(*constant));
      else
        problems_.add(constant.error(), where());
      define(scope, tensor.name, slot, where);
    }
    if (!scope.around)
      for (const auto& [name, constant] : given_)
        if (auto [it, fresh] = scope.names.try_emplace(name); fresh) it->second.value = scope.graph->add_constant(name, constant);
    for (const onnx::SparseTensorView& sparse : graph.sparse_initializers) {
      problems_.add(Code::unsupported, "sparse initialiser '{}' (byte {}): sparse tensors are not supported",
                    sparse.values.name, sparse.offset);
      scope.names.emplace(sparse.values.name, Slot{});
    }
  }

  // The bytes need not be aligned for the type: passes read elements byte by byte, and the programs that compute weights
  // bring sources where kernels may read them.
  Result<std::shared_ptr<const Constant>> read_constant(const onnx::TensorView& tensor,
                                                        std::string refit_name) {
    TN_ASSIGN(onnx::TensorData data, onnx::read_tensor(tensor, source_));
    auto constant = std::make_shared<Constant>();
    constant->type = {data.dtype, Shape(data.dims.begin(), data.dims.end()), kLinear};
    constant->bytes = {data.bytes, std::move(data.owner)};
    if (data.dtype != DType::string) constant->refit_name = std::move(refit_name);
    return std::shared_ptr<const Constant>(std::move(constant));
  }

  void add_inputs(Scope& scope) {
    for (size_t i = 0; i < model_.graph.inputs.size(); ++i) {
      const onnx::ValueInfoView& input = model_.graph.inputs[i];
      // An initialiser that is an input too (all are, before IR version 4) is a constant.
      auto it = scope.names.find(input.name);
      if (it != scope.names.end() && it->second.node == Slot::kGiven) continue;
      auto where = [&] {
        return fmt::format("input '{}' (graph/input[{}], byte {})", input.name, i, input.offset);
      };
      auto type = input_type(input);
      Slot slot{{}, Slot::kGraphInput};
      if (type)
        slot.value = graph_.add_input(std::string(input.name), std::move(*type));
      else
        problems_.add(type.error(), where());
      define(scope, input.name, slot, where);
    }
  }

  Result<TensorType> input_type(const onnx::ValueInfoView& input) {
    using Kind = onnx::TypeView::Kind;
    const onnx::TypeView& type = input.type;
    // An optional tensor is taken to be there.
    const bool is_tensor = type.kind == Kind::tensor || (type.kind == Kind::optional && type.holds_tensor);
    if (!is_tensor)
      return fail(type.kind == Kind::none ? Code::invalid_model : Code::unsupported,
                  "it is {}; inputs must be dense tensors{}", kKinds[static_cast<int>(type.kind)],
                  type.kind == Kind::none ? "" : ": make it of inputs that are tensors, with SequenceConstruct or Optional");
    auto dtype = static_cast<DType>(type.elem_type);
    if (type.elem_type <= 0 || type.elem_type > 255 || !is_known(dtype))
      return fail(Code::unsupported, "elements of type {} are not supported",
                  onnx::onnx_type_name(type.elem_type));
    if (!type.has_shape)
      return fail(Code::unsupported, "it has no shape; at least the number of its dims must be known");
    TensorType out{dtype, {}, kLinear};
    std::vector<int64_t> least;  // 1 for dims that are not fixed
    for (size_t axis = 0; axis < type.dims.size(); ++axis) {
      const onnx::DimView& dim = type.dims[axis];
      bool fixed = dim.kind == onnx::DimView::Kind::value;
      if (fixed && dim.value < 0)
        return fail(Code::invalid_model, "dim {} is {}; a dim that is not fixed must have a name or nothing",
                    axis, dim.value);
      least.push_back(fixed ? dim.value : 1);
      if (fixed)
        out.shape.push_back(Dim(dim.value));
      else if (!dim.param.empty())
        out.shape.push_back(symbols_.named(dim.param));
      else
        out.shape.push_back(symbols_.fresh(fmt::format("{}_{}", input.name, axis)));
    }
    TN_TRY(onnx::checked_count(least, size_of(dtype), source_.limits));
    return out;
  }

  void add_outputs(Scope& scope) {
    std::unordered_set<std::string_view> given;
    if (model_.graph.outputs.empty()) problems_.add(Code::invalid_model, "the graph has no outputs");
    for (size_t i = 0; i < model_.graph.outputs.size(); ++i) {
      const onnx::ValueInfoView& output = model_.graph.outputs[i];
      auto it = scope.names.find(output.name);
      if (it == scope.names.end()) {
        problems_.add(Code::invalid_model, "output '{}' (graph/output[{}], byte {}) is made by no node",
                      output.name, i, output.offset);
      } else if (!given.insert(output.name).second) {
        problems_.add(Code::invalid_model, "output '{}' (graph/output[{}], byte {}) is given twice",
                      output.name, i, output.offset);
      } else {
        if (survey_ && !it->second.value.valid()) continue;
        graph_.outputs.push_back(it->second.value);
        graph_.output_names.emplace_back(output.name);
        declare_output(output, i, it->second.value);
      }
    }
  }

  void declare_output(const onnx::ValueInfoView& output, size_t index, ValueId value) {
    using Kind = onnx::TypeView::Kind;
    const onnx::TypeView& type = output.type;
    // Of a sequence or an optional nothing is declared: it becomes an output for each of its tensors.
    if (type.kind == Kind::none || type.kind == Kind::sequence || type.kind == Kind::optional) return;
    if (type.kind != Kind::tensor || type.elem_type < 0 || type.elem_type > 255 ||
        (type.elem_type != 0 && !is_known(static_cast<DType>(type.elem_type)))) {
      problems_.add(Code::unsupported, "output '{}' (graph/output[{}], byte {}): {}", output.name, index,
                    output.offset, type.kind == Kind::tensor
                        ? fmt::format("elements of type {} are not supported", onnx::onnx_type_name(type.elem_type))
                        : fmt::format("it is {}; outputs must be dense tensors", kKinds[static_cast<int>(type.kind)]));
      return;
    }
    Declared declared{value, std::string(output.name), static_cast<DType>(type.elem_type), std::nullopt, true};
    if (type.has_shape) {
      declared.dims.emplace();
      for (const onnx::DimView& dim : type.dims)
        declared.dims->push_back(dim.kind == onnx::DimView::Kind::value && dim.value >= 0 ? dim.value : -1);
    }
    graph_.declared.push_back(std::move(declared));
  }

  // Of values between nodes only the element type: exporters leave dims of another batch behind.
  void declare_values(const Scope& scope) {
    for (const onnx::ValueInfoView& info : model_.graph.values) {
      auto it = scope.names.find(info.name);
      auto dtype = static_cast<DType>(info.type.elem_type);
      if (it == scope.names.end() || !it->second.value.valid() || info.type.elem_type <= 0 ||
          info.type.elem_type > 255 || !is_known(dtype))
        continue;
      graph_.declared.push_back({it->second.value, std::string(info.name), dtype, std::nullopt, false});
    }
  }

  // ── nodes ──

  static std::string node_name(const onnx::NodeView& node, size_t index, const Scope& scope) {
    return scope.prefix +
           (node.name.empty() ? fmt::format("{}_{}", node.op_type, index) : std::string(node.name));
  }
  static std::string where(const onnx::NodeView& node, size_t index, const Scope& scope) {
    return fmt::format("node '{}' ({}, {}/node[{}], byte {})", node_name(node, index, scope), node.op_type,
                       scope.where, index, node.offset);
  }

  void add_nodes(std::span<const onnx::NodeView> nodes, Scope& scope) {
    for (size_t n = 0; n < nodes.size(); ++n)
      for (std::string_view output : nodes[n].outputs)
        if (!output.empty())
          define(scope, output, {{}, static_cast<int64_t>(n)}, [&] { return where(nodes[n], n, scope); });
    for (size_t n : in_order(nodes, scope)) add_node(nodes[n], n, scope);
  }

  // Topological order that keeps the file's where it can; depth first. Names a cycle that it finds.
  std::vector<size_t> in_order(std::span<const onnx::NodeView> nodes, const Scope& scope) {
    std::unordered_map<size_t, std::vector<std::string_view>> with_subgraphs;
    for (size_t n = 0; n < nodes.size(); ++n)
      if (std::any_of(nodes[n].attributes.begin(), nodes[n].attributes.end(), [](const auto& a) { return !a.graphs.empty(); }))
        with_subgraphs.emplace(n, wanted(nodes[n]));
    auto inputs_of = [&](size_t n) -> std::span<const std::string_view> {
      auto it = with_subgraphs.find(n);
      return it == with_subgraphs.end() ? nodes[n].inputs : it->second;
    };
    std::vector<size_t> order;
    order.reserve(nodes.size());
    std::vector<uint8_t> state(nodes.size(), 0);  // 0 new, 1 open, 2 done
    std::vector<std::pair<size_t, size_t>> stack;
    for (size_t root = 0; root < nodes.size(); ++root) {
      if (state[root] == 0) stack.push_back({root, 0}), state[root] = 1;
      while (!stack.empty()) {
        auto& [n, next] = stack.back();
        int64_t wanted = -1;
        const std::span<const std::string_view> inputs = inputs_of(n);
        while (next < inputs.size() && wanted < 0) {
          auto it = scope.names.find(inputs[next++]);
          if (it != scope.names.end() && it->second.node >= 0 &&
              state[static_cast<size_t>(it->second.node)] != 2)
            wanted = it->second.node;
        }
        if (wanted < 0) {
          state[n] = 2;
          order.push_back(n);
          stack.pop_back();
        } else if (state[static_cast<size_t>(wanted)] == 1) {
          report_cycle(nodes, scope, stack, static_cast<size_t>(wanted));
        } else {
          state[static_cast<size_t>(wanted)] = 1;
          stack.push_back({static_cast<size_t>(wanted), 0});
        }
      }
    }
    return order;
  }

  void report_cycle(std::span<const onnx::NodeView> nodes, const Scope& scope,
                    const std::vector<std::pair<size_t, size_t>>& stack, size_t first) {
    constexpr size_t kMost = 8;
    if (problems_.full()) return;
    std::string path;
    size_t named = 0;
    auto begin =
        std::find_if(stack.begin(), stack.end(), [&](const auto& open) { return open.first == first; });
    for (auto it = stack.rbegin(); it != std::make_reverse_iterator(begin) && named < kMost; ++it, ++named)
      path += "'" + node_name(nodes[it->first], it->first, scope) + "' → ";
    if (named == kMost) path += "… → ";
    problems_.add(Code::invalid_model, "the nodes form a cycle: {}'{}' (byte {})", path,
                  node_name(nodes[stack.back().first], stack.back().first, scope),
                  nodes[stack.back().first].offset);
  }

  // What a name means in a scope; a value of the graphs around it becomes an input of its graph, or a constant if it is
  // one.
  static const Slot* look_up(Scope& scope, std::string_view name) {
    if (auto it = scope.names.find(name); it != scope.names.end()) return &it->second;
    const Slot* outer = scope.around ? look_up(*scope.around, name) : nullptr;
    if (!outer) return nullptr;
    Slot slot;
    if (outer->value.valid()) {
      const Value& value = scope.around->graph->value(outer->value);
      if (value.constant) {
        slot.value = scope.graph->add_constant(value.name, value.constant);
      } else {
        slot.value = scope.graph->add_input(std::string(name), {});
        scope.captured.push_back(outer->value);
      }
    }
    return &scope.names.emplace(name, slot).first->second;
  }

  // Result: the inputs' values; false when one is missing, which has been reported.
  bool resolve(const onnx::NodeView& node, size_t index, Scope& scope, std::vector<ValueId>& out) {
    bool good = true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      out.emplace_back();
      if (node.inputs[i].empty()) continue;
      const Slot* slot = look_up(scope, node.inputs[i]);
      if (!slot) {
        problems_.add(Code::invalid_model,
                      "{}: input {} '{}' is no graph input, initialiser or output of a node",
                      where(node, index, scope), i, node.inputs[i]);
        good = false;
      } else {
        out.back() = slot->value;
        if (survey_ && !scope.around && !out.back().valid() && survey_->nodes.back().unknown_input.empty())
          survey_->nodes.back().unknown_input = node.inputs[i];
      }
    }
    while (!out.empty() && !out.back().valid() && node.inputs[out.size() - 1].empty()) out.pop_back();
    return good;
  }

  void add_node(const onnx::NodeView& node, size_t index, Scope& scope) {
    if (++node_count_ > source_.limits.nodes) {
      if (node_count_ == source_.limits.nodes + 1)
        problems_.add(Code::limit_exceeded,
                      "{}: with its functions' nodes the model has more than {} nodes; the limit is "
                      "nodes",
                      where(node, index, scope), source_.limits.nodes);
      return;
    }
    const SurveyEntry entry(*this, node, index, scope);
    std::vector<ValueId> inputs;
    inputs.reserve(node.inputs.size());
    resolve(node, index, scope, inputs);
    Attrs attrs;
    std::vector<int64_t> captures;
    std::vector<ValueId> captured;
    convert_attributes(node, index, scope, attrs);
    add_subgraphs(node, index, scope, attrs, captures, captured);
    if (!functions_.empty()) {
      auto it = functions_.find(FunctionKey{plain_domain(node.domain), node.op_type, node.overload});
      if (it != functions_.end() && entry.index) survey_->nodes[*entry.index].is_call = true;
      if (it != functions_.end() && !captures.empty())
        return problems_.add(Code::unsupported, "{}: a function's attribute may not be a graph", where(node, index, scope));
      if (it != functions_.end())
        return call(*it->second, node, index, scope, std::move(inputs), std::move(attrs));
    }
    int64_t version = opset_version(node, index, scope);
    if (version < 0) return;
    if (entry.index) survey_->nodes[*entry.index].version = version;
    auto row = require_onnx_row(node.domain, node.op_type, version);
    if (!row && !survey_) return add_unsupported(row.error(), node, index, scope);
    if (!row) problems_.add(row.error(), where(node, index, scope));
    for (const char* own : {"domain", "op_type", "version", "captures"})
      if (attrs.has(own))
        problems_.add(Code::unsupported, "{}: an attribute named {} is not supported",
                      where(node, index, scope), own);
    for (const std::string& problem : onnx_attribute_problems(node.domain, node.op_type, version, attrs))
      problems_.add(Code::invalid_model, "{}: {}", where(node, index, scope), problem);
    attrs.set("domain", std::string(plain_domain(node.domain)));
    attrs.set("op_type", std::string(node.op_type));
    attrs.set("version", version);
    if (!captures.empty()) attrs.set("captures", std::move(captures));
    inputs.insert(inputs.end(), captured.begin(), captured.end());
    std::string name = node_name(node, index, scope);
    Graph& graph = *scope.graph;
    uint32_t origin = static_cast<uint32_t>(graph.origins.size());
    graph.origins.push_back({name, std::string(node.op_type)});
    auto id = graph.add_node(&kOnnxOp, std::move(name), std::move(inputs), node.outputs.size(),
                              std::move(attrs), {origin});
    if (!id) return problems_.add(id.error(), where(node, index, scope));
    if (entry.index) survey_->nodes[*entry.index].node = *id;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      ValueId value = graph.node(*id).outputs[i];
      graph.set_value_name(value, scope.prefix + std::string(node.outputs[i]));
      scope.names[node.outputs[i]].value = value;
    }
  }

  // While a node is added in a survey: the problems that are found are its own.
  struct SurveyEntry {
    SurveyEntry(Importer& importer, const onnx::NodeView& node, size_t number, const Scope& scope) : importer(importer) {
      if (!importer.survey_ || scope.around) return;  // nodes of sub-graphs are those of the node that holds them
      index = importer.survey_->nodes.size();
      importer.survey_->nodes.push_back({node_name(node, number, scope), std::string(node.op_type),
                                         std::string(plain_domain(node.domain)), -1,
                                         fmt::format("{}/node[{}], byte {}", scope.where, number, node.offset), {}, false, {}, {}});
      before = importer.problems_.set_node(index);
    }
    ~SurveyEntry() {
      if (index) importer.problems_.set_node(before);
    }
    SurveyEntry(const SurveyEntry&) = delete;
    SurveyEntry& operator=(const SurveyEntry&) = delete;
    Importer& importer;
    std::optional<size_t> index, before;
  };

  // Said once per operator, with the number of nodes.
  void add_unsupported(const Error& error, const onnx::NodeView& node, size_t index, const Scope& scope) {
    Unsupported& entry = unsupported_[error.message];
    if (entry.nodes++ > 0) return;
    entry.code = error.code;
    entry.first = where(node, index, scope);
  }
  void report_unsupported() {
    for (const auto& [message, entry] : unsupported_)
      problems_.add(entry.code, "{}: {}{}", entry.first, message,
                    entry.nodes > 1 ? fmt::format(" (nor are {} more such nodes)", entry.nodes - 1) : "");
  }

  // The version of the op set that the node's operator belongs to; -1 after reporting that there is none.
  int64_t opset_version(const onnx::NodeView& node, size_t index, const Scope& scope) {
    auto find = [&](std::span<const onnx::OpsetView> opsets) -> int64_t {
      for (const onnx::OpsetView& opset : opsets)
        if (plain_domain(opset.domain) == plain_domain(node.domain)) return opset.version;
      return -1;
    };
    int64_t version = find(scope.opsets);
    if (version < 0) version = find(model_.opsets);
    if (version < 0 && model_.ir_version < 3 && plain_domain(node.domain).empty()) return 1;
    if (version < 0)
      problems_.add(Code::invalid_model, "{}: the model imports no op set of domain '{}'",
                    where(node, index, scope), node.domain);
    return version;
  }

  // ── attributes ──

  void convert_attributes(const onnx::NodeView& node, size_t index, const Scope& scope, Attrs& out) {
    for (const onnx::AttributeView& attribute : node.attributes) {
      if (!attribute.ref_name.empty()) {
        if (!bind_reference(attribute, scope, out))
          problems_.add(Code::invalid_model,
                        "{}: attribute '{}' refers to '{}', which is no attribute of its function",
                        where(node, index, scope), attribute.name, attribute.ref_name);
        continue;
      }
      if (attribute.type == AttributeType::graph) continue;  // add_subgraphs
      auto value = convert(attribute);
      if (!value) {
        problems_.add(value.error(), fmt::format("{}: attribute '{}' (byte {})", where(node, index, scope),
                                                 attribute.name, attribute.offset));
      } else if (out.has(attribute.name)) {
        problems_.add(Code::invalid_model, "{}: attribute '{}' is given twice", where(node, index, scope),
                      attribute.name);
      } else {
        out.set(std::string(attribute.name), std::move(*value));
      }
    }
  }

  // A function's attribute that the call does not give and that has no default leaves the node's absent too.
  static bool bind_reference(const onnx::AttributeView& attribute, const Scope& scope, Attrs& out) {
    if (const Attr* value = scope.bound.find(attribute.ref_name)) {
      out.set(std::string(attribute.name), *value);
      return true;
    }
    const onnx::FunctionView* f = scope.function;
    return f &&
           std::find(f->attributes.begin(), f->attributes.end(), attribute.ref_name) != f->attributes.end();
  }

  Result<Attr> convert(const onnx::AttributeView& a) {
    switch (a.type) {
      case AttributeType::integer: return Attr(a.i);
      case AttributeType::number: return Attr(static_cast<double>(a.f));
      case AttributeType::text: return Attr(std::string(a.s));
      case AttributeType::integers: return Attr(a.ints);
      case AttributeType::numbers: return Attr(std::vector<double>(a.floats.begin(), a.floats.end()));
      case AttributeType::texts: return Attr(std::vector<std::string>(a.strings.begin(), a.strings.end()));
      case AttributeType::tensor: {
        // A function's tensors are read once, however often it is called.
        std::shared_ptr<const Constant>& constant = attribute_tensors_[&a.tensors[0]];
        if (!constant) {
          TN_ASSIGN(constant, read_constant(a.tensors[0], {}));
        }
        return Attr(constant);
      }
      case AttributeType::graph: return fail(Code::unsupported, "a function's attribute may not be a graph");
      case AttributeType::graphs: return fail(Code::unsupported, "lists of graphs are not supported");
      case AttributeType::sparse_tensor:
      case AttributeType::sparse_tensors: return fail(Code::unsupported, "sparse tensors are not supported");
      case AttributeType::tensors: return fail(Code::unsupported, "lists of tensors are not supported");
      case AttributeType::type: return Attr(DType::none);  // of an optional or a sequence: its elements tell it too
      case AttributeType::types: return fail(Code::unsupported, "lists of types are not supported");
      case AttributeType::undefined: break;
    }
    return fail(Code::invalid_model, "it has neither type nor value");
  }

  // ── sub-graphs ──

  // The node's sub-graphs as attributes, and what they capture: `captures` counts by sub-graph in order of name.
  void add_subgraphs(const onnx::NodeView& node, size_t index, Scope& scope, Attrs& attrs, std::vector<int64_t>& captures,
                     std::vector<ValueId>& captured) {
    std::map<std::string_view, std::vector<ValueId>> by_name;
    for (const onnx::AttributeView& attribute : node.attributes) {
      if (attribute.type != AttributeType::graph || !attribute.ref_name.empty()) continue;
      const std::string name(attribute.name);
      if (attribute.graphs.size() != 1 || attrs.has(name)) {
        problems_.add(Code::invalid_model, "{}: attribute '{}' must be one graph", where(node, index, scope), name);
        continue;
      }
      if (scope.depth >= kMaxCalls) {
        problems_.add(Code::limit_exceeded, "{}: sub-graphs and functions lie within each other deeper than {}",
                      where(node, index, scope), kMaxCalls);
        continue;
      }
      attrs.set(name, read_subgraph(*attribute.graphs[0], fmt::format("{}/node[{}]/{}", scope.where, index, name),
                                    node_name(node, index, scope), scope, by_name[attribute.name]));
    }
    for (auto& [name, values] : by_name) {
      captures.push_back(static_cast<int64_t>(values.size()));
      captured.insert(captured.end(), values.begin(), values.end());
    }
  }

  GraphPtr read_subgraph(const onnx::GraphView& view, std::string where, const std::string& holder, Scope& around,
                         std::vector<ValueId>& captured) {
    auto graph = std::make_shared<Graph>();
    graph->level = Level::network;
    graph->name = view.name;
    Scope scope;
    scope.graph = graph.get();
    scope.opsets = around.opsets;
    scope.function = around.function;
    scope.caller = around.caller;
    scope.bound = around.bound;
    scope.where = std::move(where);
    scope.depth = around.depth + 1;
    scope.around = &around;
    // Names of initialisers are the user's to refit by: those of sub-graphs say where they are.
    scope.prefix = holder + "/";
    add_initializers(view, scope);
    scope.prefix.clear();
    for (const onnx::ValueInfoView& input : view.inputs) {
      if (scope.names.count(input.name)) continue;  // an initialiser gives its value
      define(scope, input.name, Slot{graph->add_input(std::string(input.name), {}), Slot::kGraphInput},
             [&] { return fmt::format("input '{}' ({}, byte {})", input.name, scope.where, input.offset); });
    }
    add_nodes(view.nodes, scope);
    for (size_t i = 0; i < view.outputs.size(); ++i) {
      const onnx::ValueInfoView& output = view.outputs[i];
      const Slot* slot = look_up(scope, output.name);
      if (!slot)
        problems_.add(Code::invalid_model, "output '{}' ({}/output[{}], byte {}) is made by no node", output.name, scope.where, i,
                      output.offset);
      graph->outputs.push_back(slot ? slot->value : ValueId{});
      graph->output_names.emplace_back(output.name);
    }
    captured = std::move(scope.captured);
    return graph;
  }

  // ── functions ──

  // A call of a function of the model becomes the function's nodes.
  void call(const onnx::FunctionView& f, const onnx::NodeView& node, size_t index, Scope& outer,
            std::vector<ValueId> inputs, Attrs attrs) {
    for (const Scope* s = &outer; s; s = s->caller)
      if (s->function == &f)
        return problems_.add(Code::invalid_model, "{}: function '{}' (byte {}) calls itself",
                             where(node, index, outer), f.name, f.offset);
    if (outer.depth >= kMaxCalls)
      return problems_.add(Code::limit_exceeded, "{}: functions call each other deeper than {}",
                           where(node, index, outer), kMaxCalls);
    if (inputs.size() > f.inputs.size() || node.outputs.size() > f.outputs.size())
      return problems_.add(Code::invalid_model, "{}: {} inputs and {} outputs; function '{}' has {} and {}",
                           where(node, index, outer), node.inputs.size(), node.outputs.size(), f.name,
                           f.inputs.size(), f.outputs.size());
    // What is wrong with a function's body is said at the first call.
    if (faulty_.count(&f)) return;
    size_t problems_before = problems_.count() + unsupported_.size();
    Scope inner;
    inner.graph = outer.graph;
    inner.opsets = f.opsets;
    inner.function = &f;
    inner.caller = &outer;
    inner.prefix = node_name(node, index, outer) + "/";
    if (static_cast<int64_t>(inner.prefix.size()) > source_.limits.name_bytes)
      return problems_.add(Code::limit_exceeded,
                           "node {} (byte {}): the name is longer than the limit name_bytes, {}", index,
                           node.offset, source_.limits.name_bytes);
    inner.where = fmt::format("function {}", f.name);
    inner.depth = outer.depth + 1;
    inner.bound = std::move(attrs);
    for (const onnx::AttributeView& standard : f.default_attributes) {
      if (inner.bound.has(standard.name)) continue;
      auto value = convert(standard);
      if (value)
        inner.bound.set(std::string(standard.name), std::move(*value));
      else
        problems_.add(value.error(), fmt::format("function '{}', attribute '{}' (byte {})", f.name,
                                                 standard.name, standard.offset));
    }
    for (size_t i = 0; i < f.inputs.size(); ++i)
      define(inner, f.inputs[i], Slot{i < inputs.size() ? inputs[i] : ValueId{}},
             [&] { return fmt::format("function '{}' (byte {})", f.name, f.offset); });
    add_nodes(f.nodes, inner);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      auto it = inner.names.find(f.outputs[i]);
      if (it == inner.names.end()) {
        problems_.add(Code::invalid_model, "function '{}' (byte {}): output '{}' is made by no node", f.name,
                      f.offset, f.outputs[i]);
        continue;
      }
      ValueId value = it->second.value;
      outer.names[node.outputs[i]].value = value;
      if (it->second.node >= 0 && value.valid())
        outer.graph->set_value_name(value, outer.prefix + std::string(node.outputs[i]));
    }
    if (problems_.count() + unsupported_.size() != problems_before) faulty_.insert(&f);
  }

  const onnx::ModelView& model_;
  onnx::Source source_;
  const GivenInitializers& given_;
  ImportSurvey* survey_;  // null: what is wrong fails
  Graph graph_;
  Problems problems_;
  Symbols symbols_;
  std::map<FunctionKey, const onnx::FunctionView*> functions_;
  std::unordered_map<const onnx::TensorView*, std::shared_ptr<const Constant>> attribute_tensors_;
  struct Unsupported {
    Code code = Code::unsupported;
    std::string first;
    size_t nodes = 0;
  };
  std::map<std::string, Unsupported> unsupported_;  // by message
  std::unordered_set<const onnx::FunctionView*> faulty_;
  int64_t node_count_ = 0;
};

}  // namespace

Result<Graph> import_views(const onnx::ModelView& model, onnx::Source source, const GivenInitializers& given,
                           ImportSurvey* survey, const Log& log) {
  auto begin = std::chrono::steady_clock::now();
  TN_ASSIGN(Graph graph, Importer(model, std::move(source), given, survey).run());
  std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  log(Severity::verbose, "imported {} nodes and {} initialisers of a model by '{}' in {:.2f} ms",
      graph.order().size(), model.graph.initializers.size(), model.producer_name, time.count());
  return graph;
}

}  // namespace tenon
