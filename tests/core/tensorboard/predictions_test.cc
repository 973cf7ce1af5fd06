// What is counted of predictions, and how TensorBoard's messages say it.
#include "core/tensorboard/predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "core/tensorboard/event_file.h"
#include "core/tensorboard/framing.h"
#include "core/tensorboard/wire.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::tensorboard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of examples from `first` on, with a row of probabilities each.
v1::PredictResponse Part(int64_t first, const std::vector<int64_t>& labels,
                         const std::vector<std::vector<float>>& rows) {
  v1::PredictResponse part;
  part.set_first(first);
  part.add_shape(static_cast<int64_t>(rows.size()));
  part.add_shape(static_cast<int64_t>(rows[0].size()));
  for (const std::vector<float>& row : rows) {
    part.mutable_probabilities()->Add(row.begin(), row.end());
    part.add_classes(std::max_element(row.begin(), row.end()) - row.begin());
  }
  *part.mutable_outputs() = part.probabilities();
  part.mutable_labels()->Add(labels.begin(), labels.end());
  return part;
}

v1::Job SampleJob() {
  v1::Job job;
  job.set_name("jobs/cnn");
  job.set_uid("0123456789abcdef");
  job.mutable_create_time()->set_seconds(1'700'000'000);
  job.mutable_trained_on()->add_class_names("cat");
  job.mutable_trained_on()->add_class_names("dog");
  return job;
}

v1::Checkpoint SampleCheckpoint() {
  v1::Checkpoint checkpoint;
  checkpoint.set_name("jobs/cnn/checkpoints/400");
  checkpoint.set_step(400);
  checkpoint.mutable_create_time()->set_seconds(1'700'000'100);
  return checkpoint;
}

Record Parsed(absl::string_view framed) {
  absl::string_view bytes;
  Record record;
  EXPECT_TRUE(TakeFramed(framed, bytes));
  EXPECT_TRUE(framed.empty());
  EXPECT_TRUE(record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return record;
}

// Each number counted by what it means.
TEST(PredictionTally, CurvesAreThoseOfTheDefinition) {
  constexpr int64_t kClasses = 3;
  std::mt19937 random(5);
  std::vector<int64_t> labels;
  std::vector<std::vector<float>> rows = {{1, 0, 0}, {0.5f, 0.5f, 0}, {0.005f, 0.995f, 0}, {0.25f, 0.75f, 0}};
  while (rows.size() < 500) {
    const float a = static_cast<float>(random() % 1000) / 1000, b = static_cast<float>(random() % 1000) / 1000;
    rows.push_back({a, (1 - a) * b, (1 - a) * (1 - b)});
  }
  for (size_t i = 0; i < rows.size(); ++i) labels.push_back(static_cast<int64_t>(random() % 2));  // None is 2.
  PredictionTally tally(kClasses);
  for (size_t first = 0; first < rows.size(); first += 100) {
    ASSERT_TRUE(tally
                    .Add(Part(static_cast<int64_t>(first), {labels.begin() + first, labels.begin() + first + 100},
                              {rows.begin() + first, rows.begin() + first + 100}))
                    .ok());
  }
  EXPECT_EQ(tally.examples(), 500);
  ASSERT_EQ(tally.curves(), kClasses);
  for (int64_t c = 0; c < kClasses; ++c) {
    const std::vector<float> curve = tally.Curve(c);
    ASSERT_EQ(curve.size(), 6u * kThresholds);
    for (int64_t t = 0; t < kThresholds; ++t) {
      int64_t tp = 0, fp = 0, tn = 0, fn = 0;
      for (size_t i = 0; i < rows.size(); ++i) {
        const bool positive = rows[i][c] >= static_cast<double>(t) / 200, is = labels[i] == c;
        (positive ? (is ? tp : fp) : (is ? fn : tn)) += 1;
      }
      const double precision = tp == 0 ? 0 : static_cast<double>(tp) / static_cast<double>(tp + fp);
      const double recall = tp == 0 ? 0 : static_cast<double>(tp) / static_cast<double>(tp + fn);
      std::vector<float> column;
      for (int64_t row = 0; row < 6; ++row) column.push_back(curve[row * kThresholds + t]);
      ASSERT_THAT(column, ElementsAre(tp, fp, tn, fn, static_cast<float>(precision), static_cast<float>(recall)))
          << "class " << c << ", threshold " << t;
    }
  }
}

TEST(PredictionTally, KeepsTheSurestMistakes) {
  PredictionTally tally(2);
  for (int64_t i = 0; i < 1000; ++i) {
    const float sure = 0.5f + static_cast<float>(i * 7 % 100) / 1000;   // Many are equal.
    ASSERT_TRUE(tally.Add(Part(i, {i % 2}, {{1 - sure, sure}})).ok());  // Of two, those of label 0 are wrong.
  }
  EXPECT_EQ(tally.wrong(), 490) << "where both are 0.5, the first one is said, and right";
  ASSERT_EQ(tally.mistakes().size(), kMostMistakes);
  const std::vector<Mistake>& kept = tally.mistakes();
  EXPECT_EQ(kept[0].example % 2, 0);
  EXPECT_FLOAT_EQ(kept[0].sure, 0.598f);
  for (size_t i = 1; i < kept.size(); ++i) {
    EXPECT_TRUE(kept[i - 1].sure > kept[i].sure ||
                (kept[i - 1].sure == kept[i].sure && kept[i - 1].example < kept[i].example));
  }
}

TEST(PredictionTally, IsBounded) {
  PredictionTally tally(250);
  std::vector<float> row(250);
  row[249] = 1;
  ASSERT_TRUE(tally.Add(Part(0, {3}, {row})).ok());
  EXPECT_EQ(tally.curves(), 200);
  EXPECT_EQ(tally.Curve(199).size(), 6u * kThresholds);
  EXPECT_EQ(tally.mistakes()[0].said, 249);
}

TEST(PredictionTally, ScoresHaveMistakesAndNoCurves) {
  v1::PredictResponse part = Part(7, {0}, {{-1, 3.5f}});
  part.clear_probabilities();
  PredictionTally tally(2);
  ASSERT_TRUE(tally.Add(part).ok());
  EXPECT_EQ(tally.curves(), 0);
  ASSERT_EQ(tally.mistakes().size(), 1u);
  EXPECT_EQ(tally.mistakes()[0].example, 7);
  EXPECT_EQ(tally.mistakes()[0].sure, 3.5f);
}

TEST(PredictionTally, RefusesWhatItCannotCount) {
  const v1::PredictResponse sound = Part(7, {0}, {{0.25f, 0.75f}});
  const auto refused = [&](auto&& change) {
    v1::PredictResponse part = sound;
    change(part);
    return PredictionTally(2).Add(part);
  };
  EXPECT_EQ(refused([](auto& part) { part.clear_classes(); }).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& part) { part.clear_labels(); }).code(), absl::StatusCode::kInvalidArgument);
  const absl::Status nan =
      refused([](auto& part) { part.set_probabilities(0, std::numeric_limits<float>::quiet_NaN()); });
  EXPECT_EQ(nan.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(nan.message()), HasSubstr("example 7"));
  const std::vector<void (*)(v1::PredictResponse&)> unsound = {
      [](auto& part) { part.set_labels(0, 2); },       [](auto& part) { part.set_labels(0, -1); },
      [](auto& part) { part.set_classes(0, 2); },      [](auto& part) { part.add_classes(0); },
      [](auto& part) { part.add_labels(0); },          [](auto& part) { part.add_probabilities(0); },
      [](auto& part) { part.add_outputs(0); },         [](auto& part) { part.set_shape(0, 2); },
      [](auto& part) { part.set_shape(0, 1l << 62); }, [](auto& part) { part.set_shape(1, 1); },
      [](auto& part) { part.clear_shape(); },          [](auto& part) { part.set_shape(0, -1); }};
  for (size_t i = 0; i < unsound.size(); ++i) {
    EXPECT_EQ(refused(unsound[i]).code(), absl::StatusCode::kInternal) << i;
  }
  PredictionTally tally(2);
  ASSERT_TRUE(tally.Add(sound).ok());
  v1::PredictResponse scores = sound;
  scores.clear_probabilities();
  EXPECT_EQ(tally.Add(scores).code(), absl::StatusCode::kInternal) << "not both";
}

TEST(PredictionRecords, AreTensorBoardsMessages) {
  const v1::Job job = SampleJob();
  const v1::Checkpoint checkpoint = SampleCheckpoint();
  const std::string split = "test";
  PredictionTally tally(3);
  ASSERT_TRUE(tally.Add(Part(0, {0, 0, 2}, {{0.25f, 0.75f, 0}, {0.125f, 0.875f, 0}, {1, 0, 0}})).ok());
  PredictionRecords records(job, checkpoint, split);
  EXPECT_EQ(Parsed(records.Begin()).file_version(), "brain.Event:2");
  EXPECT_EQ(records.Curve(tally, 1), records.Curve(tally, 1));
  const Record curve = Parsed(records.Curve(tally, 1));
  EXPECT_EQ(curve.step(), 400);
  EXPECT_EQ(curve.wall_time(), 1.7e9 + 100);
  const Summary::Value& value = curve.summary().value(0);
  EXPECT_EQ(value.tag(), "pr_curves/dog");
  EXPECT_EQ(value.metadata().plugin_data().plugin_name(), "pr_curves");
  EXPECT_EQ(value.metadata().plugin_data().content(), std::string("\x10\xC9\x01")) << "field 2: 201";
  EXPECT_EQ(value.tensor().dtype(), 1);
  EXPECT_EQ(value.tensor().tensor_shape().dim(0).size(), 6);
  EXPECT_EQ(value.tensor().tensor_shape().dim(1).size(), 201);
  EXPECT_EQ(value.tensor().float_val_size(), 6 * 201);
  EXPECT_EQ(value.tensor().float_val(201), 3) << "all are positive at the threshold 0";
  const Picture picture{.height = 2, .width = 5, .stretched = false, .png = "a picture"};
  std::vector<std::string> tags;
  for (const Mistake& one : tally.mistakes()) {
    const Record record = Parsed(records.Mistaken(tally, one, picture));
    tags.push_back(record.summary().value(0).tag());
    EXPECT_EQ(record.summary().value(0).metadata().plugin_data().plugin_name(), "images");
    EXPECT_EQ(record.summary().value(0).tensor().dtype(), 7);
    EXPECT_EQ(record.summary().value(0).tensor().tensor_shape().dim(0).size(), 3);
    EXPECT_THAT(record.summary().value(0).tensor().string_val(), ElementsAre("5", "2", "a picture"));
  }
  EXPECT_THAT(tags, ElementsAre("mistakes/2_as_cat/0", "mistakes/cat_as_dog/0", "mistakes/cat_as_dog/1"));
  const Record third = Parsed(records.Mistaken(tally, tally.mistakes()[1], picture));
  EXPECT_EQ(third.summary().value(0).metadata().summary_description(),
            "Example 1 of test: cat, taken for dog with 87.5 % by jobs/cnn/checkpoints/400");
}

TEST(EventFile, KnowsTheFileOfItsPredictions) {
  const TemporaryFolder folder;
  std::string path, predictions;
  {
    const auto file = EventFile::Open(folder.path(), SampleJob());
    ASSERT_TRUE(file.ok());
    path = file->path();
    predictions = file->predictions_path();
  }
  EXPECT_EQ(predictions, folder.path() + "/cnn/events.out.tfevents.1700000000.predictions");
  EXPECT_LT(predictions, path) << "TensorBoard goes back to no file";
  WriteBytes(predictions, "bytes");
  EXPECT_EQ(EventFile::Open(folder.path(), SampleJob())->path(), path) << "it is of the same job";
  v1::Job later = SampleJob();
  later.mutable_create_time()->set_seconds(1'800'000'000);
  EXPECT_NE(EventFile::Open(folder.path(), later)->path(), path);
}

}  // namespace
}  // namespace traind::tensorboard
