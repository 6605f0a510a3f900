#include "device/device.h"

#include <chrono>
#include <cstring>

#include "device/module.h"

namespace tenon {
namespace {

tl::unexpected<Error> no_recordings() {
  return fail(Code::unsupported, "the device does not record work");
}

// Modules that bring devices.
constexpr std::string_view kDeviceModules[] = {"cuda"};

}  // namespace

#define TN_DEVICE(symbol) const Device& symbol##_device();
#include "device/devices.def"
#undef TN_DEVICE

Result<std::unique_ptr<Recording>> Stream::record(Work&) { return no_recordings(); }
Status Stream::replay(Recording&, const Lane&) { return no_recordings(); }

Result<std::vector<double>> Stream::measure(Work& work, int runs) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> out;
  for (int i = 0; i < runs; ++i) {
    const Clock::time_point begin = Clock::now();
    TN_TRY(run(work));
    out.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  return out;
}

Status Stream::call_host(const Lane&, void (*function)(void* argument), void* argument) {
  function(argument);
  return {};
}

const DeviceFacts& Device::facts() const {
  static const DeviceFacts none;
  return none;
}

Result<std::unique_ptr<DeviceSession>> Device::create_session(const SessionOptions&) const {
  return fail(Code::unsupported, "device {} has no sessions: its kernels need none", name());
}

Result<Block> Device::allocate_host(uint64_t bytes, const char* what) const {
  return Block::allocate(default_allocator(), bytes, what);
}

Status Device::copy(void* to, const void* from, uint64_t bytes, Direction) const {
  if (bytes) std::memcpy(to, from, bytes);
  return {};
}

Status Device::copy(void* to, const void* from, uint64_t bytes, Direction direction, void*) const {
  return copy(to, from, bytes, direction);
}

MemoryKind Device::kind_of(const void*) const { return MemoryKind::both; }

std::span<const Device* const> all_devices() {
  static const std::vector<const Device*> devices = [] {
    std::vector<const Device*> out = {
#define TN_DEVICE(symbol) &symbol##_device(),
#include "device/devices.def"
#undef TN_DEVICE
    };
    for (std::string_view name : kDeviceModules)
      if (Result<const Module*> module = load_module(name))
        out.insert(out.end(), (*module)->devices.begin(), (*module)->devices.end());
    return out;
  }();
  return devices;
}

Result<const Device*> find_device(std::string_view name) {
  std::string names;
  for (const Device* device : all_devices()) {
    if (device->name() == name) return device;
    names += (names.empty() ? "" : ", ") + std::string(device->name());
  }
  const std::string_view kind = name.substr(0, name.find(':'));
  for (std::string_view known : kDeviceModules) {
    if (kind != known) continue;
    Result<const Module*> module = load_module(known);
    if (!module) return trail(std::move(module.error()), "device '{}' is not there: its module is missing", name);
    const std::string& reason = (*module)->why_no_device;
    return fail(Code::unsupported, "device '{}' is not there: {}; there are: {}", name,
                reason.empty() ? "this machine has fewer" : reason, names);
  }
  return fail(Code::not_found, "there is no device '{}'; there are: {}", name, names);
}

}  // namespace tenon
