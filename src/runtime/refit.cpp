// Refit: new values of the network's own weights, through the programs that computed the plan's weights from them.
#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "plan/verify.h"
#include "runtime/engine_impl.h"

namespace tenon {
namespace {

// The launches of one refit program, on the engine's stream.
class ProgramWork final : public Work {
 public:
  ProgramWork(const plan::Plan& plan, const plan::Region& region, PreparedRegion& prepared)
      : plan_(plan), region_(region), prepared_(prepared) {}

  Status execute(Team& team) override {
    for (size_t i = 0; i < prepared_.launches.size(); ++i) {
      PreparedRegion::Launch& launch = prepared_.launches[i];
      launch.call.team = &team;
      if (Status status = launch.kernel->launch(launch.call); !status)
        return trail(std::move(status.error()), "{}", step_text(plan_, region_.steps[i]));
    }
    return {};
  }

 private:
  const plan::Plan& plan_;
  const plan::Region& region_;
  PreparedRegion& prepared_;
};

int64_t bytes_of(DType dtype, std::span<const int64_t> dims) {
  return plan::storage_bytes(dtype, kLinear, dims).value_or(-1);
}

std::string type_text(DType dtype, std::span<const int64_t> dims) {
  std::string out(name_of(dtype));
  out += '[';
  for (size_t i = 0; i < dims.size(); ++i) out += (i ? "," : "") + std::to_string(dims[i]);
  return out + ']';
}

// Sources at addresses that kernels may take: the caller's own where it is aligned, else a copy.
class SourceMemory {
 public:
  Result<void*> place(const Engine::NewWeight& weight, Allocator& allocator) {
    auto* data = const_cast<std::byte*>(weight.bytes.data());
    if (reinterpret_cast<uintptr_t>(data) % size_of(weight.dtype) == 0) return data;
    TN_ASSIGN(Block copy, Block::allocate(allocator, weight.bytes.size(), "a copy of a weight"));
    std::memcpy(copy.data(), data, weight.bytes.size());
    copies_.push_back(std::move(copy));
    return copies_.back().data();
  }

 private:
  std::vector<Block> copies_;
};

}  // namespace

// Adds the sources that programs need besides those set, until none is missing.
void EngineImpl::add_needed(std::vector<bool>& sources) const {
  for (bool grown = true; grown;) {
    grown = false;
    for (const plan::RefitProgram& program : plan_.programs) {
      auto is_set = [&](uint32_t s) { return sources[s]; };
      if (std::ranges::none_of(program.sources, is_set) || std::ranges::all_of(program.sources, is_set)) continue;
      for (uint32_t s : program.sources) sources[s] = true;
      grown = true;
    }
  }
}

std::vector<std::string> EngineImpl::missing(std::span<const std::string> set) const {
  std::vector<bool> given(plan_.sources.size());
  for (size_t i = 0; i < given.size(); ++i) given[i] = std::ranges::find(set, plan_.sources[i].name) != set.end();
  std::vector<bool> needed = given;
  add_needed(needed);
  std::vector<std::string> out;
  for (size_t i = 0; i < given.size(); ++i)
    if (needed[i] && !given[i]) out.push_back(plan_.sources[i].name);
  return out;
}

// Every problem at once: a caller who sets a hundred weights wants one list.
Result<EngineImpl::Given> EngineImpl::check_refit(std::span<const NewWeight> weights) const {
  std::vector<std::string> problems;
  Given given(plan_.sources.size());
  std::unordered_map<std::string_view, size_t> index;
  for (size_t i = 0; i < plan_.sources.size(); ++i) index.emplace(plan_.sources[i].name, i);
  for (const NewWeight& w : weights) {
    auto it = index.find(w.name);
    if (it == index.end()) {
      problems.push_back(fmt::format("'{}' is no weight that this engine can refit", w.name));
      continue;
    }
    const plan::RefitSource& source = plan_.sources[it->second];
    if (given[it->second]) problems.push_back(fmt::format("'{}' is given twice", w.name));
    if (w.dtype != source.dtype || w.dims != source.dims)
      problems.push_back(fmt::format("'{}' is given as {}, expected {}", w.name, type_text(w.dtype, w.dims),
                                     type_text(source.dtype, source.dims)));
    else if (static_cast<int64_t>(w.bytes.size()) != bytes_of(w.dtype, w.dims))
      problems.push_back(fmt::format("'{}' is given with {} bytes, expected {}", w.name, w.bytes.size(),
                                     bytes_of(w.dtype, w.dims)));
    given[it->second] = &w;
  }
  for (const plan::Pin& pin : plan_.pins) {
    const NewWeight* w = given[index.at(pin.name)];
    if (w && !std::ranges::equal(w->bytes, pin.value))
      problems.push_back(fmt::format("'{}' must keep its value: {}; build a new plan to change it", pin.name, pin.reason));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < given.size(); ++i)
    if (given[i]) names.push_back(plan_.sources[i].name);
  for (const std::string& name : missing(names))
    problems.push_back(fmt::format("'{}' must be set too: it is combined with a weight that is set", name));
  if (problems.empty()) return given;
  return tl::unexpected<Error>(Error{Code::invalid_argument,
                                     fmt::format("the refit has {} problem{}; nothing was changed", problems.size(),
                                                 problems.size() == 1 ? "" : "s"),
                                     std::move(problems)});
}

Result<std::shared_ptr<Weights>> EngineImpl::clone_weights() const {
  std::shared_ptr<const Weights> old = weights();
  auto copy = std::make_shared<Weights>();
  TN_ASSIGN(copy->memory, device_->allocate(allocator(), old->memory.bytes(), "the second copy of the weights"));
  if (old->memory.bytes()) std::memcpy(copy->memory.data(), old->memory.data(), old->memory.bytes());
  for (const plan::Weight& w : plan_.weights) copy->addresses.push_back(copy->memory.data() + w.offset);
  copy->hashes = old->hashes;
  return copy;
}

Status EngineImpl::run_program(size_t index, const Given& given, Weights& weights) {
  const plan::RefitProgram& program = plan_.programs[index];
  SourceMemory memory;
  std::vector<void*> inputs, outputs;
  std::vector<int64_t> input_bytes, output_bytes;
  for (uint32_t s : program.sources) {
    TN_ASSIGN(void* data, memory.place(*given[s], allocator()));
    inputs.push_back(data);
    input_bytes.push_back(static_cast<int64_t>(given[s]->bytes.size()));
  }
  for (uint32_t w : program.weights) {
    outputs.push_back(weights.addresses[w]);
    output_bytes.push_back(static_cast<int64_t>(plan_.weights[w].bytes));
  }
  if (program.region.steps.empty()) {
    if (input_bytes[0]) std::memcpy(outputs[0], inputs[0], static_cast<size_t>(input_bytes[0]));
    return {};
  }
  DimValues dims(plan_, std::vector<std::optional<int64_t>>(plan_.symbols.size()));
  PrepareOptions options = {stream_->threads(), options_.limits, input_bytes, output_bytes, nullptr};
  TN_ASSIGN(auto prepared, prepare_region(plan_, program.region, program_kernels_[index], dims, options));
  TN_ASSIGN(Block arena, device_->allocate(allocator(), program.region.arena_bytes, "the arena of a refit"));
  TN_ASSIGN(Block scratch, device_->allocate(allocator(), prepared->scratch_bytes, "the scratch of a refit"));
  prepared->bind({arena.data(), scratch.data(), weights.addresses, inputs, outputs});
  ProgramWork work(plan_, program.region, *prepared);
  return stream_->run(work);
}

Status EngineImpl::refit(std::span<const NewWeight> new_weights) {
  TN_ASSIGN(Given given, check_refit(new_weights));
  std::lock_guard lock(refit_mutex_);
  TN_ASSIGN(std::shared_ptr<Weights> weights, clone_weights());
  for (size_t i = 0; i < plan_.programs.size(); ++i) {
    const plan::RefitProgram& program = plan_.programs[i];
    if (!given[program.sources[0]]) continue;  // all of a program's sources are given, or none
    if (Status status = run_program(i, given, *weights); !status)
      return trail(std::move(status.error()), "when computing weights from '{}'; nothing was changed",
                   plan_.sources[program.sources[0]].name);
    for (uint32_t w : program.weights)
      weights->hashes[w] = hash_bytes(weights->addresses[w], plan_.weights[w].bytes);
  }
  std::lock_guard swap(weights_mutex_);
  weights_ = std::move(weights);
  weights_version_.fetch_add(1, std::memory_order_release);
  return {};
}

}  // namespace tenon
