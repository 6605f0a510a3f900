#include "fuzz/plan_mutator.h"

#include <cstring>
#include <string>

#include "device/kernel_table.h"

namespace tenon::fuzz {
namespace {

template <class T>
T* pick(std::vector<T>& list, Random& random) {
  return list.empty() ? nullptr : &list[random.below(list.size())];
}

template <class T>
void change(T& field, Random& random) {
  field = random.below(2) ? static_cast<T>(random.number())
                          : static_cast<T>(static_cast<uint64_t>(field) + random.next() % 5 - 2);
}

// Adds, removes, repeats or changes an item.
template <class T, class F>
void edit_list(std::vector<T>& list, Random& random, F&& change_item) {
  switch (random.below(5)) {
    case 0:
      if (!list.empty()) list.erase(list.begin() + static_cast<int64_t>(random.below(list.size())));
      break;
    case 1:
      if (!list.empty() && list.size() < 64) list.push_back(list[random.below(list.size())]);
      break;
    case 2:
      if (list.size() > 1) std::swap(list[random.below(list.size())], list[random.below(list.size())]);
      break;
    default:
      if (T* item = pick(list, random)) change_item(*item);
  }
}

plan::Region& pick_region(plan::Plan& plan, Random& random) {
  if (!plan.programs.empty() && random.below(4) == 0) return pick(plan.programs, random)->region;
  if (plan.profiles.empty()) plan.profiles.emplace_back();
  plan::Region* region = &pick(plan.profiles, random)->region;
  while (random.below(2)) {  // or a body within it
    plan::Step* step = pick(region->steps, random);
    plan::Region* body = step ? pick(step->bodies, random) : nullptr;
    if (!body) break;
    region = body;
  }
  return *region;
}

DType any_type(Random& random) { return static_cast<DType>(random.below(22)); }

void mutate_value(plan::Plan& plan, plan::Value& v, Random& random) {
  switch (random.below(9)) {
    case 0: v.kind = static_cast<plan::ValueKind>(random.below(9)); break;
    case 1: v.dtype = any_type(random); break;
    case 2:
      v.format =
          random.below(2) ? kLinear : Format{static_cast<Layout>(random.below(4)), uint8_t(random.below(18))};
      break;
    case 3:
      edit_list(v.dims, random, [&](uint32_t& d) { d = uint32_t(random.below(plan.dims.size() + 1)); });
      break;
    case 4: change(v.index, random); break;
    case 5: v.offset = random.below(64) * 64; break;
    case 6: change(v.max_bytes, random); break;
    case 7: v.view_of = random.below(2) ? plan::kNoView : uint32_t(random.below(16)); break;
    default: v.dims.push_back(uint32_t(random.below(plan.dims.size()))); break;
  }
}

// Parameters as kernels have them: small integers of 1, 4 or 8 bytes, and anything else.
void mutate_params(std::vector<std::byte>& params, Random& random) {
  if (params.empty()) return;
  size_t width = size_t{1} << (random.below(2) + 2);
  if (random.below(3) == 0) width = 1;
  size_t at = random.below(params.size()) / width * width;
  int64_t value = random.number();
  std::memcpy(params.data() + at, &value, std::min(width, params.size() - at));
}

void mutate_step(plan::Plan& plan, plan::Region& region, plan::Step& s, Random& random) {
  auto any_value = [&](uint32_t& v) { v = uint32_t(random.below(region.values.size() + 1)); };
  auto any_dim = [&](uint32_t& d) { d = uint32_t(random.below(plan.dims.size() + 1)); };
  if (!s.bodies.empty() && random.below(2)) {
    plan::Control& c = s.control;
    switch (random.below(7)) {
      case 0: c.kind = static_cast<plan::ControlKind>(random.below(4)); break;
      case 1: any_dim(c.selector); break;
      case 2: c.condition = random.below(2) ? plan::kNoSymbol : uint32_t(random.below(plan.symbols.size() + 1)); break;
      case 3: c.split = uint32_t(random.below(s.inputs.size() + 2)); break;
      case 4: edit_list(c.reversed, random, [&](uint32_t& r) { r = uint32_t(random.below(3)); }); break;
      case 5: edit_list(c.sizes[random.below(2)], random, any_dim); break;
      default:
        if (s.bodies.size() < 3 && random.below(2)) s.bodies.push_back(s.bodies[0]);
        else edit_list(s.found, random, [&](uint32_t& symbol) { symbol = uint32_t(random.below(plan.symbols.size() + 1)); });
    }
    return;
  }
  switch (random.below(6)) {
    case 0: {
      const Kernel* kernel = host_kernels()[random.below(host_kernels().size())];
      s.kernel = kernel->id;
      s.params.resize(kernel->params_size);
      break;
    }
    case 1: edit_list(s.inputs, random, any_value); break;
    case 2: edit_list(s.outputs, random, any_value); break;
    case 3:
      if (random.below(2))
        s.dim_params.push_back({uint32_t(random.below(s.params.size() / 8 + 1) * 8), 0});
      else
        edit_list(s.dim_params, random,
                  [&](plan::DimParam& p) { p.dim = uint32_t(random.below(plan.dims.size() + 1)); });
      break;
    default:
      for (uint64_t n = 1 + random.below(4); n > 0; --n) mutate_params(s.params, random);
  }
}

void mutate_dims(plan::Plan& plan, Random& random) {
  if (plan::DimExpr* e = pick(plan.dims, random)) {
    switch (random.below(4)) {
      case 0: e->op = static_cast<plan::DimOp>(random.below(12)); break;
      case 1: e->a = uint32_t(random.below(plan.dims.size())); break;
      case 2: e->b = uint32_t(random.below(plan.dims.size())); break;
      default: change(e->value, random);
    }
  }
  if (random.below(4) == 0) plan.dims.push_back({plan::DimOp::constant, random.number(), 0, 0});
}

void mutate_boundary(plan::Plan& plan, Random& random) {
  std::vector<plan::Binding>& list = random.below(2) ? plan.inputs : plan.outputs;
  edit_list(list, random, [&](plan::Binding& b) {
    if (random.below(2))
      b.dtype = any_type(random);
    else
      edit_list(b.dims, random, [&](uint32_t& d) { d = uint32_t(random.below(plan.dims.size() + 1)); });
  });
  if (plan::Profile* p = pick(plan.profiles, random))
    if (plan::Range* r = pick(p->symbols, random)) change(random.below(2) ? r->opt : r->max, random);
}

void mutate_weights(plan::Plan& plan, Random& random) {
  if (plan::Weight* w = pick(plan.weights, random)) {
    switch (random.below(4)) {
      case 0: w->dtype = any_type(random); break;
      case 1: edit_list(w->dims, random, [&](int64_t& d) { change(d, random); }); break;
      case 2: change(w->offset, random); break;
      default: change(w->bytes, random);
    }
  }
  if (plan::RefitProgram* p = pick(plan.programs, random))
    edit_list(random.below(2) ? p->sources : p->weights, random,
              [&](uint32_t& i) { i = uint32_t(random.below(4)); });
}

}  // namespace

void mutate(plan::Plan& plan, Random& random) {
  plan::Region& region = pick_region(plan, random);
  switch (random.below(8)) {
    case 0: mutate_dims(plan, random); break;
    case 1: mutate_boundary(plan, random); break;
    case 2: mutate_weights(plan, random); break;
    case 3: edit_list(region.values, random, [&](plan::Value& v) { mutate_value(plan, v, random); }); break;
    case 4:
      edit_list(region.steps, random, [&](plan::Step& s) { mutate_step(plan, region, s, random); });
      break;
    case 5:
      if (plan::Value* v = pick(region.values, random)) mutate_value(plan, *v, random);
      break;
    case 6: change(region.arena_bytes, random); break;
    default:
      if (plan::Step* s = pick(region.steps, random)) mutate_step(plan, region, *s, random);
  }
}

}  // namespace tenon::fuzz
