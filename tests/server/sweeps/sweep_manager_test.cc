#include "server/sweeps/sweep_manager.h"

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/sweeps/sweep_check.h"
#include "tests/server/sweeps/fake_trial_jobs.h"
#include "tests/support/memory_job_store.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kBase[] = "base { data { dataset: \"digits\" } steps: 90 } ";
constexpr char kRate[] = R"(space { paths: "optimizer.learning_rate" log_uniform { low: 1e-4 high: 1 } } )";
constexpr char kShortSpec[] =
    "asha { min_steps: 10 reduction_factor: 2 } budget { max_trials: 5 } parallelism: 1 seed: 4";
constexpr char kAshaSpec[] = "asha { min_steps: 10 } budget { max_trials: 12 } parallelism: 1 seed: 4";

class SweepManagerTest : public ::testing::Test {
 protected:
  SweepManagerTest() {
    jobs_.now = [this] { return now_ += absl::Milliseconds(1); };
  }
  // A server's life; the store's file and the jobs outlive it.
  struct Life {
    std::unique_ptr<SweepStore> store;
    std::unique_ptr<SweepManager> sweeps;
  };
  Life Start() {
    Life life;
    auto store = SweepStore::Open(path_.path() + "/traind.db");
    EXPECT_TRUE(store.ok()) << store.status();
    life.store = *std::move(store);
    SweepManager::Options options;
    options.supervise = false;
    options.retry_interval = absl::ZeroDuration();
    options.now = [this] { return now_ += absl::Milliseconds(1); };
    auto sweeps = SweepManager::Start(options, life.store.get(), requests_.get(), &jobs_);
    EXPECT_TRUE(sweeps.ok()) << sweeps.status();
    life.sweeps = *std::move(sweeps);
    return life;
  }
  static v1::CreateSweepRequest RequestOf(const std::string& rest) {
    v1::CreateSweepRequest request;
    *request.mutable_spec() = FromText<v1::SweepSpec>(kBase + rest);
    request.set_sweep_id("s");
    request.set_request_id("made-once");
    return request;
  }
  absl::StatusOr<v1::Sweep> Create(Life& life, const std::string& rest) {
    return life.sweeps->Create(RequestOf(rest), Caller(), nullptr);
  }
  static bool HasEnded(const v1::Sweep& sweep) {
    return sweep.state() == v1::SWEEP_STATE_SUCCEEDED || sweep.state() == v1::SWEEP_STATE_FAILED ||
           sweep.state() == v1::SWEEP_STATE_CANCELLED;
  }
  v1::Sweep RunToEnd(Life& life) {
    v1::Sweep sweep;
    for (int i = 0; i < 2000; ++i) {
      life.sweeps->Look();
      sweep = *life.sweeps->Get("s");
      if (HasEnded(sweep)) return sweep;
      jobs_.Tick();
    }
    ADD_FAILURE() << "it does not end: " << sweep.DebugString();
    return sweep;
  }
  std::vector<v1::Trial> Trials(Life& life, const std::string& order = "") {
    v1::ListTrialsRequest request;
    request.set_page_size(500);
    request.set_order_by(order);
    auto listed = life.sweeps->ListTrials(request, "s");
    EXPECT_TRUE(listed.ok()) << listed.status();
    return {listed->trials().begin(), listed->trials().end()};
  }
  // The log without times, one entry a line.
  static std::vector<std::string> Log(Life& life) {
    std::vector<std::string> lines;
    const auto entries = life.store->ReadEntries(*life.store->KeyOf("s"));
    for (v1::SweepEntry entry : *entries) {
      entry.clear_time();
      lines.push_back(entry.ShortDebugString());
    }
    return lines;
  }
  // Of all trials, whenever they were taken.
  static std::vector<std::string> Choices(Life& life) {
    std::vector<std::string> lines;
    const auto entries = life.store->ReadEntries(*life.store->KeyOf("s"));
    for (const v1::SweepEntry& entry : *entries) {
      if (entry.has_chosen()) lines.push_back(entry.chosen().ShortDebugString());
    }
    return lines;
  }

  TemporaryFolder path_;
  std::unique_ptr<JobStore> requests_ = std::make_unique<MemoryJobStore>();
  FakeTrialJobs jobs_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(SweepManagerTest, AGridTrainsEachCombinationAndSaysWhichIsBest) {
  Life life = Start();
  const auto made =
      Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.01"
    values: "0.001" } } space { paths: "data.folds.index" integer { low: 0 high: 1 } })");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->spec().parallelism(), 2u) << "four threads, two for each job";
  const v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_EQ(jobs_.created, 6);
  EXPECT_EQ(sweep.summary().finished(), 6u);
  EXPECT_EQ(sweep.summary().steps(), 540u);
  EXPECT_EQ(sweep.summary().full_steps(), 540u);
  EXPECT_EQ(sweep.summary().best().assignments(0).value(), "0.01");
  EXPECT_EQ(sweep.summary().best().job(), "jobs/s-3");
  // numpy.mean, numpy.std(ddof=1) of 1 + 1/91, 1 + 1/91, 1/91, 1/91, 1 + 1/91, 1 + 1/91.
  EXPECT_NEAR(sweep.summary().mean(), 0.6776556776556776, 1e-12);
  EXPECT_NEAR(sweep.summary().standard_deviation(), 0.5163977794943222, 1e-12);
  const v1::JobSpec& spec = jobs_.jobs["s-4"].job.spec();
  EXPECT_EQ(spec.data().folds().index(), 1u);
  EXPECT_EQ(spec.labels().at("sweep"), "s");
  EXPECT_EQ(spec.labels().at("trial"), "4");
  EXPECT_EQ(Trials(life, "objective")[0].number(), 3u);
}

TEST_F(SweepManagerTest, AshaTrainsNoStepTwiceAndEndsItsJobs) {
  Life life = Start();
  const auto made = Create(life, std::string(kRate) + kAshaSpec);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->spec().base().evaluation().every_steps(), 10u);
  EXPECT_THAT(made->warnings(0), HasSubstr("evaluated where they hold"));
  const v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  uint64_t trained = 0;
  for (const auto& [id, kept] : jobs_.jobs) {
    EXPECT_EQ(kept.job.state(), v1::JOB_STATE_SUCCEEDED) << id;
    EXPECT_EQ(kept.trained, kept.job.progress().step()) << id;
    trained += kept.trained;
  }
  EXPECT_EQ(sweep.summary().steps(), trained);
  EXPECT_LT(trained * 3, sweep.summary().full_steps());
  EXPECT_EQ(sweep.summary().best().step(), 90u);
  EXPECT_GT(sweep.summary().trials_by_state().at("STOPPED"), 7u);
}

// A rung is the same epoch for every batch size.
TEST_F(SweepManagerTest, AshaByEpochsTakesBatchSizes) {
  Life life = Start();
  v1::CreateSweepRequest request =
      RequestOf("asha { min_epochs: 1 } budget { max_trials: 9 } parallelism: 2 " + std::string(kRate) +
                R"(space { paths: "batch_size" choice { values: "32" values: "64" } })");
  request.mutable_spec()->mutable_base()->set_epochs(9);
  const auto made = life.sweeps->Create(request, Caller(), nullptr);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_FALSE(made->spec().base().has_evaluation()) << "every epoch is evaluated as it is";
  const v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  int ended = 0;
  for (const v1::Trial& trial : Trials(life)) {
    const uint64_t epoch = trial.total_steps() / 9;
    EXPECT_TRUE(trial.total_steps() == 180 || trial.total_steps() == 90);
    EXPECT_TRUE(trial.step() == epoch || trial.step() == 3 * epoch || trial.step() == 9 * epoch) << trial.step();
    ended += trial.step() == 9 * epoch ? 1 : 0;
    EXPECT_EQ(jobs_.jobs[std::string(IdOf(trial.job()))].trained, trial.step());
  }
  EXPECT_GE(ended, 1);
  EXPECT_EQ(sweep.summary().best().step(), sweep.summary().best().total_steps());
}

// The server is killed at every single call to its jobs, before and after the call has done its work, and the sweep is
// the same to the letter.
TEST_F(SweepManagerTest, DecidesTheSameWhereverItIsKilled) {
  std::vector<std::string> expected;
  int calls = 0;
  {
    Life life = Start();
    ASSERT_TRUE(Create(life, std::string(kRate) + kShortSpec).ok());
    RunToEnd(life);
    expected = Log(life);
    calls = jobs_.calls;
  }
  ASSERT_GT(calls, 10);
  for (int at = 0; at < calls; ++at) {
    {
      const bool after = at % 2 == 1;
      const TemporaryFolder fresh;
      FakeTrialJobs jobs;
      jobs.dies_after = after;
      jobs.dies_at = at;
      SweepManager::Options options;
      options.supervise = false;
      options.retry_interval = absl::ZeroDuration();
      auto store = *SweepStore::Open(fresh.path() + "/traind.db");
      auto sweeps = *SweepManager::Start(options, store.get(), nullptr, &jobs);
      ASSERT_TRUE(sweeps->Create(RequestOf(std::string(kRate) + kShortSpec), Caller(), nullptr).ok());
      for (int i = 0; i < 500 && !HasEnded(*sweeps->Get("s")); ++i) {
        sweeps->Look();
        if (jobs.dies_at >= 0 && jobs.calls > jobs.dies_at) {
          sweeps.reset();
          store.reset();
          jobs.Revive();
          store = *SweepStore::Open(fresh.path() + "/traind.db");
          sweeps = *SweepManager::Start(options, store.get(), nullptr, &jobs);
        }
        jobs.Tick();
      }
      Life life{.store = std::move(store), .sweeps = std::move(sweeps)};
      ASSERT_EQ(Log(life), expected) << "killed at call " << at << (after ? ", after" : ", before") << " its work";
      EXPECT_EQ(jobs.created, 5);
      for (const auto& [id, kept] : jobs.jobs) {
        EXPECT_EQ(kept.trained, kept.job.progress().step()) << id;
        EXPECT_TRUE(IsTerminal(kept.job.state())) << id;
      }
    }
  }
}

TEST_F(SweepManagerTest, APopulationGoesOnFromItsBestAcrossKills) {
  const std::string pbt = std::string(kRate) + "pbt { population: 6 interval_steps: 30 } parallelism: 4 seed: 8";
  std::vector<std::string> expected;
  {
    Life life = Start();
    ASSERT_TRUE(Create(life, pbt).ok());
    const v1::Sweep sweep = RunToEnd(life);
    EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
    EXPECT_EQ(sweep.summary().steps(), 6 * 90u);
    expected = Choices(life);
    EXPECT_EQ(expected.size(), 8u);
    const v1::Trial child = *life.sweeps->GetTrial("s", "7");
    const std::string parent = child.parent().substr(child.parent().rfind('/') + 1);
    EXPECT_EQ(jobs_.jobs["s-7"].job.forked_from(), "jobs/s-" + parent + "/checkpoints/30");
    EXPECT_EQ(child.generation(), 1u);
    for (const auto& [id, kept] : jobs_.jobs) EXPECT_TRUE(IsTerminal(kept.job.state())) << id;
  }
  std::mt19937 random(3);
  for (int run = 0; run < 6; ++run) {
    const TemporaryFolder fresh;
    FakeTrialJobs jobs;
    SweepManager::Options options;
    options.supervise = false;
    options.retry_interval = absl::ZeroDuration();
    auto store = *SweepStore::Open(fresh.path() + "/traind.db");
    auto sweeps = *SweepManager::Start(options, store.get(), nullptr, &jobs);
    ASSERT_TRUE(sweeps->Create(RequestOf(pbt), Caller(), nullptr).ok());
    for (int i = 0; i < 500 && !HasEnded(*sweeps->Get("s")); ++i) {
      jobs.dies_after = random() % 2 == 0;
      jobs.dies_at = jobs.calls + static_cast<int>(random() % 3);
      sweeps->Look();
      sweeps.reset();
      jobs.Revive();
      sweeps = *SweepManager::Start(options, store.get(), nullptr, &jobs);
      jobs.Tick();
    }
    Life life{.store = std::move(store), .sweeps = std::move(sweeps)};
    EXPECT_EQ(life.sweeps->Get("s")->state(), v1::SWEEP_STATE_SUCCEEDED);
    EXPECT_EQ(Choices(life), expected) << run;
    EXPECT_EQ(jobs.created, 8);
  }
}

TEST_F(SweepManagerTest, MedianStoppingEndsWhatIsWorse) {
  Life life = Start();
  jobs_.loss = [](const v1::JobSpec& spec, uint64_t) { return spec.optimizer().learning_rate(); };
  ASSERT_TRUE(Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.2"
    values: "0.3" values: "0.9" } } parallelism: 1 median_stopping { min_trials: 3 })")
                  .ok());
  while (jobs_.jobs.count("s-4") == 0) {
    jobs_.Tick();
    life.sweeps->Look();
  }
  // The last one runs, and has said something.
  FakeTrialJobs::Kept& last = jobs_.jobs["s-4"];
  last.job.set_state(v1::JOB_STATE_RUNNING);
  last.job.mutable_progress()->set_step(10);
  v1::Event event;
  event.set_step(10);
  event.mutable_evaluation()->set_loss(0.9);
  last.evaluations.push_back(event);
  life.sweeps->Look();
  life.sweeps->Look();
  EXPECT_EQ(last.job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(last.job.progress().step(), 10u);
  const v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  const v1::Trial stopped = *life.sweeps->GetTrial("s", "4");
  EXPECT_EQ(stopped.state(), v1::TRIAL_STATE_STOPPED);
  EXPECT_THAT(stopped.reason(), HasSubstr("worse than the median 0.2 of 3 trials"));
  EXPECT_EQ(stopped.objective(), 0.9);
}

TEST_F(SweepManagerTest, AFailedTrialIsSaidAndRunAgain) {
  Life life = Start();
  bool fails = true;
  jobs_.loss = [&](const v1::JobSpec& spec, uint64_t) {
    return fails && spec.optimizer().learning_rate() > 0.5 ? std::nan("") : 1.0;
  };
  ASSERT_TRUE(
      Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.9" } })")
          .ok());
  v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_EQ(sweep.summary().trials_by_state().at("FAILED"), 1u);
  EXPECT_EQ(life.sweeps->GetTrial("s", "2")->error().message(), "the loss is not finite");
  EXPECT_TRUE(absl::IsFailedPrecondition(life.sweeps->RerunTrial("s", "1").status()));
  EXPECT_TRUE(absl::IsNotFound(life.sweeps->RerunTrial("s", "3").status()));
  fails = false;
  const auto again = life.sweeps->RerunTrial("s", "2");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->state(), v1::TRIAL_STATE_RUNNING);
  life = Start();  // A new server goes on with it.
  sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_EQ(life.sweeps->GetTrial("s", "2")->state(), v1::TRIAL_STATE_SUCCEEDED);
  EXPECT_EQ(life.sweeps->GetTrial("s", "2")->reruns(), 1u);
  EXPECT_EQ(jobs_.created, 2) << "the same job went on";
  EXPECT_EQ(sweep.summary().finished(), 2u);
}

TEST_F(SweepManagerTest, AFullQueueIsWaitedForAndAFaultIsNot) {
  Life life = Start();
  jobs_.refuses_to_create = absl::ResourceExhaustedError("the queue is full");
  ASSERT_TRUE(Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" } })").ok());
  life.sweeps->Look();
  life.sweeps->Look();
  EXPECT_THAT(life.sweeps->Get("s")->summary().waits_for(),
              HasSubstr("trial 1 cannot be started yet: the queue is full"));
  jobs_.refuses_to_create = absl::FailedPreconditionError("the dataset was deleted");
  const v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_FAILED);
  EXPECT_EQ(life.sweeps->GetTrial("s", "1")->error().message(), "the dataset was deleted");
}

TEST_F(SweepManagerTest, StopsAndCancelsWellAndIsThenDeleted) {
  for (const bool cancels : {false, true}) {
    jobs_.jobs.clear();
    Life life = Start();
    ASSERT_TRUE(Create(life, std::string(kRate) + "random {} budget { max_trials: 5 } parallelism: 2").ok());
    life.sweeps->Look();
    life.sweeps->Look();
    jobs_.jobs["s-1"].job.mutable_progress()->set_step(7);
    v1::DeleteSweepRequest remove;
    EXPECT_TRUE(absl::IsFailedPrecondition(life.sweeps->Delete(remove, "s"))) << "it is alive";
    const auto asked = cancels ? life.sweeps->Cancel("s", "") : life.sweeps->Stop("s", "");
    ASSERT_TRUE(asked.ok()) << asked.status();
    EXPECT_TRUE((cancels ? life.sweeps->Cancel("s", "") : life.sweeps->Stop("s", "")).ok()) << "idempotent";
    EXPECT_TRUE(absl::IsFailedPrecondition(life.sweeps->Resume("s", "").status()));
    life = Start();
    for (int i = 0; i < 5; ++i) life.sweeps->Look();  // Without a tick: nobody trains on.
    const v1::Sweep sweep = *life.sweeps->Get("s");
    EXPECT_EQ(sweep.state(), cancels ? v1::SWEEP_STATE_CANCELLED : v1::SWEEP_STATE_FAILED) << sweep.state_reason();
    EXPECT_EQ(jobs_.jobs["s-1"].job.state(), cancels ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_SUCCEEDED);
    EXPECT_EQ(jobs_.jobs["s-2"].job.state(), v1::JOB_STATE_CANCELLED) << "it had trained nothing";
    EXPECT_EQ(sweep.summary().trials(), 2u);
    jobs_.jobs["s-2"].job.set_pinned(true);
    remove.set_delete_jobs(true);
    remove.set_etag("other");
    EXPECT_TRUE(absl::IsAborted(life.sweeps->Delete(remove, "s")));
    remove.set_etag(sweep.etag());
    const absl::Status removed = life.sweeps->Delete(remove, "s");
    EXPECT_TRUE(removed.ok()) << removed;
    EXPECT_TRUE(absl::IsNotFound(life.sweeps->Get("s").status()));
    EXPECT_EQ(jobs_.jobs.count("s-1"), 0u);
    EXPECT_EQ(jobs_.jobs.count("s-2"), 1u) << "it is pinned";
    EXPECT_TRUE(absl::IsFailedPrecondition(Create(life, "random {}").status()) ||
                absl::IsInvalidArgument(Create(life, "random {}").status()))
        << "the request is remembered";
    requests_ = std::make_unique<MemoryJobStore>();
  }
}

TEST_F(SweepManagerTest, TheSameRequestMakesOneSweep) {
  Life life = Start();
  const std::string spec = std::string(kRate) + "random {} budget { max_trials: 5 }";
  const auto first = Create(life, spec), second = Create(life, spec);
  ASSERT_TRUE(first.ok() && second.ok()) << second.status();
  EXPECT_EQ(first->uid(), second->uid());
  EXPECT_TRUE(absl::IsInvalidArgument(Create(life, spec + " seed: 1").status())) << "another one";
  v1::CreateSweepRequest other = RequestOf(spec);
  other.set_request_id("");
  EXPECT_TRUE(absl::IsAlreadyExists(life.sweeps->Create(other, Caller(), nullptr).status()));
  other.set_sweep_id("t");
  other.set_validate_only(true);
  EXPECT_TRUE(life.sweeps->Create(other, Caller(), nullptr).ok());
  EXPECT_TRUE(absl::IsNotFound(life.sweeps->Get("t").status())) << "nothing was made";
}

TEST_F(SweepManagerTest, WhatIsWrongIsSaidAtTheSweepsField) {
  Life life = Start();
  const auto fields = [&](const std::string& rest, const std::string& base = "") {
    v1::CreateSweepRequest request = RequestOf(rest);
    request.mutable_spec()->mutable_base()->MergeFrom(FromText<v1::JobSpec>(base));
    const absl::Status status = life.sweeps->Create(request, Caller(), nullptr).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    std::vector<std::string> found;
    rpc::BadRequest bad;
    const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
    if (payload.has_value()) bad.ParseFromString(std::string(*payload));
    for (const auto& violation : bad.field_violations()) found.push_back(violation.field());
    return found;
  };
  const std::string random = "random {} budget { max_trials: 5 } ";
  EXPECT_THAT(fields(random + R"(space { paths: "optimizer.learning_rat" uniform { low: 0.1 high: 1 } })"),
              ElementsAre("spec.space[0].paths[0]"));
  EXPECT_THAT(fields(random + R"(space { paths: "optimizer.learning_rate" uniform { low: -1 high: 1 } })"),
              ElementsAre("spec.space[0].uniform.low"));
  EXPECT_THAT(fields(random + R"(space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0" } })"),
              ElementsAre("spec.space[0].choice.values[1]"));
  EXPECT_THAT(fields(random + R"(space { paths: "batch_size" choice { values: "8" values: "many" } })" + kRate),
              ElementsAre("spec.space[0].choice.values[1]"));
  EXPECT_THAT(
      fields(random + R"(space { paths: "data.dataset" choice { values: "digits" values: "secret" } })" + kRate),
      ElementsAre("spec.space[0].paths[0]"));
  EXPECT_THAT(fields(random + R"(space { paths: "seed" integer { low: 1 high: 2 } })"),
              ElementsAre("spec.base.optimizer.learning_rate"));
  EXPECT_THAT(fields(std::string("random {} ") + kRate), ElementsAre("spec.budget.max_trials"));
  EXPECT_THAT(fields(std::string(kRate)), ElementsAre("spec.algorithm"));
  EXPECT_THAT(fields("asha { min_steps: 90 } budget { max_trials: 5 } " + std::string(kRate)),
              ElementsAre("spec.asha.min_steps"));
  EXPECT_THAT(
      fields("asha { min_steps: 15 } budget { max_trials: 5 } " + std::string(kRate), "evaluation { every_steps: 10 }"),
      ElementsAre("spec.asha.min_steps"));
  EXPECT_THAT(fields("asha { min_steps: 10 } budget { max_trials: 5 } " + std::string(kRate) +
                     R"(space { paths: "steps" choice { values: "90" values: "80" } })"),
              ElementsAre("spec.space[1].choice.values[1]"));
  EXPECT_THAT(fields(random + std::string(kRate) + "objective { metric: \"lose\" }"),
              ElementsAre("spec.objective.metric"));
  EXPECT_THAT(fields(random + std::string(kRate), "labels { key: \"sweep\" value: \"x\" }"),
              ElementsAre("spec.base.labels"));
}

// A dataset that the owner may not read is not reached by a value, however many there are before it.
TEST_F(SweepManagerTest, ASweepChangesNoNamesAlsoBehindTheLastLook) {
  Life life = Start();
  v1::CreateSweepRequest request =
      RequestOf(std::string(kRate) + "external {} budget { max_trials: 2 } space { paths: \"batch_size\" choice {} } " +
                R"(space { paths: "data.dataset" choice { values: "datasets/digits" values: "datasets/secret" } })");
  for (int i = 1; i <= 501; ++i) {
    request.mutable_spec()->mutable_space(1)->mutable_choice()->add_values(absl::StrCat(i));
  }
  const absl::Status refused = life.sweeps->Create(request, Caller(), nullptr).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("spec.space[2].paths[0]"));
  // Nor by values that change one only together.
  v1::Sweep sweep;
  sweep.set_name("sweeps/s");
  *sweep.mutable_spec() = request.spec();
  const auto spec_of = [&](const std::string& dataset) {
    google::protobuf::RepeatedPtrField<v1::Assignment> assignments;
    for (const std::string& value : {std::string("0.1"), std::string("8"), dataset}) {
      assignments.Add()->set_value(value);
    }
    return TrialSpec(sweep, 1, assignments).status();
  };
  EXPECT_TRUE(spec_of("digits").ok()) << spec_of("digits");
  EXPECT_TRUE(absl::IsInvalidArgument(spec_of("datasets/secret")));
  for (const char* path : {"initial_weights.model", "network.from.model", "network.from.job"}) {
    sweep.mutable_spec()->mutable_space(2)->set_paths(0, path);
    EXPECT_TRUE(absl::IsInvalidArgument(spec_of("secret"))) << path;
  }
}

TEST_F(SweepManagerTest, ARerunThatCannotGoOnEndsAndIsNotInTheWay) {
  for (const bool cancels : {false, true}) {
    jobs_ = FakeTrialJobs();
    jobs_.now = [this] { return now_ += absl::Milliseconds(1); };
    jobs_.loss = [](const v1::JobSpec& spec, uint64_t) {
      return spec.optimizer().learning_rate() > 0.5 ? std::nan("") : 1.0;
    };
    Life life = Start();
    v1::CreateSweepRequest request =
        RequestOf(R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.9" } })");
    request.set_request_id("");
    ASSERT_TRUE(life.sweeps->Create(request, Caller(), nullptr).ok());
    RunToEnd(life);
    jobs_.refuses_to_resume = cancels ? absl::ResourceExhaustedError("the queue is full")
                                      : absl::FailedPreconditionError("cannot go on: datasets/digits was deleted");
    ASSERT_TRUE(life.sweeps->RerunTrial("s", "2").ok());
    life.sweeps->Look();
    if (cancels) {
      ASSERT_TRUE(life.sweeps->Cancel("s", "").ok());
    }
    for (int i = 0; i < 5; ++i) life.sweeps->Look();
    EXPECT_EQ(life.sweeps->Get("s")->state(), cancels ? v1::SWEEP_STATE_CANCELLED : v1::SWEEP_STATE_SUCCEEDED);
    const v1::Trial trial = *life.sweeps->GetTrial("s", "2");
    EXPECT_EQ(trial.state(), v1::TRIAL_STATE_FAILED);
    if (!cancels) {
      EXPECT_EQ(trial.error().message(), "cannot go on: datasets/digits was deleted");
    }
    EXPECT_TRUE(life.sweeps->Delete(v1::DeleteSweepRequest(), "s").ok());
  }
}

TEST_F(SweepManagerTest, ARerunAfterTheTimeIsOverTrains) {
  Life life = Start();
  bool fails = true;
  jobs_.loss = [&](const v1::JobSpec&, uint64_t) { return fails ? std::nan("") : 1.0; };
  ASSERT_TRUE(Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" } }
    budget { max_duration { seconds: 3600 } })")
                  .ok());
  RunToEnd(life);
  now_ += absl::Hours(2);
  fails = false;
  ASSERT_TRUE(life.sweeps->RerunTrial("s", "1").ok());
  RunToEnd(life);
  EXPECT_EQ(life.sweeps->GetTrial("s", "1")->state(), v1::TRIAL_STATE_SUCCEEDED);
}

TEST_F(SweepManagerTest, JobsThatADeletedSweepLeftAreNamedAtOnce) {
  Life life = Start();
  jobs_.jobs["s-3"].job.set_name("jobs/s-3");
  const std::string random = std::string(kRate) + "random {} budget { max_trials: 2 }";
  v1::CreateSweepRequest request = RequestOf(std::string(kRate) + "random {} budget { max_trials: 3 }");
  const absl::Status taken = life.sweeps->Create(request, Caller(), nullptr).status();
  EXPECT_TRUE(absl::IsAlreadyExists(taken)) << taken;
  EXPECT_THAT(std::string(taken.message()), HasSubstr("jobs/s-3 exists already, and trial 3 would be it"));
  EXPECT_TRUE(Create(life, random).ok()) << "it will have two trials";
}

// Its record has its summary: nobody reads its log to list it.
TEST_F(SweepManagerTest, AnEndedSweepIsShownWithoutItsLog) {
  Life life = Start();
  bool fails = true;
  jobs_.loss = [&](const v1::JobSpec& spec, uint64_t) {
    return fails && spec.optimizer().learning_rate() > 0.5 ? std::nan("") : 1.0;
  };
  ASSERT_TRUE(
      Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.9" } })")
          .ok());
  EXPECT_FALSE(life.store->Get("s")->sweep.has_summary());
  const v1::Sweep ended = RunToEnd(life);
  EXPECT_EQ(life.store->Get("s")->sweep.summary().DebugString(), ended.summary().DebugString());
  EXPECT_EQ(ended.last_sequence(), static_cast<int64_t>(Log(life).size()));
  EXPECT_EQ(ended.summary().best().job(), "jobs/s-1");
  EXPECT_EQ(life.sweeps->List(v1::ListSweepsRequest(), Caller())->sweeps(0).summary().finished(), 1u);
  life = Start();
  EXPECT_EQ(life.sweeps->Get("s")->DebugString(), ended.DebugString());
  // A change by its etag, which is that of the log's owner, too.
  v1::UpdateSweepRequest update;
  *update.mutable_sweep() = ended;
  update.mutable_sweep()->set_display_name("x");
  update.mutable_update_mask()->add_paths("display_name");
  const auto changed = life.sweeps->Update(update);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(life.sweeps->Get("s")->DebugString(), changed->DebugString());
  fails = false;
  ASSERT_TRUE(life.sweeps->RerunTrial("s", "2").ok());
  EXPECT_FALSE(life.store->Get("s")->sweep.has_summary());
  EXPECT_EQ(RunToEnd(life).summary().finished(), 2u);
}

TEST_F(SweepManagerTest, AJobThatIsMadeWhileTheSharingChangesHasTheNewOne) {
  Life life = Start();
  ASSERT_TRUE(Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" } })").ok());
  jobs_.creating = [&] {
    v1::UpdateSweepRequest update;
    update.mutable_sweep()->set_name("sweeps/s");
    update.mutable_sweep()->mutable_sharing()->add_readers("ann");
    update.mutable_update_mask()->add_paths("sharing");
    const auto changed = life.sweeps->Update(update);
    EXPECT_TRUE(changed.ok()) << changed.status();
  };
  life.sweeps->Look();
  life.sweeps->Look();
  ASSERT_EQ(jobs_.jobs.count("s-1"), 1u);
  EXPECT_THAT(jobs_.jobs["s-1"].job.sharing().readers(), ElementsAre("ann"));
}

TEST_F(SweepManagerTest, AJobThatIsPausingIsStoppedAndNotCancelled) {
  Life life = Start();
  ASSERT_TRUE(Create(life, R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" } })").ok());
  life.sweeps->Look();
  life.sweeps->Look();
  v1::Job& job = jobs_.jobs["s-1"].job;
  job.mutable_progress()->set_step(7);
  job.set_state(v1::JOB_STATE_PAUSING);
  ASSERT_TRUE(life.sweeps->Stop("s", "").ok());
  for (int i = 0; i < 3; ++i) life.sweeps->Look();
  EXPECT_EQ(job.state(), v1::JOB_STATE_PAUSING);
  job.set_state(v1::JOB_STATE_PAUSED);
  for (int i = 0; i < 3; ++i) life.sweeps->Look();
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(life.sweeps->GetTrial("s", "1")->state(), v1::TRIAL_STATE_STOPPED);
}

TEST_F(SweepManagerTest, AJobThatAPersonStopsIsAStoppedTrialWhateverItsSpecSays) {
  Life life = Start();
  v1::CreateSweepRequest request =
      RequestOf(R"(grid {} space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.2" } })");
  request.mutable_spec()->mutable_base()->mutable_max_duration()->set_seconds(60);
  ASSERT_TRUE(life.sweeps->Create(request, Caller(), nullptr).ok());
  life.sweeps->Look();
  life.sweeps->Look();
  for (const char* id : {"s-1", "s-2"}) {
    FakeTrialJobs::Kept& kept = jobs_.jobs[id];
    kept.job.mutable_progress()->set_step(7);
    jobs_.End(kept, v1::JOB_STATE_SUCCEEDED, id == std::string("s-1") ? "stopped by a client" : "max_duration is over");
  }
  RunToEnd(life);
  EXPECT_EQ(life.sweeps->GetTrial("s", "1")->state(), v1::TRIAL_STATE_STOPPED);
  EXPECT_EQ(life.sweeps->GetTrial("s", "2")->state(), v1::TRIAL_STATE_SUCCEEDED);
}

TEST_F(SweepManagerTest, HowManyTrialsAGridHasIsSaidBeforehand) {
  Life life = Start();
  v1::CreateSweepRequest request = RequestOf(R"(grid {}
    space { paths: "optimizer.learning_rate" choice { values: "0.1" values: "0.2" } }
    space { paths: "batch_size" choice { values: "8" values: "16" values: "32" } })");
  request.set_validate_only(true);
  const auto sweep = life.sweeps->Create(request, Caller(), nullptr);
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->summary().planned_trials(), 6u);
  EXPECT_EQ(sweep->summary().trials(), 0u);
  EXPECT_TRUE(absl::IsNotFound(life.sweeps->Get("s").status()));
}

TEST_F(SweepManagerTest, AnOutcomeThatIsNoNumberIsTheSameOneAgain) {
  Life life = Start();
  ASSERT_TRUE(Create(life, std::string(kRate) + "random {} budget { max_trials: 2 } trained_by_clients: true").ok());
  ASSERT_TRUE(life.sweeps->SuggestTrials(FromText<v1::SuggestTrialsRequest>("client: \"c\""), "s").ok());
  v1::CompleteTrialRequest request;
  request.mutable_final()->set_value(std::nan(""));
  EXPECT_TRUE(life.sweeps->CompleteTrial(request, "s", "1").ok());
  EXPECT_TRUE(life.sweeps->CompleteTrial(request, "s", "1").ok());
  request.mutable_final()->set_value(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(life.sweeps->CompleteTrial(request, "s", "1").status()));
}

TEST_F(SweepManagerTest, AnOptimizerOutsideChoosesTrialsThatTheServerTrains) {
  Life life = Start();
  ASSERT_TRUE(Create(life, std::string(kRate) + "external {} budget { max_trials: 2 } parallelism: 1").ok());
  life.sweeps->Look();
  EXPECT_EQ(life.sweeps->Get("s")->summary().waits_for(), "waits for CreateTrial");
  auto request = FromText<v1::CreateTrialRequest>(
      R"(assignments { parameter: "learning_rate" value: "0.5" } client: "optuna" request_id: "one")");
  const auto bad = [&](const std::string& value) {
    v1::CreateTrialRequest wrong = request;
    wrong.mutable_assignments(0)->set_value(value);
    wrong.set_request_id("");
    return life.sweeps->CreateTrial(wrong, "s", nullptr).status();
  };
  EXPECT_THAT(std::string(bad("2").message()), HasSubstr("must be a number from 1e-04 to 1"));
  EXPECT_TRUE(absl::IsInvalidArgument(bad("x")));
  const auto first = life.sweeps->CreateTrial(request, "s", nullptr);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->total_steps(), 90u);
  EXPECT_EQ(life.sweeps->CreateTrial(request, "s", nullptr)->number(), 1u) << "the same request";
  request.set_request_id("two");
  EXPECT_EQ(life.sweeps->CreateTrial(request, "s", nullptr)->number(), 2u);
  request.set_request_id("three");
  EXPECT_THAT(std::string(life.sweeps->CreateTrial(request, "s", nullptr).status().message()), HasSubstr("max_trials"));
  const v1::Sweep sweep = RunToEnd(life);
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_EQ(jobs_.created, 2);
  EXPECT_EQ(jobs_.jobs["s-1"].job.spec().optimizer().learning_rate(), 0.5);
}

TEST_F(SweepManagerTest, ClientsThatTrainAskAndTell) {
  Life life = Start();
  v1::CreateSweepRequest create;
  create.set_sweep_id("s");
  *create.mutable_spec() = FromText<v1::SweepSpec>(
      std::string(kRate) +
      "random {} budget { max_trials: 3 } trained_by_clients: true median_stopping { min_trials: 1 } max_failures: 0 "
      "objective { metric: \"reward\" goal: GOAL_MAXIMIZE value: VALUE_BEST }");
  ASSERT_TRUE(life.sweeps->Create(create, Caller(), nullptr).ok());
  const auto ask = [&](const std::string& client) {
    v1::SuggestTrialsRequest request;
    request.set_client(client);
    auto suggested = life.sweeps->SuggestTrials(request, "s");
    EXPECT_TRUE(suggested.ok()) << suggested.status();
    return *suggested;
  };
  const auto complete = [&](const std::string& trial, const std::string& how) {
    return life.sweeps->CompleteTrial(FromText<v1::CompleteTrialRequest>(how), "s", trial);
  };
  EXPECT_EQ(ask("a").trials(0).number(), 1u);
  EXPECT_EQ(ask("a").trials(0).number(), 1u) << "its own, until it is completed";
  EXPECT_EQ(ask("b").trials(0).number(), 2u);
  life = Start();  // A server that was killed knows whose they are.
  EXPECT_EQ(ask("b").trials(0).number(), 2u);
  ASSERT_TRUE(complete("1", "final { step: 100 value: 5 }").ok());
  EXPECT_TRUE(complete("1", "final { step: 100 value: 5 }").ok()) << "the same again";
  EXPECT_TRUE(absl::IsFailedPrecondition(complete("1", "final { step: 100 value: 6 }").status()));
  v1::AddMeasurementRequest measure;
  for (const double value : {3.0, 4.0, 2.0}) {
    measure.mutable_measurement()->set_step(measure.measurement().step() + 60);
    measure.mutable_measurement()->set_value(value);
    ASSERT_TRUE(life.sweeps->AddMeasurement(measure, "s", "2").ok());
  }
  EXPECT_TRUE(absl::IsInvalidArgument(life.sweeps->AddMeasurement(measure, "s", "2").status())) << "steps must grow";
  EXPECT_TRUE(life.sweeps->ShouldTrialStop("s", "2")->should_stop());
  ASSERT_TRUE(complete("2", "from_measurements: true stopped: true").ok());
  EXPECT_EQ(life.sweeps->GetTrial("s", "2")->objective(), 4);
  EXPECT_EQ(ask("a").trials(0).number(), 3u);
  EXPECT_TRUE(ask("b").trials().empty());
  EXPECT_TRUE(ask("b").done());
  ASSERT_TRUE(complete("3", "infeasible_reason: \"no memory\"").ok());
  life.sweeps->Look();
  life.sweeps->Look();
  const v1::Sweep sweep = *life.sweeps->Get("s");
  EXPECT_EQ(sweep.state(), v1::SWEEP_STATE_SUCCEEDED) << sweep.state_reason();
  EXPECT_EQ(sweep.summary().best().number(), 1u);
  EXPECT_THAT(jobs_.jobs, IsEmpty());
}

TEST_F(SweepManagerTest, ListsHavePagesAndFilters) {
  Life life = Start();
  ASSERT_TRUE(
      Create(life, std::string(kRate) + "random {} budget { max_trials: 5 } parallelism: 5 display_name: \"x\"").ok());
  RunToEnd(life);
  v1::ListTrialsRequest trials;
  trials.set_page_size(2);
  trials.set_order_by("number desc");
  std::vector<uint32_t> numbers;
  do {
    const auto page = life.sweeps->ListTrials(trials, "s");
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Trial& trial : page->trials()) {
      numbers.push_back(trial.number());
      EXPECT_EQ(trial.job_state(), v1::JOB_STATE_SUCCEEDED);
    }
    trials.set_page_token(page->next_page_token());
  } while (!trials.page_token().empty());
  EXPECT_THAT(numbers, ElementsAre(5, 4, 3, 2, 1));
  trials.set_page_token("number@2");
  EXPECT_TRUE(absl::IsInvalidArgument(life.sweeps->ListTrials(trials, "s").status()));
  v1::ListSweepsRequest sweeps;
  sweeps.set_filter("state = SUCCEEDED AND display_name = \"x\"");
  auto listed = life.sweeps->List(sweeps, Caller());
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->sweeps_size(), 1);
  EXPECT_EQ(listed->sweeps(0).summary().finished(), 5u);
  EXPECT_FALSE(listed->sweeps(0).has_spec());
  sweeps.set_filter("state = RUNNING");
  EXPECT_EQ(life.sweeps->List(sweeps, Caller())->sweeps_size(), 0);
  sweeps.set_filter("");
  EXPECT_EQ(life.sweeps->List(sweeps, Caller{.user = "eve", .role = v1::ROLE_USER})->sweeps_size(), 0);
}

}  // namespace
}  // namespace traind::server
