#include "cuda/generate/space.h"

#include <algorithm>

namespace tenon::cuda {

Extent operator*(const Extent& a, const Extent& b) {
  Extent out;
  // A forged shape may overflow where another dim is 0; nothing is addressed then.
  out.literal = static_cast<int64_t>(static_cast<uint64_t>(a.literal) * static_cast<uint64_t>(b.literal));
  out.value = static_cast<int64_t>(static_cast<uint64_t>(a.value) * static_cast<uint64_t>(b.value));
  std::merge(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(), std::back_inserter(out.factors));
  return out;
}

std::span<const Variant> variants(const PrepareCall& call) {
  static constexpr Variant kExact[] = {Variant::exact}, kBoth[] = {Variant::fast, Variant::general};
  auto fixed = [](const Arg& arg) {
    for (int d = 0; d < arg.rank; ++d)
      if (!(arg.fixed_dims >> d & 1)) return false;
    return true;
  };
  if (std::all_of(call.inputs.begin(), call.inputs.end(), fixed) &&
      std::all_of(call.outputs.begin(), call.outputs.end(), fixed))
    return kExact;
  return kBoth;
}

Extent Space::number(int64_t value, bool fixed) {
  return fixed || variant_ == Variant::exact ? Extent::of(value) : Extent::unknown(ids_++, value);
}

int Space::add_loop(Extent size, int group) {
  loops_.push_back({std::move(size), group, false});
  return static_cast<int>(loops_.size()) - 1;
}

int Space::add_operand(Steps steps) {
  operands_.push_back(std::move(steps));
  return static_cast<int>(operands_.size()) - 1;
}

void Space::divide_loop(int loop, int64_t outer, int64_t inner) {
  const Loop divided = loops_[static_cast<size_t>(loop)];
  loops_[static_cast<size_t>(loop)].size = Extent::of(outer);
  loops_.insert(loops_.begin() + loop + 1, {Extent::of(inner), divided.group, false});
}

void Space::reorder(std::span<const int> order) {
  std::vector<Loop> loops;
  for (int i : order) loops.push_back(loops_[static_cast<size_t>(i)]);
  loops_ = std::move(loops);
  for (Steps& steps : operands_) {
    std::vector<Extent> at;
    for (int i : order) at.push_back(steps.at[static_cast<size_t>(i)]);
    steps.at = std::move(at);
  }
}

void Space::simplify() {
  for (size_t i = loops_.size(); i-- > 0;) {
    if (!loops_[i].size.is(1) || loops_[i].keep) continue;
    loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(i));
    for (Steps& steps : operands_) steps.at.erase(steps.at.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (size_t i = loops_.size(); i-- > 1;) {
    const Loop &outer = loops_[i - 1], &inner = loops_[i];
    if (outer.group != inner.group) continue;
    const bool merges = std::all_of(operands_.begin(), operands_.end(), [&](const Steps& steps) {
      return (steps.at[i - 1].is(0) && steps.at[i].is(0)) || steps.at[i - 1] == steps.at[i] * inner.size;
    });
    if (!merges) continue;
    loops_[i - 1].size = outer.size * inner.size;
    loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(i));
    for (Steps& steps : operands_) steps.at.erase(steps.at.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
}

Extent Space::count(int group) const {
  Extent out;
  for (const Loop& loop : loops_)
    if (loop.group == group) out = out * loop.size;
  return out;
}

Extent Space::count() const {
  Extent out;
  for (const Loop& loop : loops_) out = out * loop.size;
  return out;
}

int64_t Space::indexed() const {
  Extent out;
  for (const Loop& loop : loops_)
    if (loop.group != kInnerGroup) out = out * loop.size;
  return out.value;
}

bool Space::wide() const {
  if (variant_ != Variant::exact) return variant_ == Variant::general;
  return !(indexed() < (int64_t{1} << 31) && reach_ < (int64_t{1} << 31));
}

bool Space::fits() const {
  if (variant_ != Variant::fast) return true;
  return holds_ && indexed() < (int64_t{1} << 31) && reach_ < (int64_t{1} << 31);
}

void Space::add_dims(const Arg& dims) {
  for (int d = 0; d < dims.rank; ++d) add_loop(number(dims.dims[d], dims.fixed_dims >> d & 1));
}

std::vector<int> memory_order(const Arg& arg) {
  std::vector<int> order;
  for (int d = 0; d < arg.rank; ++d)
    if (d != 1 || arg.format.layout != Layout::channels_last) order.push_back(d);
  if (arg.format.layout == Layout::channels_last && arg.rank > 1) order.push_back(1);
  return order;
}

// In memory, a dim of an operand that may change is that of the loop, or a number of its own.
Extent Space::dim_of(const Arg& arg, int d, int loop, bool same) {
  const int64_t value = arg.dims[d];
  if (variant_ == Variant::exact || arg.fixed_dims >> d & 1) return Extent::of(value);
  if (!same || variant_ == Variant::general) return number(value, false);
  const Extent size = loop < 0 ? Extent::of(1) : loops_[static_cast<size_t>(loop)].size;
  assume(value == size.value);
  return size;
}

Steps Space::broadcast(const Arg& operand) {
  int loop_of[kMaxRank] = {};
  for (int d = 0; d < operand.rank; ++d) loop_of[d] = static_cast<int>(loops_.size()) - operand.rank + d;
  return dense(operand, {loop_of, static_cast<size_t>(operand.rank)}, true);
}

Steps Space::dense(const Arg& arg, std::span<const int> loop_of, bool same) {
  Steps out;
  out.at.assign(loops_.size(), Extent::of(0));
  const std::vector<int> order = memory_order(arg);
  Extent step = Extent::of(1);
  for (size_t i = order.size(); i-- > 0;) {
    const int d = order[i], loop = loop_of[static_cast<size_t>(d)];
    const Extent dim = dim_of(arg, d, loop, same);
    if (loop >= 0) {
      Extent& at = out.at[static_cast<size_t>(loop)];
      // Of a dim that changes, only the general variant knows at each shape whether it repeats.
      if (!dim.is_literal() && variant_ == Variant::general) at = number(arg.dims[d] == 1 ? 0 : step.value, false);
      else if (!dim.is(1)) at = step;
    }
    step = step * dim;
  }
  reach(storage_count(arg));
  return out;
}

std::vector<Extent> Space::own_steps(const Arg& arg) {
  std::vector<Extent> out(static_cast<size_t>(arg.rank));
  const std::vector<int> order = memory_order(arg);
  Extent step = Extent::of(1);
  for (size_t i = order.size(); i-- > 0;) {
    out[static_cast<size_t>(order[i])] = step;
    step = step * dim_of(arg, order[i], -1, false);
  }
  reach(storage_count(arg));
  return out;
}

}  // namespace tenon::cuda
