// Strings from numbers and numbers from strings, in decimal, whatever the locale.
#include <charconv>
#include <cmath>
#include <limits>

#include "common/element.h"
#include "text/operands.h"

namespace tenon {
namespace {

bool is_number(DType type) { return type == DType::boolean || with_number(type, [](auto) {}); }

Status prepare(const PrepareCall& call, bool parses) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  const Arg &texts = parses ? call.inputs[0] : call.outputs[0], &numbers = parses ? call.outputs[0] : call.inputs[0];
  TN_TRY(expect_type(texts, DType::string, "string operand of a cast"));
  if (!is_number(numbers.dtype)) return fail(Code::invalid_plan, "cast of strings: {} are no numbers with a text", describe(numbers));
  TN_TRY(text::expect_linear(call, "operand of a cast of strings"));
  return expect_shape(call.outputs[0], call.inputs[0].shape(), "output of a cast of strings");
}

Status prepare_format(const PrepareCall& call, Prepared&) { return prepare(call, false); }
Status prepare_parse(const PrepareCall& call, Prepared&) { return prepare(call, true); }

// As "%.8g" has it, which ONNX Runtime's texts are.
std::string_view format(double number, std::span<char> room) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "INF" : "-INF";
  const auto end = std::to_chars(room.data(), room.data() + room.size(), number, std::chars_format::general, 8).ptr;
  return {room.data(), static_cast<size_t>(end - room.data())};
}

template <class E>
std::string_view format_element(typename E::Storage x, std::span<char> room) {
  if constexpr (std::is_same_v<typename E::Value, double>) {
    return format(E::load(x), room);
  } else {
    const auto end = std::to_chars(room.data(), room.data() + room.size(), x).ptr;
    return {room.data(), static_cast<size_t>(end - room.data())};
  }
}

Status launch_format(const LaunchCall& call) {
  const Arg& x = call.inputs[0];
  Text* out = call.outputs[0].as<Text>();
  Status status;
  char room[64];
  auto format_all = [&](auto element) {
    using E = decltype(element);
    for (int64_t i = 0; i < x.count() && status; ++i) {
      auto made = call.texts->copy(format_element<E>(x.as<const typename E::Storage>()[i], room));
      if (made) out[i] = *made;
      else status = tl::unexpected<Error>(std::move(made.error()));
    }
  };
  if (x.dtype == DType::boolean) format_all(Element<uint8_t>{});
  else with_number(x.dtype, format_all);
  return status;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// The text without the plus sign that from_chars does not know.
std::string_view without_plus(std::string_view text) {
  return text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+' ? text.substr(1) : text;
}

// False where the text is no number. Too large a number is infinite, too small a one is 0.
bool parse_float(std::string_view text, double& out) {
  text = without_plus(trimmed(text));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || end != text.data() + text.size() || error == std::errc::invalid_argument) return false;
  if (error == std::errc()) return true;
  const bool negative = text[0] == '-';
  const size_t exponent = text.find_first_of("eE"), digit = text.find_first_of("123456789");
  const bool small = exponent != text.npos ? text.find('-', exponent) != text.npos : digit > text.find('.');
  out = small ? 0.0 : std::numeric_limits<double>::infinity();
  if (negative) out = -out;
  return true;
}

// The integer part of the number, if it is one of T's.
template <class T>
bool parse_integer(std::string_view text, T& out) {
  const std::string_view digits = without_plus(trimmed(text));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (!digits.empty() && error == std::errc() && end == digits.data() + digits.size()) return true;
  double number;
  if (error == std::errc::result_out_of_range || !parse_float(text, number) || std::isnan(number)) return false;
  number = std::trunc(number);
  // The bounds as doubles: the upper one is that of the first integer which is none of T's.
  const double low = static_cast<double>(std::numeric_limits<T>::min()), high = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (!(number >= low && number < high)) return false;
  out = static_cast<T>(number);
  return true;
}

template <class E>
bool parse_element(std::string_view text, typename E::Storage& out) {
  if constexpr (std::is_same_v<typename E::Value, double>) {
    double number;
    if (!parse_float(text, number)) return false;
    out = E::store(number);
    return true;
  } else {
    return parse_integer(text, out);
  }
}

Status launch_parse(const LaunchCall& call) {
  const std::span<const Text> x = text::texts_of(call.inputs[0]);
  const Arg& out = call.outputs[0];
  Status status;
  auto bad = [&](size_t i) {
    constexpr size_t kShown = 64;
    status = fail(Code::out_of_range, "element {} of a tensor of strings is '{}', which is no number of {}", i, x[i].view().substr(0, kShown),
                  name_of(out.dtype));
  };
  if (out.dtype == DType::boolean) {
    for (size_t i = 0; i < x.size() && status; ++i) {
      double number;
      if (parse_float(x[i].view(), number)) out.as<uint8_t>()[i] = number != 0;
      else bad(i);
    }
    return status;
  }
  with_number(out.dtype, [&](auto element) {
    using E = decltype(element);
    for (size_t i = 0; i < x.size() && status; ++i)
      if (!parse_element<E>(x[i].view(), out.as<typename E::Storage>()[i])) bad(i);
  });
  return status;
}

}  // namespace

extern const Kernel kFormatStringReference = with_texts({"format_string.reference", 0, 0, 0, prepare_format, launch_format});
extern const Kernel kParseStringReference = with_texts({"parse_string.reference", 0, 0, 0, prepare_parse, launch_parse});

}  // namespace tenon
