// Copies between two strided views of memory: what transposes, slices, expansions and concatenations come down to.
#pragma once

#include "common/kernel.h"
#include "move/transpose_tile.h"

namespace tenon {

// Element (i…) goes from src[src_offset + Σ i_d * src_stride[d]] to dst[dst_offset + Σ i_d * dst_stride[d]]. Strides
// and offsets in elements; source strides may be 0 or negative; destinations are distinct.
struct StridedCopy {
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t src_stride[kMaxRank] = {};
  int64_t dst_stride[kMaxRank] = {};
  int64_t src_offset = 0, dst_offset = 0;
  int64_t element = 4;  // bytes

  // Merges dims that lie together and decides how to walk. Call once, before run.
  void plan();
  void run(const void* src, void* dst, Team& team) const;

 private:
  enum class Kind : uint8_t { rows, fill, tiles, elements };
  void widen();
  void copy_unit(const char* src, char* dst, int64_t part) const;

  Kind kind_ = Kind::elements;
  int inner_ = 0;          // dims that a unit covers, at the end
  int64_t parts_ = 1;      // units that the inner dims are cut into
  int64_t part_ = 0;       // extent of such a part: bytes of a row, columns of a tile
  TransposeTile tile_ = nullptr;
};

}  // namespace tenon
