#include "cuda/code_store.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "base/hash.h"
#include "cuda/cubin.h"
#include "cuda/nvrtc.h"

namespace tenon::cuda {
namespace {

constexpr size_t kMostKept = 4096;              // images in memory: some 20 kB each
constexpr uint64_t kMostBytes = uint64_t{1} << 28;  // of one image
constexpr uint64_t kCheckSeed = 0x7e11;

// What a file of the folder begins with; the code follows.
struct FileHeader {
  char magic[8] = {'T', 'N', 'C', 'O', 'D', 'E', '0', '2'};
  uint64_t key = 0;
  uint64_t compiler = 0;
  uint64_t source = 0;  // hash of the source with another seed: two sources of one key are told apart
  uint64_t bytes = 0;
  uint64_t hash = 0;    // of the code
};

struct Wanted {
  const std::string& source;
  const std::string& architecture;
  uint64_t key;
  uint64_t compiler;

  std::string path(const std::string& folder) const { return fmt::format("{}/{:016x}-{:016x}.code", folder, key, compiler); }
  FileHeader header(const std::vector<std::byte>& code) const {
    FileHeader out;
    out.key = key;
    out.compiler = compiler;
    out.source = hash_text(source, kCheckSeed);
    out.bytes = code.size();
    out.hash = hash_bytes(code);
    return out;
  }
};

// Nothing when there is no such file or it is not whole: it is then written anew.
SharedImage read(const std::string& folder, const Wanted& wanted) {
  std::ifstream file(wanted.path(folder), std::ios::binary);
  FileHeader header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header) || header.bytes > kMostBytes) return nullptr;
  auto out = std::make_shared<std::vector<std::byte>>(header.bytes);
  if (!file.read(reinterpret_cast<char*>(out->data()), static_cast<std::streamsize>(header.bytes))) return nullptr;
  if (file.peek() != std::ifstream::traits_type::eof()) return nullptr;
  const FileHeader expected = wanted.header(*out);
  if (std::memcmp(&header, &expected, sizeof header) != 0 || !check_cubin(*out)) return nullptr;
  return out;
}

// A cache that cannot be written is no failure: the next build compiles again.
void write(const std::string& folder, const Wanted& wanted, const std::vector<std::byte>& code) {
  static std::atomic<uint64_t> count{0};
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const std::string path = wanted.path(folder);
  const std::string temporary = fmt::format("{}.{}.{}.tmp", path, getpid(), count++);
  const FileHeader header = wanted.header(code);
  bool written = false;
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.write(reinterpret_cast<const char*>(code.data()), static_cast<std::streamsize>(code.size()));
    file.close();
    written = file.good();
  }
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) std::remove(temporary.c_str());
}

Result<SharedImage> make(uint64_t key, const std::string& source, const std::string& architecture,
                         const std::string& folder) {
  TN_ASSIGN(const uint64_t compiler, compiler_key());
  const Wanted wanted{source, architecture, key, compiler};
  if (!folder.empty())
    if (SharedImage kept = read(folder, wanted)) return kept;
  TN_ASSIGN(std::vector<std::byte> code, compile_source(source, architecture));
  TN_TRY(check_cubin(code));
  if (!folder.empty()) write(folder, wanted, code);
  return std::make_shared<const std::vector<std::byte>>(std::move(code));
}

// Locked while its image is made: who asks meanwhile waits for it.
struct Entry {
  std::mutex mutex;
  SharedImage image;
};

struct Store {
  std::mutex mutex;
  std::map<uint64_t, std::shared_ptr<Entry>> entries;
};

Store& store() {
  static Store& all = *new Store;  // sessions may outlive everything else of the process
  return all;
}

std::shared_ptr<Entry> entry_of(uint64_t key) {
  std::lock_guard lock(store().mutex);
  if (store().entries.size() >= kMostKept) store().entries.clear();
  std::shared_ptr<Entry>& entry = store().entries[key];
  if (!entry) entry = std::make_shared<Entry>();
  return entry;
}

}  // namespace

Result<SharedImage> compiled(const std::string& source, const std::string& architecture, const std::string& folder) {
  const uint64_t key = code_key(source, architecture);
  const std::shared_ptr<Entry> entry = entry_of(key);
  std::lock_guard lock(entry->mutex);
  if (!entry->image) {
    TN_ASSIGN(entry->image, make(key, source, architecture, folder));
  }
  return entry->image;
}

Status compile_all(std::span<const std::string> sources, const std::string& architecture, const std::string& folder,
                   int threads) {
  std::vector<Status> results(sources.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < sources.size(); i = next++) {
      try {
        Result<SharedImage> image = compiled(sources[i], architecture, folder);
        if (!image) results[i] = tl::unexpected<Error>(std::move(image.error()));
      } catch (const std::bad_alloc&) {  // a thread has nobody to throw to
        results[i] = tl::unexpected<Error>(Error{Code::out_of_memory, "out of memory", {}});
      }
    }
  };
  std::vector<std::thread> others;
  const int wanted = static_cast<int>(std::min<size_t>(static_cast<size_t>(std::max(threads, 1)), sources.size()));
  try {
    for (int i = 1; i < wanted; ++i) others.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads: those that there are do the work
  } catch (const std::bad_alloc&) {
  }
  work();
  for (std::thread& thread : others) thread.join();
  for (Status& result : results) TN_TRY(std::move(result));
  return {};
}

void forget_compiled() {
  std::lock_guard lock(store().mutex);
  store().entries.clear();
}

}  // namespace tenon::cuda
