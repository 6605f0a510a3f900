R"cuda(
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
)cuda"
