// Threads of the oneDNN module: those of the step's team, and no others.
#include <dirent.h>

#include <thread>

#include "onednn/params.h"
#include "unit/onednn_harness.h"

namespace tenon::testing {
namespace {

int threads_of_process() {
  int count = 0;
  DIR* folder = opendir("/proc/self/task");
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

struct Product {
  OnednnMatmulParams params;
  Tensor a, b, out;

  Product() {
    Random random(5);
    a = random.tensor({130, 70});
    b = random.tensor({70, 200});
    out = Tensor::make(DType::f32, {130, 200});
  }
  std::vector<Arg> inputs() const { return {a.arg, b.arg}; }
};

// Runs the product on `team` some times, looking at the process's threads in between.
int most_threads(const Product& p, Team& team) {
  const Kernel& k = kernel("onednn.matmul.f32");
  const auto params = std::as_bytes(std::span(&p.params, 1));
  const std::vector<Arg> in = p.inputs(), out{p.out.arg};
  Prepared prepared;
  const Status status = k.prepare({params, in, out, team.size()}, prepared);
  EXPECT_TRUE(status) << text(status);
  Guarded scratch(static_cast<size_t>(round_up(prepared.scratch_bytes, 64)));
  int most = 0;
  for (int i = 0; i < 20; ++i) {
    const Status ran = k.launch({params, in, out, scratch.data(), prepared.state.get(), &team});
    EXPECT_TRUE(ran) << text(ran);
    most = std::max(most, threads_of_process());
  }
  return most;
}

TEST(OnednnThreads, AreTheTeams) {
  TN_NEED_ONEDNN();
  const Product product;
  const int before = threads_of_process();
  {
    auto team = Team::create(1);
    EXPECT_EQ(most_threads(product, **team), before);
  }
  for (int size : {2, 3}) {
    auto team = Team::create(size);
    EXPECT_EQ(most_threads(product, **team), before + size - 1);
  }
  EXPECT_EQ(threads_of_process(), before);
}

TEST(OnednnThreads, SameBitsForEveryCount) {
  TN_NEED_ONEDNN();
  Product product;
  std::vector<float> first;
  for (int size : {1, 2, 3}) {
    auto team = Team::create(size);
    most_threads(product, **team);
    const std::vector<float> bits(product.out.arg.as<float>(), product.out.arg.as<float>() + product.out.arg.count());
    if (first.empty()) first = bits;
    EXPECT_EQ(bits, first) << size << " threads";
  }
}

TEST(OnednnThreads, WrongTeamIsRefused) {
  TN_NEED_ONEDNN();
  const Product p;
  const Kernel& k = kernel("onednn.matmul.f32");
  const auto params = std::as_bytes(std::span(&p.params, 1));
  const std::vector<Arg> in = p.inputs(), out{p.out.arg};
  Prepared prepared;
  ASSERT_TRUE(k.prepare({params, in, out, 2}, prepared));
  Guarded scratch(static_cast<size_t>(round_up(prepared.scratch_bytes, 64)));
  auto team = Team::create(1);
  EXPECT_FALSE(k.launch({params, in, out, scratch.data(), prepared.state.get(), team->get()}));
}

// Several callers, each with a team of its own.
TEST(OnednnThreads, ConcurrentCallers) {
  TN_NEED_ONEDNN();
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([] {
      const Product product;
      auto team = Team::create(2);
      most_threads(product, **team);
      Tensor expected = Tensor::make(DType::f32, {130, 200});
      EXPECT_TRUE(run("matmul.reference", product.params.matmul, {product.a, product.b}, {expected}));
      EXPECT_LE(difference(product.out, expected), 4e-6);
    });
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace tenon::testing
