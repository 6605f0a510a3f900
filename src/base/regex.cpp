#include "base/regex.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/letter_case.h"
#include "base/utf8.h"

namespace tenon {
namespace {

constexpr uint32_t kLast = 0x10ffff;
constexpr int kForever = -1;

using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;

Ranges sorted(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end());
  Ranges out;
  for (auto [low, high] : ranges) {
    if (!out.empty() && low <= out.back().second + 1) out.back().second = std::max(out.back().second, high);
    else out.push_back({low, high});
  }
  return out;
}

Ranges all_but(const Ranges& ranges) {
  Ranges out;
  uint32_t next = 0;
  for (auto [low, high] : sorted(ranges)) {
    if (low > next) out.push_back({next, low - 1});
    next = high + 1;
  }
  if (next <= kLast) out.push_back({next, kLast});
  return out;
}

void add(Ranges& to, const Ranges& more) { to.insert(to.end(), more.begin(), more.end()); }

// Ranges with both cases of their letters.
Ranges both_cases(const Ranges& ranges) {
  Ranges out = ranges;
  for (auto [low, high] : ranges)
    for (uint32_t c = low; c <= std::min(high, kLastWithCase); ++c) {
      const uint32_t lower = to_lower(c), upper = to_upper(c);
      for (uint32_t other : {lower, upper})
        if (other != c) out.push_back({other, other});
    }
  return sorted(std::move(out));
}

const Ranges kDigits = {{'0', '9'}}, kSpaces = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}},
             kWords = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

struct NamedClass {
  std::string_view name;
  Ranges ranges;
};
const NamedClass kNamedClasses[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{0, 0x7f}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
    {"digit", {{'0', '9'}}},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

bool is_word(int64_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

// The character at the start of valid UTF-8 of that length.
uint32_t decoded(std::string_view text, size_t length) {
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  if (length == 1) return byte(0);
  uint32_t out = byte(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) out = out << 6 | (byte(i) & 0x3f);
  return out;
}

}  // namespace

// Parses into a tree, which is laid out as instructions: repetitions lay their part out several times.
class RegexCompiler {
 public:
  explicit RegexCompiler(std::string_view pattern) : pattern_(pattern), rest_(pattern) {}

  Result<Regex> run() {
    if (valid_utf8(pattern_) != pattern_) return fail(Code::invalid_model, "the regular expression is no valid UTF-8");
    TN_ASSIGN(NodePtr root, alternatives(0));
    if (!rest_.empty()) return wrong("')' closes no group");
    TN_TRY(lay_out(*root));
    TN_TRY(put(Op::match));
    return std::move(out_);
  }

 private:
  using Op = Regex::Op;
  enum class Kind : uint8_t { nothing, set, one, check, sequence, alternatives, repeat };
  struct Node;
  using NodePtr = std::unique_ptr<Node>;
  struct Node {
    Kind kind = Kind::nothing;
    Op check = Op::begin;
    uint32_t value = 0;          // a character, or the number of a class
    int least = 0, most = 0;     // of a repetition
    std::vector<NodePtr> parts;
  };
  struct Flags {
    bool any_case = false, lines = false, dot_is_all = false;
  };

  template <class... Args>
  tl::unexpected<Error> wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(Code::invalid_model, "the regular expression '{}' is not supported at byte {}: {}", pattern_,
                pattern_.size() - rest_.size(), fmt::format(format, std::forward<Args>(args)...));
  }

  bool eat(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  uint32_t take() {
    const size_t length = utf8_sequence(rest_);
    const uint32_t c = decoded(rest_, length);
    rest_.remove_prefix(length);
    return c;
  }

  static NodePtr node(Kind kind) {
    auto out = std::make_unique<Node>();
    out->kind = kind;
    return out;
  }
  static NodePtr check(Op op) {
    NodePtr out = node(Kind::check);
    out->check = op;
    return out;
  }
  NodePtr set_of(Ranges ranges) {
    NodePtr out = node(Kind::set);
    out->value = static_cast<uint32_t>(out_.classes_.size());
    out_.classes_.push_back(sorted(std::move(ranges)));
    return out;
  }
  NodePtr character(uint32_t c) {
    if (flags_.any_case)
      if (Ranges both = both_cases({{c, c}}); both.size() > 1 || both[0].second != both[0].first) return set_of(std::move(both));
    NodePtr out = node(Kind::one);
    out->value = c;
    return out;
  }

  Result<NodePtr> alternatives(int depth) {
    if (depth > Regex::kMostNesting) return wrong("groups lie within each other deeper than {}", Regex::kMostNesting);
    const Flags before = flags_;
    NodePtr out = node(Kind::alternatives);
    do {
      TN_ASSIGN(NodePtr part, sequence(depth));
      out->parts.push_back(std::move(part));
    } while (eat("|"));
    flags_ = before;
    return out;
  }

  Result<NodePtr> sequence(int depth) {
    NodePtr out = node(Kind::sequence);
    while (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')') {
      if (eat("\\Q")) {
        const size_t end = rest_.find("\\E");
        std::string_view literal = rest_.substr(0, end);
        const std::string_view behind = end == rest_.npos ? std::string_view() : rest_.substr(end + 2);
        for (rest_ = literal; !rest_.empty();) out->parts.push_back(character(take()));
        rest_ = behind;
        if (literal.empty()) continue;
      } else {
        TN_ASSIGN(NodePtr part, atom(depth));
        if (!part) continue;  // flags
        out->parts.push_back(std::move(part));
      }
      TN_TRY(repeats(out->parts.back()));
    }
    return out;
  }

  // What of a repetition stands here goes round the part.
  Status repeats(NodePtr& part) {
    bool repeated = false;
    while (!rest_.empty()) {
      int least = 0, most = kForever;
      const std::string_view before = rest_;
      if (eat("*")) {
      } else if (eat("+")) {
        least = 1;
      } else if (eat("?")) {
        most = 1;
      } else if (!counts(least, most)) {
        return {};
      }
      if (repeated) {
        rest_ = before;
        return wrong("a repetition of a repetition needs a group");
      }
      if (least > Regex::kMostRepeats || most > Regex::kMostRepeats || (most != kForever && least > most)) {
        rest_ = before;
        return wrong("repetitions go from fewer to more, up to {}", Regex::kMostRepeats);
      }
      (void)eat("?");  // lazy: a match of the whole text is the same
      repeated = true;
      NodePtr out = node(Kind::repeat);
      out->least = least;
      out->most = most;
      out->parts.push_back(std::move(part));
      part = std::move(out);
    }
    return {};
  }

  // {n}, {n,} or {n,m}; anything else is literal.
  bool counts(int& least, int& most) {
    const std::string_view before = rest_;
    auto number = [&](int& out) {
      size_t digits = 0;
      out = 0;
      for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; rest_.remove_prefix(1), ++digits)
        out = std::min(out * 10 + (rest_[0] - '0'), Regex::kMostRepeats + 1);
      return digits > 0;
    };
    bool good = eat("{") && number(least);
    if (good && eat(",")) {
      if (rest_.starts_with("}")) most = kForever;
      else good = number(most);
    } else {
      most = least;
    }
    if (good && eat("}")) return true;
    rest_ = before;
    return false;
  }

  Result<NodePtr> atom(int depth) {
    switch (rest_[0]) {
      case '(': return group(depth);
      case '[': {
        TN_ASSIGN(Ranges ranges, bracket());
        return set_of(std::move(ranges));
      }
      case '\\': return escape();
      case '*':
      case '+':
      case '?': return wrong("there is nothing to repeat");
      default: break;
    }
    if (int least, most; rest_[0] == '{') {
      const std::string_view before = rest_;
      if (counts(least, most)) {
        rest_ = before;
        return wrong("there is nothing to repeat");
      }
    }
    if (eat(".")) return set_of(flags_.dot_is_all ? Ranges{{0, kLast}} : all_but({{'\n', '\n'}}));
    if (eat("^")) return check(flags_.lines ? Op::line_begin : Op::begin);
    if (eat("$")) return check(flags_.lines ? Op::line_end : Op::end);
    return character(take());
  }

  Result<NodePtr> group(int depth) {
    const std::string_view before = rest_;
    rest_.remove_prefix(1);
    const Flags outer = flags_;
    if (rest_.starts_with("?")) {
      if (eat("?P<") || (!rest_.starts_with("?<=") && !rest_.starts_with("?<!") && eat("?<"))) {
        size_t length = 0;
        while (length < rest_.size() && is_word(rest_[length])) ++length;
        rest_.remove_prefix(length);
        if (length == 0 || !eat(">")) return wrong("a group's name is letters, digits and '_'");
      } else {
        rest_.remove_prefix(1);
        bool on = true, ends = false;
        while (!ends) {
          if (rest_.empty()) return wrong("a group is not closed");
          const char c = rest_[0];
          if (c == 'i') flags_.any_case = on;
          else if (c == 'm') flags_.lines = on;
          else if (c == 's') flags_.dot_is_all = on;
          else if (c == '-' && on) on = false;
          else if (c == ':' || c == ')') ends = true;
          else if (c != 'U') {
            rest_ = before;
            return wrong("groups begin with (, (?:, (?P<name> or flags of imsU; there is no looking around");
          }
          rest_.remove_prefix(1);
          if (c == ')') return NodePtr();  // flags to the end of the group around
        }
      }
    }
    TN_ASSIGN(NodePtr out, alternatives(depth + 1));
    flags_ = outer;
    if (!eat(")")) {
      rest_ = before;
      return wrong("a group is not closed");
    }
    return out;
  }

  // \d and its like.
  std::optional<Ranges> perl_class() {
    struct Row {
      char name;
      const Ranges& ranges;
    };
    const Row rows[] = {{'d', kDigits}, {'s', kSpaces}, {'w', kWords}};
    if (rest_.size() < 2 || rest_[0] != '\\') return std::nullopt;
    for (const Row& row : rows)
      if (rest_[1] == row.name || rest_[1] == row.name - 32) {
        const bool other = rest_[1] != row.name;
        rest_.remove_prefix(2);
        return other ? all_but(row.ranges) : row.ranges;
      }
    return std::nullopt;
  }

  Result<NodePtr> escape() {
    if (std::optional<Ranges> ranges = perl_class()) return set_of(std::move(*ranges));
    if (eat("\\A")) return check(Op::begin);
    if (eat("\\z")) return check(Op::end);
    if (eat("\\b")) return check(Op::word);
    if (eat("\\B")) return check(Op::no_word);
    TN_ASSIGN(uint32_t c, escaped());
    return character(c);
  }

  // A character behind a backslash.
  Result<uint32_t> escaped() {
    const std::string_view before = rest_;
    rest_.remove_prefix(1);
    if (rest_.empty()) return wrong("nothing follows '\\'");
    const uint32_t c = take();
    auto refuse = [&](std::string_view why) {
      rest_ = before;
      return wrong("{}", why);
    };
    switch (c) {
      case 'a': return 7;
      case 'f': return '\f';
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'v': return '\v';
      case 'x': {
        const bool braces = eat("{");
        uint32_t out = 0;
        size_t digits = 0;
        for (; !rest_.empty() && digits < (braces ? 8 : 2); rest_.remove_prefix(1), ++digits) {
          const char d = rest_[0];
          const int value = d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : d >= 'A' && d <= 'F' ? d - 'A' + 10 : -1;
          if (value < 0) break;
          out = out << 4 | static_cast<uint32_t>(value);
        }
        if ((braces ? digits == 0 || !eat("}") : digits != 2) || out > kLast) return refuse("\\x takes two digits, or more in braces");
        return out;
      }
      case 'p':
      case 'P': return refuse("classes of Unicode (\\p) are not supported");
      case 'C': return refuse("\\C, a byte, is not supported");
      default: break;
    }
    if (c == '0' || (c >= '1' && c <= '7' && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '7')) {
      uint32_t out = c - '0';
      for (int digits = 1; digits < 3 && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '7'; ++digits) out = out * 8 + (take() - '0');
      return out;
    }
    if (c >= '1' && c <= '9') return refuse("backreferences are not supported");
    if (c >= 0x80 || is_word(c)) return refuse("the escape has no meaning");
    return c;
  }

  Result<Ranges> bracket() {
    const std::string_view before = rest_;
    rest_.remove_prefix(1);
    const bool other = eat("^");
    Ranges out;
    for (bool first = true; first || !eat("]"); first = false) {
      if (rest_.empty()) {
        rest_ = before;
        return wrong("a class is not closed");
      }
      if (rest_.starts_with("[:")) {
        TN_ASSIGN(Ranges named, named_class());
        add(out, named);
        continue;
      }
      if (std::optional<Ranges> ranges = perl_class()) {
        add(out, *ranges);
        continue;
      }
      TN_ASSIGN(uint32_t low, class_character());
      uint32_t high = low;
      if (rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']') {
        rest_.remove_prefix(1);
        TN_ASSIGN(high, class_character());
        if (high < low) return wrong("a range of a class goes backwards");
      }
      out.push_back({low, high});
    }
    if (flags_.any_case) out = both_cases(sorted(std::move(out)));
    return other ? all_but(out) : out;
  }

  Result<Ranges> named_class() {
    const size_t end = rest_.find(":]");
    std::string_view name = rest_.substr(2, end == rest_.npos ? 0 : end - 2);
    const bool other = name.starts_with("^");
    if (other) name.remove_prefix(1);
    for (const NamedClass& known : kNamedClasses)
      if (name == known.name) {
        rest_.remove_prefix(end + 2);
        return other ? all_but(known.ranges) : known.ranges;
      }
    return wrong("there is no class [:{}:]", name);
  }

  Result<uint32_t> class_character() {
    if (rest_.empty()) return wrong("a class is not closed");
    if (rest_[0] == '\\') return escaped();
    return take();
  }

  // ── layout ──

  uint32_t here() const { return static_cast<uint32_t>(out_.code_.size()); }

  Status put(Op op, uint32_t a = 0, uint32_t b = 0) {
    if (out_.code_.size() >= Regex::kMostInstructions)
      return fail(Code::limit_exceeded, "the regular expression '{}' is too large: with its repetitions it needs more than {} instructions",
                  pattern_.substr(0, 100), Regex::kMostInstructions);
    out_.code_.push_back({op, a, b});
    return {};
  }

  Status lay_out(const Node& node) {
    switch (node.kind) {
      case Kind::nothing: return {};
      case Kind::one: return put(Op::one, node.value);
      case Kind::set: return put(Op::any_of, node.value);
      case Kind::check: return put(node.check);
      case Kind::sequence:
        for (const NodePtr& part : node.parts) TN_TRY(lay_out(*part));
        return {};
      case Kind::alternatives: return lay_out_alternatives(node);
      case Kind::repeat: return lay_out_repeat(node);
    }
    return {};
  }

  Status lay_out_alternatives(const Node& node) {
    std::vector<uint32_t> jumps;
    for (size_t i = 0; i < node.parts.size(); ++i) {
      const uint32_t split = here();
      const bool is_last = i + 1 == node.parts.size();
      if (!is_last) TN_TRY(put(Op::split, split + 1));
      TN_TRY(lay_out(*node.parts[i]));
      if (is_last) break;
      jumps.push_back(here());
      TN_TRY(put(Op::jump));
      out_.code_[split].b = here();
    }
    for (uint32_t jump : jumps) out_.code_[jump].a = here();
    return {};
  }

  Status lay_out_repeat(const Node& node) {
    // A part without instructions is done once: nested repeats of nothing would take for ever.
    for (int i = 0; i < node.least; ++i) {
      const uint32_t before = here();
      TN_TRY(lay_out(*node.parts[0]));
      if (here() == before) break;
    }
    if (node.most == kForever) {
      const uint32_t loop = here();
      TN_TRY(put(Op::split, loop + 1));
      TN_TRY(lay_out(*node.parts[0]));
      TN_TRY(put(Op::jump, loop));
      out_.code_[loop].b = here();
      return {};
    }
    std::vector<uint32_t> splits;
    for (int i = node.least; i < node.most; ++i) {
      splits.push_back(here());
      TN_TRY(put(Op::split, here() + 1));
      TN_TRY(lay_out(*node.parts[0]));
    }
    for (uint32_t split : splits) out_.code_[split].b = here();
    return {};
  }

  const std::string_view pattern_;
  std::string_view rest_;
  Flags flags_;
  Regex out_;
};

Result<Regex> Regex::compile(std::string_view pattern) { return RegexCompiler(pattern).run(); }

bool Regex::holds(const Class& set, uint32_t character) {
  auto above = std::upper_bound(set.begin(), set.end(), character, [](uint32_t c, const auto& range) { return c < range.first; });
  return above != set.begin() && character <= std::prev(above)->second;
}

bool Regex::matches(std::string_view text, Threads& threads) const {
  threads.seen.assign(code_.size(), 0);
  threads.now.clear();
  uint32_t step = 1;
  int64_t before = -1;  // the character in front; -1: there is none
  // Adds a thread and all that it reaches without a character; `next` is the one that follows, or -1.
  auto add = [&](std::vector<uint32_t>& list, uint32_t at, int64_t next) {
    threads.stack.assign(1, at);
    while (!threads.stack.empty()) {
      const uint32_t pc = threads.stack.back();
      threads.stack.pop_back();
      if (threads.seen[pc] == step) continue;
      threads.seen[pc] = step;
      const Instruction& i = code_[pc];
      bool passes = false;
      switch (i.op) {
        case Op::jump: threads.stack.push_back(i.a); continue;
        case Op::split:
          threads.stack.push_back(i.a);
          threads.stack.push_back(i.b);
          continue;
        case Op::begin: passes = before < 0; break;
        case Op::end: passes = next < 0; break;
        case Op::line_begin: passes = before < 0 || before == '\n'; break;
        case Op::line_end: passes = next < 0 || next == '\n'; break;
        case Op::word: passes = is_word(before) != is_word(next); break;
        case Op::no_word: passes = is_word(before) == is_word(next); break;
        default: list.push_back(pc); continue;
      }
      if (passes) threads.stack.push_back(pc + 1);
    }
  };
  auto first = [&]() -> int64_t {
    const size_t length = utf8_sequence(text);
    return length ? static_cast<int64_t>(decoded(text, length)) : -1;
  };
  int64_t now = first();
  add(threads.now, 0, now);
  while (!text.empty()) {
    if (now < 0 || threads.now.empty()) return false;
    text.remove_prefix(utf8_sequence(text));
    const int64_t next = first();
    if (next < 0 && !text.empty()) return false;
    threads.next.clear();
    // Numbers of steps are written anew before they are used up.
    if (++step == 0) {
      threads.seen.assign(code_.size(), 0);
      step = 1;
    }
    before = now;
    for (uint32_t pc : threads.now) {
      const Instruction& i = code_[pc];
      const bool goes_on = i.op == Op::one ? i.a == static_cast<uint32_t>(now)
                                           : i.op == Op::any_of && holds(classes_[i.a], static_cast<uint32_t>(now));
      if (goes_on) add(threads.next, pc + 1, next);
    }
    std::swap(threads.now, threads.next);
    now = next;
  }
  return std::any_of(threads.now.begin(), threads.now.end(), [&](uint32_t pc) { return code_[pc].op == Op::match; });
}

}  // namespace tenon
