R"cuda(
// ---- Products by wgmma, a tile a block. The blocks of a cluster share the K of a tile.
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
    prefetch_map(map_p);
    prefetch_map(map_q);
    for (int s = 0; s < STAGES; ++s) {
      barrier_init(full + 8 * s, 1);
      barrier_init(empty + 8 * s, GROUPS);
    }
    asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;" ::: "memory");
  }
  __syncthreads();

  float sum[1][BN / 2] = {};
  if (warp == GROUPS * 4) {
    if (lane == 0) {
      const Item i = item_of(p, batch);
      for (int step = 0; step < steps; ++step) {
        const int stage = step % STAGES, k = (int)k0 + step * BK;
        barrier_wait(empty + 8 * stage, (step / STAGES & 1) ^ 1);
        const u32 barrier = full + 8 * stage, to = base + stage * kStage;
        barrier_expect(barrier, kStage);
        if (P_K) copy_box(to, map_p, barrier, k, (int)tile_p * BM, i.p2, i.p3);
        else
          for (int x = 0; x < BM / 64; ++x) copy_box(to + x * 8192, map_p, barrier, (int)tile_p * BM + x * 64, k, i.p2, i.p3);
        if (Q_K) copy_box(to + kPBytes, map_q, barrier, k, (int)tile_q * BN, i.q2, i.q3);
        else
          for (int x = 0; x < BN / 64; ++x) copy_box(to + kPBytes + x * 8192, map_q, barrier, (int)tile_q * BN + x * 64, k, i.q2, i.q3);
      }
    }
    __syncwarp();
  } else {
    const int group = warp / 4;
    for (int step = 0; step < steps; ++step) {
      const int stage = step % STAGES;
      barrier_wait(full + 8 * stage, step / STAGES & 1);
      multiply_stage(sum, base + stage * kStage, group, false);
      wait<1>();
      // What the step before read is free.
      if (step > 0 && thread % 128 == 0) barrier_arrive(empty + 8 * ((step - 1) % STAGES));
    }
    wait_sums(sum);
  }
  __syncthreads();
  float* tile = (float*)shared;
  if (warp < GROUPS * 4) {
#pragma unroll
    for (int j = 0; j < BN / 8; ++j) {
      const int row = warp * 16 + lane / 4, column = j * 8 + lane % 4 * 2;
      put_sum(tile, row, column, sum[0][j * 4], sum[0][j * 4 + 1]);
      put_sum(tile, row + 8, column, sum[0][j * 4 + 2], sum[0][j * 4 + 3]);
    }
  }
  const bool parts = cluster_size() > 1;
  if (parts) cluster_sync();
  else __syncthreads();
  finish(p, tile, (SWAP ? tile_q * BN : tile_p * BM), (SWAP ? tile_p * BM : tile_q * BN), batch, thread);
  if (parts) cluster_sync();
}
)cuda"
