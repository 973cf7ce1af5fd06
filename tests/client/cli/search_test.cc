// What is drawn of a search: scales, characters, SVG.
#include "client/cli/search.h"

#include <gmock/gmock.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cli/search_chart.h"
#include "client/cli/search_svg.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

SearchAxis RateAxis() { return {.title = "rate", .choices = {}, .low = 1e-4, .high = 1e-2, .logarithmic = true}; }
SearchAxis BatchAxis() { return {.title = "batch", .choices = {"8", "16", "32"}}; }

Search SmallSearch() {
  Search search;
  search.title = "sweeps/<s>";
  search.objective = "accuracy";
  search.axes = {RateAxis(), BatchAxis()};
  search.trials = {{.number = 1, .state = "SUCCEEDED", .values = {"0.0001", "8"}, .objective = 0.5, .curve = {}},
                   {.number = 2, .state = "SUCCEEDED", .values = {"0.01", "32"}, .objective = 0.9, .curve = {}},
                   {.number = 3, .state = "FAILED", .values = {"0.001", "16"}, .objective = {}, .curve = {}}};
  return search;
}

TEST(SearchTest, TitlesAreShort) {
  EXPECT_EQ(AxisTitle("batch_size"), "batch_size");
  EXPECT_EQ(AxisTitle("optimizer.sgd.momentum"), "momentum");
  EXPECT_EQ(AxisTitle("network.layers[2].dense.units"), "layers[2].units");
  EXPECT_EQ(AxisTitle("network.layers[fc1].dense.units"), "fc1.units");
  EXPECT_EQ(AxisTitle("data.augmentation[1]"), "augmentation[1]");
}

TEST(SearchTest, LongNumbersAreShortened) {
  EXPECT_EQ(ShortValue("0.005741757846061501"), "0.005742");
  EXPECT_EQ(ShortValue("0.0001"), "0.0001");
  EXPECT_EQ(ShortValue("1234567"), "1234567");
  EXPECT_EQ(ShortValue("{ adam {} }"), "{ adam {} }");
}

TEST(SearchTest, PlacesAreThoseOfTheScale) {
  EXPECT_DOUBLE_EQ(*PlaceOn(RateAxis(), "0.001"), 0.5);
  EXPECT_DOUBLE_EQ(*PlaceOn(RateAxis(), "1e-4"), 0);
  EXPECT_DOUBLE_EQ(*PlaceOn({.title = "d", .choices = {}, .low = 0, .high = 0.4}, "0.1"), 0.25);
  EXPECT_DOUBLE_EQ(*PlaceOn(BatchAxis(), "16"), 0.5);
  EXPECT_EQ(PlaceOn(BatchAxis(), "64"), std::nullopt);
  EXPECT_EQ(PlaceOn(RateAxis(), "adam {}"), std::nullopt);
  EXPECT_EQ(PlaceOn(RateAxis(), "-1"), std::nullopt);
  EXPECT_EQ(PlaceOn(RateAxis(), "nan"), std::nullopt);
}

TEST(SearchTest, AnAxisReachesToItsTrials) {
  const SearchAxis axis = Widened(RateAxis(), {"0.05", "0.001", "x", "0"});
  EXPECT_EQ(axis.low, 1e-4);
  EXPECT_EQ(axis.high, 0.05);
}

TEST(SearchTest, TheBestIsByTheGoal) {
  Search search = SmallSearch();
  EXPECT_EQ(BestTrial(search), 1u);
  EXPECT_THAT(BestSoFar(search), ElementsAre(0.5, 0.9));
  search.maximize = false;
  EXPECT_EQ(BestTrial(search), 0u);
  EXPECT_THAT(BestSoFar(search), ElementsAre(0.5, 0.5));
  search.trials.clear();
  EXPECT_EQ(BestTrial(search), std::nullopt);
}

TEST(SearchTest, OneDivergedTrialDoesNotFlattenTheOthers) {
  Search search = SmallSearch();
  search.maximize = false;
  search.trials.clear();
  for (const double loss : {1.0, 1.1, 1.2, 1.3, 1e9}) {
    search.trials.push_back({.number = 1, .state = "", .values = {"", ""}, .objective = loss, .curve = {}});
  }
  const ObjectiveScale scale = ScaleOf(search);
  EXPECT_EQ(scale.best, 1.0);
  EXPECT_NEAR(scale.worst, 1.3, 1e-12);
  EXPECT_EQ(scale.beyond, 1);
  EXPECT_EQ(scale.Place(1e9), 0);
  EXPECT_NEAR(scale.Place(1.15), 0.5, 1e-9);
}

std::string ChartText(const std::vector<StyledLine>& lines) {
  std::string text;
  for (const StyledLine& line : lines) absl::StrAppend(&text, line.Render(200, false), "\n");
  return text;
}

TEST(SearchTest, TheChartHasALineForEachTrial) {
  EXPECT_EQ(ChartText(ParallelLines(SmallSearch(), 33, 5)),
            "rate            batch    accuracy\n"
            "0.0100          32         0.9000\n"
            "●···············●···············●\n"
            "│               │               │\n"
            "○···············○               │\n"
            "│               │               │\n"
            "○···············○···············○\n"
            "1.0e-04         8          0.5000\n");
}

TEST(SearchTest, AChartSaysWhatHasNoRoom) {
  Search search = SmallSearch();
  for (int i = 0; i < 3; ++i) {
    search.axes.push_back({.title = absl::StrCat("more", i), .choices = {}});
    for (SearchTrial& trial : search.trials) trial.values.push_back("0.5");
  }
  const std::string text = ChartText(ParallelLines(search, 50, 4));
  EXPECT_THAT(text, HasSubstr("no room for more1, more2"));
  EXPECT_THAT(text, HasSubstr("more0"));
  EXPECT_TRUE(ParallelLines(Search(), 80, 5).empty());
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(SearchTest, ThePictureHasAllTrialsAndNoMarkupOfOthers) {
  Search search = SmallSearch();
  search.trials[1].curve = {{10, 0.2}, {20, std::nan("")}, {40, 0.9}};
  const std::string svg = SearchSvg(search);
  EXPECT_THAT(svg, AllOf(HasSubstr("sweeps/&lt;s&gt;"), Not(HasSubstr("<s>")), Not(HasSubstr("nan"))));
  EXPECT_EQ(Count(svg, "<polyline class=\"trial\""), 3u + 1u);  // Parallel coordinates, and one curve.
  EXPECT_EQ(Count(svg, "<circle"), 2u);                         // Trials that have an objective.
  EXPECT_THAT(svg, HasSubstr("best 0.9000: rate 0.01, batch 32"));
  EXPECT_EQ(Count(svg, "<svg"), Count(svg, "</svg>"));
}

TEST(SearchTest, AVeryLongSearchShowsItsNewestTrials) {
  Search search = SmallSearch();
  search.trials.assign(1500, search.trials[0]);
  EXPECT_THAT(SearchSvg(search), HasSubstr("The newest 1000 trials of 1500 are drawn."));
}

}  // namespace
}  // namespace traind::client
