#include "tenon/engine.h"

#include "entry.h"
#include "layers.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

Result<const IoTensor*> tensor_at(const EngineObject& self, size_t index) {
  const auto& io = self.engine->io();
  TN_TRY(expect_index(index, io.size(), "inputs and outputs"));
  return &io[index];
}

Result<const plan::Region*> region_of(const EngineObject& self, int32_t profile) {
  const auto& profiles = self.engine->plan().profiles;
  TN_TRY(expect_profile(profile, static_cast<int32_t>(profiles.size())));
  return &profiles[static_cast<size_t>(profile)].region;
}

Result<const plan::Step*> layer_at(const EngineObject& self, int32_t profile, size_t index) {
  TN_ASSIGN(const plan::Region* region, region_of(self, profile));
  TN_TRY(expect_index(index, region->steps.size(), "layers"));
  return &region->steps[index];
}

}  // namespace

tn_error_t tn_engine_create(tn_runtime_t runtime, const void* plan, size_t plan_size,
                            tn_engine_t* out_engine) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto settings, object(runtime, "runtime"));
        TN_ASSIGN(auto span, bytes(plan, plan_size, "plan"));
        EngineOptions options;
        Log log;
        {
          std::lock_guard lock(settings->mutex);
          options.threads = settings->thread_count;
          options.limits = settings->limits;
          options.allocator = settings->allocator;
          log = log_of(settings->logger);
        }
        auto made = std::make_shared<EngineObject>();
        TN_ASSIGN(made->engine, Engine::load(span, options, log));
        made->thread_count = options.threads ? options.threads : made->engine->plan().target.threads;
        *out_engine = new_handle<tn_engine_t>(std::move(made));
        return {};
      },
      out(out_engine, "out_engine"));
}

void tn_engine_destroy(tn_engine_t engine) noexcept { destroy(engine); }

tn_error_t tn_engine_serialize(tn_engine_t engine, tn_blob_t* out_plan) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(auto plan, self->engine->serialize());
        *out_plan = new_blob(Bytes::take(std::move(plan)));
        return {};
      },
      out(out_plan, "out_plan"));
}

tn_error_t tn_engine_get_name(tn_engine_t engine, char* buf, size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        name.set(self->engine->plan().network);
        return {};
      },
      name);
}

tn_error_t tn_engine_get_thread_count(tn_engine_t engine, int32_t* out_thread_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        *out_thread_count = self->thread_count;
        return {};
      },
      out(out_thread_count, "out_thread_count"));
}

tn_error_t tn_engine_get_tensor_count(tn_engine_t engine, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        *out_count = self->engine->io().size();
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_engine_find_tensor(tn_engine_t engine, const char* name, size_t* out_index) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(auto wanted, text(name, "name"));
        const auto& io = self->engine->io();
        auto found =
            std::find_if(io.begin(), io.end(), [&](const IoTensor& one) { return one.name == wanted; });
        if (found != io.end()) {
          *out_index = static_cast<size_t>(found - io.begin());
          return {};
        }
        std::string known;
        for (const IoTensor& one : io) known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", one.name);
        return fail(Code::not_found, "the engine has no input or output \"{}\"; it has {}", wanted, known);
      },
      out(out_index, "out_index"));
}

tn_error_t tn_engine_get_tensor_name(tn_engine_t engine, size_t index, char* buf, size_t buf_size,
                                     size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const IoTensor* tensor, tensor_at(*self, index));
        name.set(tensor->name);
        return {};
      },
      name);
}

tn_error_t tn_engine_get_tensor_mode(tn_engine_t engine, size_t index, tn_io_mode* out_mode) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const IoTensor* tensor, tensor_at(*self, index));
        *out_mode = static_cast<tn_io_mode>(tensor->mode);
        return {};
      },
      out(out_mode, "out_mode"));
}

tn_error_t tn_engine_get_tensor_data_type(tn_engine_t engine, size_t index,
                                          tn_data_type* out_data_type) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const IoTensor* tensor, tensor_at(*self, index));
        *out_data_type = static_cast<tn_data_type>(tensor->dtype);
        return {};
      },
      out(out_data_type, "out_data_type"));
}

tn_error_t tn_engine_get_tensor_shape(tn_engine_t engine, size_t index, int64_t* dims, size_t dims_size,
                                      size_t* out_size) noexcept {
  DimsOut shape{dims, dims_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const IoTensor* tensor, tensor_at(*self, index));
        return shape.set(tensor->shape);
      },
      shape);
}

tn_error_t tn_engine_get_tensor_format(tn_engine_t engine, size_t index,
                                       tn_tensor_format* out_format) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_TRY(tensor_at(*self, index));
        *out_format = TN_TENSOR_FORMAT_LINEAR;  // the boundary of every plan
        return {};
      },
      out(out_format, "out_format"));
}

tn_error_t tn_engine_get_tensor_location(tn_engine_t engine, size_t index,
                                         tn_tensor_location* out_location) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const auto* tensor, tensor_at(*self, index));
        const bool is_text = tensor->dtype == DType::string;
        *out_location = is_text || self->engine->on_host() ? TN_TENSOR_LOCATION_HOST : TN_TENSOR_LOCATION_DEVICE;
        return {};
      },
      out(out_location, "out_location"));
}

tn_error_t tn_engine_get_profile_count(tn_engine_t engine, int32_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        *out_count = self->engine->profile_count();
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_engine_get_profile_shape(tn_engine_t engine, int32_t profile, const char* input,
                                       tn_shape_selector selector, int64_t* dims, size_t dims_size,
                                       size_t* out_size) noexcept {
  DimsOut shape{dims, dims_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_TRY(expect_profile(profile, self->engine->profile_count()));
        TN_ASSIGN(auto name, text(input, "input"));
        TN_TRY(expect_selector(selector));
        TN_ASSIGN(auto ranges, self->engine->profile_shape(profile, name));
        std::vector<int64_t> numbers;
        for (const plan::Range& range : ranges)
          numbers.push_back(selector == TN_SHAPE_SELECTOR_MIN   ? range.min
                            : selector == TN_SHAPE_SELECTOR_OPT ? range.opt
                                                                : range.max);
        return shape.set(numbers);
      },
      shape);
}

tn_error_t tn_engine_get_arena_size(tn_engine_t engine, int32_t profile, uint64_t* out_bytes) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_TRY(expect_profile(profile, self->engine->profile_count()));
        *out_bytes = self->engine->arena_bytes(profile);
        return {};
      },
      out(out_bytes, "out_bytes"));
}

tn_error_t tn_engine_get_weight_size(tn_engine_t engine, uint64_t* out_bytes) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        uint64_t total = 0;
        for (const plan::Weight& weight : self->engine->plan().weights) total += weight.bytes;
        *out_bytes = total;
        return {};
      },
      out(out_bytes, "out_bytes"));
}

tn_error_t tn_engine_get_layer_count(tn_engine_t engine, int32_t profile, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const plan::Region* region, region_of(*self, profile));
        *out_count = region->steps.size();
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_engine_get_layer_name(tn_engine_t engine, int32_t profile, size_t index, char* buf,
                                    size_t buf_size, size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const plan::Step* step, layer_at(*self, profile, index));
        name.set(step->name);
        return {};
      },
      name);
}

tn_error_t tn_engine_get_layer_kernel(tn_engine_t engine, int32_t profile, size_t index, char* buf,
                                      size_t buf_size, size_t* out_size) noexcept {
  TextOut kernel{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const plan::Step* step, layer_at(*self, profile, index));
        kernel.set(step->kernel);
        return {};
      },
      kernel);
}

tn_error_t tn_engine_get_layer_origins(tn_engine_t engine, int32_t profile, size_t index, char* buf,
                                       size_t buf_size, size_t* out_size) noexcept {
  TextOut origins{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(engine, "engine"));
        TN_ASSIGN(const plan::Step* step, layer_at(*self, profile, index));
        origins.set(origins_of(self->engine->plan(), *step));
        return {};
      },
      origins);
}
