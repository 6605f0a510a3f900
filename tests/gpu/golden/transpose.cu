typedef u32 I;
struct Args { void* p[2]; i64 v[1]; };
extern "C" __global__ void __launch_bounds__(256) tenon_transpose(const __grid_constant__ Args a) {
const I v0 = (I)a.v[0];
const u32* x = (const u32*)a.p[1];
u32* y = (u32*)a.p[0];
__shared__ u32 tile[32][33];
I block = blockIdx.x;
const I tr = block % 2u; block /= 2u;
const I tc = block % 3u; block /= 3u;
const I from = 0, into = 0;
const bool al = false;

const I row0 = tr * 32, col0 = tc * 32, lane = threadIdx.x * 1;
_Pragma("unroll") for (int j = 0; j < 32; j += 8) {
  const I r = row0 + threadIdx.y + j, c = col0 + lane;
  if (r < 33u && c < 65u) {
    const auto in = load<1>(x + (from + c + r * 65u), al);
    _Pragma("unroll") for (int e = 0; e < 1; ++e) tile[threadIdx.y + j][lane + e] = Put<u32>::of(get(in.e[e]));
  }
}
__syncthreads();
_Pragma("unroll") for (int j = 0; j < 32; j += 8) {
  const I r = row0 + lane, c = col0 + threadIdx.y + j;
  if (r < 33u && c < 65u) {
    Pack<u32, 1> out;
    _Pragma("unroll") for (int e = 0; e < 1; ++e) out.e[e] = tile[lane + e][threadIdx.y + j];
    store<1>(y + (into + r + c * 33u), out, al);
  }
}
}
