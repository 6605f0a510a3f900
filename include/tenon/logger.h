/**
 * @file logger.h
 * Loggers: where the library's messages for people go.
 *
 * A logger is given to a builder or a runtime, which pass it on to what they make. Without one the library is
 * silent.
 *
 * Thread rule: immutable; any thread.
 */
#ifndef TENON_LOGGER_H
#define TENON_LOGGER_H

#include "tenon/error.h"

/** A destination of messages. */
typedef struct tn_logger *tn_logger_t;

/** How much a message matters. */
typedef int32_t tn_severity;
TN_ENUM(tn_severity) {
  TN_SEVERITY_ERROR = 0,    /**< something failed; the function that failed says so too */
  TN_SEVERITY_WARNING = 1,  /**< done, but perhaps not as meant */
  TN_SEVERITY_INFO = 2,
  TN_SEVERITY_VERBOSE = 3
};

/**
 * The caller's functions behind a logger. Set it up with `TN_LOGGER_CALLBACKS_INIT` or
 * tn_logger_callbacks_init().
 */
typedef struct tn_logger_callbacks {
  size_t struct_size;  /**< of the caller's structure; if it is wrong, nothing else is read */
  void *user_data;     /**< first argument of every function */
  /**
   * Takes one message: UTF-8, terminated, without a line break at its end, borrowed for the call. Called on
   * any thread that works for an object that has the logger, perhaps on several at once; it must not throw,
   * and should return soon. It may call the library, but not the object that is being used.
   */
  void (*log)(void *user_data, tn_severity severity, TN_LEN(message_size) const char *message,
              size_t message_size);
  /** Called exactly once, when nothing needs the table any more, also when it was refused. May be NULL. */
  void (*release)(void *user_data);
} tn_logger_callbacks;

#define TN_LOGGER_CALLBACKS_INIT {sizeof(tn_logger_callbacks), NULL, NULL, NULL}

TN_BEGIN_DECLS

/**
 * Does what `TN_LOGGER_CALLBACKS_INIT` does, for languages without macros.
 *
 * @param out_callbacks  The table. Nothing happens if it is NULL.
 * @param struct_size    Its size in bytes: so much is cleared.
 */
TN_API TN_SINCE(0, 1) void
tn_logger_callbacks_init(TN_OUT tn_logger_callbacks *out_callbacks, size_t struct_size) TN_NOEXCEPT;

/**
 * Makes a logger.
 *
 * @param callbacks     Copied. `log` is needed.
 * @param max_severity  Messages that matter less than this are not made.
 * @param out_logger    Receives the logger.
 * @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY; the table is then released.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_logger_create(const tn_logger_callbacks *callbacks, tn_severity max_severity,
                 TN_OUT TN_OWNED tn_logger_t *out_logger) TN_NOEXCEPT;

/** Destroys the handle; the logger lives on in what uses it. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_logger_destroy(TN_NULLABLE tn_logger_t logger) TN_NOEXCEPT;

TN_END_DECLS

#endif
