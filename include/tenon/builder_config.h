/**
 * @file builder_config.h
 * Builder configurations: how a plan is to be built.
 *
 * Thread rule: internally synchronised; any thread. A build takes what it needs when it starts, so a
 * configuration may be changed or destroyed while it runs.
 */
#ifndef TENON_BUILDER_CONFIG_H
#define TENON_BUILDER_CONFIG_H

#include "tenon/device.h"
#include "tenon/optimization_profile.h"
#include "tenon/timing_cache.h"

/** Options of a build. */
typedef struct tn_builder_config *tn_builder_config_t;

/**
 * Called while a build makes progress. Set it up with `TN_PROGRESS_CALLBACKS_INIT` or
 * tn_progress_callbacks_init().
 */
typedef struct tn_progress_callbacks {
  size_t struct_size;  /**< of the caller's structure; if it is wrong, nothing else is read */
  void *user_data;     /**< first argument of every function */
  /**
   * `phase` names what is being done; `fraction` is how much of the whole build is done, in [0, 1], and never
   * falls. An error cancels the build, which then fails with that error: `TN_ERROR_CANCELLED` is the code to
   * use. Called on the thread that builds, with no lock held; it must not throw.
   */
  tn_error_t (*update)(void *user_data, const char *phase, double fraction);
  /** Called exactly once, when nothing needs the table any more, also when it was refused. May be NULL. */
  void (*release)(void *user_data);
} tn_progress_callbacks;

#define TN_PROGRESS_CALLBACKS_INIT {sizeof(tn_progress_callbacks), NULL, NULL, NULL}

TN_BEGIN_DECLS

/**
 * Does what `TN_PROGRESS_CALLBACKS_INIT` does, for languages without macros.
 *
 * @param out_callbacks  The table. Nothing happens if it is NULL.
 * @param struct_size    Its size in bytes: so much is cleared.
 */
TN_API TN_SINCE(0, 1) void
tn_progress_callbacks_init(TN_OUT tn_progress_callbacks *out_callbacks, size_t struct_size) TN_NOEXCEPT;

/**
 * A configuration with the defaults: the CPU, all its threads, no profile, a timing cache of its own, all
 * libraries.
 *
 * @param out_config  Receives the configuration.
 * @return Fails with OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_create(TN_OUT TN_OWNED tn_builder_config_t *out_config) TN_NOEXCEPT;

/** Destroys the handle. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_builder_config_destroy(TN_NULLABLE tn_builder_config_t config) TN_NOEXCEPT;

/**
 * Sets the device that the plan is for.
 *
 * @param config  The configuration.
 * @param device  The device.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_device(tn_builder_config_t config, tn_device_t device) TN_NOEXCEPT;

/**
 * Sets the number of threads that the plan is tuned for. A plan runs with any other number too, if less well.
 *
 * @param config        The configuration.
 * @param thread_count  1 … 1024, or 0 (the default) for as many as the process may use, or for one where a small network's
 *                      steps take no longer on one, as measured while the plan is built.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_thread_count(tn_builder_config_t config, int32_t thread_count) TN_NOEXCEPT;

/**
 * The number of threads that was set.
 *
 * @param config            The configuration.
 * @param out_thread_count  Receives the number; 0 stands for as many as the process may use.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_thread_count(tn_builder_config_t config, TN_OUT int32_t *out_thread_count) TN_NOEXCEPT;

/**
 * Adds a copy of a profile. Without any, every dynamic dim becomes 1, with a warning. An input that a profile
 * does not name must have no dynamic dims.
 *
 * @param config     The configuration.
 * @param profile    Each of its inputs must have all three shapes, of one rank, with min ≤ opt ≤ max.
 * @param out_index  Receives the profile's number in the plan. May be NULL.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_add_profile(tn_builder_config_t config, tn_optimization_profile_t profile,
                              TN_OUT TN_NULLABLE int32_t *out_index) TN_NOEXCEPT;

/**
 * Number of profiles that were added.
 *
 * @param config     The configuration.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_profile_count(tn_builder_config_t config, TN_OUT int32_t *out_count) TN_NOEXCEPT;

/**
 * Sets the timing cache that builds read and fill.
 *
 * @param config  The configuration.
 * @param cache   Shared, not copied. NULL: a new one for each build.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_timing_cache(tn_builder_config_t config,
                                   TN_NULLABLE tn_timing_cache_t cache) TN_NOEXCEPT;

/**
 * Says whether kernels of the oneDNN library may be chosen.
 *
 * @param config   The configuration.
 * @param enabled  1 (the default): where the library is there and is faster. 0: never.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_onednn_enabled(tn_builder_config_t config, int32_t enabled) TN_NOEXCEPT;

/**
 * Whether kernels of the oneDNN library may be chosen.
 *
 * @param config       The configuration.
 * @param out_enabled  Receives 0 or 1.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_onednn_enabled(tn_builder_config_t config, TN_OUT int32_t *out_enabled) TN_NOEXCEPT;

/**
 * Sets how much time a build may take to find fast kernels.
 *
 * @param config  The configuration.
 * @param level   0 … 5: of each way to compute a layer, 1, 2, 4, 8 (at 3, the default), 16 or all variants are timed.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_optimization_level(tn_builder_config_t config, int32_t level) TN_NOEXCEPT;

/**
 * The level that was set.
 *
 * @param config     The configuration.
 * @param out_level  Receives the level.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_optimization_level(tn_builder_config_t config, TN_OUT int32_t *out_level) TN_NOEXCEPT;

/**
 * Sets when a build stops timing kernels. A layer that has not had its turn by then takes the best of what the timing
 * cache knows, else the first kernel that can compute it; the report says which. The build ends soon after: it still
 * lays out weights and writes the plan. A later build with the same timing cache makes the same choice.
 *
 * @param config   The configuration.
 * @param seconds  After the build's begin, up to 1e6; 0, the default, for no deadline.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_deadline(tn_builder_config_t config, double seconds) TN_NOEXCEPT;

/**
 * The deadline that was set.
 *
 * @param config       The configuration.
 * @param out_seconds  Receives the seconds; 0 for none.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_deadline(tn_builder_config_t config, TN_OUT double *out_seconds) TN_NOEXCEPT;

/**
 * Says whether FP32 work may be done in a lower precision. On the CPU only BF16 has an effect, and only where the processor
 * multiplies it (AVX512_BF16): operands of matrix products and convolutions are rounded to it, and tensors stay in FP32.
 *
 * @param config     The configuration.
 * @param precision  The precision.
 * @param allowed    0 or 1.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_precision_allowed(tn_builder_config_t config, tn_precision precision,
                                        int32_t allowed) TN_NOEXCEPT;

/**
 * Whether FP32 work may be done in a precision.
 *
 * @param config       The configuration.
 * @param precision    The precision.
 * @param out_allowed  Receives 0 or 1.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_precision_allowed(tn_builder_config_t config, tn_precision precision,
                                        TN_OUT int32_t *out_allowed) TN_NOEXCEPT;

/**
 * Sets an experimental option. These may change or go in any version.
 *
 * | key               | value |
 * | ----------------- | ----- |
 * | `disable_passes`  | names of passes that are skipped, with commas |
 * | `disable_tactics` | names of tactics that are not tried, with commas |
 * | `force_tactic`    | the tactic that every node it can compute must take |
 * | `timer`           | `real`; for tests, `fake`: costs from a model, the same in every run; `shuffled:7`: costs from that number alone, so that other numbers choose other kernels |
 * | `mask_cpu`        | instruction sets that the plan must not use, with commas: `avx512`, `amx`, … |
 * | `code_cache`      | folder where compiled GPU kernels are kept between builds |
 * | `check_passes`    | `1`: after every pass the graph's text must survive printing and parsing; for tests |
 *
 * Whether a pass or tactic of a name exists, tn_builder_build() checks.
 *
 * @param config  The configuration.
 * @param key     One of the keys above.
 * @param value   Its value; "" takes the option back.
 * @return Fails with INVALID_HANDLE, NOT_FOUND (no such key), INVALID_ARGUMENT (no such value),
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_option(tn_builder_config_t config, const char *key, const char *value) TN_NOEXCEPT;

/**
 * The value of an experimental option; "" if it was not set.
 *
 * @param config    The configuration.
 * @param key       See tn_builder_config_set_option().
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND (no such key).
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_get_option(tn_builder_config_t config, const char *key,
                             TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                             TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Sets who hears of a build's progress and may cancel it.
 *
 * @param config     The configuration.
 * @param callbacks  Copied; `update` is needed. NULL: nobody. The table that was set before is released once
 *                   no build uses it.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY; the new table is then released.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_config_set_progress(tn_builder_config_t config,
                               TN_NULLABLE const tn_progress_callbacks *callbacks) TN_NOEXCEPT;

TN_END_DECLS

#endif
