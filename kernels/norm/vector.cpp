#include "norm/vector.h"

#include "common/vector_math.h"

namespace tenon::TN_ISA {
namespace {

// Sum of f over all elements: f32 within blocks of 4096, double between them. f(0) is not added for unused lanes.
template <class F>
double sum_of(const float* x, int64_t n, F f) {
  double total = 0;
  for (int64_t start = 0; start < n; start += 4096) {
    const int64_t end = n - start < 4096 ? n : start + 4096;
    Vec a = zero(), b = a, c = a, d = a;
    int64_t i = start;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      a = add(a, f(load(x + i)));
      b = add(b, f(load(x + i + kLanes)));
      c = add(c, f(load(x + i + 2 * kLanes)));
      d = add(d, f(load(x + i + 3 * kLanes)));
    }
    for (; i + kLanes <= end; i += kLanes) a = add(a, f(load(x + i)));
    if (i < end) {
      const Mask some = first_lanes(end - i);
      b = add(b, keep(f(load_masked(x + i, some)), some));
    }
    total += static_cast<double>(sum_lanes(add(add(a, b), add(c, d))));
  }
  return total;
}

void moments(const float* x, int64_t n, float* mean, float* variance) {
  const double count = static_cast<double>(n);
  *mean = static_cast<float>(sum_of(x, n, [](Vec v) { return v; }) / count);
  const Vec m = splat(*mean);
  *variance = static_cast<float>(sum_of(x, n, [m](Vec v) { return mul(sub(v, m), sub(v, m)); }) / count);
}

template <bool Scale, bool Bias>
void row_of(const float* x, float* y, int64_t n, float mean, float factor, const float* scale, const float* bias) {
  const Vec m = splat(mean), f = splat(factor);
  auto one = [&](auto get, int64_t i) {
    Vec v = mul(sub(get(x + i), m), f);
    if (Scale && Bias) return fma(v, get(scale + i), get(bias + i));
    if (Scale) v = mul(v, get(scale + i));
    if (Bias) v = add(v, get(bias + i));
    return v;
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, one([](const float* p) { return load(p); }, i));
  if (i < n) {
    const Mask some = first_lanes(n - i);
    store_masked(y + i, some, one([some](const float* p) { return load_masked(p, some); }, i));
  }
}

void row(const float* x, float* y, int64_t n, float mean, float factor, const float* scale, const float* bias) {
  if (scale && bias) row_of<true, true>(x, y, n, mean, factor, scale, bias);
  else if (scale) row_of<true, false>(x, y, n, mean, factor, scale, bias);
  else if (bias) row_of<false, true>(x, y, n, mean, factor, scale, bias);
  else row_of<false, false>(x, y, n, mean, factor, scale, bias);
}

void affine(const float* x, float* y, int64_t n, float factor, float addend) {
  const Vec f = splat(factor), a = splat(addend);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, fma(load(x + i), f, a));
  if (i < n) store_some(y + i, n - i, fma(load_some(x + i, n - i), f, a));
}

// f32 within 256 pixels, double between them.
void lane_sums(const float* x, int64_t pixels, const float* means, double* sums) {
  for (int i = 0; i < kLanes; ++i) sums[i] = 0;
  const Vec mean = means ? load(means) : zero();
  auto one = [&](Vec acc, const float* p) {
    const Vec v = sub(load(p), mean);
    return means ? fma(v, v, acc) : add(acc, v);
  };
  for (int64_t start = 0; start < pixels; start += 256) {
    const int64_t end = pixels - start < 256 ? pixels : start + 256;
    Vec a = zero(), b = a, c = a, d = a;
    int64_t i = start;
    for (; i + 4 <= end; i += 4) {
      a = one(a, x + i * kLanes);
      b = one(b, x + (i + 1) * kLanes);
      c = one(c, x + (i + 2) * kLanes);
      d = one(d, x + (i + 3) * kLanes);
    }
    for (; i < end; ++i) a = one(a, x + i * kLanes);
    float part[kLanes];
    store(part, add(add(a, b), add(c, d)));
    for (int k = 0; k < kLanes; ++k) sums[k] += static_cast<double>(part[k]);
  }
}

void lane_affine(const float* x, float* y, int64_t pixels, const float* factors, const float* addends) {
  const Vec f = load(factors), a = load(addends);
  for (int64_t i = 0; i < pixels; ++i) store(y + i * kLanes, fma(load(x + i * kLanes), f, a));
}

}  // namespace

extern const NormVector kNormVector;
const NormVector kNormVector = {moments, row, affine, lane_sums, lane_affine};

}  // namespace tenon::TN_ISA
