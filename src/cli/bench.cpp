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

// Of each run on a device that is not the host, in seconds: the device's own time, the host's to enqueue it, and the copies
// of inputs and outputs, whose buffers are the host's here.
struct DeviceTimes {
  std::vector<double> compute, enqueue, h2d, d2h;
};

Expected<DeviceTimes> measure_device(const Session& session, const BenchOptions& options) {
  DeviceTimes out;
  const double end = now() + options.duration;
  while (now() < end || out.compute.size() < static_cast<size_t>(options.iterations)) {
    double compute = 0, h2d = 0, enqueue = 0, d2h = 0;
    CLI_TRY(check(tn_execution_context_run_measured(session.context.get(), &compute)));
    CLI_TRY(check(tn_execution_context_run_in_parts(session.context.get(), &h2d, &enqueue, &d2h)));
    out.compute.push_back(compute * 1e-6);
    out.enqueue.push_back(enqueue * 1e-6);
    out.h2d.push_back(h2d * 1e-6);
    out.d2h.push_back(d2h * 1e-6);
  }
  return out;
}

// What a table or a JSON document calls the parts of DeviceTimes.
struct DevicePart {
  const char* title;
  const char* key;
  std::vector<double> DeviceTimes::* times;
};
constexpr DevicePart kDeviceParts[] = {{"GPU compute time", "device_ms", &DeviceTimes::compute},
                                       {"Enqueue time", "enqueue_ms", &DeviceTimes::enqueue},
                                       {"H2D", "h2d_ms", &DeviceTimes::h2d},
                                       {"D2H", "d2h_ms", &DeviceTimes::d2h}};

using Statistics = std::array<std::pair<const char*, double>, 7>;

double median_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return (times[(times.size() - 1) / 2] + times[times.size() / 2]) / 2;
}

double deviation_of(const std::vector<double>& times) {
  const double n = static_cast<double>(times.size());
  const double mean = std::accumulate(times.begin(), times.end(), 0.0) / n;
  double squares = 0;
  for (const double time : times) squares += (time - mean) * (time - mean);
  return std::sqrt(squares / n);
}

// What makes the numbers say less than they seem to.
std::vector<std::string> warnings_of(const DeviceTimes& times) {
  constexpr double kClose = 0.8;    // of the compute time: whatever takes longer may bound the throughput
  constexpr double kSpread = 0.03;  // standard deviation, of the median
  const double compute = median_of(times.compute);
  std::vector<std::string> out;
  const auto compare = [&](const char* what, const std::vector<double>& part, const char* advice) {
    if (const double median = median_of(part); median > kClose * compute)
      out.push_back(fmt::format("throughput may be bound by {} ({}) rather than by GPU compute time ({}): {}", what,
                                time_text(median), time_text(compute), advice));
  };
  compare("enqueue time", times.enqueue, "the host may keep the GPU waiting");
  compare("copies of inputs to the GPU", times.h2d, "inputs in memory of the GPU need none");
  compare("copies of outputs from the GPU", times.d2h, "outputs in memory of the GPU need none");
  if (const double spread = deviation_of(times.compute) / compute; spread > kSpread)
    out.push_back(fmt::format("GPU compute time is unstable: its standard deviation is {:.1f} % of the median; other work on "
                              "the GPU, or clocks that are not locked",
                              spread * 100));
  return out;
}

Statistics statistics_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t n = times.size();
  return {{{"min", times.front()},
           {"max", times.back()},
           {"mean", std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(n)},
           {"median", median_of(times)},
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
  DeviceTimes device;
  std::vector<std::string> warnings;
  CLI_ASSIGN(has_device, on_device(session));
  if (has_device) {
    CLI_ASSIGN(measured, measure_device(session, options));
    device = std::move(measured);
    warnings = warnings_of(device);
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
    if (has_device) {
      for (const DevicePart& part : kDeviceParts)
        for (const auto& [name, value] : statistics_of(device.*part.times)) json[part.key][name] = value * 1e3;
      json["warnings"] = warnings;
    }
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
  if (has_device)
    for (const DevicePart& part : kDeviceParts) print_statistics(part.title, statistics_of(device.*part.times));
  for (const std::string& warning : warnings) std::printf("Warning: %s\n", warning.c_str());
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
