// A build's progress: phase, share done and time left, on one line of a terminal; nothing elsewhere.
#pragma once

#include <chrono>

#include "tenon/tenon.h"

namespace tenon::cli {

class Progress {
 public:
  // Shows only where `wanted` and standard error is a terminal.
  explicit Progress(bool wanted);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // NULL where nothing is shown. This object must outlive the build.
  const tn_progress_callbacks* callbacks() const { return shown_ ? &callbacks_ : nullptr; }
  // Takes the line away.
  void end();

 private:
  static tn_error_t update(void* self, const char* phase, double fraction);

  bool shown_;
  tn_progress_callbacks callbacks_ = TN_PROGRESS_CALLBACKS_INIT;
  std::chrono::steady_clock::time_point start_, drawn_;
};

// Takes a progress line away before another message is written to standard error.
void clear_progress_line();

}  // namespace tenon::cli
