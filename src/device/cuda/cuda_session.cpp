#include <algorithm>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "cuda/code_store.h"
#include "cuda/cubin.h"
#include "cuda/cudnn_api.h"
#include "cuda/driver.h"
#include "cuda/library.h"
#include "cuda/nvrtc.h"
#include "cuda/session.h"
#include "device/cuda/cuda_device.h"

namespace tenon::cuda {
namespace {

// Threads that compile. A quarter of NVRTC's work on a small source is done by one thread at a time: more do not end sooner.
constexpr int kMostCompilers = 8;

// A library's handle: made at the first request, destroyed with the session.
template <class Handle>
class LibraryHandle {
 public:
  ~LibraryHandle() {
    if (handle_) (void)destroy_(handle_);
  }

  Result<Handle> get(const char* file, const char* create, const char* destroy) {
    if (handle_) return handle_;
    TN_ASSIGN(const Library* library, Library::open(file));
    int (*create_handle)(Handle*) = nullptr;  // statuses of both libraries are enumerations: 0 is success
    TN_TRY(library->find(create, create_handle));
    TN_TRY(library->find(destroy, destroy_));
    TN_TRY(planted_failure(create));
    Handle made = nullptr;
    if (int code = create_handle(&made); code != 0)
      return fail(Code::device, "{} of {} failed with status {}", create, library->path(), code);
    return handle_ = made;
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
    wait_for_code();
    Current current(ordinal_);
    prepared_.clear();
    for (auto& [key, loaded] : loaded_) (void)cudaLibraryUnload(loaded.library);
    cublaslt_ = nullptr;
    cudnn_graphs_ = nullptr;
    cudnn_ = nullptr;
    (void)cudaGetLastError();
  }

  int ordinal() const override { return ordinal_; }
  const DeviceFacts& facts() const override { return facts_; }

  // A build prepares equal calls again and again: to check them, to time them, for equal nodes.
  Status prepare(const Kernel& kernel, const PrepareCall& call, Prepared& out) override {
    Current current(ordinal_);
    TN_TRY(current.status());
    if (!compile_ || kernel.place == Place::host) return kernel.prepare(call, out);
    if (collecting_) return collect(kernel, call);
    const std::string key = std::string(kernel.id) + '\0' + identity(call, call.params);
    {
      std::lock_guard lock(mutex_);
      if (auto known = prepared_.find(key); known != prepared_.end()) {
        out = known->second;
        return {};
      }
    }
    TN_TRY(kernel.prepare(call, out));
    std::lock_guard lock(mutex_);
    prepared_.emplace(key, out);
    return {};
  }

  Result<cudaKernel_t> function(const std::string& source, const char* entry) override {
    const uint64_t key = code_key(source, facts_.architecture);
    {
      std::lock_guard lock(mutex_);
      if (collecting_) {
        if (!given_.contains(key)) collected_.emplace(key, source);
        ++asked_;
        return cudaKernel_t{};
      }
    }
    TN_ASSIGN(SharedImage image, image_of(key, source));
    Current current(ordinal_);
    TN_TRY(current.status());
    std::lock_guard lock(mutex_);
    auto it = loaded_.find(key);
    if (it == loaded_.end()) {
      cudaLibrary_t library = nullptr;
      TN_TRY(call("cudaLibraryLoadData", cudaLibraryLoadData, &library, static_cast<const void*>(image->data()), nullptr,
                  nullptr, 0u, nullptr, nullptr, 0u));
      it = loaded_.emplace(key, Loaded{std::move(image), library}).first;
    }
    cudaKernel_t kernel = nullptr;
    TN_TRY(call("cudaLibraryGetKernel", cudaLibraryGetKernel, &kernel, it->second.library, entry));
    // Loads the code into the GPU now: while work is recorded it may not be loaded.
    cudaFuncAttributes attributes;
    TN_TRY(call("cudaFuncGetAttributes", static_cast<cudaError_t (*)(cudaFuncAttributes*, const void*)>(cudaFuncGetAttributes),
                &attributes, reinterpret_cast<const void*>(kernel)));
    return kernel;
  }

  Result<cublasLtContext*> cublaslt() override {
    TN_TRY(not_collecting());
    std::lock_guard lock(library_mutex_);
    Current current(ordinal_);
    TN_TRY(current.status());
    if (!cublaslt_) cublaslt_ = std::make_unique<LibraryHandle<cublasLtContext*>>();
    return cublaslt_->get("libcublasLt.so.13", "cublasLtCreate", "cublasLtDestroy");
  }

  Result<CudnnHandle*> cudnn() override {
    TN_TRY(not_collecting());
    std::lock_guard lock(library_mutex_);
    Current current(ordinal_);
    TN_TRY(current.status());
    // cuDNN opens them by the loader's path alone, and finds them there once they are open; some of its plans need none.
    (void)open_compiler();
    (void)Library::open("libcublasLt.so.13");
    if (!cudnn_) cudnn_ = std::make_unique<LibraryHandle<cudnnContext*>>();
    TN_ASSIGN(cudnnContext* raw, cudnn_->get("libcudnn.so.9", "cudnnCreate", "cudnnDestroy"));
    if (!cudnn_graphs_) cudnn_graphs_ = std::make_unique<CudnnHandle>(raw);
    return cudnn_graphs_.get();
  }

  bool every_shape() const override { return every_shape_; }
  void prepare_every_shape(bool every) override {
    std::lock_guard lock(mutex_);
    if (std::exchange(every_shape_, every) != every) prepared_.clear();
  }

  void begin_collecting() override {
    std::lock_guard lock(mutex_);
    collecting_ = true;
  }

  // What does not compile is said when its kernel is prepared.
  void end_collecting(int threads) override {
    wait_for_code();
    std::vector<std::string> sources;
    {
      std::lock_guard lock(mutex_);
      collecting_ = false;
      for (auto& [key, source] : collected_) sources.push_back(std::move(source));
      collected_.clear();
    }
    if (!compile_ || sources.empty()) return;
    auto work = [this, threads = std::min(threads, kMostCompilers), sources = std::move(sources)] {
      (void)compile_all(sources, facts_.architecture, folder_, threads);
    };
    try {
      compiler_ = std::thread(std::move(work));
    } catch (const std::system_error&) {  // no thread: each source is compiled when its kernel is prepared
    }
  }

  void wait_for_code() override {
    if (compiler_.joinable()) compiler_.join();
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

  // What the kernel needs is heard by `function`; without that code nobody knows whether it can be prepared.
  Status collect(const Kernel& kernel, const PrepareCall& call) {
    const uint64_t before = asked_;
    Prepared ignored;
    const Status status = kernel.prepare(call, ignored);
    (void)cudaGetLastError();
    if (asked_ != before) return fail(Code::busy, "code is collected now and compiled later");
    return status;
  }

  Status not_collecting() const {
    std::lock_guard lock(mutex_);
    if (collecting_) return fail(Code::busy, "code is collected now; libraries are asked later");
    return {};
  }

  Result<SharedImage> image_of(uint64_t key, const std::string& source) const {
    if (auto given = given_.find(key); given != given_.end()) {
      TN_TRY(check_cubin(*given->second));
      return given->second;
    }
    if (compile_) return compiled(source, facts_.architecture, folder_);
    return fail(Code::incompatible_plan,
                "the plan lacks the code of a kernel, as this version wants it, for {}: build the plan again",
                facts_.architecture);
  }

  const int ordinal_;
  const DeviceFacts& facts_;
  const bool compile_;
  const std::string folder_;
  std::map<uint64_t, SharedImage> given_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Loaded> loaded_;
  std::map<std::string, Prepared> prepared_;  // of a session that compiles: for the length of a build
  bool every_shape_ = true;
  // Changed by the session's one caller, who alone prepares meanwhile.
  bool collecting_ = false;
  uint64_t asked_ = 0;                        // calls of `function` while code was collected
  std::map<uint64_t, std::string> collected_;
  std::thread compiler_;                      // of what was collected; the session's one caller's
  std::mutex library_mutex_;
  std::unique_ptr<LibraryHandle<cublasLtContext*>> cublaslt_;
  std::unique_ptr<LibraryHandle<cudnnContext*>> cudnn_;
  std::unique_ptr<CudnnHandle> cudnn_graphs_;
};

}  // namespace

std::string identity(const PrepareCall& call, std::span<const std::byte> params) {
  std::string out;
  auto add = [&](const void* data, size_t bytes) { out.append(static_cast<const char*>(data), bytes); };
  add(params.data(), params.size());
  for (std::span<const Arg> args : {call.inputs, call.outputs})
    for (const Arg& arg : args) {
      const int64_t head[] = {static_cast<int64_t>(arg.dtype), static_cast<int64_t>(arg.format.layout), arg.format.block,
                              static_cast<int64_t>(arg.format.place), arg.rank, arg.fixed_dims};
      add(head, sizeof head);
      add(arg.dims, sizeof(int64_t) * static_cast<size_t>(arg.rank));
    }
  out += static_cast<char>(call.inputs.size());
  return out;
}

Result<std::unique_ptr<DeviceSession>> create_cuda_session(int ordinal, const DeviceFacts& facts,
                                                           const SessionOptions& options) {
  return std::unique_ptr<DeviceSession>(std::make_unique<CudaSession>(ordinal, facts, options));
}

}  // namespace tenon::cuda
