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

// All programs whose weights are given, and then the hashes of what they wrote, on the host's team.
class EngineImpl::RefitWork final : public Work {
 public:
  RefitWork(const EngineImpl& engine, const Given& given, std::byte* weights, std::vector<uint64_t>& hashes)
      : engine_(engine), given_(given), weights_(weights), hashes_(hashes) {
    for (const plan::Weight& w : plan().weights) literals_.push_back(weights + w.offset);
    for (const plan::RefitProgram& program : plan().programs)
      if (given[program.sources[0]]) {  // all of a program's sources are given, or none
        programs_.push_back(&program);
        written_.insert(written_.end(), program.weights.begin(), program.weights.end());
      }
    std::sort(written_.begin(), written_.end());
  }

  // In order.
  const std::vector<uint32_t>& written() const { return written_; }

  Status execute(const Lane& lane) override {
    for (const plan::RefitProgram* program : programs_)
      if (Status status = run(*program, *lane.team); !status)
        return trail(std::move(status.error()), "when computing weights from '{}'; nothing was changed",
                     plan().sources[program->sources[0]].name);
    lane.team->parallel_for(static_cast<int64_t>(written_.size()), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const plan::Weight& weight = plan().weights[written_[static_cast<size_t>(i)]];
        hashes_[written_[static_cast<size_t>(i)]] = hash_bytes(weights_ + weight.offset, weight.bytes);
      }
    });
    return {};
  }

 private:
  const plan::Plan& plan() const { return engine_.plan(); }

  Status run(const plan::RefitProgram& program, Team& team) const {
    std::vector<const std::byte*> sources;
    std::vector<std::byte*> outputs;
    for (uint32_t s : program.sources) sources.push_back(given_[s]->bytes.data());
    for (uint32_t w : program.weights) outputs.push_back(weights_ + plan().weights[w].offset);
    return run_refit_program(plan(), program, sources, outputs, literals_, *engine_.options().kernels,
                             engine_.allocator(), team);
  }

  const EngineImpl& engine_;
  const Given& given_;
  std::byte* weights_;
  std::vector<uint64_t>& hashes_;
  std::vector<const std::byte*> literals_;
  std::vector<const plan::RefitProgram*> programs_;
  std::vector<uint32_t> written_;
};

// What the device's weights hold where the refit writes nothing, brought into `staging`; zeros between weights.
Status EngineImpl::fill_staging(const Weights& old, std::span<const uint32_t> written, std::byte* staging) const {
  uint64_t kept = 0, end = 0;  // what is not yet copied begins at `kept`; the weights so far end at `end`
  auto copy_kept = [&](uint64_t to) -> Status {
    if (to <= kept) return {};
    return device_->copy(staging + kept, old.memory.data() + kept, to - kept, Direction::to_host);
  };
  for (uint32_t w : written) {
    const plan::Weight& weight = plan_.weights[w];
    TN_TRY(copy_kept(weight.offset));
    end = weight.offset + weight.bytes;
    kept = std::min<uint64_t>((end + 63) / 64 * 64, old.memory.bytes());
    std::memset(staging + end, 0, kept - end);
  }
  return copy_kept(old.memory.bytes());
}

Status EngineImpl::refit(std::span<const NewWeight> new_weights) {
  TN_ASSIGN(Given given, check_refit(new_weights));
  std::lock_guard lock(refit_mutex_);
  // The second copy: on the host the weights that will be in force, else what is copied to the device at the end.
  std::shared_ptr<const Weights> old = this->weights();
  std::shared_ptr<Weights> weights;
  Block staging;
  std::vector<uint64_t> hashes = old->hashes;
  if (on_host()) {
    TN_ASSIGN(weights, make_weights({old->memory.data(), old->memory.bytes()}));
  } else {
    TN_ASSIGN(staging, Block::allocate(default_allocator(), old->memory.bytes(), "new weights on the host"));
  }
  std::byte* bytes = on_host() ? weights->memory.data() : staging.data();
  RefitWork work(*this, given, bytes, hashes);
  if (!on_host()) TN_TRY(fill_staging(*old, work.written(), bytes));
  TN_TRY(host_stream_->run(work));
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
