// Operators of ai.onnx.ml on features: ArrayFeatureExtractor, Binarizer, CategoryMapper, FeatureVectorizer, Imputer,
// LabelEncoder, Normalizer, OneHotEncoder, Scaler.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/composite/elementwise.h"
#include "ops/composite/learned.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// The elements of the last axis that the indices name; of a vector, as a matrix of one row.
Status expand_array_feature_extractor(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 2));
  const size_t rank = node.rank(0);
  if (rank == 0)
    return fail(Code::invalid_model, "ArrayFeatureExtractor takes a tensor of 1 dim or more, not a scalar");
  TN_ASSIGN(ValueId at, reshape(node.build(), node.input(1), {element_count(node.type(1).shape)}));
  TN_ASSIGN(ValueId y, node.add(kGather, {node.input(0), at}, {{"axis", static_cast<int64_t>(rank) - 1}}));
  if (rank == 1) {
    TN_ASSIGN(y, along(node, y, 1, 2));
  }
  node.output(0, y);
  return {};
}

Status expand_binarizer(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const DType type = node.type(0).dtype;
  const std::string x = is_float(type) ? "x0" : "cast(x0):f64";
  TN_ASSIGN(ValueId y,
            add_formula(
                node, fmt::format("cast(gt({}, {})):{}", x, node.attrs().number("threshold"), name_of(type)),
                {node.input(0)}));
  node.output(0, y);
  return {};
}

std::string name_of_op(OnnxNode& node) { return node.attrs().text("op_type"); }

// Input 0 as numbers of 1 dim or more.
Status expect_numbers(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const TensorType& x = node.type(0);
  if (x.rank() > 0 && (is_float(x.dtype) || is_integer(x.dtype))) return {};
  return fail(Code::invalid_model, "{} takes numbers [rows, features], not {}", name_of_op(node), print(x));
}

// A list attribute of one number, or one for each of x's last dim, in a type.
Result<ValueId> by_feature(OnnxNode& node, std::string_view name, DType type) {
  const auto values = node.attrs().get<std::vector<double>>(name);
  const Dim count(static_cast<int64_t>(values.size()));
  if (values.size() != 1 && (values.empty() || always_equal(node.type(0).shape.back(), count) == false))
    return fail(Code::invalid_model,
                "{}: attribute {} has {} numbers for {}; it must have one, or one for each feature",
                name_of_op(node), name, values.size(), print(node.type(0)));
  return float_constant(node, type, {count}, values);
}

DType float_type(OnnxNode& node) { return node.type(0).dtype == DType::f64 ? DType::f64 : DType::f32; }

Status expand_scaler(OnnxNode& node) {
  TN_TRY(expect_numbers(node));
  const DType type = float_type(node);
  TN_ASSIGN(ValueId y, cast(node, node.input(0), type));
  if (node.attrs().has("offset")) {
    TN_ASSIGN(ValueId offset, by_feature(node, "offset", type));
    TN_ASSIGN(y, add_formula(node, "sub(x0, x1)", {y, offset}));
  }
  if (node.attrs().has("scale")) {
    TN_ASSIGN(ValueId scale, by_feature(node, "scale", type));
    TN_ASSIGN(y, add_formula(node, "mul(x0, x1)", {y, scale}));
  }
  TN_ASSIGN(y, cast(node, y, DType::f32));
  node.output(0, y);
  return {};
}

// A row of zeros stays so.
Status expand_normalizer(OnnxNode& node) {
  TN_TRY(expect_numbers(node));
  struct Row {
    std::string_view norm, kind;
  };
  constexpr Row kNorms[] = {{"MAX", "max"}, {"L1", "l1"}, {"L2", "l2"}};
  const std::string norm = node.attrs().text("norm", "MAX");
  const auto row =
      std::find_if(std::begin(kNorms), std::end(kNorms), [&](const Row& r) { return r.norm == norm; });
  if (row == std::end(kNorms))
    return fail(Code::invalid_model, "attribute norm of Normalizer must be MAX, L1 or L2, it is '{}'", norm);
  TN_ASSIGN(ValueId x, cast(node, node.input(0), float_type(node)));
  TN_ASSIGN(ValueId size, reduce(node, row->kind, x, {static_cast<int64_t>(node.rank(0)) - 1}));
  TN_ASSIGN(ValueId y, add_formula(node, "div(x0, where(eq(x1, 0), 1, x1))", {x, size}));
  TN_ASSIGN(y, cast(node, y, DType::f32));
  node.output(0, y);
  return {};
}

Status expand_imputer(OnnxNode& node) {
  TN_TRY(expect_numbers(node));
  const DType type = node.type(0).dtype;
  if (is_float(type)) {
    TN_ASSIGN(ValueId with, by_feature(node, "imputed_value_floats", float_type(node)));
    TN_ASSIGN(with, cast(node, with, type));
    const double wanted = node.attrs().number("replaced_value_float");
    const std::string is = std::isnan(wanted) ? std::string("isnan(x0)") : fmt::format("eq(x0, {})", wanted);
    TN_ASSIGN(ValueId y, add_formula(node, fmt::format("where({}, x1, x0)", is), {node.input(0), with}));
    return node.output(0, y), Status{};
  }
  const std::vector<int64_t> values = node.attrs().integers("imputed_value_int64s");
  const Dim count(static_cast<int64_t>(values.size()));
  if (values.size() != 1 && (values.empty() || always_equal(node.type(0).shape.back(), count) == false))
    return fail(
        Code::invalid_model,
        "Imputer: imputed_value_int64s has {} numbers for {}; it must have one, or one for each feature",
        values.size(), print(node.type(0)));
  TN_ASSIGN(ValueId with, cast(node, integer_constant(node, {count}, values), type));
  TN_ASSIGN(ValueId wanted,
            cast(node, integer_constant(node, {}, {node.attrs().integer("replaced_value_int64")}), type));
  TN_ASSIGN(ValueId y, add_formula(node, "where(eq(x0, x2), x1, x0)", {node.input(0), with, wanted}));
  node.output(0, y);
  return {};
}

Status expand_vectorizer(OnnxNode& node) {
  const std::vector<int64_t> widths = node.attrs().integers("inputdimensions");
  if (node.input_count() == 0 || widths.size() != node.input_count())
    return fail(Code::invalid_model, "FeatureVectorizer has {} inputs and {} inputdimensions",
                node.input_count(), widths.size());
  TN_TRY(expect_inputs(node, node.input_count()));
  std::vector<ValueId> parts;
  for (size_t i = 0; i < widths.size(); ++i) {
    const TensorType x = node.type(i);
    if (x.rank() < 1 || x.rank() > 2 || always_equal(x.shape.back(), Dim(widths[i])) == false)
      return fail(Code::unsupported,
                  "FeatureVectorizer: input {} is {}; [rows, {}] is supported, as inputdimensions says", i,
                  print(x), widths[i]);
    TN_ASSIGN(ValueId part, along(node, node.input(i), 2 - x.rank(), 2));
    TN_ASSIGN(part, cast(node, part, DType::f32));
    parts.push_back(part);
  }
  TN_ASSIGN(ValueId y, concat(node, std::move(parts), 1));
  node.output(0, y);
  return {};
}

Status expand_one_hot(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  std::vector<int64_t> categories = node.attrs().integers("cats_int64s");
  const auto texts = node.attrs().get<std::vector<std::string>>("cats_strings");
  if (categories.empty() == texts.empty())
    return fail(Code::invalid_model, "OneHotEncoder: one of cats_int64s and cats_strings must have elements");
  if (node.attrs().integer("zeros", 1) == 0)
    return fail(
        Code::unsupported,
        "OneHotEncoder: zeros is 0: a category that is not known would have to be an error of the run; "
        "with 1 its row is zeros");
  ValueId x;
  if (texts.empty()) {
    TN_TRY(expect_numbers(node));
    TN_ASSIGN(x, cast(node, node.input(0), DType::i64));
  } else {
    TN_ASSIGN(x, index_of(node, node.input(0), texts));
    categories.resize(texts.size());
    std::iota(categories.begin(), categories.end(), 0);
  }
  TN_ASSIGN(x, along(node, x, 0, node.rank(0) + 1));
  TN_ASSIGN(
      ValueId y,
      add_formula(node, "cast(eq(x0, x1)):f32",
                  {x, integer_constant(node, {Dim(static_cast<int64_t>(categories.size()))}, categories)}));
  node.output(0, y);
  return {};
}

// ── LabelEncoder ──

// A column of a LabelEncoder: integers, floats or texts.
struct Column {
  DType type = DType::none;
  std::vector<int64_t> integers;
  std::vector<double> floats;
  std::vector<std::string> texts;
  bool is_text() const { return type == DType::string; }
  size_t size() const { return is_text() ? texts.size() : is_float(type) ? floats.size() : integers.size(); }

  Column in_order(const std::vector<size_t>& order) const {
    Column out{type, {}, {}, {}};
    for (size_t i : order)
      is_float(type) ? out.floats.push_back(floats[i]) : out.integers.push_back(integers[i]);
    return out;
  }
};

Result<std::vector<int64_t>> integers_of(OnnxNode& node, const Constant& tensor) {
  return use_integers(node.graph(), node.build().constant(tensor.type, tensor.bytes.view),
                      "a tensor of LabelEncoder");
}

Result<Column> read_column(OnnxNode& node, const std::string& of) {
  const Attrs& attrs = node.attrs();
  Column out;
  if (attrs.has(of + "_int64s")) out = {DType::i64, attrs.integers(of + "_int64s"), {}, {}};
  if (attrs.has(of + "_floats")) out = {DType::f32, {}, attrs.get<std::vector<double>>(of + "_floats"), {}};
  if (attrs.has(of + "_strings")) out = {DType::string, {}, {}, attrs.get<std::vector<std::string>>(of + "_strings")};
  if (const auto tensor = attrs.get<std::shared_ptr<const Constant>>(of + "_tensor")) {
    out = {tensor->type.dtype, {}, {}, {}};
    if (out.is_text()) {
      TN_ASSIGN(out.texts, texts_of(*tensor));
    } else if (is_float(out.type)) {
      TN_ASSIGN(out.floats, numbers_of(*tensor));
    } else {
      TN_ASSIGN(out.integers, integers_of(node, *tensor));
    }
  }
  if (out.size() == 0)
    return fail(Code::invalid_model,
                "LabelEncoder: one of {0}_int64s, {0}_floats, {0}_strings and {0}_tensor must have elements", of);
  return out;
}

Result<ValueId> constant_of(OnnxNode& node, const Column& column) {
  const Shape shape = {Dim(static_cast<int64_t>(column.size()))};
  const ValueId out = is_float(column.type) ? float_constant(node, DType::f64, shape, column.floats)
                                            : integer_constant(node, shape, column.integers);
  return cast(node, out, column.type);
}

// What an element that is no key becomes, [1].
Result<Column> default_of(OnnxNode& node, const Column& values) {
  const Attrs& attrs = node.attrs();
  Column out{values.type, {attrs.integer("default_int64", -1)}, {attrs.number("default_float", -0.0)},
             {attrs.text("default_string", "_Unused")}};
  if (attrs.has("default_tensor")) {
    const auto tensor = attrs.get<std::shared_ptr<const Constant>>("default_tensor");
    if (!tensor || tensor->type.dtype != values.type || !element_count(tensor->type.shape).is(1))
      return fail(Code::invalid_model, "LabelEncoder: default_tensor must be one element of {}",
                  name_of(values.type));
    if (values.is_text()) {
      TN_ASSIGN(out.texts, texts_of(*tensor));
    } else if (is_float(values.type)) {
      TN_ASSIGN(out.floats, numbers_of(*tensor));
    } else {
      TN_ASSIGN(out.integers, integers_of(node, *tensor));
    }
  }
  return out;
}

// The last of equal keys holds. NaN, which no comparison finds, is looked for apart.
Result<ValueId> of_numbers(OnnxNode& node, const Column& keys, const Column& values, const Column& fallback) {
  const TensorType x = node.type(0);
  std::vector<size_t> order, nan;
  for (size_t i = 0; i < keys.size(); ++i)
    (is_float(keys.type) && std::isnan(keys.floats[i]) ? nan : order).push_back(i);
  const auto before = [&](size_t a, size_t b) {
    return is_float(keys.type) ? keys.floats[a] < keys.floats[b] : keys.integers[a] < keys.integers[b];
  };
  std::stable_sort(order.begin(), order.end(), before);
  std::vector<size_t> unique;
  for (size_t i : order) {
    if (!unique.empty() && !before(unique.back(), i)) unique.pop_back();
    unique.push_back(i);
  }
  TN_ASSIGN(ValueId other, constant_of(node, fallback.in_order({0})));
  TN_ASSIGN(other, reshape(node.build(), other, {}));
  TN_ASSIGN(ValueId y, expand(node.build(), other, x.shape));
  const auto count = static_cast<int64_t>(unique.size());
  if (count > 0) {
    TN_ASSIGN(ValueId sorted, constant_of(node, keys.in_order(unique)));
    TN_ASSIGN(ValueId at, expand(node.build(), node.build().scalar(DType::i64, 0), x.shape));
    int64_t step = 1;
    while (step < count) step *= 2;
    // The last key that is not above x, by halving.
    for (step /= 2; step > 0; step /= 2) {
      TN_ASSIGN(ValueId probe, add_formula(node, fmt::format("min(add(x0, {}), {})", step, count - 1), {at}));
      TN_ASSIGN(ValueId key, node.add(kGather, {sorted, probe}, {{"axis", int64_t{0}}}));
      TN_ASSIGN(at, add_formula(node, "where(le(x0, x1), x2, x3)", {key, node.input(0), probe, at}));
    }
    TN_ASSIGN(ValueId key, node.add(kGather, {sorted, at}, {{"axis", int64_t{0}}}));
    TN_ASSIGN(ValueId table, constant_of(node, values.in_order(unique)));
    TN_ASSIGN(ValueId value, node.add(kGather, {table, at}, {{"axis", int64_t{0}}}));
    TN_ASSIGN(y, add_formula(node, "where(eq(x0, x1), x2, x3)", {key, node.input(0), value, y}));
  }
  if (!nan.empty()) {
    TN_ASSIGN(ValueId value, constant_of(node, values.in_order({nan.back()})));
    TN_ASSIGN(value, reshape(node.build(), value, {}));
    TN_ASSIGN(y, add_formula(node, "where(isnan(x0), x1, x2)", {node.input(0), value, y}));
  }
  return y;
}

// The column with the fallback behind it, at indices into that.
Result<ValueId> at_indices(OnnxNode& node, Column values, const Column& fallback, ValueId indices) {
  if (values.is_text()) values.texts.push_back(fallback.texts.at(0));
  else if (is_float(values.type)) values.floats.push_back(fallback.floats.at(0));
  else values.integers.push_back(fallback.integers.at(0));
  if (values.is_text()) return texts_at(node, values.texts, indices);
  TN_ASSIGN(ValueId table, constant_of(node, values));
  return node.add(kGather, {table, indices}, {{"axis", int64_t{0}}});
}

Result<ValueId> encoded(OnnxNode& node, const Column& keys, const Column& values, const Column& fallback) {
  const TensorType& x = node.type(0);
  if (keys.size() != values.size() || x.dtype != keys.type)
    return fail(Code::invalid_model, "{}: {} keys of {} and {} values, for x {}", name_of_op(node), keys.size(),
                name_of(keys.type), values.size(), print(x));
  if (keys.is_text()) {
    TN_ASSIGN(ValueId at, index_of(node, node.input(0), keys.texts));
    return at_indices(node, values, fallback, at);
  }
  if (!values.is_text()) return of_numbers(node, keys, values, fallback);
  Column numbers{DType::i64, std::vector<int64_t>(values.size()), {}, {}};
  std::iota(numbers.integers.begin(), numbers.integers.end(), 0);
  TN_ASSIGN(ValueId at, of_numbers(node, keys, numbers, {DType::i64, {static_cast<int64_t>(values.size())}, {}, {}}));
  return at_indices(node, values, fallback, at);
}

Status expand_label_encoder(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  TN_ASSIGN(Column keys, read_column(node, "keys"));
  TN_ASSIGN(Column values, read_column(node, "values"));
  TN_ASSIGN(Column fallback, default_of(node, values));
  TN_ASSIGN(ValueId y, encoded(node, keys, values, fallback));
  node.output(0, y);
  return {};
}

// Between two lists of as many. What is not in the list becomes the other type's default.
Status expand_category_mapper(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const Attrs& attrs = node.attrs();
  const Column numbers{DType::i64, attrs.integers("cats_int64s"), {}, {}},
      texts{DType::string, {}, {}, attrs.get<std::vector<std::string>>("cats_strings")};
  const bool to_numbers = node.type(0).dtype == DType::string;
  const Column fallback{to_numbers ? DType::i64 : DType::string, {attrs.integer("default_int64", -1)}, {},
                        {attrs.text("default_string", "_Unused")}};
  TN_ASSIGN(ValueId y, encoded(node, to_numbers ? texts : numbers, to_numbers ? numbers : texts, fallback));
  node.output(0, y);
  return {};
}

// Before op set 2: between classes and their numbers.
Status expand_classes(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const Attrs& attrs = node.attrs();
  Column texts{DType::string, {}, {}, attrs.get<std::vector<std::string>>("classes_strings")};
  Column numbers{DType::i64, std::vector<int64_t>(texts.size()), {}, {}};
  std::iota(numbers.integers.begin(), numbers.integers.end(), 0);
  const bool to_numbers = node.type(0).dtype == DType::string;
  const Column fallback{to_numbers ? DType::i64 : DType::string, {attrs.integer("default_int64", -1)}, {},
                        {attrs.text("default_string", "_Unused")}};
  TN_ASSIGN(ValueId y, encoded(node, to_numbers ? texts : numbers, to_numbers ? numbers : texts, fallback));
  node.output(0, y);
  return {};
}

Status refuse_zip_map(OnnxNode&) {
  return fail(Code::unsupported, "ZipMap makes a sequence of maps, which no tensor is: drop the node, whose input holds the scores in order of "
                                 "the labels");
}

constexpr OnnxRow kRows[] = {{"ArrayFeatureExtractor", 1, expand_array_feature_extractor, "ai.onnx.ml"},
                             {"Binarizer", 1, expand_binarizer, "ai.onnx.ml"},
                             {"CategoryMapper", 1, expand_category_mapper, "ai.onnx.ml"},
                             {"FeatureVectorizer", 1, expand_vectorizer, "ai.onnx.ml"},
                             {"Imputer", 1, expand_imputer, "ai.onnx.ml"},
                             {"LabelEncoder", 1, expand_classes, "ai.onnx.ml"},
                             {"LabelEncoder", 2, expand_label_encoder, "ai.onnx.ml"},
                             {"Normalizer", 1, expand_normalizer, "ai.onnx.ml"},
                             {"OneHotEncoder", 1, expand_one_hot, "ai.onnx.ml"},
                             {"Scaler", 1, expand_scaler, "ai.onnx.ml"},
                             {"ZipMap", 1, refuse_zip_map, "ai.onnx.ml"}};

}  // namespace

extern const OpFile features_ops = {nullptr, kRows};

}  // namespace tenon
