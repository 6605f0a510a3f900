// Changes an ONNX model as a tool or an attacker would: a field, a node's operator, operand or attribute at a
// time, in bytes that stay a message.
#pragma once

#include <string>

#include "fuzz/random.h"

namespace tenon::fuzz {

// The model's bytes with a few changes; as they were when they are no model.
std::string mutate_onnx(const std::string& bytes, Random& random);

}  // namespace tenon::fuzz
