// The same targets under libFuzzer, which needs clang: -DTRAIND_FUZZER=ON. One program for all of them:
// TRAIND_FUZZ_TARGET chooses.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/fuzz/targets.h"
#include "tests/support/temporary_folder.h"

namespace {

const traind::fuzz::Target& Chosen() {
  const char* name = std::getenv("TRAIND_FUZZ_TARGET");
  for (const auto& target : traind::fuzz::Targets()) {
    if (name != nullptr && std::string(name) == target.name) return target;
  }
  std::fprintf(stderr, "TRAIND_FUZZ_TARGET must be one of:");
  for (const auto& target : traind::fuzz::Targets()) std::fprintf(stderr, " %s", target.name);
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const traind::fuzz::Target& target = Chosen();
  const traind::TemporaryFolder folder(traind::TemporaryFolder::Place::kMemory);
  target.run({reinterpret_cast<const char*>(data), size}, folder.path());
  return 0;
}
