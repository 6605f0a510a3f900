// One product in cuBLASLt: its descriptors and algorithm at one shape.
#pragma once

#include <memory>
#include <vector>

#include "cuda/cublaslt.h"
#include "cuda/gemm_epilogue.h"
#include "cuda/gemm_params.h"
#include "cuda/gemm_problem.h"
#include "cuda/session.h"

namespace tenon::cuda {

struct LtRequest {
  const MatmulGeometry* geometry = nullptr;   // reduced
  DType in = DType::f32, out = DType::f32;    // as stored
  CudaMath math = CudaMath::exact;
  GemmEpilogue epilogue;
  int64_t algorithm = 0;
};

class LtProduct {
 public:
  // Of the same request the same algorithm, on one device and version of the library.
  static Result<LtProduct> create(Session& session, const LtRequest& request);
  int64_t scratch_bytes() const;

  // `bias` and `residual` may be null when the epilogue has none.
  struct Addresses {
    const void *a, *b, *bias, *residual;
    void *out, *scratch;
  };
  Status launch(const Addresses& at, void* queue) const;

 private:
  struct Layout {
    cublasLtMatrixLayoutOpaque_t raw = {};
    bool transposed = false;
  };
  // Bytes from the operands' first elements to those of one launch's.
  struct Part {
    int64_t first = 0, second = 0, residual = 0, out = 0;
  };

  Status describe(const LtRequest& request);
  Result<Layout> matrix(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, DType type,
                        bool as_it_is) const;
  Status batched(Layout& layout, int64_t stride) const;
  Status split_batch(const LtRequest& request);
  Result<cublasLtMatmulDescOpaque_t> desc(const void* bias) const;
  Result<cublasLtMatmulAlgo_t> find(uint32_t alignment, int64_t index);

  const CublasLt* lt_ = nullptr;
  cublasLtContext* handle_ = nullptr;
  GemmEpilogue epilogue_;
  DType in_ = DType::f32, out_ = DType::f32;
  cublasComputeType_t compute_ = CUBLAS_COMPUTE_32F;
  // D, column-major, is first · second: b and a where the result's rows are contiguous.
  bool swapped_ = true;
  Layout first_, second_, residual_, result_;
  int64_t batch_ = 1;
  std::vector<Part> parts_;
  cublasLtMatmulAlgo_t algorithm_ = {}, unaligned_ = {};
  bool has_unaligned_ = false;
  size_t scratch_ = 0;
};

}  // namespace tenon::cuda
