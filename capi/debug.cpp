#include "tenon/debug.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

// Counted inside the library, handles left out: those are counted by type.
int64_t live_inside() {
  int64_t total = 0;
  for (size_t i = 0; i < static_cast<size_t>(LiveType::count_); ++i)
    if (static_cast<LiveType>(i) != LiveType::handle) total += live_count(static_cast<LiveType>(i));
  return total;
}

}  // namespace

tn_error_t tn_debug_get_live_count(const char* type, int64_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto wanted, text(type, "type"));
        int64_t all = live_inside();
        if (wanted == "internal") return *out_count = all, Status();
        for (size_t i = 1; i < static_cast<size_t>(ObjectType::count_); ++i) {
          auto one = static_cast<ObjectType>(i);
          if (wanted == name_of(one)) return *out_count = live_objects(one), Status();
          all += live_objects(one);
        }
        if (wanted != "all")
          return fail(Code::not_found, "there is no type \"{}\"; expected that of a handle, internal or all",
                      wanted);
        *out_count = all;
        return {};
      },
      out(out_count, "out_count"));
}
