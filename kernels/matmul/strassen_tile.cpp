#include "matmul/strassen_tile.h"

#include "gemm/vector.h"

namespace tenon::TN_ISA {
namespace {

void combine_a(float* blocks, int64_t step, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    float* at = blocks + i;
    const Vec a11 = load(at + 2 * step), a12 = load(at + 5 * step), a21 = load(at + 6 * step), a22 = load(at + 3 * step);
    store(at, add(a11, a22));
    store(at + step, add(a21, a22));
    store(at + 4 * step, add(a11, a12));
    store(at + 5 * step, sub(a21, a11));
    store(at + 6 * step, sub(a12, a22));
  }
}

void combine_rows(float* blocks, int64_t step, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    float* at = blocks + i;
    store(at, add(load(at + 2 * step), load(at + 5 * step)));
    store(at + step, add(load(at + 6 * step), load(at + 3 * step)));
  }
}

// As integers: magnitudes of floats are ordered as their bits are, and NaN lie above infinity.
float largest(const float* x, int64_t step, int64_t count) {
  constexpr int32_t kInfinity = 0x7f800000;
  int32_t most = 0;
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    __builtin_memcpy(&bits, x + i * step, sizeof bits);
    bits &= 0x7fffffff;
    most = bits > most ? bits : most;
  }
  most = most < kInfinity ? most : kInfinity;
  float out;
  __builtin_memcpy(&out, &most, sizeof out);
  return out;
}

void combine_b(const float* const quadrants[4], float* to, int64_t step, int64_t width) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const Vec b11 = load(quadrants[0] + i), b12 = load(quadrants[1] + i), b21 = load(quadrants[2] + i), b22 = load(quadrants[3] + i);
    float* at = to + i;
    store(at, add(b11, b22));
    store(at + step, b11);
    store(at + 2 * step, sub(b12, b22));
    store(at + 3 * step, sub(b21, b11));
    store(at + 4 * step, b22);
    store(at + 5 * step, add(b11, b12));
    store(at + 6 * step, add(b21, b22));
  }
}

void sum(const StrassenSums& s) {
  for (int64_t r = 0; r < s.rows; ++r) {
    const bool lower = r < s.lower_rows;
    for (int64_t i = 0; i < s.columns; i += kLanes) {
      const float* at = s.products + r * s.width + i;
      const Vec m1 = load(at), m2 = load(at + s.step), m3 = load(at + 2 * s.step), m4 = load(at + 3 * s.step),
                m5 = load(at + 4 * s.step), m6 = load(at + 5 * s.step), m7 = load(at + 6 * s.step);
      const int64_t to = r * s.row + i;
      store(s.to[0] + to, add(add(m1, m4), sub(m7, m5)));
      store(s.to[1] + to, add(m3, m5));
      if (!lower) continue;
      store(s.to[2] + to, add(m2, m4));
      store(s.to[3] + to, add(sub(m1, m2), add(m3, m6)));
    }
  }
}

}  // namespace

extern const StrassenTable kStrassen;
const StrassenTable kStrassen{combine_a, combine_rows, largest, combine_b, sum};

}  // namespace tenon::TN_ISA
