// Small plans for tests, made by hand: a builder, and one network that uses most of what a plan can say.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/program.h"
#include "plan/plan.h"
#include "plan/serialize.h"
#include "plan/verify.h"

namespace tenon::test {

class PlanBuilder {
 public:
  plan::Plan plan;

  PlanBuilder() {
    plan.network = "test";
    plan.target = {"cpu", 0, "", 1, "", ""};
    plan.profiles.push_back({"profile 0", {}, {}});
  }

  plan::Region& region() { return plan.profiles[0].region; }

  uint32_t dim(plan::DimExpr e) {
    plan.dims.push_back(e);
    return static_cast<uint32_t>(plan.dims.size() - 1);
  }
  uint32_t constant(int64_t value) { return dim({plan::DimOp::constant, value, 0, 0}); }
  uint32_t symbol(std::string name, plan::Range range) {
    plan.symbols.push_back({std::move(name)});
    plan.profiles[0].symbols.push_back(range);
    return dim({plan::DimOp::symbol, static_cast<int64_t>(plan.symbols.size() - 1), 0, 0});
  }
  uint32_t op(plan::DimOp op, uint32_t a, uint32_t b) { return dim({op, 0, a, b}); }

  uint32_t value(plan::Value v) {
    region().values.push_back(std::move(v));
    return static_cast<uint32_t>(region().values.size() - 1);
  }
  uint32_t input(std::string name, std::vector<uint32_t> dims, DType dtype = DType::f32) {
    plan.inputs.push_back({std::move(name), dtype, dims});
    return value(
        {plan::ValueKind::input, dtype, kLinear, dims, static_cast<uint32_t>(plan.inputs.size() - 1)});
  }
  uint32_t output(std::string name, std::vector<uint32_t> dims, DType dtype = DType::f32) {
    plan.outputs.push_back({std::move(name), dtype, dims});
    return value(
        {plan::ValueKind::output, dtype, kLinear, dims, static_cast<uint32_t>(plan.outputs.size() - 1)});
  }
  uint32_t arena(std::vector<uint32_t> dims, uint64_t offset, uint64_t max_bytes, DType dtype = DType::f32) {
    region().arena_bytes = std::max(region().arena_bytes, (offset + max_bytes + 63) / 64 * 64);
    return value({plan::ValueKind::arena, dtype, kLinear, std::move(dims), 0, offset, max_bytes});
  }
  uint32_t view(uint32_t of, std::vector<uint32_t> dims) {
    plan::Value v = region().values[of];
    v.dims = std::move(dims);
    v.view_of = of;
    return value(std::move(v));
  }

  uint32_t piece(uint32_t of, std::vector<uint32_t> dims, uint64_t offset, uint64_t max_bytes) {
    const uint32_t out = view(of, std::move(dims));
    region().values[out].offset = offset;
    region().values[out].max_bytes = max_bytes;
    return out;
  }

  // The number of the weight.
  uint32_t weight(const std::vector<float>& values, std::vector<int64_t> dims) {
    size_t bytes = values.size() * sizeof(float);
    bytes_.resize((bytes_.size() + 63) / 64 * 64);
    plan.weights.push_back(
        {DType::f32, std::move(dims), kLinear, bytes_.size(), bytes, hash_bytes(values.data(), bytes)});
    bytes_.resize(bytes_.size() + bytes);
    if (bytes) std::memcpy(bytes_.data() + plan.weights.back().offset, values.data(), bytes);
    return static_cast<uint32_t>(plan.weights.size() - 1);
  }
  // One of strings, whose bytes may be anything.
  uint32_t text_weight(const std::vector<std::byte>& packed, std::vector<int64_t> dims) {
    bytes_.resize((bytes_.size() + 63) / 64 * 64);
    plan.weights.push_back(
        {DType::string, std::move(dims), kLinear, bytes_.size(), packed.size(), hash_bytes(packed.data(), packed.size())});
    bytes_.insert(bytes_.end(), packed.begin(), packed.end());
    return static_cast<uint32_t>(plan.weights.size() - 1);
  }
  uint32_t weight_value(uint32_t weight) {
    std::vector<uint32_t> dims;
    for (int64_t d : plan.weights[weight].dims) dims.push_back(constant(d));
    return value({plan::ValueKind::weight, plan.weights[weight].dtype, kLinear, std::move(dims), weight});
  }

  static plan::Step step(std::string kernel, std::vector<uint32_t> inputs, std::vector<uint32_t> outputs, std::string name,
                         std::vector<uint32_t> found = {}) {
    plan::Step out;
    out.kernel = std::move(kernel);
    out.inputs = std::move(inputs);
    out.outputs = std::move(outputs);
    out.name = std::move(name);
    out.found = std::move(found);
    return out;
  }
  static plan::Value absent() {
    plan::Value out;
    out.kind = plan::ValueKind::absent;
    return out;
  }
  static plan::Step pointwise(std::string_view program, std::vector<uint32_t> inputs, uint32_t output,
                              DType type = DType::f32) {
    std::vector<DType> types(inputs.size(), type);
    Program parsed = *parse_program(program, types);
    auto bytes = std::as_bytes(std::span(&parsed, 1));
    plan::Step step;
    step.kernel = "pointwise.reference";
    step.params.assign(bytes.begin(), bytes.end());
    step.inputs = std::move(inputs);
    step.outputs = {output};
    step.name = std::string(program);
    return step;
  }
  void add(plan::Step step) { region().steps.push_back(std::move(step)); }

  // The plan with its weights; the builder must outlive it.
  const plan::Plan& finish() {
    plan.weight_bytes = bytes_;
    return plan;
  }
  std::vector<std::byte> bytes() {
    auto written = plan::write(finish());
    return written ? std::move(*written) : std::vector<std::byte>();
  }

 private:
  std::vector<std::byte> bytes_;
};

// x [N,3], N in 1 … 4:
//   u = max(x + scale, 0) * double_shift      in place, over the arena's first value
//   v = tanh(u)
//   difference [N,3] = v - u
//   negated [3*N]    = -reshape(v)
// Refit: `scale` [3] is taken as it is; `double_shift` [3] is 2 * `shift`; `fixed` [] is pinned to 1.
inline PlanBuilder small_plan(const std::vector<float>& scale = {1, 2, 3},
                              const std::vector<float>& shift = {1, -1, 0.5f}) {
  PlanBuilder b;
  uint32_t n = b.symbol("N", {1, 2, 4}), three = b.constant(3), flat = b.op(plan::DimOp::mul, n, three);
  uint32_t x = b.input("x", {n, three});
  uint32_t w = b.weight_value(b.weight(scale, {3}));
  std::vector<float> doubled;
  for (float f : shift) doubled.push_back(2 * f);
  uint32_t d = b.weight_value(b.weight(doubled, {3}));
  uint32_t t = b.arena({n, three}, 0, 48), u = b.arena({n, three}, 0, 48), v = b.arena({n, three}, 64, 48);
  uint32_t flat_v = b.view(v, {flat});
  uint32_t difference = b.output("difference", {n, three}), negated = b.output("negated", {flat});
  b.add(PlanBuilder::pointwise("max(add(x0, x1), 0)", {x, w}, t));
  b.add(PlanBuilder::pointwise("mul(x0, x1)", {t, d}, u));
  b.add(PlanBuilder::pointwise("tanh(x0)", {u}, v));
  b.add(PlanBuilder::pointwise("sub(x0, x1)", {v, u}, difference));
  b.add(PlanBuilder::pointwise("neg(x0)", {flat_v}, negated));
  b.plan.origins = {{"first", "Add"}, {"second", "Relu"}};
  b.region().steps[0].origins = {0, 1};

  b.plan.sources = {{"scale", DType::f32, {3}}, {"shift", DType::f32, {3}}, {"fixed", DType::f32, {}}};
  b.plan.programs.push_back({"cpu", {0}, {0}, {}});
  plan::RefitProgram program{"cpu", {1}, {1}, {}};
  program.region.values = {{plan::ValueKind::input, DType::f32, kLinear, {three}, 0},
                           {plan::ValueKind::output, DType::f32, kLinear, {three}, 0}};
  program.region.steps = {PlanBuilder::pointwise("mul(x0, 2)", {0}, 1)};
  b.plan.programs.push_back(std::move(program));
  float one = 1;
  auto one_bytes = std::as_bytes(std::span(&one, 1));
  b.plan.pins.push_back(
      {"fixed", "it was folded into a step", DType::f32, {}, {one_bytes.begin(), one_bytes.end()}});
  return b;
}

struct SmallResult {
  std::vector<float> difference, negated;
};

// What small_plan computes.
inline SmallResult small_expected(const std::vector<float>& x, const std::vector<float>& scale = {1, 2, 3},
                                  const std::vector<float>& shift = {1, -1, 0.5f}) {
  SmallResult out;
  for (size_t i = 0; i < x.size(); ++i) {
    float u = std::max(x[i] + scale[i % 3], 0.f) * (2 * shift[i % 3]);
    float v = std::tanh(u);
    out.difference.push_back(v - u);
    out.negated.push_back(-v);
  }
  return out;
}

// x [16]: whole [32] is tanh(x), then -tanh(x); y [32] = -whole; z [16] = -tanh(x) again, read of the piece.
inline PlanBuilder pieces_plan() {
  PlanBuilder b;
  const uint32_t half = b.constant(16), all = b.constant(32);
  const uint32_t x = b.input("x", {half}), y = b.output("y", {all}), z = b.output("z", {half});
  const uint32_t whole = b.arena({all}, 64, 128);
  const uint32_t first = b.piece(whole, {half}, 64, 64), second = b.piece(whole, {half}, 128, 64);
  b.add(PlanBuilder::pointwise("tanh(x0)", {x}, first));
  b.add(PlanBuilder::pointwise("neg(x0)", {first}, second));
  b.add(PlanBuilder::pointwise("neg(x0)", {whole}, y));
  b.add(PlanBuilder::pointwise("neg(neg(x0))", {second}, z));
  return b;
}

// A region of its own, made like a plan's.
class BodyBuilder {
 public:
  plan::Region region;
  uint32_t value(plan::ValueKind kind, std::vector<uint32_t> dims, uint32_t index = 0, DType dtype = DType::f32) {
    plan::Value v;
    v.kind = kind;
    v.dtype = dtype;
    v.dims = std::move(dims);
    v.index = index;
    region.values.push_back(std::move(v));
    return static_cast<uint32_t>(region.values.size() - 1);
  }
  uint32_t arena(std::vector<uint32_t> dims, uint64_t offset, uint64_t bytes, DType dtype = DType::f32) {
    const uint32_t out = value(plan::ValueKind::arena, std::move(dims), 0, dtype);
    region.values[out].offset = offset;
    region.values[out].max_bytes = bytes;
    region.arena_bytes = std::max(region.arena_bytes, (offset + bytes + 63) / 64 * 64);
    return out;
  }
};

// x [N,3], more i64 [1], N in 1 … 4; after up to N iterations of h = max(h + w, 0) * w, the first from x:
//   last [N,3] = h;  all [N,N,3] = each iteration's max(h + w, 0)
//   side [N,3] = -h if N is not 0, else tanh(h)
inline PlanBuilder looping_plan() {
  using plan::ValueKind;
  PlanBuilder b;
  const uint32_t n = b.symbol("N", {1, 2, 4}), go = b.symbol("found_b0_0", {0, 1, 1}), count = b.symbol("found_1", {0, 2, 4});
  (void)go, (void)count;
  const uint32_t three = b.constant(3), one = b.constant(1), bytes = b.constant(320);
  const uint32_t w = b.weight({0.5f, 1, -2}, {3});
  const uint32_t x = b.input("x", {n, three}), more = b.input("more", {one}, DType::i64);
  const uint32_t last = b.output("last", {n, three}), all = b.output("all", {n, n, three}), side = b.output("side", {n, three});
  const uint32_t stacked = b.arena({n, n, three}, 0, 192), workspace = b.arena({bytes}, 192, 320, DType::u8);
  const uint32_t sizes = b.arena({one}, 512, 64, DType::i64), absent = b.value(PlanBuilder::absent());

  BodyBuilder body;
  const uint32_t h = body.value(ValueKind::input, {n, three}, 0), flag = body.value(ValueKind::input, {one}, 1, DType::i64);
  const uint32_t weight = body.value(ValueKind::weight, {three}, w);
  const uint32_t t = body.arena({n, three}, 0, 48), clipped = body.arena({one}, 64, 64, DType::i64), found = body.arena({one}, 128, 64, DType::i64);
  const uint32_t next = body.value(ValueKind::output, {n, three}, 0), slice = body.value(ValueKind::output, {n, three}, 1);
  body.region.steps = {PlanBuilder::pointwise("max(add(x0, x1), 0)", {h, weight}, t),
                       PlanBuilder::pointwise("min(max(add(x0, 2), 0), 1)", {flag}, clipped, DType::i64),
                       PlanBuilder::step("read_sizes.reference", {clipped}, {found}, "go on", {1}),
                       PlanBuilder::pointwise("mul(x0, x1)", {t, weight}, next),
                       PlanBuilder::pointwise("neg(neg(x0))", {t}, slice)};
  body.region.steps[2].params.resize(64);
  body.region.steps[2].params[0] = std::byte{1};
  plan::Step loop = PlanBuilder::step("loop", {x, more}, {last, stacked, workspace, absent, sizes}, "loop", {2});
  loop.control = {plan::ControlKind::loop, n, 1, 1, {0}, {}};
  loop.bodies = {body.region};
  b.add(std::move(loop));
  b.add(PlanBuilder::pointwise("neg(neg(x0))", {stacked}, all));

  plan::Step branch = PlanBuilder::step("branch", {last, last}, {side, absent, absent}, "branch");
  branch.control = {plan::ControlKind::branch, n, plan::kNoSymbol, 1, {}, {}};
  for (const char* program : {"neg(x0)", "tanh(x0)"}) {
    BodyBuilder one_of;
    const uint32_t in = one_of.value(ValueKind::input, {n, three}, 0), out = one_of.value(ValueKind::output, {n, three}, 0);
    one_of.region.steps = {PlanBuilder::pointwise(program, {in}, out)};
    branch.bodies.push_back(one_of.region);
  }
  b.add(std::move(branch));
  return b;
}

}  // namespace tenon::test
