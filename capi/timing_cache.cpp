#include "tenon/timing_cache.h"

#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

tn_error_t tn_timing_cache_create(tn_timing_cache_t* out_cache) noexcept {
  return enter(
      [&]() -> Status {
        auto made = std::make_shared<TimingCacheObject>();
        made->cache = std::make_shared<TimingCache>();
        *out_cache = new_handle<tn_timing_cache_t>(std::move(made));
        return {};
      },
      out(out_cache, "out_cache"));
}

void tn_timing_cache_destroy(tn_timing_cache_t cache) noexcept { destroy(cache); }

tn_error_t tn_timing_cache_load(tn_timing_cache_t cache, const void* data, size_t data_size) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(cache, "cache"));
    TN_ASSIGN(auto span, bytes(data, data_size, "data"));
    return self->cache->load(span);
  });
}

tn_error_t tn_timing_cache_merge(tn_timing_cache_t cache, tn_timing_cache_t other) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(cache, "cache"));
    TN_ASSIGN(auto from, object(other, "other"));
    return self->cache->load(from->cache->serialize());
  });
}

tn_error_t tn_timing_cache_serialize(tn_timing_cache_t cache, tn_blob_t* out_blob) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(cache, "cache"));
        *out_blob = new_blob(Bytes::take(self->cache->serialize()));
        return {};
      },
      out(out_blob, "out_blob"));
}

tn_error_t tn_timing_cache_get_count(tn_timing_cache_t cache, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(cache, "cache"));
        *out_count = self->cache->size();
        return {};
      },
      out(out_count, "out_count"));
}
