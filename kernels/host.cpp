// The host kernels of the library: one line per family, one list per family in its kernels.inc.
#include <vector>

#include "common/kernel.h"

namespace tenon {

#define TN_KERNEL(symbol) extern const Kernel symbol;
#include "families.inc"
#undef TN_KERNEL

std::span<const Kernel* const> host_kernels() {
#define TN_KERNEL(symbol) &symbol,
  static const Kernel* const kernels[] = {
#include "families.inc"
  };
#undef TN_KERNEL
  return kernels;
}

}  // namespace tenon
