// The host: its processors, by teams of threads.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/live_count.h"
#include "device/device.h"

namespace tenon {
namespace {

class HostEvent final : public Event {
 public:
  Status wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !pending_; });
    return result_;
  }

  bool done() const override {
    std::lock_guard lock(mutex_);
    return !pending_;
  }

  void begin() {
    std::lock_guard lock(mutex_);
    pending_ = true;
    result_ = {};
  }

  // Signals within the lock: the waiter may destroy the event as soon as it has the lock.
  void end(Status result) {
    std::lock_guard lock(mutex_);
    pending_ = false;
    result_ = std::move(result);
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool pending_ = false;
  Status result_;
};

// Without threads: work runs on its caller's thread, that of several callers side by side.
class InlineStream final : public Stream {
 public:
  explicit InlineStream(std::unique_ptr<Team> team) : team_(std::move(team)) {}
  int threads() const override { return 1; }
  Result<std::unique_ptr<Event>> create_event() override { return std::make_unique<HostEvent>(); }

  // A team of one has no state that callers could share.
  Status run(Work& work) override { return work.execute({team_.get(), nullptr}); }

  Status submit(Work& work, Event& event, void*) override {
    static_cast<HostEvent&>(event).end(work.execute({team_.get(), nullptr}));
    return {};
  }

 private:
  Live<LiveType::stream> live_;
  std::unique_ptr<Team> team_;
};

// One team; callers take turns. The team's members besides its caller are threads of the team; that caller is
// the thread of run(), or the dispatcher, which starts with the first submit.
class TeamStream final : public Stream {
 public:
  explicit TeamStream(std::unique_ptr<Team> team) : team_(std::move(team)) {}

  ~TeamStream() override {
    {
      std::lock_guard lock(queue_mutex_);
      ending_ = true;
      queued_.notify_all();
    }
    if (dispatcher_.joinable()) dispatcher_.join();
  }

  int threads() const override { return team_->size(); }
  Result<std::unique_ptr<Event>> create_event() override { return std::make_unique<HostEvent>(); }

  Status run(Work& work) override {
    if (runner_.load() == std::this_thread::get_id())
      return fail(Code::busy, "this thread is in a run of the engine: a callback cannot start another, nor refit the engine");
    std::lock_guard lock(team_mutex_);
    Running running(runner_);
    Team::Session session(*team_);
    return work.execute({team_.get(), nullptr});
  }

  Status submit(Work& work, Event& event, void*) override {
    auto& host_event = static_cast<HostEvent&>(event);
    std::lock_guard lock(queue_mutex_);
    if (!dispatcher_.joinable()) TN_TRY(start_dispatcher());
    queue_.push_back({&work, &host_event});
    host_event.begin();
    queued_.notify_one();
    return {};
  }

 private:
  // This thread is the runner while it lives, however the work ends.
  class Running {
   public:
    explicit Running(std::atomic<std::thread::id>& runner) : runner_(runner) { runner_ = std::this_thread::get_id(); }
    ~Running() { runner_ = std::thread::id(); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    std::atomic<std::thread::id>& runner_;
  };

  struct Item {
    Work* work;
    HostEvent* event;
  };

  Status start_dispatcher() {
    try {
      dispatcher_ = std::thread([this] { dispatch(); });
    } catch (
        const std::system_error& error) {  // how the standard library says that there are no more threads
      return fail(Code::out_of_memory, "cannot start a thread for asynchronous work: {}", error.what());
    }
    return {};
  }

  // Executes what is queued, also what is left when the stream ends.
  void dispatch() {
    std::unique_lock lock(queue_mutex_);
    for (;;) {
      queued_.wait(lock, [&] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Item item = queue_.front();
      queue_.pop_front();
      lock.unlock();
      item.event->end(run(*item.work));
      lock.lock();
    }
  }

  Live<LiveType::stream> live_;
  std::unique_ptr<Team> team_;
  std::mutex team_mutex_;
  std::atomic<std::thread::id> runner_ = std::thread::id();   // who holds it, for calls out of callbacks
  std::mutex queue_mutex_;
  std::condition_variable queued_;
  std::deque<Item> queue_;
  bool ending_ = false;
  std::thread dispatcher_;
};

class HostDevice final : public Device {
 public:
  std::string_view name() const override { return "cpu"; }
  Result<Block> allocate(Allocator& allocator, uint64_t bytes, const char* what) const override {
    return Block::allocate(allocator, bytes, what);
  }
  Result<std::unique_ptr<Stream>> create_stream(int threads) const override {
    TN_ASSIGN(std::unique_ptr<Team> team, Team::create(threads));
    if (threads == 1) return std::make_unique<InlineStream>(std::move(team));
    return std::make_unique<TeamStream>(std::move(team));
  }
};

}  // namespace

const Device& host_device() {
  static const HostDevice device;
  return device;
}

}  // namespace tenon
