// Parameters of the kernels on strings. What they take of texts (patterns, delimiters, words) are inputs.
#pragma once

#include <cstdint>

namespace tenon {

// x [m], words [k] (sorted) → x without the words, in the wanted case: [max(m, 1)], of which the first hold; i64[1].
struct StringNormalizeParams {
  int64_t letter_case = 0;     // 0 as it is, 1 lower, 2 upper
  int64_t case_sensitive = 0;  // 0: words and elements are compared in lower case; words are
};

// x, delimiter [1] → i64 pieces of each element, i64[1] the most of all (string_split_counts);
// x, delimiter [1], those counts → pieces [x…, most], the others of each row empty (string_split).
struct StringSplitParams {
  int64_t most_splits = -1;    // -1: no bound; the last piece is what is left
};

}  // namespace tenon
