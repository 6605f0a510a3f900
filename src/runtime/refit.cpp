// Refit: new values of the network's own weights, through the programs that computed the plan's weights from
// them.
#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "plan/verify.h"
#include "runtime/engine_impl.h"
#include "runtime/program.h"

namespace tenon {
namespace {

// One refit program, on the host.
class ProgramWork final : public Work {
 public:
  ProgramWork(const EngineImpl& engine, const plan::RefitProgram& program,
              std::span<const std::byte* const> sources, std::byte* weights)
      : engine_(engine), program_(program), sources_(sources) {
    for (uint32_t w : program.weights) outputs_.push_back(weights + engine.plan().weights[w].offset);
    for (const plan::Weight& w : engine.plan().weights) literals_.push_back(weights + w.offset);
  }

  Status execute(const Lane& lane) override {
    return run_refit_program(engine_.plan(), program_, sources_, outputs_, literals_,
                             *engine_.options().kernels, engine_.allocator(), *lane.team);
  }

 private:
  const EngineImpl& engine_;
  const plan::RefitProgram& program_;
  std::span<const std::byte* const> sources_;
  std::vector<std::byte*> outputs_;
  std::vector<const std::byte*> literals_;
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

}  // namespace

// Adds the sources that programs need besides those set, until none is missing.
void EngineImpl::add_needed(std::vector<bool>& sources) const {
  for (bool grown = true; grown;) {
    grown = false;
    for (const plan::RefitProgram& program : plan_.programs) {
      auto is_set = [&](uint32_t s) { return sources[s]; };
      if (std::ranges::none_of(program.sources, is_set) || std::ranges::all_of(program.sources, is_set))
        continue;
      for (uint32_t s : program.sources) sources[s] = true;
      grown = true;
    }
  }
}

std::vector<std::string> EngineImpl::missing(std::span<const std::string> set) const {
  std::vector<bool> given(plan_.sources.size());
  for (size_t i = 0; i < given.size(); ++i)
    given[i] = std::ranges::find(set, plan_.sources[i].name) != set.end();
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
      problems.push_back(
          fmt::format("'{}' must keep its value: {}; build a new plan to change it", pin.name, pin.reason));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < given.size(); ++i)
    if (given[i]) names.push_back(plan_.sources[i].name);
  for (const std::string& name : missing(names))
    problems.push_back(fmt::format("'{}' must be set too: it is combined with a weight that is set", name));
  if (problems.empty()) return given;
  return tl::unexpected<Error>(Error{Code::invalid_argument,
                                     fmt::format("the refit has {} problem{}; nothing was changed",
                                                 problems.size(), problems.size() == 1 ? "" : "s"),
                                     std::move(problems)});
}

Status EngineImpl::run_program(size_t index, const Given& given, std::byte* weights) {
  const plan::RefitProgram& program = plan_.programs[index];
  std::vector<const std::byte*> sources;
  for (uint32_t s : program.sources) sources.push_back(given[s]->bytes.data());
  ProgramWork work(*this, program, sources, weights);
  return host_stream_->run(work);
}

Status EngineImpl::refit(std::span<const NewWeight> new_weights) {
  TN_ASSIGN(Given given, check_refit(new_weights));
  std::lock_guard lock(refit_mutex_);
  // The second copy: on the host the weights that will be in force, else what is copied to the device at the end.
  std::shared_ptr<const Weights> old = this->weights();
  std::shared_ptr<Weights> weights;
  Block staging;
  if (on_host()) {
    TN_ASSIGN(weights, make_weights({old->memory.data(), old->memory.bytes()}));
  } else {
    TN_ASSIGN(staging, weight_bytes(*old));
  }
  std::byte* bytes = on_host() ? weights->memory.data() : staging.data();
  std::vector<uint64_t> hashes = old->hashes;
  for (size_t i = 0; i < plan_.programs.size(); ++i) {
    const plan::RefitProgram& program = plan_.programs[i];
    if (!given[program.sources[0]]) continue;  // all of a program's sources are given, or none
    if (Status status = run_program(i, given, bytes); !status)
      return trail(std::move(status.error()), "when computing weights from '{}'; nothing was changed",
                   plan_.sources[program.sources[0]].name);
    for (uint32_t w : program.weights)
      hashes[w] = hash_bytes(bytes + plan_.weights[w].offset, plan_.weights[w].bytes);
  }
  if (!on_host()) {
    TN_ASSIGN(weights, make_weights({staging.data(), staging.bytes()}));
  }
  weights->hashes = std::move(hashes);
  std::lock_guard swap(weights_mutex_);
  weights_ = std::move(weights);
  weights_version_.fetch_add(1, std::memory_order_release);
  return {};
}

}  // namespace tenon
