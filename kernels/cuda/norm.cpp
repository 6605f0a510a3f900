// cuda.layer_norm, cuda.group_norm: mean and variance in two passes over registers, or over memory where a row is long.
#include "norm/check.h"

#include <bit>

#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/program_text.h"
#include "cuda/rows.h"

namespace tenon::cuda {
namespace {

std::string statistics_text(float epsilon, bool mean_out, bool inverse_out) {
  return fmt::format(R"(
V mean = 0, square = 0;
each([&](V& v) {{ mean += v; }});
mean = TEAM(Sum, mean) / n;
each([&](V& v) {{ const V d = v - mean; square += d * d; }});
const V inverse = (V)1 / op_sqrt(TEAM(Sum, square) / n + (V)__uint_as_float(0x{:08x}u));
{}{})",
                     std::bit_cast<uint32_t>(epsilon), mean_out ? "if (active && lane == 0) y1[row] = (float)mean;\n" : "",
                     inverse_out ? "if (active && lane == 0) y2[row] = (float)inverse;\n" : "");
}

// The same from the parts of a row.
constexpr const char* kPartStatistics = R"(
V mean = 0, square = 0;
each([&](V& v) { mean += v; });
mean = TEAM(Sum, mean) / n;
each([&](V& v) { const V d = v - mean; square += d * d; });
square = TEAM(Sum, square);
if (lane == 0) {
  moments[(row * gridDim.y + part) * 2] = mean;
  moments[(row * gridDim.y + part) * 2 + 1] = square;
}
)";

std::string merge_text(float epsilon, int64_t parts, int64_t part_length) {
  return fmt::format(R"(
V mean = 0, square = 0, total = 0;
for (I p = 0; p < {parts}; ++p) {{
  const V more = (V)(p + 1 < {parts} ? {length} : length - p * {length});
  const V m = moments[(row * {parts} + p) * 2], s = moments[(row * {parts} + p) * 2 + 1], d = m - mean, all = total + more;
  mean += d * (more / all);
  square += s + d * d * (total * more / all);
  total = all;
}}
const V inverse = (V)1 / op_sqrt(square / total + (V)__uint_as_float(0x{epsilon:08x}u));
)",
                     fmt::arg("parts", parts), fmt::arg("length", part_length), fmt::arg("epsilon", std::bit_cast<uint32_t>(epsilon)));
}

std::string value_text(bool scale, bool bias) {
  return fmt::format("(v - mean) * inverse{}{}", scale ? " * vs1" : "", bias ? " + vs2" : "");
}

void type_by_epilogue(Logical& logical, const Program& epilogue) {
  logical.by_programs(nullptr, std::min<size_t>(3, logical.inputs.size()), epilogue, 3);
}

Status prepare_layer_norm(const PrepareCall& call, Prepared& prepared) {
  const LayerNormParams& params = call.as<LayerNormParams>();
  TN_TRY(verify(params.epilogue));
  TN_TRY(check_computable(params.epilogue));
  TN_ASSIGN(Logical logical, Logical::of(call));
  for (const Arg& arg : call.inputs)
    if (arg.present()) TN_TRY(expect_format(arg, kLinear, "input"));
  for (const Arg& arg : call.outputs)
    if (arg.present()) TN_TRY(expect_format(arg, kLinear, "output"));
  type_by_epilogue(logical, params.epilogue);
  LayerNormShape shape;
  TN_TRY(check_layer_norm(logical.call(), shape));
  const Arg& x = call.inputs[0];
  auto state = std::make_unique<LaunchState>();
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    RowPlan plan{Space(variant), "tenon_layer_norm", logical.inputs[0].dtype, {}, {}, {}, {}, params.epilogue, {}, {}, {}, {}};
    Space& space = plan.space;
    space.add_dims(x);
    std::vector<size_t> present;
    for (size_t k = 0; k < call.inputs.size(); ++k)
      if (call.inputs[k].present()) present.push_back(k), space.add_operand(space.broadcast(call.inputs[k]));
    space.add_operand(space.broadcast(call.outputs[0]));
    for (int d = params.axis; d < x.rank; ++d) space.set_group(d, column_loops);
    space.simplify();
    std::vector<size_t> vectors;
    for (size_t i = 0; i < present.size(); ++i) {
      const size_t k = present[i];
      Operand operand{fmt::format("{}{}", k == 1 || k == 2 ? "s" : "x", k), call.inputs[k].dtype, space.operands()[i], ""};
      if (k == 1 || k == 2) vectors.push_back(k);
      (k == 0 ? plan.own : k < 3 ? plan.vectors : plan.extras).push_back(std::move(operand));
    }
    plan.out = {"y", call.outputs[0].dtype, space.operands().back(), ""};
    std::vector<std::pair<std::string, size_t>> statistics;
    for (size_t i = 1; i < call.outputs.size(); ++i)
      if (call.outputs[i].present()) statistics.emplace_back(fmt::format("y{}", i), i);
    auto wants = [&](size_t i) { return call.outputs.size() > i && call.outputs[i].present(); };
    plan.statistics = statistics_text(params.epsilon, wants(1), wants(2));
    plan.value = value_text(call.inputs[1].present(), call.inputs[2].present());
    LaunchState attempt;
    TN_TRY(add_rows(session_of(call), plan, vectors, 3, statistics, attempt));
    if (state->launches.empty() && space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

// Loops of a tensor [N, C, spatial…] with C divided into groups and the channels of one.
Steps by_groups(const Steps& steps, const Extent& per_group) {
  Steps out;
  for (size_t d = 0; d < steps.at.size(); ++d) {
    if (d == 1) out.at.push_back(steps.at[1] * per_group);
    out.at.push_back(steps.at[d]);
  }
  return out;
}

Status prepare_group_norm(const PrepareCall& call, Prepared& prepared) {
  const GroupNormParams& params = call.as<GroupNormParams>();
  TN_TRY(verify(params.epilogue));
  TN_TRY(check_computable(params.epilogue));
  TN_ASSIGN(Logical logical, Logical::of(call));
  type_by_epilogue(logical, params.epilogue);
  GroupNormShape shape;
  TN_TRY(check_group_norm(logical.call(), shape));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  if (!(x.fixed_dims >> 1 & 1))
    return fail(Code::unsupported, "group_norm on CUDA takes a number of channels that is the same at every shape");
  auto state = std::make_unique<LaunchState>();
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    RowPlan plan{Space(variant), "tenon_group_norm", logical.inputs[0].dtype, {}, {}, {}, {}, params.epilogue, {}, {}, {}, {}};
    // Steps over the plain dims first, then divided.
    Space plain(variant);
    plain.add_dims(x);
    std::vector<Steps> steps;
    for (size_t k = 0; k < call.inputs.size(); ++k) {
      const int channel[] = {1};
      steps.push_back(k == 1 || k == 2 ? plain.dense(call.inputs[k], channel, true) : plain.broadcast(call.inputs[k]));
    }
    steps.push_back(plain.broadcast(y));
    Space& space = plan.space;
    space = plain;
    const int64_t per_group = x.dims[1] / params.groups;
    space.divide_loop(1, params.groups, per_group);
    for (Steps& one : steps) space.add_operand(by_groups(one, Extent::of(per_group)));
    const int rank = x.rank + 1;
    for (int d = 2; d < rank; ++d) space.set_group(d, column_loops);
    std::vector<int> order = {0, 1};
    const bool last = x.format == kChannelsLast;
    if (!last) order.push_back(2);
    for (int d = 3; d < rank; ++d) order.push_back(d);
    if (last) order.push_back(2);
    space.reorder(order);
    space.simplify();
    for (size_t k = 0; k < call.inputs.size(); ++k) {
      Operand operand{fmt::format("{}{}", k == 1 || k == 2 ? "s" : "x", k), call.inputs[k].dtype, space.operands()[k], ""};
      (k == 0 ? plan.own : k < 3 ? plan.vectors : plan.extras).push_back(std::move(operand));
    }
    plan.out = {"y", y.dtype, space.operands().back(), ""};
    plan.statistics = statistics_text(params.epsilon, false, false);
    plan.value = value_text(true, true);
    LaunchState attempt;
    plan.parts = parts_of(plan, plan.part_length);
    if (plan.parts > 1) {
      RowPlan first = plan;
      first.phase = RowPlan::statistics_of_part;
      first.statistics = kPartStatistics;
      first.vectors.clear();
      first.extras.clear();
      TN_TRY(add_rows(session_of(call), first, {}, 3, {}, attempt));
      plan.phase = RowPlan::write_part;
      plan.statistics = merge_text(params.epsilon, plan.parts, plan.part_length);
      prepared.scratch_bytes = space.count(row_loops).value * plan.parts * 2 * (plan.type == DType::f64 ? 8 : 4);
    }
    TN_TRY(add_rows(session_of(call), plan, {1, 2}, 3, {}, attempt));
    if (state->launches.empty() && space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kCudaLayerNorm, kCudaGroupNorm;
const Kernel kCudaLayerNorm{"cuda.layer_norm", sizeof(LayerNormParams), 0, 0, prepare_layer_norm, launch_all, Place::device};
const Kernel kCudaGroupNorm{"cuda.group_norm", sizeof(GroupNormParams), 0, 0, prepare_group_norm, launch_all, Place::device};

}  // namespace tenon::cuda
