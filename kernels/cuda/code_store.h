// Compiled code by key: shared by all sessions of the process, and kept in a folder between builds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace tenon::cuda {

using SharedImage = std::shared_ptr<const std::vector<std::byte>>;

// The code of `source`: from this process's memory, else from `folder` ("" for none) if a whole file of the same compiler
// is there, else compiled and put into both. A source that several threads ask for is compiled once.
Result<SharedImage> compiled(const std::string& source, const std::string& architecture, const std::string& folder);
// The same of many sources, `threads` at a time. The first failure in their order; the others are compiled.
Status compile_all(std::span<const std::string> sources, const std::string& architecture, const std::string& folder,
                   int threads);
// Drops what this process's memory holds.
void forget_compiled();

}  // namespace tenon::cuda
