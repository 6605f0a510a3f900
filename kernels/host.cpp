// The host kernels of the library: one line per family, one list per family in its kernels.inc.
#include <iterator>

#include "common/kernel.h"

namespace tenon {

#define TN_KERNEL(symbol) extern const Kernel symbol;
#include "families.inc"
#undef TN_KERNEL

std::span<const Kernel* const> host_kernels() {
#define TN_KERNEL(symbol) &symbol,
  static const Kernel* const kernels[] = {
#include "families.inc"
      nullptr,  // an array of none is no array
  };
#undef TN_KERNEL
  return std::span(kernels).first(std::size(kernels) - 1);
}

}  // namespace tenon
