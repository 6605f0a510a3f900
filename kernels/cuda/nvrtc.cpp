#include "cuda/nvrtc.h"

#include <nvrtc.h>

#include "base/hash.h"
#include "cuda/headers.h"
#include "cuda/library.h"

namespace tenon::cuda {
namespace {

struct Nvrtc {
  decltype(&nvrtcCreateProgram) create;
  decltype(&nvrtcCompileProgram) compile;
  decltype(&nvrtcDestroyProgram) destroy;
  decltype(&nvrtcGetProgramLogSize) log_size;
  decltype(&nvrtcGetProgramLog) log;
  decltype(&nvrtcGetCUBINSize) cubin_size;
  decltype(&nvrtcGetCUBIN) cubin;
  decltype(&nvrtcGetErrorString) error_text;
};

Result<Nvrtc> open_nvrtc() {
  TN_ASSIGN(const Library* library, Library::open("libnvrtc.so.13"));
  Nvrtc out{};
  TN_TRY(library->find("nvrtcCreateProgram", out.create));
  TN_TRY(library->find("nvrtcCompileProgram", out.compile));
  TN_TRY(library->find("nvrtcDestroyProgram", out.destroy));
  TN_TRY(library->find("nvrtcGetProgramLogSize", out.log_size));
  TN_TRY(library->find("nvrtcGetProgramLog", out.log));
  TN_TRY(library->find("nvrtcGetCUBINSize", out.cubin_size));
  TN_TRY(library->find("nvrtcGetCUBIN", out.cubin));
  TN_TRY(library->find("nvrtcGetErrorString", out.error_text));
  return out;
}

const Result<Nvrtc>& nvrtc() {
  static const Result<Nvrtc> table = open_nvrtc();
  return table;
}

std::vector<std::string> options_of(const std::string& architecture) {
  return {"--std=c++17", "--gpu-architecture=" + architecture, "--device-as-default-execution-space", "--define-macro=TENON_DEVICE=1"};
}

class Program {
 public:
  Program(const Nvrtc& n, const std::string& source) : n_(n) {
    std::vector<const char*> texts, names;
    for (const Header& header : headers()) {
      texts.push_back(header.text);
      names.push_back(header.name);
    }
    code_ = n_.create(&program_, source.c_str(), "kernel.cu", static_cast<int>(texts.size()), texts.data(), names.data());
  }
  ~Program() {
    if (program_) n_.destroy(&program_);
  }

  Result<std::vector<std::byte>> compile(const std::string& architecture) {
    if (code_ != NVRTC_SUCCESS) return failure("nvrtcCreateProgram");
    const std::vector<std::string> options = options_of(architecture);
    std::vector<const char*> pointers;
    for (const std::string& option : options) pointers.push_back(option.c_str());
    code_ = n_.compile(program_, static_cast<int>(pointers.size()), pointers.data());
    if (code_ != NVRTC_SUCCESS) return failure("nvrtcCompileProgram");
    size_t size = 0;
    if ((code_ = n_.cubin_size(program_, &size)) != NVRTC_SUCCESS) return failure("nvrtcGetCUBINSize");
    std::vector<std::byte> out(size);
    if ((code_ = n_.cubin(program_, reinterpret_cast<char*>(out.data()))) != NVRTC_SUCCESS) return failure("nvrtcGetCUBIN");
    return out;
  }

 private:
  tl::unexpected<Error> failure(const char* what) {
    std::string log;
    size_t size = 0;
    if (program_ && n_.log_size(program_, &size) == NVRTC_SUCCESS && size > 1) {
      log.resize(size);
      n_.log(program_, log.data());
      log.resize(std::min<size_t>(log.find('\0'), 4000));
    }
    return fail(Code::internal, "generated code does not compile: {}: {}\n{}", what, n_.error_text(code_), log);
  }

  const Nvrtc& n_;
  nvrtcProgram program_ = nullptr;
  nvrtcResult code_ = NVRTC_SUCCESS;
};

uint64_t headers_hash() {
  static const uint64_t hash = [] {
    std::string all;
    for (const Header& header : headers()) all += std::string(header.name) + '\n' + header.text + '\n';
    return hash_bytes(std::as_bytes(std::span(all)));
  }();
  return hash;
}

}  // namespace

uint64_t code_key(const std::string& source, const std::string& architecture) {
  std::string all = fmt::format("{:016x} {} ", headers_hash(), TENON_VERSION);
  for (const std::string& option : options_of(architecture)) all += option + ' ';
  all += source;
  return hash_bytes(std::as_bytes(std::span(all)));
}

Result<std::vector<std::byte>> compile_source(const std::string& source, const std::string& architecture) {
  const Result<Nvrtc>& table = nvrtc();
  if (!table) return trail(Error(table.error()), "a GPU kernel must be compiled");
  return Program(*table, source).compile(architecture);
}

}  // namespace tenon::cuda
