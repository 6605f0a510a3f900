#include "onnx/external.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tenon::onnx {
namespace {

// The path's components; fails where it could leave the folder.
Result<std::vector<std::string>> components(std::string_view location) {
  if (location.empty()) return fail(Code::invalid_model, "external data has an empty location");
  if (location.size() >= 4096)
    return fail(Code::limit_exceeded, "external data's location is longer than a path may be");
  if (location.find('\0') != std::string_view::npos)
    return fail(Code::invalid_model, "external data's location holds a NUL");
  if (location.front() == '/')
    return fail(Code::invalid_model,
                "external data's location '{}' is an absolute path: it must lie beneath the model's folder",
                location);
  std::vector<std::string> out;
  while (!location.empty()) {
    size_t end = std::min(location.find('/'), location.size());
    std::string_view part = location.substr(0, end);
    if (part == "..")
      return fail(Code::invalid_model,
                  "external data's location holds '..': it must lie beneath the model's folder");
    if (!part.empty() && part != ".") out.emplace_back(part);
    location.remove_prefix(std::min(end + 1, location.size()));
  }
  if (out.empty()) return fail(Code::invalid_model, "external data's location names no file");
  return out;
}

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

// For kernels before 5.6, which lack openat2: one component after the other, none of them a link.
int open_by_walking(int folder, const std::vector<std::string>& parts) {
  Descriptor current;
  int at = folder;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    Descriptor next(::openat(at, parts[i].c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid()) return -1;
    current = std::move(next);
    at = current.get();
  }
  return ::openat(at, parts.back().c_str(), kFlags | O_NOFOLLOW);
}

int open_beneath(int folder, const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += (path.empty() ? "" : "/") + part;
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  long fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
  // EPERM: container sandboxes that do not know openat2 answer so.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return open_by_walking(folder, parts);
  return static_cast<int>(fd);
}

}  // namespace

Result<ExternalFiles> ExternalFiles::beside(const std::string& model_path) {
  size_t slash = model_path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : model_path.substr(0, slash);
  ExternalFiles out;
  out.folder_ = Descriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out.folder_.valid()) return fail(Code::io, "{}: {}", folder, system_message(errno));
  return out;
}

Result<std::shared_ptr<const MappedFile>> ExternalFiles::open(std::string_view location) {
  if (!folder_.valid())
    return fail(Code::unsupported,
                "external data '{}': a model given as bytes has no folder; import it from its file",
                location);
  if (auto it = by_location_.find(location); it != by_location_.end()) return it->second;
  TN_ASSIGN(std::vector<std::string> parts, components(location));
  Descriptor file(open_beneath(folder_.get(), parts));
  if (!file.valid()) {
    if (errno == ELOOP || errno == EXDEV)
      return fail(Code::invalid_model,
                  "external data '{}': a symbolic link; external data must be a file of its own beneath the "
                  "model's folder",
                  location);
    return fail(Code::io, "external data '{}': {}", location,
                system_message(errno));
  }
  struct stat info;
  if (::fstat(file.get(), &info) != 0)
    return fail(Code::io, "external data '{}': {}", location, system_message(errno));
  if (!S_ISREG(info.st_mode))
    return fail(Code::invalid_model, "external data '{}': not a regular file", location);
  if (info.st_nlink > 1)
    return fail(Code::invalid_model,
                "external data '{}': a hard link ({} names for one file); external data must be a "
                "file of its own: copy it",
                location, info.st_nlink);
  std::shared_ptr<const MappedFile> mapped;
  for (const Opened& opened : opened_)
    if (opened.device == info.st_dev && opened.inode == info.st_ino) mapped = opened.file;
  if (!mapped) {
    TN_ASSIGN(mapped, MappedFile::map(file.get(), std::string(location), INT64_MAX, "-"));
    opened_.push_back({info.st_dev, info.st_ino, mapped});
  }
  by_location_.emplace(location, mapped);
  return mapped;
}

}  // namespace tenon::onnx
