#include <atomic>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "cuda/code_store.h"
#include "cuda/library.h"
#include "cuda/nvrtc.h"
#include "cuda/session.h"
#include "device/cuda/cuda_device.h"

namespace tenon::cuda {
namespace {

// A library's handle: made at the first request, destroyed with the session.
template <class Handle>
class LibraryHandle {
 public:
  ~LibraryHandle() {
    if (handle_) destroy_(handle_);
  }

  Result<Handle> get(const char* file, const char* create, const char* destroy) {
    if (handle_) return handle_;
    TN_ASSIGN(const Library* library, Library::open(file));
    int (*create_handle)(Handle*) = nullptr;
    TN_TRY(library->find(create, create_handle));
    TN_TRY(library->find(destroy, destroy_));
    Handle made = nullptr;
    if (int code = create_handle(&made); code != 0) return fail(Code::device, "{} failed with status {}", create, code);
    handle_ = made;
    return handle_;
  }

 private:
  Handle handle_ = nullptr;
  int (*destroy_)(Handle) = nullptr;
};

class CudaSession final : public Session {
 public:
  CudaSession(int ordinal, const DeviceFacts& facts, const SessionOptions& options)
      : ordinal_(ordinal), facts_(facts), compile_(options.compile), folder_(options.cache_folder) {
    for (const KernelImage& image : options.images)
      given_.emplace(image.key, std::make_shared<const std::vector<std::byte>>(image.bytes));
  }

  ~CudaSession() override {
    Current current(ordinal_);
    for (auto& [key, loaded] : loaded_) cudaLibraryUnload(loaded.library);
  }

  int ordinal() const override { return ordinal_; }
  const DeviceFacts& facts() const override { return facts_; }

  Result<cudaKernel_t> function(const std::string& source, const char* entry) override {
    const uint64_t key = code_key(source, facts_.architecture);
    {
      std::lock_guard lock(mutex_);
      if (collecting_) {
        collected_.emplace(key, source);
        return fail(Code::busy, "code is collected now and compiled later");
      }
    }
    TN_ASSIGN(SharedImage image, image_of(key, source));
    std::lock_guard lock(mutex_);
    auto it = loaded_.find(key);
    if (it == loaded_.end()) {
      Current current(ordinal_);
      cudaLibrary_t library = nullptr;
      TN_TRY(check(cudaLibraryLoadData(&library, image->data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
                   "cudaLibraryLoadData"));
      it = loaded_.emplace(key, Loaded{image, library}).first;
    }
    cudaKernel_t kernel = nullptr;
    TN_TRY(check(cudaLibraryGetKernel(&kernel, it->second.library, entry), "cudaLibraryGetKernel"));
    return kernel;
  }

  Result<cublasLtContext*> cublaslt() override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    return cublaslt_.get("libcublasLt.so.13", "cublasLtCreate", "cublasLtDestroy");
  }

  Result<cudnnContext*> cudnn() override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    return cudnn_.get("libcudnn.so.9", "cudnnCreate", "cudnnDestroy");
  }

  void begin_collecting() override {
    std::lock_guard lock(mutex_);
    collecting_ = true;
  }

  // What does not compile is said when its kernel is prepared.
  void end_collecting(int threads) override {
    std::vector<std::string> sources;
    {
      std::lock_guard lock(mutex_);
      collecting_ = false;
      for (auto& [key, source] : collected_) sources.push_back(std::move(source));
      collected_.clear();
    }
    if (!compile_) return;
    std::atomic<size_t> next{0};
    auto work = [&] {
      for (size_t i; (i = next.fetch_add(1)) < sources.size();) (void)compiled(sources[i], facts_.architecture, folder_);
    };
    std::vector<std::thread> team;
    try {
      for (int i = 1; i < threads && static_cast<size_t>(i) < sources.size(); ++i) team.emplace_back(work);
    } catch (const std::system_error&) {  // no more threads: fewer do
    }
    work();
    for (std::thread& thread : team) thread.join();
  }

  std::vector<KernelImage> images() const override {
    std::lock_guard lock(mutex_);
    std::vector<KernelImage> out;
    for (const auto& [key, loaded] : loaded_) out.push_back({key, *loaded.image});
    return out;
  }

 private:
  struct Loaded {
    SharedImage image;
    cudaLibrary_t library;
  };

  Result<SharedImage> image_of(uint64_t key, const std::string& source) const {
    if (auto given = given_.find(key); given != given_.end()) return given->second;
    if (compile_) return compiled(source, facts_.architecture, folder_);
    return fail(Code::incompatible_plan, "the plan lacks the code of a kernel: it was built by another version; build it again");
  }

  const int ordinal_;
  const DeviceFacts& facts_;
  const bool compile_;
  const std::string folder_;
  std::map<uint64_t, SharedImage> given_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Loaded> loaded_;
  bool collecting_ = false;
  std::map<uint64_t, std::string> collected_;
  LibraryHandle<cublasLtContext*> cublaslt_;
  LibraryHandle<cudnnContext*> cudnn_;
};

}  // namespace

Result<std::unique_ptr<DeviceSession>> create_cuda_session(int ordinal, const DeviceFacts& facts,
                                                           const SessionOptions& options) {
  return std::unique_ptr<DeviceSession>(std::make_unique<CudaSession>(ordinal, facts, options));
}

}  // namespace tenon::cuda
