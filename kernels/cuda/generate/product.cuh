R"cuda(
// ---- A matrix product of 64 × 64 results a block of 256 threads, 4 × 4 a thread, through shared memory. a(m, k) and
// b(k, n) read an element (also none, beyond the ends), done(m, n, sum) takes a result.
template <class A, bool kAlongK, bool kAlongN, class LA, class LB, class Done>
FN void tile_product(I M, I N, I K, I m0, I n0, LA a, LB b, Done done) {
  __shared__ A as[16][64 + 4], bs[16][64 + 4];
  const int t = threadIdx.x, tx = t % 16, ty = t / 16;
  A sum[4][4] = {};
  A next_a[4], next_b[4];
  auto fetch = [&](I k0) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const I k = k0 + (kAlongK ? t % 16 : t / 64 + 4 * j), m = m0 + (kAlongK ? t / 16 + 16 * j : t % 64);
      next_a[j] = k < K && m < M ? a(m, k) : (A)0;
      const I kb = k0 + (kAlongN ? t / 64 + 4 * j : t % 16), n = n0 + (kAlongN ? t % 64 : t / 16 + 16 * j);
      next_b[j] = kb < K && n < N ? b(kb, n) : (A)0;
    }
  };
  fetch(0);
  for (I k0 = 0; k0 < K; k0 += 16) {
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      as[kAlongK ? t % 16 : t / 64 + 4 * j][kAlongK ? t / 16 + 16 * j : t % 64] = next_a[j];
      bs[kAlongN ? t / 64 + 4 * j : t % 16][kAlongN ? t % 64 : t / 16 + 16 * j] = next_b[j];
    }
    __syncthreads();
    if (k0 + 16 < K) fetch(k0 + 16);
#pragma unroll
    for (int k = 0; k < 16; ++k) {
      A u[4], v[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) u[i] = as[k][ty + 16 * i], v[i] = bs[k][tx + 16 * i];
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += u[i] * v[j];
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const I m = m0 + ty + 16 * i, n = n0 + tx + 16 * j;
      if (m < M && n < N) done(m, n, sum[i][j]);
    }
}
)cuda"
