// cuBLASLt's functions, found in the library when it is first asked for.
#pragma once

#include <cublasLt.h>

#include "base/status.h"

namespace tenon::cuda {

struct CublasLt {
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) desc_init = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) layout_init = nullptr;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) preference_init = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtGetStatusString) status_string = nullptr;
};

// The same every time. Thread rule: any thread.
Result<const CublasLt*> cublaslt_functions();
// "cublasLtMatmul: the requested functionality is not supported".
Status check(const CublasLt& lt, cublasStatus_t status, const char* what);

}  // namespace tenon::cuda
