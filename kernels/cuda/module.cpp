// The module's entry: libtenon_cuda.so brings NVIDIA's GPUs and the kernels that run on them.
#include "device/module.h"

#include <string_view>

#include "device/cuda/cuda_device.h"

namespace tenon::cuda {

#define TN_KERNEL(symbol) extern const Kernel symbol;
#include "cuda/kernels.inc"
#undef TN_KERNEL

namespace {

constexpr const Kernel* kKernels[] = {
#define TN_KERNEL(symbol) &symbol,
#include "cuda/kernels.inc"
#undef TN_KERNEL
};

}  // namespace
}  // namespace tenon::cuda

extern "C" __attribute__((visibility("default"))) const tenon::ModuleTable* tenon_module_v1(
    const tenon::HostTable* host) {
  using namespace tenon;
  if (!host || host->struct_size < sizeof(HostTable) || host->layout != ModuleLayout{} ||
      std::string_view(host->version) != TENON_VERSION)
    return nullptr;
  cuda::count_streams(host->live_streams);
  static const ModuleTable table = [] {
    const cuda::Found& found = cuda::found_devices();
    ModuleTable t;
    t.library = "cuda";
    t.kernels = cuda::kKernels;
    t.kernel_count = static_cast<uint32_t>(std::size(cuda::kKernels));
    t.devices = found.devices.data();
    t.device_count = static_cast<uint32_t>(found.devices.size());
    t.why_no_device = found.why_not.c_str();
    return t;
  }();
  return &table;
}
