// A tactic: one way to compute one op on a device. It claims a node, or refuses with a reason, without computing,
// compiling or allocating anything; what it claims is then timed against the other claims.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// Values of the symbols for which candidates are timed: the profile's opt.
using SymbolValues = std::map<std::string, int64_t, std::less<>>;

// What tactics may ask about the machine that the plan is for.
struct TargetInfo {
  std::string device = "cpu";     // kind of the device: "cpu", "cuda"
  uint32_t cpu_features = 0;      // CpuFeature bits
  int threads = 1;
  int64_t l2 = 1 << 20, l3 = 0;   // bytes of its caches
  std::string onednn;             // version of the loaded module; empty: not there

  // Of a CUDA device.
  int architecture = 0;           // 90 for sm_90
  int multiprocessors = 0;
  int64_t shared_memory = 0;      // bytes that one block may have
  // Precisions that f32 work may use besides f32.
  bool allow_tf32 = false, allow_f16 = false, allow_bf16 = false;
  // Where candidates will be timed, so that the likely ones come first; they must be valid for every value. Null: unknown.
  const SymbolValues* typical = nullptr;
};

// How a candidate wants an input, or gives an output. The element type is the node's own where none is named; f32
// tensors may be stored as f16 or bf16 where the target allows it.
struct Form {
  DType dtype = DType::none;
  Format format;

  Form() = default;
  Form(Format f) : format(f) {}
  Form(DType d, Format f) : dtype(d), format(f) {}
  friend bool operator==(const Form&, const Form&) = default;
};
// "linear", "f16 nhwc".
std::string name_of(const Form& form);

// A constant input that the kernel wants in another form: becomes a `pack` node, folded when the plan is made and
// rerun by a refit.
struct Pack {
  uint32_t input = 0;             // of the node
  KernelCall call;                // takes that input (linear), gives u8[bytes]
  int64_t bytes = 0;
};

struct Candidate {
  std::string config;             // names the variant within the tactic: part of the timing key; "" if only one
  // How products are computed where that is not in the type of input 0: "tf32", "bf16"; else "".
  std::string_view math = {};
  KernelCall call;
  std::vector<Form> inputs;       // per input; of packed inputs ignored
  std::vector<Form> outputs;
  std::vector<Pack> packs;
};

struct Claim {
  std::vector<Candidate> candidates;
  std::string refusal;            // why there is none: names the limit and the value met

  static Claim refuse(std::string reason) { return {{}, std::move(reason)}; }
};

struct Tactic {
  std::string_view name;          // "matmul_packed"
  std::string_view op;            // the op it computes; "" for every op
  Claim (*claim)(NodeView node, const TargetInfo& target);
  std::string_view device = "cpu"; // whose kernels it names
  bool last_resort = false;       // asked only where no other tactic of the op stands
  // The node's types may hold symbols: a candidate must be valid for every value that they can take.
};

// In the order of tactics.def. The reference tactic, which claims every node that has a reference kernel, comes last.
std::span<const Tactic* const> all_tactics();

}  // namespace tenon
