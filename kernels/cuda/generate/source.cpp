#include "cuda/generate/source.h"

#include <bit>
#include <cstring>

namespace tenon::cuda {
namespace {

constexpr char kPrelude[] =
#include "cuda/generate/prelude.cuh"
    ;

}  // namespace

Status launch_all(const LaunchCall& call) {
  const auto& state = *static_cast<const LaunchState*>(call.state);
  for (const Launch& one : state.launches) {
    if (one.shape.grid[0] == 0 || one.shape.grid[1] == 0 || one.shape.grid[2] == 0) continue;
    uint64_t block[kMaxPointers + kMaxNumbers];
    size_t at = 0;
    for (const Slot& slot : one.slots) {
      void* base = slot.kind == Slot::scratch  ? call.scratch
                   : slot.kind == Slot::output ? call.outputs[slot.index].data
                                               : call.inputs[slot.index].data;
      block[at++] = reinterpret_cast<uint64_t>(base) + static_cast<uint64_t>(slot.offset);
    }
    if (!one.numbers.empty()) std::memcpy(block + at, one.numbers.data(), one.numbers.size() * 8);
    void* args[] = {block};
    TN_TRY(launch(one.function, one.shape, args, call.queue));
  }
  return {};
}

std::string Source::pointer(Slot slot) {
  slots_.push_back(slot);
  return fmt::format("a.p[{}]", slots_.size() - 1);
}

std::string Source::number(const Extent& extent) {
  if (extent.is_literal()) {
    if (extent.literal < 0) return fmt::format("(I)({}ll)", extent.literal);
    return fmt::format("{}{}", extent.literal, wide_ ? "ull" : "u");
  }
  for (const auto& [known, text] : known_)
    if (known == extent) return text;
  known_.emplace_back(extent, argument(extent.value));
  return known_.back().second;
}

std::string Source::argument(int64_t value) {
  numbers_.push_back(value);
  return fmt::format("v{}", numbers_.size() - 1);
}

std::string Source::quotient(const std::string& n, const Extent& d) {
  if (d.is_literal() || wide_) return fmt::format("({}) / {}", n, number(d));
  std::string factors;
  for (const auto& [known, text] : divisors_)
    if (known == d) factors = text;
  if (factors.empty()) {
    const auto divisor = static_cast<uint32_t>(d.value < 1 ? 1 : d.value);
    const auto shift = static_cast<uint32_t>(std::bit_width(divisor - 1));
    const uint64_t multiplier = ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1;
    const std::string m = argument(static_cast<int64_t>(multiplier));
    factors = m + ", " + argument(shift);
    divisors_.emplace_back(d, factors);
  }
  return fmt::format("divide({}, {})", n, factors);
}

std::string Source::divide(const std::string& n, const Extent& d, const std::string& quotient_name,
                         const std::string& rest) {
  return fmt::format("const I {} = {}, {} = ({}) - {} * {};\n", quotient_name, quotient(n, d), rest, n, quotient_name,
                     number(d));
}

std::string Source::source() const {
  std::string out = "// " + entry_ + "\n" + kPrelude;
  out += fmt::format("typedef {} I;\n", wide_ ? "u64" : "u32");
  out += fmt::format("struct Args {{ void* p[{}]; i64 v[{}]; }};\n", std::max<size_t>(1, slots_.size()),
                     std::max<size_t>(1, numbers_.size()));
  out += head_;
  out += "extern \"C\" __global__ void ";
  if (threads_ && blocks_) out += fmt::format("__launch_bounds__({}, {}) ", threads_, blocks_);
  else if (threads_) out += fmt::format("__launch_bounds__({}) ", threads_);
  if (cluster_) out += fmt::format("__cluster_dims__({}, 1, 1) ", cluster_);
  out += fmt::format("{}(const __grid_constant__ Args a) {{\n", entry_);
  for (size_t i = 0; i < numbers_.size(); ++i) out += fmt::format("const I v{0} = (I)a.v[{0}];\n", i);
  return out + body_ + "}\n";
}

Status Source::finish(Session& session, const LaunchShape& shape, LaunchState& state) {
  if (slots_.empty()) slots_.push_back({Slot::output, 0, 0});
  if (numbers_.empty()) numbers_.push_back(0);
  if (slots_.size() > kMaxPointers || numbers_.size() > kMaxNumbers)
    return fail(Code::limit_exceeded, "{} takes {} tensors and {} numbers, at most {} and {} are possible", entry_, slots_.size(),
                numbers_.size(), kMaxPointers, kMaxNumbers);
  Launch out;
  TN_ASSIGN(out.function, session.function(source(), entry_.c_str()));
  out.shape = shape;
  out.slots = slots_;
  out.numbers = numbers_;
  state.launches.push_back(std::move(out));
  return {};
}

std::string split_index(Source& code, const Space& space, const std::string& flat, int first, int last,
                        const std::string& prefix) {
  if (first == last) return "";
  std::string out, rest = flat;
  for (int i = last - 1; i > first; --i) {
    const std::string next = fmt::format("{}r{}", prefix, i);
    out += code.divide(rest, space.loops()[static_cast<size_t>(i)].size, next, fmt::format("{}{}", prefix, i));
    rest = next;
  }
  return out + fmt::format("const I {}{} = {};\n", prefix, first, rest);
}

std::string offset_text(Source& code, const Steps& steps, int first, int last, const std::string& prefix) {
  std::string out;
  for (int i = first; i < last; ++i) {
    const Extent& step = steps.at[static_cast<size_t>(i)];
    if (step.is(0)) continue;
    out += out.empty() ? "" : " + ";
    out += step.is(1) ? fmt::format("{}{}", prefix, i) : fmt::format("{}{} * {}", prefix, i, code.number(step));
  }
  return out.empty() ? "0" : out;
}

Status grid_of(int64_t blocks, unsigned& out) {
  if (blocks < 0 || blocks > 0x7fffffff)
    return fail(Code::limit_exceeded, "a launch of {} blocks is more than a GPU takes: at most 2147483647", blocks);
  out = static_cast<unsigned>(blocks);
  return {};
}

}  // namespace tenon::cuda
