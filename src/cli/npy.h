// NumPy's .npy files (format versions 1 to 3, C order, little endian), after numpy.lib.format's
// documentation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/failure.h"

namespace tenon::cli {

struct Array {
  std::string descr;  // NumPy's type string: "<f4", "|i1", "|b1", "|V2" (bfloat16, as ml_dtypes writes it)
  std::vector<int64_t> shape;
  std::vector<unsigned char> bytes;

  int64_t count() const;
};

// Fails with the file's name and what was wrong with it; the element count is checked before anything is
// allocated.
Expected<Array> read_npy(const std::string& path);
Expected<void> write_npy(const std::string& path, const Array& array);

// Bytes of one element of a type string, 0 for one that is not read here.
size_t npy_item_size(const std::string& descr);

}  // namespace tenon::cli
