#include "gpu/case_arg.h"

#include <algorithm>
#include <cstdlib>

#include "gpu/case_tables.h"

namespace tenon::test {

Program program(std::string_view text, std::vector<DType> types) {
  auto out = parse_program(text, types);
  if (out) return *out;
  fmt::print(stderr, "a test's program is wrong: {}: {}\n", text, out.error().text());
  std::abort();
}

Arg arg_of(const Spec& spec, bool in_memory) {
  Arg out;
  out.dtype = in_memory ? spec.in_memory() : spec.type;
  out.format = in_memory ? spec.format : kLinear;
  out.rank = static_cast<int32_t>(spec.dims.size());
  out.fixed_dims = spec.fixed;
  std::copy(spec.dims.begin(), spec.dims.end(), out.dims);
  return out;
}

CaseCall call_of(const Case& c, DeviceSession* session) {
  CaseCall out;
  out.block.resize((c.params.size() + 7) / 8 + 1);
  if (!c.params.empty()) std::memcpy(out.block.data(), c.params.data(), c.params.size());
  for (const Spec& spec : c.inputs) out.inputs.push_back(arg_of(spec));
  for (const Spec& spec : c.outputs) out.outputs.push_back(arg_of(spec));
  out.call = {std::as_bytes(std::span(out.block)).first(c.params.size()), out.inputs, out.outputs, 1, session};
  return out;
}

}  // namespace tenon::test
