// Regular expressions of RE2's syntax that match a whole text. Pike's simulation of Thompson's automaton: the time is the
// text's length times the pattern's at most, whatever they are.
//
// Known: literals, ., classes ([a-z], [^a-z], [[:alpha:]], \d \s \w \D \S \W), | * + ? {n} {n,} {n,m} and their lazy forms,
// groups (capturing or not, named), flags (?imsU), ^ $ \A \z \b \B, escapes of controls, \x, octals, \Q…\E. Refused by name:
// classes of Unicode (\p), \C, and what RE2 has not: backreferences, looking around, possessive repetition.
//
// (Debian's RE2 is no part of the library: its archive is not made for shared objects, and its shared object would be one
// more C++ library in the caller's process.)
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tenon {

class Regex {
 public:
  // Repetitions are up to kMostRepeats; all together the pattern may need up to kMostInstructions.
  static constexpr int kMostRepeats = 1000, kMostNesting = 500;
  static constexpr size_t kMostInstructions = 1 << 17;

  // Fails naming what is wrong and at which byte of the pattern, which must be UTF-8.
  static Result<Regex> compile(std::string_view pattern);

  // Memory that matches work in; may be kept from one to the next.
  struct Threads {
    std::vector<uint32_t> now, next, stack;
    std::vector<uint32_t> seen;  // by instruction: the step at which it was added last
  };
  // Bytes that are no UTF-8 match nothing.
  bool matches(std::string_view text, Threads& threads) const;

 private:
  friend class RegexCompiler;
  enum class Op : uint8_t { one, any_of, jump, split, begin, end, line_begin, line_end, word, no_word, match };
  struct Instruction {
    Op op;
    uint32_t a = 0, b = 0;  // a character, a class's number, or where to go on
  };
  using Class = std::vector<std::pair<uint32_t, uint32_t>>;  // ranges, sorted and apart
  static bool holds(const Class& set, uint32_t character);

  std::vector<Instruction> code_;
  std::vector<Class> classes_;
};

}  // namespace tenon
