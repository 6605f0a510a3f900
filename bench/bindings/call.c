/* What a call costs in C.
 *
 *     call run PLAN ROUNDS CALLS      one run of a plan with memory bound beforehand; the plan has one input
 * x and one output y of at most 1024 bytes call build MODEL ROUNDS CALLS   an ONNX file becomes an engine,
 * under the fake timer, on one thread
 *
 * Prints nanoseconds, one line for each of ROUNDS: the mean of CALLS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

static void check(tn_error_t error) {
  char message[512];
  if (!error) return;
  tn_error_get_message(error, message, sizeof message, NULL);
  fprintf(stderr, "%s\n", message);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static tn_engine_t load(tn_blob_t plan) {
  tn_runtime_t runtime;
  tn_engine_t engine;
  const void* data;
  size_t size;
  check(tn_blob_get_data(plan, &data, &size));
  check(tn_runtime_create(&runtime));
  check(tn_runtime_set_thread_count(runtime, 1));
  check(tn_engine_create(runtime, data, size, &engine));
  tn_runtime_destroy(runtime);
  return engine;
}

static void build(const char* model) {
  tn_builder_t builder;
  tn_builder_config_t config;
  tn_network_t network;
  tn_blob_t plan;
  check(tn_builder_create(&builder));
  check(tn_builder_config_create(&config));
  check(tn_builder_config_set_thread_count(config, 1));
  check(tn_builder_config_set_option(config, "timer", "fake"));
  check(tn_network_create_from_onnx_file(builder, model, &network));
  check(tn_builder_build(builder, network, config, &plan, NULL));
  tn_engine_destroy(load(plan));
  tn_blob_destroy(plan);
  tn_network_destroy(network);
  tn_builder_config_destroy(config);
  tn_builder_destroy(builder);
}

int main(int argc, char** argv) {
  static _Alignas(64) unsigned char x[1024], y[1024];
  tn_blob_t plan;
  tn_engine_t engine;
  tn_execution_context_t context;
  long rounds, calls, i, j;
  if (argc != 5) return 2;
  rounds = atol(argv[3]);
  calls = atol(argv[4]);
  if (strcmp(argv[1], "build") == 0) {
    build(argv[2]);
    for (j = 0; j < rounds; ++j) {
      double start = now();
      for (i = 0; i < calls; ++i) build(argv[2]);
      printf("%.1f\n", (now() - start) / (double)calls);
    }
    return 0;
  }
  check(tn_blob_create_from_file(argv[2], &plan));
  engine = load(plan);
  check(tn_execution_context_create(engine, 0, &context));
  check(tn_execution_context_set_buffer(context, "x", x, sizeof x));
  check(tn_execution_context_set_buffer(context, "y", y, sizeof y));
  for (i = 0; i < calls; ++i) check(tn_execution_context_run(context));
  for (j = 0; j < rounds; ++j) {
    double start = now();
    for (i = 0; i < calls; ++i) check(tn_execution_context_run(context));
    printf("%.1f\n", (now() - start) / (double)calls);
  }
  tn_execution_context_destroy(context);
  tn_engine_destroy(engine);
  tn_blob_destroy(plan);
  return 0;
}
