// The planted fault of the fuzz targets: with TENON_CANARY in the environment they read beyond a block, which
// a sanitizer finds, and crash in any case.
#include <cstdlib>

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (!std::getenv("TENON_CANARY")) return 0;
  auto* block = new unsigned char[8];
  volatile int end = 8;
  static_cast<void>(static_cast<volatile unsigned char*>(block)[end]);
  std::abort();
}
