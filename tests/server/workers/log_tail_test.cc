#include "server/workers/log_tail.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;

TEST(LogTail, JoinsAndCutsPiecesIntoLines) {
  std::vector<std::string> seen;
  LogTail tail(10, 100, [&](std::string_view line) { seen.emplace_back(line); });
  tail.Append("one\ntw");
  tail.Append("");
  tail.Append("o\r\n\nfour");
  EXPECT_THAT(seen, ElementsAre("one", "two", ""));
  tail.Finish();
  tail.Finish();
  EXPECT_THAT(seen, ElementsAre("one", "two", "", "four"));
  EXPECT_EQ(tail.last_lines(), seen);
}

TEST(LogTail, KeepsTheLastLines) {
  LogTail tail(3, 100, nullptr);
  for (int i = 0; i < 1000; ++i) tail.Append(std::to_string(i) + "\n");
  EXPECT_THAT(tail.last_lines(), ElementsAre("997", "998", "999"));
}

TEST(LogTail, CutsALongLineHoweverItComes) {
  LogTail tail(3, 5, nullptr);
  tail.Append("123");
  tail.Append("4567");
  tail.Append(std::string(1 << 20, 'x'));
  tail.Append("\nnext one\n");
  EXPECT_THAT(tail.last_lines(), ElementsAre("12345", "next "));
}

TEST(PrintableUtf8, KeepsTextAndReplacesTheRest) {
  EXPECT_EQ(PrintableUtf8("loss\t0.5 \xc3\xa4 \xe2\x96\x88 \xf0\x9f\x98\x80"),
            "loss\t0.5 \xc3\xa4 \xe2\x96\x88 \xf0\x9f\x98\x80");
  EXPECT_EQ(PrintableUtf8("\x1b[1m\x7f"), "?[1m?");
  EXPECT_EQ(PrintableUtf8("\xff\xc3"), "??");                             // Never valid; cut off.
  EXPECT_EQ(PrintableUtf8("\xc0\xaf \xe0\x80\xaf"), "?? ???");            // Overlong.
  EXPECT_EQ(PrintableUtf8("\xed\xa0\x80 \xf4\x90\x80\x80"), "??? ????");  // A surrogate; past U+10FFFF.
  EXPECT_EQ(PrintableUtf8(std::string_view("a\0b", 3)), "a?b");
}

}  // namespace
}  // namespace traind::server
