// The unit suite's planted fault: `tests/run.py canaries` sets TENON_CANARY and demands that this fails.
#include <gtest/gtest.h>

#include <cstdlib>

TEST(Canary, FailsWhenPlanted) { EXPECT_EQ(std::getenv("TENON_CANARY"), nullptr) << "planted fault"; }
