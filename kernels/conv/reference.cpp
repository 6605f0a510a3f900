// conv.reference and conv_transpose.reference: one to three spatial dims, any float or integer type and
// epilogue.
#include <algorithm>

#include "common/element.h"
#include "conv/geometry.h"

namespace tenon {
namespace {

constexpr int64_t kColumns = 64;  // computed at a time
constexpr int64_t kTileBytes = kColumns * 8;

struct State : KernelState {
  ConvGeometry geometry;
  BroadcastStrides extra[kMaxProgramInputs];
};

template <bool kTransposed>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  const Arg &x = call.inputs[0], &w = call.inputs[1], &out = call.outputs[0];
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  if (!with_number(x.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "x must have a float or integer type, it is {}", describe(x));
  TN_TRY(expect_type(w, x.dtype, "w"));
  for (const Arg* arg : {&x, &w, &out}) TN_TRY(expect_format(*arg, kLinear, "tensor"));
  auto state = std::make_unique<State>();
  const auto& params = call.as<ConvParams>();
  TN_TRY(conv_geometry(params, x, w, bias, out, kTransposed, state->geometry));
  const auto extras = call.inputs.subspan(std::min<size_t>(3, call.inputs.size()));
  TN_TRY(check_epilogue(params.epilogue, x.dtype, extras, out));
  for (size_t e = 0; e < extras.size(); ++e)
    TN_TRY(broadcast_strides(extras[e], out.shape(), "extra operand", state->extra[e]));
  prepared.scratch_bytes = call.threads * (kTileScratchBytes + 2 * kTileBytes);
  prepared.state = std::move(state);
  return {};
}

// Output positions of one row: the channel's, and the two outer spatial coordinates.
struct Row {
  int64_t n, o, d, h;
};

// The input coordinate that tap `k` of output coordinate `at` reads; -1 if none.
template <bool kTransposed>
int64_t source(const ConvGeometry& g, int dim, int64_t at, int64_t k) {
  if (!kTransposed) {
    const int64_t i = at * g.stride[dim] - g.pad[dim] + k * g.dilation[dim];
    return i >= 0 && i < g.in[dim] ? i : -1;
  }
  const int64_t scaled = at + g.pad[dim] - k * g.dilation[dim];
  if (scaled < 0 || scaled % g.stride[dim] != 0) return -1;
  const int64_t i = scaled / g.stride[dim];
  return i < g.in[dim] ? i : -1;
}

template <class E, bool kTransposed>
void row_part(const ConvGeometry& g, const Row& row, const typename E::Storage* x,
              const typename E::Storage* w, const typename E::Storage* bias, int64_t first, int64_t columns,
              typename E::Storage* out) {
  typename E::Value sum[kColumns];
  std::fill(sum, sum + columns, bias ? E::load(bias[row.o]) : typename E::Value{});
  const int64_t group = row.o / g.og;
  for (int64_t c = 0; c < g.cg; ++c) {
    const auto* plane = x + (row.n * g.c + group * g.cg + c) * g.in_count;
    const auto* taps =
        w + (kTransposed ? (group * g.cg + c) * g.og + row.o % g.og : row.o * g.cg + c) * g.taps;
    for (int64_t kd = 0; kd < g.kernel[0]; ++kd) {
      const int64_t d = source<kTransposed>(g, 0, row.d, kd);
      if (d < 0) continue;
      for (int64_t kh = 0; kh < g.kernel[1]; ++kh) {
        const int64_t h = source<kTransposed>(g, 1, row.h, kh);
        if (h < 0) continue;
        for (int64_t kw = 0; kw < g.kernel[2]; ++kw) {
          const auto weight = E::load(taps[(kd * g.kernel[1] + kh) * g.kernel[2] + kw]);
          const auto* line = plane + (d * g.in[1] + h) * g.in[2];
          for (int64_t j = 0; j < columns; ++j) {
            const int64_t i = source<kTransposed>(g, 2, first + j, kw);
            if (i >= 0) sum[j] += weight * E::load(line[i]);
          }
        }
      }
    }
  }
  for (int64_t j = 0; j < columns; ++j) out[j] = E::store(sum[j]);
}

template <class E, bool kTransposed>
void run(const LaunchCall& call) {
  using T = typename E::Storage;
  const auto& state = *static_cast<const State*>(call.state);
  const ConvGeometry& g = state.geometry;
  const Program& program = call.as<ConvParams>().epilogue;
  const Arg &out = call.outputs[0], &x = call.inputs[0];
  const bool biased = call.inputs.size() > 2 && call.inputs[2].present();
  const TileFunction tile = tile_function(0);
  const int spatial = x.rank - 2;
  call.team->parallel_for(g.n * g.o * g.out[0] * g.out[1], [&](int64_t begin, int64_t end, int member) {
    auto* scratch = static_cast<std::byte*>(call.scratch) + member * (kTileScratchBytes + 2 * kTileBytes);
    std::byte* raw = scratch + kTileScratchBytes;
    for (int64_t item = begin; item < end; ++item) {
      const Row row{item / (g.out[1] * g.out[0] * g.o), item / (g.out[1] * g.out[0]) % g.o,
                    item / g.out[1] % g.out[0], item % g.out[1]};
      for (int64_t first = 0; first < g.out[2]; first += kColumns) {
        const int64_t columns = std::min(kColumns, g.out[2] - first);
        auto* to = out.as<std::byte>() + (item * g.out[2] + first) * static_cast<int64_t>(size_of(out.dtype));
        row_part<E, kTransposed>(g, row, x.as<const T>(), call.inputs[1].as<const T>(),
                                 biased ? call.inputs[2].as<const T>() : nullptr, first, columns,
                                 reinterpret_cast<T*>(program.empty() ? to : raw));
        if (program.empty()) continue;
        TileOperand operands[kMaxProgramInputs] = {{raw, 0, 1}};
        const int64_t outer[3] = {row.d, row.h, first};
        for (int e = 1; e < program.inputs; ++e) {
          const int64_t* strides = state.extra[e - 1].at;
          int64_t offset = row.n * strides[0] + row.o * strides[1];
          for (int i = 0; i < spatial; ++i) offset += outer[3 - spatial + i] * strides[2 + i];
          const Arg& extra = call.inputs[static_cast<size_t>(e) + 2];
          operands[e] = {extra.as<const std::byte>() + offset * static_cast<int64_t>(size_of(extra.dtype)), 0,
                         strides[x.rank - 1]};
        }
        tile(program, operands, 1, columns, to, columns, scratch);
      }
    }
  });
}

template <bool kTransposed>
Status launch(const LaunchCall& call) {
  with_number(call.inputs[0].dtype, [&](auto element) { run<decltype(element), kTransposed>(call); });
  return {};
}

}  // namespace

extern const Kernel kConvReference{"conv.reference", sizeof(ConvParams), 0, 0, prepare<false>, launch<false>};
extern const Kernel kConvTransposeReference{
    "conv_transpose.reference", sizeof(ConvParams), 0, 0, prepare<true>, launch<true>};

}  // namespace tenon
