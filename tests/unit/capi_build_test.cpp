// The way from a model's bytes to outputs through the C API, and what each object on it says of itself.
#include <filesystem>
#include <fstream>
#include <limits>

#include "support/capi.h"

namespace tenon_test {
namespace {

class CapiBuild : public CapiTest {};

TEST_F(CapiBuild, BuildsRunsAndIsRight) {
  tenon::Blob plan = test_plan();
  tenon::Engine engine{tenon::Runtime(), plan};
  tenon::ExecutionContext context(engine);
  for (unsigned batch : {1u, 3u, 4u}) {
    std::vector<float> x = random_floats(batch * 16, batch);
    expect_near(run(context, x), reference(test_weights(), x));
  }
}

TEST_F(CapiBuild, NetworkSaysWhatItIs) {
  tenon::Builder builder;
  tenon::Network network = test_network(builder);
  EXPECT_EQ(network.name(), "test_model");
  ASSERT_EQ(network.tensor_count(), 2u);
  EXPECT_EQ(network.node_count(), 4u);
  EXPECT_EQ(network.tensor_name(0), "x");
  EXPECT_EQ(network.tensor_mode(0), tenon::IoMode::input);
  EXPECT_EQ(network.tensor_data_type(0), tenon::DataType::float32);
  EXPECT_EQ(network.tensor_shape(0), (tenon::Dims{-1, 1, 4, 4}));
  EXPECT_EQ(network.tensor_dim_name(0, 0), "N");
  EXPECT_EQ(network.tensor_dim_name(0, 1), "");
  EXPECT_EQ(network.tensor_mode(1), tenon::IoMode::output);
  EXPECT_EQ(network.find_tensor("y"), 1u);
  size_t index;
  std::string message;
  EXPECT_EQ(code_of(tn_network_find_tensor(network.get(), "z", &index), &message), TN_ERROR_NOT_FOUND);
  EXPECT_NE(message.find("\"x\", \"y\""), std::string::npos) << message;
  int64_t dims[2];
  size_t size;
  EXPECT_EQ(code_of(tn_network_get_tensor_shape(network.get(), 0, dims, 2, &size)),
            TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(code_of(tn_network_get_tensor_shape(network.get(), 2, dims, 2, &size)), TN_ERROR_OUT_OF_RANGE);
  tenon::Blob json = network.information(tenon::DocumentFormat::json);
  EXPECT_NE(json.text().find("\"Gemm\""), std::string_view::npos) << json.text();
  EXPECT_NE(network.information(tenon::DocumentFormat::text).text().find("conv"), std::string_view::npos);
}

TEST_F(CapiBuild, EngineSaysWhatItIs) {
  tenon::Engine engine{tenon::Runtime(), test_plan()};
  EXPECT_EQ(engine.name(), "test_model");
  EXPECT_EQ(engine.thread_count(), 1);
  ASSERT_EQ(engine.tensor_count(), 2u);
  size_t x = engine.find_tensor("x"), y = engine.find_tensor("y");
  EXPECT_EQ(engine.tensor_mode(x), tenon::IoMode::input);
  EXPECT_EQ(engine.tensor_mode(y), tenon::IoMode::output);
  EXPECT_EQ(engine.tensor_shape(y), (tenon::Dims{-1, 3}));
  EXPECT_EQ(engine.tensor_format(x), tenon::TensorFormat::linear);
  EXPECT_EQ(engine.tensor_location(y), tenon::TensorLocation::host);
  EXPECT_EQ(engine.tensor_data_type(y), tenon::DataType::float32);
  EXPECT_EQ(engine.profile_count(), 1);
  EXPECT_EQ(engine.profile_shape(0, "x", tenon::ShapeSelector::min), (tenon::Dims{1, 1, 4, 4}));
  EXPECT_EQ(engine.profile_shape(0, "x", tenon::ShapeSelector::opt), (tenon::Dims{2, 1, 4, 4}));
  EXPECT_EQ(engine.profile_shape(0, "x", tenon::ShapeSelector::max), (tenon::Dims{4, 1, 4, 4}));
  EXPECT_THROW(engine.profile_shape(1, "x", tenon::ShapeSelector::max), tenon::Error);
  EXPECT_THROW(engine.profile_shape(0, "y", tenon::ShapeSelector::max), tenon::Error);
  EXPECT_GT(engine.weight_size(), 0u);
  ASSERT_GT(engine.layer_count(), 0u);
  std::string origins;
  for (size_t i = 0; i < engine.layer_count(); ++i) {
    EXPECT_NE(engine.layer_kernel(0, i), "");
    origins += engine.layer_origins(0, i) + "\n";
  }
  for (const char* node : {"conv", "relu", "dense"})
    EXPECT_NE(origins.find(node), std::string::npos) << origins;
}

TEST_F(CapiBuild, ReportAndInspectorAreJson) {
  tenon::Builder builder;
  tenon::Blob report;
  tenon::Blob plan = builder.build(test_network(builder), test_config(), &report);
  EXPECT_EQ(report.text().substr(0, 1), "{") << report.text();
  tenon::EngineInspector of_plan(plan);
  tenon::EngineInspector of_engine(tenon::Engine{tenon::Runtime(), plan});
  EXPECT_EQ(of_plan.information(tenon::DocumentFormat::json).text().substr(0, 1), "{");
  EXPECT_EQ(of_plan.information(tenon::DocumentFormat::text).text(),
            of_engine.information(tenon::DocumentFormat::text).text());
  EXPECT_THROW(of_plan.information(static_cast<tenon::DocumentFormat>(7)), tenon::Error);
  tn_engine_inspector_t inspector = nullptr;
  EXPECT_EQ(code_of(tn_engine_inspector_create_from_plan("no plan", 7, &inspector)), TN_ERROR_INVALID_PLAN);
}

TEST_F(CapiBuild, BlobsAndFilesMakeTheSameNetwork) {
  auto path = std::filesystem::temp_directory_path() /
              ("tenon_capi_\xf0\x9f\xa6\x8a_" + std::to_string(getpid()) + ".onnx");
  tenon::Blob model = tenon::Blob::copy(test_model, sizeof test_model);
  model.save(path.string());
  EXPECT_EQ(tenon::Blob::from_file(path.string()).text(), model.text());
  tenon::Builder builder;
  tenon::Network of_file = tenon::Network::from_onnx_file(builder, path.string());
  tenon::Network of_blob =
      tenon::Network::from_onnx(builder, tenon::Blob::take({std::begin(test_model), std::end(test_model)}));
  tenon::Blob a = builder.build(of_file, test_config()), b = builder.build(of_blob, test_config());
  EXPECT_EQ(a.text(), b.text());
  std::filesystem::remove(path);
  EXPECT_THROW(tenon::Network::from_onnx_file(builder, path.string()), tenon::Error);
  EXPECT_THROW(tenon::Blob::from_file(path.string()), tenon::Error);
  EXPECT_THROW(model.save("/nowhere/at/all"), tenon::Error);
}

TEST_F(CapiBuild, TheSameTimingCacheGivesTheSamePlan) {
  tenon::Builder builder;
  tenon::Network network = test_network(builder);
  tenon::BuilderConfig config = test_config();
  config.set_option("timer", "real");
  tenon::TimingCache cache;
  config.set_timing_cache(cache);
  tenon::Blob first = builder.build(network, config);
  tenon::Blob saved = cache.serialize();
  tenon::TimingCache loaded, merged;
  loaded.load(saved);
  merged.merge(loaded);
  merged.merge(merged);
  EXPECT_EQ(loaded.size(), cache.size());
  EXPECT_EQ(merged.serialize().text(), saved.text());
  config.set_timing_cache(merged);
  EXPECT_EQ(builder.build(network, config).text(), first.text());
  std::string damaged(saved.text());
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_THROW(loaded.load(damaged.data(), damaged.size()), tenon::Error);
  EXPECT_EQ(loaded.size(), cache.size());
}

TEST_F(CapiBuild, ABuildBehindItsDeadlineTimesNothing) {
  tenon::Builder builder;
  tenon::Network network = test_network(builder);
  tenon::BuilderConfig config = test_config();
  config.set_option("timer", "real");
  tenon::TimingCache cache;
  config.set_timing_cache(cache);
  config.set_deadline(1e-9);
  tenon::Blob report;
  tenon::Blob late = builder.build(network, config, &report);
  EXPECT_NE(report.text().find("the build's deadline had passed"), std::string_view::npos) << report.text();
  tenon::ExecutionContext context(tenon::Engine{tenon::Runtime(), late});
  const std::vector<float> x = random_floats(16, 1);
  expect_near(run(context, x), reference(test_weights(), x));
  config.set_deadline(0);
  EXPECT_EQ(builder.build(network, config).text(), late.text()) << "the cache says what was not timed";
}

TEST_F(CapiBuild, OptionsAndArgumentsAreChecked) {
  tenon::BuilderConfig config;
  EXPECT_EQ(config.option("timer"), "");
  config.set_option("timer", "fake");
  EXPECT_EQ(config.option("timer"), "fake");
  EXPECT_THROW(config.set_option("timer", "sundial"), tenon::Error);
  EXPECT_EQ(config.option("timer"), "fake");
  EXPECT_THROW(config.set_option("tmier", "fake"), tenon::Error);
  config.set_option("mask_cpu", "avx512,amx");
  EXPECT_THROW(config.set_option("mask_cpu", "mmx"), tenon::Error);
  EXPECT_THROW(config.set_thread_count(-1), tenon::Error);
  EXPECT_THROW(config.set_thread_count(1025), tenon::Error);
  EXPECT_EQ(config.deadline(), 0);
  config.set_deadline(2.5);
  EXPECT_EQ(config.deadline(), 2.5);
  for (double wrong : {-1.0, 1e7, std::numeric_limits<double>::quiet_NaN()}) EXPECT_THROW(config.set_deadline(wrong), tenon::Error);
  config.set_thread_count(3);
  EXPECT_EQ(config.thread_count(), 3);
  EXPECT_TRUE(config.onednn_enabled());
  config.set_onednn_enabled(false);
  EXPECT_FALSE(config.onednn_enabled());
  EXPECT_EQ(code_of(tn_builder_config_set_onednn_enabled(config.get(), 2)), TN_ERROR_INVALID_ARGUMENT);

  tenon::OptimizationProfile profile;
  profile.set_shape("x", tenon::ShapeSelector::min, {2, 1});
  EXPECT_THROW(config.add_profile(profile), tenon::Error) << "opt and max are missing";
  profile.set_shape("x", {2, 1}, {1, 1}, {3, 1});
  EXPECT_THROW(config.add_profile(profile), tenon::Error) << "opt is below min";
  profile.set_shape("x", {1, 1}, {1, 1}, {3, 1});
  EXPECT_EQ(config.add_profile(profile), 0);
  EXPECT_EQ(config.profile_count(), 1);
  EXPECT_EQ(profile.shape("x", tenon::ShapeSelector::max), (tenon::Dims{3, 1}));
  EXPECT_THROW(profile.set_shape("x", tenon::ShapeSelector::min, {-1}), tenon::Error);
  EXPECT_THROW(profile.set_shape("x", tenon::ShapeSelector::min, tenon::Dims(9, 1)), tenon::Error);

  EXPECT_EQ(code_of(tn_builder_config_set_device(config.get(), nullptr)), TN_ERROR_INVALID_HANDLE);
  config.set_device(tenon::Device("cpu"));
  tn_device_t device = nullptr;
  std::string message;
  EXPECT_EQ(code_of(tn_device_create("cuda:0", &device), &message), TN_ERROR_UNSUPPORTED);
  EXPECT_NE(message.find("cuda:0"), std::string::npos);
  EXPECT_EQ(code_of(tn_device_create("abacus", &device)), TN_ERROR_NOT_FOUND);
  EXPECT_EQ(tenon::Device::names(), std::vector<std::string>{"cpu"});
  EXPECT_GE(tenon::Device("cpu").thread_count(), 1);
}

// What a build answers to its configuration.
tn_error_code code_of_build(const tenon::BuilderConfig& config, std::string* message) {
  tenon::Builder builder;
  tn_blob_t plan = nullptr;
  tn_error_t error =
      tn_builder_build(builder.get(), test_network(builder).get(), config.get(), &plan, nullptr);
  tn_blob_destroy(plan);
  return code_of(error, message);
}

TEST_F(CapiBuild, NamesOfPassesAndTacticsAreChecked) {
  struct Wrong {
    const char *key, *value;
  };
  for (Wrong wrong : {Wrong{"disable_passes", "fuse,fsue"}, Wrong{"disable_passes", "expand"},
                      Wrong{"disable_tactics", "conv_blokced"}, Wrong{"disable_tactics", "reference"},
                      Wrong{"force_tactic", "fastest"}}) {
    tenon::BuilderConfig config = test_config();
    config.set_option(wrong.key, wrong.value);
    std::string message;
    EXPECT_EQ(code_of_build(config, &message), TN_ERROR_INVALID_ARGUMENT) << wrong.value;
    EXPECT_NE(message.find(wrong.key), std::string::npos) << message;
  }
  tenon::BuilderConfig config = test_config();
  EXPECT_THROW(config.set_option("check_passes", "yes"), tenon::Error);
  config.set_option("disable_passes", "fuse,absorb_transposes");
  config.set_option("disable_tactics", "conv_blocked");
  config.set_option("force_tactic", "reference");
  config.set_option("check_passes", "1");
  EXPECT_EQ(code_of_build(config, nullptr), TN_ERROR_NONE);
}

TEST_F(CapiBuild, ForcedAndDisabledTacticsShowInThePlan) {
  auto kernels = [](const char* key, const char* value) {
    tenon::BuilderConfig config = test_config();
    config.set_onednn_enabled(false);
    if (key) config.set_option(key, value);
    tenon::Builder builder;
    tenon::Engine engine{tenon::Runtime(), builder.build(test_network(builder), config)};
    std::string names;
    for (size_t i = 0; i < engine.layer_count(); ++i) names += engine.layer_kernel(0, i) + "\n";
    return names;
  };
  EXPECT_NE(kernels(nullptr, nullptr).find("matmul.packed"), std::string::npos) << kernels(nullptr, nullptr);
  EXPECT_EQ(kernels("disable_tactics", "matmul_packed").find("matmul.packed"), std::string::npos);
}

TEST_F(CapiBuild, ProfilesBeyondEveryTensorAreRefused) {
  for (std::int64_t batch : {std::int64_t{1} << 33, std::int64_t{1} << 58, INT64_MAX / 16, INT64_MAX}) {
    tenon::OptimizationProfile profile;
    profile.set_shape("x", {1, 1, 4, 4}, {1, 1, 4, 4}, {batch, 1, 4, 4});
    tenon::BuilderConfig config;
    config.add_profile(profile);
    std::string message;
    EXPECT_EQ(code_of_build(config, &message), TN_ERROR_LIMIT_EXCEEDED) << batch;
    EXPECT_NE(message.find("input x [" + std::to_string(batch)), std::string::npos) << message;
  }
}

TEST_F(CapiBuild, FilesWithoutEndAreRefused) {
  tn_blob_t blob = nullptr;
  std::string message;
  EXPECT_EQ(code_of(tn_blob_create_from_file("/dev/zero", &blob), &message), TN_ERROR_IO);
  EXPECT_NE(message.find("/dev/zero"), std::string::npos);
}

TEST_F(CapiBuild, LimitsAreEnforced) {
  tenon::Builder builder;
  builder.set_limit(tenon::Limit::nodes, 2);
  EXPECT_EQ(builder.limit(tenon::Limit::nodes), 2);
  EXPECT_THROW(builder.set_limit(tenon::Limit::nodes, 0), tenon::Error);
  try {
    test_network(builder);
    ADD_FAILURE() << "four nodes passed a limit of two";
  } catch (const tenon::Error& error) {
    EXPECT_EQ(error.code(), tenon::ErrorCode::limit_exceeded);
  }
  tenon::Runtime runtime;
  runtime.set_limit(tenon::Limit::plan_bytes, 16);
  try {
    tenon::Engine(runtime, test_plan());
    ADD_FAILURE() << "a plan passed a limit of 16 bytes";
  } catch (const tenon::Error& error) {
    EXPECT_EQ(error.code(), tenon::ErrorCode::limit_exceeded);
  }
}

TEST_F(CapiBuild, DamagedModelsAndPlansAreErrors) {
  tenon::Builder builder;
  for (size_t length : {size_t{0}, size_t{1}, sizeof test_model / 2, sizeof test_model - 1})
    EXPECT_THROW(tenon::Network::from_onnx(builder, test_model, length), tenon::Error) << length;
  tenon::Blob plan = test_plan();
  tenon::Runtime runtime;
  for (size_t length : {size_t{0}, size_t{1}, plan.size() / 2, plan.size() - 1})
    EXPECT_THROW(tenon::Engine(runtime, plan.data(), length), tenon::Error) << length;
}

TEST_F(CapiBuild, VersionsAgree) {
  EXPECT_EQ(tenon::version(), static_cast<uint32_t>(TN_VERSION));
  EXPECT_EQ(tenon::abi_version(), static_cast<uint32_t>(TN_ABI_VERSION));
  EXPECT_NE(tenon::build_info().find(TN_VERSION_STRING), std::string::npos);
  EXPECT_EQ(tenon::name_of(tenon::DataType::bfloat16), "bf16");
  EXPECT_EQ(tn_data_type_get_size(TN_DATA_TYPE_INT64), 8u);
  EXPECT_STREQ(tn_data_type_get_name(999), "?");
  EXPECT_EQ(tn_data_type_get_size(-1), 0u);
  EXPECT_STREQ(tn_error_code_get_name(TN_ERROR_BUSY), "BUSY");
  EXPECT_STREQ(tn_error_code_get_name(12345), "?");
}

}  // namespace
}  // namespace tenon_test
