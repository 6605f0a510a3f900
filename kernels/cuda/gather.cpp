// cuda.gather, cuda.gather_elements, cuda.gather_nd. An index out of range is taken as the nearest that is in it: a device
// kernel cannot answer an error, and must not leave the tensor.
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/index.h"
#include "index/params.h"

namespace tenon::cuda {
namespace {

constexpr const char* kInRange = R"(
FN i64 in_range(i64 index, i64 n) {
  if (index < 0) index += n;
  return index < 0 ? 0 : index >= n ? n - 1 : index;
}
)";

// The host's kernels check the same but for values; what they refuse in launch is refused here where it shows in shapes.
Status check_host(const Kernel& reference, const PrepareCall& call) {
  for (std::span<const Arg> args : {call.inputs, call.outputs})
    for (const Arg& arg : args)
      if (arg.present()) TN_TRY(expect_format(arg, kLinear, "tensor"));
  Prepared unused;
  return reference.prepare(call, unused);
}

Status check_not_empty(const Arg& x, const Arg& out) {
  if (x.count() != 0 || out.count() == 0) return {};
  return fail(Code::out_of_range, "indices into the empty tensor {}", describe(x));
}

std::string copy_text(int width, const std::string& from, const std::string& to) {
  return fmt::format("store<{0}>(y + ({2}), load<{0}>(x + ({1}), al), al);\n", width, from, to);
}

Status prepare_gather(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(check_host(kGatherReference, call));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &y = call.outputs[0];
  TN_TRY(check_not_empty(x, y));
  const auto axis = static_cast<int>(call.as<GatherParams>().axis);
  const DType bits = move_type(x.dtype);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    // Loops: the dims before the axis, the indices', the dims behind it.
    int of_x[kMaxRank], of_indices[kMaxRank];
    for (int d = 0; d < x.rank; ++d) of_x[d] = d < axis ? d : d == axis ? -1 : d - 1 + indices.rank;
    for (int d = 0; d < indices.rank; ++d) of_indices[d] = axis + d;
    const Extent n = space.number(x.dims[axis], x.fixed_dims >> axis & 1);
    Extent axis_step = Extent::of(1);
    for (int d = axis + 1; d < x.rank; ++d) axis_step = axis_step * space.loops()[static_cast<size_t>(d - 1 + indices.rank)].size;
    // x's axis is no loop: its steps in front of it hold the axis' dim.
    Steps steps;
    steps.at.assign(space.loops().size(), Extent::of(0));
    Extent step = Extent::of(1);
    for (int d = x.rank - 1; d >= 0; --d) {
      if (d != axis) steps.at[static_cast<size_t>(of_x[d])] = step;
      step = step * (d == axis ? n : space.loops()[static_cast<size_t>(of_x[d])].size);
    }
    space.reach(x.count());
    for (int d = 0; d < y.rank; ++d) space.set_group(d, d < axis ? 0 : d < axis + indices.rank ? 1 : 2);
    space.add_operand(steps);
    space.add_operand(space.dense(indices, {of_indices, static_cast<size_t>(indices.rank)}, true));
    space.add_operand(space.broadcast(y));
    space.simplify();
    const int rank = static_cast<int>(space.loops().size());
    const std::vector<Operand> moved = {{"x", bits, space.operands()[0], ""}, {"y", bits, space.operands()[2], ""}};
    int width = 1;
    if (rank > 0 && space.loops().back().group == 2) {
      width = vector_width(space, moved, rank - 1, false);
      while (width > 1 && !axis_step.divides_by(width)) width /= 2;
    }
    Source source("tenon_gather", space.wide());
    source.head(kInRange);
    source.body(declare_input(source, "x", bits, 0) + declare_input(source, "indices", indices.dtype, 1) +
                declare_output(source, "y", bits, 0));
    source.body("const bool al = is_aligned(x) && is_aligned(y);\n");
    const std::string body =
        fmt::format("const I index = (I)in_range((i64)indices[{}], (i64){});\n",
                    offset_text(source, space.operands()[1], 0, rank, "i"), source.number(n)) +
        copy_text(width,
                  fmt::format("{} + index * {}", offset_text(source, space.operands()[0], 0, rank, "i"), source.number(axis_step)),
                  "at");
    return add_elementwise(session_of(call), source, space, width, body, state);
  });
}

Status prepare_gather_elements(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(check_host(kGatherElementsReference, call));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &y = call.outputs[0];
  TN_TRY(check_not_empty(x, y));
  const auto axis = static_cast<size_t>(call.as<GatherParams>().axis);
  const DType bits = move_type(x.dtype);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    Steps steps{space.own_steps(x)};
    const Extent axis_step = steps.at[axis];
    steps.at[axis] = Extent::of(0);
    space.add_operand(steps);
    space.simplify();
    const int rank = static_cast<int>(space.loops().size());
    Source source("tenon_gather_elements", space.wide());
    source.head(kInRange);
    source.body(declare_input(source, "x", bits, 0) + declare_input(source, "indices", indices.dtype, 1) +
                declare_output(source, "y", bits, 0));
    const Extent n = space.number(x.dims[axis], x.fixed_dims >> axis & 1);
    const std::string body = fmt::format("y[at] = x[{} + (I)in_range((i64)indices[at], (i64){}) * {}];\n",
                                         offset_text(source, space.operands()[0], 0, rank, "i"), source.number(n),
                                         source.number(axis_step));
    return add_elementwise(session_of(call), source, space, 1, body, state);
  });
}

Status prepare_gather_nd(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(check_host(kGatherNdReference, call));
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &y = call.outputs[0];
  TN_TRY(check_not_empty(x, y));
  const int batch = static_cast<int>(call.as<GatherNdParams>().batch_dims);
  if (!(indices.fixed_dims >> (indices.rank - 1) & 1))
    return fail(Code::unsupported, "gather_nd on CUDA takes indices whose last dim is the same at every shape");
  const int depth = static_cast<int>(indices.dims[indices.rank - 1]);
  const DType bits = move_type(x.dtype);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    const std::vector<Extent> own = space.own_steps(x);
    // Loops: the batch dims, the indices' others, the dims of x behind those that are indexed.
    Steps from, index;
    from.at.assign(space.loops().size(), Extent::of(0));
    index = from;
    for (int d = 0; d < batch; ++d) from.at[static_cast<size_t>(d)] = own[static_cast<size_t>(d)];
    for (int d = batch + depth; d < x.rank; ++d)
      from.at[static_cast<size_t>(indices.rank - 1 + d - batch - depth)] = own[static_cast<size_t>(d)];
    const std::vector<Extent> index_steps = space.own_steps(indices);
    for (int d = 0; d + 1 < indices.rank; ++d) index.at[static_cast<size_t>(d)] = index_steps[static_cast<size_t>(d)];
    space.add_operand(from);
    space.add_operand(index);
    for (int d = 0; d < y.rank; ++d) space.set_group(d, d < indices.rank - 1 ? 1 : 2);
    space.simplify();
    const int rank = static_cast<int>(space.loops().size());
    Source source("tenon_gather_nd", space.wide());
    source.head(kInRange);
    source.body(declare_input(source, "x", bits, 0) + declare_input(source, "indices", indices.dtype, 1) +
                declare_output(source, "y", bits, 0));
    std::string body = fmt::format("const I row = {};\nI from = {};\n", offset_text(source, space.operands()[1], 0, rank, "i"),
                                   offset_text(source, space.operands()[0], 0, rank, "i"));
    for (int d = 0; d < depth; ++d) {
      const int at = batch + d;
      body += fmt::format("from += (I)in_range((i64)indices[row + {}], (i64){}) * {};\n", d,
                          source.number(space.number(x.dims[at], x.fixed_dims >> at & 1)),
                          source.number(own[static_cast<size_t>(at)]));
    }
    return add_elementwise(session_of(call), source, space, 1, body + "y[at] = x[from];\n", state);
  });
}

}  // namespace

extern const Kernel kCudaGather, kCudaGatherElements, kCudaGatherNd;
const Kernel kCudaGather{"cuda.gather", sizeof(GatherParams), 0, 0, prepare_gather, launch_all, Place::device};
const Kernel kCudaGatherElements{"cuda.gather_elements", sizeof(GatherParams), 0, 0, prepare_gather_elements, launch_all,
                                 Place::device};
const Kernel kCudaGatherNd{"cuda.gather_nd", sizeof(GatherNdParams), 0, 0, prepare_gather_nd, launch_all, Place::device};

}  // namespace tenon::cuda
