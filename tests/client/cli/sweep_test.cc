// trainctl sweep, against a server that has one sweep.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "client/cli/sweep_view.h"
#include "tests/client/cli/sweep_fixture.h"
#include "tests/support/bytes.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SweepViewTest, TheFrameHasAllThereIs) {
  v1::Sweep sweep = FakeSweep(v1::SWEEP_STATE_RUNNING);
  sweep.clear_end_time();
  sweep.mutable_summary()->mutable_remaining()->set_seconds(75);
  const std::string frame = RenderSweep(
      sweep, FakeTrials(),
      {.width = 100, .height = 60, .now = absl::FromUnixSeconds(1767323045 + 192), .connection = "connection lost"});
  EXPECT_THAT(frame,
              AllOf(HasSubstr("sweeps/widths  widths of a toy  RUNNING  random"), HasSubstr("3m12s, about 1m15s left"),
                    HasSubstr("trials  3 of 3: 1 failed, 2 succeeded; 87 steps of the 120"),
                    HasSubstr("best    accuracy 0.7500  trial 2  learning_rate 0.01  batch_size 16"),
                    HasSubstr("connection lost")));
  EXPECT_THAT(frame, AllOf(HasSubstr("●"), HasSubstr("the loss is <NaN>"), HasSubstr("7/40")));
  // The best of those that have ended is the first row.
  EXPECT_LT(frame.find("0.7500  40/40"), frame.find("0.5000  40/40"));
}

TEST(SweepViewTest, AFrameKeepsToItsHeight) {
  std::vector<v1::Trial> trials;
  for (uint32_t i = 1; i <= 100; ++i) {
    trials.push_back(FakeTrials()[0]);
    trials.back().set_number(i);
  }
  for (const int height : {3, 10, 24, 40}) {
    const std::string frame =
        RenderSweep(FakeSweep(), trials, {.width = 80, .height = height, .now = absl::Now(), .connection = ""});
    EXPECT_LE(std::count(frame.begin(), frame.end(), '\n'), height) << frame;
  }
  EXPECT_THAT(RenderSweep(FakeSweep(), trials, {.width = 80, .height = 40, .now = absl::Now(), .connection = ""}),
              HasSubstr("more: trainctl sweep trials widths"));
}

TEST(SweepViewTest, ProgressIsOfTrialsOrSteps) {
  v1::Sweep sweep = FakeSweep(v1::SWEEP_STATE_RUNNING);
  std::vector<v1::Trial> trials = FakeTrials();
  sweep.mutable_summary()->set_planned_trials(6);
  EXPECT_DOUBLE_EQ(ProgressOf(sweep, trials), 0.5);
  trials[2].set_state(v1::TRIAL_STATE_RUNNING);
  trials[2].set_step(10);
  EXPECT_DOUBLE_EQ(ProgressOf(sweep, trials), 2.25 / 6);
  sweep.mutable_spec()->mutable_budget()->set_max_steps(100);
  EXPECT_DOUBLE_EQ(ProgressOf(sweep, trials), 0.87);
}

TEST(SweepViewTest, TheGoalIsThatOfTheMetric) {
  v1::Objective objective;
  EXPECT_FALSE(IsMaximized(objective));
  objective.set_metric("classification.macro_f1");
  EXPECT_TRUE(IsMaximized(objective));
  objective.set_metric("classification.log_loss");
  EXPECT_FALSE(IsMaximized(objective));
  objective.set_goal(v1::Objective::GOAL_MAXIMIZE);
  EXPECT_TRUE(IsMaximized(objective));
}

TEST_F(SweepTest, RunTellsTheLogAndTheEnd) {
  ASSERT_EQ(Run({"sweep", "run", Write(kSweepSpec)}), 0) << err_.str();
  EXPECT_EQ(out_.str().substr(0, out_.str().find("sweeps/widths")),
            "2026-01-02T03:04:05Z trial=1 chosen learning_rate=0.1\n"
            "2026-01-02T03:05:05Z trial=1 arrived SUCCEEDED step=40 objective=0.5\n"
            "2026-01-02T03:05:45Z state SUCCEEDED reason=\"all trials have ended\"\n");
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("sweeps/widths SUCCEEDED after 1m40s"), HasSubstr("mean accuracy 0.6250 ± 0.1768"),
                    HasSubstr("best    accuracy 0.7500  jobs/widths-2"),
                    HasSubstr("trainctl sweep best widths --spec > best.textproto")));
  EXPECT_THAT(err_.str(), HasSubstr("Ctrl-C detaches"));
}

TEST_F(SweepTest, WatchPrintsJsonAndTakesTheStateAsItsCode) {
  ASSERT_EQ(Run({"sweep", "watch", "widths", "--json"}), 0) << err_.str();
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(lines[1])["arrived"]["objective"], 0.5);
  server_.sweeps.get_sweep = [](const v1::GetSweepRequest&, v1::Sweep* sweep) {
    *sweep = FakeSweep(v1::SWEEP_STATE_FAILED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"sweep", "watch", "widths"}), 6);
  server_.sweeps.get_sweep = [](const v1::GetSweepRequest&, v1::Sweep* sweep) {
    *sweep = FakeSweep(v1::SWEEP_STATE_CANCELLED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"sweep", "watch", "widths", "-q"}), 7);
  EXPECT_EQ(out_.str(), "");
}

// The connection breaks, and the sweep has gone on meanwhile.
TEST_F(SweepTest, WatchOutlastsALostConnection) {
  int calls = 0;
  server_.sweeps.get_sweep = [&](const v1::GetSweepRequest&, v1::Sweep* sweep) {
    ++calls;
    if (calls == 2) return Unavailable();
    *sweep = FakeSweep(calls == 1 ? v1::SWEEP_STATE_RUNNING : v1::SWEEP_STATE_SUCCEEDED);
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"sweep", "watch", "widths"}), 0) << err_.str();
  EXPECT_EQ(calls, 3);
  EXPECT_THAT(err_.str(), HasSubstr("connection lost, trying again"));
  // No entry comes twice.
  EXPECT_EQ(out_.str().find("chosen"), out_.str().rfind("chosen"));
}

TEST_F(SweepTest, CtrlCLeavesItRunning) {
  server_.sweeps.get_sweep = [](const v1::GetSweepRequest&, v1::Sweep* sweep) {
    *sweep = FakeSweep(v1::SWEEP_STATE_RUNNING);
    kill(getpid(), SIGINT);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"sweep", "watch", "widths"}), 130);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("sweeps/widths goes on at the server"), HasSubstr("trainctl sweep watch widths")));
}

TEST_F(SweepTest, ATerminalGetsTheLiveView) {
  terminal_ = true;
  ASSERT_EQ(Run({"sweep", "watch", "widths"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("learning_rate"), HasSubstr("●"), HasSubstr("100 %"), HasSubstr("sweep picture")));
  terminal_ = false;
  ASSERT_EQ(Run({"sweep", "watch", "widths", "--snapshot"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("●"), Not(HasSubstr("\x1b"))));
}

TEST_F(SweepTest, ASweepOfTheSameNameIsAnotherOne) {
  int calls = 0;
  server_.sweeps.get_sweep = [&](const v1::GetSweepRequest&, v1::Sweep* sweep) {
    *sweep = FakeSweep(v1::SWEEP_STATE_RUNNING);
    sweep->set_uid(absl::StrCat("u-", ++calls));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"sweep", "watch", "widths"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("was deleted; another sweep has its name now"));
}

TEST_F(SweepTest, ListShowAndTrials) {
  server_.sweeps.list_sweeps = [](const v1::ListSweepsRequest& request, v1::ListSweepsResponse* response) {
    EXPECT_EQ(request.filter(), "labels.team = \"vision\" AND (state = RUNNING)");
    *response->add_sweeps() = FakeSweep();
    response->mutable_sweeps(0)->clear_spec();
    response->add_unreachable("sweeps/broken");
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"sweep", "list", "--filter", "state = RUNNING", "-l", "team=vision"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("widths  SUCCEEDED     3/3  0.7500     87"), HasSubstr("1m40s")));
  EXPECT_THAT(err_.str(), HasSubstr("cannot read sweeps/broken"));
  ASSERT_EQ(Run({"sweep", "show", "widths"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("largest accuracy"), HasSubstr("log_uniform 0.0010 to 0.1000  (optimizer.learning_rate)"),
                    HasSubstr("8, 16  (batch_size)"), HasSubstr("0.6250 ± 0.1768 over 2 trials")));
  ASSERT_EQ(Run({"sweep", "show", "widths", "-q"}), 0);
  EXPECT_EQ(out_.str(), "SUCCEEDED\n");
  ASSERT_EQ(Run({"sweep", "trials", "widths", "--sort", "objective", "--limit", "3"}), 0);
  EXPECT_EQ(listed_.order_by(), "objective");
  EXPECT_EQ(listed_.parent(), "sweeps/widths");
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("trial"), HasSubstr("FAILED"), HasSubstr("0.5000")));
  ASSERT_EQ(Run({"sweep", "trials", "widths", "-q"}), 0);
  EXPECT_EQ(out_.str(), "widths-1\nwidths-2\nwidths-3\n");
  ASSERT_EQ(Run({"sweep", "log", "widths", "--after", "2"}), 0);
  EXPECT_EQ(out_.str(), "2026-01-02T03:05:45Z state SUCCEEDED reason=\"all trials have ended\"\n");
  EXPECT_EQ(Run({"sweep", "show", "other"}), 3);
}

TEST_F(SweepTest, BestIsAJobFileToRunAgain) {
  ASSERT_EQ(Run({"sweep", "best", "widths"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("jobs/widths-2"), HasSubstr("0.7500 at step 40 of 40"), HasSubstr("0.01")));
  ASSERT_EQ(Run({"sweep", "best", "widths", "-q"}), 0);
  EXPECT_EQ(out_.str(), "widths-2\n");
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    EXPECT_EQ(request.name(), "jobs/widths-2");
    *job->mutable_spec() = FromText<v1::JobSpec>(
        "epochs: 2 batch_size: 16 labels { key: 'sweep' value: 'widths' } "
        "labels { key: 'trial' value: '2' } labels { key: 'a' value: 'b' }");
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"sweep", "best", "widths", "--spec"}), 0);
  const auto of_job = FromText<v1::JobSpec>(out_.str());
  EXPECT_EQ(of_job.batch_size(), 16u);
  EXPECT_EQ(of_job.labels_size(), 1);
  // Without its job it is made of the sweep.
  server_.training.get_job = [](const v1::GetJobRequest&, v1::Job*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such job");
  };
  ASSERT_EQ(Run({"sweep", "best", "widths", "--spec"}), 0) << err_.str();
  const auto made = FromText<v1::JobSpec>(out_.str());
  EXPECT_EQ(made.batch_size(), 16u);
  EXPECT_EQ(made.optimizer().learning_rate(), 0.01);
  EXPECT_EQ(made.data().dataset(), "toy");
}

TEST_F(SweepTest, ThePictureHasCurves) {
  server_.training.get_series = [](const v1::GetSeriesRequest& request, v1::Series* series) {
    EXPECT_EQ(request.quantities(0), v1::QUANTITY_EVALUATION_ACCURACY);
    if (request.name() == "jobs/widths-3") return grpc::Status(grpc::StatusCode::NOT_FOUND, "gone");
    *series = FromText<v1::Series>(
        "curves { quantity: QUANTITY_EVALUATION_ACCURACY of: 'test' steps: [20, 40] values: [0.4, 0.6] }");
    return grpc::Status::OK;
  };
  const std::string path = folder_ / "search.svg";
  ASSERT_EQ(Run({"sweep", "picture", "widths", "-o", path}), 0) << err_.str();
  const std::string svg = ReadBytes(path);
  EXPECT_THAT(svg, AllOf(HasSubstr("accuracy while they train"), HasSubstr("batch_size 16")));
  EXPECT_THAT(err_.str(), HasSubstr("without a learning curve: 1 trials"));
  EXPECT_EQ(Run({"sweep", "picture", "widths", "-o", folder_ / "no/search.svg"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write"));
}

TEST_F(SweepTest, VerbsSteer) {
  std::string called;
  const auto answer = [&](const char* verb) {
    return [&called, verb](const auto& request, v1::Sweep* sweep) {
      called = absl::StrCat(verb, " ", request.name());
      *sweep = FakeSweep(v1::SWEEP_STATE_STOPPING);
      return grpc::Status::OK;
    };
  };
  server_.sweeps.pause_sweep = answer("pause");
  server_.sweeps.resume_sweep = answer("resume");
  server_.sweeps.stop_sweep = answer("stop");
  server_.sweeps.cancel_sweep = answer("cancel");
  for (const char* verb : {"pause", "resume", "stop", "cancel"}) {
    ASSERT_EQ(Run({"sweep", verb, "widths"}), 0) << err_.str();
    EXPECT_EQ(called, absl::StrCat(verb, " sweeps/widths"));
    EXPECT_EQ(out_.str(), "sweeps/widths STOPPING\n");
  }
  bool jobs = false;
  server_.sweeps.delete_sweep = [&](const v1::DeleteSweepRequest& request) {
    jobs = request.delete_jobs();
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"sweep", "delete", "widths"}), 0);
  EXPECT_FALSE(jobs);
  EXPECT_THAT(err_.str(), HasSubstr("its jobs stay"));
  ASSERT_EQ(Run({"sweep", "delete", "widths", "--jobs"}), 0);
  EXPECT_TRUE(jobs);
  server_.sweeps.rerun_trial = [](const v1::RerunTrialRequest& request, v1::Trial* trial) {
    EXPECT_EQ(request.name(), "sweeps/widths/trials/3");
    trial->set_name(request.name());
    trial->set_state(v1::TRIAL_STATE_RUNNING);
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"sweep", "rerun", "widths/3"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "sweeps/widths/trials/3 RUNNING\n");
  EXPECT_EQ(Run({"sweep", "rerun", "widths"}), 2);
  server_.sweeps.update_sweep = [](const v1::UpdateSweepRequest& request, v1::Sweep* sweep) {
    EXPECT_EQ(request.sweep().labels().at("team"), "vision");
    EXPECT_EQ(request.update_mask().paths(0), "labels");
    *sweep = FakeSweep();
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"sweep", "label", "widths", "team=vision"}), 0) << err_.str();
}

}  // namespace
}  // namespace traind::client
