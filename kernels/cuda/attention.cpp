// cuda.attention.flash: device/attention.cuh for one head size and tile.
#include <algorithm>
#include <cmath>

#include "attention/geometry.h"
#include "base/checked.h"
#include "cuda/session.h"

namespace tenon::cuda {
namespace {

const char kSource[] =
#include "cuda/device/attention.cuh"
    ;

constexpr int64_t kLongest = int64_t{1} << 30;  // queries or keys: indices in the kernel are 32 bits wide
constexpr int64_t kLargestHead = 256;
constexpr int64_t kLargestGroupHead = 128;       // of products by warpgroups

// As in the device code.
struct Steps {
  long long batch, head, row, col;
};
struct Arguments {
  const void *q, *k, *v, *mask;
  void* out;
  Steps q_steps, k_steps, v_steps, mask_steps, out_steps;
  int heads, group, queries, keys, tiles, visible;
  float scale_log2, inverse_scale;
  int fast_q, fast_k, fast_v, fast_mask, fast_out;
};

// Where an operand is read or written several elements at a time.
struct Vector {
  bool possible = false;  // rows are dense, steps are multiples of the width
  int64_t bytes = 0;      // the alignment that it needs
  int at(const void* data) const { return possible && reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(bytes) == 0; }
};

struct State : KernelState {
  cudaKernel_t kernel = nullptr;
  LaunchShape shape;
  Arguments arguments = {};
  AttentionGeometry geometry;
  Vector q, k, v, mask, out;
};

std::optional<int> element(DType type) {
  switch (type) {
    case DType::f32: return 0;
    case DType::f16: return 1;
    case DType::bf16: return 2;
    default: return std::nullopt;
  }
}

Steps steps_of(const AttentionGeometry::Steps& s) { return {s.batch, s.head, s.row, s.col}; }

// `count` elements of `size` bytes from each row on, `width` at a time.
Vector vector_of(const AttentionGeometry::Steps& s, int64_t count, int64_t width, int64_t size) {
  const bool dense = s.col == 1 && count % width == 0;
  const bool aligned = s.batch % width == 0 && s.head % width == 0 && s.row % width == 0;
  return {dense && aligned, width * size};
}

Status check_types(const PrepareCall& call, bool masked) {
  const Arg& q = call.inputs[0];
  if (!element(q.dtype)) return fail(Code::invalid_plan, "q must be f32, f16 or bf16, it is {}", describe(q));
  TN_TRY(expect_type(call.inputs[1], q.dtype, "k"));
  TN_TRY(expect_type(call.inputs[2], q.dtype, "v"));
  TN_TRY(expect_type(call.outputs[0], q.dtype, "output"));
  if (masked && !element(call.inputs[3].dtype))
    return fail(Code::invalid_plan, "the mask must be f32, f16 or bf16, it is {}", describe(call.inputs[3]));
  return {};
}

Status check_tile(const AttentionFlashParams& params) {
  const int32_t m = params.warps_m, n = params.warps_n;
  if (params.wgmma == 1) {
    if ((m == 4 || m == 8 || m == 12) && n == 1 && (params.keys == 64 || params.keys == 128)) return {};
    return fail(Code::invalid_plan, "a tile of {} x {} warps and {} keys for warpgroups: there must be 4, 8 or 12 x 1 warps "
                "and 64 or 128 keys", m, n, params.keys);
  }
  if (params.wgmma != 0) return fail(Code::invalid_plan, "wgmma must be 0 or 1, it is {}", params.wgmma);
  auto power = [](int32_t x) { return x == 1 || x == 2 || x == 4 || x == 8; };
  if (power(m) && power(n) && m * n <= 8 && params.keys > 0 && params.keys <= 256 && params.keys % (16 * n) == 0) return {};
  return fail(Code::invalid_plan, "a tile of {} x {} warps and {} keys: there must be 1, 2, 4 or 8 each way, 8 in all, and "
              "16 to 256 keys in multiples of 16 for each", m, n, params.keys);
}

Status check_limits(const PrepareCall& call, const AttentionParams& params, const AttentionGeometry& g) {
  if (g.size < 1 || g.size > kLargestHead || g.value_size < 1 || g.value_size > kLargestHead)
    return fail(Code::unsupported, "heads of {} and {} elements; the kernel takes 1 to {}", g.size, g.value_size, kLargestHead);
  if (!(call.inputs[0].fixed_dims >> params.perm_q[3] & 1) || !(call.inputs[2].fixed_dims >> params.perm_v[3] & 1))
    return fail(Code::unsupported, "the size of a head depends on the input's shape");
  if (g.queries > kLongest || g.keys > kLongest || g.heads > kLongest)
    return fail(Code::limit_exceeded, "{} queries, {} keys, {} heads; the kernel takes {} of each", g.queries, g.keys, g.heads,
                kLongest);
  if (!(params.scale >= 1e-6 && params.scale <= 1e6))
    return fail(Code::unsupported, "the scale is {}; the kernel takes 1e-6 to 1e6", params.scale);
  return {};
}

// Bytes of a row of a tile: pieces of 128, or pairs of 16-byte chunks, an odd number of chunks in all.
int64_t pitch(bool wgmma, int64_t elements, int64_t size) {
  return wgmma ? round_up(elements * size, 128) : (round_up(elements * size, 32) / 16 | 1) * 16;
}

struct Memory {
  int64_t most = 0;  // with two steps of keys on their way
  int64_t used = 0;  // at this shape
};

Memory shared_memory(const AttentionFlashParams& params, const AttentionGeometry& g, int64_t size) {
  const bool wgmma = params.wgmma == 1;
  const int64_t rows = 16 * params.warps_m, row = pitch(wgmma, g.size, size), value_row = pitch(wgmma, g.value_size, size);
  const int64_t stage = params.keys * (row + value_row);
  const int64_t columns = round_up(g.value_size * size, 32) / size;
  const int64_t parts = params.warps_n == 1 ? 0 : params.warps_n * rows * (columns + 4 + 2) * 4;
  const int64_t alignment = wgmma ? 1024 : 0;
  auto total = [&](int64_t stages) { return std::max(rows * row + stages * stage, parts) + alignment; };
  return {total(2), total(g.keys > params.keys ? 2 : 1)};
}

std::string source_of(const AttentionFlashParams& params, const AttentionGeometry& g, DType type, DType mask) {
  std::string out = fmt::format("#define ELEMENT {}\n#define MASK {}\n#define SIZE {}\n#define VALUE_SIZE {}\n",
                                *element(type), g.masked ? *element(mask) : -1, g.size, g.value_size);
  out += fmt::format("#define WARPS_M {}\n#define WARPS_N {}\n#define KEYS {}\n", params.warps_m, params.warps_n, params.keys);
  out += fmt::format("#define CAUSAL {}\n#define ZERO_MASKED {}\n#define PRODUCTS {}\n#define WGMMA {}\n",
                     params.attention.causal != Causal::none ? 1 : 0, params.attention.zero_masked ? 1 : 0,
                     type == DType::f32 && !params.tf32 ? 3 : 1, params.wgmma);
  return out + kSource;
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<AttentionFlashParams>();
  auto state = std::make_unique<State>();
  AttentionGeometry& g = state->geometry;
  TN_TRY(attention_geometry(call, params.attention, g));
  TN_TRY(check_types(call, g.masked));
  TN_TRY(check_tile(params));
  TN_TRY(check_limits(call, params.attention, g));
  Session& session = session_of(call);
  const DType type = call.inputs[0].dtype;
  if (params.wgmma) {
    if (session.facts().architecture != "sm_90a")
      return fail(Code::unsupported, "wgmma needs sm_90a, the GPU is {}", session.facts().architecture);
    if (size_of(type) != 2 || g.size > kLargestGroupHead || g.value_size > kLargestGroupHead)
      return fail(Code::unsupported, "wgmma takes f16 or bf16 and heads of up to {} elements, q is {}, heads of v have {}",
                  kLargestGroupHead, describe(call.inputs[0]), g.value_size);
  }
  const auto size = static_cast<int64_t>(size_of(type));
  const Memory memory = shared_memory(params, g, size);
  if (memory.most > session.facts().shared_memory)
    return fail(Code::unsupported, "the tile needs {} bytes of shared memory, a block may have {}", memory.most,
                session.facts().shared_memory);
  const DType mask = g.masked ? call.inputs[3].dtype : DType::f32;
  TN_ASSIGN(state->kernel, session.function(source_of(params, g, type, mask), "attention"));
  TN_TRY(allow_shared(state->kernel, static_cast<unsigned>(memory.most)));

  const int64_t tiles = ceil_div(g.queries, int64_t{16} * params.warps_m);
  auto blocks = checked_mul(g.batch, g.heads);
  if (blocks) blocks = checked_mul(*blocks, tiles);
  if (!blocks || *blocks > INT32_MAX) return fail(Code::limit_exceeded, "{} has too many queries", describe(call.inputs[0]));
  state->shape.grid[0] = static_cast<unsigned>(*blocks);
  state->shape.block[0] = static_cast<unsigned>(32 * params.warps_m * params.warps_n);
  state->shape.shared_bytes = static_cast<unsigned>(memory.used);

  Arguments& a = state->arguments;
  a.q_steps = steps_of(g.q);
  a.k_steps = steps_of(g.k);
  a.v_steps = steps_of(g.v);
  a.mask_steps = steps_of(g.mask);
  a.out_steps = steps_of(g.out);
  a.heads = static_cast<int>(g.heads);
  a.group = g.kv_heads > 0 ? static_cast<int>(g.heads / g.kv_heads) : 1;
  a.queries = static_cast<int>(g.queries);
  a.keys = static_cast<int>(g.keys);
  a.tiles = static_cast<int>(std::max<int64_t>(tiles, 1));
  a.visible = static_cast<int>(std::clamp(g.visible, -kLongest, kLongest));
  a.scale_log2 = static_cast<float>(params.attention.scale / std::log(2.0));
  a.inverse_scale = static_cast<float>(1 / params.attention.scale);
  state->q = vector_of(g.q, g.size, 16 / size, size);
  state->k = vector_of(g.k, g.size, 16 / size, size);
  state->v = vector_of(g.v, g.value_size, 16 / size, size);
  state->out = vector_of(g.out, g.value_size, 2, size);
  state->mask = vector_of(g.mask, g.keys, 2, static_cast<int64_t>(size_of(mask)));
  prepared.state = std::move(state);
  return {};
}

Status launch(const LaunchCall& call) {
  const State& state = *static_cast<const State*>(call.state);
  if (state.shape.grid[0] == 0) return {};
  const AttentionGeometry& g = state.geometry;
  Arguments a = state.arguments;
  auto read = [&](size_t i, const AttentionGeometry::Steps& steps) {
    const Arg& arg = call.inputs[i];
    return arg.as<const std::byte>() + steps.first * static_cast<int64_t>(size_of(arg.dtype));
  };
  a.q = read(0, g.q);
  a.k = read(1, g.k);
  a.v = read(2, g.v);
  a.mask = g.masked ? read(3, g.mask) : nullptr;
  a.out = call.outputs[0].data;
  a.fast_q = state.q.at(a.q);
  a.fast_k = state.k.at(a.k);
  a.fast_v = state.v.at(a.v);
  a.fast_mask = state.mask.at(a.mask);
  a.fast_out = state.out.at(a.out);
  void* args[] = {&a};
  return cuda::launch(state.kernel, state.shape, args, call.queue);
}

}  // namespace

extern const Kernel kCudaAttentionFlash{
    "cuda.attention.flash", sizeof(AttentionFlashParams), 0, 0, prepare, launch, Place::device};

}  // namespace tenon::cuda
