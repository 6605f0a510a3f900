R"cuda(
// ---- What products by wgmma share: one warp keeps STAGES stages of 64 of K filled through TMA, GROUPS warpgroups multiply.
// P are the rows of the tile, Q its columns: a and b, or with SWAP b and a. P_K, Q_K: whether K is contiguous in memory.
// Tiles lie in shared memory swizzled over 128 bytes: [rows][64 of K], or in pieces [64 of K][64 rows].
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
FN void prefetch_map(const TensorMap& map) { asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"); }
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

// Coordinates of an item of the batch: at most two batch dims, 2 the inner; an operand that repeats along one has an extent
// of 1 there.
struct Item { int p2, p3, q2, q3; };
FN Item item_of(const Args& p, i64 batch) {
  const Steps &sp = SWAP ? p.sb : p.sa, &sq = SWAP ? p.sa : p.sb;
  const i64 inner = p.batch_rank > 0 ? p.batch[p.batch_rank - 1] : 1;
  const int b2 = (int)(batch % inner), b3 = (int)(batch / inner);
  const int last = p.batch_rank > 0 ? (int)p.batch_rank - 1 : 0, first = p.batch_rank > 1 ? (int)p.batch_rank - 2 : 0;
  return {sp.batch[last] ? b2 : 0, sp.batch[first] ? b3 : 0, sq.batch[last] ? b2 : 0, sq.batch[first] ? b3 : 0};
}

// Adds the products of one stage, of 64 rows each from part `first_part` on, to the sums; `first`: to nothing.
template <int PARTS> FN void multiply_stage(float (&sum)[PARTS][BN / 2], u32 at, int first_part, bool first) {
  const u64 dq = descriptor<Q_K>(at + kPBytes);
  fence();
#pragma unroll
  for (int kk = 0; kk < 4; ++kk)
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
      multiply(sum[i], descriptor<P_K>(at + (first_part + i) * 8192) + kk * (P_K ? 2 : 128), dq + kk * (Q_K ? 2 : 128), !first || kk > 0);
  commit();
}
// The sums are not read before.
template <int PARTS> FN void wait_sums(float (&sum)[PARTS][BN / 2]) {
  wait<0>();
#pragma unroll
  for (int i = 0; i < PARTS; ++i)
#pragma unroll
    for (int j = 0; j < BN / 2; ++j) asm volatile("" : "+f"(sum[i][j])::"memory");
}
)cuda"
