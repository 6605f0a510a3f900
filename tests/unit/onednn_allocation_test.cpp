// Allocations that fail while a step of oneDNN runs, each in turn: an error, and the next attempt succeeds. (While a
// primitive is made oneDNN 2.6 ends the process when memory runs out; docs/results/onednn.md.)
#include <cstdlib>
#include <new>

#include "onednn/params.h"
#include "unit/onednn_harness.h"

namespace {

thread_local long allocations_until_failure = -1;  // negative: none fails

void* allocate(std::size_t size) {
  if (allocations_until_failure == 0) return nullptr;
  if (allocations_until_failure > 0) --allocations_until_failure;
  return std::malloc(size ? size : 1);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
// Not inlined: GCC takes free for a mistake where it sees that the memory is from new.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace tenon::testing {
namespace {

TEST(OnednnAllocation, LaunchSurvivesEveryFailure) {
  TN_NEED_ONEDNN();
  Random random(1);
  auto team = Team::create(1);
  OnednnMatmulParams params;
  params.matmul.epilogue = program("max(add(x0, x1), 0)", 2);
  const Tensor a = random.tensor({7, 20}), b = random.tensor({20, 30}), c = random.tensor({30}),
               y = Tensor::make(DType::f32, {7, 30});
  Tensor expected = Tensor::make(DType::f32, {7, 30});
  ASSERT_TRUE(run("matmul.reference", params.matmul, {a, b, c}, {expected}));
  const Kernel& k = kernel("onednn.matmul.f32");
  const auto bytes = std::as_bytes(std::span(&params, 1));
  const std::vector<Arg> in{a.arg, b.arg, c.arg}, out{y.arg};
  Prepared prepared;
  ASSERT_TRUE(k.prepare({bytes, in, out, 1}, prepared));
  Guarded scratch(static_cast<size_t>(round_up(prepared.scratch_bytes, 64)));
  int failures = 0;
  for (long allowed = 0;; ++allowed) {
    bool ok = false;
    allocations_until_failure = allowed;
    try {
      ok = k.launch({bytes, in, out, scratch.data(), prepared.state.get(), team->get()}).has_value();
    } catch (const std::bad_alloc&) {
    }
    allocations_until_failure = -1;
    if (ok) break;
    ++failures;
    ASSERT_LT(allowed, 1000);
  }
  EXPECT_GT(failures, 0);
  EXPECT_LE(difference(y, expected), 4e-6);
}

}  // namespace
}  // namespace tenon::testing
