// roi_align: regions of images in bins of one size. ONNX: RoiAlign.
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "sample/params.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"pooling", AttrKind::text, true},   {"size", AttrKind::integers, true},
                               {"sampling_ratio", AttrKind::integer}, {"spatial_scale", AttrKind::number, true},
                               {"half_pixel", AttrKind::integer, true}};

Result<RoiPooling> pooling_of(const Attrs& attrs) {
  const std::string name = attrs.text("pooling");
  if (name == "avg") return RoiPooling::average;
  if (name == "max") return RoiPooling::max;
  return fail(Code::invalid_model, "roi_align: pooling must be avg or max, it is '{}'", name);
}

Result<Inferred> infer(NodeView view) {
  const TensorType &x = view.input(0), &rois = view.input(1), &images = view.input(2);
  TN_TRY(pooling_of(view.attrs()));
  const std::vector<int64_t> size = view.attrs().integers("size");
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || view.attrs().integer("sampling_ratio") < 0)
    return fail(Code::invalid_model, "roi_align: the output's height and width must be above 0, the sampling ratio not negative");
  if (x.rank() != 4 || !is_float(x.dtype) || is_only_stored(x.dtype) || rois.rank() != 2 || rois.dtype != x.dtype ||
      always_equal(rois.shape[1], Dim(4)) == false || images.rank() != 1 || images.dtype != DType::i64 ||
      always_equal(images.shape[0], rois.shape[0]) == false)
    return fail(Code::invalid_model, "roi_align takes floats [N,C,H,W], regions [R,4] of their type and i64 images [R]; they are "
                                     "{}, {} and {}", print(x), print(rois), print(images));
  return one_output({x.dtype, {rois.shape[0], x.shape[1], Dim(size[0]), Dim(size[1])}, kLinear});
}

Result<KernelCall> reference(NodeView view) {
  TN_ASSIGN(RoiPooling pooling, pooling_of(view.attrs()));
  return KernelCall::with("roi_align.reference",
                          RoiAlignParams{pooling, view.attrs().integer("sampling_ratio"),
                                         view.attrs().number("spatial_scale"), view.attrs().integer("half_pixel") != 0});
}

// Before op set 16 regions are not shifted.
Status expand_roi_align(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 3));
  const Attrs& attrs = node.attrs();
  const std::string mode = node.version() < 16 ? "output_half_pixel" : attrs.text("coordinate_transformation_mode", "half_pixel");
  if (mode != "half_pixel" && mode != "output_half_pixel")
    return fail(Code::invalid_model,
                "attribute coordinate_transformation_mode must be half_pixel or output_half_pixel, it is '{}'", mode);
  const std::vector<int64_t> size = {attrs.integer("output_height", 1), attrs.integer("output_width", 1)};
  TN_ASSIGN(ValueId y, node.add(kRoiAlign, {node.input(0), node.input(1), node.input(2)},
                                {{"pooling", attrs.text("mode", "avg")},
                                 {"size", size},
                                 {"sampling_ratio", attrs.integer("sampling_ratio")},
                                 {"spatial_scale", attrs.number("spatial_scale", 1)},
                                 {"half_pixel", int64_t{mode == "half_pixel"}}}));
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"RoiAlign", 10, expand_roi_align}};

}  // namespace

const OpDef kRoiAlign{.name = "roi_align", .min_inputs = 3, .max_inputs = 3, .attrs = kAttrs, .infer = infer,
                      .reference = reference};
const OpFile roi_align_ops{&kRoiAlign, kRows};

}  // namespace tenon
