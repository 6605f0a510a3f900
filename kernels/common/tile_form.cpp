#include "common/tile_form.h"

#include <limits>
#include <optional>

namespace tenon {
namespace {

class Matcher {
 public:
  Matcher(const Program& program, VectorForm& form) : program_(program), form_(form) {}

  bool match() {
    if (program_.size > 16) return false;
    for (int i = 0; i < program_.inputs; ++i)
      if (program_.input_type[static_cast<size_t>(i)] != DType::f32) return false;
    for (const Instr& instr : program_.instructions())
      if (instr.type != DType::f32) return false;
    int root = program_.inputs + program_.size - 1;
    for (auto act : {&Matcher::none, &Matcher::clip, &Matcher::silu, &Matcher::gelu, &Matcher::tanh_gelu, &Matcher::hard_swish}) {
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

  // tanh(s * (x + c * x^3)) + 1, which is twice the sigmoid of twice that.
  bool tanh_sum(int operand, int x) {
    return either(operand, ExprOp::add, [&](int a, int b) {
      int sum;
      auto factor = is(a, ExprOp::tanh) ? scaled(instr(a)->a, sum) : std::nullopt;
      return factor && number(b) == 1.0f && either(sum, ExprOp::add, [&](int linear, int rest) {
               int cube;
               auto third = linear == x ? scaled(rest, cube) : std::nullopt;
               auto square = [&](int p, int q) { return p == x && q == x; };
               if (!third || !either(cube, ExprOp::mul, [&](int p, int q) { return q == x && either(p, ExprOp::mul, square); }))
                 return false;
               form_.p[0] *= 2;
               form_.p[1] = 2 * *factor * *third;
               form_.p[2] = 2 * *factor;
               return true;
             });
    });
  }

  bool gelu(int root) {
    form_.act = VectorForm::gelu;
    return gated(root, &Matcher::error_sum);
  }
  bool tanh_gelu(int root) {
    form_.act = VectorForm::tanh_gelu;
    return gated(root, &Matcher::tanh_sum);
  }

  // x times a sum that depends on it. The factor p0 stands at x, at the sum, or at the product of both.
  bool gated(int root, bool (Matcher::*gate)(int operand, int x)) {
    auto product = [&](int a, int b) {
      int x = a, sum = b;
      if (auto c = scaled(a, x)) form_.p[0] *= *c;
      else if (auto d = scaled(b, sum)) form_.p[0] *= *d;
      return (this->*gate)(sum, x) && pre(x);
    };
    auto attempt = [&](int a, int b) { return form_.p[0] = 1, product(a, b); };
    if (either(root, ExprOp::mul, attempt)) return true;
    int inner;
    auto outer = scaled(root, inner);
    return outer && either(inner, ExprOp::mul, [&](int a, int b) { return form_.p[0] = *outer, product(a, b); });
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
  VectorForm& form_;
};

}  // namespace

bool match_form(const Program& program, VectorForm& form) { return Matcher(program, form).match(); }

}  // namespace tenon
