// cuda.conv.cudnn and cuda.conv_transpose.cudnn: convolutions as graphs of cuDNN, with bias and epilogue in the graph where
// they are a chain of its pointwise operations.
#include <algorithm>
#include <array>

#include "base/checked.h"
#include "conv/geometry.h"
#include "cuda/cudnn_api.h"
#include "cuda/gemm_params.h"
#include "cuda/gemm_problem.h"
#include "cuda/pointwise_tail.h"
#include "cuda/session.h"
#include "onednn/post_ops.h"

namespace tenon::cuda {
namespace {

using onednn::PostOp;
using onednn::PostOpKind;

constexpr int64_t kMaxWorkspace = int64_t{256} << 20;
constexpr int64_t kScratchAlignment = 256;
constexpr int64_t kAlignment = 16;
constexpr int64_t kMaxExtent = 0x7fffffff;

struct State : KernelState {
  CudnnPlan plan;
  std::vector<int64_t> ids;
  // Where each id's tensor is: an input of the call, the output (-1), or a constant (-2 - index).
  std::vector<int> sources;
  std::vector<float> constants;
  std::unique_ptr<PointwiseTail> tail;
};

cudnnDataType_t type_of(DType type) {
  return type == DType::f16 ? CUDNN_DATA_HALF : type == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

// Dims and steps as cuDNN takes them: at least two spatial dims.
struct Extents {
  int rank = 0;
  std::array<int64_t, kMaxRank> dims = {}, steps = {};
  std::span<const int64_t> d() const { return {dims.data(), static_cast<size_t>(rank)}; }
  std::span<const int64_t> s() const { return {steps.data(), static_cast<size_t>(rank)}; }
};

Extents extents_of(std::span<const int64_t> dims, bool channels_last) {
  Extents out;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i == 2 && dims.size() == 3) out.dims[static_cast<size_t>(out.rank++)] = 1;
    out.dims[static_cast<size_t>(out.rank++)] = dims[i];
  }
  int64_t step = 1;
  auto take = [&](int i) {
    out.steps[static_cast<size_t>(i)] = step;
    step *= out.dims[static_cast<size_t>(i)];
  };
  if (channels_last) take(1);
  for (int i = out.rank - 1; i >= 0; --i)
    if (i != 1 || !channels_last) take(i);
  return out;
}

// Builds the operations of one convolution.
class Builder {
 public:
  Builder(const Cudnn& cudnn, State& state, const Extents& out) : cudnn_(cudnn), state_(state), out_(out) {}

  std::vector<Descriptor> ops;

  // A tensor of the call (`source` as in State), made once.
  Result<const Descriptor*> tensor(int source, const Extents& extents, DType type) {
    return add({source, extents, type_of(type), false, false});
  }
  Result<const Descriptor*> virtual_tensor() { return add({0, out_, CUDNN_DATA_FLOAT, true, false}); }
  Result<const Descriptor*> constant(double value) {
    Extents one;
    one.rank = out_.rank;
    one.dims.fill(1);
    one.steps.fill(1);
    state_.constants.push_back(static_cast<float>(value));
    return add({-1 - static_cast<int>(state_.constants.size()), one, CUDNN_DATA_FLOAT, false, true});
  }

  Status convolution(const ConvGeometry& g, const ConvParams& params, int spatial, bool transposed, const Descriptor& x,
                     const Descriptor& w, const Descriptor& y) {
    TN_ASSIGN(Descriptor conv, Descriptor::create(cudnn_, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    const int used = std::max(spatial, 2), first = 3 - used;
    int64_t strides[3], dilations[3], before[3], after[3];
    for (int i = 0; i < used; ++i) {
      const int own = i - (used - spatial);
      strides[i] = g.stride[first + i];
      dilations[i] = g.dilation[first + i];
      before[i] = g.pad[first + i];
      after[i] = own >= 0 ? params.pads_end[own] : 0;
    }
    const auto n = static_cast<size_t>(used);
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT));
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION));
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, static_cast<int64_t>(used)));
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const int64_t>(strides, n)));
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const int64_t>(dilations, n)));
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const int64_t>(before, n)));
    TN_TRY(conv.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const int64_t>(after, n)));
    TN_TRY(conv.finalize("describing a convolution"));
    TN_ASSIGN(Descriptor op, Descriptor::create(cudnn_, transposed ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
                                                                   : CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR));
    const float alpha = 1, beta = 0;
    if (transposed) {
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, conv));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, x));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, w));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, y));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, alpha));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, beta));
    } else {
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, alpha));
      TN_TRY(op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, beta));
    }
    return finish(std::move(op));
  }

  struct Mode {
    cudnnPointwiseMode_t mode;
    double low = 0, high = 0, beta = 1;
    bool clips = false;
  };
  // y = mode(x) or mode(x, b).
  Status pointwise(const Mode& mode, const Descriptor& x, const Descriptor* b, const Descriptor& y) {
    TN_ASSIGN(Descriptor how, Descriptor::create(cudnn_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
    TN_TRY(how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode.mode));
    TN_TRY(how.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT));
    if (mode.clips) {
      TN_TRY(how.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, CUDNN_TYPE_DOUBLE, mode.low));
      TN_TRY(how.set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, CUDNN_TYPE_DOUBLE, mode.high));
    }
    if (mode.mode == CUDNN_POINTWISE_RELU_FWD && mode.beta != 1)
      TN_TRY(how.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, CUDNN_TYPE_DOUBLE, mode.beta));
    if (mode.mode == CUDNN_POINTWISE_SWISH_FWD) TN_TRY(how.set(CUDNN_ATTR_POINTWISE_SWISH_BETA, CUDNN_TYPE_DOUBLE, mode.beta));
    TN_TRY(how.finalize("describing a pointwise operation"));
    TN_ASSIGN(Descriptor op, Descriptor::create(cudnn_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
    TN_TRY(op.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how));
    TN_TRY(op.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x));
    if (b) TN_TRY(op.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b));
    TN_TRY(op.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y));
    return finish(std::move(op));
  }

 private:
  struct Tensor {
    int source;
    Extents extents;
    cudnnDataType_t type;
    bool is_virtual, by_value;
  };
  Result<const Descriptor*> add(const Tensor& t) {
    TN_ASSIGN(Descriptor out, Descriptor::create(cudnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
    const auto id = static_cast<int64_t>(tensors_.size()) + 1;
    TN_TRY(out.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id));
    TN_TRY(out.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, t.type));
    TN_TRY(out.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignment));
    TN_TRY(out.set(CUDNN_ATTR_TENSOR_DIMENSIONS, t.extents.d()));
    TN_TRY(out.set(CUDNN_ATTR_TENSOR_STRIDES, t.extents.s()));
    if (t.is_virtual) TN_TRY(out.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true));
    if (t.by_value) TN_TRY(out.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, true));
    TN_TRY(out.finalize("describing a tensor"));
    if (!t.is_virtual) {
      state_.ids.push_back(id);
      state_.sources.push_back(t.source);
    }
    tensors_.push_back(std::make_unique<Descriptor>(std::move(out)));
    return tensors_.back().get();
  }
  Status finish(Descriptor op) {
    TN_TRY(op.finalize("describing an operation"));
    ops.push_back(std::move(op));
    return {};
  }

  const Cudnn& cudnn_;
  State& state_;
  Extents out_;
  std::vector<std::unique_ptr<Descriptor>> tensors_;
};

// The epilogue as a chain; precompiled engines add the residual before the bias.
Status chain_of(const ConvTail& tail, const PrepareCall& call, bool compiled, onednn::PostOpChain& chain) {
  std::string refusal;
  if (!onednn::match_post_ops(tail.program, chain, refusal))
    return fail(Code::unsupported, "cuDNN cannot apply the epilogue {}", print(tail.program));
  if (compiled) return {};
  int adds = 0;
  while (adds < chain.count && chain.ops[adds].kind == PostOpKind::add) ++adds;
  std::stable_partition(chain.ops, chain.ops + adds, [&](const PostOp& op) {
    return call.inputs[tail.inputs[op.input - 1u]].count() == call.outputs[0].count();
  });
  return {};
}

// One step of the chain: the operations that make `y` of `x`.
class Steps {
 public:
  Steps(Builder& builder, const PrepareCall& call, const ConvTail& tail, bool channels_last)
      : builder_(builder), call_(call), tail_(tail), channels_last_(channels_last) {}

  Status apply(const PostOp& op, const Descriptor& x, const Descriptor& y) {
    using M = Builder::Mode;
    const double infinity = 1e30;
    switch (op.kind) {
      case PostOpKind::relu:
        if (op.alpha == 0) return builder_.pointwise(M{CUDNN_POINTWISE_RELU_FWD}, x, nullptr, y);
        return builder_.pointwise(M{CUDNN_POINTWISE_RELU_FWD, 0, infinity, op.alpha}, x, nullptr, y);
      case PostOpKind::clip: return builder_.pointwise(clip(op.alpha, op.beta), x, nullptr, y);
      case PostOpKind::linear: return linear(op, x, y);
      case PostOpKind::sigmoid: return builder_.pointwise(M{CUDNN_POINTWISE_SIGMOID_FWD}, x, nullptr, y);
      case PostOpKind::swish: return builder_.pointwise(M{CUDNN_POINTWISE_SWISH_FWD, 0, 0, op.alpha}, x, nullptr, y);
      case PostOpKind::hardswish: return hard_swish(x, y);
      case PostOpKind::gelu_erf: return builder_.pointwise(M{CUDNN_POINTWISE_GELU_FWD}, x, nullptr, y);
      case PostOpKind::abs: return builder_.pointwise(M{CUDNN_POINTWISE_ABS}, x, nullptr, y);
      case PostOpKind::sqrt: return builder_.pointwise(M{CUDNN_POINTWISE_SQRT}, x, nullptr, y);
      case PostOpKind::square: return builder_.pointwise(M{CUDNN_POINTWISE_MUL}, x, &x, y);
      case PostOpKind::exp: return builder_.pointwise(M{CUDNN_POINTWISE_EXP}, x, nullptr, y);
      case PostOpKind::log: return builder_.pointwise(M{CUDNN_POINTWISE_LOG}, x, nullptr, y);
      case PostOpKind::add: return binary(CUDNN_POINTWISE_ADD, op, x, y);
      case PostOpKind::sub: return binary(CUDNN_POINTWISE_SUB, op, x, y);
      case PostOpKind::mul: return binary(CUDNN_POINTWISE_MUL, op, x, y);
      case PostOpKind::div: return binary(CUDNN_POINTWISE_DIV, op, x, y);
      case PostOpKind::max: return binary(CUDNN_POINTWISE_MAX, op, x, y);
      case PostOpKind::min: return binary(CUDNN_POINTWISE_MIN, op, x, y);
      // Not tanh and GELU by it: cuDNN 9's are quotients of exponentials, NaN where those overflow, beyond 43.
      default: return fail(Code::unsupported, "cuDNN has no operation for a step of the epilogue {}", print(tail_.program));
    }
  }

 private:
  static Builder::Mode clip(double low, double high) {
    Builder::Mode out{CUDNN_POINTWISE_RELU_FWD};
    out.clips = true;
    out.low = std::max(low, -1e30);
    out.high = std::min(high, 1e30);
    return out;
  }
  Status linear(const PostOp& op, const Descriptor& x, const Descriptor& y) {
    const Descriptor* now = &x;
    if (op.alpha != 1) {
      TN_ASSIGN(const Descriptor* factor, builder_.constant(op.alpha));
      const Descriptor* scaled = &y;
      if (op.beta != 0) {
        TN_ASSIGN(scaled, builder_.virtual_tensor());
      }
      TN_TRY(builder_.pointwise({CUDNN_POINTWISE_MUL}, x, factor, *scaled));
      now = scaled;
    }
    if (op.alpha != 1 && op.beta == 0) return {};
    TN_ASSIGN(const Descriptor* offset, builder_.constant(op.beta));
    return builder_.pointwise({CUDNN_POINTWISE_ADD}, *now, offset, y);
  }
  Status hard_swish(const Descriptor& x, const Descriptor& y) {
    TN_ASSIGN(const Descriptor* three, builder_.constant(3));
    TN_ASSIGN(const Descriptor* sixth, builder_.constant(1.0 / 6.0));
    TN_ASSIGN(const Descriptor* moved, builder_.virtual_tensor());
    TN_ASSIGN(const Descriptor* gate, builder_.virtual_tensor());
    TN_ASSIGN(const Descriptor* gated, builder_.virtual_tensor());
    TN_TRY(builder_.pointwise({CUDNN_POINTWISE_ADD}, x, three, *moved));
    TN_TRY(builder_.pointwise(clip(0, 6), *moved, nullptr, *gate));
    TN_TRY(builder_.pointwise({CUDNN_POINTWISE_MUL}, x, gate, *gated));
    return builder_.pointwise({CUDNN_POINTWISE_MUL}, *gated, sixth, y);
  }
  Status binary(cudnnPointwiseMode_t mode, const PostOp& op, const Descriptor& x, const Descriptor& y) {
    TN_ASSIGN(const Descriptor* other, extra(tail_.inputs[op.input - 1u]));
    return builder_.pointwise({mode}, x, other, y);
  }
  // An operand of the output's dims and format, or with one value a channel, or one value.
  Result<const Descriptor*> extra(size_t input) {
    const Arg &arg = call_.inputs[input], &out = call_.outputs[0];
    if (!is_stored_float(arg)) return fail(Code::unsupported, "extra operands must be stored as f32, f16 or bf16, one is {}", describe(arg));
    if (std::ranges::equal(arg.shape(), out.shape()) && arg.format == out.format)
      return builder_.tensor(static_cast<int>(input), extents_of(arg.shape(), channels_last_), arg.dtype);
    const int64_t count = arg.count();
    bool channels = arg.format == kLinear;
    for (int d = 0; d < arg.rank && input != 2; ++d)
      channels = channels && (arg.dims[d] == 1 || (out.rank - arg.rank + d == 1 && arg.dims[d] == out.dims[1]));
    if (!channels)
      return fail(Code::unsupported, "extra operand {} must be {}, or linear with one value a channel, or one value", describe(arg),
                  describe(out));
    std::vector<int64_t> dims(static_cast<size_t>(out.rank), 1);
    dims[1] = count;
    return builder_.tensor(static_cast<int>(input), extents_of(dims, channels_last_), arg.dtype);
  }
  static bool is_stored_float(const Arg& arg) {
    return arg.dtype == DType::f32 || arg.dtype == DType::f16 || arg.dtype == DType::bf16;
  }

  Builder& builder_;
  const PrepareCall& call_;
  const ConvTail& tail_;
  bool channels_last_;
};

// What the parameters let pass of the engines that the heuristics list.
bool accept(const EngineNotes& notes, const void* context) {
  const auto& params = *static_cast<const std::pair<const CudaConvCudnnParams*, DType>*>(context);
  if (notes.computes(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) || notes.computes(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
    return false;
  if (params.second == DType::f32) {
    if (params.first->math == CudaMath::exact &&
        (notes.computes(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) || notes.computes(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)))
      return false;
  }
  return notes.behaves(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) == (params.first->compiled != 0);
}

Status check_params(const PrepareCall& call, bool transposed, ConvGeometry& geometry) {
  const auto& params = call.as<CudaConvCudnnParams>();
  TN_TRY(expect_counts(call, 2, 2 + kMaxProgramInputs, 1));
  if (params.math != CudaMath::exact && params.math != CudaMath::tf32)
    return fail(Code::invalid_plan, "math must be 0 or 1, it is {}", static_cast<int64_t>(params.math));
  if (params.plan < 0 || params.plan > 31) return fail(Code::invalid_plan, "plan must be from 0 to 31, it is {}", params.plan);
  for (int64_t flag : {params.compiled, params.apart})
    if (flag != 0 && flag != 1) return fail(Code::invalid_plan, "compiled and apart must be 0 or 1, one is {}", flag);
  const Arg &x = call.inputs[0], &w = call.inputs[1], &out = call.outputs[0];
  TN_TRY(check_stored_product(x, w, out));
  const Arg bias = call.inputs.size() > 2 ? call.inputs[2] : Arg{};
  TN_TRY(conv_geometry(params.conv, widened(x), widened(w), widened(bias), widened(out), transposed, geometry));
  if (x.format != kLinear && x.format != kChannelsLast) return fail(Code::unsupported, "x must be linear or nhwc, it is {}", describe(x));
  TN_TRY(expect_format(w, x.format, "w"));
  TN_TRY(expect_format(out, x.format, "output"));
  for (const Arg* arg : {&x, &w, &out})
    if (arg->count() > kMaxExtent) return fail(Code::limit_exceeded, "tensors of convolutions in cuDNN have up to {} elements, one is {}", kMaxExtent, describe(*arg));
  for (int i = 0; i < 3; ++i)
    if (geometry.pad[i] < 0 || params.conv.pads_end[i] < 0) return fail(Code::unsupported, "cuDNN takes no negative pads");
  return {};
}

// What the graph of a call depends on: all but which of the plans is asked for.
std::string graph_key(const PrepareCall& call, bool transposed) {
  CudaConvCudnnParams params = call.as<CudaConvCudnnParams>();
  params.plan = 0;
  params.math = CudaMath::exact;
  return identity(call, std::as_bytes(std::span(&params, 1))) + (transposed ? "t" : "c");
}

Status prepare(const PrepareCall& call, bool transposed, Prepared& prepared) {
  const auto& params = call.as<CudaConvCudnnParams>();
  ConvGeometry g;
  TN_TRY(check_params(call, transposed, g));
  ConvTail tail;
  TN_TRY(conv_tail(call, params.conv.epilogue, tail));
  const Arg &x = call.inputs[0], &w = call.inputs[1], &out = call.outputs[0];
  if (out.count() == 0) return {};
  if (x.count() == 0 || w.count() == 0) return fail(Code::unsupported, "convolutions in cuDNN need non-empty tensors, x is {}", describe(x));
  TN_ASSIGN(const Cudnn* cudnn, cudnn_functions());
  Session& session = session_of(call);
  auto state = std::make_unique<State>();
  onednn::PostOpChain chain;
  if (params.apart) {
    if (tail.program.empty()) return fail(Code::invalid_plan, "there is no bias or epilogue to be computed apart");
    TN_ASSIGN(state->tail, PointwiseTail::create(call, tail.program, tail_extras(call, tail), tail.inputs));
  } else {
    TN_TRY(chain_of(tail, call, params.compiled != 0, chain));
  }
  const bool last = x.format == kChannelsLast;
  const Extents y_extents = extents_of(out.shape(), last);
  Builder builder(*cudnn, *state, y_extents);
  TN_ASSIGN(const Descriptor* xd, builder.tensor(0, extents_of(x.shape(), last), x.dtype));
  TN_ASSIGN(const Descriptor* wd, builder.tensor(1, extents_of(w.shape(), last), w.dtype));
  TN_ASSIGN(const Descriptor* yd, builder.tensor(-1, y_extents, out.dtype));
  const Descriptor* now = yd;
  if (chain.count > 0) {
    TN_ASSIGN(now, builder.virtual_tensor());
  }
  TN_TRY(builder.convolution(g, params.conv, x.rank - 2, transposed, *xd, *wd, *now));
  Steps steps(builder, call, tail, last);
  for (int i = 0; i < chain.count; ++i) {
    const Descriptor* next = yd;
    if (i + 1 < chain.count) {
      TN_ASSIGN(next, builder.virtual_tensor());
    }
    TN_TRY(steps.apply(chain.ops[i], *now, *next));
    now = next;
  }
  const std::pair<const CudaConvCudnnParams*, DType> context(&params, x.dtype);
  TN_ASSIGN(CudnnHandle* handle, session.cudnn());
  TN_ASSIGN(state->plan, CudnnPlan::create(*cudnn, *handle, graph_key(call, transposed), builder.ops, {accept, &context, params.plan}));
  const int64_t bytes = state->plan.workspace_bytes();
  if (bytes < 0 || bytes > kMaxWorkspace)
    return fail(Code::unsupported, "the plan needs {} bytes of workspace, at most {} are given", bytes, kMaxWorkspace);
  prepared.scratch_bytes = bytes ? bytes + kScratchAlignment : 0;
  prepared.state = std::move(state);
  return {};
}

Status prepare_conv(const PrepareCall& call, Prepared& prepared) { return prepare(call, false, prepared); }
Status prepare_transposed(const PrepareCall& call, Prepared& prepared) { return prepare(call, true, prepared); }

Status launch(const LaunchCall& call) {
  if (!call.state) return {};
  const auto& state = *static_cast<const State*>(call.state);
  void* addresses[kMaxProgramInputs + kMaxProgramCode + 4];
  const size_t count = std::min(state.sources.size(), std::size(addresses));
  for (size_t i = 0; i < count; ++i) {
    const int source = state.sources[i];
    if (source <= -2) {
      addresses[i] = const_cast<float*>(&state.constants[static_cast<size_t>(-2 - source)]);
      continue;
    }
    addresses[i] = source == -1 ? call.outputs[0].data : call.inputs[static_cast<size_t>(source)].data;
    if (reinterpret_cast<uintptr_t>(addresses[i]) % kAlignment != 0)
      return fail(Code::unsupported, "convolutions in cuDNN need tensors aligned to {} bytes: a network's input or output is not", kAlignment);
  }
  void* workspace = reinterpret_cast<void*>(round_up(reinterpret_cast<int64_t>(call.scratch), kScratchAlignment));
  TN_TRY(state.plan.execute(state.ids, {addresses, count}, workspace, call.queue));
  return state.tail ? state.tail->launch(call) : Status{};
}

}  // namespace

extern const Kernel kCudaConvCudnn{.id = "cuda.conv.cudnn", .params_size = sizeof(CudaConvCudnnParams), .cpu_features = 0,
                                   .in_place = 0, .prepare = prepare_conv, .launch = launch, .place = Place::device,
                                   .library = "cudnn"};
extern const Kernel kCudaConvTransposeCudnn{.id = "cuda.conv_transpose.cudnn", .params_size = sizeof(CudaConvCudnnParams),
                                            .cpu_features = 0, .in_place = 0, .prepare = prepare_transposed, .launch = launch,
                                            .place = Place::device, .library = "cudnn"};

}  // namespace tenon::cuda
