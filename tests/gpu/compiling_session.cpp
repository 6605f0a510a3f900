#include "gpu/compiling_session.h"

#include <dlfcn.h>
#include <nvrtc.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/hash.h"

namespace tenon::test {
namespace {

struct Nvrtc {
  decltype(&nvrtcCreateProgram) create = nullptr;
  decltype(&nvrtcCompileProgram) compile = nullptr;
  decltype(&nvrtcGetProgramLogSize) log_size = nullptr;
  decltype(&nvrtcGetProgramLog) log = nullptr;
  decltype(&nvrtcDestroyProgram) destroy = nullptr;
  std::string missing;
};

const Nvrtc& nvrtc() {
  static const Nvrtc loaded = [] {
    Nvrtc out;
    const std::string home = TENON_TOOLKIT;
    void* library = dlopen("libnvrtc.so.13", RTLD_NOW);
    // NVRTC looks for its other half by name; one that is loaded is found.
    for (const char* sub : {"/lib/", "/lib64/"}) dlopen((home + sub + "libnvrtc-builtins.so.13.0").c_str(), RTLD_NOW);
    for (const char* sub : {"/lib/", "/lib64/"})
      if (!library) library = dlopen((home + sub + "libnvrtc.so.13").c_str(), RTLD_NOW);
    if (!library) {
      out.missing = dlerror();
      return out;
    }
    auto find = [&](const char* name, auto& function) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    };
    find("nvrtcCreateProgram", out.create);
    find("nvrtcCompileProgram", out.compile);
    find("nvrtcGetProgramLogSize", out.log_size);
    find("nvrtcGetProgramLog", out.log);
    find("nvrtcDestroyProgram", out.destroy);
    return out;
  }();
  return loaded;
}

}  // namespace

Result<std::unique_ptr<CompilingSession>> CompilingSession::create(std::string folder) {
  if (!nvrtc().create) return fail(Code::not_found, "NVRTC: {}", nvrtc().missing);
  auto out = std::make_unique<CompilingSession>();
  out->facts_.product = "none";
  const char* architecture = std::getenv("TENON_ARCHITECTURE");
  out->facts_.architecture = architecture ? architecture : "sm_90a";
  out->facts_.multiprocessors = 132;
  out->facts_.memory = int64_t{80} << 30;
  out->facts_.l2 = int64_t{50} << 20;
  // What one block may have, of CUDA's programming guide.
  const std::string& name = out->facts_.architecture;
  out->facts_.shared_memory = (name == "sm_80" ? 163 : name == "sm_86" || name == "sm_89" ? 99 : 227) << 10;
  if (!folder.empty()) folder += "/" + name;
  if (!folder.empty()) std::filesystem::create_directories(folder);
  out->folder_ = std::move(folder);
  return out;
}

Status CompilingSession::compile(const std::string& source, const std::string& entry) {
  const std::string mark =
      folder_.empty() ? "" : fmt::format("{}/{:016x}", folder_, hash_text(source));
  if (!mark.empty() && std::filesystem::exists(mark)) {
    std::ifstream file(mark);
    const std::string report((std::istreambuf_iterator<char>(file)), {});
    std::lock_guard lock(mutex_);
    ++known_;
    note(entry, report);
    return {};
  }
  const Nvrtc& api = nvrtc();
  nvrtcProgram program = nullptr;
  api.create(&program, source.c_str(), (entry + ".cu").c_str(), 0, nullptr, nullptr);
  const std::string target = "--gpu-architecture=" + facts_.architecture;
  const char* options[] = {target.c_str(), "--std=c++17", "--device-as-default-execution-space",
                           "--ptxas-options=-v"};
  const nvrtcResult result = api.compile(program, 4, options);
  size_t size = 0;
  api.log_size(program, &size);
  std::string log(size, 0);
  api.log(program, log.data());
  api.destroy(&program);
  if (result != NVRTC_SUCCESS) return fail(Code::internal, "{} does not compile:\n{}", entry, log);
  if (!mark.empty()) std::ofstream(mark) << entry << "\n" << log.c_str();
  std::lock_guard lock(mutex_);
  ++compiled_;
  note(entry, log);
  return {};
}

// "ptxas info : 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" and "Used 128 registers, …".
void CompilingSession::note(const std::string& entry, const std::string& report) {
  const size_t spill = report.find(" bytes spill stores"), used = report.find("Used ");
  std::string line = entry;
  if (used != report.npos) line += ": " + report.substr(used, report.find(',', used) - used);
  if (spill != report.npos) {
    const size_t begin = report.rfind(' ', spill - 1) + 1;
    const std::string bytes = report.substr(begin, spill - begin);
    if (bytes != "0") spilled_.insert(line + ", spills " + bytes + " bytes");
  }
  if (report.find("wgmma") != report.npos && report.find("serializ") != report.npos) spilled_.insert(line + ", wgmma serialized");
  reports_.insert(line);
}

Result<cudaKernel_t> CompilingSession::function(const std::string& source, const char* entry) {
  if (collect) collect->emplace(source, entry);
  else TN_TRY(compile(source, entry));
  return reinterpret_cast<cudaKernel_t>(this);
}

}  // namespace tenon::test
