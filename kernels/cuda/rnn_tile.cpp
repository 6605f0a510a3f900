#include <algorithm>

#include "cuda/rnn_params.h"

namespace tenon {
namespace {

constexpr int64_t kMostWarps = 16, kMostHeld = 8;

int64_t parts_of(int64_t fragments, int64_t warps) {
  return fragments <= warps && warps % (warps / fragments) == 0 ? warps / fragments : 1;
}

}  // namespace

// As device/rnn.cuh has it.
CudaRnnTile rnn_tile(const RnnParams& params, int64_t size, int64_t rows, int64_t blocks, int64_t shared_memory) {
  CudaRnnTile out;
  out.units = rnn_units(params.hidden, blocks);
  const int64_t gates = rnn_gates(params.kind);
  const bool two = rnn_phases(params) == 2;
  const int64_t fragments = (two ? 2 : gates) * out.units / 16, rounds = (fragments + kMostWarps - 1) / kMostWarps;
  out.warps = rounds > 1 ? (fragments + rounds - 1) / rounds : fragments * std::max<int64_t>(1, 8 / fragments);
  auto sums = [&](int64_t count) {
    return parts_of(count * out.units / 16, out.warps) * rows * (count * out.units + 4) * 4;
  };
  const int64_t sum_bytes = two ? std::max(sums(2), sums(1)) : sums(gates);
  out.shared_bytes = sum_bytes;
  if (blocks == 0) return out;
  const int64_t chunks = (params.hidden * size + 63) / 64;
  auto total = [&](int64_t held) {
    return gates * out.units * ((chunks - held) | 1) * 64 + (two ? 3 : 2) * rows * (chunks | 1) * 64 + sum_bytes;
  };
  const bool may_hold = !two && rounds == 1 && fragments == out.warps;
  while (may_hold && out.held < std::min(kMostHeld, chunks) && total(out.held) > shared_memory) ++out.held;
  if (total(out.held) > shared_memory) out.held = 0;
  out.shared_bytes = total(out.held);
  return out;
}

}  // namespace tenon
