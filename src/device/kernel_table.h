// Kernels by id: those of the library, then those of the modules that are there.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/kernel.h"

namespace tenon {

class Device;

// Immutable once made. Thread rule: any thread.
class KernelTable {
 public:
  // The first kernel of an id holds.
  explicit KernelTable(std::span<const Kernel* const> kernels) { add(kernels); }
  void add(std::span<const Kernel* const> kernels);

  const Kernel* find(std::string_view id) const;
  std::span<const Kernel* const> all() const { return all_; }
  // The libraries of the modules whose kernels are here, as a plan's target names them: "onednn 2.6.3", or
  // "".
  const std::string& libraries() const { return libraries_; }
  void set_libraries(std::string libraries) { libraries_ = std::move(libraries); }

 private:
  std::vector<const Kernel*> all_;
  std::unordered_map<std::string_view, const Kernel*> by_id_;
  std::string libraries_;
};

// The library's own kernels.
const KernelTable& host_kernel_table();
// With those of every module that could be loaded; loads them at the first call.
const KernelTable& full_kernel_table();
// Why the last one has no kernels of oneDNN's; "" if it has.
std::string onednn_refusal();
// Of a device that is not the host: its own kernels, and the library's for steps that run on the host. Fails if its
// module has none.
Result<const KernelTable*> kernel_table_for(const Device& device);

}  // namespace tenon
