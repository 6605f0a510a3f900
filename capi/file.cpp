#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace tenon::capi {
namespace {

struct Descriptor {
  int number = -1;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

tl::unexpected<Error> io_error(const char* what, const std::string& path, int error) {
  return fail(Code::io, "cannot {} \"{}\": {}", what, path, std::generic_category().message(error));
}

Status write_all(int file, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t written = ::write(file, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("write", path, errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  if (::fsync(file) != 0 && errno != EINVAL && errno != EROFS) return io_error("write", path, errno);
  return {};
}

}  // namespace

Result<Bytes> read_file(const std::string& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.number < 0) return io_error("open", path, errno);
  struct stat info;
  if (::fstat(file.number, &info) != 0) return io_error("read", path, errno);
  if (S_ISDIR(info.st_mode)) return io_error("read", path, EISDIR);
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))  // it may have no end
    return fail(Code::io, "cannot read \"{}\": it is a device, neither a file nor a pipe", path);
  std::vector<std::byte> bytes(S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) : 0);
  size_t filled = 0;
  for (;;) {
    if (filled ==
        bytes.size()) {  // a pipe, or a file that may have grown: one more read says whether it ended
      std::byte more[4096];
      ssize_t got = ::read(file.number, more, sizeof more);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return io_error("read", path, errno);
      if (got == 0) break;
      bytes.insert(bytes.end(), more, more + got);
      filled = bytes.size();
      continue;
    }
    ssize_t got =
        ::read(file.number, bytes.data() + filled, std::min<size_t>(bytes.size() - filled, 1 << 30));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("read", path, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return Bytes::take(std::move(bytes));
}

Status write_file(const std::string& path, std::span<const std::byte> bytes) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {  // a pipe or device has no place to take
    Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file.number < 0) return io_error("open", path, errno);
    return write_all(file.number, bytes, path);
  }
  static std::atomic<uint32_t> count{0};
  std::string temporary = fmt::format("{}.{}.{}.new", path, ::getpid(), count.fetch_add(1));
  Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
  if (file.number < 0) return io_error("create", temporary, errno);
  Status written = write_all(file.number, bytes, temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = io_error("replace", path, errno);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace tenon::capi
