#include "core/job/extend.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/job/early_stopping.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A job of 4 epochs of 10 steps, which has trained `step` of them.
class ExtendTest : public testing::Test {
 protected:
  void Make(const std::string& more, uint64_t step = 40) {
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "network { layers { name: 'logits' dense { units: 3 } } } data { dataset: 'flowers' } batch_size: 12 "
        "optimizer { learning_rate: 0.1 }",
        job_.mutable_spec()));
    ASSERT_TRUE(google::protobuf::TextFormat::MergeFromString(more, job_.mutable_spec()));
    if (job_.spec().duration_case() == v1::JobSpec::DURATION_NOT_SET) job_.mutable_spec()->set_epochs(4);
    FieldErrors::Root errors;
    const auto dataset = FindTestDataset("flowers");
    *job_.mutable_resolved_spec() = ResolveJob(job_.spec(), &*dataset, 4, errors.scope())->spec;
    ASSERT_TRUE(errors.ok()) << errors.ToStatus();
    job_.mutable_progress()->set_steps_per_epoch(10);
    newest_.set_step(step);
  }

  absl::StatusOr<ExtendedJob> Extend(const std::string& length) {
    v1::ExtendJobRequest request;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(length, &request));
    return ExtendSpec(job_, request, newest_);
  }
  // The violation's field and text.
  std::string Refusal(const std::string& length) {
    const absl::Status status = Extend(length).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    rpc::BadRequest details;
    const auto payload = status.GetPayload(std::string(kBadRequestUrl));
    if (!payload || !details.ParseFromString(std::string(*payload)) || details.field_violations_size() != 1) return "?";
    return absl::StrCat(details.field_violations(0).field(), ": ", details.field_violations(0).description());
  }

  v1::Job job_;
  v1::CheckpointManifest newest_;
};

TEST_F(ExtendTest, ChangesTheLengthAlone) {
  Make("");
  const auto extended = Extend("epochs: 6");
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_EQ(extended->total_steps, 60u);
  EXPECT_THAT(extended->warnings, IsEmpty());
  v1::JobSpec spec = job_.spec(), resolved = job_.resolved_spec();
  spec.set_epochs(6);
  resolved.set_epochs(6);
  EXPECT_EQ(extended->spec.DebugString(), spec.DebugString());
  EXPECT_EQ(extended->resolved_spec.DebugString(), resolved.DebugString());
}

TEST_F(ExtendTest, TakesEitherUnit) {
  Make("");
  auto extended = Extend("steps: 55");
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_EQ(extended->total_steps, 55u);
  EXPECT_TRUE(extended->spec.has_steps());
  EXPECT_EQ(extended->resolved_spec.steps(), 55u);
  job_ = {};
  Make("steps: 40");
  extended = Extend("epochs: 5");
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_EQ(extended->total_steps, 50u);
  EXPECT_EQ(extended->resolved_spec.epochs(), 5u);
  job_.clear_progress();
  EXPECT_THAT(Refusal("epochs: 5"), HasSubstr("epochs: cannot be counted in steps"));
}

TEST_F(ExtendTest, RefusesWhatIsNotMore) {
  Make("");
  EXPECT_EQ(Refusal("epochs: 4"),
            "epochs: must be more in all than the 40 steps that the job has trained, not 4 epochs, which are 40 steps");
  EXPECT_EQ(Refusal("steps: 40"),
            "steps: must be more in all than the 40 steps that the job has trained, not 40 steps");
  EXPECT_THAT(Refusal("steps: 1099511627776"), HasSubstr("steps: must be less than 2^40"));
  EXPECT_THAT(Refusal(""), HasSubstr("epochs: must be given, or steps"));
}

TEST_F(ExtendTest, AJobThatEndedEarlyMayGoOnToItsOldLengthOrLess) {
  Make("", 25);
  EXPECT_TRUE(Extend("steps: 30").ok());
  EXPECT_TRUE(Extend("epochs: 4").ok());
  EXPECT_FALSE(Extend("steps: 25").ok());
}

TEST_F(ExtendTest, RefusesALotteryTicket) {
  Make("lottery_ticket { rounds: 1 }", 80);
  const absl::Status status = Extend("epochs: 10").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("lottery_ticket"));
}

TEST_F(ExtendTest, RefusesWhatEarlyStoppingHasEnded) {
  Make("early_stopping { patience: 2 }", 30);
  v1::EarlyStoppingState& state = *newest_.mutable_early_stopping();
  state = NewEarlyStoppingState();
  const v1::JobSpec& config = job_.resolved_spec();
  NoteEvaluation(config, 10, 0.5, state);
  NoteEvaluation(config, 20, 0.5, state);
  EXPECT_TRUE(Extend("epochs: 10").ok());
  NoteEvaluation(config, 30, 0.5, state);
  const absl::Status status = Extend("epochs: 10").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("evaluation_loss was best after step 10 (0.5)"));
}

TEST_F(ExtendTest, SaysTheRatesAtTheSeamOfASchedule) {
  Make("optimizer { sgd {} learning_rate: 0.1 schedule { cosine {} } }");
  const auto extended = Extend("epochs: 6");
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_THAT(
      extended->warnings,
      ElementsAre("the schedule cosine spans the whole job: learning_rate was 0.000154133 at step 40, where one "
                  "job of 6 epochs would have had 0.0273005, and is 0.025 at step 41; the weights will not be "
                  "those of one longer job"));
  // One that was stopped in the middle and goes on to its old length is the job that it was to be.
  newest_.set_step(25);
  EXPECT_THAT(Extend("epochs: 4")->warnings, IsEmpty());
  EXPECT_THAT(Extend("steps: 60")->warnings, ElementsAre(HasSubstr("one job of 60 steps")));
  newest_.set_step(0);
  EXPECT_THAT(Extend("epochs: 6")->warnings, IsEmpty()) << "nothing was trained yet";
}

TEST_F(ExtendTest, SwaBeginsInTheLastQuarterOfTheLongerJob) {
  const auto swa = [](const ExtendedJob& job) { return job.resolved_spec.optimizer().swa(); };
  Make("optimizer { sgd {} swa {} }", 29);
  auto extended = Extend("epochs: 8");
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_EQ(swa(*extended).begin_steps(), 60u);
  EXPECT_EQ(swa(*extended).every_steps(), 10u);
  EXPECT_THAT(extended->warnings, IsEmpty());
  EXPECT_EQ(extended->spec.optimizer().swa().begin_steps(), 0u);
  newest_.set_step(40);  // Some are averaged.
  extended = Extend("epochs: 8");
  EXPECT_EQ(swa(*extended).begin_steps(), 30u);
  EXPECT_EQ(swa(*extended).every_steps(), 5u);
  EXPECT_THAT(extended->warnings,
              ElementsAre("optimizer.swa stays as it was: from step 30 on every 5 steps, where one job of 8 epochs "
                          "would have averaged from step 60 on every 10"));
  newest_.set_step(25);  // One shorter job would have begun before.
  EXPECT_EQ(swa(*Extend("steps: 30")).begin_steps(), 30u);
  job_ = {};
  Make("optimizer { sgd {} swa { begin_steps: 20 every_steps: 2 } }", 40);
  EXPECT_THAT(Extend("epochs: 8")->warnings, IsEmpty());
}

TEST_F(ExtendTest, ARateThatDoesNotDependOnTheLengthNeedsNoWarning) {
  for (const std::string schedule : {"constant {} warmup_steps: 5", "step { every_steps: 7 }",
                                     "cosine { final_factor: 1 }", "linear {} warmup_steps: 100"}) {
    job_ = {};
    Make(absl::StrCat("optimizer { sgd {} schedule { ", schedule, " } }"));
    const auto extended = Extend("epochs: 6");
    ASSERT_TRUE(extended.ok()) << extended.status();
    EXPECT_THAT(extended->warnings, IsEmpty()) << schedule;
  }
  job_ = {};
  Make("optimizer { sgd {} schedule { linear {} warmup_steps: 20 } }");
  EXPECT_THAT(Extend("epochs: 6")->warnings, ElementsAre(HasSubstr("the schedule linear spans the whole job")));
}

}  // namespace
}  // namespace traind::core
