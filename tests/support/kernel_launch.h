// How every test launches a kernel: in poisoned scratch between guards, and counted, so that none is left out.
#pragma once

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "common/kernel.h"

namespace tenon::test {

// Ids of the kernels that this program's tests have launched, with success, for an output that is not empty.
inline std::set<std::string, std::less<>>& launched_kernels() {
  static std::set<std::string, std::less<>> ids;
  return ids;
}

// Launches what was prepared, in scratch of exactly the size asked for, which holds NaN (as f32) before. Fails where the kernel does
// or where it wrote outside its scratch.
inline Status launch_guarded(const Kernel& kernel, std::span<const std::byte> params, std::span<const Arg> inputs,
                             std::span<const Arg> outputs, const Prepared& prepared, Team& team) {
  constexpr std::byte kGuard{0xee}, kPoison{0xff};
  const auto size = static_cast<size_t>(prepared.scratch_bytes);
  std::vector<std::byte> memory(size + 192, kGuard);
  auto* scratch = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(memory.data()) + 127) & ~uintptr_t{63});
  std::memset(scratch, static_cast<int>(kPoison), size);
  TN_TRY(kernel.launch({params, inputs, outputs, scratch, prepared.state.get(), &team}));
  for (std::byte* p = memory.data(); p < memory.data() + memory.size(); ++p)
    if ((p < scratch || p >= scratch + size) && *p != kGuard) return fail(Code::internal, "{} wrote outside its scratch", kernel.id);
  if (!outputs.empty() && outputs[0].count() > 0) launched_kernels().insert(kernel.id);
  return {};
}

}  // namespace tenon::test
