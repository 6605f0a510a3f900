#include "fuzz/onnx_mutator.h"

#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace tenon::fuzz {
namespace {

enum class Kind {
  leaf,
  model,
  graph,
  node,
  attribute,
  tensor,
  value,
  type,
  tensor_type,
  shape,
  dim,
  opset,
  function
};

struct Child {
  Kind parent;
  uint64_t number;
  Kind kind;
};

// Which fields of onnx.proto are messages that are followed.
constexpr Child kChildren[] = {
    {Kind::model, 7, Kind::graph},      {Kind::model, 8, Kind::opset},
    {Kind::model, 25, Kind::function},  {Kind::graph, 1, Kind::node},
    {Kind::graph, 5, Kind::tensor},     {Kind::graph, 11, Kind::value},
    {Kind::graph, 12, Kind::value},     {Kind::graph, 13, Kind::value},
    {Kind::node, 5, Kind::attribute},   {Kind::attribute, 5, Kind::tensor},
    {Kind::attribute, 6, Kind::graph},  {Kind::value, 2, Kind::type},
    {Kind::type, 1, Kind::tensor_type}, {Kind::tensor_type, 2, Kind::shape},
    {Kind::shape, 1, Kind::dim},        {Kind::function, 7, Kind::node},
    {Kind::function, 9, Kind::opset},
};

constexpr uint64_t kNodeInput = 1, kNodeOutput = 2, kNodeOp = 4, kNodeAttribute = 5;
constexpr uint64_t kTensorRaw = 9, kAttributeInts = 8;

struct Operator {
  std::string_view name, attributes;
};

constexpr Operator kOperators[] = {
#define TN_ONNX_ATTRIBUTES(name, since, attributes) {#name, attributes},
#include "ops/onnx_attributes.def"
#undef TN_ONNX_ATTRIBUTES
};

constexpr std::string_view kWords[] = {
    "SAME_UPPER", "SAME_LOWER", "VALID",         "nearest",       "linear",     "cubic",     "reflect",
    "edge",       "wrap",       "bidirectional", "align_corners", "half_pixel", "floor",     "add",
    "mul",        "tanh",       "LEFT",          "CRD",           "sum",        "ij,jk->ik", "bii->b"};

struct Field {
  uint64_t number = 0, wire = 0;
  uint64_t value = 0;  // wires 0, 1, 5
  std::string bytes;   // wire 2, of a leaf
  Kind kind = Kind::leaf;
  std::vector<Field> fields;  // wire 2, of a message
};

Kind child_of(Kind parent, uint64_t number) {
  for (const Child& child : kChildren)
    if (child.parent == parent && child.number == number) return child.kind;
  return Kind::leaf;
}

bool read_varint(std::string_view& from, uint64_t& out) {
  out = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (from.empty()) return false;
    const auto byte = static_cast<uint8_t>(from[0]);
    from.remove_prefix(1);
    out |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

std::optional<std::vector<Field>> parse(std::string_view from, Kind kind, int depth) {
  constexpr int kMostDepth = 12;
  std::vector<Field> out;
  while (!from.empty()) {
    uint64_t key = 0, size = 0;
    if (!read_varint(from, key)) return std::nullopt;
    Field field{key >> 3, key & 7, 0, {}, Kind::leaf, {}};
    if (field.wire == 0) {
      if (!read_varint(from, field.value)) return std::nullopt;
    } else if (field.wire == 1 || field.wire == 5) {
      const size_t bytes = field.wire == 1 ? 8 : 4;
      if (from.size() < bytes) return std::nullopt;
      std::memcpy(&field.value, from.data(), bytes);
      from.remove_prefix(bytes);
    } else if (field.wire == 2) {
      if (!read_varint(from, size) || size > from.size()) return std::nullopt;
      const std::string_view inside = from.substr(0, size);
      from.remove_prefix(size);
      const Kind child = child_of(kind, field.number);
      auto fields =
          child == Kind::leaf || depth == kMostDepth ? std::nullopt : parse(inside, child, depth + 1);
      if (fields) {
        field.kind = child;
        field.fields = std::move(*fields);
      } else {
        field.bytes = inside;
      }
    } else {
      return std::nullopt;
    }
    out.push_back(std::move(field));
  }
  return out;
}

void write_varint(std::string& to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

std::string write(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& field : fields) {
    write_varint(out, field.number << 3 | field.wire);
    if (field.wire == 0) {
      write_varint(out, field.value);
    } else if (field.wire != 2) {
      out.append(reinterpret_cast<const char*>(&field.value), field.wire == 1 ? 8 : 4);
    } else {
      const std::string inside = field.kind == Kind::leaf ? field.bytes : write(field.fields);
      write_varint(out, inside.size());
      out += inside;
    }
  }
  return out;
}

struct Message {
  Kind kind;
  std::vector<Field>* fields;
};

void collect(Kind kind, std::vector<Field>& fields, std::vector<Message>& messages,
             std::vector<std::string>& names) {
  messages.push_back({kind, &fields});
  for (Field& field : fields) {
    const bool is_name = kind == Kind::node ? field.number == kNodeInput || field.number == kNodeOutput
                                            : (kind == Kind::value && field.number == 1) ||
                                                  (kind == Kind::tensor && field.number == 8);
    if (is_name && field.wire == 2) names.push_back(field.bytes);
    if (field.kind != Kind::leaf) collect(field.kind, field.fields, messages, names);
  }
}

Field text(uint64_t number, std::string_view bytes) {
  return {number, 2, 0, std::string(bytes), Kind::leaf, {}};
}
Field integer(uint64_t number, int64_t value) {
  return {number, 0, static_cast<uint64_t>(value), {}, Kind::leaf, {}};
}
Field fraction(uint64_t number, Random& random) {
  const float value = static_cast<float>(random.number()) / 2;
  Field field{number, 5, 0, {}, Kind::leaf, {}};
  std::memcpy(&field.value, &value, sizeof value);
  return field;
}

// "name:type" of a line of the table as an attribute.
Field attribute(std::string_view declared, Random& random) {
  const size_t colon = declared.find(':');
  Field out{kNodeAttribute, 2, 0, {}, Kind::attribute, {text(1, declared.substr(0, colon))}};
  auto add = [&](int64_t type, Field value) {
    out.fields.push_back(std::move(value));
    out.fields.push_back(integer(20, type));
  };
  switch (declared.back()) {
    case 'f': add(1, fraction(2, random)); break;
    case 's': add(3, text(4, kWords[random.below(std::size(kWords))])); break;
    case 'F':
      for (uint64_t n = random.below(6); n > 0; --n) out.fields.push_back(fraction(7, random));
      add(6, fraction(7, random));
      break;
    case 'I':
      for (uint64_t n = random.below(6); n > 0; --n)
        out.fields.push_back(integer(kAttributeInts, random.number()));
      add(7, integer(kAttributeInts, random.number()));
      break;
    default: add(2, integer(3, random.number()));
  }
  return out;
}

void mutate_node(std::vector<Field>& fields, const std::vector<std::string>& names, Random& random) {
  const Operator* of = &kOperators[random.below(std::size(kOperators))];
  for (Field& field : fields)
    if (field.number == kNodeOp && field.wire == 2) {
      if (random.below(3) == 0) {
        field.bytes = of->name;
      } else {
        for (const Operator& known : kOperators)
          if (known.name == field.bytes) of = &known;
      }
    }
  if (random.below(2) && !of->attributes.empty()) {
    std::vector<std::string_view> declared;
    std::string_view rest = of->attributes;
    while (!rest.empty()) {
      const size_t space = rest.find(' ');
      declared.push_back(rest.substr(0, space));
      rest = space == rest.npos ? "" : rest.substr(space + 1);
    }
    fields.push_back(attribute(declared[random.below(declared.size())], random));
  } else if (!names.empty()) {
    const std::string& name = names[random.below(names.size())];
    for (Field& field : fields)
      if (field.number == kNodeInput && field.wire == 2 && random.below(2)) {
        field.bytes = random.below(6) ? name : "";
        return;
      }
    fields.insert(fields.begin(), text(kNodeInput, name));
  }
}

// Elements of raw data are numbers of 8, 4 or 1 bytes.
void mutate_raw(std::string& raw, Random& random) {
  constexpr size_t kSizes[] = {8, 4, 1};
  const size_t size = kSizes[random.below(3)];
  if (raw.size() < size) return;
  const int64_t value = random.number();
  std::memcpy(raw.data() + random.below(raw.size() / size) * size, &value, size);
}

void mutate_field(Kind kind, Field& field, Random& random) {
  if (field.wire == 0) {
    field.value =
        random.below(2) ? static_cast<uint64_t>(random.number()) : field.value + random.below(5) - 2;
  } else if (field.wire != 2) {
    field = fraction(field.number, random);
  } else if (kind == Kind::tensor && field.number == kTensorRaw) {
    mutate_raw(field.bytes, random);
  } else if (kind == Kind::attribute && field.number == 4) {
    field.bytes = kWords[random.below(std::size(kWords))];
  } else if (field.kind == Kind::leaf && !field.bytes.empty() &&
             random.below(4) == 0) {  // names seldom: little else is read then
    field.bytes[random.below(field.bytes.size())] = static_cast<char>(random.next());
  }
}

void mutate_message(const Message& message, const std::vector<std::string>& names, Random& random) {
  std::vector<Field>& fields = *message.fields;
  if (message.kind == Kind::node && random.below(2)) return mutate_node(fields, names, random);
  if (fields.empty()) {
    fields.push_back(integer(1, random.number()));
    return;
  }
  const size_t at = random.below(fields.size());
  switch (random.below(8)) {
    case 0: fields.erase(fields.begin() + static_cast<ptrdiff_t>(at)); break;
    case 1: fields.push_back(Field(fields[at])); break;
    case 2: std::swap(fields[at], fields[random.below(fields.size())]); break;
    default: mutate_field(message.kind, fields[at], random);
  }
}

}  // namespace

std::string mutate_onnx(const std::string& bytes, Random& random) {
  auto model = parse(bytes, Kind::model, 0);
  if (!model) return bytes;
  for (uint64_t n = random.below(4) ? 1 : 3; n > 0; --n) {
    std::vector<Message> messages;
    std::vector<std::string> names;
    collect(Kind::model, *model, messages, names);
    mutate_message(messages[random.below(messages.size())], names, random);
  }
  return write(*model);
}

}  // namespace tenon::fuzz
