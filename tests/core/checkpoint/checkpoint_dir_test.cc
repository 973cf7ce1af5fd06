#include "core/checkpoint/checkpoint_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/checksum.h"
#include "core/base/file.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Counts the durable operations of a save, and ends the process or fails at the one chosen.
struct FaultPlan {
  int count = 0;
  int at = -1;
  bool crash = false;
};
FaultPlan plan;

int CountAndFail(absl::string_view, const std::string&) {
  if (plan.count++ != plan.at) return 0;
  if (plan.crash) _exit(0);
  return ENOSPC;
}

class CheckpointDirTest : public ::testing::Test {
 protected:
  void TearDown() override { SetFileFaultForTest(nullptr); }

  // The tensors say which step (and which version of it) they belong to.
  absl::Status Save(uint64_t step, SaveOptions options = {}, float version = 0, double loss = NAN) {
    const std::vector<Tensor> weights = {{"fc.weight", {2}, {static_cast<float>(step), version}}};
    const std::vector<Tensor> state = {{"fc.weight/momentum", {1}, {static_cast<float>(2 * step)}}};
    const std::vector<Tensor> preprocessing = {{"preprocessing.0.mean", {1}, {0.5f}}};
    const auto weight_sources = SourcesOf(weights);
    const auto state_sources = SourcesOf(state);
    const auto preprocessing_sources = SourcesOf(preprocessing);
    CheckpointContent content = {
        .manifest = {}, .weights = weight_sources, .state = state_sources, .preprocessing = preprocessing_sources};
    content.manifest.set_step(step);
    content.manifest.mutable_spec()->set_display_name("job");
    content.manifest.set_best_evaluation_loss(NAN);
    if (!std::isnan(loss)) content.manifest.set_evaluation_loss(loss);
    if (!metric_.empty()) {
      content.manifest.mutable_spec()->mutable_checkpoint()->set_best_metric(metric_);
      content.manifest.set_evaluation_value(loss);
      content.manifest.set_evaluation_loss(1);
    }
    return SaveCheckpoint(dir_, content, options);
  }
  std::vector<int> Steps() {
    std::vector<int> steps;
    auto list = ListCheckpoints(dir_);
    EXPECT_TRUE(list.ok()) << list.status();
    for (const CheckpointFiles& files : *list) steps.push_back(static_cast<int>(files.manifest.step()));
    return steps;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<float> NewestWeights() {
    auto loaded = LoadNewestCheckpoint(dir_);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? loaded->weights.Load("fc.weight")->values : std::vector<float>();
  }
  std::string StepFile(const std::string& step, const std::string& name) { return dir_ + "/step-" + step + "/" + name; }

  TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const std::string dir_ = folder_ / "jobs/a/checkpoints";
  std::string metric_;  // Not the loss, but this, is what Save is told.
};

TEST_F(CheckpointDirTest, SavesAndLoadsEverything) {
  ASSERT_TRUE(Save(7, {}, 0, 1.25).ok());
  auto loaded = LoadNewestCheckpoint(dir_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->files.manifest.step(), 7u);
  EXPECT_EQ(loaded->files.manifest.spec().display_name(), "job");
  EXPECT_EQ(loaded->files.manifest.evaluation_loss(), 1.25);
  EXPECT_TRUE(std::isnan(loaded->files.manifest.best_evaluation_loss()));
  EXPECT_THAT(loaded->weights.Load("fc.weight")->values, ElementsAre(7, 0));
  EXPECT_THAT(loaded->state.Load("fc.weight/momentum")->values, ElementsAre(14));
  ASSERT_TRUE(loaded->preprocessing.has_value());
  EXPECT_THAT(loaded->preprocessing->Load("preprocessing.0.mean")->values, ElementsAre(0.5f));
  EXPECT_THAT(loaded->skipped, IsEmpty());
  EXPECT_EQ(loaded->files.weights_file().size_bytes(),
            static_cast<int64_t>(std::filesystem::file_size(loaded->files.weights_path())));
  EXPECT_THAT(Names(), ElementsAre("step-000000000007"));
}

TEST_F(CheckpointDirTest, WithoutPreprocessingThereIsNoFile) {
  CheckpointContent content;
  ASSERT_TRUE(SaveCheckpoint(dir_, content, {}).ok());
  auto loaded = LoadNewestCheckpoint(dir_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->preprocessing.has_value());
  EXPECT_EQ(loaded->files.preprocessing_path(), "");
}

TEST_F(CheckpointDirTest, ALinkedCheckpointOutlivesTheOneThatItIsOf) {
  ASSERT_TRUE(Save(7, {}, 3, 1.25).ok());
  const std::string other = folder_ / "jobs/b/checkpoints";
  auto files = FindCheckpoint(dir_, "latest");
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_TRUE(LinkCheckpoint(*files, other).ok());
  std::filesystem::remove_all(dir_);
  auto loaded = LoadNewestCheckpoint(other);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->files.manifest.step(), 7u);
  EXPECT_THAT(loaded->weights.Load("fc.weight")->values, ElementsAre(7, 3));
  EXPECT_TRUE(loaded->preprocessing.has_value());
  EXPECT_EQ(LinkCheckpoint(*files, folder_ / "jobs/c/checkpoints").code(), absl::StatusCode::kNotFound) << "it is gone";
}

TEST_F(CheckpointDirTest, AnEmptyFolderHasNone) {
  EXPECT_THAT(Steps(), IsEmpty());
  EXPECT_EQ(LoadNewestCheckpoint(dir_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FindCheckpoint(dir_, "latest").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CheckpointDirTest, KeepsTheLastAndTheBest) {
  const double losses[] = {5, 2, 3, 4, NAN, 6};
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Save(10 * i, {.keep_last = 2}, 0, losses[i]).ok());
  EXPECT_THAT(Steps(), ElementsAre(10, 40, 50));
  EXPECT_THAT(Names(), ElementsAre("step-000000000010", "step-000000000040", "step-000000000050"));
  EXPECT_EQ(FindCheckpoint(dir_, "best")->manifest.step(), 10u);
  EXPECT_EQ(FindCheckpoint(dir_, "latest")->manifest.step(), 50u);
  EXPECT_EQ(FindCheckpoint(dir_, "40")->manifest.step(), 40u);
  EXPECT_EQ(FindCheckpoint(dir_, "41").status().message(), "no checkpoint of step 41; there are: 10, 40, 50");
  EXPECT_EQ(FindCheckpoint(dir_, "../x").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CheckpointDirTest, TheSameStepIsReplaced) {
  ASSERT_TRUE(Save(5, {}, 1).ok());
  ASSERT_TRUE(Save(5, {}, 2).ok());
  EXPECT_THAT(NewestWeights(), ElementsAre(5, 2));
  EXPECT_THAT(Names(), ElementsAre("step-000000000005"));
}

TEST_F(CheckpointDirTest, EventsAreFlushedBeforeItCanBeSeen) {
  std::vector<int> seen = {-1};
  ASSERT_TRUE(Save(1, {.before_publish =
                           [&] {
                             seen = Steps();
                             return absl::OkStatus();
                           }})
                  .ok());
  EXPECT_THAT(seen, IsEmpty());
  const absl::Status status = Save(2, {.before_publish = [] { return absl::UnavailableError("no server"); }});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Names(), ElementsAre("step-000000000001"));
}

TEST_F(CheckpointDirTest, AnOlderOneIsUsedWhenTheNewestIsDamaged) {
  for (int step : {1, 2, 3}) ASSERT_TRUE(Save(step, {.keep_last = 3}).ok());
  for (const char* name :
       {"weights.safetensors", "state.safetensors", "preprocessing.safetensors", "manifest.json", "manifest.crc32"}) {
    const std::string path = StepFile("000000000003", name);
    const std::string good = ReadBytes(path);
    std::string flipped = good;
    flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
    for (const std::string& bytes : {flipped, good.substr(0, good.size() - 1), std::string(), good + "x"}) {
      WriteBytes(path, bytes);
      auto loaded = LoadNewestCheckpoint(dir_);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ(loaded->files.manifest.step(), 2u) << name;
      ASSERT_EQ(loaded->skipped.size(), 1u);
      EXPECT_THAT(loaded->skipped[0], HasSubstr("step-000000000003")) << name;
    }
    std::filesystem::remove(path);
    EXPECT_EQ(LoadNewestCheckpoint(dir_)->files.manifest.step(), 2u) << name;
    WriteBytes(path, good);
  }
  EXPECT_EQ(LoadNewestCheckpoint(dir_)->files.manifest.step(), 3u);
  for (const char* step : {"000000000001", "000000000002", "000000000003"}) {
    WriteBytes(StepFile(step, "state.safetensors"), "x");
  }
  const absl::Status status = LoadNewestCheckpoint(dir_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("state.safetensors: 1 bytes instead of"));
}

// Each bit of each file; it takes 0.1 s for a thousand.
TEST_F(CheckpointDirTest, NoFlippedBitPasses) {
  for (int step : {1, 2}) ASSERT_TRUE(Save(step).ok());
  for (const char* name :
       {"weights.safetensors", "state.safetensors", "preprocessing.safetensors", "manifest.json", "manifest.crc32"}) {
    const std::string path = StepFile("000000000002", name);
    const std::string good = ReadBytes(path);
    std::string bytes = good;
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      WriteBytes(path, bytes);
      auto loaded = LoadNewestCheckpoint(dir_);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      ASSERT_EQ(loaded->files.manifest.step(), 1u) << "bit " << bit << " of " << name;
      bytes[bit / 8] = good[bit / 8];
    }
    WriteBytes(path, good);
  }
  EXPECT_EQ(LoadNewestCheckpoint(dir_)->files.manifest.step(), 2u);
}

// Versions before 0.3 wrote enum values without their enum's name.
TEST_F(CheckpointDirTest, AManifestOfAnOlderVersionIsRead) {
  ASSERT_TRUE(Save(1).ok());
  const std::string path = StepFile("000000000001", "manifest.json");
  std::string json = ReadBytes(path);
  const std::string now = R"("display_name": "job")";
  ASSERT_NE(json.find(now), std::string::npos) << json;
  json.replace(json.find(now), now.size(), R"("sampling": "SHUFFLED", "precision": "F32",
    "network": {"layers": [{"name": "a", "max_pool": {"kernel": [2], "padding": {"mode": "SAME"}}}],
                "regularizers": [{"l2": {"strength": 0.1}, "groups": ["WEIGHTS"]}]})");
  WriteBytes(path, json);
  WriteBytes(StepFile("000000000001", "manifest.crc32"), Crc32Hex(json) + "\n");
  const auto loaded = LoadNewestCheckpoint(dir_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const v1::JobSpec& spec = loaded->files.manifest.spec();
  EXPECT_EQ(spec.sampling(), v1::SAMPLING_SHUFFLED);
  EXPECT_EQ(spec.precision(), v1::PRECISION_F32);
  EXPECT_EQ(spec.network().layers(0).max_pool().padding().mode(), v1::Padding::MODE_SAME);
  EXPECT_THAT(spec.network().regularizers(0).groups(), ElementsAre(v1::PARAMETER_GROUP_WEIGHTS));
  EXPECT_TRUE(std::isnan(loaded->files.manifest.best_evaluation_loss()));
}

TEST_F(CheckpointDirTest, AManifestIsReadAsLargeAsItIsWritten) {
  const auto save = [&](uint64_t step, size_t bytes) {
    CheckpointContent content;
    content.manifest.set_step(step);
    content.manifest.mutable_spec()->set_display_name(std::string(bytes, 'x'));
    return SaveCheckpoint(dir_, content, {});
  };
  EXPECT_TRUE(save(1, size_t{20} << 20).ok());
  EXPECT_TRUE(FindCheckpoint(dir_, "latest").ok());
  const absl::Status refused = save(2, size_t{129} << 20);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("more than the 134217728 that are read"));
  EXPECT_THAT(Steps(), ElementsAre(1)) << "what there was stays";
}

TEST_F(CheckpointDirTest, AnotherFormatVersionIsNamed) {
  ASSERT_TRUE(Save(1).ok());
  const std::string path = StepFile("000000000001", "manifest.json");
  std::string json = ReadBytes(path);
  json.replace(json.find("\"format_version\": 1"), 19, "\"format_version\": 2");
  WriteBytes(path, json);
  WriteBytes(StepFile("000000000001", "manifest.crc32"), Crc32Hex(json) + "\n");
  EXPECT_THAT(std::string(LoadNewestCheckpoint(dir_).status().message()), HasSubstr("format version 2 is not known"));
}

// The process ends before each durable operation of a save in turn. Whatever the moment: the checkpoint from before or
// the new one is found, sound, and the next save works and cleans up.
TEST_F(CheckpointDirTest, ACrashAtAnyMomentLosesNothing) {
  for (const bool same_step : {false, true}) {
    bool finished = false;
    int crashes = 0;
    for (int at = 0; !finished; ++at) {
      std::filesystem::remove_all(dir_);
      ASSERT_TRUE(Save(1, {.keep_last = 1}, 1).ok());
      ASSERT_TRUE(Save(2, {.keep_last = 1}, 1).ok());
      const uint64_t step = same_step ? 2 : 3;
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        plan = {.count = 0, .at = at, .crash = true};
        SetFileFaultForTest(&CountAndFail);
        const bool ok = Save(step, {.keep_last = 1}, 2).ok();
        _exit(ok ? 1 : 2);
      }
      int result = 0;
      ASSERT_EQ(waitpid(child, &result, 0), child);
      ASSERT_TRUE(WIFEXITED(result));
      ASSERT_NE(WEXITSTATUS(result), 2);
      finished = WEXITSTATUS(result) == 1;
      crashes += finished ? 0 : 1;

      const std::vector<float> weights = NewestWeights();
      const std::vector<float> before = {2, 1};
      const std::vector<float> after = {static_cast<float>(step), 2};
      EXPECT_TRUE(weights == before || weights == after) << "crash at operation " << at;
      EXPECT_TRUE(!finished || weights == after);
      for (const std::string& name : Names()) EXPECT_EQ(name.rfind("step-", 0), 0u) << name << " after " << at;
      ASSERT_TRUE(Save(4, {.keep_last = 1}, 3).ok());
      EXPECT_THAT(Names(), ElementsAre("step-000000000004")) << "crash at operation " << at;
    }
    EXPECT_GT(crashes, 15);
  }
}

TEST_F(CheckpointDirTest, AFullDiskAtAnyMomentKeepsAWholeCheckpoint) {
  for (const bool same_step : {false, true}) {
    bool finished = false;
    for (int at = 0; !finished; ++at) {
      std::filesystem::remove_all(dir_);
      ASSERT_TRUE(Save(2, {.keep_last = 1}, 1).ok());
      const uint64_t step = same_step ? 2 : 3;
      plan = {.count = 0, .at = at, .crash = false};
      SetFileFaultForTest(&CountAndFail);
      const absl::Status status = Save(step, {.keep_last = 1}, 2);
      finished = plan.count <= at;
      SetFileFaultForTest(nullptr);
      EXPECT_EQ(status.ok(), finished) << status;
      EXPECT_TRUE(finished || absl::IsResourceExhausted(status)) << status;
      EXPECT_FALSE(Steps().empty()) << "failure at operation " << at;  // Without any cleaning up.
      const std::vector<float> weights = NewestWeights();
      EXPECT_TRUE((weights == std::vector<float>{2, 1}) || (weights == std::vector<float>{static_cast<float>(step), 2}))
          << "failure at operation " << at;
    }
  }
}

TEST_F(CheckpointDirTest, TheBestIsByTheMetricOfItsJob) {
  metric_ = "macro_f1";  // More is better.
  const double values[] = {0.5, 0.75, NAN, 0.75, 0.25, 0.125};
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Save(10 * i, {.keep_last = 2}, 0, values[i]).ok());
  EXPECT_THAT(Steps(), ElementsAre(10, 40, 50)) << "the best is kept, the earliest of equals";
  EXPECT_EQ(FindCheckpoint(dir_, "best")->manifest.step(), 10u);
  ASSERT_TRUE(RememberDeletedBest(dir_, 10).ok());
  ASSERT_TRUE(RemoveAll(FindCheckpoint(dir_, "best")->dir).ok());
  EXPECT_EQ(*BestStep(dir_), -1) << "no lesser one stands for it";
  ASSERT_TRUE(Save(60, {}, 0, 0.875).ok());
  EXPECT_EQ(*BestStep(dir_), 60);
  metric_ = "calibration_error";  // Less is better.
  ASSERT_TRUE(Save(70, {}, 0, 0.5).ok());
  EXPECT_EQ(*BestStep(dir_), 70) << "what another metric says cannot be compared";
  ASSERT_TRUE(Save(80, {}, 0, 0.25).ok());
  EXPECT_EQ(*BestStep(dir_), 80);
}

TEST_F(CheckpointDirTest, NoOtherStandsForADeletedBest) {
  const auto best = [this] {
    auto step = BestStep(dir_);
    EXPECT_TRUE(step.ok()) << step.status();
    return step.value_or(-2);
  };
  EXPECT_EQ(best(), -1);
  ASSERT_TRUE(Save(1, {}, 0, 0.5).ok());
  ASSERT_TRUE(Save(2, {}, 0, 0.25).ok());
  ASSERT_TRUE(Save(3, {}, 0, 0.75).ok());
  EXPECT_EQ(best(), 2);
  ASSERT_TRUE(RememberDeletedBest(dir_, 2).ok());
  EXPECT_EQ(best(), 2) << "it is still there";
  ASSERT_TRUE(RemoveAll(FindCheckpoint(dir_, "best")->dir).ok());
  EXPECT_EQ(best(), -1);
  const absl::Status gone = FindCheckpoint(dir_, "best").status();
  EXPECT_TRUE(absl::IsNotFound(gone));
  EXPECT_EQ(gone.message(), "the best one, of step 2, was deleted; of those that are left step 1 is the best");
  EXPECT_THAT(Steps(), ElementsAre(1, 3));
  ASSERT_TRUE(Save(4, {}, 0, 0.125).ok());
  EXPECT_EQ(best(), 4) << "a better one is the best";
  EXPECT_EQ(FindCheckpoint(dir_, "best")->manifest.step(), 4u);
  EXPECT_TRUE(absl::IsNotFound(RememberDeletedBest(dir_, 2)));
}

}  // namespace
}  // namespace traind::core
