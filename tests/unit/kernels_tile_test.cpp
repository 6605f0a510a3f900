// The vectorised tile executors against the scalar one, and both against exact values.
#include "common/tile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/cpu.h"
#include "base/half.h"

namespace tenon {
namespace {

struct Isa {
  const char* name;
  uint32_t features;
};
std::vector<Isa> isas() {
  std::vector<Isa> out;
  if (cpu_features() & kAvx2) out.push_back({"avx2", kAvx2});
  if (cpu_features() & kAvx512) out.push_back({"avx512", kAvx2 | kAvx512});
  return out;
}

struct Scratch {
  alignas(64) std::byte bytes[kTileScratchBytes];
};
Scratch scratch;

double distance(float got, double want) {  // in units of the last place of float32
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (std::isinf(got) || std::fabs(want) > 3.4028235677973366e38) {
    return static_cast<double>(got) == static_cast<double>(static_cast<float>(want)) ? 0 : 1e9;
  }
  int exponent;
  std::frexp(want, &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

std::vector<float> arguments(std::mt19937& random) {
  std::vector<float> x = {0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN, 1e-40f, -1e-40f, 88.7f, 88.8f, -87.4f,
                          -103.9f, -104.5f, 0.625f, 0.93f, -0.93f, 0.9299999f, 9.5f, 1e30f, -1e30f, 3.0e38f, 1.17549435e-38f};
  std::uniform_real_distribution<float> wide(-110, 110), near(-4, 4), tiny(-1e-3f, 1e-3f);
  for (int i = 0; i < 30000; ++i) x.push_back(i % 3 == 0 ? wide(random) : i % 3 == 1 ? near(random) : tiny(random));
  for (int i = 0; i < 10000; ++i) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  return x;
}

TEST(Tile, FunctionsAreWithinTheirBounds) {
  struct Row { const char* text; double (*exact)(double); double bound = 2; };
  static constexpr Row kRows[] = {
      {"exp(x0)", [](double x) { return std::exp(x); }},
      {"log(x0)", [](double x) { return std::log(x); }},
      {"erf(x0)", [](double x) { return std::erf(x); }},
      {"tanh(x0)", [](double x) { return std::tanh(x); }},
      {"sigmoid(x0)", [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }, 2.5},
      {"softplus(x0)", [](double x) { return std::isnan(x) ? x : std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }},
      {"sin(x0)", [](double x) { return std::sin(x); }},
  };
  std::mt19937 random(std::random_device{}());
  std::vector<float> x = arguments(random), y(x.size());
  const DType types[] = {DType::f32};
  std::vector<Isa> all = isas();
  all.push_back({"scalar", 0});
  for (const Row& row : kRows) {
    Program program = *parse_program(row.text, types);
    for (const Isa& isa : all) {
      TileOperand in{x.data(), 0, 1};
      tile_function(isa.features)(program, &in, 1, static_cast<int64_t>(x.size()), y.data(), 0, scratch.bytes);
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        double error = distance(y[i], row.exact(x[i]));
        if (error > worst) worst = error, at = x[i];
      }
      EXPECT_LE(worst, row.bound) << row.text << " " << isa.name << " at " << at;
    }
  }
}

// ---- Random programs on random tiles

class Fuzz {
 public:
  explicit Fuzz(uint32_t seed) : random_(seed) {}

  Program program() {
    const size_t inputs = 1 + random_() % 4;
    std::vector<DType> types;
    static constexpr DType kTypes[] = {DType::f32, DType::f32, DType::f32, DType::f32, DType::boolean, DType::f16,
                                       DType::bf16, DType::i64, DType::i32, DType::u8};
    for (size_t i = 0; i < inputs; ++i) types.push_back(kTypes[random_() % std::size(kTypes)]);
    ProgramBuilder b(types);
    std::vector<uint8_t> floats, bools;
    for (size_t i = 0; i < inputs; ++i) {
      auto number = static_cast<uint8_t>(i);
      if (types[i] == DType::boolean) bools.push_back(number);
      else floats.push_back(b.cast(DType::f32, number));
    }
    if (floats.empty()) floats.push_back(b.cast(DType::f32, 0));
    auto f = [&] { return floats[random_() % floats.size()]; };
    auto t = [&] { return bools.empty() ? b.binary(ExprOp::gt, f(), f()) : bools[random_() % bools.size()]; };
    static constexpr ExprOp kUnary[] = {ExprOp::neg, ExprOp::abs, ExprOp::sign, ExprOp::tanh, ExprOp::sigmoid, ExprOp::erf,
                                        ExprOp::floor, ExprOp::ceil, ExprOp::round, ExprOp::cos, ExprOp::atan};
    static constexpr ExprOp kBinary[] = {ExprOp::add, ExprOp::sub, ExprOp::mul, ExprOp::max, ExprOp::min};
    static constexpr ExprOp kCompare[] = {ExprOp::lt, ExprOp::le, ExprOp::gt, ExprOp::ge, ExprOp::eq, ExprOp::ne};
    for (int i = 0, n = 1 + static_cast<int>(random_() % 12); i < n; ++i) {
      switch (random_() % 8) {
        case 0: floats.push_back(b.constant(DType::f32, static_cast<double>(random_() % 9) / 4 - 1)); break;
        case 1: floats.push_back(b.unary(kUnary[random_() % std::size(kUnary)], f())); break;
        case 2: floats.push_back(b.where(t(), f(), f())); break;
        case 3: bools.push_back(b.binary(kCompare[random_() % std::size(kCompare)], f(), f())); break;
        case 4: bools.push_back(b.binary(random_() % 2 ? ExprOp::logical_xor : ExprOp::eq, t(), t())); break;
        case 5: bools.push_back(b.unary(ExprOp::logical_not, t())); break;
        default: floats.push_back(b.binary(kBinary[random_() % std::size(kBinary)], f(), f()));
      }
    }
    switch (random_() % 5) {
      case 0: return *b.finish(t());
      case 1: return *b.finish(b.cast(DType::f16, f()));
      case 2: return *b.finish(b.cast(DType::bf16, f()));
      default: return *b.finish(floats.back());
    }
  }

  void fill(std::vector<std::byte>& bytes, DType type) {
    size_t size = size_of(type);
    std::uniform_real_distribution<float> real(-2, 2);
    for (size_t i = 0; i + size <= bytes.size(); i += size) {
      float x = random_() % 4 ? real(random_) : static_cast<float>(random_() % 3) - 1;
      uint16_t half = type == DType::f16 ? float_to_half(x) : float_to_bfloat(x);
      uint64_t integer = type == DType::boolean ? random_() % 2 : random_() % 100;
      const void* from = type == DType::f32 ? static_cast<const void*>(&x)
                         : is_float(type)   ? static_cast<const void*>(&half)
                                            : static_cast<const void*>(&integer);
      std::memcpy(&bytes[i], from, size);
    }
  }

  uint32_t number(uint32_t below) { return random_() % below; }

 private:
  std::mt19937 random_;
};

double value_of(DType type, const std::byte* at) {
  uint16_t half;
  std::memcpy(&half, at, size_of(type) < 2 ? 1 : 2);
  if (type == DType::f16) return half_to_float(half);
  if (type == DType::bf16) return bfloat_to_float(half);
  if (type == DType::boolean) return static_cast<double>(static_cast<uint8_t>(*at));
  float f;
  std::memcpy(&f, at, 4);
  return f;
}

bool is_rounded(const Instr& instr) {
  const ExprOp rounded[] = {ExprOp::tanh, ExprOp::sigmoid, ExprOp::erf, ExprOp::cos, ExprOp::atan};
  return std::find(std::begin(rounded), std::end(rounded), instr.op) != std::end(rounded);
}

constexpr int kAll = -1;

// The program with the results of its rounded functions, or of the `which`-th one, times `factor`: what a step makes of them may be
// another side of it. As it is where it would be too long.
Program nudged(const Program& program, double factor, int which) {
  int functions = 0;
  Program out = program;
  out.code = {};
  std::vector<uint8_t> number(program.inputs);
  for (uint8_t i = 0; i < program.inputs; ++i) number[i] = i;
  std::vector<Instr> code;
  for (Instr instr : program.instructions()) {
    uint8_t* operands[] = {&instr.a, &instr.b, &instr.c};
    for (int i = 0; i < arity(instr.op); ++i) *operands[i] = number[*operands[i]];
    const auto add = [&](const Instr& one) {
      code.push_back(one);
      return static_cast<uint8_t>(program.inputs + code.size() - 1);
    };
    uint8_t at = add(instr);
    if (is_rounded(instr) && (which == functions++ || which == kAll)) {
      Instr constant{ExprOp::constant, DType::f32}, product{ExprOp::mul, DType::f32, at};
      constant.imm = factor;
      product.b = add(constant);
      at = add(product);
    }
    number.push_back(at);
  }
  if (code.size() > kMaxProgramCode) return program;
  std::copy(code.begin(), code.end(), out.code.begin());
  out.size = static_cast<uint8_t>(code.size());
  EXPECT_TRUE(verify(out)) << print(out);
  return out;
}

TEST(Tile, RandomProgramsOnRandomTiles) {
  const uint32_t seed = std::random_device{}();
  int compared = 0;
  for (uint32_t round = 0; round < 1500; ++round) {
    Fuzz fuzz(seed + round);
    Program program = fuzz.program();
    static constexpr uint32_t kCols[] = {1, 2, 7, 16, 33, 63, 64, 65, 130, 1000, 3001};
    const int64_t cols = kCols[fuzz.number(std::size(kCols))], rows = 1 + fuzz.number(cols > 500 ? 3 : 40);
    const int64_t dst_stride = cols + (fuzz.number(2) ? 0 : fuzz.number(5));
    std::vector<std::vector<std::byte>> data(program.inputs);
    std::vector<TileOperand> operands(program.inputs);
    for (int i = 0; i < program.inputs; ++i) {
      operands[static_cast<size_t>(i)].col_stride = fuzz.number(4) ? 1 : 0;
      int64_t strides[] = {0, 1, cols, cols + 3};
      int64_t row_stride = strides[fuzz.number(4)];
      operands[static_cast<size_t>(i)].row_stride = row_stride;
      auto& bytes = data[static_cast<size_t>(i)];
      bytes.resize(static_cast<size_t>((rows - 1) * row_stride + cols) * size_of(program.input_type[static_cast<size_t>(i)]));
      fuzz.fill(bytes, program.input_type[static_cast<size_t>(i)]);
      operands[static_cast<size_t>(i)].data = bytes.data();
    }
    const DType type = program.result_type();
    const size_t size = size_of(type), bytes = static_cast<size_t>((rows - 1) * dst_stride + cols) * size;
    std::vector<std::byte> want(bytes, std::byte{0x7e}), got;
    tile_function(0)(program, operands.data(), rows, cols, want.data(), dst_stride, scratch.bytes);
    const double bound = type == DType::f32 ? 2e-5 : type == DType::f16 ? 3e-3 : 2e-2;
    const auto is_near = [&](double a, double b) {
      return (std::isnan(a) && std::isnan(b)) || a == b || std::fabs(a - b) <= bound * std::fmax(1, std::fabs(a));
    };
    // One, two and six units in the last place up and down, all functions alike and, of several, each by itself.
    std::vector<std::vector<std::byte>> as_well;
    const auto functions = static_cast<int>(std::ranges::count_if(program.instructions(), is_rounded));
    for (int which = kAll; which < (functions > 1 ? functions : 0); ++which)
      for (double by : {6e-8, -6e-8, 1.2e-7, -1.2e-7, 4e-7, -4e-7}) {
        as_well.emplace_back(bytes);
        tile_function(0)(nudged(program, 1 + by, which), operands.data(), rows, cols, as_well.back().data(), dst_stride, scratch.bytes);
      }
    for (const Isa& isa : isas()) {
      std::memset(scratch.bytes, 0xff, sizeof scratch.bytes);
      got.assign(bytes, std::byte{0x7e});
      tile_function(isa.features)(program, operands.data(), rows, cols, got.data(), dst_stride, scratch.bytes);
      int different = 0;
      for (size_t i = 0; i + size <= bytes; i += size) {
        const double b = value_of(type, &got[i]);
        const auto is_near_to = [&](const std::vector<std::byte>& reference) { return is_near(value_of(type, &reference[i]), b); };
        different += !is_near_to(want) && std::none_of(as_well.begin(), as_well.end(), is_near_to);
        ++compared;
      }
      // A rounding error may turn a comparison or a step: few elements at most.
      EXPECT_LE(different, 1 + static_cast<int>(bytes / size / 50))
          << print(program) << "\n" << isa.name << " " << rows << "x" << cols << " seed " << seed + round;
      if (different > 1 + static_cast<int>(bytes / size / 50)) return;
    }
  }
  EXPECT_GT(compared, 1000);
}

// Each form that runs in registers, with every kind of operand.
TEST(Tile, FormsInRegisters) {
  std::mt19937 random(std::random_device{}());
  std::normal_distribution<float> normal(0, 2);
  const DType types[] = {DType::f32, DType::f32, DType::f32, DType::f32};
  const char* pres[] = {"x0", "add(x0, x1)", "add(x2, add(x0, x1))", "add(mul(x0, x1), x2)", "add(x3, add(x2, mul(x1, x0)))"};
  const char* acts[] = {"max({}, 0)",
                        "min(max({}, -1), 2)",
                        "max(min({}, 2), -1)",
                        "mul({}, sigmoid({}))",
                        "mul(mul({}, 0.5), add(erf(mul({}, 0.7071)), 1))",
                        "mul(mul({}, add(erf(div({}, 1.4142)), 1)), 0.5)",
                        "mul({}, max(min(add(mul({}, 0.16666), 0.5), 1), 0))",
                        "div(mul({}, min(max(add({}, 3), 0), 6)), 6)",
                        "{}",
                        "mul({}, mul(add(erf(mul({}, 0.7071)), 1), 0.5))",
                        "mul(mul({}, 0.5), add(tanh(mul(add({}, mul(mul(mul({}, {}), {}), 0.044715)), 0.79788)), 1))",
                        "mul(mul({}, add(1, tanh(mul(0.79788, add(mul(0.044715, mul({}, mul({}, {}))), {}))))), 0.5)",
                        "mul(mul({}, 0.5), add(tanh(mul(add({}, mul(mul(mul({}, {}), {}), 0.0447)), 0.7979)), 1))",
                        "mul({}, mul(0.5, add(1, tanh(mul(0.7979, add({}, mul({}, mul({}, mul(0.0447, {})))))))))"};
  for (const char* pre : pres) {
    for (std::string text : acts) {
      for (size_t at; (at = text.find("{}")) != text.npos;) text.replace(at, 2, pre);
      auto program = parse_program(text, types);
      ASSERT_TRUE(program) << text;
      for (int64_t cols : {3, 16, 37, 64}) {
        const int64_t rows = 5;
        std::vector<float> data[4], want(static_cast<size_t>(rows * cols)), got(want.size());
        TileOperand operands[4];
        for (int i = 0; i < 4; ++i) {
          data[i].resize(static_cast<size_t>(rows * cols));
          for (float& x : data[i]) x = normal(random);
          operands[i] = {data[i].data(), i == 1 ? 0 : i == 2 ? 1 : cols, i == 2 ? 0 : 1};
        }
        tile_function(0)(*program, operands, rows, cols, want.data(), cols, scratch.bytes);
        for (const Isa& isa : isas()) {
          got = data[0];  // in place of input 0
          TileOperand in_place[4] = {{got.data(), cols, 1}, operands[1], operands[2], operands[3]};
          tile_function(isa.features)(*program, in_place, rows, cols, got.data(), cols, scratch.bytes);
          for (size_t i = 0; i < want.size(); ++i)
            ASSERT_NEAR(got[i], want[i], 1e-5 * std::fmax(1, std::fabs(want[i]))) << text << " " << isa.name << " " << i;
        }
      }
    }
  }
}

// Operands of one value in the place of a form's constants.
TEST(Tile, FormsWithNumbersAsOperands) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 2);
  const DType types[] = {DType::f32, DType::f32, DType::f32, DType::f32, DType::f32};
  for (const char* text : {"mul(mul(x0, x4), add(tanh(mul(add(x0, mul(mul(mul(x0, x0), x0), x1)), x2)), x3))", "max(x0, x1)",
                           "mul(mul(x0, x4), add(erf(mul(x0, x2)), x3))"}) {
    auto program = parse_program(text, types);
    ASSERT_TRUE(program) << text;
    for (float one : {1.0f, 0.5f}) {  // tanh(…) + 0.5 is no form
      const float numbers[] = {0.0447f, 0.7979f, one, 0.5f};
      std::vector<float> x(75), want(75), got(75);
      for (float& value : x) value = normal(random);
      TileOperand operands[5] = {{x.data(), 15, 1}};
      for (int i = 0; i < 4; ++i) operands[i + 1] = {&numbers[i], 0, 0};
      tile_function(0)(*program, operands, 5, 15, want.data(), 15, scratch.bytes);
      for (const Isa& isa : isas()) {
        tile_function(isa.features)(*program, operands, 5, 15, got.data(), 15, scratch.bytes);
        for (size_t i = 0; i < want.size(); ++i)
          ASSERT_NEAR(got[i], want[i], 1e-5 * std::fmax(1, std::fabs(want[i]))) << text << " " << isa.name << " " << i;
      }
    }
  }
}

TEST(Tile, IntegersWrapAndNeverTrap) {
  const DType types[] = {DType::i8, DType::i8};
  struct Row { const char* text; int8_t a, b, want; };
  static constexpr Row kRows[] = {
      {"add(x0, x1)", 127, 1, -128}, {"neg(x0)", -128, 0, -128}, {"abs(x0)", -128, 0, -128}, {"div(x0, x1)", -128, -1, -128},
      {"div(x0, x1)", 5, 0, 0},      {"div(x0, x1)", -7, 2, -3}, {"mod(x0, x1)", -7, 3, 2},  {"mod(x0, x1)", 7, -3, -2},
      {"mod(x0, x1)", 7, 0, 0},      {"fmod(x0, x1)", -7, 3, -1}, {"pow(x0, x1)", 3, 5, -13}, {"pow(x0, x1)", 2, -1, 0},
      {"shift_left(x0, x1)", 3, 7, -128}, {"shift_left(x0, x1)", 3, 8, 0}, {"shift_right(x0, x1)", -8, 100, -1},
      {"max(x0, x1)", -3, 4, 4},     {"sign(x0)", -9, 0, -1},    {"bit_not(x0)", 0, 0, -1},
  };
  for (const Row& row : kRows) {
    Program program = *parse_program(row.text, types);
    int8_t got = 99;
    TileOperand operands[] = {{&row.a, 0, 1}, {&row.b, 0, 1}};
    for (uint32_t features : {0u, cpu_features()}) {
      tile_function(features)(program, operands, 1, 1, &got, 1, scratch.bytes);
      EXPECT_EQ(got, row.want) << row.text << " of " << int{row.a} << ", " << int{row.b};
    }
  }
}

TEST(Tile, CastsSaturateAndRoundOnce) {
  const DType types[] = {DType::f64};
  const double x[] = {1e30, -1e30, NAN, 2.9, -2.9};
  int32_t y[5];
  TileOperand in{x, 0, 1};
  tile_function(0)(*parse_program("cast(x0):i32", types), &in, 1, 5, y, 5, scratch.bytes);
  EXPECT_EQ(y[0], INT32_MAX);
  EXPECT_EQ(y[1], INT32_MIN);
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], 2);
  EXPECT_EQ(y[4], -2);
  // Just above the middle of two halves, by less than a float shows.
  const double above = 1 + 0x1p-11 + 0x1p-30;
  uint16_t half;
  TileOperand one{&above, 0, 1};
  tile_function(0)(*parse_program("cast(x0):f16", types), &one, 1, 1, &half, 1, scratch.bytes);
  EXPECT_EQ(half_to_float(half), 1 + 0x1p-10f);
}

}  // namespace
}  // namespace tenon
