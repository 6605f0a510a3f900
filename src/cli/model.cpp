#include "cli/model.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "cli/progress.h"

namespace tenon::cli {
namespace {

void log_line(void*, tn_severity severity, const char* message, size_t message_size) {
  clear_progress_line();
  const char* label = severity == TN_SEVERITY_ERROR     ? "error: "
                      : severity == TN_SEVERITY_WARNING ? "warning: "
                                                        : "";
  std::fprintf(stderr, "%s%.*s\n", label, static_cast<int>(message_size), message);
}

Expected<Logger> make_logger(const Common& common) {
  tn_logger_callbacks callbacks = TN_LOGGER_CALLBACKS_INIT;
  callbacks.log = log_line;
  Logger logger;
  CLI_TRY(check(tn_logger_create(&callbacks, common.verbose ? TN_SEVERITY_VERBOSE : TN_SEVERITY_WARNING,
                                 logger.out())));
  return logger;
}

// Refuses a device that is not there.
Expected<Device> open_device(const std::string& name) {
  Device device;
  if (auto opened = check(tn_device_create(name.c_str(), device.out())); !opened)
    return fail(kExitDevice, "--device {}: {}", name, opened.error().message);
  return device;
}

Expected<Profile> make_profile(const Ranges& ranges) {
  Profile profile;
  CLI_TRY(check(tn_optimization_profile_create(profile.out())));
  const std::pair<tn_shape_selector, const Shapes*> all[] = {{TN_SHAPE_SELECTOR_MIN, &ranges.min},
                                                             {TN_SHAPE_SELECTOR_OPT, &ranges.opt},
                                                             {TN_SHAPE_SELECTOR_MAX, &ranges.max}};
  for (const auto& [selector, shapes] : all)
    for (const auto& [name, dims] : *shapes)
      CLI_TRY(check(tn_optimization_profile_set_shape(profile.get(), name.c_str(), selector, dims.data(),
                                                      dims.size())));
  return profile;
}

Expected<TimingCache> open_timing_cache(const std::string& path) {
  TimingCache cache;
  CLI_TRY(check(tn_timing_cache_create(cache.out())));
  std::error_code error;
  const bool there = !path.empty() && std::filesystem::exists(path, error);
  if (error) return fail(kExitInput, "--timing-cache {}: {}", path, error.message());
  if (there) {
    Blob blob;
    CLI_TRY(check(tn_blob_create_from_file(path.c_str(), blob.out())));
    CLI_ASSIGN(bytes, bytes_of(blob));
    if (auto loaded = check(tn_timing_cache_load(cache.get(), bytes.data(), bytes.size())); !loaded)
      return fail(kExitInput, "--timing-cache {}: {}", path, loaded.error().message);
  }
  return cache;
}

Expected<Config> make_config(const Common& common, const Ranges& ranges, const TimingCache& cache) {
  Config config;
  CLI_TRY(check(tn_builder_config_create(config.out())));
  CLI_ASSIGN(device, open_device(common.device));
  CLI_TRY(check(tn_builder_config_set_device(config.get(), device.get())));
  CLI_TRY(check(tn_builder_config_set_thread_count(config.get(), common.threads)));
  CLI_TRY(check(tn_builder_config_set_timing_cache(config.get(), cache.get())));
  CLI_TRY(check(tn_builder_config_set_onednn_enabled(config.get(), common.no_onednn ? 0 : 1)));
  CLI_TRY(check(tn_builder_config_set_optimization_level(config.get(), common.opt_level)));
  CLI_TRY(check(tn_builder_config_set_deadline(config.get(), common.deadline)));
  const std::pair<tn_precision, bool> precisions[] = {
      {TN_PRECISION_TF32, common.tf32}, {TN_PRECISION_FP16, common.fp16}, {TN_PRECISION_BF16, common.bf16}};
  for (const auto& [precision, allowed] : precisions)
    CLI_TRY(check(tn_builder_config_set_precision_allowed(config.get(), precision, allowed ? 1 : 0)));
  if (!common.timing_cache.empty() && common.device != "cpu")
    CLI_TRY(check(tn_builder_config_set_option(config.get(), "code_cache", (common.timing_cache + ".code").c_str())));
  for (const std::string& option : common.options) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos) return fail(kExitUsage, "--option \"{}\" is not KEY=VALUE", option);
    CLI_TRY(check(tn_builder_config_set_option(config.get(), option.substr(0, equals).c_str(),
                                               option.c_str() + equals + 1)));
  }
  CLI_ASSIGN(profile, make_profile(ranges));
  CLI_TRY(check(tn_builder_config_add_profile(config.get(), profile.get(), nullptr)));
  return config;
}

}  // namespace

void add_common_options(CLI::App& app, Common& common) {
  app.add_option("--device", common.device, "cpu, cuda, cuda:1, …")->capture_default_str();
  app.add_option("--threads", common.threads, "threads to use; 0: all that this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--timing-cache", common.timing_cache,
                 "file of measured times, read if it is there and written; a GPU's compiled kernels are kept in "
                 "the folder FILE.code beside it");
  app.add_option("--opt-level", common.opt_level, "0 … 5: how many kernels of each kind a build tries")
      ->check(CLI::Range(0, 5))
      ->capture_default_str();
  app.add_option("--deadline", common.deadline, "seconds after which a build times no more kernels; 0: none")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_flag("--fp16", common.fp16, "FP16 is allowed where it is faster (on a GPU)");
  app.add_flag("--bf16", common.bf16, "BF16 is allowed where it is faster (on a GPU, and on processors that multiply it)");
  app.add_flag("--tf32,!--no-tf32", common.tf32, "TF32 is allowed (the default) or not (on a GPU)");
  app.add_flag("--no-onednn", common.no_onednn, "own kernels only");
  app.add_option("--option", common.options, "experimental option of the build, KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--verbose", common.verbose, "more messages");
  app.add_flag("--json", common.json, "result as one JSON object on standard output");
}

Expected<void> check_input_names(const std::vector<Io>& ios, const Shapes& shapes, std::string_view flag) {
  std::vector<std::string> names;
  for (const Io& io : ios)
    if (io.is_input) names.push_back(io.name);
  for (const auto& [name, dims] : shapes) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string nearest = did_you_mean(name, names);
    return fail(kExitInput, "{}: no input is named \"{}\"{} Inputs: {}", flag, name,
                nearest.empty() ? "." : nearest, fmt::join(names, ", "));
  }
  return {};
}

Expected<Shapes> complete_shapes(const std::vector<Io>& ios, const Shapes& given,
                                 std::vector<std::string>& assumed) {
  std::map<std::string, int64_t> symbols;
  for (const Io& io : ios) {
    const auto found = given.find(io.name);
    if (!io.is_input || found == given.end()) continue;
    if (found->second.size() != io.dims.size())
      return fail(kExitInput, "input {} has {} dims ({}), {} given ({})", io.name, io.dims.size(),
                  shape_text(io.dims), found->second.size(), shape_text(found->second));
    for (size_t i = 0; i < io.dims.size(); ++i) {
      if (io.dims[i] >= 0 && io.dims[i] != found->second[i])
        return fail(kExitInput, "input {}: dim {} is {}, {} given ({})", io.name, i, io.dims[i],
                    found->second[i], shape_text(found->second));
      if (io.dims[i] < 0 && i < io.symbols.size() && !io.symbols[i].empty())
        symbols.emplace(io.symbols[i], found->second[i]);
    }
  }
  Shapes all;
  for (const Io& io : ios) {
    if (!io.is_input) continue;
    const auto found = given.find(io.name);
    if (found != given.end()) {
      all.insert(*found);
      continue;
    }
    std::vector<int64_t> dims = io.dims;
    bool one = false;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] >= 0) continue;
      const auto symbol = i < io.symbols.size() ? symbols.find(io.symbols[i]) : symbols.end();
      one = one || symbol == symbols.end();
      dims[i] = symbol == symbols.end() ? 1 : symbol->second;
    }
    if (one) assumed.push_back(io.name + ":" + shape_text(dims));
    all.emplace(io.name, std::move(dims));
  }
  return all;
}

void warn_assumed(const std::vector<std::string>& assumed) {
  if (assumed.empty()) return;
  std::fprintf(stderr, "warning: no shapes given, dynamic dims become 1: %s\n",
               fmt::format("{}", fmt::join(assumed, ", ")).c_str());
}

Expected<bool> is_onnx(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) return fail(kExitInput, "cannot open {}: {}", path, std::strerror(errno));
  const int first = std::fgetc(file);
  std::fclose(file);
  return first == 0x08 || path.ends_with(".onnx");
}

Expected<Model> open_model(const std::string& path, const Common& common) {
  Model model;
  CLI_ASSIGN(logger, make_logger(common));
  model.logger = std::move(logger);
  CLI_TRY(check(tn_builder_create(model.builder.out())));
  CLI_TRY(check(tn_builder_set_logger(model.builder.get(), model.logger.get())));
  CLI_TRY(check(tn_network_create_from_onnx_file(model.builder.get(), path.c_str(), model.network.out())));
  const tn_network_t network = model.network.get();
  size_t count = 0;
  CLI_TRY(check(tn_network_get_tensor_count(network, &count)));
  for (size_t i = 0; i < count; ++i) {
    Io io;
    tn_io_mode mode = TN_IO_MODE_INPUT;
    CLI_TRY(check(tn_network_get_tensor_mode(network, i, &mode)));
    io.is_input = mode == TN_IO_MODE_INPUT;
    CLI_ASSIGN(name, text_of([&](auto... out) { return tn_network_get_tensor_name(network, i, out...); }));
    io.name = std::move(name);
    CLI_TRY(check(tn_network_get_tensor_data_type(network, i, &io.type)));
    if (io.is_input) {
      CLI_ASSIGN(dims, dims_of([&](auto... out) { return tn_network_get_tensor_shape(network, i, out...); }));
      io.dims = std::move(dims);
      for (size_t d = 0; d < io.dims.size(); ++d) {
        CLI_ASSIGN(symbol, text_of([&](auto... out) {
                     return tn_network_get_tensor_dim_name(network, i, d, out...);
                   }));
        io.symbols.push_back(std::move(symbol));
      }
    }
    model.ios.push_back(std::move(io));
  }
  return model;
}

Expected<ReadModel> open_onnx_model(const std::string& path, const Common& common) {
  ReadModel model;
  CLI_ASSIGN(logger, make_logger(common));
  model.logger = std::move(logger);
  CLI_TRY(check(tn_builder_create(model.builder.out())));
  CLI_TRY(check(tn_builder_set_logger(model.builder.get(), model.logger.get())));
  CLI_TRY(check(tn_onnx_model_create_from_file(model.builder.get(), path.c_str(), model.model.out())));
  return model;
}

Expected<BuiltPlan> build(const Model& model, const Common& common, const Ranges& ranges) {
  CLI_ASSIGN(cache, open_timing_cache(common.timing_cache));
  CLI_ASSIGN(config, make_config(common, ranges, cache));
  Progress progress(!common.json);
  CLI_TRY(check(tn_builder_config_set_progress(config.get(), progress.callbacks())));
  BuiltPlan built;
  const auto start = std::chrono::steady_clock::now();
  const auto status = check(tn_builder_build(model.builder.get(), model.network.get(), config.get(),
                                             built.plan.out(), built.report.out()));
  progress.end();
  if (!status) return tl::unexpected(status.error());
  built.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!common.timing_cache.empty()) {
    Blob blob;
    CLI_TRY(check(tn_timing_cache_serialize(cache.get(), blob.out())));
    if (auto saved = check(tn_blob_save(blob.get(), common.timing_cache.c_str())); !saved)
      return fail(kExitOutput, "--timing-cache {}: {}", common.timing_cache, saved.error().message);
  }
  return built;
}

Expected<Loaded> load(std::string_view plan, const Common& common) {
  Loaded loaded;
  CLI_ASSIGN(logger, make_logger(common));
  loaded.logger = std::move(logger);
  CLI_TRY(open_device(common.device));
  CLI_TRY(check(tn_runtime_create(loaded.runtime.out())));
  CLI_TRY(check(tn_runtime_set_logger(loaded.runtime.get(), loaded.logger.get())));
  CLI_TRY(check(tn_runtime_set_thread_count(loaded.runtime.get(), common.threads)));
  CLI_TRY(check(tn_engine_create(loaded.runtime.get(), plan.data(), plan.size(), loaded.engine.out())));
  const tn_engine_t engine = loaded.engine.get();
  size_t count = 0;
  CLI_TRY(check(tn_engine_get_tensor_count(engine, &count)));
  for (size_t i = 0; i < count; ++i) {
    Io io;
    tn_io_mode mode = TN_IO_MODE_INPUT;
    CLI_TRY(check(tn_engine_get_tensor_mode(engine, i, &mode)));
    io.is_input = mode == TN_IO_MODE_INPUT;
    CLI_ASSIGN(name, text_of([&](auto... out) { return tn_engine_get_tensor_name(engine, i, out...); }));
    io.name = std::move(name);
    CLI_TRY(check(tn_engine_get_tensor_data_type(engine, i, &io.type)));
    CLI_ASSIGN(dims, dims_of([&](auto... out) { return tn_engine_get_tensor_shape(engine, i, out...); }));
    io.dims = std::move(dims);
    loaded.ios.push_back(std::move(io));
  }
  return loaded;
}

}  // namespace tenon::cli
