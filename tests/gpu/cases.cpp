#include "gpu/cases.h"

#include "gpu/case_tables.h"

namespace tenon::test {

Program program(std::string_view text, std::vector<DType> types) {
  auto out = parse_program(text, types);
  if (out) return *out;
  fmt::print(stderr, "a test's program is wrong: {}: {}\n", text, out.error().text());
  std::abort();
}

std::vector<Case> kernel_cases() {
  std::vector<Case> out;
  pointwise_cases(out);
  move_cases(out);
  rows_cases(out);
  index_cases(out);
  window_cases(out);
  product_cases(out);
  attention_cases(out);
  return out;
}

}  // namespace tenon::test
