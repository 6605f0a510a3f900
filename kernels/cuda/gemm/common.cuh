R"cuda(
// ---- What tensor-core products share. BM × BN is the tile of one block; with SWAP its rows are the result's columns.

// Steps in elements; 0 where an operand repeats.
struct Steps { i64 batch[6]; i64 row, col; };
struct Args {
  const void* a; const void* b; void* out; const void* extra[EXTRAS];
  Steps sa, sb, so, se[EXTRAS];
  i64 m, n, k, batch_rank, batch[6], row_tiles, column_tiles, k_part, items;
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

// Where an item of the batch begins, in elements.
struct Offsets { i64 out, extra[EXTRAS]; };
FN Offsets offsets_of(const Args& p, i64 batch) {
  Offsets at;
  at.out = batch_offset(p, p.so, batch);
#pragma unroll
  for (int e = 0; e < EXTRAS; ++e) at.extra[e] = batch_offset(p, p.se[e], batch);
  return at;
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

// Eight sums of a row, through the epilogue; inside the result are those before its last column.
FN void finish8(const Args& p, const Offsets& at, const float (&v)[8], i64 row, i64 column) {
  const int valid = p.n - column < 8 ? (int)(p.n - column) : 8;
  READ_EXTRAS
  Pack<OUT, 8> y;
#pragma unroll
  for (int j = 0; j < 8; ++j) y.e[j] = Put<OUT>::of(epilogue(ARGUMENTS));
  OUT* to = (OUT*)p.out + at.out + row * p.so.row + column * p.so.col;
  if (p.so.col == 1 && valid == 8 && is_aligned(to)) {
    store<8>(to, y, true);
  } else {
#pragma unroll
    for (int j = 0; j < 8; ++j)
      if (j < valid) to[j * p.so.col] = y.e[j];
  }
}
)cuda"
