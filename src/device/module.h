// Modules: shared objects of this library that bring kernels whose libraries need not be there. A module
// exports one function, tenon_module_v1, that swaps a table of the host's facts for a table of its own.
// Tables start with their size, and everything that both sides must agree on is compared before a kernel is
// taken.
//
// A module is linked with its own copies of base and kernels/common; it shares with the library the types of
// kernels/common/kernel.h, Team and src/device/device.h, so both must be of the same build of the same version.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "common/kernel.h"
#include "device/device.h"

namespace tenon {

// Sizes of the types that cross the border.
struct ModuleLayout {
  uint32_t kernel = sizeof(Kernel);
  uint32_t arg = sizeof(Arg);
  uint32_t prepare_call = sizeof(PrepareCall);
  uint32_t launch_call = sizeof(LaunchCall);
  uint32_t prepared = sizeof(Prepared);
  uint32_t status = sizeof(Status);
  uint32_t facts = sizeof(DeviceFacts);
  uint32_t session_options = sizeof(SessionOptions);

  friend bool operator==(const ModuleLayout&, const ModuleLayout&) = default;
};

// Runs team.parallel_for(count, …) with the library's own code. A module must not call Team::parallel_for
// itself: its copy of std::atomic's table of waiting threads may not be the library's, and then it would wake
// nobody.
using TeamBody = void (*)(void* body, int64_t begin, int64_t end, int member);
using TeamRunner = void (*)(Team& team, int64_t count, TeamBody function, void* body);

struct HostTable {
  uint32_t struct_size = sizeof(HostTable);
  ModuleLayout layout;
  const char* version = TENON_VERSION;
  TeamRunner run_team = nullptr;
  std::atomic<int64_t>* live_streams = nullptr;  // where the library counts the streams that there are
};

struct ModuleTable {
  uint32_t struct_size = sizeof(ModuleTable);
  ModuleLayout layout;
  const char* version = TENON_VERSION;     // of Tenon; must equal the host's
  const char* library = "";                // name and version of the library behind it: "onednn 2.6.3"
  const Kernel* const* kernels = nullptr;  // live as long as the process
  uint32_t kernel_count = 0;
  const Device* const* devices = nullptr;  // live as long as the process
  uint32_t device_count = 0;
  const char* why_no_device = "";          // of a module for devices that found none: what is missing
};

// Returns nullptr when the module cannot work with this host. May be called more than once.
using ModuleEntry = const ModuleTable* (*)(const HostTable* host);
inline constexpr const char* kModuleEntry = "tenon_module_v1";

struct Module {
  std::string name;     // "onednn"
  std::string path;     // the file it came from
  std::string library;  // "onednn 2.6.3"
  std::span<const Kernel* const> kernels;
  std::span<const Device* const> devices;
  std::string why_no_device;
};

// The module libtenon_<name>.so, loaded at the first call and never unloaded; fails, saying where it looked
// and why it was not taken, the same way every time. Looked for in the folder that TENON_MODULE_DIR names
// (that folder only), else beside the file that holds this code, else by the loader's own path. Thread rule:
// any thread.
Result<const Module*> load_module(std::string_view name);

}  // namespace tenon
