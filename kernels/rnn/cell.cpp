#include "rnn/cell.h"

#include "rnn/functions.h"

namespace tenon::TN_ISA {
namespace {

// Rows that keep the accumulators of four gates in registers.
constexpr int kRows = kLanes == 16 ? 6 : 3;

template <int R, int G>
using Tile = Vec[R][G];

// acc[r][g] += panel[k][g] * a[r][k], in order of k whatever R is: a result does not depend on its
// neighbours.
template <int R, int G>
inline void accumulate(Tile<R, G>& acc, const float* const* a, const float* panel, int64_t k) {
  for (int64_t i = 0; i < k; ++i, panel += G * kLanes) {
    Vec b[G];
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) b[g] = load(panel + g * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const Vec left = broadcast(a[r] + i);
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) acc[r][g] = fma(left, b[g], acc[r][g]);
    }
  }
}

inline Vec activate(RnnActivation kind, Vec x) {
  if (kind == RnnActivation::sigmoid) return sigmoid(x);
  if (kind == RnnActivation::tanh) return tangent(x);
  return max(zero(), x);
}

inline Vec gate(const RnnCell& cell, RnnActivation kind, Vec x) {
  return activate(kind, min(splat(cell.clip), max(splat(-cell.clip), x)));
}

inline Vec peep(const RnnCell& cell, int which, Vec c, Vec x) {
  return cell.peephole[which] ? fma(load(cell.peephole[which]), c, x) : x;
}

template <int G>
struct Projection {
  template <int R>
  static void run(const RnnProjection& tile) {
    Tile<R, G> acc;
    for (int r = 0; r < R; ++r)
      for (int g = 0; g < G; ++g) acc[r][g] = load(tile.bias + g * kLanes);
    accumulate<R, G>(acc, tile.a, tile.panel, tile.k);
    for (int r = 0; r < R; ++r)
      for (int g = 0; g < G; ++g) store(tile.out[r] + g * kLanes, acc[r][g]);
  }
};

struct Rnn {
  template <int R>
  static void run(const RnnCell& cell) {
    Tile<R, 1> acc;
    for (int r = 0; r < R; ++r) acc[r][0] = load(cell.x[r]);
    accumulate<R, 1>(acc, cell.h, cell.panel, cell.k);
    const Mask units = first_lanes(cell.units);
    for (int r = 0; r < R; ++r) store_masked(cell.y[r] + cell.unit, units, gate(cell, cell.f, acc[r][0]));
  }
};

struct Lstm {
  template <int R>
  static void run(const RnnCell& cell) {
    Tile<R, 4> acc;
    for (int r = 0; r < R; ++r)
      for (int g = 0; g < 4; ++g) acc[r][g] = load(cell.x[r] + g * kLanes);
    accumulate<R, 4>(acc, cell.h, cell.panel, cell.k);
    const Mask units = first_lanes(cell.units);
    for (int r = 0; r < R; ++r) {
      const Vec before = load(cell.c[r] + cell.unit);
      const Vec in = gate(cell, cell.f, peep(cell, 0, before, acc[r][0]));
      const Vec forget = cell.input_forget ? fma(in, splat(-1.0f), splat(1.0f))
                                           : gate(cell, cell.f, peep(cell, 2, before, acc[r][2]));
      const Vec c = fma(forget, before, mul(in, gate(cell, cell.g, acc[r][3])));
      const Vec out = gate(cell, cell.f, peep(cell, 1, c, acc[r][1]));
      store(cell.c[r] + cell.unit, c);
      store_masked(cell.y[r] + cell.unit, units, mul(out, activate(cell.out, c)));
    }
  }
};

// (1 - z) * h' + z * h
inline void store_gru(const RnnCell& cell, int r, Mask units, Vec z, Vec fresh) {
  const Vec before = load_masked(cell.h[r] + cell.unit, units);
  store_masked(cell.y[r] + cell.unit, units, fma(z, before, fma(mul(z, splat(-1.0f)), fresh, fresh)));
}

struct GruLinear {
  template <int R>
  static void run(const RnnCell& cell) {
    Tile<R, 3> acc;
    for (int r = 0; r < R; ++r) {
      acc[r][0] = load(cell.x[r]);
      acc[r][1] = load(cell.x[r] + kLanes);
      acc[r][2] = load(cell.bias);
    }
    accumulate<R, 3>(acc, cell.h, cell.panel, cell.k);
    const Mask units = first_lanes(cell.units);
    for (int r = 0; r < R; ++r) {
      const Vec z = gate(cell, cell.f, acc[r][0]), reset = gate(cell, cell.f, acc[r][1]);
      store_gru(cell, r, units, z, gate(cell, cell.g, fma(reset, acc[r][2], load(cell.x[r] + 2 * kLanes))));
    }
  }
};

struct GruReset {
  template <int R>
  static void run(const RnnCell& cell) {
    Tile<R, 2> acc;
    for (int r = 0; r < R; ++r)
      for (int g = 0; g < 2; ++g) acc[r][g] = load(cell.x[r] + g * kLanes);
    accumulate<R, 2>(acc, cell.h, cell.panel, cell.k);
    const Mask units = first_lanes(cell.units);
    for (int r = 0; r < R; ++r) {
      store(cell.z[r] + cell.unit, gate(cell, cell.f, acc[r][0]));
      const Vec before = load_masked(cell.h[r] + cell.unit, units);
      store(cell.reset[r] + cell.unit, mul(gate(cell, cell.f, acc[r][1]), before));
    }
  }
};

struct GruUpdate {
  template <int R>
  static void run(const RnnCell& cell) {
    Tile<R, 1> acc;
    for (int r = 0; r < R; ++r) acc[r][0] = load(cell.x[r] + 2 * kLanes);
    accumulate<R, 1>(acc, cell.reset, cell.panel, cell.k);
    const Mask units = first_lanes(cell.units);
    for (int r = 0; r < R; ++r)
      store_gru(cell, r, units, load(cell.z[r] + cell.unit), gate(cell, cell.g, acc[r][0]));
  }
};

template <class Kind, class T>
void by_rows(const T& tile) {
  switch (tile.rows) {
    case 1: return Kind::template run<1>(tile);
    case 2: return Kind::template run<2>(tile);
    case 3: return Kind::template run<3>(tile);
#if defined(__AVX512F__)
    case 4: return Kind::template run<4>(tile);
    case 5: return Kind::template run<5>(tile);
    case 6: return Kind::template run<6>(tile);
#endif
    default: return;
  }
}

}  // namespace

extern const RnnTable kRnn;
const RnnTable kRnn{kLanes,
                    kRows,
                    {nullptr, by_rows<Projection<1>, RnnProjection>, nullptr,
                     by_rows<Projection<3>, RnnProjection>, by_rows<Projection<4>, RnnProjection>},
                    by_rows<Rnn, RnnCell>,
                    by_rows<Lstm, RnnCell>,
                    by_rows<GruLinear, RnnCell>,
                    by_rows<GruReset, RnnCell>,
                    by_rows<GruUpdate, RnnCell>};

}  // namespace tenon::TN_ISA
