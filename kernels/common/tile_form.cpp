#include "common/tile_form.h"

#include <limits>
#include <optional>

namespace tenon {
namespace {

class Matcher {
 public:
  Matcher(const Program& program, const TileOperand* inputs, VectorForm& form)
      : program_(program), inputs_(inputs), form_(form) {}

  bool match() {
    if (program_.size > 16) return false;
    for (int i = 0; i < program_.inputs; ++i)
      if (program_.input_type[static_cast<size_t>(i)] != DType::f32) return false;
    for (const Instr& instr : program_.instructions())
      if (instr.type != DType::f32) return false;
    int root = program_.inputs + program_.size - 1;
    for (auto act : {&Matcher::none, &Matcher::clip, &Matcher::silu, &Matcher::gelu, &Matcher::gelu_tanh, &Matcher::hard_swish}) {
      form_ = {};
      if ((this->*act)(root)) return true;
    }
    return false;
  }

 private:
  const Instr* instr(int operand) const {
    return operand < program_.inputs ? nullptr : &program_.code[static_cast<size_t>(operand - program_.inputs)];
  }
  bool is(int operand, ExprOp op) const { return instr(operand) && instr(operand)->op == op; }
  std::optional<float> number(int operand) const {
    if (is(operand, ExprOp::constant)) return static_cast<float>(instr(operand)->imm);
    if (operand < program_.inputs && inputs_[operand].row_stride == 0 && inputs_[operand].col_stride == 0)
      return *static_cast<const float*>(inputs_[operand].data);
    return std::nullopt;
  }
  bool leaf(int operand, int slot) {
    if (operand >= program_.inputs) return false;
    form_.leaves[slot] = static_cast<uint8_t>(operand);
    return true;
  }
  // Calls f with the operands of a commutative instruction in both orders until one fits.
  template <class F>
  bool either(int operand, ExprOp op, F f) {
    return is(operand, op) && (f(instr(operand)->a, instr(operand)->b) || f(instr(operand)->b, instr(operand)->a));
  }
  // value * constant, or value / constant.
  std::optional<float> scaled(int operand, int& value) const {
    const Instr* it = instr(operand);
    if (!it) return std::nullopt;
    if (it->op == ExprOp::mul) {
      if (auto c = number(it->b)) return value = it->a, c;
      if (auto c = number(it->a)) return value = it->b, c;
    }
    if (it->op == ExprOp::div)
      if (auto c = number(it->b); c && *c != 0) return value = it->a, 1 / *c;
    return std::nullopt;
  }

  bool pre(int operand) {
    if (leaf(operand, 0)) return form_.pre = VectorForm::leaf, true;
    auto sum = [&](int a, int b) { return leaf(a, 0) && leaf(b, 1) && (form_.pre = VectorForm::sum2, true); };
    auto sum3 = [&](int a, int b) { return either(a, ExprOp::add, sum) && leaf(b, 2) && (form_.pre = VectorForm::sum3, true); };
    auto product = [&](int a, int b) { return leaf(a, 0) && leaf(b, 1); };
    auto scaled_sum = [&](int a, int b) {
      return either(a, ExprOp::mul, product) && leaf(b, 2) && (form_.pre = VectorForm::product_sum, true);
    };
    auto scaled_sum2 = [&](int a, int b) {
      return either(a, ExprOp::add, scaled_sum) && leaf(b, 3) && (form_.pre = VectorForm::product_sum2, true);
    };
    return either(operand, ExprOp::add, sum) || either(operand, ExprOp::add, scaled_sum) ||
           either(operand, ExprOp::add, sum3) || either(operand, ExprOp::add, scaled_sum2);
  }

  bool none(int root) {
    form_.act = VectorForm::none;
    return pre(root) && form_.pre != VectorForm::leaf;
  }

  // Bounds around a value, low <= high.
  bool bounds(int operand, int& value, float& low, float& high) {
    low = -std::numeric_limits<float>::infinity();
    high = std::numeric_limits<float>::infinity();
    int current = operand, found = 0;
    bool has_low = false, has_high = false;
    while (found < 2) {
      bool is_max = is(current, ExprOp::max), is_min = is(current, ExprOp::min);
      if ((!is_max || has_low) && (!is_min || has_high)) break;
      const Instr* it = instr(current);
      auto c = number(it->b);
      int other = it->a;
      if (!c) c = number(it->a), other = it->b;
      if (!c || *c != *c) break;
      (is_max ? low : high) = *c;
      (is_max ? has_low : has_high) = true;
      current = other;
      ++found;
    }
    value = current;
    return found > 0 && low <= high;
  }

  bool clip(int root) {
    form_.act = VectorForm::clip;
    int value;
    return bounds(root, value, form_.p[0], form_.p[1]) && pre(value);
  }

  bool silu(int root) {
    form_.act = VectorForm::silu;
    return either(root, ExprOp::mul, [&](int a, int b) { return is(b, ExprOp::sigmoid) && instr(b)->a == a && pre(a); });
  }

  // erf(x * p1) + p2
  bool error_sum(int operand, int x) {
    return either(operand, ExprOp::add, [&](int a, int b) {
      int value;
      auto factor = is(a, ExprOp::erf) ? scaled(instr(a)->a, value) : std::nullopt;
      auto addend = number(b);
      if (!factor || !addend || value != x) return false;
      form_.p[1] = *factor;
      form_.p[2] = *addend;
      return true;
    });
  }

  // The factor p0 stands at x, at the sum, or at the product of both.
  bool gelu(int root) {
    form_.act = VectorForm::gelu;
    auto product = [&](int a, int b) {
      int x = a, sum = b;
      if (auto c = scaled(a, x)) form_.p[0] *= *c;
      else if (auto d = scaled(b, sum)) form_.p[0] *= *d;
      return error_sum(sum, x) && pre(x);
    };
    auto attempt = [&](int a, int b) { return form_.p[0] = 1, product(a, b); };
    if (either(root, ExprOp::mul, attempt)) return true;
    int inner;
    auto outer = scaled(root, inner);
    return outer && either(inner, ExprOp::mul, [&](int a, int b) { return form_.p[0] = *outer, product(a, b); });
  }

  // A product as numbers, multiplied into `scale`, and at most 4 other factors.
  struct Factors {
    int count = 0, operand[4] = {};
    float scale = 1;
  };
  bool factors(int operand, Factors& out) const {
    if (is(operand, ExprOp::mul)) return factors(instr(operand)->a, out) && factors(instr(operand)->b, out);
    if (auto n = number(operand)) return out.scale *= *n, true;
    if (out.count == 4) return false;
    out.operand[out.count++] = operand;
    return true;
  }

  // x * p0 * (tanh(p1 * (x + p2 / p1 * x³)) + 1): Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
  bool gelu_tanh(int root) {
    form_.act = VectorForm::gelu_tanh;
    Factors whole, inner, cube;
    if (!factors(root, whole) || whole.count != 2) return false;
    form_.p[0] = whole.scale;
    int x = whole.operand[0];
    auto one_more = [&](int a, int b) { return is(a, ExprOp::tanh) && number(b) == 1.0f && factors(instr(a)->a, inner); };
    if (!either(whole.operand[1], ExprOp::add, one_more)) {
      x = whole.operand[1];
      if (inner = {}; !either(whole.operand[0], ExprOp::add, one_more)) return false;
    }
    auto odd = [&](int a, int b) {
      cube = {};
      return a == x && factors(b, cube) && cube.count == 3 && cube.operand[0] == x && cube.operand[1] == x &&
             cube.operand[2] == x;
    };
    if (inner.count != 1 || !either(inner.operand[0], ExprOp::add, odd)) return false;
    form_.p[1] = inner.scale;
    form_.p[2] = inner.scale * cube.scale;
    return pre(x);
  }

  // x * clip(x * p0 + p1), maybe scaled.
  bool hard_swish(int root) {
    form_.act = VectorForm::hard_swish;
    int body = root, inner;
    form_.p[4] = 1;
    if (auto c = scaled(root, inner)) form_.p[4] = *c, body = inner;
    return either(body, ExprOp::mul, [&](int x, int gate) {
      int affine, value;
      if (!bounds(gate, affine, form_.p[2], form_.p[3])) return false;
      return either(affine, ExprOp::add, [&](int a, int b) {
        auto addend = number(b);
        if (!addend) return false;
        form_.p[1] = *addend;
        form_.p[0] = 1;
        value = a;
        if (auto c = scaled(a, value)) form_.p[0] = *c;
        return value == x && pre(x);
      });
    });
  }

  const Program& program_;
  const TileOperand* inputs_;
  VectorForm& form_;
};

}  // namespace

bool match_form(const Program& program, const TileOperand* inputs, VectorForm& form) {
  return Matcher(program, inputs, form).match();
}

}  // namespace tenon
