// The loops of a kernel: dims, and every operand's step along each, with what is known at build time.
#pragma once

#include <span>
#include <string>

#include "common/kernel.h"
#include "cuda/generate/extent.h"

namespace tenon::cuda {

// How one source serves all shapes of a plan.
//   exact   every dim is fixed: all is literal
//   fast    an operand's dim that may change is taken to equal the loop's (it does not broadcast), indices have 32 bits
//   general every step is an argument, indices have 64 bits
enum class Variant : uint8_t { exact, fast, general };

// exact alone, or fast and general: the sources that must exist so that every shape can run.
std::span<const Variant> variants(const PrepareCall& call);

// The group of loops that run within a thread: no index counts their iterations with those of others.
inline constexpr int kInnerGroup = 3;

struct Loop {
  Extent size;
  int group = 0;      // only loops of one group merge
  bool keep = false;  // also when it has one iteration
};

// Steps of one operand along each loop; in elements.
struct Steps {
  std::vector<Extent> at;
};

class Space {
 public:
  explicit Space(Variant variant) : variant_(variant) {}
  Variant variant() const { return variant_; }

  // A number known at each shape; the same number each time only where `fixed`.
  Extent number(int64_t value, bool fixed);
  // Appends a loop; returns its place.
  int add_loop(Extent size, int group = 0);
  int add_operand(Steps steps);

  const std::vector<Loop>& loops() const { return loops_; }
  const std::vector<Steps>& operands() const { return operands_; }
  void set_group(int loop, int group) { loops_[static_cast<size_t>(loop)].group = group; }
  void keep(int loop) { loops_[static_cast<size_t>(loop)].keep = true; }
  // Divides a loop into two; only before operands are added.
  void divide_loop(int loop, int64_t outer, int64_t inner);
  // Puts the loops in another order.
  void reorder(std::span<const int> order);
  // Drops loops of one iteration and merges neighbours of one group that every operand walks as one.
  void simplify();
  // Product of the sizes of the loops of a group.
  Extent count(int group) const;
  Extent count() const;
  // Whether the source made of it computes this shape: assumptions hold, and numbers up to `reach` can be indexed.
  bool fits() const;
  void assume(bool holds) { holds_ = holds_ && holds; }
  // Elements that some operand or the kernel addresses beyond those of the loops.
  void reach(int64_t elements) { reach_ = elements > reach_ ? elements : reach_; }
  bool wide() const;
  // Product of the sizes of the loops outside kInnerGroup.
  int64_t indexed() const;

  // Loops over the logical dims of `dims` (fixed as its bits say) in group 0.
  void add_dims(const Arg& dims);
  // The steps of a dense operand that broadcasts, right-aligned, to the loops made by add_dims (before any reorder).
  Steps broadcast(const Arg& operand);
  // The steps of a dense tensor whose dim d belongs to loop `loop_of[d]`, to none where that is -1. `same`: its dims
  // are the loops' (a dim of 1 repeats, one without a loop is 1); else they are numbers of their own.
  Steps dense(const Arg& arg, std::span<const int> loop_of, bool same);
  // Steps of a tensor's own dims, in elements.
  std::vector<Extent> own_steps(const Arg& arg);

 private:
  Extent dim_of(const Arg& arg, int d, int loop, bool same);
  Variant variant_;
  std::vector<Loop> loops_;
  std::vector<Steps> operands_;
  uint16_t ids_ = 0;
  bool holds_ = true;
  int64_t reach_ = 0;
};

// Dims of `arg` in the order in which they lie in memory.
std::vector<int> memory_order(const Arg& arg);

}  // namespace tenon::cuda
