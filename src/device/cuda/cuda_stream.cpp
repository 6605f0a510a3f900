// Streams and events of a GPU, recordings as CUDA graphs.
#include <algorithm>
#include <mutex>

#include "base/live_count.h"
#include "cuda/driver.h"
#include "cuda/session.h"
#include "device/cuda/cuda_device.h"

namespace tenon::cuda {
namespace {

std::atomic<std::atomic<int64_t>*> live_streams{nullptr};

// The library's count: this module has a copy of its own.
struct LiveStream {
  LiveStream() : counter(live_streams.load()) {
    if (counter) counter->fetch_add(1, std::memory_order_relaxed);
  }
  ~LiveStream() {
    if (counter) counter->fetch_sub(1, std::memory_order_relaxed);
  }
  LiveStream(const LiveStream&) = delete;
  LiveStream& operator=(const LiveStream&) = delete;
  std::atomic<int64_t>* const counter;
};

cudaStream_t stream_of(void* queue) { return static_cast<cudaStream_t>(queue); }

constexpr const char* kWork = "the work on the GPU";

// A CUDA event: of an Event, and of the streams that still order their queues by it.
class Signal {
 public:
  static Result<std::shared_ptr<Signal>> create(int ordinal, unsigned flags) {
    Current current(ordinal);
    TN_TRY(current.status());
    cudaEvent_t event = nullptr;
    TN_TRY(call("cudaEventCreateWithFlags", cudaEventCreateWithFlags, &event, flags));
    return std::shared_ptr<Signal>(new Signal(ordinal, event));
  }
  ~Signal() {
    Current current(ordinal_);
    (void)cudaEventDestroy(event_);
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  cudaEvent_t get() const { return event_; }
  Status record(cudaStream_t stream) { return call("cudaEventRecord", cudaEventRecord, event_, stream); }

 private:
  Signal(int ordinal, cudaEvent_t event) : ordinal_(ordinal), event_(event) {}
  const int ordinal_;
  const cudaEvent_t event_;
};

class CudaEvent final : public Event {
 public:
  CudaEvent(int ordinal, std::shared_ptr<Signal> signal) : ordinal_(ordinal), signal_(std::move(signal)) {}

  Status wait() override {
    std::unique_lock lock(mutex_);
    if (!pending_) return result_;
    const uint64_t turn = turn_;
    lock.unlock();
    Current current(ordinal_);
    Status done = current.status();
    if (done) done = call(kWork, cudaEventSynchronize, signal_->get());
    lock.lock();
    if (turn != turn_) return done;  // another waiter was quicker, and the event is used again
    if (pending_ && result_) result_ = std::move(done);
    pending_ = false;
    return result_;
  }

  bool done() const override {
    std::lock_guard lock(mutex_);
    if (!pending_) return true;
    Current current(ordinal_);
    const cudaError_t code = cudaEventQuery(signal_->get());
    if (code != cudaSuccess) (void)cudaGetLastError();
    return code != cudaErrorNotReady;  // after a failure wait returns at once
  }

  // Records what `stream` holds now. `result`: how the launches went; wait gives it if it is a failure.
  Status begin(cudaStream_t stream, Status result) {
    TN_TRY(signal_->record(stream));
    std::lock_guard lock(mutex_);
    ++turn_;
    pending_ = true;
    result_ = std::move(result);
    return {};
  }

  // Nothing to wait for.
  void end(Status result) {
    std::lock_guard lock(mutex_);
    ++turn_;
    pending_ = false;
    result_ = std::move(result);
  }

  const std::shared_ptr<Signal>& signal() const { return signal_; }

 private:
  const int ordinal_;
  const std::shared_ptr<Signal> signal_;
  mutable std::mutex mutex_;
  uint64_t turn_ = 0;  // counts submissions
  bool pending_ = false;
  Status result_;
};

class CudaRecording final : public Recording {
 public:
  CudaRecording(int ordinal, cudaGraphExec_t graph) : ordinal_(ordinal), graph_(graph) {}
  ~CudaRecording() override {
    Current current(ordinal_);
    (void)cudaGraphExecDestroy(graph_);
  }
  cudaGraphExec_t graph() const { return graph_; }

 private:
  const int ordinal_;
  const cudaGraphExec_t graph_;
};

class CudaStream final : public Stream {
 public:
  CudaStream(int ordinal, std::unique_ptr<Team> team) : ordinal_(ordinal), team_(std::move(team)) {}

  ~CudaStream() override {
    Current current(ordinal_);
    for (cudaStream_t stream : {own_, recorder_}) {
      if (!stream) continue;
      (void)cudaStreamSynchronize(stream);
      (void)cudaStreamDestroy(stream);
    }
    (void)cudaGetLastError();
  }

  Status init() {
    TN_TRY(call("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags, &own_, cudaStreamNonBlocking));
    TN_TRY(call("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags, &recorder_, cudaStreamNonBlocking));
    TN_ASSIGN(order_, Signal::create(ordinal_, cudaEventDisableTiming));
    return {};
  }

  int threads() const override { return 1; }

  Result<std::unique_ptr<Event>> create_event() override {
    TN_ASSIGN(std::shared_ptr<Signal> signal, Signal::create(ordinal_, cudaEventDisableTiming));
    return std::make_unique<CudaEvent>(ordinal_, std::move(signal));
  }

  Status run(Work& work) override {
    Current current(ordinal_);
    TN_TRY(current.status());
    Status launched;
    {
      std::lock_guard lock(mutex_);
      TN_TRY(follow(own_));
      launched = work.execute({team_.get(), own_});
    }
    // Also after a failure: what was launched before it must not go on behind the caller's back.
    Status done = call(kWork, cudaStreamSynchronize, own_);
    return launched ? std::move(done) : std::move(launched);
  }

  Status submit(Work& work, Event& event, void* queue) override {
    auto& cuda_event = static_cast<CudaEvent&>(event);
    Current current(ordinal_);
    TN_TRY(current.status());
    std::lock_guard lock(mutex_);
    const cudaStream_t stream = queue ? stream_of(queue) : own_;
    if (queue) {
      cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
      TN_TRY(call("cudaStreamIsCapturing", cudaStreamIsCapturing, stream, &capture));
      // The caller records: nothing runs now, and what will run is the caller's to order and to wait for. A stream that
      // records does not tell its GPU; the launches fail on one of another.
      if (capture == cudaStreamCaptureStatusActive) {
        TN_TRY(work.execute({team_.get(), stream, true}));
        cuda_event.end({});
        return {};
      }
      int ordinal = ordinal_;
      TN_TRY(call("cudaStreamGetDevice", cudaStreamGetDevice, stream, &ordinal));
      if (ordinal != ordinal_)
        return fail(Code::invalid_argument, "the stream that was given is of GPU {}, the work is for GPU {}", ordinal, ordinal_);
    }
    TN_TRY(follow(stream));
    Status launched = work.execute({team_.get(), stream});
    if (Status pending = cuda_event.begin(stream, std::move(launched)); !pending) {
      (void)cudaStreamSynchronize(stream);  // no event tells its end
      return pending;
    }
    last_ = stream == own_ ? nullptr : cuda_event.signal();
    return {};
  }

  Result<std::unique_ptr<Recording>> record(Work& work) override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    TN_TRY(current.status());
    TN_ASSIGN(std::unique_ptr<CudaRecording> recording,
              capture([&] { return work.execute({team_.get(), recorder_}); }));
    TN_TRY(call("cudaGraphUpload", cudaGraphUpload, recording->graph(), own_));
    return std::unique_ptr<Recording>(std::move(recording));
  }

  Status replay(Recording& recording, const Lane& lane) override {
    return call("cudaGraphLaunch", cudaGraphLaunch, static_cast<CudaRecording&>(recording).graph(), stream_of(lane.queue));
  }

  // Of several executions the first is launched by itself: it loads what is loaded lazily. The others are recorded, with
  // events between groups of them, for an event takes time itself.
  Result<std::vector<double>> measure(Work& work, int runs, bool together) override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    TN_TRY(current.status());
    TN_TRY(follow(own_));
    std::vector<double> out;
    if (!together) {
      TN_TRY(measure_launched(work, runs, out));
      return out;
    }
    if (runs > 1) TN_TRY(measure_launched(work, 1, out));
    const int left = runs - static_cast<int>(out.size());
    if (left < 1) return out;
    const int groups = std::clamp(left / kGroup, 1, kMostGroups);
    std::vector<std::shared_ptr<Signal>> marks;
    for (int i = 0; i <= groups; ++i) {
      TN_ASSIGN(std::shared_ptr<Signal> mark, Signal::create(ordinal_, cudaEventDefault));
      marks.push_back(std::move(mark));
    }
    auto end_of = [&](int group) { return left * (group + 1) / groups; };
    Result<std::unique_ptr<CudaRecording>> recording = capture([&]() -> Status {
      TN_TRY(mark_recorded(*marks[0]));
      for (int group = 0, done = 0; group < groups; ++group) {
        for (; done < end_of(group); ++done) TN_TRY(work.execute({team_.get(), recorder_}));
        TN_TRY(mark_recorded(*marks[static_cast<size_t>(group) + 1]));
      }
      return {};
    });
    if (!recording) {  // work that cannot be recorded
      TN_TRY(measure_launched(work, left, out));
      return out;
    }
    TN_TRY(call("cudaGraphUpload", cudaGraphUpload, (*recording)->graph(), own_));
    TN_TRY(call("cudaGraphLaunch", cudaGraphLaunch, (*recording)->graph(), own_));
    TN_TRY(call(kWork, cudaStreamSynchronize, own_));
    for (int group = 0, done = 0; group < groups; ++group) {
      TN_ASSIGN(const double time, between(*marks[static_cast<size_t>(group)], *marks[static_cast<size_t>(group) + 1]));
      const int count = end_of(group) - done;
      out.insert(out.end(), static_cast<size_t>(count), time / count);
      done += count;
    }
    return out;
  }

  Status drain(const Lane& lane) override {
    if (lane.captured) return fail(Code::unsupported, "a run that finds sizes cannot be recorded");
    return call("cudaStreamSynchronize", cudaStreamSynchronize, stream_of(lane.queue));
  }

  Status call_host(const Lane& lane, void (*function)(void* argument), void* argument) override {
    return call("cudaLaunchHostFunc", cudaLaunchHostFunc, stream_of(lane.queue), function, argument);
  }

 private:
  static constexpr int kGroup = 4;       // executions between two events, at least, where there are as many
  static constexpr int kMostGroups = 5;

  // Makes `next`, a stream that work is to be put into, wait for the work before it.
  Status follow(cudaStream_t next) {
    unsigned long long id = 0;
    if (next != own_) TN_TRY(call("cudaStreamGetId", cudaStreamGetId, next, &id));
    if (id == last_id_) return {};
    if (last_id_ == 0) {
      TN_TRY(order_->record(own_));
      TN_TRY(call("cudaStreamWaitEvent", cudaStreamWaitEvent, next, order_->get(), cudaEventWaitDefault));
    } else if (last_) {
      TN_TRY(call("cudaStreamWaitEvent", cudaStreamWaitEvent, next, last_->get(), cudaEventWaitDefault));
    }
    last_id_ = id;
    last_ = nullptr;
    return {};
  }

  // What `launches` puts into recorder_. Nothing is executed. Threads that record beside this one, and calls of theirs
  // that a recording does not allow, are not disturbed.
  template <class F>
  Result<std::unique_ptr<CudaRecording>> capture(F&& launches) {
    TN_TRY(call("cudaStreamBeginCapture", cudaStreamBeginCapture, recorder_, cudaStreamCaptureModeThreadLocal));
    Status status = launches();
    cudaGraph_t graph = nullptr;
    Status ended = check(cudaStreamEndCapture(recorder_, &graph), "cudaStreamEndCapture");  // made also when it must fail
    if (status) status = std::move(ended);
    cudaGraphExec_t executable = nullptr;
    if (status) status = call("cudaGraphInstantiate", cudaGraphInstantiate, &executable, graph, 0ull);
    if (graph) (void)cudaGraphDestroy(graph);
    if (!status) return tl::unexpected<Error>(std::move(status.error()));
    return std::make_unique<CudaRecording>(ordinal_, executable);
  }

  Status mark_recorded(Signal& mark) {
    return call("cudaEventRecordWithFlags", cudaEventRecordWithFlags, mark.get(), recorder_,
                static_cast<unsigned>(cudaEventRecordExternal));
  }

  static Result<double> between(const Signal& begin, const Signal& end) {
    float milliseconds = 0;
    TN_TRY(call("cudaEventElapsedTime", cudaEventElapsedTime, &milliseconds, begin.get(), end.get()));
    return 1e3 * static_cast<double>(milliseconds);
  }

  Status measure_launched(Work& work, int runs, std::vector<double>& out) {
    TN_ASSIGN(std::shared_ptr<Signal> begin, Signal::create(ordinal_, cudaEventDefault));
    TN_ASSIGN(std::shared_ptr<Signal> end, Signal::create(ordinal_, cudaEventDefault));
    for (int i = 0; i < runs; ++i) {
      TN_TRY(begin->record(own_));
      Status launched = work.execute({team_.get(), own_});
      Status marked = end->record(own_);
      TN_TRY(call(kWork, cudaStreamSynchronize, own_));
      TN_TRY(std::move(launched));
      TN_TRY(std::move(marked));
      TN_ASSIGN(const double time, between(*begin, *end));
      out.push_back(time);
    }
    return {};
  }

  const LiveStream live_;
  const int ordinal_;
  const std::unique_ptr<Team> team_;  // of one: it has no state that callers could share
  cudaStream_t own_ = nullptr;
  cudaStream_t recorder_ = nullptr;   // captures; nothing runs there
  std::mutex mutex_;                  // one piece of work is queued at a time
  std::shared_ptr<Signal> order_;     // where own_ is left for another queue
  unsigned long long last_id_ = 0;    // of the queue that the last work went to, as CUDA numbers it; 0: own_
  std::shared_ptr<Signal> last_;      // its end, in a queue of the caller's
};

}  // namespace

void count_streams(std::atomic<int64_t>* counter) { live_streams = counter; }

Result<std::unique_ptr<Stream>> create_cuda_stream(int ordinal) {
  Current current(ordinal);
  TN_TRY(current.status());
  TN_ASSIGN(std::unique_ptr<Team> team, Team::create(1));
  auto stream = std::make_unique<CudaStream>(ordinal, std::move(team));
  TN_TRY(stream->init());
  return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace tenon::cuda
