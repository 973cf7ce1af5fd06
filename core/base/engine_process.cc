#include "core/base/engine_process.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace traind::core {

std::vector<std::string> EngineEnvironment(const char* const* environment, uint32_t threads) {
  // The math mode is dropped because it would turn float32 into something less exact behind the user's back.
  constexpr std::array<std::string_view, 5> kDropped = {"OMP_", "GOMP_", "KMP_",
                                                        "DNNL_DEFAULT_FPMATH_MODE=", "ONEDNN_DEFAULT_FPMATH_MODE="};
  std::vector<std::string> result;
  for (const char* const* entry = environment; *entry != nullptr; ++entry) {
    const bool dropped = std::any_of(kDropped.begin(), kDropped.end(), [&](std::string_view prefix) {
      return std::string_view(*entry).starts_with(prefix);
    });
    if (!dropped) result.emplace_back(*entry);
  }
  result.push_back(absl::StrCat("OMP_NUM_THREADS=", std::max(threads, 1u)));
  result.push_back("OMP_DYNAMIC=false");
  // Threads that wait for work spin for some ten microseconds and then sleep. Sleeping at once makes the steps of small
  // networks a seventh longer; the default of 300,000 turns takes time from other jobs on the same cores.
  result.push_back("GOMP_SPINCOUNT=1000");
  // The CPU share is the process's affinity. Binding the threads one by one would also bind, to the first CPU alone,
  // every thread that the main one starts: the prefetcher would fight with the computation.
  result.push_back("OMP_PROC_BIND=false");
  return result;
}

}  // namespace traind::core
