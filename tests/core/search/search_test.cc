#include "core/search/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/search/space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/search/search_log.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTwo[] = R"(space { paths: "a" choice { values: "x" values: "y" } }
  space { paths: "b" integer { low: 1 high: 3 } })";

// Runs trials one by one to their ends.
void RunAll(DrivenSearch& driven, const std::function<double(const SearchTrial&)>& value) {
  for (int i = 0; i < 5000 && !driven.search().terminal(); ++i) {
    driven.DecideAll();
    for (const SearchTrial& trial : driven.search().trials()) {
      if (!trial.under_way()) continue;
      driven.Arrive(trial.number, value(trial));
      break;
    }
  }
}

TEST(Search, AGridHasEachCombinationOnce) {
  for (const char* grid : {"grid {}", "grid { shuffled: true }"}) {
    DrivenSearch driven(std::string(kTwo) + grid);
    RunAll(driven, [](const SearchTrial&) { return 1.0; });
    std::vector<std::string> seen;
    for (const SearchTrial& trial : driven.search().trials()) {
      const auto values = driven.ValuesOf(trial.number);
      seen.push_back(values[0] + values[1]);
    }
    const std::vector<std::string> in_order = {"x1", "x2", "x3", "y1", "y2", "y3"};
    EXPECT_EQ(seen == in_order, std::string(grid) == "grid {}");
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, in_order);
    EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
  }
}

TEST(Search, ALatinHypercubeHasEachPartOfEachRangeOnce) {
  DrivenSearch driven(R"(space { name: "u" paths: "a" uniform { low: 2 high: 4 } }
    space { name: "l" paths: "b" log_uniform { low: 0.001 high: 10 } }
    space { name: "c" paths: "c" choice { values: "p" values: "q" values: "r" } }
    latin_hypercube {} budget { max_trials: 20 } parallelism: 7 seed: 3)");
  RunAll(driven, [](const SearchTrial&) { return 1.0; });
  std::set<int> uniform, log;
  std::map<std::string, int> choices;
  for (const SearchTrial& trial : driven.search().trials()) {
    uniform.insert(static_cast<int>((trial.assignments[0].number() - 2) / 2 * 20));
    log.insert(static_cast<int>((std::log10(trial.assignments[1].number()) + 3) / 4 * 20));
    ++choices[trial.assignments[2].value()];
  }
  EXPECT_EQ(driven.search().trials().size(), 20u);
  EXPECT_EQ(uniform.size(), 20u);
  EXPECT_EQ(log.size(), 20u);
  for (const auto& [value, count] : choices) EXPECT_TRUE(count == 6 || count == 7) << value << " " << count;
}

TEST(Search, ARandomTrialDependsOnTheSeedAndItsNumberAlone) {
  const std::string text = std::string(kTwo) + R"(space { paths: "r" uniform { low: 0 high: 1 } }
    random {} budget { max_trials: 8 } )";
  DrivenSearch one(text + "seed: 9"), many(text + "seed: 9 parallelism: 8"), other(text + "seed: 10");
  RunAll(one, [](const SearchTrial&) { return 1.0; });
  many.DecideAll();
  other.DecideAll();
  ASSERT_EQ(many.search().Running(), 8);
  for (uint32_t trial = 1; trial <= 8; ++trial) EXPECT_EQ(one.ValuesOf(trial), many.ValuesOf(trial));
  EXPECT_NE(one.ValuesOf(1), other.ValuesOf(1));
}

TEST(Search, TheBestIsByGoalAndWhatIsNoNumberIsTheWorst) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* goal : {"MINIMIZE", "MAXIMIZE"}) {
    DrivenSearch driven(std::string(kTwo) + "random {} budget { max_trials: 3 } objective { goal: GOAL_" + goal + " }");
    RunAll(driven, [&](const SearchTrial& trial) { return trial.number == 1 ? nan : trial.number; });
    ASSERT_NE(driven.search().Best(), nullptr);
    EXPECT_EQ(driven.search().Best()->number, goal == std::string("MINIMIZE") ? 2u : 3u);
    EXPECT_EQ(driven.search().Ranked().back()->number, 1u);
  }
}

TEST(Search, EndsWithItsBudgets) {
  DrivenSearch steps(std::string(kTwo) + "random {} budget { max_trials: 100 max_steps: 250 } parallelism: 2", 100);
  RunAll(steps, [](const SearchTrial&) { return 1.0; });
  EXPECT_EQ(steps.search().Steps(), 300u) << "a trial that has begun goes to its end";
  EXPECT_THAT(steps.search().reason(), HasSubstr("max_steps"));
  EXPECT_EQ(steps.search().state(), v1::SWEEP_STATE_SUCCEEDED);
}

TEST(Search, FailsWhenTheFirstTrialsAllFail) {
  DrivenSearch driven(std::string(kTwo) + "grid {} parallelism: 2");
  driven.DecideAll();
  driven.Fail(1);
  driven.DecideAll();
  driven.Fail(2);
  driven.DecideAll();
  driven.Fail(3);
  driven.DecideAll();
  EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_STOPPING);
  ASSERT_EQ(driven.search().Running(), 1);
  EXPECT_TRUE(driven.search().Find(4)->stopping);
  driven.Arrive(4, 0.5);
  driven.DecideAll();
  EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_FAILED);
  EXPECT_THAT(driven.search().reason(), HasSubstr("first 3 trials have all failed: boom"));
}

TEST(Search, APausedOneChoosesNothing) {
  DrivenSearch driven(std::string(kTwo) + "grid {}");
  driven.DecideAll();
  v1::SweepEntry pause;
  pause.mutable_turn()->set_state(v1::SWEEP_STATE_PAUSED);
  driven.Append(pause);
  driven.Arrive(1, 1);
  EXPECT_FALSE(driven.search().Decide().has_value());
  pause.mutable_turn()->set_state(v1::SWEEP_STATE_RUNNING);
  driven.Append(pause);
  ASSERT_TRUE(driven.search().Decide().has_value());
  EXPECT_TRUE(driven.search().Decide()->has_chosen());
}

TEST(Search, ARerunAfterTheEndChoosesNoOtherTrial) {
  DrivenSearch driven(std::string(kTwo) + "random {} budget { max_trials: 2 } max_failures: 0");
  driven.DecideAll();
  driven.Fail(1);
  driven.DecideAll();
  driven.Arrive(2, 1);
  driven.DecideAll();
  ASSERT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
  v1::SweepEntry turn, rerun;
  turn.mutable_turn()->set_state(v1::SWEEP_STATE_RUNNING);
  rerun.set_trial(1);
  rerun.mutable_rerun()->set_attempt(1);
  driven.Append(turn);
  driven.Append(rerun);
  EXPECT_FALSE(driven.search().Decide().has_value());
  driven.Arrive(1, 0.25);
  driven.DecideAll();
  EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_EQ(driven.search().Best()->number, 1u);
  EXPECT_EQ(driven.search().trials().size(), 2u);
}

TEST(Search, AnEntryThatCannotComeIsRefusedAndChangesNothing) {
  DrivenSearch driven(std::string(kTwo) + "grid {}");
  driven.DecideAll();
  Search search = driven.search();
  v1::SweepEntry entry;
  entry.set_trial(1);
  entry.mutable_arrived()->set_state(v1::TRIAL_STATE_SUCCEEDED);
  entry.set_sequence(5);
  EXPECT_TRUE(absl::IsDataLoss(search.Apply(entry))) << "not the next one";
  entry.set_sequence(2);
  entry.set_trial(9);
  EXPECT_TRUE(absl::IsDataLoss(search.Apply(entry))) << "no such trial";
  entry.set_trial(1);
  EXPECT_TRUE(search.Apply(entry).ok());
  entry.set_sequence(3);
  EXPECT_TRUE(absl::IsDataLoss(search.Apply(entry))) << "it has ended";
  EXPECT_EQ(search.last_sequence(), 2);
}

// Golovin et al. 2017, 3.2.1, with numpy's numbers: running means at step 20 of the three that ended are 2, 3 and 4.
TEST(Search, TheMedianRuleStopsWhatIsWorseThanTheMedian) {
  DrivenSearch driven(std::string(kTwo) + "grid {} parallelism: 4 median_stopping { min_trials: 3 min_steps: 15 }", 40);
  driven.DecideAll();
  const double values[3][3] = {{1, 3, 9}, {2, 4, 9}, {3, 5, 9}};
  for (uint32_t trial = 1; trial <= 3; ++trial) {
    for (int i = 0; i < 3; ++i) driven.Measure(trial, static_cast<uint64_t>(10 * (i + 1)), values[trial - 1][i]);
    EXPECT_EQ(driven.search().WhyStop(trial), "") << "too few have ended";
    driven.Arrive(trial, 9);
  }
  driven.Measure(4, 10, 3.5);
  EXPECT_EQ(driven.search().WhyStop(4), "") << "before min_steps";
  driven.Measure(4, 20, 3.25);
  EXPECT_THAT(driven.search().WhyStop(4), HasSubstr("3.25, worse than the median 3 of 3 trials"));
  const auto stop = driven.DecideOne();
  ASSERT_TRUE(stop.has_value() && stop->has_stopped());
  EXPECT_EQ(stop->trial(), 4u);

  DrivenSearch good(std::string(kTwo) + "grid {} parallelism: 4 median_stopping { min_trials: 3 min_steps: 15 }", 40);
  good.DecideAll();
  for (const v1::SweepEntry& entry : driven.log()) {
    if (entry.trial() >= 1 && entry.trial() <= 3 && !entry.has_chosen()) good.Append(entry);
  }
  good.Measure(4, 10, 2.75);  // Its best so far counts, not its newest.
  good.Measure(4, 20, 3.25);
  EXPECT_EQ(good.search().WhyStop(4), "");
}

// Each exchange against what the paper says of truncation selection and perturbation.
TEST(Search, APopulationReplacesItsWorstByChangedCopiesOfItsBest) {
  DrivenSearch driven(R"(space { name: "r" paths: "r" uniform { low: 0 high: 1 } }
    pbt { population: 8 interval_steps: 10 quantile: 0.25 resample: 0 } parallelism: 3 seed: 2)",
                      40);
  const auto loss = [](const SearchTrial& trial) { return std::abs(trial.assignments[0].number() - 0.7); };
  std::map<uint64_t, std::vector<uint32_t>> came;  // By step.
  for (int i = 0; i < 500 && !driven.search().terminal(); ++i) {
    driven.DecideAll();
    for (const SearchTrial& trial : driven.search().trials()) {
      if (!trial.under_way()) continue;
      came[trial.goal_step > 0 ? trial.goal_step : 40].push_back(trial.number);
      driven.Arrive(trial.number, loss(trial));
      break;
    }
  }
  ASSERT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_EQ(driven.search().trials().size(), 8u + 3 * 2);
  for (uint64_t step = 10; step <= 40; step += 10) EXPECT_EQ(came[step].size(), 8u) << step;
  for (uint64_t step = 10; step < 40; step += 10) {
    std::vector<uint32_t> members = came[step];
    std::sort(members.begin(), members.end(), [&](uint32_t a, uint32_t b) {
      const double x = loss(*driven.search().Find(a)), y = loss(*driven.search().Find(b));
      return x != y ? x < y : a < b;
    });
    int children = 0;
    for (const SearchTrial& trial : driven.search().trials()) {
      if (trial.parent == 0 || trial.parent_step != step) continue;
      ++children;
      EXPECT_TRUE(trial.parent == members[0] || trial.parent == members[1]);
      const double before = driven.search().Find(trial.parent)->assignments[0].number();
      const double now = trial.assignments[0].number();
      EXPECT_TRUE(std::abs(now - std::min(before * 1.2, 1.0)) < 1e-12 || std::abs(now - before * 0.8) < 1e-12);
      EXPECT_EQ(OwnSteps(trial), trial.step - step);
    }
    EXPECT_EQ(children, 2);
    for (size_t i = 0; i < 8; ++i) {
      const bool stopped = driven.search().Find(members[i])->state == v1::TRIAL_STATE_STOPPED &&
                           driven.search().Find(members[i])->step == step;
      EXPECT_EQ(stopped, i >= 6) << step << " " << i;
    }
  }
  EXPECT_EQ(driven.search().Steps(), 8u * 40) << "a population trains as long as its members would alone";
  // From every prefix of the log the same exchange comes.
  for (size_t i = 0; i < driven.log().size(); ++i) {
    if (driven.log()[i].has_arrived()) continue;
    auto again = driven.DecisionAfter(i);
    ASSERT_TRUE(again.has_value());
    if (again->has_chosen()) again->mutable_chosen()->set_total_steps(40);
    again->set_sequence(driven.log()[i].sequence());
    EXPECT_EQ(again->DebugString(), driven.log()[i].DebugString());
  }
}

// Of those that got furthest the best, wherever on their way their best value was.
TEST(Search, TheBestOfRungsIsOfThoseThatCameFurthest) {
  DrivenSearch driven(R"(space { paths: "a" uniform { low: 0 high: 1 } } asha { min_steps: 10 reduction_factor: 2 }
    objective { value: VALUE_BEST } budget { max_trials: 2 } parallelism: 2)",
                      20);
  driven.DecideAll();
  driven.Arrive(1, 0.1);
  driven.Arrive(2, 0.5);
  driven.DecideAll();
  v1::SweepEntry end;
  end.set_trial(1);
  end.mutable_arrived()->set_state(v1::TRIAL_STATE_SUCCEEDED);
  end.mutable_arrived()->set_step(20);
  end.mutable_arrived()->set_objective(0.1);
  end.mutable_arrived()->set_objective_step(5);  // Before the other one's.
  driven.Append(end);
  driven.DecideAll();
  ASSERT_NE(driven.search().Best(), nullptr);
  EXPECT_EQ(driven.search().Best()->number, 1u);
}

// A member that somebody paused between two exchanges does not stop the population.
TEST(Search, AMemberThatHoldsBesideTheExchangesGoesOnToTheNextOne) {
  DrivenSearch driven(R"(space { paths: "r" uniform { low: 0 high: 1 } }
    pbt { population: 4 interval_steps: 10 } parallelism: 4 seed: 2)",
                      40);
  driven.DecideAll();
  v1::SweepEntry held;
  held.set_trial(1);
  held.mutable_arrived()->set_state(v1::TRIAL_STATE_HELD);
  held.mutable_arrived()->set_step(15);
  driven.Append(held);
  const auto next = driven.DecideOne();
  ASSERT_TRUE(next.has_value() && next->has_promoted());
  EXPECT_EQ(next->trial(), 1u);
  EXPECT_EQ(next->promoted().goal_step(), 20u);
  for (int i = 0; i < 100 && !driven.search().terminal(); ++i) {
    driven.DecideAll();
    for (const SearchTrial& trial : driven.search().trials()) {
      if (!trial.under_way()) continue;
      driven.Arrive(trial.number, trial.assignments[0].number());
      break;
    }
  }
  EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
}

// Its job was cancelled while it was held: run again it comes to the same rung, and takes no other one's place.
TEST(Search, ATrialThatIsRunAgainHoldsAtTheSameRung) {
  DrivenSearch driven(R"(space { paths: "a" uniform { low: 0 high: 1 } } asha { min_steps: 10 reduction_factor: 2 }
    budget { max_trials: 4 } parallelism: 2)",
                      80);
  driven.DecideAll();
  driven.Arrive(1, 0.1);
  v1::SweepEntry entry;
  entry.set_trial(1);
  entry.mutable_arrived()->set_state(v1::TRIAL_STATE_CANCELLED);
  entry.mutable_arrived()->set_step(10);
  driven.Append(entry);
  entry.mutable_rerun()->set_attempt(1);
  driven.Append(entry);
  driven.Arrive(1, 0.1);
  EXPECT_EQ(driven.search().Find(1)->held.size(), 1u);
  driven.Arrive(2, 0.2);
  driven.DecideAll();
  EXPECT_EQ(driven.search().Find(1)->goal_step, 20u) << "the next rung";
}

TEST(Search, ATrialThatIsStoppedWhereItHoldsDoesNotHold) {
  DrivenSearch driven(R"(space { paths: "a" uniform { low: 0 high: 1 } } asha { min_steps: 1 }
    budget { max_trials: 9 })",
                      9);
  driven.DecideOne();
  v1::SweepEntry stop;
  stop.mutable_turn()->set_state(v1::SWEEP_STATE_STOPPING);
  stop.mutable_turn()->set_ends_as(v1::SWEEP_STATE_SUCCEEDED);
  driven.Append(stop);
  driven.DecideAll();
  driven.Arrive(1, 0.5);
  driven.DecideAll();
  EXPECT_EQ(driven.search().Find(1)->state, v1::TRIAL_STATE_STOPPED);
  EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
}

TEST(Search, MetricsAreNumbersOfEvaluationsByPathOrShortName) {
  const auto evaluation = FromText<v1::EvaluationMetrics>(R"(loss: 0.5 classification {
    macro_f1: 0.25 top_k_accuracy: 0.5 top_k_accuracy: 0.75 classes { recall: 0.125 } } regression { r2: 0.0625 })");
  const auto value = [&](const std::string& path) {
    const auto metric = MetricOf(evaluation, path);
    EXPECT_TRUE(metric.ok()) << metric.status();
    return metric.ok() && metric->has_value() ? **metric : -1;
  };
  EXPECT_EQ(value("loss"), 0.5);
  EXPECT_EQ(value("classification.macro_f1"), 0.25);
  EXPECT_EQ(value("macro_f1"), 0.25);
  EXPECT_EQ(value("top_2_accuracy"), 0.75);
  EXPECT_EQ(value("classification.classes[0].recall"), 0.125);
  EXPECT_EQ(value("r2"), 0.0625);
  EXPECT_EQ(value("accuracy"), -1) << "absent";
  EXPECT_EQ(value("classification.classes[7].recall"), -1) << "absent";
  for (const char* path : {"", "lose", "classification", "loss.x", "classification.classes.recall", "split",
                           "classification.classes[-1].recall", "best"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MetricOf(evaluation, path).status())) << path;
  }
}

}  // namespace
}  // namespace traind::core
