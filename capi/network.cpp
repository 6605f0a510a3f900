#include "tenon/network.h"

#include "base/json.h"
#include "compile/export_onnx.h"
#include "entry.h"
#include "ir/op_def.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

// An input or output by its number, inputs first.
struct Boundary {
  std::string_view name;
  const Value* value;
  tn_io_mode mode;
};

size_t boundary_count(const Graph& graph) { return graph.inputs.size() + graph.outputs.size(); }

Boundary boundary_at(const Graph& graph, size_t index) {
  if (index < graph.inputs.size()) {
    const Value& value = graph.value(graph.inputs[index]);
    return {value.name, &value, TN_IO_MODE_INPUT};
  }
  index -= graph.inputs.size();
  const Value& value = graph.value(graph.outputs[index]);
  bool named = index < graph.output_names.size();
  return {named ? std::string_view(graph.output_names[index]) : value.name, &value, TN_IO_MODE_OUTPUT};
}

Result<Boundary> find_boundary(const NetworkObject& network, size_t index) {
  TN_TRY(expect_index(index, boundary_count(network.graph), "inputs and outputs"));
  return boundary_at(network.graph, index);
}

Result<const Shape*> shape_of(const Boundary& tensor) {
  if (tensor.value->type.dtype == DType::none)
    return fail(Code::unsupported,
                "the shape of output \"{}\" is known when the network is built: ask the engine", tensor.name);
  return &tensor.value->type.shape;
}

Json type_json(std::string_view name, const TensorType& type) {
  Json out = {{"name", std::string(name)}};
  if (type.dtype == DType::none) return out;
  out["dtype"] = std::string(name_of(type.dtype));
  Json shape = Json::array();
  for (const Dim& dim : type.shape) {
    if (dim.is_constant()) {
      shape.push_back(dim.value());
    } else {
      shape.push_back(dim.text());
    }
  }
  out["shape"] = std::move(shape);
  return out;
}

Json node_json(const Graph& graph, const Node& node) {
  auto names = [&](const std::vector<ValueId>& ids) {
    Json out = Json::array();
    for (ValueId id : ids) out.push_back(id.valid() ? graph.value(id).name : "");
    return out;
  };
  std::string type = node.attrs.text("op_type");
  return {{"name", node.name},
          {"op", type.empty() ? std::string(node.op->name) : type},
          {"inputs", names(node.inputs)},
          {"outputs", names(node.outputs)}};
}

std::string network_json(const Graph& graph) {
  Json out = {{"name", graph.name}};
  Json inputs = Json::array(), outputs = Json::array(), weights = Json::array(), nodes = Json::array();
  for (size_t i = 0; i < boundary_count(graph); ++i) {
    Boundary tensor = boundary_at(graph, i);
    (tensor.mode == TN_IO_MODE_INPUT ? inputs : outputs)
        .push_back(type_json(tensor.name, tensor.value->type));
  }
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(ValueId{i});
    if (value.constant && !value.erased) weights.push_back(type_json(value.name, value.constant->type));
  }
  for (NodeId id : graph.order()) nodes.push_back(node_json(graph, graph.node(id)));
  out["inputs"] = std::move(inputs);
  out["outputs"] = std::move(outputs);
  out["weights"] = std::move(weights);
  out["nodes"] = std::move(nodes);
  return out.dump(2) + "\n";
}

}  // namespace

tn_error_t tn_network_create_from_onnx_file(tn_builder_t builder, const char* path,
                                            tn_network_t* out_network) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto settings, settings_of(builder));
        TN_ASSIGN(auto name, text(path, "path"));
        TN_ASSIGN(Graph graph, import_onnx_file(std::string(name), settings.limits, settings.log));
        *out_network = new_network(std::move(graph));
        return {};
      },
      out(out_network, "out_network"));
}

tn_error_t tn_network_create_from_onnx(tn_builder_t builder, const void* data, size_t data_size,
                                       tn_network_t* out_network) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto settings, settings_of(builder));
        TN_ASSIGN(auto span, bytes(data, data_size, "data"));
        TN_ASSIGN(Graph graph, import_onnx_bytes(span, true, settings.limits, settings.log));
        *out_network = new_network(std::move(graph));
        return {};
      },
      out(out_network, "out_network"));
}

tn_error_t tn_network_create_from_onnx_blob(tn_builder_t builder, tn_blob_t blob,
                                            tn_network_t* out_network) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto settings, settings_of(builder));
        TN_ASSIGN(auto model, object(blob, "blob"));
        TN_ASSIGN(Graph graph, import_onnx_bytes(model->bytes.view, false, settings.limits, settings.log));
        *out_network = new_network(std::move(graph), model);
        return {};
      },
      out(out_network, "out_network"));
}

void tn_network_destroy(tn_network_t network) noexcept { destroy(network); }

tn_error_t tn_network_get_name(tn_network_t network, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        name.set(self->graph.name);
        return {};
      },
      name);
}

tn_error_t tn_network_get_tensor_count(tn_network_t network, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        *out_count = boundary_count(self->graph);
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_network_find_tensor(tn_network_t network, const char* name, size_t* out_index) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_ASSIGN(auto wanted, text(name, "name"));
        std::string known;
        for (size_t i = 0; i < boundary_count(self->graph); ++i) {
          std::string_view one = boundary_at(self->graph, i).name;
          if (one == wanted) {
            *out_index = i;
            return {};
          }
          known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", one);
        }
        return fail(Code::not_found, "the network has no input or output \"{}\"; it has {}", wanted, known);
      },
      out(out_index, "out_index"));
}

tn_error_t tn_network_get_tensor_name(tn_network_t network, size_t index, char* buf, size_t buf_size,
                                      size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_ASSIGN(Boundary tensor, find_boundary(*self, index));
        name.set(tensor.name);
        return {};
      },
      name);
}

tn_error_t tn_network_get_tensor_mode(tn_network_t network, size_t index, tn_io_mode* out_mode) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_ASSIGN(Boundary tensor, find_boundary(*self, index));
        *out_mode = tensor.mode;
        return {};
      },
      out(out_mode, "out_mode"));
}

tn_error_t tn_network_get_tensor_data_type(tn_network_t network, size_t index,
                                           tn_data_type* out_data_type) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_ASSIGN(Boundary tensor, find_boundary(*self, index));
        *out_data_type = static_cast<tn_data_type>(tensor.value->type.dtype);
        return {};
      },
      out(out_data_type, "out_data_type"));
}

tn_error_t tn_network_get_tensor_shape(tn_network_t network, size_t index, int64_t* dims, size_t dims_size,
                                       size_t* out_size) noexcept {
  DimsOut result{dims, dims_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_ASSIGN(Boundary tensor, find_boundary(*self, index));
        TN_ASSIGN(const Shape* shape, shape_of(tensor));
        std::vector<int64_t> numbers;
        for (const Dim& dim : *shape) numbers.push_back(dim.is_constant() ? dim.value() : -1);
        return result.set(numbers);
      },
      result);
}

tn_error_t tn_network_get_tensor_dim_name(tn_network_t network, size_t index, size_t dim, char* buf,
                                          size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_ASSIGN(Boundary tensor, find_boundary(*self, index));
        TN_ASSIGN(const Shape* shape, shape_of(tensor));
        if (dim >= shape->size())
          return fail(Code::out_of_range, "dim is {}, but \"{}\" has {} dims", dim, tensor.name,
                      shape->size());
        const Dim& asked = (*shape)[dim];
        name.set(asked.is_constant() ? std::string() : asked.text());
        return {};
      },
      name);
}

tn_error_t tn_network_get_node_count(tn_network_t network, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        *out_count = self->graph.order().size();
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_network_get_information(tn_network_t network, tn_document_format format,
                                      tn_blob_t* out_document) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        TN_TRY(expect_document_format(format));
        *out_document = new_blob(format == TN_DOCUMENT_FORMAT_TEXT ? valid_utf8(print(self->graph))
                                                                   : network_json(self->graph));
        return {};
      },
      out(out_document, "out_document"));
}

tn_error_t tn_network_serialize_to_onnx(tn_network_t network, const char* weights_location,
                                        tn_blob_t* out_model, tn_blob_t* out_weights) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(network, "network"));
        std::string_view location;
        if (weights_location) {
          TN_ASSIGN(location, text(weights_location, "weights_location"));
          if (location.empty())
            return fail(Code::invalid_argument, "weights_location is empty; expected a file's name or NULL");
          if (!out_weights)
            return fail(Code::invalid_argument, "out_weights is NULL; it receives the weights for {}",
                        location);
        }
        TN_ASSIGN(OnnxExport made, export_onnx(self->graph, location));
        tn_blob_t weights = out_weights ? new_blob(Bytes::take(std::move(made.weights))) : nullptr;
        try {
          *out_model = new_blob(Bytes::take(std::move(made.model)));
        } catch (...) {
          destroy(weights);
          throw;
        }
        if (out_weights) *out_weights = weights;
        return {};
      },
      out(out_model, "out_model"), optional_out(out_weights, "out_weights"));
}
