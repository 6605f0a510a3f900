#include "onnx/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tenon::onnx {

std::string system_message(int error) { return std::generic_category().message(error); }

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path, int64_t max_bytes,
                                                           const char* limit_name) {
  if (path.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "the file's path holds a NUL");
  // O_NONBLOCK: opening a pipe must not wait for a writer; regular files ignore it.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid())
    return fail(Code::io, "{}: {}", path, system_message(errno));
  return map(file.get(), path, max_bytes, limit_name);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::map(int descriptor, const std::string& name,
                                                          int64_t max_bytes, const char* limit_name) {
  struct stat info;
  if (::fstat(descriptor, &info) != 0) return fail(Code::io, "{}: {}", name, system_message(errno));
  if (!S_ISREG(info.st_mode)) return fail(Code::io, "{}: not a regular file", name);
  if (info.st_size > max_bytes)
    return fail(Code::limit_exceeded, "{} has {} bytes; the limit {} is {}", name, info.st_size, limit_name,
                max_bytes);
  size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile({}));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED)
    return fail(Code::io, "{}: cannot map {} bytes: {}", name, size, system_message(errno));
  return std::shared_ptr<const MappedFile>(new MappedFile({static_cast<const std::byte*>(data), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace tenon::onnx
