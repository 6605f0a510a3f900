#include "tenon/refitter.h"

#include "base/checked.h"
#include "entry.h"

using namespace tenon;
using namespace tenon::capi;

namespace {

using Weight = RefitterObject::Weight;
using NewValue = RefitterObject::NewValue;

// Sources in the plan's order, then pinned weights that no refit program reads.
void list_weights(RefitterObject& refitter, const plan::Plan& plan) {
  auto add = [&](const std::string& name, DType dtype, const std::vector<int64_t>& dims) -> Weight& {
    auto [at, added] = refitter.by_name.try_emplace(name, refitter.weights.size());
    if (added) refitter.weights.push_back({name, dtype, dims, {}});
    return refitter.weights[at->second];
  };
  for (const plan::RefitSource& source : plan.sources) add(source.name, source.dtype, source.dims);
  for (const plan::Pin& pin : plan.pins) {
    std::string& reason = add(pin.name, pin.dtype, pin.dims).pin_reason;
    if (!reason.empty()) reason += "; ";
    reason += pin.reason;
  }
}

Result<const Weight*> weight_at(const RefitterObject& self, size_t index) {
  TN_TRY(expect_index(index, self.weights.size(), "weights"));
  return &self.weights[index];
}

std::string describe(DType dtype, std::span<const int64_t> dims) {
  std::string out(name_of(dtype));
  for (size_t i = 0; i < dims.size(); ++i) out += fmt::format("{}{}", i ? "," : "[", dims[i]);
  return out + (dims.empty() ? "[]" : "]");
}

// Refuses a value that is not of the weight's type, dims and size.
Status check_value(const Weight& weight, DType dtype, std::span<const int64_t> dims, size_t bytes) {
  if (dtype != weight.dtype || !std::equal(dims.begin(), dims.end(), weight.dims.begin(), weight.dims.end()))
    return fail(Code::invalid_argument, "weight \"{}\" is {}; the new value is {}", weight.name,
                describe(weight.dtype, weight.dims), describe(dtype, dims));
  int64_t expected = static_cast<int64_t>(size_of(dtype));
  for (int64_t dim : dims) {
    auto product = checked_mul(expected, dim);
    if (!product) return fail(Code::invalid_argument, "weight \"{}\" is larger than memory", weight.name);
    expected = *product;
  }
  if (bytes != static_cast<uint64_t>(expected))
    return fail(Code::invalid_argument, "weight \"{}\", {}, has {} bytes; the new value has {}", weight.name,
                describe(dtype, dims), expected, bytes);
  return {};
}

std::vector<std::string> missing(const RefitterObject& self) {
  std::vector<std::string> set;
  {
    std::lock_guard lock(self.mutex);
    for (const auto& [name, value] : self.values) set.push_back(name);
  }
  return self.engine->engine->missing(set);
}

// The values that a refit uses, out of the refitter while the engine works without its lock; what is not used
// up goes back, but for names that have been set anew meanwhile.
class Taken {
 public:
  explicit Taken(RefitterObject& from) : from_(from) {
    std::lock_guard lock(from_.mutex);
    values.swap(from_.values);
  }
  ~Taken() {
    std::lock_guard lock(from_.mutex);
    from_.values.merge(values);
  }
  std::map<std::string, NewValue, std::less<>> values;

 private:
  RefitterObject& from_;
};

}  // namespace

tn_error_t tn_refitter_create(tn_engine_t engine, tn_refitter_t* out_refitter) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto parent, object(engine, "engine"));
        auto made = std::make_shared<RefitterObject>();
        made->engine = parent;
        list_weights(*made, parent->engine->plan());
        *out_refitter = new_handle<tn_refitter_t>(std::move(made));
        return {};
      },
      out(out_refitter, "out_refitter"));
}

void tn_refitter_destroy(tn_refitter_t refitter) noexcept { destroy(refitter); }

tn_error_t tn_refitter_get_weight_count(tn_refitter_t refitter, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        *out_count = self->weights.size();
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_refitter_find_weight(tn_refitter_t refitter, const char* name, size_t* out_index) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        TN_ASSIGN(auto wanted, text(name, "name"));
        auto found = self->by_name.find(wanted);
        if (found == self->by_name.end())
          return fail(Code::not_found, "the engine has no weight \"{}\"", wanted);
        *out_index = found->second;
        return {};
      },
      out(out_index, "out_index"));
}

tn_error_t tn_refitter_get_weight_name(tn_refitter_t refitter, size_t index, char* buf, size_t buf_size,
                                       size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        TN_ASSIGN(const Weight* weight, weight_at(*self, index));
        name.set(weight->name);
        return {};
      },
      name);
}

tn_error_t tn_refitter_get_weight_data_type(tn_refitter_t refitter, size_t index,
                                            tn_data_type* out_data_type) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        TN_ASSIGN(const Weight* weight, weight_at(*self, index));
        *out_data_type = static_cast<tn_data_type>(weight->dtype);
        return {};
      },
      out(out_data_type, "out_data_type"));
}

tn_error_t tn_refitter_get_weight_shape(tn_refitter_t refitter, size_t index, int64_t* dims, size_t dims_size,
                                        size_t* out_size) noexcept {
  DimsOut shape{dims, dims_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        TN_ASSIGN(const Weight* weight, weight_at(*self, index));
        return shape.set(weight->dims);
      },
      shape);
}

tn_error_t tn_refitter_get_pin_reason(tn_refitter_t refitter, size_t index, char* buf, size_t buf_size,
                                      size_t* out_size) noexcept {
  TextOut reason{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        TN_ASSIGN(const Weight* weight, weight_at(*self, index));
        reason.set(weight->pin_reason);
        return {};
      },
      reason);
}

tn_error_t tn_refitter_set_weight(tn_refitter_t refitter, const char* name, tn_data_type data_type,
                                  const int64_t* dims, size_t dims_size, const void* data,
                                  size_t data_size) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(refitter, "refitter"));
    TN_ASSIGN(auto wanted, text(name, "name"));
    if (tn_data_type_get_size(data_type) == 0)
      return fail(Code::invalid_argument, "data_type is {}; expected that of the weight", data_type);
    TN_ASSIGN(auto shape, dims_in(dims, dims_size, "dims"));
    TN_ASSIGN(auto contents, bytes(data, data_size, "data"));
    auto found = self->by_name.find(wanted);
    if (found == self->by_name.end()) return fail(Code::not_found, "the engine has no weight \"{}\"", wanted);
    auto dtype = static_cast<DType>(data_type);
    TN_TRY(check_value(self->weights[found->second], dtype, shape, contents.size()));
    NewValue value{dtype, {shape.begin(), shape.end()}, Bytes::copy(contents)};
    std::lock_guard lock(self->mutex);
    self->values.insert_or_assign(std::string(wanted), std::move(value));
    return {};
  });
}

tn_error_t tn_refitter_set_weights_from_network(tn_refitter_t refitter, tn_network_t network,
                                                size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        TN_ASSIGN(auto source, object(network, "network"));
        std::map<std::string, NewValue, std::less<>> values;
        auto take = [&](const Graph& graph, const auto& again) -> Status {
          for (uint32_t i = 0; i < graph.value_count(); ++i) {
            const auto& constant = graph.value(ValueId{i}).constant;
            if (!constant || constant->refit_name.empty()) continue;
            auto found = self->by_name.find(constant->refit_name);
            auto dims = constant_shape(constant->type.shape);
            if (found == self->by_name.end() || !dims) continue;
            TN_TRY(check_value(self->weights[found->second], constant->type.dtype, *dims,
                               constant->bytes.view.size()));
            // The graph may be views of bytes that only the network's object keeps.
            Bytes bytes{
                constant->bytes.view,
                std::make_shared<std::pair<std::shared_ptr<const void>, decltype(source)>>(constant, source)};
            values.insert_or_assign(constant->refit_name,
                                    NewValue{constant->type.dtype, *dims, std::move(bytes)});
          }
          for (NodeId id : graph.order())  // sub-graphs have weights of their own
            for (const auto& [name, attr] : graph.node(id).attrs)
              if (const auto* inner = std::get_if<GraphPtr>(&attr); inner && *inner) TN_TRY(again(**inner, again));
          return {};
        };
        TN_TRY(take(source->graph, take));
        size_t count = values.size();
        {
          std::lock_guard lock(self->mutex);
          values.merge(self->values);  // the new ones hold where both have a name
          self->values.swap(values);
        }
        if (out_count) *out_count = count;
        return {};
      },
      optional_out(out_count, "out_count"));
}

tn_error_t tn_refitter_get_missing_count(tn_refitter_t refitter, size_t* out_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        *out_count = missing(*self).size();
        return {};
      },
      out(out_count, "out_count"));
}

tn_error_t tn_refitter_get_missing_name(tn_refitter_t refitter, size_t index, char* buf, size_t buf_size,
                                        size_t* out_size) noexcept {
  TextOut name{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto self, object(refitter, "refitter"));
        std::vector<std::string> names = missing(*self);
        TN_TRY(expect_index(index, names.size(), "missing weights"));
        name.set(names[index]);
        return {};
      },
      name);
}

tn_error_t tn_refitter_apply(tn_refitter_t refitter) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(auto self, object(refitter, "refitter"));
    Taken taken(*self);
    std::vector<Engine::NewWeight> weights;
    for (const auto& [name, value] : taken.values)
      weights.push_back({name, value.dtype, value.dims, value.bytes.view});
    TN_TRY(self->engine->engine->refit(weights));
    taken.values.clear();
    return {};
  });
}
