// Runs programs an instruction at a time over chunks that stay in the first-level cache, or, for the commonest forms,
// in registers.
#include "common/tile_vector.h"

#include "common/vector_math.h"

namespace tenon::TN_ISA {
namespace {

// DType's numbers.
enum : uint8_t { kF32 = 1, kU8 = 2, kI8 = 3, kI32 = 6, kI64 = 7, kBool = 9, kF16 = 10, kBf16 = 16 };

constexpr int64_t kSplat = 16;            // floats that a repeated value fills
constexpr int kMaxOperands = 64;
constexpr int64_t kBudget = 8192;         // floats of all chunks: half of a 64 KiB first-level cache
constexpr int64_t kNarrow = 64;           // rows of fewer columns are packed together

// Element i lies at data[i * step]; a step of 0 repeats one vector.
struct Source {
  const float* data;
  int64_t step;
};

inline Vec get(Source s, int64_t i) { return load(s.data + i * s.step); }
inline Vec get_some(Source s, int64_t i, int64_t n) {
  return s.step ? load_some(s.data + i, n) : load(s.data);
}

template <class F>
inline void map1(float* d, Source a, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(d + i, f(get(a, i)));
  if (i < n) store_some(d + i, n - i, f(get_some(a, i, n - i)));
}

template <class F>
inline void map2(float* d, Source a, Source b, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(d + i, f(get(a, i), get(b, i)));
  if (i < n) store_some(d + i, n - i, f(get_some(a, i, n - i), get_some(b, i, n - i)));
}

template <class F>
inline void map3(float* d, Source a, Source b, Source c, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(d + i, f(get(a, i), get(b, i), get(c, i)));
  if (i < n) store_some(d + i, n - i, f(get_some(a, i, n - i), get_some(b, i, n - i), get_some(c, i, n - i)));
}

// Functions without a vector form: one element at a time, in double.
template <class F>
inline void each1(float* d, Source a, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) d[i] = static_cast<float>(f(static_cast<double>(a.data[i * a.step])));
}
template <class F>
inline void each2(float* d, Source a, Source b, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i)
    d[i] = static_cast<float>(f(static_cast<double>(a.data[i * a.step]), static_cast<double>(b.data[i * b.step])));
}

bool rare(VectorOp op, float* d, Source a, Source b, int64_t n) {
  switch (op) {
    case VectorOp::sin: each1(d, a, n, [](double x) { return __builtin_sin(x); }); return true;
    case VectorOp::cos: each1(d, a, n, [](double x) { return __builtin_cos(x); }); return true;
    case VectorOp::tan: each1(d, a, n, [](double x) { return __builtin_tan(x); }); return true;
    case VectorOp::asin: each1(d, a, n, [](double x) { return __builtin_asin(x); }); return true;
    case VectorOp::acos: each1(d, a, n, [](double x) { return __builtin_acos(x); }); return true;
    case VectorOp::atan: each1(d, a, n, [](double x) { return __builtin_atan(x); }); return true;
    case VectorOp::sinh: each1(d, a, n, [](double x) { return __builtin_sinh(x); }); return true;
    case VectorOp::cosh: each1(d, a, n, [](double x) { return __builtin_cosh(x); }); return true;
    case VectorOp::asinh: each1(d, a, n, [](double x) { return __builtin_asinh(x); }); return true;
    case VectorOp::acosh: each1(d, a, n, [](double x) { return __builtin_acosh(x); }); return true;
    case VectorOp::atanh: each1(d, a, n, [](double x) { return __builtin_atanh(x); }); return true;
    case VectorOp::pow: each2(d, a, b, n, [](double x, double y) { return __builtin_pow(x, y); }); return true;
    case VectorOp::fmod: each2(d, a, b, n, [](double x, double y) { return __builtin_fmod(x, y); }); return true;
    case VectorOp::atan2: each2(d, a, b, n, [](double x, double y) { return __builtin_atan2(x, y); }); return true;
    case VectorOp::mod:
      each2(d, a, b, n, [](double x, double y) {
        if (y == 0) return 0.0;
        double r = __builtin_fmod(x, y);
        return r == 0 ? __builtin_copysign(r, y) : (r < 0) != (y < 0) ? r + y : r;
      });
      return true;
    default: return false;
  }
}

Vec sign_of(Vec a) {
  Vec one = splat(1.0f);
  Vec y = bit_or(bit_and(lanes_of(lt(zero(), a)), one), bit_and(lanes_of(lt(a, zero())), splat(-1.0f)));
  return select(is_nan(a), a, y);
}

void functions(VectorOp op, float* d, Source a, int64_t n) {
  switch (op) {
    case VectorOp::neg: return map1(d, a, n, [](Vec x) { return negate(x); });
    case VectorOp::abs: return map1(d, a, n, [](Vec x) { return abs(x); });
    case VectorOp::sign: return map1(d, a, n, [](Vec x) { return sign_of(x); });
    case VectorOp::exp: return map1(d, a, n, [](Vec x) { return exp(x); });
    case VectorOp::log: return map1(d, a, n, [](Vec x) { return log(x); });
    case VectorOp::sqrt: return map1(d, a, n, [](Vec x) { return sqrt(x); });
    case VectorOp::reciprocal: return map1(d, a, n, [](Vec x) { return div(splat(1.0f), x); });
    case VectorOp::floor: return map1(d, a, n, [](Vec x) { return floor(x); });
    case VectorOp::ceil: return map1(d, a, n, [](Vec x) { return ceil(x); });
    case VectorOp::round: return map1(d, a, n, [](Vec x) { return round(x); });
    case VectorOp::erf: return map1(d, a, n, [](Vec x) { return erf(x); });
    case VectorOp::tanh: return map1(d, a, n, [](Vec x) { return tanh(x); });
    case VectorOp::sigmoid: return map1(d, a, n, [](Vec x) { return sigmoid(x); });
    case VectorOp::softplus: return map1(d, a, n, [](Vec x) { return softplus(x); });
    case VectorOp::isnan: return map1(d, a, n, [](Vec x) { return lanes_of(is_nan(x)); });
    case VectorOp::isinf: return map1(d, a, n, [](Vec x) { return lanes_of(eq(abs(x), splat(__builtin_inff()))); });
    case VectorOp::logical_not:
      return map1(d, a, n, [](Vec x) { return bit_xor(x, from_bits(ints(-1))); });
    default: return;
  }
}

void arithmetic(VectorOp op, float* d, Source a, Source b, int64_t n) {
  switch (op) {
    case VectorOp::add: return map2(d, a, b, n, [](Vec x, Vec y) { return add(x, y); });
    case VectorOp::sub: return map2(d, a, b, n, [](Vec x, Vec y) { return sub(x, y); });
    case VectorOp::mul: return map2(d, a, b, n, [](Vec x, Vec y) { return mul(x, y); });
    case VectorOp::div: return map2(d, a, b, n, [](Vec x, Vec y) { return div(x, y); });
    case VectorOp::max: return map2(d, a, b, n, [](Vec x, Vec y) { return max_nan(x, y); });
    case VectorOp::min: return map2(d, a, b, n, [](Vec x, Vec y) { return min_nan(x, y); });
    case VectorOp::lt: return map2(d, a, b, n, [](Vec x, Vec y) { return lanes_of(lt(x, y)); });
    case VectorOp::le: return map2(d, a, b, n, [](Vec x, Vec y) { return lanes_of(le(x, y)); });
    case VectorOp::gt: return map2(d, a, b, n, [](Vec x, Vec y) { return lanes_of(lt(y, x)); });
    case VectorOp::ge: return map2(d, a, b, n, [](Vec x, Vec y) { return lanes_of(le(y, x)); });
    case VectorOp::logical_and: return map2(d, a, b, n, [](Vec x, Vec y) { return bit_and(x, y); });
    case VectorOp::logical_or: return map2(d, a, b, n, [](Vec x, Vec y) { return bit_or(x, y); });
    case VectorOp::logical_xor: return map2(d, a, b, n, [](Vec x, Vec y) { return bit_xor(x, y); });
    default: return;
  }
}

class Runner {
 public:
  explicit Runner(const VectorTile& tile) : tile_(tile), chunks_(tile.scratch + kMaxOperands * kSplat) {}

  void run() {
    prepare();
    const bool narrow = tile_.cols < kNarrow && tile_.rows > 1 && tile_.cols * 2 <= capacity_;
    if (narrow) run_narrow();
    else run_rows();
  }

 private:
  uint8_t type_of(int operand) const {
    return operand < tile_.inputs ? tile_.input_type[operand] : tile_.code[operand - tile_.inputs].type;
  }
  // An input that is read where it lies.
  bool direct(int input) const { return tile_.input_type[input] == kF32 && tile_.operands[input].col_stride == 1; }
  float* splat_of(int operand) { return tile_.scratch + operand * kSplat; }
  float* chunk_of(int operand) { return chunks_ + chunk_[operand] * capacity_; }

  void prepare() {
    const int inputs = tile_.size ? tile_.inputs : 1;
    int chunks = 0;
    for (int i = 0; i < inputs; ++i) chunk_[i] = static_cast<uint8_t>(chunks++);
    for (int i = 0; i < tile_.size; ++i)
      if (tile_.code[i].op != VectorOp::constant) chunk_[tile_.inputs + i] = static_cast<uint8_t>(chunks++);
    capacity_ = kBudget / (chunks + 1) / kSplat * kSplat;
    if (capacity_ > 2048) capacity_ = 2048;
    for (int i = 0; i < tile_.size; ++i) {
      const VectorInstr& instr = tile_.code[i];
      if (instr.op != VectorOp::constant) continue;
      float value = static_cast<float>(instr.imm);
      Vec all = splat(value);
      if (instr.type == kBool) all = from_bits(ints(value != 0 ? -1 : 0));
      if (instr.type == kF16) all = round_half(all);
      if (instr.type == kBf16) all = round_bfloat(all);
      float* d = splat_of(tile_.inputs + i);
      store(d, all);
      source_[tile_.inputs + i] = {d, 0};
    }
  }

  const void* address(int input, int64_t row, int64_t col) const {
    static constexpr int64_t kSizes[17] = {0, 4, 1, 1, 0, 0, 4, 8, 0, 1, 2, 0, 0, 0, 0, 0, 2};
    const VectorOperand& o = tile_.operands[input];
    return static_cast<const char*>(o.data) + (row * o.row_stride + col * o.col_stride) * kSizes[tile_.input_type[input]];
  }

  template <class T>
  static void widen(float* d, const void* from, int64_t n) {
    const T* p = static_cast<const T*>(from);
    for (int64_t i = 0; i < n; ++i) d[i] = static_cast<float>(p[i]);
  }

  // n neighbours as floats; bools as lanes.
  static void convert(uint8_t type, float* d, const void* from, int64_t n) {
    switch (type) {
      case kF32: return map1(d, {static_cast<const float*>(from), 1}, n, [](Vec x) { return x; });
      case kU8: return widen<uint8_t>(d, from, n);
      case kI8: return widen<int8_t>(d, from, n);
      case kI32: return widen<int32_t>(d, from, n);
      case kI64: return widen<int64_t>(d, from, n);
      case kBool: {
        const auto* p = static_cast<const uint8_t*>(from);
        auto* lanes = reinterpret_cast<int32_t __attribute__((may_alias))*>(d);
        for (int64_t i = 0; i < n; ++i) lanes[i] = p[i] ? -1 : 0;
        return;
      }
      case kF16: {
        const auto* p = static_cast<const uint16_t*>(from);
        for (int64_t i = 0; i < n; i += kLanes) {
          int64_t some = n - i < kLanes ? n - i : kLanes;
          store_some(d + i, some, load_half(p + i, some));
        }
        return;
      }
      default: {
        const auto* p = static_cast<const uint16_t*>(from);
        auto* lanes = reinterpret_cast<uint32_t __attribute__((may_alias))*>(d);
        for (int64_t i = 0; i < n; ++i) lanes[i] = static_cast<uint32_t>(p[i]) << 16;
      }
    }
  }

  void repeat(int input, int64_t row) {
    float value[1];
    convert(tile_.input_type[input], value, address(input, row, 0), 1);
    store(splat_of(input), splat(value[0]));
    if (kLanes < kSplat) store(splat_of(input) + kLanes, splat(value[0]));
    source_[input] = {splat_of(input), 0};
  }

  void run_rows() {
    const int inputs = tile_.size ? tile_.inputs : 1;
    for (int64_t row = 0; row < tile_.rows; ++row) {
      for (int i = 0; i < inputs; ++i)
        if (tile_.operands[i].col_stride == 0 && (row == 0 || tile_.operands[i].row_stride != 0)) repeat(i, row);
      for (int64_t col = 0; col < tile_.cols; col += capacity_) {
        const int64_t n = tile_.cols - col < capacity_ ? tile_.cols - col : capacity_;
        for (int i = 0; i < inputs; ++i) {
          if (direct(i)) {
            source_[i] = {static_cast<const float*>(address(i, row, col)), 1};
          } else if (tile_.operands[i].col_stride != 0) {
            convert(tile_.input_type[i], chunk_of(i), address(i, row, col), n);
            source_[i] = {chunk_of(i), 1};
          }
        }
        put(execute(n, target(row * tile_.dst_row_stride + col)), row * tile_.dst_row_stride + col, n);
      }
    }
  }

  // Whole rows of few columns lie behind one another in a chunk.
  void run_narrow() {
    const int inputs = tile_.size ? tile_.inputs : 1;
    const int64_t cols = tile_.cols, most = capacity_ / cols;
    const bool dense = tile_.dst_row_stride == cols;
    for (int64_t row = 0; row < tile_.rows; row += most) {
      const int64_t rows = tile_.rows - row < most ? tile_.rows - row : most;
      for (int i = 0; i < inputs; ++i) {
        const VectorOperand& o = tile_.operands[i];
        if (o.row_stride == 0 && o.col_stride == 0) {
          if (row == 0) repeat(i, 0);
        } else if (direct(i) && o.row_stride == cols) {
          source_[i] = {static_cast<const float*>(address(i, row, 0)), 1};
        } else if (row == 0 || o.row_stride != 0) {
          gather_rows(i, row, rows);
        }
      }
      float* d = dense ? target(row * cols) : nullptr;
      Source result = execute(rows * cols, d);
      if (dense) {
        put(result, row * cols, rows * cols);
      } else {
        for (int64_t r = 0; r < rows; ++r)
          put({result.data + r * cols * result.step, result.step}, (row + r) * tile_.dst_row_stride, cols);
      }
    }
  }

  void gather_rows(int input, int64_t row, int64_t rows) {
    const VectorOperand& o = tile_.operands[input];
    float* d = chunk_of(input);
    for (int64_t r = 0; r < rows; ++r) {
      float* to = d + r * tile_.cols;
      if (o.col_stride) {
        convert(tile_.input_type[input], to, address(input, row + r, 0), tile_.cols);
      } else {
        convert(tile_.input_type[input], to, address(input, row + r, 0), 1);
        map1(to, {splat_row(to[0]), 0}, tile_.cols, [](Vec x) { return x; });
      }
    }
    source_[input] = {d, 1};
  }
  const float* splat_row(float value) {
    store(row_value_, splat(value));
    return row_value_;
  }

  // Where the result may be written at once; nullptr where it must be converted.
  float* target(int64_t at) const {
    const int result = tile_.size ? tile_.inputs + tile_.size - 1 : 0;
    return type_of(result) == kF32 ? static_cast<float*>(tile_.dst) + at : nullptr;
  }

  // Computes n elements; `target` is where the last instruction writes if it can.
  Source execute(int64_t n, float* target) {
    for (int i = 0; i < tile_.size; ++i) {
      const VectorInstr& instr = tile_.code[i];
      const int number = tile_.inputs + i;
      if (instr.op == VectorOp::constant) continue;
      float* d = i + 1 == tile_.size && target ? target : chunk_of(number);
      const Source a = source_[instr.a], b = source_[instr.b];
      source_[number] = {d, 1};
      if (instr.op == VectorOp::cast) cast(instr, number, d, a, n);
      else if (instr.op == VectorOp::where) choose(d, a, b, source_[instr.c], n);
      else if (instr.op == VectorOp::eq || instr.op == VectorOp::ne) equal(instr, d, a, b, n);
      else if (rare(instr.op, d, a, b, n)) continue;
      else if (instr.op >= VectorOp::add) arithmetic(instr.op, d, a, b, n);
      else functions(instr.op, d, a, n);
    }
    return source_[tile_.size ? tile_.inputs + tile_.size - 1 : 0];
  }

  static void choose(float* d, Source a, Source b, Source c, int64_t n) {
    map3(d, a, b, c, n, [](Vec x, Vec y, Vec z) { return select(test_of(x), y, z); });
  }

  void equal(const VectorInstr& instr, float* d, Source a, Source b, int64_t n) {
    const bool is_eq = instr.op == VectorOp::eq;
    if (type_of(instr.a) == kBool) {
      const Vec flip = from_bits(ints(is_eq ? -1 : 0));
      map2(d, a, b, n, [flip](Vec x, Vec y) { return bit_xor(bit_xor(x, y), flip); });
    } else if (is_eq) {
      map2(d, a, b, n, [](Vec x, Vec y) { return lanes_of(eq(x, y)); });
    } else {
      map2(d, a, b, n, [](Vec x, Vec y) { return lanes_of(ne(x, y)); });
    }
  }

  void cast(const VectorInstr& instr, int number, float* d, Source a, int64_t n) {
    const uint8_t from = type_of(instr.a), to = instr.type;
    if (from == kBool && to != kBool) {
      map1(d, a, n, [](Vec x) { return bit_and(x, splat(1.0f)); });
    } else if (to == kBool && from != kBool) {
      map1(d, a, n, [](Vec x) { return lanes_of(ne(x, zero())); });
    } else if (to == kF16 && from != kF16) {
      map1(d, a, n, [](Vec x) { return round_half(x); });
    } else if (to == kBf16 && from != kBf16) {
      map1(d, a, n, [](Vec x) { return round_bfloat(x); });
    } else {
      source_[number] = a;  // nothing changes
    }
  }

  // Stores the result unless it lies there already.
  void put(Source result, int64_t at, int64_t n) const {
    const uint8_t type = type_of(tile_.size ? tile_.inputs + tile_.size - 1 : 0);
    switch (type) {
      case kF32: {
        float* d = static_cast<float*>(tile_.dst) + at;
        if (result.data != d) map1(d, result, n, [](Vec x) { return x; });
        return;
      }
      case kBool: {
        auto* d = static_cast<uint8_t*>(tile_.dst) + at;
        const auto* lanes = reinterpret_cast<const uint32_t __attribute__((may_alias))*>(result.data);
        for (int64_t i = 0; i < n; ++i) d[i] = static_cast<uint8_t>(lanes[i * result.step] & 1);
        return;
      }
      case kF16: {
        auto* d = static_cast<uint16_t*>(tile_.dst) + at;
        for (int64_t i = 0; i < n; i += kLanes) {
          int64_t some = n - i < kLanes ? n - i : kLanes;
          store_half(d + i, some, get_some(result, i, some));
        }
        return;
      }
      default: {
        auto* d = static_cast<uint16_t*>(tile_.dst) + at;
        float rounded[kLanes];
        for (int64_t i = 0; i < n; i += kLanes) {
          int64_t some = n - i < kLanes ? n - i : kLanes;
          store(rounded, round_bfloat(get_some(result, i, some)));
          const auto* words = reinterpret_cast<const uint32_t __attribute__((may_alias))*>(rounded);
          for (int64_t k = 0; k < some; ++k) d[i + k] = static_cast<uint16_t>(words[k] >> 16);
        }
      }
    }
  }

  const VectorTile& tile_;
  float* chunks_;
  int64_t capacity_ = 0;
  Source source_[kMaxOperands];
  uint8_t chunk_[kMaxOperands];
  float row_value_[kSplat];
};

// ---- Forms that stay in registers

template <VectorForm::Pre P>
inline Vec combine(Vec a, Vec b, Vec c, Vec d) {
  switch (P) {
    case VectorForm::leaf: return a;
    case VectorForm::sum2: return add(a, b);
    case VectorForm::sum3: return add(add(a, b), c);
    case VectorForm::product_sum: return fma(a, b, c);
    default: return add(fma(a, b, c), d);
  }
}

struct Parameters {
  Vec p[5];
};

template <VectorForm::Act A>
inline Vec activate(Vec x, const Parameters& by) {
  switch (A) {
    case VectorForm::none: return x;
    case VectorForm::clip: return min(by.p[1], max(by.p[0], x));
    case VectorForm::silu: return silu(x);
    case VectorForm::gelu: return mul(mul(x, by.p[0]), add(erf(mul(x, by.p[1])), by.p[2]));
    case VectorForm::gelu_tanh: return times_sigmoid(mul(x, by.p[3]), mul(x, fma(mul(x, x), by.p[2], by.p[1])));
    default: return mul(mul(x, min(by.p[3], max(by.p[2], fma(x, by.p[0], by.p[1])))), by.p[4]);
  }
}

template <VectorForm::Pre P, VectorForm::Act A>
void form_rows(const VectorForm& form, const VectorTile& tile) {
  constexpr int kLeaves = P == VectorForm::leaf ? 1 : P == VectorForm::sum2 ? 2 : P == VectorForm::product_sum2 ? 4 : 3;
  Parameters by;
  for (int i = 0; i < 5; ++i) by.p[i] = splat(form.p[i]);
  if (A == VectorForm::gelu_tanh) {  // tanh(u) + 1 is 2 * sigmoid(2 * u)
    by.p[1] = add(by.p[1], by.p[1]);
    by.p[2] = add(by.p[2], by.p[2]);
    by.p[3] = add(by.p[0], by.p[0]);
  }
  float repeated[4][kSplat];
  Source leaf[4];
  for (int k = kLeaves; k < 4; ++k) leaf[k] = {repeated[k], 0};
  for (int64_t row = 0; row < tile.rows; ++row) {
    for (int k = 0; k < kLeaves; ++k) {
      const VectorOperand& o = tile.operands[form.leaves[k]];
      const float* data = static_cast<const float*>(o.data) + row * o.row_stride;
      if (o.col_stride) {
        leaf[k] = {data, 1};
      } else {
        store(repeated[k], splat(*data));
        leaf[k] = {repeated[k], 0};
      }
    }
    float* d = static_cast<float*>(tile.dst) + row * tile.dst_row_stride;
    auto one = [&](auto read) {
      Vec a = read(leaf[0]), b = kLeaves > 1 ? read(leaf[1]) : a, c = kLeaves > 2 ? read(leaf[2]) : a;
      return activate<A>(combine<P>(a, b, c, kLeaves > 3 ? read(leaf[3]) : a), by);
    };
    int64_t i = 0;
    for (; i + kLanes <= tile.cols; i += kLanes) store(d + i, one([i](Source s) { return get(s, i); }));
    if (const int64_t n = tile.cols - i; n > 0) store_some(d + i, n, one([i, n](Source s) { return get_some(s, i, n); }));
  }
}

template <VectorForm::Pre P>
void form_act(const VectorForm& form, const VectorTile& tile) {
  switch (form.act) {
    case VectorForm::none: return form_rows<P, VectorForm::none>(form, tile);
    case VectorForm::clip: return form_rows<P, VectorForm::clip>(form, tile);
    case VectorForm::silu: return form_rows<P, VectorForm::silu>(form, tile);
    case VectorForm::gelu: return form_rows<P, VectorForm::gelu>(form, tile);
    case VectorForm::gelu_tanh: return form_rows<P, VectorForm::gelu_tanh>(form, tile);
    case VectorForm::hard_swish: return form_rows<P, VectorForm::hard_swish>(form, tile);
  }
}

}  // namespace

void run_tile(const VectorTile& tile) { Runner(tile).run(); }

void run_form(const VectorForm& form, const VectorTile& tile) {
  switch (form.pre) {
    case VectorForm::leaf: return form_act<VectorForm::leaf>(form, tile);
    case VectorForm::sum2: return form_act<VectorForm::sum2>(form, tile);
    case VectorForm::sum3: return form_act<VectorForm::sum3>(form, tile);
    case VectorForm::product_sum: return form_act<VectorForm::product_sum>(form, tile);
    case VectorForm::product_sum2: return form_act<VectorForm::product_sum2>(form, tile);
  }
}

}  // namespace tenon::TN_ISA
