// Runs one kernel on tensors that own their memory: poisoned outputs, guard bytes round every buffer.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "common/kernel.h"
#include "support/kernel_launch.h"

namespace tenon::test {

inline const Kernel* kernel(std::string_view id) {
  for (const Kernel* k : host_kernels())
    if (k->id == id) return k;
  ADD_FAILURE() << "no kernel " << id;
  return nullptr;
}

class Tensor {
 public:
  Tensor(DType dtype, std::vector<int64_t> dims, Format format = kLinear) {
    arg.dtype = dtype;
    arg.format = format;
    arg.rank = static_cast<int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), arg.dims);
    bytes_ = static_cast<size_t>(storage_bytes(arg));
    memory_.assign(bytes_ + 2 * kGuard, static_cast<std::byte>(0xa5));
  }

  template <class T>
  static Tensor of(DType dtype, std::vector<int64_t> dims, const std::vector<T>& values, Format format = kLinear) {
    Tensor out(dtype, std::move(dims), format);
    EXPECT_EQ(values.size() * sizeof(T), out.bytes_);
    if (out.bytes_) std::memcpy(out.data(), values.data(), out.bytes_);
    return out;
  }

  // Any bytes: for kernels that move elements without looking at them.
  static Tensor random(DType dtype, std::vector<int64_t> dims, std::mt19937& rng, Format format = kLinear) {
    Tensor out(dtype, std::move(dims), format);
    for (size_t i = 0; i < out.bytes_; ++i) out.data()[i] = static_cast<std::byte>(rng());
    return out;
  }

  std::byte* data() { return memory_.data() + kGuard; }
  const std::byte* data() const { return memory_.data() + kGuard; }
  template <class T>
  T* as() { return reinterpret_cast<T*>(data()); }
  template <class T>
  const T* as() const { return reinterpret_cast<const T*>(data()); }
  template <class T>
  std::vector<T> values() const { return {as<T>(), as<T>() + bytes_ / sizeof(T)}; }
  std::vector<std::byte> bytes() const { return {data(), data() + bytes_}; }
  std::vector<int64_t> dims() const { return {arg.dims, arg.dims + arg.rank}; }
  void poison() { std::fill_n(data(), bytes_, static_cast<std::byte>(0xcd)); }
  bool guards_hold() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (memory_[i] != static_cast<std::byte>(0xa5) || memory_[memory_.size() - 1 - i] != static_cast<std::byte>(0xa5))
        return false;
    return true;
  }

  Arg arg;

 private:
  static constexpr size_t kGuard = 64;
  size_t bytes_ = 0;
  std::vector<std::byte> memory_;
};

// Prepares and launches; the status is that of whichever failed.
inline Status run(const Kernel& kernel, const void* params, std::vector<Tensor*> inputs, std::vector<Tensor*> outputs,
                  int threads = 2) {
  std::vector<uint64_t> block((kernel.params_size + 7) / 8);
  if (kernel.params_size) std::memcpy(block.data(), params, kernel.params_size);
  std::vector<Arg> in, out;
  for (Tensor* t : inputs) in.push_back(t ? t->arg : Arg{});
  for (Tensor* t : outputs) out.push_back(t->arg), t->poison();
  auto bytes = std::as_bytes(std::span(block)).first(kernel.params_size);
  Prepared prepared;
  TN_TRY(kernel.prepare({bytes, in, out, threads}, prepared));
  TN_ASSIGN(auto team, Team::create(threads));
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]) in[i].data = inputs[i]->data();
  for (size_t i = 0; i < outputs.size(); ++i) out[i].data = outputs[i]->data();
  TN_TRY(launch_guarded(kernel, bytes, in, out, prepared, *team));
  for (Tensor* t : inputs) EXPECT_TRUE(!t || t->guards_hold()) << kernel.id;
  for (Tensor* t : outputs) EXPECT_TRUE(t->guards_hold()) << kernel.id;
  return {};
}

// The same by id, expected to succeed.
template <class P>
void run_ok(std::string_view id, const P& params, std::vector<Tensor*> inputs, std::vector<Tensor*> outputs,
            int threads = 2) {
  const Kernel* k = kernel(id);
  ASSERT_NE(k, nullptr);
  ASSERT_EQ(k->params_size, sizeof(P)) << id;
  auto status = run(*k, &params, std::move(inputs), std::move(outputs), threads);
  EXPECT_TRUE(status) << id << ": " << (status ? "" : status.error().text());
}

inline void run_ok(std::string_view id, std::vector<Tensor*> inputs, std::vector<Tensor*> outputs, int threads = 2) {
  const Kernel* k = kernel(id);
  ASSERT_NE(k, nullptr);
  auto status = run(*k, nullptr, std::move(inputs), std::move(outputs), threads);
  EXPECT_TRUE(status) << id << ": " << (status ? "" : status.error().text());
}

// The failure's text; empty if it succeeded.
template <class P>
std::string refusal(std::string_view id, const P& params, std::vector<Tensor*> inputs, std::vector<Tensor*> outputs) {
  auto status = run(*kernel(id), &params, std::move(inputs), std::move(outputs));
  return status ? "" : status.error().text();
}

inline std::string refusal(std::string_view id, std::vector<Tensor*> inputs, std::vector<Tensor*> outputs) {
  auto status = run(*kernel(id), nullptr, std::move(inputs), std::move(outputs));
  return status ? "" : status.error().text();
}

inline std::vector<int64_t> random_dims(std::mt19937& rng, size_t rank, int64_t max) {
  std::vector<int64_t> dims(rank);
  for (int64_t& d : dims) d = 1 + static_cast<int64_t>(rng() % static_cast<uint64_t>(max));
  return dims;
}

// The multi-dimensional index of a row-major position.
inline std::vector<int64_t> unravel(int64_t flat, const std::vector<int64_t>& dims) {
  std::vector<int64_t> index(dims.size());
  for (size_t d = dims.size(); d-- > 0;) {
    index[d] = flat % dims[d];
    flat /= dims[d];
  }
  return index;
}

inline int64_t ravel(const std::vector<int64_t>& index, const std::vector<int64_t>& dims) {
  int64_t flat = 0;
  for (size_t d = 0; d < dims.size(); ++d) flat = flat * dims[d] + index[d];
  return flat;
}

inline int64_t count_of(const std::vector<int64_t>& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

}  // namespace tenon::test
