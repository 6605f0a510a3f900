// The attributes that ONNX's operators have, and whether a node's are among them.
#include <algorithm>
#include <iterator>

#include "ops/ops.h"

namespace tenon {
namespace {

struct Line {
  std::string_view op_type;  // "Add"; with its domain, unless that is ai.onnx: "ai.onnx.ml.Scaler"
  int since;
  std::string_view attributes;  // "axis:i keepdims:i"
};

constexpr Line kLines[] = {
#define TN_ONNX_ATTRIBUTES(op_type, since, attributes) {#op_type, since, attributes},
#include "ops/onnx_attributes.def"
#undef TN_ONNX_ATTRIBUTES
};
static_assert(std::is_sorted(std::begin(kLines), std::end(kLines), [](const Line& a, const Line& b) {
  return a.op_type != b.op_type ? a.op_type < b.op_type : a.since < b.since;
}));

// The line that holds; before the operator's first op set, which models of some exporters use, its first. nullptr:
// no line names the operator.
const Line* find_line(std::string_view op_type, int64_t version) {
  const Line* line = std::lower_bound(std::begin(kLines), std::end(kLines), op_type,
                                      [](const Line& l, std::string_view wanted) { return l.op_type < wanted; });
  if (line == std::end(kLines) || line->op_type != op_type) return nullptr;
  while (line + 1 != std::end(kLines) && line[1].op_type == op_type && line[1].since <= version) ++line;
  return line;
}

struct Known {
  std::string_view name;
  char type;
};

std::vector<Known> known_of(const Line& line) {
  std::vector<Known> out;
  for (std::string_view rest = line.attributes; !rest.empty();) {
    const size_t colon = rest.find(':');
    out.push_back({rest.substr(0, colon), rest[colon + 1]});
    rest.remove_prefix(std::min(rest.size(), colon + 3));
  }
  return out;
}

// '?': a kind that no attribute of a model has.
char type_of(const Attr& attr) {
  struct {
    char operator()(int64_t) const { return 'i'; }
    char operator()(double) const { return 'f'; }
    char operator()(const std::string&) const { return 's'; }
    char operator()(const std::shared_ptr<const Constant>&) const { return 't'; }
    char operator()(const std::vector<int64_t>&) const { return 'I'; }
    char operator()(const std::vector<double>&) const { return 'F'; }
    char operator()(const std::vector<std::string>&) const { return 'S'; }
    char operator()(const GraphPtr&) const { return 'g'; }
    char operator()(const Shape&) const { return '?'; }
    char operator()(DType) const { return 'y'; }
    char operator()(const Program&) const { return '?'; }
  } letter;
  return std::visit(letter, attr);
}

std::string_view type_name(char type) {
  switch (type) {
    case 'i': return "an integer";
    case 'f': return "a float";
    case 's': return "a text";
    case 't': return "a tensor";
    case 'g': return "a graph";
    case 'p': return "a sparse tensor";
    case 'y': return "a type";
    case 'I': return "a list of integers";
    case 'F': return "a list of floats";
    case 'S': return "a list of texts";
    case 'T': return "a list of tensors";
    case 'G': return "a list of graphs";
    case 'P': return "a list of sparse tensors";
    case 'Y': return "a list of types";
    default: return "of no type that a model has";
  }
}

std::string list(const std::vector<Known>& known) {
  if (known.empty()) return "none";
  std::string out;
  for (const Known& k : known) out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", k.name, type_name(k.type));
  return out;
}

}  // namespace

std::vector<std::string> onnx_attribute_problems(std::string_view domain, std::string_view op_type, int64_t version,
                                                 const Attrs& attrs) {
  std::vector<std::string> out;
  if (attrs.size() == 0) return out;
  const Line* line = domain.empty() || domain == "ai.onnx" ? find_line(op_type, version)
                                                           : find_line(fmt::format("{}.{}", domain, op_type), version);
  if (!line) return out;
  const std::vector<Known> known = known_of(*line);
  for (const auto& [name, attr] : attrs) {
    if (name.starts_with("__")) continue;
    const char type = type_of(attr);
    auto it = std::find_if(known.begin(), known.end(), [&, &name = name](const Known& k) { return k.name == name; });
    if (it == known.end())
      out.push_back(fmt::format("{} has no attribute '{}' ({}) in op set {}; it has {}", op_type, name,
                                type_name(type), version, list(known)));
    else if (it->type != type)
      out.push_back(fmt::format("attribute '{}' is {}; in op set {} {} takes {}", name, type_name(type), version,
                                op_type, type_name(it->type)));
  }
  return out;
}

}  // namespace tenon
