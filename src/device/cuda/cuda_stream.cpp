// Streams and events of a GPU, recordings as CUDA graphs.
#include <mutex>

#include "base/live_count.h"
#include "cuda/session.h"
#include "device/cuda/cuda_device.h"

namespace tenon::cuda {
namespace {

cudaStream_t stream_of(void* queue) { return static_cast<cudaStream_t>(queue); }

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(int ordinal, cudaEvent_t event) : ordinal_(ordinal), event_(event) {}
  ~CudaEvent() override {
    Current current(ordinal_);
    cudaEventDestroy(event_);
  }

  Status wait() override {
    if (!pending_) return result_;
    Current current(ordinal_);
    result_ = check(cudaEventSynchronize(event_), "the work on the GPU failed");
    pending_ = false;
    return result_;
  }

  bool done() const override {
    if (!pending_) return true;
    Current current(ordinal_);
    const cudaError_t code = cudaEventQuery(event_);
    if (code == cudaErrorNotReady) (void)cudaGetLastError();
    return code != cudaErrorNotReady;
  }

  Status record(cudaStream_t stream) {
    TN_TRY(check(cudaEventRecord(event_, stream), "cudaEventRecord"));
    pending_ = true;
    return {};
  }

 private:
  const int ordinal_;
  cudaEvent_t event_;
  bool pending_ = false;
  Status result_;
};

class CudaRecording final : public Recording {
 public:
  CudaRecording(int ordinal, cudaGraphExec_t graph) : ordinal_(ordinal), graph_(graph) {}
  ~CudaRecording() override {
    Current current(ordinal_);
    cudaGraphExecDestroy(graph_);
  }
  cudaGraphExec_t graph() const { return graph_; }

 private:
  const int ordinal_;
  cudaGraphExec_t graph_;
};

class CudaStream final : public Stream {
 public:
  CudaStream(int ordinal, cudaStream_t stream, std::unique_ptr<Team> team)
      : ordinal_(ordinal), stream_(stream), team_(std::move(team)) {}

  ~CudaStream() override {
    Current current(ordinal_);
    cudaStreamSynchronize(stream_);
    for (cudaEvent_t event : timing_) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }

  int threads() const override { return 1; }

  Result<std::unique_ptr<Event>> create_event() override {
    Current current(ordinal_);
    cudaEvent_t event = nullptr;
    TN_TRY(check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags"));
    return std::make_unique<CudaEvent>(ordinal_, event);
  }

  Status run(Work& work) override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    Status status = work.execute({team_.get(), stream_});
    // Also after a failure: what was launched before it must not go on behind the caller's back.
    Status done = check(cudaStreamSynchronize(stream_), "the work on the GPU failed");
    return status ? std::move(done) : std::move(status);
  }

  Status submit(Work& work, Event& event, void* queue) override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    cudaStream_t stream = queue ? stream_of(queue) : stream_;
    if (Status status = work.execute({team_.get(), stream}); !status) {
      cudaStreamSynchronize(stream);
      return status;
    }
    return static_cast<CudaEvent&>(event).record(stream);
  }

  Result<std::unique_ptr<Recording>> record(Work& work) override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    TN_ASSIGN(cudaGraphExec_t graph, capture(work, 1));
    return std::make_unique<CudaRecording>(ordinal_, graph);
  }

  Status replay(Recording& recording, const Lane& lane) override {
    return check(cudaGraphLaunch(static_cast<CudaRecording&>(recording).graph(), stream_of(lane.queue)),
                 "cudaGraphLaunch");
  }

  Result<std::vector<double>> measure(Work& work, int runs) override {
    std::lock_guard lock(mutex_);
    Current current(ordinal_);
    const Lane lane{team_.get(), stream_};
    // The first execution loads what is loaded lazily, which a capture does not allow.
    TN_TRY(work.execute(lane));
    TN_TRY(check(cudaStreamSynchronize(stream_), "the work on the GPU failed"));
    TN_TRY(make_timing_events());
    std::vector<double> out;
    Result<cudaGraphExec_t> graph = capture(work, kInGraph);
    for (int done = 0; done < runs; ++done) {
      TN_TRY(check(cudaEventRecord(timing_[0], stream_), "cudaEventRecord"));
      if (graph) TN_TRY(check(cudaGraphLaunch(*graph, stream_), "cudaGraphLaunch"));
      else TN_TRY(work.execute(lane));
      TN_TRY(check(cudaEventRecord(timing_[1], stream_), "cudaEventRecord"));
      TN_TRY(check(cudaStreamSynchronize(stream_), "the work on the GPU failed"));
      float milliseconds = 0;
      TN_TRY(check(cudaEventElapsedTime(&milliseconds, timing_[0], timing_[1]), "cudaEventElapsedTime"));
      out.push_back(1e3 * milliseconds / (graph ? kInGraph : 1));
      if (graph) done += kInGraph - 1;
    }
    if (graph) cudaGraphExecDestroy(*graph);
    return out;
  }

  Status call_host(const Lane& lane, void (*function)(void* argument), void* argument) override {
    return check(cudaLaunchHostFunc(stream_of(lane.queue), function, argument), "cudaLaunchHostFunc");
  }

 private:
  static constexpr int kInGraph = 5;  // executions that are timed together: an event's own resolution is 0.5 µs

  Result<cudaGraphExec_t> capture(Work& work, int times) {
    TN_TRY(check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture"));
    Status status;
    for (int i = 0; i < times && status; ++i) status = work.execute({team_.get(), stream_});
    cudaGraph_t graph = nullptr;
    Status ended = check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
    cudaGraphExec_t out = nullptr;
    if (status && ended) status = check(cudaGraphInstantiate(&out, graph, 0), "cudaGraphInstantiate");
    if (graph) cudaGraphDestroy(graph);
    if (!status) return tl::unexpected<Error>(std::move(status.error()));
    if (!ended) return tl::unexpected<Error>(std::move(ended.error()));
    return out;
  }

  Status make_timing_events() {
    for (cudaEvent_t& event : timing_)
      if (!event) TN_TRY(check(cudaEventCreate(&event), "cudaEventCreate"));
    return {};
  }

  Live<LiveType::stream> live_;
  const int ordinal_;
  cudaStream_t stream_;
  std::unique_ptr<Team> team_;
  std::mutex mutex_;
  cudaEvent_t timing_[2] = {};
};

}  // namespace

Result<std::unique_ptr<Stream>> create_cuda_stream(int ordinal) {
  Current current(ordinal);
  TN_ASSIGN(std::unique_ptr<Team> team, Team::create(1));
  cudaStream_t stream = nullptr;
  TN_TRY(check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"));
  return std::make_unique<CudaStream>(ordinal, stream, std::move(team));
}

}  // namespace tenon::cuda
