#include "runtime/recorder.h"

#include <algorithm>

namespace tenon {

Recording* Recorder::find(Stream& stream, Work& steps, std::span<void* const> addresses, uint64_t weights_version) {
  if (!has_run_ || !refusal_.empty()) return nullptr;
  std::erase_if(entries_, [&](const Entry& e) { return e.weights_version != weights_version; });
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& e) { return std::ranges::equal(e.addresses, addresses); });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front().recording.get();
  }
  Result<std::unique_ptr<Recording>> recording = stream.record(steps);
  if (!recording) {
    refusal_ = recording.error().text();
    return nullptr;
  }
  entries_.push_front({{addresses.begin(), addresses.end()}, weights_version, std::move(*recording)});
  if (entries_.size() > kKept) entries_.pop_back();
  return entries_.front().recording.get();
}

std::string Recorder::why_not() const {
  if (!entries_.empty()) return {};
  return refusal_.empty() ? "this shape has not run twice with the buffers that are set" : refusal_;
}

}  // namespace tenon
