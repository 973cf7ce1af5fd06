// `trainctl fix` and `run --auto-fix` against a server whose jobs do what the test says.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kSpec[] = R"(
  network { layers { name: "fc" dense { units: 4 } } } data { dataset: "points" }
  optimizer { learning_rate: 5 } steps: 2000 labels { key: "team" value: "vision" } )";

constexpr char kRateFinding[] = R"(
  id: "loss_diverging" rule: "loss_diverging" severity: SEVERITY_CRITICAL state: STATE_OPEN first_step: 60 last_step: 200
  cause: "the loss has grown" fix {
    words: "a tenth of the rate" mask { paths: "optimizer.learning_rate" } patch { optimizer { learning_rate: 0.5 } } })";

constexpr char kDataFinding[] = R"(
  id: "data_scale" rule: "data_scale" severity: SEVERITY_WARNING state: STATE_OPEN
  cause: "the inputs are large" fix {
    words: "standardize" mask { paths: "data.preprocessing" } patch { data { preprocessing { standardize {} } } } })";

// A curve of the training loss, one event each 20 steps, with the loss at step s as the function says, until `last`.
using LossAt = double (*)(uint64_t);

class FixCommandTest : public AppTest {
 protected:
  struct FakeJob {
    v1::Job record;
    std::vector<v1::Event> events;
  };

  FixCommandTest() {
    width_ = 160;
    AddJob("mine", kSpec);
    auto& training = server_.training;
    training.list_findings = [this](const v1::ListFindingsRequest&, v1::ListFindingsResponse* response) {
      for (const v1::Finding& finding : findings_) *response->add_findings() = finding;
      return grpc::Status::OK;
    };
    training.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) { return Answer(request.name(), job); };
    training.create_job = [this](const v1::CreateJobRequest& request, v1::Job* job) {
      created_.push_back(request);
      return Begin(request.job_id(), request.spec(), 0, job);
    };
    training.fork_job = [this](const v1::ForkJobRequest& request, v1::Job* job) {
      forked_.push_back(request);
      return Begin(request.job_id(), request.spec(), 50, job);
    };
    training.watch_job = [this](const v1::WatchJobRequest& request, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
      v1::WatchJobResponse response;
      {
        absl::MutexLock lock(&mutex_);
        for (const v1::Event& event : jobs_[request.name()].events) {
          if (event.sequence() > request.after_sequence() && Wants(request, event)) *response.add_events() = event;
        }
      }
      writer->Write(response);
      return grpc::Status::OK;
    };
    training.pause_job = [this](const v1::PauseJobRequest& request, v1::Job* job) {
      return Move(request.name(), "pause", v1::JOB_STATE_PAUSED, job);
    };
    training.resume_job = [this](const v1::ResumeJobRequest& request, v1::Job* job) {
      return Move(request.name(), "resume", v1::JOB_STATE_SUCCEEDED, job);
    };
    training.cancel_job = [this](const v1::CancelJobRequest& request, v1::Job* job) {
      return Move(request.name(), "cancel", v1::JOB_STATE_CANCELLED, job);
    };
    training.delete_job = [this](const v1::DeleteJobRequest& request) {
      v1::Job job;
      return Move(request.name(), "delete", v1::JOB_STATE_CANCELLED, &job);
    };
    training.update_job = [this](const v1::UpdateJobRequest& request, v1::Job* job) {
      absl::MutexLock lock(&mutex_);
      v1::Job& record = jobs_[request.job().name()].record;
      *record.mutable_labels() = request.job().labels();
      *job = record;
      return grpc::Status::OK;
    };
    server_.models.get_checkpoint = [](const v1::GetCheckpointRequest& request, v1::Checkpoint* checkpoint) {
      checkpoint->set_name(request.name().substr(0, request.name().rfind('/')) + "/217");
      checkpoint->set_step(217);
      return grpc::Status::OK;
    };
    server_.models.evaluate = [this](const v1::EvaluateRequest& request, v1::Operation* operation) {
      evaluated_.push_back(request.model().model());
      if (refuses_) return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many run");
      Succeed(Evaluated(!absl::StrContains(request.model().model(), "control")), operation);
      return grpc::Status::OK;
    };
    server_.models.list_checkpoints = [this](const v1::ListCheckpointsRequest&, v1::ListCheckpointsResponse* response) {
      for (const uint64_t step : checkpoints_) {
        v1::Checkpoint* checkpoint = response->add_checkpoints();
        checkpoint->set_name(absl::StrCat("jobs/mine/checkpoints/", step));
        checkpoint->set_step(step);
      }
      return grpc::Status::OK;
    };
  }

  void AddJob(const std::string& id, const std::string& spec) {
    v1::Job& job = jobs_["jobs/" + id].record;
    job.set_name("jobs/" + id);
    job.set_uid("u-" + id);
    job.set_state(v1::JOB_STATE_RUNNING);
    *job.mutable_spec() = FromText<v1::JobSpec>(spec);
    *job.mutable_labels() = job.spec().labels();
    *job.mutable_resolved_spec() = job.spec();
    job.mutable_resolved_spec()->set_metrics_every_steps(20);
    job.mutable_progress()->set_total_steps(2000);
    job.mutable_progress()->set_steps_per_epoch(500);
  }
  static v1::Event& AddEvent(FakeJob& job, uint64_t step) {
    v1::Event& event = job.events.emplace_back();
    event.set_sequence(static_cast<int64_t>(job.events.size()));
    event.set_step(step);
    job.record.set_last_sequence(event.sequence());
    return event;
  }
  static void AddState(FakeJob& job, uint64_t step, v1::JobState state, const std::string& error = "") {
    v1::StateChange& change = *AddEvent(job, step).mutable_state();
    change.set_state(state);
    if (!error.empty()) change.mutable_error()->set_message(error);
    job.record.set_state(state);
  }
  // How a job of a trial goes, with the fix and without it.
  void Trains(bool fixed, LossAt loss, uint64_t last = 500) { (fixed ? with_ : without_) = {loss, last}; }
  // The jobs of a trial come to their target by this; then they are PAUSED, as they are asked to.
  grpc::Status Begin(const std::string& id, const v1::JobSpec& spec, uint64_t first, v1::Job* answer) {
    absl::MutexLock lock(&mutex_);
    AddJob(id, spec.DebugString());
    FakeJob& job = jobs_["jobs/" + id];
    const bool fixed = spec.labels().count("fix-role") == 0 || spec.labels().at("fix-role") == "patched";
    const auto& [loss, last] = fixed ? with_ : without_;
    AddState(job, first, v1::JOB_STATE_RUNNING);
    for (uint64_t step = first + 1; step <= last; ++step) {
      if (step % 5 == 0) {
        v1::TrainMetrics& train = *AddEvent(job, step).mutable_train();
        train.set_loss(loss(step));
        train.set_gradient_norm(1);
      }
      if (!fixed && step == 200) *AddEvent(job, step).mutable_finding() = FromText<v1::Finding>(kRateFinding);
      if (spec.evaluation().every_steps() == step) *AddEvent(job, step).mutable_evaluation() = Evaluated(fixed);
    }
    if (fixed ? fixed_fails_ : control_fails_) {
      AddState(job, last, v1::JOB_STATE_FAILED, "the loss is NaN");
    } else {
      AddState(job, last, v1::JOB_STATE_PAUSED);
    }
    *answer = job.record;
    return grpc::Status::OK;
  }
  static v1::EvaluationMetrics Evaluated(bool fixed) {
    return FromText<v1::EvaluationMetrics>(fixed ? "split: 'test' loss: 0.8 accuracy: 0.9"
                                                 : "split: 'test' loss: 4.6 accuracy: 0.25");
  }
  grpc::Status Answer(const std::string& name, v1::Job* job) {
    absl::MutexLock lock(&mutex_);
    const auto found = jobs_.find(name);
    if (found == jobs_.end()) return {grpc::StatusCode::NOT_FOUND, "there is no " + name};
    *job = found->second.record;
    return grpc::Status::OK;
  }
  grpc::Status Move(const std::string& name, const std::string& verb, v1::JobState state, v1::Job* job) {
    absl::MutexLock lock(&mutex_);
    done_.push_back(verb + " " + name);
    FakeJob& moved = jobs_[name];
    const bool over = moved.record.state() == v1::JOB_STATE_SUCCEEDED || moved.record.state() == v1::JOB_STATE_FAILED;
    if (over && verb != "delete") return {grpc::StatusCode::FAILED_PRECONDITION, name + " has ended"};
    if (moved.record.state() != state) AddState(moved, 0, state);
    *job = moved.record;
    return grpc::Status::OK;
  }
  static bool Wants(const v1::WatchJobRequest& request, const v1::Event& event) {
    if (request.kinds().empty() || event.has_state()) return true;
    const auto has = [&](v1::EventKind kind) {
      return std::find(request.kinds().begin(), request.kinds().end(), kind) != request.kinds().end();
    };
    return (event.has_train() && has(v1::EVENT_KIND_TRAIN)) || (event.has_finding() && has(v1::EVENT_KIND_FINDING)) ||
           (event.has_evaluation() && has(v1::EVENT_KIND_EVALUATION));
  }
  void Found(const std::string& finding) { findings_.push_back(FromText<v1::Finding>(finding)); }
  std::string LabelOf(const std::string& name, const std::string& key) {
    absl::MutexLock lock(&mutex_);
    const auto& labels = jobs_[name].record.labels();
    return labels.contains(key) ? labels.at(key) : "";
  }

  absl::Mutex mutex_;
  std::map<std::string, FakeJob> jobs_;
  std::vector<v1::Finding> findings_;
  std::vector<uint64_t> checkpoints_ = {0, 50, 150};
  std::pair<LossAt, uint64_t> with_ = {[](uint64_t) { return 0.4; }, 500};
  std::pair<LossAt, uint64_t> without_ = {[](uint64_t) { return 2.3; }, 500};
  bool fixed_fails_ = false, control_fails_ = false;
  bool refuses_ = false;  // To evaluate.
  std::vector<std::string> evaluated_;
  std::vector<v1::CreateJobRequest> created_;
  std::vector<v1::ForkJobRequest> forked_;
  std::vector<std::string> done_;
};

TEST_F(FixCommandTest, PrintsTheChangeAndTheJobFile) {
  Found(kRateFinding);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("CRITICAL loss_diverging: the loss has grown; a tenth of the rate"),
                                HasSubstr("  optimizer.learning_rate: 5 -> 0.5\n")));
  EXPECT_THAT(err_.str(), HasSubstr("trainctl fix mine loss_diverging --verify"));
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "-o", "-"}), 0) << err_.str();
  const auto spec = FromText<v1::JobSpec>(out_.str());
  EXPECT_EQ(spec.optimizer().learning_rate(), 0.5);
  EXPECT_EQ(spec.steps(), 2000u);
  EXPECT_EQ(spec.labels().at("team"), "vision");
  const std::string file = folder_ / "fixed.textproto";
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--output", file}), 0) << err_.str();
  EXPECT_EQ(FromText<v1::JobSpec>(ReadBytes(file)).SerializeAsString(), spec.SerializeAsString());
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["changes"][0]["after"], "0.5");
  EXPECT_THAT(created_, IsEmpty());
  EXPECT_THAT(forked_, IsEmpty());
}

TEST_F(FixCommandTest, WordsAloneAndUnknownFindingsAreRefused) {
  Found("id: 'class_imbalance' rule: 'class_imbalance' fix { words: 'weigh the classes' }");
  EXPECT_EQ(Run({"fix", "mine", "class_imbalance", "--verify"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("weigh the classes"));
  EXPECT_EQ(Run({"fix", "mine", "class_imbalanse"}), 3);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean class_imbalance?"));
  EXPECT_EQ(Run({"fix", "mine", "a", "--steps", "3"}), 2) << "--steps is of --verify";
  EXPECT_THAT(created_, IsEmpty());
}

TEST_F(FixCommandTest, ARuleNamesItsOnlyFinding) {
  Found("id: 'dead_relu/a' rule: 'dead_relu' fix { mask { paths: 'threads' } patch { threads: 1 } }");
  EXPECT_EQ(Run({"fix", "mine", "dead_relu"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("threads:"));
  Found("id: 'dead_relu/b' rule: 'dead_relu' fix { mask { paths: 'threads' } patch { threads: 1 } }");
  EXPECT_EQ(Run({"fix", "mine", "dead_relu"}), 3);
  EXPECT_THAT(err_.str(), HasSubstr("several findings"));
}

TEST_F(FixCommandTest, ARateIsTriedFromTheCheckpointBeforeTheFinding) {
  Found(kRateFinding);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify"}), 0) << err_.str();
  ASSERT_EQ(forked_.size(), 2u);
  EXPECT_THAT(created_, IsEmpty());
  for (const v1::ForkJobRequest& request : forked_) {
    EXPECT_EQ(request.name(), "jobs/mine/checkpoints/50") << "the newest one before step 60";
    EXPECT_EQ(request.spec().steps(), 2000u) << "schedules span the job's length";
    // The finding was open at step 200: 150 steps and a tenth more.
    EXPECT_FALSE(request.spec().has_evaluation()) << "the job's own, for it may go on";
    EXPECT_EQ(request.spec().metrics_every_steps(), 4u);
    EXPECT_EQ(request.spec().labels().at("fix-of"), "mine");
    EXPECT_EQ(request.spec().labels().at("fix-rule"), "loss_diverging");
    EXPECT_EQ(request.spec().labels().at("team"), "vision");
  }
  EXPECT_EQ(forked_[0].job_id(), "mine-fix-1");
  EXPECT_EQ(forked_[0].spec().optimizer().learning_rate(), 0.5);
  EXPECT_EQ(forked_[0].spec().labels().at("fix-role"), "patched");
  EXPECT_EQ(forked_[1].job_id(), "mine-control-1");
  EXPECT_EQ(forked_[1].spec().optimizer().learning_rate(), 5);
  EXPECT_EQ(forked_[1].spec().labels().at("fix-role"), "control");
  EXPECT_THAT(err_.str(), HasSubstr("165 steps from jobs/mine/checkpoints/50 (the newest checkpoint before step 60"));
  EXPECT_THAT(evaluated_, ElementsAre("jobs/mine-fix-1/checkpoints/217", "jobs/mine-control-1/checkpoints/217"));
  EXPECT_THAT(err_.str(), HasSubstr("jobs/mine-fix-1 was evaluated as it stands, at step 217: none of its own"));
  EXPECT_THAT(out_.str(), HasSubstr("the fix helps: training loss 0.4000 instead of 2.300 after 165 steps; the finding "
                                    "came again without it only\n"));
  for (const char* text : {"with the fix", "evaluation loss", "0.8000", "4.600", "90.0 %", "CRITICAL at step 200",
                           "did not come", "● training loss with the fix   ○ without it"}) {
    EXPECT_THAT(out_.str(), HasSubstr(text));
  }
  EXPECT_THAT(done_,
              UnorderedElementsAre("pause jobs/mine-fix-1", "pause jobs/mine-control-1", "cancel jobs/mine-control-1"));
  EXPECT_EQ(LabelOf("jobs/mine-fix-1", "fix-verdict"), "helps");
  EXPECT_EQ(LabelOf("jobs/mine-control-1", "fix-verdict"), "helps");
}

TEST_F(FixCommandTest, WhatIsReadAtTheStartIsTriedFromTheStart) {
  Found(kDataFinding);
  EXPECT_EQ(Run({"fix", "mine", "data_scale", "--verify", "--steps", "300", "--json"}), 0) << err_.str();
  ASSERT_EQ(created_.size(), 2u);
  EXPECT_THAT(forked_, IsEmpty());
  EXPECT_EQ(created_[0].spec().data().preprocessing_size(), 1);
  EXPECT_EQ(created_[1].spec().data().preprocessing_size(), 0);
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["helps"], true);
  EXPECT_EQ(json["steps"], 300);
  EXPECT_EQ(json["from"], "the beginning");
  EXPECT_EQ(json["why"], "data.preprocessing is read only at the start");
  EXPECT_DOUBLE_EQ(json["patched"]["train_loss"], 0.4);
  EXPECT_DOUBLE_EQ(json["control"]["train_loss"], 2.3);
  EXPECT_EQ(json["control"]["evaluation_accuracy"], 0.25);
}

TEST_F(FixCommandTest, ItsOwnEvaluationsCountWhereTheyFallIntoTheTrial) {
  Found(kRateFinding);
  jobs_["jobs/mine"].record.mutable_spec()->mutable_evaluation()->set_every_steps(100);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify", "--json"}), 0) << err_.str();
  EXPECT_EQ(forked_[0].spec().evaluation().every_steps(), 100u);
  EXPECT_THAT(evaluated_, IsEmpty());
  EXPECT_EQ(nlohmann::json::parse(out_.str())["patched"]["evaluation_accuracy"], 0.9);
}

TEST_F(FixCommandTest, AnEvaluationThatIsRefusedIsSaid) {
  Found(kRateFinding);
  refuses_ = true;
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify", "--json"}), 0) << "the training loss decides";
  EXPECT_THAT(err_.str(), HasSubstr("too many run"));
  EXPECT_FALSE(nlohmann::json::parse(out_.str())["patched"].contains("evaluation_accuracy"));
  evaluated_.clear();
  jobs_["jobs/mine"].record.mutable_resolved_spec()->mutable_data()->set_evaluation_split("none");
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify"}), 0) << err_.str();
  EXPECT_THAT(evaluated_, IsEmpty());
}

TEST_F(FixCommandTest, WithoutACheckpointItSaysWhyItBeginsAnew) {
  Found(kRateFinding);
  checkpoints_ = {0, 150};
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify"}), 0) << err_.str();
  EXPECT_EQ(created_.size(), 2u);
  EXPECT_THAT(err_.str(), HasSubstr("from the beginning (no checkpoint is left from before step 60"));
}

TEST_F(FixCommandTest, NoHelpIsSaidAndFails) {
  Found(kRateFinding);
  Trains(true, [](uint64_t) { return 2.28; });  // Less than a fiftieth.
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify", "--apply", "better"}), 1) << err_.str();
  EXPECT_THAT(out_.str(),
              HasSubstr("the fix does not help: training loss 2.280 instead of 2.300 after 165 steps, which "
                        "is no more than noise"));
  EXPECT_THAT(err_.str(), HasSubstr("jobs/better does not go on"));
  EXPECT_THAT(done_, Not(testing::Contains("resume jobs/better")));
  EXPECT_EQ(LabelOf("jobs/better", "fix-verdict"), "no-help");
  done_.clear();
  Trains(true, [](uint64_t step) { return step % 2 == 0 ? 0.1 : 4.2; });  // A gain, but less than its noise.
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify"}), 1) << out_.str();
  EXPECT_EQ(forked_.back().job_id(), "mine-control-2") << "the first names are taken";
}

TEST_F(FixCommandTest, AFailedControlIsHelpAndAFailedFixIsNone) {
  Found(kRateFinding);
  control_fails_ = true;
  Trains(
      false, [](uint64_t) { return 1e9; }, 100);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify", "--delete"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              HasSubstr("the fix helps: without it the job FAILED at step 100, with it step 215 was reached, at a "
                        "training loss of 0.4000\n"));
  EXPECT_THAT(done_,
              UnorderedElementsAre("pause jobs/mine-fix-1", "delete jobs/mine-control-1", "delete jobs/mine-fix-1"));
  control_fails_ = false;
  fixed_fails_ = true;
  Trains(false, [](uint64_t) { return 2.3; });
  Trains(
      true, [](uint64_t) { return 0.1; }, 80);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify"}), 1) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("with it the job FAILED at step 80: the loss is NaN"));
}

TEST_F(FixCommandTest, ApplyGoesOnWhenItHelps) {
  Found(kRateFinding);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify", "--apply", "better"}), 0) << err_.str();
  EXPECT_EQ(forked_[0].job_id(), "better");
  EXPECT_THAT(done_, testing::Contains("resume jobs/better"));
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--apply", "blind"}), 0) << err_.str();
  EXPECT_EQ(forked_.back().job_id(), "blind");
  EXPECT_FALSE(forked_.back().spec().has_evaluation()) << "no more than the fix";
  EXPECT_THAT(err_.str(), HasSubstr("not tried before"));
}

TEST_F(FixCommandTest, MoreStepsThanTheJobHasAreRefused) {
  Found(kRateFinding);
  EXPECT_EQ(Run({"fix", "mine", "loss_diverging", "--verify", "--steps", "1951"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--steps: must be from 1 to 1950"));
  EXPECT_THAT(forked_, IsEmpty());
}

TEST_F(FixCommandTest, WhatTheServerRefusesLeavesNothingBehind) {
  Found(kRateFinding);
  server_.training.fork_job = [this](const v1::ForkJobRequest& request, v1::Job* job) {
    if (absl::StrContains(request.job_id(), "control"))
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
    return Begin(request.job_id(), request.spec(), 50, job);
  };
  EXPECT_NE(Run({"fix", "mine", "loss_diverging", "--verify"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("full"));
  EXPECT_THAT(done_, ElementsAre("cancel jobs/mine-fix-1"));
}

TEST_F(FixCommandTest, AutoFixGoesOnWithWhatHelps) {
  Found(kDataFinding);
  // The first job: opens the finding, and would go on to its end.
  server_.training.create_job = [this](const v1::CreateJobRequest& request, v1::Job* job) {
    created_.push_back(request);
    if (request.job_id() != "mine") return Begin(request.job_id(), request.spec(), 0, job);
    absl::MutexLock lock(&mutex_);
    FakeJob& mine = jobs_["jobs/mine"];
    AddState(mine, 0, v1::JOB_STATE_RUNNING);
    *AddEvent(mine, 0).mutable_finding() = FromText<v1::Finding>(kDataFinding);
    *job = mine.record;
    return grpc::Status::OK;
  };
  const std::string file = Write(kSpec);
  EXPECT_EQ(Run({"run", file, "--job-id", "mine", "--auto-fix", "2"}), 0) << err_.str() << out_.str();
  EXPECT_EQ(created_.size(), 3u);
  EXPECT_THAT(done_, ElementsAre("pause jobs/mine", testing::StartsWith("pause jobs/mine-"),
                                 testing::StartsWith("pause jobs/mine-"), "cancel jobs/mine-control-1",
                                 "cancel jobs/mine", "resume jobs/mine-fix-1"));
  EXPECT_THAT(out_.str(), HasSubstr("fixes tried: 1\n  data_scale: the fix helps: training loss 0.4000 instead of "));
  EXPECT_THAT(out_.str(), HasSubstr("jobs/mine-fix-1 SUCCEEDED"));
  EXPECT_EQ(LabelOf("jobs/mine", "fixed-by"), "mine-fix-1");
}

TEST_F(FixCommandTest, AutoFixGoesBackToTheJobWhenNothingIsWon) {
  Found(kDataFinding);
  Trains(true, [](uint64_t) { return 2.5; });
  FakeJob& mine = jobs_["jobs/mine"];
  AddState(mine, 0, v1::JOB_STATE_RUNNING);
  *AddEvent(mine, 0).mutable_finding() = FromText<v1::Finding>(kDataFinding);
  *AddEvent(mine, 0).mutable_finding() = FromText<v1::Finding>(
      "id: 'x' rule: 'x' severity: SEVERITY_INFO state: STATE_OPEN fix { mask { paths: 'threads' } }");
  *AddEvent(mine, 0).mutable_finding() =
      FromText<v1::Finding>("id: 'y' rule: 'y' severity: SEVERITY_CRITICAL state: STATE_OPEN fix { words: 'think' }");
  const auto begin = server_.training.create_job;
  server_.training.create_job = [this, begin](const v1::CreateJobRequest& request, v1::Job* job) {
    return request.job_id() == "mine" ? Answer("jobs/mine", job) : begin(request, job);
  };
  EXPECT_EQ(Run({"run", Write(kSpec), "--job-id", "mine", "--auto-fix"}), 0) << err_.str();
  EXPECT_THAT(done_, testing::Contains("resume jobs/mine"));
  EXPECT_THAT(done_, testing::Contains("cancel jobs/mine-fix-1"));
  EXPECT_EQ(created_.size(), 2u) << "one that informs, and one in words, are not tried";
  EXPECT_THAT(out_.str(), HasSubstr("fixes tried: 1\n  data_scale: the fix does not help: training loss 2.500"));
  EXPECT_EQ(LabelOf("jobs/mine", "fixed-by"), "");
}

}  // namespace
}  // namespace traind::client
