// The definition of dft: transforms along the dim before the last, whose one or two elements are the real and imaginary
// parts. A mixed-radix transform (decimation in frequency, self-sorting): one pass over the line for each factor of its
// length, whose cost is the sum of the factors for each element. f32 and narrower types are computed in f32.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/element.h"
#include "common/kernel.h"
#include "fourier/params.h"

namespace tenon {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 40;

struct Geometry {
  int64_t lines, in, in_parts, out, out_parts;
};

int64_t half(int64_t length) { return length / 2 + 1; }

Geometry geometry_of(const DftParams& params, const Arg& x) {
  Geometry g{1, x.dims[x.rank - 2], x.dims[x.rank - 1], params.length, 2};
  for (int d = 0; d + 2 < x.rank; ++d) g.lines *= x.dims[d];
  if (params.onesided && params.inverse) g.out_parts = 1;
  if (params.onesided && !params.inverse) g.out = half(params.length);
  return g;
}

size_t bytes_of_real(DType type) { return type == DType::f64 ? sizeof(double) : sizeof(float); }

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<DftParams>();
  if (!is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_plan, "dft: elements of {} are not transformed", describe(x));
  TN_TRY(expect_type(out, x.dtype, "dft output"));
  TN_TRY(expect_rank(x, 2, kMaxRank, "dft input"));
  TN_TRY(expect_format(x, kLinear, "dft input"));
  TN_TRY(expect_format(out, kLinear, "dft output"));
  const int64_t parts = x.dims[x.rank - 1];
  if (parts != 1 && parts != 2)
    return fail(Code::invalid_plan, "dft: the last dim of {} must be 1 or 2, for real and complex numbers", describe(x));
  if (params.length < 1 || params.length > kMaxLength)
    return fail(Code::out_of_range, "dft: length {} is outside [1, {}]", params.length, kMaxLength);
  const Geometry g = geometry_of(params, x);
  int64_t dims[kMaxRank];
  for (int d = 0; d + 2 < x.rank; ++d) dims[d] = x.dims[d];
  dims[x.rank - 2] = g.out;
  dims[x.rank - 1] = g.out_parts;
  TN_TRY(expect_shape(out, {dims, static_cast<size_t>(x.rank)}, "dft output"));
  // The roots of unity, then for each thread two lines and the elements that one radix takes.
  prepared.scratch_bytes = params.length * 2 * static_cast<int64_t>(bytes_of_real(x.dtype)) * (1 + 3 * call.threads);
  return {};
}

template <class T>
struct Complex {
  T re, im;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
};

// exp(±2πi k / n).
template <class T>
void fill_roots(Complex<T>* roots, int64_t n, bool inverse) {
  constexpr double kTurn = 6.283185307179586;
  for (int64_t k = 0; k < n; ++k) {
    const double angle = kTurn * static_cast<double>(k) / static_cast<double>(n);
    roots[k] = {static_cast<T>(std::cos(angle)), static_cast<T>(inverse ? std::sin(angle) : -std::sin(angle))};
  }
}

int64_t next_factor(int64_t n) {
  if (n % 2 == 0) return 2;
  for (int64_t p = 3; p * p <= n; p += 2)
    if (n % p == 0) return p;
  return n;
}

// One pass: `done` is the product of the factors before, `p` this one.
template <class T>
void pass(const Complex<T>* from, Complex<T>* to, const Complex<T>* roots, int64_t n, int64_t done, int64_t p,
          Complex<T>* taken) {
  const int64_t rest = n / (done * p);
  for (int64_t k = 0; k < done; ++k)
    for (int64_t i = 0; i < rest; ++i) {
      for (int64_t q = 0; q < p; ++q) taken[q] = from[i + rest * (q + p * k)];
      for (int64_t r = 0; r < p; ++r) {
        Complex<T> sum = taken[0];
        if (p == 2) {
          sum = r == 0 ? sum + taken[1] : sum - taken[1];
        } else {
          for (int64_t q = 1; q < p; ++q) sum = sum + taken[q] * roots[q * r % p * (n / p)];
        }
        to[i + rest * (k + done * r)] = i == 0 || r == 0 ? sum : sum * roots[done * i * r];
      }
    }
}

// Transforms line[0 … n); the result is in the line that is returned.
template <class T>
Complex<T>* transform(Complex<T>* line, Complex<T>* other, const Complex<T>* roots, int64_t n, Complex<T>* taken) {
  for (int64_t done = 1; done < n;) {
    const int64_t p = next_factor(n / done);
    pass(line, other, roots, n, done, p, taken);
    std::swap(line, other);
    done *= p;
  }
  return line;
}

template <class E, class T>
void run(const LaunchCall& call) {
  using Storage = typename E::Storage;
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  const auto& params = call.as<DftParams>();
  const Geometry g = geometry_of(params, x);
  const int64_t n = params.length;
  const bool halved = params.inverse && params.onesided;
  const int64_t given = std::min(g.in, halved ? half(n) : n);
  auto* roots = static_cast<Complex<T>*>(call.scratch);
  fill_roots(roots, n, params.inverse != 0);
  auto body = [&](int64_t begin, int64_t end, int member) {
    Complex<T>*line = roots + n * (1 + 3 * member), *other = line + n, *taken = other + n;
    for (int64_t at = begin; at < end; ++at) {
      const Storage* in = x.as<const Storage>() + at * g.in * g.in_parts;
      for (int64_t i = 0; i < n; ++i) line[i] = {};
      for (int64_t i = 0; i < given; ++i) {
        line[i].re = static_cast<T>(E::load(in[i * g.in_parts]));
        if (g.in_parts == 2) line[i].im = static_cast<T>(E::load(in[i * 2 + 1]));
      }
      if (halved) {
        // What is its own conjugate is real.
        line[0].im = 0;
        if (n % 2 == 0) line[n / 2].im = 0;
        for (int64_t i = 1; i < (n + 1) / 2; ++i) line[n - i] = {line[i].re, -line[i].im};
      }
      Complex<T>* result = transform(line, other, roots, n, taken);
      if (g.in_parts == 1 && !halved) {
        // The frequencies of a real signal that are their own conjugates.
        result[0].im = 0;
        if (n % 2 == 0) result[n / 2].im = 0;
      }
      const T scale = params.inverse ? T{1} / static_cast<T>(n) : T{1};
      Storage* to = out.as<Storage>() + at * g.out * g.out_parts;
      for (int64_t i = 0; i < g.out; ++i) {
        to[i * g.out_parts] = E::store(result[i].re * scale);
        if (g.out_parts == 2) to[i * 2 + 1] = E::store(result[i].im * scale);
      }
    }
  };
  call.team->parallel_for(g.lines, body);
}

Status launch(const LaunchCall& call) {
  with_float(call.inputs[0].dtype, [&](auto element) {
    using E = decltype(element);
    using T = std::conditional_t<std::is_same_v<typename E::Storage, double>, double, float>;
    run<E, T>(call);
  });
  return {};
}

}  // namespace

extern const Kernel kDftReference{"dft.reference", sizeof(DftParams), 0, 0, prepare, launch};

}  // namespace tenon
