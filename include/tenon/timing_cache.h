/**
 * @file timing_cache.h
 * Timing caches: what builds have measured, for later builds.
 *
 * A build that finds all it needs in a cache measures nothing and gives the same plan, byte for byte. A cache
 * is bound to the machine by its keys: entries of other machines do no harm and are not used.
 *
 * Thread rule: internally synchronised; any thread, also while builds use it.
 */
#ifndef TENON_TIMING_CACHE_H
#define TENON_TIMING_CACHE_H

#include "tenon/blob.h"

/** Measured times of kernels. */
typedef struct tn_timing_cache *tn_timing_cache_t;

TN_BEGIN_DECLS

/**
 * An empty cache.
 *
 * @param out_cache  Receives the cache.
 * @return Fails with OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_timing_cache_create(TN_OUT TN_OWNED tn_timing_cache_t *out_cache) TN_NOEXCEPT;

/** Destroys the handle; configurations that have the cache keep it. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_timing_cache_destroy(TN_NULLABLE tn_timing_cache_t cache) TN_NOEXCEPT;

/**
 * Adds the entries of a serialised cache; where both have a key, the loaded entry holds. After a failure
 * nothing was added.
 *
 * @param cache      The cache.
 * @param data       Bytes from tn_timing_cache_serialize(); borrowed for the call.
 * @param data_size  Their number.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (damaged, or not a timing cache), OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_timing_cache_load(tn_timing_cache_t cache, TN_LEN(data_size) const void *data,
                     size_t data_size) TN_NOEXCEPT;

/**
 * Adds the entries of another cache; where both have a key, the other's entry holds.
 *
 * @param cache  The cache that grows.
 * @param other  The cache that is read; may be the same.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_timing_cache_merge(tn_timing_cache_t cache, tn_timing_cache_t other) TN_NOEXCEPT;

/**
 * The entries as bytes, in an order of their own: equal caches give equal bytes.
 *
 * @param cache     The cache.
 * @param out_blob  Receives the bytes.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_timing_cache_serialize(tn_timing_cache_t cache, TN_OUT TN_OWNED tn_blob_t *out_blob) TN_NOEXCEPT;

/**
 * Number of entries.
 *
 * @param cache      The cache.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_timing_cache_get_count(tn_timing_cache_t cache, TN_OUT size_t *out_count) TN_NOEXCEPT;

TN_END_DECLS

#endif
