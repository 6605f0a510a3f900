// The definition of non_max_suppression: of each batch and class, boxes by falling score that overlap none chosen before.
#include <algorithm>
#include <cmath>

#include "common/kernel.h"
#include "found/params.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 5, 5, 2));
  const auto& params = call.as<NonMaxSuppressionParams>();
  if (params.center_point_box != 0 && params.center_point_box != 1)
    return fail(Code::invalid_plan, "non_max_suppression: center_point_box is {}", params.center_point_box);
  const Arg &boxes = call.inputs[0], &scores = call.inputs[1], &out = call.outputs[0], &sizes = call.outputs[1];
  for (const Arg* arg : {&boxes, &scores}) {
    TN_TRY(expect_type(*arg, DType::f32, "non_max_suppression input"));
    TN_TRY(expect_rank(*arg, 3, 3, "non_max_suppression input"));
    TN_TRY(expect_format(*arg, kLinear, "non_max_suppression input"));
  }
  if (boxes.dims[2] != 4 || boxes.dims[0] != scores.dims[0] || boxes.dims[1] != scores.dims[2])
    return fail(Code::out_of_range, "non_max_suppression: boxes are {}, scores {}; expected [B,N,4] and [B,C,N]", describe(boxes),
                describe(scores));
  for (size_t i = 2; i < 5; ++i) {
    const Arg& arg = call.inputs[i];
    if (!arg.present()) continue;
    TN_TRY(expect_type(arg, i == 2 ? DType::i64 : DType::f32, "non_max_suppression threshold"));
    TN_TRY(expect_format(arg, kLinear, "non_max_suppression threshold"));
    if (arg.count() != 1) return fail(Code::out_of_range, "non_max_suppression: input {} must have one element, it is {}", i, describe(arg));
  }
  const int64_t one[] = {1};
  TN_TRY(expect_type(out, DType::i64, "non_max_suppression output"));
  TN_TRY(expect_rank(out, 2, 2, "non_max_suppression output"));
  TN_TRY(expect_format(out, kLinear, "non_max_suppression output"));
  if (out.dims[1] != 3) return fail(Code::invalid_plan, "non_max_suppression: the output is {}, expected [most,3]", describe(out));
  TN_TRY(expect_type(sizes, DType::i64, "non_max_suppression sizes"));
  TN_TRY(expect_format(sizes, kLinear, "non_max_suppression sizes"));
  TN_TRY(expect_shape(sizes, one, "non_max_suppression sizes"));
  if (boxes.dims[1] > INT64_MAX / 16) return fail(Code::limit_exceeded, "non_max_suppression: {} has too many boxes", describe(boxes));
  prepared.scratch_bytes = boxes.dims[1] * static_cast<int64_t>(sizeof(int64_t));
  return {};
}

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

Box box_of(const float* b, bool center) {
  if (center) return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

// Intersection over union above the threshold. Boxes without area overlap nothing.
bool overlap(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1), width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (!(height > 0) || !(width > 0)) return false;
  const float both = height * width, all = a.area() + b.area() - both;
  return a.area() > 0 && b.area() > 0 && all > 0 && both / all > threshold;
}

Status launch(const LaunchCall& call) {
  const Arg &boxes = call.inputs[0], &scores = call.inputs[1], &out = call.outputs[0];
  const int64_t batches = boxes.dims[0], count = boxes.dims[1], classes = scores.dims[1], room = out.dims[0];
  const bool center = call.as<NonMaxSuppressionParams>().center_point_box != 0;
  const int64_t most = call.inputs[2].present() ? *call.inputs[2].as<const int64_t>() : 0;
  const float iou = call.inputs[3].present() ? *call.inputs[3].as<const float>() : 0;
  const float* threshold = call.inputs[4].present() ? call.inputs[4].as<const float>() : nullptr;
  auto* order = static_cast<int64_t*>(call.scratch);
  int64_t* rows = out.as<int64_t>();
  int64_t found = 0;
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t c = 0; c < classes; ++c) {
      const float* score = scores.as<const float>() + (b * classes + c) * count;
      const float* box = boxes.as<const float>() + b * count * 4;
      int64_t candidates = 0;
      for (int64_t i = 0; i < count; ++i)
        if (!threshold || score[i] > *threshold) order[candidates++] = i;
      // By falling score, then by number; what is no number comes last.
      std::sort(order, order + candidates, [&](int64_t i, int64_t j) {
        const bool no_i = std::isnan(score[i]), no_j = std::isnan(score[j]);
        if (no_i != no_j) return no_j;
        if (!no_i && score[i] != score[j]) return score[i] > score[j];
        return i < j;
      });
      const int64_t begin = found;
      for (int64_t k = 0; k < candidates && found - begin < most; ++k) {
        const Box now = box_of(box + order[k] * 4, center);
        bool free = true;
        for (int64_t s = begin; s < found && free; ++s) free = !overlap(now, box_of(box + rows[s * 3 + 2] * 4, center), iou);
        if (!free) continue;
        if (found == room) return fail(Code::internal, "non_max_suppression chooses more than {} boxes", room);
        const int64_t row[] = {b, c, order[k]};
        std::copy(row, row + 3, rows + found++ * 3);
      }
    }
  *call.outputs[1].as<int64_t>() = found;
  return {};
}

}  // namespace

extern const Kernel kNonMaxSuppressionReference{"non_max_suppression.reference", sizeof(NonMaxSuppressionParams), 0, 0, prepare,
                                                launch};

}  // namespace tenon
