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

// Sorted by domain, operator, version.
const std::vector<const OnnxRow*>& rows() {
  static const std::vector<const OnnxRow*> all = [] {
    std::vector<const OnnxRow*> out;
    for (const OpFile* file : files())
      for (const OnnxRow& row : file->rows) out.push_back(&row);
    std::sort(out.begin(), out.end(), [](const OnnxRow* a, const OnnxRow* b) {
      return std::tie(a->domain, a->op_type, a->since) < std::tie(b->domain, b->op_type, b->since);
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

const OnnxRow* find_onnx_row(std::string_view domain, std::string_view op_type, int64_t version) {
  domain = plain_domain(domain);
  const OnnxRow* best = nullptr;
  const auto& all = rows();
  auto it = std::lower_bound(all.begin(), all.end(), std::tie(domain, op_type),
                             [](const OnnxRow* row, const std::tuple<std::string_view&, std::string_view&>& key) {
                               return std::tie(row->domain, row->op_type) < key;
                             });
  for (; it != all.end() && (*it)->domain == domain && (*it)->op_type == op_type; ++it)
    if ((*it)->since <= version) best = *it;
  return best;
}

Result<const OnnxRow*> require_onnx_row(std::string_view domain, std::string_view op_type, int64_t version) {
  domain = plain_domain(domain);
  if (const OnnxRow* row = find_onnx_row(domain, op_type, version)) return row;
  int first = 0;
  Nearest nearest(op_type);
  for (const OnnxRow* row : rows()) {
    if (row->domain != domain) continue;
    if (row->op_type == op_type) first = first ? std::min(first, row->since) : row->since;
    nearest.offer(row->op_type);
  }
  std::string_view shown_domain = domain.empty() ? std::string_view("ai.onnx") : domain;
  if (first)
    return fail(Code::unsupported, "operator {} of domain {} appears in op set {}, the model imports op set {}",
                op_type, shown_domain, first, version);
  if (!nearest.found().empty())
    return fail(Code::unsupported, "operator {} of domain {} is not supported; the nearest name is {}", op_type,
                shown_domain, nearest.found());
  return fail(Code::unsupported, "operator {} of domain {} is not supported", op_type, shown_domain);
}

}  // namespace tenon
