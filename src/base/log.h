// Where messages for people go: a sink that the caller owns, never a global.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>
#include <utility>

namespace tenon {

enum class Severity : int32_t { error = 0, warning = 1, info = 2, verbose = 3 };

// May be called from any thread that works for the object it was given to; holds no lock while it calls out.
class Log {
 public:
  using Sink = std::function<void(Severity, std::string_view)>;
  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}

  template <class... Args>
  void operator()(Severity severity, fmt::format_string<Args...> format, Args&&... args) const {
    if (sink_) sink_(severity, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  Sink sink_;
};

}  // namespace tenon
