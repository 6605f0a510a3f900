// A plan in memory: what the writer serialises, the loader verifies and the runtime executes. Plain data;
// knows no IR.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/format.h"
#include "base/status.h"

namespace tenon::plan {

// The machine that a plan was built for. A plan whose target differs from the loading machine's is refused,
// naming the first difference; another thread count only warns.
struct Target {
  std::string device;         // "cpu", "cuda"
  uint32_t cpu_features = 0;  // CpuFeature bits that the plan's kernels need
  std::string
      libraries;  // versions that packed layouts depend on, e.g. "onednn 2.6.3"; empty if none is used
  int32_t threads = 1;
  std::string architecture;   // that the plan's kernel images are compiled for: "sm_90a"; empty on the CPU
  std::string product;        // that kernels were timed on: another one of the same architecture only warns
};

// Expressions over symbols, in evaluation order: operands come before their use. Evaluated once per shape
// change.
enum class DimOp : uint8_t { constant, symbol, add, sub, mul, floordiv, ceildiv, mod, max, min, broadcast };
struct DimExpr {
  DimOp op = DimOp::constant;
  int64_t value = 0;      // of a constant; a symbol's index
  uint32_t a = 0, b = 0;  // earlier entries of the table
};

// A symbol's value comes from an input's dim, or from a step of each profile's region (Step::found), or of a body in it,
// where alone it is then known.
struct Symbol {
  std::string name;
};

enum class ValueKind : uint8_t {
  arena = 0,   // lives in the context's arena at `offset`
  weight = 1,  // `index` into Plan::weights
  input = 2,   // `index` into Plan::inputs; the user's memory
  output = 3,  // `index` into Plan::outputs; the user's memory
  absent = 4,  // an optional kernel input that is not there
  found = 8,   // lives in memory that the context takes in the run, as large as the value is then
  // Reserved, refused by this version's verifier: string, sequence, optional.
  string = 5,
  sequence = 6,
  optional = 7,
};

// A tensor of a region. A view is another value's memory under other dims (a reshape): `view_of` names an
// earlier value that is no view; kind, dtype, index, offset and max_bytes equal that value's, both are linear
// unless their dims are equal, and the bytes agree at every shape. Reading or writing a view is reading or
// writing the value.
//
// A piece is a view of some of an arena value's memory: offset and max_bytes are its own, within that value's, the formats
// are equal, and at every shape the piece, and that value, needs max_bytes, rounded up to 64. A value may be written piece by
// piece; what is read of it has been written. Whoever makes a plan sees to it that the pieces lie where they belong.
//
// Arena values whose lives (first written to last read, through any view) touch in one step only may share
// memory when the later one is that step's output 0, and offset and max_bytes are equal: the step then runs
// in place, which its kernel must allow; neither input nor output 0 is a piece then. All others that live at the same time lie apart. At most one value
// that is no view stands for each input, output and weight. Inputs, outputs and sources are linear.
//
// `format.place` says in which memory a value lies: the device's, or the host's, which has an arena of its own.
// Inputs and outputs lie on the device, but for those of strings: every tensor of strings lies on the host. In a refit program, which runs on the host, no value has a place.
inline constexpr uint32_t kNoView = UINT32_MAX;
struct Value {
  ValueKind kind = ValueKind::arena;
  DType dtype = DType::none;
  Format format;
  std::vector<uint32_t> dims;  // entries of Plan::dims, logical order
  uint32_t index = 0;
  uint64_t offset = 0;     // arena: multiple of 64
  uint64_t max_bytes = 0;  // arena: bytes reserved; the value never needs more within the profile
  uint32_t view_of = kNoView;
};

// An int64 of a step's parameters that the context overwrites with a dim at each shape change.
struct DimParam {
  uint32_t offset = 0;  // bytes; multiple of 8, offset + 8 within the parameters
  uint32_t dim = 0;
};

struct Region;

// A step that runs regions: the runtime itself drives it, no kernel does. All its tensors are linear, and lie on the device
// but for the last two.
//
// loop: inputs are the initial values of what it carries, then what the body captures; outputs the final values, the scan
// outputs, the workspace and the host's workspace (u8 vectors in the arenas, or absent), and the sizes if the step finds
// some: how many iterations there were. The body's inputs are the carried values and what it captures, its outputs the next
// ones and a slice of each scan output.
// branch: inputs are what the first body captures, then the second's, which are the bodies' inputs; outputs what they both
// compute, the workspaces, the sizes. The first body runs if `selector` is not 0.
//
// The workspaces hold the bodies' arenas, then what the loop carries from one iteration to the next.
enum class ControlKind : uint8_t { none = 0, loop = 1, branch = 2 };
inline constexpr uint32_t kNoSymbol = UINT32_MAX;
inline constexpr int kMostNested = 16;  // regions within each other

struct Control {
  ControlKind kind = ControlKind::none;
  uint32_t selector = 0;            // entry of Plan::dims: how many iterations at most, or which branch
  uint32_t condition = kNoSymbol;   // of a loop: the symbol that the body finds, which is 0 when no iteration follows
  uint32_t split = 0;               // of a loop: how many values it carries; of a branch: how many inputs the first body has
  std::vector<uint32_t> reversed;   // of a loop, for each scan output: 1 if it is filled from its end
  std::vector<uint32_t> sizes[2];   // of a branch: what the step finds, by body; entries of Plan::dims

  friend bool operator==(const Control&, const Control&) = default;
};

struct Step {
  std::string kernel;
  std::vector<std::byte> params;
  std::vector<DimParam> dim_params;
  std::vector<uint32_t> inputs, outputs;  // values of the region
  std::string name;                       // for profiles and messages
  std::vector<uint32_t> origins;          // entries of Plan::origins that this step computes
  // Symbols whose values the step's last output holds when it has run: an i64 vector in the host's memory, an element for
  // each. Steps behind it may have dims that depend on them.
  std::vector<uint32_t> found;
  Control control;
  std::vector<Region> bodies;  // of a loop one, of a branch two; their steps' names lie within this step's
};

// Steps in order over one table of values. Every arena and output value is written by exactly one step, or each of its pieces by
// one, before it is read; inputs and weights by none. Every one of the plan's outputs is written. The region of a
// step's body has the step's tensors for inputs and outputs.
struct Region {
  std::vector<Value> values;
  std::vector<Step> steps;
  uint64_t arena_bytes = 0;
  uint64_t host_arena_bytes = 0;
};

// Whether tensors of strings are among its values, or those of regions that its steps run.
inline bool holds_strings(const Region& region) {
  for (const Value& value : region.values)
    if (value.dtype == DType::string) return true;
  for (const Step& step : region.steps)
    for (const Region& body : step.bodies)
      if (holds_strings(body)) return true;
  return false;
}

// The ranges of the symbols for which a profile's region is valid, by symbol index.
inline constexpr int64_t kNoBound = int64_t{1} << 40;  // a symbol whose max is not below it has none
struct Range {
  int64_t min = 1, opt = 1, max = 1;
};
struct Profile {
  std::string name;
  std::vector<Range> symbols;
  Region region;
};

// A tensor at the network's boundary. Dims are entries of Plan::dims, evaluated like any other; an input's
// dim that is a plain symbol binds it.
struct Binding {
  std::string name;
  DType dtype = DType::none;
  std::vector<uint32_t> dims;
};

// Those of strings hold them packed (base/text.h), which says how many bytes there are; the engine makes the views. No
// refit source is of strings, and no value of a refit program.
struct Weight {
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  Format format;
  uint64_t offset = 0;  // in the weights section: the end of the weight before, rounded up to 64
  uint64_t bytes = 0;
  uint64_t hash = 0;  // XXH3-64 of the bytes
};

// A tensor that the user may set when refitting.
struct RefitSource {
  std::string name;
  DType dtype = DType::none;
  std::vector<int64_t> dims;
};

// A source whose value decided something at build time: only an equal value is taken. Several pins may name
// one source.
struct Pin {
  std::string name;  // of one of Plan::sources (which may have no program)
  std::string reason;
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  std::vector<std::byte> value;
};

// Computes weights from sources: the folded sub-graph, run on `device` at build time and again at refit. The
// region's values: input i is Plan::sources[program.sources[i]], output i is
// Plan::weights[program.weights[i]], a `weight` value is a literal that no refit changes. All dims are
// constant. A program of one source and one weight whose region has neither values nor steps copies: source
// and weight have equal types and dims, and the weight is linear. No weight is computed by two programs.
struct RefitProgram {
  std::string device = "cpu";
  std::vector<uint32_t> sources;
  std::vector<uint32_t> weights;
  Region region;
};

// Compiled code of generated kernels, which ask for it by key.
struct Image {
  uint64_t key = 0;     // ascending
  uint64_t offset = 0;  // in the images section: the end of the image before, rounded up to 64
  uint64_t bytes = 0;
};

struct Plan {
  std::string network;
  Target target;
  std::vector<Symbol> symbols;
  std::vector<DimExpr> dims;
  std::vector<Binding> inputs, outputs;
  std::vector<Profile> profiles;
  std::vector<Weight> weights;
  std::vector<RefitSource> sources;
  std::vector<RefitProgram> programs;
  std::vector<Pin> pins;
  std::vector<std::pair<std::string, std::string>> origins;  // node name, op type
  std::vector<Image> images;

  // The raw sections; owned elsewhere (the builder's buffer, or the engine's copy of the file).
  std::span<const std::byte> weight_bytes;
  std::span<const std::byte> image_bytes;
};

}  // namespace tenon::plan
