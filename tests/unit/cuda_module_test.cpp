// What the CUDA module does without a GPU: it says what is missing, compiles for GPUs that are not there, keeps what it
// compiled, and reads nothing that is damaged.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "cuda/code_store.h"
#include "cuda/cubin.h"
#include "cuda/driver.h"
#include "cuda/headers.h"
#include "cuda/library.h"
#include "cuda/nvrtc.h"
#include "cuda/session.h"
#include "device/cuda/cuda_device.h"
#include "device/kernel_table.h"
#include "device/module.h"

namespace tenon::cuda {
namespace {

namespace fs = std::filesystem;

// Before the first library or module is asked for.
const bool environment_is_set = [] {
  setenv("TENON_CUDA_LIBRARY_DIR", TENON_TEST_CUDA_LIBRARIES, 0);
  setenv("TENON_MODULE_DIR", TENON_TEST_MODULES, 0);
  return true;
}();

constexpr const char* kTrivial = "extern \"C\" __global__ void one(int* x) { *x = 1; }\n";

std::string numbered(int i) { return "extern \"C\" __global__ void k(int* x) { *x = " + std::to_string(i) + "; }\n"; }

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("tenon_code_" + std::to_string(std::random_device{}()))) {}
  ~Folder() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }
  std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    if (fs::exists(path_))
      for (const auto& entry : fs::directory_iterator(path_)) out.push_back(entry.path());
    return out;
  }

 private:
  fs::path path_;
};

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST(CudaModule, LoadsAndSaysWhyThereIsNoDevice) {
  auto module = load_module("cuda");
  ASSERT_TRUE(module) << module.error().text();
  EXPECT_FALSE((*module)->kernels.empty());
  for (const Kernel* kernel : (*module)->kernels) {
    EXPECT_EQ(std::string_view(kernel->id).substr(0, 5), "cuda.");
    EXPECT_EQ(kernel->place, Place::device) << kernel->id;
  }
  if (!(*module)->devices.empty()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_FALSE((*module)->why_no_device.empty());
  auto device = find_device("cuda");
  ASSERT_FALSE(device);
  const std::string text = device.error().text();
  EXPECT_NE(text.find("there is no device 'cuda'; there are: cpu, null"), std::string::npos) << text;
  EXPECT_NE(text.find((*module)->why_no_device), std::string::npos) << text;
  if (text.find("libcuda.so.1 could not be opened") != text.npos) {
    EXPECT_NE(text.find("install the NVIDIA driver"), std::string::npos) << text;
  }
}

TEST(CudaModule, TheHostIsFoundWithoutIt) {
  EXPECT_TRUE(find_device("cpu"));
  EXPECT_EQ(*kernel_table_for(**find_device("null")), &host_kernel_table());
}

TEST(CudaModule, EveryCallOfADeviceThatIsNotThereFails) {
  if (count_gpus()) GTEST_SKIP() << "this machine has a GPU";
  const CudaDevice device(0, "cuda", DeviceFacts{});
  const std::string why = count_gpus().error().text();
  std::byte bytes[16] = {};
  auto fails = [&](const auto& result) {
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().text().find(why), std::string::npos) << result.error().text();
  };
  fails(device.allocate(default_allocator(), 16, "a test"));
  fails(device.allocate_host(16, "a test"));
  fails(device.create_stream(1));
  fails(device.copy(bytes, bytes, 16, Direction::to_device));
  fails(device.copy(bytes, bytes, 16, Direction::to_device, nullptr));
  EXPECT_TRUE(device.copy(bytes, bytes, 0, Direction::to_device));
  EXPECT_EQ(device.kind_of(bytes), MemoryKind::host);
  EXPECT_EQ(device.kind(), "cuda");
  auto session = device.create_session({});
  ASSERT_TRUE(session);
  EXPECT_TRUE((*session)->images().empty());
}

TEST(CudaModule, ASessionWithoutCompilerRefusesCodeThatItWasNotGiven) {
  DeviceFacts facts;
  facts.architecture = "sm_90a";
  const CudaDevice device(0, "cuda", facts);
  const KernelImage damaged{code_key(kTrivial, "sm_90a"), std::vector<std::byte>(100)};
  SessionOptions options;
  options.images = {&damaged, 1};
  auto session = std::move(*device.create_session(options));
  auto& cuda_session = static_cast<Session&>(*session);
  auto other = cuda_session.function(numbered(1), "k");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::incompatible_plan);
  auto given = cuda_session.function(kTrivial, "one");
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().code, Code::invalid_plan);
}

TEST(CudaCompile, ForArchitecturesThatAreNotThere) {
  for (const char* architecture : {"sm_80", "sm_90", "sm_90a", "sm_100a"}) {
    auto code = compile_source(kTrivial, architecture);
    ASSERT_TRUE(code) << code.error().text();
    EXPECT_TRUE(check_cubin(*code)) << architecture;
  }
}

// Each alone, and all together, with conversions that the headers define.
TEST(CudaCompile, TheHeadersOfReducedPrecisions) {
  const std::string parts[] = {
      "#include <cuda_fp16.h>\nextern \"C\" __global__ void a(__half* x, float* y) { *y = __half2float(__hadd(*x, *x)); "
      "*(__half2*)x = __floats2half2_rn(y[0], y[1]); }\n",
      "#include <cuda_bf16.h>\nextern \"C\" __global__ void b(__nv_bfloat16* x, float* y) { *y = __bfloat162float(*x); "
      "*(__nv_bfloat162*)x = __floats2bfloat162_rn(y[0], y[1]); }\n",
      "#include <cuda_fp8.h>\nextern \"C\" __global__ void c(__nv_fp8_e4m3* x, __nv_fp8_e5m2* z, float* y) { *y = float(*x); "
      "*z = __nv_fp8_e5m2(*y); }\n"};
  std::string all;
  for (const std::string& part : parts) {
    auto code = compile_source(part, "sm_90a");
    EXPECT_TRUE(code) << code.error().text();
    all += part;
  }
  auto code = compile_source(all, "sm_90a");
  EXPECT_TRUE(code) << code.error().text();
}

TEST(CudaCompile, FailuresCarryTheCompilersMessages) {
  auto code = compile_source("extern \"C\" __global__ void f() { nonsense; }\n", "sm_90a");
  ASSERT_FALSE(code);
  EXPECT_NE(code.error().text().find("nonsense"), std::string::npos) << code.error().text();
  EXPECT_FALSE(compile_source(kTrivial, "sm_12"));
  EXPECT_FALSE(compile_source(kTrivial, "compute_90"));  // not for a machine
  EXPECT_FALSE(compile_source("#include \"meson.build\"\n", "sm_90a"));  // of the working folder
}

TEST(CudaCompile, KeysTellSourcesAndArchitecturesApart) {
  EXPECT_EQ(code_key(kTrivial, "sm_90a"), code_key(kTrivial, "sm_90a"));
  EXPECT_NE(code_key(kTrivial, "sm_90a"), code_key(kTrivial, "sm_90"));
  EXPECT_NE(code_key(kTrivial, "sm_90a"), code_key(numbered(1), "sm_90a"));
  for (const Header& header : headers())
    if (header.is_own) {
      const std::string name = header.name;
      EXPECT_NE(code_key("#include \"" + name + "\"\n", "sm_90a"), code_key("#include <" + name + ">\n", "sm_90a"));
    }
}

TEST(CudaCode, IsKeptInMemoryAndInAFolder) {
  const Folder folder;
  forget_compiled();
  auto first = compiled(kTrivial, "sm_90a", folder.path());
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(*compiled(kTrivial, "sm_90a", folder.path()), *first);  // the same object
  ASSERT_EQ(folder.files().size(), 1u);
  forget_compiled();
  // What the folder holds is taken: a file that was replaced by that of another source, under this one's name, is not.
  auto again = compiled(kTrivial, "sm_90a", folder.path());
  ASSERT_TRUE(again);
  EXPECT_NE(*again, *first);
  EXPECT_EQ(**again, **first);
  EXPECT_TRUE(compiled(kTrivial, "sm_90", folder.path()));
  EXPECT_EQ(folder.files().size(), 2u);
}

TEST(CudaCode, IsReadFromTheFolder) {
  const Folder folder;
  forget_compiled();
  ASSERT_TRUE(compiled(kTrivial, "sm_90a", folder.path()));
  const fs::file_time_type before = fs::last_write_time(folder.files().at(0));
  const auto old = before - std::chrono::hours(1);
  fs::last_write_time(folder.files().at(0), old);
  forget_compiled();
  ASSERT_TRUE(compiled(kTrivial, "sm_90a", folder.path()));
  EXPECT_EQ(fs::last_write_time(folder.files().at(0)), old);  // not written anew
}

TEST(CudaCode, DamagedFilesAreCompiledAnew) {
  const Folder folder;
  forget_compiled();
  auto code = compiled(kTrivial, "sm_90a", folder.path());
  ASSERT_TRUE(code) << code.error().text();
  const fs::path path = folder.files().at(0);
  const std::string whole = contents(path);
  std::vector<std::string> damages = {"", whole.substr(0, 7), whole.substr(0, whole.size() / 2), whole + "x",
                                      whole.substr(0, whole.size() - 1)};
  for (size_t at : {size_t{0}, size_t{8}, size_t{16}, size_t{24}, size_t{32}, size_t{39}, size_t{40}, size_t{48}, size_t{60},
                    whole.size() / 2, whole.size() - 1}) {
    damages.push_back(whole);
    damages.back()[at] = static_cast<char>(damages.back()[at] ^ 0x40);
  }
  for (const std::string& damage : damages) {
    put(path, damage);
    forget_compiled();
    auto again = compiled(kTrivial, "sm_90a", folder.path());
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(**again, **code);
    EXPECT_EQ(contents(path), whole);
  }
  EXPECT_EQ(folder.files().size(), 1u);
}

TEST(CudaCode, AFolderThatCannotBeWrittenIsNoFailure) {
  const Folder folder;
  put(folder.path(), "a file where the folder should be");
  forget_compiled();
  EXPECT_TRUE(compiled(kTrivial, "sm_90a", folder.path()));
}

TEST(CudaCode, ManySourcesAtOnce) {
  const Folder folder;
  forget_compiled();
  std::vector<std::string> sources;
  for (int i = 0; i < 6; ++i) sources.push_back(numbered(i));
  sources.push_back(sources[0]);
  Status status = compile_all(sources, "sm_90a", folder.path(), 3);
  EXPECT_TRUE(status) << status.error().text();
  EXPECT_EQ(folder.files().size(), 6u);
  sources = {numbered(10), "broken", numbered(11)};
  status = compile_all(sources, "sm_90a", folder.path(), 8);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text().find("broken"), std::string::npos);
  EXPECT_EQ(folder.files().size(), 8u);
  EXPECT_TRUE(compile_all({}, "sm_90a", "", 4));
}

TEST(CudaCode, ThreadsThatAskForOneSourceShareIt) {
  forget_compiled();
  std::vector<std::thread> threads;
  std::vector<SharedImage> images(8);
  for (size_t i = 0; i < images.size(); ++i)
    threads.emplace_back([&, i] {
      if (auto image = compiled(numbered(20), "sm_90a", "")) images[i] = *image;
    });
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(images[0]);
  for (const SharedImage& image : images) EXPECT_EQ(image, images[0]);
}

TEST(CudaCode, OnlyWholeCodeIsGivenToTheDriver) {
  const std::vector<std::byte> code = *compile_source(kTrivial, "sm_90a");
  EXPECT_TRUE(check_cubin(code));
  EXPECT_FALSE(check_cubin({}));
  for (size_t size = 0; size < code.size(); size += 1 + size / 16) EXPECT_FALSE(check_cubin({code.data(), size})) << size;
  // Whatever a header says, nothing outside is read: for sanitizers to see, the bytes end where their block ends.
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::vector<std::byte> forged = code;
    for (int changes = 0; changes < 3; ++changes) forged[random() % 64] = std::byte(random());
    (void)check_cubin(forged);
  }
}

TEST(CudaLibraries, AbsentOnesSayWhereTheyWereLookedFor) {
  auto library = Library::open("libabsent.so.1");
  ASSERT_FALSE(library);
  EXPECT_NE(library.error().text().find("libabsent.so.1 could not be opened"), std::string::npos);
  EXPECT_NE(library.error().text().find("TENON_CUDA_LIBRARY_DIR"), std::string::npos);
  auto nvrtc = Library::open("libnvrtc.so.13");
  ASSERT_TRUE(nvrtc) << nvrtc.error().text();
  void (*function)() = nullptr;
  Status found = (*nvrtc)->find("nvrtcAbsent", function);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().text().find("nvrtcAbsent"), std::string::npos);
}

TEST(CudaFaults, TheCallThatIsAskedForFails) {
  auto plain = +[](int* calls) {
    ++*calls;
    return cudaSuccess;
  };
  int calls = 0;
  fail_call(3);
  EXPECT_TRUE(check(cudaSuccess, "a"));
  EXPECT_TRUE(call("b", plain, &calls));
  auto third = call("cudaThird", plain, &calls);
  ASSERT_FALSE(third);
  EXPECT_NE(third.error().text().find("cudaThird"), std::string::npos);
  EXPECT_EQ(calls, 1);  // the third was not made
  EXPECT_TRUE(call("d", plain, &calls));
  EXPECT_EQ(calls_checked(), 4);
  fail_call(2, true);
  EXPECT_TRUE(check(cudaSuccess, "a"));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(check(cudaSuccess, "later"));
  fail_call(0);
  EXPECT_TRUE(check(cudaSuccess, "a"));
}

TEST(CudaFaults, MessagesNameTheCallAndTheError) {
  const std::string text = check(cudaErrorMemoryAllocation, "cudaMalloc").error().text();
  EXPECT_NE(text.find("cudaMalloc: "), std::string::npos) << text;
  EXPECT_NE(text.find("cudaErrorMemoryAllocation"), std::string::npos) << text;
  EXPECT_EQ(check(cudaErrorMemoryAllocation, "x").error().code, Code::out_of_memory);
  EXPECT_NE(check(cudaErrorIllegalAddress, "x").error().text().find("new process"), std::string::npos);
}

}  // namespace
}  // namespace tenon::cuda
