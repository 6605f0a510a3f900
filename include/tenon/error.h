/**
 * @file error.h
 * Errors: what every fallible function returns.
 *
 * ```c
 * tn_error_t error = tn_engine_create(runtime, plan, plan_size, &engine);
 * if (error) {
 *   char message[512];
 *   tn_error_get_message(error, message, sizeof message, NULL);
 *   fprintf(stderr, "%s\n", message);
 *   tn_error_destroy(error);
 * }
 * ```
 *
 * NULL is success. Anything else is an object that the caller owns and destroys. After a failure every out
 * parameter is NULL or 0 and nothing has changed unless the function says otherwise. There is no "last error"
 * anywhere.
 *
 * Handles are checked. NULL, destroyed, mistyped or invented handles give `TN_ERROR_INVALID_HANDLE`, never
 * undefined behaviour. The exceptions are the functions of this header, which give a neutral value instead,
 * and the destroy functions, which ignore them.
 *
 * Thread rule: an error is immutable; any thread.
 */
#ifndef TENON_ERROR_H
#define TENON_ERROR_H

#include "tenon/annotations.h"

/** An error. NULL means success. */
typedef struct tn_error *tn_error_t;

/** What kind of failure it was. */
typedef int32_t tn_error_code;
TN_ENUM(tn_error_code) {
  TN_ERROR_NONE = 0,               /**< success; no error object has it */
  TN_ERROR_INVALID_ARGUMENT = 1,   /**< an argument that the function does not allow */
  TN_ERROR_INVALID_HANDLE = 2,     /**< NULL, destroyed or of another type */
  TN_ERROR_OUT_OF_MEMORY = 3,
  TN_ERROR_INVALID_MODEL = 4,      /**< the ONNX model is damaged or contradicts itself */
  TN_ERROR_UNSUPPORTED = 5,        /**< understood, but this library cannot do it */
  TN_ERROR_INVALID_PLAN = 6,       /**< the bytes are not a plan, or a damaged one */
  TN_ERROR_INCOMPATIBLE_PLAN = 7,  /**< for another machine or library; the message says which */
  TN_ERROR_OUT_OF_RANGE = 8,       /**< an index, or a shape outside the profile */
  TN_ERROR_BUSY = 9,               /**< another thread is using an object that takes one caller at a time */
  TN_ERROR_NOT_FOUND = 10,         /**< no such name */
  TN_ERROR_IO = 11,                /**< a file could not be read or written */
  TN_ERROR_CANCELLED = 12,         /**< a progress callback asked for it */
  TN_ERROR_LIMIT_EXCEEDED = 13,    /**< see tn_limit */
  TN_ERROR_DEVICE = 14,            /**< the device failed or is not there */
  TN_ERROR_INTERNAL = 15,          /**< a defect of the library: please report it */
  TN_ERROR_CALLBACK = 16           /**< a callback of the caller failed */
};

TN_BEGIN_DECLS

/**
 * Makes an error, for a callback to return.
 *
 * @param code             Any code but `TN_ERROR_NONE`.
 * @param message          UTF-8; copied.
 * @param payload          Anything that whoever receives the error may want back, such as the exception
 *                         object of another language. When a callback returns the error, the outer call fails
 *                         with an error that has the same payload.
 * @param payload_release  Called once with the payload when no error refers to it any more, on any thread,
 *                         also when this function fails. It must not call the library.
 * @return The new error, owned by the caller; never NULL. A bad argument gives an error with
 *         `TN_ERROR_INVALID_ARGUMENT` that says so, lack of memory one with `TN_ERROR_OUT_OF_MEMORY`.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE TN_OWNED tn_error_t
tn_error_create(tn_error_code code, const char *message, TN_NULLABLE void *payload,
                TN_NULLABLE void (*payload_release)(void *payload)) TN_NOEXCEPT;

/** Destroys an error. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_error_destroy(TN_NULLABLE tn_error_t error) TN_NOEXCEPT;

/** The code; `TN_ERROR_NONE` for NULL, `TN_ERROR_INVALID_HANDLE` for a bad handle. */
TN_API TN_SINCE(0, 1) tn_error_code tn_error_get_code(TN_NULLABLE tn_error_t error) TN_NOEXCEPT;

/**
 * The message: what was wrong, with which object, what was expected and what to do; further lines say what
 * the library was doing. Valid UTF-8. Empty for NULL and bad handles.
 *
 * @param error     The error.
 * @param buf       Receives the text, always terminated; what does not fit is cut off. May be NULL when
 *                  `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 */
TN_API TN_SINCE(0, 1) void
tn_error_get_message(TN_NULLABLE tn_error_t error, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf,
                     size_t buf_size, TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * The payload that the error was made with, still owned by the error; NULL if there is none, or for a bad
 * handle.
 */
TN_API TN_SINCE(0, 1) TN_BORROWED void *tn_error_get_payload(TN_NULLABLE tn_error_t error) TN_NOEXCEPT;

/** Name of a code ("INVALID_ARGUMENT"), "?" for a number that names none. Static; cannot fail; any thread. */
TN_API TN_SINCE(0, 1) const char *tn_error_code_get_name(tn_error_code code) TN_NOEXCEPT;

TN_END_DECLS

#endif
