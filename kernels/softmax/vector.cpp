#include "softmax/vector.h"

#include "common/vector_math.h"

namespace tenon::TN_ISA {
namespace {

// Lanes beyond n hold -inf, which changes neither the largest element nor the sum.
inline Vec load_line(const float* x, int64_t n) {
  if (n >= kLanes) return load(x);
  const Mask some = first_lanes(n);
  return bit_or(load_masked(x, some), and_not(keep(from_bits(ints(-1)), some), splat(-__builtin_inff())));
}
inline void store_line(float* y, int64_t n, Vec a) {
  if (n >= kLanes) store(y, a);
  else store_some(y, n, a);
}

float largest(const float* x, int64_t n) {
  Vec a = splat(-__builtin_inff()), b = a;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a = max(a, load(x + i));
    b = max(b, load(x + i + kLanes));
  }
  for (; i < n; i += kLanes) a = max(a, load_line(x + i, n - i));
  return max_lanes(max(a, b));
}

void row(const float* x, float* y, int64_t n, bool log) {
  const float high = largest(x, n);
  const Vec shift = splat(high);
  Vec sum = zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec d = sub(load_line(x + i, n - i), shift), e = exp_normal(d);
    sum = add(sum, e);
    store_line(y + i, n - i, log ? d : e);
  }
  const float total = sum_lanes(sum);
  const Vec by = log ? splat(__builtin_logf(total)) : splat(1.0f / total);
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec v = n - i >= kLanes ? load(y + i) : load_some(y + i, n - i);
    store_line(y + i, n - i, log ? sub(v, by) : mul(v, by));
  }
}

void columns(const float* x, float* y, int64_t length, int64_t stride, int64_t n, bool log) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t some = n - i;
    auto get = [some](const float* p) { return some >= kLanes ? load(p) : load_some(p, some); };
    Vec high = splat(-__builtin_inff()), sum = zero();
    for (int64_t l = 0; l < length; ++l) high = max(high, get(x + l * stride + i));
    for (int64_t l = 0; l < length; ++l) {
      const Vec d = sub(get(x + l * stride + i), high), e = exp_normal(d);
      sum = add(sum, e);
      store_line(y + l * stride + i, some, log ? d : e);
    }
    const Vec by = log ? tenon::TN_ISA::log(sum) : div(splat(1.0f), sum);
    for (int64_t l = 0; l < length; ++l) {
      float* p = y + l * stride + i;
      store_line(p, some, log ? sub(get(p), by) : mul(get(p), by));
    }
  }
}

}  // namespace

extern const SoftmaxVector kSoftmaxVector;
const SoftmaxVector kSoftmaxVector = {row, columns};

}  // namespace tenon::TN_ISA
