// Compiled code by key: shared by all sessions of the process, and kept in a folder between builds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace tenon::cuda {

using SharedImage = std::shared_ptr<const std::vector<std::byte>>;

// The code of `source`: from this process's memory, else from `folder` ("" for none) if a whole file is there, else
// compiled and put into both. A source that several threads ask for is compiled once.
Result<SharedImage> compiled(const std::string& source, const std::string& architecture, const std::string& folder);

}  // namespace tenon::cuda
