// What a task may reach, as its paths say. That a worker reaches no more is what traind-escapes shows.
#include "server/worker/confine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "traind/internal/worker.pb.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

FileRules RulesOf(const internal::Task& task) {
  const auto rules = FilesOf(task);
  EXPECT_TRUE(rules.ok()) << rules.status();
  return rules.value_or(FileRules());
}

TEST(FilesOf, AJobReadsItsDataAndWritesItsCheckpoints) {
  internal::Task task;
  task.set_dataset_dir("/data/datasets/d");
  task.set_weights_path("/data/jobs/j/initial_weights.safetensors");
  task.mutable_train()->set_preprocessing_path("/data/jobs/j/initial_preprocessing.safetensors");
  task.mutable_train()->set_checkpoint_dir("/data/jobs/j/checkpoints");
  const FileRules rules = RulesOf(task);
  EXPECT_THAT(rules.read, IsSupersetOf({"/data/datasets/d", "/data/jobs/j/initial_weights.safetensors",
                                        "/data/jobs/j/initial_preprocessing.safetensors"}));
  EXPECT_THAT(rules.write, ElementsAre("/data/jobs/j/checkpoints"));
}

TEST(FilesOf, AnImportReadsItsFilesAndWritesWhereTheDatasetIsMade) {
  internal::Task task;
  task.set_dataset_dir("/data/trash/new-1/dataset");
  task.mutable_import()->add_files()->set_path("/usr/share/datasets/a.npz");
  task.mutable_import()->add_files()->set_path("/data/uploads/u/data");
  const FileRules rules = RulesOf(task);
  EXPECT_THAT(rules.read, IsSupersetOf({"/usr/share/datasets/a.npz", "/data/uploads/u/data"}));
  EXPECT_THAT(rules.read, Not(Contains("/data/trash/new-1/dataset")));
  EXPECT_THAT(rules.write, ElementsAre("/data/trash/new-1"));
}

TEST(FilesOf, OnlyAPredictionOfASplitWrites) {
  internal::Task task;
  task.set_dataset_dir("/data/datasets/d");
  task.set_weights_path("/data/operations/o/weights.safetensors");
  task.mutable_evaluate()->set_preprocessing_path("/data/operations/o/preprocessing.safetensors");
  EXPECT_THAT(RulesOf(task).read, Contains("/data/operations/o/preprocessing.safetensors"));
  EXPECT_THAT(RulesOf(task).write, IsEmpty());
  task.mutable_predict()->set_preprocessing_path("/data/operations/o/preprocessing.safetensors");
  EXPECT_THAT(RulesOf(task).write, IsEmpty());
  task.mutable_predict()->set_output_path("/data/operations/o/predictions");
  EXPECT_THAT(RulesOf(task).write, ElementsAre("/data/operations/o"));
}

TEST(FilesOf, AProbeWithoutDataReadsNothing) {
  internal::Task task;
  task.mutable_probe();
  const FileRules rules = RulesOf(task);
#ifndef TRAIND_SANITIZED
  EXPECT_THAT(rules.read, IsEmpty());
#endif
  EXPECT_THAT(rules.write, IsEmpty());
}

// A name that is missing in a path must not open the folder above.
TEST(FilesOf, RefusesAPathThatNamesNothing) {
  for (const char* path : {"/data/", "datasets/d", "/"}) {
    internal::Task task;
    task.set_dataset_dir(path);
    task.mutable_describe();
    EXPECT_EQ(FilesOf(task).status().code(), absl::StatusCode::kInternal) << path;
  }
  for (const char* path : {"", "/dataset", "dataset"}) {
    internal::Task task;
    task.set_dataset_dir(path);
    task.mutable_import();
    EXPECT_EQ(FilesOf(task).status().code(), absl::StatusCode::kInternal) << path;
    task.mutable_train()->set_checkpoint_dir(path);
    EXPECT_EQ(FilesOf(task).status().code(), absl::StatusCode::kInternal) << path;
  }
}

}  // namespace
}  // namespace traind::server
