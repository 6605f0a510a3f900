// cuda.reformat, cuda.transpose, cuda.slice, cuda.expand, cuda.copy: elements brought to other places, at most with
// another element type. Where input and output are dense along different dims, through tiles in shared memory; else as a
// pointwise kernel without a program.
#include "move/check.h"

#include <algorithm>

#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/index.h"
#include "cuda/move.h"

namespace tenon::cuda {

DType move_type(DType type) {
  switch (size_of(type)) {
    case 1: return DType::u8;
    case 2: return DType::u16;
    case 4: return DType::u32;
    case 8: return DType::u64;
    default: return DType::none;
  }
}

namespace {

// The loop along which the input is dense, if it is another than the innermost and tiles pay: both are long enough.
int tile_loop(const Space& space) {
  const int rank = static_cast<int>(space.loops().size());
  if (space.variant() == Variant::general || rank < 2) return -1;
  const Steps &x = space.operands()[0], &y = space.operands()[1];
  const auto inner = static_cast<size_t>(rank) - 1;
  if (x.at[inner].is(1) || x.at[inner].is(0) || !y.at[inner].is(1)) return -1;
  auto is_short = [&](size_t i) { return space.loops()[i].size.is_literal() && space.loops()[i].size.literal < 8; };
  for (size_t i = 0; i < inner; ++i)
    if (x.at[i].is(1)) return is_short(i) || is_short(inner) ? -1 : static_cast<int>(i);
  return -1;
}

// Tiles of 32 × 32 elements of 4 bytes, or as many bytes a row of smaller ones. Blocks of 32 × 8 threads.
Status add_tiled(Session& session, const MovePlan& plan, int t, LaunchState& state) {
  const Space& space = plan.space;
  const int rank = static_cast<int>(space.loops().size()), inner = rank - 1;
  const Steps &x = space.operands()[0], &y = space.operands()[1];
  const size_t size = std::max(size_of(plan.from), size_of(plan.to));
  // Elements that a lane reads, and writes, at once.
  int width = size == 1 ? 4 : size == 2 ? 2 : 1;
  auto fits = [&](int w) {
    for (int i = 0; i < rank; ++i)
      if ((i != t && !x.at[static_cast<size_t>(i)].divides_by(w)) || (i != inner && !y.at[static_cast<size_t>(i)].divides_by(w)))
        return false;
    return space.loops()[static_cast<size_t>(t)].size.divides_by(w) &&
           space.loops()[static_cast<size_t>(inner)].size.divides_by(w);
  };
  while (width > 1 && !fits(width)) width /= 2;
  const int tile = 32 * width;
  const Extent &rows = space.loops()[static_cast<size_t>(inner)].size, &cols = space.loops()[static_cast<size_t>(t)].size;

  Source source("tenon_transpose", space.wide());
  source.bounds(256);
  const auto to = storage_name(plan.to);
  source.body(declare_input(source, "x", plan.from, 0) + declare_output(source, "y", plan.to, 0));
  source.body(fmt::format("__shared__ {} tile[{}][{}];\n", to, tile, tile + (size < 4 ? width : 1)));
  const std::string n_rows = source.number(rows), n_cols = source.number(cols);
  // Blocks: row tiles innermost, then column tiles, then the other loops.
  const auto tiles = [&](const Extent& e) {
    return e.is_literal() ? Extent::of((e.literal + tile - 1) / tile) : Extent{1, {}, (e.value + tile - 1) / tile};
  };
  const Extent row_tiles = tiles(rows), col_tiles = tiles(cols);
  auto tiles_text = [&](const Extent& e, const Extent& count) {
    return e.is_literal() ? source.number(count) : source.argument(count.value);
  };
  source.body(fmt::format("I block = blockIdx.x;\nconst I tr = block % {0}; block /= {0};\n", tiles_text(rows, row_tiles)));
  source.body(fmt::format("const I tc = block % {0}; block /= {0};\n", tiles_text(cols, col_tiles)));
  std::string from = plan.base == 0 && !plan.moves_base ? "0" : source.argument(plan.base), into = "0";
  for (int i = rank - 1; i >= 0; --i) {
    if (i == t || i == inner) continue;
    const std::string n = source.number(space.loops()[static_cast<size_t>(i)].size);
    source.body(fmt::format("const I i{0} = block % {1}; block /= {1};\n", i, n));
    from += fmt::format(" + i{} * {}", i, source.number(x.at[static_cast<size_t>(i)]));
    into += fmt::format(" + i{} * {}", i, source.number(y.at[static_cast<size_t>(i)]));
  }
  source.body(fmt::format("const I from = {}, into = {};\n", from, into));
  source.body(width == 1 ? "const bool al = false;\n" : "const bool al = is_aligned(x + from) && is_aligned(y + into);\n");
  source.body(fmt::format(R"(
const I row0 = tr * {tile}, col0 = tc * {tile}, lane = threadIdx.x * {width};
_Pragma("unroll") for (int j = 0; j < {tile}; j += 8) {{
  const I r = row0 + threadIdx.y + j, c = col0 + lane;
  if (r < {rows} && c < {cols}) {{
    const auto in = load<{width}>(x + (from + c + r * {step_x}), al);
    _Pragma("unroll") for (int e = 0; e < {width}; ++e) tile[threadIdx.y + j][lane + e] = Put<{to}>::of(get(in.e[e]));
  }}
}}
__syncthreads();
_Pragma("unroll") for (int j = 0; j < {tile}; j += 8) {{
  const I r = row0 + lane, c = col0 + threadIdx.y + j;
  if (r < {rows} && c < {cols}) {{
    Pack<{to}, {width}> out;
    _Pragma("unroll") for (int e = 0; e < {width}; ++e) out.e[e] = tile[lane + e][threadIdx.y + j];
    store<{width}>(y + (into + r + c * {step_y}), out, al);
  }}
}}
)",
                          fmt::arg("tile", tile), fmt::arg("width", width), fmt::arg("rows", n_rows), fmt::arg("cols", n_cols),
                          fmt::arg("to", to), fmt::arg("step_x", source.number(x.at[static_cast<size_t>(inner)])),
                          fmt::arg("step_y", source.number(y.at[static_cast<size_t>(t)]))));
  LaunchShape shape;
  shape.block[0] = 32;
  shape.block[1] = 8;
  int64_t blocks = row_tiles.value * col_tiles.value;
  for (int i = 0; i < rank; ++i)
    if (i != t && i != inner) blocks *= space.loops()[static_cast<size_t>(i)].size.value;
  TN_TRY(grid_of(blocks, shape.grid[0]));
  return source.finish(session, shape, state);
}

}  // namespace

Status add_move(Session& session, const MovePlan& plan, LaunchState& state) {
  MovePlan moved = plan;
  if (plan.from == plan.to) moved.from = moved.to = move_type(plan.from);
  if (const int t = tile_loop(plan.space); t >= 0) return add_tiled(session, moved, t, state);
  PointwisePlan pointwise{plan.space, {}, {{"x0", moved.from, plan.space.operands()[0], ""}}, {}, "tenon_move", {}};
  if (plan.base || plan.moves_base) pointwise.bases = {plan.base};
  pointwise.out.dtype = moved.to;
  return add_pointwise(session, pointwise, state);
}

namespace {

// Makes the sources of every variant and keeps the launch of the one that fits this shape.
template <class F>
Status prepare_variants(const PrepareCall& call, Prepared& prepared, F plan_for) {
  auto state = std::make_unique<LaunchState>();
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    MovePlan plan{Space(variant), call.inputs[0].dtype, call.outputs[0].dtype};
    plan_for(plan);
    plan.space.simplify();
    LaunchState attempt;
    TN_TRY(add_move(session_of(call), plan, attempt));
    if (state->launches.empty() && plan.space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

Status check_moved(const Arg& arg) {
  if (move_type(arg.dtype) != DType::none) return {};
  return fail(Code::unsupported, "CUDA kernels do not move elements of {}", describe(arg));
}

Status check_converted(const Arg& x, const Arg& y, bool converts) {
  if (x.dtype == y.dtype || (converts && is_small_float(x.dtype) && is_small_float(y.dtype))) return {};
  return fail(Code::invalid_plan, "{} cannot be written as {}: expected one type, or two of f32, f16 and bf16", describe(x), describe(y));
}

// Every dim of the output is the input's.
Status prepare_same_dims(const PrepareCall& call, Prepared& prepared, bool converts) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  TN_ASSIGN(Logical logical, Logical::of(call));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  TN_TRY(check_moved(x));
  TN_TRY(expect_shape(y, x.shape(), "output"));
  TN_TRY(check_converted(x, y, converts));
  return prepare_variants(call, prepared, [&](MovePlan& plan) {
    plan.space.add_dims(y);
    plan.space.add_operand(plan.space.broadcast(x));
    plan.space.add_operand(plan.space.broadcast(y));
    plan.space.reorder(memory_order(y));
  });
}

Status prepare_reformat(const PrepareCall& call, Prepared& prepared) { return prepare_same_dims(call, prepared, true); }

Status prepare_copy(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(move::check_copy(call));
  TN_TRY(check_moved(call.inputs[0]));
  return prepare_variants(call, prepared, [&](MovePlan& plan) {
    // Only the count matters; dims may differ.
    bool fixed = true;
    for (int d = 0; d < call.outputs[0].rank; ++d) fixed = fixed && (call.outputs[0].fixed_dims >> d & 1);
    plan.space.add_loop(plan.space.number(storage_count(call.outputs[0]), fixed));
    plan.space.add_operand({{Extent::of(1)}});
    plan.space.add_operand({{Extent::of(1)}});
    plan.space.reach(storage_count(call.outputs[0]));
  });
}

Status prepare_expand(const PrepareCall& call, Prepared& prepared) {
  TN_ASSIGN(Logical logical, Logical::of(call));
  TN_TRY(move::check_expand(logical.call()));
  TN_TRY(check_moved(call.inputs[0]));
  return prepare_variants(call, prepared, [&](MovePlan& plan) {
    plan.space.add_dims(call.outputs[0]);
    plan.space.add_operand(plan.space.broadcast(call.inputs[0]));
    plan.space.add_operand(plan.space.broadcast(call.outputs[0]));
    plan.space.reorder(memory_order(call.outputs[0]));
  });
}

Status prepare_transpose(const PrepareCall& call, Prepared& prepared) {
  TN_ASSIGN(Logical logical, Logical::of(call));
  Logical::as_f32(logical.inputs[0]);
  Logical::as_f32(logical.outputs[0]);
  TN_TRY(move::check_transpose(logical.call()));
  TN_TRY(check_moved(call.inputs[0]));
  TN_TRY(check_converted(call.inputs[0], call.outputs[0], true));
  const auto& params = call.as<TransposeParams>();
  return prepare_variants(call, prepared, [&](MovePlan& plan) {
    plan.space.add_dims(call.outputs[0]);
    int loop_of[kMaxRank] = {};
    for (int d = 0; d < call.outputs[0].rank; ++d) loop_of[params.perm[d]] = d;
    plan.space.add_operand(plan.space.dense(call.inputs[0], loop_of, true));
    plan.space.add_operand(plan.space.broadcast(call.outputs[0]));
  });
}

Status prepare_slice(const PrepareCall& call, Prepared& prepared) {
  TN_ASSIGN(Logical logical, Logical::of(call));
  TN_TRY(move::check_slice(logical.call()));
  TN_TRY(check_moved(call.inputs[0]));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  const auto& params = call.as<SliceParams>();
  return prepare_variants(call, prepared, [&](MovePlan& plan) {
    plan.space.add_dims(y);
    Steps steps{plan.space.own_steps(x)};
    plan.moves_base = true;
    for (int d = 0; d < y.rank; ++d) {
      Extent& step = steps.at[static_cast<size_t>(d)];
      plan.base += y.count() ? params.starts[d] * step.value : 0;
      step = step * Extent::of(params.steps[d]);
    }
    plan.space.add_operand(std::move(steps));
    plan.space.add_operand(plan.space.broadcast(y));
    plan.space.reorder(memory_order(y));
  });
}

}  // namespace

extern const Kernel kCudaReformat, kCudaCopy, kCudaExpand, kCudaTranspose, kCudaSlice;
const Kernel kCudaReformat{"cuda.reformat", 0, 0, 0, prepare_reformat, launch_all, Place::device};
const Kernel kCudaCopy{"cuda.copy", 0, 0, 1, prepare_copy, launch_all, Place::device};
const Kernel kCudaExpand{"cuda.expand", 0, 0, 0, prepare_expand, launch_all, Place::device};
const Kernel kCudaTranspose{"cuda.transpose", sizeof(TransposeParams), 0, 0, prepare_transpose, launch_all, Place::device};
const Kernel kCudaSlice{"cuda.slice", sizeof(SliceParams), 0, 0, prepare_slice, launch_all, Place::device};

}  // namespace tenon::cuda
