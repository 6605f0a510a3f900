// The tables of ops and of ONNX rows, made from ops.def, and the look-ups in them.
#include <algorithm>
#include <tuple>
#include <vector>

#include "ops/ops.h"

namespace tenon {
namespace {

const std::vector<const OpFile*>& files() {
  static const std::vector<const OpFile*> all = {
#define TN_OPS(name) &name##_ops,
#include "ops/ops.def"
#undef TN_OPS
  };
  return all;
}

// Sorted by name.
const std::vector<const OpDef*>& ops() {
  static const std::vector<const OpDef*> all = [] {
    std::vector<const OpDef*> out{&kOnnxOp};
    for (const OpFile* file : files())
      if (file->op) out.push_back(file->op);
    std::sort(out.begin(), out.end(), [](const OpDef* a, const OpDef* b) { return a->name < b->name; });
    return out;
  }();
  return all;
}

struct Row {
  const OnnxRow* row;
  const OpFile* file;
};

// Sorted by domain, operator, version.
const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> out;
    for (const OpFile* file : files())
      for (const OnnxRow& row : file->rows) out.push_back({&row, file});
    std::sort(out.begin(), out.end(), [](const Row& a, const Row& b) {
      return std::tie(a.row->domain, a.row->op_type, a.row->since) < std::tie(b.row->domain, b.row->op_type, b.row->since);
    });
    return out;
  }();
  return all;
}

// Levenshtein's distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// The name nearest to `name` if at most a third of it differs.
class Nearest {
 public:
  explicit Nearest(std::string_view name) : name_(name), best_(name.size() / 3 + 1) {}
  void offer(std::string_view candidate) {
    if (name_.size() > 64) return;
    size_t d = distance(name_, candidate);
    if (d < best_ || (d == best_ && found_.empty())) best_ = d, found_ = candidate;
  }
  std::string_view found() const { return found_; }

 private:
  std::string_view name_, found_;
  size_t best_;
};

std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

}  // namespace

const OpDef* find_op(std::string_view name) {
  const auto& all = ops();
  auto it = std::lower_bound(all.begin(), all.end(), name,
                             [](const OpDef* op, std::string_view wanted) { return op->name < wanted; });
  return it != all.end() && (*it)->name == name ? *it : nullptr;
}

std::string_view nearest_op(std::string_view name) {
  Nearest nearest(name);
  for (const OpDef* op : ops()) nearest.offer(op->name);
  return nearest.found();
}

OnnxSupport onnx_support(std::string_view domain, std::string_view op_type, int64_t version) {
  domain = plain_domain(domain);
  const auto& all = rows();
  auto it = std::lower_bound(all.begin(), all.end(), std::tie(domain, op_type),
                             [](const Row& row, const std::tuple<std::string_view&, std::string_view&>& key) {
                               return std::tie(row.row->domain, row.row->op_type) < key;
                             });
  OnnxSupport out;
  for (; it != all.end() && it->row->domain == domain && it->row->op_type == op_type; ++it) {
    if (!out.since) out.since = it->row->since;
    if (it->row->since <= version) out.row = it->row, out.op = it->file->op;
  }
  if (out.since) {
    if (domain.empty()) out.until = kMaxOnnxOpset;
    return out;
  }
  Nearest nearest(op_type);
  for (const Row& row : all)
    if (row.row->domain == domain) nearest.offer(row.row->op_type);
  for (const Row& row : all) {
    // The same name in another domain is nearer than another name.
    const bool same = row.row->op_type == op_type;
    if (!same && (row.row->domain != domain || row.row->op_type != nearest.found())) continue;
    if (out.nearest && (!same || out.nearest->op_type == op_type)) continue;
    out.nearest = row.row;
  }
  return out;
}

const OnnxRow* find_onnx_row(std::string_view domain, std::string_view op_type, int64_t version) {
  return onnx_support(domain, op_type, version).row;
}

Result<const OnnxRow*> require_onnx_row(std::string_view domain, std::string_view op_type, int64_t version) {
  const OnnxSupport support = onnx_support(domain, op_type, version);
  if (support.row) return support.row;
  const std::string_view shown_domain = shown_onnx_domain(domain);
  if (support.since)
    return fail(Code::unsupported, "operator {} of domain {} appears in op set {}, the model imports op set {}",
                op_type, shown_domain, support.since, version);
  if (support.nearest && support.nearest->op_type == op_type)
    return fail(Code::unsupported, "operator {} of domain {} is not supported; domain {} has it from op set {} on", op_type,
                shown_domain, shown_onnx_domain(support.nearest->domain), support.nearest->since);
  if (support.nearest)
    return fail(Code::unsupported, "operator {} of domain {} is not supported; the nearest name is {}", op_type,
                shown_domain, support.nearest->op_type);
  return fail(Code::unsupported, "operator {} of domain {} is not supported", op_type, shown_domain);
}

std::string_view shown_onnx_domain(std::string_view domain) { return domain.empty() ? "ai.onnx" : domain; }

}  // namespace tenon
