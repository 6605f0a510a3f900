// The additions of Strassen's product (Strassen, "Gaussian elimination is not optimal", 1969), on dense vectors.
#pragma once

#include <cstdint>

namespace tenon {

struct StrassenSums {
  const float* products;  // seven of [rows][width], `step` floats apart
  int64_t step, width;
  int64_t rows, lower_rows;  // of the upper and of the lower quadrants
  int64_t columns;           // whole vectors
  // Quadrants 11, 12, 21, 22 of the result, which may lie where products 1, 3, 2 and 4 do; `row` floats from row to row.
  float* to[4];
  int64_t row;
};

struct StrassenTable {
  // Of quadrants 11, 12, 21, 22 of a, `count` floats each, at blocks 2, 5, 6 and 3 of the seven that begin at `blocks`, `step`
  // floats apart: what the products 1 … 7 (blocks 0 … 6) take.
  void (*combine_a)(float* blocks, int64_t step, int64_t count);
  // The same, but blocks 0 and 1 become the sums of each row's halves, 11 + 12 and 21 + 22; the quadrants stay.
  void (*combine_rows)(float* blocks, int64_t step, int64_t count);
  // The largest magnitude among `count` floats `step` apart; infinity for infinities and NaN.
  float (*largest)(const float* x, int64_t step, int64_t count);
  // The same of a row of b: `at(quadrant)` of `width` columns each become what products 1 … 7 take, `step` floats apart.
  void (*combine_b)(const float* const quadrants[4], float* to, int64_t step, int64_t width);
  void (*sum)(const StrassenSums& sums);
};

namespace avx2 {
extern const StrassenTable kStrassen;
}
namespace avx512 {
extern const StrassenTable kStrassen;
}

}  // namespace tenon
