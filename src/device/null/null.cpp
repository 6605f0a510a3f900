// A device that has memory and executes nothing: for what planning, loading and enqueueing cost by
// themselves.
#include "device/device.h"

namespace tenon {
namespace {

class NullEvent final : public Event {
 public:
  Status wait() override { return {}; }
  bool done() const override { return true; }
};

class NullStream final : public Stream {
 public:
  explicit NullStream(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  Result<std::unique_ptr<Event>> create_event() override { return std::make_unique<NullEvent>(); }
  Status run(Work&) override { return {}; }
  Status submit(Work&, Event&, void*) override { return {}; }

 private:
  int threads_;
};

class NullDevice final : public Device {
 public:
  std::string_view name() const override { return "null"; }
  Result<Block> allocate(Allocator& allocator, uint64_t bytes, const char* what) const override {
    return Block::allocate(allocator, bytes, what);
  }
  Result<std::unique_ptr<Stream>> create_stream(int threads) const override {
    return std::make_unique<NullStream>(threads);
  }
};

}  // namespace

const Device& null_device() {
  static const NullDevice device;
  return device;
}

}  // namespace tenon
