// A job in a test of the step loop: its request, the sink that keeps its events, and what its checkpoints hold.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/data/dataset_dir.h"
#include "core/job/resolve.h"
#include "core/train/train.h"
#include "gtest/gtest.h"
#include "tests/core/test_files.h"
#include "tests/paths.h"

namespace traind::core {

// Keeps what a server would store, without the times, and can stop the run after a step.
class Recorder : public EventSink {
 public:
  void Emit(v1::Event event) override {
    event.clear_timing();
    by_kind_[event.kind_case()].push_back(std::move(event));
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  void Heartbeat(uint64_t step) override {
    if (step > 0 && step == stop_after) stop = true;
  }

  // In the order in which they came.
  const std::vector<v1::Event>& Of(v1::Event::KindCase kind) { return by_kind_[kind]; }
  // There must be one.
  const v1::Event& Last(v1::Event::KindCase kind) { return Of(kind).back(); }
  const v1::Event& At(v1::Event::KindCase kind, uint64_t step) {
    static const v1::Event kNone;
    for (const v1::Event& event : Of(kind)) {
      if (event.step() == step) return event;
    }
    ADD_FAILURE() << "no event of kind " << kind << " at step " << step;
    return kNone;
  }
  // Kind by kind, in order. Without checkpoints, which come when a job is stopped: for comparisons bit for bit.
  std::vector<std::string> Bytes() const {
    std::vector<std::string> bytes;
    for (const auto& [kind, events] : by_kind_) {
      if (kind == v1::Event::kCheckpoint) continue;
      for (const v1::Event& event : events) bytes.push_back(event.SerializeAsString());
    }
    return bytes;
  }

  uint64_t stop_after = 0;
  std::atomic<bool> stop = false;

 private:
  std::map<int, std::vector<v1::Event>> by_kind_;
};

// Resolves `spec` for a dataset in folder/<id of the dataset>; the checkpoints go to folder/<name>.
inline TrainRequest RequestOf(const std::string& name, const v1::JobSpec& spec, const v1::Dataset& dataset,
                              const std::string& folder, int threads = 2) {
  FieldErrors::Root errors;
  ResolvedJob job = ResolveJob(spec, &dataset, threads, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  TrainRequest request;
  request.job = absl::StrCat("jobs/", name);
  request.spec = job.spec;
  request.algorithms = job.algorithms;
  request.dataset_dir = absl::StrCat(folder, "/", absl::StripPrefix(dataset.name(), "datasets/"));
  request.checkpoint_dir = absl::StrCat(folder, "/", name);
  request.threads = threads;
  return request;
}

// Trains, from the newest checkpoint where there is one, until each of these steps in turn; 0: to the end.
inline void TrainInParts(const TrainRequest& request, Recorder& recorder, const std::vector<uint64_t>& stops) {
  for (const uint64_t stop : stops) {
    recorder.stop = false;
    recorder.stop_after = stop;
    const auto result = Train(request, recorder, recorder.stop);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->stopped, stop != 0);
    if (stop != 0) {
      EXPECT_EQ(result->step, stop);
    }
  }
}

// The newest checkpoint's weights by name, and with `state` the optimizer's tensors, masks and so on.
inline std::map<std::string, std::vector<float>> Weights(const TrainRequest& request, bool state = false) {
  auto newest = LoadNewestCheckpoint(request.checkpoint_dir);
  EXPECT_TRUE(newest.ok()) << newest.status();
  std::map<std::string, std::vector<float>> tensors;
  if (!newest.ok()) return tensors;
  for (Tensor& tensor : newest->weights.LoadAll()) tensors[tensor.name] = std::move(tensor.values);
  if (!state) return tensors;
  for (Tensor& tensor : newest->state.LoadAll()) tensors[tensor.name] = std::move(tensor.values);
  return tensors;
}

// What holds of every report on finite values.
inline void ExpectSound(const v1::StatisticsReport& report) {
  EXPECT_GT(report.layers_size(), 0);
  for (const auto& layer : report.layers()) {
    SCOPED_TRACE(layer.layer());
    EXPECT_EQ(layer.units(), layer.shape(0));
    EXPECT_EQ(layer.nan_count() + layer.inf_count(), 0);
    EXPECT_LE(layer.min(), layer.max());
    int64_t in_bins = 0;
    for (int64_t count : layer.histogram().counts()) in_bins += count;
    EXPECT_EQ(in_bins, layer.count());
  }
}

// Imports files of the same form for the splits "train" and "test"; paths are used as they are.
inline v1::Dataset ImportTwoSplits(const std::string& id, const std::string& folder, const std::string& examples,
                                   const std::string& labels = "") {
  v1::ImportDatasetRequest request;
  request.set_dataset_id(id);
  for (const char* name : {"train", "test"}) {
    auto* split = request.add_splits();
    split->set_name(name);
    split->mutable_examples()->set_path(examples);
    if (!labels.empty()) split->mutable_labels()->set_path(labels);
  }
  ImportOptions options;
  options.resolve = [](const v1::DataFile& file) { return absl::StatusOr<std::string>(file.path()); };
  options.dir = absl::StrCat(folder, "/", id);
  auto dataset = ImportDataset(request, options);
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  return dataset.ok() ? *dataset : v1::Dataset();
}

// The i-th number of ImportNumbers: in [-1, 1], repeating after a long while.
inline float Number(int i) { return static_cast<float>((i * 7919 + 13) % 2001) / 1000.0f - 1.0f; }

// `count` examples of this shape. The i-th label is i % classes; with 0 classes the targets are floats, one for each
// example: targets[i] = 3 Number(i).
inline v1::Dataset ImportNumbers(const std::string& id, const std::string& folder, int count, const Shape& shape,
                                 int classes) {
  std::vector<float> examples(count * Elements(shape));
  for (size_t i = 0; i < examples.size(); ++i) examples[i] = Number(static_cast<int>(i));
  std::vector<int32_t> labels;
  std::vector<float> targets;
  for (int i = 0; i < count; ++i) {
    labels.push_back(classes > 0 ? i % classes : 0);
    targets.push_back(3 * Number(i));
  }
  std::string dims = absl::StrCat("(", count);
  for (int64_t d : shape) absl::StrAppend(&dims, ", ", d);
  const std::string x = absl::StrCat(folder, "/", id, ".x.npy"), y = absl::StrCat(folder, "/", id, ".y.npy");
  WriteBytes(x, Npy("<f4", absl::StrCat(dims, ")"), RawBytes(examples)));
  WriteBytes(y, classes > 0 ? Npy("<i4", absl::StrCat("(", count, ",)"), RawBytes(labels))
                            : Npy("<f4", absl::StrCat("(", count, ", 1)"), RawBytes(targets)));
  return ImportTwoSplits(id, folder, x, y);
}

// The recorded images of tests/golden, as the dataset "images".
inline v1::Dataset ImportGoldenImages(const std::string& folder) {
  return ImportTwoSplits("images", folder, SourcePath("tests/golden/data/images.npz"));
}

}  // namespace traind::core
