#include "tactics/timing_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "base/hash.h"

namespace tenon {
namespace {

using Kind = Timing::Kind;

std::vector<std::byte> sample() {
  TimingCache cache;
  cache.add("conv f32[1,3,8,8] | conv_direct | 8x2 | cpu avx512", {Kind::measured, 12.5});
  cache.add("conv f32[1,3,8,8] | reference |  | cpu avx512", {Kind::censored, 100});
  cache.add("", {Kind::not_tried, 0});
  return cache.serialize();
}

void rehash(std::vector<std::byte>& bytes) {
  uint64_t hash = hash_bytes(std::span(bytes).subspan(24));
  std::memcpy(bytes.data() + 16, &hash, sizeof hash);
}

TEST(TimingCache, RoundTrip) {
  TimingCache cache;
  ASSERT_TRUE(cache.load(sample()));
  EXPECT_EQ(cache.size(), 3u);
  auto found = cache.find("conv f32[1,3,8,8] | reference |  | cpu avx512");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, Kind::censored);
  EXPECT_EQ(found->microseconds, 100);
  EXPECT_FALSE(cache.find("conv"));
  EXPECT_EQ(cache.serialize(), sample());
}

TEST(TimingCache, OrderOfAddingDoesNotShow) {
  TimingCache a, b;
  for (int i = 0; i < 50; ++i) a.add("key " + std::to_string(i), {Kind::measured, double(i)});
  for (int i = 50; i-- > 0;) b.add("key " + std::to_string(i), {Kind::measured, double(i)});
  EXPECT_EQ(a.serialize(), b.serialize());
}

TEST(TimingCache, LoadingAddsAndReplaces) {
  TimingCache cache;
  cache.add("mine", {Kind::measured, 1});
  cache.add("", {Kind::measured, 2});
  ASSERT_TRUE(cache.load(sample()));
  EXPECT_EQ(cache.size(), 4u);
  EXPECT_EQ(cache.find("")->kind, Kind::not_tried);
}

TEST(TimingCache, DamageAddsNothing) {
  std::vector<std::byte> bytes = sample();
  TimingCache cache;
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(cache.load(std::span(bytes).first(n))) << n;
  for (size_t at = 0; at < bytes.size(); ++at)
    for (std::byte value : {~bytes[at], std::byte{0}, std::byte{0xff}}) {
      std::vector<std::byte> damaged = bytes;
      damaged[at] = value;
      if (value != bytes[at]) {
        EXPECT_FALSE(cache.load(damaged)) << at;
      }
    }
  EXPECT_EQ(cache.size(), 0u);
}

TEST(TimingCache, ForgedEntriesAreRefused) {
  struct {
    size_t at;
    uint32_t value;
    const char* message;
  } forgeries[] = {{24, 4, "kind"},          {28, 0x7fffffff, "key is cut off"},
                   {36, 0x7ff00000, "time"}, {36, 0xbff00000, "time"},
                   {12, 4, "cut off"},       {12, 2, "follow"},
                   {8, 2, "version 2"}};
  for (const auto& f : forgeries) {
    std::vector<std::byte> bytes = sample();
    std::memcpy(bytes.data() + f.at, &f.value, 4);
    rehash(bytes);
    TimingCache cache;
    Status status = cache.load(bytes);
    ASSERT_FALSE(status) << f.message;
    EXPECT_NE(status.error().text().find(f.message), std::string::npos) << status.error().text();
    EXPECT_EQ(cache.size(), 0u);
  }
}

TEST(TimingCache, ManyThreads) {
  TimingCache cache;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        cache.add(std::to_string((t * 31 + i) % 100), {Kind::measured, 1});
        (void)cache.find(std::to_string(i));
        if (i % 50 == 0) (void)cache.serialize();
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(cache.size(), 100u);
}

}  // namespace
}  // namespace tenon
