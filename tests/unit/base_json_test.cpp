#include "base/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/utf8.h"

namespace tenon {
namespace {

TEST(Json, WritesEveryKindOfValue) {
  EXPECT_EQ(Json().dump(), "null");
  EXPECT_EQ(Json(true).dump(), "true");
  EXPECT_EQ(Json(std::numeric_limits<int64_t>::min()).dump(), "-9223372036854775808");
  EXPECT_EQ(Json(std::numeric_limits<uint64_t>::max()).dump(), "18446744073709551615");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(3.0).dump(), "3.0");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
  EXPECT_EQ(Json("a").dump(), "\"a\"");
  EXPECT_EQ(Json(std::vector<uint32_t>{1, 2}).dump(), "[1,2]");
  EXPECT_EQ(Json::array().dump(2), "[]");
  EXPECT_EQ(Json::object().dump(2), "{}");
}

TEST(Json, ListsOfPairsAreObjectsAndOthersArrays) {
  EXPECT_EQ((Json{{"a", 1}, {"b", {{"c", "d"}}}}).dump(), "{\"a\":1,\"b\":{\"c\":\"d\"}}");
  EXPECT_EQ((Json{1, "two", 3.5}).dump(), "[1,\"two\",3.5]");
  Json out;
  out["list"].push_back(1);
  out["list"].push_back({{"k", false}});
  out["list2"];
  EXPECT_EQ(out.dump(1), "{\n \"list\": [\n  1,\n  {\n   \"k\": false\n  }\n ],\n \"list2\": null\n}");
}

TEST(Json, CopiesAreIndependent) {
  Json a = {{"x", 1}};
  Json b = a;
  b["x"] = 2;
  b["y"] = a;
  a.update(Json{{"x", 5}, {"z", 6}});
  EXPECT_EQ(a.dump(), "{\"x\":5,\"z\":6}");
  EXPECT_EQ(b.dump(), "{\"x\":2,\"y\":{\"x\":1}}");
}

TEST(Json, StringsAreEscapedAndValid) {
  EXPECT_EQ(Json("\"\\\n\t\x01").dump(), "\"\\\"\\\\\\n\\t\\u0001\"");
  EXPECT_EQ(Json("\xf0\x9f\xa6\x8a\xff").dump(), "\"\xf0\x9f\xa6\x8a\xef\xbf\xbd\"");
}

TEST(Json, ReadsWhatIsWritten) {
  const Json document = {{"a", Json::array()}, {"b", {{"c", "\"\\\n\x01\xf0\x9f\xa6\x8a"}, {"d", 1.5}}}, {"e", true}, {"f", Json()}};
  for (int indent : {-1, 2}) {
    auto read = parse_json(document.dump(indent));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->dump(), document.dump());
  }
  EXPECT_EQ(parse_json(" \"\\u00e4\\ud83e\\udd8a\\/\" ")->text(), "\xc3\xa4\xf0\x9f\xa6\x8a/");
  EXPECT_EQ(parse_json("-12e2")->number(), -1200);
  EXPECT_EQ(parse_json("{\"x\":1,\"x\":2}")->find("x")->number(), 1);
  EXPECT_EQ(parse_json("[1]")->find("x"), nullptr);
  EXPECT_TRUE(parse_json(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')));
}

TEST(Json, RefusesWhatIsNone) {
  for (const char* text : {"", "{", "[1,", "[1 2]", "{\"a\" 1}", "{1:2}", "\"", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "tru", "1x",
                           "-", "[1]]", "\"\\ud800\\u0041\""}) {
    auto read = parse_json(text);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().text().find("JSON, byte "), std::string::npos) << read.error().text();
  }
  EXPECT_FALSE(parse_json(std::string(100000, '[')));
  EXPECT_FALSE(parse_json(std::string(kMaxJsonDepth + 2, '[') + std::string(kMaxJsonDepth + 2, ']')));
}

TEST(Utf8, SequencesOfRfc3629) {
  EXPECT_EQ(utf8_sequence(""), 0u);
  EXPECT_EQ(utf8_sequence("\x7f"), 1u);
  EXPECT_EQ(utf8_sequence("\xc2\x80"), 2u);
  EXPECT_EQ(utf8_sequence("\xc1\x80"), 0u) << "overlong";
  EXPECT_EQ(utf8_sequence("\xe0\x9f\xbf"), 0u) << "overlong";
  EXPECT_EQ(utf8_sequence("\xed\xa0\x80"), 0u) << "surrogate";
  EXPECT_EQ(utf8_sequence("\xf4\x90\x80\x80"), 0u) << "beyond U+10FFFF";
  EXPECT_EQ(utf8_sequence("\xe2\x82"), 0u) << "cut off";
  EXPECT_EQ(valid_utf8("a\xe2\x82z"), "a\xef\xbf\xbd\xef\xbf\xbdz");
}

}  // namespace
}  // namespace tenon
