#include "device/device.h"

namespace tenon {

#define TN_DEVICE(symbol) const Device& symbol##_device();
#include "device/devices.def"
#undef TN_DEVICE

std::span<const Device* const> all_devices() {
#define TN_DEVICE(symbol) &symbol##_device(),
  static const Device* const devices[] = {
#include "device/devices.def"
  };
#undef TN_DEVICE
  return devices;
}

Result<const Device*> find_device(std::string_view name) {
  std::string names;
  for (const Device* device : all_devices()) {
    if (device->name() == name) return device;
    names += (names.empty() ? "" : ", ") + std::string(device->name());
  }
  return fail(Code::not_found, "there is no device '{}'; this library has: {}", name, names);
}

}  // namespace tenon
