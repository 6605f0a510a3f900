#include "matmul/strassen_block.h"

namespace tenon {

StrassenCut strassen_cut(int64_t m, int64_t n, int64_t k, int64_t vectors, int64_t cache, const MicroTable& table) {
  StrassenCut s;
  s.vectors = vectors;
  s.width = vectors * table.lanes;
  s.half = strassen_half(n, table.lanes);
  s.panels = ceil_div(s.half, s.width);
  s.max_rows = table.max_rows[vectors];
  s.slabs = strassen_slabs(k, table.lanes);
  const int64_t depth = s.slabs.size(0) * table.lanes;
  const int64_t most = std::max(strassen_rows_at_once(k, table.lanes, cache), 2 * s.max_rows);
  const Split split(m, most);
  s.row_blocks = split.parts;
  s.block_rows = split.size(0);
  s.few = s.block_rows <= kFewStrassenRows;
  for (int fewer = 0; fewer < 2; ++fewer)
    for (int last = 0; last < 2; ++last) {
      const int64_t rows = s.upper(s.block_rows) - fewer, columns = s.columns_of(last ? s.panels - 1 : 0);
      for (int64_t at = 0; at < depth; at += table.lanes) s.blocks[fewer][last].push_back({at * rows, at * columns, table.lanes});
    }
  // Not a multiple of 4 KiB: the seven do not share the cache's sets.
  s.a_step = round_up(s.upper(s.block_rows) * depth * 4, 4096) / 4 + 80;
  s.product_step = s.upper(s.block_rows) * s.width + 16;
  s.largest_floats = 2 * s.upper(s.block_rows) * table.lanes;
  return s;
}

StrassenTeam strassen_team(const StrassenCut& cut, int64_t batches, int64_t own_bytes, int threads, bool together) {
  StrassenTeam out;
  out.threads = threads;
  out.shared = together && !cut.few && shares_blocks(batches * cut.row_blocks, cut.panels, threads);
  out.packed_bytes = round_up(cut.packed_floats() * 4, 64);
  out.own_bytes = round_up(cut.product_floats() * 4, 64) + round_up(own_bytes, 64);
  return out;
}

}  // namespace tenon
