// MaxUnpool and Col2Im: elements back to where a window took them from.
#include <algorithm>
#include <cstdlib>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/window.h"

namespace tenon {
namespace {

Status expand_max_unpool(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const TensorType x = node.type(0), indices = node.type(1);
  const std::vector<int64_t> kernel = node.attrs().integers("kernel_shape");
  if (x.rank() < 3 || kernel.size() + 2 != x.rank() || indices.rank() != x.rank())
    return fail(Code::invalid_model, "MaxUnpool takes x and indices with the same dims, 3 or more, and a kernel for those after "
                                     "the second; they are {}, {} and {} numbers", print(x), print(indices), kernel.size());
  const size_t spatial = kernel.size();
  TN_ASSIGN(std::vector<int64_t> strides, onnx_steps(node.attrs(), "strides", spatial, 1));
  std::vector<int64_t> pads = node.attrs().integers("pads");
  if (pads.empty()) pads.resize(2 * spatial);
  if (pads.size() != 2 * spatial) return fail(Code::invalid_model, "pads must have {} entries", 2 * spatial);
  auto within = [](const std::vector<int64_t>& numbers, int64_t least) {
    return std::ranges::all_of(numbers, [&](int64_t n) { return n >= least && n <= INT32_MAX; });
  };
  if (!within(kernel, 1) || !within(strides, 1) || !within(pads, 0))
    return fail(Code::invalid_model, "MaxUnpool: kernel_shape [{}] and strides [{}] must be at least 1, pads [{}] at least 0, all at most {}",
                fmt::join(kernel, ", "), fmt::join(strides, ", "), fmt::join(pads, ", "), INT32_MAX);
  Shape shape = x.shape;
  for (size_t i = 0; i < spatial; ++i)
    shape[2 + i] = (x.shape[2 + i] - Dim(1)) * Dim(strides[i]) + Dim(kernel[i] - pads[i] - pads[spatial + i]);
  TN_ASSIGN(ValueId zeros, expand(node.build(), node.build().scalar(x.dtype, 0), {element_count(shape)}));
  TN_ASSIGN(ValueId at, reshape(node.build(), node.input(1), {element_count(indices.shape)}));
  TN_ASSIGN(ValueId values, reshape(node.build(), node.input(0), {element_count(x.shape)}));
  TN_ASSIGN(ValueId y, node.add(kScatterElements, {zeros, at, values},
                                {{"axis", int64_t{0}}, {"reduction", std::string("none")}}));
  TN_ASSIGN(y, reshape(node.build(), y, shape));
  if (node.has(2)) {
    TN_ASSIGN(std::vector<Dim> wanted, node.dims(2, "output_shape"));
    if (wanted.size() != shape.size())
      return fail(Code::invalid_model, "output_shape must have {} entries, it has {}", shape.size(), wanted.size());
    Shape ends(shape.size(), Dim(0));
    for (size_t i = 0; i < shape.size(); ++i) {
      ends[i] = wanted[i] - shape[i];
      if (at_least(Dim(-1) - ends[i], 0))
        return fail(Code::invalid_model, "output_shape {} is smaller than what is unpooled, {}", print(wanted), print(shape));
    }
    TN_ASSIGN(y, node.add(kPad, {y}, {{"mode", std::string("constant")}, {"begins", Shape(shape.size(), Dim(0))},
                                      {"ends", ends}}));
  }
  node.output(0, y);
  return {};
}

// The weights [channels * block, 1, block…] that bring element i of each block to its place i.
Result<ValueId> placing_weights(OnnxNode& node, int64_t channels, const std::vector<int64_t>& block, DType type) {
  Dim elements(1);
  Shape shape = {Dim(1)};
  for (int64_t dim : block) {
    elements = elements * Dim(dim);
    shape.push_back(Dim(dim));
  }
  TN_ASSIGN(ValueId row, positions(node, elements, 1, 3));
  TN_ASSIGN(ValueId column, positions(node, elements, 2, 3));
  TN_ASSIGN(ValueId weights, add_formula(node, fmt::format("cast(eq(x0, x1)):{}", name_of(type)), {row, column}));
  TN_ASSIGN(weights, expand(node.build(), weights, {Dim(channels), elements, elements}));
  shape.insert(shape.begin(), Dim(channels) * elements);
  return reshape(node.build(), weights, std::move(shape));
}

// A transposed convolution of each channel, whose weights only place elements.
Status expand_col2im(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  const TensorType x = node.type(0);
  TN_ASSIGN(std::vector<Dim> image, node.dims(1, "image_shape"));
  TN_ASSIGN(std::vector<int64_t> block, node.integers(2, "block_shape"));
  const size_t spatial = block.size();
  TN_ASSIGN(std::vector<int64_t> strides, onnx_steps(node.attrs(), "strides", spatial, 1));
  TN_ASSIGN(std::vector<int64_t> dilations, onnx_steps(node.attrs(), "dilations", spatial, 1));
  std::vector<int64_t> pads = node.attrs().integers("pads");
  if (pads.empty()) pads.resize(2 * spatial);
  int64_t elements = 1;
  bool sound = spatial > 0 && image.size() == spatial && pads.size() == 2 * spatial && x.rank() == 3;
  for (size_t i = 0; sound && i < spatial; ++i) {
    sound = std::abs(pads[i] / 2) < INT32_MAX && std::abs(pads[spatial + i] / 2) < INT32_MAX && block[i] > 0 && block[i] <= (1 << 16) && strides[i] > 0 && dilations[i] > 0;
    elements *= block[i];
    sound = sound && elements <= (1 << 16);
  }
  if (!sound || !is_float(x.dtype) || !x.shape[1].is_constant() || x.shape[1].value() % elements != 0)
    return fail(Code::unsupported,
                "Col2Im takes floats [N, channels * block elements, blocks] with constant channels, and image_shape, "
                "block_shape, strides, dilations and pads for the same dims; x is {} with a block of {} elements, image {}",
                print(x), elements, print(image));
  Shape blocks = {x.shape[0], x.shape[1]}, all_pads(2 * spatial);
  for (size_t i = 0; i < spatial; ++i) {
    const Dim extent = window_extent(Dim(block[i]), dilations[i]), begin(pads[i]), end(pads[spatial + i]);
    const Dim count = floordiv(image[i] + begin + end - extent, Dim(strides[i])) + Dim(1);
    blocks.push_back(count);
    // Behind the last block there may be a rest of the image, which the pads then leave there.
    all_pads[i] = begin;
    all_pads[spatial + i] = (count - Dim(1)) * Dim(strides[i]) + extent - begin - image[i];
  }
  if (always_equal(element_count({blocks.begin() + 2, blocks.end()}), x.shape[2]) == false)
    return fail(Code::invalid_model, "Col2Im: the image {} has {} blocks, x {} has {}", print(image),
                element_count({blocks.begin() + 2, blocks.end()}).text(), print(x), x.shape[2].text());
  const int64_t channels = x.shape[1].value() / elements;
  TN_ASSIGN(ValueId columns, reshape(node.build(), node.input(0), blocks));
  TN_ASSIGN(ValueId weights, placing_weights(node, channels, block, x.dtype));
  TN_ASSIGN(ValueId y, node.add(kConvTranspose, {columns, weights}, {{"strides", strides}, {"dilations", dilations},
                                                                     {"pads", all_pads}, {"group", channels}}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"MaxUnpool", 9, expand_max_unpool}, {"Col2Im", 18, expand_col2im}};

}  // namespace

const OpFile unpool_ops{nullptr, kRows};

}  // namespace tenon
