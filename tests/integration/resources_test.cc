// What the server takes of the machine: open files, and the memory of those who watch a job and do not read.
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"
#include "tests/support/bytes.h"

namespace traind::integration {
namespace {

class ResourcesTest : public IntegrationTest {
 protected:
  // Of the server.
  int64_t ResidentKib() const {
    const std::string status = ReadBytes(absl::StrCat("/proc/", server_->pid(), "/status"));
    int64_t kib = 0;
    for (const absl::string_view line : absl::StrSplit(status, '\n')) {
      const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (words.size() > 1 && words[0] == "VmRSS:" && !absl::SimpleAtoi(words[1], &kib)) ADD_FAILURE() << line;
    }
    EXPECT_GT(kib, 0) << status;
    return kib;
  }
};

// Each worker and each client takes some: what a shell gives is soon used up.
TEST_F(ResourcesTest, AsManyOpenFilesAsAreAllowed) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_LT(low.rlim_cur, before.rlim_max) << "nothing to raise: give this test a higher hard limit (ulimit -Hn)";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  StartServer();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit of_server{};
  ASSERT_EQ(prlimit(server_->pid(), RLIMIT_NOFILE, nullptr, &of_server), 0);
  EXPECT_EQ(of_server.rlim_cur, before.rlim_max);
}

#ifndef TRAIND_SANITIZED  // A sanitizer's allocator keeps what is freed.
// Each has read one response and reads no more, so that the server holds the next one for it.
TEST_F(ResourcesTest, StalledWatchersTakeLittleAndGiveItBack) {
  constexpr int kWatchers = 300;
  constexpr int64_t kEachKib = 64, kCallsKib = 8 << 10;  // What they hold, and what their calls take in passing.
  StartServer();
  ImportPoints();
  v1::JobSpec spec = PointsJob(30'000);  // Some megabytes of events.
  spec.set_metrics_every_steps(1);
  spec.mutable_statistics()->set_every_steps(0);
  spec.mutable_evaluation()->set_every_steps(0);
  spec.mutable_checkpoint()->set_every_steps(0);
  v1::WatchJobRequest request;
  request.set_name(Submit(spec).name());
  AwaitJob(request.name(), [](const v1::Job& job) { return job.state() == v1::JOB_STATE_SUCCEEDED; });

  struct Stalled {
    std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();  // Without a deadline.
    std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> stream;
  };
  const int64_t before = ResidentKib();
  int64_t most = before;
  {
    std::vector<Stalled> watchers(kWatchers);
    for (Stalled& watcher : watchers) watcher.stream = training_->WatchJob(watcher.context.get(), request);
    v1::WatchJobResponse response;
    for (Stalled& watcher : watchers) ASSERT_TRUE(watcher.stream->Read(&response));
    // Nothing tells when the server has written what it can: less time finds less of a fault, and never one too many.
    for (int look = 0; look < 40; ++look) {
      most = std::max(most, ResidentKib());
      absl::SleepFor(absl::Milliseconds(50));
    }
    EXPECT_LE(most - before, kWatchers * kEachKib + kCallsKib) << "KiB for all of them, " << before << " before";
    for (Stalled& watcher : watchers) watcher.context->TryCancel();
    for (Stalled& watcher : watchers) EXPECT_EQ(watcher.stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  constexpr int64_t kLeftKib = 16 << 10;
  const absl::Time deadline = absl::Now() + kPatience;
  while (ResidentKib() > before + kLeftKib && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_LE(ResidentKib(), before + kLeftKib) << "KiB, " << before << " before, at most " << most;
}
#endif

}  // namespace
}  // namespace traind::integration
