#include "cuda/cublaslt.h"

#include <dlfcn.h>

namespace tenon::cuda {
namespace {

constexpr char kLibrary[] = "libcublasLt.so.13";

template <class F>
Status find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function) return {};
  return fail(Code::not_found, "{} has no function {}", kLibrary, name);
}

Status load(CublasLt& out) {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(Code::not_found, "cuBLASLt cannot be loaded: {}", dlerror());
  TN_TRY(find(library, "cublasLtMatmul", out.matmul));
  TN_TRY(find(library, "cublasLtMatmulAlgoGetHeuristic", out.heuristic));
  TN_TRY(find(library, "cublasLtMatmulDescInit_internal", out.desc_init));
  TN_TRY(find(library, "cublasLtMatmulDescSetAttribute", out.desc_set));
  TN_TRY(find(library, "cublasLtMatrixLayoutInit_internal", out.layout_init));
  TN_TRY(find(library, "cublasLtMatrixLayoutSetAttribute", out.layout_set));
  TN_TRY(find(library, "cublasLtMatmulPreferenceInit_internal", out.preference_init));
  TN_TRY(find(library, "cublasLtMatmulPreferenceSetAttribute", out.preference_set));
  return find(library, "cublasLtGetStatusString", out.status_string);
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
