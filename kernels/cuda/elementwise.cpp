#include "cuda/elementwise.h"

namespace tenon::cuda {

Status add_elementwise(Session& session, Source& source, const Space& space, int width, const std::string& body,
                       LaunchState& state) {
  constexpr int kThreads = 256;
  source.bounds(kThreads);
  const Extent count = space.count();
  source.body(fmt::format("const I at = ((I)blockIdx.x * {} + threadIdx.x) * {};\nif (at >= {}) return;\n", kThreads, width,
                          source.number(count)));
  source.body(split_index(source, space, "at", 0, static_cast<int>(space.loops().size()), "i"));
  source.body(body);
  LaunchShape shape;
  shape.block[0] = kThreads;
  const int64_t per_block = int64_t{kThreads} * width;
  TN_TRY(grid_of((count.value + per_block - 1) / per_block, shape.grid[0]));
  return source.finish(session, shape, state);
}

}  // namespace tenon::cuda
