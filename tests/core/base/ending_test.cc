#include "core/base/ending.h"

#include <gtest/gtest.h>

#include <thread>

namespace traind::core {
namespace {

TEST(Ending, EndsAWaitThatIsUnderWayAndEveryOneAfterIt) {
  Ending ending;
  EXPECT_FALSE(ending.WaitFor(absl::Milliseconds(1)));
  EXPECT_FALSE(ending.WaitFor(absl::ZeroDuration()));
  bool stopped = false;
  std::thread waiting([&] { stopped = ending.WaitFor(absl::InfiniteDuration()); });
  ending.End();
  waiting.join();
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(ending.WaitFor(absl::ZeroDuration()));
  EXPECT_TRUE(ending.ended());
}

}  // namespace
}  // namespace traind::core
