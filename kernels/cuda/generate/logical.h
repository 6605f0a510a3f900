// A call as the checks of the reference kernels take it: every tensor linear, and tensors stored as f16 or bf16 under
// the type that the op has for them.
#pragma once

#include <vector>

#include "base/program.h"
#include "common/kernel.h"

namespace tenon::cuda {

class Logical {
 public:
  // Refuses tensors in formats that generated kernels do not read: blocked ones, those of the host.
  static Result<Logical> of(const PrepareCall& call);

  std::vector<Arg> inputs, outputs;
  // Gives the tensor the type if it may be stored as it is.
  static void as(Arg& arg, DType type);
  // Float tensors of up to 32 bits become f32.
  static void as_f32(Arg& arg);
  // Types by the programs of an op: `own` inputs belong to the prologue, those from `first_extra` on to the epilogue.
  void by_programs(const Program* prologue, size_t own, const Program& epilogue, size_t first_extra);
  PrepareCall call() const;

 private:
  explicit Logical(const PrepareCall& call);
  PrepareCall original_;
};

// f32, f16 or bf16.
bool is_small_float(DType type);

}  // namespace tenon::cuda
