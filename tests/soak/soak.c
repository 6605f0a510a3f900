/* Lives in C, as run.py describes them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <tenon/tenon.h>

static void check(tn_error_t error) {
  char message[1024];
  if (!error) return;
  tn_error_get_message(error, message, sizeof message, NULL);
  fprintf(stderr, "%s\n", message);
  exit(1);
}

static tn_error_t listen(void* user_data, size_t index, const char* name, const char* kernel,
                         const char* origins, double microseconds) {
  (void)index, (void)name, (void)kernel, (void)origins, (void)microseconds;
  ++*(int*)user_data;
  return NULL;
}

static void life(const char* model, int leak) {
  const int64_t shapes[3][2] = {{1, 4}, {2, 4}, {8, 4}};
  float x[4] = {1, 1, 1, 1}, y[3] = {0};
  const void* bytes;
  size_t size, index;
  int layers = 0;
  tn_builder_t builder;
  tn_network_t network;
  tn_optimization_profile_t profile;
  tn_builder_config_t config;
  tn_blob_t plan;
  tn_runtime_t runtime;
  tn_engine_t engine;
  tn_execution_context_t context;
  tn_error_t refusal;
  tn_profiler_callbacks callbacks = TN_PROFILER_CALLBACKS_INIT;

  check(tn_builder_create(&builder));
  check(tn_network_create_from_onnx_file(builder, model, &network));
  check(tn_optimization_profile_create(&profile));
  for (tn_shape_selector one = TN_SHAPE_SELECTOR_MIN; one <= TN_SHAPE_SELECTOR_MAX; ++one)
    check(tn_optimization_profile_set_shape(profile, "x", one, shapes[one], 2));
  check(tn_builder_config_create(&config));
  check(tn_builder_config_set_thread_count(config, 1));
  check(tn_builder_config_set_option(config, "timer", "fake"));
  check(tn_builder_config_add_profile(config, profile, NULL));
  check(tn_builder_build(builder, network, config, &plan, NULL));
  check(tn_runtime_create(&runtime));
  check(tn_blob_get_data(plan, &bytes, &size));
  check(tn_engine_create(runtime, bytes, size, &engine));
  refusal = tn_engine_find_tensor(engine, "none", &index);
  if (!refusal) exit(2);
  tn_error_destroy(refusal);
  check(tn_execution_context_create(engine, 0, &context));
  callbacks.user_data = &layers;
  callbacks.layer = listen;
  check(tn_execution_context_set_profiler(context, &callbacks));
  check(tn_execution_context_set_input_shape(context, "x", shapes[0], 2));
  check(tn_execution_context_set_buffer(context, "x", x, sizeof x));
  check(tn_execution_context_set_buffer(context, "y", y, sizeof y));
  check(tn_execution_context_run(context));
  if (y[0] != 12 || y[1] != 24 || y[2] != 38 || layers == 0) exit(3);
  tn_builder_destroy(builder);
  tn_network_destroy(network);
  tn_optimization_profile_destroy(profile);
  tn_builder_config_destroy(config);
  tn_blob_destroy(plan);
  tn_runtime_destroy(runtime);
  tn_execution_context_destroy(context);
  if (leak)
    open("/dev/null", O_RDONLY);
  else
    tn_engine_destroy(engine);
}

int main(int argc, char** argv) {
  long cycles = atol(argv[2]), warm_up = atol(argv[3]);
  for (long cycle = 1; cycle <= cycles; ++cycle) {
    int64_t objects;
    life(argv[1], argc > 4);
    if (cycle != warm_up && cycle != cycles) continue;
    check(tn_debug_get_live_count("all", &objects));
    printf("%lld objects\n", (long long)objects);
    fflush(stdout);
    getchar();
  }
  return 0;
}
