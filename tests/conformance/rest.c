/* The C functions that no scenario calls, each with what it must give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>

#define EXPECT(what)                                         \
  do {                                                       \
    if (!(what)) {                                           \
      fprintf(stderr, "line %d: not %s\n", __LINE__, #what); \
      exit(1);                                               \
    }                                                        \
  } while (0)

static void check(tn_error_t error) {
  char message[1000] = "";
  tn_error_get_message(error, message, sizeof message, NULL);
  if (error) fprintf(stderr, "%s\n", message);
  if (error) exit(1);
}

static int released;
static void on_release(void* user_data) { released += *(int*)user_data; }

static void tables(void) {
  tn_logger_callbacks logger;
  tn_allocator_callbacks allocator;
  tn_progress_callbacks progress;
  tn_profiler_callbacks profiler;
  memset(&logger, 1, sizeof logger);
  tn_logger_callbacks_init(&logger, sizeof logger);
  tn_allocator_callbacks_init(&allocator, sizeof allocator);
  tn_progress_callbacks_init(&progress, sizeof progress);
  tn_profiler_callbacks_init(&profiler, sizeof profiler);
  EXPECT(logger.struct_size == sizeof logger && !logger.log && !logger.release);
  EXPECT(allocator.struct_size == sizeof allocator && !allocator.allocate && !allocator.release);
  EXPECT(progress.struct_size == sizeof progress && !progress.update);
  EXPECT(profiler.struct_size == sizeof profiler && !profiler.layer);
}

static void devices(tn_builder_config_t config) {
  tn_device_t device = NULL;
  char text[1000];
  size_t i, found = 0;
  int32_t threads = 0;
  for (i = 0; i < tn_device_count(); ++i) {
    check(tn_device_at(i, text, sizeof text, NULL));
    found += strcmp(text, "cpu") == 0;
  }
  EXPECT(found == 1);
  check(tn_device_create("cpu", &device));
  check(tn_device_get_features(device, text, sizeof text, NULL));
  check(tn_device_get_thread_count(device, &threads));
  EXPECT(text[0] && threads > 0);
  check(tn_builder_config_set_device(config, device));
  tn_device_destroy(device);
}

static void models(tn_builder_t builder) {
  const float values[4] = {0, 1, 2, 3};
  const int64_t dims[1] = {3};
  int32_t supported = 9;
  tn_blob_t file = NULL, data = NULL, document = NULL, written = NULL, weights = NULL;
  tn_onnx_model_t model = NULL, same = NULL;
  tn_network_t network = NULL;
  tn_builder_config_t config = NULL;
  tn_blob_t plan = NULL;
  tn_engine_inspector_t inspector = NULL;
  const void* bytes = NULL;
  size_t size = 0, nodes = 0;

  check(tn_onnx_operator_get_capability("", "Add", 17, TN_DOCUMENT_FORMAT_JSON, &supported, &document));
  EXPECT(supported == 1);
  tn_blob_destroy(document);
  check(tn_onnx_model_create_from_file(builder, "combined.onnx", &model));
  check(tn_onnx_model_get_capability(model, TN_DOCUMENT_FORMAT_TEXT, &supported, &document));
  EXPECT(supported == 1);
  tn_blob_destroy(document);
  check(tn_blob_create_from_file("combined.onnx", &file));
  check(tn_onnx_model_create_from_blob(builder, file, &same));
  check(tn_blob_create(values, sizeof values, &data));
  check(tn_onnx_model_set_initializer(same, data, "b", TN_DATA_TYPE_FLOAT32, dims, 1, sizeof(float)));
  check(tn_network_create_from_onnx_model(same, &network));
  check(tn_network_serialize_to_onnx(network, "weights.bin", &written, &weights));
  tn_network_destroy(network);
  check(tn_network_create_from_onnx_blob(builder, written, &network));
  check(tn_network_get_node_count(network, &nodes));
  EXPECT(nodes > 0);
  check(tn_builder_config_create(&config));
  check(tn_builder_config_set_option(config, "timer", "fake"));
  check(tn_builder_build(builder, network, config, &plan, NULL));
  check(tn_blob_get_data(plan, &bytes, &size));
  check(tn_engine_inspector_create_from_plan(bytes, size, &inspector));
  check(tn_engine_inspector_serialize_to_onnx(inspector, 0, NULL, 0, &document));
  check(tn_blob_get_data(document, &bytes, &size));
  EXPECT(size > 0);
  tn_engine_inspector_destroy(inspector);
  tn_blob_destroy(document);
  tn_blob_destroy(plan);
  tn_builder_config_destroy(config);
  tn_network_destroy(network);
  tn_blob_destroy(weights);
  tn_blob_destroy(written);
  tn_blob_destroy(data);
  tn_blob_destroy(file);
  tn_onnx_model_destroy(same);
  tn_onnx_model_destroy(model);
}

int main(void) {
  static const char bytes[] = "bytes";
  int one = 1;
  tn_builder_t builder = NULL;
  tn_builder_config_t config = NULL;
  tn_network_t network = NULL;
  tn_optimization_profile_t profile = NULL;
  tn_runtime_t runtime = NULL;
  tn_blob_t blob = NULL, plan = NULL;
  tn_engine_t engine = NULL;
  tn_execution_context_t context = NULL;
  tn_refitter_t refitter = NULL;
  const int64_t dims[2] = {2, 3};
  int64_t got[TN_MAX_RANK], limit = 0;
  float x[6] = {0}, y[6];
  const void* data = NULL;
  size_t size = 0, index = 9;
  uint64_t amount = 0, count = 9;
  int32_t threads = 9, replayed = 9;
  char text[1000];

  EXPECT(tn_version() == TN_VERSION && tn_abi_version() == TN_ABI_VERSION);
  EXPECT(strncmp(tn_build_info(), "tenon ", 6) == 0);
  tables();
  check(tn_blob_create_take(bytes, 5, &one, on_release, &blob));
  EXPECT(released == 0);
  tn_blob_destroy(blob);
  EXPECT(released == 1);

  check(tn_builder_create(&builder));
  check(tn_builder_set_limit(builder, TN_LIMIT_NODES, 77));
  check(tn_builder_get_limit(builder, TN_LIMIT_NODES, &limit));
  EXPECT(limit == 77);
  check(tn_network_create_from_onnx_file(builder, "combined.onnx", &network));
  check(tn_network_find_tensor(network, "y", &index));
  EXPECT(index == 1);
  check(tn_optimization_profile_create(&profile));
  check(tn_optimization_profile_set_shape(profile, "x", TN_SHAPE_SELECTOR_MAX, dims, 2));
  check(tn_optimization_profile_get_shape(profile, "x", TN_SHAPE_SELECTOR_MAX, got, TN_MAX_RANK, &size));
  EXPECT(size == 2 && got[0] == 2 && got[1] == 3);
  check(tn_builder_config_create(&config));
  devices(config);
  check(tn_builder_config_set_option(config, "timer", "fake"));
  check(tn_builder_build(builder, network, config, &plan, NULL));

  check(tn_runtime_create(&runtime));
  check(tn_runtime_set_logger(runtime, NULL));
  check(tn_runtime_set_thread_count(runtime, 1));
  check(tn_runtime_get_thread_count(runtime, &threads));
  check(tn_runtime_set_limit(runtime, TN_LIMIT_PLAN_BYTES, 1 << 20));
  check(tn_runtime_get_limit(runtime, TN_LIMIT_PLAN_BYTES, &limit));
  EXPECT(threads == 1 && limit == 1 << 20);
  check(tn_blob_get_data(plan, &data, &size));
  check(tn_engine_create(runtime, data, size, &engine));
  check(tn_engine_find_tensor(engine, "y", &index));
  check(tn_engine_get_weight_size(engine, &amount));
  EXPECT(index == 1 && amount >= 3 * sizeof(float));
  check(tn_engine_get_arena_size(engine, 0, &amount));
  check(tn_engine_get_layer_origins(engine, 0, 0, text, sizeof text, NULL));
  EXPECT(strcmp(text, "add") == 0 || strstr(text, "add"));

  check(tn_execution_context_create(engine, 0, &context));
  check(tn_execution_context_set_buffer(context, "x", x, sizeof x));
  check(tn_execution_context_set_buffer(context, "y", y, sizeof y));
  check(tn_execution_context_get_replay(context, &replayed, &count));
  check(tn_execution_context_get_replay_refusal(context, text, sizeof text, NULL));
  EXPECT(replayed == 0 && count == 0 && text[0]);
  check(tn_execution_context_run(context));
  EXPECT(y[0] == 11 && y[5] == 33);

  check(tn_refitter_create(engine, &refitter));
  check(tn_refitter_find_weight(refitter, "b", &index));
  check(tn_refitter_get_weight_name(refitter, index, text, sizeof text, NULL));
  EXPECT(strcmp(text, "b") == 0);

  models(builder);

  tn_refitter_destroy(refitter);
  tn_execution_context_destroy(context);
  tn_engine_destroy(engine);
  tn_blob_destroy(plan);
  tn_runtime_destroy(runtime);
  tn_builder_config_destroy(config);
  tn_optimization_profile_destroy(profile);
  tn_network_destroy(network);
  tn_builder_destroy(builder);
  check(tn_debug_get_live_count("all", &limit));
  EXPECT(limit == 0);
  return 0;
}
