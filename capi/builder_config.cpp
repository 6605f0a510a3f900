#include "tenon/builder_config.h"

#include "base/cpu.h"
#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

std::set<std::string, std::less<>> split(std::string_view list) {
  std::set<std::string, std::less<>> out;
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    if (comma) out.emplace(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

constexpr CpuFeature kFeatures[] = {kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16, kAvx512Fp16, kAmx};

// Masking a feature masks those that do not come without it.
Result<uint32_t> parse_mask(std::string_view list) {
  uint32_t mask = 0;
  for (const std::string& name : split(list)) {
    auto feature = std::find_if(std::begin(kFeatures), std::end(kFeatures),
                                [&](CpuFeature one) { return cpu_feature_names(one) == name; });
    if (feature == std::end(kFeatures))
      return fail(Code::invalid_argument,
                  "option mask_cpu: there is no instruction set \"{}\"; expected some of {}", name,
                  cpu_feature_names(kAvx2 | kAvx512 | kAvx512Vnni | kAvx512Bf16 | kAvx512Fp16 | kAmx));
    mask |= *feature;
  }
  if (mask & kAvx2) mask |= kAvx512;
  if (mask & kAvx512) mask |= kAvx512Vnni | kAvx512Bf16 | kAvx512Fp16 | kAmx;
  return mask;
}

Status set_timer(BuildConfig& config, std::string_view value) {
  if (!value.empty() && !is_build_timer(value))
    return fail(Code::invalid_argument, "option timer is \"{}\"; expected real, fake, or shuffled: with a number", value);
  config.timer = value.empty() ? "real" : value;
  return {};
}

Status set_mask(BuildConfig& config, std::string_view value) {
  TN_ASSIGN(config.masked_cpu_features, parse_mask(value));
  return {};
}

struct Option {
  std::string_view key;
  Status (*set)(BuildConfig& config, std::string_view value);
};
constexpr Option kOptions[] = {
    {"disable_passes",
     [](BuildConfig& config, std::string_view value) -> Status {
       config.disabled_passes = split(value);
       return {};
     }},
    {"disable_tactics",
     [](BuildConfig& config, std::string_view value) -> Status {
       config.disabled_tactics = split(value);
       return {};
     }},
    {"force_tactic",
     [](BuildConfig& config, std::string_view value) -> Status {
       config.forced_tactic = value;
       return {};
     }},
    {"check_passes",
     [](BuildConfig& config, std::string_view value) -> Status {
       if (!value.empty() && value != "0" && value != "1")
         return fail(Code::invalid_argument, "option check_passes is \"{}\"; expected 0 or 1", value);
       config.check_passes = value == "1";
       return {};
     }},
    {"code_cache",
     [](BuildConfig& config, std::string_view value) -> Status {
       config.code_cache = value;
       return {};
     }},
    {"timer", set_timer},
    {"mask_cpu", set_mask},
};

Result<const Option*> find_option(std::string_view key) {
  for (const Option& option : kOptions)
    if (option.key == key) return &option;
  std::string known;
  for (const Option& option : kOptions) known += fmt::format("{}{}", known.empty() ? "" : ", ", option.key);
  return fail(Code::not_found, "there is no option \"{}\"; expected one of {}", key, known);
}

Result<bool BuildConfig::*> precision_member(tn_precision precision) {
  switch (precision) {
    case TN_PRECISION_TF32: return &BuildConfig::allow_tf32;
    case TN_PRECISION_FP16: return &BuildConfig::allow_f16;
    case TN_PRECISION_BF16: return &BuildConfig::allow_bf16;
    default: return fail(Code::invalid_argument, "precision is {}, which names none", precision);
  }
}

Result<ProfileShapes> checked_shapes(const std::string& input,
                                     const OptimizationProfileObject::Shapes& shapes) {
  static constexpr const char* names[] = {"min", "opt", "max"};
  for (size_t i = 0; i < 3; ++i)
    if (!shapes[i])
      return fail(Code::invalid_argument, "the profile has no {} shape of input \"{}\"", names[i], input);
  const auto &min = *shapes[0], &opt = *shapes[1], &max = *shapes[2];
  if (min.size() != opt.size() || opt.size() != max.size())
    return fail(Code::invalid_argument, "the profile's shapes of input \"{}\" have {}, {} and {} dims", input,
                min.size(), opt.size(), max.size());
  for (size_t d = 0; d < min.size(); ++d)
    if (min[d] > opt[d] || opt[d] > max[d])
      return fail(
          Code::invalid_argument,
          "the profile's dim {} of input \"{}\" is {} (min), {} (opt), {} (max): expected them in order", d,
          input, min[d], opt[d], max[d]);
  return ProfileShapes{min, opt, max};
}

}  // namespace

void tn_progress_callbacks_init(tn_progress_callbacks* out_callbacks, size_t struct_size) noexcept {
  init_callbacks(out_callbacks, struct_size);
}

tn_error_t tn_builder_config_create(tn_builder_config_t* out_config) noexcept {
  return enter(
      [&]() -> Status {
        *out_config = new_handle<tn_builder_config_t>(std::make_shared<BuilderConfigObject>());
        return {};
      },
      out(out_config, "out_config"));
}

void tn_builder_config_destroy(tn_builder_config_t config) noexcept { destroy(config); }

tn_error_t tn_builder_config_set_device(tn_builder_config_t config, tn_device_t device) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    TN_ASSIGN(auto chosen, object(device, "device"));
    std::string name = chosen->name;
    std::lock_guard lock(self->mutex);
    self->config.device = std::move(name);
    return {};
  });
}

tn_error_t tn_builder_config_set_thread_count(tn_builder_config_t config, int32_t thread_count) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    TN_TRY(expect_threads(thread_count));
    std::lock_guard lock(self->mutex);
    self->config.threads = thread_count;
    return {};
  });
}

tn_error_t tn_builder_config_get_thread_count(tn_builder_config_t config,
                                              int32_t* out_thread_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        std::lock_guard lock(self->mutex);
        *out_thread_count = self->config.threads;
        return {};
      },
      out(out_thread_count, "out_thread_count"));
}

tn_error_t tn_builder_config_add_profile(tn_builder_config_t config, tn_optimization_profile_t profile,
                                         int32_t* out_index) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        TN_ASSIGN(auto added, object(profile, "profile"));
        ShapeProfile shapes;
        {
          std::lock_guard lock(added->mutex);
          for (const auto& [input, three] : added->inputs) {
            TN_ASSIGN(shapes[input], checked_shapes(input, three));
          }
        }
        std::lock_guard lock(self->mutex);
        auto& profiles = self->config.profiles;
        if (profiles.size() >= 1024) return fail(Code::limit_exceeded, "a plan has at most 1024 profiles");
        profiles.push_back(std::move(shapes));
        if (out_index) *out_index = static_cast<int32_t>(profiles.size() - 1);
        return {};
      },
      optional_out(out_index, "out_index"));
}

tn_error_t tn_builder_config_get_profile_count(tn_builder_config_t config, int32_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        std::lock_guard lock(self->mutex);
        *out_count = static_cast<int32_t>(self->config.profiles.size());
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_builder_config_set_timing_cache(tn_builder_config_t config, tn_timing_cache_t cache) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    TN_ASSIGN(auto shared, optional_object(cache, "cache"));
    std::shared_ptr<TimingCache> entries = shared ? shared->cache : nullptr;
    std::lock_guard lock(self->mutex);
    self->config.timing_cache = std::move(entries);
    return {};
  });
}

tn_error_t tn_builder_config_set_onednn_enabled(tn_builder_config_t config, int32_t enabled) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    TN_TRY(expect_bool(enabled, "enabled"));
    std::lock_guard lock(self->mutex);
    self->config.use_onednn = enabled != 0;
    return {};
  });
}

tn_error_t tn_builder_config_get_onednn_enabled(tn_builder_config_t config, int32_t* out_enabled) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        std::lock_guard lock(self->mutex);
        *out_enabled = self->config.use_onednn ? 1 : 0;
        return {};
      },
      out(out_enabled, "out_enabled"));
}

tn_error_t tn_builder_config_set_optimization_level(tn_builder_config_t config, int32_t level) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    if (level < 0 || level > 5) return fail(Code::invalid_argument, "level is {}; expected 0 to 5", level);
    std::lock_guard lock(self->mutex);
    self->config.optimization_level = level;
    return {};
  });
}

tn_error_t tn_builder_config_get_optimization_level(tn_builder_config_t config, int32_t* out_level) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        std::lock_guard lock(self->mutex);
        *out_level = self->config.optimization_level;
        return {};
      },
      out(out_level, "out_level"));
}

tn_error_t tn_builder_config_set_deadline(tn_builder_config_t config, double seconds) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    if (!(seconds >= 0 && seconds <= 1e6)) return fail(Code::invalid_argument, "seconds is {}; expected 0 to 1e6", seconds);
    std::lock_guard lock(self->mutex);
    self->config.deadline_seconds = seconds;
    return {};
  });
}

tn_error_t tn_builder_config_get_deadline(tn_builder_config_t config, double* out_seconds) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        std::lock_guard lock(self->mutex);
        *out_seconds = self->config.deadline_seconds;
        return {};
      },
      out(out_seconds, "out_seconds"));
}

tn_error_t tn_builder_config_set_precision_allowed(tn_builder_config_t config, tn_precision precision,
                                                   int32_t allowed) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    TN_ASSIGN(auto member, precision_member(precision));
    TN_TRY(expect_bool(allowed, "allowed"));
    std::lock_guard lock(self->mutex);
    self->config.*member = allowed != 0;
    return {};
  });
}

tn_error_t tn_builder_config_get_precision_allowed(tn_builder_config_t config, tn_precision precision,
                                                   int32_t* out_allowed) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        TN_ASSIGN(auto member, precision_member(precision));
        std::lock_guard lock(self->mutex);
        *out_allowed = self->config.*member ? 1 : 0;
        return {};
      },
      out(out_allowed, "out_allowed"));
}

tn_error_t tn_builder_config_set_option(tn_builder_config_t config, const char* key,
                                        const char* value) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(config, "config"));
    TN_ASSIGN(auto name, text(key, "key"));
    TN_ASSIGN(auto wanted, text(value, "value"));
    TN_ASSIGN(const Option* option, find_option(name));
    std::lock_guard lock(self->mutex);
    std::string& kept = self->options[std::string(name)];
    std::string copy(wanted);
    TN_TRY(option->set(self->config, wanted));
    kept.swap(copy);
    return {};
  });
}

tn_error_t tn_builder_config_get_option(tn_builder_config_t config, const char* key, char* buf,
                                        size_t buf_size, size_t* out_size) noexcept {
  TextOut value{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(config, "config"));
        TN_ASSIGN(auto name, text(key, "key"));
        TN_TRY(find_option(name));
        std::lock_guard lock(self->mutex);
        auto found = self->options.find(name);
        value.set(found == self->options.end() ? std::string_view() : found->second);
        return {};
      },
      value);
}

tn_error_t tn_builder_config_set_progress(tn_builder_config_t config,
                                          const tn_progress_callbacks* callbacks) noexcept {
  Table<tn_progress_callbacks> owed;
  std::shared_ptr<Table<tn_progress_callbacks>>
      table;  // after the swap, the one that was there: released here
  return enter([&]() -> Status {
    if (callbacks) TN_TRY(copy_callbacks(callbacks, owed));
    TN_ASSIGN(auto self, object(config, "config"));
    if (callbacks) {
      if (!owed.functions.update)
        return fail(Code::invalid_argument, "update is NULL in the callbacks of a configuration");
      table = std::make_shared<Table<tn_progress_callbacks>>();
      std::swap(table->functions, owed.functions);
    }
    std::lock_guard lock(self->mutex);
    self->progress.swap(table);
    return {};
  });
}
