#include "core/base/engine_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace traind::core {
namespace {

using testing::Contains;
using testing::Not;
using testing::StartsWith;

std::vector<const char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> pointers;
  for (const std::string& string : strings) pointers.push_back(string.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

TEST(EngineEnvironment, ReplacesTheOpenMpSettingsThatItFinds) {
  const std::vector<std::string> ours = {
      "PATH=/bin",           "OMP_NUM_THREADS=64",   "OMP_WAIT_POLICY=active",
      "GOMP_CPU_AFFINITY=0", "OMP_SCHEDULE=dynamic", "ONEDNN_DEFAULT_FPMATH_MODE=BF16",
      "DNNL_VERBOSE=1"};
  const auto theirs = EngineEnvironment(Pointers(ours).data(), 2);
  EXPECT_THAT(theirs, Contains("PATH=/bin"));
  EXPECT_THAT(theirs, Contains("DNNL_VERBOSE=1"));
  EXPECT_THAT(theirs, Contains("OMP_NUM_THREADS=2"));
  EXPECT_EQ(std::count_if(theirs.begin(), theirs.end(),
                          [](const std::string& entry) { return entry.rfind("OMP_NUM_THREADS", 0) == 0; }),
            1);
  for (const char* gone : {"OMP_WAIT_POLICY", "GOMP_CPU_AFFINITY", "OMP_SCHEDULE", "ONEDNN_DEFAULT_FPMATH_MODE"}) {
    EXPECT_THAT(theirs, Not(Contains(StartsWith(gone))));
  }
}

// A program that starts itself again until it has these settings does so once.
TEST(EngineEnvironment, IsSettledAfterOneTime) {
  const auto once = EngineEnvironment(Pointers({"GOMP_SPINCOUNT=infinity", "PATH=/bin"}).data(), 2);
  EXPECT_EQ(EngineEnvironment(Pointers(once).data(), 2), once);
}

}  // namespace
}  // namespace traind::core
