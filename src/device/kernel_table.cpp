#include "device/kernel_table.h"

#include <map>
#include <mutex>

#include "device/device.h"
#include "device/module.h"

namespace tenon {
namespace {

// Modules that bring kernels for the host, in order of preference for an id that two of them have.
constexpr std::string_view kHostModules[] = {"onednn"};

KernelTable make_full_table() {
  KernelTable table(host_kernels());
  std::string libraries;
  for (std::string_view name : kHostModules) {
    Result<const Module*> module = load_module(name);
    if (!module) continue;
    table.add((*module)->kernels);
    libraries += (libraries.empty() ? "" : ", ") + (*module)->library;
  }
  table.set_libraries(libraries);
  return table;
}

}  // namespace

void KernelTable::add(std::span<const Kernel* const> kernels) {
  for (const Kernel* kernel : kernels) {
    all_.push_back(kernel);
    by_id_.emplace(kernel->id, kernel);
  }
}

const Kernel* KernelTable::find(std::string_view id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

Result<const KernelTable*> kernel_table_for(const Device& device) {
  if (device.is_host()) return &host_kernel_table();
  static std::mutex mutex;
  static auto& tables = *new std::map<std::string, KernelTable, std::less<>>;  // kernels may be in use to the end
  std::lock_guard lock(mutex);
  auto it = tables.find(device.kind());
  if (it == tables.end()) {
    TN_ASSIGN(const Module* module, load_module(device.kind()));
    KernelTable table(host_kernels());
    table.add(module->kernels);
    it = tables.emplace(device.kind(), std::move(table)).first;
  }
  return &it->second;
}

const KernelTable& host_kernel_table() {
  static const KernelTable table(host_kernels());
  return table;
}

const KernelTable& full_kernel_table() {
  static const KernelTable table = make_full_table();
  return table;
}

std::string onednn_refusal() {
  Result<const Module*> module = load_module("onednn");
  return module ? "" : module.error().text();
}

}  // namespace tenon
