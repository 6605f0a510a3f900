// cuda.scatter_elements, cuda.scatter_nd: x is copied, then updates are stored or combined. Of several updates without a
// reduction for one element any may be the one that stays; sums of floats are taken in any order. An index out of range is
// taken as the nearest that is in it.
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/index.h"
#include "cuda/move.h"
#include "index/params.h"

namespace tenon::cuda {
namespace {

constexpr const char* kHead = R"(
FN i64 in_range(i64 index, i64 n) {
  if (index < 0) index += n;
  return index < 0 ? 0 : index >= n ? n - 1 : index;
}
template <int N> struct Atomic;
template <> struct Atomic<2> { typedef u16 word; };
template <> struct Atomic<4> { typedef u32 word; };
template <> struct Atomic<8> { typedef u64 word; };
template <class W> FN W compare_and_swap(W* p, W old, W now) { return atomicCAS(p, old, now); }
FN u16 compare_and_swap(u16* p, u16 old, u16 now) { return atomicCAS((unsigned short*)p, old, now); }
// *p = f(*p), as one step.
template <class S, class F> FN void apply(S* p, F f) {
  if constexpr (sizeof(S) == 1) {   // within the word that holds it
    u32* word = (u32*)((u64)p & ~3ull);
    const u32 shift = (u32)((u64)p & 3) * 8;
    u32 old = *word, seen;
    do {
      seen = old;
      const u8 byte = (u8)(seen >> shift);
      S now = f(*(const S*)&byte);
      old = atomicCAS(word, seen, (seen & ~(255u << shift)) | (u32)*(const u8*)&now << shift);
    } while (old != seen);
  } else {
    typedef typename Atomic<sizeof(S)>::word W;
    W* word = (W*)p;
    W old = *word, seen;
    do {
      seen = old;
      S now = f(*(const S*)&seen);
      old = compare_and_swap(word, seen, *(const W*)&now);
    } while (old != seen);
  }
}
)";

// A line that brings update `u` to element `to`.
std::string combine_text(ScatterReduction reduction, DType type) {
  const auto s = storage_name(type);
  auto applied = [&](const std::string& value) {
    return fmt::format("apply(y + to, [&](auto old_) {{ const auto old = get(old_), now = get(u); return Put<{}>::of(({})({})); }});\n", s,
                       value_name(type), value);
  };
  switch (reduction) {
    case ScatterReduction::none: return "y[to] = u;\n";
    case ScatterReduction::add:
      if (type == DType::f32 || type == DType::f64) return "atomicAdd(y + to, u);\n";
      return applied("op_add(old, now)");
    case ScatterReduction::mul: return applied("op_mul(old, now)");
    case ScatterReduction::max: return applied("old < now || now != now ? now : old");
    case ScatterReduction::min: return applied("now < old || now != now ? now : old");
  }
  return "";
}

Status check(const Kernel& reference, const PrepareCall& call, DType& type) {
  for (std::span<const Arg> args : {call.inputs, call.outputs})
    for (const Arg& arg : args) TN_TRY(expect_format(arg, kLinear, "tensor"));
  Prepared unused;
  TN_TRY(reference.prepare(call, unused));
  if (call.inputs[0].count() == 0 && call.inputs[2].count() != 0)
    return fail(Code::out_of_range, "updates of the empty tensor {}", describe(call.inputs[0]));
  type = call.inputs[0].dtype;
  if (move_type(type) == DType::none) return fail(Code::unsupported, "CUDA kernels do not move elements of {}", describe(call.inputs[0]));
  return {};
}

Status add_copy(const PrepareCall& call, Variant variant, Space& whole, LaunchState& state) {
  MovePlan plan{Space(variant), call.inputs[0].dtype, call.inputs[0].dtype};
  plan.space.add_dims(call.outputs[0]);
  plan.space.add_operand(plan.space.broadcast(call.inputs[0]));
  plan.space.add_operand(plan.space.broadcast(call.outputs[0]));
  plan.space.simplify();
  TN_TRY(add_move(session_of(call), plan, state));
  whole.assume(plan.space.fits());
  return {};
}

std::string declare(Source& source, const PrepareCall& call, DType type) {
  return declare_input(source, "indices", call.inputs[1].dtype, 1) + declare_input(source, "updates", type, 2) +
         declare_output(source, "y", type, 0);
}

Status prepare_elements(const PrepareCall& call, Prepared& prepared) {
  DType type = DType::none;
  TN_TRY(check(kScatterElementsReference, call, type));
  const auto& params = call.as<ScatterElementsParams>();
  const Arg& x = call.inputs[0];
  if (params.reduction == ScatterReduction::none) type = move_type(type);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    TN_TRY(add_copy(call, space.variant(), space, state));
    space.add_dims(call.inputs[1]);
    const std::vector<Extent> own = space.own_steps(x);
    const auto axis = static_cast<size_t>(params.axis);
    Steps steps{own};
    steps.at[axis] = Extent::of(0);
    space.add_operand(steps);
    space.simplify();
    const int rank = static_cast<int>(space.loops().size());
    Source source("tenon_scatter_elements", space.wide());
    source.head(kHead).body(declare(source, call, type));
    const Extent n = space.number(x.dims[axis], x.fixed_dims >> axis & 1);
    const std::string body = fmt::format("const I to = {} + (I)in_range((i64)indices[at], (i64){}) * {};\nconst auto u = updates[at];\n",
                                         offset_text(source, space.operands()[0], 0, rank, "i"), source.number(n), source.number(own[axis])) +
                             combine_text(params.reduction, type);
    return add_elementwise(session_of(call), source, space, 1, body, state);
  });
}

Status prepare_nd(const PrepareCall& call, Prepared& prepared) {
  DType type = DType::none;
  TN_TRY(check(kScatterNdReference, call, type));
  const auto& params = call.as<ScatterNdParams>();
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &updates = call.inputs[2];
  if (!(indices.fixed_dims >> (indices.rank - 1) & 1))
    return fail(Code::unsupported, "scatter_nd on CUDA takes indices whose last dim is the same at every shape");
  const int depth = static_cast<int>(indices.dims[indices.rank - 1]), rows = indices.rank - 1;
  if (params.reduction == ScatterReduction::none) type = move_type(type);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    TN_TRY(add_copy(call, space.variant(), space, state));
    space.add_dims(updates);
    const std::vector<Extent> own = space.own_steps(x), index_steps = space.own_steps(indices);
    Steps to, index;
    to.at.assign(space.loops().size(), Extent::of(0));
    index = to;
    for (int d = 0; d < rows; ++d) index.at[static_cast<size_t>(d)] = index_steps[static_cast<size_t>(d)];
    for (int d = depth; d < x.rank; ++d) to.at[static_cast<size_t>(rows + d - depth)] = own[static_cast<size_t>(d)];
    space.add_operand(to);
    space.add_operand(index);
    for (int d = 0; d < updates.rank; ++d) space.set_group(d, d < rows ? 0 : 1);
    space.simplify();
    const int rank = static_cast<int>(space.loops().size());
    Source source("tenon_scatter_nd", space.wide());
    source.head(kHead).body(declare(source, call, type));
    std::string body = fmt::format("const I row = {};\nI to = {};\nconst auto u = updates[at];\n",
                                   offset_text(source, space.operands()[1], 0, rank, "i"),
                                   offset_text(source, space.operands()[0], 0, rank, "i"));
    for (int d = 0; d < depth; ++d)
      body += fmt::format("to += (I)in_range((i64)indices[row + {}], (i64){}) * {};\n", d,
                          source.number(space.number(x.dims[d], x.fixed_dims >> d & 1)), source.number(own[static_cast<size_t>(d)]));
    return add_elementwise(session_of(call), source, space, 1, body + combine_text(params.reduction, type), state);
  });
}

}  // namespace

extern const Kernel kCudaScatterElements, kCudaScatterNd;
const Kernel kCudaScatterElements{"cuda.scatter_elements", sizeof(ScatterElementsParams), 0, 1, prepare_elements, launch_all, Place::device};
const Kernel kCudaScatterNd{"cuda.scatter_nd", sizeof(ScatterNdParams), 0, 1, prepare_nd, launch_all, Place::device};

}  // namespace tenon::cuda
