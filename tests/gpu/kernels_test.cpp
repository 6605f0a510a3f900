// Every CUDA kernel of the table of cases against the host kernel that computes the same, on a GPU: fresh random inputs,
// poisoned outputs and scratch, guard bytes round every buffer.
//
//   gpu_kernels [TEXT…] [--every=N] [--part=I/N] [--seeds=N] [--bench] [--refusals] [--gtest_…]
//
// TEXT: only cases whose name or kernel contains one of them. --every: of those each Nth. --part: of those the Ith, counted
// from 0, of N parts, for processes side by side. --refusals prints what was refused, and why.
//
// --bench prints microseconds and GB/s (inputs and outputs once) of each large case, without comparing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "base/half.h"
#include "device/device.h"
#include "device/kernel_table.h"
#include "gpu/case_arg.h"

namespace tenon::test {
namespace {

struct Options {
  bool bench = false, refusals = false;
  int seeds = 1, every = 1, part = 0, parts = 1;
  std::vector<std::string> only;
} options;

constexpr uint64_t kGuard = 256;
constexpr unsigned char kGuardByte = 0xa5, kPoison = 0xcd;

// ---- Numbers

template <class T>
void fill_numbers(void* data, int64_t count, const Spec& spec, std::mt19937_64& rng) {
  auto* out = static_cast<T*>(data);
  if constexpr (std::is_integral_v<T>) {
    const auto low = static_cast<int64_t>(spec.low), width = static_cast<int64_t>(spec.high) - low + 1;
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(low + static_cast<int64_t>(rng() % static_cast<uint64_t>(width)));
  } else {
    for (int64_t i = 0; i < count; ++i)
      out[i] = static_cast<T>(spec.low + (spec.high - spec.low) * static_cast<double>(rng() >> 11) * 0x1p-53);
  }
}

template <class F>
void with_type(DType type, F&& f) {
  switch (type) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::i8: return f(int8_t{});
    case DType::u8:
    case DType::boolean: return f(uint8_t{});
    case DType::i16: return f(int16_t{});
    case DType::u16: return f(uint16_t{});
    case DType::i32: return f(int32_t{});
    case DType::u32: return f(uint32_t{});
    case DType::i64: return f(int64_t{});
    case DType::u64: return f(uint64_t{});
    default: return;
  }
}

// Random elements in the type that the op has (f16 and bf16 as such), each a value that the storage holds exactly.
void fill(std::vector<std::byte>& bytes, const Spec& spec, std::mt19937_64& rng) {
  const int64_t count = arg_of(spec).count();
  bytes.resize(static_cast<size_t>(count) * size_of(spec.type));
  if (spec.distinct) {   // whole numbers, each once along the last dim
    const int64_t n = spec.dims.empty() ? 1 : std::max<int64_t>(1, spec.dims.back());
    std::vector<int64_t> order(static_cast<size_t>(n));
    with_type(spec.type, [&](auto zero) {
      auto* out = reinterpret_cast<decltype(zero)*>(bytes.data());
      for (int64_t i = 0; i < count; ++i) {
        if (i % n == 0) {
          for (int64_t k = 0; k < n; ++k) order[static_cast<size_t>(k)] = k;
          std::shuffle(order.begin(), order.end(), rng);
        }
        out[i] = static_cast<decltype(zero)>(order[static_cast<size_t>(i % n)]);
      }
    });
    return;
  }
  if (spec.type == DType::f16 || spec.type == DType::bf16) {
    std::vector<float> wide(static_cast<size_t>(count));
    fill_numbers<float>(wide.data(), count, spec, rng);
    auto* out = reinterpret_cast<uint16_t*>(bytes.data());
    for (int64_t i = 0; i < count; ++i)
      out[i] = spec.type == DType::f16 ? float_to_half(wide[static_cast<size_t>(i)]) : float_to_bfloat(wide[static_cast<size_t>(i)]);
    return;
  }
  with_type(spec.type, [&](auto zero) { fill_numbers<decltype(zero)>(bytes.data(), count, spec, rng); });
  if (spec.type != DType::f32) return;
  auto* x = reinterpret_cast<float*>(bytes.data());
  for (int64_t i = 0; i < count; ++i) {
    if (spec.masks && rng() % 3 == 0) x[i] = -std::numeric_limits<float>::infinity();
    if (spec.in_memory() == DType::f16) x[i] = half_to_float(float_to_half(x[i]));
    if (spec.in_memory() == DType::bf16) x[i] = bfloat_to_float(float_to_bfloat(x[i]));
  }
}

// Where element `flat` (row-major) of the tensor lies in its format.
int64_t position(const Arg& arg, int64_t flat) {
  if (arg.format != kChannelsLast) return flat;
  int64_t spatial = 1;
  for (int d = 2; d < arg.rank; ++d) spatial *= arg.dims[d];
  const int64_t c = arg.dims[1], s = flat % spatial, rest = flat / spatial;
  return (rest / c * spatial + s) * c + rest % c;
}

// From the op's type, linear, to storage and format; and back.
std::vector<std::byte> to_memory(const std::vector<std::byte>& plain, const Spec& spec) {
  const Arg arg = arg_of(spec);
  const size_t size = size_of(spec.in_memory()), from = size_of(spec.type);
  std::vector<std::byte> out(static_cast<size_t>(arg.count()) * size);
  for (int64_t i = 0; i < arg.count(); ++i) {
    std::byte* to = out.data() + static_cast<size_t>(position(arg, i)) * size;
    if (spec.in_memory() == spec.type) {
      std::memcpy(to, plain.data() + static_cast<size_t>(i) * from, size);
    } else {
      const float x = reinterpret_cast<const float*>(plain.data())[i];
      const uint16_t bits = spec.in_memory() == DType::f16 ? float_to_half(x) : float_to_bfloat(x);
      std::memcpy(to, &bits, 2);
    }
  }
  return out;
}

double number_at(const std::byte* data, DType type, int64_t i) {
  double out = 0;
  if (type == DType::f16) return half_to_float(reinterpret_cast<const uint16_t*>(data)[i]);
  if (type == DType::bf16) return bfloat_to_float(reinterpret_cast<const uint16_t*>(data)[i]);
  with_type(type, [&](auto zero) { out = static_cast<double>(reinterpret_cast<const decltype(zero)*>(data)[i]); });
  return out;
}

// ---- Running

struct Memory {
  Block block;
  std::byte* data = nullptr;
  uint64_t bytes = 0;
};

class Gpu {
 public:
  static Gpu* get() {
    static Gpu gpu;
    return gpu.why_.empty() ? &gpu : nullptr;
  }
  static const std::string& why() {
    static const std::string none;
    get();
    return instance_ ? instance_->why_ : none;
  }

  const Device& device() const { return *device_; }
  DeviceSession& session() { return *session_; }
  Stream& stream() { return *stream_; }
  const Kernel* kernel(std::string_view id) const { return table_->find(id); }

  // Memory with guard bytes on both sides.
  Result<Memory> allocate(uint64_t bytes, unsigned char content) {
    Memory out;
    out.bytes = bytes;
    TN_ASSIGN(out.block, device_->allocate(default_allocator(), bytes + 2 * kGuard, "a test's tensor"));
    out.data = out.block.data() + kGuard;
    std::vector<std::byte> all(bytes + 2 * kGuard, static_cast<std::byte>(kGuardByte));
    std::fill_n(all.begin() + kGuard, bytes, static_cast<std::byte>(content));
    TN_TRY(device_->copy(out.block.data(), all.data(), all.size(), Direction::to_device));
    return out;
  }
  // The contents; fails when the guards were written.
  Result<std::vector<std::byte>> read(const Memory& memory, const char* what) {
    std::vector<std::byte> all(memory.bytes + 2 * kGuard);
    TN_TRY(device_->copy(all.data(), memory.block.data(), all.size(), Direction::to_host));
    for (uint64_t i = 0; i < kGuard; ++i)
      if (all[i] != static_cast<std::byte>(kGuardByte) || all[all.size() - 1 - i] != static_cast<std::byte>(kGuardByte))
        return fail(Code::internal, "memory {} {} was written", all[i] != static_cast<std::byte>(kGuardByte) ? "before" : "behind", what);
    return std::vector<std::byte>(all.begin() + kGuard, all.end() - kGuard);
  }

 private:
  Gpu() {
    instance_ = this;
    auto set_up = [&]() -> Status {
      TN_ASSIGN(device_, find_device("cuda"));
      TN_ASSIGN(table_, kernel_table_for(*device_));
      SessionOptions how;
      how.compile = true;
      if (const char* cache = std::getenv("TENON_CACHE")) how.cache_folder = std::string(cache) + "/gpu_kernels";
      TN_ASSIGN(session_, device_->create_session(how));
      TN_ASSIGN(stream_, device_->create_stream(1));
      return {};
    };
    if (auto status = set_up(); !status) why_ = status.error().text();
  }
  static inline Gpu* instance_ = nullptr;
  std::string why_;
  const Device* device_ = nullptr;
  const KernelTable* table_ = nullptr;
  std::unique_ptr<DeviceSession> session_;
  std::unique_ptr<Stream> stream_;
};

class Launches : public Work {
 public:
  Launches(const Kernel& kernel, LaunchCall call) : kernel_(kernel), call_(call) {}
  Status execute(const Lane& lane) override {
    LaunchCall call = call_;
    call.queue = lane.queue;
    call.team = lane.team;
    return kernel_.launch(call);
  }

 private:
  const Kernel& kernel_;
  LaunchCall call_;
};

// The case's outputs on the host, in the ops' types, linear.
Result<std::vector<std::vector<std::byte>>> run_reference(const Case& c, const std::vector<std::vector<std::byte>>& inputs) {
  const Kernel* kernel = host_kernel_table().find(c.reference);
  if (!kernel) return fail(Code::not_found, "no kernel {}", c.reference);
  const auto& params = c.reference_params.empty() ? c.params : c.reference_params;
  std::vector<uint64_t> block(kernel->params_size / 8 + 2);
  if (kernel->params_size) std::memcpy(block.data(), params.data(), kernel->params_size);
  std::vector<Arg> in, out;
  for (const Spec& spec : c.inputs) in.push_back(arg_of(spec, false));
  for (const Spec& spec : c.outputs) out.push_back(arg_of(spec, false));
  const auto bytes = std::as_bytes(std::span(block)).first(kernel->params_size);
  Prepared prepared;
  TN_TRY(kernel->prepare({bytes, in, out, 1}, prepared));
  TN_ASSIGN(auto team, Team::create(1));
  std::vector<std::vector<std::byte>> results;
  for (size_t i = 0; i < in.size(); ++i) in[i].data = const_cast<std::byte*>(inputs[i].data());
  for (Arg& arg : out) results.emplace_back(static_cast<size_t>(arg.count()) * size_of(arg.dtype) + 1);
  for (size_t i = 0; i < out.size(); ++i) out[i].data = results[i].data();
  std::vector<std::byte> scratch(static_cast<size_t>(prepared.scratch_bytes) + 64);
  void* aligned = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
  TN_TRY(kernel->launch({bytes, in, out, aligned, prepared.state.get(), team.get()}));
  return results;
}

// ‖out − ref‖ / ‖ref‖ within what the storage allows; integers equal; NaN and infinities in the same places.
std::string compare(const std::vector<std::byte>& got, const std::vector<std::byte>& want, const Spec& spec, double scale, DType coarsest) {
  const Arg arg = arg_of(spec);
  double difference = 0, norm = 0;
  const bool is_real = is_float(spec.type);
  for (int64_t i = 0; i < arg.count(); ++i) {
    const double a = number_at(got.data(), spec.in_memory(), position(arg, i)), b = number_at(want.data(), spec.type, i);
    if (!is_real) {
      if (std::memcmp(got.data() + static_cast<size_t>(position(arg, i)) * size_of(spec.type), want.data() + static_cast<size_t>(i) * size_of(spec.type),
                      size_of(spec.type)) != 0)
        return fmt::format("element {} is {}, expected {}", i, a, b);
      continue;
    }
    const bool overflows = spec.in_memory() == DType::f16 && std::fabs(b) >= 65519;
    if (std::isnan(a) != std::isnan(b) || (std::isinf(a) != std::isinf(b) && !overflows)) return fmt::format("element {} is {}, expected {}", i, a, b);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    // Below its least normal number f16 holds multiples of 2^-24 only: what is expected is one of them.
    const bool is_subnormal = spec.in_memory() == DType::f16 && std::fabs(b) < std::ldexp(1.0, -14);
    const double want = is_subnormal ? half_to_float(float_to_half(static_cast<float>(b))) : b;
    difference += (a - want) * (a - want);
    norm += want * want;
  }
  auto bound_of = [](DType type) {
    return type == DType::f16 ? 2e-3 : type == DType::bf16 ? 1.6e-2 : type == DType::f64 ? 1e-9 : 1e-5;
  };
  const double bound = scale * std::max(bound_of(spec.in_memory()), bound_of(coarsest));
  const double error = std::sqrt(difference), size = std::sqrt(norm);
  if (error <= bound * size || error <= 1e-30) return {};
  return fmt::format("error {:.3e} of {:.3e}: {:.2e}, at most {:.1e} is allowed", error, size, error / size, bound);
}

Status run_case(const Case& c, uint64_t seed) {
  Gpu& gpu = *Gpu::get();
  const Kernel* kernel = gpu.kernel(c.kernel);
  if (!kernel) return fail(Code::not_found, "the module has no kernel {}", c.kernel);
  std::mt19937_64 rng(seed);
  std::vector<std::vector<std::byte>> plain(c.inputs.size());
  std::vector<Memory> inputs(c.inputs.size()), outputs(c.outputs.size());
  CaseCall call = call_of(c, &gpu.session());
  if (kernel->params_size != c.params.size()) return fail(Code::internal, "{} takes {} bytes of parameters", c.kernel, kernel->params_size);
  Prepared prepared;
  TN_TRY(kernel->prepare(call.call, prepared));
  // An engine prepares each of its steps, and two of them may be alike.
  Prepared again;
  if (Status second = kernel->prepare(call.call, again); !second)
    return fail(Code::internal, "it was prepared once, but not a second time: {}", second.error().text());
  prepared = std::move(again);
  double bytes = 0;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!call.inputs[i].present()) continue;
    fill(plain[i], c.inputs[i], rng);
    const std::vector<std::byte> memory = to_memory(plain[i], c.inputs[i]);
    TN_ASSIGN(inputs[i], gpu.allocate(memory.size(), kPoison));
    if (!memory.empty()) TN_TRY(gpu.device().copy(inputs[i].data, memory.data(), memory.size(), Direction::to_device));
    call.inputs[i].data = inputs[i].data;
    bytes += static_cast<double>(memory.size());
  }
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!call.outputs[i].present()) continue;
    TN_ASSIGN(outputs[i], gpu.allocate(static_cast<uint64_t>(storage_bytes(call.outputs[i])), kPoison));
    call.outputs[i].data = outputs[i].data;
    bytes += static_cast<double>(outputs[i].bytes);
  }
  TN_ASSIGN(Memory scratch, gpu.allocate(static_cast<uint64_t>(prepared.scratch_bytes), kPoison));
  Launches work(*kernel, {call.call.params, call.inputs, call.outputs, scratch.data, prepared.state.get(), nullptr});
  TN_TRY(gpu.stream().run(work));
  if (options.bench) {
    TN_ASSIGN(std::vector<double> times, gpu.stream().measure(work, 50));
    std::sort(times.begin(), times.end());
    const double t = times[times.size() / 2];
    std::string types;
    for (const Arg& arg : call.inputs) types += (types.empty() ? "" : " ") + (arg.present() ? describe(arg) : "-");
    std::printf("%10.2f us %8.0f GB/s  ", t, bytes / t * 1e-3);
    if (c.operations > 0) std::printf("%7.1f TFLOP/s  ", c.operations / t * 1e-6);
    std::printf("%-24s %s  %s\n", c.kernel.c_str(), c.name.c_str(), types.c_str());
    std::fflush(stdout);
    return {};
  }
  TN_ASSIGN(auto want, run_reference(c, plain));
  TN_TRY(gpu.read(scratch, "scratch"));
  for (size_t i = 0; i < c.inputs.size(); ++i)
    if (call.inputs[i].present()) TN_TRY(gpu.read(inputs[i], "an input"));
  DType coarsest = DType::f64;
  for (std::span<const Arg> args : {std::span<const Arg>(call.inputs), std::span<const Arg>(call.outputs)})
    for (const Arg& arg : args) {
      if (arg.dtype == DType::bf16) coarsest = DType::bf16;
      else if (arg.dtype == DType::f16 && coarsest != DType::bf16) coarsest = DType::f16;
      else if (arg.dtype == DType::f32 && coarsest == DType::f64) coarsest = DType::f32;
    }
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!call.outputs[i].present()) continue;
    TN_ASSIGN(auto got, gpu.read(outputs[i], "an output"));
    const std::string wrong = compare(got, want[i], c.outputs[i], c.scale, coarsest);
    if (!wrong.empty()) return fail(Code::internal, "output {}: {}", i, wrong);
  }
  return {};
}

bool wanted(const Case& c) {
  if (options.only.empty()) return true;
  return std::any_of(options.only.begin(), options.only.end(), [&](const std::string& text) {
    return c.name.find(text) != std::string::npos || c.kernel.find(text) != std::string::npos;
  });
}

std::string call_text(const Case& c) {
  std::string out = c.kernel + ", " + c.name + ":";
  for (const Spec& s : c.inputs) out += " " + (s.type == DType::none ? "-" : describe(arg_of(s)));
  out += " ->";
  for (const Spec& s : c.outputs) out += " " + describe(arg_of(s));
  return out;
}

TEST(Kernels, EqualTheirReferences) {
  if (!Gpu::get()) GTEST_SKIP() << "no GPU: " << Gpu::why();
  int passed = 0, failed = 0, refused = 0, taken = 0;
  uint64_t number = 0;
  for (const Case& c : kernel_cases()) {
    ++number;
    if (!wanted(c) || c.large != options.bench) continue;
    const int at = taken++;
    if (at % options.every != 0 || at / options.every % options.parts != options.part) continue;
    for (int seed = 0; seed < options.seeds; ++seed) {
      auto status = run_case(c, number * 1000 + static_cast<uint64_t>(seed));
      if (status) {
        ++passed;
        continue;
      }
      if (c.optional && status.error().code == Code::unsupported) {
        ++refused;
        if (options.refusals) std::printf("refused: %s\n  %s\n", call_text(c).c_str(), status.error().text().c_str());
        break;
      }
      ++failed;
      if (failed <= 200) ADD_FAILURE() << call_text(c) << "\n  " << status.error().text();
      // After a fault nothing works any more.
      if (status.error().code == Code::device) {
        ADD_FAILURE() << "the device failed; the cases that follow were not run";
        std::printf("%d passed, %d failed, the rest not run\n", passed, failed);
        return;
      }
    }
  }
  std::printf("%d passed, %d failed, %d refused by a library or a kernel that may\n", passed, failed, refused);
}

}  // namespace
}  // namespace tenon::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--bench") tenon::test::options.bench = true;
    else if (arg == "--refusals") tenon::test::options.refusals = true;
    else if (arg.starts_with("--every=")) tenon::test::options.every = std::max(1, std::atoi(arg.c_str() + 8));
    else if (arg.starts_with("--part=")) {
      if (std::sscanf(arg.c_str() + 7, "%d/%d", &tenon::test::options.part, &tenon::test::options.parts) != 2 || tenon::test::options.parts < 1 ||
          tenon::test::options.part < 0 || tenon::test::options.part >= tenon::test::options.parts) {
        std::fprintf(stderr, "--part takes I/N with 0 <= I < N, not %s\n", arg.c_str() + 7);
        return 2;
      }
    } else if (arg.starts_with("--seeds=")) tenon::test::options.seeds = std::max(1, std::atoi(arg.c_str() + 8));
    else tenon::test::options.only.push_back(arg);
  }
  return RUN_ALL_TESTS();
}
