// trainctl lr-find, against a server whose job tells the losses that the test says.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/rate_range.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kJob[] =
    "network { layers { name: 'out' dense { units: 10 } } } data { dataset: 'fashion' evaluation_split: 'test' } "
    "optimizer { adam { beta1: 0.8 } learning_rate: 0.5 schedule { cosine {} } ema {} clip_norm: 1 } epochs: 7 "
    "batch_size: 64 early_stopping { patience: 3 } statistics { every_steps: 5 }";

// A loss that falls most steeply at 1e-3 per factor on the rate, is lowest near 0.03 and explodes above.
double Loss(double rate) {
  const double x = std::log10(rate);
  return 2.3 - 1.5 / (1 + std::exp(-4 * (x + 3))) + (x > -1 ? std::exp(6 * (x + 1)) - 1 : 0);
}

std::vector<RatePoint> Points(const std::function<double(double)>& loss, int steps = 100) {
  std::vector<RatePoint> points;
  for (int i = 0; i < steps; ++i) {
    const double rate = 1e-6 * std::pow(1e7, i / (steps - 1.0));
    points.push_back({.step = static_cast<uint64_t>(i) + 1, .rate = rate, .loss = loss(rate)});
    if (HasDiverged(points, steps)) break;
  }
  return points;
}

TEST(RateRangeTest, TheSpecIsThatOfAShortRise) {
  const auto given = FromText<v1::JobSpec>(kJob);
  const v1::JobSpec spec = RangeTestSpec(given, {.first_rate = 1e-5, .last_rate = 1, .steps = 51});
  EXPECT_EQ(spec.optimizer().learning_rate(), 1e-5);
  EXPECT_NEAR(spec.optimizer().schedule().exponential().factor(), 1e5, 1e-6);
  EXPECT_EQ(spec.optimizer().schedule().exponential().every_steps(), 50u);
  EXPECT_EQ(spec.steps(), 51u);
  EXPECT_EQ(spec.metrics_every_steps(), 1u);
  EXPECT_EQ(spec.data().evaluation_split(), "none");
  EXPECT_FALSE(spec.has_early_stopping() || spec.optimizer().has_ema());
  // What bears on the rate stays.
  EXPECT_EQ(spec.optimizer().adam().beta1(), 0.8);
  EXPECT_EQ(spec.optimizer().clip_norm(), 1);
  EXPECT_EQ(spec.batch_size(), 64u);
  EXPECT_EQ(LeftOut(given), "optimizer.schedule, optimizer.ema");
}

// Smoothing lags behind by some steps, each of which is a factor of 1.18 on the rate.
TEST(RateRangeTest, SuggestsWhereTheLossFallsMost) {
  const std::vector<RatePoint> points = Points(Loss);
  ASSERT_LT(points.size(), 100u);  // It ended when the loss exploded.
  EXPECT_GT(points.back().rate, 0.1);
  const std::optional<RateFound> found = FindRate(points);
  ASSERT_TRUE(found);
  EXPECT_GT(found->steepest, 1e-3);
  EXPECT_LT(found->steepest, 1e-2);
  EXPECT_GT(found->lowest, found->steepest);
  EXPECT_LT(found->lowest, 0.5);
  const std::string picture = RenderRange(points, found, 80);
  EXPECT_THAT(picture,
              AllOf(HasSubstr("smoothed loss"), HasSubstr("falls most steeply at"), HasSubstr("from 1.0e-06")));
}

// Minibatches differ, most of all in the first smoothed losses.
TEST(RateRangeTest, ALuckyMinibatchIsNoFall) {
  int i = 0;
  const std::vector<RatePoint> points = Points([&](double rate) {
    const int now = i++;
    return Loss(rate) + (now == 0 ? 0.6 : now == 1 ? -0.3 : 0.1 * std::sin(7.0 * now));
  });
  const std::optional<RateFound> found = FindRate(points);
  ASSERT_TRUE(found);
  EXPECT_GT(found->steepest, 5e-4);
  EXPECT_LT(found->steepest, 1e-2);
}

TEST(RateRangeTest, SuggestsNothingWhereNothingFalls) {
  EXPECT_FALSE(FindRate(Points([](double) { return 2.3; })));
  EXPECT_FALSE(FindRate(Points([](double rate) { return 2.3 + rate; })));
  EXPECT_FALSE(FindRate({}));
  EXPECT_FALSE(FindRate({{.step = 1, .rate = 1, .loss = std::nan("")}}));
}

TEST(RateRangeTest, ALossThatIsNoNumberHasDiverged) {
  EXPECT_TRUE(HasDiverged({{.step = 1, .rate = 1, .loss = std::nan("")}}, 100));
  EXPECT_FALSE(HasDiverged({{.step = 1, .rate = 1, .loss = 2}, {.step = 2, .rate = 2, .loss = 200}}, 100));  // Early.
  EXPECT_FALSE(HasDiverged({}, 100));
}

class LrFindTest : public AppTest {
 protected:
  LrFindTest() {
    server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
      job->set_name(request.name());
      *job->mutable_spec() = FromText<v1::JobSpec>(kJob);
      return grpc::Status::OK;
    };
    server_.training.create_job = [this](const v1::CreateJobRequest& request, v1::Job* job) {
      created_ = request;
      job->set_name("jobs/range");
      return grpc::Status::OK;
    };
    server_.training.watch_job = [this](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
      v1::WatchJobResponse response;
      int64_t sequence = 0;
      for (uint64_t step = 1; step <= created_.spec().steps(); ++step) {
        v1::Event& event = *response.add_events();
        event.set_sequence(++sequence);
        event.set_step(step);
        const v1::Optimizer& optimizer = created_.spec().optimizer();
        const double rate = scale_ * optimizer.learning_rate() *
                            std::pow(optimizer.schedule().exponential().factor(),
                                     static_cast<double>(step - 1) / optimizer.schedule().exponential().every_steps());
        event.mutable_train()->set_learning_rate(rate);
        event.mutable_train()->set_loss(loss_(rate));
      }
      v1::Event& end = *response.add_events();
      end.set_sequence(++sequence);
      end.mutable_state()->set_state(end_);
      end.mutable_state()->mutable_error()->set_message(error_);
      writer->Write(response);
      return grpc::Status::OK;
    };
    server_.training.cancel_job = [this](const v1::CancelJobRequest& request, v1::Job*) {
      cancelled_ = request.name();
      return grpc::Status::OK;
    };
    server_.training.delete_job = [this](const v1::DeleteJobRequest& request) {
      deleted_ = request.name();
      return grpc::Status::OK;
    };
  }

  std::function<double(double)> loss_ = Loss;
  v1::JobState end_ = v1::JOB_STATE_CANCELLED;
  std::string error_;
  double scale_ = 1;  // Of the rate, by batch_scaling.
  v1::CreateJobRequest created_;
  std::string cancelled_, deleted_;
};

TEST_F(LrFindTest, ShowsTheCurveAndSuggestsARate) {
  ASSERT_EQ(Run({"lr-find", "cnn", "--set", "batch_size=32"}), 0) << err_.str();
  EXPECT_EQ(created_.spec().batch_size(), 32u);
  EXPECT_EQ(created_.spec().steps(), 100u);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("●"), HasSubstr("suggestion: optimizer.learning_rate=0.00")));
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("left out in the test: optimizer.schedule, optimizer.ema"),
                                HasSubstr("the loss diverged at step")));
  EXPECT_EQ(cancelled_, "jobs/range");
  EXPECT_EQ(deleted_, "jobs/range");
}

TEST_F(LrFindTest, ReadsAFileAndKeepsTheJobIfAsked) {
  end_ = v1::JOB_STATE_SUCCEEDED;
  ASSERT_EQ(Run({"lr-find", Write(kJob), "--to", "0.01", "--steps", "60", "--keep", "--json"}), 0) << err_.str();
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["points"].size(), 60u);
  EXPECT_EQ(json["diverged"], false);
  EXPECT_GT(json["suggestion"], 1e-4);
  EXPECT_EQ(cancelled_, "");
  EXPECT_EQ(deleted_, "");
}

TEST_F(LrFindTest, NumbersThatAreNotFiniteAreTheEndOfTheTest) {
  end_ = v1::JOB_STATE_FAILED;
  error_ = "the loss of step 90 is not a finite number";
  loss_ = [](double rate) { return rate < 1 ? Loss(std::min(rate, 0.05)) : 2.0; };
  ASSERT_EQ(Run({"lr-find", "cnn"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("diverged"));
}

TEST_F(LrFindTest, NumbersOfACheckpointAreThemToo) {
  end_ = v1::JOB_STATE_FAILED;
  error_ = "the numbers after step 90 are not all finite, and no checkpoint of them is kept: out.weight";
  loss_ = [](double rate) { return rate < 1 ? Loss(std::min(rate, 0.05)) : 2.0; };
  EXPECT_EQ(Run({"lr-find", "cnn"}), 0) << err_.str();
  error_ = "the examples of step 90 are not all finite numbers after the preprocessing";
  EXPECT_EQ(Run({"lr-find", "cnn"}), 6);
}

// It was cancelled for its loss, whatever it says of its end.
TEST_F(LrFindTest, ADivergedTestThatFailsHasDiverged) {
  end_ = v1::JOB_STATE_FAILED;
  error_ = "the worker was lost";
  EXPECT_EQ(Run({"lr-find", "cnn"}), 0) << err_.str();
  EXPECT_EQ(cancelled_, "jobs/range");
}

// The server multiplies the rate by 8, and would do so with the suggestion.
TEST_F(LrFindTest, SuggestsTheRateBeforeBatchScaling) {
  ASSERT_EQ(Run({"lr-find", "cnn", "-q"}), 0) << err_.str();
  const double plain = std::stod(out_.str());
  out_.str("");
  scale_ = 8;
  ASSERT_EQ(Run({"lr-find", "cnn", "-q", "--set", "optimizer.batch_scaling.base_batch_size=8"}), 0) << err_.str();
  EXPECT_TRUE(created_.spec().optimizer().has_batch_scaling());
  EXPECT_NEAR(8 * std::stod(out_.str()) / plain, 1, 0.25);  // Of two digits, and another step.
}

TEST_F(LrFindTest, SaysWhenThereIsNothingToSuggest) {
  end_ = v1::JOB_STATE_SUCCEEDED;
  loss_ = [](double) { return 2.3; };
  EXPECT_EQ(Run({"lr-find", "cnn"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("the loss did not fall at any rate"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("suggestion")));
  EXPECT_EQ(deleted_, "jobs/range");
}

TEST_F(LrFindTest, AJobThatFailsOtherwiseIsAnError) {
  end_ = v1::JOB_STATE_FAILED;
  error_ = "no memory";
  loss_ = [](double) { return 2.3; };
  EXPECT_EQ(Run({"lr-find", "cnn"}), 6);
  EXPECT_THAT(err_.str(), HasSubstr("no memory"));
  EXPECT_EQ(Run({"lr-find", "cnn", "--from", "1", "--to", "0.1"}), 1);
  EXPECT_EQ(Run({"lr-find", "cnn", "--steps", "3"}), 2);
  EXPECT_EQ(Run({"lr-find", "cnn", "--to", "nan"}), 2);
}

}  // namespace
}  // namespace traind::client
