#include "reduce/planes.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

constexpr int64_t kPart = 64;  // pixels that are summed in f32

void sum(const float* x, int64_t pixels, double* out) {
  for (int i = 0; i < kLanes; ++i) out[i] = 0;
  while (pixels > 0) {
    const int64_t some = pixels < kPart ? pixels : kPart;
    Vec a = zero(), b = zero(), c = zero(), d = zero();
    int64_t p = 0;
    for (; p + 4 <= some; p += 4) {
      a = add(a, load(x + p * kLanes));
      b = add(b, load(x + (p + 1) * kLanes));
      c = add(c, load(x + (p + 2) * kLanes));
      d = add(d, load(x + (p + 3) * kLanes));
    }
    for (; p < some; ++p) a = add(a, load(x + p * kLanes));
    float part[kLanes];
    store(part, add(add(a, b), add(c, d)));
    for (int i = 0; i < kLanes; ++i) out[i] += part[i];
    x += some * kLanes;
    pixels -= some;
  }
}

void greatest(const float* x, int64_t pixels, float* out) {
  Vec best = splat(-__builtin_inff()), sums = zero();
  for (int64_t p = 0; p < pixels; ++p) {
    const Vec value = load(x + p * kLanes);
    best = max(value, best);
    // NaN once a NaN was seen, else 0 or NaN from infinities, which are looked at again below.
    sums = add(sums, mul(value, zero()));
  }
  float nan[kLanes];
  store(out, best);
  store(nan, sums);
  for (int i = 0; i < kLanes; ++i)
    if (nan[i] != nan[i])
      for (int64_t p = 0; p < pixels; ++p)
        if (x[p * kLanes + i] != x[p * kLanes + i]) out[i] = __builtin_nanf("");
}

}  // namespace

extern const PlaneTable kPlanes{sum, greatest};

}  // namespace tenon::TN_ISA
