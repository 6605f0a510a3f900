#include "device/device.h"

#include <algorithm>

#include "device/module.h"

namespace tenon {
namespace {

// Modules that bring devices.
constexpr std::string_view kDeviceModules[] = {"cuda"};

}  // namespace

#define TN_DEVICE(symbol) const Device& symbol##_device();
#include "device/devices.def"
#undef TN_DEVICE

namespace {

std::span<const Device* const> own_devices() {
  static const Device* const devices[] = {
#define TN_DEVICE(symbol) &symbol##_device(),
#include "device/devices.def"
#undef TN_DEVICE
  };
  return devices;
}

const Device* find_in(std::span<const Device* const> devices, std::string_view name) {
  for (const Device* device : devices)
    if (device->name() == name) return device;
  return nullptr;
}

// Why a module's device is not there.
std::string why_not(std::string_view module_name) {
  Result<const Module*> module = load_module(module_name);
  if (!module) return module.error().text();
  return (*module)->why_no_device;
}

}  // namespace

std::span<const Device* const> all_devices() {
  static const auto& devices = *new std::vector<const Device*>([] {
    std::vector<const Device*> out(own_devices().begin(), own_devices().end());
    for (std::string_view name : kDeviceModules)
      if (Result<const Module*> module = load_module(name))
        out.insert(out.end(), (*module)->devices.begin(), (*module)->devices.end());
    return out;
  }());
  return devices;
}

Result<const Device*> find_device(std::string_view name) {
  // Without a module being loaded, where none is asked for.
  if (const Device* own = find_in(own_devices(), name)) return own;
  const std::string_view kind = name.substr(0, name.find(':'));
  if (const Device* found = find_in(all_devices(), name.ends_with(":0") ? kind : name)) return found;
  std::string names;
  for (const Device* device : all_devices()) names += (names.empty() ? "" : ", ") + std::string(device->name());
  std::string reasons;
  for (std::string_view known : kDeviceModules)
    if (std::string reason = why_not(known); !reason.empty()) reasons += fmt::format(". No {}: {}", known, reason);
  const bool known = std::find(std::begin(kDeviceModules), std::end(kDeviceModules), kind) != std::end(kDeviceModules);
  return fail(known ? Code::unsupported : Code::not_found, "there is no device '{}'; there are: {}{}", name, names, reasons);
}

}  // namespace tenon
