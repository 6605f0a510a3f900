#include "cuda/code_store.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>

#include "base/hash.h"
#include "cuda/nvrtc.h"

namespace tenon::cuda {
namespace {

// What a file of the folder begins with; the code follows.
struct FileHeader {
  char magic[8] = {'T', 'N', 'C', 'O', 'D', 'E', '0', '1'};
  uint64_t key = 0;
  uint64_t bytes = 0;
  uint64_t hash = 0;  // of the code
};

std::string path_of(const std::string& folder, uint64_t key) { return fmt::format("{}/{:016x}.code", folder, key); }

// Nothing when there is no such file or it is not whole: it is then written anew.
SharedImage read(const std::string& folder, uint64_t key) {
  std::ifstream file(path_of(folder, key), std::ios::binary);
  FileHeader header, expected;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return nullptr;
  constexpr uint64_t kMost = uint64_t{1} << 28;
  if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0 || header.key != key || header.bytes > kMost)
    return nullptr;
  auto out = std::make_shared<std::vector<std::byte>>(header.bytes);
  if (!file.read(reinterpret_cast<char*>(out->data()), static_cast<std::streamsize>(header.bytes))) return nullptr;
  return hash_bytes(*out) == header.hash ? out : nullptr;
}

// A cache that cannot be written is no failure: the next build compiles again.
void write(const std::string& folder, uint64_t key, const std::vector<std::byte>& code) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const std::string path = path_of(folder, key);
  const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  FileHeader header;
  header.key = key;
  header.bytes = code.size();
  header.hash = hash_bytes(code);
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.write(reinterpret_cast<const char*>(code.data()), static_cast<std::streamsize>(code.size()));
    if (!file.flush()) return (void)std::remove(temporary.c_str());
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) std::remove(temporary.c_str());
}

Result<SharedImage> make(uint64_t key, const std::string& source, const std::string& architecture,
                         const std::string& folder) {
  if (!folder.empty())
    if (SharedImage kept = read(folder, key)) return kept;
  TN_ASSIGN(std::vector<std::byte> code, compile_source(source, architecture));
  if (!folder.empty()) write(folder, key, code);
  return std::make_shared<const std::vector<std::byte>>(std::move(code));
}

}  // namespace

Result<SharedImage> compiled(const std::string& source, const std::string& architecture, const std::string& folder) {
  static std::mutex mutex;
  static auto& known = *new std::map<uint64_t, std::shared_future<Result<SharedImage>>>;
  const uint64_t key = code_key(source, architecture);
  std::promise<Result<SharedImage>> mine;
  std::shared_future<Result<SharedImage>> future;
  bool is_first = false;
  {
    std::lock_guard lock(mutex);
    auto [it, inserted] = known.try_emplace(key);
    if (inserted) it->second = mine.get_future().share();
    is_first = inserted;
    future = it->second;
  }
  if (is_first) mine.set_value(make(key, source, architecture, folder));
  return future.get();
}

}  // namespace tenon::cuda
