// A small job for the tests of how jobs end and go on: shuffled, augmented, with dropout and dead units to count.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/onednn/onednn.h"
#include "core/train/train.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/train_run.h"

namespace traind::core {

// Can kill the run: the given one of its flushes, from 1, fails, before the checkpoint that asked for it can be seen.
class KillableRecorder : public Recorder {
 public:
  absl::Status Flush() override { return ++flushes == kill_at ? absl::UnavailableError("killed") : absl::OkStatus(); }
  int flushes = 0;
  int kill_at = 0;
};

class JobLife : public testing::Test {
 protected:
  // Epochs have 10 steps; 30 steps unless `more` says otherwise.
  TrainRequest Request(const std::string& name, const std::string& more = "") {
    v1::JobSpec spec;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
        network {
          layers { name: "conv" conv2d { out_channels: 5 kernel: 3 padding { mode: MODE_SAME } bias: false } }
          layers { name: "norm" batch_norm {} activation { relu {} } }
          layers { name: "pool" max_pool { kernel: 2 } }
          layers { name: "drop" dropout { rate: 0.2 } }
          layers { name: "hidden" dense { units: 16 } activation { relu {} } }
          layers { name: "out" dense { units: 5 } }
        }
        data {
          dataset: "images"
          preprocessing { standardize { grouping: GROUPING_PER_FEATURE } }
          augmentation { horizontal_flip {} }
        }
        optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 }
        batch_size: 8 seed: 7 statistics { every_steps: 4 } checkpoint { every { seconds: 0 } }
        metrics_every_steps: 1)",
                                                              &spec));
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(more, &spec));
    if (spec.duration_case() == v1::JobSpec::DURATION_NOT_SET) spec.set_steps(30);
    return RequestOf(name, spec, dataset_, folder_.path(), /*threads=*/1);
  }

  static TrainResult Run(const TrainRequest& request, Recorder& recorder, uint64_t stop_after = 0) {
    recorder.stop = StopWish::kNone;
    recorder.stop_after = stop_after;
    const auto result = Train(request, recorder, recorder.stop);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(TrainResult{});
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const v1::Dataset dataset_ = ImportGoldenImages(folder_.path());
};

// What was told, each thing once: after a kill it comes again. Without checkpoints and what was before `after_step`.
inline std::set<std::string> Told(Recorder& recorder, uint64_t after_step = 0) {
  std::set<std::string> told;
  for (const auto kind : {v1::Event::kTrain, v1::Event::kEvaluation, v1::Event::kStatistics, v1::Event::kLog,
                          v1::Event::kPreprocessing, v1::Event::kTest}) {
    for (const v1::Event& event : recorder.Of(kind)) {
      if (event.step() >= after_step) told.insert(event.DebugString());
    }
  }
  return told;
}

inline std::vector<std::string> PrecisionsHere() {
  std::vector<std::string> precisions = {"precision: PRECISION_F32 "};
  if (onednn::SupportsBf16()) precisions.emplace_back("precision: PRECISION_BF16 ");
  return precisions;
}

}  // namespace traind::core
