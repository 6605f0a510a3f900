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
typedef float V;
#define HELD true
#define TEAM(Op, v) team<32, Op>(v)
FN float prologue(float x0) { return x0; }
FN float epilogue(float x0) { return x0; }
extern "C" __global__ void __launch_bounds__(32) tenon_softmax(const __grid_constant__ Args a) {
const I v0 = (I)a.v[0];
const f16* x0 = (const f16*)a.p[0];
f16* y = (f16*)a.p[1];
const bool al = true && true && true;
const int lane = threadIdx.x % 32u;
const I row = (I)blockIdx.x * 1 + threadIdx.x / 32u;
const I length = 33u;
const bool active = row < 6u;
const I begin = 0, end = length;
const V n = (V)length;
const I i0 = row;
const I at_x0 = i0 * 33u;
const I at_y = i0 * 33u;

V x[2 * 1];
_Pragma("unroll") for (int j = 0; j < 2; ++j) {
  const I c = (I)(lane + j * 32) * 1;
  if (active && c < length) {
const I i1 = c;
const Pack<f16, 1> lx0 = {{x0[at_x0 + i1]}};

    _Pragma("unroll") for (int e = 0; e < 1; ++e) x[j * 1 + e] = prologue(get(lx0.e[e]));
  }
}
auto each = [&](auto&& f) {
  _Pragma("unroll") for (int j = 0; j < 2; ++j) {
    const I c = (I)(lane + j * 32) * 1;
    if (active && c < length) {
      _Pragma("unroll") for (int e = 0; e < 1; ++e) f(x[j * 1 + e]);
    }
  }
};
#define LOG 0

V high = (V)-INF, sum = 0;
each([&](V& v) { high = Max::of(high, v); });
high = TEAM(Max, high);
#if HELD && !LOG
each([&](V& v) { v = op_exp(v - high); sum += v; });
#else
each([&](V& v) { sum += op_exp(v - high); });
#endif
sum = TEAM(Sum, sum);
#if LOG
const V shift = op_log(sum);
#else
const V factor = (V)1 / sum;
#endif
if (!active) return;
_Pragma("unroll") for (int j = 0; j < 2; ++j) {
const I c = (I)(lane + j * 32) * 1;
if (c >= length) break;
const I i1 = c;
Pack<f16, 1> out;
_Pragma("unroll") for (int e = 0; e < 1; ++e) {
const V v = x[j * 1 + e];
out.e[e] = Put<f16>::of(epilogue(HELD ? v * factor : op_exp(v - high) * factor));
}
store<1>(y + (at_y + i1), out, al);
}
}
