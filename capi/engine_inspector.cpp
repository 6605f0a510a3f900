#include "tenon/engine_inspector.h"

#include "compile/export_onnx.h"
#include "entry.h"
#include "plan/serialize.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

// The plan that an inspector is of: an engine's with the weights that are in force.
class CurrentPlan {
 public:
  Status load(const EngineInspectorObject& inspector) {
    if (!inspector.engine) return {};
    TN_ASSIGN(bytes_, inspector.engine->engine->serialize());
    TN_ASSIGN(plan_, plan::load(bytes_, Limits{}));
    return {};
  }
  const plan::Plan& get(const EngineInspectorObject& inspector) const {
    return inspector.engine ? plan_ : inspector.plan;
  }

 private:
  std::vector<std::byte> bytes_;
  plan::Plan plan_;
};

}  // namespace

tn_error_t tn_engine_inspector_create(tn_engine_t engine, tn_engine_inspector_t* out_inspector) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto inspected, object(engine, "engine"));
        auto made = std::make_shared<EngineInspectorObject>();
        made->engine = std::move(inspected);
        *out_inspector = new_handle<tn_engine_inspector_t>(std::move(made));
        return {};
      },
      out(out_inspector, "out_inspector"));
}

tn_error_t tn_engine_inspector_create_from_plan(const void* plan, size_t plan_size,
                                                tn_engine_inspector_t* out_inspector) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto span, bytes(plan, plan_size, "plan"));
        auto made = std::make_shared<EngineInspectorObject>();
        made->bytes.assign(span.begin(), span.end());
        TN_ASSIGN(made->plan, plan::load(made->bytes, Limits{}));
        *out_inspector = new_handle<tn_engine_inspector_t>(std::move(made));
        return {};
      },
      out(out_inspector, "out_inspector"));
}

void tn_engine_inspector_destroy(tn_engine_inspector_t inspector) noexcept { destroy(inspector); }

tn_error_t tn_engine_inspector_get_information(tn_engine_inspector_t inspector, tn_document_format format,
                                               tn_blob_t* out_document) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(inspector, "inspector"));
        TN_TRY(expect_document_format(format));
        CurrentPlan current;
        TN_TRY(current.load(*self));
        *out_document = new_blob(format == TN_DOCUMENT_FORMAT_TEXT ? plan::dump(current.get(*self))
                                                                   : plan::dump_json(current.get(*self)));
        return {};
      },
      out(out_document, "out_document"));
}

tn_error_t tn_engine_inspector_serialize_to_onnx(tn_engine_inspector_t inspector, int32_t profile,
                                                 const void* report, size_t report_size,
                                                 tn_blob_t* out_model) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(inspector, "inspector"));
        TN_ASSIGN(auto told, bytes(report, report_size, "report"));
        CurrentPlan current;
        TN_TRY(current.load(*self));
        const std::string_view text(reinterpret_cast<const char*>(told.data()), told.size());
        TN_ASSIGN(auto model, export_plan_view(current.get(*self), profile, text));
        *out_model = new_blob(Bytes::take(std::move(model)));
        return {};
      },
      out(out_model, "out_model"));
}
