R"device(
// Fused attention on tensor cores: a block takes a tile of queries of one head and walks over the keys with an online
// softmax (FlashAttention-2, Dao 2023). Its warps share the rows (WARPS_M, 16 each) and the keys of each step (WARPS_N;
// their partial results are merged at the end, which keeps small problems short).
//
// Set in front of this text: ELEMENT and MASK (0 f32, 1 f16, 2 bf16; MASK -1: none), SIZE, VALUE_SIZE, WARPS_M,
// WARPS_N, KEYS (of a step), CAUSAL, ZERO_MASKED, for f32 PRODUCTS: 1 for one product of tf32 operands, 3 for products of
// the operands' halves, as exact as f32; and WGMMA: 1 for products by whole warpgroups, of 64 rows each, which read keys
// and values from shared memory. Tiles then lie in pieces of 64 columns, swizzled over 128 bytes, else in padded rows.

typedef long long int64;
typedef unsigned int uint32;

#if ELEMENT == 0
typedef float T;
#else
typedef unsigned short T;
#endif
#if MASK <= 0
typedef float M;
typedef float2 Pair;
#else
typedef unsigned short M;
typedef uint32 Pair;
#endif

struct Steps {
  int64 batch, head, row, col;  // in elements
};

struct Arguments {
  const T *q, *k, *v;
  const M* mask;
  T* out;
  Steps q_steps, k_steps, v_steps, mask_steps, out_steps;
  int heads, group;         // query heads, query heads per head of k
  int queries, keys, tiles;
  int visible;              // query i sees keys below i + visible
  float scale_log2;         // scale / ln 2
  float inverse_scale;
  int fast_q, fast_k, fast_v, fast_mask, fast_out;  // rows are dense and aligned
};

constexpr int kThreads = 32 * WARPS_M * WARPS_N;
constexpr int kRows = 16 * WARPS_M;
constexpr int kChunk = 16 / sizeof(T);                  // elements of 16 bytes
constexpr int kStep = 2 * kChunk;                       // depth of one product
constexpr int kSteps = (SIZE + kStep - 1) / kStep;
constexpr int kValueSteps = (VALUE_SIZE + kStep - 1) / kStep;
constexpr int kChunks = 2 * kSteps, kValueChunks = 2 * kValueSteps;
#if WGMMA
constexpr int kPitch = (kChunks + 7) / 8 * 128, kValuePitch = (kValueChunks + 7) / 8 * 128;  // bytes of a row in all pieces
constexpr int kOutBlocks = kValuePitch / 16;            // of 8 columns
#else
// Rows lie an odd number of 16-byte chunks apart: eight of them meet each bank once.
constexpr int kPitch = (kChunks | 1) * 16, kValuePitch = (kValueChunks | 1) * 16;  // bytes
constexpr int kOutBlocks = kValueChunks * kChunk / 8;   // of 8 columns
#endif
constexpr int kWarpKeys = KEYS / WARPS_N;
constexpr int kBlocks = kWarpKeys / 8;                  // of 8 keys
// q stays in registers; not for warpgroups: operands of theirs that live from one step to the next do not always last.
constexpr bool kHoldQuery = kSteps <= 8 && !WGMMA;
constexpr int kStage = KEYS * (kPitch + kValuePitch);
constexpr int kPartPitch = kOutBlocks * 8 + 4;          // floats

__device__ __forceinline__ uint32 shared_address(const void* p) { return (uint32)__cvta_generic_to_shared(p); }

// Where a chunk of a row lies in a tile, in bytes.
template <int rows, int pitch>
__device__ __forceinline__ int place(int row, int chunk) {
#if WGMMA
  return (chunk / 8 * rows + row) * 128 + ((chunk ^ row) & 7) * 16;
#else
  return row * pitch + chunk * 16;
#endif
}

__device__ __forceinline__ void copy_async(uint32 to, const void* from, bool there) {
  int bytes = there ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n>
__device__ __forceinline__ void wait_all_but() {
  asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
}

__device__ __forceinline__ void load_matrices(uint32 (&r)[4], uint32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}
__device__ __forceinline__ void load_transposed(uint32 (&r)[4], uint32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
}

__device__ __forceinline__ float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ float minus_infinity() { return __int_as_float(0xff800000); }
// The larger one; NaN if one is.
__device__ __forceinline__ float above(float x, float y) {
  float z;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
  return z;
}

// Two numbers as elements; `low` is the first in memory.
template <int element>
__device__ __forceinline__ uint32 pack(float low, float high) {
  uint32 r;
  if (element == 1) asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  else asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

template <int element>
__device__ __forceinline__ float number(unsigned short x) {
  if (element == 2) return __int_as_float((uint32)x << 16);
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
template <int element>
__device__ __forceinline__ float number(float x) {
  return x;
}

#if ELEMENT == 0
__device__ __forceinline__ T element_of(float x) { return x; }
#else
__device__ __forceinline__ T element_of(float x) { return (T)(pack<ELEMENT>(x, 0.f) & 0xffff); }
#endif

#if ELEMENT == 0
__device__ __forceinline__ void multiply_tf32(float (&d)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ uint32 rounded(uint32 x) {
  uint32 y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(__uint_as_float(x)));
  return y;
}
// What is left of a number behind the bits that a tf32 operand has.
__device__ __forceinline__ uint32 rest(uint32 x) {
  return __float_as_uint(__uint_as_float(x) - __uint_as_float(x & 0xffffe000u));
}
__device__ __forceinline__ void multiply(float (&d)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
  if (PRODUCTS == 1) {
    uint32 r[4] = {rounded(a[0]), rounded(a[1]), rounded(a[2]), rounded(a[3])};
    multiply_tf32(d, r, rounded(b0), rounded(b1));
    return;
  }
  uint32 low[4] = {rest(a[0]), rest(a[1]), rest(a[2]), rest(a[3])};
  uint32 high[4] = {a[0] & 0xffffe000u, a[1] & 0xffffe000u, a[2] & 0xffffe000u, a[3] & 0xffffe000u};
  uint32 h0 = b0 & 0xffffe000u, h1 = b1 & 0xffffe000u;
  multiply_tf32(d, low, h0, h1);
  multiply_tf32(d, high, rest(b0), rest(b1));
  multiply_tf32(d, high, h0, h1);
}
#else
__device__ __forceinline__ void multiply(float (&d)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
#if ELEMENT == 1
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#endif
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif

#if WGMMA
// What wgmma reads at a shared address: 128-byte swizzle, atoms of 8 rows 1024 bytes apart.
__device__ __forceinline__ unsigned long long descriptor(uint32 address) {
  return (unsigned long long)((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}
#if ELEMENT == 1
#define WGMMA_TYPES "f32.f16.f16"
#else
#define WGMMA_TYPES "f32.bf16.bf16"
#endif
#define BLOCK_OPERANDS(i) "+f"(d[first + i][0]), "+f"(d[first + i][1]), "+f"(d[first + i][2]), "+f"(d[first + i][3])
// Blocks `first` to `first` + 7 of d are, or with `add` get besides, a times 64 columns at `b`. `across`: the depth runs
// across the rows in memory.
template <int first, int across, int n>
__device__ __forceinline__ void multiply_group(float (&d)[n][4], const uint32 (&a)[4], uint32 b, int add) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16." WGMMA_TYPES
      " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31},"
      " {%32,%33,%34,%35}, %36, add, 1, 1, %38;\n}"
      : BLOCK_OPERANDS(0), BLOCK_OPERANDS(1), BLOCK_OPERANDS(2), BLOCK_OPERANDS(3), BLOCK_OPERANDS(4), BLOCK_OPERANDS(5),
        BLOCK_OPERANDS(6), BLOCK_OPERANDS(7)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(descriptor(b)), "r"(add), "n"(across));
}
// The same for all blocks of d; those of the next 64 columns lie `piece` bytes further.
template <int across, int n, int first = 0>
__device__ __forceinline__ void multiply_groups(float (&d)[n][4], const uint32 (&a)[4], uint32 b, int piece, int add) {
  multiply_group<first, across>(d, a, b, add);
  if constexpr (first + 8 < n) multiply_groups<across, n, first + 8>(d, a, b + piece, piece, add);
}
// Between these two the products run beside the threads. Nothing that computes with d may move in between.
template <int n>
__device__ __forceinline__ void hold(float (&d)[n][4]) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) asm volatile("" : "+f"(d[i][j])::"memory");
  }
}
template <int n>
__device__ __forceinline__ void begin_groups(float (&d)[n][4]) {
  hold(d);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
template <int n>
__device__ __forceinline__ void end_groups(float (&d)[n][4]) {
  asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;" ::: "memory");
  hold(d);
}
#endif

// What this thread's copies have brought is there for all; also for wgmma, which reads by another way.
__device__ __forceinline__ void share() {
#if WGMMA
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
  __syncthreads();
}

// Rows first … first + rows - 1 of an operand into shared memory; zeros where it ends.
template <int rows, int size, int chunks, int pitch>
__device__ __forceinline__ void load_rows(char* to, const T* from, const Steps& steps, int first, int count, bool fast) {
  if (fast) {
    const uint32 base = shared_address(to);
#pragma unroll
    for (int i = threadIdx.x; i < rows * chunks; i += kThreads) {
      const int row = i / chunks, chunk = i % chunks;
      const bool there = first + row < count && chunk * kChunk < size;
      const T* source = there ? from + (int64)(first + row) * steps.row + chunk * kChunk : from;
      copy_async(base + place<rows, pitch>(row, chunk), source, there);
    }
    return;
  }
  for (int i = threadIdx.x; i < rows * chunks * kChunk; i += kThreads) {
    const int row = i / (chunks * kChunk), col = i % (chunks * kChunk);
    T value = 0;
    if (first + row < count && col < size) value = from[(int64)(first + row) * steps.row + col * steps.col];
    *(T*)(to + place<rows, pitch>(row, col / kChunk) + col % kChunk * sizeof(T)) = value;
  }
}

__device__ __forceinline__ void store_pair(T* row, const Steps& steps, int col, float x, float y, bool fast) {
  if (fast) {
    if (col < VALUE_SIZE) {
#if ELEMENT == 0
      *(float2*)(row + col) = make_float2(x, y);
#else
      *(uint32*)(row + col) = pack<ELEMENT>(x, y);
#endif
    }
    return;
  }
  if (col < VALUE_SIZE) row[col * steps.col] = element_of(x);
  if (col + 1 < VALUE_SIZE) row[(col + 1) * steps.col] = element_of(y);
}

// The result of a row whose weights sum up to `sum`.
__device__ __forceinline__ float normalised(float x, float sum, float inverse) {
  return ZERO_MASKED && !(sum > 0.f) ? 0.f : x * inverse;
}

extern "C" __global__ void __launch_bounds__(kThreads) attention(const __grid_constant__ Arguments a) {
  extern __shared__ __align__(16) char memory[];
#if WGMMA
  char* shared = memory + (1024 - shared_address(memory) % 1024) % 1024;
#else
  char* shared = memory;
#endif
  char* query_rows = shared;
  char* stages = shared + kRows * kPitch;  // each: rows of k, then rows of v

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int warp_m = warp % WARPS_M, warp_n = warp / WARPS_M;
  const int group = lane / 4, pair = lane % 4 * 2;
  int tile = blockIdx.x % a.tiles;
  if (CAUSAL) tile = a.tiles - 1 - tile;  // the longest first
  const int head = blockIdx.x / a.tiles % a.heads;
  const int64 batch = blockIdx.x / a.tiles / a.heads;
  const int first_row = tile * kRows;

  const T* q = a.q + batch * a.q_steps.batch + head * a.q_steps.head;
  const T* k = a.k + batch * a.k_steps.batch + head / a.group * a.k_steps.head;
  const T* v = a.v + batch * a.v_steps.batch + head / a.group * a.v_steps.head;

  int keys = a.keys;
  if (CAUSAL) keys = min(keys, first_row + kRows - 1 + a.visible);
  const int count = keys > 0 ? (keys + KEYS - 1) / KEYS : 0;

  auto load_keys = [&](int step) {
    if (step < count)
      load_rows<KEYS, SIZE, kChunks, kPitch>(stages + (step & 1) * kStage, k, a.k_steps, step * KEYS, a.keys, a.fast_k);
    commit();
  };
  auto load_values = [&](int step) {
    if (step < count)
      load_rows<KEYS, VALUE_SIZE, kValueChunks, kValuePitch>(stages + (step & 1) * kStage + KEYS * kPitch, v, a.v_steps,
                                                             step * KEYS, a.keys, a.fast_v);
    commit();
  };
  load_rows<kRows, SIZE, kChunks, kPitch>(query_rows, q, a.q_steps, first_row, a.queries, a.fast_q);
  load_keys(0);
  load_values(0);

  auto query_at = [&](int d) {
    return shared_address(query_rows) + place<kRows, kPitch>(warp_m * 16 + lane % 16, 2 * d + lane / 16);
  };
  const int row0 = first_row + warp_m * 16 + group, row1 = row0 + 8;
#if MASK >= 0
  const M* mask = a.mask + batch * a.mask_steps.batch + head * a.mask_steps.head;
  const M* mask0 = mask + min(row0, a.queries - 1) * a.mask_steps.row;
  const M* mask1 = mask + min(row1, a.queries - 1) * a.mask_steps.row;
#endif

#if !WGMMA
  uint32 query[kHoldQuery ? kSteps : 1][4];
#endif
  float out[kOutBlocks][4];
#pragma unroll
  for (int i = 0; i < kOutBlocks; ++i) out[i][0] = out[i][1] = out[i][2] = out[i][3] = 0.f;
  float high0 = minus_infinity(), high1 = minus_infinity(), sum0 = 0.f, sum1 = 0.f;

  for (int step = 0; step < count; ++step) {
    load_keys(step + 1);
    load_values(step + 1);
    const int first_key = step * KEYS + warp_n * kWarpKeys;

#if MASK >= 0
    // Read now, used behind the product.
    __align__(8) M bias[kBlocks][4];
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
      const int key = first_key + i * 8 + pair;
      if (a.fast_mask) {
        const int at = min(key, a.keys - 2);
        *(Pair*)bias[i] = *(const Pair*)(mask0 + at);
        *(Pair*)(bias[i] + 2) = *(const Pair*)(mask1 + at);
      } else {
        const int64 at0 = min(key, a.keys - 1) * a.mask_steps.col, at1 = min(key + 1, a.keys - 1) * a.mask_steps.col;
        bias[i][0] = mask0[at0], bias[i][1] = mask0[at1];
        bias[i][2] = mask1[at0], bias[i][3] = mask1[at1];
      }
    }
#endif

    wait_all_but<3>();
    share();
    const char* keys_at = stages + (step & 1) * kStage;
#if WGMMA
    uint32 query[kSteps][4];
#pragma unroll
    for (int d = 0; d < kSteps; ++d) load_matrices(query[d], query_at(d));
#else
    if (kHoldQuery && step == 0) {
#pragma unroll
      for (int d = 0; d < kSteps; ++d) load_matrices(query[kHoldQuery ? d : 0], query_at(d));
    }
#endif
    float score[kBlocks][4];
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) score[i][0] = score[i][1] = score[i][2] = score[i][3] = 0.f;
#if WGMMA
    begin_groups(score);
#pragma unroll
    for (int d = 0; d < kSteps; ++d)
      multiply_groups<0>(score, query[d], shared_address(keys_at) + d / 4 * KEYS * 128 + d % 4 * 32, 64 * 128, 1);
    end_groups(score);
#else
    const uint32 key_at =
        shared_address(keys_at + (warp_n * kWarpKeys + lane % 8 + lane / 16 * 8) * kPitch + lane / 8 % 2 * 16);
#pragma unroll
    for (int d = 0; d < kSteps; ++d) {
      if (!kHoldQuery) load_matrices(query[0], query_at(d));
#pragma unroll
      for (int i = 0; i < kBlocks; i += 2) {
        uint32 b[4];
        load_matrices(b, key_at + i * 8 * kPitch + d * 32);
        multiply(score[i], query[kHoldQuery ? d : 0], b[0], b[1]);
        multiply(score[i + 1], query[kHoldQuery ? d : 0], b[2], b[3]);
      }
    }
#endif

#if MASK >= 0
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        // A finite mask stays finite: a query all of whose keys have it then weighs them by their scores.
        const float x = number<MASK>(bias[i][j]);
        const float y = above(x * a.inverse_scale, -3.402823466e38f);
        score[i][j] += x == minus_infinity() ? x : y;
      }
    }
#endif
    if (CAUSAL || (step + 1) * KEYS > a.keys) {
#pragma unroll
      for (int i = 0; i < kBlocks; ++i) {
        const int key = first_key + i * 8 + pair;
        const int end0 = CAUSAL ? min(a.keys, row0 + a.visible) : a.keys;
        const int end1 = CAUSAL ? min(a.keys, row1 + a.visible) : a.keys;
        if (key >= end0) score[i][0] = minus_infinity();
        if (key + 1 >= end0) score[i][1] = minus_infinity();
        if (key >= end1) score[i][2] = minus_infinity();
        if (key + 1 >= end1) score[i][3] = minus_infinity();
      }
    }

    float top0 = high0, top1 = high1;
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
      top0 = fmaxf(top0, fmaxf(score[i][0], score[i][1]));
      top1 = fmaxf(top1, fmaxf(score[i][2], score[i][3]));
    }
#pragma unroll
    for (int lanes = 1; lanes <= 2; lanes *= 2) {
      top0 = fmaxf(top0, __shfl_xor_sync(0xffffffffu, top0, lanes));
      top1 = fmaxf(top1, __shfl_xor_sync(0xffffffffu, top1, lanes));
    }
    const float from0 = top0 == minus_infinity() ? 0.f : top0, from1 = top1 == minus_infinity() ? 0.f : top1;
    const float fade0 = exp2_of((high0 - from0) * a.scale_log2), fade1 = exp2_of((high1 - from1) * a.scale_log2);
    high0 = top0, high1 = top1;
    sum0 *= fade0, sum1 *= fade1;
#if MASK < 0
    const float offset0 = -from0 * a.scale_log2, offset1 = -from1 * a.scale_log2;
#endif
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#if MASK < 0
        score[i][j] = exp2_of(fmaf(score[i][j], a.scale_log2, j < 2 ? offset0 : offset1));
#else
        score[i][j] = exp2_of((score[i][j] - (j < 2 ? from0 : from1)) * a.scale_log2);
#endif
      }
      sum0 += score[i][0] + score[i][1];
      sum1 += score[i][2] + score[i][3];
    }
#pragma unroll
    for (int i = 0; i < kOutBlocks; ++i) {
      out[i][0] *= fade0, out[i][1] *= fade0;
      out[i][2] *= fade1, out[i][3] *= fade1;
    }

    wait_all_but<2>();
    share();
    const char* values_at = keys_at + KEYS * kPitch;
#if WGMMA
    uint32 weight[KEYS / 16][4];
#pragma unroll
    for (int i = 0; i < KEYS / 16; ++i) {
      weight[i][0] = pack<ELEMENT>(score[2 * i][0], score[2 * i][1]), weight[i][1] = pack<ELEMENT>(score[2 * i][2], score[2 * i][3]);
      weight[i][2] = pack<ELEMENT>(score[2 * i + 1][0], score[2 * i + 1][1]);
      weight[i][3] = pack<ELEMENT>(score[2 * i + 1][2], score[2 * i + 1][3]);
    }
    begin_groups(out);
#pragma unroll
    for (int i = 0; i < KEYS / 16; ++i) multiply_groups<1>(out, weight[i], shared_address(values_at) + i * 16 * 128, KEYS * 128, 1);
    end_groups(out);
#elif ELEMENT == 0
    // The depth of a product is eight keys; which of them come first does not matter: a lane has scores of neighbours.
    const float* value_at = (const float*)(values_at + (warp_n * kWarpKeys + pair) * kValuePitch) + group;
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) {
      const uint32 weight[4] = {__float_as_uint(score[i][0]), __float_as_uint(score[i][2]), __float_as_uint(score[i][1]),
                                __float_as_uint(score[i][3])};
#pragma unroll
      for (int c = 0; c < kOutBlocks; ++c) {
        const float* at = value_at + i * 8 * (kValuePitch / 4) + c * 8;
        multiply(out[c], weight, __float_as_uint(at[0]), __float_as_uint(at[kValuePitch / 4]));
      }
    }
#else
    const uint32 value_at =
        shared_address(values_at + (warp_n * kWarpKeys + lane % 16) * kValuePitch + lane / 16 * 16);
#pragma unroll
    for (int i = 0; i < kBlocks; i += 2) {
      const uint32 weight[4] = {pack<ELEMENT>(score[i][0], score[i][1]), pack<ELEMENT>(score[i][2], score[i][3]),
                                pack<ELEMENT>(score[i + 1][0], score[i + 1][1]),
                                pack<ELEMENT>(score[i + 1][2], score[i + 1][3])};
#pragma unroll
      for (int c = 0; c < kOutBlocks; c += 2) {
        uint32 b[4];
        load_transposed(b, value_at + i * 8 * kValuePitch + c * 16);
        multiply(out[c], weight, b[0], b[1]);
        multiply(out[c + 1], weight, b[2], b[3]);
      }
    }
#endif
    __syncthreads();
  }

#pragma unroll
  for (int lanes = 1; lanes <= 2; lanes *= 2) {
    sum0 += __shfl_xor_sync(0xffffffffu, sum0, lanes);
    sum1 += __shfl_xor_sync(0xffffffffu, sum1, lanes);
  }
  if (a.keys == 0) sum0 = sum1 = 1.f;  // a sum of nothing
  T* result = a.out + batch * a.out_steps.batch + head * a.out_steps.head;
#if WARPS_N == 1
  const float inverse0 = 1.f / sum0, inverse1 = 1.f / sum1;
  T *to0 = result + row0 * a.out_steps.row, *to1 = result + row1 * a.out_steps.row;
#pragma unroll
  for (int c = 0; c < kOutBlocks; ++c) {
    const int col = c * 8 + pair;
    if (row0 < a.queries)
      store_pair(to0, a.out_steps, col, normalised(out[c][0], sum0, inverse0), normalised(out[c][1], sum0, inverse0),
                 a.fast_out);
    if (row1 < a.queries)
      store_pair(to1, a.out_steps, col, normalised(out[c][2], sum1, inverse1), normalised(out[c][3], sum1, inverse1),
                 a.fast_out);
  }
#else
  // Every warp's share of the keys: its highest score, its sum and its result, per row.
  float* highs = (float*)shared;                 // [WARPS_N][kRows]
  float* sums = highs + WARPS_N * kRows;
  float* parts = sums + WARPS_N * kRows;         // [WARPS_N][kRows][kPartPitch]
  const int local0 = warp_m * 16 + group, local1 = local0 + 8;
  wait_all_but<0>();
  __syncthreads();
  if (pair == 0) {
    highs[warp_n * kRows + local0] = high0, highs[warp_n * kRows + local1] = high1;
    sums[warp_n * kRows + local0] = sum0, sums[warp_n * kRows + local1] = sum1;
  }
  float* part0 = parts + (warp_n * kRows + local0) * kPartPitch + pair;
  float* part1 = parts + (warp_n * kRows + local1) * kPartPitch + pair;
#pragma unroll
  for (int c = 0; c < kOutBlocks; ++c) {
    *(float2*)(part0 + c * 8) = make_float2(out[c][0], out[c][1]);
    *(float2*)(part1 + c * 8) = make_float2(out[c][2], out[c][3]);
  }
  __syncthreads();
  constexpr int kPairs = kOutBlocks * 4;
#pragma unroll 2
  for (int i = threadIdx.x; i < kRows * kPairs; i += kThreads) {
    const int local = i / kPairs, col = i % kPairs * 2, row = first_row + local;
    if (row >= a.queries) break;
    float high = minus_infinity();
#pragma unroll
    for (int w = 0; w < WARPS_N; ++w) high = fmaxf(high, highs[w * kRows + local]);
    const float from = high == minus_infinity() ? 0.f : high;
    float sum = 0.f, x = 0.f, y = 0.f;
#pragma unroll
    for (int w = 0; w < WARPS_N; ++w) {
      const float share = exp2_of((highs[w * kRows + local] - from) * a.scale_log2);
      const float2 part = *(const float2*)(parts + (w * kRows + local) * kPartPitch + col);
      sum += share * sums[w * kRows + local];
      x += share * part.x;
      y += share * part.y;
    }
    const float inverse = 1.f / sum;
    store_pair(result + row * a.out_steps.row, a.out_steps, col, normalised(x, sum, inverse), normalised(y, sum, inverse),
               a.fast_out);
  }
#endif
}
)device"
