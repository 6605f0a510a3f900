/**
 * @file execution_context.h
 * Execution contexts: one run of an engine at a time.
 *
 * ```c
 * tn_execution_context_create(engine, 0, &context);
 * tn_execution_context_set_input_shape(context, "x", dims, 4);
 * tn_execution_context_set_buffer(context, "x", input, input_size);
 * tn_execution_context_set_buffer(context, "y", output, output_size);
 * tn_execution_context_run(context);
 * ```
 *
 * Thread rule: one thread at a time; a second caller gets `TN_ERROR_BUSY`, and so does every call but
 * tn_execution_context_wait() and tn_execution_context_destroy() between enqueue and wait. Make one context
 * per thread: contexts of one engine share its weights. A context that is destroyed while it runs goes when
 * the run has ended.
 */
#ifndef TENON_EXECUTION_CONTEXT_H
#define TENON_EXECUTION_CONTEXT_H

#include "tenon/engine.h"

/** What one run of an engine needs. */
typedef struct tn_execution_context *tn_execution_context_t;

/**
 * Called with the time of each layer. Set it up with `TN_PROFILER_CALLBACKS_INIT` or
 * tn_profiler_callbacks_init().
 */
typedef struct tn_profiler_callbacks {
  size_t struct_size;  /**< of the caller's structure; if it is wrong, nothing else is read */
  void *user_data;     /**< first argument of every function */
  /**
   * Layer `index` of the context's profile took `microseconds`. `name` is the layer's; `kernel` is what
   * computed it; `origins` are the ONNX nodes that it computes, as tn_engine_get_layer_origins() gives them.
   * All are borrowed for the call. Called after each layer on the thread that runs the network, which it
   * holds up; it must not throw and must not call the context or another one of its engine. An error is given
   * back by the run or wait, once the run has ended.
   */
  tn_error_t (*layer)(void *user_data, size_t index, const char *name, const char *kernel,
                      const char *origins, double microseconds);
  /** Called exactly once, when nothing needs the table any more, also when it was refused. May be NULL. */
  void (*release)(void *user_data);
} tn_profiler_callbacks;

#define TN_PROFILER_CALLBACKS_INIT {sizeof(tn_profiler_callbacks), NULL, NULL, NULL}

TN_BEGIN_DECLS

/**
 * Does what `TN_PROFILER_CALLBACKS_INIT` does, for languages without macros.
 *
 * @param out_callbacks  The table. Nothing happens if it is NULL.
 * @param struct_size    Its size in bytes: so much is cleared.
 */
TN_API TN_SINCE(0, 1) void
tn_profiler_callbacks_init(TN_OUT tn_profiler_callbacks *out_callbacks, size_t struct_size) TN_NOEXCEPT;

/**
 * A context of an engine, with its own arena.
 *
 * @param engine       The engine, which the context keeps alive.
 * @param profile      Below the number of profiles.
 * @param out_context  Receives the context.
 * @return Fails with INVALID_HANDLE, OUT_OF_RANGE, OUT_OF_MEMORY, or whatever the allocator gave.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_create(tn_engine_t engine, int32_t profile,
                            TN_OUT TN_OWNED tn_execution_context_t *out_context) TN_NOEXCEPT;

/**
 * Destroys the handle. A run that was enqueued is waited for; one that another thread is in goes on. NULL and
 * bad handles are ignored.
 */
TN_API TN_SINCE(0, 1) void
tn_execution_context_destroy(TN_NULLABLE tn_execution_context_t context) TN_NOEXCEPT;

/**
 * Changes the profile. Shapes and buffers must be set again afterwards.
 *
 * @param context  The context.
 * @param profile  Below the number of profiles.
 * @return Fails with INVALID_HANDLE, BUSY, OUT_OF_RANGE, OUT_OF_MEMORY, or whatever the allocator gave; the
 *         context is then as it was.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_set_profile(tn_execution_context_t context, int32_t profile) TN_NOEXCEPT;

/**
 * The profile that is in use.
 *
 * @param context      The context.
 * @param out_profile  Receives its number.
 * @return Fails with INVALID_HANDLE, BUSY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_get_profile(tn_execution_context_t context, TN_OUT int32_t *out_profile) TN_NOEXCEPT;

/**
 * Sets the dims of an input. Needed for inputs with dynamic dims.
 *
 * @param context    The context.
 * @param input      Name of the input.
 * @param dims       The dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Their number.
 * @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE (outside the profile;
 *         the message names input, dim and range), OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_set_input_shape(tn_execution_context_t context, const char *input,
                                     TN_NULLABLE TN_LEN(dims_size) const int64_t *dims,
                                     size_t dims_size) TN_NOEXCEPT;

/**
 * The dims of an input or output at the input shapes that are set. Dims that follow from the inputs' values (of NonZero,
 * NonMaxSuppression, ...) are what the last run found, until tn_execution_context_set_input_shape() is called, with whatever
 * dims; before a run they are the most that the profile allows, so that a buffer for them holds every result. An output lies
 * at the beginning of its buffer; what is behind it in the buffer is undefined. A run whose output does not fit its buffer
 * fails with INVALID_ARGUMENT.
 *
 * A dim that nothing bounds before the run (the pieces of StringSplit) is -1. Run with a buffer of any size, also of 0 bytes:
 * if it is too small, the run fails and the dims that it found are given from then on. Set a buffer for them and run again.
 *
 * @param context    The context.
 * @param tensor     Name of the tensor.
 * @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 * @param out_size   Receives the number of dims.
 * @return Fails with INVALID_HANDLE, BUSY, NOT_FOUND, INVALID_ARGUMENT (also while the shape of an input that
 *         it depends on is not set), OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_get_shape(tn_execution_context_t context, const char *tensor,
                               TN_OUT TN_NULLABLE TN_LEN(dims_size) int64_t *dims, size_t dims_size,
                               TN_OUT size_t *out_size) TN_NOEXCEPT;

/**
 * Sets the memory that an input is read from or an output is written to. Each must have one before a run.
 *
 * On a GPU, give memory of the engine's device (tn_engine_get_tensor_location() says DEVICE), aligned to 16 bytes. Memory of
 * the host, and less aligned memory of the device, is taken too: it is copied through memory of the context's in each run,
 * in order with the run's other work. Pinned host memory makes such copies asynchronous.
 *
 * @param context      The context.
 * @param tensor       Name of the tensor.
 * @param buffer       Used by every later run, until another is set: it must stay valid for as long. Inputs
 *                     are only read. Aligned to the size of an element, of strings to a pointer's. NULL when `buffer_size` is
 *                     0.
 * @param buffer_size  Its size in bytes, at least that of the tensor at the shapes that are set when it runs.
 * @return Fails with INVALID_HANDLE, BUSY, NOT_FOUND, INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_set_buffer(tn_execution_context_t context, const char *tensor,
                                TN_NULLABLE TN_BORROWED TN_LEN(buffer_size) void *buffer,
                                size_t buffer_size) TN_NOEXCEPT;

/**
 * Prepares everything for the shapes that are set, so that the next run neither plans nor allocates. Without
 * it the first run after a change of shape does.
 *
 * @param context  The context.
 * @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT (a shape is missing), OUT_OF_RANGE,
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_prepare(tn_execution_context_t context) TN_NOEXCEPT;

/**
 * Runs the network and returns when its outputs are there.
 *
 * @param context  The context.
 * @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT (a shape or buffer is missing or too small),
 *         OUT_OF_RANGE (also an index among the data that is outside its tensor), OUT_OF_MEMORY, or whatever
 *         the profiler gave. The contents of the outputs are then undefined.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_run(tn_execution_context_t context) TN_NOEXCEPT;

/**
 * Runs the network as tn_execution_context_run() does, and gives the time that the device took: on a GPU between two
 * events around the network's work, copies of buffers that lie elsewhere left out; on the CPU by the clock.
 *
 * @param context           The context.
 * @param out_microseconds  Receives the time.
 * @return Fails as tn_execution_context_run().
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_run_measured(tn_execution_context_t context, TN_OUT double *out_microseconds) TN_NOEXCEPT;

/**
 * Runs the network as tn_execution_context_run() does, one part after the other, and gives the times beside the device's
 * own. On a GPU, copies are timed by the device; the time to enqueue is the host's, as it would be with buffers on the
 * device. On the CPU nothing is copied, and with one thread the run is done when it is enqueued.
 *
 * @param context                   The context.
 * @param out_input_microseconds    Receives the time of copying the inputs whose buffers do not lie on the device; 0 when
 *                                  there are none.
 * @param out_enqueue_microseconds  Receives the time that the host took to queue the network's work.
 * @param out_output_microseconds   Receives the time of copying outputs, likewise.
 * @return Fails as tn_execution_context_run().
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_run_in_parts(tn_execution_context_t context, TN_OUT double *out_input_microseconds,
                                  TN_OUT double *out_enqueue_microseconds,
                                  TN_OUT double *out_output_microseconds) TN_NOEXCEPT;

/**
 * Whether the next run, with the shapes, buffers and weights that are set, is one replay of a recording that the device
 * made of an earlier one. A recording that is due is made by this call, as it would be by the run.
 *
 * @param context              The context.
 * @param out_replayed         Receives 1 or 0; always 0 on the CPU.
 * @param out_recording_count  Receives how many recordings the context has made, also in vain. While it stays, nothing was
 *                             recorded anew. May be NULL.
 * @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT (a shape or buffer is missing or too small), OUT_OF_RANGE,
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_get_replay(tn_execution_context_t context, TN_OUT int32_t *out_replayed,
                                TN_OUT TN_NULLABLE uint64_t *out_recording_count) TN_NOEXCEPT;

/**
 * Why the next run is not a replay; empty if it is one.
 *
 * @param context   The context.
 * @param buf       Receives the text in UTF-8, always terminated; what does not fit is cut off. May be NULL
 *                  when `buf_size` is 0.
 * @param buf_size  Bytes of `buf`.
 * @param out_size  Receives the length of the whole text in bytes, without the terminator.
 * @return Fails as tn_execution_context_get_replay().
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_get_replay_refusal(tn_execution_context_t context, TN_OUT TN_NULLABLE TN_LEN(buf_size) char *buf,
                                        size_t buf_size, TN_OUT TN_NULLABLE size_t *out_size) TN_NOEXCEPT;

/**
 * Starts a run, which tn_execution_context_wait() waits for. Buffers must not be touched until then. On the
 * CPU with one thread the run is done when this returns.
 *
 * @param context  The context.
 * @param stream   On a CUDA device, the `cudaStream_t` to work on. NULL on the CPU.
 * @return Fails as tn_execution_context_run(); what fails later is given by the wait.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_enqueue(tn_execution_context_t context,
                             TN_NULLABLE TN_BORROWED void *stream) TN_NOEXCEPT;

/**
 * Waits for the run that was enqueued and gives its result. Returns at once, without an error, if there is
 * none.
 *
 * @param context  The context.
 * @return Fails with INVALID_HANDLE, BUSY, or as tn_execution_context_run().
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_wait(tn_execution_context_t context) TN_NOEXCEPT;

/**
 * Sets who is told the time of each layer. Measuring slows a run down a little. On a GPU a run with a profiler waits for
 * every layer, and tn_execution_context_enqueue() calls `layer` itself and returns when the run has ended.
 *
 * @param context    The context.
 * @param callbacks  Copied; `layer` is needed. NULL: nobody. The table that was set before is released.
 * @return Fails with INVALID_HANDLE, BUSY, INVALID_ARGUMENT, OUT_OF_MEMORY; the new table is then released.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_execution_context_set_profiler(tn_execution_context_t context,
                                  TN_NULLABLE const tn_profiler_callbacks *callbacks) TN_NOEXCEPT;

TN_END_DECLS

#endif
