// Runs engines of small_plan, whatever has been done to the plan's bytes.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "base/text.h"
#include "plan/verify.h"
#include "runtime/engine.h"

namespace tenon::test {

inline void fill_texts(std::span<std::byte> memory) {
  static constexpr std::string_view kTexts[] = {"", "a", "Ä b|c", "12.5", "true"};
  for (size_t i = 0; i + sizeof(Text) <= memory.size(); i += sizeof(Text)) {
    const Text text = Text::of(kTexts[i / sizeof(Text) % std::size(kTexts)]);
    std::memcpy(memory.data() + i, &text, sizeof text);
  }
}

inline void fill(std::vector<std::byte>& memory, DType dtype) {
  if (dtype == DType::string) return fill_texts(memory);
  size_t width = size_of(dtype);
  for (size_t i = 0; i + width <= memory.size(); i += width) {
    float f = static_cast<float>((i * 7919) % 41) / 8 - 2;
    int64_t integer =
        static_cast<int64_t>(i / width * 5 % 7) - (dtype == DType::i64 || dtype == DType::i32 ? 1 : 0);
    if (dtype == DType::boolean) integer &= 1;
    if (dtype == DType::f32)
      std::memcpy(memory.data() + i, &f, width);
    else
      std::memcpy(memory.data() + i, &integer, width);
  }
}

// Whether some loop may iterate so often that a run, which is right, takes too long: its number is large, or made from others.
inline bool may_run_long(const plan::Plan& plan, const plan::Profile& profile, const plan::Region& region) {
  constexpr int64_t kMost = 64;
  for (const plan::Step& step : region.steps) {
    for (const plan::Region& body : step.bodies)
      if (may_run_long(plan, profile, body)) return true;
    if (step.control.kind != plan::ControlKind::loop) continue;
    const plan::DimExpr& e = plan.dims[step.control.selector];
    const int64_t most = e.op == plan::DimOp::constant ? e.value
                         : e.op == plan::DimOp::symbol ? profile.symbols[static_cast<size_t>(e.value)].max
                                                       : kMost + 1;
    if (most > kMost) return true;
  }
  return false;
}
inline bool may_run_long(const plan::Plan& plan) {
  return std::any_of(plan.profiles.begin(), plan.profiles.end(),
                     [&](const plan::Profile& profile) { return may_run_long(plan, profile, profile.region); });
}

// Runs every profile of an engine at its opt shapes on memory of exactly the sizes that it asks for, filled
// from a fixed sequence; gives all outputs' bytes, or nothing when the engine refuses.
inline std::vector<std::byte> run_anything(Engine& engine, int64_t most_bytes = 1 << 20) {
  std::vector<std::byte> out;
  for (int profile = 0; profile < engine.profile_count(); ++profile) {
    auto context = engine.create_context(profile);
    if (!context) return {};
    std::vector<std::vector<std::byte>> memory;
    std::vector<std::pair<size_t, DType>> outputs;
    for (const IoTensor& tensor : engine.io()) {
      if (tensor.mode != IoMode::input) continue;
      auto ranges = engine.profile_shape(profile, tensor.name);
      if (!ranges) return {};
      std::vector<int64_t> dims;
      for (const plan::Range& r : *ranges) dims.push_back(r.opt);
      if (!(*context)->set_input_shape(tensor.name, dims)) return {};
    }
    for (const IoTensor& tensor : engine.io()) {
      auto dims = (*context)->shape(tensor.name);
      if (!dims) return {};
      int64_t bytes = plan::storage_bytes(tensor.dtype, kLinear, *dims).value_or(-1);
      if (bytes < 0 || bytes > most_bytes) return {};
      if (tensor.mode == IoMode::output) outputs.emplace_back(memory.size(), tensor.dtype);
      memory.emplace_back(static_cast<size_t>(bytes));
      fill(memory.back(), tensor.dtype);
      if (!(*context)->set_buffer(tensor.name, memory.back().data(), memory.back().size())) return {};
    }
    if (!(*context)->run()) return {};
    for (auto [i, dtype] : outputs) {
      if (dtype != DType::string) {
        out.insert(out.end(), memory[i].begin(), memory[i].end());
        continue;
      }
      for (size_t at = 0; at + sizeof(Text) <= memory[i].size(); at += sizeof(Text)) {
        Text text;
        std::memcpy(&text, memory[i].data() + at, sizeof text);
        const auto* bytes = reinterpret_cast<const std::byte*>(text.data);
        out.insert(out.end(), bytes, bytes + text.size);
        out.push_back(std::byte{0});
      }
    }
    out.push_back(std::byte{1});  // an engine that has run gives something
  }
  return out;
}

}  // namespace tenon::test
