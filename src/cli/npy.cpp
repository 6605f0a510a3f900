#include "cli/npy.h"

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace tenon::cli {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

constexpr unsigned char kMagic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
constexpr size_t kMaxHeader = 1 << 20;

// The text after "'key':" in the header's dictionary, up to the end of the header; "" where the key is
// missing.
std::string value_of(const std::string& header, const std::string& key) {
  const size_t at = header.find("'" + key + "'");
  if (at == std::string::npos) return "";
  size_t from = header.find(':', at);
  if (from == std::string::npos) return "";
  ++from;
  while (from < header.size() && header[from] == ' ') ++from;
  return header.substr(from);
}

// "(2, 3,)" into {2, 3}; false where it is not a tuple of non-negative integers.
bool parse_tuple(const std::string& text, std::vector<int64_t>& out) {
  if (text.empty() || text[0] != '(') return false;
  size_t i = 1;
  while (i < text.size()) {
    if (text[i] == ' ' || text[i] == ',') {
      ++i;
    } else if (text[i] == ')') {
      return true;
    } else if (std::isdigit(static_cast<unsigned char>(text[i]))) {
      int64_t value = 0;
      for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])); ++i)
        if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
            __builtin_add_overflow(value, int64_t{text[i] - '0'}, &value))
          return false;
      if (i < text.size() && text[i] == 'L') ++i;
      out.push_back(value);
    } else {
      return false;
    }
  }
  return false;
}

}  // namespace

int64_t Array::count() const {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  return n;
}

size_t npy_item_size(const std::string& descr) {
  static const char* const known[] = {"|b1", "|i1", "|u1", "<i1", "<u1", "<i2", "<u2", "<f2",
                                      "|V2", "<V2", "<i4", "<u4", "<f4", "<i8", "<u8", "<f8"};
  for (const char* name : known)
    if (descr == name) return static_cast<size_t>(name[2] - '0');
  return 0;
}

Expected<Array> read_npy(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) return fail(kExitInput, "cannot open {}: {}", path, std::strerror(errno));

  unsigned char start[8];
  if (std::fread(start, 1, 8, file.get()) != 8 || std::memcmp(start, kMagic, 6) != 0)
    return fail(kExitInput, "{} is no .npy file: it does not begin with \\x93NUMPY", path);
  const int major = start[6];
  if (major < 1 || major > 3)
    return fail(kExitInput, "{}: .npy format version {} is not known (1 to 3 are)", path, major);

  unsigned char length_bytes[4] = {};
  const size_t length_size = major == 1 ? 2 : 4;
  if (std::fread(length_bytes, 1, length_size, file.get()) != length_size)
    return fail(kExitInput, "{} ends within its header", path);
  size_t length = 0;
  for (size_t i = 0; i < length_size; ++i) length |= size_t{length_bytes[i]} << (8 * i);
  if (length > kMaxHeader)
    return fail(kExitInput, "{}: a header of {} bytes is beyond the limit of {}", path, length, kMaxHeader);
  std::string header(length, '\0');
  if (std::fread(header.data(), 1, length, file.get()) != length)
    return fail(kExitInput, "{} ends within its header", path);

  Array array;
  const std::string descr = value_of(header, "descr");
  const size_t quote = descr.empty() ? std::string::npos : descr.find(descr[0], 1);
  if (quote == std::string::npos || (descr[0] != '\'' && descr[0] != '"'))
    return fail(kExitInput, "{}: the header has no plain 'descr'", path);
  array.descr = descr.substr(1, quote - 1);
  const size_t item = npy_item_size(array.descr);
  if (item == 0)
    return fail(kExitInput,
                "{}: elements of type {} are not read here; little-endian integers, floats and bools are",
                path, array.descr);
  if (value_of(header, "fortran_order").compare(0, 5, "False") != 0)
    return fail(kExitInput, "{} is in Fortran order; save it with numpy.ascontiguousarray first", path);
  if (!parse_tuple(value_of(header, "shape"), array.shape))
    return fail(kExitInput, "{}: the header's 'shape' is no tuple of non-negative integers", path);

  int64_t bytes = static_cast<int64_t>(item);
  for (int64_t dim : array.shape)
    if (__builtin_mul_overflow(bytes, dim, &bytes))
      return fail(kExitInput, "{}: its shape overflows 64 bits", path);
  const long data_at = std::ftell(file.get());
  std::fseek(file.get(), 0, SEEK_END);
  const long end = std::ftell(file.get());
  if (data_at < 0 || end - data_at != bytes)
    return fail(kExitInput, "{} holds {} bytes of data where its shape asks for {}", path, end - data_at,
                bytes);
  std::fseek(file.get(), data_at, SEEK_SET);
  array.bytes.resize(static_cast<size_t>(bytes));
  if (bytes > 0 && std::fread(array.bytes.data(), 1, array.bytes.size(), file.get()) != array.bytes.size())
    return fail(kExitInput, "cannot read {}: {}", path, std::strerror(errno));
  return array;
}

Expected<void> write_npy(const std::string& path, const Array& array) {
  std::string shape = "(";
  for (size_t i = 0; i < array.shape.size(); ++i)
    shape +=
        std::to_string(array.shape[i]) + (array.shape.size() == 1 || i + 1 < array.shape.size() ? ", " : "");
  if (array.shape.size() == 1) shape.pop_back();
  std::string header = "{'descr': '" + array.descr + "', 'fortran_order': False, 'shape': " + shape + "), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';

  File file(std::fopen(path.c_str(), "wb"));
  if (!file) return fail(kExitOutput, "cannot write {}: {}", path, std::strerror(errno));
  unsigned char start[10] = {};
  std::memcpy(start, kMagic, 6);
  start[6] = 1;
  start[8] = static_cast<unsigned char>(header.size() & 0xff);
  start[9] = static_cast<unsigned char>(header.size() >> 8);
  bool ok = std::fwrite(start, 1, 10, file.get()) == 10;
  ok = ok && std::fwrite(header.data(), 1, header.size(), file.get()) == header.size();
  ok = ok && (array.bytes.empty() ||
              std::fwrite(array.bytes.data(), 1, array.bytes.size(), file.get()) == array.bytes.size());
  if (std::fclose(file.release()) != 0 || !ok)
    return fail(kExitOutput, "cannot write {}: {}", path, std::strerror(errno));
  return {};
}

}  // namespace tenon::cli
