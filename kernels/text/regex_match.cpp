// The definition of regex_match: whether a regular expression matches all of each string.
#include <mutex>

#include "base/regex.h"
#include "text/operands.h"

namespace tenon {
namespace {

// The pattern is a constant of the plan: it is compiled in the first launch.
struct State : KernelState {
  mutable std::mutex mutex;
  mutable std::string pattern;
  mutable std::shared_ptr<const Regex> compiled;

  Result<std::shared_ptr<const Regex>> of(std::string_view wanted) const {
    std::lock_guard lock(mutex);
    if (!compiled || pattern != wanted) {
      TN_ASSIGN(Regex regex, Regex::compile(wanted));
      compiled = std::make_shared<const Regex>(std::move(regex));
      pattern = wanted;
    }
    return compiled;
  }
};

Status prepare(const PrepareCall& call, Prepared& out) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  TN_TRY(expect_type(call.inputs[0], DType::string, "regex_match input"));
  TN_TRY(text::expect_one(call.inputs[1], "regex_match pattern"));
  TN_TRY(expect_type(call.outputs[0], DType::boolean, "regex_match output"));
  TN_TRY(text::expect_linear(call, "regex_match operand"));
  TN_TRY(expect_shape(call.outputs[0], call.inputs[0].shape(), "regex_match output"));
  out.state = std::make_shared<State>();
  return {};
}

Status run(const LaunchCall& call) {
  TN_ASSIGN(const std::shared_ptr<const Regex> regex, static_cast<const State*>(call.state)->of(call.inputs[1].as<const Text>()->view()));
  const std::span<const Text> x = text::texts_of(call.inputs[0]);
  Regex::Threads threads;
  for (size_t i = 0; i < x.size(); ++i) call.outputs[0].as<uint8_t>()[i] = regex->matches(x[i].view(), threads);
  return {};
}

Status launch(const LaunchCall& call) {
  return text::with_memory([&] { return run(call); });
}

}  // namespace

extern const Kernel kRegexMatchReference = with_texts({"regex_match.reference", 0, 0, 0, prepare, launch});

}  // namespace tenon
