// cuda.rnn: device/rnn.cuh for one layer: the products with x of many steps at once, then the steps.
#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "cuda/generate/element.h"
#include "cuda/rnn_params.h"
#include "cuda/session.h"
#include "rnn/geometry.h"

namespace tenon::cuda {
namespace {

constexpr char kPrelude[] =
#include "cuda/generate/prelude.cuh"
    ;
constexpr char kProducts[] =
#include "cuda/device/rnn_products.cuh"
    ;
constexpr char kLayers[] =
#include "cuda/device/rnn.cuh"
    ;

constexpr int64_t kMostExtent = int64_t{1} << 30;   // sequences and steps: indices in the kernel are 32 bits wide
constexpr int64_t kMostGrid = 0x7fffffff, kMostGridY = 65535;
constexpr int64_t kMostLaunches = int64_t{1} << 20;
constexpr int64_t kGateBytes = int64_t{64} << 20;   // of the steps that are projected at once, where one takes less
constexpr int64_t kAlignment = 256;
constexpr int64_t kProjectTile = 64;

// As in the device code.
struct Arguments {
  const void *x, *w, *r, *b, *lens, *initial_h, *initial_c, *p;
  void *y, *y_h, *y_c, *gates, *h, *reset, *state, *update;
  int64_t x_step, x_item, y_step, y_direction, y_item, state_direction, state_item, input;
  int32_t directions, steps, batch, padded, chunk;
  int32_t input_vectors, state_vectors;
};

struct State : KernelState {
  cudaKernel_t begin = nullptr, project = nullptr, step = nullptr;
  LaunchShape begin_shape, step_shape;
  Arguments arguments = {};
  int64_t gates = 0, h = 0, reset = 0, state = 0, update = 0;   // bytes from the scratch memory's first aligned one
  int64_t column_tiles = 0;
  int phases = 1;
  bool resident = false;
  bool input_vectors = false, state_vectors = false;   // rows are whole vectors
};

int element(DType type) { return type == DType::f32 ? 0 : type == DType::f16 ? 1 : 2; }

Status check_params(const CudaRnnParams& params, DType type) {
  if (params.math != CudaMath::exact && (params.math != CudaMath::tf32 || type != DType::f32))
    return fail(Code::invalid_plan, "math must be 0, or 1 of f32, it is {} of {}", static_cast<int64_t>(params.math), name_of(type));
  if (params.rows != 8 && params.rows != 16 && params.rows != 32 && params.rows != 64)
    return fail(Code::invalid_plan, "rows must be 8, 16, 32 or 64, they are {}", params.rows);
  if (params.blocks != 0 && params.blocks != 1 && params.blocks != 2 && params.blocks != 4 && params.blocks != 8)
    return fail(Code::invalid_plan, "blocks must be 0, 1, 2, 4 or 8, they are {}", params.blocks);
  return {};
}

std::string number(double value) {
  return fmt::format("__uint_as_float(0x{:08x}u)", std::bit_cast<uint32_t>(static_cast<float>(value)));
}

// An expression of x.
std::string function_text(const RnnFunction& f) {
  const std::string a = number(f.alpha), b = number(f.beta);
  switch (f.kind) {
    case RnnActivation::relu: return "op_max(x, 0.0f)";
    case RnnActivation::tanh: return "tanhf(x)";
    case RnnActivation::sigmoid: return "op_sigmoid(x)";
    case RnnActivation::affine: return fmt::format("{} * x + {}", a, b);
    case RnnActivation::leaky_relu: return fmt::format("x < 0.0f ? {} * x : x", a);
    case RnnActivation::thresholded_relu: return fmt::format("x >= {} ? x : 0.0f", a);
    case RnnActivation::scaled_tanh: return fmt::format("{} * tanhf({} * x)", a, b);
    case RnnActivation::hard_sigmoid: return fmt::format("op_min(op_max({} * x + {}, 0.0f), 1.0f)", a, b);
    case RnnActivation::elu: return fmt::format("x < 0.0f ? {} * expm1f(x) : x", a);
    case RnnActivation::softsign: return "x / (1.0f + fabsf(x))";
    case RnnActivation::softplus: return "op_softplus(x)";
  }
  return "x";
}

std::string functions_text(const RnnParams& params) {
  std::string out;
  const int each = rnn_functions(params.kind);
  for (int i = 0; i < 3; ++i) {
    const std::string first = i < each ? function_text(params.functions[i]) : "x";
    const bool two = i < each && params.direction == RnnDirection::bidirectional;
    const std::string second = two ? function_text(params.functions[each + i]) : first;
    out += fmt::format("FN float f{}(int d, float x) {{ ", i);
    if (second != first) out += fmt::format("if (d == 1) return {}; ", second);
    out += fmt::format("return {}; }}\n", first);
  }
  const std::string bound = number(params.clip);
  out += fmt::format("FN float clipped(float x) {{ return {}; }}\n",
                     params.clip > 0 ? fmt::format("op_min(op_max(x, -{0}), {0})", bound) : "x");
  return out;
}

std::string source_of(const CudaRnnParams& params, const CudaRnnTile& tile, int64_t tiles, DType type, int part) {
  const RnnParams& rnn = params.rnn;
  std::string out = kPrelude;
  out += fmt::format("typedef {} E;\n#define ELEMENT {}\n#define PRODUCTS {}\n", storage_name(type), element(type),
                     params.math == CudaMath::tf32 ? 1 : 3);
  out += kProducts;
  out += fmt::format("#define PART {}\n#define KIND {}\n#define H {}\n#define GATES {}\n#define LINEAR {}\n", part,
                     static_cast<int64_t>(rnn.kind), rnn.hidden, rnn_gates(rnn.kind),
                     rnn.kind == RnnKind::gru && rnn.linear_before_reset ? 1 : 0);
  out += fmt::format("#define INPUT_FORGET {}\n#define REVERSE {}\n#define PHASES {}\n", rnn.input_forget ? 1 : 0,
                     rnn.direction == RnnDirection::reverse ? 1 : 0, rnn_phases(rnn));
  if (part == 2) {
    out += functions_text(rnn);
    out += fmt::format("#define UNITS {}\n#define TILES {}\n#define ROWS {}\n#define WARPS {}\n#define RESIDENT {}\n#define HELD {}\n",
                       tile.units, tiles, params.rows, tile.warps, params.blocks > 0 ? 1 : 0, tile.held);
  }
  return out + kLayers;
}

Status check_limits(const RnnGeometry& g) {
  if (g.steps > kMostExtent || g.batch > kMostExtent)
    return fail(Code::limit_exceeded, "{} steps of {} sequences; the kernel takes {} of each", g.steps, g.batch, kMostExtent);
  if (ceil_div(g.gates * g.hidden, kProjectTile) > kMostGridY)
    return fail(Code::limit_exceeded, "{} gates of {} hidden units are more than the kernel takes", g.gates, g.hidden);
  return {};
}

// Places the state's parts in scratch memory.
Status place(const RnnGeometry& g, int64_t size, State& s, Prepared& prepared) {
  int64_t at = 0;
  bool fits = true;
  auto add = [&](std::initializer_list<int64_t> dims) {
    const int64_t first = at;
    std::optional<int64_t> bytes = 1;
    for (int64_t dim : dims) bytes = bytes ? checked_mul(*bytes, dim) : bytes;
    fits = fits && bytes && *bytes < INT64_MAX / 16 && first < INT64_MAX / 16;
    if (fits) at += round_up(*bytes, kAlignment);
    return first;
  };
  Arguments& a = s.arguments;
  const int64_t pitch = round_up(g.gates * g.hidden, int64_t{4}), row = round_up(g.hidden * size, int64_t{64});
  const auto step = checked_mul(g.directions * 4 * pitch, g.batch);
  const int64_t chunk = step ? std::clamp<int64_t>(kGateBytes / *step, 1, std::max<int64_t>(g.steps, 1)) : 1;
  a.chunk = static_cast<int32_t>(chunk);
  s.gates = add({g.directions, chunk, g.batch, pitch, 4});
  s.h = add({2, g.directions, a.padded, row});
  if (s.phases == 2) s.reset = add({g.directions, a.padded, row});
  s.state = add({g.directions, g.batch, g.hidden, 4});
  if (s.phases == 2) s.update = add({g.directions, g.batch, g.hidden, 4});
  if (!fits) return fail(Code::limit_exceeded, "{} sequences of {} hidden units are more than memory can hold", g.batch, g.hidden);
  prepared.scratch_bytes = at + kAlignment;
  return {};
}

Status prepare(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<CudaRnnParams>();
  RnnGeometry g;
  TN_TRY(rnn_geometry(params.rnn, call.inputs, call.outputs, g));
  const RnnArgs args = rnn_args(call.inputs, call.outputs);
  const DType type = args.x.dtype;
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16)
    return fail(Code::unsupported, "x must be f32, f16 or bf16, it is {}", describe(args.x));
  TN_TRY(expect_rnn_weights(g, args));
  TN_TRY(check_params(params, type));
  TN_TRY(check_limits(g));
  Session& session = session_of(call);
  const auto size = static_cast<int64_t>(size_of(type));
  const int64_t units = rnn_units(g.hidden, params.blocks);
  const int64_t tiles = params.blocks > 0 ? params.blocks : ceil_div(g.hidden, units);
  if (params.blocks > 1 && !has_clusters(session.facts()))
    return fail(Code::unsupported, "the blocks of a cluster share the states, which {} does not have", session.facts().architecture);
  if (params.blocks > ceil_div(g.hidden, int64_t{16}))
    return fail(Code::unsupported, "{} hidden units are too few for {} blocks", g.hidden, params.blocks);
  const CudaRnnTile tile = rnn_tile(params.rnn, size, params.rows, params.blocks, session.facts().shared_memory);
  if (tile.shared_bytes > session.facts().shared_memory)
    return fail(Code::unsupported, "a block's part of r needs {} bytes of shared memory, a block may have {}", tile.shared_bytes,
                session.facts().shared_memory);
  if (g.batch == 0) return {};

  auto state = std::make_unique<State>();
  State& s = *state;
  s.phases = rnn_phases(params.rnn);
  s.resident = params.blocks > 0;
  if (!s.resident && g.steps * s.phases > kMostLaunches)
    return fail(Code::limit_exceeded, "{} steps with a launch each are more than {}", g.steps, kMostLaunches);
  Arguments& a = s.arguments;
  a.padded = static_cast<int32_t>(round_up(g.batch, params.rows));
  TN_TRY(place(g, size, s, prepared));

  const int64_t blocks = tiles * (a.padded / params.rows);
  if (blocks > kMostGrid) return fail(Code::limit_exceeded, "{} sequences are more than a launch has blocks for", g.batch);
  s.step_shape.grid[0] = static_cast<unsigned>(blocks);
  s.step_shape.grid[1] = static_cast<unsigned>(g.directions);
  s.step_shape.block[0] = static_cast<unsigned>(tile.warps * 32);
  s.step_shape.shared_bytes = static_cast<unsigned>(tile.shared_bytes);
  s.begin_shape.grid[0] = static_cast<unsigned>(
      std::clamp<int64_t>(ceil_div(g.directions * a.padded, int64_t{4}), 1, int64_t{4} * std::max(1, session.facts().multiprocessors)));
  s.begin_shape.block[0] = 256;
  s.column_tiles = ceil_div(g.gates * g.hidden, kProjectTile);

  a.x_step = g.x_step;
  a.x_item = g.x_item;
  a.y_step = g.y_step;
  a.y_direction = g.y_direction;
  a.y_item = g.y_item;
  a.state_direction = g.state_direction;
  a.state_item = g.state_item;
  a.input = g.input;
  a.directions = static_cast<int32_t>(g.directions);
  a.steps = static_cast<int32_t>(g.steps);
  a.batch = static_cast<int32_t>(g.batch);
  s.input_vectors = g.input * size % 16 == 0;
  s.state_vectors = g.hidden * size % 16 == 0;

  auto compile = [&](int part, const char* entry) {
    return session.function(source_of(params, tile, tiles, type, part), entry);
  };
  TN_ASSIGN(s.begin, compile(0, "rnn_begin"));
  TN_ASSIGN(s.project, compile(1, "rnn_project"));
  TN_ASSIGN(s.step, compile(2, "rnn_steps"));
  TN_TRY(allow_shared(s.step, static_cast<unsigned>(tile.shared_bytes)));
  prepared.state = std::move(state);
  return {};
}

bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

Status launch(const LaunchCall& call) {
  if (!call.state) return {};
  const State& s = *static_cast<const State*>(call.state);
  const RnnArgs args = rnn_args(call.inputs, call.outputs);
  Arguments a = s.arguments;
  a.x = args.x.data, a.w = args.w.data, a.r = args.r.data, a.b = args.b.data;
  a.lens = args.lens.data, a.initial_h = args.initial_h.data, a.initial_c = args.initial_c.data, a.p = args.p.data;
  a.y = args.y.data, a.y_h = args.y_h.data, a.y_c = args.y_c.data;
  auto* scratch = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<int64_t>(call.scratch), kAlignment));
  a.gates = scratch + s.gates, a.h = scratch + s.h, a.reset = scratch + s.reset;
  a.state = scratch + s.state, a.update = scratch + s.update;
  a.input_vectors = s.input_vectors && aligned(a.x) && aligned(a.w);
  a.state_vectors = s.state_vectors && aligned(a.r);
  {
    void* values[] = {&a};
    TN_TRY(cuda::launch(s.begin, s.begin_shape, values, call.queue));
  }
  for (int32_t first = 0; first < a.steps; first += std::min(a.chunk, a.steps - first)) {
    int32_t count = std::min(a.chunk, a.steps - first);
    LaunchShape project;
    project.grid[0] = static_cast<unsigned>(ceil_div(int64_t{count} * a.batch, kProjectTile));
    project.grid[1] = static_cast<unsigned>(s.column_tiles);
    project.grid[2] = static_cast<unsigned>(a.directions);
    project.block[0] = 128;
    void* projected[] = {&a, &first, &count};
    TN_TRY(cuda::launch(s.project, project, projected, call.queue));
    auto steps = [&](int32_t from, int32_t to, int32_t phase) {
      void* values[] = {&a, &first, &from, &to, &phase};
      return cuda::launch(s.step, s.step_shape, values, call.queue);
    };
    if (s.resident) {
      TN_TRY(steps(first, first + count, 0));
      continue;
    }
    for (int32_t step = first; step < first + count; ++step)
      for (int32_t phase = 0; phase < s.phases; ++phase) TN_TRY(steps(step, step + 1, phase));
  }
  return {};
}

}  // namespace

extern const Kernel kCudaRnn{"cuda.rnn", sizeof(CudaRnnParams), 0, 0, prepare, launch, Place::device};

}  // namespace tenon::cuda
