// The core ops by name, and how an op or an ONNX row is found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/op_def.h"

namespace tenon {

// One per core op of docs/ops.md, defined in src/ops/<op>.cpp.
extern const OpDef kAttention;
extern const OpDef kBitcast;
extern const OpDef kBranch;
extern const OpDef kConcat;
extern const OpDef kConv;
extern const OpDef kConvTranspose;
extern const OpDef kCumsum;
extern const OpDef kDeterminant;
extern const OpDef kDft;
extern const OpDef kExpand;
extern const OpDef kFormatString;
extern const OpDef kGather;
extern const OpDef kGatherElements;
extern const OpDef kGatherNd;
extern const OpDef kGridSample;
extern const OpDef kGroupNorm;
extern const OpDef kIota;
extern const OpDef kLayerNorm;
extern const OpDef kLinearAttention;
extern const OpDef kLoop;
extern const OpDef kMatmul;
extern const OpDef kNonMaxSuppression;
extern const OpDef kNonzero;
extern const OpDef kPack;
extern const OpDef kPad;
extern const OpDef kParseString;
extern const OpDef kPointwise;
extern const OpDef kPool;
extern const OpDef kReadSizes;
extern const OpDef kReduce;
extern const OpDef kReformat;
extern const OpDef kRegexMatch;
extern const OpDef kReshape;
extern const OpDef kResize;
extern const OpDef kReverseSequence;
extern const OpDef kRnn;
extern const OpDef kRoiAlign;
extern const OpDef kScatterElements;
extern const OpDef kScatterNd;
extern const OpDef kSeparableConv;
extern const OpDef kShapeValue;
extern const OpDef kSlice;
extern const OpDef kSoftmax;
extern const OpDef kStringConcat;
extern const OpDef kStringEqual;
extern const OpDef kStringIndex;
extern const OpDef kStringNormalize;
extern const OpDef kStringSplit;
extern const OpDef kStringSplitCounts;
extern const OpDef kStringWhere;
extern const OpDef kTopK;
extern const OpDef kTranspose;
extern const OpDef kUnique;

// What each file of this room gives: `const OpFile <name>_ops`.
#define TN_OPS(name) extern const OpFile name##_ops;
#include "ops/ops.def"
#undef TN_OPS

// The op of that name; nullptr if there is none.
const OpDef* find_op(std::string_view name);
// The core op whose name is nearest to `name`, for messages; "" if none is near.
std::string_view nearest_op(std::string_view name);

// Newest op set of the default domain whose operators' meaning is known.
inline constexpr int64_t kMaxOnnxOpset = 27;

// What is known of an ONNX operator at an op-set version; the domain "ai.onnx" is "".
struct OnnxSupport {
  const OnnxRow* row = nullptr;      // that holds; null: the operator is not supported at that version
  const OpDef* op = nullptr;         // the core op of the row's file; null: the row expands into ops of other files
  int64_t since = 0, until = 0;      // the op sets in which it is; 0, 0: in none. until 0: no newest one is known
  const OnnxRow* nearest = nullptr;  // of an operator that is in none: that of the name in another domain, or else of
                                     // the nearest name in its own, the earliest; null if none is near
};
OnnxSupport onnx_support(std::string_view domain, std::string_view op_type, int64_t version);
// "ai.onnx" of "".
std::string_view shown_onnx_domain(std::string_view domain);

// The row that holds for an ONNX operator at an op-set version; the domain "ai.onnx" is "". nullptr when the operator
// is not known or appeared later only.
const OnnxRow* find_onnx_row(std::string_view domain, std::string_view op_type, int64_t version);
// As find_onnx_row, or a failure that says what is wrong: an unknown operator (with the nearest one that is known), or
// one that appears in later op sets only.
Result<const OnnxRow*> require_onnx_row(std::string_view domain, std::string_view op_type, int64_t version);

// What is wrong with an ONNX node's attributes: those that its operator does not have at that op-set version, or has
// with another type. Names that begin with "__" (an exporter's own, as ONNX has it) are not looked at.
std::vector<std::string> onnx_attribute_problems(std::string_view domain, std::string_view op_type, int64_t version,
                                                 const Attrs& attrs);

}  // namespace tenon
