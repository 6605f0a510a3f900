/* What a call costs in C: `call PLAN ROUNDS CALLS` prints, for each of ROUNDS, the nanoseconds of one run of a plan with
 * memory bound beforehand, each the mean of CALLS. The plan has one input x and one output y of at most 1024 bytes. */
#include <stdio.h>
#include <stdlib.h>
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

int main(int argc, char **argv) {
  static _Alignas(64) unsigned char x[1024], y[1024];
  tn_blob_t plan;
  tn_runtime_t runtime;
  tn_engine_t engine;
  tn_execution_context_t context;
  const void *data;
  size_t size;
  long rounds, calls, i, j;
  if (argc != 4) return 2;
  rounds = atol(argv[2]);
  calls = atol(argv[3]);
  check(tn_blob_create_from_file(argv[1], &plan));
  check(tn_blob_get_data(plan, &data, &size));
  check(tn_runtime_create(&runtime));
  check(tn_runtime_set_thread_count(runtime, 1));
  check(tn_engine_create(runtime, data, size, &engine));
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
  tn_runtime_destroy(runtime);
  tn_blob_destroy(plan);
  return 0;
}
