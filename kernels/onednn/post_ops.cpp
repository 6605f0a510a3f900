#include "onednn/post_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::onednn {
namespace {

constexpr int kMaxDepth = 12;

bool near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)); }

// The product of factors: scale * v^power * others.
struct Product {
  double scale = 1;
  int power = 0;
  int others = 0;
  int other[2] = {};
};

// Reads the expressions that a program builds over one operand, `v`, and constants.
class Reader {
 public:
  Reader(const Program& program, int v) : program_(program), v_(v) {}

  const Instr* instr(int operand) const {
    return operand < program_.inputs ? nullptr : &program_.code[static_cast<size_t>(operand - program_.inputs)];
  }
  bool is_v(int operand) const { return operand == v_; }
  bool constant(int operand, double& value) const {
    const Instr* in = instr(operand);
    if (!in || in->op != ExprOp::constant || !std::isfinite(in->imm)) return false;
    value = in->imm;
    return true;
  }
  // A bound: a constant that may be infinite.
  bool bound(int operand, double& value) const {
    const Instr* in = instr(operand);
    if (!in || in->op != ExprOp::constant || std::isnan(in->imm)) return false;
    value = in->imm;
    return true;
  }
  // One operand is a constant, the other is `rest`.
  bool with_constant(const Instr& in, double& value, int& rest) const {
    if (constant(in.b, value)) return rest = in.a, true;
    if (constant(in.a, value)) return rest = in.b, true;
    return false;
  }

  void product(int operand, Product& out, bool inverse = false, int depth = 0) const {
    double value;
    const Instr* in = instr(operand);
    if (is_v(operand)) {
      out.power += inverse ? -1 : 1;
    } else if (constant(operand, value) && value != 0) {
      out.scale *= inverse ? 1 / value : value;
    } else if (in && in->op == ExprOp::mul && depth < kMaxDepth) {
      product(in->a, out, inverse, depth + 1);
      product(in->b, out, inverse, depth + 1);
    } else if (in && in->op == ExprOp::div && depth < kMaxDepth) {
      product(in->a, out, inverse, depth + 1);
      product(in->b, out, !inverse, depth + 1);
    } else if (in && in->op == ExprOp::neg && depth < kMaxDepth) {
      out.scale = -out.scale;
      product(in->a, out, inverse, depth + 1);
    } else if (in && in->op == ExprOp::pow && is_v(in->a) && constant(in->b, value) && (value == 2 || value == 3)) {
      out.power += static_cast<int>(inverse ? -value : value);
    } else if (!inverse && out.others < 2) {
      out.other[out.others++] = operand;
    } else {
      out.others = 3;
    }
  }
  bool scaled(int operand, double& scale) const { return scaled_power(operand, 1, scale); }
  bool scaled_power(int operand, int power, double& scale) const {
    Product p;
    product(operand, p);
    scale = p.scale;
    return p.power == power && p.others == 0;
  }
  // operand = factor * v + offset
  bool affine(int operand, double& factor, double& offset) const {
    offset = 0;
    if (scaled(operand, factor)) return true;
    const Instr* in = instr(operand);
    int rest;
    if (!in || (in->op != ExprOp::add && in->op != ExprOp::sub)) return false;
    if (in->op == ExprOp::sub) {
      if (!constant(in->b, offset)) return false;
      offset = -offset;
      return scaled(in->a, factor);
    }
    return with_constant(*in, offset, rest) && scaled(rest, factor);
  }
  // operand = 1 + inner
  bool one_plus(int operand, int& inner) const {
    const Instr* in = instr(operand);
    double one;
    return in && in->op == ExprOp::add && with_constant(*in, one, inner) && one == 1;
  }
  // operand = clip(inner, low, high), in either order of the bounds
  bool clip(int operand, int& inner, double& low, double& high) const {
    const Instr* outer = instr(operand);
    if (!outer || (outer->op != ExprOp::min && outer->op != ExprOp::max)) return false;
    double first, second;
    int middle;
    if (!with_bound(*outer, first, middle)) return false;
    const Instr* in = is_v(middle) ? nullptr : instr(middle);
    const bool both = in && in->op == (outer->op == ExprOp::min ? ExprOp::max : ExprOp::min) &&
                      with_bound(*in, second, inner);
    const double infinity = std::numeric_limits<double>::infinity();
    if (!both) inner = middle, second = outer->op == ExprOp::min ? -infinity : infinity;
    low = outer->op == ExprOp::min ? second : first;
    high = outer->op == ExprOp::min ? first : second;
    return low <= high;
  }

 private:
  bool with_bound(const Instr& in, double& value, int& rest) const {
    if (bound(in.b, value)) return rest = in.a, true;
    if (bound(in.a, value)) return rest = in.b, true;
    return false;
  }

  const Program& program_;
  int v_;
};

PostOp simple(PostOpKind kind, double alpha = 0, double beta = 0) {
  return {kind, 0, static_cast<float>(alpha), static_cast<float>(beta)};
}

// Whether `operand` is sqrt(2 / pi) * (v + 0.044715 * v^3), the sum as it stands or with v factored out.
bool is_gelu_argument(const Reader& r, int operand) {
  const double c = std::sqrt(2 / M_PI);
  Product p;
  r.product(operand, p);
  if (p.others != 1 || (p.power != 0 && p.power != 1)) return false;
  const Instr* sum = r.instr(p.other[0]);
  if (!sum || sum->op != ExprOp::add) return false;
  double linear = 0, cubic = 0, scale;
  for (int term : {static_cast<int>(sum->a), static_cast<int>(sum->b)}) {
    if (p.power == 0 && r.scaled(term, scale)) linear += scale;
    else if (p.power == 1 && r.constant(term, scale)) linear += scale;
    else if (r.scaled_power(term, 3 - p.power, scale)) cubic += scale;
    else return false;
  }
  return near(linear * p.scale, c) && near(cubic * p.scale, c * 0.044715);
}

// Products of v with a function of v.
bool match_gate(const Reader& r, int operand, PostOp& out) {
  Product p;
  r.product(operand, p);
  if (p.power == 2 && p.others == 0 && p.scale == 1) return out = simple(PostOpKind::square), true;
  if (p.power != 1 || p.others != 1) return false;
  const Instr* gate = r.instr(p.other[0]);
  double scale, low, high, factor, offset;
  int inner;
  if (gate && gate->op == ExprOp::sigmoid && p.scale == 1 && r.scaled(gate->a, scale))
    return out = simple(PostOpKind::swish, scale), true;
  if (r.clip(p.other[0], inner, low, high) && low == 0 && r.affine(inner, factor, offset) && factor > 0) {
    // scale * v * clip(factor * v + offset, 0, high) with high = 6 * factor, offset = 3 * factor
    if (near(high, 6 * factor) && near(offset, 3 * factor) && near(p.scale * factor, 1.0 / 6))
      return out = simple(PostOpKind::hardswish), true;
  }
  if (r.one_plus(p.other[0], inner) && near(p.scale, 0.5)) {
    const Instr* f = r.instr(inner);
    if (f && f->op == ExprOp::erf && r.scaled(f->a, scale) && near(scale, M_SQRT1_2))
      return out = simple(PostOpKind::gelu_erf), true;
    if (f && f->op == ExprOp::tanh && is_gelu_argument(r, f->a)) return out = simple(PostOpKind::gelu_tanh), true;
  }
  return false;
}

// v < 0 ? slope * v : v, as `where` or as max(v, slope * v).
bool match_leaky(const Reader& r, const Instr& in, PostOp& out) {
  double slope, zero;
  if (in.op == ExprOp::max) {
    const int other = r.is_v(in.a) ? in.b : in.a;
    if ((!r.is_v(in.a) && !r.is_v(in.b)) || r.is_v(other) || !r.scaled(other, slope)) return false;
    return slope >= 0 && slope <= 1 && (out = simple(PostOpKind::relu, slope), true);
  }
  if (in.op != ExprOp::where) return false;
  const Instr* test = r.instr(in.a);
  if (!test || !r.is_v(test->a) || !r.constant(test->b, zero) || zero != 0) return false;
  const bool less = test->op == ExprOp::lt || test->op == ExprOp::le;
  if (!less && test->op != ExprOp::gt && test->op != ExprOp::ge) return false;
  const int negative = less ? in.b : in.c, positive = less ? in.c : in.b;
  return r.is_v(positive) && r.scaled(negative, slope) && (out = simple(PostOpKind::relu, slope), true);
}

bool match_unary(const Reader& r, const Instr& in, PostOp& out) {
  if (!r.is_v(in.a)) return false;
  switch (in.op) {
    case ExprOp::neg: out = simple(PostOpKind::linear, -1); return true;
    case ExprOp::sigmoid: out = simple(PostOpKind::sigmoid); return true;
    case ExprOp::tanh: out = simple(PostOpKind::tanh); return true;
    case ExprOp::abs: out = simple(PostOpKind::abs); return true;
    case ExprOp::sqrt: out = simple(PostOpKind::sqrt); return true;
    case ExprOp::exp: out = simple(PostOpKind::exp); return true;
    case ExprOp::log: out = simple(PostOpKind::log); return true;
    case ExprOp::softplus: out = simple(PostOpKind::softplus); return true;
    case ExprOp::round: out = simple(PostOpKind::round); return true;
    default: return false;
  }
}

// One instruction with v and a constant.
bool match_linear(const Reader& r, const Instr& in, PostOp& out) {
  double value;
  int rest;
  if (in.op == ExprOp::sub && r.is_v(in.a) && r.constant(in.b, value))
    return out = simple(PostOpKind::linear, 1, -value), true;
  if (in.op == ExprOp::sub && r.is_v(in.b) && r.constant(in.a, value))
    return out = simple(PostOpKind::linear, -1, value), true;
  if (in.op == ExprOp::div && r.is_v(in.a) && r.constant(in.b, value) && value != 0)
    return out = simple(PostOpKind::linear, 1 / value), true;
  if ((in.op != ExprOp::add && in.op != ExprOp::mul) || !r.with_constant(in, value, rest) || !r.is_v(rest)) return false;
  out = in.op == ExprOp::add ? simple(PostOpKind::linear, 1, value) : simple(PostOpKind::linear, value);
  return true;
}

bool match_binary(const Program& program, const Reader& r, const Instr& in, PostOp& out) {
  const bool left = r.is_v(in.a), right = r.is_v(in.b);
  if (left == right) return false;
  const int other = left ? in.b : in.a;
  if (other == 0 || other >= program.inputs || program.input_type[static_cast<size_t>(other)] != DType::f32) return false;
  out = {};
  out.input = static_cast<uint8_t>(other);
  switch (in.op) {
    case ExprOp::add: out.kind = PostOpKind::add; return true;
    case ExprOp::mul: out.kind = PostOpKind::mul; return true;
    case ExprOp::max: out.kind = PostOpKind::max; return true;
    case ExprOp::min: out.kind = PostOpKind::min; return true;
    case ExprOp::sub: out.kind = PostOpKind::sub; return left;
    case ExprOp::div: out.kind = PostOpKind::div; return left;
    default: return false;
  }
}

// The post-op that gives instruction `at` from v.
bool match_step(const Program& program, int v, int at, PostOp& out) {
  const Reader r(program, v);
  const Instr& in = program.code[static_cast<size_t>(at)];
  if (in.type != DType::f32) return false;
  int inner;
  double low, high;
  if (arity(in.op) == 1 && match_unary(r, in, out)) return true;
  if (arity(in.op) == 2 && (match_binary(program, r, in, out) || match_linear(r, in, out))) return true;
  if (r.clip(program.inputs + at, inner, low, high) && r.is_v(inner)) {
    const bool relu = low == 0 && high == std::numeric_limits<double>::infinity();
    out = relu ? simple(PostOpKind::relu) : simple(PostOpKind::clip, low, high);
    return true;
  }
  return match_leaky(r, in, out) || match_gate(r, program.inputs + at, out);
}

// Whether nothing after instruction `at` reads v or what was computed before `at`, constants and extras aside.
bool is_cut(const Program& program, int v, int at) {
  for (int i = at + 1; i < program.size; ++i) {
    const Instr& in = program.code[static_cast<size_t>(i)];
    const uint8_t operands[3] = {in.a, in.b, in.c};
    for (int o = 0; o < arity(in.op); ++o) {
      const int operand = operands[o];
      if (operand == v) return false;
      if (operand < program.inputs) continue;
      const Instr& from = program.code[static_cast<size_t>(operand - program.inputs)];
      if (operand < program.inputs + at && from.op != ExprOp::constant) return false;
    }
  }
  return true;
}

// Appends a post-op. oneDNN 2.6 generates one function per algorithm of a chain and takes the first one's alpha and beta
// for all, so linear ones in a row become one and others must be equal.
bool append(const PostOp& op, PostOpChain& chain, std::string& refusal) {
  PostOp* last = chain.count ? &chain.ops[chain.count - 1] : nullptr;
  if (op.kind == PostOpKind::linear && last && last->kind == PostOpKind::linear) {
    last->alpha *= op.alpha;
    last->beta = last->beta * op.alpha + op.beta;
    return true;
  }
  for (int i = 0; i < chain.count; ++i) {
    const PostOp& other = chain.ops[i];
    if (is_binary(op.kind) || other.kind != op.kind || (other.alpha == op.alpha && other.beta == op.beta)) continue;
    refusal = "the epilogue needs two oneDNN post-ops of one kind with different constants";
    return false;
  }
  if (chain.count == kMaxPostOps) {
    refusal = "the epilogue needs more than " + std::to_string(kMaxPostOps) + " post-ops";
    return false;
  }
  chain.ops[chain.count++] = op;
  return true;
}

}  // namespace

bool match_post_ops(const Program& program, PostOpChain& chain, std::string& refusal) {
  chain = {};
  if (program.empty()) {
    if (program.inputs <= 1) return true;
    refusal = "the epilogue has extra operands and no instruction";
    return false;
  }
  for (int i = 0; i < program.inputs; ++i)
    if (program.input_type[static_cast<size_t>(i)] != DType::f32) {
      refusal = "the epilogue's input " + std::to_string(i) + " is not f32";
      return false;
    }
  int v = 0;
  const int result = program.inputs + program.size - 1;
  while (v != result) {
    bool found = false;
    // The largest pattern first: a gate's parts are post-ops too.
    for (int at = program.size - 1; at > v - program.inputs && at >= 0 && !found; --at) {
      PostOp op;
      if (!match_step(program, v, at, op) || !is_cut(program, v, at)) continue;
      if (!append(op, chain, refusal)) return false;
      v = program.inputs + at;
      found = true;
    }
    if (!found) {
      refusal = "the epilogue " + print(program) + " is no chain of oneDNN post-ops";
      return false;
    }
  }
  return true;
}

}  // namespace tenon::onednn
