#include "cuda/generate/operand.h"

#include <algorithm>

#include "cuda/generate/element.h"

namespace tenon::cuda {

std::string declare_input(Source& source, const std::string& name, DType storage, size_t input) {
  return fmt::format("const {0}* {1} = (const {0}*){2};\n", storage_name(storage), name, source.input(input));
}

std::string declare_output(Source& source, const std::string& name, DType storage, size_t output) {
  return fmt::format("{0}* {1} = ({0}*){2};\n", storage_name(storage), name, source.output(output));
}

std::string offset_of(Source& source, const Operand& operand, int first, int last, const std::string& prefix) {
  const std::string offset = offset_text(source, operand.steps, first, last, prefix);
  return operand.base.empty() ? offset : operand.base + " + " + offset;
}

Reads::Reads(std::vector<Operand> operands, int inner, int width)
    : operands_(std::move(operands)), inner_(inner), width_(width) {}

const Extent& Reads::step(size_t k) const {
  static const Extent kNone = Extent::of(0);
  const auto& at = operands_[k].steps.at;
  return inner_ >= 0 && static_cast<size_t>(inner_) < at.size() ? at[static_cast<size_t>(inner_)] : kNone;
}

bool Reads::repeats(size_t k) const { return step(k).is(0); }

std::string Reads::load_one(Source& source, size_t k, const std::string& suffix, const std::string& offset) const {
  const Operand& operand = operands_[k];
  const std::string name = operand.name + suffix;
  const auto type = storage_name(operand.storage);
  if (repeats(k)) return fmt::format("const {} l{} = {}[{}];\n", type, name, operand.name, offset);
  if (width_ == 1) return fmt::format("const Pack<{0}, 1> l{1} = {{{{{2}[{3}]}}}};\n", type, name, operand.name, offset);
  if (step(k).is(1))
    return fmt::format("const Pack<{}, {}> l{} = load<{}>({} + ({}), al);\n", type, width_, name, width_, operand.name,
                       offset);
  return fmt::format(
      "Pack<{0}, {1}> l{2};\n_Pragma(\"unroll\") for (int j = 0; j < {1}; ++j) l{2}.e[j] = {3}[({4}) + (I)j * {5}];\n", type,
      width_, name, operand.name, offset, source.number(step(k)));
}

std::string Reads::argument(size_t k, const std::string& suffix, const std::string& e) const {
  const std::string name = "l" + operands_[k].name + suffix;
  return repeats(k) ? fmt::format("get({})", name) : fmt::format("get({}.e[{}])", name, e);
}

std::string Reads::arguments(const std::string& suffix, const std::string& e) const {
  std::string out;
  for (size_t k = 0; k < operands_.size(); ++k) out += (k ? ", " : "") + argument(k, suffix, e);
  return out;
}

std::string Reads::alignment(const std::vector<std::string>& more) const {
  std::string out = "true";
  if (width_ == 1) return out;
  for (size_t k = 0; k < operands_.size(); ++k)
    if (step(k).is(1)) out += fmt::format(" && is_aligned({}{})", operands_[k].name,
                         operands_[k].base.empty() ? "" : " + " + operands_[k].base);
  for (const std::string& name : more) out += fmt::format(" && is_aligned({})", name);
  return out;
}

int vector_width(const Space& space, const std::vector<Operand>& operands, int inner, bool any_length) {
  if (space.variant() == Variant::general || inner < 0) return 1;
  const auto at = static_cast<size_t>(inner);
  size_t smallest = 8, largest = 1;
  std::vector<const Operand*> vectors;
  for (const Operand& operand : operands)
    if (operand.steps.at[at].is(1)) {
      vectors.push_back(&operand);
      smallest = std::min(smallest, size_of(operand.storage));
      largest = std::max(largest, size_of(operand.storage));
    }
  int width = static_cast<int>(std::min(16 / smallest, 32 / largest));
  if (vectors.empty()) width = 1;
  auto fits = [&](int w) {
    if (!any_length && !space.loops()[at].size.divides_by(w)) return false;
    return std::all_of(vectors.begin(), vectors.end(), [&](const Operand* operand) {
      for (size_t i = 0; i < operand->steps.at.size(); ++i)
        if (i != at && !operand->steps.at[i].divides_by(w)) return false;
      return true;
    });
  };
  while (width > 1 && !fits(width)) width /= 2;
  return width;
}

}  // namespace tenon::cuda
