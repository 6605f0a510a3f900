// Handles: checked before they are used, refused after they are destroyed, from any thread.
#include <atomic>
#include <set>
#include <thread>

#include "support/capi.h"

namespace tenon_test {
namespace {

class CapiHandles : public CapiTest {};

TEST_F(CapiHandles, NullFreedAndMistypedHandlesAreRefusedByName) {
  std::string message;
  size_t size = 7;
  const void* data = &size;
  EXPECT_EQ(code_of(tn_blob_get_data(nullptr, &data, &size), &message), TN_ERROR_INVALID_HANDLE);
  EXPECT_NE(message.find("blob is NULL"), std::string::npos) << message;
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(size, 0u);

  tenon::Device device("cpu");
  auto mistyped = reinterpret_cast<tn_blob_t>(device.get());
  EXPECT_EQ(code_of(tn_blob_get_data(mistyped, &data, &size), &message), TN_ERROR_INVALID_HANDLE);
  EXPECT_NE(message.find("tn_device_t"), std::string::npos) << message;

  tn_blob_t freed = nullptr;
  ASSERT_TRUE(ok(tn_blob_create("x", 1, &freed)));
  tn_blob_destroy(freed);
  EXPECT_EQ(code_of(tn_blob_get_data(freed, &data, &size), &message), TN_ERROR_INVALID_HANDLE);
  EXPECT_NE(message.find("destroyed"), std::string::npos) << message;
}

TEST_F(CapiHandles, DestroyingTwiceOrNothingDoesNothing) {
  tenon::Blob blob = tenon::Blob::copy("abc", 3);
  tn_blob_t freed = blob.share().release();
  tn_blob_destroy(freed);
  tn_blob_destroy(freed);
  tn_blob_destroy(nullptr);
  tn_blob_destroy(reinterpret_cast<tn_blob_t>(uintptr_t{0xdeadbeef}));
  tn_engine_destroy(reinterpret_cast<tn_engine_t>(blob.get()));
  EXPECT_EQ(blob.text(), "abc");
}

TEST_F(CapiHandles, AHandleIsNotUsedAgainWhenItsSlotIs) {
  std::set<tn_blob_t> seen;
  for (int i = 0; i < 1000; ++i) {
    tn_blob_t blob = nullptr;
    ASSERT_TRUE(ok(tn_blob_create("x", 1, &blob)));
    EXPECT_TRUE(seen.insert(blob).second);
    tn_blob_destroy(blob);
  }
}

TEST_F(CapiHandles, InventedHandlesAreRefused) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed() + 1);
  tenon::Blob blob = tenon::Blob::copy("x", 1);
  auto real = reinterpret_cast<uintptr_t>(blob.get());
  for (int i = 0; i < 20000; ++i) {
    uintptr_t value =
        i % 2 ? random() : real ^ (uintptr_t{1} << (i / 2 % 64)) ^ (uintptr_t{1} << (random() % 24));
    if (value == real) continue;
    size_t size;
    const void* data;
    tn_error_t error = tn_blob_get_data(reinterpret_cast<tn_blob_t>(value), &data, &size);
    EXPECT_EQ(code_of(error), TN_ERROR_INVALID_HANDLE) << std::hex << value;
  }
}

TEST_F(CapiHandles, ErrorAccessorsAreNeutralOnBadHandles) {
  EXPECT_EQ(tn_error_get_code(nullptr), TN_ERROR_NONE);
  tn_error_t error = tn_error_create(TN_ERROR_BUSY, "busy", nullptr, nullptr);
  EXPECT_EQ(tn_error_get_code(error), TN_ERROR_BUSY);
  tn_error_destroy(error);
  EXPECT_EQ(tn_error_get_code(error), TN_ERROR_INVALID_HANDLE);
  EXPECT_EQ(tn_error_get_payload(error), nullptr);
  char text[8] = "before";
  size_t size = 9;
  tn_error_get_message(error, text, sizeof text, &size);
  EXPECT_STREQ(text, "");
  EXPECT_EQ(size, 0u);
}

TEST_F(CapiHandles, ErrorsAreMadeOfWhatTheyAreGiven) {
  int released = 0;
  tn_error_t error = tn_error_create(TN_ERROR_CALLBACK, "bad \xff byte", &released,
                                     [](void* count) { ++*static_cast<int*>(count); });
  EXPECT_EQ(tn_error_get_payload(error), &released);
  std::string message;
  EXPECT_EQ(code_of(error, &message), TN_ERROR_CALLBACK);
  EXPECT_EQ(message, "bad \xef\xbf\xbd byte");
  EXPECT_EQ(released, 1);
  // Refused, and the payload is released all the same.
  error = tn_error_create(TN_ERROR_NONE, "x", &released, [](void* count) { ++*static_cast<int*>(count); });
  EXPECT_EQ(code_of(error), TN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(released, 2);
  EXPECT_EQ(code_of(tn_error_create(TN_ERROR_IO, nullptr, nullptr, nullptr)), TN_ERROR_INVALID_ARGUMENT);
}

TEST_F(CapiHandles, TextIsCutOffAndAlwaysTerminated) {
  tenon::Device device("cpu");
  char text[3] = {'x', 'x', 'x'};
  size_t size = 0;
  ASSERT_TRUE(ok(tn_device_get_name(device.get(), text, 3, &size)));
  EXPECT_STREQ(text, "cp");
  EXPECT_EQ(size, 3u);
  ASSERT_TRUE(ok(tn_device_get_name(device.get(), text, 1, nullptr)));
  EXPECT_STREQ(text, "");
  ASSERT_TRUE(ok(tn_device_get_name(device.get(), nullptr, 0, &size)));
  EXPECT_EQ(code_of(tn_device_get_name(device.get(), nullptr, 5, &size)), TN_ERROR_INVALID_ARGUMENT);
}

TEST_F(CapiHandles, ManyThreadsMakeShareAndDestroy) {
  tenon::Blob shared = tenon::Blob::copy("shared", 6);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        tn_blob_t own = nullptr;
        const void* data = nullptr;
        size_t size = 0;
        if (tn_blob_create_shared(shared.get(), &own)) ++wrong;
        if (tn_blob_get_data(own, &data, &size) || size != 6 || std::memcmp(data, "shared", 6) != 0) ++wrong;
        tn_blob_destroy(own);
        tn_error_t error = tn_blob_get_data(own, &data, &size);
        if (tn_error_get_code(error) != TN_ERROR_INVALID_HANDLE) ++wrong;
        tn_error_destroy(error);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tenon_test
