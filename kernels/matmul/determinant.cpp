// The definition of determinant: elimination with the largest pivot of each column, in double.
#include <algorithm>
#include <cmath>

#include "common/element.h"
#include "common/kernel.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (!is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_plan, "determinant: elements of {} are not computed", describe(x));
  TN_TRY(expect_type(out, x.dtype, "determinant output"));
  TN_TRY(expect_rank(x, 2, kMaxRank, "determinant input"));
  TN_TRY(expect_format(x, kLinear, "determinant input"));
  TN_TRY(expect_format(out, kLinear, "determinant output"));
  const int64_t n = x.dims[x.rank - 1];
  if (x.dims[x.rank - 2] != n) return fail(Code::out_of_range, "determinant: the matrices {} are not square", describe(x));
  TN_TRY(expect_shape(out, x.shape().first(static_cast<size_t>(x.rank) - 2), "determinant output"));
  prepared.scratch_bytes = n * n * static_cast<int64_t>(sizeof(double)) * call.threads;
  return {};
}

double determinant(double* a, int64_t n) {
  double result = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (std::fabs(a[i * n + k]) > std::fabs(a[pivot * n + k])) pivot = i;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + k * n + n, a + pivot * n);
      result = -result;
    }
    const double head = a[k * n + k];
    result *= head;
    if (head == 0) return result;
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / head;
      for (int64_t j = k + 1; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return result;
}

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const int64_t n = x.dims[x.rank - 1];
  with_float(x.dtype, [&](auto element) {
    using E = decltype(element);
    using T = typename E::Storage;
    auto body = [&](int64_t begin, int64_t end, int member) {
      double* matrix = static_cast<double*>(call.scratch) + member * n * n;
      for (int64_t at = begin; at < end; ++at) {
        for (int64_t i = 0; i < n * n; ++i) matrix[i] = E::load(x.as<const T>()[at * n * n + i]);
        out.as<T>()[at] = E::store(determinant(matrix, n));
      }
    };
    call.team->parallel_for(out.count(), body);
  });
  return {};
}

}  // namespace

extern const Kernel kDeterminantReference{"determinant.reference", 0, 0, 0, prepare, launch};

}  // namespace tenon
