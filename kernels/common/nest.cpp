#include "common/nest.h"

#include <algorithm>

#include "common/epilogue.h"

namespace tenon {

Status make_nest(std::span<const Arg> operands, const Arg& output, TileNest& out) {
  out = {};
  out.rank = output.rank;
  out.operands = static_cast<int>(operands.size());
  int64_t step = 1;
  for (int i = output.rank - 1; i >= 0; --i) {
    out.dims[i] = output.dims[i];
    out.dst_step[i] = step;
    step *= output.dims[i];
  }
  for (size_t k = 0; k < operands.size(); ++k) {
    BroadcastStrides strides;
    TN_TRY(broadcast_strides(operands[k], output.shape(), "operand", strides));
    std::copy_n(strides.at, kMaxRank, out.step[k]);
  }
  simplify(out);
  return {};
}

void simplify(TileNest& nest) {
  int kept = 0;
  auto move = [&](int from, int to) {
    nest.dims[to] = nest.dims[from];
    nest.dst_step[to] = nest.dst_step[from];
    for (int k = 0; k < nest.operands; ++k) nest.step[k][to] = nest.step[k][from];
  };
  for (int i = 0; i < nest.rank; ++i) {
    if (nest.dims[i] == 1) continue;
    bool merges = kept > 0 && nest.dst_step[kept - 1] == nest.dims[i] * nest.dst_step[i];
    for (int k = 0; merges && k < nest.operands; ++k)
      merges = nest.step[k][kept - 1] == nest.dims[i] * nest.step[k][i];
    if (merges) {
      int64_t outer = nest.dims[kept - 1];
      move(i, kept - 1);
      nest.dims[kept - 1] *= outer;
    } else {
      move(i, kept++);
    }
  }
  nest.rank = kept;
}

void run_nest(const TileNest& nest, TileFunction tile, const Program& program, const void* const* operands, void* dst,
              int64_t begin, int64_t end, void* scratch) {
  const int last = nest.rank - 1, second = nest.rank - 2;
  const int64_t cols = last >= 0 ? nest.dims[last] : 1, rows = second >= 0 ? nest.dims[second] : 1;
  TileOperand tiles[kMaxProgramInputs];
  int64_t sizes[kMaxProgramInputs];
  for (int k = 0; k < nest.operands; ++k) {
    sizes[k] = static_cast<int64_t>(size_of(program.input_type[k]));
    tiles[k].row_stride = second >= 0 ? nest.step[k][second] : 0;
    tiles[k].col_stride = last >= 0 ? nest.step[k][last] : 0;
  }
  const auto dst_size = static_cast<int64_t>(size_of(program.result_type()));
  while (begin < end) {
    // A part of one row, or whole rows of one tile.
    int64_t col = begin % cols, row = begin / cols % rows, left = end - begin;
    bool part = col != 0 || left < cols;
    int64_t tile_rows = part ? 1 : std::min(left / cols, rows - row);
    int64_t tile_cols = part ? std::min(left, cols - col) : cols;
    int64_t index[kNestRank] = {};
    int64_t rest = begin;
    for (int i = last; i >= 0; --i) {
      index[i] = rest % nest.dims[i];
      rest /= nest.dims[i];
    }
    int64_t dst_at = 0;
    for (int i = 0; i <= last; ++i) dst_at += index[i] * nest.dst_step[i];
    for (int k = 0; k < nest.operands; ++k) {
      int64_t at = 0;
      for (int i = 0; i <= last; ++i) at += index[i] * nest.step[k][i];
      tiles[k].data = static_cast<const std::byte*>(operands[k]) + at * sizes[k];
    }
    tile(program, tiles, tile_rows, tile_cols, static_cast<std::byte*>(dst) + dst_at * dst_size,
         second >= 0 ? nest.dst_step[second] : 0, scratch);
    begin += tile_rows * tile_cols;
  }
}

}  // namespace tenon
