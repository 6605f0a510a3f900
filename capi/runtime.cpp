#include "tenon/runtime.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

tn_error_t tn_runtime_create(tn_runtime_t* out_runtime) noexcept {
  return enter(
      [&]() -> Status {
        *out_runtime = new_handle<tn_runtime_t>(std::make_shared<RuntimeObject>());
        return {};
      },
      out(out_runtime, "out_runtime"));
}

void tn_runtime_destroy(tn_runtime_t runtime) noexcept { destroy(runtime); }

tn_error_t tn_runtime_set_logger(tn_runtime_t runtime, tn_logger_t logger) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(runtime, "runtime"));
    TN_ASSIGN(auto chosen, optional_object(logger, "logger"));
    std::lock_guard lock(self->mutex);
    self->logger.swap(chosen);
    return {};
  });
}

tn_error_t tn_runtime_set_allocator(tn_runtime_t runtime, tn_allocator_t allocator) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(runtime, "runtime"));
    TN_ASSIGN(auto chosen, optional_object(allocator, "allocator"));
    std::lock_guard lock(self->mutex);
    self->allocator.swap(chosen);
    return {};
  });
}

tn_error_t tn_runtime_set_thread_count(tn_runtime_t runtime, int32_t thread_count) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(runtime, "runtime"));
    TN_TRY(expect_threads(thread_count));
    std::lock_guard lock(self->mutex);
    self->thread_count = thread_count;
    return {};
  });
}

tn_error_t tn_runtime_get_thread_count(tn_runtime_t runtime, int32_t* out_thread_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(runtime, "runtime"));
        std::lock_guard lock(self->mutex);
        *out_thread_count = self->thread_count;
        return {};
      },
      out(out_thread_count, "out_thread_count"));
}

tn_error_t tn_runtime_set_limit(tn_runtime_t runtime, tn_limit limit, int64_t value) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(runtime, "runtime"));
    TN_ASSIGN(auto member, limit_member(limit));
    if (value <= 0) return fail(Code::invalid_argument, "value is {}; a limit is greater than 0", value);
    std::lock_guard lock(self->mutex);
    self->limits.*member = value;
    return {};
  });
}

tn_error_t tn_runtime_get_limit(tn_runtime_t runtime, tn_limit limit, int64_t* out_value) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(runtime, "runtime"));
        TN_ASSIGN(auto member, limit_member(limit));
        std::lock_guard lock(self->mutex);
        *out_value = self->limits.*member;
        return {};
      },
      out(out_value, "out_value"));
}
