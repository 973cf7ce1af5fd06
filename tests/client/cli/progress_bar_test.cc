#include "client/cli/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "client/cli/text.h"

namespace traind::client {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(RenderTransferTest, ShareSpeedAndTimeLeft) {
  EXPECT_EQ(RenderTransfer("x.npy", 500'000, 1'000'000, 0, absl::Seconds(1), 80),
            "x.npy  ███████████░░░░░░░░░░░  50 %  500.0 kB of 1.00 MB  500.0 kB/s  1.0 s left");
}

TEST(RenderTransferTest, WhatWasThereBeforeIsNoSpeed) {
  EXPECT_EQ(RenderTransfer("x.npy", 400'000, 1'000'000, 400'000, absl::Seconds(1), 60),
            "x.npy  ██████████░░░░░░░░░░░░░░░░  40 %  400.0 kB of 1.00 MB");
  EXPECT_THAT(RenderTransfer("x", 600'000, 1'000'000, 400'000, absl::Seconds(2), 90),
              EndsWith("  60 %  600.0 kB of 1.00 MB  100.0 kB/s  4.0 s left"));
}

TEST(RenderTransferTest, TheLastBytesAreNotRoundedUp) {
  EXPECT_THAT(RenderTransfer("x", 999'999, 1'000'000, 0, absl::Seconds(1), 90), HasSubstr("  99 %  "));
  EXPECT_EQ(RenderTransfer("x", 2'000'000, 2'000'000, 0, absl::Seconds(2), 60),
            "x  ████████████████████ 100 %  2.00 MB of 2.00 MB  1.00 MB/s");
}

TEST(RenderTransferTest, AnEmptyFileIsDone) {
  EXPECT_THAT(RenderTransfer("x", 0, 0, 0, absl::ZeroDuration(), 60), EndsWith("█ 100 %  0 B of 0 B"));
}

TEST(RenderTransferTest, AWrongTotalGivesNoShare) {
  EXPECT_EQ(RenderTransfer("x", 3000, 0, 0, absl::Seconds(1), 60), "x  3.00 kB  3.00 kB/s");
  EXPECT_EQ(RenderTransfer("x", 3000, 2000, 0, absl::Seconds(1), 60), "x  3.00 kB  3.00 kB/s");
}

TEST(RenderTransferTest, FitsEveryWidth) {
  const std::string title = std::string(300, 'n') + "\x1b[2J";
  for (const int width : {0, 1, 20, 30, 80, 500}) {
    const std::string line = RenderTransfer(title, 5, 10, 0, absl::Seconds(1), width);
    EXPECT_LE(DisplayWidth(line), width);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

// What a bar that lives through these updates writes.
std::string Drawn(bool enabled, const std::vector<std::pair<int64_t, int64_t>>& updates) {
  std::ostringstream out;
  {
    ProgressBar bar(out, enabled, "x.npy", 80);
    for (const auto& [done, total] : updates) bar.Update(done, total);
  }
  return out.str();
}

TEST(ProgressBarTest, IsRedrawnInItsLine) {
  const std::string text = Drawn(true, {{0, 1000}, {1000, 1000}});
  EXPECT_THAT(text, StartsWith("\rx.npy  ░"));
  EXPECT_THAT(text, HasSubstr("   0 %  0 B of 1.00 kB\x1b[K\rx.npy  █"));
  EXPECT_THAT(text, HasSubstr(" 100 %  1.00 kB of 1.00 kB"));
  EXPECT_THAT(text, EndsWith("\x1b[K\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(ProgressBarTest, FastUpdatesAreNotAllDrawnButTheLastIs) {
  std::vector<std::pair<int64_t, int64_t>> updates;
  for (int i = 0; i <= 10'000; ++i) updates.emplace_back(i, 10'000);
  const std::string text = Drawn(true, updates);
  EXPECT_LT(std::count(text.begin(), text.end(), '\r'), 10'000);
  EXPECT_THAT(text, HasSubstr(" 100 %  10.0 kB of 10.0 kB"));
}

TEST(ProgressBarTest, DrawsNothingWhereThereIsNoTerminalOrNoUpdate) {
  EXPECT_EQ(Drawn(false, {{0, 1000}, {1000, 1000}}), "");
  EXPECT_EQ(Drawn(true, {}), "");
}

}  // namespace
}  // namespace traind::client
