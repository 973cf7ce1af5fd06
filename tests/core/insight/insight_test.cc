// How sights become findings: hysteresis, severity, roots, bounds, and the same again from the stored log.
#include "core/insight/insight.h"

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::StatisticsReport WithDead(const InsightLog& log, int64_t first, int64_t second) {
  v1::StatisticsReport report = log.Report();
  report.mutable_layers(0)->set_dead_units(first);
  report.mutable_layers(1)->set_dead_units(second);
  return report;
}

std::vector<v1::Event> FindingsOf(const std::vector<v1::Event>& events) {
  std::vector<v1::Event> findings;
  for (const v1::Event& event : events) {
    if (event.has_finding()) findings.push_back(event);
  }
  return findings;
}

TEST(Insight, AHealthyRunHasNoFinding) {
  InsightLog log;
  log.Data(log.Profile());
  log.Run(600, InsightLog::Falls, log.Report());
  EXPECT_THAT(FindingsOf(log.events), IsEmpty());
}

TEST(Insight, OpensAtTheThirdOfFiveWindowsAndIsResolvedAfterFiveCleanOnes) {
  InsightLog log;
  const auto dead = WithDead(log, 90, 0), sound = log.Report();
  const std::vector<bool> seen = {true, false, true, false, true, false, false, false, false, false, false};
  std::vector<v1::Finding::State> states;
  for (size_t i = 0; i < seen.size(); ++i) {
    log.Statistics(50 * (i + 1), seen[i] ? dead : sound);
    states.push_back(log.Find("dead_relu/first").state());
  }
  EXPECT_EQ(states[3], v1::Finding::STATE_UNSPECIFIED);
  EXPECT_EQ(states[4], v1::Finding::STATE_OPEN);
  EXPECT_EQ(states[8], v1::Finding::STATE_OPEN);
  EXPECT_EQ(states[9], v1::Finding::STATE_RESOLVED);
  EXPECT_EQ(FindingsOf(log.events).size(), 2u) << "one finding, told when it changed";
  const v1::Finding finding = FindingsOf(log.events).front().finding();
  EXPECT_EQ(finding.first_step(), 50u);
  EXPECT_EQ(finding.last_step(), 250u);
  EXPECT_EQ(finding.evidence().seen(), 3u);
  EXPECT_EQ(finding.evidence().windows(), 5u);
}

TEST(Insight, WhatIsResolvedIsNotToldAgainBecauseOfOneMoreSight) {
  InsightLog log;
  for (const bool seen : {true, true, true, false, false, false, false, false, true, false}) {
    log.Statistics(log.events.size() + 1, seen ? WithDead(log, 60, 0) : log.Report());
  }
  const std::vector<v1::Event> findings = FindingsOf(log.events);
  ASSERT_EQ(findings.size(), 2u);
  for (const v1::Event& event : findings) EXPECT_EQ(event.finding().severity(), v1::Finding::SEVERITY_INFO);
}

TEST(Insight, TwoOfFiveWindowsAreNoFinding) {
  InsightLog log;
  for (uint64_t i = 1; i < 40; ++i) log.Statistics(50 * i, i % 5 < 2 ? WithDead(log, 90, 0) : log.Report());
  EXPECT_THAT(FindingsOf(log.events), IsEmpty());
}

TEST(Insight, ALayerRuleInformsWhileTheRunImprovesAndWarnsWhenItDoesNot) {
  InsightLog good, bad;
  good.Run(600, InsightLog::Falls, WithDead(good, 60, 0));
  bad.Run(600, InsightLog::Stays, WithDead(bad, 60, 0));
  EXPECT_EQ(good.Find("dead_relu/first").severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(bad.Find("dead_relu/first").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_THAT(good.Bad(), IsEmpty());
}

TEST(Insight, ARunThatRecoversIsNotWarnedOfAnyMore) {
  InsightLog log;
  log.Run(450, InsightLog::Stays, WithDead(log, 60, 0));
  EXPECT_EQ(log.Find("dead_relu/first").severity(), v1::Finding::SEVERITY_WARNING);
  log.Run(
      1000, [](uint64_t) { return 0.3; }, WithDead(log, 60, 0));
  EXPECT_EQ(log.Find("dead_relu/first").severity(), v1::Finding::SEVERITY_INFO);
}

// Inputs off their centre slow a training down: they are no cause of layers that pass nothing on.
TEST(Insight, WhatIsMildExplainsNothing) {
  InsightLog log(R"(
    network {
      layers { name: "first" dense { units: 100 } activation { relu {} } }
      layers { name: "second" dense { units: 100 } activation { relu {} } }
      layers { name: "out" dense { units: 10 } }
    }
    data { dataset: "images" preprocessing { scale {} } }
    optimizer { learning_rate: 0.1 } batch_size: 100 epochs: 1)");
  log.Run(600, InsightLog::Stays, WithDead(log, 95, 0));
  EXPECT_EQ(log.Find("data_not_centered").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(log.Find("dead_relu/first").root(), "");
}

TEST(Insight, WhatFollowsHangsOnItsCause) {
  InsightLog log;
  log.Run(600, InsightLog::Stays, WithDead(log, 95, 70));
  EXPECT_EQ(log.Find("dead_relu/first").root(), "");
  EXPECT_EQ(log.Find("dead_relu/second").root(), "dead_relu/first");
  EXPECT_EQ(log.Find("loss_not_falling").root(), "dead_relu/first");
  EXPECT_EQ(log.Find("dead_relu/first").severity(), v1::Finding::SEVERITY_CRITICAL);
}

// One that informs, of a layer before, is none.
TEST(Insight, AWarningHangsOnNothingThatOnlyInforms) {
  InsightLog log(R"(
    network {
      layers { name: "first" dense { units: 100 } activation { tanh {} } }
      layers { name: "second" dense { units: 100 } activation { tanh {} } }
      layers { name: "out" dense { units: 10 } }
    }
    data { dataset: "images" preprocessing { standardize {} } }
    optimizer { learning_rate: 0.1 } batch_size: 100 epochs: 1)");
  v1::StatisticsReport report = log.Report();
  report.mutable_layers(0)->set_saturated_fraction(0.6F);
  report.mutable_layers(1)->set_saturated_fraction(0.9F);
  log.Run(600, InsightLog::Falls, report);
  EXPECT_EQ(log.Find("saturation/first").severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(log.Find("saturation/second").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(log.Find("saturation/second").root(), "");
}

v1::Event NotFinite() {
  v1::Event event;
  event.set_step(7);
  *event.mutable_finding() = FromText<v1::Finding>(
      "id: 'non_finite/first' rule: 'non_finite' severity: SEVERITY_CRITICAL state: STATE_OPEN "
      "layer: 'first'");
  return event;
}

TEST(Insight, WhatIsNotFiniteHangsOnWhatWasKnownBeforeAndLetsNumbersGrow) {
  InsightLog log(absl::StrReplaceAll(kHealthyJob, {{"learning_rate: 0.1", "learning_rate: 100"}}));
  EXPECT_EQ(log.warnings.size(), 1u);
  log.Data(log.Profile());
  log.Note(NotFinite());
  EXPECT_EQ(log.Find("non_finite/first").root(), "learning_rate_habit");
  EXPECT_EQ(log.Find("non_finite/first").severity(), v1::Finding::SEVERITY_CRITICAL);
  EXPECT_EQ(log.Find("learning_rate_habit").severity(), v1::Finding::SEVERITY_WARNING);
  EXPECT_EQ(log.Find("learning_rate_habit").root(), "");
  InsightLog softmax(R"(
    network { layers { name: "first" dense { units: 10 } } layers { name: "p" softmax {} } }
    data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)");
  softmax.Data(softmax.Profile());
  softmax.Note(NotFinite());
  EXPECT_EQ(softmax.Find("non_finite/first").root(), "") << "a second softmax lets nothing grow";
  EXPECT_EQ(softmax.Find("softmax_before_cross_entropy/p").root(), "non_finite/first");
}

TEST(Insight, TheSameLogGivesTheSameFindingsAndGoesOnTheSameAfterACrashAnywhere) {
  InsightLog whole;
  whole.Data(whole.Profile());
  whole.Run(400, InsightLog::Stays, WithDead(whole, 95, 70));
  whole.Run(800, InsightLog::Falls, whole.Report());
  ASSERT_GT(FindingsOf(whole.events).size(), 5u);
  std::vector<v1::Event> made;  // By the worker.
  for (const v1::Event& event : whole.events) {
    if (!event.has_finding() && !event.has_log()) made.push_back(event);
  }
  for (size_t crash = 0; crash <= made.size(); crash += 7) {
    std::vector<v1::Event> log;
    Insight before = Insight::Of(whole.job());
    const auto note = [&](Insight& insight, const v1::Event& event) {
      log.push_back(event);
      for (v1::Event& next : insight.Note(event)) log.push_back(std::move(next));
    };
    for (size_t i = 0; i < crash; ++i) note(before, made[i]);
    Insight after = Insight::Of(whole.job());
    for (const v1::Event& event : std::vector<v1::Event>(log)) after.Recall(event);
    for (size_t i = crash; i < made.size(); ++i) note(after, made[i]);
    ASSERT_EQ(log.size(), whole.events.size()) << crash;
    for (size_t i = 0; i < log.size(); ++i) {
      ASSERT_EQ(log[i].SerializeAsString(), whole.events[i].SerializeAsString()) << crash << ": " << i;
    }
  }
}

TEST(Insight, AThinnedReportIsPassedOver) {
  InsightLog log;
  v1::StatisticsReport report = WithDead(log, 90, 0);
  report.set_thinned(true);
  for (uint64_t i = 1; i < 20; ++i) log.Statistics(50 * i, report);
  EXPECT_THAT(FindingsOf(log.events), IsEmpty());
}

TEST(Insight, OfManyFindingsSixtyFourAreToldAndOneLineSaysSo) {
  std::string layers;
  for (int i = 0; i < 100; ++i)
    layers += "layers { name: \"l" + std::to_string(i) + "\" dense { units: 100 } activation { relu {} } } ";
  InsightLog log("network { " + layers + R"(layers { name: "out" dense { units: 10 } } }
                 data { dataset: "images" preprocessing { standardize {} } } batch_size: 100 epochs: 1)");
  v1::StatisticsReport report = log.Report();
  for (v1::LayerStatistics& layer : *report.mutable_layers()) layer.set_dead_units(90);
  log.Run(600, InsightLog::Stays, report);
  std::set<std::string> ids;
  int logs = 0;
  for (const v1::Event& event : log.events) {
    if (event.has_finding()) ids.insert(event.finding().id());
    logs += event.has_log() ? 1 : 0;
  }
  EXPECT_EQ(ids.size(), 64u);
  EXPECT_EQ(logs, 1);
  Insight after = Insight::Of(log.job());
  for (const v1::Event& event : log.events) after.Recall(event);
  v1::Event next;
  next.set_step(650);
  *next.mutable_statistics() = report;
  EXPECT_THAT(after.Note(next), IsEmpty()) << "the line is there";
}

TEST(Insight, AFindingThatComesAndGoesIsToldEightTimes) {
  InsightLog log;
  for (uint64_t i = 0; i < 400; ++i) log.Statistics(50 * (i + 1), i / 6 % 2 == 0 ? WithDead(log, 90, 0) : log.Report());
  EXPECT_EQ(FindingsOf(log.events).size(), 8u);
}

TEST(Insight, TheJobChoosesRulesAndThresholds) {
  const auto run = [](const std::string& insight) {
    InsightLog log(std::string(kHealthyJob) + " insight { " + insight + " }");
    log.Run(600, InsightLog::Stays, WithDead(log, 60, 0));
    return log.Bad();
  };
  EXPECT_THAT(run(""), ElementsAre("dead_relu/first", "loss_not_falling"));
  EXPECT_THAT(run("rules: 'dead_relu'"), ElementsAre("dead_relu/first"));
  EXPECT_THAT(run("skip: 'dead_relu'"), ElementsAre("loss_not_falling"));
  EXPECT_THAT(run("profile: PROFILE_OFF"), IsEmpty());
  EXPECT_THAT(run("thresholds { dead_relu { most_share: 0.7 } }"), ElementsAre("loss_not_falling"));
}

TEST(Insight, WhatIsWrongWithItsSpecIsSaidWithItsPlace) {
  v1::InsightSpec spec = FromText<v1::InsightSpec>(
      "rules: 'dead_relu' rules: 'dead_rely' thresholds { dead_relu { most_share: 2 } } thresholds { saturation {} } "
      "thresholds { saturation {} }");
  FieldErrors::Root errors;
  ResolveInsight(spec, errors.scope("insight"));
  std::vector<std::string> fields;
  for (const auto& violation : errors.violations().field_violations()) fields.push_back(violation.field());
  EXPECT_THAT(fields,
              ElementsAre("insight.rules[1]", "insight.thresholds[0].dead_relu.most_share", "insight.thresholds[2]"));
}

TEST(Insight, EveryRuleOfTheOneofIsThere) {
  EXPECT_EQ(static_cast<int>(RuleNames().size()), v1::Rule::descriptor()->FindOneofByName("kind")->field_count());
}

TEST(Insight, AFindingOfTheWorkerIsNewsOnce) {
  InsightLog log;
  Insight insight = Insight::Of(log.job());
  const v1::Event event = NotFinite();
  EXPECT_TRUE(insight.IsNews(event.finding()));
  EXPECT_THAT(insight.Note(event), IsEmpty());
  EXPECT_FALSE(insight.IsNews(event.finding()));
}

}  // namespace
}  // namespace traind::core
