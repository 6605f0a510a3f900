#include "onednn/primitive.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "onednn/openmp.h"

namespace tenon::onednn {
namespace {

const char* text_of(dnnl_status_t status) {
  switch (status) {
    case dnnl_success: return "success";
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "unimplemented";
    case dnnl_iterator_ends: return "iterator ends";
    case dnnl_runtime_error: return "runtime error";
    case dnnl_not_required: return "not required";
    default: return "unknown status";
  }
}

struct Cpu {
  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;
  dnnl_status_t status;

  Cpu() {
    // Nothing of oneDNN may use instructions that this library was told not to (the knob TENON_CPU).
    const uint32_t features = cpu_features();
    if (!(features & kAvx512))
      dnnl_set_max_cpu_isa(features & kAvx2 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_sse41);
    else if (!(features & kAvx512Vnni))
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core);
    status = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = dnnl_stream_create(&stream, engine, dnnl_stream_in_order);
  }
};

const Cpu& cpu() {
  static const Cpu* const instance = new Cpu;
  return *instance;
}

dnnl_alg_kind_t algorithm(PostOpKind kind) {
  switch (kind) {
    case PostOpKind::relu: return dnnl_eltwise_relu;
    case PostOpKind::clip: return dnnl_eltwise_clip;
    case PostOpKind::linear: return dnnl_eltwise_linear;
    case PostOpKind::sigmoid: return dnnl_eltwise_logistic;
    case PostOpKind::swish: return dnnl_eltwise_swish;
    case PostOpKind::hardswish: return dnnl_eltwise_hardswish;
    case PostOpKind::gelu_erf: return dnnl_eltwise_gelu_erf;
    case PostOpKind::gelu_tanh: return dnnl_eltwise_gelu_tanh;
    case PostOpKind::tanh: return dnnl_eltwise_tanh;
    case PostOpKind::abs: return dnnl_eltwise_abs;
    case PostOpKind::sqrt: return dnnl_eltwise_sqrt;
    case PostOpKind::square: return dnnl_eltwise_square;
    case PostOpKind::exp: return dnnl_eltwise_exp;
    case PostOpKind::log: return dnnl_eltwise_log;
    case PostOpKind::softplus: return dnnl_eltwise_soft_relu;
    case PostOpKind::round: return dnnl_eltwise_round;
    case PostOpKind::add: return dnnl_binary_add;
    case PostOpKind::sub: return dnnl_binary_sub;
    case PostOpKind::mul: return dnnl_binary_mul;
    case PostOpKind::div: return dnnl_binary_div;
    case PostOpKind::max: return dnnl_binary_max;
    case PostOpKind::min: return dnnl_binary_min;
  }
  return dnnl_alg_kind_undef;
}

constexpr dnnl_format_tag_t kChannelsLastTags[3] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
constexpr dnnl_format_tag_t kBlocked8Tags[3] = {dnnl_nCw8c, dnnl_nChw8c, dnnl_nCdhw8c};
constexpr dnnl_format_tag_t kBlocked16Tags[3] = {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c};

void* address(const LaunchCall& call, Source source) {
  switch (source.kind) {
    case Source::Kind::input: return call.inputs[source.at].data;
    case Source::Kind::output: return call.outputs[source.at].data;
    case Source::Kind::scratch: return static_cast<std::byte*>(call.scratch) + source.at;
  }
  return nullptr;
}

}  // namespace

Status check(dnnl_status_t status, const char* what) {
  if (status == dnnl_success) return {};
  Code code = status == dnnl_out_of_memory                                        ? Code::out_of_memory
              : status == dnnl_unimplemented || status == dnnl_invalid_arguments ? Code::unsupported
                                                                                  : Code::internal;
  return fail(code, "oneDNN: {}: {}", what, text_of(status));
}

Result<dnnl_engine_t> cpu_engine() {
  TN_TRY(check(cpu().status, "creating the CPU engine"));
  return cpu().engine;
}

Result<dnnl_stream_t> cpu_stream() {
  TN_TRY(check(cpu().status, "creating the CPU engine"));
  return cpu().stream;
}

ThreadScope::ThreadScope(int threads, Team* team) : threads_before_(set_parallelism(threads, team)) {}
ThreadScope::~ThreadScope() { set_parallelism(threads_before_, nullptr); }

Status expect_addressable(std::span<const Arg> args) {
  for (const Arg& arg : args)
    if (arg.present() && storage_bytes(arg) > kMaxTensorBytes)
      return fail(Code::unsupported, "oneDNN kernels take tensors below 2 GiB, {} is larger", describe(arg));
  return {};
}

Result<dnnl_memory_desc_t> tagged_desc(std::span<const int64_t> dims, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t desc;
  TN_TRY(check(dnnl_memory_desc_init_by_tag(&desc, static_cast<int>(dims.size()), dims.data(), dnnl_f32, tag),
               "describing a tensor"));
  return desc;
}

Result<dnnl_memory_desc_t> strided_desc(std::span<const int64_t> dims, std::span<const int64_t> strides) {
  dnnl_memory_desc_t desc;
  TN_TRY(check(dnnl_memory_desc_init_by_strides(&desc, static_cast<int>(dims.size()), dims.data(), dnnl_f32,
                                                strides.data()),
               "describing a tensor"));
  return desc;
}

Result<dnnl_memory_desc_t> desc_of(const Arg& arg) {
  if (arg.format.layout == Layout::linear) return broadcast_desc(arg, arg.rank);
  if (arg.rank < 3 || arg.rank > 5)
    return fail(Code::invalid_plan, "a tensor in this format must have 3 to 5 dims, it is {}", describe(arg));
  const int spatial = arg.rank - 3;
  if (arg.format.layout == Layout::channels_last) return tagged_desc(arg.shape(), kChannelsLastTags[spatial]);
  if (arg.format == blocked(8)) return tagged_desc(arg.shape(), kBlocked8Tags[spatial]);
  if (arg.format == blocked(16)) return tagged_desc(arg.shape(), kBlocked16Tags[spatial]);
  return fail(Code::invalid_plan, "oneDNN has no format for {}", describe(arg));
}

Result<dnnl_memory_desc_t> broadcast_desc(const Arg& arg, int rank) {
  if (arg.rank > rank) return fail(Code::invalid_plan, "{} must have at most {} dims", describe(arg), rank);
  const int used = std::max(rank, 1);
  int64_t dims[kMaxRank + 1], strides[kMaxRank + 1], step = 1;
  for (int i = used - 1, own = arg.rank - 1; i >= 0; --i, --own) {
    dims[i] = own >= 0 ? arg.dims[own] : 1;
    strides[i] = step;
    step *= dims[i];
  }
  const auto count = static_cast<size_t>(used);
  return strided_desc({dims, count}, {strides, count});
}

dnnl_memory_desc_t any_layout(dnnl_memory_desc_t desc) {
  dnnl_memory_desc_t any{};
  dnnl_memory_desc_init_by_tag(&any, desc.ndims, desc.dims, desc.data_type, dnnl_format_tag_any);
  return any;
}

Result<Owned<dnnl_primitive_attr_t>> attributes(const PostOpChain& chain, std::span<const dnnl_memory_desc_t> extras,
                                                bool sum) {
  dnnl_primitive_attr_t raw;
  TN_TRY(check(dnnl_primitive_attr_create(&raw), "creating attributes"));
  Owned<dnnl_primitive_attr_t> out(raw);
  TN_TRY(check(dnnl_primitive_attr_set_scratchpad_mode(raw, dnnl_scratchpad_mode_user), "setting the scratchpad mode"));
  dnnl_post_ops_t list;
  TN_TRY(check(dnnl_post_ops_create(&list), "creating post-ops"));
  Owned<dnnl_post_ops_t> post_ops(list);
  for (int i = 0; i < chain.count; ++i) {
    const PostOp& op = chain.ops[i];
    dnnl_status_t status;
    if (i == 0 && sum) {
      status = dnnl_post_ops_append_sum(list, 1.0f);
    } else if (is_binary(op.kind)) {
      if (op.input < 1 || op.input > extras.size())
        return fail(Code::invalid_plan, "the epilogue reads extra operand {}, the step has {}", op.input, extras.size());
      status = dnnl_post_ops_append_binary(list, algorithm(op.kind), &extras[op.input - 1u]);
    } else {
      status = dnnl_post_ops_append_eltwise(list, 1.0f, algorithm(op.kind), op.alpha, op.beta);
    }
    TN_TRY(check(status, "adding a post-op"));
  }
  TN_TRY(check(dnnl_primitive_attr_set_post_ops(raw, list), "setting post-ops"));
  return out;
}

Result<Owned<dnnl_primitive_desc_t>> implementation(const void* op, const dnnl_primitive_attr_t attributes) {
  TN_ASSIGN(dnnl_engine_t engine, cpu_engine());
  dnnl_primitive_desc_t desc = nullptr;
  TN_TRY(check(dnnl_primitive_desc_create(&desc, op, attributes, engine, nullptr), "finding an implementation"));
  return Owned<dnnl_primitive_desc_t>(desc);
}

std::string name_of(const_dnnl_primitive_desc_t desc) {
  const char* text = nullptr;
  dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &text);
  return text ? text : "";
}

bool is_reference(const_dnnl_primitive_desc_t desc) { return name_of(desc).find("ref") != std::string::npos; }

const dnnl_memory_desc_t& memory_desc(const_dnnl_primitive_desc_t desc, dnnl_query_t what) {
  static const dnnl_memory_desc_t none{};
  const dnnl_memory_desc_t* found = dnnl_primitive_desc_query_md(desc, what, 0);
  return found ? *found : none;
}

Result<Execution> Execution::create(const_dnnl_primitive_desc_t desc, int64_t& scratch_bytes) {
  Execution out;
  dnnl_primitive_t primitive;
  TN_TRY(check(dnnl_primitive_create(&primitive, desc), "creating a primitive"));
  out.primitive_.reset(primitive);
  const dnnl_memory_desc_t& scratchpad = memory_desc(desc, dnnl_query_scratchpad_md);
  const size_t bytes = dnnl_memory_desc_get_size(&scratchpad);
  if (bytes > 0) {
    TN_TRY(out.bind(DNNL_ARG_SCRATCHPAD, scratchpad, {Source::Kind::scratch, static_cast<size_t>(scratch_bytes)}));
    scratch_bytes += round_up(static_cast<int64_t>(bytes), 64);
  }
  return out;
}

Status Execution::bind(int argument, const dnnl_memory_desc_t& desc, Source source) {
  TN_ASSIGN(dnnl_engine_t engine, cpu_engine());
  dnnl_memory_t memory;
  TN_TRY(check(dnnl_memory_create(&memory, &desc, engine, DNNL_MEMORY_NONE), "creating a memory"));
  memories_.emplace_back(memory);
  arguments_.push_back({argument, memory});
  sources_.push_back(source);
  return {};
}

Status Execution::bind_extras(const PostOpChain& chain, std::span<const dnnl_memory_desc_t> extras, size_t first_input,
                              bool sum) {
  for (int i = sum ? 1 : 0; i < chain.count; ++i) {
    if (!is_binary(chain.ops[i].kind)) continue;
    const size_t extra = chain.ops[i].input - 1u;
    TN_TRY(bind(DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1, extras[extra],
                {Source::Kind::input, first_input + extra}));
  }
  return {};
}

Status Execution::run(const LaunchCall& call, dnnl_stream_t stream) const {
  for (size_t i = 0; i < memories_.size(); ++i)
    TN_TRY(check(dnnl_memory_set_data_handle(memories_[i].get(), address(call, sources_[i])), "setting an argument"));
  TN_TRY(check(dnnl_primitive_execute(primitive_.get(), stream, static_cast<int>(arguments_.size()), arguments_.data()),
               "running a primitive"));
  return check(dnnl_stream_wait(stream), "waiting for a primitive");
}

Status add_reorder(const dnnl_memory_desc_t& from, Source source, const dnnl_memory_desc_t& to, Source target,
                   int64_t& scratch_bytes, std::vector<Execution>& steps) {
  TN_ASSIGN(dnnl_engine_t engine, cpu_engine());
  TN_ASSIGN(auto attr, attributes({}, {}, false));
  dnnl_primitive_desc_t raw;
  TN_TRY(check(dnnl_reorder_primitive_desc_create(&raw, &from, engine, &to, engine, attr.get()), "finding a reorder"));
  const Owned<dnnl_primitive_desc_t> desc(raw);
  TN_ASSIGN(Execution run, Execution::create(desc.get(), scratch_bytes));
  TN_TRY(run.bind(DNNL_ARG_FROM, from, source));
  TN_TRY(run.bind(DNNL_ARG_TO, to, target));
  steps.push_back(std::move(run));
  return {};
}

Status launch_sequence(const LaunchCall& call) {
  if (!call.state) return {};
  const auto& sequence = *static_cast<const Sequence*>(call.state);
  if (call.team->size() != sequence.threads)
    return fail(Code::internal, "step was prepared for {} threads, the team has {}", sequence.threads, call.team->size());
  TN_ASSIGN(dnnl_stream_t stream, cpu_stream());
  ThreadScope scope(sequence.threads, call.team);
  for (const Execution& step : sequence.steps) TN_TRY(step.run(call, stream));
  return {};
}

}  // namespace tenon::onednn
