// If: the branch that a condition known when the plan is built chooses stands in its place; else the run computes one of them.
#include <algorithm>

#include "ir/control.h"
#include "ir/found.h"
#include "ops/composite/parts.h"
#include "ops/composite/run_loop.h"
#include "ops/found_sizes.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

// What branches compute, in order, and what the node makes of it: lists and optionals are known when the plan is built.
struct BranchResults {
  std::vector<OnnxValue> values;
  std::vector<ValueId> tensors;
};

Status flatten(const OnnxValue& value, std::vector<ValueId>& tensors) {
  if (value.tensor.valid()) tensors.push_back(value.tensor);
  if (value.list)
    for (const OnnxValue& item : *value.list) TN_TRY(flatten(item, tensors));
  return {};
}

bool same_structure(const OnnxValue& a, const OnnxValue& b) {
  if (a.list || b.list)
    return a.list && b.list && a.list->size() == b.list->size() &&
           std::equal(a.list->begin(), a.list->end(), b.list->begin(), same_structure);
  return a.is_none == b.is_none && a.tensor.valid() == b.tensor.valid();
}

// `like` with the tensors from `at` on.
OnnxValue rebuilt(const OnnxValue& like, const std::vector<ValueId>& tensors, size_t& at) {
  if (like.list) {
    std::vector<OnnxValue> items;
    for (const OnnxValue& item : *like.list) items.push_back(rebuilt(item, tensors, at));
    return OnnxValue::of_list(std::move(items));
  }
  return like.tensor.valid() ? OnnxValue(tensors[at++]) : like;
}

std::string text_of(const Graph& graph, const OnnxValue& value) {
  if (value.tensor.valid()) return print(graph.value(value.tensor).type);
  return value.list ? fmt::format("a sequence of {}", value.list->size()) : "nothing";
}

// The most that a dim of a branch can be, in dims of the graph around it; nullopt if it is no more than found there.
std::optional<Dim> most_of(const Dim& dim, const Graph& graph) {
  if (!is_found_in(dim, graph)) return dim;
  if (dim.symbol_name().empty()) return std::nullopt;
  for (NodeId id : graph.order()) {
    const Shape found = graph.node(id).attrs.shape(kFound), most = graph.node(id).attrs.shape(kMost);
    for (size_t i = 0; i < found.size() && i < most.size(); ++i)
      if (found[i] == dim) return most_of(most[i], graph);
  }
  return std::nullopt;
}

Status run_one_branch(OnnxNode& node) {
  struct Side {
    SeparateGraph separate;
    BranchResults results;
    std::vector<std::string> texts;
  } sides[2];
  for (int s = 0; s < 2; ++s) {
    Side& side = sides[s];
    TN_ASSIGN(side.separate, node.separate({}, [&](OnnxNode& inside, const std::vector<ValueId>&) -> Result<std::vector<ValueId>> {
      TN_ASSIGN(side.results.values, inside.expand_subgraph(s == 0 ? "then_branch" : "else_branch", {}, s == 0 ? "then" : "else"));
      for (const OnnxValue& value : side.results.values) {
        TN_TRY(flatten(value, side.results.tensors));
        side.texts.push_back(text_of(inside.graph(), value));
      }
      return side.results.tensors;
    }));
  }
  const std::vector<OnnxValue>&then = sides[0].results.values, &otherwise = sides[1].results.values;
  if (then.size() != otherwise.size())
    return fail(Code::invalid_model, "one branch has {} outputs, the other {}", then.size(), otherwise.size());
  if (then.size() < node.output_count())
    return fail(Code::invalid_model, "the branches have {} outputs, the node {}", then.size(), node.output_count());
  auto type = [&](int s, size_t i) -> const TensorType& {
    const Graph& graph = *sides[s].separate.graph;
    return graph.value(graph.outputs[i]).type;
  };
  auto refuse = [&](size_t output, const std::string& a, const std::string& b) {
    return fail(Code::unsupported,
                "output {} is {} of one branch and {} of the other: the condition must be known when the plan is built (a constant, or "
                "made from shapes)",
                output, a, b);
  };
  for (size_t i = 0; i < then.size(); ++i)
    if (!same_structure(then[i], otherwise[i])) return refuse(i, sides[0].texts[i], sides[1].texts[i]);
  const size_t count = sides[0].results.tensors.size();
  Shape sizes[2], most, vectors;
  for (size_t i = 0; i < count; ++i) {
    const TensorType &a = type(0, i), &b = type(1, i);
    if (a.dtype != b.dtype || a.rank() != b.rank()) return refuse(i, print(a), print(b));
    auto is_found = [&](const Dim& d) { return is_found_in(d, *sides[0].separate.graph) || is_found_in(d, *sides[1].separate.graph); };
    if (a == b && std::ranges::none_of(a.shape, is_found)) continue;
    Shape longest[2];
    for (size_t d = 0; d < a.rank(); ++d) {
      for (int s = 0; s < 2; ++s) {
        const std::optional<Dim> bound = most_of(type(s, i).shape[d], *sides[s].separate.graph);
        if (!bound)
          return fail(Code::unsupported, "output {} of a branch is {}, and nothing known when the plan is built bounds dim {}", i,
                      print(type(s, i)), d);
        longest[s].push_back(*bound);
      }
      if (a.shape[d] == b.shape[d] && !is_found_in(a.shape[d], *sides[0].separate.graph)) continue;
      sizes[0].push_back(a.shape[d]);
      sizes[1].push_back(b.shape[d]);
      most.push_back(max(longest[0][d], longest[1][d]));
    }
    Shape whole;
    for (size_t d = 0; d < a.rank(); ++d) whole.push_back(max(longest[0][d], longest[1][d]));
    vectors.push_back(element_count(whole));
  }
  std::vector<ValueId> made;
  if (count > 0) {
    TN_ASSIGN(ValueId flag, cast(node, node.input(0), DType::i64));
    TN_ASSIGN(Dim which, size_in(node, flag, Dim(1)));
    Attrs attrs = {{std::string(kThen), sides[0].separate.graph},
                   {std::string(kElse), sides[1].separate.graph},
                   {std::string(kWhich), Shape{which}},
                   {std::string(kSplit), static_cast<int64_t>(sides[0].separate.captured.size())}};
    std::vector<ValueId> inputs = sides[0].separate.captured;
    inputs.insert(inputs.end(), sides[1].separate.captured.begin(), sides[1].separate.captured.end());
    if (most.empty()) {
      TN_ASSIGN(made, node.build().add_many(kBranch, std::move(inputs), std::move(attrs), count));
    } else {
      attrs.set(std::string(kThenSizes), sizes[0]);
      attrs.set(std::string(kElseSizes), sizes[1]);
      attrs.set("vectors", vectors);
      TN_ASSIGN(FoundSizes found, find_sizes(node, kBranch, std::move(inputs), std::move(attrs), count, most));
      made = std::move(found.outputs);
      size_t next = 0;
      for (size_t i = 0; i < count; ++i) {
        if (node.type(made[i]) == type(0, i) && type(0, i) == type(1, i)) continue;
        Shape shape = type(0, i).shape;
        for (size_t d = 0; d < shape.size(); ++d)
          if (!(shape[d] == type(1, i).shape[d]) || is_found_in(shape[d], *sides[0].separate.graph)) shape[d] = found.sizes[next++];
        TN_ASSIGN(made[i], slice(node.build(), made[i], 0, Dim(0), element_count(shape)));
        TN_ASSIGN(made[i], reshape(node.build(), made[i], std::move(shape)));
      }
    }
  }
  size_t at = 0;
  for (size_t i = 0; i < then.size(); ++i) {
    OnnxValue value = rebuilt(then[i], made, at);
    if (i < node.output_count()) node.output(i, std::move(value));
  }
  return {};
}

Status expand_if(OnnxNode& node) {
  TN_TRY(expect_inputs(node, 1));
  if (node.type(0).dtype != DType::boolean || !element_count(node.type(0).shape).is(1))
    return fail(Code::invalid_model, "the condition must be one bool, it is {}", print(node.type(0)));
  TN_ASSIGN(std::optional<double> known, node.known_scalar(node.input(0), "condition"));
  if (!known) return run_one_branch(node);
  const bool holds = *known != 0;
  TN_ASSIGN(std::vector<OnnxValue> results, node.expand_subgraph(holds ? "then_branch" : "else_branch", {}, holds ? "then" : "else"));
  if (results.size() < node.output_count())
    return fail(Code::invalid_model, "the branch has {} outputs, the node {}", results.size(), node.output_count());
  for (size_t i = 0; i < node.output_count(); ++i) node.output(i, results[i]);
  return {};
}

constexpr OnnxRow kRows[] = {{"If", 1, expand_if, "", true}};

}  // namespace

const OpFile if_ops{nullptr, kRows};

}  // namespace tenon
