#include "server/workers/worker_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/wire/channel.h"
#include "server/wire/result.h"
#include "server/workers/log_tail.h"
#include "server/workers/spawn.h"

namespace traind::server {
namespace {

constexpr size_t kReadBytes = size_t{256} << 10;
// As much as is handed to on_events at once, more or less.
constexpr size_t kBatchBytes = size_t{4} << 20;

std::string DescribeExit(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return absl::StrCat("exit code ", info.si_status);
  const char* name = sigabbrev_np(info.si_status);
  return absl::StrCat("killed by signal ", info.si_status, " (",
                      name == nullptr ? "unknown" : absl::StrCat("SIG", name), ")");
}

}  // namespace

// The thread that does everything: a poll loop over the socket, the log pipe, the process's end and the wish to stop.
// Other threads only set stop_reason_ and write to wake_, or signal the process through its pidfd.
class WorkerProcess::Supervisor {
 public:
  Supervisor(SpawnedWorker worker, UniqueFd wake, const WorkerOptions& options, std::string task_frame,
             WorkerCallbacks callbacks)
      : worker_(std::move(worker)),
        wake_(std::move(wake)),
        heartbeat_timeout_(options.heartbeat_timeout),
        exit_grace_(options.exit_grace),
        callbacks_(std::move(callbacks)),
        log_(kLastLogLines, kLongestLogLine, callbacks_.on_log),
        outbox_(std::move(task_frame)) {}

  ~Supervisor() {
    Kill();
    if (thread_.joinable()) {
      thread_.join();
    } else {
      Reap();  // Run never started.
    }
  }

  void StartThread() {
    thread_ = std::thread([this] { Run(); });
  }

  void Stop(internal::Stop::Reason reason) {
    int before = stop_reason_;
    do {
      const bool counts = before == internal::Stop::REASON_UNSPECIFIED || before == internal::Stop::REASON_FINISH;
      if (!counts || before == reason) return;
    } while (!stop_reason_.compare_exchange_weak(before, reason));
    const uint64_t one = 1;
    // Cannot fail: the counter of an eventfd takes one increment.
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
  }
  // By syscall: glibc 2.36 declares its wrappers without C linkage. Harmless once the process is gone, because a pidfd
  // never names another process.
  void Kill() { syscall(SYS_pidfd_send_signal, worker_.pidfd.get(), SIGKILL, nullptr, 0); }
  pid_t pid() const { return worker_.pid; }

 private:
  using Clock = std::chrono::steady_clock;  // The machine's date may be set meanwhile.

  void Run();
  Clock::time_point WakeUp(Clock::time_point looked, absl::Duration wait);
  void Deadline();
  bool ReadSocket();
  void Deliver(std::vector<v1::Event> events, std::optional<uint64_t> step);
  static Clock::time_point In(absl::Duration duration) {
    return Clock::now() + absl::ToChronoNanoseconds(std::min(duration, kLongestWait));
  }
  void WriteOutbox();
  void Queue(const internal::ToWorker& message);
  void SendStop();
  void ReadLog();
  void Fail(WorkerExit::Kind kind, absl::Status status);
  std::string Reap();
  WorkerExit Conclude(std::string description);

  static constexpr int kWaits = 4;                                  // Of a heartbeat's period.
  static constexpr absl::Duration kLongestWait = absl::Hours(100);  // What a clock and poll can count.
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  const SpawnedWorker worker_;
  const UniqueFd wake_;
  const absl::Duration heartbeat_timeout_;
  const absl::Duration exit_grace_;
  const WorkerCallbacks callbacks_;
  std::atomic<int> stop_reason_{0};  // An internal::Stop::Reason; 0 is none.

  // Of the thread alone.
  LogTail log_;
  FrameDecoder decoder_;
  std::string outbox_;  // Frames, or the rest of one, that the socket did not take yet.
  uint64_t durable_events_ = 0;
  int sent_stop_ = 0;  // The reason that the worker was told last.
  bool socket_open_ = true;
  bool log_open_ = true;
  Clock::time_point deadline_;
  bool has_task_ = false;  // It has said something, which it does when it has its task.
  std::string waits_for_;  // As it said last.
  std::optional<internal::Result> result_;
  // Why the process was killed before it ended by itself; the first reason counts.
  std::optional<std::pair<WorkerExit::Kind, absl::Status>> failure_;
  std::vector<char> bytes_ = std::vector<char>(kReadBytes);

  std::thread thread_;  // Last: it uses all the rest.
};

void WorkerProcess::Supervisor::Run() {
  deadline_ = In(heartbeat_timeout_);
  Clock::time_point looked = Clock::now();
  for (bool exited = false; !exited;) {
    WriteOutbox();
    const short socket_events = static_cast<short>(POLLIN | (outbox_.empty() ? 0 : POLLOUT));
    std::array<pollfd, 4> fds = {
        pollfd{.fd = worker_.pidfd.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = socket_open_ ? worker_.socket.get() : -1, .events = socket_events, .revents = 0},
        pollfd{.fd = log_open_ ? worker_.log.get() : -1, .events = POLLIN, .revents = 0},
        pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    // In short waits, so that one that took long tells of a freeze.
    const absl::Duration wait = std::clamp(absl::FromChrono(deadline_ - Clock::now()), absl::ZeroDuration(),
                                           std::min(heartbeat_timeout_ / kWaits, kLongestWait));
    // Rounded up, so that a wake-up by time is always past the deadline.
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
    if (ready < 0) continue;  // EINTR, or a moment without memory.
    looked = WakeUp(looked, wait);
    // The worker is late only when there is nothing to read: what waits in the socket may be the sign of life.
    if (fds[1].revents == 0 && Clock::now() >= deadline_) Deadline();
    exited = fds[0].revents != 0;
    if (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) ReadSocket();
    const Clock::time_point heard = Clock::now();
    if (fds[2].revents != 0) ReadLog();
    looked += Clock::now() - heard;  // What the worker prints takes time as well, and is no excuse.
    if (fds[3].revents != 0) SendStop();
  }
  // All that it sent and printed before its end still counts.
  while (ReadSocket()) {
  }
  ReadLog();
  log_.Finish();
  const WorkerExit exit = Conclude(Reap());
  if (callbacks_.on_exit) callbacks_.on_exit(exit);
}

// From one look at the worker to the next, in which this process waited and did what there was to do. When that took
// much longer than it was to take, this process did not run, nor, most likely, did the worker. The time of this look.
WorkerProcess::Supervisor::Clock::time_point WorkerProcess::Supervisor::WakeUp(Clock::time_point looked,
                                                                               absl::Duration wait) {
  const Clock::time_point now = Clock::now();
  const absl::Duration late = absl::FromChrono(now - looked) - wait;
  if (late > heartbeat_timeout_ / kWaits && deadline_ != kNever) deadline_ = In(heartbeat_timeout_);
  return now;
}

void WorkerProcess::Supervisor::Deadline() {
  if (result_.has_value()) {
    Kill();  // It has said all; that it does not end by itself changes nothing.
  } else if (socket_open_) {
    Fail(WorkerExit::Kind::kHung, absl::UnavailableError(absl::StrCat("the worker gave no sign of progress for ",
                                                                      absl::FormatDuration(heartbeat_timeout_))));
  } else {
    Fail(WorkerExit::Kind::kCrashed, absl::UnavailableError("the worker closed its socket without a result"));
  }
  deadline_ = kNever;  // The kill cannot fail: the next event is the exit.
}

void WorkerProcess::Supervisor::Fail(WorkerExit::Kind kind, absl::Status status) {
  if (!failure_.has_value()) failure_.emplace(kind, std::move(status));
  Kill();
}

// Whether there may be more to read at once.
bool WorkerProcess::Supervisor::ReadSocket() {
  size_t total = 0;
  while (socket_open_ && total < kBatchBytes) {
    const ssize_t n = recv(worker_.socket.get(), bytes_.data(), bytes_.size(), 0);
    if (n > 0) {
      decoder_.Append(bytes_.data(), static_cast<size_t>(n));
      total += static_cast<size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    socket_open_ = false;  // The end, or ECONNRESET: it ended before it had read all that was sent to it.
  }
  if (total == 0 && socket_open_) return false;
  const bool more = total >= kBatchBytes;
  if (failure_.has_value()) return more;  // Nothing it says counts any more.
  deadline_ = In(result_.has_value() || !socket_open_ ? exit_grace_ : heartbeat_timeout_);

  std::vector<v1::Event> events;
  std::optional<uint64_t> step;
  absl::Status damage;
  for (;;) {
    internal::ToServer message;
    const auto complete = decoder_.Next(message);
    if (!complete.ok()) damage = complete.status();
    if (!complete.ok() || !*complete) break;
    has_task_ = true;
    if (message.has_heartbeat()) {
      step = message.heartbeat().step();
      if (waits_for_ != message.heartbeat().waits_for()) {
        waits_for_ = message.heartbeat().waits_for();
        if (callbacks_.on_waits) callbacks_.on_waits(waits_for_);
      }
    } else if (message.has_progress() && !result_.has_value()) {
      if (callbacks_.on_progress) callbacks_.on_progress(message.progress());
    } else if (message.has_event() && !result_.has_value()) {
      events.push_back(std::move(*message.mutable_event()));
    } else if (message.has_result() && !result_.has_value()) {
      result_ = std::move(*message.mutable_result());
      deadline_ = In(exit_grace_);
    } else {
      damage = absl::DataLossError(result_.has_value() ? "a message after the result" : "a message of no known kind");
      break;
    }
  }
  Deliver(std::move(events), step);
  if (!damage.ok()) {
    Fail(WorkerExit::Kind::kCrashed,
         absl::UnavailableError(absl::StrCat("the worker sent what is no message: ", damage.message())));
  }
  return more;
}

void WorkerProcess::Supervisor::Deliver(std::vector<v1::Event> events, std::optional<uint64_t> step) {
  if (!events.empty()) {
    const size_t count = events.size();
    const absl::Status stored = callbacks_.on_events ? callbacks_.on_events(std::move(events)) : absl::OkStatus();
    if (!stored.ok()) {
      Fail(WorkerExit::Kind::kRejected, stored);
      return;
    }
    durable_events_ += count;
    internal::ToWorker message;
    message.mutable_ack()->set_count(durable_events_);
    Queue(message);
  }
  if (step.has_value() && callbacks_.on_heartbeat) callbacks_.on_heartbeat(*step);
}

void WorkerProcess::Supervisor::Queue(const internal::ToWorker& message) {
  auto frame = EncodeFrame(message);
  if (frame.ok()) outbox_ += *frame;  // An ack or a stop always fits.
}

void WorkerProcess::Supervisor::WriteOutbox() {
  size_t sent = 0;
  while (socket_open_ && sent < outbox_.size()) {
    const ssize_t n = send(worker_.socket.get(), outbox_.data() + sent, outbox_.size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      sent = outbox_.size();  // It has closed: there is nobody to read this, and ReadSocket will see the end.
    }
  }
  outbox_.erase(0, sent);
}

void WorkerProcess::Supervisor::SendStop() {
  uint64_t wakes = 0;
  // The counter is not zero, or nothing would have woken this thread.
  [[maybe_unused]] const ssize_t taken = read(wake_.get(), &wakes, sizeof(wakes));
  const int reason = stop_reason_;
  if (std::exchange(sent_stop_, reason) == reason) return;
  internal::ToWorker message;
  message.mutable_stop()->set_reason(static_cast<internal::Stop::Reason>(reason));
  Queue(message);
}

void WorkerProcess::Supervisor::ReadLog() {
  // The bound keeps a worker that only prints from holding up its events.
  for (size_t total = 0; log_open_ && total < kBatchBytes;) {
    const ssize_t n = read(worker_.log.get(), bytes_.data(), bytes_.size());
    if (n > 0) {
      log_.Append({bytes_.data(), static_cast<size_t>(n)});
      total += static_cast<size_t>(n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
      log_open_ = false;
    } else if (errno != EINTR) {
      return;
    }
  }
}

std::string WorkerProcess::Supervisor::Reap() {
  siginfo_t info{};
  while (waitid(P_PIDFD, static_cast<id_t>(worker_.pidfd.get()), &info, WEXITED) != 0) {
    if (errno != EINTR) return absl::StrCat("unknown (", std::strerror(errno), ")");
  }
  return DescribeExit(info);
}

WorkerExit WorkerProcess::Supervisor::Conclude(std::string description) {
  WorkerExit exit;
  exit.last_log_lines = log_.last_lines();
  exit.description = std::move(description);
  if (failure_.has_value()) {
    exit.kind = failure_->first;
    exit.status = failure_->second;
    // The signal is ours, and not the reason.
    if (exit.kind == WorkerExit::Kind::kCrashed) exit.description = std::string(exit.status.message());
  } else if (!result_.has_value()) {
    exit.kind = WorkerExit::Kind::kCrashed;
    exit.status = absl::UnavailableError(absl::StrCat("the worker ended without a result: ", exit.description));
  } else {
    exit.result = *std::move(result_);
    exit.status = StatusOf(exit.result);
    exit.kind = !exit.status.ok()       ? WorkerExit::Kind::kTaskFailed
                : exit.result.stopped() ? WorkerExit::Kind::kStopped
                                        : WorkerExit::Kind::kFinished;
  }
  exit.of_machine = !has_task_ || exit.result.machine();
  return exit;
}

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const WorkerOptions& options, internal::Task task,
                                                                    WorkerCallbacks callbacks) {
  const uint32_t threads = task.threads();
  internal::ToWorker message;
  *message.mutable_task() = std::move(task);
  auto frame = EncodeFrame(message);
  if (!frame.ok()) return frame.status();
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake.get() < 0) return absl::ErrnoToStatus(errno, "eventfd");
  auto worker = SpawnWorker(options, threads);
  if (!worker.ok()) return worker.status();
  auto supervisor = std::make_unique<Supervisor>(*std::move(worker), std::move(wake), options, *std::move(frame),
                                                 std::move(callbacks));
  try {
    supervisor->StartThread();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot start a thread: ", error.what()));
  }
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(std::move(supervisor)));
}

WorkerProcess::WorkerProcess(std::unique_ptr<Supervisor> supervisor) : supervisor_(std::move(supervisor)) {}
WorkerProcess::~WorkerProcess() = default;
void WorkerProcess::Stop(internal::Stop::Reason reason) { supervisor_->Stop(reason); }
void WorkerProcess::Kill() { supervisor_->Kill(); }
pid_t WorkerProcess::pid() const { return supervisor_->pid(); }

}  // namespace traind::server
