/* The C API from C, with Criterion: each test is a process of its own, and a signal is a failure. Runs in a
 * folder with the models of tests/conformance/models.py. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>

static void good(tn_error_t error) {
  char message[1000] = "";
  tn_error_get_message(error, message, sizeof message, NULL);
  cr_assert(!error, "%s", message);
}

static tn_error_code code_of(tn_error_t error) {
  tn_error_code code = tn_error_get_code(error);
  tn_error_destroy(error);
  return code;
}

static void nothing_is_left(void) {
  int64_t count = -1;
  good(tn_debug_get_live_count("all", &count));
  cr_expect_eq(count, 0, "%d objects are left", (int)count);
}

static int released;
static void on_release(void* user_data) {
  (void)user_data;
  ++released;
}

/* linear.onnx for batches of 1 to 8. */
static tn_blob_t plan_of_linear(int32_t threads) {
  static const int64_t shapes[3][2] = {{1, 4}, {2, 4}, {8, 4}};
  tn_builder_t builder = NULL;
  tn_network_t network = NULL;
  tn_optimization_profile_t profile = NULL;
  tn_builder_config_t config = NULL;
  tn_blob_t plan = NULL;
  tn_shape_selector selector;
  good(tn_builder_create(&builder));
  good(tn_network_create_from_onnx_file(builder, "linear.onnx", &network));
  good(tn_optimization_profile_create(&profile));
  for (selector = TN_SHAPE_SELECTOR_MIN; selector <= TN_SHAPE_SELECTOR_MAX; ++selector)
    good(tn_optimization_profile_set_shape(profile, "x", selector, shapes[selector], 2));
  good(tn_builder_config_create(&config));
  good(tn_builder_config_set_thread_count(config, threads));
  good(tn_builder_config_set_option(config, "timer", "fake"));
  good(tn_builder_config_add_profile(config, profile, NULL));
  good(tn_builder_build(builder, network, config, &plan, NULL));
  tn_builder_config_destroy(config);
  tn_optimization_profile_destroy(profile);
  tn_network_destroy(network);
  tn_builder_destroy(builder);
  return plan;
}

static tn_engine_t engine_of_linear(int32_t threads) {
  tn_blob_t plan = plan_of_linear(threads);
  tn_runtime_t runtime = NULL;
  tn_engine_t engine = NULL;
  const void* data = NULL;
  size_t size = 0;
  good(tn_runtime_create(&runtime));
  good(tn_runtime_set_thread_count(runtime, threads));
  good(tn_blob_get_data(plan, &data, &size));
  good(tn_engine_create(runtime, data, size, &engine));
  tn_runtime_destroy(runtime);
  tn_blob_destroy(plan);
  return engine;
}

static tn_execution_context_t context_of(tn_engine_t engine, float* x, float* y) {
  static const int64_t dims[2] = {1, 4};
  tn_execution_context_t context = NULL;
  good(tn_execution_context_create(engine, 0, &context));
  good(tn_execution_context_set_input_shape(context, "x", dims, 2));
  good(tn_execution_context_set_buffer(context, "x", x, 4 * sizeof *x));
  good(tn_execution_context_set_buffer(context, "y", y, 3 * sizeof *y));
  return context;
}

Test(run, gives_what_the_network_computes) {
  float x[4] = {1, 1, 1, 1}, y[3] = {0};
  float expected = getenv("TENON_CANARY") ? 13 : 12; /* the suite's canary */
  tn_engine_t engine = engine_of_linear(1);
  tn_execution_context_t context = context_of(engine, x, y);
  tn_engine_destroy(engine); /* in any order */
  good(tn_execution_context_run(context));
  cr_expect(y[0] == expected && y[1] == 24 && y[2] == 38, "%g %g %g", y[0], y[1], y[2]);
  tn_execution_context_destroy(context);
  nothing_is_left();
}

Test(errors, carry_code_text_and_payload) {
  char text[16];
  size_t size = 0;
  int payload = 0;
  tn_error_t error =
      tn_error_create(TN_ERROR_CANCELLED, "a message of thirty characters", &payload, on_release);
  cr_expect_eq(tn_error_get_code(error), TN_ERROR_CANCELLED);
  cr_expect_eq(tn_error_get_payload(error), (void*)&payload);
  tn_error_get_message(error, NULL, 0, &size);
  cr_expect_eq(size, 30);
  memset(text, 'z', sizeof text);
  tn_error_get_message(error, text, 10, &size);
  cr_expect_str_eq(text, "a message");
  cr_expect_eq(size, 30);
  cr_expect_eq(text[10], 'z', "written past the end");
  cr_expect_eq(released, 0);
  tn_error_destroy(error);
  cr_expect_eq(released, 1);
  cr_expect_eq(tn_error_get_code(error), TN_ERROR_INVALID_HANDLE);
  cr_expect_null(tn_error_get_payload(error));
  tn_error_destroy(error); /* ignored */
  nothing_is_left();
}

Test(errors, of_bad_arguments_release_the_payload) {
  tn_error_t error = tn_error_create(TN_ERROR_NONE, "m", &released, on_release);
  cr_expect_eq(code_of(error), TN_ERROR_INVALID_ARGUMENT);
  cr_expect_eq(released, 1);
  error = tn_error_create(TN_ERROR_IO, NULL, &released, on_release);
  cr_expect_eq(code_of(error), TN_ERROR_INVALID_ARGUMENT);
  cr_expect_eq(released, 2);
  nothing_is_left();
}

Test(outs, are_null_or_zero_after_a_failure) {
  tn_engine_t engine = (tn_engine_t)&released;
  tn_blob_t blob = (tn_blob_t)&released;
  tn_runtime_t runtime = NULL;
  size_t size = 7;
  const void* data = &released;
  good(tn_runtime_create(&runtime));
  cr_expect_eq(code_of(tn_engine_create(runtime, "no plan", 7, &engine)), TN_ERROR_INVALID_PLAN);
  cr_expect_null(engine);
  cr_expect_eq(code_of(tn_blob_create_from_file("/no/such/file", &blob)), TN_ERROR_IO);
  cr_expect_null(blob);
  cr_expect_eq(code_of(tn_blob_get_data(NULL, &data, &size)), TN_ERROR_INVALID_HANDLE);
  cr_expect(!data && !size);
  tn_runtime_destroy(runtime);
  nothing_is_left();
}

Test(handles, are_checked_and_not_given_out_again) {
  tn_runtime_t first = NULL, second = NULL;
  tn_builder_t builder = NULL;
  int i;
  good(tn_runtime_create(&first));
  tn_runtime_destroy(first);
  for (i = 0; i < 1000; ++i) {
    good(tn_runtime_create(&second));
    cr_assert_neq(first, second);
    cr_assert_eq(code_of(tn_runtime_set_thread_count(first, 1)), TN_ERROR_INVALID_HANDLE);
    tn_runtime_destroy(first); /* ignored */
    good(tn_runtime_set_thread_count(second, 1));
    tn_runtime_destroy(second);
  }
  good(tn_builder_create(&builder));
  cr_expect_eq(code_of(tn_runtime_set_thread_count((tn_runtime_t)builder, 1)), TN_ERROR_INVALID_HANDLE);
  tn_builder_destroy(builder);
  nothing_is_left();
}

Test(text, is_cut_and_terminated) {
  tn_engine_t engine = engine_of_linear(1);
  char text[8];
  size_t size = 0;
  memset(text, 'z', sizeof text);
  good(tn_engine_get_name(engine, text, 4, &size));
  cr_expect_str_eq(text, "lin");
  cr_expect_eq(size, 6);
  cr_expect_eq(text[4], 'z');
  good(tn_engine_get_name(engine, NULL, 0, &size));
  cr_expect_eq(size, 6);
  good(tn_engine_get_name(engine, text, sizeof text, NULL));
  cr_expect_str_eq(text, "linear");
  tn_engine_destroy(engine);
  nothing_is_left();
}

Test(shapes, need_room) {
  tn_engine_t engine = engine_of_linear(1);
  int64_t dims[2] = {5, 5};
  size_t size = 9;
  good(tn_engine_get_tensor_shape(engine, 0, NULL, 0, &size));
  cr_expect_eq(size, 2);
  cr_expect_eq(code_of(tn_engine_get_tensor_shape(engine, 0, dims, 1, &size)), TN_ERROR_INVALID_ARGUMENT);
  cr_expect_eq(size, 0);
  good(tn_engine_get_tensor_shape(engine, 0, dims, 2, &size));
  cr_expect(dims[0] == -1 && dims[1] == 4);
  tn_engine_destroy(engine);
  nothing_is_left();
}

static void on_log(void* user_data, tn_severity severity, const char* message, size_t size) {
  (void)user_data;
  (void)severity;
  (void)message;
  (void)size;
}

/* The size of a table says which functions its caller knows. */
Test(tables, of_other_sizes) {
  struct {
    tn_logger_callbacks known;
    void (*unknown)(void);
  } newer;
  tn_logger_callbacks callbacks = TN_LOGGER_CALLBACKS_INIT;
  tn_logger_t logger = NULL;
  callbacks.log = on_log;
  callbacks.release = on_release;
  good(tn_logger_create(&callbacks, TN_SEVERITY_INFO, &logger));
  tn_logger_destroy(logger);
  cr_expect_eq(released, 1);

  /* From newer headers: taken while what this library does not know is NULL. */
  memset(&newer, 0, sizeof newer);
  newer.known = callbacks;
  newer.known.struct_size = sizeof newer;
  good(tn_logger_create(&newer.known, TN_SEVERITY_INFO, &logger));
  tn_logger_destroy(logger);
  cr_expect_eq(released, 2);
  newer.unknown = nothing_is_left;
  cr_expect_neq(code_of(tn_logger_create(&newer.known, TN_SEVERITY_INFO, &logger)), TN_ERROR_NONE);
  cr_expect_null(logger);

  /* No size at all: nothing else is read. */
  callbacks.struct_size = 0;
  cr_expect_eq(code_of(tn_logger_create(&callbacks, TN_SEVERITY_INFO, &logger)), TN_ERROR_INVALID_ARGUMENT);
  callbacks.struct_size = sizeof callbacks;
  callbacks.log = NULL;
  released = 0;
  cr_expect_eq(code_of(tn_logger_create(&callbacks, TN_SEVERITY_INFO, &logger)), TN_ERROR_INVALID_ARGUMENT);
  cr_expect_eq(released, 1, "a refused table is released");
  nothing_is_left();
}

Test(blobs, are_shared) {
  static char bytes[] = "bytes";
  tn_blob_t blob = NULL, shared = NULL;
  const void* data = NULL;
  size_t size = 0;
  good(tn_blob_create_take(bytes, 5, NULL, on_release, &blob));
  good(tn_blob_create_shared(blob, &shared));
  tn_blob_destroy(blob);
  cr_expect_eq(released, 0);
  good(tn_blob_get_data(shared, &data, &size));
  cr_expect(data == bytes && size == 5, "copied");
  tn_blob_destroy(shared);
  cr_expect_eq(released, 1);
  nothing_is_left();
}

static void* run_many(void* context) {
  int i;
  for (i = 0; i < 2000; ++i) tn_error_destroy(tn_execution_context_run((tn_execution_context_t)context));
  return NULL;
}

Test(threads, a_context_is_destroyed_while_it_runs) {
  float x[4] = {1, 1, 1, 1}, y[3];
  tn_engine_t engine = engine_of_linear(1);
  int i;
  for (i = 0; i < 20; ++i) {
    pthread_t thread;
    tn_execution_context_t context = context_of(engine, x, y);
    cr_assert_eq(pthread_create(&thread, NULL, run_many, context), 0);
    tn_execution_context_destroy(context);
    pthread_join(thread, NULL);
  }
  tn_engine_destroy(engine);
  nothing_is_left();
}

Test(threads, a_second_caller_is_told) {
  float x[4] = {1, 1, 1, 1}, y[3];
  tn_engine_t engine = engine_of_linear(2);
  tn_execution_context_t context = context_of(engine, x, y);
  pthread_t threads[4];
  int i;
  for (i = 0; i < 4; ++i) cr_assert_eq(pthread_create(&threads[i], NULL, run_many, context), 0);
  for (i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  good(tn_execution_context_run(context));
  cr_expect(y[0] == 12 && y[1] == 24 && y[2] == 38);
  tn_execution_context_destroy(context);
  tn_engine_destroy(engine);
  nothing_is_left();
}
