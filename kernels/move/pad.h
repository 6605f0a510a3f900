// Where the elements of a padded dim come from.
#pragma once

#include "move/params.h"

namespace tenon::move {

// The element of a dim of n elements that stands at position i of the padded one; -1: the pad value.
inline int64_t padded_source(PadMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case PadMode::constant: return -1;
    case PadMode::edge: return i < 0 ? 0 : n - 1;
    case PadMode::wrap: return (i % n + n) % n;
    case PadMode::reflect: break;
  }
  if (n == 1) return 0;
  int64_t period = 2 * (n - 1);
  int64_t phase = (i % period + period) % period;
  return phase < n ? phase : period - phase;
}

}  // namespace tenon::move
