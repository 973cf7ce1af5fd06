// ASHA against Algorithm 2 of Li et al. 2018, said once more over plain lists, with trials that end in any order.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "core/search/search.h"
#include "gtest/gtest.h"
#include "tests/core/search/search_log.h"

namespace traind::core {
namespace {

constexpr char kSpec[] = R"(space { paths: "optimizer.learning_rate" log_uniform { low: 1e-4 high: 1 } }
  asha { reduction_factor: 3 min_steps: 10 } budget { max_trials: 40 } parallelism: 4 seed: 5)";

// The paper's get_job: rungs[k] has (loss, trial) of all that came to rung k, in any order.
struct Paper {
  std::vector<std::vector<std::pair<double, uint32_t>>> rungs =
      std::vector<std::vector<std::pair<double, uint32_t>>>(4);
  std::vector<std::set<uint32_t>> promoted = std::vector<std::set<uint32_t>>(4);

  // The trial that goes on and from which rung; nullopt: a new one is drawn.
  std::optional<std::pair<uint32_t, int>> GetJob() {
    for (int k = 2; k >= 0; --k) {
      auto sorted = rungs[static_cast<size_t>(k)];
      std::sort(sorted.begin(), sorted.end());
      sorted.resize(sorted.size() / 3);  // top_k(rung k, |rung k| / eta)
      for (const auto& [loss, trial] : sorted) {
        if (promoted[static_cast<size_t>(k)].count(trial) > 0) continue;
        promoted[static_cast<size_t>(k)].insert(trial);
        return std::pair{trial, k};
      }
    }
    return std::nullopt;
  }
};

TEST(Asha, DecidesAsThePapersAlgorithm) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    DrivenSearch driven(kSpec, 270);  // Rungs at 10, 30, 90 and the end.
    std::mt19937 random(seed);
    Paper paper;
    std::map<uint32_t, int> rung_of;  // Of those that run.
    int promotions = 0;
    while (true) {
      while (auto entry = driven.DecideOne()) {
        if (!entry->has_chosen() && !entry->has_promoted()) break;  // The end.
        const auto expected = paper.GetJob();
        if (entry->has_promoted()) {
          ASSERT_TRUE(expected.has_value());
          EXPECT_EQ(entry->trial(), expected->first);
          const int next = expected->second + 1;
          EXPECT_EQ(entry->promoted().goal_step(), next == 1 ? 30u : next == 2 ? 90u : 0u);
          rung_of[entry->trial()] = next;
          ++promotions;
        } else {
          EXPECT_FALSE(expected.has_value()) << "a promotion comes before a new trial";
          EXPECT_EQ(entry->chosen().goal_step(), 10u);
          rung_of[entry->trial()] = 0;
        }
        ASSERT_LE(rung_of.size(), 4u);
      }
      if (rung_of.empty()) break;
      auto one = rung_of.begin();
      std::advance(one, random() % rung_of.size());
      const auto [trial, rung] = *one;
      rung_of.erase(one);
      const double loss = std::uniform_real_distribution<double>()(random);
      paper.rungs[static_cast<size_t>(rung)].emplace_back(loss, trial);
      driven.Arrive(trial, loss);
    }
    driven.DecideAll();
    EXPECT_FALSE(paper.GetJob().has_value()) << "somebody could have gone on";
    EXPECT_EQ(driven.search().trials().size(), 40u);
    EXPECT_GE(promotions, 13 + 4 + 1);
    EXPECT_TRUE(driven.search().terminal());
    // No step is counted twice, and far fewer than 40 whole trainings were done.
    uint64_t steps = 0;
    for (size_t k = 0; k < 4; ++k) {
      const uint64_t lengths[] = {10, 20, 60, 180};
      steps += paper.rungs[k].size() * lengths[k];
    }
    EXPECT_EQ(driven.search().Steps(), steps);
    EXPECT_LT(steps * 3, 40u * 270);
  }
}

TEST(Asha, TheSameLogGivesTheSameDecisions) {
  DrivenSearch driven(kSpec, 270);
  std::mt19937 random(11);
  for (int i = 0; i < 120 && !driven.search().terminal(); ++i) {
    driven.DecideAll();
    std::vector<uint32_t> running;
    for (const SearchTrial& trial : driven.search().trials()) {
      if (trial.under_way()) running.push_back(trial.number);
    }
    if (!running.empty()) driven.Arrive(running[random() % running.size()], std::uniform_real_distribution<>()(random));
  }
  // Killed after any entry, it goes on with the next one that was decided.
  int decided = 0;
  for (size_t i = 0; i < driven.log().size(); ++i) {
    const v1::SweepEntry& entry = driven.log()[i];
    if (entry.has_arrived()) continue;
    ++decided;
    auto again = driven.DecisionAfter(i);
    ASSERT_TRUE(again.has_value()) << i;
    if (again->has_chosen()) again->mutable_chosen()->set_total_steps(270);
    again->set_sequence(entry.sequence());
    EXPECT_EQ(again->DebugString(), entry.DebugString());
  }
  EXPECT_GT(decided, 40);
}

TEST(Asha, ATrialWithoutAValueNeverGoesOnAndDoesNotCount) {
  DrivenSearch driven(R"(space { paths: "a" uniform { low: 0 high: 1 } } asha { reduction_factor: 2 min_steps: 1 }
    budget { max_trials: 3 } max_failures: 0)",
                      2);
  driven.DecideOne();
  driven.Arrive(1, std::nullopt);
  driven.DecideOne();
  driven.Fail(2);
  const auto third = driven.DecideOne();
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->trial(), 3u);
  driven.Arrive(3, 0.5);
  driven.DecideAll();
  EXPECT_EQ(driven.search().Find(3)->state, v1::TRIAL_STATE_STOPPED) << "one of one is not among the best half";
  EXPECT_EQ(driven.search().state(), v1::SWEEP_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace traind::core
