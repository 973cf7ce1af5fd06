// A server whose disk has no room: jobs wait and say so, what there is can be ended and deleted, and all goes on when
// there is room again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/integration/fixture.h"
#include "tests/support/small_disk.h"

namespace traind::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FullDiskTest : public IntegrationTest {
 protected:
  // Each checkpoint takes 1 MB: about five fit.
  static v1::JobSpec FatJob() {
    v1::JobSpec spec = PointsJob(40);
    spec.mutable_network()->mutable_layers(0)->mutable_dense()->set_units(20'000);
    spec.mutable_checkpoint()->set_every_steps(4);
    spec.mutable_checkpoint()->set_keep_last(50);
    spec.clear_evaluation();
    spec.mutable_statistics()->set_every_steps(0);
    return spec;
  }

  // Of the standard health service, whose messages are one field each.
  bool IsServing() {
    grpc::GenericStub stub(server_->NewChannel());
    const auto context = NewContext();
    const grpc::Slice nothing;
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer answer;
    grpc::CompletionQueue queue;
    auto call = stub.PrepareUnaryCall(context.get(), "/grpc.health.v1.Health/Check", request, &queue);
    grpc::Status status;
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    EXPECT_TRUE(status.ok()) << status.error_message();
    grpc::Slice bytes;
    EXPECT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
    return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size()) == "\x08\x01";
  }

  void AwaitHealth(bool serving) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (IsServing() != serving && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(50));
    EXPECT_EQ(IsServing(), serving);
  }

  // Done, and without room for its end; on the way there it may have waited for that of its events.
  std::string AwaitRoomForTheEnd(const std::string& name) {
    std::string reason;
    AwaitJob(name, [&](const v1::Job& job) {
      reason = job.queue().reason();
      return job.state() == v1::JOB_STATE_RUNNING && absl::StrContains(reason, "the last checkpoint");
    });
    return reason;
  }

  const std::string data_ = folder_.path() + "/data";
  const SmallDisk disk_{data_, int64_t{6} << 20};
};

TEST_F(FullDiskTest, AJobThatIsDoneWaitsForItsLastCheckpointAndNeverSucceedsWithoutIt) {
  if (!disk_.mounted()) return disk_.RunElsewhere();
  StartServer();
  ImportPoints();
  const std::string name = Submit(FatJob(), "fat").name();
  EXPECT_THAT(AwaitRoomForTheEnd(name),
              AllOf(HasSubstr("needs room on the disk for the last checkpoint"), HasSubstr("No space left on device")));
  EXPECT_EQ(Get(name).progress().step(), 40u);
  EXPECT_LT(Get(name).progress().checkpoint_step(), 40u);
  // The end of the server: it goes on with the next one.
  EXPECT_EQ(server_->Terminate(absl::Seconds(30)), 0);
  RestartServer();
  AwaitRoomForTheEnd(name);
  EXPECT_EQ(Get(name).restarts(), 0u);
  // Cancelled, it is that; and it can be gone on with.
  Steer(&Training::CancelJob, name);
  AwaitJob(name, [](const v1::Job& job) { return job.state() == v1::JOB_STATE_CANCELLED; });
  Steer(&Training::ResumeJob, name);
  AwaitRoomForTheEnd(name);
  // Twice what is wanted: the reserve takes its part of it first.
  for (const char* step : {"0", "4"}) {
    EXPECT_GT(std::filesystem::remove_all(data_ + "/jobs/fat/checkpoints/step-00000000000" + step), 0u);
  }
  Watcher watcher(server_.get(), name);
  EXPECT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Get(name).progress().checkpoint_step(), 40u);
}

TEST_F(FullDiskTest, WithoutAnyRoomJobsAreCancelledAndDeletedAndTheServerStarts) {
  if (!disk_.mounted()) return disk_.RunElsewhere();
  StartServer();
  ImportPoints();
  v1::JobSpec spec = PointsJob(1'000'000'000);
  spec.set_threads(2);  // All of them: one job runs.
  const std::string running = Submit(spec, "running").name();
  const std::string queued = Submit(spec, "queued").name();
  AwaitJob(running, [](const v1::Job& job) { return job.progress().step() > 10; });
  EXPECT_TRUE(IsServing());
  disk_.Fill();
  AwaitHealth(false);
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  v1::Job job;
  const grpc::Status refused = training_->CreateJob(NewContext().get(), request, &job);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), AllOf(HasSubstr(data_), HasSubstr("bytes are free")));

  server_->Kill();
  disk_.Fill();
  RestartServer();
  AwaitHealth(false);
  EXPECT_EQ(Steer(&Training::CancelJob, queued).state(), v1::JOB_STATE_CANCELLED);
  Steer(&Training::CancelJob, running);
  AwaitJob(running, [](const v1::Job& found) { return found.state() == v1::JOB_STATE_CANCELLED; });
  v1::DeleteJobRequest deletion;
  deletion.set_name(queued);
  google::protobuf::Empty nothing;
  const grpc::Status deleted = training_->DeleteJob(NewContext().get(), deletion, &nothing);
  EXPECT_TRUE(deleted.ok()) << deleted.error_message();

  disk_.MakeRoom();
  AwaitHealth(true);
  Submit(PointsJob(10), "new");
  Watcher watcher(server_.get(), "jobs/new");
  EXPECT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace traind::integration
