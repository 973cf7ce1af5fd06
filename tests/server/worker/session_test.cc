#include "server/worker/session.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace traind::server {
namespace {

using Sample = ProgressWatch::Sample;

absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(ProgressWatch, ReportsAreProgress) {
  ProgressWatch watch(absl::Seconds(100), At(0));
  EXPECT_TRUE(watch.IsAlive({.reports = 1, .cpu = {}}, At(1)));
  EXPECT_FALSE(watch.IsAlive({.reports = 1, .cpu = {}}, At(2)));
  EXPECT_TRUE(watch.IsAlive({.reports = 2, .cpu = {}}, At(3)));
}

TEST(ProgressWatch, ComputingIsProgressUntilItLooksEndless) {
  ProgressWatch watch(absl::Seconds(100), At(0));
  EXPECT_TRUE(watch.IsAlive({.reports = 0, .cpu = absl::Seconds(1)}, At(1)));
  EXPECT_FALSE(watch.IsAlive({.reports = 0, .cpu = absl::Seconds(1)}, At(2)));
  EXPECT_TRUE(watch.IsAlive({.reports = 0, .cpu = absl::Seconds(90)}, At(100)));
  EXPECT_FALSE(watch.IsAlive({.reports = 0, .cpu = absl::Seconds(91)}, At(101)));
  EXPECT_TRUE(watch.IsAlive({.reports = 1, .cpu = absl::Seconds(92)}, At(102)));
  EXPECT_TRUE(watch.IsAlive({.reports = 1, .cpu = absl::Seconds(93)}, At(202)));
}

TEST(ProgressWatch, WaitingForTheServerIsNoHang) {
  ProgressWatch watch(absl::Seconds(100), At(0));
  EXPECT_TRUE(watch.IsAlive({.cpu = {}, .waits_for_server = true}, At(1000)));
  EXPECT_TRUE(watch.IsAlive({.cpu = {}, .waits_for_server = true}, At(2000)));
  EXPECT_TRUE(watch.IsAlive({.cpu = absl::Seconds(1)}, At(2100)));
  EXPECT_FALSE(watch.IsAlive({.cpu = absl::Seconds(1)}, At(2101)));
}

// A session and the server's end of its socket. Heartbeats come as fast as they can, so that tests wait for messages
// and never for a time.
class WorkerSessionTest : public ::testing::Test {
 protected:
  void Start(absl::Duration heartbeat_interval = absl::Milliseconds(1)) {
    auto pair = SocketPair();
    ASSERT_TRUE(pair.ok()) << pair.status();
    server_ = std::make_unique<Channel>(std::move(pair->first));
    session_ = std::make_unique<WorkerSession>(std::move(pair->second),
                                               WorkerSessionOptions{.heartbeat_interval = heartbeat_interval,
                                                                    .progress_interval = absl::Hours(1),
                                                                    .on_lost = [this](const absl::Status& status) {
                                                                      lost_status_ = status;
                                                                      lost_.Notify();
                                                                    }});
    internal::ToWorker message;
    message.mutable_task()->set_threads(3);
    ASSERT_TRUE(server_->Send(message).ok());
    const auto task = session_->ReceiveTask();
    ASSERT_TRUE(task.ok()) << task.status();
    EXPECT_EQ(task->threads(), 3u);
    session_->Start();
  }
  static v1::Event EventOf(uint64_t step) {
    v1::Event event;
    event.set_step(step);
    return event;
  }
  void Ack(uint64_t count) {
    internal::ToWorker message;
    message.mutable_ack()->set_count(count);
    ASSERT_TRUE(server_->Send(message).ok());
  }
  // The next message that is no heartbeat.
  internal::ToServer Next() {
    internal::ToServer message;
    do {
      const auto received = server_->Receive(message);
      EXPECT_TRUE(received.ok() && *received) << received.status();
      if (!received.ok() || !*received) return {};
    } while (message.has_heartbeat());
    return message;
  }

  absl::Status lost_status_;
  absl::Notification lost_;
  std::unique_ptr<Channel> server_;
  std::unique_ptr<WorkerSession> session_;
};

TEST_F(WorkerSessionTest, FlushWaitsForTheAckOfEveryEvent) {
  Start();
  std::atomic<int> acked{0};
  std::thread server([&] {
    for (uint64_t step = 1; step <= 3; ++step) EXPECT_EQ(Next().event().step(), step);
    for (int count = 1; count <= 3; ++count) {
      acked = count;
      Ack(static_cast<uint64_t>(count));
    }
  });
  EXPECT_TRUE(session_->Flush().ok());  // Nothing was sent yet.
  for (uint64_t step = 1; step <= 3; ++step) session_->Emit(EventOf(step));
  EXPECT_TRUE(session_->Flush().ok());
  EXPECT_EQ(acked, 3);
  server.join();
}

// As the writer of checkpoints does, while the training emits more.
TEST_F(WorkerSessionTest, AnotherThreadMayFlush) {
  Start();
  session_->Emit(EventOf(1));
  std::thread writer([&] { EXPECT_TRUE(session_->Flush().ok()); });
  session_->Emit(EventOf(2));
  session_->Emit(EventOf(3));
  for (uint64_t step = 1; step <= 3; ++step) EXPECT_EQ(Next().event().step(), step);
  Ack(3);
  writer.join();
}

TEST_F(WorkerSessionTest, FlushFailsWhenTheServerEnds) {
  Start();
  std::thread server([&] {
    EXPECT_EQ(Next().event().step(), 1u);
    server_.reset();
  });
  session_->Emit(EventOf(1));
  EXPECT_EQ(session_->Flush().code(), absl::StatusCode::kUnavailable);
  server.join();
}

TEST_F(WorkerSessionTest, AnEventThatIsTooLargeFailsTheFlush) {
  Start(absl::Hours(1));  // Nobody reads here: heartbeats would fill the socket.
  v1::Event event;
  event.mutable_log()->set_text(std::string(kLargestFrame, 'x'));
  session_->Emit(event);
  EXPECT_EQ(session_->Flush().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WorkerSessionTest, TellsWhenTheServerIsGone) {
  Start();
  server_.reset();
  lost_.WaitForNotification();
  EXPECT_EQ(lost_status_.code(), absl::StatusCode::kUnavailable);
}

TEST_F(WorkerSessionTest, ASecondTaskIsNonsense) {
  Start();
  internal::ToWorker message;
  message.mutable_task();
  ASSERT_TRUE(server_->Send(message).ok());
  lost_.WaitForNotification();
  EXPECT_EQ(lost_status_.code(), absl::StatusCode::kDataLoss);
}

TEST_F(WorkerSessionTest, HearsStop) {
  Start();
  EXPECT_EQ(session_->stop(), core::StopWish::kNone);
  using Stop = internal::Stop;
  const std::pair<Stop::Reason, core::StopWish> wishes[] = {
      {Stop::REASON_PAUSE, core::StopWish::kStop},      {Stop::REASON_FINISH, core::StopWish::kFinish},
      {Stop::REASON_CANCEL, core::StopWish::kStop},     {Stop::REASON_FINISH, core::StopWish::kFinish},
      {Stop::REASON_SHUTDOWN, core::StopWish::kStop},   {Stop::REASON_FINISH, core::StopWish::kFinish},
      {Stop::REASON_UNSPECIFIED, core::StopWish::kStop}};
  for (const auto& [reason, wish] : wishes) {  // The newest counts.
    internal::ToWorker message;
    message.mutable_stop()->set_reason(reason);
    ASSERT_TRUE(server_->Send(message).ok());
    while (session_->stop() != wish) std::this_thread::yield();
  }
}

TEST_F(WorkerSessionTest, PausesByItselfAtTheStepThatItWasToldUnlessTheServerWantsMore) {
  Start();
  session_->PauseAt(7);
  session_->Heartbeat(6);
  EXPECT_EQ(session_->stop(), core::StopWish::kNone);
  session_->Heartbeat(7);
  EXPECT_EQ(session_->stop(), core::StopWish::kStop);
  internal::ToWorker message;
  message.mutable_stop()->set_reason(internal::Stop::REASON_FINISH);
  ASSERT_TRUE(server_->Send(message).ok());
  while (session_->stop() != core::StopWish::kFinish) std::this_thread::yield();
  session_->Heartbeat(8);
  EXPECT_EQ(session_->stop(), core::StopWish::kFinish);
}

TEST_F(WorkerSessionTest, HeartbeatsCarryTheStep) {
  Start();
  internal::ToServer message;
  for (uint64_t step = 1; message.heartbeat().step() < 3; ++step) {
    session_->Heartbeat(std::min<uint64_t>(step, 3));
    ASSERT_TRUE(server_->Receive(message).value());
    ASSERT_TRUE(message.has_heartbeat());
  }
}

TEST_F(WorkerSessionTest, ProgressIsSentAtFirstNowAndThenAndAtLast) {
  Start();
  for (int64_t done = 1; done <= 1000; ++done) session_->Progress(done, 1000, "examples");
  internal::ToServer message = Next();
  EXPECT_EQ(message.progress().done(), 1);
  EXPECT_EQ(message.progress().total(), 1000);
  EXPECT_EQ(message.progress().unit(), "examples");
  EXPECT_EQ(Next().progress().done(), 1000);
}

TEST_F(WorkerSessionTest, NothingFollowsTheResult) {
  Start();
  internal::Result result;
  result.set_step(9);
  session_->Heartbeat(9);
  ASSERT_TRUE(session_->Finish(result).ok());
  session_->Heartbeat(10);
  EXPECT_EQ(Next().result().step(), 9u);
  session_.reset();
  internal::ToServer message;
  EXPECT_FALSE(server_->Receive(message).value());
}

TEST(WorkerSession, RefusesAFirstMessageThatIsNoTask) {
  auto pair = SocketPair().value();
  Channel server(std::move(pair.first));
  WorkerSession session(std::move(pair.second), {});
  internal::ToWorker message;
  message.mutable_ack()->set_count(1);
  ASSERT_TRUE(server.Send(message).ok());
  EXPECT_EQ(session.ReceiveTask().status().code(), absl::StatusCode::kDataLoss);
}

TEST(WorkerSession, AServerThatEndsFirstIsUnavailable) {
  auto pair = SocketPair().value();
  pair.first.Reset();
  WorkerSession session(std::move(pair.second), {});
  EXPECT_EQ(session.ReceiveTask().status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace traind::server
