// Libraries of NVIDIA's that need not be there: opened when they are first asked for, never closed.
#pragma once

#include <string>

#include "base/status.h"

namespace tenon::cuda {

// Thread rule: any thread.
class Library {
 public:
  // The first that opens: by the loader's own path, in the folders that TENON_CUDA_LIBRARY_DIR lists (parted by ':'),
  // beside the module, in the folders of NVIDIA's Python packages beside the module's. `name` as in "libnvrtc.so.13".
  // A failure says where it was looked for, the same every time.
  static Result<const Library*> open(const std::string& name);
  // The one in the folder of a library that is open, else as open does.
  static Status open_beside(const Library& other, const std::string& name);

  // As dlopen gives it.
  void* handle() const { return handle_; }
  const std::string& name() const { return name_; }
  // The file that the loader took.
  const std::string& path() const { return path_; }

  template <class F>
  Status find(const char* symbol, F*& function) const {
    TN_ASSIGN(void* address, find(symbol));
    function = reinterpret_cast<F*>(address);
    return {};
  }

 private:
  Library(std::string name, void* handle);
  Result<void*> find(const char* symbol) const;

  std::string name_, path_;
  void* handle_;
};

}  // namespace tenon::cuda
