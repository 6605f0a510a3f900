// Typed views become the bytes of an ONNX model: the reverse of model.h's reader, over the same views.
#pragma once

#include <string>

#include "onnx/model.h"

namespace tenon::onnx {

// The most bytes of a message that Protocol Buffers allow; what is larger, no reader takes.
inline constexpr uint64_t kMaxModelBytes = INT32_MAX;

// Writes what the views hold. Tensors hold raw data or external data; strings, segments, sparse tensors and
// types as attributes are not written: the reader keeps nothing of them. Fails with Code::limit_exceeded for
// a model of more than kMaxModelBytes.
Result<std::vector<std::byte>> write_model(const ModelView& model);

}  // namespace tenon::onnx
