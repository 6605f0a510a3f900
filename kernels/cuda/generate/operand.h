// How generated code reads and writes the tensors of an expression program in its innermost loop.
#pragma once

#include <string>
#include <vector>

#include "base/program.h"
#include "cuda/generate/source.h"

namespace tenon::cuda {

// One tensor of a kernel: a typed pointer `name` and its steps over the loops of a space.
struct Operand {
  std::string name;
  DType storage = DType::none;
  Steps steps;
  std::string base;   // an expression that is added to every offset; "" for none
};

// The operand's offset over loops [first, last).
std::string offset_of(Source& source, const Operand& operand, int first, int last, const std::string& prefix);

// Declares pointers to inputs and outputs: "const f16* x0 = (const f16*)a.p[0];"
std::string declare_input(Source& source, const std::string& name, DType storage, size_t input);
std::string declare_output(Source& source, const std::string& name, DType storage, size_t output);

// Operands of one program whose innermost loop takes `width` elements at a time. An operand that does not step there is
// read once, one that steps by 1 as vectors, others an element at a time.
class Reads {
 public:
  Reads(std::vector<Operand> operands, int inner, int width);

  const std::vector<Operand>& operands() const { return operands_; }
  // Lines that read into variables named after the operands and `suffix`; `offset(k)` is operand k's offset.
  template <class F>
  std::string load(Source& source, const std::string& suffix, F&& offset) const {
    std::string out;
    for (size_t k = 0; k < operands_.size(); ++k) out += load_one(source, k, suffix, offset(k));
    return out;
  }
  // The arguments of the program for element `e` of the vector: "get(lx0.e[e]), get(lx1)".
  std::string arguments(const std::string& suffix, const std::string& e) const;
  std::string argument(size_t k, const std::string& suffix, const std::string& e) const;
  // Conjunction that says whether the vectors are aligned; `more` are names of other pointers that must be.
  std::string alignment(const std::vector<std::string>& more) const;
  bool repeats(size_t k) const;

 private:
  std::string load_one(Source& source, size_t k, const std::string& suffix, const std::string& offset) const;
  const Extent& step(size_t k) const;
  std::vector<Operand> operands_;
  int inner_, width_;
};

// The widest vector, a power of two, with which every operand that steps by 1 in loop `inner` can be read: 16 bytes of
// the smallest element, at most 32 of the largest. `any_length`: the caller handles an end that is no whole vector.
int vector_width(const Space& space, const std::vector<Operand>& operands, int inner, bool any_length);

}  // namespace tenon::cuda
