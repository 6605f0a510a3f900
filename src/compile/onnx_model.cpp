#include "compile/onnx_model.h"

#include <algorithm>
#include <chrono>
#include <unordered_set>

#include "base/narrow.h"
#include "compile/compile.h"

namespace tenon {
namespace {

std::string text_of(DType dtype, std::span<const int64_t> dims) {
  return fmt::format("{}[{}]", onnx::onnx_type_name(static_cast<int32_t>(dtype)), fmt::join(dims, ","));
}

// Bytes of `count` elements as raw data of a model holds them.
uint64_t packed_bytes(DType dtype, int64_t count) {
  const uint64_t each = static_cast<uint64_t>(8 / std::min(narrow_bits(dtype), 8));
  const auto elements = static_cast<uint64_t>(count);
  return each > 1 ? elements / each + (elements % each != 0) : elements * size_of(dtype);
}

Status check_initializer(std::string_view name, const onnx::TensorView& wanted, DType dtype,
                         std::span<const int64_t> dims) {
  if (wanted.data_type == static_cast<int32_t>(dtype) && std::ranges::equal(wanted.dims, dims)) return {};
  return fail(Code::invalid_argument, "initialiser \"{}\" is {}[{}] in the model; the value given is {}", name,
              onnx::onnx_type_name(wanted.data_type), fmt::join(wanted.dims, ","), text_of(dtype, dims));
}

Status check_input(std::string_view name, const onnx::TypeView& wanted, DType dtype, std::span<const int64_t> dims) {
  bool same = wanted.kind == onnx::TypeView::Kind::tensor && wanted.elem_type == static_cast<int32_t>(dtype) &&
              (!wanted.has_shape || wanted.dims.size() == dims.size());
  for (size_t i = 0; same && wanted.has_shape && i < dims.size(); ++i)
    same = wanted.dims[i].kind != onnx::DimView::Kind::value || wanted.dims[i].value == dims[i];
  if (same) return {};
  std::string shown;
  for (const onnx::DimView& dim : wanted.dims)
    shown += fmt::format("{}{}", shown.empty() ? "" : ",",
                         dim.kind == onnx::DimView::Kind::value   ? std::to_string(dim.value)
                         : dim.kind == onnx::DimView::Kind::param ? std::string(dim.param)
                                                                  : "?");
  return fail(Code::invalid_argument, "input \"{}\" is {}[{}] in the model; the value given is {}", name,
              onnx::onnx_type_name(wanted.elem_type), wanted.has_shape ? shown : "…", text_of(dtype, dims));
}

Result<onnx::ModelView> read_views(std::span<const std::byte> bytes, const Limits& limits, const Log& log) {
  auto begin = std::chrono::steady_clock::now();
  TN_ASSIGN(onnx::ModelView views, onnx::read_model(bytes, limits));
  std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  log(Severity::verbose, "read a model of {} bytes in {:.2f} ms", bytes.size(), time.count());
  return views;
}

}  // namespace

Result<std::unique_ptr<OnnxModel>> OnnxModel::open(const std::string& path, const Limits& limits, Log log) {
  TN_ASSIGN(auto file, onnx::MappedFile::open(path, limits.model_bytes, "model_bytes"));
  auto views = read_views(file->bytes(), limits, log);
  if (!views) return trail(std::move(views.error()), "in model {}", path);
  std::unique_ptr<OnnxModel> model(new OnnxModel(std::move(*views), file, limits, std::move(log)));
  model->path_ = path;
  return model;
}

Result<std::unique_ptr<OnnxModel>> OnnxModel::read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                                   const Limits& limits, Log log) {
  TN_ASSIGN(onnx::ModelView views, read_views(bytes, limits, log));
  return std::unique_ptr<OnnxModel>(new OnnxModel(std::move(views), std::move(owner), limits, std::move(log)));
}

void OnnxModel::find_expected() const {
  std::unordered_set<std::string_view> made;
  for (const onnx::NodeView& node : views_.graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  for (const onnx::NodeView& node : views_.graph.nodes)
    for (std::string_view input : node.inputs)
      if (!input.empty() && !made.count(input)) expected_.try_emplace(input);
  for (const onnx::ValueInfoView& input : views_.graph.inputs) expected_[input.name].input = &input;
  for (const onnx::TensorView& tensor : views_.graph.initializers) expected_[tensor.name].initializer = &tensor;
}

Result<std::shared_ptr<const Constant>> OnnxModel::initializer(std::string_view name, DType dtype,
                                                               std::span<const int64_t> dims, Bytes bytes) const {
  std::call_once(expected_once_, [&] { find_expected(); });
  const auto found = expected_.find(name);
  if (found == expected_.end())
    return fail(Code::not_found, "the model has no initialiser or input \"{}\", and no node reads that name from outside",
                name);
  if (const onnx::TensorView* initializer = found->second.initializer)
    TN_TRY(check_initializer(name, *initializer, dtype, dims));
  else if (const onnx::ValueInfoView* input = found->second.input)
    TN_TRY(check_input(name, input->type, dtype, dims));
  if (dtype == DType::string)
    return fail(Code::unsupported, "the value given for \"{}\" is of strings: those come with the model only", name);
  auto count = onnx::checked_count(dims, size_of(dtype), limits_);
  if (!count) return trail(std::move(count.error()), "in the value given for \"{}\"", name);
  const uint64_t wanted = packed_bytes(dtype, *count);
  if (bytes.view.size() < wanted)
    return fail(Code::invalid_argument, "the value given for \"{}\", {}, needs {} bytes; there are {}", name,
                text_of(dtype, dims), wanted, bytes.view.size());
  onnx::TensorView tensor;
  tensor.name = name;
  tensor.data_type = static_cast<int32_t>(dtype);
  tensor.dims.assign(dims.begin(), dims.end());
  tensor.has_raw = true;
  tensor.raw = bytes.view.first(wanted);
  onnx::ExternalFiles no_folder;
  auto data = onnx::read_tensor(tensor, {std::move(bytes.owner), &no_folder, limits_});
  if (!data) return trail(std::move(data.error()), "in the value given for \"{}\"", name);
  auto constant = std::make_shared<Constant>();
  constant->type = {dtype, Shape(dims.begin(), dims.end()), kLinear};
  constant->bytes = {data->bytes, std::move(data->owner)};
  constant->refit_name = std::string(name);
  return std::shared_ptr<const Constant>(std::move(constant));
}

Result<Graph> OnnxModel::import_into(const GivenInitializers& given, ImportSurvey* survey) const {
  // Graphs are not moved within results: that may need memory, and must not throw.
  auto imported = [&](onnx::ExternalFiles& external) {
    Result<Graph> graph = import_views(views_, {owner_, &external, limits_}, given, survey, log_);
    if (!graph && !path_.empty()) graph.error() = trail(std::move(graph.error()), "in model {}", path_).value();
    return graph;
  };
  onnx::ExternalFiles external;
  if (path_.empty()) return imported(external);
  TN_ASSIGN(external, onnx::ExternalFiles::beside(path_));
  return imported(external);
}

Result<Graph> import_onnx_file(const std::string& path, const Limits& limits, const Log& log) {
  TN_ASSIGN(std::unique_ptr<OnnxModel> model, OnnxModel::open(path, limits, log));
  return model->import({});
}

Result<Graph> import_onnx_bytes(std::span<const std::byte> bytes, bool copy, const Limits& limits, const Log& log) {
  std::shared_ptr<const std::vector<std::byte>> own;
  if (copy) {
    if (static_cast<uint64_t>(bytes.size()) > static_cast<uint64_t>(limits.model_bytes))
      return fail(Code::limit_exceeded, "the model has {} bytes; the limit model_bytes is {}", bytes.size(),
                  limits.model_bytes);
    own = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    bytes = *own;
  }
  TN_ASSIGN(std::unique_ptr<OnnxModel> model, OnnxModel::read(bytes, own, limits, log));
  return model->import({});
}

}  // namespace tenon
