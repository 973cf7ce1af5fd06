// A job in a test of the step loop: its datasets, its request, and what its checkpoints hold.
#pragma once

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
#include "tests/paths.h"
#include "tests/support/file_formats.h"
#include "tests/support/recorder.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {

// Resolves `spec` for a dataset in folder/<id of the dataset>; the checkpoints go to folder/<name>.
inline TrainRequest RequestOf(const std::string& name, const v1::JobSpec& spec, const v1::Dataset& dataset,
                              const std::string& folder, int threads = 2) {
  FieldErrors::Root errors;
  ResolvedJob job = *ResolveJob(spec, &dataset, threads, errors.scope());
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
    recorder.stop = StopWish::kNone;
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

// What PredictSplit makes of the range, its parts put together; the shape is that of the last part.
inline absl::StatusOr<v1::PredictResponse> PredictWhole(const InferenceRequest& request,
                                                        const v1::PredictSplitRequest& input) {
  v1::PredictResponse whole;
  const auto add = [&whole](const v1::PredictResponse& part) {
    whole.clear_shape();
    whole.MergeFrom(part);
    return absl::OkStatus();
  };
  auto made = PredictSplit(request, input, add);
  if (!made.ok()) return made.status();
  return whole;
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

// Imports the same files for the splits "train" and "test", an NPZ (without labels) as two copies; paths are used as
// they are.
inline v1::Dataset ImportTwoSplits(const std::string& id, const std::string& folder, const std::string& examples,
                                   const std::string& labels = "") {
  v1::ImportDatasetRequest request;
  request.set_dataset_id(id);
  for (const char* name : {"train", "test"}) {
    auto* split = request.add_splits();
    split->set_name(name);
    std::string path = examples;
    if (labels.empty() && split->name() == "test") {
      path = absl::StrCat(folder, "/", id, ".copy");
      EXPECT_TRUE(std::filesystem::copy_file(examples, path));
    }
    split->mutable_examples()->set_path(path);
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
  Shape dims = shape;
  dims.insert(dims.begin(), count);
  const std::string x = absl::StrCat(folder, "/", id, ".x.npy"), y = absl::StrCat(folder, "/", id, ".y.npy");
  WriteBytes(x, NpyOf(examples, dims));
  WriteBytes(y, classes > 0 ? NpyOf(labels) : NpyOf(targets, {count, 1}));
  return ImportTwoSplits(id, folder, x, y);
}

// `count` texts of `length` token ids from 0 to vocabulary - 1. The i-th label is i % classes.
inline v1::Dataset ImportTokens(const std::string& id, const std::string& folder, int count, int64_t length,
                                int vocabulary, int classes) {
  std::vector<float> examples(count * length);
  for (size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<float>(i * 7919 % 4001 % vocabulary);
  std::vector<int32_t> labels;
  for (int i = 0; i < count; ++i) labels.push_back(i % classes);
  const std::string x = absl::StrCat(folder, "/", id, ".x.npy"), y = absl::StrCat(folder, "/", id, ".y.npy");
  WriteBytes(x, NpyOf(examples, {count, length}));
  WriteBytes(y, NpyOf(labels));
  return ImportTwoSplits(id, folder, x, y);
}

// The recorded images of tests/golden, as the dataset "images".
inline v1::Dataset ImportGoldenImages(const std::string& folder) {
  return ImportTwoSplits("images", folder, SourcePath("tests/golden/data/images.npz"));
}

}  // namespace traind::core
