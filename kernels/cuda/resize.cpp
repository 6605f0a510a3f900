// cuda.resize: nearest, linear and cubic with every coordinate mode; positions in double, as the reference computes them:
// no product is contracted with a sum, which would move positions and ties of integer results.
// A vector of channels at a time where they lie together.
#include "cuda/elementwise.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/index.h"
#include "resize/params.h"
#include "resize/taps.h"

namespace tenon::cuda {
namespace {

constexpr const char* kHead = R"(
FN double mul(double x, double y) { return __dmul_rn(x, y); }
FN float mul(float x, float y) { return x * y; }
FN double cubic(double x, double a) {
  x = fabs(x);
  if (x <= 1) return mul(mul(mul(a + 2, x) - (a + 3), x), x) + 1;
  if (x < 2) return mul(mul(mul(a, x) - mul(5, a), x) + mul(8, a), x) - mul(4, a);
  return 0;
}
FN double clamped(double x, double n) { return x < 0 ? 0 : x > n - 1 ? n - 1 : x; }
FN double number(i64 bits) { return __longlong_as_double(bits); }
template <class T> FN T rounded(double x) { return saturate<T>(rint(x)); }
)";

std::string double_text(double value) { return fmt::format("number(0x{:016x}ll)", std::bit_cast<uint64_t>(value)); }

// A double that may differ from shape to shape.
std::string double_argument(Source& source, double value) {
  return fmt::format("number(a.v[{}])", source.argument(std::bit_cast<int64_t>(value)).substr(1));
}

int taps_of(ResizeMode mode) { return mode == ResizeMode::nearest ? 1 : mode == ResizeMode::linear ? 2 : 4; }

// Lines that fill places n<d>[taps] and weights w<d>[taps] of output index `i`.
std::string axis_text(Source& source, const ResizeParams& params, int d, const std::string& i, const Arg& x, const Arg& y) {
  const double in = static_cast<double>(x.dims[d]), out = static_cast<double>(y.dims[d]);
  const double scale = params.scales[d] != 0 ? params.scales[d] : in > 0 ? out / in : 1;
  const std::string n = double_argument(source, in), s = double_argument(source, scale), size = double_argument(source, out);
  std::string text = fmt::format("const double n{0} = {1}, s{0} = {2}, r{0} = mul(s{0}, n{0}), o{0} = (double){3};\ndouble p{0};\n", d, n, s, i);
  switch (params.coordinates) {
    case ResizeCoordinates::half_pixel: text += fmt::format("p{0} = (o{0} + 0.5) / s{0} - 0.5;\n", d); break;
    case ResizeCoordinates::pytorch_half_pixel: text += fmt::format("p{0} = r{0} == 1 ? 0 : (o{0} + 0.5) / s{0} - 0.5;\n", d); break;
    case ResizeCoordinates::align_corners: text += fmt::format("p{0} = r{0} == 1 ? 0 : o{0} * (n{0} - 1) / (r{0} - 1);\n", d); break;
    case ResizeCoordinates::asymmetric: text += fmt::format("p{0} = o{0} / s{0};\n", d); break;
    case ResizeCoordinates::tf_half_pixel_for_nn: text += fmt::format("p{0} = (o{0} + 0.5) / s{0};\n", d); break;
    case ResizeCoordinates::half_pixel_symmetric:
      text += fmt::format("p{0} = (n{0} - 1) / 2 + (o{0} + 0.5 - {1} / 2) / s{0};\n", d, size);
      break;
    case ResizeCoordinates::tf_crop_and_resize: {
      const std::string start = double_text(params.roi[d]), end = double_text(params.roi[params.rank + d]);
      text += fmt::format(
          "p{0} = mul({1}, n{0} - 1) + (r{0} == 1 ? ({2} - {1}) * (n{0} - 1) / 2 : o{0} * ({2} - {1}) * (n{0} - 1) / (r{0} - 1));\n"
          "outside = outside || p{0} < 0 || p{0} > n{0} - 1;\n",
          d, start, end);
      break;
    }
  }
  const int taps = taps_of(params.mode);
  text += fmt::format("I a{0}[{1}];\nA w{0}[{1}];\n", d, taps);
  if (params.mode == ResizeMode::nearest) {
    const char* round[] = {"ceil({} - 0.5)", "floor({} + 0.5)", "floor({})", "ceil({})"};
    text += fmt::format("a{0}[0] = (I)clamped({1}, n{0});\nw{0}[0] = 1;\n", d,
                        fmt::format(fmt::runtime(round[static_cast<int>(params.nearest)]), fmt::format("p{}", d)));
    return text;
  }
  const int first = 1 - taps / 2;
  text += fmt::format("{{ const double f = floor(p{0}) == p{0} ? p{0} - 1 : floor(p{0}), ratio = p{0} - f;\ndouble sum = 0, w[{1}];\n", d, taps);
  text += fmt::format("_Pragma(\"unroll\") for (int k = 0; k < {}; ++k) {{\nconst double at = f + (k + ({})), distance = (k + ({})) - ratio;\n", taps, first, first);
  text += params.mode == ResizeMode::linear ? "w[k] = fmax(0.0, 1 - fabs(distance));\n"
                                            : fmt::format("w[k] = cubic(distance, {});\n", double_text(params.cubic_coeff_a));
  if (params.exclude_outside) text += fmt::format("if (at < 0 || at >= n{}) w[k] = 0;\n", d);
  text += fmt::format("a{0}[k] = (I)clamped(at, n{0});\nsum += w[k];\n}}\n", d);
  text += fmt::format("_Pragma(\"unroll\") for (int k = 0; k < {1}; ++k) w{0}[k] = (A)({2});\n}}\n", d, taps,
                      params.exclude_outside ? "sum != 0 ? w[k] / sum : w[k]" : "w[k]");
  return text;
}

// The resize leaves the axis as it is, at every shape.
bool is_identity(const ResizeParams& params, const Arg& x, const Arg& y, int d) {
  const bool cropped = params.coordinates == ResizeCoordinates::tf_crop_and_resize && (params.roi[d] != 0 || params.roi[params.rank + d] != 1);
  const bool fixed = x.fixed_dims >> d & 1 && y.fixed_dims >> d & 1;
  return !cropped && (params.scales[d] == 1 || (fixed && params.scales[d] == 0 && x.dims[d] == y.dims[d]));
}

Status check(const PrepareCall& call) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  TN_ASSIGN(Logical logical, Logical::of(call));
  const auto& params = call.as<ResizeParams>();
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  TN_TRY(expect_format(y, x.format, "resize output"));
  const DType type = x.dtype;
  if (params.antialias) return fail(Code::unsupported, "resize with antialiasing is not computed on CUDA");
  if (move_type(type) == DType::none || (is_float(type) && size_of(type) == 1))
    return fail(Code::unsupported, "resize on CUDA does not take elements of {}", describe(x));
  if (params.mode != ResizeMode::nearest && !is_float(type) && !is_integer(type))
    return fail(Code::invalid_plan, "resize: elements of {} cannot be interpolated", describe(x));
  std::vector<resize::Axis> axes;   // what the host would use: refuses what has no positions
  TN_TRY(resize::prepare(logical.call(), axes));
  for (int d = 0; d < x.rank; ++d)
    if (params.scales[d] == 1 && x.dims[d] != y.dims[d])
      return fail(Code::invalid_plan, "resize: dim {} of {} has scale 1, but output {}", d, describe(x), describe(y));
  return {};
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(check(call));
  const auto& params = call.as<ResizeParams>();
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  const bool crops = params.coordinates == ResizeCoordinates::tf_crop_and_resize;
  const bool copies = params.mode == ResizeMode::nearest;
  const DType type = copies && !crops ? move_type(x.dtype) : x.dtype;
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    Steps steps{space.own_steps(x)};
    const std::vector<Extent> own = steps.at;
    std::vector<int> resized;
    for (int d = 0; d < y.rank; ++d)
      if (!is_identity(params, x, y, d)) resized.push_back(d), steps.at[static_cast<size_t>(d)] = Extent::of(0);
    space.add_operand(steps);
    space.add_operand(space.broadcast(y));
    const std::vector<int> order = memory_order(y);
    space.reorder(order);
    const int rank = y.rank;
    auto loop_of = [&](int d) { return static_cast<int>(std::find(order.begin(), order.end(), d) - order.begin()); };
    int width = 1;
    const bool together = rank > 0 && std::find(resized.begin(), resized.end(), order.back()) == resized.end();
    if (together) {
      width = vector_width(space, {{"x", type, space.operands()[0], ""}, {"y", type, space.operands()[1], ""}}, rank - 1, false);
      for (int d : resized)
        while (width > 1 && !own[static_cast<size_t>(d)].divides_by(width)) width /= 2;
    }
    Source source("tenon_resize", space.wide());
    const bool is_double = type == DType::f64 || !is_float(type);
    source.head(kHead).head(fmt::format("typedef {} A;\n", is_double ? "double" : "float"));
    source.body(declare_input(source, "x", type, 0) + declare_output(source, "y", type, 0));
    source.body("const bool al = is_aligned(x) && is_aligned(y);\n");
    std::string body = crops ? "bool outside = false;\n" : "";
    for (int d : resized) body += axis_text(source, params, d, fmt::format("i{}", loop_of(d)), x, y);
    const auto s = storage_name(type);
    const int taps = taps_of(params.mode);
    std::string offset = offset_text(source, space.operands()[0], 0, rank, "i"), weight = "(A)1", open, close;
    for (int d : resized) {
      const std::string k = copies ? "0" : fmt::format("k{}", d);
      if (!copies) {
        open += fmt::format("_Pragma(\"unroll\") for (int k{0} = 0; k{0} < {1}; ++k{0}) {{\n", d, taps);
        close += "}\n";
        weight += fmt::format(" * w{}[{}]", d, k);
      }
      offset += fmt::format(" + a{}[{}] * {}", d, k, source.number(own[static_cast<size_t>(d)]));
    }
    const std::string stored = is_float(type) ? fmt::format("Put<{}>::of(({})value)", s, value_name(type))
                                              : type == DType::boolean ? "Put<boolean>::of((u8)(value != 0))"
                                                                       : fmt::format("rounded<{}>(value)", s);
    body += fmt::format("Pack<{}, {}> out;\n", s, width);
    if (copies) {
      body += fmt::format("out = load<{}>(x + ({}), al);\n", width, offset);
    } else {
      body += fmt::format("A sum[{0}] = {{}};\n{1}const auto in = load<{0}>(x + ({2}), al);\nconst A w = {3};\n"
                          "_Pragma(\"unroll\") for (int e = 0; e < {0}; ++e) sum[e] += mul(w, (A)get(in.e[e]));\n{4}",
                          width, open, offset, weight, close);
      body += fmt::format("_Pragma(\"unroll\") for (int e = 0; e < {}; ++e) {{ const A value = sum[e]; out.e[e] = {}; }}\n", width, stored);
    }
    if (crops)
      body += fmt::format("if (outside) _Pragma(\"unroll\") for (int e = 0; e < {}; ++e) {{ const A value = (A){}; out.e[e] = {}; }}\n", width,
                          double_text(params.extrapolation_value), stored);
    body += fmt::format("store<{}>(y + at, out, al);\n", width);
    return add_elementwise(session_of(call), source, space, width, body, state);
  });
}

}  // namespace

extern const Kernel kCudaResize;
const Kernel kCudaResize{"cuda.resize", sizeof(ResizeParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
