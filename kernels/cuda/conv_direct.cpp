// cuda.conv.direct and cuda.conv_transpose.direct: any convolution as a matrix product whose first operand is read from
// where x's elements lie. Rows are output positions, columns the output channels of one group.
#include "cuda/conv.h"
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/program_text.h"
#include "cuda/product.h"

namespace tenon::cuda {
namespace {

constexpr char kProduct[] =
#include "cuda/generate/product.cuh"
    ;

// Lines that set `s`, the input coordinate that tap `tap` of output coordinate `at` reads in a spatial dim, and `inside`.
std::string source_text(Source& source, const ConvLoops& loops, int dim, bool transposed) {
  const std::string in = source.number(loops.in[dim]), pad = fmt::format("(i64)a.v[{}]", source.argument(loops.pad[dim].value).substr(1));
  const ConvGeometry& g = loops.g;
  if (!transposed)
    return fmt::format("const int s{0} = (int)o{0} * {1} - (int)({2}) + (int)t{0} * {3};\ninside = inside && s{0} >= 0 && s{0} < (int){4};\n", dim,
                       g.stride[dim], pad, g.dilation[dim], in);
  return fmt::format(
      "const int u{0} = (int)o{0} + (int)({2}) - (int)t{0} * {3};\nconst int s{0} = u{0} / {1};\n"
      "inside = inside && u{0} >= 0 && u{0} % {1} == 0 && s{0} < (int){4};\n",
      dim, g.stride[dim], pad, g.dilation[dim], in);
}

template <bool kTransposed>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<ConvParams>();
  DType type = DType::none;
  ConvGeometry geometry;
  TN_TRY(check_conv(call, kTransposed, type, geometry));
  for (int i = 0; i < 3; ++i) {
    constexpr int64_t kFar = int64_t{1} << 30;
    const int64_t reach = geometry.dilation[i] * (geometry.kernel[i] - 1);
    if (geometry.in[i] >= kFar || geometry.out[i] >= kFar || reach >= kFar ||
        geometry.out[i] * geometry.stride[i] >= kFar || geometry.in[i] * geometry.stride[i] >= kFar)
      return fail(Code::limit_exceeded, "the spatial dims of {} and {} are too long for this kernel: at most 2^30 positions",
                  describe(call.inputs[0]), describe(call.outputs[0]));
  }
  return prepare_each(call, prepared, [&](Space& out_space, LaunchState& state) -> Status {
    const ConvLoops loops = conv_loops(call, geometry, kTransposed, out_space.variant());
    const Space& space = loops.space;
    const int spatial = loops.spatial;
    const bool biased = call.inputs.size() > 2 && call.inputs[2].present();
    Source source(kTransposed ? "tenon_conv_transpose_direct" : "tenon_conv_direct", space.wide());
    source.bounds(256);
    source.head(kProduct).head(program_text(params.epilogue, "epilogue", type));
    source.body(declare_input(source, "x", call.inputs[0].dtype, 0) + declare_input(source, "w", call.inputs[1].dtype, 1));
    if (biased) source.body(declare_input(source, "bias", call.inputs[2].dtype, 2));
    std::vector<Operand> extras;
    for (size_t k = 3; k < call.inputs.size(); ++k) {
      extras.push_back({fmt::format("e{}", k), call.inputs[k].dtype, space.operands()[k - 2], ""});
      source.body(declare_input(source, extras.back().name, extras.back().storage, k));
    }
    source.body(declare_output(source, "y", call.outputs[0].dtype, 0));
    Extent positions = loops.batch, taps = Extent::of(1);
    for (int i = 0; i < 3; ++i) positions = positions * loops.out[i], taps = taps * loops.kernel[i];
    const Extent m = positions, n = loops.out_per_group, k = loops.per_group * taps;
    const std::string tiles_m = fmt::format("(({} + 63) / 64)", source.number(m)), tiles_n = fmt::format("(({} + 63) / 64)", source.number(n));
    source.body(fmt::format("I block = blockIdx.x;\nconst I tile_n = block % {0}; block /= {0};\n", tiles_n));
    source.body(fmt::format("const I tile_m = block % {0}, group = block / {0};\n", tiles_m));
    // An output position m as item, o0, o1, o2; an element k of the sum as channel, t0, t1, t2.
    auto divided = [&](const std::string& flat, const Extent* dims, const std::string& letter, const std::string& first) {
      std::string out, rest = flat;
      for (int i = 2; i >= 0; --i) {
        if (dims[i].is(1)) {
          out += fmt::format("const I {}{} = 0;\n", letter, i);
          continue;
        }
        const std::string next = i == 0 ? first : fmt::format("{}_{}", first, i);
        out += source.divide(rest, dims[i], next, fmt::format("{}{}", letter, i));
        rest = next;
      }
      return rest == first ? out : out + fmt::format("const I {} = {};\n", first, rest);
    };
    std::string offset = fmt::format("item * {} + (group * {} + channel) * {}", source.number(loops.x.at[0]), source.number(loops.per_group),
                                     source.number(loops.x.at[1]));
    for (int i = 0; i < spatial; ++i)
      offset += fmt::format(" + (I)s{} * {}", 3 - spatial + i, source.number(loops.x.at[static_cast<size_t>(2 + i)]));
    std::string read = divided("m", loops.out, "o", "item") + divided("k", loops.kernel, "t", "channel") + "bool inside = true;\n";
    for (int dim = 3 - spatial; dim < 3; ++dim) read += source_text(source, loops, dim, kTransposed);
    const auto a = accumulator_name(type);
    read += fmt::format("return inside ? ({})get(x[{}]) : ({})0;\n", a, offset, a);
    std::string weight;
    if (kTransposed)
      weight = divided("k", loops.kernel, "t", "channel") +
               fmt::format("return ({})get(w[((group * {} + channel) * {} + n) * {} + k % {}]);\n", a, source.number(loops.per_group),
                           source.number(loops.out_per_group), source.number(taps), source.number(taps));
    else
      weight = fmt::format("return ({})get(w[(group * {} + n) * {} + k]);\n", a, source.number(loops.out_per_group), source.number(k));
    // The output position as the space's loops i0 (item), i1 (channel), i2 ….
    std::string place = divided("m", loops.out, "o", "item") + fmt::format("const I i0 = item, i1 = group * {} + n;\n", source.number(loops.out_per_group));
    for (int i = 0; i < spatial; ++i) place += fmt::format("const I i{} = o{};\n", 2 + i, 3 - spatial + i);
    const int rank = spatial + 2;
    const Reads reads(extras, -1, 1);
    place += reads.load(source, "", [&](size_t e) { return offset_text(source, extras[e].steps, 0, rank, "i"); });
    if (biased) place += fmt::format("sum += ({})get(bias[i1]);\n", a);
    std::string arguments = fmt::format("({})sum", value_name(type));
    for (size_t e = 0; e < extras.size(); ++e) arguments += ", " + reads.argument(e, "", "0");
    source.body(fmt::format(R"(
tile_product<{a}, {along_k}, false>({m}, {n}, {k}, tile_m * 64, tile_n * 64,
  [&](I m, I k) {{
{read}  }},
  [&](I k, I n) {{
{weight}  }},
  [&](I m, I n, {a} sum) {{
{place}
    y[{at}] = Put<{out}>::of(epilogue({arguments}));
  }});
)",
                            fmt::arg("a", a), fmt::arg("along_k", call.inputs[0].format == kChannelsLast && taps.is(1)),
                            fmt::arg("m", source.number(m)), fmt::arg("n", source.number(n)), fmt::arg("k", source.number(k)),
                            fmt::arg("read", read), fmt::arg("weight", weight), fmt::arg("place", place),
                            fmt::arg("at", offset_text(source, space.operands()[0], 0, rank, "i")),
                            fmt::arg("out", storage_name(call.outputs[0].dtype)), fmt::arg("arguments", arguments)));
    LaunchShape shape;
    shape.block[0] = 256;
    const int64_t blocks = ((m.value + 63) / 64) * ((n.value + 63) / 64) * geometry.group;
    TN_TRY(grid_of(blocks, shape.grid[0]));
    out_space = space;
    return source.finish(session_of(call), shape, state);
  });
}

}  // namespace

extern const Kernel kCudaConvDirect, kCudaConvTransposeDirect;
const Kernel kCudaConvDirect{"cuda.conv.direct", sizeof(ConvParams), 0, 0, prepare<false>, launch_all, Place::device};
const Kernel kCudaConvTransposeDirect{"cuda.conv_transpose.direct", sizeof(ConvParams), 0, 0, prepare<true>, launch_all, Place::device};

}  // namespace tenon::cuda
