// The tables that make up kernel_cases; one file each.
#pragma once

#include "gpu/cases.h"

namespace tenon::test {

// The program of this text; ends the test program when it is none.
Program program(std::string_view text, std::vector<DType> types);

void pointwise_cases(std::vector<Case>& out);
void move_cases(std::vector<Case>& out);
void rows_cases(std::vector<Case>& out);

}  // namespace tenon::test
