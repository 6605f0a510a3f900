// gather, a slice of x at a time.
#include <algorithm>
#include <cstring>

#include "common/index.h"
#include "index/indices.h"
#include "index/params.h"

namespace tenon {
namespace {

Status prepare(const PrepareCall& call, Prepared&) { return index::check_gather(call); }

template <class Index>
int64_t first_bad(const Index* indices, int64_t count, int64_t n) {
  for (int64_t i = 0; i < count; ++i)
    if (indices[i] < -n || indices[i] >= n) return i;
  return -1;
}

// A row of constant size: the compiler makes it one move.
template <size_t size, class Index>
void gather_small(const char* x, const Index* indices, int64_t begin, int64_t end, int64_t n, char* out) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = indices[i] < 0 ? indices[i] + n : indices[i];
    std::memcpy(out + i * static_cast<int64_t>(size), x + at * static_cast<int64_t>(size), size);
  }
}

template <class Index>
Status gather(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
  const auto axis = static_cast<size_t>(call.as<GatherParams>().axis);
  const int64_t n = x.dims[axis], outer = product(x.shape().first(axis)), count = indices.count();
  const int64_t row = product(x.shape().subspan(axis + 1)) * static_cast<int64_t>(size_of(x.dtype));
  const Index* index = indices.as<const Index>();
  if (int64_t bad = first_bad(index, count, n); bad >= 0) return index::out_of_range("gather", index[bad], bad, n);
  if (row == 0) return {};
  auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end;) {
      const int64_t o = at / count, first = at % count, last = std::min(count, first + (end - at));
      const char* src = x.as<const char>() + o * n * row;
      char* dst = out.as<char>() + o * count * row;
      switch (row) {
        case 1: gather_small<1>(src, index, first, last, n, dst); break;
        case 2: gather_small<2>(src, index, first, last, n, dst); break;
        case 4: gather_small<4>(src, index, first, last, n, dst); break;
        case 8: gather_small<8>(src, index, first, last, n, dst); break;
        default:
          for (int64_t i = first; i < last; ++i)
            std::memcpy(dst + i * row, src + (index[i] < 0 ? index[i] + n : index[i]) * row, static_cast<size_t>(row));
      }
      at += last - first;
    }
  };
  if (outer * count * row < 32 << 10) body(0, outer * count, 0);
  else call.team->parallel_for(outer * count, body);
  return {};
}

Status launch(const LaunchCall& call) {
  return call.inputs[1].dtype == DType::i32 ? gather<int32_t>(call) : gather<int64_t>(call);
}

}  // namespace

extern const Kernel kGatherRows = with_texts({"gather.rows", sizeof(GatherParams), 0, 0, prepare, launch});

}  // namespace tenon
