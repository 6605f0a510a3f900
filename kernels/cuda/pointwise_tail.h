// A pointwise kernel behind a library's, in place: for epilogues that the library cannot apply itself.
#pragma once

#include <memory>
#include <vector>

#include "base/program.h"
#include "common/kernel.h"

namespace tenon::cuda {

class PointwiseTail {
 public:
  // `program` (f32) takes the output as its input 0, then `extras`, which broadcast to it; `out` is how the output is
  // stored. `sources`: which inputs of the call the extras are.
  static Result<std::unique_ptr<PointwiseTail>> create(const PrepareCall& call, const Program& program,
                                                       std::vector<Arg> extras, std::vector<size_t> sources);
  Status launch(const LaunchCall& call) const;

 private:
  std::vector<std::byte> params_;
  std::vector<Arg> inputs_;
  std::vector<size_t> sources_;
  Arg out_;
  Prepared prepared_;
};

}  // namespace tenon::cuda
