#include <cstring>
#include <memory>

#include "base/hash.h"
#include "plan/metadata.h"
#include "plan_generated.h"

namespace tenon::plan {
namespace {

// FlatBuffers' verifier bounds offsets, but several offsets may name one vector, and it aligns a vector's
// length, not its elements. So what is copied out of the section is counted, and may not exceed what an
// honest section can hold; and vectors whose elements are not aligned are refused.
class Reader {
 public:
  explicit Reader(size_t budget) : budget_(budget) {}
  bool refused() const { return refused_; }

  std::string text(const flatbuffers::String* s) {
    return s && take(s->size() + 1) ? s->str() : std::string();
  }

  template <class T>
  std::vector<T> numbers(const flatbuffers::Vector<T>* v) {
    if (!v || !is_aligned(v->Data(), alignof(T)) || !take(v->size() * sizeof(T))) return {};
    return {v->begin(), v->end()};
  }

  std::vector<std::byte> bytes(const flatbuffers::Vector<uint8_t>* v) {
    if (!v || !take(v->size())) return {};
    auto* data = reinterpret_cast<const std::byte*>(v->data());
    return {data, data + v->size()};
  }

  // The items of a vector of structs or tables, each through `read`.
  template <class T, class Vector, class F>
  std::vector<T> items(const Vector* v, size_t item_bytes, F&& read) {
    std::vector<T> out;
    using Item = std::remove_cvref_t<decltype(*v->Get(0))>;
    constexpr bool is_table = std::is_base_of_v<flatbuffers::Table, Item>;
    if (!v || !is_aligned(v->Data(), is_table ? sizeof(flatbuffers::uoffset_t) : alignof(Item)) ||
        !take(v->size() * item_bytes))
      return out;
    out.reserve(v->size());
    for (const auto* item : *v) {
      if (refused_) break;
      out.push_back(read(*item));
    }
    return out;
  }

 private:
  bool take(size_t bytes) {
    if (bytes > budget_) refused_ = true;
    if (refused_) return false;
    budget_ -= bytes;
    return true;
  }

  bool is_aligned(const void* data, size_t alignment) {
    if (reinterpret_cast<uintptr_t>(data) % alignment != 0) refused_ = true;
    return !refused_;
  }

  size_t budget_;
  bool refused_ = false;
};

// The least that a table costs in a section: its entry in the vector and its own offset to a field table.
constexpr size_t kTable = 8;

Value read_value(Reader& r, const fb::Value& v) {
  return {static_cast<ValueKind>(v.kind()),
          static_cast<DType>(v.dtype()),
          {static_cast<tenon::Layout>(v.layout()), v.block(), static_cast<Place>(v.place())},
          r.numbers(v.dims()),
          v.index(),
          v.offset(),
          v.max_bytes(),
          v.view_of()};
}

Region read_region(Reader& r, const fb::Region* region);

Control read_control(Reader& r, const fb::Control* control) {
  Control out;
  if (!control) return out;
  out.kind = static_cast<ControlKind>(control->kind());
  out.selector = control->selector();
  out.condition = control->condition();
  out.split = control->split();
  out.reversed = r.numbers(control->reversed());
  out.sizes[0] = r.numbers(control->first_sizes());
  out.sizes[1] = r.numbers(control->second_sizes());
  return out;
}

Step read_step(Reader& r, const fb::Step& s) {
  Step out;
  out.kernel = r.text(s.kernel());
  out.params = r.bytes(s.params());
  out.dim_params = r.items<DimParam>(s.dim_params(), sizeof(fb::DimParam), [](const fb::DimParam& p) {
    return DimParam{p.offset(), p.dim()};
  });
  out.inputs = r.numbers(s.inputs());
  out.outputs = r.numbers(s.outputs());
  out.name = r.text(s.name());
  out.origins = r.numbers(s.origins());
  out.found = r.numbers(s.found());
  out.control = read_control(r, s.control());
  out.bodies = r.items<Region>(s.bodies(), kTable, [&](const fb::Region& body) { return read_region(r, &body); });
  return out;
}

Region read_region(Reader& r, const fb::Region* region) {
  Region out;
  if (!region) return out;
  out.values = r.items<Value>(region->values(), kTable, [&](const fb::Value& v) { return read_value(r, v); });
  out.steps = r.items<Step>(region->steps(), kTable, [&](const fb::Step& s) { return read_step(r, s); });
  out.arena_bytes = region->arena_bytes();
  out.host_arena_bytes = region->host_arena_bytes();
  return out;
}

std::vector<Binding> read_bindings(Reader& r,
                                   const flatbuffers::Vector<flatbuffers::Offset<fb::Binding>>* list) {
  return r.items<Binding>(list, kTable, [&](const fb::Binding& b) {
    return Binding{r.text(b.name()), static_cast<DType>(b.dtype()), r.numbers(b.dims())};
  });
}

void read_refit(Reader& r, const fb::Metadata& m, Plan& plan) {
  plan.weights = r.items<Weight>(m.weights(), kTable, [&](const fb::Weight& w) {
    return Weight{static_cast<DType>(w.dtype()),
                  r.numbers(w.dims()),
                  {static_cast<tenon::Layout>(w.layout()), w.block(), static_cast<Place>(w.place())},
                  w.offset(),
                  w.bytes(),
                  w.hash()};
  });
  plan.sources = r.items<RefitSource>(m.sources(), kTable, [&](const fb::RefitSource& s) {
    return RefitSource{r.text(s.name()), static_cast<DType>(s.dtype()), r.numbers(s.dims())};
  });
  plan.programs = r.items<RefitProgram>(m.programs(), kTable, [&](const fb::RefitProgram& p) {
    return RefitProgram{r.text(p.device()), r.numbers(p.sources()), r.numbers(p.weights()),
                        read_region(r, p.region())};
  });
  plan.pins = r.items<Pin>(m.pins(), kTable, [&](const fb::Pin& p) {
    return Pin{r.text(p.name()), r.text(p.reason()), static_cast<DType>(p.dtype()), r.numbers(p.dims()),
               r.bytes(p.value())};
  });
}

Plan read(Reader& r, const fb::Metadata& m) {
  Plan plan;
  plan.network = r.text(m.network());
  if (const fb::Target* t = m.target())
    plan.target = {r.text(t->device()), t->cpu_features(),         r.text(t->libraries()),
                   t->threads(),        r.text(t->architecture()), r.text(t->product())};
  plan.symbols =
      r.items<Symbol>(m.symbols(), kTable, [&](const fb::Symbol& s) { return Symbol{r.text(s.name())}; });
  plan.dims = r.items<DimExpr>(m.dims(), sizeof(fb::DimExpr), [](const fb::DimExpr& e) {
    return DimExpr{static_cast<DimOp>(e.op()), e.value(), e.a(), e.b()};
  });
  plan.inputs = read_bindings(r, m.inputs());
  plan.outputs = read_bindings(r, m.outputs());
  plan.profiles = r.items<Profile>(m.profiles(), kTable, [&](const fb::Profile& p) {
    return Profile{r.text(p.name()),
                   r.items<Range>(p.symbols(), sizeof(fb::Range),
                                  [](const fb::Range& g) {
                                    return Range{g.min(), g.opt(), g.max()};
                                  }),
                   read_region(r, p.region())};
  });
  read_refit(r, m, plan);
  plan.origins = r.items<std::pair<std::string, std::string>>(m.origins(), kTable, [&](const fb::Origin& o) {
    std::string name = r.text(o.name());
    return std::pair(std::move(name), r.text(o.op_type()));
  });
  plan.images = r.items<Image>(m.images(), sizeof(fb::Image), [](const fb::Image& i) {
    return Image{i.key(), i.offset(), i.bytes()};
  });
  return plan;
}

// The section must start at a multiple of 8 in memory.
const fb::Metadata* checked_root(std::span<const std::byte> section) {
  constexpr size_t kMost = size_t{1} << 30;  // far below where the verifier's own arithmetic ends
  constexpr size_t kLeast = 16;
  if (section.size() < kLeast || section.size() > kMost) return nullptr;
  flatbuffers::Verifier::Options options;
  options.max_depth = 16 + 2 * kMostNested;
  options.max_tables = static_cast<flatbuffers::uoffset_t>(section.size() / kTable);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(section.data()), section.size(), options);
  if (!fb::VerifyMetadataBuffer(verifier)) return nullptr;
  return fb::GetMetadata(section.data());
}

// Where the field `content` lies in a section that checked_root has passed; 0 if it has none.
size_t content_offset(std::span<const std::byte> section) {
  const auto* table = flatbuffers::GetRoot<flatbuffers::Table>(section.data());
  const auto* field = reinterpret_cast<const std::byte*>(table->GetAddressOf(fb::Metadata::VT_CONTENT));
  return field ? static_cast<size_t>(field - section.data()) : 0;
}

// The hash of the section with the eight bytes at `offset` zero; leaves them so.
uint64_t content_hash(std::span<std::byte> section, size_t offset) {
  std::memset(section.data() + offset, 0, sizeof(uint64_t));
  return hash_bytes(section);
}

}  // namespace

Result<Plan> decode(std::span<const std::byte> section) {
  std::vector<std::byte> aligned(section.begin(), section.end());  // operator new aligns to 16
  const fb::Metadata* m = checked_root(aligned);
  size_t offset = m ? content_offset(aligned) : 0;
  if (offset == 0)
    return fail(Code::invalid_plan, "the plan's metadata section ({} bytes) is malformed", section.size());
  Reader reader(aligned.size());
  Plan plan = read(reader, *m);
  uint64_t content = m->content();
  if (content_hash(aligned, offset) != content)
    return fail(Code::invalid_plan,
                "the contents of the plan's metadata section do not match the hash within it");
  if (reader.refused())
    return fail(Code::invalid_plan,
                "the plan's metadata section holds lists that share bytes or are not aligned");
  return plan;
}

bool rehash_metadata(std::span<std::byte> section) {
  std::vector<std::byte> aligned(section.begin(), section.end());
  size_t offset = checked_root(aligned) ? content_offset(aligned) : 0;
  if (offset == 0) return false;
  uint64_t hash = content_hash(aligned, offset);
  std::memcpy(section.data() + offset, &hash, sizeof hash);
  return true;
}

}  // namespace tenon::plan
