#include "cuda/cudnn_api.h"

#include "cuda/library.h"

namespace tenon::cuda {
namespace {

constexpr char kLibrary[] = "libcudnn.so.9";
constexpr int64_t kMaxNotes = 32;

Status load(Cudnn& out) {
  TN_ASSIGN(const Library* library, Library::open(kLibrary));
  TN_TRY(library->find("cudnnBackendCreateDescriptor", out.create));
  TN_TRY(library->find("cudnnBackendDestroyDescriptor", out.destroy));
  TN_TRY(library->find("cudnnBackendFinalize", out.finalize));
  TN_TRY(library->find("cudnnBackendSetAttribute", out.set));
  TN_TRY(library->find("cudnnBackendGetAttribute", out.get));
  TN_TRY(library->find("cudnnBackendExecute", out.execute));
  TN_TRY(library->find("cudnnSetStream", out.set_stream));
  TN_TRY(library->find("cudnnGetErrorString", out.error_string));
  return library->find("cudnnGetLastErrorString", out.last_error);
}

// All descriptors of an attribute.
Result<std::vector<Descriptor>> descriptors(const Cudnn& cudnn, const Descriptor& of, cudnnBackendAttributeName_t name,
                                            cudnnBackendDescriptorType_t type) {
  int64_t count = 0;
  TN_TRY(check(cudnn, cudnn.get(of.raw(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr), "counting descriptors"));
  std::vector<Descriptor> out;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < count; ++i) {
    TN_ASSIGN(Descriptor one, Descriptor::create(cudnn, type));
    raw.push_back(one.raw());
    out.push_back(std::move(one));
  }
  int64_t filled = 0;
  if (count) TN_TRY(check(cudnn, cudnn.get(of.raw(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &filled, raw.data()), "reading descriptors"));
  out.resize(static_cast<size_t>(std::min(count, filled)));
  return out;
}

Result<EngineNotes> notes_of(const Cudnn& cudnn, const Descriptor& config) {
  TN_ASSIGN(Descriptor engine, Descriptor::create(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR));
  cudnnBackendDescriptor_t raw = engine.raw();
  int64_t count = 0;
  TN_TRY(check(cudnn, cudnn.get(config.raw(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw), "reading an engine"));
  EngineNotes out;
  cudnnBackendNumericalNote_t numerical[kMaxNotes];
  TN_TRY(check(cudnn, cudnn.get(raw, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, numerical), "reading an engine's notes"));
  for (int64_t i = 0; i < std::min<int64_t>(count, CUDNN_NUMERICAL_NOTE_TYPE_COUNT); ++i)
    if (numerical[i] >= 0 && numerical[i] < 32) out.numerical |= 1u << numerical[i];
  cudnnBackendBehaviorNote_t behavior[kMaxNotes];
  TN_TRY(check(cudnn, cudnn.get(raw, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &count, behavior), "reading an engine's notes"));
  for (int64_t i = 0; i < std::min<int64_t>(count, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT); ++i)
    if (behavior[i] >= 0 && behavior[i] < 32) out.behavior |= 1u << behavior[i];
  return out;
}

}  // namespace

Result<const Cudnn*> cudnn_functions() {
  static Cudnn functions;
  static const Status loaded = load(functions);
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return &functions;
}

Status check(const Cudnn& cudnn, cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return {};
  char detail[512] = {};
  cudnn.last_error(detail, sizeof detail);
  const int category = CUDNN_STATUS_CATEGORY(static_cast<int>(status));
  return fail(category == CUDNN_STATUS_EXECUTION_FAILED ? Code::device : Code::unsupported, "cuDNN, {}: {}{}{}", what,
              cudnn.error_string(status), detail[0] ? ": " : "", static_cast<const char*>(detail));
}

std::mutex& cudnn_mutex() {
  static std::mutex mutex;
  return mutex;
}

Result<Descriptor> Descriptor::create(const Cudnn& cudnn, cudnnBackendDescriptorType_t type) {
  Descriptor out;
  out.cudnn_ = &cudnn;
  TN_TRY(check(cudnn, cudnn.create(type, &out.raw_), "creating a descriptor"));
  return out;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (raw_ && this != &other) cudnn_->destroy(raw_);
  if (this != &other) raw_ = std::exchange(other.raw_, nullptr);
  cudnn_ = other.cudnn_;
  return *this;
}

Descriptor::~Descriptor() {
  if (raw_) cudnn_->destroy(raw_);
}

Status Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  return check(*cudnn_, cudnn_->set(raw_, name, type, count, values), "setting an attribute");
}

Status Descriptor::finalize(const char* what) { return check(*cudnn_, cudnn_->finalize(raw_), what); }

Result<std::shared_ptr<CudnnGraph>> CudnnGraph::create(const Cudnn& cudnn, cudnnHandle_t handle, std::span<const Descriptor> ops) {
  auto out = std::make_shared<CudnnGraph>();
  out->cudnn_ = &cudnn;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& op : ops) raw.push_back(op.raw());
  TN_ASSIGN(out->graph_, Descriptor::create(cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
  TN_TRY(out->graph_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle));
  TN_TRY(out->graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(raw.size()), raw.data()));
  TN_TRY(out->graph_.finalize("making a graph"));
  return out;
}

Status CudnnGraph::ask(cudnnBackendHeurMode_t mode) {
  TN_ASSIGN(Descriptor heuristic, Descriptor::create(*cudnn_, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR));
  TN_TRY(heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph_));
  TN_TRY(heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode));
  // A mode that knows nothing of the graph fails.
  if (!heuristic.finalize("asking the heuristic")) return {};
  TN_ASSIGN(std::vector<Descriptor> configs, descriptors(*cudnn_, heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
  for (Descriptor& config : configs) {
    TN_ASSIGN(EngineNotes notes, notes_of(*cudnn_, config));
    listed_.push_back({std::move(config), notes});
  }
  return {};
}

Result<CudnnGraph::Listed*> CudnnGraph::config(Accept accept, const void* context, int64_t index) {
  constexpr cudnnBackendHeurMode_t kModes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  int64_t accepted = 0;
  for (size_t i = 0;; ++i) {
    while (i == listed_.size() && asked_ < std::size(kModes)) TN_TRY(ask(kModes[asked_++]));
    if (i == listed_.size()) break;
    if (accept && !accept(listed_[i].notes, context)) continue;
    if (accepted++ == index) return &listed_[i];
  }
  return fail(Code::unsupported, "cuDNN lists {} plans of this kind for the graph, fewer than asked for", accepted);
}

Result<std::shared_ptr<CudnnGraph>> CudnnHandle::graph(const Cudnn& cudnn, const std::string& key, std::span<const Descriptor> ops) {
  constexpr size_t kMostRecent = 32;  // more than the forms that one node's candidates ask for in turn
  for (const auto& [known, graph] : recent_)
    if (known == key) return graph;
  TN_ASSIGN(std::shared_ptr<CudnnGraph> graph, CudnnGraph::create(cudnn, raw_, ops));
  recent_.emplace_front(key, graph);
  if (recent_.size() > kMostRecent) recent_.pop_back();
  return graph;
}

void CudnnHandle::forget(const std::string& key) {
  std::erase_if(recent_, [&](const auto& known) { return known.first == key; });
}

Result<CudnnPlan> CudnnPlan::create(const Cudnn& cudnn, CudnnHandle& handle, std::string key, std::span<const Descriptor> ops,
                                    const Choice& choice) {
  std::lock_guard lock(cudnn_mutex());
  CudnnPlan out;
  out.cudnn_ = &cudnn;
  out.handle_ = handle.raw();
  TN_ASSIGN(out.graph_, handle.graph(cudnn, key, ops));
  TN_ASSIGN(CudnnGraph::Listed* listed, out.graph_->config(choice.accept, choice.context, choice.index));
  // An engine that compiles compiles each configuration once: of the same descriptor a second plan fails (cuDNN 9.14).
  if (listed->spent) {
    handle.forget(key);
    TN_ASSIGN(out.graph_, handle.graph(cudnn, key, ops));
    TN_ASSIGN(listed, out.graph_->config(choice.accept, choice.context, choice.index));
  }
  listed->spent = listed->notes.behaves(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION);
  TN_ASSIGN(out.plan_, Descriptor::create(cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));
  TN_TRY(out.plan_.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle.raw()));
  TN_TRY(out.plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, listed->config));
  TN_TRY(out.plan_.finalize("making a plan"));
  int64_t count = 0;
  TN_TRY(check(cudnn, cudnn.get(out.plan_.raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &out.workspace_), "reading a plan"));
  return out;
}

Status CudnnPlan::execute(std::span<const int64_t> ids, std::span<void* const> addresses, void* workspace, void* queue) const {
  TN_ASSIGN(Descriptor pack, Descriptor::create(*cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR));
  TN_TRY(pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids));
  TN_TRY(pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, static_cast<int64_t>(addresses.size()), addresses.data()));
  TN_TRY(pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace));
  TN_TRY(pack.finalize("binding tensors"));
  std::lock_guard lock(cudnn_mutex());
  TN_TRY(check(*cudnn_, cudnn_->set_stream(handle_, static_cast<cudaStream_t>(queue)), "setting the stream"));
  return check(*cudnn_, cudnn_->execute(handle_, plan_.raw(), pack.raw()), "executing a plan");
}

}  // namespace tenon::cuda
