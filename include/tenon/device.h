/**
 * @file device.h
 * Devices: what plans are built for and run on.
 *
 * "cpu" is always there. NVIDIA GPUs are "cuda", "cuda:1", …: they need the module `libtenon_cuda` beside the library and
 * NVIDIA's driver; where one is missing, the name is refused with `TN_ERROR_UNSUPPORTED` and a message that says which.
 *
 * Thread rule: immutable; any thread.
 */
#ifndef TENON_DEVICE_H
#define TENON_DEVICE_H

#include "tenon/error.h"

/** A device of this machine. */
typedef struct tn_device *tn_device_t;

/** Kind of a device. */
typedef int32_t tn_device_type;
TN_ENUM(tn_device_type) {
  TN_DEVICE_TYPE_CPU = 0,
  TN_DEVICE_TYPE_CUDA = 1
};

TN_BEGIN_DECLS

/** Number of devices that can be used. Cannot fail; any thread. */
TN_API TN_SINCE(0, 1) size_t tn_device_count(void) TN_NOEXCEPT;

/**
 * The name of a device by number, as tn_device_create() takes it.
 *
 * @param index     Below tn_device_count().
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with OUT_OF_RANGE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_device_at(size_t index, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
             TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * A device by name.
 *
 * @param name        "cpu", "cuda", "cuda:1".
 * @param out_device  Receives the device.
 * @return Fails with UNSUPPORTED (known, but not on this machine), NOT_FOUND (unknown), INVALID_ARGUMENT,
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_device_create(const char *name, TN_OUT TN_OWNED tn_device_t *out_device) TN_NOEXCEPT;

/** Destroys the handle; nothing happens to the device. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_device_destroy(TN_NULLABLE tn_device_t device) TN_NOEXCEPT;

/**
 * The kind of a device.
 *
 * @param device    The device.
 * @param out_type  Receives the kind.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_device_get_type(tn_device_t device, TN_OUT tn_device_type *out_type) TN_NOEXCEPT;

/**
 * The name of a device: "cpu", "cuda".
 *
 * @param device    The device.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_device_get_name(tn_device_t device, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                   TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * What a device can do, as a list with commas: of a CPU its instruction sets ("avx2,avx512,avx512_vnni"),
 * "baseline" for none that matter; of a GPU its architecture and product ("sm_90a,NVIDIA H100 80GB HBM3").
 *
 * @param device    The device.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_device_get_features(tn_device_t device, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf, size_t buf_size,
                       TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Threads that this process may run at once on a CPU: what a thread count of 0 stands for.
 *
 * @param device            The device.
 * @param out_thread_count  Receives the number; 0 for devices that have no such limit.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_device_get_thread_count(tn_device_t device, TN_OUT int32_t *out_thread_count) TN_NOEXCEPT;

TN_END_DECLS

#endif
