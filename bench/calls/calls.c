/* What calls cost in C: medians in nanoseconds. Runs in a folder with linear.onnx
 * (tests/conformance/models.py). */
#include <stdio.h>
#include <stdlib.h>
#include <tenon/tenon.h>
#include <time.h>

enum { BATCHES = 200, CALLS = 20000 };

static tn_execution_context_t context;
static tn_runtime_t runtime;

static void check(tn_error_t error) {
  char message[1000];
  if (!error) return;
  tn_error_get_message(error, message, sizeof message, NULL);
  fprintf(stderr, "%s\n", message);
  exit(1);
}

static void run(void) { check(tn_execution_context_run(context)); }

static void get_number(void) {
  int32_t count = 0;
  check(tn_runtime_get_thread_count(runtime, &count));
}

static int by_size(const void* a, const void* b) {
  double left = *(const double*)a, right = *(const double*)b;
  return (left > right) - (left < right);
}

static void measure(const char* name, void (*call)(void)) {
  static double times[BATCHES];
  int batch, i;
  for (batch = 0; batch < BATCHES; ++batch) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (i = 0; i < CALLS; ++i) call();
    clock_gettime(CLOCK_MONOTONIC, &end);
    times[batch] =
        ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / CALLS;
  }
  qsort(times, BATCHES, sizeof *times, by_size);
  printf("%-24s %7.1f ns\n", name, times[BATCHES / 2]);
}

int main(void) {
  static const int64_t shapes[3][2] = {{1, 4}, {2, 4}, {8, 4}};
  float x[4] = {1, 1, 1, 1}, y[3];
  tn_builder_t builder;
  tn_network_t network;
  tn_optimization_profile_t profile;
  tn_builder_config_t config;
  tn_blob_t plan;
  tn_engine_t engine;
  tn_shape_selector selector;
  const void* data;
  size_t size;
  check(tn_builder_create(&builder));
  check(tn_network_create_from_onnx_file(builder, "linear.onnx", &network));
  check(tn_optimization_profile_create(&profile));
  for (selector = TN_SHAPE_SELECTOR_MIN; selector <= TN_SHAPE_SELECTOR_MAX; ++selector)
    check(tn_optimization_profile_set_shape(profile, "x", selector, shapes[selector], 2));
  check(tn_builder_config_create(&config));
  check(tn_builder_config_set_thread_count(config, 1));
  check(tn_builder_config_set_option(config, "timer", "fake"));
  check(tn_builder_config_add_profile(config, profile, NULL));
  check(tn_builder_build(builder, network, config, &plan, NULL));
  check(tn_runtime_create(&runtime));
  check(tn_runtime_set_thread_count(runtime, 1));
  check(tn_blob_get_data(plan, &data, &size));
  check(tn_engine_create(runtime, data, size, &engine));
  check(tn_execution_context_create(engine, 0, &context));
  check(tn_execution_context_set_input_shape(context, "x", shapes[0], 2));
  check(tn_execution_context_set_buffer(context, "x", x, sizeof x));
  check(tn_execution_context_set_buffer(context, "y", y, sizeof y));
  measure("run with bound buffers", run);
  measure("a number", get_number);
  return 0;
}
