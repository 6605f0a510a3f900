/**
 * @file engine.h
 * Engines: a verified plan with its weights in memory, ready to run.
 *
 * A plan is data that may come from anywhere: it is checked as a whole when it is loaded, damaged plans are
 * refused with `TN_ERROR_INVALID_PLAN`, plans for another machine with `TN_ERROR_INCOMPATIBLE_PLAN` and a
 * message that names the difference.
 *
 * Thread rule: immutable but for what a refitter does; any thread.
 */
#ifndef TENON_ENGINE_H
#define TENON_ENGINE_H

#include "tenon/blob.h"
#include "tenon/runtime.h"
#include "tenon/types.h"

/** A plan that is loaded. */
typedef struct tn_engine *tn_engine_t;

TN_BEGIN_DECLS

/**
 * Loads a plan.
 *
 * @param runtime     Gives logger, allocator, thread count and limits.
 * @param plan        Bytes of a plan; what is needed of them is copied.
 * @param plan_size   Their number.
 * @param out_engine  Receives the engine.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, INVALID_PLAN, INCOMPATIBLE_PLAN, UNSUPPORTED,
 *         LIMIT_EXCEEDED, OUT_OF_MEMORY, or whatever the allocator gave.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_create(tn_runtime_t runtime, TN_LEN(plan_size) const void *plan, size_t plan_size,
                 TN_OUT TN_OWNED tn_engine_t *out_engine) TN_NOEXCEPT;

/** Destroys the handle; the engine's contexts keep it alive. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_engine_destroy(TN_NULLABLE tn_engine_t engine) TN_NOEXCEPT;

/**
 * The plan with the weights that are in force now.
 *
 * @param engine    The engine.
 * @param out_plan  Receives the plan.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_serialize(tn_engine_t engine, TN_OUT TN_OWNED tn_blob_t *out_plan) TN_NOEXCEPT;

/**
 * Name of the network; may be empty.
 *
 * @param engine    The engine.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_name(tn_engine_t engine, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                   TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Number of threads that work for the engine.
 *
 * @param engine            The engine.
 * @param out_thread_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_thread_count(tn_engine_t engine, TN_OUT int32_t *out_thread_count) TN_NOEXCEPT;

/**
 * Number of the engine's inputs and outputs together. Inputs come first, both in the network's order.
 *
 * @param engine     The engine.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_count(tn_engine_t engine, TN_OUT size_t *out_count) TN_NOEXCEPT;

/**
 * The number of an input or output by its name.
 *
 * @param engine     The engine.
 * @param name       Name of the tensor.
 * @param out_index  Receives its number.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND; the message names what there is.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_find_tensor(tn_engine_t engine, const char *name, TN_OUT size_t *out_index) TN_NOEXCEPT;

/**
 * Name of an input or output.
 *
 * @param engine    The engine.
 * @param index     Below the number of tensors.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_name(tn_engine_t engine, size_t index, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf,
                          size_t buf_size, TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Whether a tensor is an input or an output.
 *
 * @param engine    The engine.
 * @param index     Below the number of tensors.
 * @param out_mode  Receives the mode.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_mode(tn_engine_t engine, size_t index, TN_OUT tn_io_mode *out_mode) TN_NOEXCEPT;

/**
 * Type of a tensor's elements.
 *
 * @param engine         The engine.
 * @param index          Below the number of tensors.
 * @param out_data_type  Receives the type.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_data_type(tn_engine_t engine, size_t index,
                               TN_OUT tn_data_type *out_data_type) TN_NOEXCEPT;

/**
 * Dims of a tensor; -1 for those that depend on the shapes of the inputs.
 *
 * @param engine     The engine.
 * @param index      Below the number of tensors.
 * @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 * @param out_size   Receives the number of dims.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_shape(tn_engine_t engine, size_t index,
                           TN_OUT TN_NULLABLE TN_LEN(dims_size) int64_t *dims, size_t dims_size,
                           TN_OUT size_t *out_size) TN_NOEXCEPT;

/**
 * How the elements of a tensor's buffer must lie in memory.
 *
 * @param engine      The engine.
 * @param index       Below the number of tensors.
 * @param out_format  Receives the format.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_format(tn_engine_t engine, size_t index,
                            TN_OUT tn_tensor_format *out_format) TN_NOEXCEPT;

/**
 * In which memory a tensor's buffer must lie. Strings lie on the host, whatever the engine's device.
 *
 * @param engine        The engine.
 * @param index         Below the number of tensors.
 * @param out_location  Receives the location.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_tensor_location(tn_engine_t engine, size_t index,
                              TN_OUT tn_tensor_location *out_location) TN_NOEXCEPT;

/**
 * Number of the plan's profiles, at least 1.
 *
 * @param engine     The engine.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_profile_count(tn_engine_t engine, TN_OUT int32_t *out_count) TN_NOEXCEPT;

/**
 * One of the shapes of an input in a profile.
 *
 * @param engine     The engine.
 * @param profile    Below the number of profiles.
 * @param input      Name of the input.
 * @param selector   Which of its shapes.
 * @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 * @param out_size   Receives the number of dims.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (also for an output), OUT_OF_RANGE, NOT_FOUND.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_profile_shape(tn_engine_t engine, int32_t profile, const char *input,
                            tn_shape_selector selector, TN_OUT TN_NULLABLE TN_LEN(dims_size) int64_t *dims,
                            size_t dims_size, TN_OUT size_t *out_size) TN_NOEXCEPT;

/**
 * Memory that each context of a profile takes for intermediate results.
 *
 * @param engine     The engine.
 * @param profile    Below the number of profiles.
 * @param out_bytes  Receives the number of bytes.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_arena_size(tn_engine_t engine, int32_t profile, TN_OUT uint64_t *out_bytes) TN_NOEXCEPT;

/**
 * Memory that the engine's weights take.
 *
 * @param engine     The engine.
 * @param out_bytes  Receives the number of bytes.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_weight_size(tn_engine_t engine, TN_OUT uint64_t *out_bytes) TN_NOEXCEPT;

/**
 * Number of layers that a profile runs, in order: what a profiler reports times of.
 *
 * @param engine     The engine.
 * @param profile    Below the number of profiles.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_layer_count(tn_engine_t engine, int32_t profile, TN_OUT size_t *out_count) TN_NOEXCEPT;

/**
 * Name of a layer.
 *
 * @param engine    The engine.
 * @param profile   Below the number of profiles.
 * @param index     Below the number of layers.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_layer_name(tn_engine_t engine, int32_t profile, size_t index,
                         TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                         TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * The kernel that computes a layer.
 *
 * @param engine    The engine.
 * @param profile   Below the number of profiles.
 * @param index     Below the number of layers.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_layer_kernel(tn_engine_t engine, int32_t profile, size_t index,
                           TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                           TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * The nodes of the ONNX model that a layer computes, wholly or in part: their names, with a line break after
 * each but the last. Empty for layers that serve none, such as a change of format.
 *
 * @param engine    The engine.
 * @param profile   Below the number of profiles.
 * @param index     Below the number of layers.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_get_layer_origins(tn_engine_t engine, int32_t profile, size_t index,
                            TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                            TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

TN_END_DECLS

#endif
