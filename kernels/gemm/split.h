// How extents are cut into parts of nearly equal size.
#pragma once

#include <cstdint>

namespace tenon {

// `total` cut into the fewest parts of at most `most` each, equal to within one, larger ones first.
struct Split {
  int64_t total, parts;
  Split(int64_t all, int64_t most) : total(all), parts((all + most - 1) / most) {}
  int64_t begin(int64_t part) const {
    const int64_t rest = total % parts;
    return part * (total / parts) + (part < rest ? part : rest);
  }
  int64_t size(int64_t part) const { return begin(part + 1) - begin(part); }
};

// Whether threads may make and multiply one block of rows after the other together, each some of its rows and then some of b's
// panels: where there are too few blocks for each to have its own, and enough panels for all. Whether that is quicker than that each
// makes what it multiplies depends on how quickly a processor reads what another one wrote.
inline bool shares_blocks(int64_t blocks, int64_t panels, int64_t threads) {
  constexpr int64_t kBlocksOfThread = 4, kPanelsOfThread = 3;
  return threads > 1 && blocks % threads != 0 && blocks < kBlocksOfThread * threads && panels >= kPanelsOfThread * threads;
}

}  // namespace tenon
