#include "cli/text.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace tenon::cli {
namespace {

// Levenshtein's distance with one row.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// "1x3x224" into dims; false where it is something else.
bool parse_dims(std::string_view text, std::vector<int64_t>& dims) {
  if (text.empty()) return true;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || value < 0) return false;
    dims.push_back(value);
    if (next == end) return true;
    if (*next != 'x' && *next != 'X') return false;
    at = next + 1;
  }
}

std::string three_digits(double value, const char* unit) {
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, unit);
}

}  // namespace

Expected<Shapes> parse_shapes(std::string_view flag, std::string_view text) {
  Shapes shapes;
  size_t begin = 0;
  while (begin < text.size()) {
    // A comma ends an entry only where dims came before it: names may hold commas too.
    size_t end = begin;
    std::vector<int64_t> dims;
    size_t colon = std::string_view::npos;
    while (true) {
      end = std::min(text.find(',', end), text.size());
      const std::string_view entry = text.substr(begin, end - begin);
      colon = entry.rfind(':');
      dims.clear();
      if (colon != std::string_view::npos && colon > 0 && parse_dims(entry.substr(colon + 1), dims)) break;
      if (end == text.size())
        return fail(kExitUsage,
                    "{}: \"{}\" is not NAME:DIMS, such as image:1x3x224x224 (entries separated by commas)",
                    flag, entry);
      ++end;
    }
    const std::string name(text.substr(begin, colon));
    if (!shapes.emplace(name, dims).second) return fail(kExitUsage, "{}: \"{}\" is given twice", flag, name);
    begin = end + 1;
  }
  return shapes;
}

std::string shape_text(const std::vector<int64_t>& dims) {
  if (dims.empty()) return "scalar";
  std::string out;
  for (int64_t dim : dims)
    out += (out.empty() ? "" : "x") + (dim < 0 ? std::string("?") : std::to_string(dim));
  return out;
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& candidates) {
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, typed.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(typed, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? fmt::format(", did you mean \"{}\"?", *best) : "";
}

std::string bytes_text(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  if (bytes < 1000000) return three_digits(static_cast<double>(bytes) / 1e3, "kB");
  if (bytes < 1000000000) return three_digits(static_cast<double>(bytes) / 1e6, "MB");
  return three_digits(static_cast<double>(bytes) / 1e9, "GB");
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return three_digits(seconds * 1e6, "µs");
  if (seconds < 1) return three_digits(seconds * 1e3, "ms");
  return three_digits(seconds, "s");
}

}  // namespace tenon::cli
