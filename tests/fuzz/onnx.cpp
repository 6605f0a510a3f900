// ONNX bytes → views → graph → core ops. Whatever the bytes: an error with a message, or a graph that verifies.
#include <cstdio>
#include <cstdlib>

#include "compile/compile.h"
#include "passes/passes.h"

namespace {

using namespace tenon;

// Small, so that a hostile model meets a limit rather than the fuzzer's memory and time.
Limits small_limits() {
  Limits limits;
  limits.nodes = 400;
  limits.model_records = 20000;
  limits.tensor_elements = 1 << 20;
  limits.tensor_bytes = 1 << 22;
  limits.fold_bytes = 1 << 24;
  return limits;
}

void expect(bool good, const char* what, const std::string& why) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", what, why.c_str());
  std::abort();
}

// An error without text says nothing; a graph that does not verify was let through.
void expect_valid(const Graph& graph, const char* stage) {
  Status status = verify(graph);
  expect(status.has_value(), stage, status ? "" : status.error().text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto graph = import_onnx_bytes({reinterpret_cast<const std::byte*>(data), size}, false, small_limits(), Log());
  if (!graph) {
    expect(!graph.error().message.empty(), "import", "an error without a message");
    expect(graph.error().code != Code::internal, "import", graph.error().text());
    return 0;
  }
  expect_valid(*graph, "after import");
  for (const char* name : {"expand", "canonicalise", "common_subexpressions", "dead_code"}) {
    const Pass* pass = find_pass(name);
    expect(pass != nullptr, name, "there is no such pass");
    if (Status status = pass->run(*graph, PassContext()); !status) {
      expect(!status.error().message.empty(), name, "an error without a message");
      return 0;
    }
    expect_valid(*graph, name);
  }
  return 0;
}
