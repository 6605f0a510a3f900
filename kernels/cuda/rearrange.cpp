// cuda.concat, cuda.pad, cuda.iota, cuda.shape_value.
#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "cuda/elementwise.h"
#include "cuda/generate/element.h"
#include "cuda/generate/logical.h"
#include "cuda/index.h"
#include "move/check.h"

namespace tenon {
extern const Kernel kIotaReference, kShapeValueReference;
}

namespace tenon::cuda {
namespace {

constexpr int kInputsALaunch = 16;

// Both sides as [rows, elements]: the dims before the axis, and from it on, as they lie in memory.
struct Rows {
  int64_t count = 1;
  bool fixed = true;   // all dims from the axis on are the same at every shape
};

Rows row_of(const Arg& arg, int64_t axis) {
  Rows out;
  bool within = false;
  for (int d : memory_order(arg)) {
    within = within || d == axis;
    if (!within) continue;
    out.count *= arg.dims[d];
    out.fixed = out.fixed && (arg.fixed_dims >> d & 1);
  }
  return out;
}

// Every block copies a part of one input: blockIdx.y says which.
Status prepare_concat(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(Logical::of(call));
  TN_TRY(move::check_concat(call));
  const Arg& y = call.outputs[0];
  const int64_t axis = call.as<ConcatParams>().axis;
  const DType bits = move_type(y.dtype);
  const Rows whole = row_of(y, axis);
  int64_t rows = 1;
  for (int d : memory_order(y)) {
    if (d == axis) break;
    rows *= y.dims[d];
  }
  // Vectors need rows that are whole vectors in every tensor.
  int width = static_cast<int>(16 / size_of(bits));
  auto fits = [&](const Arg& arg) { return row_of(arg, axis).fixed && row_of(arg, axis).count % width == 0; };
  while (width > 1 && !(fits(y) && std::all_of(call.inputs.begin(), call.inputs.end(), fits))) width /= 2;
  auto state = std::make_unique<LaunchState>();
  int64_t begin = 0;
  for (Variant variant : variants(call)) {
    if (is_enough(call, *state)) break;
    LaunchState attempt;
    Space space(variant);
    space.reach(storage_count(y));
    begin = 0;
    for (size_t first = 0; first < call.inputs.size(); first += kInputsALaunch) {
      const size_t count = std::min<size_t>(kInputsALaunch, call.inputs.size() - first);
      Source source("tenon_concat", space.wide());
      source.bounds(256);
      source.body(declare_output(source, "y", bits, 0));
      source.body(fmt::format("const {0}* x;\nI length, begin;\n", storage_name(bits)));
      int64_t longest = 0;
      for (size_t k = 0; k < count; ++k) {
        const Rows row = row_of(call.inputs[first + k], axis);
        source.body(fmt::format("if (blockIdx.y == {}) {{ x = (const {}*){}; length = {}; begin = {}; }}\n", k, storage_name(bits),
                                source.input(first + k), source.argument(row.count), source.argument(begin)));
        begin += row.count;
        longest = std::max(longest, row.count);
      }
      source.body(fmt::format(R"(
const bool al = is_aligned(x) && is_aligned(y);
const I rows = {rows}, whole = {whole};
const I vectors = length / {w};
for (I at = (I)blockIdx.x * 256 + threadIdx.x; at < rows * vectors; at += (I)gridDim.x * 256) {{
  const I row = at / vectors, c = (at - row * vectors) * {w};
  store<{w}>(y + (row * whole + begin + c), load<{w}>(x + (row * length + c), al), al);
}}
)",
                              fmt::arg("rows", source.argument(rows)), fmt::arg("whole", source.argument(whole.count)),
                              fmt::arg("w", width)));
      LaunchShape shape;
      shape.block[0] = 256;
      // Four vectors a thread, which come one after the other: one where the GPU has room for as many threads.
      const int64_t most = rows * longest / width, a_thread = most > 132 * 2048 ? 4 : 1, blocks = ceil_div(most, 256 * a_thread);
      TN_TRY(grid_of(y.count() == 0 ? 0 : std::clamp<int64_t>(blocks, 1, 1 << 20), shape.grid[0]));
      TN_TRY(grid_of(static_cast<int64_t>(count), shape.grid[1]));
      TN_TRY(source.finish(session_of(call), shape, attempt));
    }
    if (state->launches.empty() && space.fits()) state->launches = std::move(attempt.launches);
  }
  prepared.state = std::move(state);
  return {};
}

constexpr const char* kPadSource = R"(
FN i64 pad_source(i64 i, i64 n) {
  if (i >= 0 && i < n) return i;
#if MODE == 0
  return -1;
#elif MODE == 1
  if (n == 1) return 0;
  const i64 period = 2 * (n - 1), phase = (i % period + period) % period;
  return phase < n ? phase : period - phase;
#elif MODE == 2
  return i < 0 ? 0 : n - 1;
#else
  return (i % n + n) % n;
#endif
}
)";

Status prepare_pad(const PrepareCall& call, Prepared& prepared) {
  TN_ASSIGN(Logical logical, Logical::of(call));
  TN_TRY(move::check_pad(logical.call()));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  const auto& params = call.as<PadParams>();
  const DType bits = move_type(x.dtype);
  if (bits == DType::none) return fail(Code::unsupported, "CUDA kernels do not move elements of {}", describe(x));
  const bool value = call.inputs.size() > 1 && call.inputs[1].present();
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    space.add_operand({space.own_steps(x)});
    const std::vector<int> order = memory_order(y);
    space.reorder(order);
    Source source("tenon_pad", space.wide());
    source.head(fmt::format("#define MODE {}\n", static_cast<int>(params.mode))).head(kPadSource);
    source.body(declare_input(source, "x", bits, 0) + declare_output(source, "y", bits, 0));
    source.body(value ? declare_input(source, "value", bits, 1) : "");
    std::string body = "bool inside = true;\nI from = 0;\n";
    for (size_t loop = 0; loop < order.size(); ++loop) {
      const int d = order[loop];
      const Extent n = space.number(x.dims[d], x.fixed_dims >> d & 1);
      // Numbers of 64 bits: narrow arguments would lose a negative start.
      body += fmt::format("{{ const i64 s = pad_source((i64)i{0} - (i64)a.v[{1}], (i64){2});\ninside = inside && s >= 0;\nfrom += (I)s * {3}; }}\n",
                          loop, source.argument(params.begins[d]).substr(1), source.number(n),
                          source.number(space.operands()[0].at[loop]));
    }
    body += fmt::format("y[at] = inside ? x[from] : {};\n", value ? "value[0]" : fmt::format("({})0", storage_name(bits)));
    return add_elementwise(session_of(call), source, space, 1, body, state);
  });
}

std::string double_text(double value) {
  return fmt::format("__longlong_as_double(0x{:016x}ll)", std::bit_cast<uint64_t>(value));
}

Status prepare_iota(const PrepareCall& call, Prepared& prepared) {
  Prepared unused;
  TN_TRY(kIotaReference.prepare(call, unused));
  const Arg& y = call.outputs[0];
  const auto& params = call.as<IotaParams>();
  return prepare_each(call, prepared, [&](Space& space, LaunchState& state) -> Status {
    space.add_dims(y);
    Source source("tenon_iota", true);
    source.body(declare_output(source, "y", y.dtype, 0));
    const std::string start = source.argument(params.start_dim).substr(1);
    const std::string body =
        is_float(y.dtype)
            ? fmt::format("y[at] = Put<{}>::of(({})({} + (double)a.v[{}] + (double)at * {}));\n", storage_name(y.dtype),
                          value_name(y.dtype), double_text(params.start), start, double_text(params.step))
            : fmt::format("y[at] = ({})({}ull + (u64)a.v[{}] + (u64)at * {}ull);\n", storage_name(y.dtype),
                          static_cast<uint64_t>(static_cast<int64_t>(params.start)), start,
                          static_cast<uint64_t>(static_cast<int64_t>(params.step)));
    return add_elementwise(session_of(call), source, space, 1, body, state);
  });
}

Status prepare_shape_value(const PrepareCall& call, Prepared& prepared) {
  Prepared unused;
  TN_TRY(kShapeValueReference.prepare(call, unused));
  const auto& params = call.as<ShapeValueParams>();
  Source source("tenon_shape_value", true);
  source.body(declare_output(source, "y", DType::i64, 0));
  source.body(fmt::format("if (threadIdx.x < {}) y[threadIdx.x] = a.v[threadIdx.x];\n", params.count));
  for (int64_t i = 0; i < params.count; ++i) source.argument(params.values[i]);
  auto state = std::make_unique<LaunchState>();
  LaunchShape shape;
  shape.block[0] = kMaxShapeValues;
  TN_TRY(source.finish(session_of(call), shape, *state));
  prepared.state = std::move(state);
  return {};
}

}  // namespace

extern const Kernel kCudaConcat, kCudaPad, kCudaIota, kCudaShapeValue;
const Kernel kCudaConcat{"cuda.concat", sizeof(ConcatParams), 0, 0, prepare_concat, launch_all, Place::device};
const Kernel kCudaPad{"cuda.pad", sizeof(PadParams), 0, 0, prepare_pad, launch_all, Place::device};
const Kernel kCudaIota{"cuda.iota", sizeof(IotaParams), 0, 0, prepare_iota, launch_all, Place::device};
const Kernel kCudaShapeValue{"cuda.shape_value", sizeof(ShapeValueParams), 0, 0, prepare_shape_value, launch_all, Place::device};

}  // namespace tenon::cuda
