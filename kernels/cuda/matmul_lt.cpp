// cuda.matmul.lt and cuda.conv.lt: products in cuBLASLt, operands read through their permutations; and convolutions of
// nhwc tensors with a kernel of 1.
#include "cuda/lt_product.h"
#include "cuda/pointwise_tail.h"

namespace tenon::cuda {
namespace {

struct State : KernelState {
  LtProduct product;
  int bias = -1, residual = -1;   // inputs of the call
  std::unique_ptr<PointwiseTail> tail;
};

struct Request {
  MatmulGeometry geometry;
  Program program;                // the epilogue, f32
  std::vector<size_t> extras;     // inputs of the call, in the order of the program's from 1 on
  std::vector<Arg> tail_extras;   // as a pointwise kernel takes them
  CudaMath math;
  int64_t algorithm, apart;
};

Status check_request(const Request& r) {
  if (r.math != CudaMath::exact && r.math != CudaMath::tf32)
    return fail(Code::invalid_plan, "math must be 0 or 1, it is {}", static_cast<int64_t>(r.math));
  if (r.algorithm < 0 || r.algorithm > 15) return fail(Code::invalid_plan, "algorithm must be from 0 to 15, it is {}", r.algorithm);
  if (r.apart != 0 && r.apart != 1) return fail(Code::invalid_plan, "apart must be 0 or 1, it is {}", r.apart);
  return {};
}

bool is_identity(const int8_t* perm, int rank) {
  for (int d = 0; d < rank; ++d)
    if (perm[d] != d) return false;
  return true;
}

// An operand of the epilogue, of dims as the product has them, beside a result that is stored permuted: elements that
// lie along one dim lie along it wherever that dim goes.
Result<Arg> permuted_extra(const Arg& extra, const int8_t* perm, int rank) {
  if (extra.rank > rank) return fail(Code::invalid_plan, "operand {} of the epilogue has more dims than the result", describe(extra));
  Arg out = extra;
  out.rank = rank;
  out.fixed_dims = 0;
  int along = 0;
  for (int d = 0; d < rank; ++d) {
    const int own = perm[d] - (rank - extra.rank);
    out.dims[d] = own < 0 ? 1 : extra.dims[own];
    if (own < 0 || (extra.fixed_dims >> own & 1)) out.fixed_dims |= 1u << d;
    along += out.dims[d] != 1;
  }
  if (along <= 1) return out;
  return fail(Code::unsupported, "a pointwise kernel behind a permuted product takes extra operands along one dim, not {}", describe(extra));
}

Status prepare(const PrepareCall& call, const Request& r, Prepared& prepared) {
  TN_TRY(check_request(r));
  if (call.outputs[0].count() == 0) return {};
  if (r.geometry.k == 0) return fail(Code::unsupported, "products in cuBLASLt need an inner dim of at least 1");
  const Arg &a = call.inputs[0], &b = call.inputs[1], &out = call.outputs[0];
  TN_TRY(check_stored_product(a, b, out));
  auto state = std::make_unique<State>();
  LtRequest request;
  request.geometry = &r.geometry;
  request.in = a.dtype;
  request.out = out.dtype;
  request.math = r.math;
  request.algorithm = r.algorithm;
  if (r.apart) {
    TN_ASSIGN(state->tail, PointwiseTail::create(call, r.program, r.tail_extras, r.extras));
  } else {
    std::vector<ExtraRole> roles;
    for (size_t e = 0; e < r.extras.size(); ++e) roles.push_back(role_of(r.geometry, r.geometry.extra[e]));
    std::string refusal;
    if (!match_gemm_epilogue(r.program, roles, request.epilogue, refusal)) return fail(Code::unsupported, "{}", refusal);
    for (auto [extra, input] : {std::pair(request.epilogue.bias, &state->bias), {request.epilogue.residual, &state->residual}}) {
      if (extra < 0) continue;
      *input = static_cast<int>(r.extras[static_cast<size_t>(extra)]);
      TN_TRY(expect_type(call.inputs[static_cast<size_t>(*input)], out.dtype, "a bias or residual, which cuBLASLt reads as it stores the result,"));
    }
  }
  TN_ASSIGN(state->product, LtProduct::create(session_of(call), request));
  prepared.scratch_bytes = state->product.scratch_bytes();
  prepared.state = std::move(state);
  return {};
}

Status launch(const LaunchCall& call) {
  if (!call.state) return {};
  const auto& state = *static_cast<const State*>(call.state);
  auto address = [&](int input) -> const void* { return input < 0 ? nullptr : call.inputs[static_cast<size_t>(input)].data; };
  TN_TRY(state.product.launch({call.inputs[0].data, call.inputs[1].data, address(state.bias), address(state.residual),
                               call.outputs[0].data, call.scratch},
                              call.queue));
  return state.tail ? state.tail->launch(call) : Status{};
}

Status prepare_matmul(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<CudaMatmulLtParams>();
  Request r;
  TN_TRY(gemm_of_matmul(call, params.matmul, r.geometry));
  r.program = widened(params.matmul.epilogue);
  r.math = params.math;
  r.algorithm = params.algorithm;
  r.apart = params.apart;
  const int rank = call.outputs[0].rank;
  for (size_t i = 2; i < call.inputs.size(); ++i) {
    r.extras.push_back(i);
    Arg extra = call.inputs[i];
    if (r.apart && !is_identity(params.matmul.perm_out, rank)) {
      TN_ASSIGN(extra, permuted_extra(extra, params.matmul.perm_out, rank));
    }
    r.tail_extras.push_back(extra);
  }
  return prepare(call, r, prepared);
}

Status prepare_conv(const PrepareCall& call, Prepared& prepared) {
  const auto& params = call.as<CudaConvLtParams>();
  Request r;
  TN_TRY(gemm_of_conv(call, params.conv, r.geometry));
  ConvTail tail;
  TN_TRY(conv_tail(call, params.conv.epilogue, tail));
  r.program = tail.program;
  r.extras = tail.inputs;
  r.tail_extras = tail_extras(call, tail);
  r.math = params.math;
  r.algorithm = params.algorithm;
  r.apart = params.apart;
  return prepare(call, r, prepared);
}

}  // namespace

extern const Kernel kCudaMatmulLt{.id = "cuda.matmul.lt", .params_size = sizeof(CudaMatmulLtParams), .cpu_features = 0,
                                  .in_place = 0, .prepare = prepare_matmul, .launch = launch, .place = Place::device,
                                  .library = "cublas"};
extern const Kernel kCudaConvLt{.id = "cuda.conv.lt", .params_size = sizeof(CudaConvLtParams), .cpu_features = 0,
                                .in_place = 0, .prepare = prepare_conv, .launch = launch, .place = Place::device,
                                .library = "cublas"};

}  // namespace tenon::cuda
