R"cuda(
// ---- From the sums of a block in shared memory through the epilogue to the result, eight columns at a time.
#define kRows (SWAP ? BN : BM)
#define kColumns (SWAP ? BM : BN)
#define kPitch (kColumns + 4)

FN void put_sum(float* tile, int row, int column, float v0, float v1) {
  if (SWAP) {
    tile[column * kPitch + row] = v0;
    tile[(column + 1) * kPitch + row] = v1;
  } else {
    *(float2*)(tile + row * kPitch + column) = make_float2(v0, v1);
  }
}

// `tile`: the sums of this block, kRows × kColumns, whose first are the result's row0, column0. The blocks of a cluster
// have parts of the same sums: each finishes some of the rows.
FN void finish(const Args& p, const float* tile, i64 row0, i64 column0, i64 batch, int thread) {
  const u32 rank = cluster_rank(), parts = cluster_size();
  const int rows = kRows / (int)parts, chunks = kColumns / 8;
  const Offsets at = offsets_of(p, batch);
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
      const u32 shared = shared_address(from);
      for (u32 q = 0; q < parts; ++q) {
        const float4 x = load_from_block(shared, q), y = load_from_block(shared + 16, q);
        v[0] += x.x; v[1] += x.y; v[2] += x.z; v[3] += x.w;
        v[4] += y.x; v[5] += y.y; v[6] += y.z; v[7] += y.w;
      }
    }
    finish8(p, at, v, row, column);
  }
}
)cuda"
