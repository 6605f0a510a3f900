// Whole files, for blobs.
#pragma once

#include <string>

#include "ir/types.h"

namespace tenon::capi {

// `path` is UTF-8, as the system takes it.
Result<Bytes> read_file(const std::string& path);
// Under a new name beside `path`, which then takes its place: whoever opens `path` finds the old file or the
// new.
Status write_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace tenon::capi
