// cuda.conv.first: convolutions of few input channels, two spatial dims, as a network begins with. x is linear or nhwc, the
// output nhwc. A thread makes a vector of output channels for a strip of columns; filters lie in shared memory.
#include <algorithm>

#include "base/checked.h"
#include "cuda/conv.h"
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/generate/program_text.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kFilterBytes = 40 << 10;

Status check(const PrepareCall& call, DType& type, ConvGeometry& g) {
  TN_TRY(check_conv(call, false, type, g));
  const Arg& x = call.inputs[0];
  if (!is_small_float(type)) return fail(Code::invalid_plan, "this convolution takes f32, f16 or bf16, x is {}", describe(x));
  if (x.rank != 4 || g.group != 1 || g.c > 8)
    return fail(Code::invalid_plan, "this convolution has two spatial dims, one group and at most 8 input channels, not {} by {}", describe(x),
                describe(call.inputs[1]));
  TN_TRY(expect_format(call.outputs[0], kChannelsLast, "output"));
  if ((call.inputs[1].fixed_dims & 15) != 15) return fail(Code::invalid_plan, "this convolution takes a filter of the same dims at every shape");
  if (g.cg * g.taps * 8 * 4 > kFilterBytes || g.kernel[2] > 16 || g.stride[1] > 8 || g.stride[2] > 8 || g.dilation[1] != 1 || g.dilation[2] != 1)
    return fail(Code::unsupported, "filters of up to 16 columns, strides up to 8, no dilation; not {}", describe(call.inputs[1]));
  for (int i = 1; i < 3; ++i)
    if (g.in[i] >= 1 << 28 || g.pad[i] >= 1 << 28 || g.out[i] >= 1 << 28) return fail(Code::limit_exceeded, "{} is too long", describe(x));
  return {};
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<ConvParams>();
  DType type = DType::none;
  ConvGeometry g;
  TN_TRY(check(call, type, g));
  return prepare_each(call, prepared, [&](Space& out_space, LaunchState& state) -> Status {
    ConvLoops loops = conv_loops(call, g, false, out_space.variant());
    Space& space = loops.space;
    const bool biased = call.inputs.size() > 2 && call.inputs[2].present();
    const int order[] = {0, 2, 3, 1};
    space.reorder(order);
    std::vector<Operand> extras;
    for (size_t k = 3; k < call.inputs.size(); ++k)
      extras.push_back({fmt::format("e{}", k), call.inputs[k].dtype, space.operands()[k - 2], ""});
    const Operand y{"y", call.outputs[0].dtype, space.operands()[0], ""};
    std::vector<Operand> vectors = extras;
    vectors.push_back(y);
    int v = vector_width(space, vectors, 3, false);
    const Extent &batch = space.loops()[0].size, &height = space.loops()[1].size, &width = space.loops()[2].size;
    // Where there is little to do, more threads with less each. A batch of any size may be of one.
    if (height.is_literal() && width.is_literal() &&
        (batch.is_literal() ? batch.literal : 1) * height.literal * width.literal * ceil_div(g.o, 8) < kFewVectors)
      v = std::min(v, 4);
    const int64_t o_vectors = std::max<int64_t>(1, g.o / v), sums = g.cg * g.taps;
    int across = static_cast<int>(std::min<int64_t>(o_vectors, 32));
    while (across > 1 && across * v * sums * 4 > kFilterBytes) across = (across + 1) / 2;
    const int down = kThreads / across;
    constexpr int kStrip = 4;
    const int sw = static_cast<int>(g.stride[2]), kw = static_cast<int>(g.kernel[2]);

    Source source("tenon_conv_first", space.wide());
    source.bounds(across * down);
    source.head(program_text(params.epilogue, "epilogue", type));
    source.body(declare_input(source, "x", call.inputs[0].dtype, 0) + declare_input(source, "w", call.inputs[1].dtype, 1));
    if (biased) source.body(declare_input(source, "bias", call.inputs[2].dtype, 2));
    for (size_t k = 3; k < call.inputs.size(); ++k) source.body(declare_input(source, extras[k - 3].name, extras[k - 3].storage, k));
    source.body(declare_output(source, "y", call.outputs[0].dtype, 0));
    const Reads reads(extras, 3, v);
    source.body(fmt::format("const bool al = {};\n", reads.alignment({"y"})));
    const std::string strips = width.is_literal() ? fmt::format("{}u", (width.literal + kStrip - 1) / kStrip)
                                                  : source.argument((width.value + kStrip - 1) / kStrip);
    const int64_t total = batch.value * height.value * ((width.value + kStrip - 1) / kStrip);
    std::string load_extras = reads.load(source, "", [&](size_t e) { return offset_text(source, extras[e].steps, 0, 4, "i"); });
    std::string arguments = "(float)sum[t][e]";
    for (size_t e = 0; e < extras.size(); ++e) arguments += ", " + reads.argument(e, "", "e");
    source.body(fmt::format(R"(
__shared__ __align__(16) float filter[{sums}][{tile}];
const I o0 = (I)blockIdx.y * {tile};
for (int i = threadIdx.y * {across} + threadIdx.x; i < {sums} * {tile}; i += {threads}) {{
  const int k = i % {sums}, o = i / {sums};
  filter[k][o] = o0 + o < {outputs}u ? get(w[(o0 + o) * {sums} + k]) : 0.0f;
}}
__syncthreads();
const int own = threadIdx.x * {v};
const I i3 = o0 + own;
if (i3 >= {outputs}u) return;
float start[{v}];
#pragma unroll
for (int e = 0; e < {v}; ++e) start[e] = {bias};
const I total = {total};
for (I item = (I)blockIdx.x * {down} + threadIdx.y; item < total; item += (I)gridDim.x * {down}) {{
  const I row = item / {strips}, i0 = row / {height}, i1 = row - i0 * {height};
  const int first = (int)(item - row * {strips}) * {strip};
  float sum[{strip}][{v}];
#pragma unroll
  for (int t = 0; t < {strip}; ++t)
#pragma unroll
    for (int e = 0; e < {v}; ++e) sum[t][e] = start[e];
  const int h0 = (int)i1 * {sh} - (int)a.v[{pad_h}], w0 = first * {sw} - (int)a.v[{pad_w}];
  for (int c = 0; c < {channels}; ++c)
    for (int r = 0; r < {kh}; ++r) {{
      const int h = h0 + r;
      if (h < 0 || h >= (int){in_h}) continue;
      const auto* line = x + (i0 * {step_n} + (I)c * {step_c} + (I)h * {step_h});
      float in[{columns}];
#pragma unroll
      for (int q = 0; q < {columns}; ++q) {{
        const int column = w0 + q;
        in[q] = column >= 0 && column < (int){in_w} ? get(line[(I)column * {step_w}]) : 0.0f;
      }}
#pragma unroll
      for (int s = 0; s < {kw}; ++s)
#pragma unroll
        for (int e = 0; e < {v}; ++e) {{
          const float f = filter[(c * {kh} + r) * {kw} + s][own + e];
#pragma unroll
          for (int t = 0; t < {strip}; ++t) sum[t][e] += f * in[t * {sw} + s];
        }}
    }}
#pragma unroll
  for (int t = 0; t < {strip}; ++t) {{
    const I i2 = (I)(first + t);
    if (i2 >= {width}) break;
{extras}
    Pack<{out}, {v}> out;
#pragma unroll
    for (int e = 0; e < {v}; ++e) out.e[e] = Put<{out}>::of(epilogue({arguments}));
    store<{v}>(y + ({at}), out, al);
  }}
}}
)",
                            fmt::arg("sums", sums), fmt::arg("tile", across * v), fmt::arg("across", across), fmt::arg("threads", across * down),
                            fmt::arg("outputs", g.o), fmt::arg("v", v), fmt::arg("bias", biased ? "get(bias[i3 + e])" : "0.0f"),
                            fmt::arg("total", source.argument(total)), fmt::arg("down", down), fmt::arg("strips", strips),
                            fmt::arg("height", source.number(height)), fmt::arg("strip", kStrip), fmt::arg("sh", g.stride[1]), fmt::arg("sw", sw),
                            fmt::arg("pad_h", source.argument(g.pad[1]).substr(1)), fmt::arg("pad_w", source.argument(g.pad[2]).substr(1)),
                            fmt::arg("channels", g.cg), fmt::arg("kh", g.kernel[1]), fmt::arg("kw", kw),
                            fmt::arg("in_h", source.number(loops.in[1])), fmt::arg("in_w", source.number(loops.in[2])),
                            fmt::arg("step_n", source.number(loops.x.at[0])), fmt::arg("step_c", source.number(loops.x.at[1])),
                            fmt::arg("step_h", source.number(loops.x.at[2])), fmt::arg("step_w", source.number(loops.x.at[3])),
                            fmt::arg("columns", (kStrip - 1) * sw + kw), fmt::arg("width", source.number(width)), fmt::arg("extras", load_extras),
                            fmt::arg("out", storage_name(call.outputs[0].dtype)), fmt::arg("arguments", arguments),
                            fmt::arg("at", offset_text(source, y.steps, 0, 4, "i"))));
    LaunchShape shape;
    shape.block[0] = static_cast<unsigned>(across);
    shape.block[1] = static_cast<unsigned>(down);
    const int64_t tiles = (o_vectors + across - 1) / across;
    const int64_t blocks = (total + down - 1) / down, enough = std::max<int64_t>(1, 132 * 6 / tiles);
    TN_TRY(grid_of(g.o == 0 ? 0 : std::min(blocks, enough), shape.grid[0]));
    TN_TRY(grid_of(tiles, shape.grid[1]));
    if (tiles > 65535) return fail(Code::limit_exceeded, "a convolution of {} output channels", g.o);
    out_space = space;
    return source.finish(session_of(call), shape, state);
  });
}

}  // namespace

extern const Kernel kCudaConvFirst;
const Kernel kCudaConvFirst{"cuda.conv.first", sizeof(ConvParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
