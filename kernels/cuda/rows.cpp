#include "cuda/rows.h"

#include <algorithm>

#include "cuda/generate/element.h"
#include "cuda/generate/program_text.h"

namespace tenon::cuda {
namespace {

constexpr char kTeams[] =
#include "cuda/generate/team.cuh"
    ;

// How threads are laid over rows.
struct Layout {
  bool columns = false;  // rows lie along threadIdx.x, a row's lanes along threadIdx.y
  int width = 1;         // elements of a vector
  int team = 32;         // lanes of a row
  int beside = 1;        // rows of a block
  int held = 0;          // vectors that a lane keeps in registers; 0: rows are read again for every pass
};

int power_at_least(int64_t n, int most) {
  int out = 1;
  while (out < most && out < n) out *= 2;
  return out;
}

Layout layout_of(const RowPlan& plan) {
  constexpr int kHeld = 32;   // elements
  const Space& space = plan.space;
  const int rank = static_cast<int>(space.loops().size());
  const Extent length = space.count(column_loops), rows = space.count(row_loops);
  const int row_count = static_cast<int>(std::count_if(space.loops().begin(), space.loops().end(),
                                                       [](const Loop& loop) { return loop.group == row_loops; }));
  Layout out;
  const Steps& x = plan.own[0].steps;
  const bool across = row_count > 0 && rank > row_count && x.at[static_cast<size_t>(row_count) - 1].is(1) &&
                      !x.at[static_cast<size_t>(rank) - 1].is(1);
  const Extent& last_rows = row_count > 0 ? space.loops()[static_cast<size_t>(row_count) - 1].size : rows;
  if (across && plan.phase == RowPlan::whole && (!last_rows.is_literal() || last_rows.literal >= 8)) {
    out.columns = true;
    out.beside = 32;
    out.team = length.is_literal() ? power_at_least(length.literal / 4, 8) : 8;
    if (length.is_literal() && length.literal <= int64_t{out.team} * kHeld)
      out.held = static_cast<int>((length.literal + out.team - 1) / out.team);
    return out;
  }
  std::vector<Operand> all = plan.own;
  all.insert(all.end(), plan.vectors.begin(), plan.vectors.end());
  all.insert(all.end(), plan.extras.begin(), plan.extras.end());
  all.push_back(plan.out);
  out.width = vector_width(space, all, rank > row_count ? rank - 1 : -1, false);
  if (!length.is_literal() || plan.phase != RowPlan::whole) {
    out.team = 256;
    return out;
  }
  const int64_t vectors = std::max<int64_t>(1, (length.literal + out.width - 1) / out.width);
  out.team = power_at_least(vectors, 32);
  while (out.team < 1024 && vectors * out.width > int64_t{out.team} * kHeld) out.team *= 2;
  if (vectors * out.width <= int64_t{out.team} * kHeld) out.held = static_cast<int>((vectors + out.team - 1) / out.team);
  if (out.team > 32) return out;
  const int64_t known = rows.is_literal() ? rows.literal : int64_t{1} << 20;
  out.beside = std::max(32 / out.team, power_at_least(std::min<int64_t>(8, known / 264), 8) * 32 / out.team);
  return out;
}

}  // namespace

int64_t parts_of(const RowPlan& plan, int64_t& part_length) {
  constexpr int64_t kBlocks = 2 * 132, kLeast = 8192;
  const Extent length = plan.space.count(column_loops), rows = plan.space.count(row_loops);
  if (!length.is_literal() || !rows.is_literal() || rows.literal < 1 || rows.literal * 2 > kBlocks || length.literal < 2 * kLeast) return 1;
  const int64_t parts = std::min(kBlocks / rows.literal, length.literal / kLeast);
  part_length = ((length.literal + parts - 1) / parts + 31) / 32 * 32;
  return (length.literal + part_length - 1) / part_length;
}

Status add_rows(Session& session, const RowPlan& plan, const std::vector<size_t>& vector_inputs, size_t first_extra,
                const std::vector<std::pair<std::string, size_t>>& statistics_outputs, LaunchState& state) {
  const Layout layout = layout_of(plan);
  const Space& space = plan.space;
  const int rank = static_cast<int>(space.loops().size());
  int row_count = 0;
  for (const Loop& loop : space.loops()) row_count += loop.group == row_loops;
  const int inner = rank > row_count ? rank - 1 : -1;
  const Extent length = space.count(column_loops), rows = space.count(row_loops);
  const int w = layout.width, team = layout.team;

  Source source(plan.entry, space.wide());
  source.bounds(team * layout.beside);
  source.head("#define INF __longlong_as_double(0x7ff0000000000000ll)\n").head(kTeams);
  source.head(fmt::format("typedef {} V;\n", value_name(plan.type)));
  source.head(fmt::format("#define HELD {}\n", layout.held > 0));
  source.head(layout.columns ? fmt::format("#define TEAM(Op, v) team_columns<32, {}, Op>(v)\n", team)
                             : fmt::format("#define TEAM(Op, v) team<{}, Op>(v)\n", team));
  source.head(program_text(plan.prologue, "prologue", plan.type) + program_text(plan.epilogue, "epilogue", plan.type));
  size_t input = 0;
  for (const Operand& operand : plan.own) source.body(declare_input(source, operand.name, operand.storage, input++));
  for (size_t k = 0; k < plan.vectors.size(); ++k)
    source.body(declare_input(source, plan.vectors[k].name, plan.vectors[k].storage, vector_inputs[k]));
  for (size_t k = 0; k < plan.extras.size(); ++k)
    source.body(declare_input(source, plan.extras[k].name, plan.extras[k].storage, first_extra + k));
  const bool writes = plan.phase != RowPlan::statistics_of_part;
  if (writes) source.body(declare_output(source, "y", plan.out.storage, 0));
  if (plan.phase != RowPlan::whole) source.body(fmt::format("V* moments = (V*){};\n", source.scratch(0)));
  for (const auto& [name, output] : statistics_outputs) source.body(declare_output(source, name, DType::f32, output));

  const Reads own(plan.own, inner, w), vectors(plan.vectors, inner, w), extras(plan.extras, inner, w);
  source.body(fmt::format("const bool al = {} && {} && {};\n", own.alignment(writes ? std::vector<std::string>{"y"} : std::vector<std::string>{}), vectors.alignment({}), extras.alignment({})));
  if (layout.columns)
    source.body("const int lane = threadIdx.y;\nconst I row = (I)blockIdx.x * 32u + threadIdx.x;\n");
  else
    source.body(fmt::format("const int lane = threadIdx.x % {0}u;\nconst I row = (I)blockIdx.x * {1} + threadIdx.x / {0}u;\n", team,
                            layout.beside));
  source.body(fmt::format("const I length = {};\nconst bool active = row < {};\n", source.number(length), source.number(rows)));
  if (plan.phase == RowPlan::whole)
    source.body("const I begin = 0, end = length;\nconst V n = (V)length;\n");
  else
    source.body(fmt::format("const I part = blockIdx.y, begin = part * {0}, end = begin + {0} < length ? begin + {0} : length;\n"
                            "const V n = (V)(end - begin);\n", plan.part_length));
  source.body(split_index(source, space, "row", 0, row_count, "i"));
  // Every operand's place in the row, then within it.
  auto place = [&](const std::vector<Operand>& operands) {
    for (const Operand& operand : operands)
      source.body(fmt::format("const I at_{} = {};\n", operand.name, offset_of(source, operand, 0, row_count, "i")));
  };
  place(plan.own), place(plan.vectors), place(plan.extras), place({plan.out});
  auto offset = [&](const Operand& operand) {
    const std::string within = offset_text(source, operand.steps, row_count, rank, "i");
    return fmt::format("at_{} + {}", operand.name, within);
  };
  const std::string split = split_index(source, space, "c", row_count, rank, "i");
  const std::string load_own = split + own.load(source, "", [&](size_t k) { return offset(plan.own[k]); });
  const std::string x_of_e = fmt::format("prologue({})", own.arguments("", "e"));
  if (layout.held > 0) {
    source.body(fmt::format(R"(
V x[{held} * {w}];
_Pragma("unroll") for (int j = 0; j < {held}; ++j) {{
  const I c = (I)(lane + j * {team}) * {w};
  if (active && c < length) {{
{load}
    _Pragma("unroll") for (int e = 0; e < {w}; ++e) x[j * {w} + e] = {x};
  }}
}}
auto each = [&](auto&& f) {{
  _Pragma("unroll") for (int j = 0; j < {held}; ++j) {{
    const I c = (I)(lane + j * {team}) * {w};
    if (active && c < length) {{
      _Pragma("unroll") for (int e = 0; e < {w}; ++e) f(x[j * {w} + e]);
    }}
  }}
}};
)",
                            fmt::arg("held", layout.held), fmt::arg("w", w), fmt::arg("team", team), fmt::arg("load", load_own),
                            fmt::arg("x", x_of_e)));
  } else {
    source.body(fmt::format(R"(
auto each = [&](auto&& f) {{
  if (!active) return;
  _Pragma("unroll 4") for (I c = begin + (I)lane * {w}; c < end; c += {team} * {w}) {{
{load}
    _Pragma("unroll") for (int e = 0; e < {w}; ++e) {{ V v = {x}; f(v); }}
  }}
}};
)",
                            fmt::arg("w", w), fmt::arg("team", team), fmt::arg("load", load_own), fmt::arg("x", x_of_e)));
  }
  source.body(plan.statistics);
  LaunchShape shape;
  shape.block[0] = static_cast<unsigned>(layout.columns ? 32 : team * layout.beside);
  shape.block[1] = static_cast<unsigned>(layout.columns ? team : 1);
  TN_TRY(grid_of((rows.value + layout.beside - 1) / layout.beside, shape.grid[0]));
  TN_TRY(grid_of(plan.parts, shape.grid[1]));
  if (!writes) return source.finish(session, shape, state);
  source.body("if (!active) return;\n");
  std::string late = vectors.load(source, "", [&](size_t k) { return offset(plan.vectors[k]); });
  late += extras.load(source, "", [&](size_t k) { return offset(plan.extras[k]); });
  std::string values;
  for (size_t k = 0; k < plan.vectors.size(); ++k)
    values += fmt::format("const V {} = (V){};\n", "v" + plan.vectors[k].name, vectors.argument(k, "", "e"));
  std::string arguments = plan.value;
  for (size_t k = 0; k < plan.extras.size(); ++k) arguments += ", " + extras.argument(k, "", "e");
  const std::string loop = layout.held > 0
                               ? fmt::format("_Pragma(\"unroll\") for (int j = 0; j < {}; ++j) {{\nconst I c = (I)(lane + j * {}) * "
                                             "{};\nif (c >= length) break;\n", layout.held, team, w) + split
                               : fmt::format("for (I c = begin + (I)lane * {}; c < end; c += {}) {{\n", w, team * w) + load_own;
  source.body(loop + late);
  source.body(fmt::format(
      "Pack<{type}, {w}> out;\n_Pragma(\"unroll\") for (int e = 0; e < {w}; ++e) {{\nconst V v = {x};\n{values}"
      "out.e[e] = Put<{type}>::of(epilogue({arguments}));\n}}\n",
      fmt::arg("type", storage_name(plan.out.storage)), fmt::arg("w", w),
      fmt::arg("x", layout.held > 0 ? fmt::format("x[j * {} + e]", w) : x_of_e), fmt::arg("values", values),
      fmt::arg("arguments", arguments)));
  if (w == 1 || plan.out.steps.at[static_cast<size_t>(inner)].is(1))
    source.body(fmt::format("store<{}>(y + ({}), out, al);\n}}\n", w, offset(plan.out)));
  else
    source.body(fmt::format("_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) y[({}) + (I)e * {}] = out.e[e];\n}}\n", w, offset(plan.out),
                            source.number(plan.out.steps.at[static_cast<size_t>(inner)])));
  return source.finish(session, shape, state);
}

}  // namespace tenon::cuda
