#include "tenon/optimization_profile.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

tn_error_t tn_optimization_profile_create(tn_optimization_profile_t* out_profile) noexcept {
  return enter(
      [&]() -> Status {
        *out_profile = new_handle<tn_optimization_profile_t>(std::make_shared<OptimizationProfileObject>());
        return {};
      },
      out(out_profile, "out_profile"));
}

void tn_optimization_profile_destroy(tn_optimization_profile_t profile) noexcept { destroy(profile); }

tn_error_t tn_optimization_profile_set_shape(tn_optimization_profile_t profile, const char* input,
                                             tn_shape_selector selector, const int64_t* dims,
                                             size_t dims_size) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(profile, "profile"));
    TN_ASSIGN(auto name, text(input, "input"));
    TN_TRY(expect_selector(selector));
    TN_ASSIGN(auto shape, dims_in(dims, dims_size, "dims"));
    std::vector<int64_t> copy(shape.begin(), shape.end());
    std::lock_guard lock(self->mutex);
    self->inputs[std::string(name)][static_cast<size_t>(selector)] = std::move(copy);
    return {};
  });
}

tn_error_t tn_optimization_profile_get_shape(tn_optimization_profile_t profile, const char* input,
                                             tn_shape_selector selector, int64_t* dims, size_t dims_size,
                                             size_t* out_size) noexcept {
  DimsOut shape{dims, dims_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(profile, "profile"));
        TN_ASSIGN(auto name, text(input, "input"));
        TN_TRY(expect_selector(selector));
        std::lock_guard lock(self->mutex);
        auto found = self->inputs.find(name);
        if (found == self->inputs.end() || !found->second[static_cast<size_t>(selector)])
          return fail(Code::not_found, "the profile has no such shape of input \"{}\"", name);
        return shape.set(*found->second[static_cast<size_t>(selector)]);
      },
      shape);
}
