// dft: discrete Fourier transforms along the dim before the last. ONNX: DFT.
#include "fourier/params.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"length", AttrKind::shape, true}, {"inverse", AttrKind::integer}, {"onesided", AttrKind::integer}};

Result<Inferred> infer(NodeView view) {
  TensorType x = view.input(0);
  const Shape length = view.attrs().shape("length");
  if (!is_float(x.dtype) || size_of(x.dtype) < 2 || x.rank() < 2 || (!x.shape.back().is(1) && !x.shape.back().is(2)))
    return fail(Code::invalid_model, "dft takes floats whose last dim is 1 (real) or 2 (complex), with 2 dims or more, not {}",
                print(x));
  if (length.size() != 1 || at_least(Dim(0) - length[0], 0))
    return fail(Code::invalid_model, "dft: the length is {}; it must be one dim of 1 or more", print(length));
  const bool inverse = view.attrs().integer("inverse") != 0, onesided = view.attrs().integer("onesided") != 0;
  x.shape[x.rank() - 2] = onesided && !inverse ? floordiv(length[0], Dim(2)) + Dim(1) : length[0];
  x.shape.back() = onesided && inverse ? Dim(1) : Dim(2);
  return one_output({x.dtype, std::move(x.shape), kLinear});
}

Result<KernelCall> reference(NodeView view) {
  DftParams params;
  params.inverse = view.attrs().integer("inverse") != 0;
  params.onesided = view.attrs().integer("onesided") != 0;
  KernelCall call = KernelCall::with("dft.reference", params);
  set_dims(call, offsetof(DftParams, length), view.attrs().shape("length"));
  return call;
}

Status expand_dft(OnnxNode& node) {
  const size_t rank = node.rank(0);
  if (rank < 2) return fail(Code::invalid_model, "DFT takes a tensor of 2 dims or more, not {}", print(node.type(0)));
  int64_t axis = node.version() < 20 ? node.attrs().integer("axis", 1) : -2;
  if (node.version() >= 20 && node.has(2)) {
    TN_ASSIGN(std::vector<int64_t> given, node.integers(2, "axis"));
    if (given.size() != 1) return fail(Code::invalid_model, "DFT: axis must be one number");
    axis = given[0];
  }
  TN_ASSIGN(axis, node.axis(axis, rank));
  const auto along = static_cast<size_t>(axis);
  if (along == rank - 1)
    return fail(Code::invalid_model, "DFT: axis {} is the one of real and imaginary parts", axis);
  const int64_t inverse = node.attrs().integer("inverse") != 0, onesided = node.attrs().integer("onesided") != 0;
  Dim length = node.type(0).shape[along];
  if (inverse && onesided) length = (length - Dim(1)) * Dim(2);
  if (node.has(1)) {
    TN_ASSIGN(std::vector<Dim> given, node.dims(1, "dft_length"));
    if (given.size() != 1) return fail(Code::invalid_model, "DFT: dft_length must be one number");
    length = given[0];
  }
  std::vector<int64_t> swap(rank);
  for (size_t i = 0; i < rank; ++i) swap[i] = static_cast<int64_t>(i);
  std::swap(swap[along], swap[rank - 2]);
  TN_ASSIGN(ValueId x, transpose(node.build(), node.input(0), swap));
  TN_ASSIGN(ValueId y, node.add(kDft, {x}, {{"length", Shape{length}}, {"inverse", inverse}, {"onesided", onesided}}));
  TN_ASSIGN(y, transpose(node.build(), y, swap));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"DFT", 17, expand_dft}};

}  // namespace

const OpDef kDft{.name = "dft", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer, .reference = reference};
const OpFile dft_ops{&kDft, kRows};

}  // namespace tenon
