#include "common/kernel.h"

#include "base/checked.h"

namespace tenon {

int64_t storage_count(const Arg& arg) {
  int64_t n = 1;
  for (int i = 0; i < arg.rank; ++i)
    n *= i == 1 && arg.format.layout == Layout::blocked ? round_up(arg.dims[i], arg.format.block) : arg.dims[i];
  return n;
}

std::string describe(const Arg& arg) {
  std::string out(name_of(arg.dtype));
  out += '[';
  for (int i = 0; i < arg.rank; ++i) out += (i ? "," : "") + std::to_string(arg.dims[i]);
  out += ']';
  if (arg.format != kLinear) out += " " + name_of(arg.format);
  return out;
}

Status expect_counts(const PrepareCall& call, size_t min_inputs, size_t max_inputs, size_t outputs) {
  if (call.inputs.size() < min_inputs || call.inputs.size() > max_inputs)
    return fail(Code::invalid_plan, "kernel takes {} to {} inputs, the step has {}", min_inputs, max_inputs,
                call.inputs.size());
  if (call.outputs.size() != outputs)
    return fail(Code::invalid_plan, "kernel writes {} outputs, the step has {}", outputs, call.outputs.size());
  return {};
}

Status expect_type(const Arg& arg, DType type, const char* what) {
  if (arg.dtype == type) return {};
  return fail(Code::invalid_plan, "{} must be {}, it is {}", what, name_of(type), describe(arg));
}

Status expect_format(const Arg& arg, Format format, const char* what) {
  if (arg.format == format) return {};
  return fail(Code::invalid_plan, "{} must lie in format {}, it is {}", what, name_of(format), describe(arg));
}

Status expect_rank(const Arg& arg, int min_rank, int max_rank, const char* what) {
  if (arg.rank >= min_rank && arg.rank <= max_rank) return {};
  return fail(Code::invalid_plan, "{} must have {} to {} dims, it is {}", what, min_rank, max_rank, describe(arg));
}

Status expect_shape(const Arg& arg, std::span<const int64_t> dims, const char* what) {
  bool same = static_cast<size_t>(arg.rank) == dims.size();
  for (int i = 0; same && i < arg.rank; ++i) same = arg.dims[i] == dims[i];
  if (same) return {};
  std::string want;
  for (int64_t d : dims) want += (want.empty() ? "" : ",") + std::to_string(d);
  return fail(Code::invalid_plan, "{} must have dims [{}], it is {}", what, want, describe(arg));
}

}  // namespace tenon
