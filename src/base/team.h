// A team of threads that lives as long as its owner and runs one parallel loop at a time.
//
// A loop's parts are fixed by its count and the team's size; which thread runs a part is not. The caller runs the first
// one, each worker its own, and the caller also those whose worker has not begun when the caller's own is done: a loop
// never waits for a thread to wake up or to get a processor. Workers park between loops, but within a Session, where
// they stay ready.
#pragma once

#include <atomic>
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
  // within one, the same parts every time (results never depend on timing). `member` is the part's number, unique
  // within the loop; one thread may run several parts, one after the other. A part may wait for other parts to begin
  // (a barrier): each gets a thread. `fn` must not throw and must not call parallel_for. Returns when all parts are
  // done.
  template <class F>
  void parallel_for(int64_t count, F&& fn) {
    using Body = std::remove_reference_t<F>;
    run(count, [](void* body, int64_t begin, int64_t end, int member) {
      (*static_cast<Body*>(body))(begin, end, member);
    }, const_cast<std::remove_const_t<Body>*>(&fn));
  }

  // The items of a loop as one of its members gets them: those of its part in order, then, as long as others have some that they
  // have not begun, the last ones of one after the other, beginning with whoever has most.
  class Items {
   public:
    // False: there are no more for this member.
    bool next(int64_t& item) {
      if (spans_) return take(item) || steal(item);
      if (begin_ == end_) return false;
      item = begin_++;
      return true;
    }

   private:
    friend class Team;
    // What is left of a part: its begin below, its end above.
    struct alignas(64) Span {
      std::atomic<uint64_t> bounds{0};
    };
    bool take(int64_t& item);
    bool steal(int64_t& item);

    Span* spans_ = nullptr;  // of all parts; nullptr: the items are begin_ … end_-1
    int parts_ = 0, own_ = 0, victim_ = 0;
    int64_t begin_ = 0, end_ = 0;
  };

  // Calls fn(items, member), for each member that has a part, so that [0, count) is covered once. A member that is slowed down,
  // or was not awake, leaves items to others: which one runs an item depends on timing, what it gives must not. As to `fn`,
  // as parallel_for, but no part may wait for another one.
  template <class F>
  void parallel_items(int64_t count, F&& fn) {
    const bool shared = deal(count);
    parallel_for(count, [&](int64_t begin, int64_t end, int member) {
      Items items;
      if (shared) items.spans_ = spans(), items.parts_ = size_, items.own_ = items.victim_ = member;
      items.begin_ = begin, items.end_ = end;
      fn(items, member);
    });
  }

  // While it lives the workers wait for the next loop without parking, for as long as the steps of a network need;
  // they give their processor to any other thread that wants it. For a caller with several loops ahead; not nested.
  class Session {
   public:
    explicit Session(Team& team);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    Team& team_;
  };

 private:
  using Thunk = void (*)(void* body, int64_t begin, int64_t end, int member);
  struct Shared;
  Team(int size, std::unique_ptr<Shared> shared);
  void run(int64_t count, Thunk thunk, void* body);
  // Deals the items of a loop to the parts; false: the parts are fixed.
  bool deal(int64_t count);
  Items::Span* spans();

  int size_ = 1;
  std::unique_ptr<Shared> shared_;
};

}  // namespace tenon
