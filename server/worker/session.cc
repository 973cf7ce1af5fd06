#include "server/worker/session.h"

#include <ctime>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"

namespace traind::server {

bool ProgressWatch::IsAlive(const Sample& sample, absl::Time now) {
  const bool reported = sample.reports != last_.reports || sample.waits_for_server;
  if (reported) last_report_ = now;
  const bool computed = sample.cpu > last_.cpu && now - last_report_ <= longest_silence_;
  last_ = sample;
  return reported || computed;
}

WorkerSession::WorkerSession(UniqueFd socket, WorkerSessionOptions options)
    : options_(std::move(options)), channel_(std::move(socket)), main_thread_(pthread_self()) {}

WorkerSession::~WorkerSession() {
  ending_.End();
  channel_.Shutdown();  // Ends the reader.
  if (reader_.joinable()) reader_.join();
  if (beater_.joinable()) beater_.join();
}

absl::StatusOr<internal::Task> WorkerSession::ReceiveTask() {
  internal::ToWorker message;
  const auto received = channel_.Receive(message);
  if (!received.ok()) return received.status();
  if (!*received) return absl::UnavailableError("the server has closed the socket");
  if (!message.has_task()) return absl::DataLossError("the first message is no task");
  return std::move(*message.mutable_task());
}

void WorkerSession::Start() {
  SendHeartbeat();
  reader_ = std::thread([this] { Read(); });
  beater_ = std::thread([this] { Beat(); });
}

void WorkerSession::Read() {
  for (;;) {
    internal::ToWorker message;
    const auto received = channel_.Receive(message);
    if (!received.ok()) return EndWith(received.status());
    if (!*received) return EndWith(absl::UnavailableError("the server has closed the socket"));
    if (message.has_ack()) {
      absl::MutexLock lock(&mutex_);
      durable_ = message.ack().count();
    } else if (message.has_stop()) {
      stop_ =
          message.stop().reason() == internal::Stop::REASON_FINISH ? core::StopWish::kFinish : core::StopWish::kStop;
    } else {
      return EndWith(absl::DataLossError("a message that is neither ack nor stop"));
    }
  }
}

void WorkerSession::EndWith(const absl::Status& status) {
  if (ending_.ended()) return;  // Our own doing.
  {
    absl::MutexLock lock(&mutex_);
    status_ = status;
  }
  if (options_.on_lost) options_.on_lost(status);
}

void WorkerSession::Beat() {
  clockid_t clock;
  if (pthread_getcpuclockid(main_thread_, &clock) != 0) clock = CLOCK_PROCESS_CPUTIME_ID;
  ProgressWatch watch(options_.longest_silence, absl::Now());
  while (!ending_.WaitFor(options_.heartbeat_interval)) {
    timespec cpu{};
    clock_gettime(clock, &cpu);
    const ProgressWatch::Sample sample{
        .reports = reports_, .cpu = absl::DurationFromTimespec(cpu), .waits_for_server = waits_for_server_};
    if (!watch.IsAlive(sample, absl::Now())) continue;
    if (!SendHeartbeat()) return;
  }
}

bool WorkerSession::SendHeartbeat() {
  internal::ToServer message;
  message.mutable_heartbeat()->set_step(step_);
  {
    absl::MutexLock lock(&mutex_);
    message.mutable_heartbeat()->set_waits_for(waits_for_);
  }
  absl::MutexLock lock(&send_mutex_);
  return !finished_ && channel_.Send(message).ok();  // The reader sees the end.
}

absl::Status WorkerSession::Send(const internal::ToServer& message) {
  // A full socket is the server's slowness, not ours.
  waits_for_server_ = true;
  absl::Cleanup done = [this] { waits_for_server_ = false; };
  absl::MutexLock lock(&send_mutex_);
  return channel_.Send(message);
}

void WorkerSession::Emit(v1::Event event) {
  ++reports_;
  internal::ToServer message;
  *message.mutable_event() = std::move(event);
  const absl::Status sent = Send(message);
  ++emitted_;
  if (sent.ok()) return;
  absl::MutexLock lock(&mutex_);
  if (status_.ok()) status_ = sent;
}

absl::Status WorkerSession::Flush() {
  const uint64_t emitted = emitted_;
  // Another thread's wait says nothing of the computation.
  const bool computes = pthread_equal(pthread_self(), main_thread_) != 0;
  if (computes) ++reports_;
  if (computes) waits_for_server_ = true;
  absl::Cleanup done = [this, computes] {
    if (computes) waits_for_server_ = false;
  };
  absl::MutexLock lock(&mutex_);
  const auto settled = [this, emitted]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return durable_ >= emitted || !status_.ok(); };
  mutex_.Await(absl::Condition(&settled));
  return status_;
}

void WorkerSession::Heartbeat(uint64_t step) {
  step_.store(step, std::memory_order_relaxed);
  reports_.fetch_add(1, std::memory_order_relaxed);
  core::StopWish none = core::StopWish::kNone;  // The server's wish counts, if there is one.
  if (pause_at_ > 0 && step >= pause_at_) stop_.compare_exchange_strong(none, core::StopWish::kStop);
}

void WorkerSession::WaitsFor(absl::string_view what) {
  reports_.fetch_add(1, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  waits_for_ = std::string(what);
}

void WorkerSession::Progress(int64_t done, int64_t total, absl::string_view unit) {
  Heartbeat(0);
  const absl::Time now = absl::Now();
  if (now - last_progress_ < options_.progress_interval && done < total) return;
  last_progress_ = now;
  internal::ToServer message;
  message.mutable_progress()->set_done(done);
  message.mutable_progress()->set_total(total);
  message.mutable_progress()->set_unit(std::string(unit));
  Send(message).IgnoreError();  // The reader sees the end.
}

absl::Status WorkerSession::Finish(internal::Result result) {
  internal::ToServer message;
  *message.mutable_result() = std::move(result);
  absl::MutexLock lock(&send_mutex_);
  finished_ = true;
  return channel_.Send(message);
}

}  // namespace traind::server
