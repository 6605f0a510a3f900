R"cuda(
// ---- Products by wgmma in blocks that stay: each takes one tile after another, and what it reads of the next tile arrives
// while it finishes the last. Each warpgroup has 64 rows of a tile.
#define kChunk 64   // columns that a warpgroup finishes at a time

// Of the 128 threads of a warpgroup.
FN void group_sync(int group) { asm volatile("bar.sync %0, 128;" ::"r"(1 + group) : "memory"); }

// Sums of 64 rows of which the first are the result's row0, column0, any result: kChunk columns at a time through the
// warpgroup's part of shared memory and from there in rows. Eight sums lie at their place exclusive or the row mod 4, so that
// banks do not meet.
FN void finish_rows(const Args& p, const float (&sum)[BN / 2], float* chunk, i64 row0, i64 column0, const Offsets& at, int group, int thread) {
  const int warp = thread / 32, lane = thread % 32, r = warp * 16 + lane / 4, place = thread % (kChunk / 8);
#pragma unroll 1
  for (int part = 0; part < BN / kChunk; ++part) {
    group_sync(group);  // the part before has been read
#pragma unroll
    for (int c = 0; c < BN / kChunk; ++c)
      if (part == c) {
#pragma unroll
        for (int j = 0; j < kChunk / 8; ++j) {
          const float* s = sum + (c * kChunk / 8 + j) * 4;
          float* to = chunk + r * kChunk + ((j ^ r % 4) * 8) + lane % 4 * 2;
          *(float2*)to = make_float2(s[0], s[1]);
          *(float2*)(to + 8 * kChunk) = make_float2(s[2], s[3]);
        }
      }
    group_sync(group);
    const i64 column = column0 + part * kChunk + place * 8;
    if (column >= p.n) continue;
#pragma unroll 1
    for (int row = thread / (kChunk / 8); row < 64 && row0 + row < p.m; row += 128 / (kChunk / 8)) {
      const int there = place ^ row % 4, late = there / 4 & 1;   // halves in turns: other banks
      const float* from = chunk + row * kChunk + there * 8;
      const float4 x = *(const float4*)(from + 4 * late), y = *(const float4*)(from + 4 - 4 * late);
      float v[8];
      *(float4*)v = late ? y : x;
      *(float4*)(v + 4) = late ? x : y;
      finish8(p, at, v, row0 + row, column);
    }
  }
}

// Extra operands of one value a column, as the sums lie: read before the product, whose traffic makes later reads slow.
struct Ahead { AHEAD };
template <class S> FN void read_columns(const void* base, i64 offset, Pack<S, 2> (&x)[BN / 8]) {
#pragma unroll
  for (int j = 0; j < BN / 8; ++j) x[j] = load<2>((const S*)base + offset + j * 8, true);
}
FN void read_ahead(const Args& p, const Offsets& at, i64 column, Ahead& a) { READ_AHEAD }

// Whether pairs of columns lie side by side and aligned.
FN bool has_pairs(const void* base, const Steps& s, i64 offset, int size) {
  return s.col == 1 && ((u64)base + offset * size) % (2 * size) == 0 && s.row % 2 == 0;
}
// Whether finish_pairs can: the tile has all its columns, and so that the results can be written 16 bytes at a time.
FN bool lies_well(const Args& p, const Offsets& at, i64 column0) {
  bool well = sizeof(OUT) == 2 && column0 + BN <= p.n && p.so.col == 1 && p.so.row % 8 == 0 && is_aligned((const OUT*)p.out + at.out);
  EXTRAS_LIE_WELL
  return well;
}

FN void store_matrices(u32 at, u32 a, u32 b, u32 c, u32 d) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

// As finish_rows, from the registers: results go through the warpgroup's part of shared memory, two buffers of 64 x kChunk in
// turns. 16 bytes lie at their place exclusive or the row mod 8.
FN void finish_pairs(const Args& p, const float (&sum)[BN / 2], u8* buffers, i64 row0, i64 column0, const Offsets& at, const Ahead& ahead,
                     int group, int thread) {
  const int warp = thread / 32, lane = thread % 32, pitch = kChunk * 2;
  const i64 first = row0 + warp * 16 + lane / 4, last = p.m - 1;
  // Lane i gives the address of row i % 8 of matrix i / 8: rows and rows + 8 of eight columns, then of the next eight.
  const u32 mine = shared_address(buffers) + (warp * 16 + lane / 8 % 2 * 8 + lane % 8) * pitch;
  const int next = lane / 16, from = thread / (kChunk / 8), place = thread % (kChunk / 8);
  OUT* out = (OUT*)p.out + at.out + (row0 + from) * p.so.row + column0 + place * 8;
  group_sync(group);  // the tile before has been read
#pragma unroll
  for (int c = 0; c < BN / kChunk; ++c) {
    const int buffer = c % 2 * (64 * pitch);
#pragma unroll
    for (int j = 0; j < kChunk / 8; j += 2) {
      u32 words[4];
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        const int at_column = c * kChunk / 8 + j + q / 2;
        const i64 row = first + q % 2 * 8 < last ? first + q % 2 * 8 : last, column = column0 + at_column * 8 + lane % 4 * 2;
        READ_PAIRS
        const float* v = sum + at_column * 4 + q % 2 * 2;
        Pack<OUT, 2> y;
#pragma unroll
        for (int i = 0; i < 2; ++i) y.e[i] = Put<OUT>::of(epilogue(PAIR_ARGUMENTS));
        words[q] = *(const u32*)&y;
      }
      store_matrices(mine + buffer + ((j + next) ^ lane % 8) * 16, words[0], words[1], words[2], words[3]);
    }
    group_sync(group);
#pragma unroll
    for (int i = 0; i < kChunk / 16; ++i) {
      const int row = from + i * 16;
      const uint4 x = *(const uint4*)(buffers + buffer + row * pitch + (place ^ row % 8) * 16);
      if (row0 + row < p.m) *(uint4*)(out + i * 16 * p.so.row + c * kChunk) = x;
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    ENTRY(const __grid_constant__ TensorMap map_p, const __grid_constant__ TensorMap map_q, const __grid_constant__ Args p) {
  extern __shared__ u8 raw[];
  __shared__ __align__(8) u64 barriers[2 * STAGES];
  u8* shared = raw + (1024 - shared_address(raw) % 1024) % 1024;
  const u32 base = shared_address(shared), full = shared_address(barriers), empty = full + 8 * STAGES;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int tiles = (int)(p.row_tiles * p.column_tiles), all = tiles * (int)p.items, stride = (int)gridDim.x, first = (int)blockIdx.x;
  const int steps = (int)((p.k + BK - 1) / BK);
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

  // Registers go from the warpgroup that reads to those that multiply, where there are two.
  if (warp >= GROUPS * 4) {
    if (GROUPS > 1) asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (warp == GROUPS * 4 && lane == 0) {
      u32 count = 0;
      for (int index = first; index < all; index += stride) {
        i64 tile_p, tile_q;
        tile_of(p, index % tiles, tile_p, tile_q);
        const Item i = item_of(p, index / tiles);
        const int row = (int)tile_p * BM, column = (int)tile_q * BN;
        for (int step = 0; step < steps; ++step, ++count) {
          const u32 stage = count % STAGES, barrier = full + 8 * stage, to = base + stage * kStage;
          const int k = step * BK;
          barrier_wait(empty + 8 * stage, (count / STAGES & 1) ^ 1);
          barrier_expect(barrier, kStage);
          if (P_K) copy_box(to, map_p, barrier, k, row, i.p2, i.p3);
          else
            for (int x = 0; x < BM / 64; ++x) copy_box(to + x * 8192, map_p, barrier, row + x * 64, k, i.p2, i.p3);
          if (Q_K) copy_box(to + kPBytes, map_q, barrier, k, column, i.q2, i.q3);
          else
            for (int x = 0; x < BN / 64; ++x) copy_box(to + kPBytes + x * 8192, map_q, barrier, column + x * 64, k, i.q2, i.q3);
        }
      }
    }
    __syncwarp();
  } else {
    if (GROUPS > 1) asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    const int group = warp / 4, member = thread % 128;
    float* chunk = (float*)(shared + STAGES * kStage) + group * (64 * kChunk);
    float sum[1][BN / 2] = {};
    u32 count = 0;
    for (int index = first; index < all; index += stride) {
      i64 tile_p, tile_q;
      tile_of(p, index % tiles, tile_p, tile_q);
      const Offsets at = offsets_of(p, index / tiles);
      const int row = (int)tile_p * BM + group * 64, column = (int)tile_q * BN;
      const bool well = lies_well(p, at, column);
      Ahead ahead;
      if (well) read_ahead(p, at, column + lane % 4 * 2, ahead);
      for (int step = 0; step < steps; ++step, ++count) {
        barrier_wait(full + 8 * (count % STAGES), count / STAGES & 1);
        multiply_stage(sum, base + count % STAGES * kStage, group, step == 0);
        wait<1>();
        // What the step before read is free.
        if (step > 0 && member == 0) barrier_arrive(empty + 8 * ((count - 1) % STAGES));
      }
      wait_sums(sum);
      if (member == 0) barrier_arrive(empty + 8 * ((count - 1) % STAGES));
      if (well) finish_pairs(p, sum[0], (u8*)chunk, row, column, at, ahead, group, member);
      else finish_rows(p, sum[0], chunk, row, column, at, group, member);
    }
  }
}
)cuda"
