#include "tactics/select.h"

#include <algorithm>

#include "pointwise/params.h"

namespace tenon {
namespace {

bool on_host(const Form& form) { return form.format.place == Place::host; }

tl::unexpected<Error> no_kernel(const TensorType& type, const Form& from, const Form& to) {
  return fail(Code::unsupported, "no kernel brings {} from {} to {}", print(type), name_of(from), name_of(to));
}

Result<KernelCall> layout_call(const TensorType& type, const Form& from, const Form& to) {
  if (type.rank() < 2)
    return fail(Code::unsupported, "{} has no channels: it cannot go from {} to {}", print(type), name_of(from),
                name_of(to));
  return KernelCall::without_params(size_of(to.dtype) == 4 ? "reformat.tiles" : "reformat.reference");
}

// Ops that only move elements, whose fast kernels give the reference's bits.
constexpr std::string_view kMoves[] = {"concat", "expand", "gather", "pad", "slice", "transpose"};

bool is_linear(const Candidate& candidate) {
  auto plain = [](const Form& form) { return form == Form(kLinear); };
  return candidate.packs.empty() && std::ranges::all_of(candidate.inputs, plain) && std::ranges::all_of(candidate.outputs, plain);
}

}  // namespace

Format plain_format(const TensorType& type) { return type.dtype == DType::string ? type.format : kLinear; }

Form full_form(const Form& form, const TensorType& type) {
  return {form.dtype == DType::none ? type.dtype : form.dtype, form.format};
}

Result<std::vector<Conversion>> conversions(const TensorType& type, const Form& from, const Form& to,
                                            std::string_view device) {
  std::vector<Conversion> out;
  if (device == "cpu") {
    if (from.dtype != to.dtype || on_host(from) || on_host(to)) return no_kernel(type, from, to);
    TN_ASSIGN(KernelCall call, layout_call(type, from, to));
    out.push_back({to, std::move(call)});
    return out;
  }
  const Form plain(type.dtype, kLinear), plain_on_host(type.dtype, kHostLinear);
  const std::string family(device);
  auto reformat = [&](const Form& form) {
    out.push_back({form, KernelCall::without_params(family + ".reformat")});
  };
  if (on_host(from) && on_host(to)) return no_kernel(type, from, to);
  if (on_host(from)) {
    if (from != plain_on_host) return no_kernel(type, from, to);
    out.push_back({plain, KernelCall::without_params(family + ".copy_in")});
    if (to != plain) reformat(to);
    return out;
  }
  if (on_host(to)) {
    if (to != plain_on_host) return no_kernel(type, from, to);
    if (from != plain) reformat(plain);
    out.push_back({to, KernelCall::without_params(family + ".copy_out")});
    return out;
  }
  reformat(to);
  return out;
}

Result<std::vector<Conversion>> static_conversions(const TensorType& type, const Form& from, const Form& to) {
  std::vector<Conversion> out;
  Form now = from;
  const bool narrows = now.dtype == DType::f32 && (to.dtype == DType::f16 || to.dtype == DType::bf16);
  if (now.dtype != to.dtype && !narrows) {
    if (now.format != kLinear) return no_kernel(type, from, to);
    ProgramBuilder builder({&now.dtype, 1});
    TN_ASSIGN(Program program, builder.finish(builder.cast(to.dtype, 0)));
    now.dtype = to.dtype;
    out.push_back({now, KernelCall::with("pointwise.reference", PointwiseParams{program})});
  }
  if (now.format.layout != to.format.layout || now.format.block != to.format.block) {
    Form laid(now.dtype, {to.format.layout, to.format.block, now.format.place});
    TN_ASSIGN(KernelCall call, layout_call(type, now, laid));
    now = laid;
    out.push_back({now, std::move(call)});
  }
  if (narrows) {  // after the layout, which has a fast kernel for 4 bytes
    now.dtype = to.dtype;
    out.push_back({now, KernelCall::without_params("cast.narrow")});
  }
  if (now != to) out.push_back({to, KernelCall::without_params("copy.linear")});
  return out;
}

Result<KernelCall> static_call(NodeView node) {
  const OpDef& op = *node.node().op;
  if (std::ranges::find(kMoves, op.name) != std::end(kMoves))
    for (const Tactic* tactic : all_tactics()) {
      if (tactic->op != op.name || tactic->device != "cpu") continue;
      for (Candidate& candidate : tactic->claim(node, TargetInfo{}).candidates)
        if (is_linear(candidate)) return std::move(candidate.call);
    }
  return op.reference(node);
}

}  // namespace tenon
