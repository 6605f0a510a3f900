// The driver beneath the CUDA runtime: whether there is one that serves, and which GPU a thread works with.
#pragma once

#include "base/status.h"

struct CUctx_st;

namespace tenon::cuda {

// Fails saying what is missing: the driver, a newer one, a GPU. Else the number of GPUs, at least one.
Result<int> count_gpus();

// Makes a GPU the calling thread's current one and restores what was: also a context that is the caller's own, and
// without starting a GPU that nobody asked for. The first one of a GPU starts it.
class Current {
 public:
  explicit Current(int ordinal);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  // Why the GPU is not current.
  const Status& status() const { return status_; }

 private:
  bool pushed_ = false;
  Status status_;
};

}  // namespace tenon::cuda
