// reformat: the same tensor in another memory format, place or storage type. Made when forms have been chosen.
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"format", AttrKind::text, true}, {"dtype", AttrKind::dtype}};

Result<Inferred> infer(NodeView view) {
  TensorType out = view.input(0);
  std::string name = view.attrs().text("format");
  auto format = format_from_name(name);
  if (!format) return fail(Code::invalid_model, "reformat: '{}' is no format", name);
  if (format->layout != Layout::linear && out.rank() < 2)
    return fail(Code::invalid_model, "reformat: {} has no channels for format {}", print(out), name);
  out.format = *format;
  out.dtype = view.attrs().get<DType>("dtype", out.dtype);
  return one_output(std::move(out), view.content(0));
}

Result<KernelCall> reference(NodeView) { return KernelCall::without_params("reformat.reference"); }

}  // namespace

const OpDef kReformat{.name = "reformat", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                      .reference = reference};
const OpFile reformat_ops{&kReformat, {}};

}  // namespace tenon
