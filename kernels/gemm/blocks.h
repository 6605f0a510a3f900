// How a product's rows, taken block by block, and k, taken part by part, are divided among threads.
#pragma once

#include "base/team.h"

namespace tenon {

struct BlockLoop {
  int64_t blocks, panels;  // of all rows; of b's columns
  int64_t parts;           // of k, one after the other: meanwhile sums wait in memory that all threads see
  bool together = false;   // the threads make a block, and then multiply it by some of the panels each (shares_blocks)
};

// worker(member) gives what works on a block at a time:
//   begin(block, part)
//   make()           what of a's rows is multiplied, all by itself
//   join()           instead, where it is made together
//   multiply(panel)
// make_together(block, part) makes a block with all threads. Which thread multiplies which panel depends on timing.
template <class F, class G>
void run_blocks(Team& team, const BlockLoop& loop, F&& worker, G&& make_together) {
  constexpr int64_t kManyBlocks = 8;  // for each thread
  if (loop.together) {
    for (int64_t block = 0; block < loop.blocks; ++block)
      for (int64_t part = 0; part < loop.parts; ++part) {
        make_together(block, part);
        team.parallel_items(loop.panels, [&](Team::Items& panels, int member) {
          auto one = worker(member);
          one.begin(block, part);
          one.join();
          for (int64_t panel; panels.next(panel);) one.multiply(panel);
        });
      }
    return;
  }
  if (loop.blocks >= kManyBlocks * team.size()) {
    team.parallel_items(loop.blocks, [&](Team::Items& blocks, int member) {
      auto one = worker(member);
      for (int64_t block; blocks.next(block);)
        for (int64_t part = 0; part < loop.parts; ++part) {
          one.begin(block, part);
          one.make();
          for (int64_t panel = 0; panel < loop.panels; ++panel) one.multiply(panel);
        }
    });
    return;
  }
  for (int64_t part = 0; part < loop.parts; ++part)
    team.parallel_items(loop.blocks * loop.panels, [&](Team::Items& items, int member) {
      auto one = worker(member);
      int64_t made = -1;
      for (int64_t item; items.next(item);) {
        const int64_t block = item / loop.panels;
        if (block != made) {
          one.begin(block, part);
          one.make();
          made = block;
        }
        one.multiply(item % loop.panels);
      }
    });
}

}  // namespace tenon
