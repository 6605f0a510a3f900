#include "ir/types.h"

namespace tenon {

std::string print(const TensorType& type) {
  std::string out(name_of(type.dtype));
  out += print(type.shape);
  if (type.format != kLinear) out += " " + name_of(type.format);
  return out;
}

Bytes Bytes::copy(std::span<const std::byte> bytes) {
  return take(std::vector<std::byte>(bytes.begin(), bytes.end()));
}

Bytes Bytes::take(std::vector<std::byte> bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {{owner->data(), owner->size()}, owner};
}

}  // namespace tenon
