R"device(
// ---- Products of recurrent layers on tensor cores (mma.sync), and how memory reaches them.
//
// Set in front of this text: the type E; ELEMENT (0 f32, 1 f16, 2 bf16); for f32 PRODUCTS: 1 for one product of tf32
// operands, 3 for products of the operands' halves, as exact as f32.

// To shared memory, 16 bytes; zeros when not `valid`.
FN void copy16(void* to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from),
               "r"(valid ? 16 : 0) : "memory");
}
FN void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> FN void wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// What any thread of the cluster wrote before it arrived, all see after they have waited.
FN void cluster_arrive() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#endif
}
FN void cluster_wait() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}
// To where `to` of this block's shared memory lies in that of block `rank` of the cluster.
template <int WORDS> FN void store_to_block(void* to, int rank, const u32 (&words)[WORDS]) {
#if __CUDA_ARCH__ >= 900
  u32 at;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at) : "r"((u32)__cvta_generic_to_shared(to)), "r"(rank));
  if (WORDS == 2)
    asm volatile("st.shared::cluster.v2.u32 [%0], {%1, %2};" ::"r"(at), "r"(words[0]), "r"(words[1]) : "memory");
  else
    asm volatile("st.shared::cluster.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(words[0]), "r"(words[1]),
                 "r"(words[2 % WORDS]), "r"(words[3 % WORDS]) : "memory");
#endif
}

#if ELEMENT == 0
FN void product(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
FN u32 rounded(u32 x) {
  u32 y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(__uint_as_float(x)));
  return y;
}
#else
FN void product(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#if ELEMENT == 1
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#endif
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif
)device"
