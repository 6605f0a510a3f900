#include "tenon/device.h"

#include "base/cpu.h"
#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

constexpr std::string_view kDevices[] = {"cpu"};

// "cuda", "cuda:0", "cuda:15".
bool names_cuda(std::string_view name) {
  if (!name.starts_with("cuda")) return false;
  name.remove_prefix(4);
  if (name.empty()) return true;
  if (name[0] != ':' || name.size() == 1) return false;
  return name.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

size_t tn_device_count() noexcept { return std::size(kDevices); }

tn_error_t tn_device_at(size_t index, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_TRY(expect_index(index, std::size(kDevices), "devices"));
        name.set(kDevices[index]);
        return {};
      },
      name);
}

tn_error_t tn_device_create(const char* name, tn_device_t* out_device) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto wanted, text(name, "name"));
        if (names_cuda(wanted))
          return fail(Code::unsupported, "device \"{}\": this build of Tenon has no CUDA module; use \"cpu\"",
                      wanted);
        if (std::find(std::begin(kDevices), std::end(kDevices), wanted) == std::end(kDevices))
          return fail(Code::not_found, "there is no device \"{}\"; expected \"cpu\"", wanted);
        auto device = std::make_shared<DeviceObject>();
        device->name = wanted;
        *out_device = new_handle<tn_device_t>(std::move(device));
        return {};
      },
      out(out_device, "out_device"));
}

void tn_device_destroy(tn_device_t device) noexcept { destroy(device); }

tn_error_t tn_device_get_type(tn_device_t device, tn_device_type* out_type) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(device, "device"));
        *out_type = self->kind;
        return {};
      },
      out(out_type, "out_type"));
}

tn_error_t tn_device_get_name(tn_device_t device, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(device, "device"));
        name.set(self->name);
        return {};
      },
      name);
}

tn_error_t tn_device_get_features(tn_device_t device, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut features{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_TRY(object(device, "device"));
        features.set(cpu_feature_names(cpu_features()));
        return {};
      },
      features);
}

tn_error_t tn_device_get_thread_count(tn_device_t device, int32_t* out_thread_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_TRY(object(device, "device"));
        *out_thread_count = cpu_count();
        return {};
      },
      out(out_thread_count, "out_thread_count"));
}
