// cuda.matmul.mma and cuda.matmul.wgmma: the library's own products on tensor cores, with any epilogue in the kernel;
// cuda.conv.mma and cuda.conv.wgmma: convolutions of nhwc tensors with a kernel of 1 as such.
//
// A result whose innermost dim is M is computed as its transposition. Blocks of a cluster share the K of a tile and add
// their sums through distributed shared memory, in one order.
#include <cuda.h>

#include <algorithm>

#include "base/checked.h"
#include "cuda/gemm_params.h"
#include "cuda/gemm_problem.h"
#include "cuda/generate/element.h"
#include "cuda/generate/program_text.h"
#include "cuda/session.h"

namespace tenon::cuda {
namespace {

constexpr char kPrelude[] =
#include "cuda/generate/prelude.cuh"
    ;
constexpr char kCommon[] =
#include "cuda/gemm/common.cuh"
    ;
constexpr char kFinish[] =
#include "cuda/gemm/finish.cuh"
    ;
constexpr char kMma[] =
#include "cuda/gemm/mma.cuh"
    ;
constexpr char kTma[] =
#include "cuda/gemm/tma.cuh"
    ;
constexpr char kWgmma[] =
#include "cuda/gemm/wgmma.cuh"
    ;
constexpr char kStream[] =
#include "cuda/gemm/stream.cuh"
    ;

using Steps = MatmulGeometry::Steps;
constexpr int kMaxBatchDims = 6;
constexpr int64_t kMaxCoordinate = 0x7ffff000;   // with a tile or two behind it
constexpr int64_t kMaxBlocks = 0x3fffffff;
constexpr int64_t kAlignment = 16;
constexpr int64_t kVector = 8;   // elements of 16 bytes
constexpr int64_t kSwizzleAlignment = 1024;
constexpr int64_t kChunkBytes = 64 * 4;   // of each row's sums, in gemm/stream.cuh

// The product with a result whose innermost dim is N where it can be; operands by the call's inputs.
struct Product {
  MatmulGeometry geometry;
  int a = 0, b = 1;
  DType in = DType::f16, out = DType::f16;
  std::vector<size_t> extra_inputs;   // of the call, in the order of the program's from 1 on
  std::vector<Arg> extras;
  std::vector<bool> along_columns;    // of each extra: it has one value a column, whatever the shape
  Program program;                    // f32
  bool fixed = false;                 // every dim is the same at every shape
  bool inner_fixed = false;           // the innermost dims of a and b are
  bool rows_innermost = false;   // the result's innermost dim is M, by the permutation
  bool narrow = false;           // f32 results are stored in 16 bits
  bool a_k = true, b_k = true;   // whether K is the innermost dim in memory, by the permutations
};

// How one operand's matrix lies in memory.
struct Layout {
  bool k_inner = true;
  bool vectors = false;   // rows of vectors of 16 bytes
};

void transpose(Product& p) {
  MatmulGeometry& g = p.geometry;
  auto turn = [](Steps& s) { std::swap(s.row, s.col); };
  std::swap(g.m, g.n);
  std::swap(g.a, g.b);
  turn(g.a);
  turn(g.b);
  turn(g.out);
  for (size_t e = 0; e < p.extras.size(); ++e) turn(g.extra[e]);
  std::swap(p.a, p.b);
  std::swap(p.a_k, p.b_k);
}

bool all_fixed(std::span<const Arg> args) {
  return std::all_of(args.begin(), args.end(), [](const Arg& arg) {
    for (int d = 0; d < arg.rank; ++d)
      if (!(arg.fixed_dims >> d & 1)) return false;
    return true;
  });
}

// Whether the dim is the same at every shape.
bool is_fixed(const Arg& arg, int dim) { return arg.fixed_dims >> dim & 1; }

Status complete(const PrepareCall& call, Product& p) {
  const Arg &a = call.inputs[0], &b = call.inputs[1], &out = call.outputs[0];
  TN_TRY(check_stored_product(a, b, out));
  if (a.dtype == DType::f32) return fail(Code::unsupported, "operands must be stored as f16 or bf16, a is {}", describe(a));
  p.in = a.dtype;
  p.out = out.dtype;
  TN_TRY(check_computable(p.program));
  for (size_t input : p.extra_inputs) {
    const Arg& extra = call.inputs[input];
    if (!is_computable(extra.dtype)) return fail(Code::unsupported, "an extra operand cannot be {}", describe(extra));
    p.extras.push_back(extra);
  }
  p.fixed = all_fixed(call.inputs) && all_fixed(call.outputs);
  if (p.geometry.batch_rank > kMaxBatchDims)
    return fail(Code::unsupported, "products have up to {} batch dims that do not lie as one, this has {}", kMaxBatchDims, p.geometry.batch_rank);
  // Where dims change this follows from what does not: the code must be the same at every shape.
  const bool by_rows = p.fixed ? p.geometry.out.col != 1 && p.geometry.out.row == 1 : p.rows_innermost;
  if (by_rows) transpose(p);
  bool one = false;   // more take too many registers
  for (size_t e = 0; e < p.extras.size(); ++e) {
    p.along_columns.push_back(!one && all_fixed({&p.extras[e], 1}) && p.extras[e].count() == p.geometry.n && p.geometry.n > 1 &&
                              p.geometry.extra[e].col == 1);
    one = one || p.along_columns.back();
  }
  return {};
}

Status product_of_matmul(const PrepareCall& call, const MatmulParams& params, Product& p) {
  TN_TRY(gemm_of_matmul(call, params, p.geometry));
  const Arg &a = call.inputs[0], &b = call.inputs[1];
  p.program = widened(params.epilogue);
  for (size_t i = 2; i < call.inputs.size(); ++i) p.extra_inputs.push_back(i);
  p.inner_fixed = is_fixed(a, a.rank - 1) && is_fixed(b, b.rank - 1);
  const int last = call.outputs[0].rank - 1;
  p.rows_innermost = last > 0 && params.perm_out[last] == last - 1;
  p.narrow = size_of(call.outputs[0].dtype) == 2 && params.epilogue.inputs > 0 && params.epilogue.input_type[0] == DType::f32;
  p.a_k = params.perm_a[a.rank - 1] == a.rank - 1;
  p.b_k = params.perm_b[b.rank - 2] == b.rank - 1;
  return complete(call, p);
}

Status product_of_conv(const PrepareCall& call, const ConvParams& params, Product& p) {
  TN_TRY(gemm_of_conv(call, params, p.geometry));
  ConvTail tail;
  TN_TRY(conv_tail(call, params.epilogue, tail));
  p.program = tail.program;
  p.extra_inputs = tail.inputs;
  p.narrow = size_of(call.outputs[0].dtype) == 2 && params.epilogue.inputs > 0 && params.epilogue.input_type[0] == DType::f32;
  p.inner_fixed = is_fixed(call.inputs[0], 1) && is_fixed(call.inputs[1], 1);
  return complete(call, p);
}

bool whole(int64_t steps) { return steps % kVector == 0; }

// `row`: the step along M or N, `k` along K. Where dims change, `k_inner` is what holds at every shape.
Layout layout_of(const MatmulGeometry& g, const Steps& s, int64_t rows, int64_t row, int64_t k, bool fixed, bool k_inner) {
  const bool by_k = k == 1 || g.k == 1, by_rows = row == 1 || rows == 1;
  Layout out;
  out.k_inner = !fixed ? k_inner : by_k && !(by_rows && g.k == 1 && rows != 1);
  out.vectors = out.k_inner ? by_k && whole(g.k) && (rows == 1 || whole(row)) : by_rows && whole(rows) && (g.k == 1 || whole(k));
  for (int i = 0; i < g.batch_rank; ++i) out.vectors = out.vectors && whole(s.batch[i]);
  return out;
}

std::string epilogue_text(const Product& p) {
  std::string out = program_text(p.program, "epilogue", DType::f32, p.narrow);
  std::string reads, arguments = "v[j]";   // of eight columns
  std::string ahead, read_ahead, pairs, pair_arguments = "v[i]", well;
  for (size_t e = 0; e < p.extras.size(); ++e) {
    reads += fmt::format("const Pack<{1}, 8> x{0} = read8<{1}>(p.extra[{0}], p.se[{0}], at.extra[{0}] + row * p.se[{0}].row + column * p.se[{0}].col, valid); ",
                         e, storage_name(p.extras[e].dtype));
    arguments += fmt::format(", get(x{}.e[j])", e);
    const std::string_view storage = storage_name(p.extras[e].dtype);
    if (p.along_columns[e]) {
      ahead += fmt::format("Pack<{}, 2> x{}[BN / 8]; ", storage, e);
      read_ahead += fmt::format("read_columns(p.extra[{0}], at.extra[{0}] + column, a.x{0}); ", e);
      pair_arguments += fmt::format(", get(ahead.x{}[at_column].e[i])", e);
    } else {
      pairs += fmt::format("const Pack<{1}, 2> x{0} = load<2>((const {1}*)p.extra[{0}] + at.extra[{0}] + row * p.se[{0}].row + column, true); ", e, storage);
      pair_arguments += fmt::format(", get(x{}.e[i])", e);
    }
    well += fmt::format("well = well && has_pairs(p.extra[{0}], p.se[{0}], at.extra[{0}], sizeof({1})); ", e, storage);
  }
  return fmt::format("#define EXTRAS {}\n#define OUT {}\n#define READ_EXTRAS {}\n#define ARGUMENTS {}\n", std::max<size_t>(1, p.extras.size()),
                     storage_name(p.out), reads, arguments) +
         fmt::format("#define AHEAD {}\n#define READ_AHEAD {}\n#define READ_PAIRS {}\n#define PAIR_ARGUMENTS {}\n#define EXTRAS_LIE_WELL {}\n", ahead,
                     read_ahead, pairs, pair_arguments, well) + out;
}

std::string multiply_text(const GemmTile& tile, const Product& p, bool p_k, bool q_k) {
  const int count = tile.bn / 2;
  std::string registers, bindings;
  for (int i = 0; i < count; ++i) {
    registers += fmt::format("{}%{}", i ? ", " : "", i);
    bindings += fmt::format("{}\"+f\"(d[{}])", i ? ", " : "", i);
  }
  return fmt::format("#define MULTIPLY FN void multiply(float (&d)[{0}], u64 x, u64 y, bool more) {{ asm volatile("
                     "\"{{\\n.reg .pred add;\\nsetp.ne.b32 add, %{8}, 0;\\nwgmma.mma_async.sync.aligned.m64n{1}k16.f32.{2}.{2} {{{3}}}, %{4}, %{5}, add, 1, 1, {6}, {7};\\n}}\\n\""
                     " : {9} : \"l\"(x), \"l\"(y), \"r\"((int)more)); }}\n",
                     count, tile.bn, name_of(p.in), registers, count, count + 1, p_k ? 0 : 1, q_k ? 0 : 1, count + 2, bindings);
}

std::string source_of(const GemmTile& tile, const Product& p, bool general, bool a_k, bool b_k, const std::string& entry) {
  std::string out = "// " + entry + "\n";
  out += kPrelude;
  out += fmt::format("#define ENTRY {}\n#define BM {}\n#define BN {}\n#define STAGES {}\n#define THREADS {}\n#define SWAP {}\n", entry,
                     tile.bm, tile.bn, tile.stages, tile.threads(), tile.swap ? 1 : 0);
  out += epilogue_text(p);
  if (tile.wgmma) {
    const bool p_k = tile.swap ? b_k : a_k, q_k = tile.swap ? a_k : b_k;
    out += fmt::format("#define GROUPS {}\n#define P_K {}\n#define Q_K {}\n", tile.bm / 64, p_k ? 1 : 0, q_k ? 1 : 0);
    return out + multiply_text(tile, p, p_k, q_k) + kCommon + (tile.stays ? "" : kFinish) + kTma + (tile.stays ? kStream : kWgmma);
  }
  out += fmt::format("#define BK {}\n#define WM {}\n#define WN {}\n#define GENERAL {}\n#define A_K {}\n#define B_K {}\n#define IN_NAME \"{}\"\n",
                     tile.bk, tile.wm, tile.wn, general ? 1 : 0, a_k ? 1 : 0, b_k ? 1 : 0, name_of(p.in));
  return out + kCommon + kFinish + kMma;
}

int64_t shared_bytes(const GemmTile& tile, bool a_k, bool b_k) {
  const int64_t sums = int64_t{tile.rows()} * (tile.columns() + 4) * 4;
  const int64_t stages = int64_t{tile.stages} * (tile.bm + tile.bn) * tile.bk * 2;
  if (tile.stays) return stages + int64_t{tile.bm} * kChunkBytes + kSwizzleAlignment;
  if (tile.wgmma) return std::max(sums, stages) + kSwizzleAlignment;
  auto bytes = [&](int rows, bool k) { return int64_t{2} * (k ? rows * (tile.bk + 8) : tile.bk * (rows + 8)); };
  return std::max(sums, tile.stages * (bytes(tile.bm, a_k) + bytes(tile.bn, b_k)));
}

struct State : KernelState {
  cudaKernel_t function = nullptr;    // vectors of 16 bytes
  cudaKernel_t general = nullptr;     // any alignment
  int64_t shared = 0, general_shared = 0;
  GemmTile tile;
  bool a_k = true, b_k = true;
  int a = 0, b = 1;
  DType in = DType::f16;
  unsigned blocks = 0, parts = 1;
  MatmulGeometry geometry;
  std::vector<size_t> extras;   // inputs of the call
  int64_t row_tiles = 1, column_tiles = 1, k_part = 0;
};

// Boxes of 64 elements along the contiguous dim.
Status encode(CUtensorMap& map, const State& s, const Steps& steps, bool k_inner, int64_t rows, int64_t row_step, int64_t k_step,
              int box_rows, const void* address) {
  static const auto function = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result) != cudaSuccess) found = nullptr;
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  if (!function) return fail(Code::device, "the driver has no cuTensorMapEncodeTiled: it is older than CUDA 12");
  const MatmulGeometry& g = s.geometry;
  const int64_t inner = k_inner ? g.k : rows, outer = k_inner ? rows : g.k;
  cuuint64_t dims[4] = {static_cast<cuuint64_t>(inner), static_cast<cuuint64_t>(outer), 1, 1};
  cuuint64_t pitch[3];
  pitch[0] = static_cast<cuuint64_t>((outer == 1 ? round_up(inner, kVector) : k_inner ? row_step : k_step) * 2);
  for (int i = 0; i < 2; ++i) {
    const int at = g.batch_rank - 1 - i;
    const bool steps_there = at >= 0 && steps.batch[at] != 0;
    dims[2 + i] = steps_there ? static_cast<cuuint64_t>(g.batch[at]) : 1;
    pitch[1 + i] = steps_there ? static_cast<cuuint64_t>(steps.batch[at] * 2) : pitch[0];
  }
  const cuuint32_t box[4] = {64, static_cast<cuuint32_t>(k_inner ? box_rows : 64), 1, 1}, ones[4] = {1, 1, 1, 1};
  const CUresult result = function(&map, s.in == DType::f16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4,
                                   const_cast<void*>(address), dims, pitch, box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                   CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result == CUDA_SUCCESS) return {};
  return fail(Code::device, "cuTensorMapEncodeTiled: error {} for {} x {} with a pitch of {} bytes", static_cast<int>(result), dims[0], dims[1], pitch[0]);
}

Status launch(const LaunchCall& call) {
  if (!call.state) return {};
  const auto& s = *static_cast<const State*>(call.state);
  const MatmulGeometry& g = s.geometry;
  const void *a = call.inputs[static_cast<size_t>(s.a)].data, *b = call.inputs[static_cast<size_t>(s.b)].data;
  const bool aligned = (reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b)) % kAlignment == 0;
  const cudaKernel_t function = aligned && s.function ? s.function : s.general;
  if (!function) return fail(Code::unsupported, "the operands of this product must be aligned to {} bytes: a network's input is not", kAlignment);
  // As struct Args of gemm/common.cuh.
  uint64_t words[3 + kMaxProgramInputs + (3 + kMaxProgramInputs) * (kMaxBatchDims + 2) + 4 + kMaxBatchDims + 4];
  size_t at = 0;
  auto put = [&](int64_t value) { words[at++] = static_cast<uint64_t>(value); };
  auto put_address = [&](const void* p) { words[at++] = reinterpret_cast<uint64_t>(p); };
  auto put_steps = [&](const Steps& steps) {
    for (int i = 0; i < kMaxBatchDims; ++i) put(steps.batch[i]);
    put(steps.row);
    put(steps.col);
  };
  const size_t slots = std::max<size_t>(1, s.extras.size());
  put_address(a);
  put_address(b);
  put_address(call.outputs[0].data);
  for (size_t e = 0; e < slots; ++e) put_address(e < s.extras.size() ? call.inputs[s.extras[e]].data : nullptr);
  put_steps(g.a);
  put_steps(g.b);
  put_steps(g.out);
  for (size_t e = 0; e < slots; ++e) put_steps(g.extra[e]);
  for (int64_t value : {g.m, g.n, g.k, int64_t{g.batch_rank}}) put(value);
  for (int i = 0; i < kMaxBatchDims; ++i) put(g.batch[i]);
  for (int64_t value : {s.row_tiles, s.column_tiles, s.k_part, g.batch_count}) put(value);

  CUtensorMap maps[2];
  void* args[3] = {words, nullptr, nullptr};
  if (s.tile.wgmma) {
    const int rows_a = s.tile.swap ? s.tile.bn : s.tile.bm, rows_b = s.tile.swap ? s.tile.bm : s.tile.bn;
    TN_TRY(encode(maps[s.tile.swap ? 1 : 0], s, g.a, s.a_k, g.m, g.a.row, g.a.col, rows_a, a));
    TN_TRY(encode(maps[s.tile.swap ? 0 : 1], s, g.b, s.b_k, g.n, g.b.col, g.b.row, rows_b, b));
    args[0] = &maps[0];
    args[1] = &maps[1];
    args[2] = words;
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(s.blocks, 1, s.parts);
  config.blockDim = dim3(static_cast<unsigned>(s.tile.threads()));
  config.dynamicSmemBytes = static_cast<size_t>(function == s.function ? s.shared : s.general_shared);
  config.stream = static_cast<cudaStream_t>(call.queue);
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {1, 1, s.parts};
  config.attrs = &attribute;
  config.numAttrs = s.parts > 1 ? 1 : 0;
  return check(cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(function), args), "cudaLaunchKernelExC");
}

Status check_choice(int64_t tile, int64_t parts, bool wgmma) {
  if (tile < 0 || tile >= static_cast<int64_t>(std::size(kGemmTiles)) || kGemmTiles[tile].wgmma != wgmma)
    return fail(Code::invalid_plan, "there is no tile {} of this kernel", tile);
  if (parts != 1 && parts != 2 && parts != 4 && parts != 8)
    return fail(Code::invalid_plan, "parts must be 1, 2, 4 or 8, they are {}", parts);
  if (parts > 1 && kGemmTiles[tile].stays)
    return fail(Code::invalid_plan, "tile {} does not divide K, parts are {}", tile, parts);
  return {};
}

Result<cudaKernel_t> compile(Session& session, const State& s, const Product& p, bool general, bool a_k, bool b_k, int64_t& shared) {
  const std::string entry = fmt::format("{}_{}x{}{}{}{}", s.tile.wgmma ? "wgmma" : "mma", s.tile.bm, s.tile.bn, s.tile.swap ? "_swap" : "",
                                        s.tile.stays ? "_stream" : "", general ? "_general" : "");
  shared = shared_bytes(s.tile, a_k, b_k);
  TN_ASSIGN(cudaKernel_t function, session.function(source_of(s.tile, p, general, a_k, b_k, entry), entry.c_str()));
  TN_TRY(allow_shared(function, static_cast<unsigned>(shared)));
  return function;
}

Status check_wgmma(const PrepareCall& call, const Product& p, const GemmTile& tile, const Layout& a, const Layout& b) {
  const std::string& architecture = session_of(call).facts().architecture;
  if (architecture != "sm_90a") return fail(Code::unsupported, "wgmma needs sm_90a, the device is {}", architecture);
  const MatmulGeometry& g = p.geometry;
  if (!a.vectors || !b.vectors)
    return fail(Code::unsupported, "wgmma reads operands whose innermost dim is K, M or N and a multiple of {}, they are {} and {}", kVector,
                describe(call.inputs[0]), describe(call.inputs[1]));
  if (!p.inner_fixed)
    return fail(Code::unsupported, "wgmma needs operands whose innermost dim is the same at every shape");
  if (g.batch_rank > 2) return fail(Code::unsupported, "wgmma takes up to 2 batch dims that do not lie as one, this has {}", g.batch_rank);
  if (g.k == 0 || std::max({g.m, g.n, g.k}) > kMaxCoordinate)
    return fail(Code::unsupported, "wgmma takes dims from 1 to {}, they are {}, {} and {}", kMaxCoordinate, g.m, g.n, g.k);
  if (tile.bn < 64 && !(tile.swap ? a : b).k_inner)
    return fail(Code::unsupported, "a tile of {} needs an operand whose innermost dim is K", tile.bn);
  return {};
}

Status prepare(const PrepareCall& call, const Product& p, int64_t tile, int64_t parts, Prepared& prepared) {
  if (call.outputs[0].count() == 0) return {};
  const MatmulGeometry& g = p.geometry;
  auto state = std::make_unique<State>();
  State& s = *state;
  s.tile = kGemmTiles[tile];
  if (parts > 1 && !has_clusters(session_of(call).facts()))
    return fail(Code::unsupported, "K is divided among the blocks of a cluster, which {} does not have",
                session_of(call).facts().architecture);
  s.parts = static_cast<unsigned>(parts);
  s.geometry = g;
  s.a = p.a;
  s.b = p.b;
  s.in = p.in;
  s.extras = p.extra_inputs;
  const Layout a = layout_of(g, g.a, g.m, g.a.row, g.a.col, p.fixed, p.a_k),
               b = layout_of(g, g.b, g.n, g.b.col, g.b.row, p.fixed, p.b_k);
  s.a_k = a.k_inner;
  s.b_k = b.k_inner;
  s.row_tiles = ceil_div(s.tile.swap ? g.n : g.m, s.tile.bm);
  s.column_tiles = ceil_div(s.tile.swap ? g.m : g.n, s.tile.bn);
  s.k_part = round_up(ceil_div(std::max<int64_t>(g.k, 1), parts), s.tile.bk);
  const auto tiles = checked_mul(s.row_tiles, s.column_tiles);
  const auto blocks = tiles ? checked_mul(*tiles, g.batch_count) : std::nullopt;
  if (!blocks || *blocks > kMaxBlocks) return fail(Code::limit_exceeded, "the product has more tiles than a launch has blocks");
  s.blocks = static_cast<unsigned>(*blocks);
  Session& session = session_of(call);
  if (s.tile.stays) s.blocks = std::min(s.blocks, static_cast<unsigned>(std::max(1, session.facts().multiprocessors)));
  const bool vectors = a.vectors && b.vectors && (p.fixed || p.inner_fixed);
  if (s.tile.wgmma) {
    TN_TRY(check_wgmma(call, p, s.tile, a, b));
    TN_ASSIGN(s.function, compile(session, s, p, false, s.a_k, s.b_k, s.shared));
  } else {
    // Where dims change, other shapes need the other code.
    const bool both = !p.fixed;
    if (vectors) {
      TN_ASSIGN(s.function, compile(session, s, p, false, s.a_k, s.b_k, s.shared));
    }
    if (!vectors || both) {
      TN_ASSIGN(s.general, compile(session, s, p, true, true, true, s.general_shared));
    }
  }
  const int64_t most = session.facts().shared_memory;
  if (std::max(s.shared, s.general_shared) > most)
    return fail(Code::unsupported, "the tile needs {} bytes of shared memory, a block has {}", std::max(s.shared, s.general_shared), most);
  prepared.state = std::move(state);
  return {};
}

template <bool kWgmmaTiles>
Status prepare_matmul(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<CudaGemmParams>();
  TN_TRY(check_choice(params.tile, params.parts, kWgmmaTiles));
  Product p;
  TN_TRY(product_of_matmul(call, params.matmul, p));
  return prepare(call, p, params.tile, params.parts, prepared);
}

template <bool kWgmmaTiles>
Status prepare_conv(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<CudaConvGemmParams>();
  TN_TRY(check_choice(params.tile, params.parts, kWgmmaTiles));
  Product p;
  TN_TRY(product_of_conv(call, params.conv, p));
  return prepare(call, p, params.tile, params.parts, prepared);
}

}  // namespace

extern const Kernel kCudaMatmulMma{.id = "cuda.matmul.mma", .params_size = sizeof(CudaGemmParams), .cpu_features = 0, .in_place = 0,
                                   .prepare = prepare_matmul<false>, .launch = launch, .place = Place::device};
extern const Kernel kCudaMatmulWgmma{.id = "cuda.matmul.wgmma", .params_size = sizeof(CudaGemmParams), .cpu_features = 0, .in_place = 0,
                                     .prepare = prepare_matmul<true>, .launch = launch, .place = Place::device};
extern const Kernel kCudaConvMma{.id = "cuda.conv.mma", .params_size = sizeof(CudaConvGemmParams), .cpu_features = 0, .in_place = 0,
                                 .prepare = prepare_conv<false>, .launch = launch, .place = Place::device};
extern const Kernel kCudaConvWgmma{.id = "cuda.conv.wgmma", .params_size = sizeof(CudaConvGemmParams), .cpu_features = 0, .in_place = 0,
                                   .prepare = prepare_conv<true>, .launch = launch, .place = Place::device};

}  // namespace tenon::cuda
