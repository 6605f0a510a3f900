// pack: a weight in the form that a kernel wants, as raw bytes. Made when kernels have been chosen.
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {{"kernel", AttrKind::text, true},
                               {"params", AttrKind::text, true},
                               {"bytes", AttrKind::integer, true}};

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Result<std::vector<std::byte>> from_hex(std::string_view text) {
  std::vector<std::byte> out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) break;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  if (out.size() * 2 == text.size()) return out;
  return fail(Code::invalid_model, "pack: params must be pairs of hexadecimal digits");
}

Result<Inferred> infer(NodeView view) {
  const int64_t bytes = view.attrs().integer("bytes");
  if (bytes < 0) return fail(Code::invalid_model, "pack: {} bytes", bytes);
  TN_TRY(from_hex(view.attrs().text("params")));
  return one_output({DType::u8, {Dim(bytes)}, kLinear});
}

Result<KernelCall> reference(NodeView view) {
  KernelCall call = KernelCall::without_params(view.attrs().text("kernel"));
  TN_ASSIGN(call.params, from_hex(view.attrs().text("params")));
  return call;
}

}  // namespace

const OpDef kPack{.name = "pack", .min_inputs = 1, .max_inputs = 1, .attrs = kAttrs, .infer = infer,
                  .reference = reference};
const OpFile pack_ops{&kPack, {}};

}  // namespace tenon
