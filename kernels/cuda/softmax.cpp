// cuda.softmax: softmax and log-softmax along any axis, between a prologue and an epilogue.
#include "softmax/check.h"

#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/program_text.h"
#include "cuda/rows.h"

namespace tenon::cuda {
namespace {

constexpr char kStatistics[] = R"(
V high = (V)-INF, sum = 0;
each([&](V& v) { high = Max::of(high, v); });
high = TEAM(Max, high);
#if HELD && !LOG
each([&](V& v) { v = op_exp(v - high); sum += v; });
#else
each([&](V& v) { sum += op_exp(v - high); });
#endif
sum = TEAM(Sum, sum);
#if LOG
const V shift = op_log(sum);
#else
const V factor = (V)1 / sum;
#endif
)";

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const SoftmaxParams& params = call.as<SoftmaxParams>();
  for (const Program* program : {&params.prologue, &params.epilogue}) {
    TN_TRY(verify(*program));
    TN_TRY(check_computable(*program));
  }
  TN_ASSIGN(Logical logical, Logical::of(call));
  const size_t own = prologue_inputs(params.prologue);
  logical.by_programs(&params.prologue, own, params.epilogue, own);
  SoftmaxShape shape;
  TN_TRY(check_softmax(logical.call(), shape));
  const Arg& y = call.outputs[0];
  auto state = std::make_unique<LaunchState>();
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    RowPlan plan{Space(variant), "tenon_softmax", shape.prologue.x.dtype, {}, params.prologue, {}, {}, params.epilogue, {}, {}, {}, {}};
    Space& space = plan.space;
    space.add_dims(y);
    for (const Arg& in : call.inputs) space.add_operand(space.broadcast(in));
    space.add_operand(space.broadcast(y));
    space.set_group(params.axis, column_loops);
    // Rows in the order in which they lie in memory, then the axis.
    std::vector<int> order;
    for (int d : memory_order(y))
      if (d != params.axis) order.push_back(d);
    order.push_back(params.axis);
    space.reorder(order);
    space.simplify();
    for (size_t k = 0; k < call.inputs.size(); ++k)
      (k < own ? plan.own : plan.extras).push_back({fmt::format("x{}", k), call.inputs[k].dtype, space.operands()[k], ""});
    plan.out = {"y", y.dtype, space.operands().back(), ""};
    plan.statistics = fmt::format("#define LOG {}\n", params.log ? 1 : 0) + kStatistics;
    plan.value = params.log ? "v - high - shift" : "HELD ? v * factor : op_exp(v - high) * factor";
    LaunchState attempt;
    TN_TRY(add_rows(session_of(call), plan, {}, own, {}, attempt));
    if (state->launches.empty() && space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kCudaSoftmax;
const Kernel kCudaSoftmax{"cuda.softmax", sizeof(SoftmaxParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
