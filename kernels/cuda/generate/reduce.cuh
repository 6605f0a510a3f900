R"cuda(
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
)cuda"
