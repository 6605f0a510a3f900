// What it costs the host to enqueue a recorded run, against one cudaGraphLaunch of the same work: through the public API
// and the CUDA runtime alone, buffers in memory of the GPU, work on streams of this program.
//
//   gpu_enqueue [--batches=N] [--pending=N] PLAN…
//
// PLAN: of `tenon build … --device cuda`; runs at the first profile's opt shapes. A batch enqueues one run of each of
// --pending contexts (4), all in one stream, and only that is timed; then the stream is waited for. The graph is what this
// program's capture of a fresh context's enqueue gave; each context has its own. Batches of the two take turns, the
// medians of --batches (400) are compared. "rotating": three sets of buffers in turn, the calls that set them timed too.
//
// Passes when every timed run was a replay, none was recorded anew, and all ways give the same bytes. One JSON line a plan.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tenon/tenon.hpp"

namespace {

constexpr int kSets = 3;

struct Options {
  int batches = 400, pending = 4;
  std::vector<std::string> plans;
};

void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(code));
}
#define CUDA(function, ...) check(function(__VA_ARGS__), #function)

struct FreeMemory {
  void operator()(void* data) const { (void)cudaFree(data); }
};
using Memory = std::unique_ptr<void, FreeMemory>;

Memory allocate(size_t bytes) {
  void* data = nullptr;
  CUDA(cudaMalloc, &data, std::max<size_t>(bytes, 1));
  return Memory(data);
}

struct Stream {
  Stream() { CUDA(cudaStreamCreateWithFlags, &stream, cudaStreamNonBlocking); }
  ~Stream() { (void)cudaStreamDestroy(stream); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  void wait() { CUDA(cudaStreamSynchronize, stream); }
  cudaStream_t stream = nullptr;
};

struct DestroyGraph {
  void operator()(cudaGraphExec_t graph) const { (void)cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, DestroyGraph>;

struct Tensor {
  std::string name;
  bool is_input = false;
  tenon::DataType type{};
  tenon::Dims dims;
  size_t bytes = 0;
};

double microseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

// Floats in [-1, 1), whole numbers and booleans 1: every table has a second row, and no mask is empty.
std::vector<unsigned char> values_of(const Tensor& tensor) {
  std::vector<unsigned char> out(tensor.bytes);
  const size_t size = tenon::size_of(tensor.type);
  std::mt19937 generator(7);
  for (size_t at = 0; at + size <= out.size() && size > 0; at += size) {
    if (tensor.type == tenon::DataType::float32) {
      const float value = static_cast<float>(generator()) * 0x1p-31f - 1.0f;
      std::memcpy(&out[at], &value, size);
    } else {
      out[at] = 1;  // little-endian; the least positive number where the type is of another float
    }
  }
  return out;
}

// A plan with everything that its measurements share.
class Subject {
 public:
  explicit Subject(const std::string& path) : plan_(tenon::Blob::from_file(path)), engine_(tenon::Runtime(), plan_) {
    for (size_t i = 0; i < engine_.tensor_count(); ++i) {
      if (engine_.tensor_location(i) != tenon::TensorLocation::device)
        throw std::runtime_error("the plan is not of a GPU: '" + engine_.tensor_name(i) + "' lies in memory of the host");
      Tensor tensor;
      tensor.name = engine_.tensor_name(i);
      tensor.is_input = engine_.tensor_mode(i) == tenon::IoMode::input;
      tensor.type = engine_.tensor_data_type(i);
      tensors_.push_back(std::move(tensor));
    }
    tenon::ExecutionContext context(engine_);
    set_shapes(context);
    for (Tensor& tensor : tensors_) {
      tensor.dims = context.shape(tensor.name);
      tensor.bytes = tenon::size_of(tensor.type);
      for (const int64_t dim : tensor.dims) tensor.bytes *= static_cast<size_t>(dim);
    }
    for (Buffers& set : sets_)
      for (const Tensor& tensor : tensors_) {
        set.push_back(allocate(tensor.bytes));
        if (!tensor.is_input || tensor.bytes == 0) continue;
        const std::vector<unsigned char> values = values_of(tensor);
        CUDA(cudaMemcpy, set.back().get(), values.data(), values.size(), cudaMemcpyHostToDevice);
      }
    CUDA(cudaDeviceSynchronize);
  }

  std::unique_ptr<tenon::ExecutionContext> context() const {
    auto out = std::make_unique<tenon::ExecutionContext>(engine_);
    set_shapes(*out);
    bind(*out, 0);
    out->prepare();
    return out;
  }

  void bind(tenon::ExecutionContext& context, int set) const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const Tensor& tensor = tensors_[i];
      void* data = tensor.bytes ? sets_[set][i].get() : nullptr;
      tenon::check(tn_execution_context_set_buffer(context.get(), tensor.name.c_str(), data, tensor.bytes));
    }
  }

  // Everything that is written, overwritten.
  void poison() const {
    for (const Buffers& set : sets_)
      for (size_t i = 0; i < tensors_.size(); ++i)
        if (!tensors_[i].is_input && tensors_[i].bytes) CUDA(cudaMemset, set[i].get(), 0xA5, tensors_[i].bytes);
    CUDA(cudaDeviceSynchronize);
  }

  std::vector<unsigned char> outputs(int set) const {
    std::vector<unsigned char> out;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].is_input || !tensors_[i].bytes) continue;
      out.resize(out.size() + tensors_[i].bytes);
      CUDA(cudaMemcpy, out.data() + out.size() - tensors_[i].bytes, sets_[set][i].get(), tensors_[i].bytes,
           cudaMemcpyDeviceToHost);
    }
    return out;
  }

  size_t layer_count() const { return engine_.layer_count(); }
  size_t tensor_count() const { return tensors_.size(); }

 private:
  using Buffers = std::vector<Memory>;  // by tensor

  void set_shapes(tenon::ExecutionContext& context) const {
    for (const Tensor& tensor : tensors_)
      if (tensor.is_input)
        context.set_input_shape(tensor.name, engine_.profile_shape(0, tensor.name, tenon::ShapeSelector::opt));
  }

  tenon::Blob plan_;
  tenon::Engine engine_;
  std::vector<Tensor> tensors_;
  Buffers sets_[kSets];
};

void enqueue(tenon::ExecutionContext& context, cudaStream_t stream) {
  tenon::check(tn_execution_context_enqueue(context.get(), stream));
}

// What the context puts into a stream that this program captures; `problem` says why there is nothing.
Graph capture(tenon::ExecutionContext& context, Stream& stream, std::string& problem, size_t* nodes = nullptr) {
  CUDA(cudaStreamBeginCapture, stream.stream, cudaStreamCaptureModeRelaxed);
  try {
    context.enqueue(stream.stream);
    context.wait();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  cudaGraph_t graph = nullptr;
  cudaError_t code = cudaStreamEndCapture(stream.stream, &graph);
  if (problem.empty() && code != cudaSuccess) problem = std::string("cudaStreamEndCapture: ") + cudaGetErrorString(code);
  cudaGraphExec_t executable = nullptr;
  if (problem.empty()) {
    if (nodes && cudaGraphGetNodes(graph, nullptr, nodes) != cudaSuccess) *nodes = 0;
    code = cudaGraphInstantiate(&executable, graph, 0);
    if (code != cudaSuccess) problem = std::string("cudaGraphInstantiate: ") + cudaGetErrorString(code);
  }
  if (graph) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
  return Graph(problem.empty() ? executable : nullptr);
}

// One context beside those that run: its runs are replays. `graphs[set]` is the same work as this program captured it from
// `captured[set]`, in whose memory it works.
struct Runner {
  std::unique_ptr<tenon::ExecutionContext> context, captured[kSets];
  Graph graphs[kSets];
};

struct Times {
  double enqueue = 0, launch = 0;  // microseconds of the host a run
};

template <class Enqueue, class Launch>
Times compare(const Options& options, std::vector<Runner>& runners, Stream& stream, Enqueue&& by_tenon, Launch&& by_graph) {
  std::vector<double> tenon_times, graph_times;
  const double count = static_cast<double>(runners.size());
  for (int batch = -options.batches / 10; batch < options.batches; ++batch) {
    auto begin = std::chrono::steady_clock::now();
    for (size_t i = 0; i < runners.size(); ++i) by_tenon(runners[i], batch + static_cast<int>(i));
    const double by_enqueue = microseconds_since(begin) / count;
    for (Runner& runner : runners) runner.context->wait();
    stream.wait();
    begin = std::chrono::steady_clock::now();
    for (size_t i = 0; i < runners.size(); ++i) by_graph(runners[i], batch + static_cast<int>(i));
    const double by_launch = microseconds_since(begin) / count;
    stream.wait();
    if (batch < 0) continue;  // warm-up
    tenon_times.push_back(by_enqueue);
    graph_times.push_back(by_launch);
  }
  return {median_of(tenon_times), median_of(graph_times)};
}

int set_of(int turn) { return (turn % kSets + kSets) % kSets; }

uint64_t recordings(const std::vector<Runner>& runners) {
  uint64_t out = 0;
  for (const Runner& runner : runners) out += runner.context->recording_count();
  return out;
}

void print_row(const std::string& name, const char* what, const Times& times) {
  std::printf("%-34s %-9s %12.2f %12.2f %+12.2f\n", name.c_str(), what, times.enqueue, times.launch, times.enqueue - times.launch);
}

// Empty, or what failed.
std::string measure(const std::string& path, const Options& options) {
  const std::string name = path.substr(path.rfind('/') + 1);
  Subject subject(path);
  Stream stream;
  std::vector<Runner> runners(static_cast<size_t>(options.pending));
  std::string problem, different;
  std::vector<unsigned char> expected;

  // Launched, recorded, replayed: for each set of buffers.
  for (Runner& runner : runners) {
    runner.context = subject.context();
    for (int run = 0; run < 3; ++run)
      for (int set = 0; set < kSets; ++set) {
        subject.poison();
        subject.bind(*runner.context, set);
        runner.context->enqueue(stream.stream);
        runner.context->wait();
        const std::vector<unsigned char> got = subject.outputs(set);
        if (expected.empty()) expected = got;
        if (got != expected && different.empty())
          different = "run " + std::to_string(run) + " with set " + std::to_string(set) + " gives other bytes than the first run";
      }
    for (int set = 0; set < kSets; ++set) {
      subject.bind(*runner.context, set);
      if (runner.context->is_replayed()) continue;
      problem = "cannot be recorded: " + runner.context->replay_refusal();
      std::printf("%-34s %s\n", name.c_str(), problem.c_str());
      std::printf("{\"plan\": %s, \"recorded\": false, \"why\": %s}\n", quoted(name).c_str(), quoted(problem).c_str());
      return problem;
    }
  }

  // The same work in graphs of this program's, in memory of contexts that do nothing else.
  size_t nodes = 0;
  for (Runner& runner : runners)
    for (int set = 0; set < kSets && problem.empty(); ++set) {
      runner.captured[set] = subject.context();
      subject.bind(*runner.captured[set], set);
      Stream captured;
      runner.graphs[set] = capture(*runner.captured[set], captured, problem, &nodes);
      if (!problem.empty()) break;
      subject.poison();
      CUDA(cudaGraphLaunch, runner.graphs[set].get(), stream.stream);
      stream.wait();
      if (subject.outputs(set) != expected && different.empty())
        different = "the captured graph with set " + std::to_string(set) + " gives other bytes than the first run";
    }
  if (!problem.empty()) {
    problem = "an enqueue cannot be captured by its caller: " + problem;
    std::printf("%-34s %s\n", name.c_str(), problem.c_str());
    std::printf("{\"plan\": %s, \"recorded\": true, \"captured\": false, \"why\": %s}\n", quoted(name).c_str(), quoted(problem).c_str());
    return problem;
  }

  const uint64_t before = recordings(runners);
  for (Runner& runner : runners) subject.bind(*runner.context, 0);
  const Times fixed = compare(
      options, runners, stream, [&](Runner& runner, int) { enqueue(*runner.context, stream.stream); },
      [&](Runner& runner, int) { CUDA(cudaGraphLaunch, runner.graphs[0].get(), stream.stream); });
  const Times rotating = compare(
      options, runners, stream,
      [&](Runner& runner, int turn) {
        subject.bind(*runner.context, set_of(turn));
        enqueue(*runner.context, stream.stream);
      },
      [&](Runner& runner, int turn) { CUDA(cudaGraphLaunch, runner.graphs[set_of(turn)].get(), stream.stream); });
  const uint64_t anew = recordings(runners) - before;
  bool replayed = true;
  for (Runner& runner : runners)
    for (int set = 0; set < kSets; ++set) {
      subject.bind(*runner.context, set);
      replayed = replayed && runner.context->is_replayed();
    }

  std::vector<double> gpu;
  for (int i = 0; i < 20; ++i) gpu.push_back(runners[0].context->run_measured());

  // A caller may capture a context that has recorded, too: it warms up first, as a rule.
  std::string late;
  Stream captured;
  Graph of_recorded = capture(*runners[0].context, captured, late);
  if (late.empty()) {
    subject.poison();
    CUDA(cudaGraphLaunch, of_recorded.get(), stream.stream);
    stream.wait();
    if (subject.outputs(kSets - 1) != expected) late = "its graph gives other bytes than the first run";
  }

  print_row(name, "fixed", fixed);
  print_row(name, "rotating", rotating);
  std::printf("%-34s replayed: %s; recordings: %llu before, %llu made while measuring; layers: %zu, nodes: %zu, tensors: %zu; "
              "GPU: %.1f µs\n",
              "", replayed ? "yes" : "NO", static_cast<unsigned long long>(before), static_cast<unsigned long long>(anew),
              subject.layer_count(), nodes, subject.tensor_count(), median_of(gpu));
  std::printf("%-34s captured by its caller after it has recorded: %s\n", "", late.empty() ? "ok" : late.c_str());
  std::printf("{\"plan\": %s, \"recorded\": true, \"captured\": true, \"replayed\": %s, \"recordings_before\": %llu, "
              "\"recordings_anew\": %llu, \"pending\": %d, \"batches\": %d, \"enqueue_us\": %.3f, \"graph_launch_us\": %.3f, "
              "\"rotating_enqueue_us\": %.3f, \"rotating_graph_launch_us\": %.3f, \"gpu_us\": %.2f, \"graph_nodes\": %zu, "
              "\"same_bytes\": %s, \"captured_after_recording\": %s}\n",
              quoted(name).c_str(), replayed ? "true" : "false", static_cast<unsigned long long>(before),
              static_cast<unsigned long long>(anew), options.pending, options.batches, fixed.enqueue, fixed.launch,
              rotating.enqueue, rotating.launch, median_of(gpu), nodes, different.empty() ? "true" : "false",
              quoted(late.empty() ? "ok" : late).c_str());
  if (!different.empty()) return different;
  if (!replayed) return "a timed run was not a replay";
  if (anew != 0) return std::to_string(anew) + " recordings were made while measuring";
  if (!late.empty()) return "captured by its caller after it has recorded: " + late;
  return {};
}

int number_of(const std::string& text, int least) { return std::max(least, std::atoi(text.c_str())); }

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.rfind("--batches=", 0) == 0) {
      options.batches = number_of(arg.substr(10), 10);
    } else if (arg.rfind("--pending=", 0) == 0) {
      options.pending = number_of(arg.substr(10), 1);
    } else if (arg.rfind("--", 0) == 0) {
      std::fprintf(stderr, "unknown option %s; usage: gpu_enqueue [--batches=N] [--pending=N] PLAN...\n", arg.c_str());
      return 2;
    } else {
      options.plans.push_back(arg);
    }
  }
  int gpus = 0;
  if (const cudaError_t code = cudaGetDeviceCount(&gpus); code != cudaSuccess || gpus == 0) {
    for (const std::string& plan : options.plans)
      std::printf("SKIPPED %s: no GPU: %s\n", plan.c_str(), code != cudaSuccess ? cudaGetErrorString(code) : "none is there");
    std::printf("0 passed, 0 failed, %zu skipped\n", options.plans.size());
    return 0;
  }
  std::printf("%-34s %-9s %12s %12s %12s\n", "plan", "buffers", "enqueue µs", "graph µs", "difference");
  int passed = 0;
  std::vector<std::string> failures;
  for (const std::string& plan : options.plans) {
    std::string failure;
    try {
      failure = measure(plan, options);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (failure.empty()) ++passed;
    else failures.push_back(plan + ": " + failure);
    std::fflush(stdout);
  }
  for (const std::string& failure : failures) std::printf("FAILED %s\n", failure.c_str());
  std::printf("%d passed, %zu failed, 0 skipped\n", passed, failures.size());
  return failures.empty() ? 0 : 1;
}
