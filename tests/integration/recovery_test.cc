// Killing what can be killed, at random moments. The one measure: events without a gap, and weights bit for bit those
// of a run that nobody disturbed.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// TRAIND_TEST_SEED repeats the moments of an earlier run, as far as the machine does.
uint32_t Seed() {
  const char* given = std::getenv("TRAIND_TEST_SEED");
  const uint32_t seed =
      given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device()();
  std::printf("TRAIND_TEST_SEED=%u\n", seed);
  return seed;
}

class RecoveryTest : public IntegrationTest {
 protected:
  // Long enough to be killed a few times, with everything that a resume has to carry: momentum, dropout's and the
  // sampler's random numbers, batch norm's running statistics, the window of the dead units.
  static v1::JobSpec Job() {
    v1::JobSpec spec = PointsJob(1200);
    spec.set_metrics_every_steps(7);
    spec.mutable_checkpoint()->set_every_steps(40);
    v1::Network network;
    *network.add_layers() = spec.network().layers(0);
    v1::Layer& norm = *network.add_layers();
    norm.set_name("norm");
    norm.mutable_batch_norm();
    norm.mutable_activation()->mutable_relu();
    v1::Layer& dropout = *network.add_layers();
    dropout.set_name("dropout");
    dropout.mutable_dropout()->set_rate(0.2);
    *network.add_layers() = spec.network().layers(1);
    *spec.mutable_network() = network;
    return spec;
  }

  // Runs Job() undisturbed and remembers what came out.
  void RunReference() {
    const std::string name = Submit(Job(), "reference").name();
    Watcher watcher(server_.get(), name);
    const std::vector<v1::Event>& events = watcher.Finish();
    ASSERT_EQ(events.back().state().state(), v1::JOB_STATE_SUCCEEDED);
    computed_ = Computed(events);
    weights_ = Download(name + "/checkpoints/latest");
    duration_ = TimeOf(events.back().time()) - TimeOf(events.front().time());
  }

  void ExpectAsReference(Watcher& watcher, const std::string& name) {
    const std::vector<v1::Event>& events = watcher.Finish();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().state().state(), v1::JOB_STATE_SUCCEEDED) << events.back().ShortDebugString();
    ExpectSame(Computed(events), computed_);
    // They are told when they are written, at their steps all the same; others may come by time and by a stop.
    std::set<uint64_t> saved;
    for (const v1::Event& event : events) {
      if (event.has_checkpoint()) saved.insert(event.step());
    }
    for (uint64_t step = 0; step <= 1200; step += 40) EXPECT_EQ(saved.count(step), 1u) << step;
    EXPECT_TRUE(Download(name + "/checkpoints/latest") == weights_) << name << ": the weights differ";
  }

  // A random part of the time that the whole job takes.
  void SleepAWhile() { absl::SleepFor(duration_ * std::uniform_real_distribution<double>(0.02, 0.4)(random_)); }

  std::mt19937 random_{Seed()};
  std::vector<std::string> computed_;
  std::string weights_;
  absl::Duration duration_;
};

TEST_F(RecoveryTest, KilledWorkersLoseNothing) {
  StartServer({"--max-restarts", "100"});
  ImportPoints();
  RunReference();
  ASSERT_FALSE(HasFatalFailure());
  const std::string name = Submit(Job(), "killed").name();
  Watcher watcher(server_.get(), name);
  uint32_t kills = 0;
  for (int i = 0; i < 6; ++i) {
    SleepAWhile();
    for (pid_t worker : server_->Workers()) {
      kill(worker, SIGKILL);
      ++kills;
    }
  }
  ExpectAsReference(watcher, name);
  const v1::Job job = Get(name);
  EXPECT_GE(kills, 1u);
  // A worker that had sent its result already is finished however it ends.
  EXPECT_LE(job.restarts(), kills);
  EXPECT_GE(job.restarts() + 1, kills);
  EXPECT_EQ(job.attempts(), job.restarts() + 1);
  int explained = 0;
  for (const v1::Event& event : watcher.Finish()) {
    explained +=
        event.state().state() == v1::JOB_STATE_QUEUED && event.state().reason().find("SIGKILL") != std::string::npos;
  }
  EXPECT_EQ(explained, static_cast<int>(job.restarts()));
}

TEST_F(RecoveryTest, KilledServersLoseNothing) {
  StartServer();
  ImportPoints();
  RunReference();
  ASSERT_FALSE(HasFatalFailure());
  const std::string name = Submit(Job(), "killed").name();
  Watcher watcher(server_.get(), name);
  Watcher another(server_.get(), name);
  for (int i = 0; i < 5; ++i) {
    SleepAWhile();
    const std::vector<pid_t> workers = server_->Workers();
    server_->Kill();
    RestartServer();  // At once: the worker of before may still be about to end.
    for (pid_t worker : workers) {
      const absl::Time deadline = absl::Now() + kPatience;
      while (IsRunning(worker) && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
      EXPECT_FALSE(IsRunning(worker)) << "a worker outlives its server";
    }
  }
  ExpectAsReference(watcher, name);
  ExpectAsReference(another, name);
  EXPECT_GE(watcher.connections(), 2);
  EXPECT_EQ(Get(name).restarts(), 0u) << "the death of a server is not the worker's fault";
  EXPECT_EQ(Get("jobs/reference").state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(RecoveryTest, KilledServersAndWorkersTogether) {
  StartServer({"--max-restarts", "100"});
  ImportPoints();
  RunReference();
  ASSERT_FALSE(HasFatalFailure());
  const std::string first = Submit(Job(), "first").name();
  const std::string second = Submit(Job(), "second").name();
  Watcher first_watcher(server_.get(), first);
  Watcher second_watcher(server_.get(), second);
  for (int i = 0; i < 8; ++i) {
    SleepAWhile();
    if (i % 2 == 0) {
      const std::vector<pid_t> workers = server_->Workers();
      if (!workers.empty()) kill(workers[random_() % workers.size()], SIGKILL);
    } else {
      server_->Kill();
      RestartServer();
    }
  }
  ExpectAsReference(first_watcher, first);
  ExpectAsReference(second_watcher, second);
}

TEST_F(RecoveryTest, TerminationLeavesACheckpointFromWhichItGoesOn) {
  StartServer();
  ImportPoints();
  RunReference();
  ASSERT_FALSE(HasFatalFailure());
  v1::JobSpec spec = Job();
  const std::string name = Submit(spec, "stopped").name();
  Watcher watcher(server_.get(), name);
  watcher.Await([](const std::vector<v1::Event>& events) { return !events.empty() && events.back().step() > 100; });
  EXPECT_EQ(server_->Terminate(absl::Seconds(30)), 0);
  RestartServer();
  ExpectAsReference(watcher, name);
  const v1::Job job = Get(name);
  EXPECT_EQ(job.attempts(), 2u);
  EXPECT_EQ(job.restarts(), 0u);
}

// The program is broken, or the machine cannot start it: no job is to blame, and each goes on when that is mended.
TEST_F(RecoveryTest, WorkersThatNeverBeginFailNoJob) {
  StartServer();
  ImportPoints();  // Needs a worker that works.
  ASSERT_EQ(server_->Terminate(absl::Seconds(30)), 0);
  StartServer({"--worker", "/bin/false", "--max-restarts", "0"});
  const std::string name = Submit(PointsJob(10)).name();
  AwaitJob(name, [](const v1::Job& job) { return job.attempts() >= 2 && job.state() == v1::JOB_STATE_QUEUED; });
  EXPECT_THAT(Get(name).queue().reason(), AllOf(HasSubstr("tries again in "), HasSubstr("exit code 1")));
  ASSERT_EQ(server_->Terminate(absl::Seconds(30)), 0);
  StartServer({"--max-restarts", "0"});
  Watcher watcher(server_.get(), name);
  EXPECT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
}

// Docker pauses all processes of a container, and a laptop sleeps: nobody is late then, however often it happens.
TEST_F(RecoveryTest, AFreezeOfServerAndWorkerIsNoHang) {
  StartServer({"--heartbeat-timeout", "2", "--max-restarts", "0"});
  ImportPoints();
  RunReference();
  ASSERT_FALSE(HasFatalFailure());
  const std::string name = Submit(Job(), "frozen").name();
  Watcher watcher(server_.get(), name);
  for (uint64_t step = 100; step <= 500; step += 200) {
    watcher.Await([&](const std::vector<v1::Event>& events) { return !events.empty() && events.back().step() > step; });
    const std::vector<pid_t> workers = server_->Workers();
    if (workers.empty()) break;  // It is done.
    ASSERT_EQ(workers.size(), 1u);
    ASSERT_EQ(kill(workers[0], SIGSTOP), 0);
    ASSERT_EQ(kill(server_->pid(), SIGSTOP), 0);
    absl::SleepFor(absl::Seconds(3));
    ASSERT_EQ(kill(server_->pid(), SIGCONT), 0);
    absl::SleepFor(absl::Milliseconds(300));
    ASSERT_EQ(kill(workers[0], SIGCONT), 0);
  }
  ExpectAsReference(watcher, name);
  EXPECT_EQ(Get(name).restarts(), 0u);
}

// A stopped process sends nothing and cannot end by itself.
TEST_F(RecoveryTest, AHungWorkerIsReplaced) {
  StartServer({"--heartbeat-timeout", "3"});
  ImportPoints();
  RunReference();
  ASSERT_FALSE(HasFatalFailure());
  const std::string name = Submit(Job(), "hung").name();
  Watcher watcher(server_.get(), name);
  watcher.Await([](const std::vector<v1::Event>& events) { return !events.empty() && events.back().step() > 100; });
  const std::vector<pid_t> workers = server_->Workers();
  ASSERT_EQ(workers.size(), 1u);
  ASSERT_EQ(kill(workers[0], SIGSTOP), 0);
  ExpectAsReference(watcher, name);
  EXPECT_GE(Get(name).restarts(), 1u);
}

}  // namespace
}  // namespace traind::integration
