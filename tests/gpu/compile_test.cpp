// All device code compiles, on a machine without a GPU: every case of the table is prepared, and every source that this
// asks for goes through NVRTC for sm_90a.
//
//   gpu_compile [--gtest_filter=…]     TENON_SAMPLE=n: every n-th source only; TENON_CACHE: keeps what compiled;
//   TENON_ONLY=text: cases whose name or kernel contains it; TENON_REGISTERS=1: prints the registers of each kernel
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "gpu/cases.h"
#include "gpu/compiling_session.h"
#include "gpu/generated_kernels.h"

namespace tenon::test {
namespace {

std::unique_ptr<CompilingSession> session() {
  const char* cache = std::getenv("TENON_CACHE");
  auto made = CompilingSession::create(cache ? std::string(cache) + "/nvrtc_sources" : "");
  if (!made) return nullptr;
  return std::move(*made);
}

TEST(DeviceCode, Compiles) {
  auto compiler = session();
  if (!compiler) GTEST_SKIP() << "NVRTC is not here";
  std::map<std::string, std::string> sources;
  compiler->collect = &sources;
  const char* only = std::getenv("TENON_ONLY");
  for (const Case& c : kernel_cases()) {
    if (only && c.name.find(only) == std::string::npos && c.kernel.find(only) == std::string::npos) continue;
    auto prepared = prepare_case(c, *compiler);
    if (c.optional && !prepared && prepared.error().code == Code::unsupported) continue;
    EXPECT_TRUE(prepared) << c.name << ": " << (prepared ? "" : prepared.error().text());
  }
  compiler->collect = nullptr;
  std::vector<std::pair<std::string, std::string>> list(sources.begin(), sources.end());
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  const char* sample = std::getenv("TENON_SAMPLE");
  const size_t step = sample ? std::max(1, std::atoi(sample)) : 1;
  std::atomic<size_t> next = 0;
  std::atomic<int> failures = 0;
  auto work = [&] {
    for (size_t i; (i = next++) * step < list.size();) {
      auto status = compiler->compile(list[i * step].first, list[i * step].second);
      if (status) continue;
      if (failures++ < 5) ADD_FAILURE() << status.error().text();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (std::getenv("TENON_REGISTERS"))
    for (const std::string& line : compiler->reports()) std::printf("%s\n", line.c_str());
  for (const std::string& line : compiler->spilled()) {
    std::printf("%s\n", line.c_str());
    // Sums of products must stay in registers.
    EXPECT_FALSE(line.starts_with("mma") || line.starts_with("wgmma")) << line;
  }
  std::printf("%zu sources, %d compiled, %d known, %d failed\n", list.size(), compiler->compiled(), compiler->known(),
              failures.load());
}

}  // namespace
}  // namespace tenon::test
