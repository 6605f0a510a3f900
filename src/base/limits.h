// What every reader of untrusted bytes enforces. An error names the limit that was met.
#pragma once

#include <cstdint>

namespace tenon {

inline constexpr int kMaxRank = 8;
inline constexpr int kMaxThreads = 1024;   // of one team

struct Limits {
  int64_t model_bytes = int64_t{64} << 30;       // an ONNX file without its external data
  int64_t tensor_elements = int64_t{1} << 40;    // one tensor
  int64_t tensor_bytes = int64_t{64} << 30;      // one tensor
  int64_t nodes = 1 << 20;                       // nodes of a model, sub-graphs included
  int64_t model_records = 1 << 24;               // messages of a model: nodes, attributes, tensors, types
  int64_t nesting = 32;                          // sub-graphs within sub-graphs
  int64_t name_bytes = 1 << 16;                  // one name
  int64_t plan_bytes = int64_t{64} << 30;        // a plan
  int64_t arena_bytes = int64_t{256} << 30;      // of one context: arena, or scratch of one step
  int64_t fold_bytes = int64_t{16} << 30;        // constants computed during a build
};

}  // namespace tenon
