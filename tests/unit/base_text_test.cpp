// Strings: as constants and plans hold them, the memory of a run's, letters' cases, regular expressions.
#include "base/text.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/letter_case.h"
#include "base/regex.h"

namespace tenon {
namespace {

TEST(PackedTexts, ComeBack) {
  const std::string_view texts[] = {"", "a", std::string_view("b\0c", 3), "", "Straße"};
  const std::vector<std::byte> packed = pack_texts(texts);
  auto read = PackedTexts::read(packed, 5);
  ASSERT_TRUE(read) << read.error().text();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ((*read)[i], texts[i]);
  EXPECT_TRUE(PackedTexts::read({}, 0));
}

TEST(PackedTexts, RefuseEndsThatAreNotTheBytes) {
  const std::string_view texts[] = {"abc", "de"};
  const std::vector<std::byte> packed = pack_texts(texts);
  for (int64_t count : {int64_t{-1}, int64_t{1}, int64_t{3}, INT64_MAX}) EXPECT_FALSE(PackedTexts::read(packed, count)) << count;
  for (auto [at, end] : {std::pair{0, uint64_t{6}}, {0, UINT64_MAX}, {1, uint64_t{2}}, {1, uint64_t{4}}, {1, uint64_t{6}}}) {
    std::vector<std::byte> forged = packed;
    std::memcpy(forged.data() + at * 8, &end, 8);
    EXPECT_FALSE(PackedTexts::read(forged, 2)) << at << " " << end;
  }
}

TEST(Texts, ViewsAreChecked) {
  const Text good[] = {{}, Text::of("a"), {"", 0}}, bad[] = {{}, {nullptr, 1}};
  EXPECT_TRUE(check_texts(good));
  Status status = check_texts(bad);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text().find("string 1 has 1 bytes at NULL"), std::string::npos);
}

TEST(TextArena, GivesMemoryThatStaysUntilItIsCleared) {
  TextArena arena(1 << 20);
  std::vector<Text> made;
  for (int i = 0; i < 300; ++i) made.push_back(*arena.copy(std::string(static_cast<size_t>(i * 7 % 900), static_cast<char>('a' + i % 26))));
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(made[static_cast<size_t>(i)].view(), std::string(static_cast<size_t>(i * 7 % 900), static_cast<char>('a' + i % 26)));
    EXPECT_TRUE(made[static_cast<size_t>(i)].size == 0 || arena.holds(made[static_cast<size_t>(i)].view()));
  }
  EXPECT_FALSE(arena.holds("elsewhere"));
  EXPECT_FALSE(arena.copy(std::string(1 << 20, 'x')));
  arena.clear();
  EXPECT_TRUE(arena.copy(std::string(1 << 20, 'x')));
  EXPECT_FALSE(arena.copy("x"));
}

std::string in_case(std::string_view text, LetterCase letter_case) {
  std::string out;
  append_in_case(text, letter_case, out);
  return out;
}

TEST(LetterCase, OfSeveralScripts) {
  EXPECT_EQ(in_case("abcXYZ019 äöüÿ ß ñ čšž ελλάς привет ёжик", LetterCase::upper), "ABCXYZ019 ÄÖÜŸ ß Ñ ČŠŽ ΕΛΛΆΣ ПРИВЕТ ЁЖИК");
  EXPECT_EQ(in_case("ABC ÄÖÜ ÑČŠŽ ΕΛΛΆΣ ПРИВЕТ ЁЖИК Ա", LetterCase::lower), "abc äöü ñčšž ελλάσ привет ёжик ա");
  EXPECT_EQ(in_case("日本 🙂", LetterCase::upper), "日本 🙂");
  EXPECT_EQ(in_case("a\xff\xc3" "b", LetterCase::upper), "A\xff\xc3" "B");
  for (uint32_t c = 0; c <= kLastWithCase; ++c) {
    EXPECT_EQ(to_lower(to_lower(c)), to_lower(c)) << c;
    EXPECT_TRUE(c >= 0x80 || to_upper(c) == static_cast<uint32_t>(std::toupper(static_cast<int>(c)))) << c;
  }
}

struct Row {
  std::string_view pattern, text;
  bool matches;
};

TEST(Regex, MatchesAllOfATextOrNot) {
  const Row rows[] = {
      {"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "ab", false}, {"ab|cd|", "cd", true}, {"ab|cd|", "", true},
      {"a*", "aaaa", true}, {"a+", "", false}, {"a?b", "b", true}, {"(ab)*c", "ababc", true}, {"(ab)*c", "abac", false},
      {"a{2}", "aa", true}, {"a{2}", "aaa", false}, {"a{2,}", "aaaa", true}, {"a{1,3}", "aaaa", false}, {"a{,3}", "a{,3}", true},
      {".", "\n", false}, {"(?s).", "\n", true}, {".", "ß", true}, {"..", "ß", false}, {"[^a]", "日", true}, {"[a-c]+", "abcd", false},
      {"[]a]+", "]a", true}, {"[^]a]", "b", true}, {"[a-]+", "a-", true}, {"\\d\\D\\s\\S\\w\\W", "1a b_!", true}, {"[\\d.]+", "3.14", true},
      {"[[:alpha:]][[:^digit:]]", "ax", true}, {"(?i)straSSe", "STRAsse", true}, {"(?i)ä[б-г]", "ÄВ", true}, {"(?i:a)b", "Ab", true},
      {"(?i:a)b", "AB", false}, {"a(?i)b|c", "aB", true}, {"^a$", "a", true}, {"a^b", "ab", false}, {"(?m)a\n^b", "a\nb", true}, {"a\n^b", "a\nb", false},
      {"\\Aa\\z", "a", true}, {"\\ba\\b.*", "a b", true}, {"a\\Bb", "ab", true}, {"\\ba\\Bb", "ab", true}, {"a\\bb", "ab", false},
      {"\\x41\\x{1F642}\\101\\n", "A🙂A\n", true}, {"\\Qa.b\\E+", "a.bb", true}, {"\\Qa.b\\E", "axb", false}, {"(?P<x>a)(?<y>b)(?:c)", "abc", true},
      {"a*?b+?", "aab", true}, {"()*a", "a", true}, {"(a*)*", "aaa", true}, {"(a|aa)+$", "aaaaa", true}, {"\\.", ".", true}, {"\\.", "a", false},
      {".*", "a\xff", false}, {"a", "\xff", false}, {"(((a{3}){3}){3})", std::string_view("aaaaaaaaaaaaaaaaaaaaaaaaaaa"), true},
  };
  Regex::Threads threads;
  for (const Row& row : rows) {
    auto regex = Regex::compile(row.pattern);
    ASSERT_TRUE(regex) << row.pattern << ": " << regex.error().text();
    EXPECT_EQ(regex->matches(row.text, threads), row.matches) << row.pattern << " on " << row.text;
  }
}

TEST(Regex, RefusesWhatItDoesNotKnow) {
  struct Refused {
    std::string pattern, message;
  };
  const Refused rows[] = {{"(a", "not closed"}, {"a)", "closes no group"}, {"[a", "not closed"}, {"*a", "nothing to repeat"}, {"a**", "needs a group"},
                          {"a{2}{3}", "needs a group"}, {"a{1001}", "up to 1000"}, {"a{3,2}", "up to 1000"}, {"(a)\\1", "backreferences"},
                          {"(?=a)", "looking around"}, {"(?<=a)", "looking around"}, {"\\pL", "classes of Unicode"}, {"\\C", "a byte"},
                          {"[b-a]", "backwards"}, {"[[:nope:]]", "no class"}, {"\\", "nothing follows"}, {"\\y", "no meaning"}, {"\\x4", "\\x takes"},
                          {"\\x{110000}", "\\x takes"}, {"\xff", "no valid UTF-8"}, {"((a{1000}){1000}){1000}", "too large"},
                          {std::string(600, '(') + std::string(600, ')'), "deeper than"}, {"(?P<>a)", "name"}, {"{2}", "nothing to repeat"}};
  for (const Refused& row : rows) {
    auto regex = Regex::compile(row.pattern);
    ASSERT_FALSE(regex) << row.pattern;
    EXPECT_NE(regex.error().text().find(row.message), std::string::npos) << row.pattern << ": " << regex.error().text();
  }
}

// A backtracking matcher would take 2^2000 steps.
TEST(Regex, TakesTimeInProportion) {
  Regex::Threads threads;
  EXPECT_FALSE(Regex::compile("(a*)*(a*)*(a|a)*b")->matches(std::string(2000, 'a'), threads));
  // Repeats of nothing, and classes with the same range again and again, cost nothing.
  EXPECT_TRUE(Regex::compile("(((((){1000}){1000}){1000}){1000}){1000}a")->matches("a", threads));
  std::string ranges;
  for (int i = 0; i < 10000; ++i) ranges += "\u0101-\u24ff";
  EXPECT_TRUE(Regex::compile("(?i)[" + ranges + "]")->matches("\u0100", threads));
  EXPECT_TRUE(Regex::compile("(x+x+)+y")->matches(std::string(2000, 'x') + "y", threads));
}

}  // namespace
}  // namespace tenon
