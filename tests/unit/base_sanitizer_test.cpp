// A sanitizer that finds nothing may not be there: in a sanitized build, each must end a process that does
// what it looks for.
#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <thread>

#include "sanitizers.h"

#if TN_ADDRESS_SANITIZER
#include <sanitizer/lsan_interface.h>

namespace {

volatile int zero = 0;

TEST(SanitizerDeathTest, AddressFindsAReadBeyondABlock) {
  EXPECT_DEATH(
      {
        auto* block = new char[8];
        static_cast<void>(static_cast<volatile char*>(block)[8 + zero]);
        delete[] block;
      },
      "AddressSanitizer: heap-buffer-overflow");
}

TEST(SanitizerDeathTest, UndefinedFindsAnOverflow) {
  EXPECT_DEATH({ zero = INT_MAX + (zero + 1); }, "signed integer overflow");
}

TEST(SanitizerDeathTest, LeakFindsALostBlock) {
  EXPECT_EXIT(
      {
        static_cast<void>(*new volatile int(zero));
        _exit(__lsan_do_recoverable_leak_check() ? 3 : 0);
      },
      testing::ExitedWithCode(3), "LeakSanitizer");
}

}  // namespace
#endif

#if TN_THREAD_SANITIZER
#include <sys/wait.h>

namespace {

// GoogleTest has no death tests here.
TEST(Sanitizer, ThreadFindsARace) {
  pid_t child = fork();
  if (child == 0) {
    int shared = 0;
    auto count = [&] {
      for (int i = 0; i < 1000; ++i) *static_cast<volatile int*>(&shared) = i;
    };
    std::thread one(count), two(count);
    one.join();
    two.join();
    std::exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 66);  // ThreadSanitizer's
}

}  // namespace
#endif
