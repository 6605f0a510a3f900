// Lives in C++, as run.py describes them.
#include <fcntl.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

namespace {

void life(const std::string& model, std::vector<tenon::Engine>* leaked) {
  tenon::Builder builder;
  tenon::Network network = tenon::Network::from_onnx_file(builder, model);
  tenon::OptimizationProfile profile;
  profile.set_shape("x", {1, 4}, {2, 4}, {8, 4});
  tenon::BuilderConfig config;
  config.set_thread_count(1);
  config.set_option("timer", "fake");
  config.add_profile(profile);
  tenon::Engine engine(tenon::Runtime(), builder.build(network, config));
  try {
    engine.find_tensor("none");
    std::exit(2);
  } catch (const tenon::Error&) {
  }
  int layers = 0;
  {
    tenon::ExecutionContext context(engine);
    context.set_profiler([&](const auto&) { ++layers; });
    std::vector<float> x(4, 1.0f);
    tenon::Outputs outputs = context.run({{"x", tenon::TensorView({1, 4}, x)}});
    tenon::Span<const float> y = outputs["y"].as<float>();
    if (y[0] != 12 || y[1] != 24 || y[2] != 38 || layers == 0) std::exit(3);
  }
  if (leaked) {
    leaked->push_back(std::move(engine));
    open("/dev/null", O_RDONLY);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<tenon::Engine> leaked;
  long cycles = std::atol(argv[2]), warm_up = std::atol(argv[3]);
  for (long cycle = 1; cycle <= cycles; ++cycle) {
    life(argv[1], argc > 4 ? &leaked : nullptr);
    if (cycle != warm_up && cycle != cycles) continue;
    std::cout << tenon::live_count("all") << " objects" << std::endl;
    std::cin.get();
  }
}
