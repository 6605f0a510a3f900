// cuda.pointwise: any expression program over broadcasting operands, a vector of elements at a time.
#include "pointwise/check.h"

#include <algorithm>

#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/operand.h"
#include "cuda/generate/program_text.h"
#include "cuda/pointwise.h"

namespace tenon::cuda {

// A thread computes `vectors` vectors, a block's width apart, whose loads are all under way before the first is used.
Status add_pointwise(Session& session, const PointwisePlan& plan, LaunchState& state) {
  constexpr int kThreads = 256;
  const Space& space = plan.space;
  const int rank = static_cast<int>(space.loops().size()), inner = rank - 1;
  const bool flat = rank <= 1;
  std::vector<Operand> operands = plan.reads, all = plan.reads;
  all.push_back({"y", plan.out.dtype, space.operands().back(), ""});
  const int width = vector_width(space, all, inner, flat);
  const Extent count = space.count();
  const bool ragged = flat && !count.divides_by(width);
  // Small tensors spread over the multiprocessors instead. Where the count is no literal, it may be large.
  const int64_t known = count.is_literal() ? count.literal : int64_t{1} << 24;
  int vectors = known / width >= int64_t{1} << 19 ? 2 : 1;
  if (width == 1 && known >= 1 << 20) vectors = 4;

  Source source(plan.entry, space.wide());
  source.bounds(kThreads);
  source.head(program_text(plan.program, "program", plan.reads[0].storage));
  for (size_t k = 0; k < plan.reads.size(); ++k) {
    source.body(declare_input(source, plan.reads[k].name, plan.reads[k].storage, k));
    if (k < plan.bases.size()) operands[k].base = source.argument(plan.bases[k]);
  }
  source.body(declare_output(source, "y", plan.out.dtype, 0));
  const Reads reads(operands, inner, width);
  source.body(fmt::format("const bool al = {};\n", reads.alignment({"y"})));
  const std::string n = source.number(count);
  source.body(fmt::format("const I first = ((I)blockIdx.x * {} + threadIdx.x) * {};\n", kThreads * vectors, width));
  const auto type = storage_name(plan.out.dtype);
  auto index = [&](int u) { return fmt::format("(first + {}u)", u * kThreads * width); };
  // All reads, then all results.
  auto load = [&](int u) {
    const std::string prefix = fmt::format("i{}_", u);
    std::string out = split_index(source, space, index(u), 0, rank, prefix);
    return out + reads.load(source, fmt::format("_{}", u), [&](size_t k) {
      return offset_of(source, operands[k], 0, rank, prefix);
    });
  };
  auto compute = [&](int u) {
    return fmt::format(
        "Pack<{0}, {1}> out{2};\n_Pragma(\"unroll\") for (int e = 0; e < {1}; ++e) out{2}.e[e] = "
        "Put<{0}>::of(program({3}));\nstore<{1}>(y + {4}, out{2}, al);\n",
        type, width, u, reads.arguments(fmt::format("_{}", u), "e"), index(u));
  };
  if (vectors == 1) {
    source.body(fmt::format("if (first + {} <= {}) {{\n", width, n));
    source.body(load(0)).body(compute(0)).body("return;\n}\n");
  } else {
    source.body(fmt::format("if ({} + {} <= {}) {{\n", index(vectors - 1), width, n));
    std::string computes;
    for (int u = 0; u < vectors; ++u) source.body(load(u));
    for (int u = 0; u < vectors; ++u) source.body(compute(u));
    source.body("return;\n}\n");
  }
  // The end: what is left, an element at a time.
  if (vectors > 1 || ragged || width > 1) {
    const Reads single(operands, inner, 1);
    source.body(fmt::format("for (int u = 0; u < {}; ++u) for (int j = 0; j < {}; ++j) {{\n", vectors, width));
    source.body(fmt::format("const I at = first + u * {} + j;\nif (at >= {}) return;\n", kThreads * width, n));
    source.body(split_index(source, space, "at", 0, rank, "e"));
    source.body(single.load(source, "_s", [&](size_t k) {
      return offset_of(source, operands[k], 0, rank, "e");
    }));
    source.body(fmt::format("y[at] = Put<{}>::of(program({}));\n}}\n", type, single.arguments("_s", "0")));
  }
  LaunchShape shape;
  shape.block[0] = kThreads;
  const int64_t per_block = int64_t{kThreads} * vectors * width;
  TN_TRY(grid_of((count.value + per_block - 1) / per_block, shape.grid[0]));
  return source.finish(session, shape, state);
}

namespace {

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const Program& program = call.as<PointwiseParams>().program;
  TN_TRY(verify(program));
  TN_TRY(check_computable(program));
  TN_ASSIGN(Logical logical, Logical::of(call));
  for (size_t k = 0; k < logical.inputs.size() && k < kMaxProgramInputs; ++k)
    Logical::as(logical.inputs[k], program.input_type[k]);
  if (logical.outputs.size() == 1) Logical::as(logical.outputs[0], program.result_type());
  TN_TRY(check_pointwise(logical.call()));
  auto state = std::make_unique<LaunchState>();
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    Space space(variant);
    space.add_dims(call.outputs[0]);
    for (const Arg& in : call.inputs) space.add_operand(space.broadcast(in));
    space.add_operand(space.broadcast(call.outputs[0]));
    space.reorder(memory_order(call.outputs[0]));
    space.simplify();
    PointwisePlan plan{space, program, {}, call.outputs[0]};
    for (size_t k = 0; k < call.inputs.size(); ++k)
      plan.reads.push_back({fmt::format("x{}", k), call.inputs[k].dtype, space.operands()[k], ""});
    LaunchState attempt;
    TN_TRY(add_pointwise(session_of(call), plan, attempt));
    if (state->launches.empty() && space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kCudaPointwise;
const Kernel kCudaPointwise{"cuda.pointwise", sizeof(PointwiseParams), 0, 0xffff, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
