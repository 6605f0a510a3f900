// The module's entry: libtenon_onednn.so brings the kernels that oneDNN computes.
#include "device/module.h"

#include <oneapi/dnnl/dnnl.h>

#include <string>

#include "onednn/openmp.h"
#include "onednn/primitive.h"

namespace tenon::onednn {

#define TN_KERNEL(symbol) extern const Kernel symbol;
#include "onednn/kernels.inc"
#undef TN_KERNEL

namespace {

constexpr const Kernel* kKernels[] = {
#define TN_KERNEL(symbol) &symbol,
#include "onednn/kernels.inc"
#undef TN_KERNEL
};

// Packed layouts depend on the version that runs, not on the one that this file was compiled with.
const char* library_name() {
  static const std::string name = [] {
    const dnnl_version_t* v = dnnl_version();
    return "onednn " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  }();
  return name.c_str();
}

bool same(const char* a, const char* b) { return std::string_view(a) == b; }

}  // namespace
}  // namespace tenon::onednn

extern "C" __attribute__((visibility("default"))) const tenon::ModuleTable* tenon_module_v1(
    const tenon::HostTable* host) {
  using namespace tenon;
  if (!host || host->struct_size < sizeof(HostTable) || host->layout != ModuleLayout{} ||
      !onednn::same(host->version, TENON_VERSION) || !host->run_team || !onednn::cpu_engine())
    return nullptr;
  onednn::set_team_runner(host->run_team);
  static const ModuleTable table = [] {
    ModuleTable t;
    t.library = onednn::library_name();
    t.kernels = onednn::kKernels;
    t.kernel_count = static_cast<uint32_t>(std::size(onednn::kKernels));
    return t;
  }();
  return &table;
}
