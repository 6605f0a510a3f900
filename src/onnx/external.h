// The files that hold a model's external tensor data.
//
// A model is untrusted: its locations may name only regular files beneath the model's own folder. Refused:
// absolute paths, `..`, symbolic links in any component, and files with more than one hard link (a link made
// beneath the folder can give away any file of its file system; whoever deduplicates models by hard links
// must copy them first).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "onnx/mapped_file.h"

namespace tenon::onnx {

// Thread rule: one thread at a time.
class ExternalFiles {
 public:
  // No folder: every location is refused.
  ExternalFiles() = default;
  // The folder of the model at `model_path`. It may be reached through symbolic links.
  static Result<ExternalFiles> beside(const std::string& model_path);

  // The file at `location`, mapped once however often and under however many names it is asked for.
  Result<std::shared_ptr<const MappedFile>> open(std::string_view location);

 private:
  struct Opened {
    uint64_t device = 0, inode = 0;
    std::shared_ptr<const MappedFile> file;
  };
  Descriptor folder_;
  std::vector<Opened> opened_;
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> by_location_;
};

}  // namespace tenon::onnx
