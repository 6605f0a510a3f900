// Status and Result: how every fallible function inside Tenon answers. Nothing is thrown across rooms except
// std::bad_alloc, which the C API turns into TN_ERROR_OUT_OF_MEMORY.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace tenon {

// The numbers are the public tn_error_code values.
enum class Code : int32_t {
  ok = 0,
  invalid_argument = 1,
  invalid_handle = 2,
  out_of_memory = 3,
  invalid_model = 4,
  unsupported = 5,
  invalid_plan = 6,
  incompatible_plan = 7,
  out_of_range = 8,
  busy = 9,
  not_found = 10,
  io = 11,
  cancelled = 12,
  limit_exceeded = 13,
  device = 14,
  internal = 15,
  callback = 16,
};

// A failure: what was wrong, where, what was expected and what to do. Each layer that adds context appends one
// line of trail, innermost first.
struct Error {
  Code code = Code::internal;
  std::string message;
  std::vector<std::string> trail;

  std::string text() const {
    std::string out = message;
    for (const std::string& line : trail) out += "\n  " + line;
    return out;
  }
};

using Status = tl::expected<void, Error>;
template <class T>
using Result = tl::expected<T, Error>;

template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...), {}});
}

// The same failure with one more line of trail: `return trail(std::move(result.error()), "in node {}", name);`
template <class... Args>
[[nodiscard]] tl::unexpected<Error> trail(Error error, fmt::format_string<Args...> format, Args&&... args) {
  error.trail.push_back(fmt::format(format, std::forward<Args>(args)...));
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace tenon

#define TN_CONCAT_(a, b) a##b
#define TN_CONCAT(a, b) TN_CONCAT_(a, b)

// Returns the failure of a Status or Result expression to the caller. (A function cannot return for its caller,
// so these two are macros.)
#define TN_TRY(...)                                                                              \
  do {                                                                                           \
    if (auto tn_status_ = (__VA_ARGS__); !tn_status_)                                            \
      return tl::unexpected<::tenon::Error>(std::move(tn_status_.error()));                      \
  } while (0)

// TN_ASSIGN(auto x, f()): x is the value, or the failure is returned.
#define TN_ASSIGN(declaration, ...) TN_ASSIGN_(TN_CONCAT(tn_result_, __LINE__), declaration, __VA_ARGS__)
#define TN_ASSIGN_(temporary, declaration, ...)                                                  \
  auto temporary = (__VA_ARGS__);                                                                \
  if (!temporary) return tl::unexpected<::tenon::Error>(std::move(temporary.error()));           \
  declaration = std::move(*temporary)
