// Kernels that compute numbers from each row of a tensor and then every element of the row: softmax, normalisations.
#pragma once

#include "base/program.h"
#include "cuda/generate/operand.h"

namespace tenon::cuda {

enum RowGroup { row_loops = 0, column_loops = 1 };

struct RowPlan {
  Space space;                  // loops of row_loops first
  std::string entry;
  DType type = DType::f32;      // of x
  std::vector<Operand> own;     // what the prologue makes x of
  Program prologue;
  std::vector<Operand> vectors; // what `value` takes beside x: named s0, s1 …
  std::vector<Operand> extras;  // of the epilogue
  Program epilogue;
  Operand out;
  std::vector<std::string> declarations;  // of further outputs
  // Lines that compute the row's numbers. They may call each(f), f(V& x) for every element of a thread (where HELD, what
  // it writes is what `value` sees), TEAM(Op, v), and use `n`, the row's length as V, `lane`, `active`, `row`.
  std::string statistics;
  // An expression of V x and the vectors s0 …, what the epilogue takes.
  std::string value;
  // Rows that are divided over several blocks (blockIdx.y): a launch that only has statistics, of `part_length` columns
  // from `begin` on, then one that writes. Both see `begin`, `end`, `part` and, in place of n, the columns of the part.
  enum Phase : uint8_t { whole, statistics_of_part, write_part } phase = whole;
  int64_t parts = 1, part_length = 0;
};

// Into how many parts rows should be divided to fill a device, 1 for none; they have `part_length` columns.
int64_t parts_of(const RowPlan& plan, int64_t& part_length);

// Declares the plan's tensors in the order of the call's inputs: `own` first, then those of `vectors` that are present at
// `vector_inputs`, then the extras from input `first_extra` on.
Status add_rows(Session& session, const RowPlan& plan, const std::vector<size_t>& vector_inputs, size_t first_extra,
                const std::vector<std::pair<std::string, size_t>>& statistics_outputs, LaunchState& state);

}  // namespace tenon::cuda
