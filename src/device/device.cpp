#include "device/device.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "common/kernel.h"
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

Result<std::vector<double>> Stream::measure(Work& work, int runs, bool) {
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

Status DeviceSession::prepare(const Kernel& kernel, const PrepareCall& call, Prepared& out) {
  return kernel.prepare(call, out);
}

Status prepare_kernel(const Kernel& kernel, const PrepareCall& call, Prepared& out) {
  return call.session ? call.session->prepare(kernel, call, out) : kernel.prepare(call, out);
}

const DeviceFacts& Device::facts() const {
  static const DeviceFacts none;
  return none;
}

std::string Device::libraries() const { return {}; }

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
