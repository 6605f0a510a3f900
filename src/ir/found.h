// Sizes that a run finds: how many elements hold, how many boxes are kept.
//
// A node with the attribute `found`, a shape of symbols that no other node and no input has, gives them their values: its
// last output, an i64 vector in the host's memory, holds them when it has run. `most` says, in other dims, how large each can
// be. Its other outputs do not depend on them, so that its memory is known before; slices behind it are as large as was
// found. Where nothing bounds a size (the pieces of a string), `most` is kNoMost: what depends on it gets its memory in the run,
// once the size is there. Such a node stays, whoever uses its outputs: shapes may depend on it that no edge shows.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace tenon {

inline constexpr std::string_view kFound = "found", kMost = "most";
inline constexpr int64_t kNoMost = int64_t{1} << 41;
// Their names begin so; an input's symbols never do.
inline constexpr std::string_view kFoundPrefix = "found_";

inline bool finds_sizes(const Node& node) { return node.attrs.has(kFound); }

}  // namespace tenon
