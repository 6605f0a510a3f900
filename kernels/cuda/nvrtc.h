// Source text becomes code for one architecture, by NVIDIA's run-time compiler.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace tenon::cuda {

// Identifies the code of a source in plans: the source with those of Tenon's own headers that it includes,
// architecture ("sm_90a") and options. The compiler is no part of it, so that a plan's code is found where none is.
uint64_t code_key(const std::string& source, const std::string& architecture);

// Opens the compiler, if it was not opened yet.
Status open_compiler();
// Identifies the compiler that is here and the toolkit's headers: code that another has made may differ.
Result<uint64_t> compiler_key();

// Device code (cubin). The source may include the toolkit's cuda_fp16.h, cuda_bf16.h, cuda_fp8.h and Tenon's own device
// headers, all of which this module holds, and no file. Fails with the compiler's messages and the lines that they name.
// Needs no GPU. Thread rule: any thread; several compile side by side.
Result<std::vector<std::byte>> compile_source(const std::string& source, const std::string& architecture);

}  // namespace tenon::cuda
