/*
 * Classifies one input with a network: its five best classes.
 *
 *     classify MODEL.onnx [INPUT]
 *     classify MODEL.plan [INPUT]
 *
 * INPUT is a .npy file or a file with the bare elements; without it, the input is random with a fixed seed.
 * The network's first input and first output are used; dynamic dims become 1. Compile with
 *
 *     cc -std=c99 classify.c -o classify $(pkg-config --cflags --libs tenon)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>

/* Ends the program if a call has failed. */
static void check(tn_error_t error) {
  char message[1024];
  if (!error) return;
  tn_error_get_message(error, message, sizeof message, NULL);
  fprintf(stderr, "classify: %s\n", message);
  tn_error_destroy(error);
  exit(1);
}

static void fail(const char *message, const char *what) {
  fprintf(stderr, "classify: %s: %s\n", what, message);
  exit(1);
}

static void print_message(void *user_data, tn_severity severity, const char *message, size_t message_size) {
  (void)user_data;
  (void)severity;
  fprintf(stderr, "%.*s\n", (int)message_size, message);
}

/* Dynamic dims become 1 in all three shapes of the profile. */
static void add_profile(tn_builder_config_t config, tn_network_t network) {
  tn_optimization_profile_t profile = NULL;
  size_t count = 0, i;
  check(tn_optimization_profile_create(&profile));
  check(tn_network_get_tensor_count(network, &count));
  for (i = 0; i < count; ++i) {
    tn_io_mode mode = TN_IO_MODE_OUTPUT;
    int64_t dims[TN_MAX_RANK];
    size_t rank = 0, d;
    char name[4096];
    check(tn_network_get_tensor_mode(network, i, &mode));
    if (mode != TN_IO_MODE_INPUT) continue;
    check(tn_network_get_tensor_name(network, i, name, sizeof name, NULL));
    check(tn_network_get_tensor_shape(network, i, dims, TN_MAX_RANK, &rank));
    for (d = 0; d < rank; ++d) dims[d] = dims[d] < 0 ? 1 : dims[d];
    check(tn_optimization_profile_set_shape(profile, name, TN_SHAPE_SELECTOR_MIN, dims, rank));
    check(tn_optimization_profile_set_shape(profile, name, TN_SHAPE_SELECTOR_OPT, dims, rank));
    check(tn_optimization_profile_set_shape(profile, name, TN_SHAPE_SELECTOR_MAX, dims, rank));
  }
  check(tn_builder_config_add_profile(config, profile, NULL));
  tn_optimization_profile_destroy(profile);
}

static tn_blob_t build(const char *path, tn_logger_t logger) {
  tn_builder_t builder = NULL;
  tn_network_t network = NULL;
  tn_builder_config_t config = NULL;
  tn_blob_t plan = NULL;
  check(tn_builder_create(&builder));
  check(tn_builder_set_logger(builder, logger));
  check(tn_network_create_from_onnx_file(builder, path, &network));
  check(tn_builder_config_create(&config));
  add_profile(config, network);
  check(tn_builder_build(builder, network, config, &plan, NULL));
  tn_builder_config_destroy(config);
  tn_network_destroy(network);
  tn_builder_destroy(builder);
  return plan;
}

/* Bytes of a tensor of the context, and their buffer, which is set to be its memory. */
static void *make_buffer(tn_execution_context_t context, const char *name, tn_data_type type, size_t *size) {
  int64_t dims[TN_MAX_RANK];
  size_t rank = 0, d;
  void *buffer;
  check(tn_execution_context_get_shape(context, name, dims, TN_MAX_RANK, &rank));
  *size = tn_data_type_get_size(type);
  for (d = 0; d < rank; ++d) *size *= (size_t)dims[d];
  buffer = calloc(*size ? *size : 1, 1);
  if (!buffer) fail("out of memory", name);
  check(tn_execution_context_set_buffer(context, name, buffer, *size));
  return buffer;
}

/* The elements of a .npy file (its header is skipped; it must fit the input), or the whole of another file.
 */
static void read_input(const char *path, void *buffer, size_t size) {
  FILE *file = fopen(path, "rb");
  unsigned char head[12] = {0};
  long start = 0, end;
  if (!file) fail("cannot be opened", path);
  if (fread(head, 1, sizeof head, file) == sizeof head && memcmp(head, "\x93NUMPY", 6) == 0) {
    start = head[6] == 1 ? 10 + (head[8] | head[9] << 8)
                         : 12 + (head[8] | head[9] << 8 | head[10] << 16 | (long)head[11] << 24);
  }
  fseek(file, 0, SEEK_END);
  end = ftell(file);
  fseek(file, start, SEEK_SET);
  if (end < start || (size_t)(end - start) != size)
    fail("does not have the size of the network's input", path);
  if (fread(buffer, 1, size, file) != size) fail("cannot be read", path);
  fclose(file);
}

/* xorshift64: floats in [-1, 1), other types small non-negative numbers. */
static void fill_random(void *buffer, size_t size, tn_data_type type) {
  uint64_t state = 88172645463325252u;
  size_t element = tn_data_type_get_size(type), i;
  for (i = 0; i < size / element; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    if (type == TN_DATA_TYPE_FLOAT32) {
      ((float *)buffer)[i] = (float)(state >> 40) / 8388608.0f - 1.0f;
    } else if (type != TN_DATA_TYPE_FLOAT16 && type != TN_DATA_TYPE_BFLOAT16 &&
               type != TN_DATA_TYPE_FLOAT64) {
      ((unsigned char *)buffer)[i * element] = (unsigned char)(state >> 63); /* the lowest byte comes first */
    }
  }
}

static void print_best(const float *scores, size_t count) {
  size_t best[5], found = 0, i;
  for (i = 0; i < count; ++i) {
    size_t at = found < 5 ? found++ : 5;
    while (at > 0 && scores[best[at - 1]] < scores[i]) {
      if (at < 5) best[at] = best[at - 1];
      --at;
    }
    if (at < 5) best[at] = i;
  }
  for (i = 0; i < found; ++i) printf("class %zu: %g\n", best[i], scores[best[i]]);
}

int main(int argc, char **argv) {
  tn_logger_callbacks callbacks = TN_LOGGER_CALLBACKS_INIT;
  tn_logger_t logger = NULL;
  tn_runtime_t runtime = NULL;
  tn_blob_t plan = NULL;
  tn_engine_t engine = NULL;
  tn_execution_context_t context = NULL;
  const void *bytes = NULL;
  size_t size = 0, count = 0, i;
  void *buffers[64] = {NULL};
  const float *scores = NULL;
  size_t score_count = 0;

  if (argc < 2 || argc > 3) fail("expected MODEL.onnx or MODEL.plan, and perhaps INPUT", "usage");
  callbacks.log = print_message;
  check(tn_logger_create(&callbacks, TN_SEVERITY_WARNING, &logger));

  size = strlen(argv[1]);
  if (size > 5 && strcmp(argv[1] + size - 5, ".plan") == 0) {
    check(tn_blob_create_from_file(argv[1], &plan));
  } else {
    plan = build(argv[1], logger);
  }
  check(tn_runtime_create(&runtime));
  check(tn_runtime_set_logger(runtime, logger));
  check(tn_blob_get_data(plan, &bytes, &size));
  check(tn_engine_create(runtime, bytes, size, &engine));
  check(tn_execution_context_create(engine, 0, &context));

  check(tn_engine_get_tensor_count(engine, &count));
  if (count > 64) fail("has more inputs and outputs than this example takes", argv[1]);
  for (i = 0; i < count; ++i) { /* inputs first: the outputs' shapes follow from theirs */
    tn_io_mode mode = TN_IO_MODE_INPUT;
    tn_data_type type = TN_DATA_TYPE_NONE;
    int64_t dims[TN_MAX_RANK];
    size_t rank = 0;
    char name[4096];
    check(tn_engine_get_tensor_name(engine, i, name, sizeof name, NULL));
    check(tn_engine_get_tensor_mode(engine, i, &mode));
    check(tn_engine_get_tensor_data_type(engine, i, &type));
    if (mode == TN_IO_MODE_INPUT) {
      check(tn_engine_get_profile_shape(engine, 0, name, TN_SHAPE_SELECTOR_OPT, dims, TN_MAX_RANK, &rank));
      check(tn_execution_context_set_input_shape(context, name, dims, rank));
    }
    buffers[i] = make_buffer(context, name, type, &size);
    if (mode == TN_IO_MODE_INPUT && i == 0 && argc == 3) {
      read_input(argv[2], buffers[i], size);
    } else if (mode == TN_IO_MODE_INPUT) {
      fill_random(buffers[i], size, type);
    } else if (!scores && type == TN_DATA_TYPE_FLOAT32) {
      scores = (const float *)buffers[i];
      score_count = size / sizeof(float);
    }
  }
  check(tn_execution_context_run(context));
  if (!scores) fail("has no output of 32-bit floats", argv[1]);
  print_best(scores, score_count);

  /* In any order. */
  tn_blob_destroy(plan);
  tn_engine_destroy(engine);
  tn_runtime_destroy(runtime);
  tn_execution_context_destroy(context);
  tn_logger_destroy(logger);
  for (i = 0; i < count; ++i) free(buffers[i]);
  return 0;
}
