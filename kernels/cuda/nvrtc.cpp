#include "cuda/nvrtc.h"

#include <nvrtc.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/hash.h"
#include "cuda/headers.h"
#include "cuda/library.h"

namespace tenon::cuda {
namespace {

constexpr const char* kCompiler = "libnvrtc.so.13";
constexpr size_t kLogShown = 4000;  // bytes of the compiler's messages in an error

struct Nvrtc {
  decltype(&nvrtcVersion) version;
  decltype(&nvrtcCreateProgram) create;
  decltype(&nvrtcCompileProgram) compile;
  decltype(&nvrtcDestroyProgram) destroy;
  decltype(&nvrtcGetProgramLogSize) log_size;
  decltype(&nvrtcGetProgramLog) log;
  decltype(&nvrtcGetCUBINSize) cubin_size;
  decltype(&nvrtcGetCUBIN) cubin;
  decltype(&nvrtcGetErrorString) error_text;
  uint64_t key = 0;
};

uint64_t hash_of(std::string_view text, uint64_t seed = 0) { return hash_bytes(text.data(), text.size(), seed); }

// Version and length of the file: NVRTC does not tell its patch level.
uint64_t key_of(const Library& library, int major, int minor) {
  struct stat file = {};
  if (stat(library.path().c_str(), &file) != 0) file.st_size = 0;
  uint64_t key = hash_of(fmt::format("nvrtc {}.{} {}", major, minor, static_cast<int64_t>(file.st_size)));
  for (const Header& header : headers())
    if (!header.is_own) key = hash_of(header.text, hash_of(header.name, key));
  return key;
}

Result<Nvrtc> open_nvrtc() {
  TN_ASSIGN(const Library* library, Library::open(kCompiler));
  Nvrtc out{};
  TN_TRY(library->find("nvrtcVersion", out.version));
  TN_TRY(library->find("nvrtcCreateProgram", out.create));
  TN_TRY(library->find("nvrtcCompileProgram", out.compile));
  TN_TRY(library->find("nvrtcDestroyProgram", out.destroy));
  TN_TRY(library->find("nvrtcGetProgramLogSize", out.log_size));
  TN_TRY(library->find("nvrtcGetProgramLog", out.log));
  TN_TRY(library->find("nvrtcGetCUBINSize", out.cubin_size));
  TN_TRY(library->find("nvrtcGetCUBIN", out.cubin));
  TN_TRY(library->find("nvrtcGetErrorString", out.error_text));
  int major = 0, minor = 0;
  if (out.version(&major, &minor) != NVRTC_SUCCESS) return fail(Code::device, "{} does not tell its version", kCompiler);
  // The compiler opens it by the loader's path alone, and finds it there once it is open.
  TN_TRY(Library::open_beside(*library, fmt::format("libnvrtc-builtins.so.{}.{}", major, minor)));
  out.key = key_of(*library, major, minor);
  return out;
}

const Result<Nvrtc>& nvrtc() {
  static const Result<Nvrtc> table = open_nvrtc();
  return table;
}

Result<const Nvrtc*> compiler() {
  const Result<Nvrtc>& table = nvrtc();
  if (!table) return trail(Error(table.error()), "a kernel of this plan must be compiled for the GPU");
  return &*table;
}

// What the compiler is asked for besides the architecture; a change makes other code.
constexpr const char* kOptions[] = {"--std=c++17", "--device-as-default-execution-space", "--define-macro=TENON_DEVICE=1",
                                    "--no-source-include", "--no-cache"};

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
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Result<std::vector<std::byte>> compile(const std::string& architecture) {
    if (code_ != NVRTC_SUCCESS) return failure("nvrtcCreateProgram");
    const std::string target = "--gpu-architecture=" + architecture;
    std::vector<const char*> options(std::begin(kOptions), std::end(kOptions));
    options.push_back(target.c_str());
    code_ = n_.compile(program_, static_cast<int>(options.size()), options.data());
    if (code_ != NVRTC_SUCCESS) return failure("nvrtcCompileProgram");
    size_t size = 0;
    if ((code_ = n_.cubin_size(program_, &size)) != NVRTC_SUCCESS) return failure("nvrtcGetCUBINSize");
    if (size == 0)
      return fail(Code::unsupported, "the compiler makes no code for {}: it must be a real architecture", architecture);
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
      log.resize(std::min({log.find('\0'), log.size(), kLogShown}));
    }
    const Code code = code_ == NVRTC_ERROR_OUT_OF_MEMORY ? Code::out_of_memory : Code::internal;
    return fail(code, "a kernel's source does not compile: {}: {}\n{}", what, n_.error_text(code_), log);
  }

  const Nvrtc& n_;
  nvrtcProgram program_ = nullptr;
  nvrtcResult code_ = NVRTC_SUCCESS;
};

const Header* own_header(std::string_view name) {
  for (const Header& header : headers())
    if (header.is_own && name == header.name) return &header;
  return nullptr;
}

// Tenon's own headers that the text includes, directly or by others.
void collect_own(std::string_view text, std::set<std::string_view>& out) {
  constexpr std::string_view kInclude = "#include \"";
  for (size_t at = text.find(kInclude); at != text.npos; at = text.find(kInclude, at)) {
    at += kInclude.size();
    const std::string_view name = text.substr(at, text.find('"', at) - at);
    const Header* header = own_header(name);
    if (header && out.insert(header->name).second) collect_own(header->text, out);
  }
}

}  // namespace

uint64_t code_key(const std::string& source, const std::string& architecture) {
  uint64_t key = hash_of(architecture);
  for (const char* option : kOptions) key = hash_of(option, key);
  std::set<std::string_view> own;
  collect_own(source, own);
  for (std::string_view name : own) key = hash_of(own_header(name)->text, hash_of(name, key));
  return hash_of(source, key);
}

Status open_compiler() {
  TN_TRY(compiler());
  return {};
}

Result<uint64_t> compiler_key() {
  TN_ASSIGN(const Nvrtc* n, compiler());
  return n->key;
}

Result<std::vector<std::byte>> compile_source(const std::string& source, const std::string& architecture) {
  TN_ASSIGN(const Nvrtc* n, compiler());
  return Program(*n, source).compile(architecture);
}

}  // namespace tenon::cuda
