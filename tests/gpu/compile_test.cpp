// All device code compiles, on a machine without a GPU: every case of the table is prepared, and every source that this
// asks for goes through NVRTC for sm_90a, or for what TENON_ARCHITECTURE says.
//
//   gpu_compile [--gtest_filter=…]     TENON_SAMPLE=n: every n-th source only; TENON_CACHE: keeps what compiled;
//   TENON_ONLY=text: cases whose name or kernel contains it; TENON_REGISTERS=1: prints the registers of each kernel;
//   TENON_SOURCES=folder: writes each source there
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/hash.h"
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
    // Other architectures have less shared memory and no wgmma.
    const bool may_refuse = c.optional || compiler->facts().architecture != "sm_90a";
    if (may_refuse && !prepared && prepared.error().code == Code::unsupported) continue;
    EXPECT_TRUE(prepared) << c.name << ": " << (prepared ? "" : prepared.error().text());
  }
  compiler->collect = nullptr;
  std::vector<std::pair<std::string, std::string>> list(sources.begin(), sources.end());
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  const char* sample = std::getenv("TENON_SAMPLE");
  const size_t step = sample ? std::max(1, std::atoi(sample)) : 1;
  if (const char* folder = std::getenv("TENON_SOURCES"))
    for (const auto& [source, entry] : list) std::ofstream(fmt::format("{}/{}.{:016x}.cu", folder, entry, hash_text(source))) << source;
  std::atomic<size_t> next = 0;
  std::atomic<int> failures = 0;
  auto work = [&] {
    for (size_t i; (i = next++) * step < list.size();) {
      const auto& [source, entry] = list[i * step];
      auto status = compiler->compile(source, entry);
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
    // Sums of products must stay in registers. A kernel whose blocks stay may hold numbers in memory that are the same for
    // every tile (strides, addresses of arguments): they are written once and read where a tile is finished, not among
    // its products. At most 68 bytes a thread with the compiler of CUDA 13.0; a tile's sums are 256 and more.
    const size_t spills = line.find("spills ");
    const int bytes = spills == line.npos ? 1 << 20 : std::atoi(line.c_str() + spills + 7);
    if (line.find("_stream") != line.npos && bytes <= 68) continue;
    EXPECT_FALSE(line.starts_with("mma") || line.starts_with("wgmma")) << line;
  }
  std::printf("%zu sources, %d compiled, %d known, %d failed\n", list.size(), compiler->compiled(), compiler->known(),
              failures.load());
}

// A plan has the code of one shape: products whose rows change ask for the same at 1 row.
TEST(DeviceCode, IsTheSameAtEveryShape) {
  auto compiler = session();
  if (!compiler) GTEST_SKIP() << "NVRTC is not here";
  int compared = 0;
  for (const Case& c : kernel_cases()) {
    if (c.kernel.find("mma") == c.kernel.npos) continue;
    auto changes = [](const Spec& spec) { return spec.type != DType::none && ~spec.fixed & ((1u << spec.dims.size()) - 1); };
    if (std::none_of(c.inputs.begin(), c.inputs.end(), changes)) continue;
    Case one = c;
    for (auto* specs : {&one.inputs, &one.outputs})
      for (Spec& spec : *specs)
        for (size_t d = 0; d < spec.dims.size(); ++d)
          if (!(spec.fixed >> d & 1)) spec.dims[d] = 1;
    std::map<std::string, std::string> many, few;
    compiler->collect = &many;
    const bool taken = prepare_case(c, *compiler).has_value();
    compiler->collect = &few;
    const bool taken_too = prepare_case(one, *compiler).has_value();
    if (!taken || !taken_too) continue;
    ++compared;
    EXPECT_EQ(many, few) << c.kernel << " " << c.name;
  }
  EXPECT_GE(compared, 12);
}

TEST(Canary, FailsWhenPlanted) {
  auto compiler = session();
  if (!compiler) GTEST_SKIP() << "NVRTC is not here";
  const char* call = std::getenv("TENON_CANARY") ? "undeclared()" : "__syncthreads()";
  auto status = compiler->compile(fmt::format("extern \"C\" __global__ void f() {{ {}; }}", call), "f");
  EXPECT_TRUE(status) << status.error().text();
}

// What is generated, to be read in review. TENON_BLESS=1 writes the files.
TEST(DeviceCode, IsWhatWasReviewed) {
  const std::pair<const char*, const char*> kGolden[] = {
      {"pointwise add f32[129,1000]f32[1000]", "pointwise"},
      {"softmax f16 [2,3,33] along 2", "softmax"},
      {"reduce 1 f16 [33,1000] over 10", "reduce"},
      {"transpose 10", "transpose"},
  };
  auto compiler = session();
  if (!compiler) GTEST_SKIP() << "NVRTC is not here";
  const std::vector<Case> cases = kernel_cases();
  for (const auto& [name, file] : kGolden) {
    auto found = std::find_if(cases.begin(), cases.end(), [&](const Case& c) { return c.name == name; });
    ASSERT_NE(found, cases.end()) << name;
    std::map<std::string, std::string> sources;
    compiler->collect = &sources;
    auto prepared = prepare_case(*found, *compiler);
    ASSERT_TRUE(prepared) << prepared.error().text();
    std::string text;
    for (const auto& [source, entry] : sources) text += source.substr(source.find("typedef u32 I;"));
    const std::string path = std::string(TENON_GOLDEN) + "/" + file + ".cu";
    if (std::getenv("TENON_BLESS")) std::ofstream(path) << text;
    std::ifstream in(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text) << path << " (TENON_BLESS=1 writes it)";
  }
}

// What no kernel may take, whatever a plan says.
TEST(DeviceCode, PrepareRefuses) {
  auto compiler = session();
  if (!compiler) GTEST_SKIP() << "NVRTC is not here";
  std::map<std::string, std::string> sources;
  compiler->collect = &sources;
  for (Case c : kernel_cases()) {
    if (c.outputs.empty() || c.outputs[0].dims.empty()) continue;
    Case blocked_output = c, host_output = c, longer = c;
    blocked_output.outputs[0].format = blocked(8);
    EXPECT_FALSE(prepare_case(blocked_output, *compiler)) << c.kernel << " " << c.name << " wrote a blocked tensor";
    host_output.outputs[0].format = kHostLinear;
    EXPECT_FALSE(prepare_case(host_output, *compiler)) << c.kernel << " " << c.name << " wrote to the host's memory";
    if (c.kernel == "cuda.expand") continue;   // may add dims
    longer.outputs[0].dims.push_back(3);
    EXPECT_FALSE(prepare_case(longer, *compiler)) << c.kernel << " " << c.name << " took an output of another rank";
  }
}

}  // namespace
}  // namespace tenon::test
