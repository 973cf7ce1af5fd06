// The engine against PyTorch: each case in data/ is a job, its initial weights, and what PyTorch (in float64) made of
// them in 20 steps (record.py). The job runs here as a user's would: the dataset is imported, the weights are read from
// a file, and the result is taken from the checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "core/base/kind.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/checkpoint/safetensors.h"
#include "core/data/dataset_dir.h"
#include "core/job/resolve.h"
#include "core/train/train.h"
#include "tests/paths.h"
#include "tests/support/bytes.h"
#include "tests/support/job_text.h"
#include "tests/support/recorder.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

namespace fs = std::filesystem;

// Relative, for every loss and every weight. A weight near zero is measured by its tensor's root mean square.
constexpr double kTolerance = 1e-4;

fs::path DataDir() { return SourcePath("tests/golden/data"); }

std::vector<std::string> CaseNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(DataDir())) {
    if (entry.path().extension() == ".textproto") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

v1::JobSpec ReadSpec(const std::string& name) { return JobFromText(ReadBytes(DataDir() / (name + ".textproto"))); }

// The tensors of a case's record whose names begin with `prefix`, without it.
std::vector<Tensor> WithPrefix(const Safetensors& record, absl::string_view prefix) {
  std::vector<Tensor> tensors;
  for (Tensor& tensor : record.LoadAll()) {
    absl::string_view name = tensor.name;
    if (!absl::ConsumePrefix(&name, prefix)) continue;
    tensor.name = std::string(name);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  v1::Dataset Import(const std::string& name) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id(name);
    v1::SplitSource& split = *request.add_splits();
    split.set_name("train");
    split.mutable_examples()->set_path(name + ".npz");
    ImportOptions options;
    options.resolve = [](const v1::DataFile& file) { return (DataDir() / file.path()).string(); };
    options.dir = folder_ / "dataset";
    absl::StatusOr<v1::Dataset> dataset = ImportDataset(request, options);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.value_or(v1::Dataset());
  }

  const TemporaryFolder folder_;
};

void ExpectSeries(const Safetensors& record, const std::string& name, const std::vector<v1::Event>& events,
                  const std::function<double(const v1::TrainMetrics&)>& value) {
  const absl::StatusOr<Tensor> expected = record.Load(name);
  ASSERT_TRUE(expected.ok()) << expected.status();
  ASSERT_EQ(events.size(), expected->values.size());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_NEAR(value(events[i].train()), expected->values[i], kTolerance * std::abs(expected->values[i]))
        << name << " of step " << i + 1;
  }
}

void ExpectTensor(const Tensor& actual, const Tensor& expected) {
  SCOPED_TRACE(expected.name);
  ASSERT_EQ(actual.shape, expected.shape);
  double squares = 0;
  for (const float v : expected.values) squares += double{v} * v;
  const double typical = std::sqrt(squares / static_cast<double>(expected.values.size()));
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double allowed = kTolerance * std::max(std::abs(double{expected.values[i]}), typical);
    EXPECT_NEAR(actual.values[i], expected.values[i], allowed) << "value " << i;
  }
}

TEST_P(GoldenTest, FollowsPyTorch) {
  const absl::StatusOr<Safetensors> record = Safetensors::Open(DataDir() / (GetParam() + ".safetensors"));
  ASSERT_TRUE(record.ok()) << record.status();
  v1::JobSpec spec = ReadSpec(GetParam());
  const v1::Dataset dataset = Import(spec.data().dataset());
  const std::vector<Tensor> initial = WithPrefix(*record, "initial.");
  const std::string weights_path = folder_ / "initial.safetensors";
  ASSERT_TRUE(WriteSafetensors(weights_path, SourcesOf(initial)).ok());
  spec.mutable_initial_weights()->set_model("models/initial");

  FieldErrors::Root errors;
  const ResolvedJob job = *ResolveJob(spec, &dataset, /*max_threads=*/2, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  const TrainRequest request{.job = "jobs/golden",
                             .spec = job.spec,
                             .algorithms = job.algorithms,
                             .dataset_dir = folder_ / "dataset",
                             .checkpoint_dir = folder_ / "checkpoints",
                             .weights_path = weights_path,
                             .threads = 2};
  Recorder recorder;
  const StopSignal stop = StopWish::kNone;
  const absl::StatusOr<TrainResult> result = Train(request, recorder, stop);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, spec.steps());

  const std::vector<v1::Event>& steps = recorder.Of(v1::Event::kTrain);
  ExpectSeries(*record, "loss", steps, [](const auto& m) { return m.loss(); });
  ExpectSeries(*record, "penalty", steps, [](const auto& m) { return m.penalty(); });
  ExpectSeries(*record, "gradient_norm", steps, [](const auto& m) { return m.gradient_norm(); });
  ExpectSeries(*record, "learning_rate", steps, [](const auto& m) { return m.learning_rate(); });

  const absl::StatusOr<CheckpointFiles> checkpoint = FindCheckpoint(request.checkpoint_dir, "latest");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->manifest.step(), spec.steps());
  const absl::StatusOr<Safetensors> weights = Safetensors::Open(checkpoint->weights_path());
  ASSERT_TRUE(weights.ok()) << weights.status();
  const std::vector<Tensor> final = WithPrefix(*record, "final.");
  EXPECT_EQ(weights->entries().size(), final.size());
  for (const Tensor& expected : final) {
    const absl::StatusOr<Tensor> actual = weights->Load(expected.name);
    ASSERT_TRUE(actual.ok()) << actual.status();
    ExpectTensor(*actual, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenTest, testing::ValuesIn(CaseNames()),
                         [](const auto& golden) { return golden.param; });

// Adds the full names of all messages that are set in `message`.
void CollectMessages(const google::protobuf::Message& message, std::set<std::string>* names) {
  names->insert(message.GetDescriptor()->full_name());
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      CollectMessages(reflection.GetMessage(message, field), names);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      CollectMessages(reflection.GetRepeatedMessage(message, field, i), names);
    }
  }
}

// A component that joins one of these families joins the record too.
TEST(GoldenCases, CoverEveryComponentThatPyTorchCanCheck) {
  std::set<std::string> covered;
  for (const std::string& name : CaseNames()) CollectMessages(ReadSpec(name), &covered);
  std::vector<std::string> missing;
  for (const auto* family : {v1::Activation::descriptor(), v1::Optimizer::descriptor(), v1::Schedule::descriptor(),
                             v1::Loss::descriptor(), v1::Regularizer::descriptor()}) {
    const auto* kinds = family->FindOneofByName("kind");
    for (int i = 0; i < kinds->field_count(); ++i) {
      if (IsExtension(*kinds->field(i))) continue;
      const std::string& kind = kinds->field(i)->message_type()->full_name();
      if (covered.count(kind) == 0) missing.push_back(kind);
    }
  }
  EXPECT_THAT(missing, testing::IsEmpty()) << "add cases to record.py";
}

}  // namespace
}  // namespace traind::core
