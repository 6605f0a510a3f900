// cuda.pool: max (with indices), average and lp pooling; a vector of channels at a time where they lie together.
#include "pool/geometry.h"

#include <algorithm>

#include "common/element.h"
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "pool/params.h"

namespace tenon::cuda {
namespace {

Status check(const PrepareCall& call, PoolGeometry& geometry) {
  TN_TRY(expect_counts(call, 1, 1, call.outputs.size() > 1 ? 2 : 1));
  TN_ASSIGN(Logical logical, Logical::of(call));
  const auto& params = call.as<PoolParams>();
  const Arg& x = call.inputs[0];
  const bool known = params.kind == PoolKind::max ? with_number(x.dtype, [](auto) {}) : with_float(x.dtype, [](auto) {});
  if (!known) return fail(Code::invalid_plan, "x has a type that this kind does not take: {}", describe(x));
  Logical::as_f32(logical.inputs[0]);
  Logical::as_f32(logical.outputs[0]);
  TN_TRY(expect_type(logical.outputs[0], logical.inputs[0].dtype, "y"));
  TN_TRY(expect_format(call.outputs[0], x.format, "y"));
  TN_TRY(pool_geometry(params, x, call.outputs[0], geometry));
  for (int i = 0; i < 3; ++i)
    if (geometry.in[i] >= 1 << 30 || geometry.kernel[i] * geometry.dilation[i] >= 1 << 30 || geometry.out[i] * geometry.stride[i] >= 1 << 30)
      return fail(Code::limit_exceeded, "the spatial dims of {} are too long for this kernel: at most 2^30 positions", describe(x));
  if (call.outputs.size() < 2) return {};
  if (params.kind != PoolKind::max) return fail(Code::invalid_plan, "only max pooling yields indices");
  TN_TRY(expect_type(call.outputs[1], DType::i64, "indices"));
  TN_TRY(expect_format(call.outputs[1], kLinear, "indices"));
  return expect_shape(call.outputs[1], call.outputs[0].shape(), "indices");
}

std::string accumulate_text(const PoolParams& params, bool indices) {
  if (params.kind == PoolKind::max)
    return fmt::format("if (!found || best[e] < v || (v != v && best[e] == best[e])) {{ best[e] = v; {}}}\n", indices ? "index[e] = where + e * plane; " : "");
  if (params.kind == PoolKind::average) return "best[e] += v;\n";
  if (params.p == 1) return "best[e] += op_abs(v);\n";
  if (params.p == 2) return "best[e] += v * v;\n";
  return fmt::format("best[e] += op_pow(op_abs(v), (V){});\n", params.p);
}

std::string result_text(const PoolParams& params, bool is_real) {
  if (params.kind == PoolKind::max) return is_real ? "found ? best[e] : (V)-__longlong_as_double(0x7ff0000000000000ll)" : "best[e]";
  if (params.kind == PoolKind::average) return "count ? best[e] / (V)count : (V)0";
  if (params.p == 1) return "best[e]";
  if (params.p == 2) return "op_sqrt(best[e])";
  return fmt::format("op_pow(best[e], (V)1 / (V){})", params.p);
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  PoolGeometry g;
  TN_TRY(check(call, g));
  const auto& params = call.as<PoolParams>();
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  const bool indices = call.outputs.size() > 1;
  const int spatial = x.rank - 2;
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    Steps steps{space.own_steps(x)};
    const std::vector<Extent> x_steps = steps.at;
    for (int i = 0; i < spatial; ++i) steps.at[static_cast<size_t>(2 + i)] = Extent::of(0);
    space.add_operand(steps);                  // of x, where the window's place is added
    space.add_operand(space.broadcast(y));
    if (indices) space.add_operand(space.broadcast(call.outputs[1]));
    std::vector<int> order = memory_order(y);
    space.reorder(order);
    const int rank = y.rank;
    auto loop_of = [&](int d) { return static_cast<int>(std::find(order.begin(), order.end(), d) - order.begin()); };
    const std::vector<Operand> tensors = {{"x", x.dtype, space.operands()[0], ""}, {"y", y.dtype, space.operands()[1], ""}};
    int width = 1;
    if (y.format == kChannelsLast) {
      width = vector_width(space, tensors, rank - 1, false);
      for (int i = 0; i < spatial; ++i)
        while (width > 1 && !x_steps[static_cast<size_t>(2 + i)].divides_by(width)) width /= 2;
    }
    Source source("tenon_pool", space.wide());
    source.head(fmt::format("typedef {} V;\n", value_name(x.dtype)));
    source.body(declare_input(source, "x", x.dtype, 0) + declare_output(source, "y", y.dtype, 0));
    if (indices) source.body(declare_output(source, "indices", DType::i64, 1));
    source.body("const bool al = is_aligned(x) && is_aligned(y);\n");
    std::string body = fmt::format("V best[{0}] = {{}};\nbool found = false;\nint count = 1;\n", width);
    if (indices) body += fmt::format("i64 index[{0}];\n_Pragma(\"unroll\") for (int e = 0; e < {0}; ++e) index[e] = -1;\n", width);
    body += fmt::format("const I base = {};\n", offset_text(source, space.operands()[0], 0, rank, "i"));
    std::string open, offset = "base", where, close;
    std::vector<std::string> sizes;
    int64_t taps = 1;
    for (int i = 0; i < spatial; ++i) taps *= g.kernel[3 - spatial + i];
    for (int i = 0; i < spatial; ++i) {
      const int at = 3 - spatial + i;
      const std::string in = source.number(space.number(x.dims[2 + i], x.fixed_dims >> (2 + i) & 1));
      sizes.push_back(in);
      const std::string pad = source.argument(g.pad[at]).substr(1), pad_end = source.argument(g.pad_end[at]).substr(1);
      body += fmt::format("const int s{0} = (int)i{1} * {2} - (int)a.v[{3}];\n", i, loop_of(2 + i), g.stride[at], pad);
      if (params.kind == PoolKind::average) {
        // Taps before the end of what counts, less those before its begin.
        body += fmt::format(
            "{{ const int last = (int){0}{1} - s{2}, first = {3};\n"
            "int n = last <= 0 ? 0 : (last + {4} - 1) / {4}; n = n < {5} ? n : {5};\n"
            "const int before = first <= 0 ? 0 : (first + {4} - 1) / {4};\ncount *= n > before ? n - before : 0; }}\n",
            in, params.count_include_pad ? fmt::format(" + (int)a.v[{}]", pad_end) : "", i,
            params.count_include_pad ? "0" : fmt::format("-s{}", i), g.dilation[at], g.kernel[at]);
      }
      open += fmt::format("{}for (int k{} = 0; k{} < {}; ++k{}) {{\nconst int p{} = s{} + k{} * {};\nif (p{} < 0 || p{} >= (int){}) continue;\n",
                          taps <= 16 ? "_Pragma(\"unroll\") " : "", i, i, g.kernel[at], i, i, i, i, g.dilation[at], i, i, in);
      offset += fmt::format(" + (I)p{} * {}", i, source.number(x_steps[static_cast<size_t>(2 + i)]));
      close += "}\n";
    }
    if (indices) {
      // The element's number in the whole of x, spatial dims counted in either order.
      where = fmt::format("(i64)i{} * (i64){} + (i64)i{}", loop_of(0), source.number(space.loops()[static_cast<size_t>(loop_of(1))].size), loop_of(1));
      for (int i = 0; i < spatial; ++i) {
        const int d = params.storage_order == 1 ? spatial - 1 - i : i;
        where = fmt::format("({}) * (i64){} + p{}", where, sizes[static_cast<size_t>(d)], d);
      }
      where = "const i64 where = " + where + ";\n";
      std::string plane = "1";
      for (const std::string& size : sizes) plane += " * (i64)" + size;
      body += "const i64 plane = " + plane + ";   // a channel's elements\n";
    }
    body += open + fmt::format("const auto in = load<{}>(x + ({}), al);\n{}", width, offset, where);
    body += fmt::format("_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) {{\nconst V v = get(in.e[e]);\n{}}}\nfound = true;\n", width,
                        accumulate_text(params, indices));
    body += close;
    body += fmt::format(
        "Pack<{0}, {1}> out;\n_Pragma(\"unroll\") for (int e = 0; e < {1}; ++e) out.e[e] = Put<{0}>::of({2});\nstore<{1}>(y + at, out, al);\n",
        storage_name(y.dtype), width, result_text(params, is_float(x.dtype)));
    if (indices)
      body += fmt::format("_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) indices[({}) + (I)e * {}] = index[e];\n", width,
                          offset_text(source, space.operands()[2], 0, rank, "i"),
                          source.number(space.operands()[2].at[static_cast<size_t>(rank) - 1]));
    return add_elementwise(session_of(call), source, space, width, body, state);
  });
}

}  // namespace

extern const Kernel kCudaPool;
const Kernel kCudaPool{"cuda.pool", sizeof(PoolParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
