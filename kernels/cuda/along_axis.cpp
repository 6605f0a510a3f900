// cuda.cumsum, cuda.top_k, cuda.reverse_sequence.
#include <algorithm>

#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/index.h"
#include "index/params.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

Status check(const Kernel& reference, const PrepareCall& call, const PrepareCall& logical) {
  for (std::span<const Arg> args : {call.inputs, call.outputs})
    for (const Arg& arg : args)
      if (arg.present()) TN_TRY(expect_format(arg, kLinear, "tensor"));
  Prepared unused;
  return reference.prepare(logical, unused);
}

// A tensor as [outer, n, inner] round an axis.
struct Lines {
  Extent outer, n, inner;
};
Lines lines_of(Space& space, const Arg& x, int64_t axis) {
  Lines out;
  for (int d = 0; d < x.rank; ++d) {
    const Extent size = space.number(x.dims[d], x.fixed_dims >> d & 1);
    (d < axis ? out.outer : d == axis ? out.n : out.inner) = (d < axis ? out.outer : d == axis ? out.n : out.inner) * size;
  }
  space.reach(x.count());
  return out;
}

Status prepare_cumsum(const PrepareCall& call, Prepared& prepared) {
  TN_ASSIGN(Logical logical, Logical::of(call));
  for (auto* args : {&logical.inputs, &logical.outputs})
    for (Arg& arg : *args) Logical::as_f32(arg);
  TN_TRY(check(kCumsumReference, call, logical.call()));
  const auto& params = call.as<CumsumParams>();
  const Arg& x = call.inputs[0];
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    const Lines lines = lines_of(space, x, params.axis);
    const bool is_short = lines.n.is_literal() && lines.n.literal <= 64;
    Source source(is_short ? "tenon_cumsum_lines" : "tenon_cumsum_blocks", space.wide());
    source.bounds(kThreads);
    source.head(fmt::format("typedef {} A;\n", is_float(x.dtype) ? value_name(x.dtype) : "u64"));
    source.body(declare_input(source, "x", x.dtype, 0) + declare_output(source, "y", call.outputs[0].dtype, 0));
    const Extent count = lines.outer * lines.inner;
    const std::string n = source.number(lines.n), inner = source.number(lines.inner);
    const std::string place = params.reverse ? fmt::format("({} - 1 - i)", n) : "i";
    const auto out = storage_name(call.outputs[0].dtype), value = value_name(call.outputs[0].dtype);
    source.body(fmt::format("const I line = (I)blockIdx.x{};\n", is_short ? fmt::format(" * {} + threadIdx.x", kThreads) : ""));
    source.body(fmt::format("if (line >= {}) return;\n", source.number(count)));
    source.body(fmt::format("const I base = ({}) * {} * {} + line % {};\n", source.quotient("line", lines.inner), n, inner, inner));
    const std::string_view none = params.product ? "1" : "0", join = params.product ? "*" : "+";
    if (is_short) {
      source.body(fmt::format(
          "A sum = {};\nfor (I i = 0; i < {}; ++i) {{\nconst I e = base + {} * {};\nconst A next = sum {} (A)get(x[e]);\n"
          "y[e] = Put<{}>::of(({}){});\nsum = next;\n}}\n",
          none, n, place, inner, join, out, value, params.exclusive ? "sum" : "next"));
    } else {
      const std::string result = fmt::format("before {} {}", join, params.exclusive ? "preceding" : "sum");
      // A block's width at a time: sums within warps, of warps, and of what came before.
      source.body(fmt::format(R"(
__shared__ A warps[{warps}];
A carry = {none};
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
for (I first = 0; first < {n}; first += {threads}) {{
  const I i = first + threadIdx.x, e = base + (i < {n} ? {place} * {inner} : 0);
  const A own = i < {n} ? (A)get(x[e]) : (A){none};
  A sum = own;
#pragma unroll
  for (int d = 1; d < 32; d *= 2) {{
    const A other = __shfl_up_sync(0xffffffffu, sum, d);
    if (lane >= d) sum = sum {join} other;
  }}
  A preceding = __shfl_up_sync(0xffffffffu, sum, 1);
  if (lane == 0) preceding = {none};
  __syncthreads();
  if (lane == 31) warps[warp] = sum;
  __syncthreads();
  A before = carry, all = carry;
  for (int k = 0; k < {warps}; ++k) {{
    if (k < warp) before = before {join} warps[k];
    all = all {join} warps[k];
  }}
  if (i < {n}) y[e] = Put<{out}>::of(({value})({result}));
  carry = all;
}}
)",
                              fmt::arg("warps", kThreads / 32), fmt::arg("threads", kThreads), fmt::arg("n", n), fmt::arg("place", place),
                              fmt::arg("inner", inner), fmt::arg("out", out), fmt::arg("value", value),
                              fmt::arg("result", result), fmt::arg("none", none), fmt::arg("join", join)));
    }
    LaunchShape shape;
    shape.block[0] = kThreads;
    TN_TRY(grid_of(x.count() == 0 ? 0 : is_short ? (count.value + kThreads - 1) / kThreads : count.value, shape.grid[0]));
    return source.finish(session_of(call), shape, state);
  });
}

// Lines of up to kSorted elements are sorted whole; of longer ones the best so far are kept before others that come.
constexpr int kSorted = 2048;

Status prepare_top_k(const PrepareCall& call, Prepared& prepared) {
  TN_ASSIGN(Logical logical, Logical::of(call));
  if (call.inputs.size() == 1 && call.outputs.size() == 2)
    Logical::as_f32(logical.inputs[0]), Logical::as_f32(logical.outputs[0]);
  TN_TRY(check(kTopKReference, call, logical.call()));
  const auto& params = call.as<TopKParams>();
  const Arg &x = call.inputs[0], &values = call.outputs[0];
  const bool indices = call.outputs[1].present();
  const int64_t length = x.dims[params.axis], best = values.dims[params.axis];
  if (length > kSorted && best > kSorted / 2)
    return fail(Code::limit_exceeded, "top_k of {} elements of {}: at most {} fit shared memory", best, describe(x), kSorted / 2);
  if (length >= int64_t{1} << 31) return fail(Code::limit_exceeded, "top_k of lines of {} elements: at most 2^31", length);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    const Lines lines = lines_of(space, x, params.axis);
    const Extent k = space.number(best, values.fixed_dims >> params.axis & 1);
    // As many as are sorted at once: a power of two.
    int sorted = kSorted;
    if (lines.n.is_literal())
      for (sorted = 32; sorted < kSorted && sorted < lines.n.literal;) sorted *= 2;
    const int threads = std::min(1024, std::max(32, sorted / 2));
    Source source("tenon_top_k", space.wide());
    source.bounds(threads);
    source.head(fmt::format("typedef {} V;\n", value_name(x.dtype)));
    source.body(declare_input(source, "x", x.dtype, 0) + declare_output(source, "values", values.dtype, 0));
    if (indices) source.body(declare_output(source, "indices", DType::i64, 1));
    source.body(fmt::format(R"(
const I line = (I)blockIdx.x, outer = {outer}, rest = line - outer * {inner};
x += outer * {n} * {inner} + rest;
__shared__ V v[{sorted}];
__shared__ u32 at[{sorted}];   // place along the line; ~0: none
// Larger numbers first (or smaller), of equal ones the earlier; NaN counts as the largest.
auto before = [](V a, u32 ia, V b, u32 ib) {{
  if (ia == ~0u || ib == ~0u) return ia < ib;
  const bool na = a != a, nb = b != b;
  if (na != nb) return na == {largest};
  if (!na && a != b) return {largest} ? b < a : a < b;
  return ia < ib;
}};
const u32 n = (u32){n}, k = (u32){k};
for (u32 i = threadIdx.x; i < {sorted}; i += {threads}) {{
  at[i] = i < n ? i : ~0u;
  if (i < n) v[i] = get(x[(I)i * {inner}]);
}}
for (u32 next = {sorted};; next += {sorted} - k) {{
  for (u32 size = 2; size <= {sorted}; size *= 2)
    for (u32 step = size / 2; step > 0; step /= 2) {{
      __syncthreads();
      for (u32 p = threadIdx.x; p < {sorted} / 2; p += {threads}) {{
        const u32 a = 2 * p - (p & (step - 1)), b = a + step;
        const bool up = (a & size) == 0;
        if (before(v[b], at[b], v[a], at[a]) == up) {{
          const V tv = v[a]; v[a] = v[b]; v[b] = tv;
          const u32 ta = at[a]; at[a] = at[b]; at[b] = ta;
        }}
      }}
    }}
  __syncthreads();
  // What follows on the line takes the places behind the best; parts in which nothing is better are passed over.
  for (; next < n; next += {sorted} - k) {{
    bool better = false;
    for (u32 i = k + threadIdx.x; i < {sorted}; i += {threads}) {{
      const u32 from = next + i - k;
      at[i] = from < n ? from : ~0u;
      if (from < n) {{
        v[i] = get(x[(I)from * {inner}]);
        better = better || k == 0 || before(v[i], from, v[k - 1], at[k - 1]);
      }}
    }}
    if (__syncthreads_or(better)) break;
  }}
  if (next >= n) break;
}}
for (u32 i = threadIdx.x; i < k; i += {threads}) {{
  const I to = (outer * k + i) * {inner} + rest;
  values[to] = Put<{out}>::of(v[i]);
  {indices}
}}
)",
                            fmt::arg("outer", source.quotient("line", lines.inner)), fmt::arg("inner", source.number(lines.inner)),
                            fmt::arg("n", source.number(lines.n)), fmt::arg("k", source.number(k)), fmt::arg("sorted", sorted),
                            fmt::arg("threads", threads), fmt::arg("largest", params.largest != 0), fmt::arg("out", storage_name(values.dtype)),
                            fmt::arg("indices", indices ? "indices[to] = at[i];" : "")));
    LaunchShape shape;
    shape.block[0] = static_cast<unsigned>(threads);
    TN_TRY(grid_of(values.count() == 0 ? 0 : (lines.outer * lines.inner).value, shape.grid[0]));
    return source.finish(session_of(call), shape, state);
  });
}

Status prepare_reverse(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(check(kReverseSequenceReference, call, call));
  const auto& params = call.as<ReverseSequenceParams>();
  const Arg &x = call.inputs[0], &lengths = call.inputs[1];
  const DType bits = move_type(x.dtype);
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(call.outputs[0]);
    const std::vector<Extent> own = space.own_steps(x);
    Source source("tenon_reverse_sequence", space.wide());
    source.body(declare_input(source, "x", bits, 0) + declare_input(source, "lengths", lengths.dtype, 1) +
                declare_output(source, "y", bits, 0));
    const std::string t = fmt::format("i{}", params.time_axis);
    const std::string steps = source.number(space.number(x.dims[params.time_axis], x.fixed_dims >> params.time_axis & 1));
    const std::string body = fmt::format(
        "i64 length = (i64)lengths[i{}];\nlength = length < 0 ? 0 : length > (i64){} ? (i64){} : length;\n"
        "const I from = (i64){} < length ? at + ((I)length - 1 - 2 * {}) * {} : at;\ny[at] = x[from];\n",
        params.batch_axis, steps, steps, t, t, source.number(own[static_cast<size_t>(params.time_axis)]));
    return add_elementwise(session_of(call), source, space, 1, body, state);
  });
}

}  // namespace

extern const Kernel kCudaCumsum, kCudaTopK, kCudaReverseSequence;
const Kernel kCudaCumsum{"cuda.cumsum", sizeof(CumsumParams), 0, 0, prepare_cumsum, launch_all, Place::device};
const Kernel kCudaTopK{"cuda.top_k", sizeof(TopKParams), 0, 0, prepare_top_k, launch_all, Place::device};
const Kernel kCudaReverseSequence{"cuda.reverse_sequence", sizeof(ReverseSequenceParams), 0, 0, prepare_reverse, launch_all, Place::device};

}  // namespace tenon::cuda
