// Register tiles of a first layer's convolution: some output pixels times the channels of a panel, the sums in registers over
// all (input channel, tap). The stores of a tile go between the last products of its sums, so that neither waits for the other.
#pragma once

#include <cstdint>

namespace tenon {

// Where a tile begins: in floats from a run's a and c on.
struct FirstPlace {
  int64_t a;  // what the first tap of pixel 0 reads
  int64_t c;  // pixel 0
};

// Tiles of equally many pixels, (pixels + 1) / 2 of them from their place on and the others from `second` floats behind it: one
// at each sum of a row's and a column's place.
struct FirstRun {
  const float* a;
  float* c;  // [vector of the panel][pixels of the output][lanes]
  const FirstPlace *rows, *columns;
  int64_t row_count, column_count;
  int64_t second;
  int64_t step;         // floats from one pixel to the next of a half
  const int64_t* taps;  // where each (input channel, tap) is, from the first one
  int64_t depth;        // how many there are, at least one
  const float* b;       // [depth][panel's channels]
  const float* bias;    // panel's channels
  int64_t c_vector;     // floats from one vector to the next
  float low, high;      // bounds of the result
  // Input that is wanted next: for each tile, so many further cache lines of each channel; it need not be there.
  const float* ahead;
  int64_t ahead_lines, channels, channel_step;
};

// A dense copy of what a tile's taps read, with zeros where they are outside the input: [row][width].
struct FirstPatch {
  const float* x;
  const int64_t* rows;  // where rows of the input begin, from x on; kOutside for a row of zeros
  int64_t row_count;
  int64_t begin;    // first column to copy, may be outside
  int64_t columns;  // of the input
  int64_t width;    // a multiple of lanes
  float* to;
  static constexpr int64_t kOutside = INT64_MIN;
};

inline constexpr int kFirstVectors = 4, kFirstPixels = 14, kMostLanes = 16;
inline constexpr int64_t kFirstLine = 16;  // floats of a cache line

struct FirstTable {
  int64_t lanes;
  int64_t max_pixels[kFirstVectors + 1];                                  // by vectors of the panel
  void (*run[kFirstVectors + 1][kFirstPixels + 1])(const FirstRun& run);  // [vectors][pixels]
  void (*fill)(const FirstPatch& patch);
  // Of pixels that follow each other: silu, if asked for, and zeros in the lanes from `lanes` on.
  void (*finish)(float* c, int64_t pixels, int64_t lanes, bool silu);
};

namespace avx2 {
extern const FirstTable kFirst;
}
namespace avx512 {
extern const FirstTable kFirst;
}

}  // namespace tenon
