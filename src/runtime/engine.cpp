#include <cstring>

#include "base/checked.h"
#include "plan/serialize.h"
#include "runtime/engine_impl.h"

namespace tenon {
namespace {

// "onednn 2.6.3, other 1.0" → its items.
std::vector<std::string_view> items_of(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    size_t comma = std::min(list.find(", "), list.size());
    out.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 2, list.size()));
  }
  return out;
}

std::vector<std::optional<int64_t>> opt_symbols(const plan::Profile& profile) {
  std::vector<std::optional<int64_t>> out;
  for (const plan::Range& r : profile.symbols) out.push_back(r.opt);
  return out;
}

Result<std::vector<int64_t>> bytes_of(const plan::Plan& plan, const std::vector<plan::Binding>& list,
                                      const DimValues& dims) {
  std::vector<int64_t> out;
  for (const plan::Binding& b : list) {
    TN_ASSIGN(std::vector<int64_t> shape, dims_of(plan, dims, b.dims, fmt::format("'{}'", b.name)));
    std::optional<int64_t> bytes = plan::storage_bytes(b.dtype, kLinear, shape);
    if (!bytes) return fail(Code::limit_exceeded, "'{}' has more bytes than can be counted", b.name);
    out.push_back(*bytes);
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<Engine>> Engine::load(std::span<const std::byte> bytes, const EngineOptions& options,
                                             const Log& log) {
  TN_ASSIGN(plan::Plan plan, plan::load(bytes, options.limits));
  auto engine = std::make_shared<EngineImpl>(std::move(plan), options);
  if (Status status = engine->init(log); !status)
    return trail(std::move(status.error()), "when loading the plan of network '{}'", engine->plan().network);
  return engine;
}

Status EngineImpl::init(const Log& log) {
  TN_TRY(check_target(log));
  TN_ASSIGN(host_stream_, (on_host() ? *device_ : host_device()).create_stream(options_.threads));
  for (const plan::Profile& profile : plan_.profiles) {
    TN_ASSIGN(RegionKernels kernels, find_kernels(profile.region, *options_.kernels, cpu_features(), on_host()));
    kernels_.push_back(std::move(kernels));
  }
  for (const plan::RefitProgram& program : plan_.programs)
    TN_TRY(find_kernels(program.region, *options_.kernels, cpu_features(), true));
  describe_io();
  TN_TRY(place_weights());
  if (!on_host()) TN_TRY(open_session());
  for (int i = 0; i < profile_count(); ++i)
    if (Status status = prepare_profile(i); !status)
      return trail(std::move(status.error()), "in profile {} at its opt shape", i);
  return {};
}

Status EngineImpl::check_target(const Log& log) {
  const plan::Target& target = plan_.target;
  device_ = options_.device;
  if (!device_) {
    Result<const Device*> device = find_device(target.device);
    if (!device) return trail(std::move(device.error()), "the plan was built for device '{}'", target.device);
    device_ = *device;
  }
  if (device_->kind() != target.device)
    return fail(Code::incompatible_plan, "the plan was built for a device of kind {}, it is loaded for {}",
                target.device, device_->name());
  const DeviceFacts& facts = device_->facts();
  if (facts.architecture != target.architecture)
    return fail(Code::incompatible_plan,
                "the plan was built for architecture {}, device {} ({}) is {}: build the plan again for it",
                target.architecture, device_->name(), facts.product, facts.architecture);
  if (facts.product != target.product)
    log(Severity::warning, "the plan was tuned on {} and runs on {}", target.product, facts.product);
  if (uint32_t lacking = target.cpu_features & ~cpu_features())
    return fail(Code::incompatible_plan,
                "the plan needs a processor with {}, this one has {}: {} is missing; build the plan "
                "again on this machine",
                cpu_feature_names(target.cpu_features), cpu_feature_names(cpu_features()),
                cpu_feature_names(lacking));
  if (!options_.kernels) {
    if (!on_host()) {
      TN_ASSIGN(options_.kernels, kernel_table_for(*device_));
    } else {
      options_.kernels = target.libraries.empty() ? &host_kernel_table() : &full_kernel_table();
    }
  }
  std::string libraries = options_.kernels->libraries();
  if (!target.libraries.empty() && !on_host()) libraries = device_->libraries();
  const std::vector<std::string_view> present = items_of(libraries);
  for (std::string_view library : items_of(target.libraries))
    if (std::find(present.begin(), present.end(), library) == present.end())
      return fail(Code::incompatible_plan,
                  "the plan needs library {}, this installation has {}: build the plan again here", library,
                  present.empty() ? "none" : libraries);
  if (options_.threads == 0) options_.threads = target.threads;
  if (options_.threads < 1 || options_.threads > kMaxThreads)
    return fail(Code::invalid_argument, "an engine has 1 to {} threads, {} were asked for", kMaxThreads,
                options_.threads);
  if (options_.threads != target.threads)
    log(Severity::warning, "the plan was tuned for {} threads and runs with {}", target.threads,
        options_.threads);
  options_.shapes_kept = std::max(options_.shapes_kept, 1);
  return {};
}

// Strings are never refitted: the views of all weights that there will be are these.
Status EngineImpl::view_texts() {
  text_views_.resize(plan_.weights.size());
  uint64_t bytes = 0;
  for (const plan::Weight& w : plan_.weights) bytes += w.dtype == DType::string ? w.bytes : 0;
  text_bytes_.reserve(bytes);  // views point into it
  for (size_t i = 0; i < plan_.weights.size(); ++i) {
    const plan::Weight& w = plan_.weights[i];
    if (w.dtype != DType::string) continue;
    const auto packed = plan_.weight_bytes.subspan(w.offset, w.bytes);
    const size_t begin = text_bytes_.size();
    text_bytes_.insert(text_bytes_.end(), packed.begin(), packed.end());
    const int64_t count = *plan::storage_bytes(w.dtype, kLinear, w.dims) / static_cast<int64_t>(sizeof(Text));
    TN_ASSIGN(PackedTexts texts, PackedTexts::read(std::span(text_bytes_).subspan(begin), count));
    text_views_[i] = std::make_unique<Text[]>(texts.size());
    for (size_t t = 0; t < texts.size(); ++t) text_views_[i][t] = Text::of(texts[t]);
  }
  return {};
}

Status EngineImpl::place_weights() {
  TN_TRY(view_texts());
  weight_bytes_ = plan_.weight_bytes.size();
  TN_ASSIGN(std::shared_ptr<Weights> weights, allocate_weights());
  const std::byte* bytes = plan_.weight_bytes.data();
  if (weight_bytes_) TN_TRY(device_->copy(weights->memory.data(), bytes, weight_bytes_, Direction::to_device));
  for (size_t i = 0; i < plan_.weights.size(); ++i) {
    const plan::Weight& w = plan_.weights[i];
    if (w.format.place == Place::host && w.dtype != DType::string && w.bytes) std::memcpy(weights->addresses[i], bytes + w.offset, w.bytes);
    weights->hashes.push_back(w.hash);
  }
  weights_ = std::move(weights);
  plan_.weight_bytes = {};  // the caller's bytes go
  return {};
}

// Weights of the host's place have memory of the host as well; few steps have any.
Result<std::shared_ptr<Weights>> EngineImpl::allocate_weights() const {
  auto weights = std::make_shared<Weights>();
  TN_ASSIGN(weights->memory, device_->allocate(allocator(), weight_bytes_, "weights"));
  uint64_t on_host = 0;
  auto is_host = [](const plan::Weight& w) { return w.format.place == Place::host && w.dtype != DType::string; };
  for (const plan::Weight& w : plan_.weights)
    if (is_host(w)) on_host += (w.bytes + 63) / 64 * 64;
  TN_ASSIGN(weights->host_memory, Block::allocate(allocator(), on_host, "weights of host steps"));
  std::byte* next = weights->host_memory.data();
  for (size_t i = 0; i < plan_.weights.size(); ++i) {
    const plan::Weight& w = plan_.weights[i];
    void* here = weights->memory.data() + w.offset;
    if (w.dtype == DType::string) here = text_views_[i].get();
    weights->addresses.push_back(is_host(w) ? next : here);
    if (is_host(w) && next) next += (w.bytes + 63) / 64 * 64;
  }
  return weights;
}

Result<Block> EngineImpl::weight_bytes(const Weights& weights) const {
  TN_ASSIGN(Block out, Block::allocate(default_allocator(), weights.memory.bytes(), "a copy of the weights on the host"));
  if (out.bytes()) TN_TRY(device_->copy(out.data(), weights.memory.data(), out.bytes(), Direction::to_host));
  return out;
}

// The plan's code goes to the session, which keeps what it needs of it.
Status EngineImpl::open_session() {
  SessionOptions options;
  std::vector<KernelImage> images;
  for (const plan::Image& i : plan_.images) {
    auto bytes = plan_.image_bytes.subspan(i.offset, i.bytes);
    images.push_back({i.key, {bytes.begin(), bytes.end()}});
  }
  options.images = images;
  TN_ASSIGN(session_, device_->create_session(options));
  image_bytes_.assign(plan_.image_bytes.begin(), plan_.image_bytes.end());
  plan_.image_bytes = {};
  return {};
}

void EngineImpl::describe_io() {
  for (const auto* list : {&plan_.inputs, &plan_.outputs})
    for (const plan::Binding& b : *list) {
      IoTensor tensor = {b.name, list == &plan_.inputs ? IoMode::input : IoMode::output, b.dtype, {}};
      DimValues values(plan_, std::vector<std::optional<int64_t>>(plan_.symbols.size()));
      for (uint32_t d : b.dims) tensor.shape.push_back(values.has(d) ? values.value(d) : -1);
      tensor_index_.emplace(b.name, io_.size());
      io_.push_back(std::move(tensor));
    }
}

Status EngineImpl::prepare_profile(int profile) {
  const plan::Profile& p = plan_.profiles[profile];
  DimValues dims(plan_, opt_symbols(p));
  TN_ASSIGN(std::vector<int64_t> inputs, bytes_of(plan_, plan_.inputs, dims));
  TN_ASSIGN(std::vector<int64_t> outputs, bytes_of(plan_, plan_.outputs, dims));
  PrepareOptions options = {options_.threads, options_.limits, session(), p.symbols, inputs, outputs, nullptr};
  options.bodies = true;
  TN_ASSIGN(std::unique_ptr<PreparedRegion> prepared,
            prepare_region(plan_, p.region, kernels_[profile], dims, options));
  prepared_.push_back(std::move(prepared));
  return {};
}

std::unique_ptr<PreparedRegion> EngineImpl::take_prepared(int profile) {
  std::lock_guard lock(prepared_mutex_);
  return std::move(prepared_[profile]);
}

Result<size_t> EngineImpl::find_tensor(std::string_view name) const {
  if (auto it = tensor_index_.find(name); it != tensor_index_.end()) return it->second;
  std::string names;
  for (const IoTensor& tensor : io_) names += (names.empty() ? "'" : ", '") + tensor.name + "'";
  return fail(Code::not_found, "the engine has no input or output '{}'; it has {}", name, names);
}

Result<std::vector<plan::Range>> EngineImpl::profile_shape(int profile, std::string_view input) const {
  if (profile < 0 || profile >= profile_count())
    return fail(Code::out_of_range, "profile {} does not exist: the engine has {}", profile, profile_count());
  TN_ASSIGN(size_t index, find_tensor(input));
  if (index >= plan_.inputs.size())
    return fail(Code::invalid_argument, "'{}' is an output: profiles give ranges of inputs", input);
  const plan::Profile& p = plan_.profiles[profile];
  std::vector<std::optional<int64_t>> low, high;
  for (const plan::Range& r : p.symbols) low.push_back(r.min), high.push_back(r.max);
  const std::vector<uint32_t>& dims = plan_.inputs[index].dims;
  TN_ASSIGN(std::vector<int64_t> min, dims_of(plan_, DimValues(plan_, low), dims, input));
  TN_ASSIGN(std::vector<int64_t> opt, dims_of(plan_, DimValues(plan_, opt_symbols(p)), dims, input));
  TN_ASSIGN(std::vector<int64_t> max, dims_of(plan_, DimValues(plan_, high), dims, input));
  std::vector<plan::Range> out;
  for (size_t i = 0; i < dims.size(); ++i) out.push_back({min[i], opt[i], max[i]});
  return out;
}

uint64_t EngineImpl::arena_bytes(int profile) const {
  return profile < 0 || profile >= profile_count() ? 0 : plan_.profiles[profile].region.arena_bytes;
}

Result<std::unique_ptr<Context>> EngineImpl::create_context(int profile) {
  if (profile < 0 || profile >= profile_count())
    return fail(Code::out_of_range, "profile {} does not exist: the engine has {}", profile, profile_count());
  return make_context(std::static_pointer_cast<EngineImpl>(shared_from_this()), profile);
}

std::shared_ptr<const Weights> EngineImpl::weights() const {
  std::lock_guard lock(weights_mutex_);
  return weights_;
}

Result<std::vector<std::byte>> EngineImpl::serialize() const {
  std::shared_ptr<const Weights> weights = this->weights();
  plan::Plan plan = plan_;
  for (size_t i = 0; i < plan.weights.size(); ++i) plan.weights[i].hash = weights->hashes[i];
  plan.image_bytes = image_bytes_;
  if (on_host()) {
    plan.weight_bytes = {weights->memory.data(), weights->memory.bytes()};
    return plan::write(plan);
  }
  TN_ASSIGN(Block bytes, weight_bytes(*weights));
  plan.weight_bytes = {bytes.data(), bytes.bytes()};
  return plan::write(plan);
}

}  // namespace tenon
