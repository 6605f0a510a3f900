// `tenon bench`: latency and throughput of a model or plan.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/session.h"

namespace tenon::cli {
namespace {

struct BenchOptions {
  Common common;
  InputOptions inputs;
  std::string model;
  double warm_up = 0.2, duration = 3.0;
  int iterations = 10;
  bool layers = false;
};

struct LayerTime {
  std::string name, kernel, origins;
  double microseconds = 0;
};

// A time to wait: "nan" and "inf" are none.
const CLI::Validator kSeconds(
    [](std::string& text) -> std::string {
      double value = -1;
      if (CLI::detail::lexical_cast(text, value) && value >= 0 && value <= 1e6) return {};
      return "\"" + text + "\" is not a number of seconds from 0 to 1000000";
    },
    "SECONDS");

// The value below which `share` of the sorted times lie (nearest rank).
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::min(sorted.size(), std::max<size_t>(rank, 1)) - 1];
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs for the warm-up, then measures until both the duration and the number of iterations are reached.
Expected<std::vector<double>> measure(const Session& session, const BenchOptions& options) {
  const double warm = now() + options.warm_up;
  do CLI_TRY(check(tn_execution_context_run(session.context.get())));
  while (now() < warm);
  std::vector<double> seconds;
  const double begin = now();
  double last = begin;
  while (last - begin < options.duration || seconds.size() < static_cast<size_t>(options.iterations)) {
    CLI_TRY(check(tn_execution_context_run(session.context.get())));
    const double at = now();
    seconds.push_back(at - last);
    last = at;
  }
  return seconds;
}

// Whether the model's tensors lie on a device that is not the host.
Expected<bool> on_device(const Session& session) {
  tn_tensor_location location = TN_TENSOR_LOCATION_HOST;
  CLI_TRY(check(tn_engine_get_tensor_location(session.loaded.engine.get(), 0, &location)));
  return location == TN_TENSOR_LOCATION_DEVICE;
}

// The device's own time of each run, in seconds.
Expected<std::vector<double>> measure_device(const Session& session, const BenchOptions& options) {
  std::vector<double> seconds;
  const double end = now() + options.duration / 2;
  while (now() < end || seconds.size() < static_cast<size_t>(options.iterations)) {
    double microseconds = 0;
    CLI_TRY(check(tn_execution_context_run_measured(session.context.get(), &microseconds)));
    seconds.push_back(microseconds * 1e-6);
  }
  return seconds;
}

using Statistics = std::array<std::pair<const char*, double>, 7>;

Statistics statistics_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t n = times.size();
  return {{{"min", times.front()},
           {"max", times.back()},
           {"mean", std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(n)},
           {"median", (times[(n - 1) / 2] + times[n / 2]) / 2},
           {"p90", percentile(times, 0.90)},
           {"p95", percentile(times, 0.95)},
           {"p99", percentile(times, 0.99)}}};
}

void print_statistics(const char* what, const Statistics& statistics) {
  std::printf("%s:", what);
  const char* separator = " ";
  for (const auto& [name, value] : statistics) {
    std::printf("%s%s = %s", separator, name, time_text(value).c_str());
    separator = ", ";
  }
  std::printf("\n");
}

tn_error_t record_layer(void* user_data, size_t index, const char* name, const char* kernel,
                        const char* origins, double microseconds) {
  auto& layers = *static_cast<std::vector<LayerTime>*>(user_data);
  if (layers.size() <= index) layers.resize(index + 1);
  if (layers[index].name.empty()) layers[index] = {name, kernel, origins, 0};
  layers[index].microseconds += microseconds;
  return nullptr;
}

// Mean time of each layer over ten runs, in the plan's order.
Expected<std::vector<LayerTime>> measure_layers(const Session& session) {
  constexpr int kRuns = 10;
  std::vector<LayerTime> layers;
  tn_profiler_callbacks callbacks = TN_PROFILER_CALLBACKS_INIT;
  callbacks.user_data = &layers;
  callbacks.layer = record_layer;
  CLI_TRY(check(tn_execution_context_set_profiler(session.context.get(), &callbacks)));
  Expected<void> ran;
  for (int run = 0; run < kRuns && ran; ++run) ran = check(tn_execution_context_run(session.context.get()));
  CLI_TRY(check(tn_execution_context_set_profiler(session.context.get(), nullptr)));
  if (!ran) return tl::unexpected(ran.error());
  for (LayerTime& layer : layers) layer.microseconds /= kRuns;
  return layers;
}

void print_layers(const std::vector<LayerTime>& layers) {
  double whole = 0;
  for (const LayerTime& layer : layers) whole += layer.microseconds;
  std::printf("\n%10s %7s  %-32s %s\n", "time", "share", "kernel", "ONNX nodes");
  for (const LayerTime& layer : layers) {
    std::string nodes = layer.origins;
    std::replace(nodes.begin(), nodes.end(), '\n', ' ');
    std::printf("%10s %6.1f%%  %-32s %s\n", time_text(layer.microseconds * 1e-6).c_str(),
                whole > 0 ? layer.microseconds / whole * 100 : 0, layer.kernel.c_str(), nodes.c_str());
  }
}

Expected<void> run_bench(const BenchOptions& options) {
  CLI_ASSIGN(session, open_session(options.model, options.common, options.inputs));
  CLI_ASSIGN(seconds, measure(session, options));
  std::vector<LayerTime> layers;
  if (options.layers) {
    CLI_ASSIGN(measured, measure_layers(session));
    layers = std::move(measured);
  }
  std::vector<double> device;
  CLI_ASSIGN(has_device, on_device(session));
  if (has_device) {
    CLI_ASSIGN(measured, measure_device(session, options));
    device = std::move(measured);
  }
  const double total = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  const size_t n = seconds.size();
  const Statistics latency = statistics_of(std::move(seconds));
  const double throughput = static_cast<double>(n) / total;

  if (options.common.json) {
    nlohmann::ordered_json json{{"model", options.model},
                                {"iterations", n},
                                {"seconds", total},
                                {"throughput_per_second", throughput}};
    for (const auto& [name, value] : latency) json["latency_ms"][name] = value * 1e3;
    if (has_device)
      for (const auto& [name, value] : statistics_of(device)) json["device_ms"][name] = value * 1e3;
    json["plan_bytes"] = session.plan_bytes;
    if (session.build_seconds > 0) json["build_seconds"] = session.build_seconds;
    for (const LayerTime& layer : layers)
      json["layers"].push_back({{"name", layer.name},
                                {"kernel", layer.kernel},
                                {"nodes", layer.origins},
                                {"microseconds", layer.microseconds}});
    std::puts(json_text(json).c_str());
    return {};
  }
  std::printf("=== Performance summary ===\n");
  for (const BoundTensor& tensor : session.inputs)
    std::printf("Input: %s %s %s\n", tensor.name.c_str(), tn_data_type_get_name(tensor.type),
                shape_text(tensor.array.shape).c_str());
  if (session.build_seconds > 0) std::printf("Build: %s\n", time_text(session.build_seconds).c_str());
  std::printf("Plan: %s\n", bytes_text(session.plan_bytes).c_str());
  std::printf("Throughput: %.4g per second (%zu runs in %s)\n", throughput, n, time_text(total).c_str());
  print_statistics("Latency", latency);
  if (has_device) print_statistics("GPU compute time", statistics_of(device));
  if (options.layers) print_layers(layers);
  return {};
}

}  // namespace

Command add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* parser = app.add_subcommand("bench", "measure latency and throughput of an ONNX model or a plan");
  parser->add_option("model", options->model, "MODEL.onnx or PLAN")->required();
  add_input_options(*parser, options->inputs);
  parser->add_option("--warm-up", options->warm_up, "seconds")->check(kSeconds)->capture_default_str();
  parser->add_option("--duration", options->duration, "seconds at least")
      ->check(kSeconds)
      ->capture_default_str();
  parser->add_option("--iterations", options->iterations, "runs at least")
      ->check(CLI::Range(1, 1000000000))
      ->capture_default_str();
  parser->add_flag("--layers", options->layers, "time of each layer as well");
  add_common_options(*parser, options->common);
  return {parser, [options] { return run_bench(*options); }};
}

}  // namespace tenon::cli
