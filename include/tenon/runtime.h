/**
 * @file runtime.h
 * Runtimes: what engines are loaded with.
 *
 * Thread rule: internally synchronised; any thread. Settings hold for engines that are made afterwards.
 */
#ifndef TENON_RUNTIME_H
#define TENON_RUNTIME_H

#include "tenon/allocator.h"
#include "tenon/logger.h"
#include "tenon/types.h"

/** Settings of engines. */
typedef struct tn_runtime *tn_runtime_t;

TN_BEGIN_DECLS

/**
 * A runtime without a logger, with the process's heap, the plan's thread count and the library's limits.
 *
 * @param out_runtime  Receives the runtime.
 * @return Fails with OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_create(TN_OUT TN_OWNED tn_runtime_t *out_runtime) TN_NOEXCEPT;

/** Destroys the handle; its engines live on. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_runtime_destroy(TN_NULLABLE tn_runtime_t runtime) TN_NOEXCEPT;

/**
 * Sets where the messages of engines go.
 *
 * @param runtime  The runtime.
 * @param logger   NULL: nowhere.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_set_logger(tn_runtime_t runtime, TN_NULLABLE tn_logger_t logger) TN_NOEXCEPT;

/**
 * Sets where the memory of engines comes from.
 *
 * @param runtime    The runtime.
 * @param allocator  NULL: the process's heap.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_set_allocator(tn_runtime_t runtime, TN_NULLABLE tn_allocator_t allocator) TN_NOEXCEPT;

/**
 * Sets the number of threads that work for one engine. An engine has one team of threads, which its contexts
 * use by turns; with 1 there is no team: every call works on its caller's thread, and contexts run beside
 * each other.
 *
 * @param runtime       The runtime.
 * @param thread_count  1 … 1024, or 0 for what the plan was tuned for (the default).
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_set_thread_count(tn_runtime_t runtime, int32_t thread_count) TN_NOEXCEPT;

/**
 * The number of threads that was set.
 *
 * @param runtime           The runtime.
 * @param out_thread_count  Receives the number; 0 stands for what the plan was tuned for.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_get_thread_count(tn_runtime_t runtime, TN_OUT int32_t *out_thread_count) TN_NOEXCEPT;

/**
 * Sets a limit for plans that are loaded.
 *
 * @param runtime  The runtime.
 * @param limit    Which one.
 * @param value    Greater than 0, in the unit that the limit's name says.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_set_limit(tn_runtime_t runtime, tn_limit limit, int64_t value) TN_NOEXCEPT;

/**
 * A limit.
 *
 * @param runtime    The runtime.
 * @param limit      Which one.
 * @param out_value  Receives its value.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_runtime_get_limit(tn_runtime_t runtime, tn_limit limit, TN_OUT int64_t *out_value) TN_NOEXCEPT;

TN_END_DECLS

#endif
