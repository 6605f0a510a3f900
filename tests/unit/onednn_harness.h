// Runs kernels of the oneDNN module beside the reference kernels: guarded memory, formats, random data.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/checked.h"
#include "device/kernel_table.h"
#include "device/module.h"

namespace tenon::testing {

// The module, from the top of the build (the tests' programs lie one folder below); null and a reason if it is not there.
inline const Module* onednn_module(std::string& reason) {
  static const Result<const Module*> module = [] {
    char path[4096];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    std::string folder(path, size > 0 ? static_cast<size_t>(size) : 0);
    folder = folder.substr(0, folder.rfind('/')) + "/..";
    setenv("TENON_MODULE_DIR", folder.c_str(), 0);
    return load_module("onednn");
  }();
  if (!module) reason = module.error().text();
  return module ? *module : nullptr;
}

#define TN_NEED_ONEDNN()                                                                           \
  std::string reason_;                                                                             \
  if (!onednn_module(reason_)) GTEST_SKIP() << "the oneDNN module is not there: " << reason_

// Memory that ends right before a page that faults, and begins right after one as far as its size allows.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : bytes_(bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_ = (bytes + page - 1) / page * page + 2 * page;
    base_ = static_cast<std::byte*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + page, size_ - 2 * page, PROT_READ | PROT_WRITE);
    data_ = base_ + size_ - page - bytes;
    std::fill(base_ + page, base_ + size_ - page, std::byte{0xff});  // NaN
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  void freeze() {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    mprotect(base_ + page, size_ - 2 * page, PROT_READ);
  }
  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_, size_;
  std::byte *base_, *data_;
};

// Offset of a logical element (row-major number) in the format's memory.
inline int64_t place_of(const Arg& arg, int64_t index) {
  if (arg.format == kLinear || arg.rank < 3) return index;
  int64_t spatial = 1;
  for (int i = 2; i < arg.rank; ++i) spatial *= arg.dims[i];
  const int64_t c = arg.dims[1], s = index % spatial, channel = index / spatial % c, n = index / spatial / c;
  if (arg.format == kChannelsLast) return (n * spatial + s) * c + channel;
  const int64_t b = arg.format.block;
  return ((n * ceil_div(c, b) + channel / b) * spatial + s) * b + channel % b;
}

struct Tensor {
  Arg arg;
  std::shared_ptr<Guarded> memory;

  static Tensor make(DType dtype, std::vector<int64_t> dims, Format format = kLinear) {
    Tensor t;
    t.arg.dtype = dtype;
    t.arg.format = format;
    t.arg.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), t.arg.dims);
    t.memory = std::make_shared<Guarded>(static_cast<size_t>(storage_bytes(t.arg)));
    t.arg.data = t.memory->data();
    return t;
  }
  static Tensor absent() { return {}; }
  // The same values in another format, padding lanes zero.
  Tensor to(Format format) const {
    Tensor out = make(arg.dtype, {arg.dims, arg.dims + arg.rank}, format);
    std::fill_n(out.arg.as<float>(), storage_count(out.arg), 0.0f);
    for (int64_t i = 0; i < arg.count(); ++i) out.arg.as<float>()[place_of(out.arg, i)] = arg.as<float>()[place_of(arg, i)];
    return out;
  }
  // Whether the lanes that hold no element are zero.
  bool padding_is_zero() const {
    std::vector<bool> used(static_cast<size_t>(storage_count(arg)));
    for (int64_t i = 0; i < arg.count(); ++i) used[static_cast<size_t>(place_of(arg, i))] = true;
    for (size_t i = 0; i < used.size(); ++i)
      if (!used[i] && arg.as<float>()[i] != 0) return false;
    return true;
  }
};

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  template <class T>
  T one_of(std::initializer_list<T> list) { return list.begin()[integer(0, static_cast<int64_t>(list.size()) - 1)]; }
  Tensor tensor(std::vector<int64_t> dims) {
    Tensor t = Tensor::make(DType::f32, std::move(dims));
    std::uniform_real_distribution<float> value(-1, 1);
    for (int64_t i = 0; i < t.arg.count(); ++i) t.arg.as<float>()[i] = value(engine_);
    return t;
  }

 private:
  std::mt19937 engine_;
};

inline const Kernel& kernel(std::string_view id) {
  std::string reason;
  const Kernel* found = host_kernel_table().find(id);
  if (const Module* module = onednn_module(reason))
    for (const Kernel* k : module->kernels)
      if (id == k->id) found = k;
  if (!found) ADD_FAILURE() << "no kernel " << id;
  return *found;
}

// Prepares and launches; outputs keep what they held (poison) where the kernel writes nothing.
inline Status run(std::string_view id, std::span<const std::byte> params, std::vector<Tensor> inputs,
                  std::vector<Tensor> outputs, int threads = 1) {
  const Kernel& k = kernel(id);
  EXPECT_EQ(k.params_size, params.size());
  std::vector<Arg> in, out;
  for (const Tensor& t : inputs) in.push_back(t.arg);
  for (const Tensor& t : outputs) out.push_back(t.arg);
  auto plan_in = in, plan_out = out;
  for (Arg& a : plan_in) a.data = nullptr;
  for (Arg& a : plan_out) a.data = nullptr;
  Prepared prepared;
  TN_TRY(k.prepare({params, plan_in, plan_out, threads}, prepared));
  Guarded scratch(static_cast<size_t>(round_up(prepared.scratch_bytes, 64)));
  TN_ASSIGN(std::unique_ptr<Team> team, Team::create(threads));
  return k.launch({params, in, out, scratch.data(), prepared.state.get(), team.get()});
}

template <class P>
Status run(std::string_view id, const P& params, std::vector<Tensor> inputs, std::vector<Tensor> outputs, int threads = 1) {
  return run(id, std::as_bytes(std::span(&params, 1)), std::move(inputs), std::move(outputs), threads);
}

inline std::string text(const Status& status) { return status ? "ok" : status.error().text(); }

// Largest difference over the largest magnitude (at least 1).
inline double difference(const Tensor& a, const Tensor& b) {
  double most = 0, scale = 1;
  for (int64_t i = 0; i < a.arg.count(); ++i) {
    const double x = a.arg.as<float>()[place_of(a.arg, i)], y = b.arg.as<float>()[place_of(b.arg, i)];
    if (!(std::abs(x - y) <= most)) most = std::abs(x - y);
    if (std::isnan(most)) return most;
    scale = std::max(scale, std::abs(y));
  }
  return most / scale;
}

inline Program program(std::string_view text, int inputs) {
  std::vector<DType> types(static_cast<size_t>(inputs), DType::f32);
  Result<Program> parsed = parse_program(text, types);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text());
  return parsed ? *parsed : Program{};
}

}  // namespace tenon::testing
