#include "core/base/listing.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace traind::core {
namespace {

TEST(Listing, SaysHowManyItLeavesOut) {
  const std::vector<std::string> names = {"ant", "bee", "cow"};
  EXPECT_EQ(Listing({}, 2), "");
  EXPECT_EQ(Listing(names, 3), "ant, bee, cow");
  EXPECT_EQ(Listing(names, 2), "ant, bee and 1 more");
}

}  // namespace
}  // namespace traind::core
