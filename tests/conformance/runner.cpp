// The runner of C++: docs/conformance.md.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <tenon/tenon.hpp>
#include <thread>
#include <variant>
#include <vector>

#include "json.h"

namespace {

using Inputs = std::vector<std::pair<std::string, tenon::TensorView>>;

// The exception of this program's own callbacks; its address tells whether the very one comes back.
struct Own : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Heard {
  int count = 0;
  bool good = true;
  double last = 0;
};

struct Counted {
  std::atomic<std::int64_t> calls{0}, blocks{0}, bytes{0};
};

struct Config {
  tenon::BuilderConfig config;
  std::shared_ptr<Heard> heard;
};

struct Allocating {
  tenon::Allocator allocator;
  std::shared_ptr<Counted> counted;
};

// A context, what its engine says, and the buffers of its `buffer` steps.
struct Held {
  std::vector<std::vector<unsigned char>> buffers;
  std::map<std::string, tenon::DataType> types;
  std::vector<std::string> kernels;
  tenon::ExecutionContext context;
};

using Object =
    std::variant<tenon::Network, Config, tenon::Blob, tenon::TimingCache, tenon::Engine, Allocating, Held>;

std::map<std::string, Object> objects;
std::vector<std::string> logged;
const json* step = nullptr;

bool has(const char* key) { return json_field(step, key) != nullptr; }
std::string text(const char* key, const char* otherwise = "") {
  return has(key) ? json_field(step, key)->text : otherwise;
}
double number(const char* key) { return has(key) ? json_field(step, key)->number : 0; }
const char* yes(bool good) { return good ? "yes" : "no"; }

template <class T>
T& named(const char* key) {
  auto found = objects.find(text(key));
  T* object = found == objects.end() ? nullptr : std::get_if<T>(&found->second);
  if (!object) throw tenon::Error(tenon::ErrorCode::invalid_handle, "");
  return *object;
}

void keep(Object object) { objects.insert_or_assign(text("as"), std::move(object)); }

std::string one_line(std::string_view message) {
  std::string line;
  for (char c : message) line += c == '\n' ? std::string(" / ") : std::string(1, c);
  return line;
}

std::string dims_text(const tenon::Dims& dims) {
  std::string all;
  for (std::int64_t dim : dims) all += (all.empty() ? "" : ",") + std::to_string(dim);
  return "[" + all + "]";
}

tenon::Dims dims_of(const json* from) {
  tenon::Dims dims;
  for (const json* item = from->first; item; item = item->next)
    dims.push_back(static_cast<std::int64_t>(item->number));
  return dims;
}

bool starts(const tenon::Blob& blob) { return blob.size() > 1 && blob.text().front() == '{'; }
bool ends(const tenon::Blob& blob) { return blob.size() > 1 && blob.text().back() == '\n'; }

tenon::Logger new_logger() {
  if (!has("log")) return tenon::Logger(nullptr);
  return tenon::Logger(
      [](tenon::Severity severity, std::string_view message) {
        static const char* const names[] = {"error", "warning", "info", "verbose"};
        logged.push_back(std::string(names[static_cast<int>(severity)]) + " " + one_line(message));
      },
      tenon::Severity::warning);
}

const char* mode_name(tenon::IoMode mode) { return mode == tenon::IoMode::input ? "input" : "output"; }
std::string or_dash(const std::string& name) { return name.empty() ? "-" : name; }

// --- networks and plans
// ---------------------------------------------------------------------------------------------------
tenon::Builder builder_of_step() {
  tenon::Builder own;
  if (has("nodes")) own.set_limit(tenon::Limit::nodes, static_cast<std::int64_t>(number("nodes")));
  own.set_logger(new_logger());
  return own;
}

void do_network(const tenon::Builder& shared) {
  tenon::Builder own(nullptr);
  if (has("nodes") || has("log")) own = builder_of_step();
  const tenon::Builder& builder = own ? own : shared;
  std::string from = text("from", "file"), file = text("file");
  auto read = [&] {
    if (from == "file") return tenon::Network::from_onnx_file(builder, file);
    tenon::Blob blob = tenon::Blob::from_file(file);
    return from == "blob" ? tenon::Network::from_onnx(builder, blob)
                          : tenon::Network::from_onnx(builder, blob.data(), blob.size());
  };
  tenon::Network network = read();
  std::cout << "  network " << or_dash(network.name()) << " nodes " << network.node_count() << "\n";
  for (std::size_t i = 0; i < network.tensor_count(); ++i) {
    std::string shape = "?";
    try {
      tenon::Dims dims = network.tensor_shape(i);
      shape.clear();
      for (std::size_t d = 0; d < dims.size(); ++d) {
        std::string name = network.tensor_dim_name(i, d);
        shape += (d ? "," : "") + (name.empty() ? std::to_string(dims[d]) : name);
      }
      shape = "[" + shape + "]";
    } catch (const tenon::Error& error) {
      if (error.code() != tenon::ErrorCode::unsupported) throw;
    }
    std::cout << "  " << mode_name(network.tensor_mode(i)) << " " << network.tensor_name(i) << " "
              << tenon::name_of(network.tensor_data_type(i)) << " " << shape << "\n";
  }
  keep(std::move(network));
}

void do_config() {
  tenon::BuilderConfig config;
  if (has("threads")) config.set_thread_count(static_cast<std::int32_t>(number("threads")));
  if (has("level")) config.set_optimization_level(static_cast<int>(number("level")));
  if (has("onednn")) config.set_onednn_enabled(number("onednn") != 0);
  if (has("deadline")) config.set_deadline(number("deadline"));
  if (has("tf32")) config.set_precision_allowed(tenon::Precision::tf32, number("tf32") != 0);
  const json* options = has("options") ? json_field(step, "options")->first : nullptr;
  for (const json* option = options; option; option = option->next)
    config.set_option(option->key, option->text);
  if (has("cache")) config.set_timing_cache(named<tenon::TimingCache>("cache"));
  for (const json* shapes = has("profiles") ? json_field(step, "profiles")->first : nullptr; shapes;
       shapes = shapes->next) {
    tenon::OptimizationProfile profile;
    for (const json* input = shapes->first; input; input = input->next)
      profile.set_shape(input->key, dims_of(input->first), dims_of(input->first->next),
                        dims_of(input->first->next->next));
    config.add_profile(profile);
  }
  std::cout << "  threads " << config.thread_count() << " level " << config.optimization_level() << " onednn "
            << yes(config.onednn_enabled()) << " deadline " << config.deadline() << " tf32 "
            << yes(config.precision_allowed(tenon::Precision::tf32)) << " profiles " << config.profile_count()
            << "\n";
  for (const json* option = options; option; option = option->next)
    std::cout << "  option " << option->key << " " << config.option(option->key) << "\n";
  keep(Config{std::move(config), nullptr});
}

void do_progress() {
  Config& config = named<Config>("config");
  std::string mode = text("mode");
  config.heard = nullptr;
  if (mode == "none") {
    config.config.set_progress(nullptr);
  } else if (mode == "cancel") {
    config.config.set_progress([](std::string_view, double) -> bool {
      throw tenon::Error(tenon::ErrorCode::cancelled, "stopped on purpose");
    });
  } else if (mode == "throw") {
    config.config.set_progress([](std::string_view, double) -> bool { throw Own("thrown on purpose"); });
  } else {
    config.heard = std::make_shared<Heard>();
    config.config.set_progress([heard = config.heard](std::string_view phase, double fraction) {
      if (phase.empty() || fraction < heard->last || fraction < 0 || fraction > 1) heard->good = false;
      heard->last = fraction;
      ++heard->count;
      return true;
    });
  }
}

void do_build(const tenon::Builder& shared) {
  tenon::Builder own(nullptr);
  if (has("log")) own = builder_of_step();
  Config& config = named<Config>("config");
  if (config.heard) *config.heard = Heard();
  tenon::Blob report;
  tenon::Blob plan =
      (own ? own : shared)
          .build(named<tenon::Network>("network"), config.config, has("report") ? &report : nullptr);
  if (config.heard) std::cout << "  progress " << yes(config.heard->good && config.heard->count) << "\n";
  if (has("report")) std::cout << "  report " << yes(starts(report)) << "\n";
  keep(std::move(plan));
}

void do_cache() {
  tenon::TimingCache cache;
  if (has("load")) cache.load(named<tenon::Blob>("load"));
  std::cout << "  entries " << yes(cache.size() > 0) << "\n";
  keep(std::move(cache));
}

// --- engines
// ---------------------------------------------------------------------------------------------------------------
void do_allocator() {
  auto counted = std::make_shared<Counted>();
  bool throws = text("mode") == "throw";
  tenon::Allocator allocator(
      [counted, throws](std::size_t size, std::size_t alignment) {
        if (throws) throw Own("no memory on purpose");
        ++counted->calls;
        ++counted->blocks;
        counted->bytes += static_cast<std::int64_t>(size);
        void* memory = nullptr;
        return posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) ? nullptr : memory;
      },
      [counted](void* memory, std::size_t size, std::size_t) {
        --counted->blocks;
        counted->bytes -= static_cast<std::int64_t>(size);
        std::free(memory);
      });
  keep(Allocating{std::move(allocator), counted});
}

void do_engine() {
  tenon::Runtime runtime;
  if (has("threads")) runtime.set_thread_count(static_cast<std::int32_t>(number("threads")));
  if (has("limit")) runtime.set_limit(tenon::Limit::plan_bytes, static_cast<std::int64_t>(number("limit")));
  if (has("allocator")) runtime.set_allocator(named<Allocating>("allocator").allocator);
  runtime.set_logger(new_logger());
  tenon::Engine engine(runtime, named<tenon::Blob>("plan"));
  std::cout << "  engine " << or_dash(engine.name()) << " threads " << engine.thread_count() << " profiles "
            << engine.profile_count() << "\n";
  for (std::size_t i = 0; i < engine.tensor_count(); ++i)
    std::cout << "  " << mode_name(engine.tensor_mode(i)) << " " << engine.tensor_name(i) << " "
              << tenon::name_of(engine.tensor_data_type(i)) << " " << dims_text(engine.tensor_shape(i)) << " "
              << (engine.tensor_format(i) == tenon::TensorFormat::linear ? "linear" : "channels_last") << " "
              << (engine.tensor_location(i) == tenon::TensorLocation::host ? "host" : "device") << "\n";
  for (std::int32_t profile = 0; profile < engine.profile_count(); ++profile)
    for (std::size_t i = 0; i < engine.tensor_count(); ++i) {
      if (engine.tensor_mode(i) != tenon::IoMode::input) continue;
      std::string name = engine.tensor_name(i);
      std::cout << "  profile " << profile << " " << name;
      for (auto selector : {tenon::ShapeSelector::min, tenon::ShapeSelector::opt, tenon::ShapeSelector::max})
        std::cout << " " << dims_text(engine.profile_shape(profile, name, selector));
      std::cout << "\n";
    }
  bool good = engine.layer_count() > 0;
  for (std::size_t i = 0; i < engine.layer_count(); ++i)
    good = good && !engine.layer_name(0, i).empty() && !engine.layer_kernel(0, i).empty();
  std::cout << "  layers " << yes(good) << "\n";
  keep(std::move(engine));
}

void do_inspect() {
  auto make = [] {
    return has("engine") ? tenon::EngineInspector(named<tenon::Engine>("engine"))
                         : tenon::EngineInspector(named<tenon::Blob>("plan"));
  };
  tenon::EngineInspector first = make(), second = make();
  tenon::Blob one = first.information(tenon::DocumentFormat::text),
              other = second.information(tenon::DocumentFormat::text);
  std::cout << "  text " << yes(ends(one)) << "\n  json "
            << yes(starts(first.information(tenon::DocumentFormat::json))) << "\n  same "
            << yes(one.text() == other.text()) << "\n";
}

// --- contexts
// --------------------------------------------------------------------------------------------------------------
struct Given {
  std::vector<tenon::Tensor> tensors;
  Inputs inputs;
};

tenon::Tensor tensor_of(const json* from, tenon::DataType type) {
  tenon::Tensor tensor(type, dims_of(json_field(from, "dims")));
  std::size_t i = 0;
  for (const json* value = json_field(from, "values")->first; value; value = value->next, ++i) {
    if (type == tenon::DataType::int32) {
      tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(value->number);
    } else {
      tensor.as<float>()[i] = static_cast<float>(value->number);
    }
  }
  return tensor;
}

Given given_of(const std::map<std::string, tenon::DataType>& types) {
  Given given;
  const json* inputs = json_field(step, "inputs");
  given.tensors.reserve(json_count(inputs));
  for (const json* input = inputs->first; input; input = input->next) {
    auto type = types.find(input->key);
    given.tensors.push_back(tensor_of(input, type == types.end() ? tenon::DataType::float32 : type->second));
    given.inputs.emplace_back(input->key, given.tensors.back());
  }
  return given;
}

void print_outputs(const tenon::Outputs& outputs) {
  for (const auto& [name, tensor] : outputs) {
    std::cout << "  " << name << " " << tenon::name_of(tensor.data_type()) << " " << dims_text(tensor.dims())
              << ":";
    auto print = [](auto span) {
      for (auto element : span) {
        double value = static_cast<double>(element);
        if (value > -1e15 && value < 1e15 && value == static_cast<double>(static_cast<std::int64_t>(value))) {
          std::cout << " " << static_cast<std::int64_t>(value);
        } else {
          std::cout << " ?";
        }
      }
    };
    if (tensor.data_type() == tenon::DataType::float32) print(tensor.as<float>());
    if (tensor.data_type() == tenon::DataType::int32) print(tensor.as<std::int32_t>());
    if (tensor.data_type() == tenon::DataType::boolean) print(tensor.as<bool>());
    std::cout << "\n";
  }
}

std::map<std::string, tenon::DataType> types_of(const tenon::Engine& engine) {
  std::map<std::string, tenon::DataType> types;
  for (std::size_t i = 0; i < engine.tensor_count(); ++i)
    types[engine.tensor_name(i)] = engine.tensor_data_type(i);
  return types;
}

void do_context() {
  tenon::Engine& engine = named<tenon::Engine>("engine");
  Held held;
  held.context = tenon::ExecutionContext(engine, static_cast<std::int32_t>(number("profile")));
  held.types = types_of(engine);
  for (std::size_t i = 0; i < engine.layer_count(); ++i) held.kernels.push_back(engine.layer_kernel(0, i));
  std::cout << "  profile " << held.context.profile() << "\n";
  keep(std::move(held));
}

void do_run() {
  Held& held = named<Held>("context");
  tenon::ExecutionContext& context = held.context;
  if (!has("inputs")) {
    context.run();
    std::cout << "  ran\n";
    return;
  }
  Given given = given_of(held.types);
  std::string how = text("how", "run");
  tenon::Outputs outputs = context.run_with(given.inputs, [&] {
    if (how == "measured") {
      std::cout << "  microseconds " << yes(context.run_measured() >= 0) << "\n";
    } else if (how == "parts") {
      tenon::ExecutionContext::Parts parts = context.run_in_parts();
      std::cout << "  microseconds " << yes(parts.input >= 0 && parts.enqueue >= 0 && parts.output >= 0)
                << "\n";
    } else if (how == "enqueue") {
      context.enqueue();
      context.wait();
    } else {
      if (how == "prepare") context.prepare();
      context.run();
    }
  });
  print_outputs(outputs);
}

void do_buffer() {
  Held& held = named<Held>("context");
  held.buffers.emplace_back(static_cast<std::size_t>(number("bytes")));
  held.context.set_buffer(text("tensor"), held.buffers.back().data(), held.buffers.back().size());
}

void do_profile() {
  Held& held = named<Held>("context");
  Given given = given_of(held.types);
  bool throws = text("mode") == "throw";
  std::vector<std::string> kernels;
  bool good = true;
  held.context.set_profiler([&](const tenon::LayerTime& layer) {
    if (throws) throw Own("thrown by the profiler");
    good = good && layer.index == kernels.size() && layer.microseconds >= 0;
    kernels.emplace_back(layer.kernel);
  });
  struct Clear {
    tenon::ExecutionContext& context;
    ~Clear() { context.set_profiler(nullptr); }
  } clear{held.context};
  print_outputs(held.context.run(given.inputs));
  std::cout << "  layers " << yes(good && !kernels.empty() && kernels == held.kernels) << "\n";
}

void do_busy() {
  Held& held = named<Held>("context");
  Given given = given_of(held.types);
  std::mutex mutex;
  std::condition_variable changed;
  bool tried = false;
  held.context.set_profiler([&](const tenon::LayerTime&) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return tried; });
  });
  tenon::Outputs outputs = held.context.run_with(given.inputs, [&] {
    held.context.enqueue();
    try {
      held.context.run();
      std::cout << "  not busy\n";
    } catch (const tenon::Error& error) {
      std::cout << "  error " << tenon::name_of(error.code()) << "\n";
    }
    {
      std::lock_guard<std::mutex> lock(mutex);
      tried = true;
    }
    changed.notify_all();
    held.context.wait();
  });
  held.context.set_profiler(nullptr);
  print_outputs(outputs);
}

bool equal(const tenon::Outputs& a, const tenon::Outputs& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.second.size() == right.second.size() &&
           std::memcmp(left.second.data(), right.second.data(), left.second.size()) == 0;
  });
}

void do_threads() {
  tenon::Engine& engine = named<tenon::Engine>("engine");
  Given given = given_of(types_of(engine));
  auto count = static_cast<std::size_t>(number("count"));
  std::vector<tenon::Outputs> firsts(count);
  std::vector<std::exception_ptr> failures(count);
  std::atomic<bool> same{true};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      try {
        tenon::ExecutionContext context(engine);
        firsts[i] = context.run(given.inputs);
        for (int run = 1; run < static_cast<int>(number("runs")); ++run)
          if (!equal(context.run(given.inputs), firsts[i])) same = false;
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  print_outputs(firsts[0]);
  for (const tenon::Outputs& outputs : firsts) same = same && equal(outputs, firsts[0]);
  std::cout << "  equal " << yes(same) << "\n";
}

// --- weights
// -----------------------------------------------------------------------------------------------------------------
void do_weights() {
  tenon::Refitter refitter(named<tenon::Engine>("engine"));
  for (std::size_t i = 0; i < refitter.weight_count(); ++i)
    std::cout << "  weight " << refitter.weight_name(i) << " " << tenon::name_of(refitter.weight_data_type(i))
              << " " << dims_text(refitter.weight_shape(i)) << " "
              << (refitter.pin_reason(i).empty() ? "free" : "pinned") << "\n";
}

void do_refit() {
  tenon::Refitter refitter(named<tenon::Engine>("engine"));
  for (const json* weight = has("weights") ? json_field(step, "weights")->first : nullptr; weight;
       weight = weight->next)
    refitter.set_weight(weight->key, tensor_of(weight, tenon::DataType::float32));
  if (has("network"))
    std::cout << "  set " << refitter.set_weights_from_network(named<tenon::Network>("network")) << "\n";
  for (const std::string& name : refitter.missing()) std::cout << "  missing " << name << "\n";
  refitter.apply();
  std::cout << "  refitted\n";
}

void do_cut() {
  tenon::Blob& whole = named<tenon::Blob>("blob");
  std::string_view part = whole.text().substr(0, static_cast<std::size_t>(number("bytes")));
  tenon::Blob blob = tenon::Blob::take(std::vector<unsigned char>(part.begin(), part.end()));
  std::cout << "  blob " << blob.size() << " bytes\n";
  keep(std::move(blob));
}

std::map<std::string, std::function<void()>> verbs(const tenon::Builder& builder) {
  return {
      {"device",
       [] {
         tenon::Device device(text("name"));
         std::cout << "  " << device.name() << " "
                   << (device.type() == tenon::DeviceType::cpu ? "cpu" : "cuda") << "\n";
       }},
      {"network", [&] { do_network(builder); }},
      {"describe",
       [] {
         tenon::Network& network = named<tenon::Network>("network");
         std::cout << "  text " << yes(ends(network.information(tenon::DocumentFormat::text))) << "\n  json "
                   << yes(starts(network.information(tenon::DocumentFormat::json))) << "\n";
       }},
      {"config", do_config},
      {"progress", do_progress},
      {"build", [&] { do_build(builder); }},
      {"blob",
       [] {
         std::string bytes = text("text");
         keep(tenon::Blob::copy(bytes.data(), bytes.size()));
         std::cout << "  blob " << bytes.size() << " bytes\n";
       }},
      {"save", [] { named<tenon::Blob>("blob").save(text("file")); }},
      {"read", [] { keep(tenon::Blob::from_file(text("file"))); }},
      {"share", [] { keep(named<tenon::Blob>("blob").share()); }},
      {"cut", do_cut},
      {"same",
       [] {
         std::cout << "  " << yes(named<tenon::Blob>("a").text() == named<tenon::Blob>("b").text()) << "\n";
       }},
      {"cache", do_cache},
      {"cache_blob",
       [] {
         tenon::TimingCache& cache = named<tenon::TimingCache>("cache");
         tenon::Blob blob = cache.serialize();
         std::cout << "  entries " << yes(cache.size() > 0) << "\n";
         keep(std::move(blob));
       }},
      {"merge",
       [] {
         tenon::TimingCache& cache = named<tenon::TimingCache>("cache");
         cache.merge(named<tenon::TimingCache>("other"));
         std::cout << "  entries " << yes(cache.size() > 0) << "\n";
       }},
      {"allocator", do_allocator},
      {"balance",
       [] {
         Counted& counted = *named<Allocating>("allocator").counted;
         std::cout << "  allocated " << yes(counted.calls > 0) << "\n  balanced "
                   << yes(counted.blocks == 0 && counted.bytes == 0) << "\n";
       }},
      {"engine", do_engine},
      {"serialize", [] { keep(named<tenon::Engine>("engine").serialize()); }},
      {"inspect", do_inspect},
      {"context", do_context},
      {"set_profile",
       [] {
         tenon::ExecutionContext& context = named<Held>("context").context;
         context.set_profile(static_cast<std::int32_t>(number("profile")));
         std::cout << "  profile " << context.profile() << "\n";
       }},
      {"shape",
       [] {
         named<Held>("context").context.set_input_shape(text("tensor"), dims_of(json_field(step, "dims")));
       }},
      {"get_shape",
       [] {
         tenon::Dims dims = named<Held>("context").context.shape(text("tensor"));
         std::cout << "  " << text("tensor") << " " << dims_text(dims) << "\n";
       }},
      {"buffer", do_buffer},
      {"run", do_run},
      {"wait", [] { named<Held>("context").context.wait(); }},
      {"profile", do_profile},
      {"busy", do_busy},
      {"threads", do_threads},
      {"weights", do_weights},
      {"refit", do_refit},
      {"close",
       [] {
         if (!objects.erase(text("name"))) throw tenon::Error(tenon::ErrorCode::invalid_handle, "");
       }},
      {"live",
       [] {
         std::int64_t count = tenon::live_count(text("type"));
         std::cout << "  " << text("type") << " " << count << "\n";
       }},
  };
}

void run_scenario(const char* path) {
  tenon::Builder builder;
  const auto all = verbs(builder);
  int count = 0;
  for (step = json_read(path)->first; step; step = step->next) {
    std::cout << ++count << " " << text("do") << "\n";
    try {
      all.at(text("do"))();
    } catch (const Own& own) {
      std::cout << "  thrown: " << own.what() << "\n";
    } catch (const tenon::Error& error) {
      std::cout << "  error " << tenon::name_of(error.code());
      if (error.code() != tenon::ErrorCode::invalid_handle && error.code() != tenon::ErrorCode::busy)
        std::cout << ": " << one_line(error.what());
      std::cout << "\n";
    }
    for (const std::string& line : logged) std::cout << "  log " << line << "\n";
    logged.clear();
  }
  objects.clear();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: runner SCENARIO\n";
    return 2;
  }
  run_scenario(argv[1]);
  std::cout << "live " << tenon::live_count("all") << "\n";
  json_free_all();
  return 0;
}
