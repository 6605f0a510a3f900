// matmul, conv, conv_transpose.
#include "conv/params.h"
#include "gpu/case_tables.h"
#include "matmul/params.h"

namespace tenon::test {
namespace {

using D = std::vector<int64_t>;
using enum DType;

struct Product {
  D a, b, y;
  std::vector<int> perm_a = {}, perm_b = {}, perm_out = {};
  bool large = false;
};

Case matmul(const char* kernel, const Product& row, DType type, DType storage) {
  MatmulParams p;
  auto set = [](const std::vector<int>& from, int8_t* to) {
    for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<int8_t>(from[i]);
  };
  set(row.perm_a, p.perm_a);
  set(row.perm_b, p.perm_b);
  set(row.perm_out, p.perm_out);
  const double most = is_float(type) ? 1 : 3, least = is_float(type) || is_signed(type) ? -most : 0;
  auto spec = [&](const D& dims) { return Spec(type, dims).range(least, most).stored(storage); };
  auto c = make_case(fmt::format("matmul {} [{}] [{}]", name_of(storage), fmt::join(row.a, ","), fmt::join(row.b, ",")), kernel, "matmul.reference",
                     {spec(row.a), spec(row.b)}, {spec(row.y)});
  c.with(p).large = row.large;
  c.scale = 2;
  return c;
}

void matmuls(std::vector<Case>& out) {
  for (const Product& row : {Product{{3, 5}, {5, 7}, {3, 7}}, Product{{65, 130}, {130, 70}, {65, 70}}, Product{{2, 3, 33, 40}, {40, 20}, {2, 3, 33, 20}},
                             Product{{2, 1, 9, 16}, {3, 16, 8}, {2, 3, 9, 8}}, Product{{1, 1}, {1, 1}, {1, 1}}, Product{{4, 0}, {0, 6}, {4, 6}}, Product{{0, 4}, {4, 6}, {0, 6}},
                             Product{{40, 17}, {30, 40}, {17, 30}, {1, 0}, {1, 0}}, Product{{2, 9, 4, 16}, {2, 9, 4, 16}, {2, 4, 9, 9}, {0, 2, 1, 3}, {0, 2, 3, 1}},
                             Product{{2, 4, 9, 9}, {2, 9, 4, 16}, {2, 9, 4, 16}, {0, 1, 2, 3}, {0, 2, 1, 3}, {0, 2, 1, 3}}, Product{{1, 768}, {768, 300}, {1, 300}},
                             Product{{512, 512}, {512, 512}, {512, 512}, {}, {}, {}, true}})
    for (DType type : {f32, f16, bf16, f64, i32, u8, i64}) {
      if (row.large && type != f32 && type != f16) continue;
      const bool small = type == f16 || type == bf16;
      auto c = matmul("cuda.matmul.tile", row, small ? f32 : type, type);
      out.push_back(c);
      if (row.large || type != f32) continue;
      for (auto* specs : {&c.inputs, &c.outputs})
        for (Spec& s : *specs) s = s.dynamic(~0u);
      out.push_back(c);
    }
  for (DType storage : {f32, f16}) {
    auto c = matmul("cuda.matmul.tile", {{2, 9, 32}, {32, 24}, {2, 9, 24}}, f32, storage);
    MatmulParams p;
    p.epilogue = program("max(add(add(x0, x1), x2), 0)", {f32, f32, f32});
    c.inputs.push_back(Spec(f32, {24}).stored(storage));
    c.inputs.push_back(Spec(f32, {2, 9, 24}).stored(storage));
    out.push_back(c.with(p));
  }
}

struct Conv {
  D x, w, y;
  ConvParams p;
  bool transposed = false, large = false;
};

Case conv(const char* kernel, const Conv& row, DType type, DType storage, Format format, bool biased, bool fused) {
  ConvParams p = row.p;
  const double most = is_float(type) ? 1 : 3;
  auto spec = [&](const D& dims, Format f = kLinear) { return Spec(type, dims, f).range(-most, most).stored(storage); };
  auto c = make_case(fmt::format("conv {} {} [{}] [{}]", name_of(storage), name_of(format), fmt::join(row.x, ","), fmt::join(row.w, ",")), kernel,
                     row.transposed ? "conv_transpose.reference" : "conv.reference", {spec(row.x, format), spec(row.w)}, {spec(row.y, format)});
  if (biased || fused) c.inputs.push_back(biased ? spec({row.y[1]}) : Spec());
  if (fused) {
    p.epilogue = program("max(add(x0, x1), 0)", {type, type});
    c.inputs.push_back(spec(row.y, format));
  }
  c.with(p).large = row.large;
  c.scale = 2;
  return c;
}

ConvParams conv_params(int64_t stride, int64_t pad, int64_t group = 1, int64_t dilation = 1, int64_t output_padding = 0) {
  ConvParams p;
  for (int i = 0; i < 3; ++i) p.strides[i] = stride, p.dilations[i] = dilation, p.pads_begin[i] = p.pads_end[i] = pad, p.output_padding[i] = output_padding;
  p.group = group;
  return p;
}

void gemvs(std::vector<Case>& out) {
  for (const Product& row : {Product{{1, 64}, {64, 40}, {1, 40}}, Product{{3, 300}, {300, 64}, {3, 64}}, Product{{1, 768}, {1001, 768}, {1, 1001}, {}, {1, 0}},
                             Product{{2, 4, 520}, {520, 72}, {2, 4, 72}}, Product{{16, 77}, {33, 77}, {16, 33}, {}, {1, 0}}, Product{{1, 1, 1}, {1, 1}, {1, 1, 1}},
                             Product{{8, 4096}, {512, 4096}, {8, 512}, {}, {1, 0}}, Product{{1, 2048}, {2048, 1000}, {1, 1000}},
                             Product{{1, 2048}, {1000, 2048}, {1, 1000}, {}, {1, 0}, {}, true}, Product{{1, 2048}, {2048, 1000}, {1, 1000}, {}, {}, {}, true},
                             Product{{8, 4096}, {4096, 4096}, {8, 4096}, {}, {}, {}, true}, Product{{8, 4096}, {4096, 4096}, {8, 4096}, {}, {1, 0}, {}, true}})
    for (DType storage : {f32, f16, bf16}) {
      auto c = matmul("cuda.matmul.gemv", row, f32, storage);
      if (row.large && storage == bf16) continue;
      out.push_back(c);
      if (row.large) continue;
      MatmulParams p;
      std::memcpy(&p, c.params.data(), sizeof p);
      p.epilogue = program("max(add(x0, x1), 0)", {f32, f32});
      c.inputs.push_back(Spec(f32, {row.y.back()}).stored(storage));
      out.push_back(c.with(p));
    }
}

void convs(std::vector<Case>& out) {
  for (const Conv& row : {Conv{{1, 3, 9, 9}, {8, 3, 3, 3}, {1, 8, 9, 9}, conv_params(1, 1)}, Conv{{2, 16, 10, 11}, {24, 16, 1, 1}, {2, 24, 10, 11}, conv_params(1, 0)},
                          Conv{{1, 8, 11, 11}, {12, 4, 3, 3}, {1, 12, 4, 4}, conv_params(2, 0, 2, 2)}, Conv{{2, 5, 20}, {7, 5, 4}, {2, 7, 9}, conv_params(2, 0)},
                          Conv{{1, 4, 5, 6, 7}, {6, 4, 2, 3, 3}, {1, 6, 6, 6, 7}, conv_params(1, 1)}, Conv{{1, 80, 6, 6}, {80, 1, 3, 3}, {1, 80, 6, 6}, conv_params(1, 1, 80)},
                          Conv{{1, 4, 5, 5}, {4, 6, 3, 3}, {1, 6, 10, 10}, conv_params(2, 1, 1, 1, 1), true}, Conv{{2, 6, 7}, {6, 2, 4}, {2, 4, 16}, conv_params(2, 0, 2), true},
                          Conv{{8, 64, 56, 56}, {64, 64, 3, 3}, {8, 64, 56, 56}, conv_params(1, 1), false, true}})
    for (DType type : {f32, f16, f64, i32}) {
      if (row.large && type != f32 && type != f16) continue;
      ConvParams p = row.p;
      if (row.x.size() == 5) p.pads_begin[0] = p.pads_end[0] = 1;
      Conv one = row;
      one.p = p;
      for (Format format : {kLinear, kChannelsLast})
        for (bool fused : {false, true}) {
          const char* kernel = row.transposed ? "cuda.conv_transpose.direct" : "cuda.conv.direct";
          auto c = conv(kernel, one, type == f16 ? f32 : type, type, format, type != i32, fused);
          out.push_back(c);
          if (type != f32 || row.large || fused) continue;
          c.inputs[0] = c.inputs[0].dynamic(~2u);
          c.outputs[0] = c.outputs[0].dynamic(~2u);
          out.push_back(c);
        }
    }
}

void depthwises(std::vector<Case>& out) {
  for (const Conv& row : {Conv{{2, 16, 9, 11}, {16, 1, 3, 3}, {2, 16, 9, 11}, conv_params(1, 1, 16)}, Conv{{1, 96, 14, 14}, {96, 1, 3, 3}, {1, 96, 7, 7}, conv_params(2, 1, 96)},
                          Conv{{1, 240, 10, 10}, {240, 1, 5, 5}, {1, 240, 10, 10}, conv_params(1, 2, 240)}, Conv{{1, 13, 7, 7}, {13, 1, 3, 3}, {1, 13, 3, 3}, conv_params(1, 0, 13, 2)},
                          Conv{{1, 960, 7, 7}, {960, 1, 5, 5}, {1, 960, 7, 7}, conv_params(1, 2, 960)}, Conv{{1, 8, 20, 3}, {8, 1, 7, 7}, {1, 8, 20, 3}, conv_params(1, 3, 8)},
                          Conv{{1, 960, 7, 7}, {960, 1, 3, 3}, {1, 960, 7, 7}, conv_params(1, 1, 960), false, true},
                          Conv{{32, 144, 56, 56}, {144, 1, 3, 3}, {32, 144, 56, 56}, conv_params(1, 1, 144), false, true},
                          Conv{{32, 96, 112, 112}, {96, 1, 3, 3}, {32, 96, 56, 56}, conv_params(2, 1, 96), false, true},
                          Conv{{32, 672, 14, 14}, {672, 1, 5, 5}, {32, 672, 14, 14}, conv_params(1, 2, 672), false, true}})
    for (DType storage : {f32, f16, bf16})
      for (bool fused : {false, true}) {
        if (row.large && (fused || storage == bf16)) continue;
        auto c = conv("cuda.conv.depthwise", row, f32, storage, kChannelsLast, storage != bf16, fused);
        out.push_back(c);
        if (row.large || storage == bf16) continue;
        c.inputs[0] = c.inputs[0].dynamic(~2u);
        c.outputs[0] = c.outputs[0].dynamic(~2u);
        out.push_back(c);
      }
}

void firsts(std::vector<Case>& out) {
  for (const Conv& row : {Conv{{2, 3, 17, 19}, {16, 3, 3, 3}, {2, 16, 9, 10}, conv_params(2, 1)}, Conv{{1, 3, 32, 30}, {64, 3, 7, 7}, {1, 64, 16, 15}, conv_params(2, 3)},
                          Conv{{1, 1, 12, 12}, {10, 1, 5, 5}, {1, 10, 8, 8}, conv_params(1, 0)}, Conv{{1, 8, 6, 6}, {24, 8, 1, 1}, {1, 24, 6, 6}, conv_params(1, 0)},
                          Conv{{2, 3, 32, 32}, {12, 3, 4, 4}, {2, 12, 8, 8}, conv_params(4, 0)},
                          Conv{{32, 3, 224, 224}, {32, 3, 3, 3}, {32, 32, 112, 112}, conv_params(2, 1), false, true},
                          Conv{{1, 3, 224, 224}, {64, 3, 7, 7}, {1, 64, 112, 112}, conv_params(2, 3), false, true}})
    for (Format format : {kLinear, kChannelsLast})
      for (DType storage : {f32, f16, bf16})
        for (bool fused : {false, true}) {
          if (row.large && (fused || storage == bf16)) continue;
          auto c = conv("cuda.conv.first", row, f32, storage, kChannelsLast, true, fused);
          c.inputs[0].format = format;
          out.push_back(c);
          if (storage == f16) {   // from the network's own input
            c.inputs[0].storage = f32;
            out.push_back(c);
          }
          if (row.large || storage == bf16) continue;
          c.inputs[0] = c.inputs[0].dynamic(~2u);
          c.outputs[0] = c.outputs[0].dynamic(~2u);
          out.push_back(c);
        }
}

}  // namespace

void product_cases(std::vector<Case>& out) {
  firsts(out);
  matmuls(out);
  gemvs(out);
  depthwises(out);
  convs(out);
}

}  // namespace tenon::test
