// string_split: the pieces of each string between delimiters. ONNX: StringSplit.
#include <algorithm>

#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/found_sizes.h"
#include "text/params.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"pieces", AttrKind::shape, true}, {"most_splits", AttrKind::integer, true}};

// x, delimiter, counts: the sizes that string_split_counts found are there when its counts are.
Result<Inferred> infer(NodeView view) {
  const Shape pieces = view.attrs().shape("pieces");
  if (view.input(0).dtype != DType::string || view.input(1).dtype != DType::string || view.input(2).dtype != DType::i64 || pieces.size() != 1)
    return fail(Code::invalid_model, "string_split takes strings, a delimiter and counts, not {}, {} and {}", print(view.input(0)),
                print(view.input(1)), print(view.input(2)));
  Shape shape = view.input(0).shape;
  shape.push_back(pieces[0]);
  return one_output({DType::string, std::move(shape), kLinear});
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("string_split.reference", StringSplitParams{view.attrs().integer("most_splits")});
}

Status expand_split(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const int64_t most_splits = std::max<int64_t>(node.attrs().integer("maxsplit", -1), -1);
  const ValueId delimiter = text_constant(node, {}, {node.attrs().text("delimiter")});
  const Dim most = most_splits < 0 || most_splits >= kNoMost ? Dim(kNoMost) : Dim(most_splits + 1);
  const Attrs attrs = {{"most_splits", most_splits}};
  TN_ASSIGN(FoundSizes found, find_sizes(node, kStringSplitCounts, {node.input(0), delimiter}, attrs, 1, {most}));
  TN_ASSIGN(ValueId y, node.add(kStringSplit, {node.input(0), delimiter, found.outputs[0]},
                                {{"pieces", found.sizes}, {"most_splits", most_splits}}));
  node.output(0, y);
  node.output(1, found.outputs[0]);
  return {};
}

constexpr OnnxRow kRows[] = {{"StringSplit", 20, expand_split}};


}  // namespace

const OpDef kStringSplit{.name = "string_split", .min_inputs = 3, .max_inputs = 3, .attrs = kAttrs, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_split_ops{&kStringSplit, kRows};

}  // namespace tenon
