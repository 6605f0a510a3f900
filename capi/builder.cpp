#include "tenon/builder.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

using Progress = std::shared_ptr<Table<tn_progress_callbacks>>;

// What a build hears of a configuration's progress callback: false cancels it, and the callback's error
// becomes the call's (CallFrame).
std::function<bool(std::string_view, double)> progress_of(Progress progress) {
  if (!progress) return nullptr;
  return [progress = std::move(progress), last = 0.0](std::string_view phase, double fraction) mutable {
    last = std::clamp(fraction, last, 1.0);
    std::string name = valid_utf8(phase);
    const tn_progress_callbacks& functions = progress->functions;
    tn_error_t error = functions.update(functions.user_data, name.c_str(), last);
    if (!error) return true;
    auto taken = take_callback_error(error);
    if (CallFrame* frame = CallFrame::current()) frame->callback_error = std::move(taken);
    return false;
  };
}

}  // namespace

tn_error_t tn_builder_create(tn_builder_t* out_builder) noexcept {
  return enter(
      [&]() -> Status {
        *out_builder = new_handle<tn_builder_t>(std::make_shared<BuilderObject>());
        return {};
      },
      out(out_builder, "out_builder"));
}

void tn_builder_destroy(tn_builder_t builder) noexcept { destroy(builder); }

tn_error_t tn_builder_set_logger(tn_builder_t builder, tn_logger_t logger) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(builder, "builder"));
    TN_ASSIGN(auto chosen, optional_object(logger, "logger"));
    std::lock_guard lock(self->mutex);
    self->logger.swap(chosen);
    return {};
  });
}

tn_error_t tn_builder_set_limit(tn_builder_t builder, tn_limit limit, int64_t value) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(builder, "builder"));
    TN_ASSIGN(auto member, limit_member(limit));
    if (value <= 0) return fail(Code::invalid_argument, "value is {}; a limit is greater than 0", value);
    std::lock_guard lock(self->mutex);
    self->limits.*member = value;
    return {};
  });
}

tn_error_t tn_builder_get_limit(tn_builder_t builder, tn_limit limit, int64_t* out_value) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(builder, "builder"));
        TN_ASSIGN(auto member, limit_member(limit));
        std::lock_guard lock(self->mutex);
        *out_value = self->limits.*member;
        return {};
      },
      out(out_value, "out_value"));
}

tn_error_t tn_builder_build(tn_builder_t builder, tn_network_t network, tn_builder_config_t config,
                            tn_blob_t* out_plan, tn_blob_t* out_report) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(builder, "builder"));
        TN_ASSIGN(auto source, object(network, "network"));
        TN_ASSIGN(auto options, object(config, "config"));
        BuildConfig build;
        Progress progress;
        {
          std::lock_guard lock(options->mutex);
          build = options->config;
          progress = options->progress;
        }
        Log log;
        {
          std::lock_guard lock(self->mutex);
          log = log_of(self->logger);
          build.limits = self->limits;
        }
        build.progress = progress_of(std::move(progress));
        TN_ASSIGN(BuildResult result, build_plan(source->graph, build, log));
        tn_blob_t report = out_report ? new_blob(result.report) : nullptr;
        try {
          *out_plan = new_blob(Bytes::take(std::move(result.plan)));
        } catch (...) {
          destroy(report);
          throw;
        }
        if (out_report) *out_report = report;
        return {};
      },
      out(out_plan, "out_plan"), optional_out(out_report, "out_report"));
}
