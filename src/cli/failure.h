// How the command-line tool answers: an exit code that scripts may rely on (docs/exit-codes.md) and a
// message.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tenon::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 2,    // an unknown flag, a missing argument, a value that does not parse
  kExitModel = 3,    // the ONNX model is damaged or uses what Tenon does not have
  kExitPlan = 4,     // the plan is damaged, or made for another machine
  kExitInput = 5,    // an input file, name, shape or type that does not fit the network
  kExitOutput = 6,   // a file could not be written
  kExitDevice = 7,   // the device is not there, or failed
  kExitFailure = 1,  // anything else, named in the message
};

struct Failure {
  int exit_code = kExitFailure;
  std::string message;  // empty: standard output has said it
};

template <class T>
using Expected = tl::expected<T, Failure>;

template <class... Args>
[[nodiscard]] tl::unexpected<Failure> fail(int exit_code, fmt::format_string<Args...> format,
                                           Args&&... args) {
  return tl::unexpected<Failure>(Failure{exit_code, fmt::format(format, std::forward<Args>(args)...)});
}

// `CLI_TRY(x, expression)`: declares x with the value, or returns the failure.
#define CLI_CONCAT2(a, b) a##b
#define CLI_CONCAT(a, b) CLI_CONCAT2(a, b)
#define CLI_ASSIGN(name, expression)                                           \
  auto CLI_CONCAT(expected_, __LINE__) = (expression);                         \
  if (!CLI_CONCAT(expected_, __LINE__))                                        \
    return tl::unexpected(std::move(CLI_CONCAT(expected_, __LINE__).error())); \
  auto& name = *CLI_CONCAT(expected_, __LINE__)
#define CLI_TRY(expression)                                                          \
  do {                                                                               \
    auto expected_status = (expression);                                             \
    if (!expected_status) return tl::unexpected(std::move(expected_status.error())); \
  } while (0)

}  // namespace tenon::cli
