#include <cstring>

#include "base/hash.h"
#include "plan/metadata.h"
#include "plan_generated.h"

namespace tenon::plan {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;
template <class T>
using Offset = flatbuffers::Offset<T>;
using Text = Offset<flatbuffers::String>;
template <class T>
using List = Offset<flatbuffers::Vector<T>>;

// Every offset is made in a statement of its own: the order of evaluation of arguments would decide the
// bytes.

template <class T>
List<T> numbers(Builder& b, const std::vector<T>& v) {
  return v.empty() ? List<T>() : b.CreateVector(v.data(), v.size());
}

List<uint8_t> bytes(Builder& b, const std::vector<std::byte>& v) {
  return v.empty() ? List<uint8_t>() : b.CreateVector(reinterpret_cast<const uint8_t*>(v.data()), v.size());
}

template <class Fb, class T, class F>
List<Offset<Fb>> tables(Builder& b, const std::vector<T>& v, F&& make) {
  std::vector<Offset<Fb>> offsets;
  offsets.reserve(v.size());
  for (const T& item : v) offsets.push_back(make(b, item));
  return offsets.empty() ? List<Offset<Fb>>() : b.CreateVector(offsets);
}

template <class Fb, class T, class F>
List<const Fb*> structs(Builder& b, const std::vector<T>& v, F&& make) {
  std::vector<Fb> items;
  items.reserve(v.size());
  for (const T& item : v) items.push_back(make(item));
  return items.empty() ? List<const Fb*>() : b.CreateVectorOfStructs(items);
}

template <class E>
uint8_t number(E e) {
  return static_cast<uint8_t>(e);
}

Offset<fb::Value> make_value(Builder& b, const Value& v) {
  auto dims = numbers(b, v.dims);
  return fb::CreateValue(b, number(v.kind), number(v.dtype), number(v.format.layout), v.format.block,
                         number(v.format.place), dims, v.index, v.offset, v.max_bytes, v.view_of);
}

Offset<fb::Region> make_region(Builder& b, const Region& r);

Offset<fb::Control> make_control(Builder& b, const Control& c) {
  if (c.kind == ControlKind::none) return {};
  auto reversed = numbers(b, c.reversed);
  auto first = numbers(b, c.sizes[0]);
  auto second = numbers(b, c.sizes[1]);
  return fb::CreateControl(b, number(c.kind), c.selector, c.condition, c.split, reversed, first, second);
}

Offset<fb::Step> make_step(Builder& b, const Step& s) {
  Text kernel = b.CreateString(s.kernel);
  auto params = bytes(b, s.params);
  auto dim_params =
      structs<fb::DimParam>(b, s.dim_params, [](const DimParam& p) { return fb::DimParam(p.offset, p.dim); });
  auto inputs = numbers(b, s.inputs);
  auto outputs = numbers(b, s.outputs);
  Text name = b.CreateString(s.name);
  auto origins = numbers(b, s.origins);
  auto found = numbers(b, s.found);
  auto control = make_control(b, s.control);
  auto bodies = tables<fb::Region>(b, s.bodies, make_region);
  return fb::CreateStep(b, kernel, params, dim_params, inputs, outputs, name, origins, found, control, bodies);
}

Offset<fb::Region> make_region(Builder& b, const Region& r) {
  auto values = tables<fb::Value>(b, r.values, make_value);
  auto steps = tables<fb::Step>(b, r.steps, make_step);
  return fb::CreateRegion(b, values, steps, r.arena_bytes, r.host_arena_bytes);
}

Offset<fb::Profile> make_profile(Builder& b, const Profile& p) {
  Text name = b.CreateString(p.name);
  auto symbols =
      structs<fb::Range>(b, p.symbols, [](const Range& r) { return fb::Range(r.min, r.opt, r.max); });
  auto region = make_region(b, p.region);
  return fb::CreateProfile(b, name, symbols, region);
}

Offset<fb::Binding> make_binding(Builder& b, const Binding& v) {
  Text name = b.CreateString(v.name);
  auto dims = numbers(b, v.dims);
  return fb::CreateBinding(b, name, number(v.dtype), dims);
}

Offset<fb::Weight> make_weight(Builder& b, const Weight& w) {
  auto dims = numbers(b, w.dims);
  return fb::CreateWeight(b, number(w.dtype), number(w.format.layout), w.format.block, number(w.format.place),
                          dims, w.offset, w.bytes, w.hash);
}

Offset<fb::RefitSource> make_source(Builder& b, const RefitSource& s) {
  Text name = b.CreateString(s.name);
  auto dims = numbers(b, s.dims);
  return fb::CreateRefitSource(b, name, number(s.dtype), dims);
}

Offset<fb::RefitProgram> make_program(Builder& b, const RefitProgram& p) {
  Text device = b.CreateString(p.device);
  auto sources = numbers(b, p.sources);
  auto weights = numbers(b, p.weights);
  auto region = make_region(b, p.region);
  return fb::CreateRefitProgram(b, device, sources, weights, region);
}

Offset<fb::Pin> make_pin(Builder& b, const Pin& p) {
  Text name = b.CreateString(p.name);
  Text reason = b.CreateString(p.reason);
  auto dims = numbers(b, p.dims);
  auto value = bytes(b, p.value);
  return fb::CreatePin(b, name, reason, number(p.dtype), dims, value);
}

Offset<fb::Target> make_target(Builder& b, const Target& t) {
  Text device = b.CreateString(t.device);
  Text libraries = b.CreateString(t.libraries);
  Text architecture = b.CreateString(t.architecture);
  Text product = b.CreateString(t.product);
  return fb::CreateTarget(b, device, t.cpu_features, libraries, t.threads, architecture, product);
}

// An upper bound of the encoded size: the builder must never be asked for more than it can address.
uint64_t bound(const Plan& plan) {
  uint64_t n = 1024 + plan.network.size() + 64 * (plan.dims.size() + plan.symbols.size()) + 24 * plan.images.size();
  auto add_region = [&](const Region& r, const auto& add) -> void {
    for (const Value& v : r.values) n += 128 + 4 * v.dims.size();
    for (const Step& s : r.steps) {
      n += 384 + s.kernel.size() + s.name.size() + s.params.size() + 8 * s.dim_params.size() +
           4 * (s.inputs.size() + s.outputs.size() + s.origins.size() + s.found.size() + s.control.reversed.size() +
                s.control.sizes[0].size() + s.control.sizes[1].size());
      for (const Region& body : s.bodies) n += 64, add(body, add);
    }
  };
  for (const Symbol& s : plan.symbols) n += s.name.size();
  for (const auto* list : {&plan.inputs, &plan.outputs})
    for (const Binding& v : *list) n += 64 + v.name.size() + 4 * v.dims.size();
  for (const Profile& p : plan.profiles)
    n += 128 + p.name.size() + 24 * p.symbols.size(), add_region(p.region, add_region);
  for (const Weight& w : plan.weights) n += 128 + 8 * w.dims.size();
  for (const RefitSource& s : plan.sources) n += 64 + s.name.size() + 8 * s.dims.size();
  for (const RefitProgram& p : plan.programs)
    n += 128 + p.device.size() + 4 * (p.sources.size() + p.weights.size()), add_region(p.region, add_region);
  for (const Pin& p : plan.pins)
    n += 128 + p.name.size() + p.reason.size() + 8 * p.dims.size() + p.value.size();
  for (const auto& [name, type] : plan.origins) n += 64 + name.size() + type.size();
  return n;
}

}  // namespace

Result<std::vector<std::byte>> encode(const Plan& plan) {
  constexpr uint64_t kMost = uint64_t{1} << 30;
  if (uint64_t n = bound(plan); n > kMost)
    return fail(Code::limit_exceeded, "the plan's metadata need up to {} bytes, the format holds {}", n,
                kMost);
  Builder b(1 << 16);
  Text network = b.CreateString(plan.network);
  auto target = make_target(b, plan.target);
  auto symbols = tables<fb::Symbol>(b, plan.symbols, [](Builder& builder, const Symbol& s) {
    Text name = builder.CreateString(s.name);
    return fb::CreateSymbol(builder, name);
  });
  auto dims = structs<fb::DimExpr>(
      b, plan.dims, [](const DimExpr& e) { return fb::DimExpr(e.value, e.a, e.b, number(e.op)); });
  auto inputs = tables<fb::Binding>(b, plan.inputs, make_binding);
  auto outputs = tables<fb::Binding>(b, plan.outputs, make_binding);
  auto profiles = tables<fb::Profile>(b, plan.profiles, make_profile);
  auto weights = tables<fb::Weight>(b, plan.weights, make_weight);
  auto sources = tables<fb::RefitSource>(b, plan.sources, make_source);
  auto programs = tables<fb::RefitProgram>(b, plan.programs, make_program);
  auto pins = tables<fb::Pin>(b, plan.pins, make_pin);
  auto origins = tables<fb::Origin>(b, plan.origins, [](Builder& builder, const auto& origin) {
    Text name = builder.CreateString(origin.first);
    Text type = builder.CreateString(origin.second);
    return fb::CreateOrigin(builder, name, type);
  });
  auto images = structs<fb::Image>(
      b, plan.images, [](const Image& i) { return fb::Image(i.key, i.offset, i.bytes); });
  // A number other than the default, so that the field is there to be written.
  b.Finish(fb::CreateMetadata(b, UINT64_MAX, network, target, symbols, dims, inputs, outputs, profiles,
                              weights, sources, programs, pins, origins, images));
  auto* data = reinterpret_cast<const std::byte*>(b.GetBufferPointer());
  std::vector<std::byte> out(data, data + b.GetSize());
  if (!rehash_metadata(out))
    return fail(Code::internal, "the plan's metadata do not verify after they were written");
  return out;
}

}  // namespace tenon::plan
