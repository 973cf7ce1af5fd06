#include "core/base/utf8.h"

#include <gtest/gtest.h>

namespace traind::core {
namespace {

TEST(IsUtf8Test, KnowsGoodTextFromBad) {
  for (const char* good :
       {"", "cat", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x88", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(EscapedUnlessUtf8Test, LeavesTextAsItIs) {
  EXPECT_EQ(EscapedUnlessUtf8("caf\u00e9 \"1\"\n"), "caf\u00e9 \"1\"\n");
  EXPECT_EQ(EscapedUnlessUtf8("caf\xe9 \"1\""), "caf\\xe9 \\\"1\\\"");
}

}  // namespace
}  // namespace traind::core
