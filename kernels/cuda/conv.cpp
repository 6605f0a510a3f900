#include "cuda/conv.h"

#include <algorithm>

#include "common/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/program_text.h"

namespace tenon::cuda {

Status check_conv(const PrepareCall& call, bool transposed, DType& type, ConvGeometry& geometry) {
  const auto& params = call.as<ConvParams>();
  TN_TRY(verify(params.epilogue));
  TN_TRY(check_computable(params.epilogue));
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  TN_ASSIGN(Logical logical, Logical::of(call));
  logical.by_programs(nullptr, std::min<size_t>(3, logical.inputs.size()), params.epilogue, 3);
  const auto& in = logical.inputs;
  if (!with_number(in[0].dtype, [](auto) {}))
    return fail(Code::invalid_plan, "x must have a float or integer type, it is {}", describe(in[0]));
  type = in[0].dtype;
  TN_TRY(expect_type(in[1], type, "w"));
  TN_TRY(expect_format(call.inputs[1], kLinear, "w"));
  TN_TRY(conv_geometry(params, in[0], in[1], in.size() > 2 ? in[2] : Arg{}, logical.outputs[0], transposed, geometry));
  const auto extras = std::span<const Arg>(in).subspan(std::min<size_t>(3, in.size()));
  TN_TRY(check_epilogue(params.epilogue, type, extras, logical.outputs[0]));
  BroadcastStrides unused;
  for (const Arg& extra : extras) TN_TRY(broadcast_strides(extra, logical.outputs[0].shape(), "extra operand", unused));
  return {};
}

ConvLoops conv_loops(const PrepareCall& call, const ConvGeometry& geometry, bool transposed, Variant variant) {
  ConvLoops out;
  out.space = Space(variant);
  Space& space = out.space;
  out.g = geometry;
  const Arg &x = call.inputs[0], &w = call.inputs[1], &y = call.outputs[0];
  auto number = [&](const Arg& arg, int d) { return space.number(arg.dims[d], arg.fixed_dims >> d & 1); };
  space.add_dims(y);
  out.spatial = y.rank - 2;
  for (int i = 0; i < 3; ++i) out.in[i] = out.out[i] = out.kernel[i] = Extent::of(1), out.pad[i] = Extent::of(0);
  for (int i = 0; i < out.spatial; ++i) {
    const int at = 3 - out.spatial + i;
    out.in[at] = number(x, 2 + i);
    out.kernel[at] = number(w, 2 + i);
    out.out[at] = space.loops()[static_cast<size_t>(2 + i)].size;
    // Pads may follow from dims ("same" padding).
    out.pad[at] = space.number(geometry.pad[at], x.fixed_dims >> (2 + i) & 1);
  }
  out.batch = space.loops()[0].size;
  out.per_group = number(w, transposed ? 0 : 1);
  if (transposed) out.per_group = space.number(geometry.cg, w.fixed_dims & 1);
  out.out_per_group = space.number(geometry.og, w.fixed_dims >> (transposed ? 1 : 0) & 1);
  out.x = Steps{space.own_steps(x)};
  out.w = Steps{space.own_steps(w)};
  space.add_operand(space.broadcast(y));
  for (size_t k = 3; k < call.inputs.size(); ++k) space.add_operand(space.broadcast(call.inputs[k]));
  space.reach(storage_count(x));
  return out;
}

}  // namespace tenon::cuda
