#include "rnn/geometry.h"

#include <algorithm>

namespace tenon {
namespace {

// With kMaxRnnHidden: keeps every product of three sizes below far from overflow.
constexpr int64_t kMaxExtent = int64_t{1} << 31;

Arg at(std::span<const Arg> args, size_t i) { return i < args.size() ? args[i] : Arg{}; }

Status expect_params(const RnnParams& params) {
  auto within = [](auto value, int64_t last) {
    return static_cast<int64_t>(value) >= 0 && static_cast<int64_t>(value) <= last;
  };
  if (!within(params.kind, 2)) return fail(Code::invalid_plan, "kind must be 0 to 2");
  if (!within(params.direction, 2)) return fail(Code::invalid_plan, "direction must be 0 to 2");
  if (!within(params.layout, 1)) return fail(Code::invalid_plan, "layout must be 0 or 1");
  if (params.hidden < 1 || params.hidden > kMaxRnnHidden)
    return fail(Code::invalid_plan, "hidden must be 1 to {}, it is {}", kMaxRnnHidden, params.hidden);
  for (const RnnFunction& function : params.functions)
    if (!within(function.kind, 10)) return fail(Code::invalid_plan, "an activation must be 0 to 10");
  return {};
}

Status expect_tensor(const Arg& arg, DType type, std::initializer_list<int64_t> dims, const char* what) {
  TN_TRY(expect_type(arg, type, what));
  TN_TRY(expect_format(arg, kLinear, what));
  return expect_shape(arg, {dims.begin(), dims.size()}, what);
}

}  // namespace

RnnArgs rnn_args(std::span<const Arg> inputs, std::span<const Arg> outputs) {
  return {at(inputs, 0), at(inputs, 1), at(inputs, 2),  at(inputs, 3),  at(inputs, 4), at(inputs, 5),
          at(inputs, 6), at(inputs, 7), at(outputs, 0), at(outputs, 1), at(outputs, 2)};
}

Status rnn_geometry(const RnnParams& params, std::span<const Arg> inputs, std::span<const Arg> outputs,
                    RnnGeometry& g) {
  TN_TRY(expect_params(params));
  const bool lstm = params.kind == RnnKind::lstm;
  if (inputs.size() < 3 || inputs.size() > (lstm ? 8 : 6))
    return fail(Code::invalid_plan, "kernel takes 3 to {} inputs, the step has {}", lstm ? 8 : 6,
                inputs.size());
  if (outputs.empty() || outputs.size() > (lstm ? 3 : 2))
    return fail(Code::invalid_plan, "kernel writes 1 to {} outputs, the step has {}", lstm ? 3 : 2,
                outputs.size());
  const RnnArgs args = rnn_args(inputs, outputs);
  const bool batch_first = params.layout == 1;
  TN_TRY(expect_rank(args.x, 3, 3, "x"));
  TN_TRY(expect_format(args.x, kLinear, "x"));
  g.directions = params.direction == RnnDirection::bidirectional ? 2 : 1;
  g.gates = rnn_gates(params.kind);
  g.hidden = params.hidden;
  g.steps = args.x.dims[batch_first ? 1 : 0];
  g.batch = args.x.dims[batch_first ? 0 : 1];
  g.input = args.x.dims[2];
  for (int64_t dim : {g.steps, g.batch, g.input})
    if (dim < 0 || dim > kMaxExtent)
      return fail(Code::invalid_plan, "dims of x must be 0 to {}, it is {}", kMaxExtent, describe(args.x));
  const int64_t d = g.directions, h = g.hidden, t = g.steps, n = g.batch;
  const DType type = args.x.dtype;
  auto state = [&](const Arg& arg, const char* what) {
    return batch_first ? expect_tensor(arg, type, {n, d, h}, what)
                       : expect_tensor(arg, type, {d, n, h}, what);
  };
  TN_TRY(batch_first ? expect_tensor(args.y, type, {n, t, d, h}, "y")
                     : expect_tensor(args.y, type, {t, d, n, h}, "y"));
  if (args.b.present()) TN_TRY(expect_tensor(args.b, type, {d, 2 * g.gates * h}, "b"));
  if (args.lens.present()) TN_TRY(expect_tensor(args.lens, DType::i32, {n}, "sequence_lens"));
  if (args.initial_h.present()) TN_TRY(state(args.initial_h, "initial_h"));
  if (args.initial_c.present()) TN_TRY(state(args.initial_c, "initial_c"));
  if (args.p.present()) TN_TRY(expect_tensor(args.p, type, {d, 3 * h}, "p"));
  if (outputs.size() > 1) TN_TRY(state(args.y_h, "y_h"));
  if (outputs.size() > 2) TN_TRY(state(args.y_c, "y_c"));
  if (t * n > INT64_MAX / 16 / std::max(h, g.input))
    return fail(Code::invalid_plan, "x is too large: {}", describe(args.x));
  g.x_step = batch_first ? g.input : n * g.input;
  g.x_item = batch_first ? t * g.input : g.input;
  g.y_step = batch_first ? d * h : d * n * h;
  g.y_direction = batch_first ? h : n * h;
  g.y_item = batch_first ? t * d * h : h;
  g.state_direction = batch_first ? h : n * h;
  g.state_item = batch_first ? d * h : h;
  return {};
}

Status expect_rnn_weights(const RnnGeometry& g, const RnnArgs& args) {
  TN_TRY(expect_tensor(args.w, args.x.dtype, {g.directions, g.gates * g.hidden, g.input}, "w"));
  return expect_tensor(args.r, args.x.dtype, {g.directions, g.gates * g.hidden, g.hidden}, "r");
}

Status check_sequence_lens(const RnnGeometry& g, const Arg& lens) {
  for (int64_t item = 0; lens.present() && item < g.batch; ++item)
    if (int32_t length = lens.as<const int32_t>()[item]; length < 0 || length > g.steps)
      return fail(Code::out_of_range, "sequence_lens[{}] is {}; it must be 0 to {}", item, length, g.steps);
  return {};
}

}  // namespace tenon
