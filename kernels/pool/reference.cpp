// pool.reference: max, average and lp pooling of any float or integer type, with the indices of the maxima.
#include <cmath>

#include "common/element.h"
#include "pool/geometry.h"

namespace tenon {
namespace {

struct State : KernelState {
  PoolGeometry geometry;
};

Status prepare(const PrepareCall& call, Prepared& prepared) {
  TN_TRY(expect_counts(call, 1, 1, call.outputs.size() > 1 ? 2 : 1));
  const Arg &x = call.inputs[0], &y = call.outputs[0];
  const auto& params = call.as<PoolParams>();
  const bool known =
      params.kind == PoolKind::max ? with_number(x.dtype, [](auto) {}) : with_float(x.dtype, [](auto) {});
  if (!known) return fail(Code::invalid_plan, "x has a type that this kind does not take: {}", describe(x));
  TN_TRY(expect_type(y, x.dtype, "y"));
  for (const Arg* arg : {&x, &y}) TN_TRY(expect_format(*arg, kLinear, "tensor"));
  auto state = std::make_unique<State>();
  TN_TRY(pool_geometry(params, x, y, state->geometry));
  if (call.outputs.size() > 1) {
    if (params.kind != PoolKind::max) return fail(Code::invalid_plan, "only max pooling yields indices");
    TN_TRY(expect_type(call.outputs[1], DType::i64, "indices"));
    TN_TRY(expect_format(call.outputs[1], kLinear, "indices"));
    TN_TRY(expect_shape(call.outputs[1], y.shape(), "indices"));
  }
  prepared.state = std::move(state);
  return {};
}

// Window of one output coordinate in one dim: the taps that lie in x.
struct Window {
  int64_t start, first, last;  // taps first … last-1 are inside
  int64_t padded;              // taps inside x or its padding
};

Window window(const PoolGeometry& g, int dim, int64_t at) {
  Window w{at * g.stride[dim] - g.pad[dim], 0, 0, 0};
  bool found = false;
  for (int64_t k = 0; k < g.kernel[dim]; ++k) {
    const int64_t i = w.start + k * g.dilation[dim];
    if (i >= g.in[dim] + g.pad_end[dim]) break;
    ++w.padded;
    if (i < 0 || i >= g.in[dim]) continue;
    if (!found) w.first = k;
    found = true;
    w.last = k + 1;
  }
  return w;
}

int64_t flat_index(const PoolGeometry& g, bool column_major, int64_t d, int64_t h, int64_t w) {
  return column_major ? (w * g.in[1] + h) * g.in[0] + d : (d * g.in[1] + h) * g.in[2] + w;
}

template <class E>
struct Accumulator {
  using Value = typename E::Value;
  const PoolParams& params;
  Value value{};
  int64_t index = -1;

  void take(Value x, int64_t at) {
    if (params.kind == PoolKind::max) {
      if (index < 0 || E::less(value, x) || (x != x && value == value)) value = x, index = at;
    } else if constexpr (std::is_floating_point_v<Value>) {
      value += params.kind == PoolKind::average ? x : std::pow(std::abs(x), static_cast<double>(params.p));
    }
  }
  Value result(int64_t inside, int64_t padded) const {
    if constexpr (std::is_floating_point_v<Value>) {
      if (params.kind == PoolKind::max) return index < 0 ? -HUGE_VAL : value;
      if (params.kind == PoolKind::lp) return std::pow(value, 1.0 / static_cast<double>(params.p));
      const int64_t count = params.count_include_pad ? padded : inside;
      return count ? value / static_cast<double>(count) : 0.0;
    }
    return value;
  }
};

template <class E>
void run(const LaunchCall& call) {
  using T = typename E::Storage;
  const PoolGeometry& g = static_cast<const State*>(call.state)->geometry;
  const auto& params = call.as<PoolParams>();
  int64_t* indices = call.outputs.size() > 1 ? call.outputs[1].as<int64_t>() : nullptr;
  call.team->parallel_for(g.planes * g.out_count, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t plane = item / g.out_count, at = item % g.out_count;
      const Window d = window(g, 0, at / (g.out[1] * g.out[2])), h = window(g, 1, at / g.out[2] % g.out[1]),
                   w = window(g, 2, at % g.out[2]);
      const T* x = call.inputs[0].as<const T>() + plane * g.in_count;
      Accumulator<E> sum{params};
      for (int64_t kd = d.first; kd < d.last; ++kd)
        for (int64_t kh = h.first; kh < h.last; ++kh)
          for (int64_t kw = w.first; kw < w.last; ++kw) {
            const int64_t id = d.start + kd * g.dilation[0], ih = h.start + kh * g.dilation[1],
                          iw = w.start + kw * g.dilation[2];
            sum.take(E::load(x[flat_index(g, false, id, ih, iw)]),
                     plane * g.in_count + flat_index(g, params.storage_order == 1, id, ih, iw));
          }
      const int64_t inside = (d.last - d.first) * (h.last - h.first) * (w.last - w.first);
      call.outputs[0].as<T>()[item] = E::store(sum.result(inside, d.padded * h.padded * w.padded));
      if (indices) indices[item] = sum.index;
    }
  });
}

Status launch(const LaunchCall& call) {
  with_number(call.inputs[0].dtype, [&](auto element) { run<decltype(element)>(call); });
  return {};
}

}  // namespace

extern const Kernel kPoolReference{"pool.reference", sizeof(PoolParams), 0, 0, prepare, launch};

}  // namespace tenon
