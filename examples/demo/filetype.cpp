// What kind of file is this? Google's magika network through Tenon.
//
//     filetype MODEL.onnx LABELS.txt PLAN THREADS DUMP_FOLDER NAME=FILE …
//
// Builds a plan from the ONNX model, saves it, loads it again as another program would, and runs it once per
// file, and once for all files together: the plan holds for batches of 1 to 32. Inputs and scores go to
// DUMP_FOLDER/features.i32 and scores.f32, for whoever wants to check them.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tenon/tenon.hpp"

namespace {

// Features as magika's documentation defines them (its config: beg_size, end_size, block_size,
// padding_token).
constexpr size_t kBegin = 1024, kEnd = 1024, kBlock = 4096, kFeatures = kBegin + kEnd;
constexpr int32_t kPadding = 256;
constexpr int64_t kMaxBatch = 32;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Python's bytes.strip() strips these.
bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Up to `kBlock` bytes from the file's beginning or end.
std::string block_of(const std::string& path, bool from_end) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  file.seekg(0, std::ios::end);
  const auto size = static_cast<size_t>(file.tellg());
  std::string bytes(std::min(size, kBlock), '\0');
  file.seekg(static_cast<std::streamoff>(from_end ? size - bytes.size() : 0));
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// The first bytes without leading space, padded behind; then the last bytes without trailing space, padded in
// front.
void append_features(const std::string& path, std::vector<int32_t>& features) {
  const std::string begin = block_of(path, false), end = block_of(path, true);
  const size_t first =
      static_cast<size_t>(std::find_if_not(begin.begin(), begin.end(), is_space) - begin.begin());
  for (size_t i = 0; i < kBegin; ++i)
    features.push_back(first + i < begin.size() ? static_cast<unsigned char>(begin[first + i]) : kPadding);
  size_t last = end.size();
  while (last > 0 && is_space(static_cast<unsigned char>(end[last - 1]))) --last;
  for (size_t i = kEnd; i > 0; --i)
    features.push_back(i <= last ? static_cast<unsigned char>(end[last - i]) : kPadding);
}

tenon::Blob build_plan(const std::string& model, int threads) {
  tenon::Builder builder;
  tenon::Network network = tenon::Network::from_onnx_file(builder, model);
  tenon::OptimizationProfile profile;
  profile.set_shape("bytes", {1, kFeatures}, {1, kFeatures},
                    {kMaxBatch, kFeatures});  // smallest, likeliest, largest
  tenon::BuilderConfig config;
  config.set_thread_count(threads);
  config.add_profile(profile);
  return builder.build(network, config);
}

// The scores of a batch of files.
void run(tenon::ExecutionContext& context, const int32_t* features, size_t batch, float* scores,
         size_t labels) {
  context.set_input_shape("bytes", {static_cast<int64_t>(batch), kFeatures});
  context.set_buffer("bytes", const_cast<int32_t*>(features), batch * kFeatures * sizeof(int32_t));
  context.set_buffer("target_label", scores, batch * labels * sizeof(float));
  context.run();
}

// Median time of one file, in milliseconds.
double median_latency(tenon::ExecutionContext& context, const std::vector<int32_t>& features, size_t files,
                      size_t labels) {
  std::vector<float> scores(labels);
  std::vector<double> times;
  for (size_t i = 0; i < 55; ++i) {
    const double start = now();
    run(context, features.data() + i % files * kFeatures, 1, scores.data(), labels);
    if (i >= 5) times.push_back(now() - start);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2] * 1e3;
}

template <class T>
void dump(const std::string& path, const std::vector<T>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(T)));
}

int classify(int argc, char** argv) {
  const std::string model = argv[1], plan_path = argv[3], folder = argv[5];
  const int threads = std::atoi(argv[4]);
  std::vector<std::string> labels;
  std::ifstream label_file(argv[2]);
  for (std::string line; std::getline(label_file, line);) labels.push_back(line);

  std::vector<std::string> names;
  std::vector<int32_t> features;
  for (int i = 6; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    names.push_back(argument.substr(0, equals));
    append_features(argument.substr(equals + 1), features);
  }
  const size_t files = names.size();

  const double start = now();
  tenon::Blob plan = build_plan(model, threads);
  const double build_seconds = now() - start;
  plan.save(plan_path);

  plan = tenon::Blob::from_file(plan_path);
  tenon::Engine engine(tenon::Runtime(), plan);
  tenon::ExecutionContext context(engine);
  std::vector<float> scores(files * labels.size()), together(files * labels.size());
  for (size_t i = 0; i < files; ++i)
    run(context, features.data() + i * kFeatures, 1, scores.data() + i * labels.size(), labels.size());
  run(context, features.data(), files, together.data(), labels.size());

  for (size_t i = 0; i < files; ++i) {
    const float* row = scores.data() + i * labels.size();
    const auto best = static_cast<size_t>(std::max_element(row, row + labels.size()) - row);
    std::printf("  %-14s %-10s %.4f\n", names[i].c_str(), labels[best].c_str(),
                static_cast<double>(row[best]));
  }
  float apart = 0;
  for (size_t i = 0; i < scores.size(); ++i) apart = std::max(apart, std::abs(scores[i] - together[i]));
  std::printf(
      "\nbuild %.2f s, plan %.2f MB; all %zu files in one batch with the same plan: scores within %.0e\n",
      build_seconds, static_cast<double>(plan.size()) / 1e6, files, static_cast<double>(apart));
  std::printf("Tenon: median latency %.2f ms for one file, %d threads\n",
              median_latency(context, features, files, labels.size()), threads);
  dump(folder + "/features.i32", features);
  dump(folder + "/scores.f32", scores);
  return apart < 1e-4f ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: filetype MODEL.onnx LABELS.txt PLAN THREADS DUMP_FOLDER NAME=FILE ...\n");
    return 2;
  }
  try {
    return classify(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "filetype: %s\n", error.what());
    return 1;
  }
}
