#include "device/cuda/cuda_device.h"

#include "cuda/driver.h"
#include "cuda/library.h"
#include "cuda/session.h"

namespace tenon::cuda {
namespace {

// major * 10000 + minor * 100 + patch, as both libraries count.
std::string version_text(size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100);
}

// Versions of the libraries that can be opened; algorithms that a plan names depend on them.
std::string find_libraries() {
  struct Known {
    const char* name;
    const char* file;
    const char* version;
  };
  constexpr Known kKnown[] = {{"cublas", "libcublasLt.so.13", "cublasLtGetVersion"},
                              {"cudnn", "libcudnn.so.9", "cudnnGetVersion"}};
  std::string out;
  for (const Known& known : kKnown) {
    Result<const Library*> library = Library::open(known.file);
    size_t (*version)() = nullptr;
    if (!library || !(*library)->find(known.version, version)) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", known.name, version_text(version()));
  }
  return out;
}

constexpr int kOldest = 8;  // compute capability: BF16 and asynchronous copies

Result<DeviceFacts> facts_of(int ordinal) {
  cudaDeviceProp p = {};
  TN_TRY(call("cudaGetDeviceProperties", cudaGetDeviceProperties, &p, ordinal));
  if (p.major < kOldest)
    return fail(Code::unsupported, "{} has compute capability {}.{}: {}.0 is the least that this library runs on", p.name,
                p.major, p.minor, kOldest);
  DeviceFacts out;
  out.product = p.name;
  // With what belongs to this architecture alone: code is compiled for the machine that it runs on.
  out.architecture = fmt::format("sm_{}{}{}", p.major, p.minor, p.major >= 9 ? "a" : "");
  out.multiprocessors = p.multiProcessorCount;
  out.memory = static_cast<int64_t>(p.totalGlobalMem);
  out.l2 = p.l2CacheSize;
  out.shared_memory = static_cast<int64_t>(p.sharedMemPerBlockOptin);
  return out;
}

Found find() {
  Found out;
  Result<int> count = count_gpus();
  if (!count) {
    out.why_not = count.error().text();
    return out;
  }
  for (int i = 0; i < *count; ++i) {
    Result<DeviceFacts> facts = facts_of(i);
    if (!facts) {
      out.why_not += (out.why_not.empty() ? "" : "; ") + facts.error().text();
      continue;
    }
    std::string name = i == 0 ? "cuda" : fmt::format("cuda:{}", i);
    out.devices.push_back(new CudaDevice(i, std::move(name), std::move(*facts)));
  }
  return out;
}

}  // namespace

CudaDevice::CudaDevice(int ordinal, std::string name, DeviceFacts facts)
    : ordinal_(ordinal), name_(std::move(name)), facts_(std::move(facts)), memory_(ordinal) {}

std::string CudaDevice::libraries() const {
  static const std::string& found = *new std::string(find_libraries());
  return found;
}

Result<Block> CudaDevice::allocate(Allocator&, uint64_t bytes, const char* what) const {
  Result<Block> block = Block::allocate(memory_, bytes, what);
  if (block || bytes > PTRDIFF_MAX) return block;
  Status why = DeviceMemory::last_failure();
  if (why) return block;
  if (why.error().code != Code::out_of_memory) return trail(std::move(why.error()), "allocating {} bytes for {}", bytes, what);
  Current current(ordinal_);
  size_t free = 0, total = 0;
  if (!call("cudaMemGetInfo", cudaMemGetInfo, &free, &total)) return block;
  return trail(std::move(block.error()), "{} ({}) has {} of {} bytes free", name_, facts_.product, free, total);
}

Result<std::unique_ptr<Stream>> CudaDevice::create_stream(int threads) const {
  if (threads < 1 || threads > kMaxThreads)
    return fail(Code::invalid_argument, "a stream has 1 to {} threads, {} were asked for", kMaxThreads, threads);
  return create_cuda_stream(ordinal_);
}

Result<std::unique_ptr<DeviceSession>> CudaDevice::create_session(const SessionOptions& options) const {
  return create_cuda_session(ordinal_, facts_, options);
}

Result<Block> CudaDevice::allocate_host(uint64_t bytes, const char* what) const {
  Current current(ordinal_);
  TN_TRY(current.status());
  return Block::allocate(pinned_memory(), bytes, what);
}

Result<cudaStream_t> CudaDevice::copy_stream() const {
  std::lock_guard lock(mutex_);
  if (!copy_stream_)
    TN_TRY(call("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags, &copy_stream_, cudaStreamNonBlocking));
  return copy_stream_;
}

// On a stream of its own: cudaMemcpy may return before memory of the GPU is written, and other streams would not wait.
Status CudaDevice::copy(void* to, const void* from, uint64_t bytes, Direction direction) const {
  if (bytes == 0) return {};
  Current current(ordinal_);
  TN_TRY(current.status());
  TN_ASSIGN(cudaStream_t stream, copy_stream());
  Status queued = copy(to, from, bytes, direction, stream);
  Status done = call("cudaStreamSynchronize", cudaStreamSynchronize, stream);
  return queued ? std::move(done) : std::move(queued);
}

// The addresses say where they lie: within a GPU's memory too.
Status CudaDevice::copy(void* to, const void* from, uint64_t bytes, Direction, void* queue) const {
  if (bytes == 0) return {};
  Current current(ordinal_);
  TN_TRY(current.status());
  return call("cudaMemcpyAsync", cudaMemcpyAsync, to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(queue));
}

MemoryKind CudaDevice::kind_of(const void* data) const {
  Current current(ordinal_);
  cudaPointerAttributes attributes = {};
  if (!current.status() || !call("cudaPointerGetAttributes", cudaPointerGetAttributes, &attributes, data))
    return MemoryKind::host;
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
