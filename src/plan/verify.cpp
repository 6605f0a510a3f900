#include "plan/verify.h"

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/hash.h"
#include "base/text.h"
#include "plan/verify_region.h"

namespace tenon::plan {
namespace {

Status check_name(std::string_view name, std::string_view what, size_t index, const Limits& limits,
                  bool may_be_empty = true) {
  if (name.empty() && !may_be_empty)
    return fail(Code::invalid_plan, "{} {} of the plan has no name", what, index);
  if (name.size() > static_cast<size_t>(limits.name_bytes))
    return fail(Code::limit_exceeded,
                "the name of {} {} of the plan is {} bytes long, the limit name_bytes is {}", what, index,
                name.size(), limits.name_bytes);
  if (name.find('\0') != name.npos)
    return fail(Code::invalid_plan, "the name of {} {} of the plan holds a zero byte", what, index);
  return {};
}

Status check_target(const Target& t, const Limits& limits) {
  TN_TRY(check_name(t.device, "device", 0, limits, false));
  TN_TRY(check_name(t.libraries, "libraries", 0, limits));
  TN_TRY(check_name(t.architecture, "architecture", 0, limits));
  TN_TRY(check_name(t.product, "product", 0, limits));
  if (t.threads < 1 || t.threads > kMaxThreads)
    return fail(Code::invalid_plan, "the plan's thread count is {}, expected 1 to {}", t.threads,
                kMaxThreads);
  return {};
}

Status check_dim_table(const Plan& plan) {
  for (size_t i = 0; i < plan.dims.size(); ++i) {
    const DimExpr& e = plan.dims[i];
    bool fine;
    switch (e.op) {
      case DimOp::constant: fine = e.a == 0 && e.b == 0; break;
      case DimOp::symbol:
        fine = e.value >= 0 && static_cast<uint64_t>(e.value) < plan.symbols.size() && e.a == 0 && e.b == 0;
        break;
      default: fine = e.op <= DimOp::broadcast && e.value == 0 && e.a < i && e.b < i;
    }
    if (!fine)
      return fail(Code::invalid_plan,
                  "entry {} of the plan's dim table is malformed (operation {}, value {}, operands {} "
                  "and {}): operands must come before their use",
                  i, static_cast<int>(e.op), e.value, e.a, e.b);
  }
  return {};
}

Status check_bindings(const Plan& plan, const Limits& limits) {
  std::set<std::string_view> names;
  for (const auto* list : {&plan.inputs, &plan.outputs}) {
    const char* what = list == &plan.inputs ? "input" : "output";
    for (size_t i = 0; i < list->size(); ++i) {
      const Binding& b = (*list)[i];
      TN_TRY(check_name(b.name, what, i, limits, false));
      if (!names.insert(b.name).second)
        return fail(Code::invalid_plan, "the plan has two inputs or outputs that are named '{}'", b.name);
      if (size_of(b.dtype) == 0)
        return fail(Code::invalid_plan, "{} '{}' has element type {}, which no tensor can have here", what,
                    b.name, static_cast<int>(b.dtype));
      TN_TRY(check_dims(b.dims, plan, what, b.name));
    }
  }
  return {};
}

Status check_symbols(const Plan& plan, const Limits& limits) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < plan.symbols.size(); ++i) {
    TN_TRY(check_name(plan.symbols[i].name, "symbol", i, limits, false));
    if (!names.insert(plan.symbols[i].name).second)
      return fail(Code::invalid_plan, "the plan has two symbols that are named '{}'", plan.symbols[i].name);
  }
  return {};
}

// A constant tensor that the plan holds or the user gives: its dims and size.
Result<int64_t> check_tensor(DType dtype, Format format, std::span<const int64_t> dims, std::string_view what,
                             size_t index, const Limits& limits) {
  if (size_of(dtype) == 0 || !is_known(format) || (!is_linear(format) && dims.size() < 2))
    return fail(Code::invalid_plan,
                "{} {} has element type {}, layout {}, block {}: not a type of this version", what, index,
                static_cast<int>(dtype), static_cast<int>(format.layout), format.block);
  if (dims.size() > kMaxRank)
    return fail(Code::invalid_plan, "{} {} has {} dims, at most {} are supported", what, index, dims.size(),
                kMaxRank);
  std::optional<int64_t> bytes = storage_bytes(dtype, format, dims);
  if (!bytes) return fail(Code::invalid_plan, "{} {} has a negative dim, or too many elements", what, index);
  if (*bytes > limits.tensor_bytes)
    return fail(Code::limit_exceeded, "{} {} has {} bytes, the limit tensor_bytes is {}", what, index, *bytes,
                limits.tensor_bytes);
  return *bytes;
}

Status check_weights(const Plan& plan, const Limits& limits) {
  uint64_t end = 0;
  for (size_t i = 0; i < plan.weights.size(); ++i) {
    const Weight& w = plan.weights[i];
    TN_ASSIGN(int64_t bytes, check_tensor(w.dtype, w.format, w.dims, "weight", i, limits));
    const int64_t count = bytes / static_cast<int64_t>(size_of(w.dtype));
    if (w.dtype == DType::string) {  // as long as its texts are
      const bool fits = is_linear(w.format) && w.bytes <= static_cast<uint64_t>(limits.tensor_bytes);
      bytes = fits ? static_cast<int64_t>(w.bytes) : -1;
    }
    uint64_t offset = (end + 63) / 64 * 64;
    if (w.offset != offset || w.bytes != static_cast<uint64_t>(bytes) || offset > plan.weight_bytes.size() ||
        w.bytes > plan.weight_bytes.size() - offset)
      return fail(Code::invalid_plan,
                  "weight {} lies at {} with {} bytes, expected {} with {} within a section of {}", i,
                  w.offset, w.bytes, offset, bytes, plan.weight_bytes.size());
    auto gap = plan.weight_bytes.subspan(end, offset - end);
    if (std::any_of(gap.begin(), gap.end(), [](std::byte b) { return b != std::byte{0}; }))
      return fail(Code::invalid_plan, "the bytes before weight {} are not zero", i);
    if (hash_bytes(plan.weight_bytes.subspan(w.offset, w.bytes)) != w.hash)
      return fail(Code::invalid_plan, "weight {} is damaged: its hash differs", i);
    if (w.dtype == DType::string)
      if (auto texts = PackedTexts::read(plan.weight_bytes.subspan(w.offset, w.bytes), count); !texts)
        return fail(Code::invalid_plan, "weight {}: {}", i, texts.error().message);
    end = w.offset + w.bytes;
  }
  if (end != plan.weight_bytes.size())
    return fail(Code::invalid_plan, "the plan's weights section has {} bytes, its weights end at {}",
                plan.weight_bytes.size(), end);
  return {};
}

Status check_images(const Plan& plan) {
  uint64_t end = 0;
  for (size_t i = 0; i < plan.images.size(); ++i) {
    const Image& image = plan.images[i];
    uint64_t offset = (end + 63) / 64 * 64;
    if (image.offset != offset || image.bytes == 0 || offset > plan.image_bytes.size() ||
        image.bytes > plan.image_bytes.size() - offset || (i > 0 && image.key <= plan.images[i - 1].key))
      return fail(Code::invalid_plan,
                  "kernel image {} lies at {} with {} bytes, expected {} within a section of {}, in order of key", i,
                  image.offset, image.bytes, offset, plan.image_bytes.size());
    end = image.offset + image.bytes;
  }
  if (end == plan.image_bytes.size()) return {};
  return fail(Code::invalid_plan, "the plan's images section has {} bytes, its images end at {}",
              plan.image_bytes.size(), end);
}

Status check_profiles(const Plan& plan, const Limits& limits) {
  if (plan.profiles.empty()) return fail(Code::invalid_plan, "the plan has no profile");
  Boundary boundary;
  // Strings lie on the host, which on the host has no place.
  auto format = [&](const Binding& b) {
    const bool is_apart = b.dtype == DType::string && plan.target.device != "cpu";
    return is_apart ? kHostLinear : kLinear;
  };
  for (const Binding& b : plan.inputs) boundary.inputs.push_back({b.dtype, format(b), {}});
  for (const Binding& b : plan.outputs) boundary.outputs.push_back({b.dtype, format(b), {}});
  for (size_t i = 0; i < plan.profiles.size(); ++i) {
    const Profile& p = plan.profiles[i];
    TN_TRY(check_name(p.name, "profile", i, limits));
    if (p.symbols.size() != plan.symbols.size())
      return fail(Code::invalid_plan, "profile {} has {} ranges, the plan has {} symbols", i,
                  p.symbols.size(), plan.symbols.size());
    for (size_t s = 0; s < p.symbols.size(); ++s)
      if (const Range& r = p.symbols[s]; r.min < 0 || r.min > r.opt || r.opt > r.max)
        return fail(Code::invalid_plan,
                    "profile {}: the range of '{}' is {}, {}, {}; expected 0 <= min <= opt <= max", i,
                    plan.symbols[s].name, r.min, r.opt, r.max);
    if (Status status = check_region(plan, p.region, boundary, limits); !status)
      return trail(std::move(status.error()), "in profile {}", i);
  }
  return {};
}

Status check_sources(const Plan& plan, const Limits& limits) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < plan.sources.size(); ++i) {
    const RefitSource& s = plan.sources[i];
    TN_TRY(check_name(s.name, "refit source", i, limits, false));
    if (!names.insert(s.name).second)
      return fail(Code::invalid_plan, "the plan has two refit sources that are named '{}'", s.name);
    TN_TRY(check_tensor(s.dtype, kLinear, s.dims, "refit source", i, limits));
    if (s.dtype == DType::string) return fail(Code::invalid_plan, "refit source '{}' is of strings, which none is", s.name);
  }
  for (size_t i = 0; i < plan.pins.size(); ++i) {
    const Pin& p = plan.pins[i];
    TN_TRY(check_name(p.name, "pin", i, limits, false));
    TN_TRY(check_name(p.reason, "pin's reason", i, limits));
    TN_ASSIGN(int64_t bytes, check_tensor(p.dtype, kLinear, p.dims, "pin", i, limits));
    auto source = std::find_if(plan.sources.begin(), plan.sources.end(),
                               [&](const auto& s) { return s.name == p.name; });
    if (source == plan.sources.end() || source->dtype != p.dtype || source->dims != p.dims)
      return fail(Code::invalid_plan, "pin {} names '{}', which is no refit source of its type and dims", i,
                  p.name);
    if (static_cast<uint64_t>(bytes) != p.value.size())
      return fail(Code::invalid_plan, "pin {} has a value of {} bytes, expected {}", i, p.value.size(),
                  bytes);
  }
  return {};
}

Status check_program(const Plan& plan, const RefitProgram& p, const std::vector<bool>& computed,
                     const Limits& limits) {
  if (p.device != "cpu")
    return fail(Code::invalid_plan, "runs on device '{}', this version runs refit programs on 'cpu' only",
                p.device);
  Boundary boundary{{}, {}, true};
  for (uint32_t s : p.sources) {
    if (s >= plan.sources.size())
      return fail(Code::invalid_plan, "takes source {} of {}", s, plan.sources.size());
    const RefitSource& source = plan.sources[s];
    boundary.inputs.push_back({source.dtype, kLinear, source.dims});
  }
  for (uint32_t w : p.weights) {
    const Weight& weight = plan.weights[w];  // the caller has checked the indices
    boundary.outputs.push_back({weight.dtype, on_host(weight.format), weight.dims});
  }
  if (p.sources.empty() || p.weights.empty())
    return fail(Code::invalid_plan, "has no source, or computes no weight");
  if (p.region.steps.empty()) {
    bool copies = p.region.values.empty() && p.region.arena_bytes == 0 && p.sources.size() == 1 &&
                  p.weights.size() == 1 && boundary.inputs[0] == boundary.outputs[0];
    if (copies) return {};
    return fail(Code::invalid_plan,
                "has no steps, and source and weight differ in number, type, dims or format");
  }
  for (const Value& v : p.region.values)
    if (v.kind == ValueKind::weight && v.index < computed.size() && computed[v.index])
      return fail(Code::invalid_plan, "reads weight {}, which a refit changes", v.index);
  return check_region(plan, p.region, boundary, limits);
}

Status check_programs(const Plan& plan, const Limits& limits) {
  std::vector<bool> computed(plan.weights.size());
  for (size_t i = 0; i < plan.programs.size(); ++i)
    for (uint32_t w : plan.programs[i].weights) {
      if (w >= computed.size() || computed[w])
        return fail(Code::invalid_plan, "refit program {} computes weight {}, which {}", i, w,
                    w >= computed.size() ? "does not exist" : "is computed twice");
      computed[w] = true;
    }
  for (size_t i = 0; i < plan.programs.size(); ++i)
    if (Status status = check_program(plan, plan.programs[i], computed, limits); !status)
      return trail(std::move(status.error()), "in refit program {}", i);
  return {};
}

}  // namespace

std::optional<int64_t> storage_bytes(DType dtype, Format format, std::span<const int64_t> dims) {
  // A dim of 0 counts as 1 until the end: strides are products of the other dims.
  std::optional<int64_t> bytes = static_cast<int64_t>(size_of(dtype));
  bool empty = false;
  for (size_t i = 0; bytes && i < dims.size(); ++i) {
    int64_t dim = dims[i];
    if (dim < 0 || dim > INT64_MAX - format.block) return std::nullopt;
    if (i == 1 && format.layout == tenon::Layout::blocked) dim = round_up(dim, format.block);
    empty = empty || dim == 0;
    bytes = checked_mul(*bytes, std::max<int64_t>(dim, 1));
  }
  return bytes && empty ? 0 : bytes;
}

Status verify(const Plan& plan, const Limits& limits) {
  TN_TRY(check_name(plan.network, "network", 0, limits));
  TN_TRY(check_target(plan.target, limits));
  TN_TRY(check_symbols(plan, limits));
  TN_TRY(check_dim_table(plan));
  TN_TRY(check_bindings(plan, limits));
  for (size_t i = 0; i < plan.origins.size(); ++i) {
    TN_TRY(check_name(plan.origins[i].first, "origin", i, limits));
    TN_TRY(check_name(plan.origins[i].second, "origin", i, limits));
  }
  TN_TRY(check_weights(plan, limits));
  TN_TRY(check_images(plan));
  TN_TRY(check_sources(plan, limits));
  TN_TRY(check_profiles(plan, limits));
  return check_programs(plan, limits);
}

}  // namespace tenon::plan
