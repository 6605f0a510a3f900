#include "onnx/model.h"

#include "onnx/wire.h"

namespace tenon::onnx {
namespace {

// Field numbers are those of onnx.proto.

bool add_text(WireReader& r, std::vector<std::string_view>& out, const char* what) {
  return r.text(out.emplace_back(), what) || r.inside(what, out.size() - 1);
}

// Reads the sub-message at `r` into `out` with `read`; `what` and `index` name it in the path of a problem.
template <class T>
bool nested(WireReader& r, T& out, bool (*read)(WireReader, T&), const char* what) {
  return r.message(what) && (read(r.nested(), out) || r.inside(what));
}

template <class T>
bool nested_in(WireReader& r, std::vector<T>& list, bool (*read)(WireReader, T&), const char* what) {
  if (!r.message(what)) return false;
  list.emplace_back();
  if constexpr (requires { list.back().offset; }) list.back().offset = r.offset();
  return read(r.nested(), list.back()) || r.inside(what, list.size() - 1);
}

bool read_entry(WireReader r, std::pair<std::string_view, std::string_view>& out) {
  while (r.next()) {
    if (r.field() == 1 && !r.text(out.first, "key")) return false;
    if (r.field() == 2 && !r.text(out.second, "value")) return false;
  }
  return r.ok();
}

bool read_tensor(WireReader r, TensorView& out) {
  bool good = true;
  int32_t location = out.external ? 1 : 0;
  while (good && r.next()) {
    switch (r.field()) {
      case 1: good = r.integers(out.dims, "dims"); break;
      case 2: good = r.integer32(out.data_type, "data_type"); break;
      case 3: out.segmented = true; break;
      case 4: out.data_fields |= kFloatData; break;
      case 5: out.data_fields |= kInt32Data; break;
      case 6: out.data_fields |= kStringData; break;
      case 7: out.data_fields |= kInt64Data; break;
      case 8: good = r.text(out.name, "name"); break;
      case 9: {
        std::string_view raw;
        good = r.bytes(raw, "raw_data");
        out.has_raw = true;
        out.raw = std::as_bytes(std::span(raw.data(), raw.size()));
        break;
      }
      case 10: out.data_fields |= kDoubleData; break;
      case 11: out.data_fields |= kUint64Data; break;
      case 13: good = nested_in(r, out.external_data, read_entry, "external_data"); break;
      case 14:
        good = r.integer32(location, "data_location") &&
               (location == 0 || location == 1 ||
                r.refuse(Code::invalid_model,
                         fmt::format("data_location {} is neither DEFAULT (0) nor EXTERNAL (1)", location)));
        out.external = location == 1;
        break;
      default: break;
    }
    if (good && out.dims.size() > 1024)
      good = r.refuse(Code::limit_exceeded,
                      fmt::format("a tensor with more than 1024 dims (the most is {})", kMaxRank));
  }
  return good && r.ok();
}

bool read_tensor_message(WireReader r, TensorView& out, std::span<const std::byte> message) {
  out.messages.push_back(message);
  return read_tensor(r, out);
}

bool add_tensor(WireReader& r, std::vector<TensorView>& list, const char* what, bool merge = false) {
  if (!r.message(what)) return false;
  if (!merge || list.empty()) {
    list.emplace_back();
    list.back().offset = r.offset();
  }
  return read_tensor_message(r.nested(), list.back(), r.payload()) || r.inside(what, list.size() - 1);
}

bool read_sparse(WireReader r, SparseTensorView& out) {
  while (r.next()) {
    bool good = true;
    switch (r.field()) {
      case 1:
        good = r.message("values") &&
               (read_tensor_message(r.nested(), out.values, r.payload()) || r.inside("values"));
        break;
      case 2:
        good = r.message("indices") &&
               (read_tensor_message(r.nested(), out.indices, r.payload()) || r.inside("indices"));
        break;
      case 3: good = r.integers(out.dims, "dims"); break;
      default: break;
    }
    if (!good) return false;
  }
  return r.ok();
}

bool read_dim(WireReader r, DimView& out) {
  while (r.next()) {
    if (r.field() == 1) {
      if (!r.integer(out.value, "dim_value")) return false;
      out.kind = DimView::Kind::value;
    } else if (r.field() == 2) {
      if (!r.text(out.param, "dim_param")) return false;
      out.kind = DimView::Kind::param;
    }
  }
  return r.ok();
}

bool read_shape(WireReader r, TypeView& out) {
  while (r.next()) {
    if (r.field() != 1) continue;
    if (!nested_in(r, out.dims, read_dim, "dim")) return false;
    if (out.dims.size() > 1024)
      return r.refuse(Code::limit_exceeded,
                      fmt::format("a shape with more than 1024 dims (the most is {})", kMaxRank));
  }
  return r.ok();
}

bool read_tensor_type(WireReader r, TypeView& out) {
  while (r.next()) {
    if (r.field() == 1 && !r.integer32(out.elem_type, "elem_type")) return false;
    if (r.field() == 2) {
      out.has_shape = true;
      if (!nested(r, out, read_shape, "shape")) return false;
    }
  }
  return r.ok();
}

// A oneof: the member given last holds, and clears another one given before.
// The element's type, where it is a tensor.
bool read_element_type(WireReader r, TypeView& out) {
  while (r.next()) {
    if (r.field() != 1) continue;
    out.holds_tensor = true;
    if (!nested(r, out, read_tensor_type, "elem_type")) return false;
  }
  return r.ok();
}

// Of a sequence or an optional. What lies deeper is not looked at.
bool read_container_type(WireReader r, TypeView& out) {
  while (r.next())
    if (r.field() == 1 && !nested(r, out, read_element_type, "elem_type")) return false;
  return r.ok();
}

bool read_type(WireReader r, TypeView& out) {
  using Kind = TypeView::Kind;
  while (r.next()) {
    Kind kind = Kind::none;
    switch (r.field()) {
      case 1: kind = Kind::tensor; break;
      case 4: kind = Kind::sequence; break;
      case 5: kind = Kind::map; break;
      case 8: kind = Kind::sparse_tensor; break;
      case 9: kind = Kind::optional; break;
      default: continue;
    }
    if (out.kind != kind) out = {};
    out.kind = kind;
    if (kind == Kind::tensor) {
      if (!nested(r, out, read_tensor_type, "type")) return false;
    } else if (kind == Kind::sequence || kind == Kind::optional) {
      if (!nested(r, out, read_container_type, "type")) return false;
    } else if (!r.message("type")) {
      return false;
    }
  }
  return r.ok();
}

bool read_value_info(WireReader r, ValueInfoView& out) {
  while (r.next()) {
    if (r.field() == 1 && !r.text(out.name, "name")) return false;
    if (r.field() == 2 && !nested(r, out.type, read_type, "type")) return false;
  }
  return r.ok();
}

bool read_graph(WireReader r, GraphView& out);

bool add_graph(WireReader& r, AttributeView& out, const char* what, bool merge) {
  if (!r.message(what)) return false;
  WireContext& context = r.context();
  if (context.depth >= context.limits.nesting)
    return r.refuse(
        Code::limit_exceeded,
        fmt::format("sub-graphs are nested deeper than {}; the limit is nesting", context.limits.nesting));
  if (!merge || out.graphs.empty()) {
    out.graphs.push_back(std::make_unique<GraphView>());
    out.graphs.back()->offset = r.offset();
  }
  ++context.depth;
  bool good = read_graph(r.nested(), *out.graphs.back());
  --context.depth;
  return good || r.inside(what, out.graphs.size() - 1);
}

bool read_attribute(WireReader r, AttributeView& out) {
  uint32_t present = 0;  // types for which a value was met, as bits
  auto met = [&](AttributeType type) { present |= 1u << static_cast<int>(type); };
  int32_t type = 0;
  while (r.next()) {
    bool good = true;
    switch (r.field()) {
      case 1: good = r.text(out.name, "name"); break;
      case 2:
        good = r.number(out.f, "f");
        met(AttributeType::number);
        break;
      case 3:
        good = r.integer(out.i, "i");
        met(AttributeType::integer);
        break;
      case 4:
        good = r.bytes(out.s, "s");
        met(AttributeType::text);
        break;
      case 5:
        good = add_tensor(r, out.tensors, "t", true);
        met(AttributeType::tensor);
        break;
      case 6:
        good = add_graph(r, out, "g", true);
        met(AttributeType::graph);
        break;
      case 7:
        good = r.numbers(out.floats, "floats");
        met(AttributeType::numbers);
        break;
      case 8:
        good = r.integers(out.ints, "ints");
        met(AttributeType::integers);
        break;
      case 9:
        good = r.bytes(out.strings.emplace_back(), "strings");
        met(AttributeType::texts);
        break;
      case 10:
        good = add_tensor(r, out.tensors, "tensors");
        met(AttributeType::tensors);
        break;
      case 11:
        good = add_graph(r, out, "graphs", false);
        met(AttributeType::graphs);
        break;
      case 14: met(AttributeType::type); break;
      case 15: met(AttributeType::types); break;
      case 20: good = r.integer32(type, "type"); break;
      case 21: good = r.text(out.ref_name, "ref_attr_name"); break;
      case 22: met(AttributeType::sparse_tensor); break;
      case 23: met(AttributeType::sparse_tensors); break;
      default: break;
    }
    if (!good) return false;
  }
  if (!r.ok()) return false;
  if (type < 0 || type > static_cast<int>(AttributeType::types))
    return r.refuse(Code::invalid_model, fmt::format("attribute type {} is none of ONNX's", type));
  out.type = static_cast<AttributeType>(type);
  // Models of IR version 1 and 2 may leave the type out.
  for (int t = 1; out.type == AttributeType::undefined && t <= static_cast<int>(AttributeType::types); ++t)
    if (present == 1u << t) out.type = static_cast<AttributeType>(t);
  if (present & ~(1u << static_cast<int>(out.type)))
    return r.refuse(Code::invalid_model,
                    fmt::format("attribute '{}' holds a value of another kind than its type {} says",
                                out.name, static_cast<int>(out.type)));
  bool one_tensor = out.type == AttributeType::tensor, one_graph = out.type == AttributeType::graph;
  if (out.ref_name.empty() && ((one_tensor && out.tensors.empty()) || (one_graph && out.graphs.empty())))
    return r.refuse(Code::invalid_model, fmt::format("attribute '{}' has no value", out.name));
  return true;
}

bool read_node(WireReader r, NodeView& out) {
  while (r.next()) {
    bool good = true;
    switch (r.field()) {
      case 1: good = add_text(r, out.inputs, "input"); break;
      case 2: good = add_text(r, out.outputs, "output"); break;
      case 3: good = r.text(out.name, "name"); break;
      case 4: good = r.text(out.op_type, "op_type"); break;
      case 5: good = nested_in(r, out.attributes, read_attribute, "attribute"); break;
      case 7: good = r.text(out.domain, "domain"); break;
      case 8: good = r.text(out.overload, "overload"); break;
      default: break;
    }
    if (!good) return false;
  }
  return r.ok();
}

bool add_node(WireReader& r, std::vector<NodeView>& list) {
  WireContext& context = r.context();
  if (++context.nodes > context.limits.nodes)
    return r.refuse(Code::limit_exceeded, fmt::format("the model has more than {} nodes; the limit is nodes",
                                                      context.limits.nodes));
  return nested_in(r, list, read_node, "node");
}

bool read_graph(WireReader r, GraphView& out) {
  while (r.next()) {
    bool good = true;
    switch (r.field()) {
      case 1: good = add_node(r, out.nodes); break;
      case 2: good = r.text(out.name, "name"); break;
      case 5: good = add_tensor(r, out.initializers, "initializer"); break;
      case 11: good = nested_in(r, out.inputs, read_value_info, "input"); break;
      case 12: good = nested_in(r, out.outputs, read_value_info, "output"); break;
      case 13: good = nested_in(r, out.values, read_value_info, "value_info"); break;
      case 15: good = nested_in(r, out.sparse_initializers, read_sparse, "sparse_initializer"); break;
      default: break;
    }
    if (!good) return false;
  }
  return r.ok();
}

bool read_opset(WireReader r, OpsetView& out) {
  while (r.next()) {
    if (r.field() == 1 && !r.text(out.domain, "domain")) return false;
    if (r.field() == 2 && !r.integer(out.version, "version")) return false;
  }
  return r.ok();
}

bool read_function(WireReader r, FunctionView& out) {
  while (r.next()) {
    bool good = true;
    switch (r.field()) {
      case 1: good = r.text(out.name, "name"); break;
      case 4: good = add_text(r, out.inputs, "input"); break;
      case 5: good = add_text(r, out.outputs, "output"); break;
      case 6: good = add_text(r, out.attributes, "attribute"); break;
      case 7: good = add_node(r, out.nodes); break;
      case 9: good = nested_in(r, out.opsets, read_opset, "opset_import"); break;
      case 10: good = r.text(out.domain, "domain"); break;
      case 11: good = nested_in(r, out.default_attributes, read_attribute, "attribute_proto"); break;
      case 13: good = r.text(out.overload, "overload"); break;
      default: break;
    }
    if (!good) return false;
  }
  return r.ok();
}

bool read_model_message(WireReader r, ModelView& out) {
  while (r.next()) {
    bool good = true;
    switch (r.field()) {
      case 1: good = r.integer(out.ir_version, "ir_version"); break;
      case 2: good = r.text(out.producer_name, "producer_name"); break;
      case 3: good = r.text(out.producer_version, "producer_version"); break;
      case 7:
        if (!out.has_graph) out.graph.offset = r.offset();
        out.has_graph = true;
        good = nested(r, out.graph, read_graph, "graph");
        break;
      case 8: good = nested_in(r, out.opsets, read_opset, "opset_import"); break;
      case 25: good = nested_in(r, out.functions, read_function, "functions"); break;
      default: break;
    }
    if (!good) return false;
  }
  return r.ok();
}

}  // namespace

Result<ModelView> read_model(std::span<const std::byte> bytes, const Limits& limits) {
  if (static_cast<uint64_t>(bytes.size()) > static_cast<uint64_t>(limits.model_bytes))
    return fail(Code::limit_exceeded, "the model has {} bytes; the limit model_bytes is {}", bytes.size(),
                limits.model_bytes);
  if (bytes.empty()) return fail(Code::invalid_model, "the model is empty: 0 bytes");
  WireContext context;
  context.base = bytes.data();
  context.limits = limits;
  ModelView model;
  if (!read_model_message(WireReader(context, bytes), model)) return tl::unexpected<Error>(context.error());
  if (!model.has_graph)
    return fail(Code::invalid_model, "the model holds no graph: it is cut off, or not an ONNX model");
  if (model.ir_version < 1 || model.ir_version > kMaxIrVersion)
    return fail(model.ir_version < 1 ? Code::invalid_model : Code::unsupported,
                "the model has ir_version {}; this library reads 1 to {}", model.ir_version, kMaxIrVersion);
  return model;
}

}  // namespace tenon::onnx
