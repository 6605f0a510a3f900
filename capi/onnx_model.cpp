#include "tenon/onnx_model.h"

#include "compile/capability.h"
#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

tn_error_t tn_onnx_model_create_from_file(tn_builder_t builder, const char* path,
                                          tn_onnx_model_t* out_model) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto settings, settings_of(builder));
        TN_ASSIGN(auto name, text(path, "path"));
        TN_ASSIGN(auto model, OnnxModel::open(std::string(name), settings.limits, settings.log));
        *out_model = new_handle<tn_onnx_model_t>(std::make_shared<OnnxModelObject>(std::move(model)));
        return {};
      },
      out(out_model, "out_model"));
}

tn_error_t tn_onnx_model_create_from_blob(tn_builder_t builder, tn_blob_t blob,
                                          tn_onnx_model_t* out_model) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto settings, settings_of(builder));
        TN_ASSIGN(auto source, object(blob, "blob"));
        TN_ASSIGN(auto model, OnnxModel::read(source->bytes.view, source, settings.limits, settings.log));
        *out_model = new_handle<tn_onnx_model_t>(std::make_shared<OnnxModelObject>(std::move(model)));
        return {};
      },
      out(out_model, "out_model"));
}

void tn_onnx_model_destroy(tn_onnx_model_t model) noexcept { destroy(model); }

tn_error_t tn_onnx_model_set_initializer(tn_onnx_model_t model, tn_blob_t data, const char* name,
                                         tn_data_type data_type, const int64_t* dims, size_t dims_size,
                                         size_t offset) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(model, "model"));
    TN_ASSIGN(auto elements, object(data, "data"));
    TN_ASSIGN(auto wanted, text(name, "name"));
    if (tn_data_type_get_size(data_type) == 0)
      return fail(Code::invalid_argument, "data_type is {}; expected the type of weight \"{}\"", data_type,
                  wanted);
    TN_ASSIGN(auto shape, dims_in(dims, dims_size, "dims"));
    const std::span<const std::byte> all = elements->bytes.view;
    if (offset > all.size())
      return fail(Code::invalid_argument, "offset is {}; the data of weight \"{}\" has {} bytes", offset,
                  wanted, all.size());
    TN_ASSIGN(auto constant, self->model->initializer(wanted, static_cast<DType>(data_type), shape,
                                                      {all.subspan(offset), elements}));
    std::string key(wanted);
    {
      std::lock_guard lock(self->mutex);
      self->given[std::move(key)].swap(constant);
    }
    return {};  // the value that was given before goes without the lock
  });
}

tn_error_t tn_onnx_model_get_capability(tn_onnx_model_t model, tn_document_format format,
                                        int32_t* out_supported, tn_blob_t* out_document) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(model, "model"));
        TN_TRY(expect_document_format(format));
        TN_ASSIGN(Capability capability,
                  model_capability(*self->model, self->given_now(), format == TN_DOCUMENT_FORMAT_JSON));
        *out_document = new_blob(valid_utf8(capability.document));
        *out_supported = capability.supported;
        return {};
      },
      out(out_supported, "out_supported"), out(out_document, "out_document"));
}

tn_error_t tn_onnx_operator_get_capability(const char* domain, const char* op_type, int64_t version,
                                           tn_document_format format, int32_t* out_supported,
                                           tn_blob_t* out_document) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto of_domain, text(domain, "domain"));
        TN_ASSIGN(auto name, text(op_type, "op_type"));
        if (version < 1)
          return fail(Code::invalid_argument, "version is {}; op sets are numbered from 1 on", version);
        TN_TRY(expect_document_format(format));
        Capability capability =
            operator_capability(of_domain, name, version, format == TN_DOCUMENT_FORMAT_JSON);
        *out_document = new_blob(valid_utf8(capability.document));
        *out_supported = capability.supported;
        return {};
      },
      out(out_supported, "out_supported"), out(out_document, "out_document"));
}

tn_error_t tn_network_create_from_onnx_model(tn_onnx_model_t model, tn_network_t* out_network) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(model, "model"));
        TN_ASSIGN(Graph graph, self->model->import(self->given_now()));
        *out_network = new_network(std::move(graph));
        return {};
      },
      out(out_network, "out_network"));
}
