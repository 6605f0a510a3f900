// Refit: new values of the network's own weights, through the programs that computed the plan's weights from
// them.
#include <algorithm>
#include <cstring>

#include "plan/verify.h"
#include "runtime/engine_impl.h"
#include "runtime/refit_work.h"

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

Status EngineImpl::refit(std::span<const NewWeight> new_weights) {
  TN_ASSIGN(Given given, check_refit(new_weights));
  std::lock_guard lock(refit_mutex_);
  std::vector<const plan::RefitProgram*> programs;
  uint64_t bytes = 0;
  for (const plan::RefitProgram& program : plan_.programs) {
    if (!given[program.sources[0]]) continue;  // all of a program's sources are given, or none
    programs.push_back(&program);
    for (uint32_t w : program.weights) bytes += plan_.weights[w].bytes;
  }
  if (programs.empty()) return {};
  std::shared_ptr<const Weights> old = this->weights();
  TN_ASSIGN(std::shared_ptr<Weights> fresh, allocate_weights());
  fresh->hashes = old->hashes;
  if (old->host_memory.bytes())
    std::memcpy(fresh->host_memory.data(), old->host_memory.data(), old->host_memory.bytes());
  std::unique_ptr<Upload> upload;  // goes before the memory that it writes
  if (!on_host()) {
    TN_ASSIGN(upload, Upload::create(*device_, bytes));
    TN_TRY(upload->copy_within(fresh->memory.data(), old->memory.data(), old->memory.bytes()));
  }
  RefitWork work({plan_, *options_.kernels, allocator(), given, *old, *fresh, upload.get()});
  TN_TRY(work.init(programs, *device_, host_stream_->threads()));
  Status done = host_stream_->run(work);
  if (done && upload) done = upload->finish();
  if (!done) return trail(std::move(done.error()), "nothing was changed");
  std::lock_guard swap(weights_mutex_);
  weights_ = std::move(fresh);
  weights_version_.fetch_add(1, std::memory_order_release);
  return {};
}

}  // namespace tenon
