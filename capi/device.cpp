#include "tenon/device.h"

#include "base/cpu.h"
#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

// Those that plans can be built for: all but the one that executes nothing.
std::vector<const Device*> devices() {
  std::vector<const Device*> out;
  for (const Device* device : all_devices())
    if (device->name() != "null") out.push_back(device);
  return out;
}

}  // namespace

size_t tn_device_count() noexcept {
  size_t count = 0;
  if (tn_error_t error = enter([&]() -> Status {
        count = devices().size();
        return {};
      }))
    tn_error_destroy(error);  // there was no memory for the list
  return count;
}

tn_error_t tn_device_at(size_t index, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        const std::vector<const Device*> all = devices();
        TN_TRY(expect_index(index, all.size(), "devices"));
        name.set(all[index]->name());
        return {};
      },
      name);
}

tn_error_t tn_device_create(const char* name, tn_device_t* out_device) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto wanted, text(name, "name"));
        if (wanted == "null") return fail(Code::not_found, "there is no device \"null\" that plans are built for");
        TN_ASSIGN(const Device* found, find_device(wanted));
        auto device = std::make_shared<DeviceObject>();
        device->name = found->name();
        device->device = found;
        device->kind = found->is_host() ? TN_DEVICE_TYPE_CPU : TN_DEVICE_TYPE_CUDA;
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
        TN_ASSIGN(auto self, object(device, "device"));
        const DeviceFacts& facts = self->device->facts();
        if (self->device->is_host()) features.set(cpu_feature_names(cpu_features()));
        else features.set(fmt::format("{},{}", facts.architecture, facts.product));
        return {};
      },
      features);
}

tn_error_t tn_device_get_thread_count(tn_device_t device, int32_t* out_thread_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(device, "device"));
        *out_thread_count = self->device->is_host() ? cpu_count() : 0;
        return {};
      },
      out(out_thread_count, "out_thread_count"));
}
