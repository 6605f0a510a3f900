/*
 * Calls every function of the C API with bad handles, NULL pointers and boundary numbers, each call in a child process
 * of its own: a bad handle must give TN_ERROR_INVALID_HANDLE, a NULL that is not allowed an error, every failure must
 * leave its outs NULL or 0, and no call may end the process. The calls are generated from the headers (misuse.py).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test_model.h"
#include "tenon/tenon.h"

/* What the generated calls use. */
enum { GOOD, NULL_HANDLE, FREED, WRONG_TYPE, RANDOM, STALE_SLOT, HANDLE_KINDS };
static const char *const kind_names[] = {"good", "NULL", "freed", "wrong type", "random", "invented"};

static void must(tn_error_t error) {
  char text[512];
  if (!error) return;
  tn_error_get_message(error, text, sizeof text, NULL);
  printf("FAILED misuse: the objects to misuse could not be made: %s\n", text);
  printf("0 passed, 1 failed, 0 skipped\n");
  exit(1);
}

static void ignore_log(void *user_data, tn_severity severity, const char *message, size_t size) {
  (void)user_data, (void)severity, (void)message, (void)size;
}
static tn_error_t ignore_progress(void *user_data, const char *phase, double fraction) {
  (void)user_data, (void)phase, (void)fraction;
  return NULL;
}
static tn_error_t ignore_layer(void *user_data, size_t index, const char *name, const char *kernel,
                               const char *origins, double microseconds) {
  (void)user_data, (void)index, (void)name, (void)kernel, (void)origins, (void)microseconds;
  return NULL;
}
static tn_error_t allocate(void *user_data, size_t size, size_t alignment, void **out_memory) {
  (void)user_data;
  return posix_memalign(out_memory, alignment, size) ? NULL : NULL;
}
static void deallocate(void *user_data, void *memory, size_t size, size_t alignment) {
  (void)user_data, (void)size, (void)alignment;
  free(memory);
}
static tn_logger_callbacks logger_callbacks = TN_LOGGER_CALLBACKS_INIT;
static tn_allocator_callbacks allocator_callbacks = TN_ALLOCATOR_CALLBACKS_INIT;
static tn_progress_callbacks progress_callbacks = TN_PROGRESS_CALLBACKS_INIT;
static tn_profiler_callbacks profiler_callbacks = TN_PROFILER_CALLBACKS_INIT;

/* Arguments that no test is about. */
static float buffer[4096];
static int64_t dims[4] = {1, 1, 4, 4};
static const void *plan_data;
static size_t plan_size;

/* An object of each type, in the order in which one needs another. */
static tn_error_t good_error, freed_error;
static tn_blob_t good_blob, freed_blob;
static tn_logger_t good_logger, freed_logger;
static tn_allocator_t good_allocator, freed_allocator;
static tn_device_t good_device, freed_device;
static tn_timing_cache_t good_timing_cache, freed_timing_cache;
static tn_optimization_profile_t good_optimization_profile, freed_optimization_profile;
static tn_builder_config_t good_builder_config, freed_builder_config;
static tn_builder_t good_builder, freed_builder;
static tn_network_t good_network, freed_network;
static tn_runtime_t good_runtime, freed_runtime;
static tn_engine_t good_engine, freed_engine;
static tn_execution_context_t good_execution_context, freed_execution_context;
static tn_engine_inspector_t good_engine_inspector, freed_engine_inspector;
static tn_refitter_t good_refitter, freed_refitter;
static tn_onnx_model_t good_onnx_model, freed_onnx_model;

/* Makes two, and destroys the second. */
#define MAKE(noun, call)                      \
  do {                                        \
    tn_##noun##_t *out = &good_##noun;        \
    must(call);                               \
    out = &freed_##noun;                      \
    must(call);                               \
    tn_##noun##_destroy(freed_##noun);        \
  } while (0)

static void make_objects(void) {
  tn_blob_t plan = NULL;
  tn_blob_t model = NULL;
  int i;
  logger_callbacks.log = ignore_log;
  allocator_callbacks.allocate = allocate;
  allocator_callbacks.deallocate = deallocate;
  progress_callbacks.update = ignore_progress;
  profiler_callbacks.layer = ignore_layer;
  good_error = tn_error_create(TN_ERROR_CANCELLED, "good", NULL, NULL);
  freed_error = tn_error_create(TN_ERROR_CANCELLED, "freed", NULL, NULL);
  tn_error_destroy(freed_error);
  MAKE(blob, tn_blob_create(test_model, sizeof test_model, out));
  MAKE(logger, tn_logger_create(&logger_callbacks, TN_SEVERITY_VERBOSE, out));
  MAKE(allocator, tn_allocator_create(&allocator_callbacks, out));
  MAKE(device, tn_device_create("cpu", out));
  MAKE(timing_cache, tn_timing_cache_create(out));
  MAKE(optimization_profile, tn_optimization_profile_create(out));
  for (i = TN_SHAPE_SELECTOR_MIN; i <= TN_SHAPE_SELECTOR_MAX; ++i)
    must(tn_optimization_profile_set_shape(good_optimization_profile, "x", i, dims, 4));
  MAKE(builder_config, tn_builder_config_create(out));
  must(tn_builder_config_set_thread_count(good_builder_config, 1)); /* threads would not live on in the children */
  must(tn_builder_config_set_option(good_builder_config, "timer", "fake"));
  must(tn_builder_config_add_profile(good_builder_config, good_optimization_profile, NULL));
  MAKE(builder, tn_builder_create(out));
  MAKE(network, tn_network_create_from_onnx(good_builder, test_model, sizeof test_model, out));
  must(tn_builder_build(good_builder, good_network, good_builder_config, &plan, NULL));
  must(tn_blob_get_data(plan, &plan_data, &plan_size));
  MAKE(runtime, tn_runtime_create(out));
  MAKE(engine, tn_engine_create(good_runtime, plan_data, plan_size, out));
  MAKE(execution_context, tn_execution_context_create(good_engine, 0, out));
  must(tn_execution_context_set_input_shape(good_execution_context, "x", dims, 4));
  must(tn_execution_context_set_buffer(good_execution_context, "x", buffer, 64));
  must(tn_execution_context_set_buffer(good_execution_context, "y", buffer + 1024, 12));
  MAKE(engine_inspector, tn_engine_inspector_create(good_engine, out));
  MAKE(refitter, tn_refitter_create(good_engine, out));
  must(tn_blob_create(test_model, sizeof test_model, &model));
  MAKE(onnx_model, tn_onnx_model_create_from_blob(good_builder, model, out));
}

/* A handle of `good` and `freed` that is wrong in the given way; `other` is of another type. */
static void *pick(int kind, void *good, void *freed, void *other) {
  switch (kind) {
    case NULL_HANDLE: return NULL;
    case FREED: return freed;
    case WRONG_TYPE: return other;
    case RANDOM: return (void *)(uintptr_t)0x1234567890abcdefu;
    case STALE_SLOT: return (void *)((uintptr_t)good ^ (uintptr_t)1 << 24); /* another generation of its slot */
    default: return good;
  }
}

static unsigned char outs[8][8192]; /* where out parameters point: every byte set before a call */

/* How a call must end. */
enum { ANY, ERROR, INVALID_HANDLE };

typedef struct test_case {
  const char *name;
  int expected;
  /* Returns 0, or what is wrong. */
  const char *(*call)(int expected);
} test_case;

static const char *judge(int expected, tn_error_t error) {
  tn_error_code code = tn_error_get_code(error);
  tn_error_destroy(error);
  if (expected == INVALID_HANDLE && code != TN_ERROR_INVALID_HANDLE) return "did not give TN_ERROR_INVALID_HANDLE";
  if (expected == ERROR && !error) return "did not fail";
  return NULL;
}

static int all_zero(const void *memory, size_t size) {
  const unsigned char *bytes = (const unsigned char *)memory;
  size_t i;
  for (i = 0; i < size; ++i)
    if (bytes[i]) return 0;
  return 1;
}

static void reset_outs(void) { memset(outs, 0xa5, sizeof outs); }

#include "misuse_calls.inc"

/* In a child process: 0 is well. */
static int run_case(const test_case *test, char *complaint, size_t complaint_size) {
  int pipe_ends[2], status = 0;
  pid_t child;
  ssize_t got = 0;
  if (pipe(pipe_ends) != 0) return 1;
  child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    const char *wrong;
    alarm(60);
    reset_outs();
    wrong = test->call(test->expected);
    if (wrong && write(pipe_ends[1], wrong, strlen(wrong)) < 0) _exit(3);
    _exit(wrong ? 2 : 0);
  }
  close(pipe_ends[1]);
  got = read(pipe_ends[0], complaint, complaint_size - 1);
  complaint[got > 0 ? got : 0] = 0;
  close(pipe_ends[0]);
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) snprintf(complaint, complaint_size, "ended with signal %d", WTERMSIG(status));
  return status;
}

int main(void) {
  size_t passed = 0, failed = 0, i;
  make_objects();
  fflush(stdout);
  for (i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    char complaint[256];
    if (run_case(&cases[i], complaint, sizeof complaint) == 0) {
      ++passed;
    } else {
      ++failed;
      printf("FAILED misuse: %s: %s\n", cases[i].name, complaint);
    }
  }
  printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
  return failed != 0;
}
