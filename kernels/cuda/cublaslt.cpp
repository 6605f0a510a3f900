#include "cuda/cublaslt.h"

#include "cuda/library.h"

namespace tenon::cuda {
namespace {

constexpr char kLibrary[] = "libcublasLt.so.13";

Status load(CublasLt& out) {
  TN_ASSIGN(const Library* library, Library::open(kLibrary));
  TN_TRY(library->find("cublasLtMatmul", out.matmul));
  TN_TRY(library->find("cublasLtMatmulAlgoGetHeuristic", out.heuristic));
  TN_TRY(library->find("cublasLtMatmulDescInit_internal", out.desc_init));
  TN_TRY(library->find("cublasLtMatmulDescSetAttribute", out.desc_set));
  TN_TRY(library->find("cublasLtMatrixLayoutInit_internal", out.layout_init));
  TN_TRY(library->find("cublasLtMatrixLayoutSetAttribute", out.layout_set));
  TN_TRY(library->find("cublasLtMatmulPreferenceInit_internal", out.preference_init));
  TN_TRY(library->find("cublasLtMatmulPreferenceSetAttribute", out.preference_set));
  return library->find("cublasLtGetStatusString", out.status_string);
}

}  // namespace

Result<const CublasLt*> cublaslt_functions() {
  static CublasLt functions;
  static const Status loaded = load(functions);
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return &functions;
}

Status check(const CublasLt& lt, cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return {};
  const Code code = status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ? Code::unsupported : Code::device;
  return fail(code, "{}: {}", what, lt.status_string(status));
}

}  // namespace tenon::cuda
