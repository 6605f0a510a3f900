#include "move/strided.h"

#include <algorithm>

namespace tenon {

namespace {

constexpr int64_t kSerialBytes = 32 << 10;  // below this a loop over threads costs more than it saves
constexpr int64_t kPartBytes = 64 << 10;    // long rows are cut into parts of about this size
constexpr int64_t kTileCols = 64;

template <class T>
void transpose_plain(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t rows, int64_t cols) {
  constexpr int64_t kBlock = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock)
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock)
      for (int64_t c = c0; c < std::min(c0 + kBlock, cols); ++c)
        for (int64_t r = r0; r < std::min(r0 + kBlock, rows); ++r)
          dst[c * dst_stride + r] = src[r * src_stride + c];
}

// An element that may lie at any address.
template <size_t size>
struct Element {
  std::byte bytes[size];
};

// Calls f with an element of that many bytes.
template <class F>
void with_size(int64_t bytes, F&& f) {
  switch (bytes) {
    case 1: f(Element<1>{}); break;
    case 2: f(Element<2>{}); break;
    case 4: f(Element<4>{}); break;
    case 8: f(Element<8>{}); break;
    default: f(Element<16>{}); break;
  }
}

void transpose_plain4(const void* src, int64_t src_stride, void* dst, int64_t dst_stride, int64_t rows, int64_t cols) {
  transpose_plain(static_cast<const Element<4>*>(src), src_stride, static_cast<Element<4>*>(dst), dst_stride, rows, cols);
}

}  // namespace

TransposeTile transpose_tile(uint32_t cpu_features) {
  if (cpu_features & kAvx2) return avx2::transpose_tile;
  return transpose_plain4;
}

// A last dim that is dense on both sides and short makes one wider element.
void StridedCopy::widen() {
  while (rank > 1 && src_stride[rank - 1] == 1 && dst_stride[rank - 1] == 1) {
    const int64_t n = dims[rank - 1], bytes = n * element;
    if (n < 2 || bytes > 16 || (bytes & (bytes - 1)) != 0 || src_offset % n != 0 || dst_offset % n != 0) return;
    for (int d = 0; d + 1 < rank; ++d)
      if (src_stride[d] % n != 0 || dst_stride[d] % n != 0) return;
    for (int d = 0; d + 1 < rank; ++d) src_stride[d] /= n, dst_stride[d] /= n;
    src_offset /= n, dst_offset /= n;
    element = bytes;
    --rank;
  }
}

void StridedCopy::plan() {
  int kept = 0;
  for (int d = 0; d < rank; ++d) {
    if (dims[d] == 1) continue;
    const bool joins = kept > 0 && src_stride[kept - 1] == src_stride[d] * dims[d] &&
                       dst_stride[kept - 1] == dst_stride[d] * dims[d];
    const int at = joins ? kept - 1 : kept++;
    dims[at] = joins ? dims[at] * dims[d] : dims[d];
    src_stride[at] = src_stride[d];
    dst_stride[at] = dst_stride[d];
  }
  rank = kept;
  if (rank == 0) {
    rank = 1;
    dims[0] = src_stride[0] = dst_stride[0] = 1;
  }
  if (std::any_of(dims, dims + rank, [](int64_t n) { return n == 0; })) return;
  widen();
  const int last = rank - 1;
  const bool dense = dst_stride[last] == 1;
  inner_ = 1;
  if (dense && src_stride[last] == 1) {
    kind_ = Kind::rows;
    const int64_t bytes = dims[last] * element;
    parts_ = std::max<int64_t>(1, bytes / kPartBytes);
    part_ = (bytes + parts_ - 1) / parts_;
    return;
  }
  if (dense && src_stride[last] == 0) {
    kind_ = Kind::fill;
    return;
  }
  // The dim along which the source is dense goes next to the last one: together they are a matrix to transpose.
  int other = last;
  for (int d = 0; d < last; ++d)
    if (src_stride[d] == 1 && dims[d] >= 4) other = d;
  if (dense && other != last && dims[last] >= 4) {
    kind_ = Kind::tiles;
    inner_ = 2;
    tile_ = transpose_tile(cpu_features());
    for (int d = other; d + 1 < last; ++d) {
      std::swap(dims[d], dims[d + 1]);
      std::swap(src_stride[d], src_stride[d + 1]);
      std::swap(dst_stride[d], dst_stride[d + 1]);
    }
    parts_ = (dims[last - 1] + kTileCols - 1) / kTileCols;
    part_ = kTileCols;
    return;
  }
  kind_ = Kind::elements;
}

void StridedCopy::copy_unit(const char* src, char* dst, int64_t part) const {
  const int last = rank - 1;
  if (kind_ == Kind::rows) {
    const int64_t begin = part * part_, bytes = std::min(part_, dims[last] * element - begin);
    if (bytes > 0) std::memcpy(dst + begin, src + begin, static_cast<size_t>(bytes));
    return;
  }
  if (kind_ == Kind::tiles) {
    const int64_t col = part * part_, cols = std::min(part_, dims[last - 1] - col), to = dst_stride[last - 1];
    src += col * element;
    dst += col * to * element;
    if (element == 4) {
      tile_(src, src_stride[last], dst, to, dims[last], cols);
      return;
    }
    with_size(element, [&](auto type) {
      using T = decltype(type);
      transpose_plain(reinterpret_cast<const T*>(src), src_stride[last], reinterpret_cast<T*>(dst), to, dims[last], cols);
    });
    return;
  }
  with_size(element, [&](auto type) {
    using T = decltype(type);
    const T* from = reinterpret_cast<const T*>(src);
    T* to = reinterpret_cast<T*>(dst);
    const int64_t n = dims[last], by = src_stride[last], step = dst_stride[last];
    if (kind_ == Kind::fill) {
      std::fill_n(to, n, *from);
    } else {
      for (int64_t i = 0; i < n; ++i) to[i * step] = from[i * by];
    }
  });
}

void StridedCopy::run(const void* src, void* dst, Team& team) const {
  int64_t outer = 1, count = 1;
  for (int d = 0; d < rank; ++d) {
    count *= dims[d];
    if (d < rank - inner_) outer *= dims[d];
  }
  if (count == 0) return;
  const char* from = static_cast<const char*>(src) + src_offset * element;
  char* to = static_cast<char*>(dst) + dst_offset * element;
  auto body = [&](int64_t begin, int64_t end, int) {
    if (begin >= end) return;
    int64_t part = begin % parts_, rest = begin / parts_, index[kMaxRank] = {}, src_at = 0, dst_at = 0;
    for (int d = rank - inner_; d-- > 0;) {
      index[d] = rest % dims[d];
      rest /= dims[d];
      src_at += index[d] * src_stride[d];
      dst_at += index[d] * dst_stride[d];
    }
    for (int64_t unit = begin; unit < end; ++unit) {
      copy_unit(from + src_at * element, to + dst_at * element, part);
      if (++part < parts_) continue;
      part = 0;
      for (int d = rank - inner_; d-- > 0;) {
        src_at += src_stride[d];
        dst_at += dst_stride[d];
        if (++index[d] < dims[d]) break;
        src_at -= dims[d] * src_stride[d];
        dst_at -= dims[d] * dst_stride[d];
        index[d] = 0;
      }
    }
  };
  const int64_t units = outer * parts_;
  if (count * element < kSerialBytes || units == 1) body(0, units, 0);
  else team.parallel_for(units, body);
}

}  // namespace tenon
