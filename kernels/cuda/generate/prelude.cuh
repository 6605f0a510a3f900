R"cuda(
typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;
struct f16 { u16 bits; };
struct bf16 { u16 bits; };
struct boolean { u8 bits; };

#define FN static __device__ __forceinline__

// ---- Elements: how they are stored, and the type that they are computed in (f16 and bf16: float; bool: 0 or 1 as u8).
template <class S> struct ValueOf { typedef S type; };
template <> struct ValueOf<f16> { typedef float type; };
template <> struct ValueOf<bf16> { typedef float type; };
template <> struct ValueOf<boolean> { typedef u8 type; };

FN float half_bits_to_float(u16 bits) { float out; asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits)); return out; }
FN u16 float_to_half_bits(float x) { u16 out; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out) : "f"(x)); return out; }
FN u16 float_to_bfloat_bits(float x) { u16 out; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out) : "f"(x)); return out; }

template <class S> FN S get(S x) { return x; }
FN float get(f16 x) { return half_bits_to_float(x.bits); }
FN float get(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
FN u8 get(boolean x) { return x.bits != 0; }

template <class S> struct Put { template <class V> static __device__ __forceinline__ S of(V x) { return (S)x; } };
template <> struct Put<f16> { static __device__ __forceinline__ f16 of(float x) { return f16{float_to_half_bits(x)}; } };
template <> struct Put<bf16> { static __device__ __forceinline__ bf16 of(float x) { return bf16{float_to_bfloat_bits(x)}; } };
template <> struct Put<boolean> { static __device__ __forceinline__ boolean of(u8 x) { return boolean{x}; } };

// V elements in registers.
template <class S, int V> struct Pack { S e[V]; };

template <int N> struct Chunk;
template <> struct Chunk<1> { typedef u8 type; };
template <> struct Chunk<2> { typedef u16 type; };
template <> struct Chunk<4> { typedef u32 type; };
template <> struct Chunk<8> { typedef uint2 type; };
template <> struct Chunk<16> { typedef uint4 type; };

template <int N> struct Width { static const int value = N % 16 == 0 ? 16 : N % 8 == 0 ? 8 : N % 4 == 0 ? 4 : N % 2 == 0 ? 2 : 1; };

// `aligned`: p is a multiple of min(16, V * sizeof(S)) bytes.
template <int V, class S> FN Pack<S, V> load(const S* p, bool aligned) {
  Pack<S, V> out;
  const int N = Width<V * sizeof(S)>::value;
  typedef typename Chunk<N>::type C;
  if (aligned) {
#pragma unroll
    for (int i = 0; i < (int)(V * sizeof(S)) / N; ++i) ((C*)&out)[i] = ((const C*)p)[i];
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i) out.e[i] = p[i];
  }
  return out;
}
template <int V, class S> FN void store(S* p, const Pack<S, V>& x, bool aligned) {
  const int N = Width<V * sizeof(S)>::value;
  typedef typename Chunk<N>::type C;
  if (aligned) {
#pragma unroll
    for (int i = 0; i < (int)(V * sizeof(S)) / N; ++i) ((C*)p)[i] = ((const C*)&x)[i];
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i) p[i] = x.e[i];
  }
}
FN bool is_aligned(const void* p) { return ((u64)p & 15) == 0; }

// n / d for n < 2^31; multiplier and shift belong to d.
FN u32 divide(u32 n, u32 multiplier, u32 shift) { return (__umulhi(n, multiplier) + n) >> shift; }

// ---- Casts
template <class T> struct Limits;
template <> struct Limits<i8> { static const i64 low = -128, high = 127; };
template <> struct Limits<u8> { static const i64 low = 0, high = 255; };
template <> struct Limits<i16> { static const i64 low = -32768, high = 32767; };
template <> struct Limits<u16> { static const i64 low = 0, high = 65535; };
template <> struct Limits<i32> { static const i64 low = -2147483647LL - 1, high = 2147483647LL; };
template <> struct Limits<u32> { static const i64 low = 0, high = 4294967295LL; };
template <> struct Limits<i64> { static const i64 low = -9223372036854775807LL - 1, high = 9223372036854775807LL; };
template <> struct Limits<u64> { static const i64 low = 0; static const u64 high = 18446744073709551615ULL; };

// Floats to integers truncate; what does not fit becomes the nearest that does, NaN 0.
template <class To, class From> FN To saturate(From x) {
  if (x != x) return 0;
  if (x >= (From)Limits<To>::high) return (To)Limits<To>::high;
  if (x <= (From)Limits<To>::low) return (To)Limits<To>::low;
  return (To)x;
}
template <class To> struct Cast {
  template <class From> static __device__ __forceinline__ To of(From x) { return (To)x; }
  static __device__ __forceinline__ To of(float x) { return saturate<To>(x); }
  static __device__ __forceinline__ To of(double x) { return saturate<To>(x); }
};
template <> struct Cast<float> { template <class From> static __device__ __forceinline__ float of(From x) { return (float)x; } };
template <> struct Cast<double> { template <class From> static __device__ __forceinline__ double of(From x) { return (double)x; } };
template <> struct Cast<boolean> { template <class From> static __device__ __forceinline__ u8 of(From x) { return x != 0; } };
// Towards a narrower format: rounded to odd, so that the second rounding is as if there were one.
FN float narrow(float x) { return x; }
template <class From> FN float narrow(From from) {
  const double x = (double)from;
  const float rounded = (float)x;
  if ((double)rounded == x || isinf(rounded) || x != x) return rounded;
  u32 bits = __float_as_uint(rounded);
  if (fabs((double)rounded) > fabs(x)) --bits;
  return __uint_as_float(bits | 1);
}
template <> struct Cast<f16> {
  template <class From> static __device__ __forceinline__ float of(From x) { return get(Put<f16>::of(narrow(x))); }
};
template <> struct Cast<bf16> {
  template <class From> static __device__ __forceinline__ float of(From x) { return get(Put<bf16>::of(narrow(x))); }
};

// ---- Operations of expression programs
template <class T> struct IsFloat { static const bool value = false; };
template <> struct IsFloat<float> { static const bool value = true; };
template <> struct IsFloat<double> { static const bool value = true; };
template <class T> struct IsSigned { static const bool value = (T)-1 < (T)0; };

template <class T> FN T op_neg(T a) { return (T)(IsFloat<T>::value ? -a : (T)(0 - a)); }
template <class T> FN T op_abs(T a) { return (T)(a < 0 ? 0 - a : a); }
template <> __device__ __forceinline__ float op_abs(float a) { return fabsf(a); }
template <> __device__ __forceinline__ double op_abs(double a) { return fabs(a); }
template <class T> FN T op_sign(T a) { return a != a ? a : (T)((a > 0) - (a < 0)); }
template <class T> FN T op_add(T a, T b) { return (T)(a + b); }
template <class T> FN T op_sub(T a, T b) { return (T)(a - b); }
template <class T> FN T op_mul(T a, T b) { return (T)(a * b); }
FN i32 op_add(i32 a, i32 b) { return (i32)((u32)a + (u32)b); }
FN i32 op_sub(i32 a, i32 b) { return (i32)((u32)a - (u32)b); }
FN i32 op_mul(i32 a, i32 b) { return (i32)((u32)a * (u32)b); }
FN i64 op_add(i64 a, i64 b) { return (i64)((u64)a + (u64)b); }
FN i64 op_sub(i64 a, i64 b) { return (i64)((u64)a - (u64)b); }
FN i64 op_mul(i64 a, i64 b) { return (i64)((u64)a * (u64)b); }
FN u16 op_mul(u16 a, u16 b) { return (u16)((u32)a * (u32)b); }
FN i16 op_mul(i16 a, i16 b) { return (i16)((u32)a * (u32)b); }

template <class T> FN T op_div(T a, T b) {
  if (b == 0) return 0;
  if (IsSigned<T>::value && b == (T)-1) return (T)(0 - (u64)a);
  return (T)(a / b);
}
FN float op_div(float a, float b) { return a / b; }
FN double op_div(double a, double b) { return a / b; }
template <class T> FN T op_fmod(T a, T b) { return b == 0 || (IsSigned<T>::value && b == (T)-1) ? (T)0 : (T)(a % b); }
FN float op_fmod(float a, float b) { return fmodf(a, b); }
FN double op_fmod(double a, double b) { return fmod(a, b); }
template <class T> FN T op_mod(T a, T b) {
  const T r = op_fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? (T)(r + b) : r;
}
FN float op_mod(float a, float b) {
  if (b == 0) return 0;
  const float r = fmodf(a, b);
  return r == 0 ? copysignf(r, b) : (r < 0) != (b < 0) ? r + b : r;
}
FN double op_mod(double a, double b) {
  if (b == 0) return 0;
  const double r = fmod(a, b);
  return r == 0 ? copysign(r, b) : (r < 0) != (b < 0) ? r + b : r;
}
template <class T> FN T op_pow(T a, T b) {
  if (IsSigned<T>::value && b < 0) return a == 1 ? (T)1 : a == (T)-1 ? (b % 2 ? a : (T)1) : (T)0;
  u64 base = (u64)a, out = 1;
  for (u64 left = (u64)b; left; left >>= 1, base *= base)
    if (left & 1) out *= base;
  return (T)out;
}
FN float op_pow(float a, float b) { return powf(a, b); }
FN double op_pow(double a, double b) { return pow(a, b); }
template <class T> FN T op_max(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; }
template <class T> FN T op_min(T a, T b) { return a != a ? a : b != b ? b : a < b ? a : b; }
// NaN if either is NaN, one instruction.
FN float op_max(float a, float b) { float out; asm("max.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(a), "f"(b)); return out; }
FN float op_min(float a, float b) { float out; asm("min.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(a), "f"(b)); return out; }

FN float op_exp(float a) { return expf(a); }
FN float op_log(float a) { return logf(a); }
FN float op_sqrt(float a) { return sqrtf(a); }
FN float op_reciprocal(float a) { return 1.0f / a; }
FN float op_floor(float a) { return floorf(a); }
FN float op_ceil(float a) { return ceilf(a); }
FN float op_round(float a) { return rintf(a); }
FN float op_erf(float a) { return erff(a); }
// v (1 + erf(v / sqrt(2))) / 2: within 2e-5 of the value where v is positive, within 6e-5 absolutely where it is not (so that
// its tail, from -3 on, has few digits). v times 1/2 + v p(v^2), cut to 0 … 1. p is fitted to 4.3 by Lawson's weights, bound to
// 1/2 at the end, and grows behind it.
FN float op_gelu_near(float v) {
  const float u = v * v;
  float p = fmaf(5.242449530e-11f, u, -5.104756173e-9f);
  p = fmaf(p, u, 2.193208957e-7f);
  p = fmaf(p, u, -5.537118341e-6f);
  p = fmaf(p, u, 9.272532770e-5f);
  p = fmaf(p, u, -1.105805277e-3f);
  p = fmaf(p, u, 9.811627679e-3f);
  p = fmaf(p, u, -6.634543836e-2f);
  p = fmaf(p, u, 3.989073634e-1f);
  return v * __saturatef(fmaf(p, v, 0.5f));
}
FN float op_tanh(float a) { return tanhf(a); }
FN float op_sigmoid(float a) { return __fdividef(1.0f, 1.0f + expf(-a)); }
FN float op_softplus(float a) { return a != a ? a : fmaxf(a, 0.0f) + log1pf(expf(-fabsf(a))); }
FN float op_sin(float a) { return sinf(a); }
FN float op_cos(float a) { return cosf(a); }
FN float op_tan(float a) { return tanf(a); }
FN float op_asin(float a) { return asinf(a); }
FN float op_acos(float a) { return acosf(a); }
FN float op_atan(float a) { return atanf(a); }
FN float op_sinh(float a) { return sinhf(a); }
FN float op_cosh(float a) { return coshf(a); }
FN float op_asinh(float a) { return asinhf(a); }
FN float op_acosh(float a) { return acoshf(a); }
FN float op_atanh(float a) { return atanhf(a); }
FN float op_atan2(float a, float b) { return atan2f(a, b); }
FN double op_exp(double a) { return exp(a); }
FN double op_log(double a) { return log(a); }
FN double op_sqrt(double a) { return sqrt(a); }
FN double op_reciprocal(double a) { return 1.0 / a; }
FN double op_floor(double a) { return floor(a); }
FN double op_ceil(double a) { return ceil(a); }
FN double op_round(double a) { return rint(a); }
FN double op_erf(double a) { return erf(a); }
FN double op_tanh(double a) { return tanh(a); }
FN double op_sigmoid(double a) { return 1.0 / (1.0 + exp(-a)); }
FN double op_softplus(double a) { return a != a ? a : fmax(a, 0.0) + log1p(exp(-fabs(a))); }
FN double op_sin(double a) { return sin(a); }
FN double op_cos(double a) { return cos(a); }
FN double op_tan(double a) { return tan(a); }
FN double op_asin(double a) { return asin(a); }
FN double op_acos(double a) { return acos(a); }
FN double op_atan(double a) { return atan(a); }
FN double op_sinh(double a) { return sinh(a); }
FN double op_cosh(double a) { return cosh(a); }
FN double op_asinh(double a) { return asinh(a); }
FN double op_acosh(double a) { return acosh(a); }
FN double op_atanh(double a) { return atanh(a); }
FN double op_atan2(double a, double b) { return atan2(a, b); }
template <class T> FN u8 op_isnan(T a) { return a != a; }
template <class T> FN u8 op_isinf(T a) { return isinf(a); }

template <class T> FN u8 op_eq(T a, T b) { return a == b; }
template <class T> FN u8 op_ne(T a, T b) { return a != b; }
template <class T> FN u8 op_lt(T a, T b) { return a < b; }
template <class T> FN u8 op_le(T a, T b) { return a <= b; }
template <class T> FN u8 op_gt(T a, T b) { return a > b; }
template <class T> FN u8 op_ge(T a, T b) { return a >= b; }
FN u8 op_logical_not(u8 a) { return !a; }
FN u8 op_logical_and(u8 a, u8 b) { return a && b; }
FN u8 op_logical_or(u8 a, u8 b) { return a || b; }
FN u8 op_logical_xor(u8 a, u8 b) { return !a != !b; }
template <class T> FN T op_bit_not(T a) { return (T)~a; }
template <class T> FN T op_bit_and(T a, T b) { return (T)(a & b); }
template <class T> FN T op_bit_or(T a, T b) { return (T)(a | b); }
template <class T> FN T op_bit_xor(T a, T b) { return (T)(a ^ b); }
// A shift by the type's width or more (a negative amount is one) leaves zero, or the sign.
template <class T> FN bool shifts_all(T amount) { return amount < 0 || (u64)amount >= sizeof(T) * 8; }
template <class T> FN T op_shift_left(T a, T b) { return shifts_all(b) ? (T)0 : (T)((u64)a << (int)b); }
template <class T> FN T op_shift_right(T a, T b) {
  if (shifts_all(b)) return IsSigned<T>::value && a < 0 ? (T)-1 : (T)0;
  return (T)(a >> (int)b);
}
template <class T> FN T op_where(u8 condition, T a, T b) { return condition ? a : b; }
)cuda"
