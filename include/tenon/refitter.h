/**
 * @file refitter.h
 * Refitters: new weights for an engine, without a new build.
 *
 * Every weight of the network can be refitted, under the name that it has in the ONNX model. New values are
 * collected with the set functions and take effect together, or not at all, with tn_refitter_apply(). Some
 * weights that decided how the plan was built are pinned: they take only the value they have, and
 * tn_refitter_get_pin_reason() says why.
 *
 * Thread rule: internally synchronised; any thread. Contexts may run meanwhile: each run has the old weights
 * or the new.
 */
#ifndef TENON_REFITTER_H
#define TENON_REFITTER_H

#include "tenon/engine.h"
#include "tenon/network.h"

/** Collects new weights. */
typedef struct tn_refitter *tn_refitter_t;

TN_BEGIN_DECLS

/**
 * A refitter of an engine.
 *
 * @param engine        The engine, which the refitter keeps alive.
 * @param out_refitter  Receives the refitter.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_create(tn_engine_t engine, TN_OUT TN_OWNED tn_refitter_t *out_refitter) TN_NOEXCEPT;

/** Destroys the handle; values that were not applied are dropped. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_refitter_destroy(TN_NULLABLE tn_refitter_t refitter) TN_NOEXCEPT;

/**
 * Number of weights that can be named, pinned ones included.
 *
 * @param refitter   The refitter.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_weight_count(tn_refitter_t refitter, TN_OUT size_t *out_count) TN_NOEXCEPT;

/**
 * The number of a weight by its name.
 *
 * @param refitter   The refitter.
 * @param name       Name of the weight.
 * @param out_index  Receives its number.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_find_weight(tn_refitter_t refitter, const char *name, TN_OUT size_t *out_index) TN_NOEXCEPT;

/**
 * Name of a weight.
 *
 * @param refitter  The refitter.
 * @param index     Below the number of weights.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_weight_name(tn_refitter_t refitter, size_t index,
                            TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                            TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Type of a weight's elements.
 *
 * @param refitter       The refitter.
 * @param index          Below the number of weights.
 * @param out_data_type  Receives the type.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_weight_data_type(tn_refitter_t refitter, size_t index,
                                 TN_OUT tn_data_type *out_data_type) TN_NOEXCEPT;

/**
 * Dims of a weight.
 *
 * @param refitter   The refitter.
 * @param index      Below the number of weights.
 * @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 * @param out_size   Receives the number of dims.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_weight_shape(tn_refitter_t refitter, size_t index,
                             TN_OUT TN_NULLABLE TN_LEN(dims_size) int64_t *dims, size_t dims_size,
                             TN_OUT size_t *out_size) TN_NOEXCEPT;

/**
 * Why a weight takes only the value that it has; empty if it can be changed.
 *
 * @param refitter  The refitter.
 * @param index     Below the number of weights.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_pin_reason(tn_refitter_t refitter, size_t index,
                           TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                           TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Sets the new value of a weight, which is copied. Nothing happens to the engine yet.
 *
 * @param refitter   The refitter.
 * @param name       Name of the weight.
 * @param data_type  Must be the weight's.
 * @param dims       Must be the weight's; may be NULL when `dims_size` is 0.
 * @param dims_size  Their number.
 * @param data       The elements, row-major; borrowed for the call. May be NULL when `data_size` is 0.
 * @param data_size  Their size in bytes: exactly what type and dims say.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_set_weight(tn_refitter_t refitter, const char *name, tn_data_type data_type,
                       TN_NULLABLE TN_LEN(dims_size) const int64_t *dims, size_t dims_size,
                       TN_NULLABLE TN_LEN(data_size) const void *data, size_t data_size) TN_NOEXCEPT;

/**
 * Sets the new values of all weights that another network has under the same names, which the refitter keeps
 * until it has applied them: nothing is copied. Weights that the network lacks are left out.
 *
 * @param refitter   The refitter.
 * @param network    The network with the new weights.
 * @param out_count  Receives the number of weights that were set. May be NULL.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (a weight of another type or shape; nothing was set),
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_set_weights_from_network(tn_refitter_t refitter, tn_network_t network,
                                     TN_OUT TN_NULLABLE size_t *out_count) TN_NOEXCEPT;

/**
 * Number of weights that must be set besides those that are, before the new values can be applied: weights
 * that the plan has combined with one that was set.
 *
 * @param refitter   The refitter.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_missing_count(tn_refitter_t refitter, TN_OUT size_t *out_count) TN_NOEXCEPT;

/**
 * Name of a weight that must be set too.
 *
 * @param refitter  The refitter.
 * @param index     Below the number of missing weights.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_refitter_get_missing_name(tn_refitter_t refitter, size_t index,
                             TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                             TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Gives the engine the new values, all or none. They are then forgotten. After a failure the engine is as it
 * was and the values are still set.
 *
 * @param refitter  The refitter.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (values are missing, or a pinned weight has another
 *         value; the message names all of them), OUT_OF_MEMORY, or whatever the allocator gave.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t tn_refitter_apply(tn_refitter_t refitter) TN_NOEXCEPT;

TN_END_DECLS

#endif
