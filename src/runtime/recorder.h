// Runs of one shape of a context as the device recorded them, by the addresses of the buffers.
#pragma once

#include <list>
#include <span>
#include <vector>

#include "device/device.h"

namespace tenon {

// Thread rule: its context's.
class Recorder {
 public:
  // The recording of `steps` for these addresses, made when there is none; null when this shape has not run yet or
  // cannot be recorded.
  Recording* find(Stream& stream, Work& steps, std::span<void* const> addresses, uint64_t weights_version);
  // The shape has run: what its kernels need lazily is there.
  void has_run() { has_run_ = true; }
  // Addresses that are in every recording have changed.
  void forget() { entries_.clear(); }
  // Why nothing is recorded; empty if something is.
  std::string why_not() const;

 private:
  struct Entry {
    std::vector<void*> addresses;
    uint64_t weights_version;
    std::unique_ptr<Recording> recording;
  };
  static constexpr size_t kKept = 8;  // sets of buffers that a caller may rotate without a recording anew
  std::list<Entry> entries_;          // by last use
  bool has_run_ = false;
  std::string refusal_;
};

}  // namespace tenon
