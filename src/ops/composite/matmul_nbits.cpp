// MatMulNBits: a product with weights of 2, 4 or 8 bits, a scale and a zero point for each block of a column.
#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

struct Packing {
  int64_t columns, depth, block, bits;  // N, K
  int64_t blocks() const { return (depth - 1) / block + 1; }
  int64_t in_byte() const { return 8 / bits; }
};

Result<Packing> read_packing(OnnxNode& node) {
  const Attrs& attrs = node.attrs();
  const Packing out{attrs.integer("N"), attrs.integer("K"), attrs.integer("block_size"),
                    attrs.integer("bits", 4)};
  constexpr int64_t kMost = INT32_MAX;
  if (out.columns < 1 || out.columns > kMost || out.depth < 1 || out.depth > kMost)
    return fail(Code::invalid_model, "MatMulNBits: N is {} and K {}; both must be 1 to {}", out.columns,
                out.depth, kMost);
  if (out.block < 16 || out.block > kMost || (out.block & (out.block - 1)) != 0)
    return fail(Code::invalid_model, "MatMulNBits: block_size is {}; it must be a power of two of 16 or more",
                out.block);
  if (out.bits != 2 && out.bits != 4 && out.bits != 8)
    return fail(Code::unsupported, "MatMulNBits: bits is {}; 2, 4 and 8 are supported", out.bits);
  TN_TRY(refuse_attribute(node, "weight_prepacked", 0));
  TN_TRY(refuse_input(node, 4, "g_idx"));
  return out;
}

// The numbers in bytes [rows, n], the lowest bits first: [rows, n * 8 / bits].
Result<ValueId> unpacked(OnnxNode& node, ValueId bytes, const Packing& packing) {
  if (packing.bits == 8) return bytes;
  const Shape shape = node.type(bytes).shape;
  std::vector<ValueId> parts;
  for (int64_t i = 0; i < packing.in_byte(); ++i) {
    TN_ASSIGN(ValueId part, add_formula(node,
                                        fmt::format("bit_and(shift_right(x0, {}), {})", i * packing.bits,
                                                    (1 << packing.bits) - 1),
                                        {bytes}));
    TN_ASSIGN(part, along(node, part, 0, 3));
    parts.push_back(part);
  }
  TN_ASSIGN(ValueId out, concat(node, std::move(parts), 2));
  return reshape(node.build(), out, {shape[0], shape[1] * Dim(packing.in_byte())});
}

// Input i with these dims, or with all its elements in one or two dims.
Result<ValueId> with_dims(OnnxNode& node, size_t i, const Shape& dims, std::string_view what) {
  const TensorType& type = node.type(i);
  if (always_equal(element_count(type.shape), element_count(dims)) == true)
    return reshape(node.build(), node.input(i), dims);
  return fail(
      Code::invalid_model,
      "input {} ({}) of MatMulNBits is {}; with the node's N, K, bits and block_size it has {} elements", i,
      what, print(type), element_count(dims).text());
}

// [N, blocks, 1] in f32. Those that are packed are bytes of a column each; without them, the middle of the
// range.
Result<ValueId> zero_points(OnnxNode& node, const Packing& packing) {
  const Dim columns(packing.columns), blocks(packing.blocks());
  if (!node.has(3)) return node.build().scalar(DType::f32, static_cast<double>(1 << (packing.bits - 1)));
  ValueId out;
  if (node.type(3).dtype == DType::u8) {
    const Dim bytes((packing.blocks() * packing.bits - 1) / 8 + 1);
    TN_ASSIGN(out, with_dims(node, 3, {columns, bytes}, "zero_points"));
    TN_ASSIGN(out, unpacked(node, out, packing));
    TN_ASSIGN(out, slice(node.build(), out, 1, Dim(0), blocks));
  } else {
    TN_ASSIGN(out, with_dims(node, 3, {columns, blocks}, "zero_points"));
  }
  TN_ASSIGN(out, cast(node, out, DType::f32));
  return reshape(node.build(), out, {columns, blocks, Dim(1)});
}

Status expand_nbits(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  TN_ASSIGN(Packing packing, read_packing(node));
  const DType type = node.type(0).dtype;
  if (node.rank(0) < 1 || always_equal(node.type(0).shape.back(), Dim(packing.depth)) == false ||
      !is_float(type))
    return fail(Code::invalid_model, "MatMulNBits: A is {}; it must be floats whose last dim is K, {}",
                print(node.type(0)), packing.depth);
  if (node.type(1).dtype != DType::u8)
    return fail(Code::invalid_model, "MatMulNBits: B must be u8, it is {}", print(node.type(1)));
  const Dim columns(packing.columns), blocks(packing.blocks());
  const Dim bytes = blocks * Dim(packing.block * packing.bits / 8);
  TN_ASSIGN(ValueId w, with_dims(node, 1, {columns, bytes}, "B"));
  TN_ASSIGN(w, unpacked(node, w, packing));
  TN_ASSIGN(w, reshape(node.build(), w, {columns, blocks, Dim(packing.block)}));
  TN_ASSIGN(ValueId zero, zero_points(node, packing));
  TN_ASSIGN(ValueId scale, with_dims(node, 2, {columns, blocks, Dim(1)}, "scales"));
  TN_ASSIGN(w,
            add_formula(node, fmt::format("cast(mul(sub(cast(x0):f32, x1), cast(x2):f32)):{}", name_of(type)),
                        {w, zero, scale}));
  TN_ASSIGN(w, reshape(node.build(), w, {columns, blocks * Dim(packing.block)}));
  TN_ASSIGN(w, slice(node.build(), w, 1, Dim(0), Dim(packing.depth)));
  TN_ASSIGN(w, transpose(node.build(), w, {1, 0}));
  TN_ASSIGN(ValueId y, matrix_product(node, node.input(0), w));
  if (node.has(5)) {
    if (node.rank(5) != 1 || always_equal(node.type(5).shape[0], columns) == false)
      return fail(Code::invalid_model, "MatMulNBits: the bias must be [{}], it is {}", packing.columns,
                  print(node.type(5)));
    TN_ASSIGN(y, add_formula(node, "add(x0, x1)", {y, node.input(5)}));
  }
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"MatMulNBits", 1, expand_nbits, "com.microsoft"}};

}  // namespace

extern const OpFile matmul_nbits_ops = {nullptr, kRows};

}  // namespace tenon
