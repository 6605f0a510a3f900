// Changes a plan as an attacker would: one field at a time, with all hashes made right again.
#pragma once

#include "fuzz/random.h"
#include "plan/plan.h"

namespace tenon::fuzz {

void mutate(plan::Plan& plan, Random& random);

}  // namespace tenon::fuzz
