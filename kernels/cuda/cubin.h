// Compiled code is an ELF file that the driver reads without being told how long it is.
#pragma once

#include <cstddef>
#include <span>

#include "base/status.h"

namespace tenon::cuda {

// Refuses bytes that are no ELF file of GPU code, or whose parts lie outside them: code may come from a damaged or
// forged plan. What the code does on the GPU is not judged.
Status check_cubin(std::span<const std::byte> bytes);

}  // namespace tenon::cuda
