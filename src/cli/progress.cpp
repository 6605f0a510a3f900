#include "cli/progress.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "cli/text.h"

namespace tenon::cli {
namespace {

std::atomic<bool> line_drawn{false};

}  // namespace

Progress::Progress(bool wanted) : shown_(wanted && isatty(STDERR_FILENO)) {
  start_ = drawn_ = std::chrono::steady_clock::now();
  callbacks_.user_data = this;
  callbacks_.update = update;
}

void Progress::end() { clear_progress_line(); }

tn_error_t Progress::update(void* self, const char* phase, double fraction) {
  auto& progress = *static_cast<Progress*>(self);
  const auto now = std::chrono::steady_clock::now();
  if (line_drawn && now - progress.drawn_ < std::chrono::milliseconds(50)) return nullptr;
  progress.drawn_ = now;
  const double elapsed = std::chrono::duration<double>(now - progress.start_).count();
  // An estimate from the first moments says nothing.
  const bool estimate = fraction > 0.02 && elapsed > 0.3;
  const std::string left = estimate ? ", " + time_text(elapsed * (1 - fraction) / fraction) + " left" : "";
  std::fprintf(stderr, "\r\033[K[%3.0f%%] %s%s", fraction * 100, phase, left.c_str());
  std::fflush(stderr);
  line_drawn = true;
  return nullptr;
}

void clear_progress_line() {
  if (line_drawn.exchange(false)) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
  }
}

}  // namespace tenon::cli
