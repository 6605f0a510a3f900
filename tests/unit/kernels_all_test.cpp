// That the tests of this program launch every kernel that this processor can run, and that the knob TENON_CPU leaves out what it says.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/cpu.h"
#include "support/kernel_launch.h"

namespace tenon {
namespace {

// Kernels of an instruction set, launched by no test of a whole run.
class EveryKernel : public testing::Environment {
 public:
  void TearDown() override {
    if (GTEST_FLAG_GET(filter) != "*") return;
    for (const Kernel* kernel : host_kernels())
      if (kernel->cpu_features != 0 && (kernel->cpu_features & ~cpu_features()) == 0 && !test::launched_kernels().count(kernel->id))
        ADD_FAILURE() << "no test launches " << kernel->id;
  }
};
const auto* const kEveryKernel = testing::AddGlobalTestEnvironment(new EveryKernel);

void expect_here(uint32_t features) {
  int kernels = 0;
  for (const Kernel* kernel : host_kernels()) kernels += (kernel->cpu_features & features) == features;
  EXPECT_GT(kernels, 0);
  if ((cpu_features() & features) != features)
    GTEST_SKIP() << "this processor, or TENON_CPU, does not have " << cpu_feature_names(features) << ": " << kernels << " kernels do not run";
}
TEST(InstructionSets, Avx2) { expect_here(kAvx2); }
TEST(InstructionSets, Avx512) { expect_here(kAvx512); }
TEST(InstructionSets, Avx512Bf16) { expect_here(kAvx512Bf16); }

TEST(InstructionSets, KnobLeavesOut) {
  const char* knob = std::getenv("TENON_CPU");
  if (!knob) GTEST_SKIP() << "TENON_CPU is not set; the suites kernels-avx2 and kernels-avx512 set it";
  const std::string_view value = knob;
  ASSERT_TRUE(value == "baseline" || value == "avx2" || value == "avx512") << value;
  const uint32_t most = value == "baseline" ? 0 : value == "avx2" ? kAvx2 : kAvx2 | kAvx512;
  EXPECT_EQ(cpu_features() & ~most, 0u);
}

}  // namespace
}  // namespace tenon
