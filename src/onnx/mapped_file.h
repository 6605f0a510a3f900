// A file's bytes, mapped read-only. Another process that truncates the file while it is mapped makes a read
// of the lost part fail with SIGBUS: a model must not be changed while it is imported or built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"

namespace tenon::onnx {

class MappedFile {
 public:
  // `max_bytes`: refused beyond, as limit `limit_name`. `name` is what messages call the file.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path, int64_t max_bytes,
                                                        const char* limit_name);
  // The same for an open descriptor of a regular file, which stays the caller's.
  static Result<std::shared_ptr<const MappedFile>> map(int descriptor, const std::string& name,
                                                       int64_t max_bytes, const char* limit_name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

// Closes a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// "No such file or directory", of an errno.
std::string system_message(int error);

}  // namespace tenon::onnx
