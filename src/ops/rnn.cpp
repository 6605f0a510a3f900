// rnn, and the ONNX operators RNN, LSTM and GRU.
#include "ops/rnn.h"

#include <algorithm>

#include "ops/ops.h"

namespace tenon {
namespace {

struct FunctionRow {
  std::string_view name;
  RnnActivation kind;
  bool has_alpha, has_beta;
  double alpha, beta;  // when the model gives none
};
constexpr FunctionRow kFunctions[] = {
    {"relu", RnnActivation::relu, false, false, 0, 0},
    {"tanh", RnnActivation::tanh, false, false, 0, 0},
    {"sigmoid", RnnActivation::sigmoid, false, false, 0, 0},
    {"affine", RnnActivation::affine, true, true, 1, 0},
    {"leakyrelu", RnnActivation::leaky_relu, true, false, 0.01, 0},
    {"thresholdedrelu", RnnActivation::thresholded_relu, true, false, 1, 0},
    {"scaledtanh", RnnActivation::scaled_tanh, true, true, 1, 1},
    {"hardsigmoid", RnnActivation::hard_sigmoid, true, true, 0.2, 0.5},
    {"elu", RnnActivation::elu, true, false, 1, 0},
    {"softsign", RnnActivation::softsign, false, false, 0, 0},
    {"softplus", RnnActivation::softplus, false, false, 0, 0},
};

template <class T, size_t N>
Result<T> choice(const Attrs& attrs, std::string_view name, const char* fallback,
                 const char* const (&names)[N]) {
  const std::string text = attrs.text(name, fallback);
  for (size_t i = 0; i < N; ++i)
    if (text == names[i]) return static_cast<T>(i);
  return fail(Code::invalid_model, "attribute {} is '{}'", name, text);
}

Result<RnnKind> kind_of(const Attrs& attrs) {
  return choice<RnnKind>(attrs, "kind", "", {"rnn", "lstm", "gru"});
}
Result<RnnDirection> direction_of(const Attrs& attrs) {
  return choice<RnnDirection>(attrs, "direction", "forward", {"forward", "reverse", "bidirectional"});
}

Status expect_dims(const TensorType& type, const Shape& dims, std::string_view what) {
  bool same = type.rank() == dims.size();
  for (size_t i = 0; same && i < dims.size(); ++i)
    same = !type.shape[i].is_constant() || !dims[i].is_constant() || type.shape[i] == dims[i];
  if (same) return {};
  return fail(Code::invalid_model, "{} must have dims {}, it is {}", what, print(dims), print(type));
}

Result<Inferred> infer(NodeView view) {
  const Attrs& attrs = view.attrs();
  TN_ASSIGN(RnnParams params, rnn_params(view));
  const TensorType& x = view.input(0);
  if (!is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_model, "x must be f16, bf16, f32 or f64, it is {}", print(x));
  if (x.rank() != 3) return fail(Code::invalid_model, "x must have 3 dims, it is {}", print(x));
  const bool batch_first = attrs.integer("layout") == 1, lstm = params.kind == RnnKind::lstm;
  const Dim directions(params.direction == RnnDirection::bidirectional ? 2 : 1), hidden(params.hidden);
  const Dim rows = Dim(rnn_gates(params.kind)) * hidden;
  const Dim &steps = x.shape[batch_first ? 1 : 0], &batch = x.shape[batch_first ? 0 : 1];
  const Shape state = batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  const Shape y =
      batch_first ? Shape{batch, steps, directions, hidden} : Shape{steps, directions, batch, hidden};
  if (view.input_count() > (lstm ? 8 : 6) || view.output_count() > (lstm ? 3 : 2))
    return fail(Code::invalid_model,
                "an LSTM has at most 8 inputs and 3 outputs, others 6 and 2; the node has {} and {}",
                view.input_count(), view.output_count());
  const struct {
    const char* name;
    Shape dims;
  } expected[] = {{"x", x.shape},
                  {"w", {directions, rows, x.shape[2]}},
                  {"r", {directions, rows, hidden}},
                  {"b", {directions, Dim(2) * rows}},
                  {"sequence_lens", {batch}},
                  {"initial_h", state},
                  {"initial_c", state},
                  {"p", {directions, Dim(3) * hidden}}};
  for (size_t i = 0; i < view.input_count(); ++i) {
    if (!view.has_input(i)) {
      if (i < 3) return fail(Code::invalid_model, "{} is missing", expected[i].name);
      continue;
    }
    TN_TRY(expect_dims(view.input(i), expected[i].dims, expected[i].name));
    const DType want = i == 4 ? DType::i32 : x.dtype;
    if (view.input(i).dtype != want)
      return fail(Code::invalid_model, "{} must be {}, it is {}", expected[i].name, name_of(want),
                  print(view.input(i)));
  }
  Inferred inferred;
  for (size_t i = 0; i < view.output_count(); ++i)
    inferred.outputs.push_back({x.dtype, i == 0 ? y : state, kLinear});
  return inferred;
}

Result<KernelCall> reference(NodeView view) {
  TN_ASSIGN(RnnParams params, rnn_params(view));
  return KernelCall::with("rnn.reference", params);
}

constexpr AttrSpec kAttrs[] = {{"kind", AttrKind::text, true},
                               {"direction", AttrKind::text},
                               {"hidden_size", AttrKind::integer, true},
                               {"layout", AttrKind::integer},
                               {"linear_before_reset", AttrKind::integer},
                               {"input_forget", AttrKind::integer},
                               {"clip", AttrKind::number},
                               {"activations", AttrKind::texts},
                               {"activation_alpha", AttrKind::numbers},
                               {"activation_beta", AttrKind::numbers}};

// --- ONNX ---

Result<int64_t> hidden_size(OnnxNode& node) {
  if (node.attrs().has("hidden_size")) return node.attrs().integer("hidden_size");
  const TensorType& r = node.type(2);
  if (r.rank() == 3 && r.shape[2].is_constant()) return r.shape[2].value();
  return fail(Code::invalid_model, "hidden_size is absent, and r ({}) does not tell it", print(r));
}

bool is_of(const Attr& value, AttrKind kind) {
  switch (kind) {
    case AttrKind::integer: return std::holds_alternative<int64_t>(value);
    case AttrKind::number: return std::holds_alternative<double>(value);
    case AttrKind::text: return std::holds_alternative<std::string>(value);
    case AttrKind::numbers: return std::holds_alternative<std::vector<double>>(value);
    case AttrKind::texts: return std::holds_alternative<std::vector<std::string>>(value);
    default: return false;
  }
}

Status expand(OnnxNode& node, const char* kind) {
  if (!node.has(0) || !node.has(1) || !node.has(2))
    return fail(Code::invalid_model, "x, w and r must be present");
  Attrs attrs{{"kind", std::string(kind)}};
  TN_ASSIGN(int64_t hidden, hidden_size(node));
  attrs.set("hidden_size", hidden);
  for (const auto& [name, value] : node.attrs()) {
    auto spec =
        std::find_if(std::begin(kAttrs), std::end(kAttrs), [&name = name](const AttrSpec& s) { return s.name == name; });
    if (spec == std::end(kAttrs) || name == "kind") continue;
    if (!is_of(value, spec->kind))
      return fail(Code::invalid_model, "attribute {} is of the wrong kind", name);
    attrs.set(name, value);
  }
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.input_count(); ++i) inputs.push_back(node.input(i));
  size_t outputs = 1;
  for (size_t i = 1; i < node.output_count(); ++i)
    if (node.has_output(i)) outputs = i + 1;
  TN_ASSIGN(std::vector<ValueId> out,
            node.build().add_many(kRnn, std::move(inputs), std::move(attrs), outputs));
  for (size_t i = 0; i < out.size(); ++i) node.output(i, out[i]);
  return {};
}

Status expand_rnn(OnnxNode& node) { return expand(node, "rnn"); }
Status expand_lstm(OnnxNode& node) { return expand(node, "lstm"); }
Status expand_gru(OnnxNode& node) { return expand(node, "gru"); }

constexpr OnnxRow kRows[] = {{"RNN", 7, expand_rnn}, {"LSTM", 7, expand_lstm}, {"GRU", 7, expand_gru}};

// Alphas and betas are listed for the functions that use one, in order; those that the lists do not reach
// have their defaults.
Status read_functions(const Attrs& attrs, RnnParams& params) {
  static constexpr std::string_view kDefaults[3][3] = {
      {"tanh"}, {"sigmoid", "tanh", "tanh"}, {"sigmoid", "tanh"}};
  const size_t each = static_cast<size_t>(rnn_functions(params.kind));
  const size_t count = each * (params.direction == RnnDirection::bidirectional ? 2 : 1);
  const auto names = attrs.get<std::vector<std::string>>("activations");
  const auto alphas = attrs.get<std::vector<double>>("activation_alpha");
  const auto betas = attrs.get<std::vector<double>>("activation_beta");
  if (!names.empty() && names.size() != count)
    return fail(Code::invalid_model, "activations has {} entries; it must have {}", names.size(), count);
  size_t alpha = 0, beta = 0;
  for (size_t i = 0; i < count; ++i) {
    std::string name(names.empty() ? kDefaults[static_cast<size_t>(params.kind)][i % each]
                                   : std::string_view(names[i]));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; });
    auto row = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                            [&](const FunctionRow& f) { return f.name == name; });
    if (row == std::end(kFunctions)) return fail(Code::unsupported, "activation '{}' is not known", names[i]);
    params.functions[i] = {row->kind, row->alpha, row->beta};
    if (row->has_alpha && alpha < alphas.size()) params.functions[i].alpha = alphas[alpha++];
    if (row->has_beta && beta < betas.size()) params.functions[i].beta = betas[beta++];
  }
  return {};
}

// Each step of each sequence multiplies by all of w and r.
Dim multiply_adds(NodeView view) {
  const Shape& x = view.input(0).shape;
  return x[0] * x[1] * (element_count(view.input(1).shape) + element_count(view.input(2).shape));
}

}  // namespace

Result<RnnParams> rnn_params(NodeView view) {
  const Attrs& attrs = view.attrs();
  RnnParams params;
  TN_ASSIGN(params.kind, kind_of(attrs));
  TN_ASSIGN(params.direction, direction_of(attrs));
  params.hidden = attrs.integer("hidden_size");
  params.layout = attrs.integer("layout");
  params.linear_before_reset = attrs.integer("linear_before_reset") != 0;
  params.input_forget = attrs.integer("input_forget") != 0;
  params.clip = attrs.number("clip");
  if (params.hidden < 1 || params.hidden > kMaxRnnHidden)
    return fail(Code::invalid_model, "hidden_size must be 1 to {}, it is {}", kMaxRnnHidden, params.hidden);
  if (params.layout != 0 && params.layout != 1)
    return fail(Code::invalid_model, "layout must be 0 or 1, it is {}", params.layout);
  if (!(params.clip >= 0))
    return fail(Code::invalid_model, "clip must not be negative, it is {}", params.clip);
  TN_TRY(read_functions(attrs, params));
  return params;
}

const OpDef kRnn{.name = "rnn",
                 .min_inputs = 3,
                 .max_inputs = 8,
                 .min_outputs = 1,
                 .max_outputs = 3,
                 .attrs = kAttrs,
                 .infer = infer,
                 .reference = reference,
                 .multiply_adds = multiply_adds};

extern const OpFile rnn_ops{&kRnn, kRows};

}  // namespace tenon
