// Classifies one input with a network: its five best classes.
//
//     classify MODEL.onnx [INPUT]
//     classify MODEL.plan [INPUT]
//
// INPUT is a .npy file or a file with the bare elements; without it, the input is random with a fixed seed.
// The network's first input and first output are used; dynamic dims become 1. Compile with
//
//     c++ -std=c++17 classify.cpp -o classify $(pkg-config --cflags --libs tenon)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

namespace {

using Bytes = std::vector<char>;

tenon::Blob build(const std::string& path, const tenon::Logger& logger) {
  tenon::Builder builder;
  builder.set_logger(logger);
  tenon::Network network = tenon::Network::from_onnx_file(builder, path);
  tenon::OptimizationProfile profile;
  for (std::size_t i = 0; i < network.tensor_count(); ++i) {
    if (network.tensor_mode(i) != tenon::IoMode::input) continue;
    tenon::Dims dims = network.tensor_shape(i);
    std::replace(dims.begin(), dims.end(), std::int64_t{-1}, std::int64_t{1});
    profile.set_shape(network.tensor_name(i), dims, dims, dims);
  }
  tenon::BuilderConfig config;
  config.add_profile(profile);
  return builder.build(network, config);
}

// The elements of a .npy file (its header is skipped; it must fit the input), or the whole of another file.
Bytes read_input(const std::string& path, std::size_t size) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " cannot be opened");
  Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (bytes.size() >= 12 && std::memcmp(bytes.data(), "\x93NUMPY", 6) == 0) {
    auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(bytes[i])}; };
    std::size_t start = bytes[6] == 1 ? 10 + (byte(8) | byte(9) << 8)
                                      : 12 + (byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(start, bytes.size())));
  }
  if (bytes.size() != size) throw std::runtime_error(path + " does not have the size of the network's input");
  return bytes;
}

// Floats in [-1, 1), other types 0 or 1.
Bytes random_input(std::size_t size, tenon::DataType type) {
  std::mt19937 random(1);
  Bytes bytes(size);
  std::size_t element = tenon::size_of(type);
  for (std::size_t at = 0; at + element <= size; at += element) {
    if (type == tenon::DataType::float32) {
      float value = static_cast<float>(random() >> 8) / 8388608.0f - 1.0f;
      std::memcpy(&bytes[at], &value, sizeof value);
    } else if (type != tenon::DataType::float16 && type != tenon::DataType::float64) {
      bytes[at] = static_cast<char>(random() & 1);  // the lowest byte comes first
    }
  }
  return bytes;
}

void print_best(const Bytes& bytes) {
  std::vector<float> scores(bytes.size() / sizeof(float));
  std::memcpy(scores.data(), bytes.data(), scores.size() * sizeof(float));
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto best = order.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(5, order.size()));
  std::partial_sort(order.begin(), best, order.end(),
                    [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  for (auto at = order.begin(); at != best; ++at) std::cout << "class " << *at << ": " << scores[*at] << "\n";
}

void classify(const std::string& model, const char* input) {
  tenon::Logger logger([](tenon::Severity, std::string_view message) { std::cerr << message << "\n"; },
                       tenon::Severity::warning);
  bool is_plan = model.size() > 5 && model.compare(model.size() - 5, 5, ".plan") == 0;
  tenon::Blob plan = is_plan ? tenon::Blob::from_file(model) : build(model, logger);

  tenon::Runtime runtime;
  runtime.set_logger(logger);
  tenon::Engine engine(runtime, plan);
  tenon::ExecutionContext context(engine);

  std::vector<Bytes> buffers(engine.tensor_count());
  std::size_t scores = buffers.size();
  for (std::size_t i = 0; i < buffers.size(); ++i) {  // inputs first: the outputs' shapes follow from theirs
    std::string name = engine.tensor_name(i);
    tenon::DataType type = engine.tensor_data_type(i);
    bool is_input = engine.tensor_mode(i) == tenon::IoMode::input;
    if (is_input) context.set_input_shape(name, engine.profile_shape(0, name, tenon::ShapeSelector::opt));
    tenon::Dims dims = context.shape(name);
    std::size_t size =
        std::accumulate(dims.begin(), dims.end(), tenon::size_of(type),
                        [](std::size_t a, std::int64_t b) { return a * static_cast<std::size_t>(b); });
    if (is_input) {
      buffers[i] = i == 0 && input ? read_input(input, size) : random_input(size, type);
    } else {
      buffers[i].resize(size);
      if (scores == buffers.size() && type == tenon::DataType::float32) scores = i;
    }
    context.set_buffer(name, buffers[i].data(), size);
  }
  if (scores == buffers.size()) throw std::runtime_error(model + " has no output of 32-bit floats");
  context.run();
  print_best(buffers[scores]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: classify MODEL.onnx|MODEL.plan [INPUT]\n";
    return 2;
  }
  try {
    classify(argv[1], argc == 3 ? argv[2] : nullptr);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "classify: " << error.what() << "\n";
    return 1;
  }
}
