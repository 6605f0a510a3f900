#include "ops/shapes.h"

#include <algorithm>
#include <cstring>

#include "ops/content.h"
#include "ops/ops.h"

namespace tenon {

std::optional<Dim> same_dim(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::nullopt;
  return b.is_constant() ? b : a;
}

Dim clamp(const Dim& value, const Dim& low, const Dim& high) {
  if (at_least(low - value, 0)) return low;
  if (at_least(value - high, 0)) return high;
  Dim out = at_least(value - low, 0) ? value : max(value, low);
  return at_least(high - value, 0) ? out : min(out, high);
}

Dim quotient(Shape numerator, Shape denominator) {
  for (auto it = denominator.begin(); it != denominator.end();) {
    auto same = it->is(0) ? numerator.end() : std::find(numerator.begin(), numerator.end(), *it);
    if (same == numerator.end()) {
      ++it;
    } else {
      numerator.erase(same);
      it = denominator.erase(it);
    }
  }
  return floordiv(element_count(numerator), element_count(denominator));
}

void set_dims(KernelCall& call, size_t offset, const Shape& dims) {
  for (size_t i = 0; i < dims.size(); ++i) {
    size_t at = offset + i * sizeof(int64_t);
    int64_t value = dims[i].is_constant() ? dims[i].value() : 0;
    std::memcpy(call.params.data() + at, &value, sizeof value);
    if (!dims[i].is_constant()) call.dims.push_back({static_cast<uint32_t>(at), dims[i]});
  }
}

Status expect_full_rank(const TensorType& type, size_t entries, std::string_view what) {
  if (entries == type.rank()) return {};
  return fail(Code::invalid_model, "{} has {} entries for a tensor of {} dims ({})", what, entries, type.rank(),
              print(type));
}

Inferred one_output(TensorType type, std::optional<std::vector<Dim>> content) {
  Inferred out;
  out.outputs.push_back(std::move(type));
  out.contents.push_back(std::move(content));
  return out;
}

bool is_identity(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return false;
  return true;
}

Status expect_permutation(const std::vector<int64_t>& perm, size_t rank) {
  std::vector<bool> seen(rank, false);
  bool good = perm.size() == rank;
  for (size_t i = 0; good && i < rank; ++i) {
    good = perm[i] >= 0 && perm[i] < static_cast<int64_t>(rank) && !seen[static_cast<size_t>(perm[i])];
    if (good) seen[static_cast<size_t>(perm[i])] = true;
  }
  if (good) return {};
  std::string text;
  for (int64_t p : perm) text += (text.empty() ? "" : ",") + std::to_string(p);
  return fail(Code::invalid_model, "[{}] is not a permutation of the {} dims", text, rank);
}

Result<ValueId> reshape(Patch& patch, ValueId x, Shape shape) {
  if (patch.type(x).shape == shape) return x;
  return patch.add(kReshape, {x}, {{"shape", std::move(shape)}});
}

Result<ValueId> transpose(Patch& patch, ValueId x, std::vector<int64_t> perm) {
  if (is_identity(perm)) return x;
  return patch.add(kTranspose, {x}, {{"perm", std::move(perm)}});
}

Result<ValueId> expand(Patch& patch, ValueId x, Shape shape) {
  if (patch.type(x).shape == shape) return x;
  return patch.add(kExpand, {x}, {{"shape", std::move(shape)}});
}

Result<ValueId> slice(Patch& patch, ValueId x, size_t axis, Dim start, Dim size) {
  Shape sizes = patch.type(x).shape;
  if (start.is(0) && sizes[axis] == size) return x;
  Shape starts(sizes.size(), Dim(0));
  starts[axis] = std::move(start);
  sizes[axis] = std::move(size);
  std::vector<int64_t> steps(sizes.size(), 1);
  return patch.add(kSlice, {x},
                   {{"starts", std::move(starts)}, {"steps", std::move(steps)}, {"sizes", std::move(sizes)}});
}

}  // namespace tenon
