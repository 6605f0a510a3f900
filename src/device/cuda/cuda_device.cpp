#include "device/cuda/cuda_device.h"

#include "cuda/library.h"
#include "cuda/session.h"

namespace tenon::cuda {
namespace {

// Memory of one GPU, 256-byte aligned as CUDA gives it.
class DeviceMemory final : public Allocator {
 public:
  explicit DeviceMemory(int ordinal) : ordinal_(ordinal) {}
  void* allocate(size_t bytes, size_t) override {
    Current current(ordinal_);
    void* data = nullptr;
    if (!check(cudaMalloc(&data, bytes), "cudaMalloc")) return nullptr;
    return data;
  }
  void free(void* data, size_t, size_t) override {
    Current current(ordinal_);
    cudaFree(data);
  }

 private:
  int ordinal_;
};

// Pinned memory of the host.
class PinnedMemory final : public Allocator {
 public:
  void* allocate(size_t bytes, size_t) override {
    void* data = nullptr;
    if (!check(cudaHostAlloc(&data, bytes, cudaHostAllocPortable), "cudaHostAlloc")) return nullptr;
    return data;
  }
  void free(void* data, size_t, size_t) override { cudaFreeHost(data); }
};

Allocator& pinned_memory() {
  static PinnedMemory& memory = *new PinnedMemory;  // blocks may outlive everything else of the process
  return memory;
}

// The number that a library's function gives: major * 10000 + minor * 100 + patch, or 1000 for the major.
std::string version_text(size_t version, size_t major) {
  const size_t minor = major / 100;
  return fmt::format("{}.{}.{}", version / major, version % major / minor, version % minor);
}

// Versions of the libraries that can be opened; packed layouts and algorithms depend on them.
std::string libraries() {
  std::string out;
  auto add = [&](const char* name, const char* file, const char* function, size_t major) {
    Result<const Library*> library = Library::open(file);
    if (!library) return;
    size_t (*version)() = nullptr;
    if (!(*library)->find(function, version)) return;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, version_text(version(), major));
  };
  add("cublas", "libcublasLt.so.13", "cublasLtGetVersion", 10000);
  add("cudnn", "libcudnn.so.9", "cudnnGetVersion", 10000);
  return out;
}

Result<DeviceFacts> facts_of(int ordinal) {
  cudaDeviceProp p;
  TN_TRY(check(cudaGetDeviceProperties(&p, ordinal), "cudaGetDeviceProperties"));
  DeviceFacts out;
  out.product = p.name;
  out.architecture = fmt::format("sm_{}{}{}", p.major, p.minor, p.major >= 9 ? "a" : "");
  out.libraries = libraries();
  out.multiprocessors = p.multiProcessorCount;
  out.memory = static_cast<int64_t>(p.totalGlobalMem);
  out.l2 = p.l2CacheSize;
  out.shared_memory = static_cast<int64_t>(p.sharedMemPerBlockOptin);
  return out;
}

constexpr int kOldest = 8;  // compute capability: BF16 and asynchronous copies

Found find() {
  Found out;
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) {
    (void)cudaGetLastError();
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0)
      out.why_not = "there is no NVIDIA driver (libcuda.so.1): install one for CUDA 13.0 or later";
    else if (driver < runtime)
      out.why_not = fmt::format("the NVIDIA driver is for CUDA {}.{}, this library needs one for {}.{}: update it",
                                driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    else
      out.why_not = fmt::format("{} ({})", cudaGetErrorString(code), cudaGetErrorName(code));
    return out;
  }
  for (int i = 0; i < count; ++i) {
    Result<DeviceFacts> facts = facts_of(i);
    if (!facts) {
      out.why_not = facts.error().text();
      continue;
    }
    cudaDeviceProp p;
    if (cudaGetDeviceProperties(&p, i) == cudaSuccess && p.major < kOldest) {
      out.why_not = fmt::format("{} is {}: compute capability {}.0 is the least that this library runs on", facts->product,
                                facts->architecture, kOldest);
      continue;
    }
    std::string name = i == 0 ? "cuda" : fmt::format("cuda:{}", i);
    out.devices.push_back(new CudaDevice(i, std::move(name), std::move(*facts)));
  }
  if (out.devices.empty() && out.why_not.empty()) out.why_not = "this machine has no NVIDIA GPU";
  return out;
}

cudaMemcpyKind any_direction() { return cudaMemcpyDefault; }

}  // namespace

Current::Current(int ordinal) {
  int now = -1;
  if (cudaGetDevice(&now) == cudaSuccess && now == ordinal) return;
  before_ = now;
  cudaSetDevice(ordinal);
}

Current::~Current() {
  if (before_ >= 0) cudaSetDevice(before_);
}

CudaDevice::CudaDevice(int ordinal, std::string name, DeviceFacts facts)
    : ordinal_(ordinal), name_(std::move(name)), facts_(std::move(facts)),
      memory_(std::make_unique<DeviceMemory>(ordinal)) {}

Result<Block> CudaDevice::allocate(Allocator&, uint64_t bytes, const char* what) const {
  return Block::allocate(*memory_, bytes, what);
}

Result<std::unique_ptr<Stream>> CudaDevice::create_stream(int) const { return create_cuda_stream(ordinal_); }

Result<std::unique_ptr<DeviceSession>> CudaDevice::create_session(const SessionOptions& options) const {
  return create_cuda_session(ordinal_, facts_, options);
}

Result<Block> CudaDevice::allocate_host(uint64_t bytes, const char* what) const {
  Current current(ordinal_);
  return Block::allocate(pinned_memory(), bytes, what);
}

Status CudaDevice::copy(void* to, const void* from, uint64_t bytes, Direction) const {
  if (bytes == 0) return {};
  Current current(ordinal_);
  TN_TRY(check(cudaMemcpy(to, from, bytes, any_direction()), "cudaMemcpy"));
  // Of memory that is not pinned, cudaMemcpy returns when it has been staged; streams that do not wait for the default
  // one would read what is not there yet.
  return check(cudaStreamSynchronize(cudaStreamLegacy), "cudaStreamSynchronize");
}

Status CudaDevice::copy(void* to, const void* from, uint64_t bytes, Direction, void* queue) const {
  if (bytes == 0) return {};
  Current current(ordinal_);
  return check(cudaMemcpyAsync(to, from, bytes, any_direction(), static_cast<cudaStream_t>(queue)), "cudaMemcpyAsync");
}

MemoryKind CudaDevice::kind_of(const void* data) const {
  Current current(ordinal_);
  cudaPointerAttributes attributes;
  if (cudaPointerGetAttributes(&attributes, data) != cudaSuccess) {
    (void)cudaGetLastError();
    return MemoryKind::host;
  }
  switch (attributes.type) {
    case cudaMemoryTypeHost:
    case cudaMemoryTypeManaged: return MemoryKind::both;
    case cudaMemoryTypeDevice: return attributes.device == ordinal_ ? MemoryKind::device : MemoryKind::other;
    default: return MemoryKind::host;
  }
}

const Found& found_devices() {
  static const Found& found = *new Found(find());  // devices live as long as the process
  return found;
}

}  // namespace tenon::cuda
