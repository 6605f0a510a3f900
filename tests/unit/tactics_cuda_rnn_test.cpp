// What the CUDA tactic of recurrent layers claims and refuses, and how its blocks are laid out.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cuda/rnn_params.h"
#include "ops/ops.h"
#include "tactics/tactic.h"

namespace tenon::testing {
namespace {

TargetInfo target(bool reduced) {
  TargetInfo out;
  out.device = "cuda";
  out.architecture = 90;
  out.multiprocessors = 132;
  out.shared_memory = 227 << 10;
  out.allow_f16 = out.allow_bf16 = out.allow_tf32 = reduced;
  return out;
}

Claim claim(const std::string& body, const TargetInfo& t) {
  Result<Graph> graph = parse_graph("graph \"g\" core {\n" + body + "\n}", find_op);
  if (!graph) {
    ADD_FAILURE() << graph.error().text() << "\n" << body;
    return {};
  }
  for (const Tactic* tactic : all_tactics())
    if (tactic->name == "cuda_rnn") {
      EXPECT_EQ(tactic->device, "cuda");
      return tactic->claim({*graph, graph->node(graph->order().back())}, t);
    }
  ADD_FAILURE() << "no tactic cuda_rnn";
  return {};
}

std::string lstm(const std::string& type, int hidden, const std::string& batch = "N") {
  return fmt::format("input %x: {0}[T,{3},10] \"x\"\ninput %w: {0}[1,{2},10] \"w\"\ninput %r: {0}[1,{2},{1}] \"r\"\n"
                     "input %b: {0}[1,{4}] \"b\"\ninput %l: i32[{3}] \"l\"\n"
                     "%y: {0}[T,1,{3},{1}], %h: {0}[1,{3},{1}], %c: {0}[1,{3},{1}] = rnn(%x, %w, %r, %b, %l) "
                     "{{hidden_size = {1}, kind = \"lstm\"}} @\"lstm\"\noutput %y \"y\"\noutput %c \"c\"",
                     type, hidden, 4 * hidden, batch, 8 * hidden);
}

CudaRnnParams params_of(const Candidate& candidate) {
  CudaRnnParams out;
  std::memcpy(&out, candidate.call.params.data(), sizeof out);
  return out;
}

std::set<int64_t> blocks_of(const Claim& c, DType storage) {
  std::set<int64_t> out;
  for (const Candidate& candidate : c.candidates)
    if (candidate.inputs[0].dtype == storage) out.insert(params_of(candidate).blocks);
  return out;
}

TEST(CudaRnn, OffersWhatTheTargetAllows) {
  const Claim strict = claim(lstm("f32", 64), target(false));
  ASSERT_FALSE(strict.candidates.empty()) << strict.refusal;
  for (const Candidate& candidate : strict.candidates) {
    EXPECT_EQ(candidate.inputs[0], Form(kLinear));
    EXPECT_EQ(params_of(candidate).math, CudaMath::exact);
    EXPECT_EQ(candidate.math, "");
  }
  const Claim all = claim(lstm("f32", 64), target(true));
  std::set<std::string> found, configs;
  for (const Candidate& candidate : all.candidates) {
    found.insert(name_of(candidate.inputs[0]) + " " + std::string(candidate.math));
    EXPECT_TRUE(configs.insert(candidate.config).second) << candidate.config;
    EXPECT_EQ(params_of(candidate).math == CudaMath::tf32, candidate.math == "tf32");
    ASSERT_EQ(candidate.inputs.size(), 5u);
    ASSERT_EQ(candidate.outputs.size(), 3u);
    for (size_t i : {1, 2, 3}) EXPECT_EQ(candidate.inputs[i], candidate.inputs[0]);
    for (const Form& form : candidate.outputs) EXPECT_EQ(form, candidate.inputs[0]);
    EXPECT_EQ(candidate.inputs[4], Form(kLinear)) << "lengths are not floats";
  }
  EXPECT_EQ(found, (std::set<std::string>{"linear ", "linear tf32", "f16 linear ", "bf16 linear "}));
  // A network of f16 is what its types say.
  for (const Candidate& candidate : claim(lstm("f16", 64), target(true)).candidates) EXPECT_EQ(candidate.inputs[0], Form(kLinear));
}

TEST(CudaRnn, ClustersHoldWhatFits) {
  EXPECT_EQ(blocks_of(claim(lstm("f32", 64), target(true)), DType::f16), (std::set<int64_t>{0, 1, 4}));
  EXPECT_EQ(blocks_of(claim(lstm("f32", 256), target(true)), DType::f16), (std::set<int64_t>{0, 4, 8}));
  EXPECT_EQ(blocks_of(claim(lstm("f32", 256), target(true)), DType::none), (std::set<int64_t>{0, 4, 8}));
  EXPECT_EQ(blocks_of(claim(lstm("f32", 1024), target(true)), DType::f16), (std::set<int64_t>{0}));
  TargetInfo ampere = target(true);
  ampere.architecture = 80;
  ampere.shared_memory = 163 << 10;
  EXPECT_EQ(blocks_of(claim(lstm("f32", 64), ampere), DType::f16), (std::set<int64_t>{0, 1}));
  EXPECT_EQ(blocks_of(claim(lstm("f32", 256), ampere), DType::f16), (std::set<int64_t>{0}));
}

TEST(CudaRnn, FewSequencesAreOneTile) {
  for (const Candidate& candidate : claim(lstm("f32", 64, "8"), target(true)).candidates) EXPECT_EQ(params_of(candidate).rows, 8);
}

TEST(CudaRnn, RefusesNamingTheReason) {
  EXPECT_NE(claim(lstm("f64", 8), target(true)).refusal.find("f64"), std::string::npos);
  EXPECT_NE(claim(lstm("f32", 1 << 21), target(true)).refusal.find("hidden units"), std::string::npos);
}

TEST(CudaRnn, TilesKeepARestInRegisters) {
  RnnParams params;
  params.kind = RnnKind::lstm;
  params.hidden = 512;
  constexpr int64_t kShared = 227 << 10;
  const CudaRnnTile tile = rnn_tile(params, 2, 8, 8, kShared);
  EXPECT_EQ(tile.units, 64);
  EXPECT_EQ(tile.warps, 16);
  EXPECT_GT(tile.held, 0);
  EXPECT_LE(tile.shared_bytes, kShared);
  // A GRU whose last gate depends on the others has other fragments in each phase: it holds none.
  params.kind = RnnKind::gru;
  params.hidden = 570;
  EXPECT_GT(rnn_tile(params, 2, 8, 8, kShared).shared_bytes, kShared);
  params.linear_before_reset = 1;
  EXPECT_LE(rnn_tile(params, 2, 8, 8, kShared).shared_bytes, kShared);
  // Nothing to hold: sums only.
  EXPECT_LE(rnn_tile(params, 4, 64, 0, kShared).shared_bytes, 48 << 10);
}

}  // namespace
}  // namespace tenon::testing
