// Which values lie within others' memory, and which must not.
#include "passes/pieces.h"

#include <gtest/gtest.h>

#include "ops/ops.h"
#include "passes/static_values.h"

namespace tenon {
namespace {

Dim as_it_is(const Dim& dim) { return dim; }
Dim batch_of_one(const Dim& dim) { return dim == Dim::symbol("N") ? Dim(1) : dim; }

// A line for each piece: "u of j at 256", by the names of the nodes that make them; then what needs no step. `format`: of what
// nodes make.
std::string pieces_of(const std::string& body, const FixDim& fix = as_it_is, Format format = kLinear) {
  auto graph = parse_graph("graph \"g\" core {\n" + body + "}\n", find_op);
  if (!graph) return graph.error().text();
  for (uint32_t i = 0; format != kLinear && i < graph->value_count(); ++i) {
    TensorType type = graph->value({i}).type;
    if (graph->producer({i})) type.format = format, graph->set_value_type({i}, type);
  }
  const Pieces pieces = find_pieces(*graph, static_values(*graph), fix);
  auto name = [&](ValueId id) { return graph->producer(id) ? graph->producer(id)->name : std::string("?"); };
  std::set<std::string> lines, idle;
  for (const auto& [id, piece] : pieces.values) lines.insert(fmt::format("{} of {} at {}\n", name(id), name(piece.of), piece.offset));
  for (NodeId id : pieces.nodes) idle.insert(graph->node(id).name);
  std::string out;
  for (const std::string& line : lines) out += line;
  for (const std::string& node : idle) out += "no " + node + "\n";
  return out;
}

const std::string kInput = "  input %x: f32[1,16,4,4] \"x\"\n";
// A node that computes: an f32 of the dims, from %x.
std::string made(const std::string& name, const std::string& from = "x", const std::string& dims = "1,16,4,4") {
  return fmt::format("  %{}: f32[{}] = softmax(%{}) {{axis = 1}} @\"{}\"\n", name, dims, from, name);
}
std::string joined(const std::string& name, const std::string& of, const std::string& dims, int axis = 1) {
  return fmt::format("  %{}: f32[{}] = concat({}) {{axis = {}}} @\"{}\"\n", name, dims, of, axis, name);
}
std::string taken(const std::string& name, const std::string& from, int start, int size) {
  return fmt::format("  %{}: f32[1,{},4,4] = slice(%{}) {{sizes = [1, {}, 4, 4], starts = [0, {}, 0, 0], steps = i[1, 1, 1, 1]}} @\"{}\"\n", name,
                     size, from, size, start, name);
}
std::string output(const std::string& name) { return fmt::format("  output %{} \"{}\"\n", name, name); }

TEST(Pieces, PartsAreMadeWhereTheConcatenationLies) {
  EXPECT_EQ(pieces_of(kInput + made("a") + made("b", "a") + joined("j", "%a, %b", "1,32,4,4") + made("y", "j", "1,32,4,4") + output("y")),
            "a of j at 0\nb of j at 1024\nno j\n");
}

TEST(Pieces, AlongTheOutermostDimAlone) {
  EXPECT_EQ(pieces_of(kInput + made("a") + made("b", "a") + joined("j", "%a, %b", "1,16,8,4", 2) + made("y", "j", "1,16,8,4") + output("y")), "");
  const std::string batch = "  input %x: f32[N,16,4,4] \"x\"\n" + made("a", "x", "N,16,4,4") + made("b", "a", "N,16,4,4") +
                            joined("j", "%a, %b", "N,32,4,4") + made("y", "j", "N,32,4,4") + output("y");
  EXPECT_EQ(pieces_of(batch), "") << "N may be 2";
  EXPECT_EQ(pieces_of(batch, batch_of_one), "a of j at 0\nb of j at 1024\nno j\n");
}

TEST(Pieces, NotOfInputsOutputsConstantsOrTwice) {
  const std::string y = made("y", "j", "1,32,4,4") + output("y");
  EXPECT_EQ(pieces_of(kInput + made("a") + joined("j", "%a, %x", "1,32,4,4") + y), "") << "an input of the network";
  EXPECT_EQ(pieces_of(kInput + made("a") + joined("j", "%a, %a", "1,32,4,4") + y), "") << "the same twice";
  EXPECT_EQ(pieces_of(kInput + made("a") + made("b", "a") + joined("j", "%a, %b", "1,32,4,4") + y + output("b")), "") << "an output";
  EXPECT_EQ(pieces_of(kInput + made("a") + made("b", "a") + joined("j", "%a, %b", "1,32,4,4") + output("j")), "") << "an output";
  EXPECT_EQ(pieces_of(kInput + "  constant %c: f32[1,16,4,4] refit \"c\"\n" + made("a") + joined("j", "%a, %c", "1,32,4,4") + y), "")
      << "a constant";
}

TEST(Pieces, OfPartsThatBeginOnALine) {
  EXPECT_EQ(pieces_of("  input %x: f32[1,3] \"x\"\n" + made("a", "x", "1,3") + made("b", "a", "1,3") + joined("j", "%a, %b", "1,6") +
                      made("y", "j", "1,6") + output("y")),
            "");
  EXPECT_EQ(pieces_of("  input %x: f32[1,16] \"x\"\n  input %z: f32[1,3] \"z\"\n" + made("a", "x", "1,16") + made("b", "z", "1,3") +
                      joined("j", "%a, %b", "1,19") + made("y", "j", "1,19") + output("y")),
            "a of j at 0\nb of j at 64\nno j\n")
      << "the last may end anywhere";
}

// Each layer reads all layers before it: one tensor holds them all, and what is read is its beginning.
TEST(Pieces, OfTheLastConcatenationAndThoseBeforeIt) {
  const std::string c = taken("s", "t", 0, 16) + made("c", "s");
  EXPECT_EQ(pieces_of(kInput + made("a") + made("b", "a") + joined("ab", "%a, %b", "1,32,4,4") + made("t", "ab", "1,32,4,4") + c +
                      joined("abc", "%a, %b, %c", "1,48,4,4") + made("y", "abc", "1,48,4,4") + output("y")),
            "a of abc at 0\nab of abc at 0\nb of abc at 1024\nc of abc at 2048\ns of t at 0\nno ab\nno abc\nno s\n");
}

TEST(Pieces, NotOfTwoConcatenationsInAnotherOrder) {
  EXPECT_EQ(pieces_of(kInput + made("a") + made("b", "a") + joined("ba", "%b, %a", "1,32,4,4") + made("t", "ba", "1,32,4,4") +
                      joined("abt", "%a, %b, %t", "1,64,4,4") + made("y", "abt", "1,64,4,4") + output("y")),
            "a of abt at 0\nb of abt at 1024\nt of abt at 2048\nno abt\n")
      << "ba copies";
}

TEST(Pieces, SlicesAreReadWhereTheyLie) {
  EXPECT_EQ(pieces_of(kInput + made("a") + taken("s", "a", 4, 8) + made("y", "s", "1,8,4,4") + output("y")), "s of a at 256\nno s\n");
  EXPECT_EQ(pieces_of(kInput + made("a") + taken("s", "a", 4, 8) + output("s")), "") << "an output";
  EXPECT_EQ(pieces_of(kInput + taken("s", "x", 4, 8) + made("y", "s", "1,8,4,4") + output("y")), "") << "of an input";
}

// Split in two, one half computed further, all put together: the halves are the tensor that was split.
TEST(Pieces, SlicesThatMakeUpTheWholeAreIt) {
  const std::string split = kInput + made("a") + taken("p", "a", 0, 8) + taken("q", "a", 8, 8) + made("r", "q", "1,8,4,4");
  EXPECT_EQ(pieces_of(split + joined("j", "%p, %q, %r", "1,24,4,4") + made("y", "j", "1,24,4,4") + output("y")),
            "a of j at 0\np of j at 0\nq of j at 512\nr of j at 1024\nno j\nno p\nno q\n");
  EXPECT_EQ(pieces_of(split + joined("j", "%p, %r", "1,16,4,4") + made("y", "j") + output("y")), "p of a at 0\nq of a at 512\nno p\nno q\n")
      << "j copies: p is read of a";
}

// Slices that make up all of a value, joined to all of another one whose dims differ: only in order is that the same memory.
TEST(Pieces, AllOfAValueUnderOtherDims) {
  auto turned = [](Format format, const std::string& all, const std::string& half, const std::string& other, int axis) {
    auto node = [](const std::string& name, const std::string& dims, const std::string& call) {
      return fmt::format("  %{0}: f32[{1}] = {2} @\"{0}\"\n", name, dims, call);
    };
    auto part = [&](const char* name, int start) {
      return node(name, half, fmt::format("slice(%a) {{sizes = [{}], starts = [{}, 0, 0, 0], steps = i[1, 1, 1, 1]}}", half, start));
    };
    return pieces_of("  input %x: f32[" + all + "] \"x\"\n" + made("a", "x", all) + part("p", 0) + part("q", 1) + joined("j", "%p, %q", other, axis) +
                         made("y", "j", other) + output("y"),
                     as_it_is, format);
  };
  EXPECT_EQ(turned(kChannelsLast, "2,64,1,1", "1,64,1,1", "1,128,1,1", 1), "p of a at 0\nq of a at 256\nno p\nno q\n");
  EXPECT_EQ(turned(kChannelsLast, "2,32,1,4", "1,32,1,4", "1,32,2,4", 2), "p of a at 0\nq of a at 512\nno p\nno q\n");
  EXPECT_EQ(turned(blocked(16), "2,32,4,4", "1,32,4,4", "1,64,4,4", 1), "p of a at 0\nq of a at 2048\nno p\nno q\n");
  EXPECT_EQ(turned(kLinear, "2,64,1,1", "1,64,1,1", "1,128,1,1", 1), "j of a at 0\np of a at 0\nq of a at 256\nno j\nno p\nno q\n");
}

TEST(Pieces, BlocksOfChannelsAreNotCut) {
  auto in_blocks = [](int first, int second) {
    return pieces_of(fmt::format("  input %x: f32[1,{0},4,4] \"x\"\n  input %z: f32[1,{1},4,4] \"z\"\n"
                                 "  %a: f32[1,{0},4,4] c16 = reformat(%x) {{format = \"c16\"}} @\"a\"\n"
                                 "  %b: f32[1,{1},4,4] c16 = reformat(%z) {{format = \"c16\"}} @\"b\"\n"
                                 "  %j: f32[1,{2},4,4] c16 = concat(%a, %b) {{axis = 1}} @\"j\"\n"
                                 "  %y: f32[1,{2},4,4] = reformat(%j) {{format = \"linear\"}} @\"y\"\n  output %y \"y\"\n",
                                 first, second, first + second));
  };
  EXPECT_EQ(in_blocks(16, 32), "a of j at 0\nb of j at 1024\nno j\n");
  EXPECT_EQ(in_blocks(16, 20), "a of j at 0\nb of j at 1024\nno j\n");
  EXPECT_EQ(in_blocks(24, 24), "");
  EXPECT_EQ(in_blocks(24, 27), "") << "as many blocks as the whole, but cut elsewhere";
}

}  // namespace
}  // namespace tenon
