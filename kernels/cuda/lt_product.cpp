#include "cuda/lt_product.h"

#include <algorithm>

#include "base/checked.h"

namespace tenon::cuda {
namespace {

constexpr uint64_t kMaxScratch = 32 << 20;
constexpr int64_t kScratchAlignment = 256;
constexpr int64_t kMaxParts = 16;        // launches for batch dims that are no one dim
constexpr int64_t kMaxAlgorithms = 16;
constexpr int64_t kMaxExtent = 0x7fffffff;
constexpr uint32_t kAlignment = 16;      // of the widest loads

cudaDataType_t type_of(DType type) {
  return type == DType::f16 ? CUDA_R_16F : type == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

bool aligned(const void* p, uint32_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace

int64_t LtProduct::scratch_bytes() const { return scratch_ ? static_cast<int64_t>(scratch_) + kScratchAlignment : 0; }

Result<LtProduct> LtProduct::create(Session& session, const LtRequest& request) {
  LtProduct out;
  TN_ASSIGN(out.handle_, session.cublaslt());
  TN_ASSIGN(out.lt_, cublaslt_functions());
  TN_TRY(out.describe(request));
  bool whole = true;
  const auto size = static_cast<int64_t>(kAlignment);
  for (const Part& part : out.parts_)
    whole = whole && part.first % size == 0 && part.second % size == 0 && part.residual % size == 0 && part.out % size == 0;
  const auto element = static_cast<uint32_t>(std::min(size_of(request.in), size_of(request.out)));
  TN_ASSIGN(out.algorithm_, out.find(whole ? kAlignment : element, request.algorithm));
  if (whole) {
    auto other = out.find(element, 0);
    out.has_unaligned_ = other.has_value();
    if (other) out.unaligned_ = *other;
  } else {
    out.unaligned_ = out.algorithm_;
    out.has_unaligned_ = true;
  }
  return out;
}

Status LtProduct::describe(const LtRequest& request) {
  const MatmulGeometry& g = *request.geometry;
  epilogue_ = request.epilogue;
  in_ = request.in;
  out_ = request.out;
  if (in_ == DType::f32 && request.math == CudaMath::tf32) compute_ = CUBLAS_COMPUTE_32F_FAST_TF32;
  if (std::max({g.m, g.n, g.k}) > kMaxExtent)
    return fail(Code::limit_exceeded, "products in cuBLASLt have dims up to {}, this one is {} x {} x {}", kMaxExtent, g.m, g.n, g.k);
  swapped_ = g.out.col == 1 || g.n == 1;
  if (!swapped_ && g.out.row != 1 && g.m != 1)
    return fail(Code::unsupported, "the output's innermost dim in memory must be M or N");
  if (!swapped_ && epilogue_.bias >= 0)
    return fail(Code::unsupported, "cuBLASLt adds a bias only along the output's innermost dim");
  const auto& r = epilogue_.residual >= 0 ? g.extra[epilogue_.residual] : g.out;
  if (swapped_) {
    TN_ASSIGN(first_, matrix(g.n, g.k, g.b.col, g.b.row, in_, false));
    TN_ASSIGN(second_, matrix(g.k, g.m, g.a.col, g.a.row, in_, false));
    TN_ASSIGN(residual_, matrix(g.n, g.m, r.col, r.row, out_, true));
    TN_ASSIGN(result_, matrix(g.n, g.m, g.out.col, g.out.row, out_, true));
  } else {
    TN_ASSIGN(first_, matrix(g.m, g.k, g.a.row, g.a.col, in_, false));
    TN_ASSIGN(second_, matrix(g.k, g.n, g.b.row, g.b.col, in_, false));
    TN_ASSIGN(residual_, matrix(g.m, g.n, r.row, r.col, out_, true));
    TN_ASSIGN(result_, matrix(g.m, g.n, g.out.row, g.out.col, out_, true));
  }
  if (residual_.transposed || result_.transposed)
    return fail(Code::unsupported, "the residual must lie in memory as the output does");
  return split_batch(request);
}

// The operand as it lies in memory: column-major, to be transposed where its rows are contiguous.
Result<LtProduct::Layout> LtProduct::matrix(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step,
                                            DType type, bool as_it_is) const {
  Layout out;
  // Steps of dims of 1 are never taken.
  const bool by_columns = (row_step == 1 || rows == 1) && (columns == 1 || column_step >= rows);
  const bool by_rows = (column_step == 1 || columns == 1) && (rows == 1 || row_step >= columns);
  if (!by_columns && !by_rows)
    return fail(Code::unsupported, "a matrix of {} x {} with steps of {} and {}: one must be 1 and the other no less than a row",
                rows, columns, row_step, column_step);
  // A single row is both; as a column it can be read in wider pieces.
  out.transposed = !by_columns || (!as_it_is && by_rows && rows == 1 && columns > 1);
  const int64_t r = out.transposed ? columns : rows, c = out.transposed ? rows : columns;
  const int64_t step = out.transposed ? row_step : column_step;
  const int64_t leading = c == 1 ? r : step;
  TN_TRY(check(*lt_, lt_->layout_init(const_cast<cublasLtMatrixLayoutOpaque_t*>(&out.raw), sizeof out.raw, type_of(type),
                                      static_cast<uint64_t>(r), static_cast<uint64_t>(c), leading),
               "cublasLtMatrixLayoutInit"));
  return out;
}

Status LtProduct::batched(Layout& layout, int64_t stride) const {
  const auto count = static_cast<int32_t>(batch_);
  TN_TRY(check(*lt_, lt_->layout_set(&layout.raw, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
               "cublasLtMatrixLayoutSetAttribute(batch count)"));
  return check(*lt_, lt_->layout_set(&layout.raw, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
               "cublasLtMatrixLayoutSetAttribute(batch stride)");
}

// cuBLASLt knows one batch dim: the largest. The others are launches.
Status LtProduct::split_batch(const LtRequest& request) {
  const MatmulGeometry& g = *request.geometry;
  int at = 0;
  for (int i = 1; i < g.batch_rank; ++i)
    if (g.batch[i] > g.batch[at]) at = i;
  const MatmulGeometry::Steps& r = epilogue_.residual >= 0 ? g.extra[epilogue_.residual] : g.out;
  if (g.batch_rank > 0) {
    batch_ = g.batch[at];
    if (batch_ > kMaxExtent) return fail(Code::limit_exceeded, "a batch of {} products is more than cuBLASLt takes", batch_);
    const MatmulGeometry::Steps &first = swapped_ ? g.b : g.a, &second = swapped_ ? g.a : g.b;
    TN_TRY(batched(first_, first.batch[at]));
    TN_TRY(batched(second_, second.batch[at]));
    TN_TRY(batched(residual_, r.batch[at]));
    TN_TRY(batched(result_, g.out.batch[at]));
  }
  int64_t count = 1;
  for (int i = 0; i < g.batch_rank; ++i)
    if (i != at && (count *= g.batch[i]) > kMaxParts)
      return fail(Code::unsupported,
                  "batch dims that do not lie as one dim would need more than {} products: cuBLASLt has one batch stride",
                  kMaxParts);
  const auto in = static_cast<int64_t>(size_of(in_)), out = static_cast<int64_t>(size_of(out_));
  for (int64_t item = 0; item < count; ++item) {
    Part part;
    int64_t rest = item;
    for (int i = g.batch_rank - 1; i >= 0; --i) {
      if (i == at) continue;
      const int64_t index = rest % g.batch[i];
      rest /= g.batch[i];
      part.first += index * (swapped_ ? g.b : g.a).batch[i] * in;
      part.second += index * (swapped_ ? g.a : g.b).batch[i] * in;
      part.residual += index * r.batch[i] * out;
      part.out += index * g.out.batch[i] * out;
    }
    parts_.push_back(part);
  }
  return {};
}

Result<cublasLtMatmulDescOpaque_t> LtProduct::desc(const void* bias) const {
  cublasLtMatmulDescOpaque_t out = {};
  TN_TRY(check(*lt_, lt_->desc_init(&out, sizeof out, compute_, CUDA_R_32F), "cublasLtMatmulDescInit"));
  auto set = [&](cublasLtMatmulDescAttributes_t name, const auto& value) {
    return check(*lt_, lt_->desc_set(&out, name, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  };
  const auto operation = [](const Layout& layout) -> int32_t { return layout.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  TN_TRY(set(CUBLASLT_MATMUL_DESC_TRANSA, operation(first_)));
  TN_TRY(set(CUBLASLT_MATMUL_DESC_TRANSB, operation(second_)));
  using Activation = GemmEpilogue::Activation;
  const bool has_bias = epilogue_.bias >= 0;
  const auto kind = static_cast<uint32_t>(
      epilogue_.activation == Activation::relu        ? (has_bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU)
      : epilogue_.activation == Activation::gelu_tanh ? (has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU)
                                                      : (has_bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT));
  TN_TRY(set(CUBLASLT_MATMUL_DESC_EPILOGUE, kind));
  if (has_bias) {
    TN_TRY(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias));
    TN_TRY(set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(type_of(out_))));
  }
  return out;
}

// The algorithm `index` of the heuristic's list for operands aligned to `alignment` bytes.
Result<cublasLtMatmulAlgo_t> LtProduct::find(uint32_t alignment, int64_t index) {
  cublasLtMatmulPreferenceOpaque_t preference = {};
  TN_TRY(check(*lt_, lt_->preference_init(&preference, sizeof preference), "cublasLtMatmulPreferenceInit"));
  auto prefer = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    return check(*lt_, lt_->preference_set(&preference, name, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
  };
  TN_TRY(prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxScratch));
  for (auto name : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    TN_TRY(prefer(name, alignment));
  TN_ASSIGN(cublasLtMatmulDescOpaque_t product, desc(reinterpret_cast<const void*>(uintptr_t{4096} + alignment % kAlignment)));
  cublasLtMatmulHeuristicResult_t found[kMaxAlgorithms] = {};
  int count = 0;
  TN_TRY(check(*lt_, lt_->heuristic(handle_, &product, &first_.raw, &second_.raw, &residual_.raw, &result_.raw, &preference,
                                    kMaxAlgorithms, found, &count),
               "cublasLtMatmulAlgoGetHeuristic"));
  for (int i = 0; i < count; ++i) {
    if (found[i].state != CUBLAS_STATUS_SUCCESS || index-- > 0) continue;
    scratch_ = std::max(scratch_, found[i].workspaceSize);
    return found[i].algo;
  }
  return fail(Code::unsupported, "cuBLASLt lists {} algorithms for this product, fewer than asked for", count);
}

Status LtProduct::launch(const Addresses& at, void* queue) const {
  const auto* first = static_cast<const std::byte*>(swapped_ ? at.b : at.a);
  const auto* second = static_cast<const std::byte*>(swapped_ ? at.a : at.b);
  auto* out = static_cast<std::byte*>(at.out);
  const auto* residual = epilogue_.residual >= 0 ? static_cast<const std::byte*>(at.residual) : out;
  bool whole = true;
  for (const void* p : {static_cast<const void*>(first), static_cast<const void*>(second), static_cast<const void*>(out),
                        static_cast<const void*>(residual), at.bias})
    whole = whole && aligned(p, kAlignment);
  if (!whole && !has_unaligned_)
    return fail(Code::unsupported, "cuBLASLt has no algorithm for tensors that are not aligned to {} bytes", kAlignment);
  TN_ASSIGN(cublasLtMatmulDescOpaque_t product, desc(at.bias));
  const float alpha = epilogue_.alpha, beta = epilogue_.residual >= 0 ? 1.0f : 0.0f;
  void* scratch = reinterpret_cast<void*>(round_up(reinterpret_cast<int64_t>(at.scratch), kScratchAlignment));
  const cublasLtMatmulAlgo_t& algorithm = whole ? algorithm_ : unaligned_;
  auto raw = [](const Layout& layout) { return const_cast<cublasLtMatrixLayoutOpaque_t*>(&layout.raw); };
  for (const Part& part : parts_)
    TN_TRY(check(*lt_, lt_->matmul(handle_, &product, &alpha, first + part.first, raw(first_), second + part.second, raw(second_),
                                   &beta, residual + part.residual, raw(residual_), out + part.out, raw(result_), &algorithm,
                                   scratch, scratch_, static_cast<cudaStream_t>(queue)),
                 "cublasLtMatmul"));
  return {};
}

}  // namespace tenon::cuda
