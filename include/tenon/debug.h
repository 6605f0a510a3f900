/**
 * @file debug.h
 * For tests of programs and bindings: what is alive.
 */
#ifndef TENON_DEBUG_H
#define TENON_DEBUG_H

#include "tenon/error.h"

TN_BEGIN_DECLS

/**
 * Number of objects that exist in this process. An object exists while it has a handle or something else
 * needs it.
 *
 * @param type       Name of a handle's type without its prefix ("engine", "blob", "error", …); "internal" for
 *                   everything inside the library that is counted; "all" for everything.
 * @param out_count  Receives the number.
 * @return Fails with INVALID_ARGUMENT, NOT_FOUND (no such type).
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_debug_get_live_count(const char *type, TN_OUT int64_t *out_count) TN_NOEXCEPT;

TN_END_DECLS

#endif
