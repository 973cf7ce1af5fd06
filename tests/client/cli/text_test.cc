#include "client/cli/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "client/cli/styled.h"

namespace traind::client {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(TextTest, WidthsCountCodePoints) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("▁▂é"), 3);
  EXPECT_EQ(Clip("▁▂▃▄", 3), "▁▂…");
  EXPECT_EQ(Clip("abc", 3), "abc");
  EXPECT_EQ(Clip("abc", 0), "");
  EXPECT_EQ(PadLeft("é", 3), "  é");
  EXPECT_EQ(PadRight("é", 3), "é  ");
  EXPECT_EQ(Clip("abc", 1), "…");
  EXPECT_EQ(Clip("abc", -1), "");
  EXPECT_EQ(PadRight("abc", 2), "abc") << "never cut";
}

TEST(TextTest, ControlCharactersNeverReachTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[2J\nb\x7f\xC2\x9B"), "a [2J b   ");
  EXPECT_EQ(Printable("größe"), "größe");
}

TEST(TextTest, Numbers) {
  EXPECT_EQ(FormatNumber(0.42134), "0.4213");
  EXPECT_EQ(FormatNumber(-1.5), "-1.500");
  EXPECT_EQ(FormatNumber(1234.5), "1234");
  EXPECT_EQ(FormatNumber(0.0000123), "1.2e-05");
  EXPECT_EQ(FormatNumber(kNaN), "NaN");
  EXPECT_EQ(FormatNumber(-INFINITY), "-Inf");
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(INFINITY), "Inf");
  EXPECT_EQ(FormatNumber(12.345), "12.35");
  EXPECT_EQ(FormatNumber(123.45), "123.5");
  EXPECT_EQ(FormatNumber(99'999), "99999");
  EXPECT_EQ(FormatNumber(100'000), "1.0e+05");
  EXPECT_EQ(FormatPercent(0.5124), "51.2 %");
  EXPECT_EQ(FormatPercent(kNaN), "NaN");
  EXPECT_EQ(FormatCount(4512), "4,512");
  EXPECT_EQ(FormatCount(1'234'567), "1.23 M");
  EXPECT_EQ(FormatCount(0.5), "0.5");
  EXPECT_EQ(FormatCount(12), "12");
  EXPECT_EQ(FormatCount(123'456), "123 k");
  EXPECT_EQ(FormatCount(2.5e9), "2.50 G");
  EXPECT_EQ(FormatCount(1e18), "1.0e+18");
  EXPECT_EQ(FormatCount(kNaN), "NaN");
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.00 kB");
  EXPECT_EQ(FormatBytes(12'345'678'900), "12.3 GB");
  EXPECT_EQ(FormatBytes(5'000'000'000'000), "5.00 TB");
  EXPECT_EQ(FormatBytes(1'234'567), "1.23 MB");
  EXPECT_EQ(FormatElapsed(absl::Milliseconds(840)), "0.8 s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(-3)), "0.0 s") << "clocks differ";
  EXPECT_EQ(FormatElapsed(absl::Seconds(42)), "42 s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(59)), "59 s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(60)), "1m00s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(3599)), "59m59s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(192)), "3m12s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(3725)), "1h02m");
  EXPECT_EQ(FormatElapsed(absl::InfiniteDuration()), "?");
}

TEST(TextTest, Shapes) {
  v1::LayerStatistics layer;
  EXPECT_EQ(FormatShape(layer.shape()), "");
  for (const int d : {32, 28, 28}) layer.add_shape(d);
  EXPECT_EQ(FormatShape(layer.shape()), "32x28x28");
}

TEST(TextTest, Bars) {
  EXPECT_EQ(Bar(0.5, 4), "██░░");
  EXPECT_EQ(Bar(0, 2), "░░");
  EXPECT_EQ(Bar(7, 2), "██");
  EXPECT_EQ(Bar(-1, 2), "░░");
  EXPECT_EQ(Bar(kNaN, 2), "░░");
  EXPECT_EQ(Bar(1, 0), "");
}

TEST(TextTest, Sparklines) {
  const std::vector<double> rising = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(Sparkline(rising, 20), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline(rising, 4), "▁▃▆█") << "neighbours are averaged";
  EXPECT_EQ(Sparkline(std::vector<double>{2, 2}, 9), "▁▁");
  EXPECT_EQ(Sparkline(std::vector<double>{0, kNaN, 1}, 9), "▁ █");
  EXPECT_EQ(Sparkline({}, 9), "");
}

TEST(TextTest, Histograms) {
  v1::Histogram histogram;
  for (const int64_t count : {0, 0, 1, 1, 100, 20, 0, 7}) histogram.add_counts(count);
  EXPECT_EQ(HistogramBlocks(histogram, 4, /*logarithmic=*/false), " ▁█▁");
  EXPECT_EQ(HistogramBlocks(histogram, 4, /*logarithmic=*/true), " ▃█▄");
  EXPECT_EQ(HistogramBlocks(v1::Histogram(), 4, true), "");
}

TEST(TextTest, ASeriesOfAnyLengthKeepsItsShapeInBoundedMemory) {
  Series series;
  for (int i = 0; i < 100'000; ++i) series.Add(i);
  ASSERT_LE(series.values().size(), 1024u);
  EXPECT_GE(series.values().size(), 512u);
  EXPECT_NEAR(series.values().front(), 63.5, 64);
  EXPECT_NEAR(series.values().back(), 99'936, 128);
  EXPECT_TRUE(std::is_sorted(series.values().begin(), series.values().end()));
}

TEST(StyledTest, LinesAreCutAtTheWidthAndColouredOnlyIfAsked) {
  const StyledLine line = StyledLine().Add("ab", Style::kBad).Add("cdef");
  EXPECT_EQ(line.Render(4, false), "abc…");
  EXPECT_EQ(line.Render(9, true), "\x1b[1;31mab\x1b[0mcdef");
  EXPECT_EQ(line.Render(0, true), "");
}

TEST(StyledTest, TablesAlignAndDropColumnsOfTheHighestRank) {
  Table table({{.title = "name"}, {.title = "size", .right = true, .rank = 2}, {.title = "kind", .rank = 1}});
  table.Add({{.text = "a"}, {.text = "10"}, {.text = "x"}});
  table.Add({{.text = "long"}, {.text = "2"}, {.text = "y"}});
  EXPECT_EQ(table.Render(80, false), "name  size  kind\na       10  x\nlong     2  y\n");
  EXPECT_EQ(table.Render(12, false), "name  kind\na     x\nlong  y\n");
  EXPECT_EQ(table.Render(3, false), "na…\na\nlo…\n");
}

}  // namespace
}  // namespace traind::client
