// Source text becomes code for one architecture, by NVIDIA's run-time compiler.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace tenon::cuda {

// Identifies what compile_source gives: source, architecture ("sm_90a"), options and the headers of this build. The
// compiler's version is no part of it, so that a plan's code is found where no compiler is.
uint64_t code_key(const std::string& source, const std::string& architecture);

// Device code (cubin). The source may include the toolkit's cuda_fp16.h, cuda_bf16.h, cuda_fp8.h and Tenon's own device
// headers, all of which this module holds. Fails with the compiler's messages and the lines that they name. Needs no
// GPU. Thread rule: any thread; several compile side by side.
Result<std::vector<std::byte>> compile_source(const std::string& source, const std::string& architecture);

}  // namespace tenon::cuda
