R"cuda(
// ---- Products by wgmma: one warp keeps STAGES stages of 64 of K filled through TMA, GROUPS warpgroups multiply. P are the
// rows of the tile, Q its columns: a and b, or with SWAP b and a. P_K, Q_K: whether K is contiguous in memory. Tiles lie in
// shared memory swizzled over 128 bytes: [rows][64 of K], or in pieces [64 of K][64 rows].
#define BK 64
#define kPBytes (BM * BK * 2)
#define kQBytes (BN * BK * 2)
#define kStage (kPBytes + kQBytes)

struct __align__(64) TensorMap { u64 words[16]; };

FN void barrier_init(u32 at, u32 count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(count) : "memory"); }
FN void barrier_expect(u32 at, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
}
FN void barrier_arrive(u32 at) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory"); }
FN void barrier_wait(u32 at, u32 parity) {
  asm volatile("{\n.reg .pred done;\nagain:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra ready;\nbra again;\nready:\n}"
               ::"r"(at), "r"(parity) : "memory");
}
FN void copy_box(u32 to, const TensorMap& map, u32 barrier, int c0, int c1, int c2, int c3) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];"
               ::"r"(to), "l"(&map), "r"(barrier), "r"(c0), "r"(c1), "r"(c2), "r"(c3) : "memory");
}

// What wgmma reads at a shared address: 128-byte swizzle, atoms of 8 rows 1024 bytes apart; where K is not contiguous,
// pieces of 64 rows 8192 bytes apart.
template <bool K> FN u64 descriptor(u32 address) {
  return (u64)((address & 0x3ffff) >> 4) | (u64)(K ? 1 : 512) << 16 | (u64)64 << 32 | (u64)1 << 62;
}

FN void fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
FN void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N> FN void wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }
MULTIPLY

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    ENTRY(const __grid_constant__ TensorMap map_p, const __grid_constant__ TensorMap map_q, const __grid_constant__ Args p) {
  extern __shared__ u8 raw[];
  __shared__ __align__(8) u64 barriers[2 * STAGES];
  u8* shared = raw + (1024 - shared_address(raw) % 1024) % 1024;
  const u32 base = shared_address(shared), full = shared_address(barriers), empty = full + 8 * STAGES;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const i64 tiles = p.row_tiles * p.column_tiles, batch = blockIdx.x / tiles;
  i64 tile_p, tile_q;
  tile_of(p, blockIdx.x % tiles, tile_p, tile_q);
  const i64 k0 = blockIdx.z * p.k_part, k1 = k0 + p.k_part < p.k ? k0 + p.k_part : p.k;
  const int steps = k1 > k0 ? (int)((k1 - k0 + BK - 1) / BK) : 0;
  if (thread == 0) {
    for (int s = 0; s < STAGES; ++s) {
      barrier_init(full + 8 * s, 1);
      barrier_init(empty + 8 * s, GROUPS);
    }
    asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;" ::: "memory");
  }
  __syncthreads();

  float sum[BN / 2];
#pragma unroll
  for (int i = 0; i < BN / 2; ++i) sum[i] = 0;
  if (warp == GROUPS * 4) {
    if (lane == 0) {
      const Steps &sp = SWAP ? p.sb : p.sa, &sq = SWAP ? p.sa : p.sb;
      // At most two batch dims: coordinates 2 (inner) and 3; an operand that repeats along one has an extent of 1 there.
      const i64 inner = p.batch_rank > 0 ? p.batch[p.batch_rank - 1] : 1;
      const int b2 = (int)(batch % inner), b3 = (int)(batch / inner);
      const int last = p.batch_rank > 0 ? (int)p.batch_rank - 1 : 0, first = p.batch_rank > 1 ? (int)p.batch_rank - 2 : 0;
      const int p2 = sp.batch[last] ? b2 : 0, p3 = sp.batch[first] ? b3 : 0, q2 = sq.batch[last] ? b2 : 0, q3 = sq.batch[first] ? b3 : 0;
      for (int step = 0; step < steps; ++step) {
        const int stage = step % STAGES, k = (int)k0 + step * BK;
        barrier_wait(empty + 8 * stage, (step / STAGES & 1) ^ 1);
        const u32 barrier = full + 8 * stage, to = base + stage * kStage;
        barrier_expect(barrier, kStage);
        if (P_K) copy_box(to, map_p, barrier, k, (int)tile_p * BM, p2, p3);
        else
          for (int x = 0; x < BM / 64; ++x) copy_box(to + x * 8192, map_p, barrier, (int)tile_p * BM + x * 64, k, p2, p3);
        if (Q_K) copy_box(to + kPBytes, map_q, barrier, k, (int)tile_q * BN, q2, q3);
        else
          for (int x = 0; x < BN / 64; ++x) copy_box(to + kPBytes + x * 8192, map_q, barrier, (int)tile_q * BN + x * 64, k, q2, q3);
      }
    }
    __syncwarp();
  } else {
    const int group = warp / 4;
    for (int step = 0; step < steps; ++step) {
      const int stage = step % STAGES;
      barrier_wait(full + 8 * stage, step / STAGES & 1);
      const u32 at = base + stage * kStage;
      const u64 dp = descriptor<P_K>(at + group * 8192), dq = descriptor<Q_K>(at + kPBytes);
      fence();
#pragma unroll
      for (int kk = 0; kk < 4; ++kk) multiply(sum, dp + kk * (P_K ? 2 : 128), dq + kk * (Q_K ? 2 : 128));
      commit();
      wait<1>();
      // What the step before read is free.
      if (step > 0 && thread % 128 == 0) barrier_arrive(empty + 8 * ((step - 1) % STAGES));
    }
    wait<0>();
#pragma unroll
    for (int i = 0; i < BN / 2; ++i) asm volatile("" : "+f"(sum[i])::"memory");  // not read before the wait
  }
  __syncthreads();
  float* tile = (float*)shared;
  if (warp < GROUPS * 4) {
#pragma unroll
    for (int j = 0; j < BN / 8; ++j) {
      const int row = warp * 16 + lane / 4, column = j * 8 + lane % 4 * 2;
      put_sum(tile, row, column, sum[j * 4], sum[j * 4 + 1]);
      put_sum(tile, row + 8, column, sum[j * 4 + 2], sum[j * 4 + 3]);
    }
  }
  const bool parts = cluster_size() > 1;
  if (parts) cluster_sync();
  else __syncthreads();
  finish(p, tile, (SWAP ? tile_q * BN : tile_p * BM), (SWAP ? tile_p * BM : tile_q * BN), batch, thread);
  if (parts) cluster_sync();
}
)cuda"
