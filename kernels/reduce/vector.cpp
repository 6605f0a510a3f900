#include "reduce/vector.h"

#include "common/vector_math.h"

namespace tenon::TN_ISA {
namespace {

template <Fold F>
inline Vec combine(Vec acc, Vec x) {
  switch (F) {
    case Fold::sum: return add(acc, x);
    case Fold::sum_square: return fma(x, x, acc);
    case Fold::sum_abs: return add(acc, abs(x));
    case Fold::prod: return mul(acc, x);
    case Fold::max: return max_nan(acc, x);
    default: return min_nan(acc, x);
  }
}

template <Fold F>
inline Vec neutral() {
  if (F == Fold::prod) return splat(1.0f);
  if (F == Fold::max) return splat(-__builtin_inff());
  if (F == Fold::min) return splat(__builtin_inff());
  return zero();
}

// Two partial results, or all lanes of one.
template <Fold F>
inline Vec join(Vec a, Vec b) {
  return F == Fold::sum_square || F == Fold::sum_abs ? add(a, b) : combine<F>(a, b);
}
template <Fold F>
inline float across(Vec a) {
  float lanes[kLanes];
  store(lanes, a);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) {
      const float x = lanes[i], y = lanes[i + half];
      if (F == Fold::prod) lanes[i] = x * y;
      else if (F == Fold::max) lanes[i] = x != x || x > y ? x : y;
      else if (F == Fold::min) lanes[i] = x != x || x < y ? x : y;
      else lanes[i] = x + y;
    }
  return lanes[0];
}

// Blocks of 4096 elements: sums of blocks are added in double.
template <Fold F>
float row_of(const float* x, int64_t n) {
  constexpr bool kSums = F == Fold::sum || F == Fold::sum_square || F == Fold::sum_abs;
  double total = 0;
  Vec whole = neutral<F>();
  for (int64_t start = 0; start < n; start += 4096) {
    const int64_t end = n - start < 4096 ? n : start + 4096;
    Vec a = neutral<F>(), b = a, c = a, d = a;
    int64_t i = start;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      a = combine<F>(a, load(x + i));
      b = combine<F>(b, load(x + i + kLanes));
      c = combine<F>(c, load(x + i + 2 * kLanes));
      d = combine<F>(d, load(x + i + 3 * kLanes));
    }
    for (; i + kLanes <= end; i += kLanes) a = combine<F>(a, load(x + i));
    Vec part = join<F>(join<F>(a, b), join<F>(c, d));
    if (i < end) {
      const Mask some = first_lanes(end - i);
      Vec last = load_masked(x + i, some);
      if (!kSums) last = bit_or(last, and_not(keep(from_bits(ints(-1)), some), neutral<F>()));  // unused lanes
      part = combine<F>(part, last);
    }
    if (kSums) total += static_cast<double>(across<F>(part));
    else whole = join<F>(whole, part);
  }
  return kSums ? static_cast<float>(total) : across<F>(whole);
}

template <Fold F>
void columns_of(float* acc, const float* x, int64_t stride, int64_t rows, int64_t n) {
  int64_t r = 0;
  for (; r + 8 <= rows; r += 8, x += 8 * stride) {
    int64_t i = 0;
    auto eight = [&](Vec v, auto at) {
      Vec w = neutral<F>();
      for (int k = 0; k < 8; k += 2) {
        v = combine<F>(v, at(x + k * stride + i));
        w = combine<F>(w, at(x + (k + 1) * stride + i));
      }
      return join<F>(v, w);
    };
    for (; i + kLanes <= n; i += kLanes) store(acc + i, eight(load(acc + i), [](const float* p) { return load(p); }));
    if (i < n) {
      const Mask some = first_lanes(n - i);
      store_masked(acc + i, some, eight(load_masked(acc + i, some), [some](const float* p) { return load_masked(p, some); }));
    }
  }
  for (; r < rows; ++r, x += stride) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(acc + i, combine<F>(load(acc + i), load(x + i)));
    if (i < n) store_some(acc + i, n - i, combine<F>(load_some(acc + i, n - i), load_some(x + i, n - i)));
  }
}

float row(Fold fold, const float* x, int64_t n) {
  switch (fold) {
    case Fold::sum: return row_of<Fold::sum>(x, n);
    case Fold::sum_square: return row_of<Fold::sum_square>(x, n);
    case Fold::sum_abs: return row_of<Fold::sum_abs>(x, n);
    case Fold::prod: return row_of<Fold::prod>(x, n);
    case Fold::max: return row_of<Fold::max>(x, n);
    case Fold::min: return row_of<Fold::min>(x, n);
  }
  return 0;
}

void columns(Fold fold, float* acc, const float* x, int64_t stride, int64_t rows, int64_t n) {
  switch (fold) {
    case Fold::sum: return columns_of<Fold::sum>(acc, x, stride, rows, n);
    case Fold::sum_square: return columns_of<Fold::sum_square>(acc, x, stride, rows, n);
    case Fold::sum_abs: return columns_of<Fold::sum_abs>(acc, x, stride, rows, n);
    case Fold::prod: return columns_of<Fold::prod>(acc, x, stride, rows, n);
    case Fold::max: return columns_of<Fold::max>(acc, x, stride, rows, n);
    case Fold::min: return columns_of<Fold::min>(acc, x, stride, rows, n);
  }
}

}  // namespace

extern const ReduceVector kReduceVector;
const ReduceVector kReduceVector = {row, columns};

}  // namespace tenon::TN_ISA
