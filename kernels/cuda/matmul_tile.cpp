// cuda.matmul.tile: any product of matrices, accumulated in f32 (f64, integers modulo 2^n).
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/program_text.h"
#include "cuda/product.h"

namespace tenon::cuda {
namespace {

constexpr char kProduct[] =
#include "cuda/generate/product.cuh"
    ;

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const MatmulParams& params = call.as<MatmulParams>();
  DType type = DType::none;
  TN_TRY(check_matmul(call, params, type));
  return prepare_each(call, prepared, [&](Space& out_space, LaunchState& state) -> Status {
    MatmulLoops loops = matmul_loops(call, params, out_space.variant());
    const Space& space = loops.space;
    const auto& steps = space.operands();
    const int batch = loops.m;   // loops in front
    auto size = [&](int loop) { return space.loops()[static_cast<size_t>(loop)].size; };
    auto step = [&](size_t operand, int loop) { return steps[operand].at[static_cast<size_t>(loop)]; };
    Source source("tenon_matmul_tile", space.wide());
    source.bounds(256);
    source.head(kProduct).head(program_text(params.epilogue, "epilogue", type));
    source.body(declare_input(source, "x", call.inputs[0].dtype, 0) + declare_input(source, "w", call.inputs[1].dtype, 1));
    std::vector<Operand> extras;
    for (size_t k = 2; k < call.inputs.size(); ++k) {
      extras.push_back({fmt::format("e{}", k), call.inputs[k].dtype, steps[k + 1], ""});
      source.body(declare_input(source, extras.back().name, extras.back().storage, k));
    }
    source.body(declare_output(source, "y", call.outputs[0].dtype, 0));
    const Extent m = size(loops.m), n = size(loops.n), k = size(loops.k);
    const std::string tiles_m = fmt::format("(({} + 63) / 64)", source.number(m)), tiles_n = fmt::format("(({} + 63) / 64)", source.number(n));
    source.body(fmt::format("I block = blockIdx.x;\nconst I tile_n = block % {0}; block /= {0};\n", tiles_n));
    source.body(fmt::format("const I tile_m = block % {0}, item = block / {0};\n", tiles_m));
    source.body(split_index(source, space, "item", 0, batch, "i"));
    source.body(fmt::format("x += {};\nw += {};\ny += {};\n", offset_text(source, steps[0], 0, batch, "i"),
                            offset_text(source, steps[1], 0, batch, "i"), offset_text(source, steps[2], 0, batch, "i")));
    for (const Operand& extra : extras)
      source.body(fmt::format("{} += {};\n", extra.name, offset_text(source, extra.steps, 0, batch, "i")));
    const auto a = accumulator_name(type);
    const Reads reads(extras, -1, 1);
    std::string load_extras = reads.load(source, "", [&](size_t e) {
      return fmt::format("i{0} * {1} + i{2} * {3}", loops.m, source.number(extras[e].steps.at[static_cast<size_t>(loops.m)]), loops.n,
                         source.number(extras[e].steps.at[static_cast<size_t>(loops.n)]));
    });
    std::string arguments = fmt::format("({})sum", value_name(type));
    for (size_t e = 0; e < extras.size(); ++e) arguments += ", " + reads.argument(e, "", "0");
    source.body(fmt::format(R"(
tile_product<{a}, {along_k}, {along_n}>({m}, {n}, {k}, tile_m * 64, tile_n * 64,
  [&](I m, I k) {{ return ({a})get(x[m * {xm} + k * {xk}]); }},
  [&](I k, I n) {{ return ({a})get(w[k * {wk} + n * {wn}]); }},
  [&](I i{lm}, I i{ln}, {a} sum) {{
{extras}
    y[i{lm} * {ym} + i{ln} * {yn}] = Put<{out}>::of(epilogue({arguments}));
  }});
)",
                            fmt::arg("a", a), fmt::arg("along_k", step(0, loops.k).is(1)), fmt::arg("along_n", !step(1, loops.k).is(1)),
                            fmt::arg("m", source.number(m)), fmt::arg("n", source.number(n)), fmt::arg("k", source.number(k)),
                            fmt::arg("xm", source.number(step(0, loops.m))), fmt::arg("xk", source.number(step(0, loops.k))),
                            fmt::arg("wk", source.number(step(1, loops.k))), fmt::arg("wn", source.number(step(1, loops.n))),
                            fmt::arg("ym", source.number(step(2, loops.m))), fmt::arg("yn", source.number(step(2, loops.n))),
                            fmt::arg("lm", loops.m), fmt::arg("ln", loops.n), fmt::arg("extras", load_extras),
                            fmt::arg("out", storage_name(call.outputs[0].dtype)), fmt::arg("arguments", arguments)));
    LaunchShape shape;
    shape.block[0] = 256;
    TN_TRY(grid_of(((m.value + 63) / 64) * ((n.value + 63) / 64) * space.count(0).value, shape.grid[0]));
    out_space = space;
    return source.finish(session_of(call), shape, state);
  });
}

}  // namespace

extern const Kernel kCudaMatmulTile;
const Kernel kCudaMatmulTile{"cuda.matmul.tile", sizeof(MatmulParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
