// Curves: what is kept of them against all that there was, and GetSeries over a real channel.
#include "server/services/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/services/curve.h"
#include "server/services/report_sample.h"
#include "tests/server/services/services_fixture.h"
#include "tests/support/memory_job_store.h"
#include "tests/support/text_proto.h"

namespace traind::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Shape {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  bool nan = false;
};

// What a picture shows of each bucket.
template <class Points>
std::map<uint64_t, Shape> ByBucket(const Points& points, int64_t bucket_steps) {
  std::map<uint64_t, Shape> buckets;
  for (const Curve::Point& point : points) {
    Shape& bucket = buckets[point.step / static_cast<uint64_t>(bucket_steps)];
    if (std::isnan(point.value)) {
      bucket.nan = true;
      continue;
    }
    bucket.min = std::min(bucket.min, point.value);
    bucket.max = std::max(bucket.max, point.value);
  }
  return buckets;
}

TEST(Curve, KeepsAllWhileThereIsRoom) {
  Curve curve;
  for (uint64_t step = 1; step <= 8; ++step) curve.Add({step, 1.0 / static_cast<double>(step)}, 8);
  EXPECT_EQ(curve.points().size(), 8u);
  EXPECT_EQ(curve.bucket_steps(), 1);
}

// Buckets are no longer than they have to be: a quarter of the room, at least, is used over the whole length.
TEST(Curve, BucketsGrowWithTheCurveAlone) {
  for (const int count : {1000, 10'000, 100'000}) {
    Curve curve;
    for (int i = 0; i < count; ++i) curve.Add({static_cast<uint64_t>(i) * 10, std::sin(i)}, 400);
    EXPECT_LE(curve.bucket_steps(), int64_t{count} * 10 / 50) << count;
    EXPECT_LE(curve.points().size(), 400u);
  }
}

// Against the whole of random curves: every bucket has its extremes and its NaN, and nothing was made up.
TEST(Curve, KeepsTheExtremesOfEveryBucket) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (const size_t most : {size_t{8}, size_t{9}, size_t{100}, size_t{1000}}) {
    for (const int count : {9, 1000, 100'000}) {
      SCOPED_TRACE(absl::StrCat(most, " of ", count));
      Curve curve;
      std::vector<Curve::Point> all;
      uint64_t step = random() % 1000;
      for (int i = 0; i < count; ++i) {
        const double value = random() % 500 == 0 ? kNan : (random() % 1000 == 0 ? 1e6 : 1) * normal(random);
        all.push_back({step, value});
        curve.Add(all.back(), most);
        step += 1 + random() % 20;
        ASSERT_LE(curve.points().size(), most);
      }
      EXPECT_EQ(curve.total(), count);
      const auto want = ByBucket(all, curve.bucket_steps());
      const auto got = ByBucket(curve.points(), curve.bucket_steps());
      ASSERT_EQ(got.size(), want.size());
      for (const auto& [bucket, extremes] : want) {
        EXPECT_EQ(got.at(bucket).min, extremes.min);
        EXPECT_EQ(got.at(bucket).max, extremes.max);
        EXPECT_EQ(got.at(bucket).nan, extremes.nan);
      }
      EXPECT_EQ(curve.points().front().step, all.front().step);
      EXPECT_EQ(curve.points().back().step, all.back().step);
      std::map<uint64_t, double> values;
      for (const Curve::Point& point : all) values[point.step] = point.value;
      uint64_t before = 0;
      for (const Curve::Point& point : curve.points()) {
        ASSERT_EQ(values.count(point.step), 1u);
        if (!std::isnan(point.value)) {
          ASSERT_EQ(values[point.step], point.value);
        }
        ASSERT_GE(point.step, before);
        before = point.step;
      }
      if (most >= 100 && count > 1000) {
        EXPECT_GE(got.size(), most / 8) << "the room is used, over the whole length";
      }
    }
  }
}

// A worker is trusted in nothing.
TEST(Curve, TakesAnySteps) {
  Curve curve;
  for (int i = 0; i < 1000; ++i) {
    curve.Add({i % 2 == 0 ? 0 : std::numeric_limits<uint64_t>::max(), i == 500 ? kNan : i * 1.0}, 8);
  }
  EXPECT_LE(curve.points().size(), 8u);
  EXPECT_EQ(curve.points().front().value, 0);
  EXPECT_EQ(curve.points().back().value, 999);
}

v1::Event ReportOf(uint64_t step, int layers) {
  v1::Event event;
  event.set_step(step);
  for (int i = 0; i < layers; ++i) {
    auto& layer = *event.mutable_statistics()->add_layers();
    layer.set_layer(absl::StrCat("layer", i));
    layer.set_mean(static_cast<float>(i));
    layer.set_units(4);
    if (i == 0) layer.set_dead_units(1);
    auto& tensor = *event.mutable_statistics()->add_parameters();
    tensor.set_name(absl::StrCat("layer", i, ".weight"));
    tensor.set_update_ratio(static_cast<float>(step));
  }
  return event;
}

std::string Shown(const v1::Series& series) {
  std::string text;
  for (const auto& curve : series.curves()) {
    absl::StrAppend(&text, v1::Quantity_Name(curve.quantity()).substr(9), "(", curve.of(), ")=");
    for (int i = 0; i < curve.steps_size(); ++i) absl::StrAppend(&text, curve.steps(i), ":", curve.values(i), " ");
  }
  return text;
}

TEST(Series, HasACurveForEachQuantityAndThing) {
  v1::GetSeriesRequest request;
  for (const auto quantity : {v1::QUANTITY_UPDATE_RATIO, v1::QUANTITY_LOSS, v1::QUANTITY_DEAD_FRACTION,
                              v1::QUANTITY_EVALUATION_LOSS, v1::QUANTITY_ACCURACY}) {
    request.add_quantities(quantity);
  }
  request.add_layers("layer0");
  request.set_first_step(2);
  request.set_last_step(3);
  SeriesBuilder builder(request);
  EXPECT_EQ(builder.kinds(), 1u << v1::EVENT_KIND_TRAIN | 1u << v1::EVENT_KIND_EVALUATION | 1u << v1::EVENT_KIND_TEST |
                                 1u << v1::EVENT_KIND_STATISTICS);
  for (uint64_t step = 1; step <= 4; ++step) {
    ASSERT_TRUE(builder.Add(ReportOf(step, 2)).ok());
    v1::Event event;
    event.set_step(step);
    event.mutable_train()->set_loss(0.5);
    ASSERT_TRUE(builder.Add(event).ok());
    event.mutable_evaluation()->set_split(step % 2 == 0 ? "test" : "validation");
    event.mutable_evaluation()->set_loss(0.25);
    ASSERT_TRUE(builder.Add(event).ok());
    event.mutable_log()->set_text("event 7 is damaged in the server's store");
    ASSERT_TRUE(builder.Add(event).ok());
  }
  const v1::Series series = builder.Build();
  EXPECT_EQ(Shown(series),
            "UPDATE_RATIO(layer0.weight)=2:2 3:3 LOSS()=2:0.5 3:0.5 DEAD_FRACTION(layer0)=2:0.25 3:0.25 "
            "EVALUATION_LOSS(test)=2:0.25 EVALUATION_LOSS(validation)=3:0.25 ");
  EXPECT_EQ(series.max_points(), 1000);
  EXPECT_EQ(series.damaged_events(), 4);
  EXPECT_EQ(series.curves(0).total(), 2);
}

TEST(Series, HasTheNumbersOfEvaluationsAndTestsAndTheRunningMeans) {
  v1::GetSeriesRequest request;
  for (const auto quantity : {v1::QUANTITY_MEAN_LOSS, v1::QUANTITY_MEAN_ACCURACY, v1::QUANTITY_EVALUATION_BEST_METRIC,
                              v1::QUANTITY_EVALUATION_MACRO_F1, v1::QUANTITY_EVALUATION_LOG_LOSS,
                              v1::QUANTITY_EVALUATION_R2, v1::QUANTITY_EVALUATION_MEAN_ABSOLUTE_ERROR}) {
    request.add_quantities(quantity);
  }
  SeriesBuilder builder(request);
  for (const char* text :
       {"step: 1 train { loss: 9 mean_loss: 2 mean_accuracy: 0.5 }", "step: 2 train { loss: 9 }",
        "step: 3 evaluation { split: 'validation' best_metric_value: 3 classification { macro_f1: 4 log_loss: 5 } }",
        "step: 4 test { split: 'test' classification { macro_f1: 6 } }",
        "step: 5 evaluation { split: 'validation' regression { r2: 7 mean_absolute_error: 8 } }"}) {
    ASSERT_TRUE(builder.Add(FromText<v1::Event>(text)).ok());
  }
  EXPECT_EQ(Shown(builder.Build()),
            "MEAN_LOSS()=1:2 MEAN_ACCURACY()=1:0.5 EVALUATION_BEST_METRIC(validation)=3:3 "
            "EVALUATION_MACRO_F1(validation)=3:4 EVALUATION_MACRO_F1(test)=4:6 EVALUATION_LOG_LOSS(validation)=3:5 "
            "EVALUATION_R2(validation)=5:7 EVALUATION_MEAN_ABSOLUTE_ERROR(validation)=5:8 ");
}

// 100 layers over a long job: the answer and the work are bounded, and no curve is left out.
TEST(Series, OfManyLayersHasShorterCurves) {
  v1::GetSeriesRequest request;
  request.add_quantities(v1::QUANTITY_MEAN);
  request.add_quantities(v1::QUANTITY_UPDATE_RATIO);
  request.set_max_points(10'000);
  SeriesBuilder builder(request);
  for (uint64_t step = 0; step < 2000; ++step) ASSERT_TRUE(builder.Add(ReportOf(step * 500, 100)).ok());
  const v1::Series series = builder.Build();
  EXPECT_EQ(series.curves_size(), 200);
  EXPECT_LT(series.max_points(), 10'000);
  size_t points = 0;
  for (const auto& curve : series.curves()) {
    points += static_cast<size_t>(curve.steps_size());
    EXPECT_EQ(curve.steps(0), 0u);
    EXPECT_EQ(curve.steps(curve.steps_size() - 1), 1999u * 500);
    EXPECT_EQ(curve.total(), 2000);
  }
  EXPECT_LE(points, kMostSeriesPoints);
  EXPECT_GT(points, kMostSeriesPoints / 4);
  EXPECT_LT(series.ByteSizeLong(), 512u << 10);
}

TEST(Series, OfTooManyCurvesIsRefused) {
  v1::GetSeriesRequest request;
  request.add_quantities(v1::QUANTITY_MEAN);
  SeriesBuilder builder(request);
  absl::Status status;
  for (uint64_t step = 0; step < 20 && status.ok(); ++step) status = builder.Add(ReportOf(step, 9000));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 5000 curves"));
}

TEST(Series, NamesWhatItDoesNotTake) {
  v1::GetSeriesRequest request;
  core::FieldErrors::Root none;
  CheckSeriesRequest(request, none.scope());
  EXPECT_EQ(none.ToStatus().message(), "quantities: is required: which numbers to show");
  request.add_quantities(v1::QUANTITY_LOSS);
  request.add_quantities(v1::QUANTITY_UNSPECIFIED);
  request.add_quantities(v1::QUANTITY_LOSS);
  request.add_quantities(static_cast<v1::Quantity>(1000));
  request.set_first_step(5);
  request.set_last_step(4);
  request.set_max_points(7);
  request.set_after_sequence(-1);
  request.set_max_reports(257);
  core::FieldErrors::Root errors;
  CheckSeriesRequest(request, errors.scope());
  EXPECT_EQ(errors.ToStatus().message(),
            "quantities[1]: is not a quantity\nquantities[2]: stands there twice\nquantities[3]: is not a quantity\n"
            "last_step: is before first_step\nmax_points: must be from 8 to 10000\n"
            "after_sequence: must not be negative\nmax_reports: must be from 0 to 256");
  request.Clear();
  request.set_max_reports(1);
  core::FieldErrors::Root whose;
  CheckSeriesRequest(request, whose.scope());
  EXPECT_EQ(whose.ToStatus().message(), "layers: is required with max_reports: whose reports");
}

// Every quantity is of one kind of thing.
TEST(Series, KnowsEveryQuantity) {
  for (int i = 0; i < v1::Quantity_descriptor()->value_count(); ++i) {
    const int number = v1::Quantity_descriptor()->value(i)->number();
    if (number == v1::QUANTITY_UNSPECIFIED) continue;
    v1::GetSeriesRequest request;
    request.add_quantities(static_cast<v1::Quantity>(number));
    EXPECT_NE(SeriesBuilder(request).kinds(), 0u) << v1::Quantity_Name(number);
  }
}

TEST(Series, StopsWhenNobodyWaits) {
  MemoryJobStore store;
  EventLog log(&store);
  std::vector<v1::Event> events(10);
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].set_sequence(static_cast<int64_t>(i) + 1);
    events[i].set_step(i);
    events[i].mutable_train()->set_loss(1);
  }
  v1::Job job;
  job.set_name("jobs/a");
  const auto key = store.CreateJob(job, events);
  ASSERT_TRUE(key.ok());
  v1::GetSeriesRequest request;
  request.add_quantities(v1::QUANTITY_LOSS);
  const auto gone = ReadSeries(request, log, *key, 10, [] { return absl::CancelledError("gone"); });
  EXPECT_TRUE(absl::IsCancelled(gone.status()));
  const auto series = ReadSeries(request, log, *key, 10, [] { return absl::OkStatus(); });
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_EQ(series->last_sequence(), 10);
  EXPECT_EQ(series->curves(0).steps_size(), 10);
}

v1::Event SampledEvent(uint64_t step, int layers, int bins = 64) {
  v1::Event event;
  event.set_step(step);
  for (int i = 0; i < layers; ++i) {
    v1::LayerStatistics& layer = *event.mutable_statistics()->add_layers();
    layer.set_layer(absl::StrCat("fc", i));
    for (int bin = 0; bin < bins; ++bin) layer.mutable_histogram()->add_counts(static_cast<int64_t>(step) << 20);
    event.mutable_statistics()->add_parameters()->set_name(absl::StrCat("fc", i, ".weight"));
  }
  return event;
}

std::vector<uint64_t> StepsOf(const std::vector<v1::Series::Report>& reports) {
  std::vector<uint64_t> steps;
  for (const v1::Series::Report& report : reports) steps.push_back(report.step());
  return steps;
}

// Neighbours are no further apart than twice the mean, whatever their number, and both ends are there.
TEST(ReportSample, IsSpreadOverAll) {
  const absl::flat_hash_set<std::string> layers = {"fc1"};
  for (const uint64_t count : {1, 2, 3, 47, 48, 49, 95, 97, 1000, 1025, 5000}) {
    for (const size_t most : {size_t{1}, size_t{2}, size_t{48}}) {
      SCOPED_TRACE(absl::StrCat(most, " of ", count));
      ReportSample sample(most, layers);
      for (uint64_t step = 1; step <= count; ++step) sample.Add(SampledEvent(step, 2, 3));
      const auto reports = sample.Take();
      ASSERT_EQ(reports.size(), std::min<size_t>(most, count));
      EXPECT_EQ(reports.back().step(), count);
      for (const v1::Series::Report& report : reports) {
        ASSERT_EQ(report.statistics().layers_size(), 1);
        EXPECT_EQ(report.statistics().layers(0).layer(), "fc1");
        ASSERT_EQ(report.statistics().parameters_size(), 1);
        EXPECT_EQ(report.statistics().parameters(0).name(), "fc1.weight");
      }
      if (reports.size() < 2) continue;
      EXPECT_EQ(reports.front().step(), 1u);
      const std::vector<uint64_t> steps = StepsOf(reports);
      for (size_t i = 1; i < steps.size(); ++i) {
        EXPECT_LT(steps[i - 1], steps[i]);
        EXPECT_LE(steps[i] - steps[i - 1], 2 * (count / (steps.size() - 1) + 1));
      }
    }
  }
}

TEST(ReportSample, HoldsFewerWhereTheyAreLarge) {
  absl::flat_hash_set<std::string> layers;
  for (int i = 0; i < 400; ++i) layers.insert(absl::StrCat("fc", i));
  ReportSample sample(256, layers);
  for (uint64_t step = 1; step <= 200; ++step) sample.Add(SampledEvent(step, 400));
  const auto reports = sample.Take();
  size_t bytes = 0;
  for (const v1::Series::Report& report : reports) bytes += report.ByteSizeLong();
  EXPECT_LE(bytes, ReportSample::kMostBytes);
  EXPECT_GE(bytes, ReportSample::kMostBytes / 2);
  EXPECT_EQ(reports.back().step(), 200u);
}

TEST(ReportSample, PassesOverWhatHasNothingOfTheLayers) {
  const absl::flat_hash_set<std::string> layers = {"fc9"};
  ReportSample sample(8, layers);
  sample.Add(SampledEvent(1, 2));
  sample.Add(v1::Event());
  EXPECT_TRUE(sample.Take().empty());
}

class GetSeriesTest : public ServicesTest {};

// What an answer lacks comes with the next one that is asked for after it, and nothing twice.
TEST_F(GetSeriesTest, GoesOnAfterAnAnswer) {
  TrainedJob({12});
  v1::GetSeriesRequest request;
  request.set_name("jobs/a");
  request.add_quantities(v1::QUANTITY_LOSS);
  v1::Series whole, later;
  grpc::ClientContext first, second;
  ASSERT_TRUE(training_->GetSeries(&first, request, &whole).ok());
  ASSERT_EQ(whole.curves(0).steps_size(), 12);
  request.set_after_sequence(whole.last_sequence() - 5);
  ASSERT_TRUE(training_->GetSeries(&second, request, &later).ok());
  EXPECT_EQ(later.last_sequence(), whole.last_sequence());
  ASSERT_EQ(later.curves_size(), 1);
  const int count = later.curves(0).steps_size();
  EXPECT_THAT(count, AllOf(Ge(1), Le(5)));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(later.curves(0).steps(i), whole.curves(0).steps(12 - count + i));
  }
  request.set_after_sequence(whole.last_sequence());
  grpc::ClientContext third;
  ASSERT_TRUE(training_->GetSeries(&third, request, &later).ok());
  EXPECT_EQ(later.curves_size(), 0);
  EXPECT_EQ(later.last_sequence(), whole.last_sequence());
}

TEST_F(GetSeriesTest, ShowsWhatAJobHasReported) {
  TrainedJob({12});
  v1::GetSeriesRequest request;
  request.set_name("jobs/a");
  request.add_quantities(v1::QUANTITY_LOSS);
  request.set_max_points(8);
  v1::Series series;
  grpc::ClientContext context;
  const grpc::Status status = training_->GetSeries(&context, request, &series);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(series.curves_size(), 1);
  const auto& curve = series.curves(0);
  EXPECT_EQ(curve.total(), 12);
  EXPECT_LE(curve.steps_size(), 8);
  EXPECT_EQ(curve.steps(0), 1u);
  EXPECT_EQ(curve.values(0), 1);
  EXPECT_EQ(curve.steps(curve.steps_size() - 1), 12u);
  std::vector<v1::Event> later;
  v1::WatchJobRequest watch;
  watch.set_name("jobs/a");
  watch.set_after_sequence(series.last_sequence());
  EXPECT_TRUE(Watch(watch, &later).ok());
  EXPECT_TRUE(later.empty()) << "nothing is missing between the two";

  request.add_layers("none");
  grpc::ClientContext unknown;
  EXPECT_THAT(Fields(training_->GetSeries(&unknown, request, &series)), ElementsAre("layers[0]"));
}

}  // namespace
}  // namespace traind::server
