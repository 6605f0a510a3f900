/**
 * @file allocator.h
 * Allocators: where the large memory of engines comes from (weights, arenas, scratch).
 *
 * An allocator is given to a runtime. Without one the library uses the process's heap. Small objects never
 * use it.
 *
 * Thread rule: immutable; any thread.
 */
#ifndef TENON_ALLOCATOR_H
#define TENON_ALLOCATOR_H

#include "tenon/error.h"

/** A source of memory. */
typedef struct tn_allocator *tn_allocator_t;

/**
 * The caller's functions behind an allocator. Set it up with `TN_ALLOCATOR_CALLBACKS_INIT` or
 * tn_allocator_callbacks_init().
 */
typedef struct tn_allocator_callbacks {
  size_t struct_size;  /**< of the caller's structure; if it is wrong, nothing else is read */
  void *user_data;     /**< first argument of every function */
  /**
   * Gives `size` > 0 bytes at a multiple of `alignment`, a power of two, in `*out_memory`. Contents are
   * undefined. NULL without an error means lack of memory; an error is handed on to whoever called the
   * library. Called on any thread, perhaps on several at once; it must not throw, nor call
   * the library.
   */
  tn_error_t (*allocate)(void *user_data, size_t size, size_t alignment, TN_OUT TN_OWNED void **out_memory);
  /** Takes memory back, with the numbers it was asked for. On any thread. Must not fail. */
  void (*deallocate)(void *user_data, void *memory, size_t size, size_t alignment);
  /** Called exactly once, after the last deallocate, also when the table was refused. May be NULL. */
  void (*release)(void *user_data);
} tn_allocator_callbacks;

#define TN_ALLOCATOR_CALLBACKS_INIT {sizeof(tn_allocator_callbacks), NULL, NULL, NULL, NULL}

TN_BEGIN_DECLS

/**
 * Does what `TN_ALLOCATOR_CALLBACKS_INIT` does, for languages without macros.
 *
 * @param out_callbacks  The table. Nothing happens if it is NULL.
 * @param struct_size    Its size in bytes: so much is cleared.
 */
TN_API TN_SINCE(0, 1) void
tn_allocator_callbacks_init(TN_OUT tn_allocator_callbacks *out_callbacks, size_t struct_size) TN_NOEXCEPT;

/**
 * Makes an allocator.
 *
 * @param callbacks      Copied. `allocate` and `deallocate` are needed.
 * @param out_allocator  Receives the allocator.
 * @return Fails with INVALID_ARGUMENT, OUT_OF_MEMORY; the table is then released.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_allocator_create(const tn_allocator_callbacks *callbacks,
                    TN_OUT TN_OWNED tn_allocator_t *out_allocator) TN_NOEXCEPT;

/** Destroys the handle; the allocator lives on in what uses it. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_allocator_destroy(TN_NULLABLE tn_allocator_t allocator) TN_NOEXCEPT;

TN_END_DECLS

#endif
