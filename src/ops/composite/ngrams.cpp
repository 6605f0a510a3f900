// TfIdfVectorizer: how often each n-gram of a pool is in a row.
#include <algorithm>
#include <map>

#include "ops/composite/elementwise.h"
#include "ops/composite/parts.h"
#include "ops/composite/texts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// A formula has two operands for each element of an n-gram, and two more.
constexpr int64_t kLongest = (kMaxProgramInputs - 2) / 2;
// Each distance between an n-gram's elements is a few nodes; each column an element of every result.
constexpr int64_t kMostDistances = 256, kMostColumns = 1 << 24;

// The n-grams of one length: their elements one after the other, and their columns in the result.
struct Grams {
  int64_t length = 0;
  std::vector<int64_t> elements, columns;
  int64_t count() const { return static_cast<int64_t>(columns.size()); }
};

struct Pool {
  std::vector<Grams> grams;  // of the lengths that are wanted
  int64_t columns = 0;
};

// `elements`: those of the attribute pool_int64s, or numbers that stand for pool_strings.
Result<Pool> read_pool(const Attrs& attrs, const std::vector<int64_t>& elements) {
  const std::vector<int64_t> begins = attrs.integers("ngram_counts"),
                             columns = attrs.integers("ngram_indexes");
  const int64_t shortest = attrs.integer("min_gram_length"), longest = attrs.integer("max_gram_length");
  if (columns.empty() || shortest < 1 || longest < shortest || attrs.integer("max_skip_count") < 0)
    return fail(Code::invalid_model, "TfIdfVectorizer: {} ngram_indexes, n-grams of {} to {}, skips up to {}", columns.size(),
                shortest, longest, attrs.integer("max_skip_count"));
  Pool pool;
  for (int64_t column : columns) {
    if (column < 0 || column >= kMostColumns)
      return fail(column < 0 ? Code::invalid_model : Code::unsupported, "TfIdfVectorizer: ngram_indexes holds {}; 0 to {} are supported",
                  column, kMostColumns - 1);
    pool.columns = std::max(pool.columns, column + 1);
  }
  size_t taken = 0;
  for (size_t i = 0; i < begins.size(); ++i) {
    const auto total = static_cast<int64_t>(elements.size()), length = static_cast<int64_t>(i) + 1;
    const int64_t begin = begins[i], end = i + 1 < begins.size() ? begins[i + 1] : total;
    if (begin < 0 || end < begin || end > total || (end - begin) % length != 0 ||
        static_cast<size_t>((end - begin) / length) > columns.size() - taken)
      return fail(Code::invalid_model, "ngram_counts, the pool and ngram_indexes do not agree about n-grams of {}", length);
    const auto count = static_cast<size_t>((end - begin) / length);
    if (count > 0 && length >= shortest && length <= longest) {
      if (length > kLongest)
        return fail(Code::unsupported, "TfIdfVectorizer: n-grams of {} are not supported; up to {} are", length, kLongest);
      const auto first = columns.begin() + static_cast<ptrdiff_t>(taken);
      pool.grams.push_back({length, {elements.begin() + begin, elements.begin() + end}, {first, first + static_cast<ptrdiff_t>(count)}});
    }
    taken += count;
  }
  return pool;
}

// How often rows [N, C] hold each n-gram whose elements are `distance` apart: f32[N, grams].
Result<ValueId> counts_of(OnnxNode& node, ValueId x, const Grams& grams, int64_t distance) {
  const Dim size = node.type(x).shape[1];
  TN_ASSIGN(ValueId place, positions(node, size, 0, 1));
  TN_ASSIGN(ValueId length, dim_value(node, size));
  TN_ASSIGN(ValueId wide_place, along(node, place, 1, 3));
  std::vector<ValueId> operands = {wide_place, length};
  // An n-gram that ends beyond the row is none; what is read for it there is the last element.
  std::string text = fmt::format("lt(add(x0, {}), x1)", distance * (grams.length - 1));
  for (int64_t k = 0; k < grams.length; ++k) {
    TN_ASSIGN(ValueId at, add_formula(node, fmt::format("min(add(x0, {}), sub(x1, 1))", distance * k), {place, length}));
    TN_ASSIGN(ValueId element, node.add(kGather, {x, at}, {{"axis", int64_t{1}}}));
    TN_ASSIGN(element, along(node, element, 0, 3));
    std::vector<int64_t> wanted;
    for (int64_t g = 0; g < grams.count(); ++g) wanted.push_back(grams.elements[static_cast<size_t>(g * grams.length + k)]);
    TN_ASSIGN(ValueId gram, along(node, node.build().constant_integers(wanted), 2, 3));
    text = fmt::format("logical_and({}, eq(x{}, x{}))", text, operands.size(), operands.size() + 1);
    operands.push_back(element);
    operands.push_back(gram);
  }
  TN_ASSIGN(ValueId hits, add_formula(node, fmt::format("cast({}):f32", text), std::move(operands)));
  return reduce(node, "sum", hits, {1}, false);
}

// By the weight of the n-gram that has the column: each count, or whether there is any.
Result<ValueId> weighted(OnnxNode& node, ValueId counts, int64_t columns) {
  const std::string mode = node.attrs().text("mode");
  if (mode == "TF") return counts;
  if (mode != "IDF" && mode != "TFIDF")
    return fail(Code::invalid_model, "attribute mode of TfIdfVectorizer must be TF, IDF or TFIDF, it is '{}'", mode);
  if (mode == "IDF") {
    TN_ASSIGN(counts, add_formula(node, "cast(gt(x0, 0)):f32", {counts}));
  }
  const std::vector<double> given = node.attrs().get<std::vector<double>>("weights");
  if (given.empty()) return counts;
  const std::vector<int64_t> places = node.attrs().integers("ngram_indexes");
  if (given.size() < places.size())
    return fail(Code::invalid_model, "TfIdfVectorizer has {} weights for {} n-grams", given.size(), places.size());
  std::vector<float> weights(static_cast<size_t>(columns), 1);
  for (size_t i = 0; i < places.size(); ++i) weights[static_cast<size_t>(places[i])] = static_cast<float>(given[i]);
  const ValueId row = node.build().constant({DType::f32, {Dim(columns)}, kLinear}, std::as_bytes(std::span(weights)));
  return add_formula(node, "mul(x0, x1)", {counts, row});
}

// The number that index_of gives each text, for equal ones the same.
std::vector<int64_t> numbers_for(const std::vector<std::string>& texts) {
  std::map<std::string_view, int64_t> last;
  for (size_t i = 0; i < texts.size(); ++i) last[texts[i]] = static_cast<int64_t>(i);
  std::vector<int64_t> out;
  for (const std::string& text : texts) out.push_back(last[text]);
  return out;
}

Status expand_tf_idf(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  const TensorType x = node.type(0);
  std::vector<int64_t> elements = node.attrs().integers("pool_int64s");
  const auto texts = node.attrs().get<std::vector<std::string>>("pool_strings");
  if (elements.empty() == texts.empty())
    return fail(Code::invalid_model, "TfIdfVectorizer: one of pool_int64s and pool_strings must have elements");
  const bool fits = texts.empty() ? x.dtype == DType::i32 || x.dtype == DType::i64 : x.dtype == DType::string;
  if ((x.rank() != 1 && x.rank() != 2) || !fits)
    return fail(Code::invalid_model, "TfIdfVectorizer with {} takes {} [C] or [N, C], not {}", texts.empty() ? "pool_int64s" : "pool_strings",
                texts.empty() ? "integers" : "strings", print(x));
  ValueId rows = node.input(0);
  if (!texts.empty()) {
    TN_ASSIGN(rows, index_of(node, rows, texts));
    elements = numbers_for(texts);
  }
  TN_ASSIGN(Pool pool, read_pool(node.attrs(), elements));
  TN_ASSIGN(rows, along(node, rows, 2 - x.rank(), 2));
  TN_ASSIGN(rows, cast(node, rows, DType::i64));
  const Dim count = node.type(rows).shape[0];
  std::vector<ValueId> counts;
  std::vector<int64_t> columns;
  for (const Grams& grams : pool.grams) {
    const int64_t skips = grams.length == 1 ? 0 : node.attrs().integer("max_skip_count");
    ValueId sum;
    // In rows of a known length, n-grams that are longer than it are nowhere.
    const Dim& size = node.type(rows).shape[1];
    const int64_t most = size.is_constant() && grams.length > 1 ? (std::max<int64_t>(size.value(), 1) - 1) / (grams.length - 1) : skips;
    if (std::min(skips, most) >= kMostDistances)
      return fail(Code::unsupported, "TfIdfVectorizer: max_skip_count is {}; up to {} are supported for rows {}", skips, kMostDistances - 1,
                  print(x));
    for (int64_t distance = 1; distance - 1 <= std::min(skips, most); ++distance) {
      TN_ASSIGN(ValueId here, counts_of(node, rows, grams, distance));
      if (sum.valid()) {
        TN_ASSIGN(here, add_formula(node, "add(x0, x1)", {sum, here}));
      }
      sum = here;
    }
    counts.push_back(sum);
    columns.insert(columns.end(), grams.columns.begin(), grams.columns.end());
  }
  TN_ASSIGN(ValueId y, expand(node.build(), node.build().scalar(DType::f32, 0), {count, Dim(pool.columns)}));
  if (!counts.empty()) {
    TN_ASSIGN(ValueId all, concat(node, std::move(counts), 1));
    TN_ASSIGN(ValueId at, expand(node.build(), node.build().constant_integers(columns), node.type(all).shape));
    TN_ASSIGN(y, node.add(kScatterElements, {y, at, all}, {{"axis", int64_t{1}}, {"reduction", std::string("add")}}));
  }
  TN_ASSIGN(y, weighted(node, y, pool.columns));
  if (x.rank() == 1) {
    TN_ASSIGN(y, reshape(node.build(), y, {Dim(pool.columns)}));
  }
  node.output(0, y);
  return {};
}

constexpr OnnxRow kRows[] = {{"TfIdfVectorizer", 9, expand_tf_idf}};

}  // namespace

extern const OpFile ngrams_ops = {nullptr, kRows};

}  // namespace tenon
