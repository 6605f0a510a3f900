#include "tenon/logger.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

void tn_logger_callbacks_init(tn_logger_callbacks* out_callbacks, size_t struct_size) noexcept {
  init_callbacks(out_callbacks, struct_size);
}

tn_error_t tn_logger_create(const tn_logger_callbacks* callbacks, tn_severity max_severity,
                            tn_logger_t* out_logger) noexcept {
  Table<tn_logger_callbacks> owed;
  return enter(
      [&]() -> Status {
        TN_TRY(copy_callbacks(callbacks, owed));
        if (!out_logger) return fail(Code::invalid_argument, "out_logger is NULL; it receives the result");
        if (!owed.functions.log)
          return fail(Code::invalid_argument, "log is NULL in the callbacks of a logger");
        if (max_severity < TN_SEVERITY_ERROR || max_severity > TN_SEVERITY_VERBOSE)
          return fail(Code::invalid_argument, "max_severity is {}; expected one of tn_severity",
                      max_severity);
        auto logger = std::make_shared<LoggerObject>();
        std::swap(logger->table.functions, owed.functions);
        logger->max_severity = max_severity;
        *out_logger = new_handle<tn_logger_t>(std::move(logger));
        return {};
      },
      optional_out(out_logger, "out_logger"));
}

void tn_logger_destroy(tn_logger_t logger) noexcept { destroy(logger); }
