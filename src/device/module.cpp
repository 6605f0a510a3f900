#include "device/module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "base/live_count.h"

namespace tenon {
namespace {

// The folder of the file that holds this function; "" if the loader cannot tell.
std::string own_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&own_folder), &info) || !info.dli_fname) return "";
  std::string path = info.dli_fname;
  size_t slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash + 1);
}

struct Opened {
  void* handle = nullptr;
  std::string path;
};

Result<Opened> open(const std::string& file) {
  std::vector<std::string> paths;
  if (const char* folder = secure_getenv("TENON_MODULE_DIR")) {
    paths = {std::string(folder) + "/" + file};
  } else {
    if (std::string folder = own_folder(); !folder.empty()) paths.push_back(folder + file);
    paths.push_back(file);
  }
  std::string reasons;
  for (const std::string& path : paths) {
    if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return Opened{handle, path};
    const char* reason = dlerror();
    reasons += std::string(reasons.empty() ? "" : "; ") + (reason ? reason : path.c_str());
  }
  return fail(Code::not_found, "module {} could not be loaded: {}", file, reasons);
}

Result<Module> take(std::string_view name, const Opened& opened) {
  auto entry = reinterpret_cast<ModuleEntry>(dlsym(opened.handle, kModuleEntry));
  if (!entry)
    return fail(Code::device, "{} is no module of this library: it has no {}", opened.path, kModuleEntry);
  static const HostTable host = [] {
    HostTable table;
    table.run_team = [](Team& team, int64_t count, TeamBody function, void* body) {
      team.parallel_for(count,
                        [&](int64_t begin, int64_t end, int member) { function(body, begin, end, member); });
    };
    table.live_streams = &live_count(LiveType::stream);
    return table;
  }();
  const ModuleTable* table = entry(&host);
  if (!table)
    return fail(Code::device, "module {} does not work with version {} of this library", opened.path,
                TENON_VERSION);
  if (table->struct_size != sizeof(ModuleTable) || table->layout != ModuleLayout{} ||
      std::strcmp(table->version, TENON_VERSION) != 0)
    return fail(Code::device,
                "module {} is of another build than this library ({}): install both from one build",
                opened.path, TENON_VERSION);
  return Module{std::string(name),
                opened.path,
                table->library,
                {table->kernels, table->kernel_count},
                {table->devices, table->device_count},
                table->why_no_device};
}

}  // namespace

Result<const Module*> load_module(std::string_view name) {
  static std::mutex mutex;
  // Kept for the life of the process: kernels of a module may be in use until its end.
  static auto& loaded = *new std::map<std::string, Result<Module>, std::less<>>;
  std::lock_guard lock(mutex);
  auto it = loaded.find(name);
  if (it == loaded.end()) {
    Result<Opened> opened = open(fmt::format("libtenon_{}.so", name));
    Result<Module> module = opened ? take(name, *opened) : tl::unexpected<Error>(opened.error());
    it = loaded.emplace(name, std::move(module)).first;
  }
  if (!it->second) return tl::unexpected<Error>(it->second.error());
  return &*it->second;
}

}  // namespace tenon
