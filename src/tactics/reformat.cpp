#include "tactics/select.h"

namespace tenon {

Result<KernelCall> reformat_call_for(const TensorType& type, Format from, Format to) {
  if (type.rank() < 2)
    return fail(Code::unsupported, "{} has no channels: it cannot go from {} to {}", print(type), name_of(from),
                name_of(to));
  return KernelCall::without_params(size_of(type.dtype) == 4 ? "reformat.tiles" : "reformat.reference");
}

}  // namespace tenon
