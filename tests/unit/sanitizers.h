// Which sanitizers this file is compiled with.
#pragma once

#if defined(__has_feature)
#define TN_HAS(feature) __has_feature(feature)
#else
#define TN_HAS(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || TN_HAS(address_sanitizer)
#define TN_ADDRESS_SANITIZER 1
#else
#define TN_ADDRESS_SANITIZER 0
#endif

#if defined(__SANITIZE_THREAD__) || TN_HAS(thread_sanitizer)
#define TN_THREAD_SANITIZER 1
#else
#define TN_THREAD_SANITIZER 0
#endif

namespace tenon {

// Code runs several times slower: bounds on times do not hold.
inline constexpr bool kSanitized = TN_ADDRESS_SANITIZER || TN_THREAD_SANITIZER;

}  // namespace tenon
