// Files that are written while jobs train have the bytes of those that are written afterwards.
#include "server/tensorboard/live_event_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "tests/support/bytes.h"
#include "tests/support/memory_job_store.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

class LiveEventFilesTest : public ::testing::Test {
 protected:
  LiveEventFilesTest() {
    job_.set_name("jobs/cnn");
    job_.set_uid("0123456789abcdef");
    job_.set_state(v1::JOB_STATE_RUNNING);
    key_ = *store_.CreateJob(job_, {});
  }

  // Losses of the next `count` events, then, if it is to end, the job's end.
  void Train(int count, v1::JobState state = v1::JOB_STATE_RUNNING) {
    std::vector<v1::Event> events;
    for (int i = 0; i < count; ++i) {
      v1::Event& event = Next(events);
      event.mutable_train()->set_loss(1.0 / static_cast<double>(event.sequence()));
    }
    job_.set_state(state);
    if (state != v1::JOB_STATE_RUNNING) Next(events).mutable_state()->set_state(state);
    job_.set_last_sequence(events_);
    ASSERT_TRUE(store_.UpdateJob(key_, job_, events).ok());
  }

  v1::Event& Next(std::vector<v1::Event>& events) {
    v1::Event& event = events.emplace_back();
    event.set_sequence(++events_);
    event.set_step(static_cast<uint64_t>(events_));
    return event;
  }

  std::string Written() const { return ReadBytes(folder_ / "cnn/events.out.tfevents.0.traind"); }

  // What an export of the whole job writes.
  std::string Exported() {
    const TemporaryFolder folder;
    auto file = tensorboard::EventFile::Open(folder.path(), job_);
    const auto batch = store_.ReadEvents(key_, {});
    for (const auto& event : batch->events) EXPECT_TRUE(file->Append(*event).ok());
    EXPECT_TRUE(file->Flush().ok());
    return ReadBytes(file->path());
  }

  const TemporaryFolder folder_;
  MemoryJobStore store_;
  v1::Job job_;
  JobKey key_ = 0;
  int64_t events_ = 0;
};

TEST_F(LiveEventFilesTest, AreThoseOfAnExport) {
  LiveEventFiles files(&store_, folder_.path());
  for (const int count : {1, 0, 5}) {
    Train(count);
    ASSERT_TRUE(files.Pass().ok());
    EXPECT_TRUE(Written() == Exported());
  }
  Train(2, v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(files.Pass().ok());
  EXPECT_TRUE(Written() == Exported());
}

// A job that ends between two passes, or while no server runs, and a server that dies in the middle of a record.
TEST_F(LiveEventFilesTest, GoOnAfterAnything) {
  Train(4);
  ASSERT_TRUE(LiveEventFiles(&store_, folder_.path()).Pass().ok());
  const std::string path = folder_ / "cnn/events.out.tfevents.0.traind";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5);
  Train(4, v1::JOB_STATE_FAILED);
  LiveEventFiles files(&store_, folder_.path());
  ASSERT_TRUE(files.Pass().ok());
  EXPECT_TRUE(Written() == Exported());
  Train(3, v1::JOB_STATE_PAUSED);  // It was resumed.
  Train(3);
  ASSERT_TRUE(files.Pass().ok());
  Train(1, v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(files.Pass().ok());
  EXPECT_TRUE(Written() == Exported());
}

TEST_F(LiveEventFilesTest, AFolderThatCannotBeWrittenIsTriedAgain) {
  const std::string place = folder_ / "file";
  WriteBytes(place, "in the way");
  LiveEventFiles files(&store_, place);
  Train(2);
  EXPECT_FALSE(files.Pass().ok());
  std::filesystem::remove(place);
  EXPECT_TRUE(files.Pass().ok());
  EXPECT_GT(std::filesystem::file_size(place + "/cnn/events.out.tfevents.0.traind"), 0u);
}

TEST_F(LiveEventFilesTest, StopWritesWhatIsStillOpen) {
  Train(1);
  LiveEventFiles files(&store_, folder_.path());
  ASSERT_TRUE(files.Pass().ok());
  Train(3);
  files.Start(absl::Hours(1));
  files.Stop();
  EXPECT_TRUE(Written() == Exported());
}

}  // namespace
}  // namespace traind::server
