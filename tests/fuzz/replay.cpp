// Runs a fuzz target on files, where there is no fuzzer: `fuzz_X FILE-OR-FOLDER …`. With `--mutate N` also on
// N inputs that the target's own mutator makes of them, always the same. Prints how many inputs it ran.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                                                unsigned seed);

// Stands in for libFuzzer's own: changes a few bytes.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t) {
  static uint64_t state = 1;
  for (int i = 0; i < 3 && size > 0; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    data[(state >> 33) % size] = static_cast<uint8_t>(state >> 24);
  }
  return size;
}

namespace {

constexpr size_t kMostBytes = 1 << 16;

// On an exact heap block, so that a sanitizer sees reads beyond it.
void run(const std::vector<uint8_t>& input) {
  std::vector<uint8_t> exact(input.begin(), input.end());
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::vector<std::string> files_of(const std::string& path) {
  std::vector<std::string> out;
  if (!std::filesystem::is_directory(path)) return {path};
  for (const auto& entry : std::filesystem::directory_iterator(path)) out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  std::vector<std::vector<uint8_t>> inputs = {{}};
  int rounds = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--mutate") == 0 && i + 1 < argc) {
      rounds = std::atoi(argv[++i]);
      continue;
    }
    for (const std::string& file : files_of(argv[i])) {
      std::ifstream stream(file, std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
  }
  for (const std::vector<uint8_t>& input : inputs) run(input);
  size_t count = inputs.size();
  for (unsigned round = 0; LLVMFuzzerCustomMutator && round < static_cast<unsigned>(rounds); ++round) {
    std::vector<uint8_t> input = inputs[round % inputs.size()];
    size_t size = input.size();
    input.resize(std::max(size, kMostBytes));
    for (unsigned depth = 0; depth < 2 + round % 4; ++depth)
      size = LLVMFuzzerCustomMutator(input.data(), size, input.size(), round * 8 + depth);
    input.resize(size);
    run(input);
    ++count;
  }
  std::printf("%zu inputs\n", count);
}
