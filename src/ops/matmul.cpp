// matmul, and the ONNX operators MatMul and Gemm.
#include "ops/matmul.h"

#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

namespace tenon {
namespace {

bool is_number(DType type) {
  return is_integer(type) || type == DType::f32 || type == DType::f64 || type == DType::f16 ||
         type == DType::bf16;
}

Result<Shape> permuted(NodeView view, size_t i, std::string_view attribute) {
  const Shape& shape = view.input(i).shape;
  if (shape.size() < 2 || shape.size() > static_cast<size_t>(kMaxRank))
    return fail(Code::invalid_model, "operand {} must have 2 to {} dims, it is {}", i, kMaxRank,
                print(view.input(i)));
  TN_ASSIGN(std::vector<int64_t> perm, permutation(view.attrs(), attribute, shape.size()));
  Shape out;
  for (int64_t p : perm) out.push_back(shape[static_cast<size_t>(p)]);
  return out;
}

Result<Inferred> infer(NodeView view) {
  const TensorType &a = view.input(0), &b = view.input(1);
  if (!is_number(a.dtype) || a.dtype != b.dtype)
    return fail(Code::invalid_model, "operands must have one number type, they are {} and {}", print(a),
                print(b));
  TN_ASSIGN(Shape left, permuted(view, 0, "perm_a"));
  TN_ASSIGN(Shape right, permuted(view, 1, "perm_b"));
  if (always_equal(left.back(), right[right.size() - 2]) == false)
    return fail(Code::invalid_model, "inner dims {} of {} and {} of {} must be equal", left.back().text(),
                print(a), right[right.size() - 2].text(), print(b));
  const size_t rank = std::max(left.size(), right.size());
  Shape result;
  for (size_t i = 0; i + 2 < rank; ++i) {
    const size_t from_a = rank - left.size(), from_b = rank - right.size();
    const Dim da = i >= from_a ? left[i - from_a] : Dim(1), db = i >= from_b ? right[i - from_b] : Dim(1);
    std::optional<Dim> d = broadcast(da, db);
    if (!d)
      return fail(Code::invalid_model, "batch dims {} of {} and {} of {} do not broadcast", da.text(),
                  print(a), db.text(), print(b));
    result.push_back(*d);
  }
  result.push_back(left[left.size() - 2]);
  result.push_back(right.back());
  TN_ASSIGN(TensorType type, apply_epilogue(view, 2, TensorType{a.dtype, std::move(result), {}}));
  TN_ASSIGN(std::vector<int64_t> perm, permutation(view.attrs(), "perm_out", rank));
  Shape stored;
  for (int64_t p : perm) stored.push_back(type.shape[static_cast<size_t>(p)]);
  type.shape = std::move(stored);
  return Inferred{{std::move(type)}, {}};
}

Status read_perm(const Attrs& attrs, std::string_view name, size_t rank, int8_t* out) {
  TN_ASSIGN(std::vector<int64_t> perm, permutation(attrs, name, rank));
  for (size_t i = 0; i < rank; ++i) out[i] = static_cast<int8_t>(perm[i]);
  return {};
}

Result<KernelCall> reference(NodeView view) {
  TN_ASSIGN(MatmulParams params, matmul_params(view));
  return KernelCall::with("matmul.reference", params);
}

Dim multiply_adds(NodeView view) {
  const Shape& a = view.input(0).shape;
  const std::vector<int64_t> perm = view.attrs().integers("perm_a");
  return element_count(view.output(0).shape) * (perm.empty() ? a.back() : a[static_cast<size_t>(perm.back())]);
}

constexpr AttrSpec kAttrs[] = {{"perm_a", AttrKind::integers},
                               {"perm_b", AttrKind::integers},
                               {"perm_out", AttrKind::integers},
                               {"epilogue", AttrKind::program}};

// --- ONNX ---

Result<ValueId> pointwise(OnnxNode& node, std::vector<ValueId> operands, const Result<Program>& program) {
  if (!program) return tl::unexpected(program.error());
  return node.add(kPointwise, std::move(operands), {{"program", *program}});
}

Status expand_matmul(OnnxNode& node) {
  TN_ASSIGN(ValueId out, matrix_product(node, node.input(0), node.input(1)));
  node.output(0, out);
  return {};
}

// x * factor, as a node of its own: folded when x is constant.
Result<ValueId> scaled(OnnxNode& node, ValueId x, double factor) {
  if (factor == 1.0) return x;
  const DType type = node.type(x).dtype;
  ProgramBuilder program({&type, 1});
  return pointwise(node, {x}, program.finish(program.binary(ExprOp::mul, 0, program.constant(type, factor))));
}

Status expand_gemm(OnnxNode& node) {
  const Attrs& attrs = node.attrs();
  ValueId a = node.input(0), b = node.input(1);
  if (node.rank(0) != 2 || node.rank(1) != 2)
    return fail(Code::invalid_model, "Gemm's A and B must have 2 dims, they are {} and {}",
                print(node.type(0)), print(node.type(1)));
  Attrs perms;
  const std::vector<int64_t> swap = {1, 0};
  if (attrs.integer("transA")) perms.set("perm_a", swap);
  if (attrs.integer("transB")) perms.set("perm_b", swap);
  const double alpha = attrs.number("alpha", 1.0), beta = attrs.number("beta", 1.0);
  const bool scale_b = node.is_constant(1);
  if (scale_b) {
    TN_ASSIGN(b, scaled(node, b, alpha));
  }
  TN_ASSIGN(ValueId out, node.add(kMatmul, {a, b}, perms));
  if (!scale_b) {
    TN_ASSIGN(out, scaled(node, out, alpha));
  }
  if (node.has(2) && beta != 0.0) {
    TN_ASSIGN(ValueId c, scaled(node, node.input(2), beta));
    const DType types[2] = {node.type(out).dtype, node.type(c).dtype};
    ProgramBuilder program(types);
    TN_ASSIGN(out, pointwise(node, {out, c}, program.finish(program.binary(ExprOp::add, 0, 1))));
  }
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {{"MatMul", 1, expand_matmul}, {"Gemm", 1, expand_gemm}};

}  // namespace

Result<MatmulParams> matmul_params(NodeView view) {
  MatmulParams params;
  const size_t ra = view.input(0).rank(), rb = view.input(1).rank();
  TN_TRY(read_perm(view.attrs(), "perm_a", ra, params.perm_a));
  TN_TRY(read_perm(view.attrs(), "perm_b", rb, params.perm_b));
  TN_TRY(read_perm(view.attrs(), "perm_out", std::max(ra, rb), params.perm_out));
  params.epilogue = view.attrs().program("epilogue");
  return params;
}

const OpDef kMatmul{.name = "matmul",
                    .min_inputs = 2,
                    .max_inputs = 1 + kMaxProgramInputs,
                    .attrs = kAttrs,
                    .infer = infer,
                    .reference = reference,
                    .multiply_adds = multiply_adds};

extern const OpFile matmul_ops{&kMatmul, kRows};

}  // namespace tenon
