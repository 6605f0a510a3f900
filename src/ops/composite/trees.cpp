// TreeEnsemble, TreeEnsembleRegressor, TreeEnsembleClassifier: all rows go down all trees at once, a level at
// a time, from a table of nodes in which a leaf leads to itself.
#include <algorithm>
#include <cmath>
#include <map>

#include "ops/composite/elementwise.h"
#include "ops/composite/learned.h"
#include "ops/composite/parts.h"
#include "ops/content.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// Each level is a few nodes of the graph; each leaf a row of numbers in the plan.
constexpr int64_t kMostLevels = 256, kMostNodes = 1 << 24, kMostWeights = 1 << 25;

enum class Mode : uint8_t { leq, lt, gte, gt, eq, neq, leaf, member };
constexpr std::string_view kModes[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                       "BRANCH_EQ",  "BRANCH_NEQ", "LEAF"};
constexpr std::string_view kComparisons[] = {"le", "lt", "ge", "gt", "eq", "ne"};

struct TreeNode {
  Mode mode = Mode::leaf;
  int64_t feature = 0;
  double split = 0;
  size_t yes = 0, no = 0;
  bool missing_is_yes = false;
  std::vector<std::pair<int64_t, double>> weights;  // target, weight: of a leaf
};

struct Forest {
  std::vector<TreeNode> nodes;
  std::vector<size_t> roots;
  int64_t targets = 0;
  int64_t features = 0;  // that the splits ask for
  int64_t levels = 0;
};

std::string name_of_op(OnnxNode& node) { return node.attrs().text("op_type"); }

// Checks that the nodes are trees, and measures them.
Status measure(OnnxNode& node, Forest& forest) {
  constexpr int64_t kOpen = -2, kNew = -1;
  std::vector<int64_t> height(forest.nodes.size(), kNew);
  std::vector<size_t> stack;
  for (size_t root : forest.roots) {
    stack.push_back(root);
    while (!stack.empty()) {
      const size_t at = stack.back();
      const TreeNode& n = forest.nodes[at];
      if (height[at] >= 0) {
        stack.pop_back();
        continue;
      }
      if (n.mode == Mode::leaf) {
        height[at] = 0;
        stack.pop_back();
        continue;
      }
      if (n.feature < 0 || n.feature >= kMostNodes)
        return fail(Code::invalid_model, "{}: a node splits feature {}", name_of_op(node), n.feature);
      forest.features = std::max(forest.features, n.feature + 1);
      const bool first = height[at] == kNew;
      height[at] = kOpen;
      bool ready = true;
      for (size_t next : {n.yes, n.no}) {
        if (height[next] >= 0) continue;
        if (!first || height[next] == kOpen)
          return fail(Code::invalid_model, "{}: its nodes form a cycle", name_of_op(node));
        stack.push_back(next);
        ready = false;
      }
      if (!ready) continue;
      height[at] = 1 + std::max(height[n.yes], height[n.no]);
      stack.pop_back();
    }
    forest.levels = std::max(forest.levels, height[root]);
  }
  if (forest.levels > kMostLevels)
    return fail(Code::unsupported, "{}: a tree has {} levels; up to {} are supported", name_of_op(node),
                forest.levels, kMostLevels);
  int64_t leaves = 0;
  for (const TreeNode& n : forest.nodes) leaves += n.mode == Mode::leaf;
  if (forest.targets < 1 || forest.targets > kMostWeights / std::max<int64_t>(leaves, 1))
    return fail(Code::unsupported, "{}: {} leaves with {} targets; up to {} numbers are supported",
                name_of_op(node), leaves, forest.targets, kMostWeights);
  return {};
}

// Leaves come first, so that a leaf's number is its row of weights.
void sort_leaves_first(Forest& forest) {
  std::vector<size_t> order, place(forest.nodes.size());
  for (const bool leaf : {true, false})
    for (size_t i = 0; i < forest.nodes.size(); ++i)
      if ((forest.nodes[i].mode == Mode::leaf) == leaf) place[i] = order.size(), order.push_back(i);
  std::vector<TreeNode> sorted;
  for (size_t i : order) {
    TreeNode n = std::move(forest.nodes[i]);
    n.yes = place[n.yes], n.no = place[n.no];
    sorted.push_back(std::move(n));
  }
  for (size_t& root : forest.roots) root = place[root];
  forest.nodes = std::move(sorted);
}

// ── the attributes of TreeEnsembleRegressor and TreeEnsembleClassifier ──

// `of`: "target" or "class".
Result<Forest> read_named_nodes(OnnxNode& node, const std::string& of) {
  const Attrs& attrs = node.attrs();
  const std::vector<int64_t> trees = attrs.integers("nodes_treeids"), ids = attrs.integers("nodes_nodeids"),
                             features = attrs.integers("nodes_featureids"),
                             yes = attrs.integers("nodes_truenodeids"),
                             no = attrs.integers("nodes_falsenodeids"),
                             missing = attrs.integers("nodes_missing_value_tracks_true"),
                             weight_trees = attrs.integers(of + "_treeids"),
                             weight_nodes = attrs.integers(of + "_nodeids"),
                             weight_ids = attrs.integers(of + "_ids");
  const auto modes = attrs.get<std::vector<std::string>>("nodes_modes");
  TN_ASSIGN(std::vector<double> splits, numbers_attribute(node, "nodes_values"));
  TN_ASSIGN(std::vector<double> weights, numbers_attribute(node, of + "_weights"));
  const size_t count = trees.size();
  if (count == 0 || ids.size() != count || features.size() != count || yes.size() != count ||
      no.size() != count || splits.size() != count || modes.size() != count ||
      (!missing.empty() && missing.size() != count))
    return fail(Code::invalid_model,
                "{}: the attributes nodes_… must have one length, above 0; nodes_treeids has {}",
                name_of_op(node), count);
  if (count > static_cast<size_t>(kMostNodes))
    return fail(Code::unsupported, "{}: it has {} nodes; up to {} are supported", name_of_op(node), count,
                kMostNodes);
  if (weight_trees.size() != weights.size() || weight_nodes.size() != weights.size() ||
      weight_ids.size() != weights.size())
    return fail(Code::invalid_model, "{}: the attributes {}_… must have one length", name_of_op(node), of);
  Forest forest;
  std::map<std::pair<int64_t, int64_t>, size_t> places;
  for (size_t i = 0; i < count; ++i)
    if (!places.try_emplace({trees[i], ids[i]}, i).second)
      return fail(Code::invalid_model, "{}: node {} of tree {} is given twice", name_of_op(node), ids[i],
                  trees[i]);
  std::vector<bool> is_child(count, false);
  for (size_t i = 0; i < count; ++i) {
    TreeNode n;
    const auto mode = std::find(std::begin(kModes), std::end(kModes), modes[i]);
    if (mode == std::end(kModes))
      return fail(Code::invalid_model, "{}: nodes_modes holds '{}'", name_of_op(node), modes[i]);
    n.mode = static_cast<Mode>(mode - std::begin(kModes));
    n.feature = features[i];
    n.split = splits[i];
    n.missing_is_yes = !missing.empty() && missing[i] != 0;
    n.yes = n.no = i;
    if (n.mode != Mode::leaf) {
      const auto a = places.find({trees[i], yes[i]}), b = places.find({trees[i], no[i]});
      if (a == places.end() || b == places.end())
        return fail(Code::invalid_model, "{}: node {} of tree {} leads to a node that is not there",
                    name_of_op(node), ids[i], trees[i]);
      n.yes = a->second, n.no = b->second;
      is_child[n.yes] = is_child[n.no] = true;
    }
    forest.nodes.push_back(std::move(n));
  }
  for (size_t i = 0; i < count; ++i)
    if (!is_child[i]) forest.roots.push_back(i);
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto at = places.find({weight_trees[i], weight_nodes[i]});
    if (at == places.end() || forest.nodes[at->second].mode != Mode::leaf || weight_ids[i] < 0)
      return fail(Code::invalid_model, "{}: {}_ids holds {} for node {} of tree {}, which must be a leaf",
                  name_of_op(node), of, weight_ids[i], weight_nodes[i], weight_trees[i]);
    forest.nodes[at->second].weights.push_back({weight_ids[i], weights[i]});
  }
  if (forest.roots.empty()) return fail(Code::invalid_model, "{}: its nodes form a cycle", name_of_op(node));
  return forest;
}

Status check_targets(OnnxNode& node, const Forest& forest) {
  for (const TreeNode& n : forest.nodes)
    for (const auto& [target, weight] : n.weights)
      if (target < 0 || target >= forest.targets)
        return fail(Code::invalid_model, "{}: a leaf has a weight of target {}, there are {}",
                    name_of_op(node), target, forest.targets);
  return {};
}

// ── the attributes of TreeEnsemble ──

Result<std::vector<double>> tensor_attribute(OnnxNode& node, std::string_view name) {
  const auto given = node.attrs().get<std::shared_ptr<const Constant>>(name);
  if (!given) return std::vector<double>{};
  return numbers_of(*given);
}

// A node of several values becomes one for each of them, which looks for equality and leads on to the next.
void add_members(Forest& forest, size_t at, const std::vector<double>& members) {
  const TreeNode whole = forest.nodes[at];
  size_t here = at;
  for (size_t i = 0; i < members.size(); ++i) {
    TreeNode& n = forest.nodes[here];
    n.mode = Mode::eq;
    n.split = members[i];
    n.no = whole.no;
    if (i + 1 == members.size()) break;
    n.no = forest.nodes.size();
    here = n.no;
    TreeNode next = whole;
    next.missing_is_yes = false;
    forest.nodes.push_back(next);
  }
}

// Values of the sets, each ended by NaN, in the order of the nodes that have one.
Status split_members(Forest& forest, size_t interior, const std::vector<double>& values) {
  size_t next = 0;
  for (size_t i = 0; i < interior; ++i) {
    if (forest.nodes[i].mode != Mode::member) continue;
    std::vector<double> members;
    while (next < values.size() && !std::isnan(values[next])) members.push_back(values[next++]);
    if (next++ >= values.size() || members.empty())
      return fail(Code::invalid_model,
                  "TreeEnsemble: membership_values has no set for each node of mode BRANCH_MEMBER");
    if (forest.nodes.size() + members.size() > static_cast<size_t>(kMostNodes))
      return fail(Code::unsupported, "TreeEnsemble: its sets have more than {} values", kMostNodes);
    add_members(forest, i, members);
  }
  if (next != values.size())
    return fail(Code::invalid_model, "TreeEnsemble: membership_values has more sets than nodes");
  return {};
}

Result<Forest> read_forest(OnnxNode& node) {
  const Attrs& attrs = node.attrs();
  const std::vector<int64_t> features = attrs.integers("nodes_featureids"),
                             yes = attrs.integers("nodes_truenodeids"),
                             no = attrs.integers("nodes_falsenodeids"),
                             yes_leaf = attrs.integers("nodes_trueleafs"),
                             no_leaf = attrs.integers("nodes_falseleafs"),
                             roots = attrs.integers("tree_roots"), targets = attrs.integers("leaf_targetids"),
                             missing = attrs.integers("nodes_missing_value_tracks_true");
  TN_ASSIGN(std::vector<double> modes, tensor_attribute(node, "nodes_modes"));
  TN_ASSIGN(std::vector<double> splits, tensor_attribute(node, "nodes_splits"));
  TN_ASSIGN(std::vector<double> weights, tensor_attribute(node, "leaf_weights"));
  TN_ASSIGN(std::vector<double> members, tensor_attribute(node, "membership_values"));
  const size_t interior = features.size(), leaves = weights.size();
  if (interior == 0 || yes.size() != interior || no.size() != interior || yes_leaf.size() != interior ||
      no_leaf.size() != interior || modes.size() != interior || splits.size() != interior ||
      (!missing.empty() && missing.size() != interior))
    return fail(Code::invalid_model,
                "TreeEnsemble: the attributes nodes_… must have one length, above 0; nodes_featureids has {}",
                interior);
  if (targets.size() != leaves || roots.empty() || interior + leaves > static_cast<size_t>(kMostNodes))
    return fail(Code::invalid_model,
                "TreeEnsemble: {} leaf_weights, {} leaf_targetids, {} tree_roots, {} nodes", leaves,
                targets.size(), roots.size(), interior);
  Forest forest;
  const auto place = [&](int64_t at, bool leaf) {
    const size_t among = leaf ? leaves : interior;
    return at < 0 || static_cast<size_t>(at) >= among ? SIZE_MAX
                                                      : static_cast<size_t>(at) + (leaf ? interior : 0);
  };
  // As the operator's documentation numbers the modes.
  constexpr Mode kNumbered[] = {Mode::leq, Mode::lt, Mode::gte, Mode::gt, Mode::eq, Mode::neq, Mode::member};
  for (size_t i = 0; i < interior; ++i) {
    TreeNode n;
    if (!(modes[i] >= 0 && modes[i] <= 6))
      return fail(Code::invalid_model, "TreeEnsemble: nodes_modes holds {}; it must be 0 to 6", modes[i]);
    n.mode = kNumbered[static_cast<size_t>(modes[i])];
    n.feature = features[i];
    n.split = splits[i];
    n.yes = place(yes[i], yes_leaf[i] != 0);
    n.no = place(no[i], no_leaf[i] != 0);
    n.missing_is_yes = !missing.empty() && missing[i] != 0;
    if (n.yes == SIZE_MAX || n.no == SIZE_MAX)
      return fail(Code::invalid_model, "TreeEnsemble: node {} leads to {} and {}, which are not all there", i,
                  yes[i], no[i]);
    forest.nodes.push_back(n);
  }
  for (size_t i = 0; i < leaves; ++i) {
    TreeNode n;
    n.yes = n.no = interior + i;
    n.weights = {{targets[i], weights[i]}};
    forest.nodes.push_back(std::move(n));
  }
  for (int64_t root : roots) {
    if (place(root, false) == SIZE_MAX)
      return fail(Code::invalid_model, "TreeEnsemble: tree_roots holds {}", root);
    forest.roots.push_back(static_cast<size_t>(root));
  }
  TN_TRY(split_members(forest, interior, members));
  return forest;
}

// ── going down ──

// The nodes' columns as constants.
struct Table {
  ValueId feature, split, next, missing,
      mode;                // next: of node i, at 2 i where no leads, at 2 i + 1 where yes
  std::string comparison;  // x: x0, split: x1, mode: x2
  bool has_missing = false, has_modes = false;
};

Table table_of(OnnxNode& node, const Forest& forest, DType type) {
  std::vector<int64_t> feature, next, missing, mode;
  std::vector<double> split;
  Table out;
  bool used[6] = {};
  for (const TreeNode& n : forest.nodes) {
    feature.push_back(n.mode == Mode::leaf ? 0 : n.feature);
    split.push_back(n.split);
    next.push_back(static_cast<int64_t>(n.no));
    next.push_back(static_cast<int64_t>(n.yes));
    missing.push_back(n.missing_is_yes);
    mode.push_back(n.mode == Mode::leaf ? 0 : static_cast<int64_t>(n.mode));
    out.has_missing |= n.missing_is_yes;
    if (n.mode != Mode::leaf) used[static_cast<size_t>(n.mode)] = true;
  }
  const Dim count(static_cast<int64_t>(forest.nodes.size()));
  out.feature = integer_constant(node, {count}, feature);
  out.split = float_constant(node, type, {count}, split);
  out.next = integer_constant(node, {count * Dim(2)}, next);
  if (out.has_missing) out.missing = integer_constant(node, {count}, missing);
  for (size_t m = 0; m < 6; ++m) {
    if (!used[m]) continue;
    const std::string here = fmt::format("{}(x0, x1)", kComparisons[m]);
    out.has_modes |= !out.comparison.empty();
    out.comparison = out.comparison.empty()
                         ? here
                         : fmt::format("logical_or(logical_and(eq(x2, {}), {}), logical_and(ne(x2, {}), {}))",
                                       m, here, m, out.comparison);
  }
  if (out.has_modes) out.mode = integer_constant(node, {count}, mode);
  return out;
}

Result<ValueId> column(OnnxNode& node, ValueId table, ValueId at) {
  return node.add(kGather, {table, at}, {{"axis", int64_t{0}}});
}

// The leaves that rows x [N, features] come to: i64[N, trees].
Result<ValueId> leaves_of(OnnxNode& node, ValueId x, const Forest& forest) {
  const Shape shape = node.type(x).shape;
  if (at_least(Dim(forest.features - 1) - shape[1], 0))
    return fail(Code::invalid_model, "{} splits feature {}, x has {}", name_of_op(node), forest.features - 1,
                shape[1].text());
  const Table table = table_of(node, forest, node.type(x).dtype);
  const std::vector<int64_t> roots(forest.roots.begin(), forest.roots.end());
  const Dim trees(static_cast<int64_t>(roots.size()));
  TN_ASSIGN(ValueId at,
            expand(node.build(), integer_constant(node, {Dim(1), trees}, roots), {shape[0], trees}));
  for (int64_t level = 0; level < forest.levels; ++level) {
    TN_ASSIGN(ValueId feature, column(node, table.feature, at));
    TN_ASSIGN(ValueId value, node.add(kGatherElements, {x, feature}, {{"axis", int64_t{1}}}));
    TN_ASSIGN(ValueId split, column(node, table.split, at));
    std::vector<ValueId> operands = {value, split};
    std::string text = table.comparison;
    if (table.has_modes) {
      TN_ASSIGN(ValueId mode, column(node, table.mode, at));
      operands.push_back(mode);
    }
    if (table.has_missing) {
      TN_ASSIGN(ValueId missing, column(node, table.missing, at));
      text = fmt::format("logical_or({}, logical_and(isnan(x0), ne(x{}, 0)))", text, operands.size());
      operands.push_back(missing);
    }
    text = fmt::format("add(mul(x{}, 2), cast({}):i64)", operands.size(), text);
    operands.push_back(at);
    TN_ASSIGN(ValueId next, add_formula(node, text, std::move(operands)));
    TN_ASSIGN(at, column(node, table.next, next));
  }
  return at;
}

enum class Aggregate : uint8_t { average, sum, min, max };

// The leaves' weights by target, put together over the trees: [N, targets]; and, for what nothing is known of
// a target that no leaf names, whether some leaf names it.
struct Sums {
  ValueId value, named;  // named: bool[N, targets]; invalid where all are
};

Result<Sums> sums_of(OnnxNode& node, ValueId leaves, const Forest& forest, Aggregate how, DType type) {
  int64_t count = 0;
  while (count < static_cast<int64_t>(forest.nodes.size()) &&
         forest.nodes[static_cast<size_t>(count)].mode == Mode::leaf)
    ++count;
  const double fill = how == Aggregate::min ? INFINITY : how == Aggregate::max ? -INFINITY : 0;
  std::vector<double> weights(static_cast<size_t>(count * forest.targets), fill), named(weights.size(), 0);
  for (int64_t leaf = 0; leaf < count; ++leaf)
    for (const auto& [target, weight] : forest.nodes[static_cast<size_t>(leaf)].weights) {
      const auto at = static_cast<size_t>(leaf * forest.targets + target);
      weights[at] = named[at] != 0 && (how == Aggregate::sum || how == Aggregate::average)
                        ? weights[at] + weight
                        : weight;
      named[at] = 1;
    }
  const Shape dims = {Dim(count), Dim(forest.targets)};
  const char* kind = how == Aggregate::min ? "min" : how == Aggregate::max ? "max" : "sum";
  Sums out;
  TN_ASSIGN(ValueId each, column(node, float_constant(node, type, dims, weights), leaves));
  TN_ASSIGN(out.value, reduce(node, kind, each, {1}, false));
  if (how == Aggregate::average) {
    TN_ASSIGN(out.value, add_formula(node, fmt::format("div(x0, {})", forest.roots.size()), {out.value}));
  }
  if (std::find(named.begin(), named.end(), 0) == named.end()) return out;
  TN_ASSIGN(each, column(node, float_constant(node, DType::f32, dims, named), leaves));
  TN_ASSIGN(each, reduce(node, "max", each, {1}, false));
  TN_ASSIGN(out.named, add_formula(node, "gt(x0, 0)", {each}));
  if (fill != 0) {
    TN_ASSIGN(out.value, add_formula(node, "where(x0, x1, 0)", {out.named, out.value}));
  }
  return out;
}

// ── the operators ──

Status expand_ensemble(OnnxNode& node) {
  TN_ASSIGN(ValueId x, features_of(node));
  TN_ASSIGN(Forest forest, read_forest(node));
  forest.targets = node.attrs().integer("n_targets", 1);
  TN_TRY(measure(node, forest));
  TN_TRY(check_targets(node, forest));
  sort_leaves_first(forest);
  const int64_t how = node.attrs().integer("aggregate_function", 1),
                transform = node.attrs().integer("post_transform");
  if (how < 0 || how > 3 || transform < 0 || transform > 4)
    return fail(Code::invalid_model, "TreeEnsemble: aggregate_function is {} and post_transform {}", how,
                transform);
  TN_ASSIGN(ValueId leaves, leaves_of(node, x, forest));
  TN_ASSIGN(Sums sums, sums_of(node, leaves, forest, static_cast<Aggregate>(how), node.type(x).dtype));
  // As the operator's documentation numbers them.
  constexpr PostTransform kNumbered[] = {PostTransform::none, PostTransform::softmax, PostTransform::logistic,
                                         PostTransform::softmax_zero, PostTransform::probit};
  TN_ASSIGN(ValueId y, transformed(node, sums.value, kNumbered[transform]));
  TN_ASSIGN(y, cast(node, y, is_float(node.type(0).dtype) ? node.type(0).dtype : DType::f32));
  node.output(0, y);
  return {};
}

// scores + base values of the targets.
Result<ValueId> with_base(OnnxNode& node, ValueId scores, const std::vector<double>& base) {
  if (base.empty()) return scores;
  const Dim count(static_cast<int64_t>(base.size()));
  if (always_equal(node.type(scores).shape[1], count) == false)
    return fail(Code::invalid_model, "{}: {} base_values for scores {}", name_of_op(node), base.size(),
                print(node.type(scores)));
  return add_formula(node, "add(x0, x1)",
                     {scores, float_constant(node, node.type(scores).dtype, {count}, base)});
}

Status expand_regressor(OnnxNode& node) {
  TN_ASSIGN(ValueId x, features_of(node));
  TN_ASSIGN(Forest forest, read_named_nodes(node, "target"));
  forest.targets = node.attrs().integer("n_targets", 1);
  TN_TRY(measure(node, forest));
  TN_TRY(check_targets(node, forest));
  sort_leaves_first(forest);
  constexpr std::string_view kNames[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  const std::string name = node.attrs().text("aggregate_function", "SUM");
  const auto how = std::find(std::begin(kNames), std::end(kNames), name);
  if (how == std::end(kNames))
    return fail(Code::invalid_model, "attribute aggregate_function of {} is '{}'", name_of_op(node), name);
  TN_ASSIGN(PostTransform transform, post_transform(node));
  TN_ASSIGN(std::vector<double> base, numbers_attribute(node, "base_values"));
  TN_ASSIGN(ValueId leaves, leaves_of(node, x, forest));
  TN_ASSIGN(Sums sums, sums_of(node, leaves, forest, static_cast<Aggregate>(how - std::begin(kNames)),
                               node.type(x).dtype));
  TN_ASSIGN(ValueId y, with_base(node, sums.value, base));
  TN_ASSIGN(y, transformed(node, y, transform));
  TN_ASSIGN(y, cast(node, y, DType::f32));
  node.output(0, y);
  return {};
}

// The label of each row: of the class of the largest score that is known.
Status give_labels(OnnxNode& node, const Sums& sums, ValueId scores, const std::vector<int64_t>& labels,
                   bool base) {
  ValueId ranked = scores;
  if (sums.named.valid() && !base) {
    TN_ASSIGN(ranked,
              add_formula(node, fmt::format("where(x0, x1, -inf:{})", name_of(node.type(scores).dtype)),
                          {sums.named, scores}));
  }
  TN_ASSIGN(ValueId best, reduce(node, "arg_max", ranked, {1}, false));
  TN_ASSIGN(best,
            column(node, integer_constant(node, {Dim(static_cast<int64_t>(labels.size()))}, labels), best));
  node.output(0, best);
  return {};
}

// Two classes of which the leaves score one, `scored`.
Status give_two_classes(OnnxNode& node, ValueId score, int64_t scored, const Forest& forest,
                        const std::vector<int64_t>& labels, const std::vector<double>& base,
                        PostTransform transform) {
  if (base.size() > (scored == 0))
    return fail(
        Code::unsupported,
        "TreeEnsembleClassifier: {} base_values where all leaves score class {} of two is not supported; "
        "one is, of class 0",
        base.size(), scored);
  bool shares = true;  // weights that are parts of a probability
  for (const TreeNode& n : forest.nodes)
    for (const auto& [target, weight] : n.weights) shares &= weight >= 0;
  TN_ASSIGN(score, with_base(node, score, base));
  TN_ASSIGN(ValueId first, reshape(node.build(), score, {node.type(score).shape[0]}));
  const auto label = [](int64_t value) { return static_cast<double>(value); };
  if (std::any_of(labels.begin(), labels.end(),
                  [](int64_t l) { return std::abs(static_cast<double>(l)) > 0x1p52; }))
    return fail(Code::unsupported,
                "TreeEnsembleClassifier: labels beyond 2^52 of two classes are not supported");
  TN_ASSIGN(ValueId y, add_formula(node,
                                   fmt::format("where(gt(x0, {}), {}:i64, {}:i64)", shares ? 0.5 : 0.0,
                                               label(labels[1]), label(labels[0])),
                                   {first}));
  node.output(0, y);
  ValueId z;
  if (scored == 0) {
    TN_ASSIGN(z, two_scores(node, score, shares, transform));
  } else {
    TN_ASSIGN(ValueId zero, add_formula(node, "mul(x0, 0)", {score}));
    TN_ASSIGN(z, concat(node, {zero, score}, 1));
    TN_ASSIGN(z, transformed(node, z, transform));
  }
  TN_ASSIGN(z, cast(node, z, DType::f32));
  node.output(1, z);
  return {};
}

Status expand_classifier(OnnxNode& node) {
  TN_ASSIGN(ValueId x, features_of(node));
  TN_ASSIGN(Forest forest, read_named_nodes(node, "class"));
  TN_ASSIGN(const std::vector<int64_t> labels, class_labels(node, "classlabels_int64s"));
  forest.targets = static_cast<int64_t>(labels.size());
  if (labels.size() < 2)
    return fail(Code::unsupported, "TreeEnsembleClassifier: {} labels; 2 or more are supported",
                labels.size());
  TN_TRY(measure(node, forest));
  TN_TRY(check_targets(node, forest));
  sort_leaves_first(forest);
  TN_ASSIGN(PostTransform transform, post_transform(node));
  TN_ASSIGN(std::vector<double> base, numbers_attribute(node, "base_values"));
  int64_t scored = -1, least = forest.targets;
  for (const TreeNode& n : forest.nodes)
    for (const auto& [target, weight] : n.weights)
      scored = std::max(scored, target), least = std::min(least, target);
  const bool one_of_two = labels.size() == 2 && scored == least;
  if (one_of_two) {
    for (TreeNode& n : forest.nodes)
      for (auto& [target, weight] : n.weights) target = 0;
    forest.targets = 1;
  } else if (labels.size() == 2 && !base.empty()) {
    return fail(Code::unsupported,
                "TreeEnsembleClassifier: base_values of two classes that both have scores are not supported");
  }
  TN_ASSIGN(ValueId leaves, leaves_of(node, x, forest));
  TN_ASSIGN(Sums sums, sums_of(node, leaves, forest, Aggregate::sum, node.type(x).dtype));
  if (one_of_two) {
    TN_TRY(give_two_classes(node, sums.value, scored, forest, labels, base, transform));
    return name_labels(node);
  }
  TN_ASSIGN(ValueId z, with_base(node, sums.value, base));
  TN_TRY(give_labels(node, sums, z, labels, !base.empty()));
  TN_ASSIGN(z, transformed(node, z, transform));
  TN_ASSIGN(z, cast(node, z, DType::f32));
  node.output(1, z);
  return name_labels(node);
}

constexpr OnnxRow kRows[] = {{"TreeEnsemble", 5, expand_ensemble, "ai.onnx.ml"},
                             {"TreeEnsembleRegressor", 1, expand_regressor, "ai.onnx.ml"},
                             {"TreeEnsembleClassifier", 1, expand_classifier, "ai.onnx.ml"}};

}  // namespace

extern const OpFile trees_ops = {nullptr, kRows};

}  // namespace tenon
