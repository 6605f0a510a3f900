#include "common/tile_scalar.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/float8.h"
#include "base/half.h"
#include "base/narrow.h"

namespace tenon {
namespace {

// A chunk of every operand lies in scratch, each element in its type's working form: float for the floats of up to 32
// bits, double, the integers' own widths, uint8_t for bool.
constexpr int kChunk = 128;
constexpr int kSlotBytes = kChunk * 8;
static_assert((kMaxProgramInputs + kMaxProgramCode) * kSlotBytes <= kTileScratchBytes);

struct Slots {
  std::byte* base;
  template <class T>
  T* at(int operand) const { return reinterpret_cast<T*>(base + operand * kSlotBytes); }
};

template <class T>
struct Tag { using type = T; };

// Calls f with the Tag of the working form.
template <class F>
void with_form(DType type, F&& f) {
  switch (type) {
    case DType::f64: return f(Tag<double>{});
    case DType::i8: return f(Tag<int8_t>{});
    case DType::u8:
    case DType::boolean: return f(Tag<uint8_t>{});
    case DType::i16: return f(Tag<int16_t>{});
    case DType::u16: return f(Tag<uint16_t>{});
    case DType::i32: return f(Tag<int32_t>{});
    case DType::u32: return f(Tag<uint32_t>{});
    case DType::i64: return f(Tag<int64_t>{});
    case DType::u64: return f(Tag<uint64_t>{});
    case DType::u4:
    case DType::u2: return f(Tag<uint8_t>{});
    case DType::i4:
    case DType::i2: return f(Tag<int8_t>{});
    default: return f(Tag<float>{});
  }
}

template <class F>
void with_float(DType type, F&& f) {
  if (type == DType::f64) return f(Tag<double>{});
  f(Tag<float>{});
}

template <class F>
void with_integer(DType type, F&& f) {
  with_form(type, [&](auto tag) {
    if constexpr (std::is_integral_v<typename decltype(tag)::type>) f(tag);
  });
}

// ---- Rounding and casts

// A float on the way to a narrower format: the one between `value` and 0, its last bit set when that lost something
// (rounding to odd), so that the second rounding is as if there were one.
float narrow(double value) {
  float rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) == value || !std::isfinite(rounded)) return rounded;
  uint32_t bits = std::bit_cast<uint32_t>(rounded);
  if (std::fabs(static_cast<double>(rounded)) > std::fabs(value)) --bits;
  return std::bit_cast<float>(bits | 1);
}

float round_to(DType type, float value) {
  switch (type) {
    case DType::f16: return half_to_float(float_to_half(value));
    case DType::bf16: return bfloat_to_float(float_to_bfloat(value));
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz: return float8_to_float(type, float_to_float8(type, value));
    case DType::f4e2m1: return float4_to_float(float_to_float4(value));
    case DType::f8e8m0: return e8m0_to_float(float_to_e8m0(value));
    default: return value;
  }
}

// Floats to integers truncate; what does not fit becomes the nearest that does, NaN 0.
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr auto kLow = static_cast<From>(std::numeric_limits<To>::min());
    constexpr auto kHigh = static_cast<From>(std::numeric_limits<To>::max());  // may round up to 2^n
    if (std::isnan(value)) return 0;
    if (value >= kHigh) return std::numeric_limits<To>::max();
    if (value <= kLow) return std::numeric_limits<To>::min();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

void run_cast(const Instr& instr, DType from, Slots slots, int result, int n) {
  with_form(from, [&](auto source) {
    using From = typename decltype(source)::type;
    const From* a = slots.at<From>(instr.a);
    if (instr.type == DType::boolean) {
      uint8_t* d = slots.at<uint8_t>(result);
      for (int i = 0; i < n; ++i) d[i] = a[i] != From{0};
      return;
    }
    with_form(instr.type, [&](auto target) {
      using To = typename decltype(target)::type;
      To* d = slots.at<To>(result);
      for (int i = 0; i < n; ++i) {
        if constexpr (std::is_same_v<To, float>)
          d[i] = instr.type == DType::f32 ? static_cast<float>(a[i])
                                          : round_to(instr.type, narrow(static_cast<double>(a[i])));
        else if (narrow_bits(instr.type) < 8)
          d[i] = static_cast<To>(narrow_to_int(instr.type, int_to_narrow(instr.type, convert<int64_t>(a[i]))));
        else
          d[i] = convert<To>(a[i]);
      }
    });
  });
}

// ---- Arithmetic on one element

template <class T>
T wrap(uint64_t value) { return static_cast<T>(value); }

template <class T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a / b;
  else if (b == 0) return 0;
  else if (std::is_signed_v<T> && b == static_cast<T>(-1)) return wrap<T>(0 - static_cast<uint64_t>(a));
  else return static_cast<T>(a / b);
}

template <class T>
T remainder(T a, T b) {  // sign of the dividend
  if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
  else if (b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1))) return 0;
  else return static_cast<T>(a % b);
}

template <class T>
T modulo(T a, T b) {  // sign of the divisor
  if constexpr (std::is_floating_point_v<T>)
    if (b == 0) return 0;
  T r = remainder(a, b);
  if constexpr (std::is_floating_point_v<T>) return r == 0 ? std::copysign(r, b) : (r < 0) != (b < 0) ? r + b : r;
  else return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
}

template <class T>
T power(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(std::pow(static_cast<double>(a), static_cast<double>(b)));
  } else {
    if constexpr (std::is_signed_v<T>)
      if (b < 0) return a == 1 ? 1 : a == static_cast<T>(-1) ? (b % 2 ? a : static_cast<T>(1)) : static_cast<T>(0);
    uint64_t base = static_cast<uint64_t>(a), out = 1;
    for (auto left = static_cast<uint64_t>(b); left; left >>= 1, base *= base)
      if (left & 1) out *= base;
    return wrap<T>(out);
  }
}

template <class T>
T larger(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(a) ? a : std::isnan(b) ? b : a > b ? a : b;
  else return a > b ? a : b;
}

template <class T>
T smaller(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(a) ? a : std::isnan(b) ? b : a < b ? a : b;
  else return a < b ? a : b;
}

template <class T>
T sign_of(T a) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a)) return a;
  return a > 0 ? static_cast<T>(1) : a < 0 ? static_cast<T>(-1) : static_cast<T>(0);
}

double sigmoid(double x) {
  double e = std::exp(-std::fabs(x));
  return (std::signbit(x) ? e : 1.0) / (1.0 + e);
}

double softplus(double x) { return std::isnan(x) ? x : (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::fabs(x))); }

// Transcendental functions are computed in double, whatever the type.
using Function = double (*)(double);
Function function_of(ExprOp op) {
  switch (op) {
    case ExprOp::exp: return [](double x) { return std::exp(x); };
    case ExprOp::log: return [](double x) { return std::log(x); };
    case ExprOp::sqrt: return [](double x) { return std::sqrt(x); };
    case ExprOp::reciprocal: return [](double x) { return 1.0 / x; };
    case ExprOp::floor: return [](double x) { return std::floor(x); };
    case ExprOp::ceil: return [](double x) { return std::ceil(x); };
    case ExprOp::round: return [](double x) { return std::nearbyint(x); };
    case ExprOp::erf: return [](double x) { return std::erf(x); };
    case ExprOp::tanh: return [](double x) { return std::tanh(x); };
    case ExprOp::sigmoid: return sigmoid;
    case ExprOp::softplus: return softplus;
    case ExprOp::sin: return [](double x) { return std::sin(x); };
    case ExprOp::cos: return [](double x) { return std::cos(x); };
    case ExprOp::tan: return [](double x) { return std::tan(x); };
    case ExprOp::asin: return [](double x) { return std::asin(x); };
    case ExprOp::acos: return [](double x) { return std::acos(x); };
    case ExprOp::atan: return [](double x) { return std::atan(x); };
    case ExprOp::sinh: return [](double x) { return std::sinh(x); };
    case ExprOp::cosh: return [](double x) { return std::cosh(x); };
    case ExprOp::asinh: return [](double x) { return std::asinh(x); };
    case ExprOp::acosh: return [](double x) { return std::acosh(x); };
    case ExprOp::atanh: return [](double x) { return std::atanh(x); };
    default: return nullptr;
  }
}

// ---- Instructions over a chunk

template <class T, class F>
void map1(Slots slots, const Instr& instr, int result, int n, F f) {
  const T* a = slots.at<T>(instr.a);
  auto* d = slots.at<decltype(f(T{}))>(result);
  for (int i = 0; i < n; ++i) d[i] = f(a[i]);
}

template <class T, class F>
void map2(Slots slots, const Instr& instr, int result, int n, F f) {
  const T *a = slots.at<T>(instr.a), *b = slots.at<T>(instr.b);
  auto* d = slots.at<decltype(f(T{}, T{}))>(result);
  for (int i = 0; i < n; ++i) d[i] = f(a[i], b[i]);
}

void run_constant(const Instr& instr, Slots slots, int result, int n) {
  with_form(instr.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T value;
    if constexpr (std::is_same_v<T, float>)
      value = instr.type == DType::f32 || std::isinf(instr.imm) ? static_cast<float>(instr.imm)
                                                                : round_to(instr.type, narrow(instr.imm));
    else
      value = convert<T>(instr.imm);
    T* d = slots.at<T>(result);
    for (int i = 0; i < n; ++i) d[i] = value;
  });
}

bool run_arithmetic(const Instr& instr, Slots slots, int result, int n) {
  bool known = true;
  with_form(instr.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr bool kFloat = std::is_floating_point_v<T>;
    auto two = [&](auto f) { map2<T>(slots, instr, result, n, f); };
    auto one = [&](auto f) { map1<T>(slots, instr, result, n, f); };
    using U = uint64_t;
    switch (instr.op) {
      case ExprOp::add:
        return two([](T a, T b) -> T { if constexpr (kFloat) return a + b; else return wrap<T>(U(a) + U(b)); });
      case ExprOp::sub:
        return two([](T a, T b) -> T { if constexpr (kFloat) return a - b; else return wrap<T>(U(a) - U(b)); });
      case ExprOp::mul:
        return two([](T a, T b) -> T { if constexpr (kFloat) return a * b; else return wrap<T>(U(a) * U(b)); });
      case ExprOp::div: return two([](T a, T b) { return divide(a, b); });
      case ExprOp::mod: return two([](T a, T b) { return modulo(a, b); });
      case ExprOp::fmod: return two([](T a, T b) { return remainder(a, b); });
      case ExprOp::pow: return two([](T a, T b) { return power(a, b); });
      case ExprOp::max: return two([](T a, T b) { return larger(a, b); });
      case ExprOp::min: return two([](T a, T b) { return smaller(a, b); });
      case ExprOp::neg:
        return one([](T a) -> T { if constexpr (kFloat) return -a; else return wrap<T>(U{0} - U(a)); });
      case ExprOp::abs:
        return one([](T a) -> T {
          if constexpr (kFloat) return std::fabs(a);
          else return a < T{0} ? wrap<T>(U{0} - U(a)) : a;
        });
      case ExprOp::sign: return one([](T a) { return sign_of(a); });
      default: known = false;
    }
  });
  return known;
}

bool run_comparison(const Instr& instr, DType type, Slots slots, int result, int n) {
  bool known = true;
  with_form(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto two = [&](auto f) { map2<T>(slots, instr, result, n, f); };
    switch (instr.op) {
      case ExprOp::eq: return two([](T a, T b) -> uint8_t { return a == b; });
      case ExprOp::ne: return two([](T a, T b) -> uint8_t { return a != b; });
      case ExprOp::lt: return two([](T a, T b) -> uint8_t { return a < b; });
      case ExprOp::le: return two([](T a, T b) -> uint8_t { return a <= b; });
      case ExprOp::gt: return two([](T a, T b) -> uint8_t { return a > b; });
      case ExprOp::ge: return two([](T a, T b) -> uint8_t { return a >= b; });
      default: known = false;
    }
  });
  return known;
}

// A shift by the type's width or more (a negative amount is one) leaves zero, or the sign.
template <class T>
T shift(T a, T amount, bool left) {
  constexpr int kBits = sizeof(T) * 8;
  bool all = static_cast<std::make_unsigned_t<T>>(amount) >= kBits;
  if (left) return all ? T{0} : wrap<T>(static_cast<uint64_t>(a) << amount);
  return static_cast<T>(a >> (all ? kBits - 1 : amount)) & (all && !std::is_signed_v<T> ? T{0} : static_cast<T>(~T{0}));
}

void run_bits(const Instr& instr, Slots slots, int result, int n) {
  with_integer(instr.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto two = [&](auto f) { map2<T>(slots, instr, result, n, f); };
    switch (instr.op) {
      case ExprOp::bit_and: return two([](T a, T b) { return static_cast<T>(a & b); });
      case ExprOp::bit_or: return two([](T a, T b) { return static_cast<T>(a | b); });
      case ExprOp::bit_xor: return two([](T a, T b) { return static_cast<T>(a ^ b); });
      case ExprOp::shift_left: return two([](T a, T b) { return shift(a, b, true); });
      case ExprOp::shift_right: return two([](T a, T b) { return shift(a, b, false); });
      case ExprOp::bit_not: return map1<T>(slots, instr, result, n, [](T a) { return static_cast<T>(~a); });
      case ExprOp::logical_and: return two([](T a, T b) -> T { return a && b; });
      case ExprOp::logical_or: return two([](T a, T b) -> T { return a || b; });
      case ExprOp::logical_xor: return two([](T a, T b) -> T { return !a != !b; });
      case ExprOp::logical_not: return map1<T>(slots, instr, result, n, [](T a) -> T { return !a; });
      default: return;
    }
  });
}

void run_where(const Instr& instr, Slots slots, int result, int n) {
  const uint8_t* condition = slots.at<uint8_t>(instr.a);
  with_form(instr.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *b = slots.at<T>(instr.b), *c = slots.at<T>(instr.c);
    T* d = slots.at<T>(result);
    for (int i = 0; i < n; ++i) d[i] = condition[i] ? b[i] : c[i];
  });
}

void run_float(const Instr& instr, DType type, Slots slots, int result, int n) {
  with_float(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (instr.op == ExprOp::isnan) return map1<T>(slots, instr, result, n, [](T a) -> uint8_t { return std::isnan(a); });
    if (instr.op == ExprOp::isinf) return map1<T>(slots, instr, result, n, [](T a) -> uint8_t { return std::isinf(a); });
    if (instr.op == ExprOp::atan2)
      return map2<T>(slots, instr, result, n, [](T a, T b) {
        return static_cast<T>(std::atan2(static_cast<double>(a), static_cast<double>(b)));
      });
    if (Function function = function_of(instr.op))
      map1<T>(slots, instr, result, n, [function](T a) { return static_cast<T>(function(static_cast<double>(a))); });
  });
}

void run_instruction(const Program& program, int index, Slots slots, int n) {
  const Instr& instr = program.code[index];
  int result = program.inputs + index;
  DType operand_type = program.type_of(instr.a);
  if (instr.op == ExprOp::constant) return run_constant(instr, slots, result, n);
  if (instr.op == ExprOp::cast) return run_cast(instr, operand_type, slots, result, n);
  if (instr.op == ExprOp::where) return run_where(instr, slots, result, n);
  if (run_arithmetic(instr, slots, result, n)) return;
  if (run_comparison(instr, operand_type, slots, result, n)) return;
  if (is_float(operand_type)) return run_float(instr, operand_type, slots, result, n);
  run_bits(instr, slots, result, n);
}

// ---- Elements in and out of their working form

template <class T, class Form, class F>
void gather(const TileOperand& operand, int64_t at, Form* slot, int n, F to_form) {
  const T* data = static_cast<const T*>(operand.data) + at;
  for (int i = 0; i < n; ++i) slot[i] = to_form(data[i * operand.col_stride]);
}

void load(DType type, const TileOperand& operand, int64_t row, int64_t col, Slots slots, int number, int n) {
  int64_t at = row * operand.row_stride + col * operand.col_stride;
  float* floats = slots.at<float>(number);
  switch (type) {
    case DType::f16: return gather<uint16_t>(operand, at, floats, n, half_to_float);
    case DType::bf16: return gather<uint16_t>(operand, at, floats, n, bfloat_to_float);
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
      return gather<uint8_t>(operand, at, floats, n, [type](uint8_t bits) { return float8_to_float(type, bits); });
    case DType::f4e2m1: return gather<uint8_t>(operand, at, floats, n, float4_to_float);
    case DType::f8e8m0: return gather<uint8_t>(operand, at, floats, n, e8m0_to_float);
    case DType::u4:
    case DType::u2:
      return gather<uint8_t>(operand, at, slots.at<uint8_t>(number), n,
                             [type](uint8_t v) { return static_cast<uint8_t>(narrow_to_int(type, v)); });
    case DType::i4:
    case DType::i2:
      return gather<uint8_t>(operand, at, slots.at<int8_t>(number), n,
                             [type](uint8_t v) { return static_cast<int8_t>(narrow_to_int(type, v)); });
    case DType::boolean:
      return gather<uint8_t>(operand, at, slots.at<uint8_t>(number), n, [](uint8_t v) -> uint8_t { return v != 0; });
    default:
      with_form(type, [&](auto tag) {
        using T = typename decltype(tag)::type;
        gather<T>(operand, at, slots.at<T>(number), n, [](T v) { return v; });
      });
  }
}

void store(DType type, Slots slots, int number, void* dst, int64_t at, int n) {
  const float* floats = slots.at<float>(number);
  if (type == DType::f16 || type == DType::bf16) {
    uint16_t* out = static_cast<uint16_t*>(dst) + at;
    for (int i = 0; i < n; ++i) out[i] = type == DType::f16 ? float_to_half(floats[i]) : float_to_bfloat(floats[i]);
  } else if (is_float(type) && size_of(type) == 1) {
    uint8_t* out = static_cast<uint8_t*>(dst) + at;
    for (int i = 0; i < n; ++i) out[i] = exact_float8(type, floats[i]);
  } else if (type == DType::f4e2m1 || type == DType::f8e8m0) {
    uint8_t* out = static_cast<uint8_t*>(dst) + at;
    for (int i = 0; i < n; ++i) out[i] = type == DType::f4e2m1 ? float_to_float4(floats[i]) : float_to_e8m0(floats[i]);
  } else if (narrow_bits(type) < 8) {
    uint8_t* out = static_cast<uint8_t*>(dst) + at;
    const uint8_t* numbers = slots.at<uint8_t>(number);
    for (int i = 0; i < n; ++i) out[i] = int_to_narrow(type, numbers[i]);
  } else {
    size_t size = size_of(type);
    std::memcpy(static_cast<std::byte*>(dst) + at * static_cast<int64_t>(size), slots.at<std::byte>(number),
                static_cast<size_t>(n) * size);
  }
}

}  // namespace

void run_tile_scalar(const Program& program, const TileOperand* inputs, int64_t rows, int64_t cols, void* dst,
                     int64_t dst_row_stride, void* scratch) {
  Slots slots{static_cast<std::byte*>(scratch)};
  int used = program.size ? program.inputs : 1;
  int result = program.size ? program.inputs + program.size - 1 : 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t col = 0; col < cols; col += kChunk) {
      int n = static_cast<int>(cols - col < kChunk ? cols - col : kChunk);
      for (int i = 0; i < used; ++i) load(program.input_type[i], inputs[i], row, col, slots, i, n);
      for (int i = 0; i < program.size; ++i) run_instruction(program, i, slots, n);
      store(program.result_type(), slots, result, dst, row * dst_row_stride + col, n);
    }
  }
}

}  // namespace tenon
