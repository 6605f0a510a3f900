#include "plan/serialize.h"

#include "plan/container.h"
#include "plan/metadata.h"
#include "plan/verify.h"

namespace tenon::plan {

Result<std::vector<std::byte>> write(const Plan& plan) {
  if (Status status = verify(plan, Limits{}); !status)
    return trail(std::move(status.error()), "when writing the plan of network '{}'", plan.network);
  TN_ASSIGN(std::vector<std::byte> metadata, encode(plan));
  return pack({metadata, plan.weight_bytes, plan.image_bytes});
}

Result<Plan> load(std::span<const std::byte> bytes, const Limits& limits) {
  TN_ASSIGN(Sections sections, unpack(bytes, limits));
  TN_ASSIGN(Plan plan, decode(sections.metadata));
  plan.weight_bytes = sections.weights;
  plan.image_bytes = sections.images;
  TN_TRY(verify(plan, limits));
  return plan;
}

}  // namespace tenon::plan
