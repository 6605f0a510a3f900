// softmax along an axis, and ONNX's Softmax, LogSoftmax and Hardmax.
#include "softmax/params.h"

#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/prologue.h"
#include "ops/shapes.h"

namespace tenon {
namespace {

constexpr AttrSpec kAttrs[] = {
    {"axis", AttrKind::integer, true},
    {"log", AttrKind::integer},
    {"prologue", AttrKind::program},
    {"epilogue", AttrKind::program},
};

Result<Inferred> infer(NodeView view) {
  TN_ASSIGN(TensorType x, apply_prologue(view));
  int64_t axis = view.attrs().integer("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(x.rank()))
    return fail(Code::invalid_argument, "softmax along axis {} of {}", axis, print(x));
  if (!is_float(x.dtype) || size_of(x.dtype) < 2)
    return fail(Code::invalid_argument, "softmax takes f32, f64, f16 or bf16, not {}", print(x));
  TN_ASSIGN(TensorType out, apply_epilogue(view, own_inputs(view), std::move(x)));
  return one_output(std::move(out));
}

Result<KernelCall> reference(NodeView view) {
  SoftmaxParams params;
  params.axis = static_cast<int32_t>(view.attrs().integer("axis"));
  params.log = view.attrs().integer("log") != 0;
  params.prologue = view.attrs().program("prologue");
  params.epilogue = view.attrs().program("epilogue");
  return KernelCall::with("softmax.reference", params);
}

// ---- ONNX

// Where the op works and how to come back. Before op set 13 the dims from `axis` on count as one.
struct Line {
  ValueId x;
  int64_t axis = 0;
  Shape shape;       // of the result, when x was reshaped
  bool reshaped = false;
};

Result<Line> line_of(OnnxNode& node) {
  if (!node.has(0)) return fail(Code::invalid_model, "input 0 is missing");
  Line line;
  line.x = node.input(0);
  const TensorType x = node.type(0);
  bool flattens = node.version() < 13;
  int64_t axis = node.attrs().integer("axis", flattens ? 1 : -1);
  auto rank = static_cast<int64_t>(x.rank());
  if (flattens && axis == rank) axis = rank - 1, line.reshaped = true;  // a line of one element each
  TN_ASSIGN(line.axis, node.axis(axis, x.rank()));
  if (!flattens || (line.axis == rank - 1 && !line.reshaped)) return line;
  int64_t split = line.reshaped ? rank : line.axis;
  Dim outer(1), inner(1);
  for (int64_t i = 0; i < rank; ++i) (i < split ? outer : inner) = (i < split ? outer : inner) * x.shape[static_cast<size_t>(i)];
  line.reshaped = true;
  line.shape = x.shape;
  line.axis = 1;
  TN_ASSIGN(line.x, reshape(node.build(), line.x, {outer, inner}));
  return line;
}

Status finish(OnnxNode& node, const Line& line, ValueId y) {
  if (line.reshaped) {
    TN_ASSIGN(y, reshape(node.build(), y, line.shape));
  }
  node.output(0, y);
  return {};
}

Status expand_softmax(OnnxNode& node) {
  TN_ASSIGN(Line line, line_of(node));
  int64_t log = node.attrs().text("op_type") == "LogSoftmax";
  TN_ASSIGN(ValueId y, node.add(kSoftmax, {line.x}, {{"axis", line.axis}, {"log", log}}));
  return finish(node, line, y);
}

// 1 where an element is the first largest of its line, else 0.
Status expand_hardmax(OnnxNode& node) {
  TN_ASSIGN(Line line, line_of(node));
  const TensorType x = node.type(line.x);
  if (x.shape[static_cast<size_t>(line.axis)].is(0)) return finish(node, line, line.x);  // of nothing
  TN_ASSIGN(ValueId best, node.add(kReduce, {line.x},
                                   {{"kind", std::string("arg_max")}, {"axes", std::vector<int64_t>{line.axis}}}));
  const Dim length = x.shape[static_cast<size_t>(line.axis)];
  TN_ASSIGN(ValueId places, node.add(kIota, {},
                                     {{"dtype", DType::i64}, {"size", Shape{length}}, {"start", 0.0}, {"step", 1.0}}));
  Shape along(x.rank() - static_cast<size_t>(line.axis), Dim(1));
  along[0] = length;
  TN_ASSIGN(places, reshape(node.build(), places, along));
  const DType types[] = {DType::i64, DType::i64};
  TN_ASSIGN(Program program, parse_program(fmt::format("cast(eq(x0, x1)):{}", name_of(x.dtype)), types));
  TN_ASSIGN(ValueId y, node.add(kPointwise, {best, places}, {{"program", program}}));
  return finish(node, line, y);
}

constexpr OnnxRow kRows[] = {
    {"Hardmax", 1, expand_hardmax},
    {"LogSoftmax", 1, expand_softmax},
    {"Softmax", 1, expand_softmax},
};

}  // namespace

const OpDef kSoftmax = {
    .name = "softmax",
    .min_inputs = 1,
    .max_inputs = 2 * kMaxProgramInputs,
    .attrs = kAttrs,
    .infer = infer,
    .reference = reference,
};

extern const OpFile softmax_ops = {&kSoftmax, kRows};

}  // namespace tenon
