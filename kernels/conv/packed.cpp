#include "conv/packed.h"

#include <algorithm>
#include <cmath>

namespace tenon {

Status unpacked_weight(const ConvPackedParams& params, ConvLayout layout, int64_t lanes, const Arg& blob,
                       Arg& w, int64_t pair) {
  if (params.w_rank < 3 || params.w_rank > 2 + kMaxSpatial)
    return fail(Code::invalid_plan, "packed w must have had 3 to {} dims, not {}", 2 + kMaxSpatial,
                params.w_rank);
  w = Arg{};
  w.dtype = DType::f32;
  w.rank = static_cast<int32_t>(params.w_rank);
  ConvWeight c;
  for (int i = 0; i < w.rank; ++i) {
    w.dims[i] = params.w_dims[i];
    if (w.dims[i] < 0) return fail(Code::invalid_plan, "packed w has a negative dim");
    const auto taps = i < 2 ? std::optional<int64_t>(1) : checked_mul(c.taps, w.dims[i]);
    if (!taps) return fail(Code::invalid_plan, "packed w has too many taps");
    c.taps = *taps;
  }
  c.group = params.conv.group;
  const bool turned = layout == ConvLayout::transposed || layout == ConvLayout::transposed_blocked;
  if (c.group < 1 || w.dims[0] % c.group != 0)
    return fail(Code::invalid_plan, "w {} must have a first dim that is a multiple of {} groups", describe(w),
                c.group);
  c.og = turned ? w.dims[1] : w.dims[0] / c.group;
  c.cg = turned ? w.dims[0] / c.group : w.dims[1];
  if (layout == ConvLayout::depthwise && (c.og != 1 || c.cg != 1))
    return fail(Code::invalid_plan, "a depthwise w must have one channel a group, it is {}", describe(w));
  const auto bytes = conv_packed_bytes(layout, c, lanes, pair);
  if (!bytes) return fail(Code::invalid_plan, "packed w {} is empty or too large", describe(w));
  TN_TRY(expect_type(blob, DType::u8, "packed w"));
  TN_TRY(expect_format(blob, kLinear, "packed w"));
  return expect_shape(blob, {&*bytes, 1}, "packed w");
}

bool BlockedEpilogue::bounded() const { return add_clamp.low != -HUGE_VALF || add_clamp.high != HUGE_VALF; }

void BlockedEpilogue::finish(MicroTile& tile, const float* full) const {
  if (!in_registers) return;
  tile.low = add_clamp.low;
  tile.high = add_clamp.high;
  tile.bounded = bounded();
  tile.silu = silu;
  if (!full) return;
  tile.add = full;
  tile.add_row = tile.c_row, tile.add_jump = tile.c_jump, tile.add_vector = tile.c_vector;
}

Status blocked_epilogue(const Program& program, std::span<const Arg> extras, const Arg& out, bool has_bias,
                        BlockedEpilogue& e) {
  TN_TRY(check_epilogue(program, DType::f32, extras, out));
  TN_TRY(expect_type(out, DType::f32, "output"));
  for (size_t i = 0; i < extras.size(); ++i)
    TN_TRY(place_operand(extras[i], out, "extra operand", e.extra[i]));
  e.silu = match_add_silu(program, e.add_clamp);
  e.in_registers = e.silu || match_add_clamp(program, e.add_clamp);
  for (int i = 0; e.in_registers && i < e.add_clamp.adds; ++i) {
    const int which = e.add_clamp.extra[i];
    const BlockedOperand& extra = e.extra[which];
    if (extra.full && e.add < 0)
      e.add = which;
    else if (!extra.full && extra.channel_step == 1 && extra.item_step == 0 && !has_bias && e.bias < 0 &&
             e.add < 0)
      e.bias = which;
    else
      e.in_registers = false;
  }
  if (!e.in_registers) e.leave_registers();
  return {};
}

Status blocked_convolution(const PrepareCall& call, Format format, ConvLayout layout, int64_t lanes, int64_t pair, ConvGeometry& geometry,
                           BlockedEpilogue& epilogue) {
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  const auto& params = call.as<ConvPackedParams>();
  TN_TRY(expect_cache(params.cache));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_format(x, format, "x"));
  TN_TRY(expect_format(out, blocked(static_cast<uint8_t>(lanes)), "output"));
  Arg w;
  TN_TRY(unpacked_weight(params, layout, lanes, call.inputs[1], w, pair));
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  TN_TRY(conv_geometry(params.conv, x, w, bias, out, layout == ConvLayout::transposed_blocked, geometry));
  const auto extras = call.inputs.subspan(std::min<size_t>(3, call.inputs.size()));
  return blocked_epilogue(params.conv.epilogue, extras, out, bias.present(), epilogue);
}

void run_blocked_program(const BlockedEpilogue& epilogue, const Program& program, std::span<const Arg> inputs,
                         const Arg& out, int64_t item, int64_t channel, int64_t pixel, int64_t rows,
                         int64_t pixels, TileFunction tile, void* scratch) {
  const int64_t lanes = out.format.block, channels = out.dims[1];
  const int64_t at = ((item * ceil_div(channels, lanes) + channel / lanes) * pixels + pixel) * lanes;
  const BlockOfPixels block{out.as<float>() + at, rows, lanes, item, channel, channels, at};
  run_blocked_program(epilogue, program, inputs.subspan(std::min<size_t>(3, inputs.size())), block, tile, scratch);
}

void run_blocked_program(const BlockedEpilogue& epilogue, const Program& program, std::span<const Arg> extras,
                         const BlockOfPixels& block, TileFunction tile, void* scratch) {
  const int64_t lanes = block.lanes, columns = std::min(lanes, block.channels - block.channel);
  TileOperand operands[kMaxProgramInputs];
  operands[0] = {block.data, lanes, 1};
  bool flat = columns == lanes;
  for (int i = 1; i < program.inputs; ++i) {
    const BlockedOperand& extra = epilogue.extra[i - 1];
    operands[i] = tile_operand(extra, extras[static_cast<size_t>(i) - 1], block.item, block.channel, block.at, lanes);
    flat &= extra.full || extra.channel_step == 0;
  }
  // Where every operand is dense or one value, the rows are one.
  if (flat)
    tile(program, operands, 1, block.rows * lanes, block.data, block.rows * lanes, scratch);
  else
    tile(program, operands, block.rows, columns, block.data, lanes, scratch);
}

}  // namespace tenon
