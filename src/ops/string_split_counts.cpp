// string_split_counts: into how many pieces each string is split, and the most of all, which the run finds.
#include "ir/found.h"
#include "ops/found_sizes.h"
#include "text/params.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{kFound, AttrKind::shape, true}, {kMost, AttrKind::shape, true}, {"most_splits", AttrKind::integer, true}};

// counts, sizes.
Result<Inferred> infer(NodeView view) {
  TN_TRY(check_found_attrs(view, 1));
  for (size_t i = 0; i < 2; ++i)
    if (view.input(i).dtype != DType::string) return fail(Code::invalid_model, "string_split takes strings, not {}", print(view.input(i)));
  Inferred out = one_output({DType::i64, view.input(0).shape, kLinear});
  out.outputs.push_back({DType::i64, {Dim(1)}, kLinear});
  return out;
}

Result<KernelCall> reference(NodeView view) {
  return KernelCall::with("string_split_counts.reference", StringSplitParams{view.attrs().integer("most_splits")});
}


}  // namespace

const OpDef kStringSplitCounts{.name = "string_split_counts", .min_inputs = 2, .max_inputs = 2, .min_outputs = 2, .max_outputs = 2, .attrs = kAttrs, .infer = infer,
  .reference = reference, .takes_texts = true};
const OpFile string_split_counts_ops{&kStringSplitCounts, {}};

}  // namespace tenon
