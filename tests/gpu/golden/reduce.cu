typedef u32 I;
struct Args { void* p[2]; i64 v[1]; };
#define INF __longlong_as_double(0x7ff0000000000000ll)

// ---- Teams: T threads that make one result, lane by lane; every lane gets it. A team of up to 32 lies in one warp, a
// larger one in whole warps of the block (threadIdx.x), of which all threads must come here. Columns: the teams lie side by side, lanes along threadIdx.y.
template <class A> FN A shuffle_xor(A a, int mask) {
  const int words = sizeof(A) / 4;
  A out;
#pragma unroll
  for (int i = 0; i < words; ++i) ((u32*)&out)[i] = __shfl_xor_sync(0xffffffffu, ((const u32*)&a)[i], mask);
  return out;
}
template <int T, class Op, class A> FN A team(A a) {
#pragma unroll
  for (int mask = (T < 32 ? T : 32) / 2; mask > 0; mask /= 2) a = Op::of(a, shuffle_xor(a, mask));
  if (T > 32) {
    __shared__ A parts[32];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = threadIdx.x / T * (T / 32);
    __syncthreads();
    if (lane == 0) parts[warp] = a;
    __syncthreads();
    a = parts[first];
    for (int i = 1; i < T / 32; ++i) a = Op::of(a, parts[first + i]);
  }
  return a;
}
template <int X, int T, class Op, class A> FN A team_columns(A a) {
  __shared__ A parts[T][X];
  __syncthreads();
  parts[threadIdx.y][threadIdx.x] = a;
  __syncthreads();
  a = parts[0][threadIdx.x];
  for (int i = 1; i < T; ++i) a = Op::of(a, parts[i][threadIdx.x]);
  return a;
}
struct Sum { template <class A> static __device__ __forceinline__ A of(A a, A b) { return a + b; } };
struct Max {
  static __device__ __forceinline__ float of(float a, float b) { return fmaxf(a, b); }
  static __device__ __forceinline__ double of(double a, double b) { return fmax(a, b); }
};

// ---- Reductions: what is accumulated for one result. `index` is that of the element along the reduced dims.
template <class V> FN V lowest();
template <> __device__ __forceinline__ float lowest<float>() { return -INF; }
template <> __device__ __forceinline__ double lowest<double>() { return -INF; }
template <> __device__ __forceinline__ i8 lowest<i8>() { return -128; }
template <> __device__ __forceinline__ u8 lowest<u8>() { return 0; }
template <> __device__ __forceinline__ i16 lowest<i16>() { return -32768; }
template <> __device__ __forceinline__ u16 lowest<u16>() { return 0; }
template <> __device__ __forceinline__ i32 lowest<i32>() { return (i32)0x80000000; }
template <> __device__ __forceinline__ u32 lowest<u32>() { return 0; }
template <> __device__ __forceinline__ i64 lowest<i64>() { return (i64)0x8000000000000000ull; }
template <> __device__ __forceinline__ u64 lowest<u64>() { return 0; }
template <class V> FN V highest() { return (V)~lowest<V>(); }
template <> __device__ __forceinline__ float highest<float>() { return INF; }
template <> __device__ __forceinline__ double highest<double>() { return INF; }

// A: what sums are kept in (float, double, or u64 for integers); V: what elements are.
template <class A, class V> struct Adds {
  A a;
  static __device__ __forceinline__ Adds empty() { return {0}; }
  __device__ __forceinline__ void take(V x, i64) { a += (A)x; }
  __device__ __forceinline__ void merge(const Adds& b) { a += b.a; }
};
template <class A, class V> struct Squares : Adds<A, V> {
  static __device__ __forceinline__ Squares empty() { Squares out; out.a = 0; return out; }
  __device__ __forceinline__ void take(V x, i64) { this->a += (A)x * (A)x; }
};
template <class A, class V> struct Absolutes : Adds<A, V> {
  static __device__ __forceinline__ Absolutes empty() { Absolutes out; out.a = 0; return out; }
  __device__ __forceinline__ void take(V x, i64) { this->a += x < 0 ? (A)0 - (A)x : (A)x; }
};
template <class A, class V> struct Products {
  A a;
  static __device__ __forceinline__ Products empty() { return {1}; }
  __device__ __forceinline__ void take(V x, i64) { a *= (A)x; }
  __device__ __forceinline__ void merge(const Products& b) { a *= b.a; }
};
template <class A, class V> struct Highest {
  A a;
  static __device__ __forceinline__ Highest empty() { return {lowest<A>()}; }
  __device__ __forceinline__ void take(V x, i64) { a = op_max(a, (A)x); }
  __device__ __forceinline__ void merge(const Highest& b) { a = op_max(a, b.a); }
};
template <class A, class V> struct Lowest {
  A a;
  static __device__ __forceinline__ Lowest empty() { return {highest<A>()}; }
  __device__ __forceinline__ void take(V x, i64) { a = op_min(a, (A)x); }
  __device__ __forceinline__ void merge(const Lowest& b) { a = op_min(a, b.a); }
};
// log(sum(exp)): the maximum so far, the sum of exp(x - maximum), whether a NaN was met.
template <class A, class V> struct Exponentials {
  A high, sum, nan;
  static __device__ __forceinline__ Exponentials empty() { return {lowest<A>(), 0, 0}; }
  __device__ __forceinline__ void merge(const Exponentials& b) {
    nan += b.nan;
    if (b.high > high) {
      sum = b.sum + (isinf(high) ? (A)0 : sum * op_exp(high - b.high));
      high = b.high;
    } else if (!isinf(b.high)) {
      sum += b.sum * op_exp(b.high - high);
    }
  }
  __device__ __forceinline__ void take(V v, i64) {
    const A x = (A)v;
    if (x != x) { nan = 1; return; }
    merge({x, (A)1, 0});
  }
  __device__ __forceinline__ A log_of_sum() const {
    if (nan != 0) return (A)(INF - INF);
    return isinf(high) ? high : high + op_log(sum);
  }
};
// The first or last extreme element; a NaN is one.
template <class V, bool kLargest, bool kLast> struct Extreme {
  V v;
  i64 i;
  static __device__ __forceinline__ Extreme empty() { return {0, -1}; }
  __device__ __forceinline__ void merge(const Extreme& b) {
    if (b.i < 0) return;
    const bool nan = v != v, other = b.v != b.v, behind = kLast ? b.i > i : b.i < i;
    const bool better = i < 0 || (other ? !nan || behind : !nan && ((kLargest ? b.v > v : b.v < v) || (b.v == v && behind)));
    if (better) *this = b;
  }
  __device__ __forceinline__ void take(V x, i64 index) { merge({x, index}); }
};
struct Merge { template <class A> static __device__ __forceinline__ A of(A a, const A& b) { a.merge(b); return a; } };
FN float prologue(float x0) { return x0; }
FN float epilogue(float x0) { return x0; }
typedef Adds<float, float> S;
extern "C" __global__ void __launch_bounds__(256) tenon_reduce_rows(const __grid_constant__ Args a) {
const I v0 = (I)a.v[0];
const f16* x0 = (const f16*)a.p[0];
f16* y = (f16*)a.p[1];
const bool al = true && is_aligned(x0);
const I length = 1000u;
const I begin = (I)blockIdx.y * length;
const I end = begin + length < 1000u ? begin + length : 1000u;
const int lane = threadIdx.x % 32u;
const I k = (I)blockIdx.x * 8 + threadIdx.x / 32u;
S s = S::empty();
if (k < 33u) {
const I i0 = k;
_Pragma("unroll 4") for (I r = begin + lane * 8; r < end; r += 256) {
const I i1 = r;
const Pack<f16, 8> lx0 = load<8>(x0 + (i0 * 1000u + i1), al);
_Pragma("unroll") for (int e = 0; e < 8; ++e) s.take(prologue(get(lx0.e[e])), (i64)(r + e));
}
}
s = team<32, Merge>(s);
if (k >= 33u || lane != 0) return;
const I f0 = k;
const i64 n = (i64)1000u;
y[f0] = Put<f16>::of(epilogue(s.a / (float)n));
}
