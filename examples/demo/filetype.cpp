// What kind of file is this? Google's magika network through Tenon.
//
//     filetype MODEL.onnx LABELS.txt PLAN THREADS DUMP_FOLDER NAME=FILE …
//
// Builds a plan from the ONNX model, saves it, loads it again as another program would, and runs it once per file, and
// once for all files together: the plan holds for batches of 1 to 32. Inputs and scores go to DUMP_FOLDER/features.i32
// and scores.f32, for whoever wants to check them.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tenon/tenon.h"

namespace {

// Features as magika's documentation defines them (its config: beg_size, end_size, block_size, padding_token).
constexpr size_t kBegin = 1024, kEnd = 1024, kBlock = 4096, kFeatures = kBegin + kEnd;
constexpr int32_t kPadding = 256;
constexpr int64_t kMaxBatch = 32;

// Ends the program with the library's message.
void check(tn_error_t error) {
  if (!error) return;
  size_t size = 0;
  tn_error_get_message(error, nullptr, 0, &size);
  std::string message(size + 1, '\0');
  tn_error_get_message(error, message.data(), message.size(), nullptr);
  tn_error_destroy(error);
  std::fprintf(stderr, "filetype: %s\n", message.c_str());
  std::exit(1);
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Python's bytes.strip() strips these.
bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Up to `kBlock` bytes from the file's beginning or end.
std::string block_of(const std::string& path, bool from_end) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "filetype: cannot open %s\n", path.c_str());
    std::exit(1);
  }
  file.seekg(0, std::ios::end);
  const auto size = static_cast<size_t>(file.tellg());
  std::string bytes(std::min(size, kBlock), '\0');
  file.seekg(static_cast<std::streamoff>(from_end ? size - bytes.size() : 0));
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// The first bytes without leading space, padded behind; then the last bytes without trailing space, padded in front.
void append_features(const std::string& path, std::vector<int32_t>& features) {
  const std::string begin = block_of(path, false), end = block_of(path, true);
  const size_t first = static_cast<size_t>(std::find_if_not(begin.begin(), begin.end(), is_space) - begin.begin());
  for (size_t i = 0; i < kBegin; ++i)
    features.push_back(first + i < begin.size() ? static_cast<unsigned char>(begin[first + i]) : kPadding);
  size_t last = end.size();
  while (last > 0 && is_space(static_cast<unsigned char>(end[last - 1]))) --last;
  for (size_t i = kEnd; i > 0; --i)
    features.push_back(i <= last ? static_cast<unsigned char>(end[last - i]) : kPadding);
}

tn_blob_t build_plan(const char* model, int32_t threads) {
  tn_builder_t builder = nullptr;
  tn_network_t network = nullptr;
  tn_builder_config_t config = nullptr;
  tn_optimization_profile_t profile = nullptr;
  check(tn_builder_create(&builder));
  check(tn_network_create_from_onnx_file(builder, model, &network));
  check(tn_builder_config_create(&config));
  check(tn_builder_config_set_thread_count(config, threads));
  check(tn_optimization_profile_create(&profile));
  const int64_t one[] = {1, kFeatures}, many[] = {kMaxBatch, kFeatures};
  check(tn_optimization_profile_set_shape(profile, "bytes", TN_SHAPE_SELECTOR_MIN, one, 2));
  check(tn_optimization_profile_set_shape(profile, "bytes", TN_SHAPE_SELECTOR_OPT, one, 2));
  check(tn_optimization_profile_set_shape(profile, "bytes", TN_SHAPE_SELECTOR_MAX, many, 2));
  check(tn_builder_config_add_profile(config, profile, nullptr));
  tn_blob_t plan = nullptr;
  check(tn_builder_build(builder, network, config, &plan, nullptr));
  tn_optimization_profile_destroy(profile);
  tn_builder_config_destroy(config);
  tn_network_destroy(network);
  tn_builder_destroy(builder);
  return plan;
}

// A loaded plan and one context of it.
struct Network {
  tn_engine_t engine = nullptr;
  tn_execution_context_t context = nullptr;
};

Network load(const char* path) {
  tn_blob_t blob = nullptr;
  tn_runtime_t runtime = nullptr;
  const void* bytes = nullptr;
  size_t size = 0;
  Network network;
  check(tn_blob_create_from_file(path, &blob));
  check(tn_blob_get_data(blob, &bytes, &size));
  check(tn_runtime_create(&runtime));
  check(tn_engine_create(runtime, bytes, size, &network.engine));
  check(tn_execution_context_create(network.engine, 0, &network.context));
  tn_runtime_destroy(runtime);  // what still needs an object keeps it alive
  tn_blob_destroy(blob);
  return network;
}

void run(const Network& network, const int32_t* features, size_t batch, float* scores, size_t labels) {
  const int64_t dims[] = {static_cast<int64_t>(batch), kFeatures};
  check(tn_execution_context_set_input_shape(network.context, "bytes", dims, 2));
  check(tn_execution_context_set_buffer(network.context, "bytes", const_cast<int32_t*>(features),
                                        batch * kFeatures * sizeof(int32_t)));
  check(tn_execution_context_set_buffer(network.context, "target_label", scores, batch * labels * sizeof(float)));
  check(tn_execution_context_run(network.context));
}

// Median time of one file, in milliseconds.
double median_latency(const Network& network, const std::vector<int32_t>& features, size_t files, size_t labels) {
  std::vector<float> scores(labels);
  std::vector<double> times;
  for (size_t i = 0; i < 55; ++i) {
    const double start = now();
    run(network, features.data() + i % files * kFeatures, 1, scores.data(), labels);
    if (i >= 5) times.push_back(now() - start);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2] * 1e3;
}

template <class T>
void dump(const std::string& path, const std::vector<T>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: filetype MODEL.onnx LABELS.txt PLAN THREADS DUMP_FOLDER NAME=FILE ...\n");
    return 2;
  }
  const char* plan_path = argv[3];
  const int32_t threads = std::atoi(argv[4]);
  const std::string folder = argv[5];
  std::vector<std::string> labels;
  std::ifstream label_file(argv[2]);
  for (std::string line; std::getline(label_file, line);) labels.push_back(line);

  std::vector<std::string> names;
  std::vector<int32_t> features;
  for (int i = 6; i < argc; ++i) {
    const char* equals = std::strchr(argv[i], '=');
    if (!equals) continue;
    names.emplace_back(argv[i], static_cast<size_t>(equals - argv[i]));
    append_features(equals + 1, features);
  }
  const size_t files = names.size();

  const double start = now();
  tn_blob_t plan = build_plan(argv[1], threads);
  const double build_seconds = now() - start;
  const void* bytes = nullptr;
  size_t plan_size = 0;
  check(tn_blob_get_data(plan, &bytes, &plan_size));
  check(tn_blob_save(plan, plan_path));
  tn_blob_destroy(plan);

  const Network network = load(plan_path);
  std::vector<float> scores(files * labels.size()), together(files * labels.size());
  for (size_t i = 0; i < files; ++i)
    run(network, features.data() + i * kFeatures, 1, scores.data() + i * labels.size(), labels.size());
  run(network, features.data(), files, together.data(), labels.size());
  for (size_t i = 0; i < files; ++i) {
    const float* row = scores.data() + i * labels.size();
    const auto best = static_cast<size_t>(std::max_element(row, row + labels.size()) - row);
    std::printf("  %-14s %-10s %.4f\n", names[i].c_str(), labels[best].c_str(), static_cast<double>(row[best]));
  }
  float apart = 0;
  for (size_t i = 0; i < scores.size(); ++i) apart = std::max(apart, std::abs(scores[i] - together[i]));
  std::printf("\nbuild %.2f s, plan %.2f MB; all %zu files in one batch with the same plan: scores within %.0e\n",
              build_seconds, static_cast<double>(plan_size) / 1e6, files, static_cast<double>(apart));
  std::printf("Tenon: median latency %.2f ms for one file, %d threads\n", median_latency(network, features, files, labels.size()),
              threads);
  dump(folder + "/features.i32", features);
  dump(folder + "/scores.f32", scores);
  tn_execution_context_destroy(network.context);
  tn_engine_destroy(network.engine);
  return apart < 1e-3f ? 0 : 1;
}
