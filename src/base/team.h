// A team of threads that lives as long as its owner and runs one parallel loop at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "base/status.h"

namespace tenon {

// Thread rule: one caller at a time. A team of one starts no thread and runs inline on the caller's.
class Team {
 public:
  // Starts threads - 1 workers; the caller of parallel_for is the remaining member.
  static Result<std::unique_ptr<Team>> create(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // Calls fn(begin, end, member) so that [0, count) is covered once: one contiguous part per member, equal to
  // within one, the same parts every time (results never depend on timing). `fn` must not throw and must not call
  // parallel_for. Returns when all parts are done.
  template <class F>
  void parallel_for(int64_t count, F&& fn) {
    using Body = std::remove_reference_t<F>;
    run(count, [](void* body, int64_t begin, int64_t end, int member) {
      (*static_cast<Body*>(body))(begin, end, member);
    }, const_cast<std::remove_const_t<Body>*>(&fn));
  }

 private:
  using Thunk = void (*)(void* body, int64_t begin, int64_t end, int member);
  struct Shared;
  Team(int size, std::unique_ptr<Shared> shared);
  void run(int64_t count, Thunk thunk, void* body);

  int size_ = 1;
  std::unique_ptr<Shared> shared_;
};

}  // namespace tenon
