/**
 * @file blob.h
 * Blobs: immutable bytes that the library gives out or takes in without a copy (plans, caches, documents,
 * models).
 *
 * Thread rule: a blob is immutable; any thread.
 */
#ifndef TENON_BLOB_H
#define TENON_BLOB_H

#include "tenon/error.h"

/** Immutable bytes with a shared owner. */
typedef struct tn_blob *tn_blob_t;

TN_BEGIN_DECLS

/**
 * A blob with a copy of the bytes.
 *
 * @param data       May be NULL when `data_size` is 0.
 * @param data_size  Bytes of `data`.
 * @param out_blob   Receives the blob.
 * @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_blob_create(TN_NULLABLE TN_LEN(data_size) const void *data, size_t data_size,
               TN_OUT TN_OWNED tn_blob_t *out_blob) TN_NOEXCEPT;

/**
 * A blob that refers to the caller's bytes. They must stay unchanged until `release` is called, which happens
 * exactly once, when nothing refers to them any more, on any thread, also when this function fails.
 *
 * @param buffer       May be NULL when `buffer_size` is 0.
 * @param buffer_size  Bytes of `buffer`.
 * @param user_data    Passed to `release`.
 * @param release      May be NULL (static bytes). Must not call the library.
 * @param out_blob     Receives the blob.
 * @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_blob_create_take(TN_NULLABLE TN_OWNED TN_LEN(buffer_size) const void *buffer, size_t buffer_size,
                    TN_NULLABLE void *user_data, TN_NULLABLE void (*release)(void *user_data),
                    TN_OUT TN_OWNED tn_blob_t *out_blob) TN_NOEXCEPT;

/**
 * A blob with the contents of a file.
 *
 * @param path      UTF-8.
 * @param out_blob  Receives the blob.
 * @return Fails with IO, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_blob_create_from_file(const char *path, TN_OUT TN_OWNED tn_blob_t *out_blob) TN_NOEXCEPT;

/**
 * A second handle to the same bytes, destroyed on its own.
 *
 * @param blob      The blob to share.
 * @param out_blob  Receives the new handle.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_blob_create_shared(tn_blob_t blob, TN_OUT TN_OWNED tn_blob_t *out_blob) TN_NOEXCEPT;

/** Destroys a handle; the bytes go with their last holder. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_blob_destroy(TN_NULLABLE tn_blob_t blob) TN_NOEXCEPT;

/**
 * The bytes, which stay where they are until this handle is destroyed. Text documents are not terminated.
 *
 * @param blob      The blob.
 * @param out_data  Receives their address, aligned to 16 bytes if the library made them; NULL when there are
 *                  none.
 * @param out_size  Receives their number.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_blob_get_data(tn_blob_t blob, TN_OUT TN_BORROWED const void **out_data,
                 TN_OUT size_t *out_size) TN_NOEXCEPT;

/**
 * Writes the bytes to a file: under another name beside it first, which then takes the file's place, so that
 * a reader finds the old contents or the new, never half of them.
 *
 * @param blob  The blob.
 * @param path  UTF-8.
 * @return Fails with INVALID_HANDLE, IO.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t tn_blob_save(tn_blob_t blob, const char *path) TN_NOEXCEPT;

TN_END_DECLS

#endif
