#include "ops/epilogue.h"

#include <numeric>

#include "ops/content.h"

namespace tenon {
namespace {

Status expect_broadcast(const TensorType& extra, const TensorType& result) {
  bool fits = extra.rank() <= result.rank();
  for (size_t i = 0; fits && i < extra.rank(); ++i) {
    const Dim& d = extra.shape[i];
    fits = d.is(1) || always_equal(d, result.shape[result.rank() - extra.rank() + i]) != false;
  }
  if (fits) return {};
  return fail(Code::invalid_model, "epilogue's operand {} does not broadcast to the result {}", print(extra),
              print(result));
}

}  // namespace

Result<TensorType> apply_epilogue(NodeView view, size_t first_extra, TensorType own_result) {
  const size_t extras = view.input_count() > first_extra ? view.input_count() - first_extra : 0;
  return apply_program(view, view.attrs().program("epilogue"), first_extra, extras, std::move(own_result));
}

Result<TensorType> apply_program(NodeView view, const Program& program, size_t first_extra, size_t extras,
                                 TensorType own_result) {
  if (program.empty()) {
    if (extras == 0) return own_result;
    return fail(Code::invalid_model,
                "{} inputs follow the op's own {}, but there is no epilogue that reads them", extras,
                first_extra);
  }
  TN_TRY(verify(program));
  if (program.inputs != extras + 1 || program.input_type[0] != own_result.dtype)
    return fail(Code::invalid_model, "the epilogue takes {} operands, first {}; the node gives {}, first {}",
                program.inputs, name_of(program.input_type[0]), extras + 1, name_of(own_result.dtype));
  for (size_t e = 0; e < extras; ++e) {
    if (!view.has_input(first_extra + e))
      return fail(Code::invalid_model, "epilogue's operand {} is absent", e + 1);
    const TensorType& extra = view.input(first_extra + e);
    if (extra.dtype != program.input_type[e + 1])
      return fail(Code::invalid_model, "epilogue's operand {} must be {}, it is {}", e + 1,
                  name_of(program.input_type[e + 1]), print(extra));
    TN_TRY(expect_broadcast(extra, own_result));
  }
  own_result.dtype = program.result_type();
  return own_result;
}

Result<std::vector<int64_t>> permutation(const Attrs& attrs, std::string_view name, size_t rank) {
  std::vector<int64_t> perm = attrs.integers(name);
  if (!attrs.has(name)) {
    perm.resize(rank);
    std::iota(perm.begin(), perm.end(), 0);
    return perm;
  }
  std::vector<bool> seen(rank);
  bool good = perm.size() == rank;
  for (size_t i = 0; good && i < rank; ++i) {
    good = perm[i] >= 0 && perm[i] < static_cast<int64_t>(rank) && !seen[static_cast<size_t>(perm[i])];
    if (good) seen[static_cast<size_t>(perm[i])] = true;
  }
  if (good) return perm;
  return fail(Code::invalid_model, "{} must be a permutation of 0 to {}", name,
              static_cast<int64_t>(rank) - 1);
}

}  // namespace tenon
