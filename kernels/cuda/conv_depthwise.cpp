// cuda.conv.depthwise: one filter a channel, two spatial dims, nhwc. A thread has a vector of channels of a strip of output
// columns, so that what it reads of a row serves several of them; filters lie in shared memory, channels together.
#include <algorithm>

#include "base/checked.h"
#include "cuda/conv.h"
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/program_text.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

Status check(const PrepareCall& call, DType& type, ConvGeometry& g) {
  TN_TRY(check_conv(call, false, type, g));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16)
    return fail(Code::invalid_plan, "a depthwise convolution takes f32, f16 or bf16, x is {}", describe(x));
  if (x.rank != 4 || g.cg != 1 || g.og != 1)
    return fail(Code::invalid_plan, "a depthwise convolution has two spatial dims and one channel a group, not {} by {}", describe(x),
                describe(call.inputs[1]));
  TN_TRY(expect_format(x, kChannelsLast, "x"));
  TN_TRY(expect_format(y, kChannelsLast, "output"));
  if ((call.inputs[1].fixed_dims & 15) != 15)
    return fail(Code::invalid_plan, "a depthwise convolution takes a filter of the same dims at every shape");
  if (g.taps > 121 || g.stride[1] > 8 || g.stride[2] > 8 || g.dilation[1] > 16 || g.dilation[2] > 16)
    return fail(Code::unsupported, "filters of up to 121 taps, strides up to 8, dilations up to 16; not {}", describe(call.inputs[1]));
  for (int i = 1; i < 3; ++i)
    if (g.in[i] >= 1 << 28 || g.pad[i] >= 1 << 28 || g.out[i] >= 1 << 28) return fail(Code::limit_exceeded, "{} is too long", describe(x));
  return {};
}

// A vector of channels as the words in which it is loaded: what becomes of its elements waits until they are used, so that
// all loads of a thread are under way together.
constexpr char kVector[] = R"(
template <int V, class S> struct alignas(Width<4 * ((V * sizeof(S) + 3) / 4)>::value) Words { enum { kCount = (V * (int)sizeof(S) + 3) / 4 }; u32 w[kCount]; };
template <class S> struct Bits;
template <> struct Bits<f32> { typedef u32 type; };
template <> struct Bits<f16> { typedef u16 type; };
template <> struct Bits<bf16> { typedef u16 type; };
FN f32 from_bits(u32 x, f32) { return __uint_as_float(x); }
FN f16 from_bits(u32 x, f16) { return f16{(u16)x}; }
FN bf16 from_bits(u32 x, bf16) { return bf16{(u16)x}; }
template <int V, class S> FN Words<V, S> load_words(const S* p, bool aligned, bool inside) {
  typedef typename Bits<S>::type B;
  const int N = Width<V * sizeof(S)>::value;
  typedef typename Chunk<N>::type C;
  Words<V, S> out;
#pragma unroll
  for (int i = 0; i < Words<V, S>::kCount; ++i) out.w[i] = 0;
  if (!inside) return out;
  if (aligned && V * sizeof(S) >= 4) {
#pragma unroll
    for (int i = 0; i < (int)(V * sizeof(S)) / N; ++i) ((C*)&out)[i] = ((const C*)p)[i];
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i) out.w[i * sizeof(S) / 4] |= (u32)((const B*)p)[i] << i * sizeof(S) % 4 * 8;
  }
  return out;
}
template <int V, class S> FN float element(const Words<V, S>& x, int i) {
  return get(from_bits(x.w[i * sizeof(S) / 4] >> i * sizeof(S) % 4 * 8, S()));
}
)";

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<ConvParams>();
  DType type = DType::none;
  ConvGeometry g;
  TN_TRY(check(call, type, g));
  return prepare_each(call, prepared, [&](Space& out_space, LaunchState& state) -> Status {
    ConvLoops loops = conv_loops(call, g, false, out_space.variant());
    Space& space = loops.space;
    const bool biased = call.inputs.size() > 2 && call.inputs[2].present();
    // N, H, W, C.
    const int order[] = {0, 2, 3, 1};
    space.reorder(order);
    std::vector<Operand> extras, vectors;
    for (size_t k = 3; k < call.inputs.size(); ++k)
      extras.push_back({fmt::format("e{}", k), call.inputs[k].dtype, space.operands()[k - 2], ""});
    vectors = extras;
    const Operand y{"y", call.outputs[0].dtype, space.operands()[0], ""};
    vectors.push_back(y);
    vectors.push_back({"x", call.inputs[0].dtype, {{loops.x.at[0], loops.x.at[2], loops.x.at[3], loops.x.at[1]}}, ""});
    int v = vector_width(space, vectors, 3, false);
    const Extent &batch = space.loops()[0].size, &height = space.loops()[1].size, &width = space.loops()[2].size;
    // Of the output, where they are the same at every shape, else many; a batch of any size may be of one.
    int64_t positions = 1 << 30;
    if (height.is_literal() && width.is_literal()) positions = (batch.is_literal() ? batch.literal : 1) * height.literal * width.literal;
    // Where there is little to do, more threads with less each.
    if (type == DType::f32 || positions * ceil_div(g.c, 8) < kFewVectors) v = std::min(v, 4);
    const int64_t c_vectors = std::max<int64_t>(1, g.c / v);
    const int kh = static_cast<int>(g.kernel[1]), kw = static_cast<int>(g.kernel[2]);
    const int sh = static_cast<int>(g.stride[1]), sw = static_cast<int>(g.stride[2]);
    const int dh = static_cast<int>(g.dilation[1]), dw = static_cast<int>(g.dilation[2]);
    // Threads along channels: as many as there are vectors, or a tile of them whose filters fit shared memory.
    int across = static_cast<int>(std::min<int64_t>(c_vectors, 32));
    while (across > 1 && int64_t{across} * v * g.taps * 4 > 40 << 10) across = (across + 1) / 2;
    const int down = kThreads / across;
    const int64_t wide = width.is_literal() ? width.literal : 28;
    int strip = wide >= 4 && kw * dw <= 7 ? 4 : wide >= 2 ? 2 : 1;
    while (strip > 1 && positions / strip * c_vectors < 132 * 256) strip /= 2;
    const int columns = (strip - 1) * sw + (kw - 1) * dw + 1;

    // Where a thread reads little, all of it is read before the first product.
    const bool ahead = kh * columns * v * static_cast<int>(size_of(call.inputs[0].dtype)) <= 4 * 100;

    Source source("tenon_conv_depthwise", space.wide());
    source.bounds(across * down);
    source.head(kVector + program_text(params.epilogue, "epilogue", type));
    source.body(declare_input(source, "x", call.inputs[0].dtype, 0) + declare_input(source, "w", call.inputs[1].dtype, 1));
    if (biased) source.body(declare_input(source, "bias", call.inputs[2].dtype, 2));
    for (size_t k = 3; k < call.inputs.size(); ++k) source.body(declare_input(source, extras[k - 3].name, extras[k - 3].storage, k));
    source.body(declare_output(source, "y", call.outputs[0].dtype, 0));
    const Reads reads(extras, 3, v);
    source.body(fmt::format("const bool al = is_aligned(x) && {};\n", reads.alignment({"y"})));
    const std::string n_height = source.number(height), n_width = source.number(width);
    const std::string strips = width.is_literal() ? fmt::format("{}u", (width.literal + strip - 1) / strip)
                                                  : source.argument((width.value + strip - 1) / strip);
    const int64_t total = batch.value * height.value * ((width.value + strip - 1) / strip);
    std::string load_extras = reads.load(source, "", [&](size_t e) { return offset_text(source, extras[e].steps, 0, 4, "i"); });
    std::string arguments = "(float)sum[t][e]";
    for (size_t e = 0; e < extras.size(); ++e) arguments += ", " + reads.argument(e, "", "e");
    const std::string n_rows = source.number(loops.in[1]);
    const std::string row = ahead ? fmt::format("const bool inside = h >= 0 && h < (int){};", n_rows)
                                  : fmt::format("if (h < 0 || h >= (int){}) continue;\n    const bool inside = true;", n_rows);
    source.body(fmt::format(R"(
__shared__ __align__(16) float filter[{taps}][{tile}];
const I c0 = (I)blockIdx.y * {tile};
for (int i = threadIdx.y * {across} + threadIdx.x; i < {taps} * {tile}; i += {threads}) {{
  const int tap = i % {taps}, c = i / {taps};
  filter[tap][c] = c0 + c < {channels}u ? get(w[(c0 + c) * {taps} + tap]) : 0.0f;
}}
__syncthreads();
const int own = threadIdx.x * {v};
const I i3 = c0 + own;
if (i3 >= {channels}u) return;
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
{unroll_h}  for (int r = 0; r < {kh}; ++r) {{
    const int h = h0 + r * {dh};
    {row}
    const auto* line = x + (i0 * {step_n} + (I)h * {step_h} + i3);
    Words<{v}, {storage}> in[{columns}];
#pragma unroll
    for (int q = 0; q < {columns}; ++q) {{
      const int column = w0 + q;
      in[q] = load_words<{v}>(line + (I)column * {step_w}, al, inside && column >= 0 && column < (int){in_w});
    }}
#pragma unroll
    for (int s = 0; s < {kw}; ++s)
#pragma unroll
      for (int e = 0; e < {v}; ++e) {{
        const float f = filter[r * {kw} + s][own + e];
#pragma unroll
        for (int t = 0; t < {strip}; ++t) sum[t][e] += f * element(in[t * {sw} + s * {dw}], e);
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
                            fmt::arg("taps", g.taps), fmt::arg("tile", across * v), fmt::arg("across", across), fmt::arg("threads", across * down),
                            fmt::arg("channels", g.c), fmt::arg("v", v), fmt::arg("bias", biased ? "get(bias[i3 + e])" : "0.0f"),
                            fmt::arg("total", source.argument(total)), fmt::arg("down", down), fmt::arg("strips", strips),
                            fmt::arg("height", n_height), fmt::arg("strip", strip), fmt::arg("sh", sh), fmt::arg("sw", sw),
                            fmt::arg("pad_h", source.argument(g.pad[1]).substr(1)), fmt::arg("pad_w", source.argument(g.pad[2]).substr(1)),
                            fmt::arg("unroll_h", g.taps <= 25 ? "#pragma unroll\n" : ""), fmt::arg("kh", kh), fmt::arg("dh", dh),
                            fmt::arg("row", row), fmt::arg("in_w", source.number(loops.in[2])),
                            fmt::arg("step_n", source.number(loops.x.at[0])), fmt::arg("step_h", source.number(loops.x.at[2])),
                            fmt::arg("step_w", source.number(loops.x.at[3])), fmt::arg("storage", storage_name(call.inputs[0].dtype)),
                            fmt::arg("columns", columns), fmt::arg("kw", kw), fmt::arg("dw", dw), fmt::arg("width", n_width),
                            fmt::arg("extras", load_extras), fmt::arg("out", storage_name(call.outputs[0].dtype)),
                            fmt::arg("arguments", arguments), fmt::arg("at", offset_text(source, y.steps, 0, 4, "i"))));
    LaunchShape shape;
    shape.block[0] = static_cast<unsigned>(across);
    shape.block[1] = static_cast<unsigned>(down);
    const int64_t tiles = (c_vectors + across - 1) / across;
    // Filters are read once for several strips, while every multiprocessor has a few blocks.
    const int64_t blocks = (total + down - 1) / down, enough = std::max<int64_t>(1, 132 * 8 / tiles);
    TN_TRY(grid_of(g.c == 0 ? 0 : std::min(blocks, enough), shape.grid[0]));
    TN_TRY(grid_of(tiles, shape.grid[1]));
    if (tiles > 65535) return fail(Code::limit_exceeded, "a depthwise convolution of {} channels", g.c);
    out_space = space;
    return source.finish(session_of(call), shape, state);
  });
}

}  // namespace

extern const Kernel kCudaConvDepthwise;
const Kernel kCudaConvDepthwise{"cuda.conv.depthwise", sizeof(ConvParams), 0, 0, prepare, launch_all, Place::device};

}  // namespace tenon::cuda
