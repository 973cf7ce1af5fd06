// Backups of a server that is at work: each, restored, is a server that has lost nothing, and whose jobs end with the
// bits of one that nobody disturbed.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"
#include "tests/paths.h"

namespace traind::integration {
namespace {

constexpr uint64_t kSteps = 2000;
constexpr int kBackups = 3;

class BackupUnderLoadTest : public IntegrationTest {
 protected:
  static v1::JobSpec LongJob() {
    v1::JobSpec spec = PointsJob(kSteps);
    spec.set_metrics_every_steps(1);
    spec.mutable_checkpoint()->set_every_steps(20);
    return spec;
  }
  static int Run(const std::string& command) {
    return std::system(absl::StrCat(ProgramPath("traind"), " ", command, " > /dev/null").c_str());
  }
  // What a client has of the job by now.
  std::vector<std::string> EventsOf(const std::string& name) {
    v1::WatchJobRequest request;
    request.set_name(name);
    request.set_until_now(true);
    const auto context = NewContext();
    const auto stream = training_->WatchJob(context.get(), request);
    std::vector<std::string> events;
    for (v1::WatchJobResponse response; stream->Read(&response);) {
      for (const v1::Event& event : response.events()) events.push_back(event.SerializeAsString());
    }
    EXPECT_TRUE(stream->Finish().ok());
    return events;
  }
};

TEST_F(BackupUnderLoadTest, LosesNothingThatWasAcknowledged) {
  StartServer();
  ImportPoints();
  Submit(LongJob(), "done");
  Watcher(server_.get(), "jobs/done").Finish();
  const std::string weights = Download("jobs/done/checkpoints/latest");
  v1::Upload upload;
  Upload("half", std::string(1000, 'x'), 0, 500, &upload);

  const std::vector<std::string> names = {"jobs/one", "jobs/two"};
  Submit(LongJob(), "one");
  Submit(LongJob(), "two");
  AwaitJob("jobs/one", [](const v1::Job& job) { return job.progress().step() > 40; });
  std::vector<std::map<std::string, std::vector<std::string>>> acknowledged(kBackups);
  for (int i = 0; i < kBackups; ++i) {
    for (const std::string& name : {names[0], names[1], std::string("jobs/done")})
      acknowledged[i][name] = EventsOf(name);
    ASSERT_EQ(Run(absl::StrCat("backup ", folder_ / absl::StrCat("backup-", i), " --data-dir ", folder_ / "data")), 0);
  }
  EXPECT_EQ(Get("jobs/two").end_time().seconds(), 0) << "it ended before the last backup: nothing was at work";
  server_->Kill();

  for (int i = 0; i < kBackups; ++i) {
    SCOPED_TRACE(i);
    const std::string backup = folder_ / absl::StrCat("backup-", i);
    const TemporaryFolder other;
    ASSERT_EQ(Run(absl::StrCat("backup --verify ", backup)), 0);
    ASSERT_EQ(Run(absl::StrCat("restore ", backup, " --data-dir ", other / "data")), 0);
    server_ = std::make_unique<ServerProcess>(other.path(), std::vector<std::string>{"--threads", "2"});
    RestartServer();
    EXPECT_TRUE(std::filesystem::is_empty(other / "data/trash")) << "a start does not know what it holds";
    v1::GetUploadRequest request;
    request.set_name("uploads/half");
    EXPECT_TRUE(datasets_->GetUpload(NewContext().get(), request, &upload).ok());
    EXPECT_TRUE(Download("jobs/done/checkpoints/latest") == weights);
    for (const auto& [name, events] : acknowledged[i]) {
      Watcher watcher(server_.get(), name);
      const std::vector<v1::Event>& all = watcher.Finish();
      ASSERT_GE(all.size(), events.size()) << name;
      for (size_t n = 0; n < events.size(); ++n) ASSERT_EQ(all[n].SerializeAsString(), events[n]) << name << " " << n;
      EXPECT_EQ(all.back().state().state(), v1::JOB_STATE_SUCCEEDED) << name;
      EXPECT_TRUE(Download(name + "/checkpoints/latest") == weights) << name << ": the weights differ";
    }
    server_->Kill();
  }
}

}  // namespace
}  // namespace traind::integration
