#include "tenon/version.h"

#define TN_TEXT_(x) #x
#define TN_TEXT(x) TN_TEXT_(x)

#ifdef __clang__
#define TN_COMPILER "clang " TN_TEXT(__clang_major__) "." TN_TEXT(__clang_minor__)
#else
#define TN_COMPILER "gcc " TN_TEXT(__GNUC__) "." TN_TEXT(__GNUC_MINOR__)
#endif

static_assert(__builtin_strcmp(TENON_VERSION, TN_VERSION_STRING) == 0,
              "the build's version is not the headers'");

uint32_t tn_version() noexcept { return TN_VERSION; }
uint32_t tn_abi_version() noexcept { return TN_ABI_VERSION; }
const char* tn_build_info() noexcept {
  return "tenon " TN_VERSION_STRING ", " TN_COMPILER ", x86-64, devices: cpu";
}
