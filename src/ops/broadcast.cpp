#include "ops/broadcast.h"

#include <algorithm>

namespace tenon {

Result<Shape> broadcast_shapes(std::span<const TensorType> operands) {
  size_t rank = 0;
  for (const TensorType& type : operands) rank = std::max(rank, type.rank());
  Shape out(rank, Dim(1));
  for (const TensorType& type : operands) {
    for (size_t i = 0; i < type.rank(); ++i) {
      Dim& dim = out[rank - type.rank() + i];
      std::optional<Dim> both = broadcast(dim, type.shape[i]);
      if (!both) {
        std::string all;
        for (const TensorType& each : operands) all += (all.empty() ? "" : ", ") + print(each);
        return fail(Code::invalid_model, "shapes do not broadcast together: {} (dims {} and {})", all, dim.text(),
                    type.shape[i].text());
      }
      dim = *both;
    }
  }
  return out;
}

}  // namespace tenon
