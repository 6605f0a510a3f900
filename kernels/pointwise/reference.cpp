// The reference of pointwise: a row of the output at a time, operands addressed by index arithmetic, in one thread.
#include "common/tile.h"
#include "pointwise/check.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared& out) {
  TN_TRY(check_pointwise(call));
  for (const Arg& in : call.inputs) TN_TRY(expect_format(in, kLinear, "operand"));
  TN_TRY(expect_format(call.outputs[0], kLinear, "output"));
  out.scratch_bytes = kTileScratchBytes;
  return {};
}

// The element of `in` that belongs to element `index` of a linear tensor of `out`'s dims.
int64_t element_of(const Arg& in, const Arg& out, int64_t index) {
  int64_t at = 0, step = 1;
  for (int i = out.rank - 1, j = in.rank - 1; j >= 0; --i, --j) {
    int64_t position = index % out.dims[i];
    index /= out.dims[i];
    if (in.dims[j] != 1) at += position * step;
    step *= in.dims[j];
  }
  return at;
}

Status launch(const LaunchCall& call) {
  const Program& program = call.as<PointwiseParams>().program;
  const Arg& out = call.outputs[0];
  const int64_t cols = out.rank ? out.dims[out.rank - 1] : 1;
  TileFunction tile = tile_function(0);
  for (int64_t at = 0, count = out.count(); at < count; at += cols) {
    TileOperand operands[kMaxProgramInputs];
    for (size_t k = 0; k < call.inputs.size(); ++k) {
      const Arg& in = call.inputs[k];
      operands[k].data = in.as<std::byte>() + element_of(in, out, at) * static_cast<int64_t>(size_of(in.dtype));
      operands[k].col_stride = in.rank && in.dims[in.rank - 1] != 1 ? 1 : 0;
    }
    tile(program, operands, 1, cols, out.as<std::byte>() + at * static_cast<int64_t>(size_of(out.dtype)), cols,
         call.scratch);
  }
  return {};
}

}  // namespace

extern const Kernel kPointwiseReference = {"pointwise.reference", sizeof(PointwiseParams), 0, 0xffff, prepare, launch};

}  // namespace tenon
