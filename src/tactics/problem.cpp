#include "tactics/problem.h"

#include "base/hash.h"
#include "plan/verify.h"
#include "tactics/claims.h"

namespace tenon {
namespace {

Result<int64_t> at(const Dim& dim, const SymbolValues& symbols) {
  return evaluate(dim, [&](std::string_view name) -> std::optional<int64_t> {
    auto found = symbols.find(name);
    if (found == symbols.end()) return std::nullopt;
    return found->second;
  });
}

Result<std::string> text_of(const TensorType& type, const SymbolValues& symbols) {
  std::string out(name_of(type.dtype));
  out += '[';
  for (size_t i = 0; i < type.rank(); ++i) {
    TN_ASSIGN(int64_t dim, at(type.shape[i], symbols));
    out += (i ? "," : "") + std::to_string(dim);
  }
  return out + "]";
}

// Attributes that hold dims are part of the problem by their values.
Result<std::string> text_of(const std::string& name, const Attr& attr, const SymbolValues& symbols) {
  if (const Shape* shape = std::get_if<Shape>(&attr)) {
    std::string out = name + "=[";
    for (const Dim& dim : *shape) {
      TN_ASSIGN(int64_t value, at(dim, symbols));
      out += std::to_string(value) + ",";
    }
    return out + "]";
  }
  struct Visitor {
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(const std::vector<int64_t>& v) const { return fmt::format("{}", fmt::join(v, ",")); }
    std::string operator()(const std::vector<double>& v) const { return fmt::format("{}", fmt::join(v, ",")); }
    std::string operator()(const std::vector<std::string>& v) const { return fmt::format("{}", fmt::join(v, ",")); }
    std::string operator()(const Shape&) const { return {}; }
    std::string operator()(DType v) const { return std::string(name_of(v)); }
    std::string operator()(const Program& v) const { return print(v); }
    std::string operator()(const std::shared_ptr<const Constant>& v) const {
      return fmt::format("{:x}", hash_bytes(v->bytes.view));
    }
    std::string operator()(const GraphPtr& v) const { return print(*v); }
  };
  return name + "=" + std::visit(Visitor{}, attr);
}

}  // namespace

Result<Arg> concrete_arg(const TensorType& type, const Form& form, const ProblemPoint& point) {
  Arg arg;
  arg.dtype = form.dtype == DType::none ? type.dtype : form.dtype;
  arg.format = form.format;
  arg.format.place = Place::device;  // kernels are not told where their tensors lie
  arg.rank = static_cast<int32_t>(type.rank());
  for (size_t i = 0; i < type.rank(); ++i) {
    TN_ASSIGN(arg.dims[i], at(type.shape[i], point.values));
    if (at(type.shape[i], point.fixed)) arg.fixed_dims |= 1u << i;
    if (arg.dims[i] < 0) return fail(Code::out_of_range, "dim {} is {} at shapes that a profile allows", i, arg.dims[i]);
  }
  if (!plan::storage_bytes(arg.dtype, arg.format, arg.shape()))
    return fail(Code::limit_exceeded, "{} has more bytes than can be counted", describe(arg));
  return arg;
}

Result<Trial> concrete_trial(NodeView node, const Candidate& candidate, const ProblemPoint& point) {
  Trial trial{candidate.call.kernel, candidate.call.params, {}, {}, {}};
  for (const KernelCall::DimParam& dim : candidate.call.dims) {
    TN_ASSIGN(int64_t value, at(dim.dim, point.values));
    if (dim.offset + sizeof value > trial.params.size())
      return fail(Code::internal, "a dim parameter of {} lies outside its parameters", candidate.call.kernel);
    std::memcpy(trial.params.data() + dim.offset, &value, sizeof value);
  }
  for (size_t i = 0; i < node.input_count(); ++i) {
    trial.is_static.push_back(is_static_input(node, i));
    if (!node.has_input(i)) {
      trial.inputs.push_back({});
      continue;
    }
    TN_ASSIGN(Arg arg, concrete_arg(node.input(i), candidate.inputs[i], point));
    trial.inputs.push_back(arg);
  }
  for (const Pack& pack : candidate.packs) {
    Arg packed;
    packed.dtype = DType::u8;
    packed.rank = 1;
    packed.dims[0] = pack.bytes;
    packed.fixed_dims = 1;
    trial.inputs[pack.input] = packed;
  }
  for (size_t i = 0; i < node.output_count(); ++i) {
    TN_ASSIGN(Arg arg, concrete_arg(node.output(i), candidate.outputs[i], point));
    trial.outputs.push_back(arg);
  }
  return trial;
}

Result<std::string> problem_key(NodeView node, const SymbolValues& symbols) {
  std::string key(node.node().op->name);
  key += '(';
  for (size_t i = 0; i < node.input_count(); ++i) {
    if (i) key += ", ";
    if (!node.has_input(i)) {
      key += '_';
      continue;
    }
    TN_ASSIGN(std::string text, text_of(node.input(i), symbols));
    key += text;
    if (node.graph().is_constant(node.node().inputs[i])) key += " const";
  }
  key += ')';
  for (const auto& [name, attr] : node.attrs()) {
    TN_ASSIGN(std::string text, text_of(name, attr, symbols));
    key += " " + text;
  }
  return key;
}

std::string candidate_key(const Tactic& tactic, const Candidate& candidate) {
  std::string key(tactic.name);
  if (!candidate.config.empty()) key += ":" + candidate.config;
  for (const Form& form : candidate.inputs) key += " " + name_of(form);
  key += " ->";
  for (const Form& form : candidate.outputs) key += " " + name_of(form);
  return key;
}

}  // namespace tenon
