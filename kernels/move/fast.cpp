// transpose, slice, expand, concat and pad as copies of whole rows and tiles.
#include <algorithm>
#include <vector>

#include "common/index.h"
#include "move/check.h"
#include "move/strided.h"

namespace tenon {
namespace {

struct CopyState : KernelState {
  StridedCopy copy;
};

StridedCopy into(const Arg& out) {
  StridedCopy copy;
  copy.rank = out.rank;
  copy.element = static_cast<int64_t>(size_of(out.dtype));
  std::copy_n(out.dims, out.rank, copy.dims);
  row_major_strides(out.shape(), copy.dst_stride);
  return copy;
}

Status keep(StridedCopy copy, Prepared& out) {
  auto state = std::make_unique<CopyState>();
  copy.plan();
  state->copy = copy;
  out.state = std::move(state);
  return {};
}

Status launch_copy(const LaunchCall& call) {
  static_cast<const CopyState*>(call.state)->copy.run(call.inputs[0].data, call.outputs[0].data, *call.team);
  return {};
}

Status prepare_transpose(const PrepareCall& call, Prepared& out) {
  TN_TRY(move::check_transpose(call));
  StridedCopy copy = into(call.outputs[0]);
  int64_t strides[kMaxRank];
  row_major_strides(call.inputs[0].shape(), strides);
  for (int d = 0; d < copy.rank; ++d) copy.src_stride[d] = strides[call.as<TransposeParams>().perm[d]];
  return keep(copy, out);
}

Status prepare_slice(const PrepareCall& call, Prepared& out) {
  TN_TRY(move::check_slice(call));
  StridedCopy copy = into(call.outputs[0]);
  if (call.outputs[0].count() == 0) return keep(copy, out);
  int64_t strides[kMaxRank];
  row_major_strides(call.inputs[0].shape(), strides);
  const auto& params = call.as<SliceParams>();
  for (int d = 0; d < copy.rank; ++d) {
    // A step of a dim of one element is never taken, and may be too large to multiply.
    copy.src_stride[d] = copy.dims[d] == 1 ? 0 : params.steps[d] * strides[d];
    copy.src_offset += params.starts[d] * strides[d];
  }
  return keep(copy, out);
}

Status prepare_expand(const PrepareCall& call, Prepared& out) {
  TN_TRY(move::check_expand(call));
  const Arg& x = call.inputs[0];
  StridedCopy copy = into(call.outputs[0]);
  int64_t strides[kMaxRank];
  row_major_strides(x.shape(), strides);
  const int lead = copy.rank - x.rank;
  for (int d = 0; d < x.rank; ++d) copy.src_stride[lead + d] = x.dims[d] == 1 ? 0 : strides[d];
  return keep(copy, out);
}

// Input i is `outer` rows of row[i] bytes; the output's rows are all of them in turn.
struct ConcatState : KernelState {
  int64_t outer = 1;
  std::vector<int64_t> row, at;
  int64_t out_row = 0;
};

Status prepare_concat(const PrepareCall& call, Prepared& out) {
  TN_TRY(move::check_concat(call));
  const Arg& y = call.outputs[0];
  const auto axis = static_cast<int>(call.as<ConcatParams>().axis);
  auto state = std::make_unique<ConcatState>();
  // Of dims that come before the axis in memory: the block of a blocked format comes last, channels of channels_last
  // too.
  const bool channels_last = y.format.layout == Layout::channels_last;
  for (int d = 0; d < y.rank; ++d) {
    const bool before = channels_last ? (axis == 1 ? d != 1 : d != 1 && d < axis) : d < axis;
    if (!before) continue;
    const bool in_blocks = d == 1 && y.format.layout == Layout::blocked;
    state->outer *= in_blocks ? (y.dims[1] + y.format.block - 1) / y.format.block : y.dims[d];
  }
  for (const Arg& x : call.inputs) {
    state->at.push_back(state->out_row);
    state->row.push_back(state->outer == 0 ? 0 : storage_bytes(x) / state->outer);
    state->out_row += state->row.back();
  }
  out.state = std::move(state);
  return {};
}

Status launch_concat(const LaunchCall& call) {
  const auto& state = *static_cast<const ConcatState*>(call.state);
  char* out = call.outputs[0].as<char>();
  const int64_t bytes = state.outer * state.out_row;
  auto rows = [&](int64_t begin, int64_t end, int) {
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      const int64_t row = state.row[i];
      if (row == 0) continue;
      for (int64_t o = begin; o < end; ++o)
        std::memcpy(out + o * state.out_row + state.at[i], call.inputs[i].as<const char>() + o * row,
                    static_cast<size_t>(row));
    }
  };
  if (bytes < 32 << 10 || call.team->size() == 1) {
    rows(0, state.outer, 0);
  } else if (state.outer >= 4 * call.team->size()) {
    call.team->parallel_for(state.outer, rows);
  } else {
    // Few long rows: each part is cut lengthwise.
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      StridedCopy copy;
      copy.rank = 2;
      copy.element = 1;
      copy.dims[0] = state.outer;
      copy.dims[1] = copy.src_stride[0] = state.row[i];
      copy.dst_stride[0] = state.out_row;
      copy.src_stride[1] = copy.dst_stride[1] = 1;
      copy.dst_offset = state.at[i];
      copy.plan();
      copy.run(call.inputs[i].data, out, *call.team);
    }
  }
  return {};
}

}  // namespace

extern const Kernel kTransposeStrided = with_texts({"transpose.strided", sizeof(TransposeParams), 0, 0, prepare_transpose, launch_copy});
extern const Kernel kSliceStrided = with_texts({"slice.strided", sizeof(SliceParams), 0, 0, prepare_slice, launch_copy});
extern const Kernel kExpandStrided = with_texts({"expand.strided", 0, 0, 0, prepare_expand, launch_copy});
extern const Kernel kConcatRows = with_texts({"concat.rows", sizeof(ConcatParams), 0, 0, prepare_concat, launch_concat});

}  // namespace tenon
