// What devices do unless they know better: the host's way.
#include <chrono>
#include <cstring>

#include "common/kernel.h"
#include "device/device.h"

namespace tenon {
namespace {

tl::unexpected<Error> no_recordings() { return fail(Code::unsupported, "the device does not record work"); }

}  // namespace

Result<std::unique_ptr<Recording>> Stream::record(Work&) { return no_recordings(); }
Status Stream::replay(Recording&, const Lane&) { return no_recordings(); }

Result<std::vector<double>> Stream::measure(Work& work, int runs, bool) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> out;
  for (int i = 0; i < runs; ++i) {
    const Clock::time_point begin = Clock::now();
    TN_TRY(run(work));
    out.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  return out;
}

Status Stream::drain(const Lane&) { return {}; }

Status Stream::call_host(const Lane&, void (*function)(void* argument), void* argument) {
  function(argument);
  return {};
}

Status DeviceSession::prepare(const Kernel& kernel, const PrepareCall& call, Prepared& out) {
  return kernel.prepare(call, out);
}

Status prepare_kernel(const Kernel& kernel, const PrepareCall& call, Prepared& out) {
  if (!kernel.takes_texts)
    for (const auto& list : {call.inputs, call.outputs})
      for (const Arg& arg : list)
        if (arg.dtype == DType::string) return fail(Code::invalid_plan, "kernel {} does not take strings: {}", kernel.id, describe(arg));
  return call.session ? call.session->prepare(kernel, call, out) : kernel.prepare(call, out);
}

const DeviceFacts& Device::facts() const {
  static const DeviceFacts none;
  return none;
}

std::string Device::libraries() const { return {}; }

Result<std::unique_ptr<DeviceSession>> Device::create_session(const SessionOptions&) const {
  return fail(Code::unsupported, "device {} has no sessions: its kernels need none", name());
}

Result<Block> Device::allocate_host(uint64_t bytes, const char* what) const {
  return Block::allocate(default_allocator(), bytes, what);
}

Status Device::copy(void* to, const void* from, uint64_t bytes, Direction) const {
  if (bytes) std::memcpy(to, from, bytes);
  return {};
}

Status Device::copy(void* to, const void* from, uint64_t bytes, Direction direction, void*) const {
  return copy(to, from, bytes, direction);
}

MemoryKind Device::kind_of(const void*) const { return MemoryKind::both; }

}  // namespace tenon
