// The definition of string_split: the pieces of each string between delimiters.
#include "text/operands.h"
#include "text/params.h"

namespace tenon {
namespace {

Status check(const PrepareCall& call, size_t inputs, size_t outputs) {
  TN_TRY(expect_counts(call, inputs, inputs, outputs));
  TN_TRY(expect_type(call.inputs[0], DType::string, "string_split input"));
  TN_TRY(text::expect_one(call.inputs[1], "string_split delimiter"));
  TN_TRY(text::expect_linear(call, "string_split operand"));
  if (call.as<StringSplitParams>().most_splits < -1)
    return fail(Code::invalid_plan, "string_split: {} splits at most", call.as<StringSplitParams>().most_splits);
  return {};
}

Status prepare_counts(const PrepareCall& call, Prepared&) {
  TN_TRY(check(call, 2, 2));
  for (const Arg& out : call.outputs) TN_TRY(expect_type(out, DType::i64, "string_split output"));
  const int64_t one[] = {1};
  TN_TRY(expect_shape(call.outputs[0], call.inputs[0].shape(), "string_split counts"));
  return expect_shape(call.outputs[1], one, "string_split sizes");
}

Status prepare_split(const PrepareCall& call, Prepared&) {
  TN_TRY(check(call, 3, 1));
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  TN_TRY(expect_type(out, DType::string, "string_split output"));
  TN_TRY(expect_rank(out, x.rank + 1, x.rank + 1, "string_split output"));
  for (int d = 0; d < x.rank; ++d)
    if (out.dims[d] != x.dims[d]) return fail(Code::invalid_plan, "string_split: {} for {}", describe(out), describe(x));
  return {};
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Calls each(piece) for every piece. Without a delimiter runs of white space are one, and none is at either end. Nothing is
// in an empty string without a delimiter; of one with it, itself is.
template <class F>
void for_each_piece(std::string_view text, std::string_view delimiter, int64_t most_splits, F&& each) {
  auto may_split = [&] { return most_splits < 0 || most_splits-- > 0; };
  if (!delimiter.empty()) {
    for (size_t at; (at = text.find(delimiter)) != text.npos && may_split(); text.remove_prefix(at + delimiter.size())) each(text.substr(0, at));
    each(text);
    return;
  }
  auto skip = [&](bool spaces) {
    size_t n = 0;
    while (n < text.size() && is_space(text[n]) == spaces) ++n;
    const std::string_view skipped = text.substr(0, n);
    text.remove_prefix(n);
    return skipped;
  };
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  for (skip(true); !text.empty(); skip(true)) {
    if (!may_split()) {
      each(text);
      return;
    }
    each(skip(false));
  }
}

Status launch_counts(const LaunchCall& call) {
  const std::span<const Text> x = text::texts_of(call.inputs[0]);
  const std::string_view delimiter = call.inputs[1].as<const Text>()->view();
  int64_t most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t& count = call.outputs[0].as<int64_t>()[i];
    count = 0;
    for_each_piece(x[i].view(), delimiter, call.as<StringSplitParams>().most_splits, [&](std::string_view) { ++count; });
    most = std::max(most, count);
  }
  *call.outputs[1].as<int64_t>() = most;
  return {};
}

Status launch_split(const LaunchCall& call) {
  const std::span<const Text> x = text::texts_of(call.inputs[0]);
  const std::string_view delimiter = call.inputs[1].as<const Text>()->view();
  const Arg& out = call.outputs[0];
  const auto room = static_cast<size_t>(out.dims[out.rank - 1]);
  for (size_t i = 0; i < x.size(); ++i) {
    Text* row = out.as<Text>() + i * room;
    size_t count = 0;
    for_each_piece(x[i].view(), delimiter, call.as<StringSplitParams>().most_splits, [&](std::string_view piece) {
      if (count < room) row[count] = piece.empty() ? Text{} : Text::of(piece);
      ++count;
    });
    if (count > room) return fail(Code::internal, "string_split: element {} has {} pieces, there is room for {}", i, count, room);
    std::fill(row + count, row + room, Text{});
  }
  return {};
}

}  // namespace

extern const Kernel kStringSplitCountsReference =
    with_texts({"string_split_counts.reference", sizeof(StringSplitParams), 0, 0, prepare_counts, launch_counts});
extern const Kernel kStringSplitReference =
    with_texts({"string_split.reference", sizeof(StringSplitParams), 0, 0, prepare_split, launch_split});

}  // namespace tenon
