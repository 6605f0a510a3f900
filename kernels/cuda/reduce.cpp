// cuda.reduce: any reduction over any dims, between a prologue and an epilogue.
//
// rows: the innermost loop is reduced: a team of threads reads along it. columns: the innermost loop is kept: threads lie
// along it and a block's rows of threads share the reduced elements. Where there are too few results to fill the device,
// parts of the reduced elements are accumulated into scratch memory and a second launch merges them, in order.
#include "reduce/check.h"

#include <algorithm>
#include <bit>

#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/operand.h"
#include "cuda/generate/program_text.h"

namespace tenon::cuda {
namespace {

constexpr char kTeams[] =
#include "cuda/generate/team.cuh"
    ;
constexpr char kReductions[] =
#include "cuda/generate/reduce.cuh"
    ;
constexpr int kThreads = 256;
enum Group { kept = 0, reduced = 1 };

// The types of a reduction as device code.
struct Kind {
  std::string accumulator;   // "Adds<float, float>"
  size_t bytes = 0;          // of an accumulator, at most
  std::string result;        // of accumulator `s` and element count `n`, an expression of type `type`
  DType type = DType::none;
};

Kind kind_of(ReduceKind kind, DType x) {
  const std::string v(value_name(x));
  const bool is_real = is_float(x);
  const bool logs = kind == ReduceKind::log_sum || kind == ReduceKind::log_sum_exp || kind == ReduceKind::l2;
  // Integers add up modulo 2^64; what has a root or a logarithm is real.
  const std::string a = is_real ? v : logs ? "double" : "u64";
  const std::string back = is_real ? "" : logs ? fmt::format("saturate<{}>", v) : fmt::format("({})", v);
  const auto result = [&](std::string text) { return back.empty() ? text : fmt::format("{}({})", back, text); };
  auto named = [&](const char* name) { return fmt::format("{}<{}, {}>", name, a, v); };
  switch (kind) {
    case ReduceKind::sum: return {named("Adds"), 8, result("s.a"), x};
    case ReduceKind::mean:
      if (is_real) return {named("Adds"), 8, fmt::format("s.a / ({})n", a), x};
      return {named("Adds"), 8,
              fmt::format("n == 0 ? ({0})0 : ({0})({1}s.a / ({2})n)", v, is_signed(x) ? "(i64)" : "",
                          is_signed(x) ? "i64" : "u64"), x};
    case ReduceKind::prod: return {named("Products"), 8, result("s.a"), x};
    case ReduceKind::max:
    case ReduceKind::min: {
      // Accumulators have whole words, so that they can be shuffled.
      const std::string wide = size_of(x) >= 4 || is_real ? v : is_signed(x) ? "i32" : "u32";
      const char* name = kind == ReduceKind::max ? "Highest" : "Lowest";
      if (wide == v) return {fmt::format("{}<{}, {}>", name, wide, v), 8, "s.a", x};
      return {fmt::format("{}<{}, {}>", name, wide, v), 8,
              fmt::format("({0})op_max(op_min(s.a, ({1})highest<{0}>()), ({1})lowest<{0}>())", v, wide), x};
    }
    case ReduceKind::sum_square: return {named("Squares"), 8, result("s.a"), x};
    case ReduceKind::l1: return {named("Absolutes"), 8, result("s.a"), x};
    case ReduceKind::l2: return {named("Squares"), 8, result("op_sqrt(s.a)"), x};
    case ReduceKind::log_sum: return {named("Adds"), 8, result("op_log(s.a)"), x};
    case ReduceKind::log_sum_exp: return {named("Exponentials"), 24, result("s.log_of_sum()"), x};
    default: break;
  }
  const bool largest = kind == ReduceKind::arg_max || kind == ReduceKind::arg_max_last;
  const bool last = kind == ReduceKind::arg_max_last || kind == ReduceKind::arg_min_last;
  return {fmt::format("Extreme<{}, {}, {}>", v, largest, last), 16, "s.i", DType::i64};
}

// Everything that both kernels of a reduction are made of.
struct Plan {
  Space space;
  int kept_loops = 0;         // the first ones, after reorder
  std::vector<Operand> own, extras;
  Operand out;
  Kind kind;
  const ReduceParams& params;
  bool rows = false;
  int width = 1;
  int team = 1;               // threads that share one result within a block
  Extent results, count;      // kept elements, reduced elements of each
  DType x_type;
};

Space make_space(const PrepareCall& call, const Arg& x, Variant variant, const ReduceParams& params, Plan& plan) {
  Space space(variant);
  space.add_dims(x);
  const size_t own = prologue_inputs(params.prologue);
  for (size_t k = 0; k < own; ++k) space.add_operand(space.broadcast(call.inputs[k]));
  int loop_of[kMaxRank], rank = 0;
  for (int d = 0; d < x.rank; ++d) {
    const bool is_reduced = params.axes >> d & 1;
    if (!is_reduced) loop_of[rank++] = d;
    else if (params.keep_dims) loop_of[rank++] = -1;
  }
  const std::span<const int> map(loop_of, static_cast<size_t>(rank));
  for (size_t k = own; k < call.inputs.size(); ++k) {
    const Arg& extra = call.inputs[k];
    space.add_operand(space.dense(extra, map.subspan(static_cast<size_t>(rank - extra.rank)), true));
  }
  space.add_operand(space.dense(call.outputs[0], map, true));
  for (int d = 0; d < x.rank; ++d) space.set_group(d, params.axes >> d & 1 ? reduced : kept);
  // Loops as the operand that has all elements lies in memory.
  Arg first = x;
  for (size_t k = 0; k < own; ++k)
    if (call.inputs[k].rank == x.rank) {
      first.format = call.inputs[k].format;
      break;
    }
  const std::vector<int> order = memory_order(first);
  space.reorder(order);
  space.simplify();
  const auto& loops = space.loops();
  plan.rows = loops.empty() || loops.back().group == reduced;
  // Kept loops first.
  std::vector<int> grouped;
  for (int group : {kept, reduced})
    for (size_t i = 0; i < loops.size(); ++i)
      if (loops[i].group == group) grouped.push_back(static_cast<int>(i));
  space.reorder(grouped);
  plan.kept_loops = 0;
  for (const Loop& loop : space.loops()) plan.kept_loops += loop.group == kept;
  return space;
}

int64_t likely(const Extent& extent, int64_t otherwise) { return extent.is_literal() ? extent.literal : otherwise; }

int power_below(int64_t n, int most) {
  int out = 1;
  while (out < most && out * 2 <= n) out *= 2;
  return out;
}

// Accumulates elements [begin, end) of result `k` into `s`; `k` is split into loops k0….
std::string accumulate(Source& source, const Plan& plan, const Reads& reads, const std::string& start,
                       const std::string& step) {
  const int rank = static_cast<int>(plan.space.loops().size());
  const int w = plan.rows ? plan.width : 1;
  std::string out = fmt::format("_Pragma(\"unroll 4\") for (I r = {}; r < end; r += {}) {{\n", start, step);
  out += split_index(source, plan.space, "r", plan.kept_loops, rank, "i");
  out += reads.load(source, "", [&](size_t k) { return offset_of(source, plan.own[k], 0, rank, "i"); });
  if (plan.rows)
    out += fmt::format("_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) s.take(prologue({}), (i64)(r + e));\n", w,
                       reads.arguments("", "e"));
  else
    out += fmt::format("_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) s[e].take(prologue({}), (i64)r);\n", plan.width,
                       reads.arguments("", "e"));
  return out + "}\n";
}

std::string declare(Source& source, const Plan& plan, bool own, bool ends) {
  std::string out;
  size_t input = 0;
  for (const Operand& operand : plan.own) {
    if (own) out += declare_input(source, operand.name, operand.storage, input);
    ++input;
  }
  for (const Operand& operand : plan.extras) {
    if (ends) out += declare_input(source, operand.name, operand.storage, input);
    ++input;
  }
  if (ends) out += declare_output(source, "y", plan.out.storage, 0);
  return out;
}

// Stores the result of accumulator `s` of the element whose kept loops are `prefix`….
std::string finish(Source& source, const Plan& plan, const std::string& prefix) {
  const Reads extras(plan.extras, -1, 1);
  std::string out = fmt::format("const i64 n = (i64){};\n", source.number(plan.count));
  out += extras.load(source, "", [&](size_t k) { return offset_of(source, plan.extras[k], 0, plan.kept_loops, prefix); });
  std::string arguments = plan.kind.result;
  for (size_t k = 0; k < plan.extras.size(); ++k) arguments += ", " + extras.argument(k, "", "0");
  return out + fmt::format("y[{}] = Put<{}>::of(epilogue({}));\n",
                           offset_of(source, plan.out, 0, plan.kept_loops, prefix), storage_name(plan.out.storage),
                           arguments);
}

void add_head(Source& source, const Plan& plan) {
  source.head("#define INF __longlong_as_double(0x7ff0000000000000ll)\n");
  source.head(kTeams).head(kReductions);
  source.head(program_text(plan.params.prologue, "prologue", plan.x_type));
  source.head(program_text(plan.params.epilogue, "epilogue", plan.kind.type));
  source.head(fmt::format("typedef {} S;\n", plan.kind.accumulator));
}

struct Split {
  int64_t parts = 1, length = 0;   // reduced elements of a part
};

Status add_first(Session& session, const Plan& plan, bool partial, Split split, LaunchState& state) {
  const int rank = static_cast<int>(plan.space.loops().size());
  Source source(plan.rows ? "tenon_reduce_rows" : "tenon_reduce_columns", plan.space.wide());
  source.bounds(kThreads);
  add_head(source, plan);
  source.body(declare(source, plan, true, !partial));
  if (partial) source.body(fmt::format("S* parts = (S*){};\n", source.scratch(0)));
  const int inner = plan.rows ? rank - 1 : plan.kept_loops - 1;
  const Reads reads(plan.own, inner, plan.width);
  source.body(fmt::format("const bool al = {};\n", reads.alignment({})));
  const std::string results = source.number(plan.results), count = source.number(plan.count);
  source.body(fmt::format("const I length = {};\n", partial ? source.argument(split.length) : count));
  source.body("const I begin = (I)blockIdx.y * length;\n");
  source.body(fmt::format("const I end = begin + length < {0} ? begin + length : {0};\n", count));
  LaunchShape shape;
  shape.block[0] = kThreads;
  const int team = plan.team, beside = kThreads / team;
  TN_TRY(grid_of(split.parts, shape.grid[1]));
  if (plan.rows) {
    source.body(fmt::format("const int lane = threadIdx.x % {0}u;\nconst I k = (I)blockIdx.x * {1} + threadIdx.x / {0}u;\n", team,
                            beside));
    source.body(fmt::format("S s = S::empty();\nif (k < {}) {{\n", results));
    source.body(split_index(source, plan.space, "k", 0, plan.kept_loops, "i"));
    source.body(accumulate(source, plan, reads, fmt::format("begin + lane * {}", plan.width),
                           fmt::format("{}", team * plan.width)));
    source.body(fmt::format("}}\ns = team<{}, Merge>(s);\nif (k >= {} || lane != 0) return;\n", team, results));
    source.body(split_index(source, plan.space, "k", 0, plan.kept_loops, "f"));
    source.body(partial ? fmt::format("parts[(i64)blockIdx.y * {} + k] = s;\n", results) : finish(source, plan, "f"));
    TN_TRY(grid_of((plan.results.value + beside - 1) / beside, shape.grid[0]));
    return source.finish(session, shape, state);
  }
  const int w = plan.width;
  shape.block[0] = static_cast<unsigned>(beside);
  shape.block[1] = static_cast<unsigned>(team);
  source.body(fmt::format("const I k = ((I)blockIdx.x * {} + threadIdx.x) * {};\n", beside, w));
  source.body(fmt::format("S s[{0}];\n_Pragma(\"unroll\") for (int e = 0; e < {0}; ++e) s[e] = S::empty();\n", w));
  source.body(fmt::format("if (k < {}) {{\n", results));
  source.body(split_index(source, plan.space, "k", 0, plan.kept_loops, "i"));
  source.body(accumulate(source, plan, reads, "begin + threadIdx.y", fmt::format("{}", team)));
  source.body("}\n");
  if (team > 1)
    source.body(fmt::format(R"(
__shared__ S others[{team}][{beside} * {w} + 1];
_Pragma("unroll") for (int e = 0; e < {w}; ++e) others[threadIdx.y][threadIdx.x * {w} + e] = s[e];
__syncthreads();
for (int at = threadIdx.y * {beside} + threadIdx.x; at < {beside} * {w}; at += {threads}) {{
  const I f = (I)blockIdx.x * {beside} * {w} + at;
  if (f >= {results}) return;
  S s = others[0][at];
  for (int i = 1; i < {team}; ++i) s.merge(others[i][at]);
)",
                            fmt::arg("team", team), fmt::arg("beside", beside), fmt::arg("w", w),
                            fmt::arg("threads", kThreads), fmt::arg("results", results)));
  else
    source.body(fmt::format("if (k >= {}) return;\nS all[{}];\n_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) {{\n"
                            "const I f = k + e;\nconst S s_ = s[e];\n{{ S s = s_;\n", results, w, w));
  source.body(split_index(source, plan.space, "f", 0, plan.kept_loops, "f"));
  source.body(partial ? fmt::format("parts[(i64)blockIdx.y * {} + f] = s;\n", results) : finish(source, plan, "f"));
  source.body(team > 1 ? "}\n" : "}\n}\n");
  const int64_t per_block = int64_t{beside} * w;
  TN_TRY(grid_of((plan.results.value + per_block - 1) / per_block, shape.grid[0]));
  return source.finish(session, shape, state);
}

Status add_second(Session& session, const Plan& plan, Split split, LaunchState& state) {
  Source source("tenon_reduce_parts", plan.space.wide());
  source.bounds(kThreads);
  add_head(source, plan);
  source.body(declare(source, plan, false, true));
  source.body(fmt::format("const S* parts = (const S*){};\n", source.scratch(0)));
  const std::string results = source.number(plan.results);
  source.body(fmt::format("const I k = (I)blockIdx.x * {} + threadIdx.x;\nif (k >= {}) return;\n", kThreads, results));
  source.body(fmt::format("S s = parts[k];\nconst i64 count = (i64){};\n", source.argument(split.parts)));
  source.body(fmt::format("for (i64 i = 1; i < count; ++i) s.merge(parts[i * (i64){} + k]);\n", results));
  source.body(split_index(source, plan.space, "k", 0, plan.kept_loops, "f"));
  source.body(finish(source, plan, "f"));
  LaunchShape shape;
  shape.block[0] = kThreads;
  TN_TRY(grid_of((plan.results.value + kThreads - 1) / kThreads, shape.grid[0]));
  return source.finish(session, shape, state);
}

// How often the reduced elements are divided so that there is work for all multiprocessors.
// Not by the device at hand: the same sources must be asked for on every one.
Split split_of(const Plan& plan) {
  Split out{1, plan.count.value};
  const int64_t per_block = plan.rows ? kThreads / plan.team : int64_t{kThreads / plan.team} * plan.width;
  const int64_t blocks = (plan.results.value + per_block - 1) / per_block;
  // A thread should have a few elements left to accumulate.
  const int64_t least = int64_t{plan.team} * (plan.rows ? plan.width : 1) * 16;
  const int64_t wanted = 2 * 132;
  if (blocks < 1 || blocks * 2 > wanted || plan.count.value < 2 * least) return out;
  const int64_t parts = std::min({wanted / blocks, plan.count.value / least, int64_t{1024}});
  if (parts < 2) return out;
  const int64_t unit = plan.rows ? plan.width : 1;
  out.length = ((plan.count.value + parts - 1) / parts + unit - 1) / unit * unit;
  out.parts = (plan.count.value + out.length - 1) / out.length;
  return out;
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const ReduceParams& params = call.as<ReduceParams>();
  TN_TRY(verify(params.prologue));
  TN_TRY(verify(params.epilogue));
  TN_TRY(check_computable(params.prologue));
  TN_TRY(check_computable(params.epilogue));
  TN_ASSIGN(Logical logical, Logical::of(call));
  const size_t own = prologue_inputs(params.prologue);
  logical.by_programs(&params.prologue, own, params.epilogue, own);
  ReduceShape shape;
  TN_TRY(check_reduce(logical.call(), shape));
  Arg x = shape.prologue.x;
  x.fixed_dims = 0;
  // A dim of x is fixed where an operand that has it says so.
  for (int d = 0; d < x.rank; ++d)
    for (size_t k = 0; k < own; ++k) {
      const Arg& in = call.inputs[k];
      const int at = d - (x.rank - in.rank);
      if (at >= 0 && in.fixed_dims >> at & 1 && (in.dims[at] != 1 || own == 1)) x.fixed_dims |= 1u << d;
    }
  bool all_ones = true;
  for (int d = 0; d < x.rank; ++d) {
    all_ones = true;
    for (size_t k = 0; k < own; ++k) {
      const Arg& in = call.inputs[k];
      const int at = d - (x.rank - in.rank);
      all_ones = all_ones && (at < 0 || (in.fixed_dims >> at & 1 && in.dims[at] == 1));
    }
    if (all_ones) x.fixed_dims |= 1u << d;
  }
  auto state = std::make_unique<LaunchState>();
  int64_t scratch = 0;
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    Plan plan{Space(variant), 0, {}, {}, {}, kind_of(params.kind, x.dtype), params, false, 1, 1, {}, {}, x.dtype};
    plan.space = make_space(call, x, variant, params, plan);
    const auto& steps = plan.space.operands();
    for (size_t k = 0; k < call.inputs.size(); ++k)
      (k < own ? plan.own : plan.extras).push_back({fmt::format("x{}", k), call.inputs[k].dtype, steps[k], ""});
    plan.out = {"y", call.outputs[0].dtype, steps.back(), ""};
    plan.results = plan.space.count(kept);
    plan.count = plan.space.count(reduced);
    const int rank = static_cast<int>(plan.space.loops().size());
    const int inner = plan.rows ? rank - 1 : plan.kept_loops - 1;
    plan.width = vector_width(plan.space, plan.own, inner, false);
    if (plan.rows) {
      plan.team = power_below(likely(plan.count, 4096) / plan.width / 2, kThreads);
      if (likely(plan.results, 1 << 20) > 4096) plan.team = std::min(plan.team, 32);
    } else {
      plan.width = std::min(plan.width, plan.kind.bytes > 8 ? 2 : 8);
      plan.team = power_below(likely(plan.count, 64) / 4, 8);
    }
    const Split split = split_of(plan);
    LaunchState attempt, other;
    const bool always = variant != Variant::exact && session_of(call).every_shape();
    if (split.parts == 1 || always) TN_TRY(add_first(session_of(call), plan, false, {1, plan.count.value}, attempt));
    if (split.parts > 1 || always) {
      TN_TRY(add_first(session_of(call), plan, true, split, other));
      TN_TRY(add_second(session_of(call), plan, split, other));
    }
    if (!state->launches.empty() || !plan.space.fits()) continue;
    state->launches = std::move(split.parts > 1 ? other.launches : attempt.launches);
    if (split.parts > 1) scratch = split.parts * plan.results.value * static_cast<int64_t>(plan.kind.bytes);
  }
  prepared.scratch_bytes = scratch;
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kCudaReduce;
const Kernel kCudaReduce{"cuda.reduce", sizeof(ReduceParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
