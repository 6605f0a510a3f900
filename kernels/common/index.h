// Walking through tensors by multi-dimensional index.
#pragma once

#include <cstring>
#include <span>

#include "base/limits.h"

namespace tenon {

// Row-major strides, in elements.
inline void row_major_strides(std::span<const int64_t> dims, int64_t* strides) {
  int64_t stride = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= dims[d];
  }
}

inline int64_t product(std::span<const int64_t> dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

// Calls visit(flat, index) for every index of `dims` in row-major order; `index` points to dims.size() numbers.
template <class F>
void for_each_index(std::span<const int64_t> dims, F&& visit) {
  int64_t index[kMaxRank] = {};
  const int64_t count = product(dims);
  for (int64_t flat = 0; flat < count; ++flat) {
    visit(flat, static_cast<const int64_t*>(index));
    for (size_t d = dims.size(); d-- > 0;) {
      if (++index[d] < dims[d]) break;
      index[d] = 0;
    }
  }
}

inline void copy_element(void* dst, int64_t to, const void* src, int64_t from, size_t size) {
  std::memcpy(static_cast<char*>(dst) + to * static_cast<int64_t>(size),
              static_cast<const char*>(src) + from * static_cast<int64_t>(size), size);
}

}  // namespace tenon
