// onednn.conv.f32, onednn.conv_sum.f32 and onednn.conv.pack: convolution of one to three spatial dims over packed
// weights, with bias and a chain of post-ops.
//
// The packed layout is fixed by the parameters, so one packed weight serves every shape. oneDNN's fastest
// implementation for a shape may want another: then the weight is repacked into scratch memory at each launch.
#include <algorithm>

#include "base/checked.h"
#include "common/epilogue.h"
#include "conv/geometry.h"
#include "onednn/params.h"
#include "onednn/primitive.h"

namespace tenon::onednn {
namespace {

constexpr size_t kBiasInput = 2, kFirstExtra = 3;

// Absent optional inputs at the end may be left out.
Arg bias_of(const PrepareCall& call) { return call.inputs.size() > kBiasInput ? call.inputs[kBiasInput] : Arg{}; }
std::span<const Arg> extras_of(const PrepareCall& call) {
  return call.inputs.subspan(std::min(kFirstExtra, call.inputs.size()));
}

// Larger attributes overflow the 32-bit offsets of generated code.
constexpr int64_t kMaxAttribute = 1 << 12;

dnnl_format_tag_t tag_of(OnednnConvLayout layout, int64_t block, bool grouped, bool volume) {
  static constexpr dnnl_format_tag_t kBlocked[2][2][2] = {
      {{dnnl_OIhw8i8o, dnnl_OIdhw8i8o}, {dnnl_OIhw16i16o, dnnl_OIdhw16i16o}},
      {{dnnl_gOIhw8i8o, dnnl_gOIdhw8i8o}, {dnnl_gOIhw16i16o, dnnl_gOIdhw16i16o}}};
  static constexpr dnnl_format_tag_t kPanels[5][2] = {{dnnl_Ohwi8o, dnnl_Odhwi8o},
                                                      {dnnl_Ohwi16o, dnnl_Odhwi16o},
                                                      {dnnl_Ohwi32o, dnnl_Odhwi32o},
                                                      {dnnl_Ohwi48o, dnnl_Odhwi48o},
                                                      {dnnl_Ohwi64o, dnnl_Odhwi64o}};
  static constexpr dnnl_format_tag_t kDepthwise[2][2] = {{dnnl_Goihw8g, dnnl_format_tag_undef},
                                                         {dnnl_Goihw16g, dnnl_Goidhw16g}};
  const int wide = block == 16;
  switch (layout) {
    case OnednnConvLayout::blocked: return kBlocked[grouped][wide][volume];
    case OnednnConvLayout::panels: return kPanels[block / 16][volume];
    case OnednnConvLayout::depthwise: return kDepthwise[wide][volume];
  }
  return dnnl_format_tag_undef;
}

// One spatial dim is computed as two, the first of extent 1: the same memory, and oneDNN's best code is for two.
Arg lifted(Arg arg) {
  if (arg.rank != 3) return arg;
  arg.dims[3] = arg.dims[2];
  arg.dims[2] = 1;
  arg.rank = 4;
  return arg;
}

// The weight of dims O, C / group, kernel… as oneDNN sees it: with groups as a dim of its own.
struct WeightDims {
  int64_t dims[6];
  size_t rank;

  WeightDims(int64_t group, int64_t w_rank, const int64_t* w) {
    size_t at = 0;
    if (group > 1) dims[at++] = group;
    dims[at++] = w[0] / group;
    dims[at++] = w[1];
    if (w_rank == 3) dims[at++] = 1;
    for (int64_t i = 2; i < w_rank; ++i) dims[at++] = w[i];
    rank = at;
  }
  std::span<const int64_t> span() const { return {dims, rank}; }
};

Result<dnnl_memory_desc_t> packed_desc(OnednnConvLayout layout, int64_t block, int64_t group, int64_t w_rank,
                                       const int64_t* w, int64_t bytes) {
  const WeightDims dims(group, w_rank, w);
  TN_ASSIGN(dnnl_memory_desc_t desc, tagged_desc(dims.span(), tag_of(layout, block, group > 1, w_rank == 5)));
  if (static_cast<int64_t>(dnnl_memory_desc_get_size(&desc)) != bytes)
    return fail(Code::internal, "packed weight has {} bytes in oneDNN, {} expected", dnnl_memory_desc_get_size(&desc), bytes);
  return desc;
}

// One convolution with its descriptors.
struct Problem {
  dnnl_memory_desc_t x, weight, bias, out;
  std::vector<dnnl_memory_desc_t> extras;
  PostOpChain chain;
  int64_t strides[3], dilations[3], pads_begin[3], pads_end[3];
  bool has_bias = false;

  Result<Owned<dnnl_primitive_desc_t>> find(const dnnl_memory_desc_t& w, bool sum) const {
    TN_ASSIGN(auto attr, attributes(chain, extras, sum));
    dnnl_convolution_desc_t op;
    TN_TRY(check(dnnl_dilated_convolution_forward_desc_init(&op, dnnl_forward_inference, dnnl_convolution_direct, &x, &w,
                                                            has_bias ? &bias : nullptr, &out, strides, dilations,
                                                            pads_begin, pads_end),
                 "describing a convolution"));
    return implementation(&op, attr.get());
  }
};

Status check_params(const PrepareCall& call, ConvGeometry& geometry) {
  const auto& params = call.as<OnednnConvParams>();
  TN_TRY(expect_counts(call, 2, kFirstExtra + kMaxProgramInputs - 1, 1));
  const Arg &x = call.inputs[0], &w = call.inputs[1], &out = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_type(w, DType::u8, "packed weight"));
  TN_TRY(expect_format(w, kLinear, "packed weight"));
  if (params.w_rank < 3 || params.w_rank > 2 + kMaxSpatial)
    return fail(Code::invalid_plan, "weight must have 3 to 5 dims, the parameters say {}", params.w_rank);
  const auto bytes = onednn_conv_bytes(params.layout, params.block, params.conv.group, params.w_rank, params.w_dims);
  if (!bytes) return fail(Code::invalid_plan, "the packed weight's layout does not fit its dims");
  TN_TRY(expect_shape(w, {&*bytes, 1}, "packed weight"));
  Arg logical;
  logical.dtype = DType::f32;
  logical.rank = static_cast<int32_t>(params.w_rank);
  for (int i = 0; i < logical.rank; ++i) logical.dims[i] = params.w_dims[i];
  TN_TRY(conv_geometry(params.conv, x, logical, bias_of(call), out, false, geometry));
  TN_TRY(check_epilogue(params.conv.epilogue, DType::f32, extras_of(call), out));
  for (int i = 0; i < 3; ++i)
    if (geometry.kernel[i] > kMaxAttribute || geometry.stride[i] > kMaxAttribute ||
        geometry.dilation[i] > kMaxAttribute || geometry.pad[i] > kMaxAttribute ||
        (i < params.w_rank - 2 && params.conv.pads_end[i] > kMaxAttribute))
      return fail(Code::unsupported, "oneDNN convolutions take kernel dims, strides, dilations and pads up to {}",
                  kMaxAttribute);
  return expect_addressable(call.inputs);
}

// Descriptor of an operand of a binary post-op: of the output's dims and format, one value a channel, or one value.
Result<dnnl_memory_desc_t> extra_desc(const Arg& extra, const Arg& out) {
  bool same = extra.rank == out.rank, channel = extra.rank <= out.rank;
  for (int i = 0; i < extra.rank; ++i) same = same && extra.dims[i] == out.dims[i];
  if (same && extra.format == out.format) return desc_of(lifted(extra));
  for (int i = 0; channel && i < extra.rank; ++i) {
    const int at = out.rank - extra.rank + i;
    channel = extra.dims[i] == 1 || (at == 1 && extra.dims[i] == out.dims[1]);
  }
  if (!channel || extra.format != kLinear)
    return fail(Code::invalid_plan, "extra operand {} must be {}, or linear with one value a channel, or one value",
                describe(extra), describe(out));
  Arg row;
  row.rank = lifted(out).rank;
  std::fill_n(row.dims, row.rank, 1);
  row.dims[1] = extra.count();
  return broadcast_desc(row, row.rank);
}

Status describe_problem(const PrepareCall& call, const ConvGeometry& g, Problem& p) {
  const auto& params = call.as<OnednnConvParams>();
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  std::string refusal;
  if (!match_post_ops(params.conv.epilogue, p.chain, refusal)) return fail(Code::invalid_plan, "{}", refusal);
  TN_ASSIGN(p.x, desc_of(lifted(x)));
  TN_ASSIGN(p.out, desc_of(lifted(out)));
  TN_ASSIGN(p.weight, packed_desc(params.layout, params.block, params.conv.group, params.w_rank, params.w_dims,
                                  call.inputs[1].dims[0]));
  const Arg bias = bias_of(call);
  p.has_bias = bias.present();
  if (p.has_bias) {
    TN_ASSIGN(p.bias, desc_of(bias));
  }
  for (const Arg& extra : extras_of(call)) {
    TN_ASSIGN(dnnl_memory_desc_t desc, extra_desc(extra, out));
    p.extras.push_back(desc);
  }
  const int given = x.rank - 2, spatial = std::max(given, 2);
  for (int i = 0; i < spatial; ++i) {
    const int at = 3 - spatial + i, own = i - (spatial - given);
    p.strides[i] = g.stride[at];
    p.dilations[i] = g.dilation[at] - 1;
    p.pads_begin[i] = g.pad[at];
    p.pads_end[i] = own >= 0 ? params.conv.pads_end[own] : 0;
  }
  return {};
}

// The convolution with the weight as it is packed, or as oneDNN wants it after a repacking step.
Status add_convolution(const Problem& p, bool sum, int64_t& scratch_bytes, std::vector<Execution>& steps) {
  TN_ASSIGN(auto desc, p.find(p.weight, sum));
  Source weight{Source::Kind::input, 1};
  if (is_reference(desc.get())) {
    TN_ASSIGN(auto other, p.find(any_layout(p.weight), sum));
    if (!is_reference(other.get())) {
      desc = std::move(other);
      const dnnl_memory_desc_t& wanted = memory_desc(desc.get(), dnnl_query_weights_md);
      weight = {Source::Kind::scratch, static_cast<size_t>(scratch_bytes)};
      scratch_bytes += round_up(static_cast<int64_t>(dnnl_memory_desc_get_size(&wanted)), 64);
      TN_TRY(add_reorder(p.weight, {Source::Kind::input, 1}, wanted, weight, scratch_bytes, steps));
    }
  }
  TN_ASSIGN(Execution run, Execution::create(desc.get(), scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_SRC, p.x, {Source::Kind::input, 0}));
  TN_TRY(run.bind(DNNL_ARG_WEIGHTS, memory_desc(desc.get(), dnnl_query_weights_md), weight));
  if (p.has_bias) TN_TRY(run.bind(DNNL_ARG_BIAS, p.bias, {Source::Kind::input, kBiasInput}));
  TN_TRY(run.bind(DNNL_ARG_DST, p.out, {Source::Kind::output, 0}));
  TN_TRY(run.bind_extras(p.chain, p.extras, kFirstExtra, sum));
  steps.push_back(std::move(run));
  return {};
}

// Whether there is nothing to compute; refuses empty inputs that would still give results.
Result<bool> is_empty(const PrepareCall& call) {
  if (call.outputs[0].count() == 0) return true;
  if (call.inputs[0].count() == 0)
    return fail(Code::unsupported, "oneDNN convolutions need a non-empty x, it is {}", describe(call.inputs[0]));
  return false;
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  ConvGeometry geometry;
  TN_TRY(check_params(call, geometry));
  TN_TRY(expect_addressable(call.outputs));
  Problem problem;
  TN_TRY(describe_problem(call, geometry, problem));
  TN_ASSIGN(bool empty, is_empty(call));
  if (empty) return {};
  ThreadScope scope(call.threads);
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  TN_TRY(add_convolution(problem, false, prepared.scratch_bytes, state->steps));
  prepared.state = std::move(state);
  return {};
}

// Two ways, as the output turns out to be the summand's memory or not.
struct SumState : KernelState {
  Sequence in_place, apart;
};

Status prepare_sum(const PrepareCall& call, Prepared& prepared) {
  ConvGeometry geometry;
  TN_TRY(check_params(call, geometry));
  TN_TRY(expect_addressable(call.outputs));
  Problem problem;
  TN_TRY(describe_problem(call, geometry, problem));
  const PostOpChain& chain = problem.chain;
  const bool first = chain.count > 0 && chain.ops[0].kind == PostOpKind::add && chain.ops[0].input == 1;
  if (!first) return fail(Code::invalid_plan, "the epilogue must begin with the addition of extra operand 0");
  for (int i = 1; i < chain.count; ++i)
    if (is_binary(chain.ops[i].kind) && chain.ops[i].input == 1)
      return fail(Code::invalid_plan, "the epilogue must read extra operand 0 once");
  TN_TRY(expect_shape(call.inputs[kFirstExtra], call.outputs[0].shape(), "extra operand 0"));
  TN_TRY(expect_format(call.inputs[kFirstExtra], call.outputs[0].format, "extra operand 0"));
  TN_ASSIGN(bool empty, is_empty(call));
  if (empty) return {};
  ThreadScope scope(call.threads);
  auto state = std::make_unique<SumState>();
  state->in_place.threads = state->apart.threads = call.threads;
  int64_t in_place_bytes = 0, apart_bytes = 0;
  TN_TRY(add_convolution(problem, true, in_place_bytes, state->in_place.steps));
  TN_TRY(add_convolution(problem, false, apart_bytes, state->apart.steps));
  prepared.scratch_bytes = std::max(in_place_bytes, apart_bytes);
  prepared.state = std::move(state);
  return {};
}

Status launch_sum(const LaunchCall& call) {
  if (!call.state) return {};
  const auto& state = *static_cast<const SumState*>(call.state);
  LaunchCall one = call;
  one.state = call.outputs[0].data == call.inputs[kFirstExtra].data ? &state.in_place : &state.apart;
  return launch_sequence(one);
}

Status prepare_pack(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<OnednnConvPackParams>();
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &w = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(w, DType::f32, "w"));
  TN_TRY(expect_format(w, kLinear, "w"));
  TN_TRY(expect_rank(w, 3, 2 + kMaxSpatial, "w"));
  TN_TRY(expect_type(out, DType::u8, "packed weight"));
  TN_TRY(expect_format(out, kLinear, "packed weight"));
  const auto bytes = onednn_conv_bytes(params.layout, params.block, params.group, w.rank, w.dims);
  if (!bytes) return fail(Code::invalid_plan, "w {} does not fit the packed layout", describe(w));
  TN_TRY(expect_shape(out, {&*bytes, 1}, "packed weight"));
  TN_ASSIGN(dnnl_memory_desc_t to,
            packed_desc(params.layout, params.block, params.group, w.rank, w.dims, *bytes));
  const WeightDims dims(params.group, w.rank, w.dims);
  Arg plain;
  plain.rank = static_cast<int32_t>(dims.rank);
  std::copy(dims.dims, dims.dims + dims.rank, plain.dims);
  TN_ASSIGN(dnnl_memory_desc_t from, broadcast_desc(plain, plain.rank));
  ThreadScope scope(call.threads);
  auto state = std::make_unique<Sequence>();
  state->threads = call.threads;
  TN_TRY(add_reorder(from, {Source::Kind::input, 0}, to, {Source::Kind::output, 0}, prepared.scratch_bytes,
                     state->steps));
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kConv{"onednn.conv.f32", sizeof(OnednnConvParams), 0, 0,
                          guarded_prepare<prepare>, guarded_launch<launch_sequence>};
extern const Kernel kConvSum{"onednn.conv_sum.f32", sizeof(OnednnConvParams), 0, 1u << kFirstExtra,
                          guarded_prepare<prepare_sum>, guarded_launch<launch_sum>};
extern const Kernel kConvPack{"onednn.conv.pack", sizeof(OnednnConvPackParams), 0, 0,
                          guarded_prepare<prepare_pack>, guarded_launch<launch_sequence>};

}  // namespace tenon::onednn
