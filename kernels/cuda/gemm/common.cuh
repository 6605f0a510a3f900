R"cuda(
// ---- What tensor-core products share. BM × BN is the tile of one block; with SWAP its rows are the result's columns.
#define kRows (SWAP ? BN : BM)
#define kColumns (SWAP ? BM : BN)
#define kPitch (kColumns + 4)

// Steps in elements; 0 where an operand repeats.
struct Steps { i64 batch[6]; i64 row, col; };
struct Args {
  const void* a; const void* b; void* out; const void* extra[EXTRAS];
  Steps sa, sb, so, se[EXTRAS];
  i64 m, n, k, batch_rank, batch[6], row_tiles, column_tiles, k_part;
};

FN u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

FN i64 batch_offset(const Args& p, const Steps& s, i64 index) {
  i64 at = 0;
  for (int i = (int)p.batch_rank - 1; i >= 0; --i) {
    const i64 d = p.batch[i];
    at += index % d * s.batch[i];
    index /= d;
  }
  return at;
}

// Blocks that run at the same time share operands: tiles in groups of eight rows of tiles, by columns within.
FN void tile_of(const Args& p, i64 index, i64& row, i64& column) {
  const i64 group = 8 * p.column_tiles, first = index / group * 8, rows = p.row_tiles - first < 8 ? p.row_tiles - first : 8;
  row = first + index % group % rows;
  column = index % group / rows;
}

#if __CUDA_ARCH__ >= 900
FN u32 cluster_rank() { u32 r; asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r)); return r; }
FN u32 cluster_size() { u32 r; asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(r)); return r; }
FN void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}
FN float4 load_from_block(u32 address, u32 rank) {
  u32 at;
  float4 v;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at) : "r"(address), "r"(rank));
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "r"(at) : "memory");
  return v;
}
#else  // blocks stand alone
FN u32 cluster_rank() { return 0; }
FN u32 cluster_size() { return 1; }
FN void cluster_sync() {}
FN float4 load_from_block(u32, u32) { return make_float4(0, 0, 0, 0); }
#endif

FN void put_sum(float* tile, int row, int column, float v0, float v1) {
  if (SWAP) {
    tile[column * kPitch + row] = v0;
    tile[(column + 1) * kPitch + row] = v1;
  } else {
    *(float2*)(tile + row * kPitch + column) = make_float2(v0, v1);
  }
}

// Eight elements of an operand of the epilogue; those behind the last column repeat the first.
template <class S> FN Pack<S, 8> read8(const void* base, const Steps& s, i64 offset, int valid) {
  const S* p = (const S*)base + offset;
  Pack<S, 8> out;
  const int bytes = sizeof(S) * 8 < 16 ? sizeof(S) * 8 : 16;
  if (s.col == 0) {
    const S one = *p;
#pragma unroll
    for (int j = 0; j < 8; ++j) out.e[j] = one;
  } else if (s.col == 1 && valid == 8 && (u64)p % bytes == 0) {
    out = load<8>(p, true);
  } else {
#pragma unroll
    for (int j = 0; j < 8; ++j) out.e[j] = p[j < valid ? j * s.col : 0];
  }
  return out;
}

// `tile`: the sums of this block, kRows × kColumns, whose first are the result's row0, column0. The blocks of a cluster
// have parts of the same sums: each finishes some of the rows.
FN void finish(const Args& p, const float* tile, i64 row0, i64 column0, i64 batch, int thread) {
  const u32 rank = cluster_rank(), parts = cluster_size();
  const int rows = kRows / (int)parts, chunks = kColumns / 8;
  OUT* out = (OUT*)p.out + batch_offset(p, p.so, batch);
  BATCH_OFFSETS
  for (int i = thread; i < rows * chunks; i += THREADS) {
    const int r = (int)rank * rows + i / chunks, c = i % chunks * 8;
    const i64 row = row0 + r, column = column0 + c;
    if (row >= p.m || column >= p.n) continue;
    const float* from = tile + r * kPitch + c;
    float v[8];
    if (parts == 1) {
      *(float4*)v = *(const float4*)from;
      *(float4*)(v + 4) = *(const float4*)(from + 4);
    } else {
#pragma unroll
      for (int j = 0; j < 8; ++j) v[j] = 0;
      const u32 at = shared_address(from);
      for (u32 q = 0; q < parts; ++q) {
        const float4 x = load_from_block(at, q), y = load_from_block(at + 16, q);
        v[0] += x.x; v[1] += x.y; v[2] += x.z; v[3] += x.w;
        v[4] += y.x; v[5] += y.y; v[6] += y.z; v[7] += y.w;
      }
    }
    const int valid = p.n - column < 8 ? (int)(p.n - column) : 8;
    READ_EXTRAS
    Pack<OUT, 8> y;
#pragma unroll
    for (int j = 0; j < 8; ++j) y.e[j] = Put<OUT>::of(epilogue(ARGUMENTS));
    OUT* to = out + row * p.so.row + column * p.so.col;
    if (p.so.col == 1 && valid == 8 && is_aligned(to)) {
      store<8>(to, y, true);
    } else {
#pragma unroll
      for (int j = 0; j < 8; ++j)
        if (j < valid) to[j * p.so.col] = y.e[j];
    }
  }
}
)cuda"
