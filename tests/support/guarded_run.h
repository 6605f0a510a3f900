// Runs one host kernel on tensors with guard bytes around them: for tests that hold kernels against each
// other.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/team.h"
#include "common/kernel.h"
#include "support/kernel_launch.h"

namespace tenon::guarded {

inline const Kernel* kernel(std::string_view id) {
  for (const Kernel* k : host_kernels())
    if (k->id == id) return k;
  return nullptr;
}

// A tensor in memory of its own, 64 guard bytes on both sides; filled with a pattern that is NaN as f32.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, std::vector<int64_t> dims, Format format = kLinear) {
    arg_.dtype = dtype;
    arg_.format = format;
    arg_.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), arg_.dims);
    bytes_ = static_cast<size_t>(storage_bytes(arg_));
    memory_.assign(bytes_ + 2 * kGuard, std::byte{0xff});
    arg_.data = memory_.data() + kGuard;
  }
  Tensor(const Tensor& other) { *this = other; }
  Tensor& operator=(const Tensor& other) {
    arg_ = other.arg_;
    bytes_ = other.bytes_;
    memory_ = other.memory_;
    if (arg_.present()) arg_.data = memory_.data() + kGuard;
    return *this;
  }
  const Arg& arg() const { return arg_; }
  size_t bytes() const { return bytes_; }
  template <class T>
  T* as() const {
    return arg_.as<T>();
  }
  bool guards_hold() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (memory_[i] != std::byte{0xff} || memory_[kGuard + bytes_ + i] != std::byte{0xff}) return false;
    return true;
  }
  // Small numbers of either sign (integers: 0 … 15), which products keep in range.
  Tensor& random(std::mt19937& generator) {
    std::uniform_real_distribution<float> real(-1, 1);
    const int64_t n = storage_count(arg_);
    for (int64_t i = 0; i < n; ++i) {
      const float x = real(generator);
      switch (arg_.dtype) {
        case DType::f32: as<float>()[i] = x; break;
        case DType::f64: as<double>()[i] = x; break;
        case DType::f16: as<uint16_t>()[i] = float_to_half(x); break;
        case DType::bf16: as<uint16_t>()[i] = float_to_bfloat(x); break;
        default: {
          const auto value = static_cast<uint64_t>(generator() % 16);
          std::memcpy(as<std::byte>() + static_cast<size_t>(i) * size_of(arg_.dtype), &value,
                      size_of(arg_.dtype));
        }
      }
    }
    clear_padding();
    return *this;
  }
  // Each element (f32) rounded to bf16.
  Tensor& round() {
    for (int64_t i = 0; i < storage_count(arg_); ++i) as<float>()[i] = bfloat_to_float(float_to_bfloat(as<float>()[i]));
    return *this;
  }
  // The same elements in another format (f32).
  Tensor in(Format format) const {
    Tensor out(arg_.dtype, {arg_.dims, arg_.dims + arg_.rank}, format);
    std::memset(out.arg_.data, 0, out.bytes_);
    visit([&](int64_t n, int64_t c, int64_t s) {
      out.as<float>()[out.index(n, c, s)] = as<float>()[index(n, c, s)];
    });
    return out;
  }
  // Whether the padding lanes of a blocked format hold zero.
  bool padding_is_zero() const {
    if (arg_.format.layout != Layout::blocked) return true;
    Tensor copy(*this);
    copy.clear_padding();
    return std::memcmp(copy.arg_.data, arg_.data, bytes_) == 0;
  }

 private:
  static constexpr size_t kGuard = 64;
  int64_t spatial() const {
    int64_t n = 1;
    for (int i = 2; i < arg_.rank; ++i) n *= arg_.dims[i];
    return n;
  }
  int64_t index(int64_t n, int64_t c, int64_t s) const {
    if (arg_.format.layout != Layout::blocked) return (n * arg_.dims[1] + c) * spatial() + s;
    const int64_t block = arg_.format.block, blocks = (arg_.dims[1] + block - 1) / block;
    return ((n * blocks + c / block) * spatial() + s) * block + c % block;
  }
  template <class F>
  void visit(F&& fn) const {
    for (int64_t n = 0; n < arg_.dims[0]; ++n)
      for (int64_t c = 0; c < arg_.dims[1]; ++c)
        for (int64_t s = 0; s < spatial(); ++s) fn(n, c, s);
  }
  void clear_padding() {
    if (arg_.format.layout != Layout::blocked) return;
    std::vector<float> old(as<float>(), as<float>() + storage_count(arg_));
    std::memset(arg_.data, 0, bytes_);
    visit([&](int64_t n, int64_t c, int64_t s) {
      as<float>()[index(n, c, s)] = old[static_cast<size_t>(index(n, c, s))];
    });
  }

  Arg arg_;
  size_t bytes_ = 0;
  std::vector<std::byte> memory_;
};

// Prepares and launches.
inline Status run(std::string_view id, std::span<const std::byte> params, std::vector<const Tensor*> inputs,
                  std::vector<Tensor*> outputs, int threads = 1) {
  const Kernel* k = kernel(id);
  if (!k) return fail(Code::not_found, "no kernel {}", id);
  std::vector<Arg> in, out;
  for (const Tensor* t : inputs) in.push_back(t ? t->arg() : Arg{});
  for (const Tensor* t : outputs) out.push_back(t->arg());
  std::vector<uint64_t> aligned((params.size() + 7) / 8);
  std::memcpy(aligned.data(), params.data(), params.size());
  params = {reinterpret_cast<const std::byte*>(aligned.data()), params.size()};
  std::vector<Arg> in_without = in, out_without = out;
  for (Arg& a : in_without) a.data = nullptr;
  for (Arg& a : out_without) a.data = nullptr;
  Prepared prepared;
  TN_TRY(k->prepare({params, in_without, out_without, threads}, prepared));
  TN_ASSIGN(std::unique_ptr<Team> team, Team::create(threads));
  TN_TRY(test::launch_guarded(*k, params, in, out, prepared, *team));
  for (const Tensor* t : outputs)
    if (!t->guards_hold()) return fail(Code::internal, "{} wrote outside an output", id);
  return {};
}

template <class P>
Status run(std::string_view id, const P& params, std::vector<const Tensor*> inputs,
           std::vector<Tensor*> outputs, int threads = 1) {
  return run(id, std::as_bytes(std::span(&params, 1)), std::move(inputs), std::move(outputs), threads);
}

// ||a - b|| / ||b|| of f32 tensors in one format; NaN where either has one.
inline double distance(const Tensor& a, const Tensor& b) {
  double difference = 0, size = 0;
  const int64_t n = storage_count(b.arg());
  for (int64_t i = 0; i < n; ++i) {
    const double x = a.as<float>()[i], y = b.as<float>()[i];
    difference += (x - y) * (x - y);
    size += y * y;
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.arg().data, b.arg().data, a.bytes()) == 0;
}

// Instruction sets that this machine has, for kernel ids.
inline std::vector<std::string> instruction_sets() {
  std::vector<std::string> out;
  if (cpu_features() & kAvx2) out.push_back("avx2");
  if (cpu_features() & kAvx512) out.push_back("avx512");
  return out;
}
// Those for which there are kernels of bf16 pairs.
inline std::vector<std::string> pair_instruction_sets() {
  if (cpu_features() & kAvx512Bf16) return {"avx512"};
  return {};
}

}  // namespace tenon::guarded

#define EXPECT_OK(...)                                        \
  do {                                                        \
    auto tn_expected_ = (__VA_ARGS__);                        \
    EXPECT_TRUE(tn_expected_) << tn_expected_.error().text(); \
  } while (0)
