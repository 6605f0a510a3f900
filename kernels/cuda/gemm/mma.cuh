R"cuda(
// ---- Products by mma.sync (m16n8k16): tiles go through shared memory in STAGES stages of BK. A_K, B_K: whether K is
// contiguous in memory; else M, N. GENERAL: any steps and alignment, an element at a time.
#define kWarpsN (BN / WN)
#define kFragsM (WM / 16)
#define kFragsN (WN / 16)
#define kARows (A_K ? BM : BK)
#define kAColumns (A_K ? BK : BM)
#define kBRows (B_K ? BN : BK)
#define kBColumns (B_K ? BK : BN)
#define kAPitch (kAColumns + 8)
#define kBPitch (kBColumns + 8)
#define kStage ((kARows * kAPitch + kBRows * kBPitch) * 2)

FN void copy16(u32 to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
}
FN void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> FN void wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// ROWS × COLUMNS elements from row0, column0 of a matrix whose columns are contiguous; zero outside of it.
template <int ROWS, int COLUMNS, int PITCH>
FN void load_tile(u32 to, const u16* base, i64 row0, i64 column0, i64 rows, i64 columns, i64 pitch, int thread) {
#pragma unroll
  for (int first = 0; first < ROWS * COLUMNS / 8; first += THREADS) {
    const int i = first + thread;
    if (ROWS * COLUMNS / 8 % THREADS != 0 && i >= ROWS * COLUMNS / 8) break;
    const int r = i / (COLUMNS / 8), c = i % (COLUMNS / 8) * 8;
    const bool valid = row0 + r < rows && column0 + c < columns;
    copy16(to + (r * PITCH + c) * 2, base + (valid ? (row0 + r) * pitch + column0 + c : 0), valid);
  }
}

template <int ROWS, int COLUMNS, int PITCH>
FN void load_any(u16* to, const u16* base, i64 row0, i64 column0, i64 rows, i64 columns, i64 row_step, i64 column_step, int thread) {
  for (int i = thread; i < ROWS * COLUMNS; i += THREADS) {
    const int r = row_step == 1 ? i % ROWS : i / COLUMNS, c = row_step == 1 ? i / ROWS : i % COLUMNS;
    const bool valid = row0 + r < rows && column0 + c < columns;
    to[r * PITCH + c] = valid ? base[(row0 + r) * row_step + (column0 + c) * column_step] : (u16)0;
  }
}

FN void load_matrix(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}
FN void load_transposed(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}
FN void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." IN_NAME "." IN_NAME ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(const __grid_constant__ Args p) {
  extern __shared__ __align__(128) u8 shared[];
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int warp_m = warp / kWarpsN * WM, warp_n = warp % kWarpsN * WN;
  const i64 tiles = p.row_tiles * p.column_tiles, batch = blockIdx.x / tiles;
  i64 tile_m, tile_n;
  tile_of(p, blockIdx.x % tiles, tile_m, tile_n);
  const i64 m0 = tile_m * BM, n0 = tile_n * BN;
  const u16* a = (const u16*)p.a + batch_offset(p, p.sa, batch);
  const u16* b = (const u16*)p.b + batch_offset(p, p.sb, batch);
  const i64 k0 = blockIdx.z * p.k_part, k1 = k0 + p.k_part < p.k ? k0 + p.k_part : p.k;
  const int steps = k1 > k0 ? (int)((k1 - k0 + BK - 1) / BK) : 0;
  const u32 base = shared_address(shared);

  auto load = [&](int step) {
    const int stage = step % STAGES;
    const i64 k = k0 + (i64)step * BK;
    const u32 at_a = base + stage * kStage, at_b = at_a + kARows * kAPitch * 2;
#if GENERAL
    u16* to = (u16*)(shared + stage * kStage);
    load_any<BM, BK, kAPitch>(to, a, m0, k, p.m, k1, p.sa.row, p.sa.col, thread);
    load_any<BN, BK, kBPitch>(to + kARows * kAPitch, b, n0, k, p.n, k1, p.sb.col, p.sb.row, thread);
#else
    if (A_K) load_tile<kARows, kAColumns, kAPitch>(at_a, a, m0, k, p.m, k1, p.sa.row, thread);
    else load_tile<kARows, kAColumns, kAPitch>(at_a, a, k, m0, k1, p.m, p.sa.col, thread);
    if (B_K) load_tile<kBRows, kBColumns, kBPitch>(at_b, b, n0, k, p.n, k1, p.sb.col, thread);
    else load_tile<kBRows, kBColumns, kBPitch>(at_b, b, k, n0, k1, p.n, p.sb.row, thread);
#endif
  };

  float sum[kFragsM][kFragsN * 2][4] = {};
#pragma unroll
  for (int s = 0; s < STAGES - 1; ++s) {
    if (s < steps) load(s);
    commit();
  }
  const int r8 = lane % 8, j = lane / 8;
  for (int step = 0; step < steps; ++step) {
    wait<STAGES - 2>();
    __syncthreads();
    if (step + STAGES - 1 < steps) load(step + STAGES - 1);
    commit();
    const u32 at_a = base + step % STAGES * kStage, at_b = at_a + kARows * kAPitch * 2;
#pragma unroll
    for (int kk = 0; kk < BK; kk += 16) {
      u32 fa[kFragsM][4], fb[kFragsN][4];
#pragma unroll
      for (int i = 0; i < kFragsM; ++i) {
        const int m = warp_m + i * 16 + j % 2 * 8, k = kk + j / 2 * 8;
        if (A_K) load_matrix(fa[i], at_a + ((m + r8) * kAPitch + k) * 2);
        else load_transposed(fa[i], at_a + ((k + r8) * kAPitch + m) * 2);
      }
#pragma unroll
      for (int i = 0; i < kFragsN; ++i) {
        const int n = warp_n + i * 16 + j / 2 * 8, k = kk + j % 2 * 8;
        if (B_K) load_matrix(fb[i], at_b + ((n + r8) * kBPitch + k) * 2);
        else load_transposed(fb[i], at_b + ((k + r8) * kBPitch + n) * 2);
      }
#pragma unroll
      for (int i = 0; i < kFragsM; ++i)
#pragma unroll
        for (int x = 0; x < kFragsN; ++x) {
          multiply(sum[i][x * 2], fa[i], fb[x][0], fb[x][1]);
          multiply(sum[i][x * 2 + 1], fa[i], fb[x][2], fb[x][3]);
        }
    }
  }
  wait<0>();
  __syncthreads();
  float* tile = (float*)shared;
#pragma unroll
  for (int i = 0; i < kFragsM; ++i)
#pragma unroll
    for (int x = 0; x < kFragsN * 2; ++x) {
      const int row = warp_m + i * 16 + lane / 4, column = warp_n + x * 8 + lane % 4 * 2;
      put_sum(tile, row, column, sum[i][x][0], sum[i][x][1]);
      put_sum(tile, row + 8, column, sum[i][x][2], sum[i][x][3]);
    }
  const bool parts = cluster_size() > 1;
  if (parts) cluster_sync();
  else __syncthreads();
  finish(p, tile, m0, n0, batch, thread);
  // Others of the cluster may still read this block's sums.
  if (parts) cluster_sync();
}
)cuda"
