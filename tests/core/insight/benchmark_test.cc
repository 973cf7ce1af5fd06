// The machinery of the benchmark of insight (tests/insight): jobs that are accepted, runs that are recorded once, and
// figures that are what was counted.
#include <google/protobuf/util/message_differencer.h>

#include <filesystem>
#include <set>

#include "core/base/file.h"
#include "core/graph/graph.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/insight/figures.h"
#include "tests/insight/report.h"
#include "tests/insight/runs.h"
#include "tests/support/temporary_folder.h"

namespace traind::insight {
namespace {

using testing::Contains;
using testing::Not;

using OneRun = Run;  // In a test that name is GoogleTest's.

class InsightBenchmark : public testing::Test {
 protected:
  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
};

TEST_F(InsightBenchmark, HasTheKindsOfTheIssueAndRulesThatThereAre) {
  EXPECT_GE(Faults().size(), 22u);
  std::set<std::string> names;
  for (const Fault& fault : Faults()) {
    EXPECT_TRUE(names.insert(fault.name).second) << fault.name;
    ASSERT_FALSE(fault.rules.empty()) << fault.name;
    for (const std::string& rule : fault.rules) {
      EXPECT_NE(v1::Rule::descriptor()->FindFieldByName(rule), nullptr) << fault.name << ": " << rule;
    }
  }
  int healthy = 0;
  for (const OneRun& run : PlanRuns({})) healthy += run.fault == nullptr ? 1 : 0;
  EXPECT_GE(healthy, 200);
}

// Of data that is made here: Fashion-MNIST has the same networks as the digits.
TEST_F(InsightBenchmark, EveryRunIsAJobThatIsAcceptedAndEveryFaultChangesIt) {
  const std::vector<OneRun> runs =
      PlanRuns({.seeds = 1, .faults = {}, .data = {"digits", "blobs", "circles", "regression"}, .nets = {}});
  ASSERT_GT(runs.size(), 300u);
  std::map<std::string, const OneRun*> by_id;
  for (const OneRun& run : runs) ASSERT_TRUE(by_id.emplace(run.id, &run).second) << run.id;
  std::map<std::pair<Data, Change>, v1::Dataset> datasets;
  for (const OneRun& run : runs) {
    v1::Dataset& dataset = datasets[{run.job.data, run.job.change}];
    if (dataset.name().empty()) {
      const auto made = MakeData(run.job.data, run.job.change, folder_.path());
      ASSERT_TRUE(made.ok()) << made.status();
      dataset = made->dataset;
    }
    v1::JobSpec spec = run.job.spec;
    spec.mutable_data()->set_dataset(dataset.name());
    core::FieldErrors::Root errors;
    const auto resolved = core::ResolveJob(spec, &dataset, 1, errors.scope());
    EXPECT_TRUE(errors.ok() && resolved.ok()) << run.id << ": " << errors.ToStatus();
    if (run.fault == nullptr) continue;
    ASSERT_THAT(by_id, Contains(testing::Key(HealthyIdOf(run))));
    const OneRun& base = *by_id.at(HealthyIdOf(run));
    EXPECT_TRUE(run.job.change != Change::kNone ||
                run.job.spec.SerializeAsString() != base.job.spec.SerializeAsString())
        << run.id;
    if (!resolved.ok()) continue;
    core::FieldErrors::Root none;
    v1::Network network = resolved->spec.network();
    const auto graph = core::Graph::Build(network, none.scope());
    std::set<std::string> layers;
    for (const core::Node& node : graph->nodes()) layers.insert(node.name);
    for (const std::string& layer : run.job.layers) EXPECT_THAT(layers, Contains(layer)) << run.id;
  }
}

TEST_F(InsightBenchmark, WhatIsHeldOutHasOtherSeedsStylesAndExamples) {
  std::set<uint64_t> seeds[2];
  std::set<std::string> styles[2], faults[2];
  for (const OneRun& run : PlanRuns({.seeds = 2, .held_out = 2, .faults = {}, .data = {}, .nets = {}})) {
    const int half = HalfOf(run) == Half::kReporting ? 1 : 0;
    seeds[half].insert(run.seed);
    if (run.fault != nullptr) faults[half].insert(run.kind);
    if (run.fault == nullptr && run.job.net == Net::kMlp && run.job.data == Data::kBlobs) {
      v1::JobSpec spec = run.job.spec;
      spec.clear_seed();
      styles[half].insert(spec.SerializeAsString());
    }
  }
  EXPECT_THAT(seeds[0], testing::ElementsAre(0, 1));
  EXPECT_THAT(seeds[1], testing::ElementsAre(100, 101));
  EXPECT_EQ(faults[0], faults[1]);
  EXPECT_EQ(faults[1].size(), Faults().size());
  EXPECT_EQ(styles[1].size(), Styles(Series::kHeldOut).size());
  for (const std::string& style : styles[1]) EXPECT_THAT(styles[0], Not(Contains(style)));
  for (const Data data : {Data::kDigits, Data::kBlobs, Data::kCircles, Data::kRegression}) {
    const auto tuning = MakeData(data, Change::kNone, folder_.path());
    const auto held_out = MakeData(data, Change::kNone, folder_.path(), Series::kHeldOut);
    ASSERT_TRUE(tuning.ok() && held_out.ok()) << held_out.status();
    ASSERT_EQ(tuning->dataset.splits_size(), held_out->dataset.splits_size());
    for (int i = 0; i < tuning->dataset.splits_size(); ++i) {
      EXPECT_NE(tuning->dataset.splits(i).checksum(), held_out->dataset.splits(i).checksum());
    }
  }
}

// Real trainings: a fault that is seen in the spec, one in a layer, one in the course of the loss.
TEST_F(InsightBenchmark, ThreeFaultsAreTrainedNoticedAndNamed) {
  const std::vector<OneRun> runs =
      PlanRuns({.seeds = 1, .faults = {"zero_layer", "dead_layer", "rate_high"}, .data = {"blobs"}, .nets = {"mlp"}});
  ASSERT_EQ(runs.size(), 4u);
  for (const OneRun& run : runs) ASSERT_TRUE(Record(run, folder_.path()).ok()) << run.id;
  const auto all = Examine(runs, AllProfiles({}), folder_.path(), 2);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ(all->front().standing, Standing::kHealthy) << all->front().outcome.result;
  EXPECT_FALSE(all->front().looks.front().warned);
  for (size_t i = 1; i < all->size(); ++i) {
    const Examined& one = (*all)[i];
    SCOPED_TRACE(one.run->id);
    EXPECT_EQ(one.standing, Standing::kFaulty) << one.outcome.result;
    EXPECT_TRUE(one.looks.front().verdict.noticed);
    EXPECT_TRUE(one.looks.front().verdict.named);
    EXPECT_TRUE(one.looks.front().verdict.layer_right.value_or(true));
    EXPECT_GT(one.looks.front().events, 300);
  }
  // Nobody who looks for nothing finds anything.
  v1::InsightSpec off;
  off.set_profile(v1::InsightSpec::PROFILE_OFF);
  const auto blind = Examine(runs, {{"off", off}}, folder_.path(), 1);
  for (const Examined& one : *blind) EXPECT_FALSE(one.looks.front().warned) << one.run->id;
}

TEST_F(InsightBenchmark, ARunIsTrainedOnceAndAgainWhenItsSpecIsAnother) {
  std::vector<OneRun> runs = PlanRuns({.seeds = 1, .faults = {"rate_low"}, .data = {"circles"}, .nets = {"mlp"}});
  OneRun& run = runs.front();
  run.job.spec.set_steps(3);
  ASSERT_TRUE(Record(run, folder_.path()).ok());
  EXPECT_TRUE(IsRecorded(run, folder_.path()));
  const auto first = Load(run.id, folder_.path());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(Record(run, folder_.path()).ok());
  const auto second = Load(run.id, folder_.path());
  // Their bytes may differ: maps are written in any order.
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(first->job, second->job))
      << "also the time that it took";
  run.job.spec.set_steps(4);
  EXPECT_FALSE(IsRecorded(run, folder_.path()));
  ASSERT_TRUE(Record(run, folder_.path()).ok());
  EXPECT_EQ(Load(run.id, folder_.path())->job.progress().total_steps(), 4u);
}

TEST_F(InsightBenchmark, AFixReplacesTheFieldsOfItsMask) {
  const OneRun run = PlanRuns({.seeds = 1, .faults = {"rate_low"}, .data = {"blobs"}, .nets = {"mlp"}}).front();
  Recording recording;
  *recording.job.mutable_spec() = run.job.spec;
  v1::Finding finding;
  EXPECT_EQ(Mended(recording, finding), std::nullopt);
  finding.mutable_fix()->mutable_mask()->add_paths("optimizer.learning_rate");
  finding.mutable_fix()->mutable_mask()->add_paths("data.preprocessing");
  finding.mutable_fix()->mutable_patch()->mutable_optimizer()->set_learning_rate(0.5);
  finding.mutable_fix()->mutable_patch()->mutable_data()->add_preprocessing()->mutable_scale();
  finding.mutable_fix()->mutable_patch()->set_batch_size(7);
  const auto mended = Mended(recording, finding);
  ASSERT_TRUE(mended.has_value());
  EXPECT_EQ(mended->optimizer().learning_rate(), 0.5);
  EXPECT_TRUE(mended->optimizer().has_adam());
  ASSERT_EQ(mended->data().preprocessing_size(), 1);
  EXPECT_TRUE(mended->data().preprocessing(0).has_scale());
  EXPECT_EQ(mended->batch_size(), run.job.spec.batch_size()) << "not in the mask";
}

// By hand: three faulty runs (two noticed, one named, one in the wrong layer), two healthy ones, a harmless one.
TEST_F(InsightBenchmark, FiguresAreWhatWasCounted) {
  const OneRun run = PlanRuns({.seeds = 1, .faults = {"rate_low"}, .data = {"blobs"}, .nets = {"mlp"}}).back();
  const auto make = [&run](Standing standing, bool warned, const Verdict& verdict) {
    Examined one;
    one.run = &run;
    one.standing = standing;
    one.looks.resize(1);
    one.looks[0].warned = warned;
    one.looks[0].verdict = verdict;
    return one;
  };
  Figures figures;
  figures.Add(make(Standing::kFaulty, true, {.noticed = true, .named = true, .layer_right = true, .late = 10}), 0);
  figures.Add(make(Standing::kFaulty, true, {.noticed = true, .named = false, .layer_right = false, .late = 70}), 0);
  Examined last = make(Standing::kFaulty, false, {});
  last.outcome = {.finished = true, .result = 0.5, .evaluation_loss = 2, .train_loss = 2};
  last.after_fix = {.finished = true, .result = 0.6, .evaluation_loss = 1.5, .train_loss = 1};
  figures.Add(last, 0);
  figures.Add(make(Standing::kHealthy, true, {}), 0);
  figures.Add(make(Standing::kHealthy, false, {}), 0);
  figures.Add(make(Standing::kHarmless, true, {}), 0);
  figures.Add(make(Standing::kPoor, true, {}), 0);
  EXPECT_EQ(figures.faulty, 3);
  EXPECT_EQ(figures.noticed, 2);
  EXPECT_EQ(figures.named, 1);
  EXPECT_EQ(figures.placed, 2);
  EXPECT_EQ(figures.layer_right, 1);
  EXPECT_EQ(figures.healthy, 2);
  EXPECT_EQ(figures.warned, 1);
  EXPECT_EQ(figures.harmless, 1);
  EXPECT_EQ(figures.fixes, 1);
  EXPECT_EQ(figures.helped, 1);
  EXPECT_EQ(figures.MedianLate(), 70u);
  EXPECT_EQ(figures.ShareInTime(), 0.5);
}

TEST_F(InsightBenchmark, TheReportStandsBetweenItsMarks) {
  const std::string path = folder_ / "page.md";
  ASSERT_TRUE(core::WriteFile(path, "before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nbehind\n").ok());
  ASSERT_TRUE(ReplaceMeasured(path, "new\n").ok());
  ASSERT_TRUE(ReplaceMeasured(path, "newer\n").ok());
  EXPECT_EQ(*core::ReadFile(path, 1000), "before\n<!-- measured: begin -->\n\nnewer\n<!-- measured: end -->\nbehind\n");
  ASSERT_TRUE(core::WriteFile(path, "<!-- measured: end -->\n<!-- measured: begin -->\n").ok());
  EXPECT_EQ(ReplaceMeasured(path, "new\n").code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace traind::insight
