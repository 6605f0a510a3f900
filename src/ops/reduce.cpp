// reduce: sums, means, extremes … over axes, and ONNX's ReduceX, ArgMax, ArgMin and global pooling.
#include <algorithm>
#include <numeric>

#include "ops/broadcast.h"
#include "ops/content.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/prologue.h"
#include "reduce/params.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"kind", AttrKind::text, true},       {"axes", AttrKind::integers, true},    {"keep_dims", AttrKind::integer},
    {"prologue", AttrKind::program},      {"epilogue", AttrKind::program},
};

constexpr std::string_view kKinds[] = {"sum",     "mean",        "max",     "min",     "prod",         "sum_square",  "l1",
                                       "l2",      "log_sum",     "log_sum_exp", "arg_max", "arg_min", "arg_max_last", "arg_min_last"};
static_assert(std::size(kKinds) == static_cast<size_t>(ReduceKind::count_));

Result<ReduceKind> kind_of(const Attrs& attrs) {
  std::string name = attrs.text("kind");
  auto found = std::find(std::begin(kKinds), std::end(kKinds), name);
  if (found != std::end(kKinds)) return static_cast<ReduceKind>(found - std::begin(kKinds));
  return fail(Code::invalid_argument, "reduce has no kind '{}'", name);
}

Status check_axes(const std::vector<int64_t>& axes, size_t rank) {
  int64_t before = -1;
  for (int64_t axis : axes) {
    if (axis <= before || axis >= static_cast<int64_t>(rank))
      return fail(Code::invalid_argument, "axes must be sorted, distinct and below the rank {}; {} follows {}", rank, axis,
                  before);
    before = axis;
  }
  return {};
}

// The content of a reduction of a known shape value to one element.
Content reduce_content(ReduceKind kind, const Content& content, size_t axes) {
  if (!content || axes != 1 || content->empty()) return std::nullopt;
  Dim out = content->front();
  for (size_t i = 1; i < content->size(); ++i) {
    const Dim& next = (*content)[i];
    switch (kind) {
      case ReduceKind::sum: out = out + next; break;
      case ReduceKind::prod: out = out * next; break;
      case ReduceKind::max: out = max(out, next); break;
      case ReduceKind::min: out = min(out, next); break;
      default: return std::nullopt;
    }
  }
  if (kind != ReduceKind::sum && kind != ReduceKind::prod && kind != ReduceKind::max && kind != ReduceKind::min)
    return std::nullopt;
  return std::vector<Dim>{out};
}

Result<Inferred> infer(NodeView view) {
  TN_ASSIGN(ReduceKind kind, kind_of(view.attrs()));
  TN_ASSIGN(TensorType x, apply_prologue(view));
  std::vector<int64_t> axes = view.attrs().integers("axes");
  TN_TRY(check_axes(axes, x.rank()));
  bool keep = view.attrs().integer("keep_dims", 1);
  TensorType result{is_arg(kind) ? DType::i64 : x.dtype, {}, kLinear};
  if (is_arg(kind) && axes.size() != 1)
    return fail(Code::invalid_argument, "{} takes one axis, it has {}", view.attrs().text("kind"), axes.size());
  for (size_t i = 0; i < x.rank(); ++i) {
    bool reduced = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(i));
    if (!reduced) result.shape.push_back(x.shape[i]);
    else if (keep) result.shape.push_back(Dim(1));
  }
  bool plain = view.attrs().program("prologue").empty() && view.attrs().program("epilogue").empty();
  Content content = plain && x.rank() == 1 ? reduce_content(kind, content_of(view, 0), axes.size()) : std::nullopt;
  TN_ASSIGN(TensorType out, apply_epilogue(view, own_inputs(view), std::move(result)));
  return Inferred{{std::move(out)}, {std::move(content)}};
}

Result<KernelCall> reference(NodeView view) {
  ReduceParams params;
  TN_ASSIGN(params.kind, kind_of(view.attrs()));
  params.keep_dims = view.attrs().integer("keep_dims", 1) != 0;
  for (int64_t axis : view.attrs().integers("axes")) params.axes |= uint64_t{1} << axis;
  params.prologue = view.attrs().program("prologue");
  params.epilogue = view.attrs().program("epilogue");
  return KernelCall::with("reduce.reference", params);
}

// A reduction over dims of 1 that changes no value.
Result<bool> drop_trivial(NodeView view, Patch& patch) {
  TN_ASSIGN(ReduceKind kind, kind_of(view.attrs()));
  bool same = kind == ReduceKind::sum || kind == ReduceKind::mean || kind == ReduceKind::max ||
              kind == ReduceKind::min || kind == ReduceKind::prod;
  if (!same || !view.attrs().program("prologue").empty() || !view.attrs().program("epilogue").empty()) return false;
  for (int64_t axis : view.attrs().integers("axes"))
    if (!view.input(0).shape[static_cast<size_t>(axis)].is(1)) return false;
  ValueId x = view.node().inputs[0];
  if (view.output(0).shape != view.input(0).shape) {
    TN_ASSIGN(x, patch.add(kReshape, {x}, {{"shape", view.output(0).shape}}));
  }
  patch.replace(view.node().outputs[0], x);
  return true;
}

constexpr Rule kRules[] = {{"drop_trivial", drop_trivial}};

// ---- ONNX

struct Named {
  std::string_view op, kind;
  int axes_input_since;
};
constexpr Named kReduceOps[] = {
    {"ReduceL1", "l1", 18},          {"ReduceL2", "l2", 18},     {"ReduceLogSum", "log_sum", 18},
    {"ReduceLogSumExp", "log_sum_exp", 18}, {"ReduceMax", "max", 18},   {"ReduceMean", "mean", 18},
    {"ReduceMin", "min", 18},        {"ReduceProd", "prod", 18}, {"ReduceSum", "sum", 13},
    {"ReduceSumSquare", "sum_square", 18},
};

Status expand_reduce(OnnxNode& node) {
  std::string op = node.attrs().text("op_type");
  const Named* named = std::find_if(std::begin(kReduceOps), std::end(kReduceOps), [&](auto& n) { return n.op == op; });
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 of {} is missing", op);
  std::vector<int64_t> given = node.attrs().integers("axes");
  if (node.version() >= named->axes_input_since) {
    given.clear();
    if (node.has(1)) {
      TN_ASSIGN(given, node.integers(1, "axes"));
    }
  }
  std::vector<int64_t> axes;
  for (int64_t axis : given) {
    TN_ASSIGN(axis, node.axis(axis, node.rank(0)));
    axes.push_back(axis);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  if (axes.empty() && !node.attrs().integer("noop_with_empty_axes")) {
    axes.resize(node.rank(0));
    std::iota(axes.begin(), axes.end(), 0);
  }
  TN_ASSIGN(ValueId out, node.add(kReduce, {node.input(0)},
                                  {{"kind", std::string(named->kind)},
                                   {"axes", axes},
                                   {"keep_dims", node.attrs().integer("keepdims", 1)}}));
  node.output(0, out);
  return {};
}

Status expand_arg(OnnxNode& node) {
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 is missing");
  std::string kind = node.attrs().text("op_type") == "ArgMax" ? "arg_max" : "arg_min";
  if (node.attrs().integer("select_last_index")) kind += "_last";
  TN_ASSIGN(int64_t axis, node.axis(node.attrs().integer("axis", 0), node.rank(0)));
  TN_ASSIGN(ValueId out, node.add(kReduce, {node.input(0)},
                                  {{"kind", kind},
                                   {"axes", std::vector<int64_t>{axis}},
                                   {"keep_dims", node.attrs().integer("keepdims", 1)}}));
  node.output(0, out);
  return {};
}

// Over all spatial dims.
Status expand_global_pool(OnnxNode& node) {
  std::string op = node.attrs().text("op_type");
  if (!node.has(0) || node.rank(0) < 2)
    return fail(Code::invalid_model, "{} takes a tensor of 2 dims or more", op);
  int64_t p = op == "GlobalLpPool" ? node.attrs().integer("p", 2) : 0;
  if (op == "GlobalLpPool" && p != 1 && p != 2)
    return fail(Code::unsupported, "GlobalLpPool with p = {} is not supported; 1 and 2 are", p);
  std::string kind = op == "GlobalMaxPool" ? "max" : op == "GlobalAveragePool" ? "mean" : p == 1 ? "l1" : "l2";
  std::vector<int64_t> axes(node.rank(0) - 2);
  std::iota(axes.begin(), axes.end(), 2);
  TN_ASSIGN(ValueId out, node.add(kReduce, {node.input(0)}, {{"kind", kind}, {"axes", axes}}));
  node.output(0, out);
  return {};
}

constexpr OnnxRow kRows[] = {
    {"ReduceL1", 1, expand_reduce},        {"ReduceL2", 1, expand_reduce},
    {"ReduceLogSum", 1, expand_reduce},    {"ReduceLogSumExp", 1, expand_reduce},
    {"ReduceMax", 1, expand_reduce},       {"ReduceMean", 1, expand_reduce},
    {"ReduceMin", 1, expand_reduce},       {"ReduceProd", 1, expand_reduce},
    {"ReduceSum", 1, expand_reduce},       {"ReduceSumSquare", 1, expand_reduce},
    {"ArgMax", 1, expand_arg},             {"ArgMin", 1, expand_arg},
    {"GlobalAveragePool", 1, expand_global_pool}, {"GlobalMaxPool", 1, expand_global_pool},
    {"GlobalLpPool", 2, expand_global_pool},
};

}  // namespace

const OpDef kReduce = {
    .name = "reduce",
    .min_inputs = 1,
    .max_inputs = 2 * kMaxProgramInputs,
    .attrs = kAttrs,
    .infer = infer,
    .reference = reference,
    .rules = kRules,
};

extern const OpFile reduce_ops = {&kReduce, kRows};

}  // namespace tenon
