#include "tenon/engine_inspector.h"

#include "entry.h"
#include "plan/serialize.h"

using namespace tenon;
using namespace tenon::capi;

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
        std::vector<std::byte> current;  // the engine's plan with the weights that are in force
        plan::Plan of_engine;
        if (self->engine) {
          TN_ASSIGN(current, self->engine->engine->serialize());
          TN_ASSIGN(of_engine, plan::load(current, Limits{}));
        }
        const plan::Plan& plan = self->engine ? of_engine : self->plan;
        *out_document =
            new_blob(format == TN_DOCUMENT_FORMAT_TEXT ? plan::dump(plan) : plan::dump_json(plan));
        return {};
      },
      out(out_document, "out_document"));
}
