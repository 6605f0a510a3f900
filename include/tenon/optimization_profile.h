/**
 * @file optimization_profile.h
 * Optimisation profiles: for which input shapes a plan is made.
 *
 * A network whose inputs have dynamic dims needs the smallest, the likeliest and the largest dims of each
 * such input. A plan may hold several profiles; a context chooses one.
 *
 * Thread rule: internally synchronised; any thread.
 */
#ifndef TENON_OPTIMIZATION_PROFILE_H
#define TENON_OPTIMIZATION_PROFILE_H

#include "tenon/error.h"
#include "tenon/types.h"

/** Shapes of a network's inputs. */
typedef struct tn_optimization_profile *tn_optimization_profile_t;

TN_BEGIN_DECLS

/**
 * A profile without shapes.
 *
 * @param out_profile  Receives the profile.
 * @return Fails with OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_optimization_profile_create(TN_OUT TN_OWNED tn_optimization_profile_t *out_profile) TN_NOEXCEPT;

/** Destroys the handle; configurations that it was added to have a copy. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void
tn_optimization_profile_destroy(TN_NULLABLE tn_optimization_profile_t profile) TN_NOEXCEPT;

/**
 * Sets one of the three shapes of an input. Whether they fit each other is checked when the profile is added
 * to a configuration; whether they fit the network, when it is built.
 *
 * @param profile    The profile.
 * @param input      Name of the input.
 * @param selector   Which of its shapes.
 * @param dims       The dims, each ≥ 0; may be NULL when `dims_size` is 0.
 * @param dims_size  Their number, at most `TN_MAX_RANK`.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_optimization_profile_set_shape(tn_optimization_profile_t profile, const char *input,
                                  tn_shape_selector selector,
                                  TN_NULLABLE TN_LEN(dims_size) const int64_t *dims,
                                  size_t dims_size) TN_NOEXCEPT;

/**
 * One of the shapes that were set.
 *
 * @param profile    The profile.
 * @param input      Name of the input.
 * @param selector   Which of its shapes.
 * @param dims       Receives the dims; may be NULL when `dims_size` is 0.
 * @param dims_size  Room in `dims`. If it is too small but not 0, the call fails with INVALID_ARGUMENT.
 * @param out_size   Receives the number of dims.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, NOT_FOUND (not set).
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_optimization_profile_get_shape(tn_optimization_profile_t profile, const char *input,
                                  tn_shape_selector selector,
                                  TN_OUT TN_NULLABLE TN_LEN(dims_size) int64_t *dims, size_t dims_size,
                                  TN_OUT size_t *out_size) TN_NOEXCEPT;

TN_END_DECLS

#endif
