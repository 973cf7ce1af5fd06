#include "server/resources/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace traind::server {
namespace {

TEST(PageSize, IsTheServersChoiceUpToAMost) {
  EXPECT_EQ(PageSize(0), 50);
  EXPECT_EQ(PageSize(1), 1);
  EXPECT_EQ(PageSize(500), 500);
  EXPECT_EQ(PageSize(501), 500);
  EXPECT_EQ(PageSize(std::numeric_limits<int32_t>::max()), 500);
}

TEST(PageSize, MustNotBeNegative) {
  for (const int32_t size : {0, 1, 1'000'000}) {
    core::FieldErrors::Root errors;
    CheckPageSize(size, errors.scope());
    EXPECT_TRUE(errors.ok()) << size << ": " << errors.ToStatus();
  }
  for (const int32_t size : {-1, std::numeric_limits<int32_t>::min()}) {
    core::FieldErrors::Root errors;
    CheckPageSize(size, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << size;
    EXPECT_EQ(errors.violations().field_violations(0).field(), "page_size");
    EXPECT_EQ(errors.violations().field_violations(0).description(), "must not be negative");
  }
}

}  // namespace
}  // namespace traind::server
