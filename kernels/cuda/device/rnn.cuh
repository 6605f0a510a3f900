R"device(
// ---- Recurrent layers: RNN, LSTM, GRU.
//
// Step s of a sequence is its element s, from the last one on where a direction is reversed. For the steps of a chunk
// rnn_project multiplies x by w and adds the biases: `gates`, f32. rnn_steps multiplies states by r and computes the
// cells: every block a tile of UNITS hidden units (all their gates) and ROWS sequences of one direction. States h are of
// the element type, c (of a GRU: h) is f32. Between launches they lie in device memory, h in two buffers by turns. Within a
// launch of several steps every block of the cluster has all h of its sequences in shared memory, in two buffers too: each
// writes its units' to all.
//
// In products a chunk of 64 bytes of K is a lane's 16 bytes from each of four lanes. Which k a register of mma holds is
// the same for both operands and else free: every lane reads its 16 bytes at once, from shared or device memory alike.
//
// Set in front of this text, besides what rnn_products.cuh names: KIND (0 RNN, 1 LSTM, 2 GRU), H, GATES, LINEAR (a GRU's
// linear_before_reset), INPUT_FORGET, REVERSE (of a layer with one direction), PHASES: 2 where a GRU's last gate depends on
// the others'; f0, f1, f2: the activations of a direction; clipped. PART: 0 rnn_begin, 1 rnn_project, 2 rnn_steps, which
// needs UNITS, TILES, ROWS, WARPS, and RESIDENT: 1 where r stays in shared memory, and HELD chunks of its rows in registers,
// for all steps of a launch, which the TILES blocks of a cluster take together; 0: one step (and phase) a launch.

constexpr int kVector = 16 / sizeof(E);         // elements
constexpr int kChunk = 64 / sizeof(E);
constexpr int kChunks = (H + kChunk - 1) / kChunk;
constexpr i64 kPadded = (i64)kChunks * kChunk;  // elements of a row of h
constexpr i64 kGateRows = (i64)GATES * H;
constexpr i64 kGatePitch = (kGateRows + 3) / 4 * 4;

struct Args {
  const E *x, *w, *r, *b;
  const i32* lens;
  const E *initial_h, *initial_c, *p;
  E *y, *y_h, *y_c;
  float* gates;    // [directions][chunk][batch][kGatePitch]
  E* h;            // [2][directions][padded][kPadded]
  E* reset;        // PHASES == 2: the reset gate times h, as one buffer of h
  float* state;    // [directions][batch][H]: c, or a GRU's h
  float* update;   // PHASES == 2, as state
  i64 x_step, x_item, y_step, y_direction, y_item, state_direction, state_item, input;
  i32 directions, steps, batch, padded, chunk;
  i32 input_vectors, state_vectors;  // rows of x and w, of r: whole vectors, aligned
};

FN int length_of(const Args& p, int n) {
  if (!p.lens) return p.steps;
  const int length = p.lens[n];
  return length < 0 ? 0 : length > p.steps ? p.steps : length;
}
FN bool is_reversed(int d) { return REVERSE || d == 1; }

// The vector from element k on of a row of `count`; zeros behind its end, and of no row.
FN uint4 fetch(const E* row, i64 k, i64 count, bool vectors) {
  if (!row || k >= count) return make_uint4(0, 0, 0, 0);
  if (vectors) return *(const uint4*)(row + k);
  union { uint4 all; u16 half[8]; u32 word[4]; } out;
  out.all = make_uint4(0, 0, 0, 0);
#pragma unroll
  for (int j = 0; j < kVector; ++j) {
    if (k + j >= count) break;
    if (sizeof(E) == 2) out.half[j] = ((const u16*)row)[k + j];
    else out.word[j % 4] = ((const u32*)row)[k + j];
  }
  return out.all;
}

// sum += a · b over a chunk; a: rows lane / 4 and that + 8, b: column lane / 4.
FN void multiply(float (&sum)[4], const uint4& a0, const uint4& a8, const uint4& b) {
  const u32 first[4] = {a0.x, a8.x, a0.y, a8.y}, second[4] = {a0.z, a8.z, a0.w, a8.w};
#if ELEMENT != 0
  product(sum, first, b.x, b.y);
  product(sum, second, b.z, b.w);
#elif PRODUCTS == 1
  u32 r[4], q[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) r[i] = rounded(first[i]), q[i] = rounded(second[i]);
  product(sum, r, rounded(b.x), rounded(b.y));
  product(sum, q, rounded(b.z), rounded(b.w));
#else
  // Sums of tensor cores are not rounded to nearest: those of more than a chunk are made here.
  const u32 mask = 0xffffe000u;
  auto rest = [](u32 x) { return __float_as_uint(__uint_as_float(x) - __uint_as_float(x & 0xffffe000u)); };
  float part[4] = {};
  u32 low[4], high[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) low[i] = rest(first[i]), high[i] = first[i] & mask;
  product(part, low, b.x & mask, b.y & mask);
  product(part, high, rest(b.x), rest(b.y));
  product(part, high, b.x & mask, b.y & mask);
#pragma unroll
  for (int i = 0; i < 4; ++i) low[i] = rest(second[i]), high[i] = second[i] & mask;
  product(part, low, b.z & mask, b.w & mask);
  product(part, high, rest(b.z), rest(b.w));
  product(part, high, b.z & mask, b.w & mask);
#pragma unroll
  for (int i = 0; i < 4; ++i) sum[i] += part[i];
#endif
}

#if PART == 0
// States before the first step; without steps also those behind the last.
extern "C" __global__ void __launch_bounds__(256) rnn_begin(const __grid_constant__ Args p) {
  const i64 count = (i64)p.directions * p.padded * kPadded, stride = (i64)gridDim.x * 256;
  const E zero = Put<E>::of(0.0f);
  for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < count; i += stride) {
    const i64 u = i % kPadded, row = i / kPadded;
    const int n = (int)(row % p.padded), d = (int)(row / p.padded);
    const bool real = u < H && n < p.batch, runs = real && length_of(p, n) > 0;
    const i64 at = d * p.state_direction + n * p.state_item + u;
    const E h = runs && p.initial_h ? p.initial_h[at] : zero;
    p.h[i] = h;
    p.h[count + i] = zero;
#if PHASES == 2
    p.reset[i] = zero;
#endif
    if (!real) continue;
#if KIND == 1
    p.state[((i64)d * p.batch + n) * H + u] = runs && p.initial_c ? get(p.initial_c[at]) : 0.0f;
#elif KIND == 2
    p.state[((i64)d * p.batch + n) * H + u] = get(h);
#endif
    if (p.steps > 0) continue;
    if (p.y_h) p.y_h[at] = zero;
    if (p.y_c) p.y_c[at] = zero;
  }
}
#endif

#if PART == 1
// `count` steps from `first` on: a tile of 64 × 64 a block of four warps, 32 × 32 each.
#define STAGES 4
extern "C" __global__ void __launch_bounds__(128) rnn_project(const __grid_constant__ Args p, i32 first, i32 count) {
  __shared__ __align__(128) u8 tiles[STAGES][2][64 * 64];  // [row][64 bytes] of x and of w
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, d = blockIdx.z;
  const int row = thread / 4, piece = thread % 4;
  const i64 m0 = (i64)blockIdx.x * 64, n0 = (i64)blockIdx.y * 64, rows = (i64)count * p.batch;
  const E *from_x[2] = {}, *from_w[2] = {};
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    const i64 m = m0 + row + 32 * j, g = n0 + row + 32 * j;
    if (m < rows) {
      const int s = first + (int)(m / p.batch), n = (int)(m % p.batch), length = length_of(p, n);
      const i64 t = is_reversed(d) ? length - 1 - s : s;
      if (s < length) from_x[j] = p.x + t * p.x_step + n * p.x_item;
    }
    if (g < kGateRows) from_w[j] = p.w + (d * kGateRows + g) * p.input;
  }
  const int chunks = (int)((p.input + kChunk - 1) / kChunk);
  auto load = [&](int c) {
    const i64 k = (i64)c * kChunk + piece * kVector;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      u8* to_x = &tiles[c % STAGES][0][(row + 32 * j) * 64 + piece * 16];
      u8* to_w = &tiles[c % STAGES][1][(row + 32 * j) * 64 + piece * 16];
      if (p.input_vectors) {
        const bool x = from_x[j] && k < p.input, w = from_w[j] && k < p.input;
        copy16(to_x, x ? from_x[j] + k : p.x, x);
        copy16(to_w, w ? from_w[j] + k : p.w, w);
      } else {
        *(uint4*)to_x = fetch(from_x[j], k, p.input, false);
        *(uint4*)to_w = fetch(from_w[j], k, p.input, false);
      }
    }
  };
  float sum[2][4][4] = {};
#pragma unroll
  for (int c = 0; c < STAGES - 1; ++c) {
    if (c < chunks) load(c);
    commit();
  }
  const int warp_m = warp / 2 * 32, warp_n = warp % 2 * 32, lane_row = lane / 4, lane_piece = lane % 4;
  for (int c = 0; c < chunks; ++c) {
    wait<STAGES - 2>();
    __syncthreads();
    if (c + STAGES - 1 < chunks) load(c + STAGES - 1);
    commit();
    const u8 *x = tiles[c % STAGES][0] + lane_row * 64 + lane_piece * 16, *w = tiles[c % STAGES][1] + lane_row * 64 + lane_piece * 16;
    uint4 a[2][2], b[4];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) a[i][half] = *(const uint4*)(x + (warp_m + i * 16 + half * 8) * 64);
#pragma unroll
    for (int j = 0; j < 4; ++j) b[j] = *(const uint4*)(w + (warp_n + j * 8) * 64);
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) multiply(sum[i][j], a[i][0], a[i][1], b[j]);
  }
  wait<0>();
  // The bias of r goes with that of w, but for the gate whose recurrent part is scaled first.
  auto bias = [&](i64 g) {
    if (!p.b || g >= kGateRows) return 0.0f;
    const E* at = p.b + d * 2 * kGateRows + g;
    return get(*at) + (LINEAR && g >= 2 * (i64)H ? 0.0f : get(at[kGateRows]));
  };
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const i64 g = n0 + warp_n + j * 8 + lane_piece * 2;
    if (g >= kGateRows) continue;
    const float bias0 = bias(g), bias1 = bias(g + 1);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const i64 m = m0 + warp_m + i * 8 + lane_row;
      if (m >= rows) continue;
      const float v0 = sum[i / 2][j][i % 2 * 2], v1 = sum[i / 2][j][i % 2 * 2 + 1];
      float* to = p.gates + ((i64)d * p.chunk * p.batch + m) * kGatePitch + g;
      *(float2*)to = make_float2(v0 + bias0, v1 + bias1);
    }
  }
}
#endif

#if PART == 2
#define THREADS (32 * WARPS)
#define ITEMS ((UNITS * ROWS + THREADS - 1) / THREADS)
// Rows of shared memory lie an odd number of 64 bytes apart: a quarter of a warp, two rows, meets each bank once.
constexpr int kHeldChunks = RESIDENT ? kChunks - HELD : 0;
constexpr int kWeightPitch = (kHeldChunks | 1) * 64;
#if RESIDENT
constexpr i64 kStatePitch = (kChunks | 1) * 64;
#else
constexpr i64 kStatePitch = kPadded * (i64)sizeof(E);
#endif

// Warps that share the K of a fragment of 16 rows of r.
constexpr int parts_of(int fragments) {
  return fragments <= WARPS && WARPS % (WARPS / fragments) == 0 ? WARPS / fragments : 1;
}
template <int COUNT> struct Sums {
  static const int fragments = COUNT * UNITS / 16, parts = parts_of(fragments), pitch = COUNT * UNITS + 4;
};

struct Tile {
  int d, n0, u0, thread;
};

// sums[part][sequence][gate, unit] = r · h for COUNT gates from FIRST on. weights: rows of r in shared memory (RESIDENT);
// state: rows of h from the tile's first sequence on, in shared or device memory.
template <int FIRST, int COUNT, int KEPT>
FN void multiply_gates(const Args& p, const Tile& tile, const u8* weights, const uint4 (&kept)[KEPT][2], const u8* state, float* sums) {
  typedef Sums<COUNT> S;
  const int lane = tile.thread % 32, warp = tile.thread / 32, part = warp % S::parts, row = lane / 4, piece = lane % 4;
  const u8* column = state + row * kStatePitch + piece * 16;
  for (int f = warp / S::parts; f < S::fragments; f += WARPS / S::parts) {
    float sum[ROWS / 8][4] = {};
#if RESIDENT
    const u8* a = weights + (i64)(FIRST * UNITS + f * 16 + row) * kWeightPitch + piece * 16;
#if HELD > 0
#pragma unroll
    for (int c = 0; c < HELD; ++c)
#pragma unroll
      for (int j = 0; j < ROWS / 8; ++j)
        multiply(sum[j], kept[c][0], kept[c][1], *(const uint4*)(column + j * 8 * kStatePitch + c * 64));
#endif
#pragma unroll 4
    for (int c = part; c < kHeldChunks; c += S::parts) {
      const uint4 a0 = *(const uint4*)(a + c * 64), a8 = *(const uint4*)(a + 8 * kWeightPitch + c * 64);
#pragma unroll
      for (int j = 0; j < ROWS / 8; ++j) multiply(sum[j], a0, a8, *(const uint4*)(column + j * 8 * kStatePitch + (c + HELD) * 64));
    }
#else
    const int gate = FIRST + f * 16 / UNITS, u = tile.u0 + f * 16 % UNITS + row;
    const E* r = p.r + ((i64)tile.d * GATES + gate) * H * H;
    const E *r0 = u < H ? r + (i64)u * H : nullptr, *r8 = u + 8 < H ? r + (i64)(u + 8) * H : nullptr;
    auto add = [&](int c, const uint4& a0, const uint4& a8) {
#pragma unroll
      for (int j = 0; j < ROWS / 8; ++j) multiply(sum[j], a0, a8, *(const uint4*)(column + j * 8 * kStatePitch + (i64)c * 64));
    };
    if (p.state_vectors) {
#pragma unroll 4
      for (int c = part; c < kChunks; c += S::parts) {
        const i64 k = (i64)c * kChunk + piece * kVector;
        const bool inside = H % kChunk == 0 || k < H;
        uint4 a0 = make_uint4(0, 0, 0, 0), a8 = a0;
        if (inside && r0) a0 = *(const uint4*)(r0 + k);
        if (inside && r8) a8 = *(const uint4*)(r8 + k);
        add(c, a0, a8);
      }
    } else {
#pragma unroll 1
      for (int c = part; c < kChunks; c += S::parts) {
        const i64 k = (i64)c * kChunk + piece * kVector;
        add(c, fetch(r0, k, H, false), fetch(r8, k, H, false));
      }
    }
#endif
    float* to = sums + (part * ROWS + piece * 2) * S::pitch + f * 16 + row;
#pragma unroll
    for (int j = 0; j < ROWS / 8; ++j) {
      float* at = to + j * 8 * S::pitch;
      at[0] = sum[j][0];
      at[S::pitch] = sum[j][1];
      at[8] = sum[j][2];
      at[S::pitch + 8] = sum[j][3];
    }
  }
}

template <int COUNT> FN float sum_of(const float* sums, int row, int gate, int unit) {
  typedef Sums<COUNT> S;
  float out = 0;
#pragma unroll
  for (int part = 0; part < S::parts; ++part) out += sums[(part * ROWS + row) * S::pitch + gate * UNITS + unit];
  return out;
}

// What a thread knows of one unit of one sequence.
struct Item {
  int row, unit, n, u, length;
  bool real;
  i64 state;       // in Args::state and Args::update
  i64 h;           // in a buffer of h
};
FN Item item_of(const Args& p, const Tile& tile, int i) {
  Item out;
  const int at = tile.thread + i * THREADS;
  out.unit = at % UNITS;
  out.row = at / UNITS;
  out.n = tile.n0 + out.row;
  out.u = tile.u0 + out.unit;
  out.real = at < UNITS * ROWS && out.n < p.batch && out.u < H;
  out.length = out.real ? length_of(p, out.n) : 0;
  out.state = ((i64)tile.d * p.batch + out.n) * H + out.u;
  out.h = ((i64)tile.d * p.padded + out.n) * kPadded + out.u;
  return out;
}

// h of step s as the outputs have it; behind the sequence's end y is 0.
FN void put_outputs(const Args& p, const Tile& tile, const Item& item, int s, E h, float c) {
  const bool active = s < item.length;
  const i64 t = active && is_reversed(tile.d) ? item.length - 1 - s : s;
  p.y[t * p.y_step + tile.d * p.y_direction + item.n * p.y_item + item.u] = active ? h : Put<E>::of(0.0f);
  if (s + 1 < p.steps) return;
  const i64 at = tile.d * p.state_direction + item.n * p.state_item + item.u;
  if (p.y_h) p.y_h[at] = h;
  if (p.y_c) p.y_c[at] = Put<E>::of(c);
}

// The gates' parts from x at step `s` of the chunk; 0 where the sequence has ended.
template <int FIRST, int COUNT> FN void read_gates(const Args& p, const Tile& tile, const Item& item, int s, bool active, float (&in)[COUNT]) {
  const float* from = p.gates + (((i64)tile.d * p.chunk + s) * p.batch + item.n) * kGatePitch + (i64)FIRST * H + item.u;
#pragma unroll
  for (int g = 0; g < COUNT; ++g) in[g] = active ? from[(i64)g * H] : 0.0f;
}

// The new h of a sequence that has not ended. carried: c, or a GRU's h, which becomes the new one.
#if PHASES == 1
FN float next_h(const Args& p, const Tile& tile, const Item& item, const float* sums, const float (&in)[GATES], float& carried) {
  float v[GATES];
#pragma unroll
  for (int g = 0; g < GATES; ++g) v[g] = sum_of<GATES>(sums, item.row, g, item.unit);
#if KIND == 0
  return f0(tile.d, clipped(in[0] + v[0]));
#elif KIND == 1
  float peephole[3] = {};
  if (p.p) {
#pragma unroll
    for (int g = 0; g < 3; ++g) peephole[g] = get(p.p[(tile.d * 3 + g) * (i64)H + item.u]);
  }
  const float input = f0(tile.d, clipped(in[0] + v[0] + peephole[0] * carried));
  const float forget = INPUT_FORGET ? 1.0f - input : f0(tile.d, clipped(in[2] + v[2] + peephole[2] * carried));
  carried = forget * carried + input * f1(tile.d, clipped(in[3] + v[3]));
  const float output = f0(tile.d, clipped(in[1] + v[1] + peephole[1] * carried));
  return output * f2(tile.d, carried);
#else
  const float update = f0(tile.d, clipped(in[0] + v[0])), reset = f0(tile.d, clipped(in[1] + v[1]));
  const float bias = p.b ? get(p.b[(i64)tile.d * 2 * kGateRows + kGateRows + 2 * (i64)H + item.u]) : 0.0f;
  const float candidate = f1(tile.d, clipped(in[2] + reset * (v[2] + bias)));
  return carried = (1.0f - update) * candidate + update * carried;
#endif
}
#else
FN float update_gate(const Tile& tile, const Item& item, const float* sums, float in) {
  return f0(tile.d, clipped(in + sum_of<2>(sums, item.row, 0, item.unit)));
}
FN float reset_gate(const Tile& tile, const Item& item, const float* sums, float in) {
  return f0(tile.d, clipped(in + sum_of<2>(sums, item.row, 1, item.unit)));
}
FN float next_h(const Tile& tile, const Item& item, const float* sums, float in, float update, float h) {
  const float candidate = f1(tile.d, clipped(in + sum_of<1>(sums, item.row, 0, item.unit)));
  return (1.0f - update) * candidate + update * h;
}
#endif

#if RESIDENT
constexpr int kStateBytes = ROWS * (int)kStatePitch;

FN void arrive() {
  if (TILES > 1) cluster_arrive();
}
FN void wait_for_others() {
  if (TILES > 1) cluster_wait();
  else __syncthreads();
}

// Item i's value, and those of the three beside it, into `to`, rows of h, of every block. Whole warps.
FN void share(const Tile& tile, int i, E value, u8* to) {
  const int at = tile.thread + i * THREADS, quad = at % 4, unit = at % UNITS - quad, row = at / UNITS;
  if (at >= UNITS * ROWS) return;   // the same for a warp
  u32 bits = 0, all[4];
  if (sizeof(E) == 2) bits = *(const u16*)&value;
  else bits = *(const u32*)&value;
#pragma unroll
  for (int j = 0; j < 4; ++j) all[j] = __shfl_sync(0xffffffffu, bits, tile.thread % 32 - quad + j);
  if (tile.u0 + unit >= kPadded) return;
  u8* place = to + row * kStatePitch + (i64)(tile.u0 + unit) * sizeof(E);
#if ELEMENT == 0
  const u32 words[4] = {all[0], all[1], all[2], all[3]};
#else
  const u32 words[2] = {all[0] | all[1] << 16, all[2] | all[3] << 16};
#endif
#if TILES > 1
  for (int rank = quad; rank < TILES; rank += 4) store_to_block(place, rank, words);
#else
  if (quad == 0) {
#pragma unroll
    for (int j = 0; j < (int)sizeof(E); ++j) ((u32*)place)[j] = words[j];
  }
#endif
}

// This block's units of r; then h from before the first step, and zeros wherever h will not be written.
template <int KEPT>
FN void fill(const Args& p, const Tile& tile, const E* h, int first, u8* weights, uint4 (&kept)[KEPT][2], u8* states) {
  const E* r = p.r + (i64)tile.d * GATES * H * H;
  for (int i = tile.thread; i < GATES * UNITS * kHeldChunks * 4; i += THREADS) {
    const int row = i / (kHeldChunks * 4), piece = i % (kHeldChunks * 4), u = tile.u0 + row % UNITS;
    const E* from = u < H ? r + ((i64)(row / UNITS) * H + u) * H : nullptr;
    *(uint4*)(weights + (i64)row * kWeightPitch + piece * 16) = fetch(from, HELD * kChunk + piece * kVector, H, p.state_vectors);
  }
#if HELD > 0
  // One fragment a warp.
  const int lane = tile.thread % 32, fragment_row = tile.thread / 32 * 16 + lane / 4, unit = tile.u0 + fragment_row % UNITS;
  const E* from = r + ((i64)(fragment_row / UNITS) * H + unit) * H;
#pragma unroll
  for (int c = 0; c < HELD; ++c) {
    const i64 k = c * kChunk + lane % 4 * kVector;
    kept[c][0] = fetch(unit < H ? from : nullptr, k, H, p.state_vectors);
    kept[c][1] = fetch(unit + 8 < H ? from + 8 * (i64)H : nullptr, k, H, p.state_vectors);
  }
#endif
  const E* start = h + ((i64)tile.d * p.padded + tile.n0) * kPadded;
  for (int i = tile.thread; i < ROWS * kChunks * 4; i += THREADS) {
    const int row = i / (kChunks * 4), piece = i % (kChunks * 4);
    u8* at = states + row * kStatePitch + piece * 16;
    *(uint4*)(at + (first & 1) * kStateBytes) = *((const uint4*)(start + row * kPadded) + piece);
    *(uint4*)(at + (~first & 1) * kStateBytes) = make_uint4(0, 0, 0, 0);
    if (PHASES == 2) *(uint4*)(at + 2 * kStateBytes) = make_uint4(0, 0, 0, 0);
  }
}
#endif

// base: the first step of the chunk that `gates` holds.
extern "C" __global__ void __launch_bounds__(THREADS)
#if RESIDENT && TILES > 1
__cluster_dims__(TILES, 1, 1)
#endif
rnn_steps(const __grid_constant__ Args p, i32 base, i32 first, i32 last, i32 phase) {
  extern __shared__ __align__(128) u8 shared[];
  Tile tile;
  tile.thread = threadIdx.x;
  tile.d = blockIdx.y;
  tile.n0 = (int)(blockIdx.x / TILES) * ROWS;
  tile.u0 = (int)(blockIdx.x % TILES) * UNITS;
  Item items[ITEMS];
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) items[i] = item_of(p, tile, i);
  const i64 buffer = (i64)p.directions * p.padded * kPadded;

#if RESIDENT
  u8 *weights = shared, *states = weights + (i64)GATES * UNITS * kWeightPitch;
  float* sums = (float*)(states + (PHASES + 1) * kStateBytes);
  uint4 kept[HELD > 0 ? HELD : 1][2];
  fill(p, tile, p.h + (first & 1) * buffer, first, weights, kept, states);
  float in[ITEMS][GATES], carried[ITEMS];
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    read_gates<0, GATES>(p, tile, items[i], first - base, first < items[i].length, in[i]);
    carried[i] = KIND != 0 && items[i].real ? p.state[items[i].state] : 0.0f;
  }
  arrive();
  wait_for_others();
  for (int s = first; s < last; ++s) {
    const u8* before = states + (s & 1) * kStateBytes;
    u8* after = states + (~s & 1) * kStateBytes;
#if PHASES == 1
    multiply_gates<0, GATES>(p, tile, weights, kept, before, sums);
    __syncthreads();
#else
    multiply_gates<0, 2>(p, tile, weights, kept, before, sums);
    __syncthreads();
    float update[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      float reset = 0;
      update[i] = 0;
      if (s < items[i].length) {
        update[i] = update_gate(tile, items[i], sums, in[i][0]);
        reset = reset_gate(tile, items[i], sums, in[i][1]);
      }
      share(tile, i, Put<E>::of(reset * carried[i]), states + 2 * kStateBytes);
    }
    arrive();
    wait_for_others();
    multiply_gates<2, 1>(p, tile, weights, kept, states + 2 * kStateBytes, sums);
    __syncthreads();
#endif
    E h[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const Item& item = items[i];
      h[i] = Put<E>::of(0.0f);
      if (item.real) {
        if (s < item.length) {
#if PHASES == 1
          h[i] = Put<E>::of(next_h(p, tile, item, sums, in[i], carried[i]));
#else
          carried[i] = next_h(tile, item, sums, in[i][2], update[i], carried[i]);
          h[i] = Put<E>::of(carried[i]);
#endif
        } else {
          h[i] = ((const E*)(before + item.row * kStatePitch))[item.u];
        }
      }
      share(tile, i, h[i], after);
    }
    // While the others arrive: what none of them reads.
    arrive();
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const Item& item = items[i];
      if (!item.real) continue;
      put_outputs(p, tile, item, s, h[i], carried[i]);
      if (s + 1 == last) {
        p.h[(last & 1) * buffer + item.h] = h[i];
        if (KIND != 0) p.state[item.state] = carried[i];
      } else {
        read_gates<0, GATES>(p, tile, item, s + 1 - base, s + 1 < item.length, in[i]);
      }
    }
    wait_for_others();
  }
#else
  float* sums = (float*)shared;
  uint4 kept[1][2];
  const E* before = p.h + (first & 1) * buffer;
  E* after = p.h + (~first & 1) * buffer;
  const i64 rows = ((i64)tile.d * p.padded + tile.n0) * kPadded;
  const int s = first;
#if PHASES == 1
  float in[ITEMS][GATES], carried[ITEMS];
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    read_gates<0, GATES>(p, tile, items[i], s - base, s < items[i].length, in[i]);
    carried[i] = KIND != 0 && items[i].real ? p.state[items[i].state] : 0.0f;
  }
  multiply_gates<0, GATES>(p, tile, nullptr, kept, (const u8*)(before + rows), sums);
  __syncthreads();
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    const Item& item = items[i];
    if (!item.real) continue;
    E h = before[item.h];
    if (s < item.length) {
      h = Put<E>::of(next_h(p, tile, item, sums, in[i], carried[i]));
      if (KIND != 0) p.state[item.state] = carried[i];
    }
    after[item.h] = h;
    put_outputs(p, tile, item, s, h, carried[i]);
  }
#else
  if (phase == 0) {
    float in[ITEMS][2], carried[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const bool active = s < items[i].length;
      read_gates<0, 2>(p, tile, items[i], s - base, active, in[i]);
      carried[i] = active ? p.state[items[i].state] : 0.0f;
    }
    multiply_gates<0, 2>(p, tile, nullptr, kept, (const u8*)(before + rows), sums);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const Item& item = items[i];
      if (s >= item.length) continue;
      p.update[item.state] = update_gate(tile, item, sums, in[i][0]);
      p.reset[item.h] = Put<E>::of(reset_gate(tile, item, sums, in[i][1]) * carried[i]);
    }
  } else {
    float in[ITEMS][1], carried[ITEMS], update[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const bool active = s < items[i].length;
      read_gates<2, 1>(p, tile, items[i], s - base, active, in[i]);
      update[i] = active ? p.update[items[i].state] : 0.0f;
      carried[i] = items[i].real ? p.state[items[i].state] : 0.0f;
    }
    multiply_gates<2, 1>(p, tile, nullptr, kept, (const u8*)(p.reset + rows), sums);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const Item& item = items[i];
      if (!item.real) continue;
      if (s < item.length) p.state[item.state] = carried[i] = next_h(tile, item, sums, in[i][0], update[i], carried[i]);
      const E h = Put<E>::of(carried[i]);
      after[item.h] = h;
      put_outputs(p, tile, item, s, h, carried[i]);
    }
  }
#endif
#endif
}
#endif
)device"
