// A session without a GPU: compiles every source for sm_90a, or for what TENON_ARCHITECTURE says, with NVRTC and keeps what the compiler said. Functions that
// it gives cannot be launched.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "cuda/session.h"

namespace tenon::test {

class CompilingSession : public cuda::Session {
 public:
  // Fails when NVRTC cannot be loaded. `folder`: where the hashes of sources that compiled are kept; "" for nowhere.
  static Result<std::unique_ptr<CompilingSession>> create(std::string folder);

  int ordinal() const override { return 0; }
  const DeviceFacts& facts() const override { return facts_; }
  Result<cudaKernel_t> function(const std::string& source, const char* entry) override;
  Result<cublasLtContext*> cublaslt() override { return fail(Code::unsupported, "no cuBLASLt here"); }
  Result<cuda::CudnnHandle*> cudnn() override { return fail(Code::unsupported, "no cuDNN here"); }
  std::vector<KernelImage> images() const override { return {}; }
  void begin_collecting() override {}
  void end_collecting(int) override {}
  void wait_for_code() override {}
  int compiled() const { return compiled_; }
  int known() const { return known_; }
  // Of what compiled: registers of each entry; those that spill registers to memory.
  const std::set<std::string>& reports() const { return reports_; }
  const std::set<std::string>& spilled() const { return spilled_; }
  // If not empty, sources are collected here instead of being compiled.
  std::map<std::string, std::string>* collect = nullptr;   // source → entry

  Status compile(const std::string& source, const std::string& entry);

 private:
  void note(const std::string& entry, const std::string& report);

  DeviceFacts facts_;
  std::set<std::string> reports_, spilled_;
  std::string folder_;
  std::mutex mutex_;
  int compiled_ = 0, known_ = 0;
};

}  // namespace tenon::test
