// The additions of Strassen's product (Strassen, "Gaussian elimination is not optimal", 1969), on dense vectors.
#pragma once

#include <cstdint>

namespace tenon {

// Rows of a, `rows` upper ones and below them `lower_rows`, that many or one fewer. A row's vectors of k lie in two halves,
// `depth` elements each.
struct StrassenRows {
  // Quadrants 11, 12, 21, 22: row r's k from i * lanes on is at from[q] + r * row + i * vector.
  const float* from[4];
  int64_t row, vector;
  int64_t rows, lower_rows, depth;
  int64_t first, last;  // the upper rows, each with the lower one that it meets, that a call makes
  // Seven blocks [depth / lanes][rows][lanes], `step` floats apart. The quadrants may lie where blocks 2, 5, 6 and 3 do.
  float* to;
  int64_t step;
  float* largest;  // a vector for each upper row, then for each lower one: magnitudes, NaN above infinity
};

struct StrassenSums {
  const float* products;  // seven of [rows][columns], `step` floats apart
  int64_t step;
  int64_t rows, lower_rows;  // of the upper and of the lower quadrants
  int64_t columns;           // of the left quadrants, whole vectors
  int64_t right_columns;     // of the right quadrants that are stored, as many or fewer
  // Quadrants 11, 12, 21, 22 of the result, which may lie where products 1, 3, 2 and 4 do; `row` floats from row to row, `vector`
  // from one vector of a row's columns to the next.
  float* to[4];
  int64_t row, vector;
  bool fill;  // lanes of a vector behind the right columns become zeros, else stay
  // What they are added to, or nullptr.
  const float* from[4];
  int64_t from_row, from_vector;
  // The epilogue, where it is no more: of each half's columns, of the quadrants, bounds; nullptr: none.
  const float* bias[2];
  const float* add[4];
  int64_t add_row, add_vector;
  float low, high;
  bool bounded;
};

struct StrassenTable {
  // What the products 1 … 7 take of a (blocks 0 … 6).
  void (*combine_a)(const StrassenRows& rows);
  // The quadrants in blocks 2, 5, 6 and 3, and in blocks 0 and 1 sums of each row's halves, 11 + 12 and 21 + 22; `largest` stays.
  void (*combine_rows)(const StrassenRows& rows);
  // The same of a row of b: `at(quadrant)` of `width` columns each become what products 1 … 7 take, `step` floats apart.
  void (*combine_b)(const float* const quadrants[4], float* to, int64_t step, int64_t width);
  // The results from the products; where `apart`, products 1, 3, 2 and 4 are the quadrants already.
  void (*sum)(const StrassenSums& sums, bool apart);
};

namespace avx2 {
extern const StrassenTable kStrassen;
}
namespace avx512 {
extern const StrassenTable kStrassen;
}

}  // namespace tenon
