/**
 * @file annotations.h
 * The macros that the other headers are written with.
 *
 * Those of the first group mean nothing to a compiler. They carry what a C declaration cannot say, for
 * readers and for the tools that make the bindings of other languages:
 *
 * | macro           | on a parameter, it says |
 * | --------------- | ----------------------- |
 * | `TN_OUT`        | written by the callee; NULL or 0 after a failure |
 * | `TN_OWNED`      | what is handed over belongs to whoever receives it, who destroys it |
 * | `TN_BORROWED`   | what is handed over still belongs to whoever handed it over |
 * | `TN_NULLABLE`   | may be NULL; every other pointer must not be |
 * | `TN_LEN(x)`     | an array of as many elements (bytes, for `void` and `char`) as parameter `x` says |
 * | `TN_SINCE(a,b)` | on a function: there since version a.b |
 *
 * An array that a function takes is read during the call only, unless it is `TN_BORROWED` or `TN_OWNED`: then
 * the library keeps its address, the function's comment says until when, and it is named `buffer`.
 *
 * A handle that a function takes is always borrowed for the call; a handle that it gives out is always owned
 * by the caller. Any object may be destroyed at any time, from any thread, in any order: what still needs it
 * keeps it alive.
 */
#ifndef TENON_ANNOTATIONS_H
#define TENON_ANNOTATIONS_H

#include <stddef.h>
#include <stdint.h>

#define TN_OUT
#define TN_OWNED
#define TN_BORROWED
#define TN_NULLABLE
#define TN_LEN(x)
#define TN_SINCE(major, minor)

/** Opens the set of constants of an integer type: `typedef int32_t tn_x; TN_ENUM(tn_x) { TN_X_A = 0, … };` */
#define TN_ENUM(type) enum type##_constants

#if defined(__GNUC__) || defined(__clang__)
#define TN_API __attribute__((visibility("default")))
#define TN_MUST_USE __attribute__((warn_unused_result))
#else
#define TN_API
#define TN_MUST_USE
#endif

#ifdef __cplusplus
#define TN_NOEXCEPT noexcept
#define TN_BEGIN_DECLS extern "C" {
#define TN_END_DECLS }
#else
#define TN_NOEXCEPT
#define TN_BEGIN_DECLS
#define TN_END_DECLS
#endif

#endif
