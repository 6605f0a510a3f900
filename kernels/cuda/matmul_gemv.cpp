// cuda.matmul.gemv: products of up to 16 rows: b is read once, by everybody.
//
// Along K (b's elements of one column lie together): a group of warps has a column, lanes read along K.
// Along N (b's elements of one row lie together): a lane has a few columns; warps and the blocks of a cluster divide K,
// and add their sums through shared memory.
#include <algorithm>

#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/program_text.h"
#include "cuda/product.h"

namespace tenon::cuda {
namespace {

constexpr char kCluster[] =
#include "cuda/generate/gemv.cuh"
    ;
constexpr int kMaxRows = 16, kWarps = 8, kClusterBlocks = 8;

struct Plan {
  MatmulLoops loops;
  int row_loops = 0;       // batch and M, in front of N and K
  int rows = 0;
  std::vector<Operand> extras;
  DType type;
  const MatmulParams& params;
};

// Lines that store `sum` of row r and column n.
std::string finish_text(Source& source, const Plan& plan, DType out) {
  const Space& space = plan.loops.space;
  const int n = plan.loops.n;
  const Reads reads(plan.extras, -1, 1);
  std::string text = split_index(source, space, "r", 0, plan.row_loops, "i") + fmt::format("const I i{} = n;\n", n);
  text += reads.load(source, "", [&](size_t e) { return offset_text(source, plan.extras[e].steps, 0, n + 1, "i"); });
  std::string arguments = fmt::format("({})sum", value_name(plan.type));
  for (size_t e = 0; e < plan.extras.size(); ++e) arguments += ", " + reads.argument(e, "", "0");
  return text + fmt::format("y[{}] = Put<{}>::of(epilogue({}));\n", offset_text(source, space.operands()[2], 0, n + 1, "i"),
                            storage_name(out), arguments);
}

std::string declare(Source& source, const PrepareCall& call, const Plan& plan) {
  std::string text = declare_input(source, "x", call.inputs[0].dtype, 0) + declare_input(source, "w", call.inputs[1].dtype, 1);
  for (size_t k = 2; k < call.inputs.size(); ++k) text += declare_input(source, plan.extras[k - 2].name, plan.extras[k - 2].storage, k);
  return text + declare_output(source, "y", call.outputs[0].dtype, 0);
}

// Where each row of a begins.
std::string row_places(Source& source, const Plan& plan) {
  const Space& space = plan.loops.space;
  return fmt::format("I row_at[{0}];\n#pragma unroll\nfor (I r = 0; r < {0}; ++r) {{\n{1}row_at[r] = {2};\n}}\n", plan.rows,
                     split_index(source, space, "r", 0, plan.row_loops, "i"),
                     offset_text(source, space.operands()[0], 0, plan.row_loops, "i"));
}

Status add_along_k(const PrepareCall& call, const Plan& plan, LaunchState& state) {
  const Space& space = plan.loops.space;
  const int k_loop = plan.loops.k, n_loop = plan.loops.n;
  const Extent n = space.loops()[static_cast<size_t>(n_loop)].size, k = space.loops()[static_cast<size_t>(k_loop)].size;
  const int v = vector_width(space, {{"x", call.inputs[0].dtype, space.operands()[0], ""}, {"w", call.inputs[1].dtype, space.operands()[1], ""}},
                             k_loop, false);
  // Warps of a column: more where there are few columns and long ones.
  int warps = 1;
  if (n.is_literal())
    while (warps < kWarps && n.literal * warps < 132 * 16 && (!k.is_literal() || k.literal >= 64 * v * warps)) warps *= 2;
  const int columns = kWarps / warps;
  Source source("tenon_gemv_k", space.wide());
  source.bounds(kWarps * 32);
  source.head(program_text(plan.params.epilogue, "epilogue", plan.type)).body(declare(source, call, plan));
  source.body(fmt::format(R"(
const bool al = is_aligned(x) && is_aligned(w);
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, part = warp % {warps};
const I n = (I)blockIdx.x * {columns} + warp / {warps};
{rows_at}
float sums[{rows}] = {{}};
if (n < {n}) {{
  const auto* column = w + n * {step_n};
#pragma unroll 4
  for (I k = (I)(part * 32 + lane) * {v}; k < {k}; k += {stride}) {{
    const auto b = load<{v}>(column + k * {wk}, al);
#pragma unroll
    for (int r = 0; r < {rows}; ++r) {{
      const auto row = load<{v}>(x + (row_at[r] + k * {xk}), al);
#pragma unroll
      for (int e = 0; e < {v}; ++e) sums[r] += get(row.e[e]) * get(b.e[e]);
    }}
  }}
}}
#pragma unroll
for (int r = 0; r < {rows}; ++r)
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) sums[r] += __shfl_xor_sync(0xffffffffu, sums[r], mask);
)",
                          fmt::arg("warps", warps), fmt::arg("columns", columns), fmt::arg("rows_at", row_places(source, plan)),
                          fmt::arg("rows", plan.rows), fmt::arg("n", source.number(n)),
                          fmt::arg("step_n", source.number(space.operands()[1].at[static_cast<size_t>(n_loop)])), fmt::arg("v", v),
                          fmt::arg("k", source.number(k)), fmt::arg("stride", 32 * v * warps),
                          fmt::arg("wk", source.number(space.operands()[1].at[static_cast<size_t>(k_loop)])),
                          fmt::arg("xk", source.number(space.operands()[0].at[static_cast<size_t>(k_loop)]))));
  if (warps > 1)
    source.body(fmt::format(R"(
__shared__ float parts[{all}][{rows}];
if (lane == 0)
#pragma unroll
  for (int r = 0; r < {rows}; ++r) parts[warp][r] = sums[r];
__syncthreads();
if (part != 0) return;
#pragma unroll
for (int r = 0; r < {rows}; ++r) {{
  sums[r] = 0;
#pragma unroll
  for (int i = 0; i < {warps}; ++i) sums[r] += parts[warp + i][r];
}}
)",
                            fmt::arg("all", kWarps), fmt::arg("rows", plan.rows), fmt::arg("warps", warps)));
  // Each lane stores a row's result.
  source.body(fmt::format("if (n >= {}) return;\n#pragma unroll\nfor (I r = 0; r < {}; ++r) if (lane == r) {{\nconst float sum = sums[r];\n{}}}\n",
                          source.number(n), plan.rows, finish_text(source, plan, call.outputs[0].dtype)));
  LaunchShape shape;
  shape.block[0] = kWarps * 32;
  TN_TRY(grid_of((n.value + columns - 1) / columns, shape.grid[0]));
  return source.finish(session_of(call), shape, state);
}

Status add_along_n(const PrepareCall& call, const Plan& plan, LaunchState& state) {
  const Space& space = plan.loops.space;
  const int k_loop = plan.loops.k, n_loop = plan.loops.n;
  const Extent n = space.loops()[static_cast<size_t>(n_loop)].size, k = space.loops()[static_cast<size_t>(k_loop)].size;
  int v = vector_width(space, {{"w", call.inputs[1].dtype, space.operands()[1], ""}}, n_loop, false);
  // Sums in registers are rows × columns of a lane.
  while (v > 1 && (v * plan.rows > 32 || (n.is_literal() && n.literal / (32 * v) * kClusterBlocks < 132 && v > 2))) v /= 2;
  const int columns = 32 * v;
  const bool clusters = has_clusters(session_of(call).facts()) && (!k.is_literal() || k.literal >= 256);
  const int parts = clusters ? kClusterBlocks : 1;
  Source source("tenon_gemv_n", space.wide());
  source.bounds(kWarps * 32);
  source.head(kCluster).head(program_text(plan.params.epilogue, "epilogue", plan.type)).body(declare(source, call, plan));
  if (clusters) source.cluster(kClusterBlocks);
  source.body(fmt::format(R"(
const bool al = is_aligned(w);
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
const u32 rank = {rank};
const I n0 = (I)blockIdx.y * {columns}, own = n0 + lane * {v};
{rows_at}
float sums[{rows}][{v}] = {{}};
if (own < {n}) {{
#pragma unroll 4
  for (I k = rank * {warps} + warp; k < {k}; k += {parts} * {warps}) {{
    const auto b = load<{v}>(w + (k * {wk} + own), al);
#pragma unroll
    for (int r = 0; r < {rows}; ++r) {{
      const float a = get(x[row_at[r] + k * {xk}]);
#pragma unroll
      for (int e = 0; e < {v}; ++e) sums[r][e] += a * get(b.e[e]);
    }}
  }}
}}
// Rows of the block one after the other: sums of the warps, then of the cluster's blocks.
__shared__ float warps[{warps}][{columns}];
__shared__ float block[{rows}][{columns}];
#pragma unroll
for (int r = 0; r < {rows}; ++r) {{
  __syncthreads();
#pragma unroll
  for (int e = 0; e < {v}; ++e) warps[warp][lane * {v} + e] = sums[r][e];
  __syncthreads();
  for (int c = threadIdx.x; c < {columns}; c += {threads}) {{
    float sum = 0;
#pragma unroll
    for (int i = 0; i < {warps}; ++i) sum += warps[i][c];
    block[r][c] = sum;
  }}
}}
{sync}
for (int at = rank * {threads} + threadIdx.x; at < {rows} * {columns}; at += {parts} * {threads}) {{
  const I r = at / {columns}, c = at % {columns}, n = n0 + c;
  if (n >= {n}) continue;
  float sum = 0;
#pragma unroll
  for (u32 i = 0; i < {parts}; ++i) sum += {other};
{finish}}}
{sync}
)",
                          fmt::arg("rank", clusters ? "cluster_rank()" : "0"), fmt::arg("columns", columns), fmt::arg("v", v),
                          fmt::arg("rows_at", row_places(source, plan)), fmt::arg("rows", plan.rows), fmt::arg("n", source.number(n)),
                          fmt::arg("warps", kWarps), fmt::arg("k", source.number(k)), fmt::arg("parts", parts),
                          fmt::arg("wk", source.number(space.operands()[1].at[static_cast<size_t>(k_loop)])),
                          fmt::arg("xk", source.number(space.operands()[0].at[static_cast<size_t>(k_loop)])), fmt::arg("threads", kWarps * 32),
                          fmt::arg("sync", clusters ? "cluster_sync();" : "__syncthreads();"),
                          fmt::arg("other", clusters ? "remote(&block[r][c], i)" : "block[r][c]"),
                          fmt::arg("finish", finish_text(source, plan, call.outputs[0].dtype))));
  LaunchShape shape;
  shape.block[0] = kWarps * 32;
  shape.grid[0] = static_cast<unsigned>(parts);
  TN_TRY(grid_of((n.value + columns - 1) / columns, shape.grid[1]));
  if (shape.grid[1] > 65535) return fail(Code::limit_exceeded, "{} columns are too many for this kernel", n.value);
  return source.finish(session_of(call), shape, state);
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const MatmulParams& params = call.as<MatmulParams>();
  DType type = DType::none;
  TN_TRY(check_matmul(call, params, type));
  if (!is_small_float(type)) return fail(Code::invalid_plan, "products of few rows are of f32, f16 or bf16, not {}", name_of(type));
  return prepare_each(call, prepared, [&](Space& out_space, LaunchState& state) -> Status {
    MatmulLoops loops = matmul_loops(call, params, out_space.variant());
    Plan plan{loops, loops.m + 1, 0, {}, type, params};
    const Space& space = plan.loops.space;
    Extent rows = Extent::of(1);
    for (int i = 0; i < plan.row_loops; ++i) rows = rows * space.loops()[static_cast<size_t>(i)].size;
    if (!rows.is_literal() || rows.literal < 1 || rows.literal > kMaxRows)
      return fail(Code::unsupported, "this kernel takes 1 to {} rows, the same number at every shape; a is {}", kMaxRows,
                  describe(call.inputs[0]));
    plan.rows = static_cast<int>(rows.literal);
    for (int i = 0; i < loops.m; ++i)
      if (!space.operands()[1].at[static_cast<size_t>(i)].is(0))
        return fail(Code::unsupported, "this kernel takes one matrix b for all rows, it is {}", describe(call.inputs[1]));
    for (size_t k = 2; k < call.inputs.size(); ++k)
      plan.extras.push_back({fmt::format("e{}", k), call.inputs[k].dtype, space.operands()[k + 1], ""});
    out_space = space;
    const Steps& b = space.operands()[1];
    if (b.at[static_cast<size_t>(loops.k)].is(1) || !b.at[static_cast<size_t>(loops.n)].is(1)) return add_along_k(call, plan, state);
    return add_along_n(call, plan, state);
  });
}

}  // namespace

extern const Kernel kCudaMatmulGemv;
const Kernel kCudaMatmulGemv{"cuda.matmul.gemv", sizeof(MatmulParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
