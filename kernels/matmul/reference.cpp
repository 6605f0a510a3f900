// matmul.reference: any rank, number type, permutation and epilogue.
#include <algorithm>

#include "common/element.h"
#include "matmul/geometry.h"

namespace tenon {
namespace {

constexpr int64_t kColumns = 64;  // computed at a time
constexpr int64_t kTileBytes = kColumns * 8;

struct State : KernelState {
  MatmulGeometry geometry;
};

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 2, 1 + kMaxProgramInputs, 1));
  const Arg &a = call.inputs[0], &b = call.inputs[1];
  if (!with_number(a.dtype, [](auto) {}))
    return fail(Code::invalid_plan, "a must have a float or integer type, it is {}", describe(a));
  TN_TRY(expect_type(b, a.dtype, "b"));
  auto state = std::make_unique<State>();
  TN_TRY(matmul_geometry(call.as<MatmulParams>(), a, b, call.inputs.subspan(2), call.outputs[0],
                         state->geometry));
  prepared.scratch_bytes = call.threads * (kTileScratchBytes + 2 * kTileBytes);
  prepared.state = std::move(state);
  return {};
}

template <class E>
void product_row(const MatmulGeometry& g, const typename E::Storage* a, const typename E::Storage* b,
                 int64_t columns, typename E::Storage* out) {
  typename E::Value sum[kColumns] = {};
  for (int64_t k = 0; k < g.k; ++k) {
    const auto left = E::load(a[k * g.a.col]);
    for (int64_t j = 0; j < columns; ++j) sum[j] += left * E::load(b[k * g.b.row + j * g.b.col]);
  }
  for (int64_t j = 0; j < columns; ++j) out[j] = E::store(sum[j]);
}

void scatter(const std::byte* from, size_t size, int64_t columns, std::byte* to, int64_t step) {
  for (int64_t j = 0; j < columns; ++j)
    std::memcpy(to + j * step * static_cast<int64_t>(size), from + j * static_cast<int64_t>(size), size);
}

template <class E>
void run(const LaunchCall& call) {
  using T = typename E::Storage;
  const MatmulGeometry& g = static_cast<const State*>(call.state)->geometry;
  const Program& program = call.as<MatmulParams>().epilogue;
  const Arg& out = call.outputs[0];
  const size_t out_size = size_of(out.dtype);
  const TileFunction tile = tile_function(0);
  call.team->parallel_for(g.batch_count * g.m, [&](int64_t begin, int64_t end, int member) {
    auto* scratch = static_cast<std::byte*>(call.scratch) + member * (kTileScratchBytes + 2 * kTileBytes);
    std::byte *raw = scratch + kTileScratchBytes, *done = raw + kTileBytes;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t batch = item / g.m, row = item % g.m;
      const T* a = call.inputs[0].as<const T>() + g.offset(g.a, batch) + row * g.a.row;
      const T* b = call.inputs[1].as<const T>() + g.offset(g.b, batch);
      auto* to =
          out.as<std::byte>() + (g.offset(g.out, batch) + row * g.out.row) * static_cast<int64_t>(out_size);
      for (int64_t n = 0; n < g.n; n += kColumns) {
        const int64_t columns = std::min(kColumns, g.n - n);
        product_row<E>(g, a, b + n * g.b.col, columns, reinterpret_cast<T*>(raw));
        const std::byte* result = raw;
        if (!program.empty()) {
          TileOperand operands[kMaxProgramInputs] = {{raw, 0, 1}};
          for (int e = 1; e < program.inputs; ++e) {
            const MatmulGeometry::Steps& steps = g.extra[e - 1];
            const Arg& extra = call.inputs[static_cast<size_t>(e) + 1];
            operands[e] = {
                extra.as<const std::byte>() + (g.offset(steps, batch) + row * steps.row + n * steps.col) *
                                                  static_cast<int64_t>(size_of(extra.dtype)),
                0, steps.col};
          }
          tile(program, operands, 1, columns, done, columns, scratch);
          result = done;
        }
        scatter(result, out_size, columns, to + n * g.out.col * static_cast<int64_t>(out_size), g.out.col);
      }
    }
  });
}

Status launch(const LaunchCall& call) {
  with_number(call.inputs[0].dtype, [&](auto element) { run<decltype(element)>(call); });
  return {};
}

}  // namespace

extern const Kernel kMatmulReference{"matmul.reference", sizeof(MatmulParams), 0, 0, prepare, launch};

}  // namespace tenon
