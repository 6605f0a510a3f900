#include "gpu/case_tables.h"
#include "pointwise/params.h"

namespace tenon::test {
namespace {

Case pointwise(std::string name, const Program& p, std::vector<Spec> inputs, Spec out) {
  Case c{"pointwise " + std::move(name), "cuda.pointwise", "pointwise.reference"};
  c.with(PointwiseParams{p});
  c.inputs = std::move(inputs);
  c.outputs = {std::move(out)};
  return c;
}

std::string types_text(DType type, const std::vector<int64_t>& dims) {
  return fmt::format("{}[{}]", name_of(type), fmt::join(dims, ","));
}

}  // namespace

void pointwise_cases(std::vector<Case>& out) {
  using enum DType;
  // Every operation of every kind of type.
  for (int i = 0; i < static_cast<int>(ExprOp::count_); ++i) {
    const auto op = static_cast<ExprOp>(i);
    if (op == ExprOp::constant || op == ExprOp::cast) continue;
    for (DType type : {f32, f64, f16, bf16, i8, u8, i16, u16, i32, u32, i64, u64, boolean}) {
      const int n = arity(op);
      for (DType first : {type, boolean}) {
        std::vector<DType> types(static_cast<size_t>(n), type);
        if (op == ExprOp::where) types[0] = boolean;
        else if (first != type) continue;
        ProgramBuilder builder(types);
        uint8_t result = n == 1   ? builder.unary(op, 0)
                         : n == 2 ? builder.binary(op, 0, 1)
                                  : builder.where(0, 1, 2);
        auto made = builder.finish(result);
        if (!made || !verify(*made)) continue;
        std::vector<Spec> inputs;
        for (DType t : types) inputs.push_back(is_float(t) ? Spec(t, {1001}) : Spec(t, {1001}).range(is_signed(t) ? -9 : 0, 9));
        const bool domain = op == ExprOp::acosh || op == ExprOp::log || op == ExprOp::pow;
        if (domain && is_float(type)) inputs[0] = inputs[0].range(op == ExprOp::acosh ? 1 : 0.1, 5);
        if (op == ExprOp::asin || op == ExprOp::acos || op == ExprOp::atanh) inputs[0] = inputs[0].range(-0.9, 0.9);
        if (type == boolean)
          for (Spec& in : inputs) in = in.range(0, 1);
        if (types.size() > 1 && (op == ExprOp::shift_left || op == ExprOp::shift_right))
          inputs[1] = inputs[1].range(0, 9);
        out.push_back(pointwise(fmt::format("{} {}", name_of(op), name_of(type)), *made, inputs,
                                Spec(made->result_type(), {1001})));
        if (op == ExprOp::tan || op == ExprOp::mod || op == ExprOp::fmod) out.back().scale = 10;
      }
    }
  }
  for (DType from : {f32, f64, f16, bf16, i8, u8, i32, i64, u64, boolean})
    for (DType to : {f32, f64, f16, bf16, i8, u8, i16, u32, i64, boolean}) {
      ProgramBuilder builder(std::vector{from});
      auto made = builder.finish(builder.cast(to, 0));
      const Spec in = from == boolean ? Spec(from, {333}).range(0, 1)
                                      : Spec(from, {333}).range(is_signed(from) || is_float(from) ? -100 : 0, 100);
      if (made) out.push_back(pointwise(fmt::format("cast {} to {}", name_of(from), name_of(to)), *made, {in}, Spec(to, {333})));
    }
  const Program add = program("add(x0, x1)", {f32, f32});
  const Program gelu = program("mul(mul(x0, 0.5), add(erf(mul(x0, 0.70710678)), 1))", {f32});
  const Program norm = program("max(add(mul(x0, x1), x2), 0)", {f32, f32, f32});
  using D = std::vector<int64_t>;
  struct Broadcast { D a, b, y; };
  for (const Broadcast& s : {Broadcast{{}, {}, {}}, Broadcast{{7}, {}, {7}}, Broadcast{{4, 1}, {1, 6}, {4, 6}},
                             Broadcast{{3, 5, 8}, {8}, {3, 5, 8}}, Broadcast{{3, 5, 8}, {5, 1}, {3, 5, 8}},
                             Broadcast{{2, 1, 3, 1, 2, 1, 2, 4}, {1, 3, 1, 2, 1, 2, 1, 4}, {2, 3, 3, 2, 2, 2, 2, 4}},
                             Broadcast{{0, 3}, {3}, {0, 3}}, Broadcast{{129, 1000}, {1000}, {129, 1000}},
                             Broadcast{{33, 1001}, {33, 1001}, {33, 1001}}})
    for (DType storage : {f32, f16, bf16})
      out.push_back(pointwise("add " + types_text(storage, s.a) + types_text(storage, s.b), add,
                              {Spec(f32, s.a).stored(storage), Spec(f32, s.b).stored(storage)},
                              Spec(f32, s.y).stored(storage)));
  for (DType storage : {f32, f16}) {
    const Spec x = Spec(f32, {2, 24, 5, 7}, kChannelsLast).stored(storage), c = Spec(f32, {24, 1, 1}).stored(storage);
    out.push_back(pointwise("nhwc per channel", norm, {x, c, c}, x));
    out.push_back(pointwise("nhwc and linear", add, {x, Spec(f32, {2, 24, 5, 7}).stored(storage)}, x));
    out.push_back(pointwise("nhwc to f32", add, {x, x}, Spec(f32, {2, 24, 5, 7}, kChannelsLast)));
    // Dims that change: also where an operand then broadcasts.
    const Spec d = Spec(f32, {5, 16}).stored(storage).dynamic(1);
    out.push_back(pointwise("dynamic", add, {d, d}, d));
    out.push_back(pointwise("dynamic broadcast", add, {d, Spec(f32, {1, 16}).stored(storage).dynamic(1)}, d));
    out.push_back(pointwise("dynamic channels", norm, {x.dynamic(13), c, c}, x.dynamic(13)));
    out.push_back(pointwise("gelu large", gelu, {Spec(f32, {4096, 4096}).stored(storage)}, Spec(f32, {4096, 4096}).stored(storage)));
    out.back().large = true;
    const Spec big = Spec(f32, {64, 56, 56, 256}).stored(storage);
    out.push_back(pointwise("add relu large", norm, {big, Spec(f32, {256}).stored(storage), big}, big));
    out.back().large = true;
    out.push_back(pointwise("add linear channels 7x7 large", norm,
                            {Spec(f32, {128, 512, 7, 7}).stored(storage), Spec(f32, {512, 1, 1}).stored(storage),
                             Spec(f32, {128, 512, 7, 7}).stored(storage)},
                            Spec(f32, {128, 512, 7, 7}).stored(storage)));
    out.back().large = true;
  }
}

}  // namespace tenon::test
