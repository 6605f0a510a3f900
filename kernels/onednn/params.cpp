#include "onednn/params.h"

#include "base/checked.h"

namespace tenon {
namespace {

std::optional<int64_t> product(std::optional<int64_t> a, int64_t b) { return a ? checked_mul(*a, b) : std::nullopt; }

}  // namespace

std::optional<int64_t> onednn_conv_bytes(OnednnConvLayout layout, int64_t block, int64_t group, int64_t rank,
                                         const int64_t* dims) {
  constexpr int64_t kMax = int64_t{1} << 40;
  if (rank < 3 || rank > 2 + kMaxSpatial || group < 1) return std::nullopt;
  for (int64_t i = 0; i < rank; ++i)
    if (dims[i] < 1 || dims[i] > kMax) return std::nullopt;
  if (dims[0] % group != 0) return std::nullopt;
  const int64_t o = dims[0] / group, c = dims[1];
  std::optional<int64_t> count;
  const bool narrow = block == 8 || block == 16;
  switch (layout) {
    case OnednnConvLayout::blocked:
      if (!narrow) return std::nullopt;
      count = product(product(group, round_up(o, block)), round_up(c, block));
      break;
    case OnednnConvLayout::panels:
      if (group != 1 || (!narrow && block != 32 && block != 48 && block != 64)) return std::nullopt;
      count = product(round_up(o, block), c);
      break;
    case OnednnConvLayout::depthwise:
      if (!narrow || o != 1 || c != 1 || (block == 8 && rank == 5)) return std::nullopt;
      count = round_up(group, block);
      break;
    default: return std::nullopt;
  }
  for (int64_t i = 2; i < rank; ++i) count = product(count, dims[i]);
  return product(count, 4);
}

std::optional<int64_t> onednn_matmul_bytes(int64_t panel, int64_t k, int64_t n) {
  constexpr int64_t kMax = int64_t{1} << 40;
  if ((panel != 16 && panel != 32 && panel != 48 && panel != 64) || k < 1 || n < 1 || k > kMax || n > kMax)
    return std::nullopt;
  return product(product(round_up(k, 16), round_up(n, panel)), 4);
}

}  // namespace tenon
