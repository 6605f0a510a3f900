/* The runner of C: docs/conformance.md. Its transcripts are those that the others must give. */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>

#include "json.h"

enum kind {
  NETWORK,
  CONFIG,
  BLOB,
  CACHE,
  ENGINE,
  ALLOCATOR,
  CONTEXT,
  BUILDER,
  RUNTIME,
  PROFILE,
  REFITTER,
  INSPECTOR,
  LOGGER,
  DEVICE
};

/* What the progress and profiler callbacks are to do, and what they saw. */
struct signature;
typedef struct hearer {
  const char* mode;
  int count, good;
  double last;
  const struct signature* tensors;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int reached, tried;
} hearer;

typedef struct counter {
  const char* mode;
  size_t calls;
  int64_t blocks, bytes;
  pthread_mutex_t mutex;
} counter;

/* The inputs and outputs of an engine, for contexts that outlive its handle. */
typedef struct signature {
  size_t count, layers;
  char names[8][100], kernels[8][200];
  tn_io_mode modes[8];
  tn_data_type types[8];
} signature;

typedef struct object {
  char* name;
  int kind;
  void* handle;
  hearer* progress;   /* of a config */
  counter* memory;    /* of an allocator */
  signature* tensors; /* of a context */
} object;

static object objects[100];
static size_t object_count;
static object made[100]; /* by this step; destroyed at its end unless kept */
static size_t made_count;
static char logged[1 << 16];
static tn_builder_t builder;
static const json* step;
static char thrown; /* its address is the payload of what this program's callbacks throw */

static void destroy(object* o) {
  switch (o->kind) {
    case NETWORK: tn_network_destroy((tn_network_t)o->handle); break;
    case CONFIG: tn_builder_config_destroy((tn_builder_config_t)o->handle); break;
    case BLOB: tn_blob_destroy((tn_blob_t)o->handle); break;
    case CACHE: tn_timing_cache_destroy((tn_timing_cache_t)o->handle); break;
    case ENGINE: tn_engine_destroy((tn_engine_t)o->handle); break;
    case ALLOCATOR: tn_allocator_destroy((tn_allocator_t)o->handle); break;
    case CONTEXT: tn_execution_context_destroy((tn_execution_context_t)o->handle); break;
    case BUILDER: tn_builder_destroy((tn_builder_t)o->handle); break;
    case RUNTIME: tn_runtime_destroy((tn_runtime_t)o->handle); break;
    case PROFILE: tn_optimization_profile_destroy((tn_optimization_profile_t)o->handle); break;
    case REFITTER: tn_refitter_destroy((tn_refitter_t)o->handle); break;
    case INSPECTOR: tn_engine_inspector_destroy((tn_engine_inspector_t)o->handle); break;
    case LOGGER: tn_logger_destroy((tn_logger_t)o->handle); break;
    case DEVICE: tn_device_destroy((tn_device_t)o->handle); break;
    default: break;
  }
}

static void* own(int kind, void* handle) {
  object o = {0};
  o.kind = kind;
  o.handle = handle;
  made[made_count++] = o;
  return handle;
}

static object* find(const char* name) {
  size_t i;
  for (i = 0; i < object_count; ++i)
    if (strcmp(objects[i].name, name) == 0) return &objects[i];
  return NULL;
}

static void forget(object* o) {
  destroy(o);
  *o = objects[--object_count];
}

/* The last object made of this handle, under the name that the step's `as` gives. */
static object* keep(void* handle) {
  const char* name = json_field(step, "as")->text;
  object* old = find(name);
  size_t i = made_count;
  while (made[--i].handle != handle) {
  }
  if (old) forget(old);
  objects[object_count] = made[i];
  objects[object_count].name = (char*)name;
  made[i] = made[--made_count];
  return &objects[object_count++];
}

static const char* field_text(const char* key, const char* otherwise) {
  const json* field = json_field(step, key);
  return field ? field->text : otherwise;
}

static double field_number(const char* key, double otherwise) {
  const json* field = json_field(step, key);
  return field ? field->number : otherwise;
}

static object none;

static object* named(const char* key, int kind) {
  const char* name = field_text(key, "");
  object* o = find(name);
  return o && o->kind == kind ? o : &none;
}

/* Prints line breaks of a text as " / ". */
static void print_line(FILE* out, const char* text) {
  for (; *text; ++text)
    if (*text == '\n') {
      fputs(" / ", out);
    } else {
      fputc(*text, out);
    }
  fputc('\n', out);
}

/* Prints a failure as a line of the transcript; whether it was one. */
static int failed(tn_error_t error) {
  static char message[8192];
  tn_error_code code = tn_error_get_code(error);
  if (!error) return 0;
  tn_error_get_message(error, message, sizeof message, NULL);
  if (tn_error_get_payload(error) == &thrown) {
    message[strcspn(message, "\n")] = '\0'; /* what follows is where the library was */
    printf("  thrown: ");
    print_line(stdout, message);
  } else if (code == TN_ERROR_INVALID_HANDLE || code == TN_ERROR_BUSY) {
    printf("  error %s\n", tn_error_code_get_name(code));
  } else {
    printf("  error %s: ", tn_error_code_get_name(code));
    print_line(stdout, message);
  }
  tn_error_destroy(error);
  return 1;
}

#define TRY(call)             \
  do {                        \
    if (failed(call)) return; \
  } while (0)

static tn_error_t throw_own(const char* message) {
  return tn_error_create(TN_ERROR_CALLBACK, message, &thrown, NULL);
}

/* --- what is printed
 * ---------------------------------------------------------------------------------------------------- */
static void print_dims(const int64_t* dims, size_t rank) {
  size_t i;
  printf("[");
  for (i = 0; i < rank; ++i) printf("%s%" PRId64, i ? "," : "", dims[i]);
  printf("]");
}

static void print_blob(tn_blob_t blob, const char* what, int text) {
  const void* data = NULL;
  size_t size = 0;
  const char* bytes;
  TRY(tn_blob_get_data(blob, &data, &size));
  bytes = (const char*)data;
  printf("  %s %s\n", what, size > 1 && (text ? bytes[size - 1] == '\n' : bytes[0] == '{') ? "yes" : "no");
}

static double element(const void* data, tn_data_type type, size_t i) {
  switch (type) {
    case TN_DATA_TYPE_FLOAT32: return ((const float*)data)[i];
    case TN_DATA_TYPE_INT32: return ((const int32_t*)data)[i];
    case TN_DATA_TYPE_INT64: return (double)((const int64_t*)data)[i];
    case TN_DATA_TYPE_BOOL: return ((const uint8_t*)data)[i];
    default: return 0.5;
  }
}

static void set_element(void* data, tn_data_type type, size_t i, double value) {
  switch (type) {
    case TN_DATA_TYPE_FLOAT32: ((float*)data)[i] = (float)value; break;
    case TN_DATA_TYPE_INT32: ((int32_t*)data)[i] = (int32_t)value; break;
    case TN_DATA_TYPE_INT64: ((int64_t*)data)[i] = (int64_t)value; break;
    case TN_DATA_TYPE_BOOL: ((uint8_t*)data)[i] = (uint8_t)value; break;
    default: break;
  }
}

static size_t count_of(const int64_t* dims, size_t rank) {
  size_t count = 1, i;
  for (i = 0; i < rank; ++i) count *= (size_t)dims[i];
  return count;
}

static size_t read_dims(const json* from, int64_t* dims) {
  size_t rank = 0;
  const json* item;
  for (item = from->first; item; item = item->next) dims[rank++] = (int64_t)item->number;
  return rank;
}

static void on_log(void* user_data, tn_severity severity, const char* message, size_t size) {
  static const char* const names[] = {"error", "warning", "info", "verbose"};
  size_t used = strlen(logged);
  (void)user_data;
  snprintf(logged + used, sizeof logged - used, "%s %.*s", names[severity], (int)size, message);
  logged[strlen(logged) + 1] = '\0';
  logged[strlen(logged)] = '\1';
}

static void print_log(void) {
  char *line = logged, *end;
  for (; (end = strchr(line, '\1')) != NULL; line = end + 1) {
    *end = '\0';
    printf("  log ");
    print_line(stdout, line);
  }
  logged[0] = '\0';
}

static tn_logger_t new_logger(void) {
  tn_logger_callbacks callbacks = TN_LOGGER_CALLBACKS_INIT;
  tn_logger_t logger = NULL;
  if (field_number("log", 0) == 0) return NULL;
  callbacks.log = on_log;
  if (failed(tn_logger_create(&callbacks, TN_SEVERITY_WARNING, &logger))) return NULL;
  return (tn_logger_t)own(LOGGER, logger);
}

/* --- networks and plans
 * --------------------------------------------------------------------------------------------------- */
static void do_device(void) {
  tn_device_t device = NULL;
  tn_device_type type = 0;
  char name[100];
  TRY(tn_device_create(field_text("name", ""), &device));
  own(DEVICE, device);
  TRY(tn_device_get_type(device, &type));
  TRY(tn_device_get_name(device, name, sizeof name, NULL));
  printf("  %s %s\n", name, type == TN_DEVICE_TYPE_CPU ? "cpu" : "cuda");
}

static void print_network(tn_network_t network) {
  char name[200];
  size_t nodes = 0, count = 0, i, d;
  TRY(tn_network_get_name(network, name, sizeof name, NULL));
  TRY(tn_network_get_node_count(network, &nodes));
  TRY(tn_network_get_tensor_count(network, &count));
  printf("  network %s nodes %zu\n", name[0] ? name : "-", nodes);
  for (i = 0; i < count; ++i) {
    tn_io_mode mode = 0;
    tn_data_type type = 0;
    int64_t dims[TN_MAX_RANK];
    size_t rank = 0;
    tn_error_t error;
    TRY(tn_network_get_tensor_name(network, i, name, sizeof name, NULL));
    TRY(tn_network_get_tensor_mode(network, i, &mode));
    TRY(tn_network_get_tensor_data_type(network, i, &type));
    error = tn_network_get_tensor_shape(network, i, dims, TN_MAX_RANK, &rank);
    if (tn_error_get_code(error) == TN_ERROR_UNSUPPORTED) {
      tn_error_destroy(error);
      printf("  %s %s %s ?\n", mode == TN_IO_MODE_INPUT ? "input" : "output", name,
             tn_data_type_get_name(type));
      continue;
    }
    TRY(error);
    printf("  %s %s %s [", mode == TN_IO_MODE_INPUT ? "input" : "output", name, tn_data_type_get_name(type));
    for (d = 0; d < rank; ++d) {
      TRY(tn_network_get_tensor_dim_name(network, i, d, name, sizeof name, NULL));
      if (name[0]) {
        printf("%s%s", d ? "," : "", name);
      } else {
        printf("%s%" PRId64, d ? "," : "", dims[d]);
      }
    }
    printf("]\n");
  }
}

static void do_network(void) {
  const char *from = field_text("from", "file"), *file = field_text("file", "");
  tn_builder_t by = builder;
  tn_network_t network = NULL;
  tn_blob_t blob = NULL;
  const void* data = NULL;
  size_t size = 0;
  if (json_field(step, "nodes") || json_field(step, "log")) {
    TRY(tn_builder_create(&by));
    own(BUILDER, by);
    if (json_field(step, "nodes"))
      TRY(tn_builder_set_limit(by, TN_LIMIT_NODES, (int64_t)field_number("nodes", 0)));
    TRY(tn_builder_set_logger(by, new_logger()));
  }
  if (strcmp(from, "file") == 0) {
    TRY(tn_network_create_from_onnx_file(by, file, &network));
  } else {
    TRY(tn_blob_create_from_file(file, &blob));
    own(BLOB, blob);
    TRY(tn_blob_get_data(blob, &data, &size));
    if (strcmp(from, "blob") == 0) {
      TRY(tn_network_create_from_onnx_blob(by, blob, &network));
    } else {
      TRY(tn_network_create_from_onnx(by, data, size, &network));
    }
  }
  keep(own(NETWORK, network));
  print_network(network);
}

static void do_describe(void) {
  tn_network_t network = (tn_network_t)named("network", NETWORK)->handle;
  tn_blob_t text = NULL, document = NULL;
  TRY(tn_network_get_information(network, TN_DOCUMENT_FORMAT_TEXT, &text));
  print_blob((tn_blob_t)own(BLOB, text), "text", 1);
  TRY(tn_network_get_information(network, TN_DOCUMENT_FORMAT_JSON, &document));
  print_blob((tn_blob_t)own(BLOB, document), "json", 0);
}

static void do_config(void) {
  tn_builder_config_t config = NULL;
  const json *option, *profile, *input;
  int32_t threads = 0, level = 0, onednn = 0, tf32 = 0, profiles = 0;
  double deadline = 0;
  TRY(tn_builder_config_create(&config));
  own(CONFIG, config);
  if (json_field(step, "device")) {
    tn_device_t device = NULL;
    TRY(tn_device_create(field_text("device", ""), &device));
    own(DEVICE, device);
    TRY(tn_builder_config_set_device(config, device));
  }
  if (json_field(step, "threads"))
    TRY(tn_builder_config_set_thread_count(config, (int32_t)field_number("threads", 0)));
  if (json_field(step, "level"))
    TRY(tn_builder_config_set_optimization_level(config, (int32_t)field_number("level", 0)));
  if (json_field(step, "onednn"))
    TRY(tn_builder_config_set_onednn_enabled(config, (int32_t)field_number("onednn", 0)));
  if (json_field(step, "deadline")) TRY(tn_builder_config_set_deadline(config, field_number("deadline", 0)));
  if (json_field(step, "tf32"))
    TRY(tn_builder_config_set_precision_allowed(config, TN_PRECISION_TF32, (int32_t)field_number("tf32", 0)));
  option = json_field(step, "options");
  for (option = option ? option->first : NULL; option; option = option->next)
    TRY(tn_builder_config_set_option(config, option->key, option->text));
  if (json_field(step, "cache"))
    TRY(tn_builder_config_set_timing_cache(config, (tn_timing_cache_t)named("cache", CACHE)->handle));
  profile = json_field(step, "profiles");
  for (profile = profile ? profile->first : NULL; profile; profile = profile->next) {
    tn_optimization_profile_t shapes = NULL;
    TRY(tn_optimization_profile_create(&shapes));
    own(PROFILE, shapes);
    for (input = profile->first; input; input = input->next) {
      const json* dims = input->first;
      tn_shape_selector selector;
      for (selector = TN_SHAPE_SELECTOR_MIN; dims; dims = dims->next, ++selector) {
        int64_t numbers[TN_MAX_RANK];
        size_t rank = read_dims(dims, numbers);
        TRY(tn_optimization_profile_set_shape(shapes, input->key, selector, numbers, rank));
      }
    }
    TRY(tn_builder_config_add_profile(config, shapes, NULL));
  }
  TRY(tn_builder_config_get_thread_count(config, &threads));
  TRY(tn_builder_config_get_optimization_level(config, &level));
  TRY(tn_builder_config_get_onednn_enabled(config, &onednn));
  TRY(tn_builder_config_get_deadline(config, &deadline));
  TRY(tn_builder_config_get_precision_allowed(config, TN_PRECISION_TF32, &tf32));
  TRY(tn_builder_config_get_profile_count(config, &profiles));
  printf("  threads %d level %d onednn %s deadline %d tf32 %s profiles %d\n", threads, level,
         onednn ? "yes" : "no", (int)deadline, tf32 ? "yes" : "no", profiles);
  option = json_field(step, "options");
  for (option = option ? option->first : NULL; option; option = option->next) {
    char value[200];
    TRY(tn_builder_config_get_option(config, option->key, value, sizeof value, NULL));
    printf("  option %s %s\n", option->key, value);
  }
  keep(config);
}

static tn_error_t on_progress(void* user_data, const char* phase, double fraction) {
  hearer* own_ = (hearer*)user_data;
  if (strcmp(own_->mode, "cancel") == 0)
    return tn_error_create(TN_ERROR_CANCELLED, "stopped on purpose", NULL, NULL);
  if (strcmp(own_->mode, "throw") == 0) return throw_own("thrown on purpose");
  if (!phase[0] || fraction < own_->last || fraction < 0 || fraction > 1) own_->good = 0;
  own_->last = fraction;
  ++own_->count;
  return NULL;
}

static void do_progress(void) {
  object* config = named("config", CONFIG);
  tn_progress_callbacks callbacks = TN_PROGRESS_CALLBACKS_INIT;
  hearer* progress = (hearer*)json_new(sizeof *progress);
  progress->mode = field_text("mode", "");
  callbacks.user_data = progress;
  callbacks.update = on_progress;
  TRY(tn_builder_config_set_progress((tn_builder_config_t)config->handle,
                                     strcmp(progress->mode, "none") == 0 ? NULL : &callbacks));
  config->progress = progress;
}

static void do_build(void) {
  object* config = named("config", CONFIG);
  tn_blob_t plan = NULL, report = NULL;
  tn_builder_t by = builder;
  int with_report = field_number("report", 0) != 0;
  hearer* progress = config->progress;
  if (json_field(step, "log")) {
    TRY(tn_builder_create(&by));
    own(BUILDER, by);
    TRY(tn_builder_set_logger(by, new_logger()));
  }
  if (progress) {
    progress->count = 0;
    progress->good = 1;
    progress->last = 0;
  }
  TRY(tn_builder_build(by, (tn_network_t)named("network", NETWORK)->handle,
                       (tn_builder_config_t)config->handle, &plan, with_report ? &report : NULL));
  keep(own(BLOB, plan));
  if (progress && strcmp(progress->mode, "count") == 0)
    printf("  progress %s\n", progress->good && progress->count ? "yes" : "no");
  if (with_report) print_blob((tn_blob_t)own(BLOB, report), "report", 0);
}

/* --- blobs and caches
 * ------------------------------------------------------------------------------------------------------ */
static void do_blob(void) {
  const char* text = field_text("text", "");
  tn_blob_t blob = NULL;
  TRY(tn_blob_create(text, strlen(text), &blob));
  keep(own(BLOB, blob));
  printf("  blob %zu bytes\n", strlen(text));
}

static void do_save(void) {
  TRY(tn_blob_save((tn_blob_t)named("blob", BLOB)->handle, field_text("file", "")));
}

static void do_read(void) {
  tn_blob_t blob = NULL;
  TRY(tn_blob_create_from_file(field_text("file", ""), &blob));
  keep(own(BLOB, blob));
}

static void do_share(void) {
  tn_blob_t blob = NULL;
  TRY(tn_blob_create_shared((tn_blob_t)named("blob", BLOB)->handle, &blob));
  keep(own(BLOB, blob));
}

static void do_cut(void) {
  const void* data = NULL;
  size_t size = 0, wanted = (size_t)field_number("bytes", 0);
  tn_blob_t blob = NULL;
  TRY(tn_blob_get_data((tn_blob_t)named("blob", BLOB)->handle, &data, &size));
  if (wanted > size) wanted = size;
  TRY(tn_blob_create(data, wanted, &blob));
  keep(own(BLOB, blob));
  printf("  blob %zu bytes\n", wanted);
}

static int same_bytes(tn_blob_t a, tn_blob_t b, int* same) {
  const void *left = NULL, *right = NULL;
  size_t left_size = 0, right_size = 0;
  if (failed(tn_blob_get_data(a, &left, &left_size)) || failed(tn_blob_get_data(b, &right, &right_size)))
    return 0;
  *same = left_size == right_size && memcmp(left, right, left_size) == 0;
  return 1;
}

static void do_same(void) {
  int same = 0;
  if (same_bytes((tn_blob_t)named("a", BLOB)->handle, (tn_blob_t)named("b", BLOB)->handle, &same))
    printf("  %s\n", same ? "yes" : "no");
}

static void print_entries(tn_timing_cache_t cache) {
  size_t count = 0;
  TRY(tn_timing_cache_get_count(cache, &count));
  printf("  entries %s\n", count ? "yes" : "no");
}

static void do_cache(void) {
  tn_timing_cache_t cache = NULL;
  TRY(tn_timing_cache_create(&cache));
  own(CACHE, cache);
  if (json_field(step, "load")) {
    const void* data = NULL;
    size_t size = 0;
    TRY(tn_blob_get_data((tn_blob_t)named("load", BLOB)->handle, &data, &size));
    TRY(tn_timing_cache_load(cache, data, size));
  }
  keep(cache);
  print_entries(cache);
}

static void do_cache_blob(void) {
  tn_timing_cache_t cache = (tn_timing_cache_t)named("cache", CACHE)->handle;
  tn_blob_t blob = NULL;
  TRY(tn_timing_cache_serialize(cache, &blob));
  keep(own(BLOB, blob));
  print_entries(cache);
}

static void do_merge(void) {
  tn_timing_cache_t cache = (tn_timing_cache_t)named("cache", CACHE)->handle;
  TRY(tn_timing_cache_merge(cache, (tn_timing_cache_t)named("other", CACHE)->handle));
  print_entries(cache);
}

/* --- engines
 * ---------------------------------------------------------------------------------------------------------------
 */
static tn_error_t on_allocate(void* user_data, size_t size, size_t alignment, void** out) {
  counter* memory = (counter*)user_data;
  if (strcmp(memory->mode, "throw") == 0) return throw_own("no memory on purpose");
  pthread_mutex_lock(&memory->mutex);
  ++memory->calls;
  ++memory->blocks;
  memory->bytes += (int64_t)size;
  pthread_mutex_unlock(&memory->mutex);
  if (posix_memalign(out, alignment < sizeof(void*) ? sizeof(void*) : alignment, size)) *out = NULL;
  return NULL;
}

static void on_deallocate(void* user_data, void* address, size_t size, size_t alignment) {
  counter* memory = (counter*)user_data;
  (void)alignment;
  pthread_mutex_lock(&memory->mutex);
  --memory->blocks;
  memory->bytes -= (int64_t)size;
  pthread_mutex_unlock(&memory->mutex);
  free(address);
}

static void do_allocator(void) {
  tn_allocator_callbacks callbacks = TN_ALLOCATOR_CALLBACKS_INIT;
  tn_allocator_t allocator = NULL;
  counter* memory = (counter*)json_new(sizeof *memory);
  memory->mode = field_text("mode", "");
  pthread_mutex_init(&memory->mutex, NULL);
  callbacks.user_data = memory;
  callbacks.allocate = on_allocate;
  callbacks.deallocate = on_deallocate;
  TRY(tn_allocator_create(&callbacks, &allocator));
  keep(own(ALLOCATOR, allocator))->memory = memory;
}

static void do_balance(void) {
  counter* memory = named("allocator", ALLOCATOR)->memory;
  if (!memory) {
    printf("  error INVALID_HANDLE\n");
    return;
  }
  printf("  allocated %s\n  balanced %s\n", memory->calls ? "yes" : "no",
         memory->blocks == 0 && memory->bytes == 0 ? "yes" : "no");
}

static void print_engine(tn_engine_t engine) {
  char name[1000];
  int32_t threads = 0, profiles = 0, p;
  size_t count = 0, layers = 0, i;
  int good = 1;
  TRY(tn_engine_get_name(engine, name, sizeof name, NULL));
  TRY(tn_engine_get_thread_count(engine, &threads));
  TRY(tn_engine_get_profile_count(engine, &profiles));
  TRY(tn_engine_get_tensor_count(engine, &count));
  printf("  engine %s threads %d profiles %d\n", name[0] ? name : "-", threads, profiles);
  for (i = 0; i < count; ++i) {
    tn_io_mode mode = 0;
    tn_data_type type = 0;
    tn_tensor_format format = 0;
    tn_tensor_location location = 0;
    int64_t dims[TN_MAX_RANK];
    size_t rank = 0;
    TRY(tn_engine_get_tensor_name(engine, i, name, sizeof name, NULL));
    TRY(tn_engine_get_tensor_mode(engine, i, &mode));
    TRY(tn_engine_get_tensor_data_type(engine, i, &type));
    TRY(tn_engine_get_tensor_shape(engine, i, dims, TN_MAX_RANK, &rank));
    TRY(tn_engine_get_tensor_format(engine, i, &format));
    TRY(tn_engine_get_tensor_location(engine, i, &location));
    printf("  %s %s %s ", mode == TN_IO_MODE_INPUT ? "input" : "output", name, tn_data_type_get_name(type));
    print_dims(dims, rank);
    printf(" %s %s\n", format == TN_TENSOR_FORMAT_LINEAR ? "linear" : "channels_last",
           location == TN_TENSOR_LOCATION_HOST ? "host" : "device");
  }
  for (p = 0; p < profiles; ++p)
    for (i = 0; i < count; ++i) {
      tn_io_mode mode = 0;
      tn_shape_selector selector;
      TRY(tn_engine_get_tensor_mode(engine, i, &mode));
      if (mode != TN_IO_MODE_INPUT) continue;
      TRY(tn_engine_get_tensor_name(engine, i, name, sizeof name, NULL));
      printf("  profile %d %s", p, name);
      for (selector = TN_SHAPE_SELECTOR_MIN; selector <= TN_SHAPE_SELECTOR_MAX; ++selector) {
        int64_t dims[TN_MAX_RANK];
        size_t rank = 0;
        TRY(tn_engine_get_profile_shape(engine, p, name, selector, dims, TN_MAX_RANK, &rank));
        printf(" ");
        print_dims(dims, rank);
      }
      printf("\n");
    }
  TRY(tn_engine_get_layer_count(engine, 0, &layers));
  for (i = 0; i < layers; ++i) {
    TRY(tn_engine_get_layer_name(engine, 0, i, name, sizeof name, NULL));
    good = good && name[0];
    TRY(tn_engine_get_layer_kernel(engine, 0, i, name, sizeof name, NULL));
    good = good && name[0];
  }
  printf("  layers %s\n", good && layers ? "yes" : "no");
}

static void do_engine(void) {
  tn_runtime_t runtime = NULL;
  tn_engine_t engine = NULL;
  const void* data = NULL;
  size_t size = 0;
  TRY(tn_runtime_create(&runtime));
  own(RUNTIME, runtime);
  if (json_field(step, "threads"))
    TRY(tn_runtime_set_thread_count(runtime, (int32_t)field_number("threads", 0)));
  if (json_field(step, "limit"))
    TRY(tn_runtime_set_limit(runtime, TN_LIMIT_PLAN_BYTES, (int64_t)field_number("limit", 0)));
  if (json_field(step, "allocator"))
    TRY(tn_runtime_set_allocator(runtime, (tn_allocator_t)named("allocator", ALLOCATOR)->handle));
  if (json_field(step, "log")) TRY(tn_runtime_set_logger(runtime, new_logger()));
  TRY(tn_blob_get_data((tn_blob_t)named("plan", BLOB)->handle, &data, &size));
  TRY(tn_engine_create(runtime, data, size, &engine));
  keep(own(ENGINE, engine));
  print_engine(engine);
}

static void do_serialize(void) {
  tn_blob_t plan = NULL;
  TRY(tn_engine_serialize((tn_engine_t)named("engine", ENGINE)->handle, &plan));
  keep(own(BLOB, plan));
}

static void do_inspect(void) {
  tn_engine_inspector_t inspectors[2] = {NULL, NULL};
  tn_blob_t texts[2] = {NULL, NULL}, document = NULL;
  int i, same = 0;
  for (i = 0; i < 2; ++i) {
    if (json_field(step, "engine")) {
      TRY(tn_engine_inspector_create((tn_engine_t)named("engine", ENGINE)->handle, &inspectors[i]));
    } else {
      const void* data = NULL;
      size_t size = 0;
      TRY(tn_blob_get_data((tn_blob_t)named("plan", BLOB)->handle, &data, &size));
      TRY(tn_engine_inspector_create_from_plan(data, size, &inspectors[i]));
    }
    own(INSPECTOR, inspectors[i]);
    TRY(tn_engine_inspector_get_information(inspectors[i], TN_DOCUMENT_FORMAT_TEXT, &texts[i]));
    own(BLOB, texts[i]);
  }
  print_blob(texts[0], "text", 1);
  TRY(tn_engine_inspector_get_information(inspectors[0], TN_DOCUMENT_FORMAT_JSON, &document));
  print_blob((tn_blob_t)own(BLOB, document), "json", 0);
  if (same_bytes(texts[0], texts[1], &same)) printf("  same %s\n", same ? "yes" : "no");
}

/* --- contexts
 * --------------------------------------------------------------------------------------------------------------
 */
typedef struct outputs {
  size_t count;
  char names[8][100];
  tn_data_type types[8];
  int64_t dims[8][TN_MAX_RANK];
  size_t ranks[8], sizes[8];
  void* data[8];
} outputs;

/* Sets the inputs and new outputs. */
static tn_error_t set_all(tn_execution_context_t context, const signature* tensors, const json* inputs,
                          outputs* out) {
  tn_error_t error = NULL;
  const json* input;
  size_t i;
  memset(out, 0, sizeof *out);
#define PASS(call) \
  if ((error = (call)) != NULL) return error
  for (input = inputs->first; input; input = input->next) {
    int64_t dims[TN_MAX_RANK];
    size_t rank = read_dims(json_field(input, "dims"), dims), n = 0;
    const json *values = json_field(input, "values"), *value;
    tn_data_type type = TN_DATA_TYPE_FLOAT32;
    size_t size;
    void* data;
    PASS(tn_execution_context_set_input_shape(context, input->key, dims, rank));
    for (i = 0; i < tensors->count; ++i)
      if (strcmp(tensors->names[i], input->key) == 0) type = tensors->types[i];
    size = json_count(values) * tn_data_type_get_size(type);
    data = json_new(size + 16);
    for (value = values->first; value; value = value->next) set_element(data, type, n++, value->number);
    PASS(tn_execution_context_set_buffer(context, input->key, data, size));
  }
  for (i = 0; i < tensors->count; ++i) {
    size_t o = out->count;
    if (tensors->modes[i] != TN_IO_MODE_OUTPUT) continue;
    memcpy(out->names[o], tensors->names[i], sizeof out->names[o]);
    out->types[o] = tensors->types[i];
    PASS(tn_execution_context_get_shape(context, out->names[o], out->dims[o], TN_MAX_RANK, &out->ranks[o]));
    out->sizes[o] = count_of(out->dims[o], out->ranks[o]) * tn_data_type_get_size(out->types[o]);
    out->data[o] = json_new(out->sizes[o] + 16);
    PASS(tn_execution_context_set_buffer(context, out->names[o], out->data[o], out->sizes[o]));
    ++out->count;
  }
#undef PASS
  return NULL;
}

static void print_outputs(const outputs* out) {
  size_t o, i;
  for (o = 0; o < out->count; ++o) {
    printf("  %s %s ", out->names[o], tn_data_type_get_name(out->types[o]));
    print_dims(out->dims[o], out->ranks[o]);
    printf(":");
    for (i = 0; i < count_of(out->dims[o], out->ranks[o]); ++i) {
      double value = element(out->data[o], out->types[o], i);
      if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value) {
        printf(" %" PRId64, (int64_t)value);
      } else {
        printf(" ?");
      }
    }
    printf("\n");
  }
}

static tn_error_t read_signature(tn_engine_t engine, signature* tensors) {
  tn_error_t error = NULL;
  size_t i;
#define PASS(call) \
  if ((error = (call)) != NULL) return error
  PASS(tn_engine_get_tensor_count(engine, &tensors->count));
  for (i = 0; i < tensors->count; ++i) {
    PASS(tn_engine_get_tensor_name(engine, i, tensors->names[i], sizeof tensors->names[i], NULL));
    PASS(tn_engine_get_tensor_mode(engine, i, &tensors->modes[i]));
    PASS(tn_engine_get_tensor_data_type(engine, i, &tensors->types[i]));
  }
  PASS(tn_engine_get_layer_count(engine, 0, &tensors->layers));
  for (i = 0; i < tensors->layers; ++i)
    PASS(tn_engine_get_layer_kernel(engine, 0, i, tensors->kernels[i], sizeof tensors->kernels[i], NULL));
#undef PASS
  return NULL;
}

static void do_context(void) {
  tn_engine_t engine = (tn_engine_t)named("engine", ENGINE)->handle;
  tn_execution_context_t context = NULL;
  signature* tensors = (signature*)json_new(sizeof *tensors);
  int32_t profile = 0;
  TRY(tn_execution_context_create(engine, (int32_t)field_number("profile", 0), &context));
  own(CONTEXT, context);
  TRY(read_signature(engine, tensors));
  TRY(tn_execution_context_get_profile(context, &profile));
  keep(context)->tensors = tensors;
  printf("  profile %d\n", profile);
}

static tn_execution_context_t context_of_step(void) {
  return (tn_execution_context_t)named("context", CONTEXT)->handle;
}

static void do_set_profile(void) {
  int32_t profile = 0;
  TRY(tn_execution_context_set_profile(context_of_step(), (int32_t)field_number("profile", 0)));
  TRY(tn_execution_context_get_profile(context_of_step(), &profile));
  printf("  profile %d\n", profile);
}

static void do_shape(void) {
  int64_t dims[TN_MAX_RANK];
  size_t rank = read_dims(json_field(step, "dims"), dims);
  TRY(tn_execution_context_set_input_shape(context_of_step(), field_text("tensor", ""), dims, rank));
}

static void do_get_shape(void) {
  int64_t dims[TN_MAX_RANK];
  size_t rank = 0;
  TRY(tn_execution_context_get_shape(context_of_step(), field_text("tensor", ""), dims, TN_MAX_RANK, &rank));
  printf("  %s ", field_text("tensor", ""));
  print_dims(dims, rank);
  printf("\n");
}

static void do_buffer(void) {
  size_t size = (size_t)field_number("bytes", 0);
  TRY(tn_execution_context_set_buffer(context_of_step(), field_text("tensor", ""), json_new(size), size));
}

static int run_as(tn_execution_context_t context, const char* how) {
  double a = 0, b = 0, c = 0;
  if (strcmp(how, "measured") == 0) {
    if (failed(tn_execution_context_run_measured(context, &a))) return 0;
    printf("  microseconds %s\n", a >= 0 ? "yes" : "no");
    return 1;
  }
  if (strcmp(how, "parts") == 0) {
    if (failed(tn_execution_context_run_in_parts(context, &a, &b, &c))) return 0;
    printf("  microseconds %s\n", a >= 0 && b >= 0 && c >= 0 ? "yes" : "no");
    return 1;
  }
  if (strcmp(how, "enqueue") == 0)
    return !failed(tn_execution_context_enqueue(context, NULL)) &&
           !failed(tn_execution_context_wait(context));
  if (strcmp(how, "prepare") == 0 && failed(tn_execution_context_prepare(context))) return 0;
  return !failed(tn_execution_context_run(context));
}

static void do_run(void) {
  object* context = named("context", CONTEXT);
  const json* inputs = json_field(step, "inputs");
  outputs out;
  memset(&out, 0, sizeof out);
  if (inputs && !context->tensors) {
    printf("  error INVALID_HANDLE\n");
    return;
  }
  if (inputs) TRY(set_all((tn_execution_context_t)context->handle, context->tensors, inputs, &out));
  if (!run_as((tn_execution_context_t)context->handle, field_text("how", "run"))) return;
  if (inputs) {
    print_outputs(&out);
  } else {
    printf("  ran\n");
  }
}

static void do_wait(void) { TRY(tn_execution_context_wait(context_of_step())); }

static tn_error_t on_layer(void* user_data, size_t index, const char* name, const char* kernel,
                           const char* origins, double microseconds) {
  hearer* profiler = (hearer*)user_data;
  (void)name;
  (void)origins;
  if (strcmp(profiler->mode, "throw") == 0) return throw_own("thrown by the profiler");
  if (strcmp(profiler->mode, "busy") == 0) {
    pthread_mutex_lock(&profiler->mutex);
    while (!profiler->tried) pthread_cond_wait(&profiler->changed, &profiler->mutex);
    pthread_mutex_unlock(&profiler->mutex);
    return NULL;
  }
  if (index >= profiler->tensors->layers || strcmp(kernel, profiler->tensors->kernels[index]) != 0 ||
      microseconds < 0 || (size_t)profiler->count != index)
    profiler->good = 0;
  ++profiler->count;
  return NULL;
}

static void do_profile(void) {
  object* context = named("context", CONTEXT);
  tn_execution_context_t handle = (tn_execution_context_t)context->handle;
  tn_profiler_callbacks callbacks = TN_PROFILER_CALLBACKS_INIT;
  hearer profiler = {0};
  outputs out;
  int ran;
  profiler.mode = field_text("mode", "");
  profiler.tensors = context->tensors;
  profiler.good = 1;
  callbacks.user_data = &profiler;
  callbacks.layer = on_layer;
  TRY(set_all(handle, context->tensors, json_field(step, "inputs"), &out));
  TRY(tn_execution_context_set_profiler(handle, &callbacks));
  ran = run_as(handle, "run");
  TRY(tn_execution_context_set_profiler(handle, NULL));
  if (!ran) return;
  print_outputs(&out);
  printf(
      "  layers %s\n",
      profiler.good && profiler.count && (size_t)profiler.count == context->tensors->layers ? "yes" : "no");
}

static void do_busy(void) {
  object* context = named("context", CONTEXT);
  tn_execution_context_t handle = (tn_execution_context_t)context->handle;
  tn_profiler_callbacks callbacks = TN_PROFILER_CALLBACKS_INIT;
  hearer profiler = {0};
  outputs out;
  int ran;
  profiler.mode = "busy";
  pthread_mutex_init(&profiler.mutex, NULL);
  pthread_cond_init(&profiler.changed, NULL);
  callbacks.user_data = &profiler;
  callbacks.layer = on_layer;
  TRY(set_all(handle, context->tensors, json_field(step, "inputs"), &out));
  TRY(tn_execution_context_set_profiler(handle, &callbacks));
  TRY(tn_execution_context_enqueue(handle, NULL));
  if (!failed(tn_execution_context_run(handle))) printf("  not busy\n");
  pthread_mutex_lock(&profiler.mutex);
  profiler.tried = 1;
  pthread_cond_broadcast(&profiler.changed);
  pthread_mutex_unlock(&profiler.mutex);
  ran = !failed(tn_execution_context_wait(handle));
  TRY(tn_execution_context_set_profiler(handle, NULL));
  if (ran) print_outputs(&out);
}

typedef struct worker {
  pthread_t thread;
  tn_engine_t engine;
  const json* inputs;
  int runs, same;
  tn_error_t error;
  outputs first;
} worker;

static void* work(void* argument) {
  worker* own_ = (worker*)argument;
  tn_execution_context_t context = NULL;
  signature tensors;
  outputs out;
  int i;
  size_t o;
  own_->same = 1;
  own_->error = read_signature(own_->engine, &tensors);
  if (!own_->error) own_->error = tn_execution_context_create(own_->engine, 0, &context);
  for (i = 0; i < own_->runs && !own_->error; ++i) {
    own_->error = set_all(context, &tensors, own_->inputs, &out);
    if (!own_->error) own_->error = tn_execution_context_run(context);
    if (own_->error) break;
    if (i == 0) own_->first = out;
    for (o = 0; o < out.count; ++o)
      if (memcmp(out.data[o], own_->first.data[o], out.sizes[o]) != 0) own_->same = 0;
  }
  tn_execution_context_destroy(context);
  return NULL;
}

static void do_threads(void) {
  worker workers[16];
  int count = (int)field_number("count", 1), i, good = 1, same = 1;
  size_t o;
  memset(workers, 0, sizeof workers);
  for (i = 0; i < count; ++i) {
    workers[i].engine = (tn_engine_t)named("engine", ENGINE)->handle;
    workers[i].inputs = json_field(step, "inputs");
    workers[i].runs = (int)field_number("runs", 1);
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) json_fail("no thread", "threads");
  }
  for (i = 0; i < count; ++i) {
    pthread_join(workers[i].thread, NULL);
    if (!good) tn_error_destroy(workers[i].error);
    good = good && !failed(workers[i].error);
    for (o = 0; good && o < workers[i].first.count; ++o)
      if (memcmp(workers[i].first.data[o], workers[0].first.data[o], workers[0].first.sizes[o]) != 0)
        same = 0;
    same = same && workers[i].same;
  }
  if (!good) return;
  print_outputs(&workers[0].first);
  printf("  equal %s\n", same ? "yes" : "no");
}

/* --- weights
 * -----------------------------------------------------------------------------------------------------------------
 */
static void do_weights(void) {
  tn_refitter_t refitter = NULL;
  size_t count = 0, i;
  TRY(tn_refitter_create((tn_engine_t)named("engine", ENGINE)->handle, &refitter));
  own(REFITTER, refitter);
  TRY(tn_refitter_get_weight_count(refitter, &count));
  for (i = 0; i < count; ++i) {
    char name[200], reason[2000];
    tn_data_type type = 0;
    int64_t dims[TN_MAX_RANK];
    size_t rank = 0;
    TRY(tn_refitter_get_weight_name(refitter, i, name, sizeof name, NULL));
    TRY(tn_refitter_get_weight_data_type(refitter, i, &type));
    TRY(tn_refitter_get_weight_shape(refitter, i, dims, TN_MAX_RANK, &rank));
    TRY(tn_refitter_get_pin_reason(refitter, i, reason, sizeof reason, NULL));
    printf("  weight %s %s ", name, tn_data_type_get_name(type));
    print_dims(dims, rank);
    printf(" %s\n", reason[0] ? "pinned" : "free");
  }
}

static void do_refit(void) {
  tn_refitter_t refitter = NULL;
  const json *weights = json_field(step, "weights"), *weight;
  size_t count = 0, i;
  TRY(tn_refitter_create((tn_engine_t)named("engine", ENGINE)->handle, &refitter));
  own(REFITTER, refitter);
  for (weight = weights ? weights->first : NULL; weight; weight = weight->next) {
    int64_t dims[TN_MAX_RANK];
    size_t rank = read_dims(json_field(weight, "dims"), dims), n = 0;
    const json *values = json_field(weight, "values"), *value;
    float data[100];
    for (value = values->first; value; value = value->next) data[n++] = (float)value->number;
    TRY(tn_refitter_set_weight(refitter, weight->key, TN_DATA_TYPE_FLOAT32, dims, rank, data,
                               n * sizeof(float)));
  }
  if (json_field(step, "network")) {
    TRY(tn_refitter_set_weights_from_network(refitter, (tn_network_t)named("network", NETWORK)->handle,
                                             &count));
    printf("  set %zu\n", count);
  }
  TRY(tn_refitter_get_missing_count(refitter, &count));
  for (i = 0; i < count; ++i) {
    char name[200];
    TRY(tn_refitter_get_missing_name(refitter, i, name, sizeof name, NULL));
    printf("  missing %s\n", name);
  }
  TRY(tn_refitter_apply(refitter));
  printf("  refitted\n");
}

static void do_close(void) {
  object* o = find(field_text("name", ""));
  if (o) {
    forget(o);
  } else {
    printf("  error INVALID_HANDLE\n");
  }
}

static void do_live(void) {
  int64_t count = 0;
  const char* type = field_text("type", "all");
  TRY(tn_debug_get_live_count(type, &count));
  printf("  %s %" PRId64 "\n", type, count);
}

static const struct {
  const char* name;
  void (*call)(void);
} verbs[] = {{"device", do_device},
             {"network", do_network},
             {"describe", do_describe},
             {"config", do_config},
             {"progress", do_progress},
             {"build", do_build},
             {"blob", do_blob},
             {"save", do_save},
             {"read", do_read},
             {"share", do_share},
             {"cut", do_cut},
             {"same", do_same},
             {"cache", do_cache},
             {"cache_blob", do_cache_blob},
             {"merge", do_merge},
             {"allocator", do_allocator},
             {"balance", do_balance},
             {"engine", do_engine},
             {"serialize", do_serialize},
             {"inspect", do_inspect},
             {"context", do_context},
             {"set_profile", do_set_profile},
             {"shape", do_shape},
             {"get_shape", do_get_shape},
             {"buffer", do_buffer},
             {"run", do_run},
             {"wait", do_wait},
             {"profile", do_profile},
             {"busy", do_busy},
             {"threads", do_threads},
             {"weights", do_weights},
             {"refit", do_refit},
             {"close", do_close},
             {"live", do_live}};

static int by_name(const void* a, const void* b) {
  return strcmp(((const object*)a)->name, ((const object*)b)->name);
}

int main(int argc, char** argv) {
  int number = 0;
  int64_t live = -1;
  size_t i;
  if (argc != 2) {
    fprintf(stderr, "usage: runner SCENARIO\n");
    return 2;
  }
  if (failed(tn_builder_create(&builder))) return 1;
  for (step = json_read(argv[1])->first; step; step = step->next) {
    const char* verb = field_text("do", "");
    printf("%d %s\n", ++number, verb);
    for (i = 0; i < sizeof verbs / sizeof *verbs && strcmp(verbs[i].name, verb) != 0; ++i) {
    }
    if (i == sizeof verbs / sizeof *verbs) json_fail("no such step", verb);
    verbs[i].call();
    while (made_count) destroy(&made[--made_count]);
    print_log();
  }
  qsort(objects, object_count, sizeof *objects, by_name);
  for (i = 0; i < object_count; ++i) destroy(&objects[i]);
  tn_builder_destroy(builder);
  if (failed(tn_debug_get_live_count("all", &live))) return 1;
  printf("live %" PRId64 "\n", live);
  json_free_all();
  return 0;
}
