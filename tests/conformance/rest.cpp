// What no scenario shows of tenon.hpp: the other functions, and what the types check.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <tenon/tenon.hpp>
#include <vector>

#define EXPECT(...)                                                         \
  do {                                                                      \
    if (!(__VA_ARGS__)) {                                                   \
      std::cerr << "line " << __LINE__ << ": not " << #__VA_ARGS__ << "\n"; \
      std::exit(1);                                                         \
    }                                                                       \
  } while (0)

namespace {

// The code of the error that a call throws.
template <class Call>
tenon::ErrorCode fails(Call&& call) {
  try {
    call();
  } catch (const tenon::Error& error) {
    EXPECT(!error.message().empty() && error.message().find('\n') == std::string_view::npos);
    return error.code();
  }
  return static_cast<tenon::ErrorCode>(0);
}

void facts() {
  EXPECT(tenon::version() == TN_VERSION && tenon::abi_version() == TN_ABI_VERSION);
  EXPECT(tenon::build_info().rfind("tenon ", 0) == 0);
  std::vector<std::string> names = tenon::Device::names();
  EXPECT(std::count(names.begin(), names.end(), "cpu") == 1);
  tenon::Device cpu("cpu");
  EXPECT(cpu.thread_count() > 0 && !cpu.features().empty() && cpu.type() == tenon::DeviceType::cpu);
  EXPECT(tenon::name_of(tenon::DataType::bfloat16) == "bf16" &&
         tenon::size_of(tenon::DataType::float64) == 8);
}

tenon::Engine engine_of(const char* file) {
  tenon::Builder builder;
  builder.set_limit(tenon::Limit::nodes, 77);
  EXPECT(builder.limit(tenon::Limit::nodes) == 77);
  tenon::Network network = tenon::Network::from_onnx_file(builder, file);
  EXPECT(network.find_tensor("y") == 1);
  tenon::OptimizationProfile profile;
  profile.set_shape("x", tenon::ShapeSelector::max, {2, 3});
  EXPECT(profile.shape("x", tenon::ShapeSelector::max) == tenon::Dims{2, 3});
  tenon::BuilderConfig config;
  config.set_device(tenon::Device("cpu"));
  config.set_option("timer", "fake");
  tenon::Runtime runtime;
  runtime.set_logger(tenon::Logger(nullptr));
  runtime.set_thread_count(1);
  runtime.set_limit(tenon::Limit::plan_bytes, 1 << 20);
  EXPECT(runtime.thread_count() == 1 && runtime.limit(tenon::Limit::plan_bytes) == 1 << 20);
  return tenon::Engine(runtime, builder.build(network, config));
}

void runs() {
  tenon::Engine engine = engine_of("combined.onnx");
  EXPECT(engine.find_tensor("y") == 1 && engine.weight_size() >= 12 && engine.arena_size() < 1 << 20);
  EXPECT(engine.layer_origins(0, 0).find("add") != std::string::npos);
  tenon::ExecutionContext context(engine);
  std::array<float, 6> x{}, y{};
  context.set_input("x", tenon::TensorView({2, 3}, x));
  context.set_output("y", y);
  EXPECT(!context.is_replayed() && context.recording_count() == 0 && !context.replay_refusal().empty());
  context.run();
  EXPECT(y[0] == 11 && y[5] == 33);
  float raw[6];
  context.set_output("y", tenon::Span<float>(raw));
  context.run();
  EXPECT(raw[5] == 33);

  // Types and shapes.
  std::vector<double> doubles(6);
  std::vector<std::int32_t> integers(6);
  EXPECT(fails([&] {
           context.set_input("x", tenon::TensorView({2, 3}, doubles));
         }) == tenon::ErrorCode::invalid_argument);
  EXPECT(fails([&] { context.set_output("y", integers); }) == tenon::ErrorCode::invalid_argument);
  EXPECT(fails([&] { tenon::TensorView view({2, 4}, x); }) == tenon::ErrorCode::invalid_argument);
  EXPECT(fails([&] { tenon::TensorView view({-1}, x); }) == tenon::ErrorCode::invalid_argument);
  EXPECT(fails([&] { tenon::Tensor tensor(tenon::DataType::none, {1}); }) ==
         tenon::ErrorCode::invalid_argument);
  tenon::Outputs outputs = context.run({{"x", tenon::TensorView({2, 3}, x)}});
  EXPECT(outputs.size() == 1 && outputs["y"].as<float>()[3] == 11);
  EXPECT(fails([&] { outputs["z"]; }) == tenon::ErrorCode::not_found);
  EXPECT(fails([&] { outputs["y"].as<double>(); }) == tenon::ErrorCode::invalid_argument);
  // The buffers of that run are gone, and no later run uses them.
  EXPECT(fails([&] { context.run(); }) == tenon::ErrorCode::invalid_argument);

  tenon::Refitter refitter(engine);
  EXPECT(refitter.weight_name(refitter.find_weight("b")) == "b");

  tenon::Engine moved = std::move(engine);
  EXPECT(!engine && moved);
  EXPECT(fails([&] { engine.name(); }) == tenon::ErrorCode::invalid_handle);
}

void models() {
  EXPECT(tenon::onnx_operator_capability("ai.onnx", "Add", 17, tenon::DocumentFormat::json).supported);
  EXPECT(!tenon::onnx_operator_capability("com.x", "Add", 1, tenon::DocumentFormat::text).supported);
  tenon::Builder builder;
  tenon::OnnxModel model = tenon::OnnxModel::from_file(builder, "combined.onnx");
  tenon::Capability capability = model.capability(tenon::DocumentFormat::text);
  EXPECT(capability.supported && capability.document.text().find("ai.onnx.Add") != std::string_view::npos);
  tenon::OnnxModel same = tenon::OnnxModel::from_blob(builder, tenon::Blob::from_file("combined.onnx"));
  const float values[4] = {0, 1, 2, 3};
  same.set_initializer("b", tenon::DataType::float32, {3}, tenon::Blob::copy(values, sizeof values),
                       sizeof(float));
  EXPECT(fails([&] {
           same.set_initializer("b", tenon::DataType::float32, {3}, tenon::Blob::copy(values, 8));
         }) == tenon::ErrorCode::invalid_argument);
  EXPECT(fails([&] {
           same.set_initializer("z", tenon::DataType::float32, {3}, tenon::Blob::copy(values, 12));
         }) == tenon::ErrorCode::not_found);
  tenon::Network network = tenon::Network::from_onnx_model(same);
  tenon::Network again = tenon::Network::from_onnx(builder, network.to_onnx());
  EXPECT(again.node_count() == network.node_count());
  EXPECT(network.to_onnx("weights.bin").second.size() == 0);  // they are small
  tenon::BuilderConfig config;
  config.set_option("timer", "fake");
  tenon::Blob report;
  tenon::EngineInspector inspector(builder.build(again, config, &report));
  EXPECT(inspector.to_onnx(0, report.text()).size() > inspector.to_onnx().size());
  EXPECT(fails([&] { inspector.to_onnx(7); }) == tenon::ErrorCode::out_of_range);
}

}  // namespace

int main() {
  facts();
  models();
  runs();
  EXPECT(tenon::live_count("all") == 0);
}
