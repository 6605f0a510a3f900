#include "cuda/gemm_problem.h"

#include <algorithm>

#include "conv/geometry.h"
#include "cuda/gemm_params.h"

namespace tenon::cuda {
namespace {

using Steps = MatmulGeometry::Steps;

void remove_batch(MatmulGeometry& g, size_t extras, int at) {
  auto drop = [&](Steps& s) {
    for (int i = at; i + 1 < g.batch_rank; ++i) s.batch[i] = s.batch[i + 1];
  };
  drop(g.a);
  drop(g.b);
  drop(g.out);
  for (size_t e = 0; e < extras; ++e) drop(g.extra[e]);
  for (int i = at; i + 1 < g.batch_rank; ++i) g.batch[i] = g.batch[i + 1];
  --g.batch_rank;
}

// Batch dims at and at + 1 as one, where every operand walks them so.
bool merge_batch(MatmulGeometry& g, size_t extras, int at) {
  const int64_t inner = g.batch[at + 1];
  auto fits = [&](const Steps& s) { return s.batch[at] == s.batch[at + 1] * inner; };
  if (!fits(g.a) || !fits(g.b) || !fits(g.out) || !std::all_of(g.extra, g.extra + extras, fits)) return false;
  g.batch[at + 1] *= g.batch[at];
  remove_batch(g, extras, at);
  return true;
}

// The innermost batch dim as part of M, where b repeats along it.
bool merge_rows(MatmulGeometry& g, size_t extras) {
  const int at = g.batch_rank - 1;
  auto fits = [&](const Steps& s) { return g.m == 1 || s.batch[at] == s.row * g.m; };
  if (g.b.batch[at] != 0 || !fits(g.a) || !fits(g.out) || !std::all_of(g.extra, g.extra + extras, fits)) return false;
  if (g.m == 1) {
    g.a.row = g.a.batch[at];
    g.out.row = g.out.batch[at];
    for (size_t e = 0; e < extras; ++e) g.extra[e].row = g.extra[e].batch[at];
  }
  g.m *= g.batch[at];
  remove_batch(g, extras, at);
  return true;
}

}  // namespace

Arg widened(Arg arg) {
  if (arg.dtype == DType::f16 || arg.dtype == DType::bf16) arg.dtype = DType::f32;
  return arg;
}

std::vector<Arg> widened(std::span<const Arg> args) {
  std::vector<Arg> out;
  for (const Arg& arg : args) out.push_back(widened(arg));
  return out;
}

void reduce(MatmulGeometry& g, size_t extras) {
  if (g.batch_count == 0 || g.m == 0 || g.n == 0) return;
  for (int i = g.batch_rank - 1; i >= 0; --i)
    if (g.batch[i] == 1) remove_batch(g, extras, i);
  for (int i = g.batch_rank - 2; i >= 0; --i) merge_batch(g, extras, i);
  while (g.batch_rank > 0 && merge_rows(g, extras)) {
  }
  g.batch_count = 1;
  for (int i = 0; i < g.batch_rank; ++i) g.batch_count *= g.batch[i];
}

Status gemm_of_matmul(const PrepareCall& call, const MatmulParams& params, MatmulGeometry& out) {
  TN_TRY(expect_counts(call, 2, 1 + kMaxProgramInputs, 1));
  const std::vector<Arg> inputs = widened(call.inputs);
  MatmulParams wide = params;
  wide.epilogue = widened(params.epilogue);
  const auto extras = std::span(inputs).subspan(2);
  TN_TRY(matmul_geometry(wide, inputs[0], inputs[1], extras, widened(call.outputs[0]), out));
  reduce(out, extras.size());
  return {};
}

Status gemm_of_conv(const PrepareCall& call, const ConvParams& params, MatmulGeometry& g) {
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  const std::vector<Arg> inputs = widened(call.inputs);
  const Arg &x = inputs[0], &w = inputs[1], out = widened(call.outputs[0]);
  const Arg bias = inputs.size() > 2 ? inputs[2] : Arg{};
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_type(w, DType::f32, "w"));
  ConvGeometry conv;
  TN_TRY(conv_geometry(params, x, w, bias, out, false, conv));
  for (const Arg* arg : {&x, &w, &out}) TN_TRY(expect_format(*arg, kChannelsLast, "tensor"));
  bool plain = conv.group == 1 && conv.taps == 1;
  for (int i = 0; i < 3; ++i) plain = plain && conv.stride[i] == 1 && conv.pad[i] == 0 && conv.in[i] == conv.out[i];
  if (!plain) return fail(Code::unsupported, "a product computes convolutions with a kernel and strides of 1, no pads and one group");
  ConvTail tail;
  TN_TRY(conv_tail(call, params.epilogue, tail));
  g = {};
  g.m = conv.n * conv.out_count;
  g.n = conv.o;
  g.k = conv.c;
  g.a.row = conv.c;
  g.a.col = 1;
  g.b.row = 1;
  g.b.col = conv.c;
  g.out.row = conv.o;
  g.out.col = 1;
  for (size_t e = 0; e < tail.inputs.size(); ++e) {
    const Arg& extra = inputs[tail.inputs[e]];
    Steps& steps = g.extra[e];
    const bool same = std::ranges::equal(extra.shape(), out.shape());
    if (extra.count() == 1) continue;
    if (same && (extra.format == kChannelsLast || conv.out_count == 1 || conv.o == 1)) {
      steps.row = conv.o;
      steps.col = 1;
    } else if (extra.count() == conv.o && extra.format == kLinear) {
      steps.col = 1;
    } else {
      return fail(Code::unsupported, "extra operand {} must be {}, or linear with one value a channel, or one value",
                  describe(extra), describe(call.outputs[0]));
    }
  }
  return {};
}

ExtraRole role_of(const MatmulGeometry& g, const Steps& extra) {
  ExtraRole out;
  const bool columns = g.n == 1 || extra.col == 1;
  bool repeats = g.m == 1 || extra.row == 0, follows = true;
  for (int i = 0; i < g.batch_rank; ++i) {
    repeats = repeats && extra.batch[i] == 0;
    follows = follows && extra.batch[i] != 0;
  }
  out.bias = columns && repeats;
  out.residual = columns && follows && (g.m == 1 || extra.row >= g.n);
  return out;
}

Status conv_tail(const PrepareCall& call, const Program& epilogue, ConvTail& out) {
  const size_t first = 3;
  const bool bias = call.inputs.size() > 2 && call.inputs[2].present();
  const std::vector<Arg> inputs = widened(call.inputs);
  const Program program = widened(epilogue);
  const std::span<const Arg> extras = std::span(inputs).subspan(std::min(first, inputs.size()));
  TN_TRY(check_epilogue(program, DType::f32, extras, widened(call.outputs[0])));
  for (size_t e = 0; e < extras.size(); ++e) {
    Arg linear = extras[e];
    if (linear.format != kLinear && linear.rank != call.outputs[0].rank)
      return fail(Code::invalid_plan, "extra operand {} must be linear or have the rank of the output", describe(linear));
    linear.format = kLinear;
    BroadcastStrides strides;
    TN_TRY(broadcast_strides(linear, call.outputs[0].shape(), "extra operand", strides));
  }
  out = {};
  if (bias) out.inputs.push_back(2);
  for (size_t e = 0; e < extras.size(); ++e) out.inputs.push_back(first + e);
  if (!bias) {
    out.program = program;
    return {};
  }
  std::vector<DType> types = {DType::f32, DType::f32};
  for (const Arg& extra : extras) types.push_back(extra.dtype);
  ProgramBuilder builder(types);
  uint8_t result = builder.binary(ExprOp::add, 0, 1);
  if (!program.empty()) {
    std::vector<uint8_t> slots = {result};
    for (size_t e = 0; e < extras.size(); ++e) slots.push_back(static_cast<uint8_t>(e + 2));
    result = builder.inline_program(program, slots);
  }
  auto made = builder.finish(result);
  if (!made) return tl::unexpected<Error>(made.error());
  out.program = *made;
  return {};
}

std::vector<Arg> tail_extras(const PrepareCall& call, const ConvTail& tail) {
  std::vector<Arg> out;
  for (size_t input : tail.inputs) {
    out.push_back(call.inputs[input]);
    if (input != 2) continue;
    Arg& bias = out.back();
    bias.rank = call.outputs[0].rank - 1;
    bias.fixed_dims |= ~1u;
    for (int d = 1; d < bias.rank; ++d) bias.dims[d] = 1;
  }
  return out;
}

Status check_stored_product(const Arg& a, const Arg& b, const Arg& out) {
  if (a.dtype != DType::f32 && a.dtype != DType::f16 && a.dtype != DType::bf16)
    return fail(Code::unsupported, "operands must be stored as f32, f16 or bf16, the first is {}", describe(a));
  TN_TRY(expect_type(b, a.dtype, "the second operand"));
  if (out.dtype == a.dtype || out.dtype == DType::f32) return {};
  return fail(Code::unsupported, "the result must be stored as {} or f32, it is {}", name_of(a.dtype), describe(out));
}

}  // namespace tenon::cuda
