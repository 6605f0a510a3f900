// Strings element by element: compared, joined, chosen from, kept, looked up.
#include "text/operands.h"

namespace tenon {
namespace {

Status prepare_equal(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  for (const Arg& in : call.inputs) TN_TRY(expect_type(in, DType::string, "string_equal input"));
  TN_TRY(expect_type(call.outputs[0], DType::boolean, "string_equal output"));
  TN_TRY(text::expect_linear(call, "string_equal operand"));
  return text::expect_broadcast(call, "string_equal");
}

Status launch_equal(const LaunchCall& call) {
  const Arg &a = call.inputs[0], &b = call.inputs[1], &out = call.outputs[0];
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    out.as<uint8_t>()[flat] =
        a.as<const Text>()[text::element_at(a, out, index)].view() == b.as<const Text>()[text::element_at(b, out, index)].view();
  });
  return {};
}

Status prepare_concat(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  for (const auto& list : {call.inputs, call.outputs})
    for (const Arg& arg : list) TN_TRY(expect_type(arg, DType::string, "string_concat operand"));
  TN_TRY(text::expect_linear(call, "string_concat operand"));
  return text::expect_broadcast(call, "string_concat");
}

Result<Text> joined(TextArena& texts, Text a, Text b) {
  if (a.size == 0) return b;
  if (b.size == 0) return a;
  TN_ASSIGN(char* out, texts.allocate(a.size + b.size));
  std::memcpy(out, a.data, a.size);
  std::memcpy(out + a.size, b.data, b.size);
  return Text{out, a.size + b.size};
}

Status launch_concat(const LaunchCall& call) {
  const Arg &a = call.inputs[0], &b = call.inputs[1], &out = call.outputs[0];
  Status status;
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    if (!status) return;
    auto both = joined(*call.texts, a.as<const Text>()[text::element_at(a, out, index)], b.as<const Text>()[text::element_at(b, out, index)]);
    if (both) out.as<Text>()[flat] = *both;
    else status = tl::unexpected<Error>(std::move(both.error()));
  });
  return status;
}

Status prepare_where(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 3, 3, 1));
  TN_TRY(expect_type(call.inputs[0], DType::boolean, "string_where condition"));
  for (const Arg* arg : {&call.inputs[1], &call.inputs[2], &call.outputs[0]}) TN_TRY(expect_type(*arg, DType::string, "string_where operand"));
  TN_TRY(text::expect_linear(call, "string_where operand"));
  return text::expect_broadcast(call, "string_where");
}

Status launch_where(const LaunchCall& call) {
  const Arg &condition = call.inputs[0], &out = call.outputs[0];
  for_each_index(out.shape(), [&](int64_t flat, const int64_t* index) {
    const Arg& from = call.inputs[condition.as<const uint8_t>()[text::element_at(condition, out, index)] ? 1 : 2];
    out.as<Text>()[flat] = from.as<const Text>()[text::element_at(from, out, index)];
  });
  return {};
}

Status prepare_keep(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 1, 1, 1));
  TN_TRY(expect_type(call.inputs[0], DType::string, "string input"));
  TN_TRY(expect_type(call.outputs[0], DType::string, "string output"));
  TN_TRY(text::expect_linear(call, "string operand"));
  return expect_shape(call.outputs[0], call.inputs[0].shape(), "string output");
}

// Elements whose bytes lie together in the input share them in the output too: one text that is everywhere is copied once.
Status launch_keep(const LaunchCall& call) {
  const std::span<const Text> from = text::texts_of(call.inputs[0]);
  Text* to = call.outputs[0].as<Text>();
  Text last, kept;
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i].size == 0) {
      to[i] = {};
    } else if (call.texts->holds(from[i].view())) {
      to[i] = from[i];
    } else {
      if (from[i].data != last.data || from[i].size != last.size) {
        last = from[i];
        TN_ASSIGN(kept, call.texts->copy(last.view()));
      }
      to[i] = kept;
    }
  }
  return {};
}

// x, keys (sorted, [n]) → i64 as x: the place of the key that the element equals, n if there is none.
Status prepare_index(const PrepareCall& call, Prepared&) {
  TN_TRY(expect_counts(call, 2, 2, 1));
  for (const Arg& in : call.inputs) TN_TRY(expect_type(in, DType::string, "string_index input"));
  TN_TRY(expect_rank(call.inputs[1], 1, 1, "string_index keys"));
  TN_TRY(expect_type(call.outputs[0], DType::i64, "string_index output"));
  TN_TRY(text::expect_linear(call, "string_index operand"));
  return expect_shape(call.outputs[0], call.inputs[0].shape(), "string_index output");
}

Status launch_index(const LaunchCall& call) {
  const std::span<const Text> x = text::texts_of(call.inputs[0]), keys = text::texts_of(call.inputs[1]);
  int64_t* out = call.outputs[0].as<int64_t>();
  for (size_t i = 0; i < x.size(); ++i) {
    const auto at = std::lower_bound(keys.begin(), keys.end(), x[i].view(), [](const Text& key, std::string_view text) { return key.view() < text; });
    const bool found = at != keys.end() && at->view() == x[i].view();
    out[i] = found ? at - keys.begin() : static_cast<int64_t>(keys.size());
  }
  return {};
}

}  // namespace

extern const Kernel kStringEqualReference = with_texts({"string_equal.reference", 0, 0, 0, prepare_equal, launch_equal});
extern const Kernel kStringConcatReference = with_texts({"string_concat.reference", 0, 0, 0, prepare_concat, launch_concat});
extern const Kernel kStringWhereReference = with_texts({"string_where.reference", 0, 0, 0, prepare_where, launch_where});
extern const Kernel kStringIndexReference = with_texts({"string_index.reference", 0, 0, 0, prepare_index, launch_index});
extern const Kernel kStringKeep = with_texts({kKeepTexts.data(), 0, 0, 0, prepare_keep, launch_keep});

}  // namespace tenon
