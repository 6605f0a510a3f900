/**
 * @file version.h
 * Which Tenon this is: of the headers at compile time, of the library at run time.
 */
#ifndef TENON_VERSION_H
#define TENON_VERSION_H

#include "tenon/annotations.h"

/** Version of these headers. */
#define TN_VERSION_MAJOR 0
#define TN_VERSION_MINOR 1
#define TN_VERSION_PATCH 0
#define TN_VERSION_STRING "0.1.0"
/** One number that grows with every release: 10000 × major + 100 × minor + patch. */
#define TN_VERSION (TN_VERSION_MAJOR * 10000 + TN_VERSION_MINOR * 100 + TN_VERSION_PATCH)

/** Version of the binary interface that these headers describe; part of the shared library's name. */
#define TN_ABI_VERSION 0

TN_BEGIN_DECLS

/** Version of the library that is loaded, as `TN_VERSION`. Cannot fail; any thread. */
TN_API TN_SINCE(0, 1) uint32_t tn_version(void) TN_NOEXCEPT;

/**
 * Version of the binary interface of the library that is loaded. A program runs correctly with every library
 * that has the `TN_ABI_VERSION` it was compiled with. Cannot fail; any thread.
 */
TN_API TN_SINCE(0, 1) uint32_t tn_abi_version(void) TN_NOEXCEPT;

/**
 * One line about how the library was built: version, compiler, modules. UTF-8; lives as long as the library
 * and must not be freed. Cannot fail; any thread.
 */
TN_API TN_SINCE(0, 1) const char *tn_build_info(void) TN_NOEXCEPT;

TN_END_DECLS

#endif
