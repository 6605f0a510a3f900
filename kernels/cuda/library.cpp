#include "cuda/library.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

namespace tenon::cuda {
namespace {

std::string folder_of(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == file.npos ? "" : file.substr(0, slash + 1);
}

// Where to look besides the loader's path; each ends with '/'.
std::vector<std::string> folders() {
  std::vector<std::string> out;
  if (const char* given = secure_getenv("TENON_CUDA_LIBRARY_DIR")) {
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::string_view folder = rest.substr(0, rest.find(':'));
      if (!folder.empty()) out.push_back(std::string(folder) + "/");
      rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    }
  }
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&folders), &info) && info.dli_fname) {
    const std::string own = folder_of(info.dli_fname);
    for (const char* beside : {"", "../nvidia/cu13/lib/", "../nvidia/cudnn/lib/"}) out.push_back(own + beside);
  }
  return out;
}

Result<void*> open_first(const std::string& name) {
  if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  const char* reason = dlerror();
  std::string reasons = reason ? reason : name;
  for (const std::string& folder : folders()) {
    if (void* handle = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    reason = dlerror();
    reasons += "; " + std::string(reason ? reason : folder);
  }
  return fail(Code::not_found,
              "{} could not be opened: {}. Install it, or name its folder in TENON_CUDA_LIBRARY_DIR", name, reasons);
}

}  // namespace

Library::Library(std::string name, void* handle) : name_(std::move(name)), handle_(handle) {
  link_map* map = nullptr;
  if (dlinfo(handle_, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name) path_ = map->l_name;
}

Result<const Library*> Library::open(const std::string& name) {
  static std::mutex mutex;
  static auto& opened = *new std::map<std::string, Result<Library>>;  // in use to the end of the process
  std::lock_guard lock(mutex);
  auto it = opened.find(name);
  if (it == opened.end()) {
    Result<void*> handle = open_first(name);
    it = opened.emplace(name, handle ? Result<Library>(Library(name, *handle))
                                     : Result<Library>(tl::unexpected<Error>(handle.error()))).first;
  }
  if (!it->second) return tl::unexpected<Error>(it->second.error());
  return &*it->second;
}

Status Library::open_beside(const Library& other, const std::string& name) {
  if (dlopen((folder_of(other.path()) + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return {};
  TN_TRY(open(name));
  return {};
}

Result<void*> Library::find(const char* symbol) const {
  if (void* address = dlsym(handle_, symbol)) return address;
  return fail(Code::not_found, "{} ({}) has no function {}: it is of another version than this library was built for",
              name_, path_, symbol);
}

}  // namespace tenon::cuda
