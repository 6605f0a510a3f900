// group_norm.blocked.f32.<isa>: channel-blocked tensors whose groups fill blocks, or blocks groups.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/checked.h"
#include "common/blocked_operand.h"
#include "norm/check.h"
#include "norm/vector.h"

namespace tenon {
namespace {

constexpr int64_t kPixels = 128;   // between factor and epilogue: they stay in the cache

struct State : KernelState {
  BlockedOperand extra[kMaxProgramInputs];
  int64_t channels = 0, per_group = 1, blocks = 0, pixels = 1;
  int64_t unit_blocks = 1;         // blocks that one unit of work normalises: whole groups
};

template <uint8_t kLanes>
Status prepare(const PrepareCall& call, Prepared& prepared) {
  // Types, dims and programs are those of linear tensors.
  std::vector<Arg> inputs(call.inputs.begin(), call.inputs.end()), outputs(call.outputs.begin(), call.outputs.end());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (i == 0 || i > 2) inputs[i].format = kLinear;
  for (Arg& output : outputs) output.format = kLinear;
  GroupNormShape shape;
  TN_TRY(check_group_norm({call.params, inputs, outputs, call.threads}, shape));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(x, DType::f32, "x"));
  TN_TRY(expect_type(out, DType::f32, "output"));
  TN_TRY(expect_format(x, blocked(kLanes), "x"));
  TN_TRY(expect_format(out, blocked(kLanes), "output"));
  auto state = std::make_unique<State>();
  for (size_t i = 3; i < call.inputs.size(); ++i)
    TN_TRY(place_operand(call.inputs[i], out, "extra operand", state->extra[i - 3]));
  state->channels = shape.channels;
  state->pixels = shape.spatial;
  state->per_group = std::max<int64_t>(1, shape.channels / call.as<GroupNormParams>().groups);
  if (state->per_group % kLanes != 0 && kLanes % state->per_group != 0)
    return fail(Code::invalid_plan, "groups of {} channels do not go with blocks of {}", state->per_group, kLanes);
  state->blocks = ceil_div(shape.channels, kLanes);
  state->unit_blocks = std::max<int64_t>(1, state->per_group / kLanes);
  prepared.scratch_bytes = kTileScratchBytes * call.threads;
  prepared.state = std::move(state);
  return {};
}

template <const NormVector& kVector, uint8_t kLanes, uint32_t kFeatures>
class Worker {
 public:
  Worker(const LaunchCall& call, int member)
      : call_(call), s_(*static_cast<const State*>(call.state)), params_(call.as<GroupNormParams>()),
        tile_(tile_function(kFeatures)), scratch_(static_cast<std::byte*>(call.scratch) + member * kTileScratchBytes) {}

  void unit(int64_t index) {
    const int64_t per_item = s_.blocks / s_.unit_blocks, item = index / per_item;
    const int64_t first = index % per_item * s_.unit_blocks;
    float means[kLanes] = {}, inverses[kLanes];
    statistics(item, first, means, inverses);
    for (int64_t b = first; b < first + s_.unit_blocks; ++b) write(item, b, means, inverses);
  }

 private:
  const float* block(int64_t item, int64_t b) const {
    return call_.inputs[0].template as<float>() + (item * s_.blocks + b) * s_.pixels * kLanes;
  }

  // Mean and inverse standard deviation per lane; all lanes' equal where a group has whole blocks.
  void statistics(int64_t item, int64_t first, float* means, float* inverses) const {
    const double count = static_cast<double>(s_.per_group) * static_cast<double>(s_.pixels);
    double sums[kLanes];
    grouped(item, first, nullptr, sums);
    for (int i = 0; i < kLanes; ++i) means[i] = static_cast<float>(sums[i] / count);
    grouped(item, first, means, sums);
    for (int i = 0; i < kLanes; ++i)
      inverses[i] = 1.0f / std::sqrt(static_cast<float>(sums[i] / count) + params_.epsilon);
  }

  void grouped(int64_t item, int64_t first, const float* means, double* sums) const {
    double part[kLanes];
    std::fill_n(sums, kLanes, 0.0);
    for (int64_t b = first; b < first + s_.unit_blocks; ++b) {
      kVector.lane_sums(block(item, b), s_.pixels, means, part);
      for (int i = 0; i < kLanes; ++i) sums[i] += part[i];
    }
    const int64_t group = std::min<int64_t>(s_.per_group, kLanes);
    for (int64_t lane = 0; lane < kLanes; lane += group) {
      double total = 0;
      for (int64_t i = lane; i < lane + group; ++i) total += sums[i];
      std::fill_n(sums + lane, group, total);
    }
  }

  void write(int64_t item, int64_t b, const float* means, const float* inverses) const {
    const int64_t channel = b * kLanes, lanes = std::min<int64_t>(kLanes, s_.channels - channel);
    float factors[kLanes] = {}, addends[kLanes] = {};  // padding lanes become zero
    for (int64_t i = 0; i < lanes; ++i) {
      factors[i] = inverses[i] * call_.inputs[1].template as<float>()[channel + i];
      addends[i] = call_.inputs[2].template as<float>()[channel + i] - means[i] * factors[i];
    }
    for (int64_t p = 0; p < s_.pixels; p += kPixels) {
      const int64_t rows = std::min(kPixels, s_.pixels - p), at = ((item * s_.blocks + b) * s_.pixels + p) * kLanes;
      float* y = call_.outputs[0].template as<float>() + at;
      kVector.lane_affine(block(item, b) + p * kLanes, y, rows, factors, addends);
      if (params_.epilogue.empty()) continue;
      TileOperand operands[kMaxProgramInputs] = {{y, kLanes, 1}};
      for (size_t k = 3; k < call_.inputs.size(); ++k)
        operands[k - 2] = tile_operand(s_.extra[k - 3], call_.inputs[k], item, channel, at, kLanes);
      tile_(params_.epilogue, operands, rows, lanes, y, kLanes, scratch_);
    }
  }

  const LaunchCall& call_;
  const State& s_;
  const GroupNormParams& params_;
  TileFunction tile_;
  void* scratch_;
};

template <const NormVector& kVector, uint8_t kLanes, uint32_t kFeatures>
Status launch(const LaunchCall& call) {
  const State& s = *static_cast<const State*>(call.state);
  if (s.blocks == 0 || s.pixels == 0) return {};
  const int64_t units = call.inputs[0].dims[0] * (s.blocks / s.unit_blocks);
  call.team->parallel_for(units, [&](int64_t begin, int64_t end, int member) {
    Worker<kVector, kLanes, kFeatures> worker(call, member);
    for (int64_t i = begin; i < end; ++i) worker.unit(i);
  });
  return {};
}

}  // namespace

extern const Kernel kGroupNormBlockedAvx2{"group_norm.blocked.f32.avx2", sizeof(GroupNormParams), kAvx2, 1, prepare<8>,
                                          launch<avx2::kNormVector, 8, kAvx2>};
extern const Kernel kGroupNormBlockedAvx512{"group_norm.blocked.f32.avx512", sizeof(GroupNormParams), kAvx2 | kAvx512, 1,
                                            prepare<16>, launch<avx512::kNormVector, 16, kAvx2 | kAvx512>};

}  // namespace tenon
