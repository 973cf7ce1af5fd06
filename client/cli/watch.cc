#include "client/cli/watch.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/cli/event_queue.h"
#include "client/cli/finding_view.h"
#include "client/cli/live_view.h"
#include "client/cli/plain_view.h"
#include "client/cli/terminal.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr size_t kQueueEvents = 1024;                    // A few MB of statistics at most.
constexpr absl::Duration kQueueLook = absl::Seconds(2);  // Between two looks at why a job waits.
constexpr int kUnlimited = 1 << 20;                      // More lines than any frame has.

// What the retries last said, for the thread that draws.
class ConnectionState {
 public:
  void Lost(const absl::Status& failure) {
    absl::MutexLock lock(&mutex_);
    text_ = absl::StrCat("connection lost, trying again: ", failure.message());
  }
  void Restored() {
    absl::MutexLock lock(&mutex_);
    text_.clear();
  }
  std::string text() {
    absl::MutexLock lock(&mutex_);
    return text_;
  }

 private:
  absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
};

// Receives events in a thread of its own for as long as it lives.
class Receiver {
 public:
  Receiver(std::unique_ptr<JobWatch> watch, ConnectionState& connection)
      : watch_(std::move(watch)), connection_(connection), queue_(kQueueEvents), thread_([this] { Run(); }) {}
  ~Receiver() {
    watch_->Cancel();
    queue_.Close(absl::CancelledError());
    thread_.join();
  }
  EventQueue& queue() { return queue_; }

 private:
  void Run() {
    while (true) {
      absl::StatusOr<std::optional<v1::Event>> event = watch_->Next();
      if (!event.ok() || !event->has_value()) return queue_.Close(event.status());
      connection_.Restored();
      if (!queue_.Push(**std::move(event))) return;
    }
  }

  std::unique_ptr<JobWatch> watch_;
  ConnectionState& connection_;
  EventQueue queue_;
  std::thread thread_;
};

// Looks now and then at why a job waits, which no event tells: one that is queued, or from which nothing comes.
class QueueWatch {
 public:
  // To be called when events have come.
  void HeardOf(const JobView& view) {
    if (view.state() != v1::JOB_STATE_QUEUED) next_ = absl::Now() + kQueueLook;
  }
  // True when the view has a newer record.
  bool Refresh(Client& client, JobView& view) {
    if (IsTerminal(view.state()) || absl::Now() < next_) return false;
    next_ = absl::Now() + kQueueLook;
    const absl::StatusOr<v1::Job> job = client.GetJob(view.job().name(), v1::JOB_VIEW_BASIC);
    if (job.ok()) view.SetJob(*job);
    return job.ok();
  }

 private:
  absl::Time next_ = absl::InfinitePast();
};

int ExitCodeOf(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED ? kOk : state == v1::JOB_STATE_CANCELLED ? kJobCancelled : kJobFailed;
}

int Snapshot(const Context& context, Client& client, const v1::Job& job, const v1::WatchJobRequest& request,
             const WatchOptions& options) {
  JobView view(job);
  const std::unique_ptr<JobWatch> watch = client.WatchJob(request);
  while (watch->last_sequence() < job.last_sequence()) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
    if (!event.ok()) return context.Fail(event.status());
    if (!event->has_value()) break;
    view.Apply(**event);
  }
  context.out() << RenderLiveView(view, {.width = context.console.width,
                                         .height = kUnlimited,
                                         .color = context.color() && context.console.out_is_terminal,
                                         .logarithmic = !options.linear,
                                         .now = absl::Now(),
                                         .connection = ""});
  return kOk;
}

int Detach(const Context& context, const std::string& name) {
  const std::string id = ShortName(name);
  context.Note(absl::StrCat("detached: ", name, " goes on at the server\n  trainctl watch ", id,
                            "    look at it again\n  trainctl pause ", id, "    for a while\n  trainctl cancel ", id,
                            "   end it"));
  return kDetached;
}

}  // namespace

bool IsLive(const Context& context, const WatchOptions& options) {
  return context.console.out_is_terminal && !context.json && !context.quiet && !options.plain;
}

void AddWatchFlags(CLI::App& command, WatchOptions& options) {
  command.add_flag("--plain", options.plain, "Lines, as in a pipe, also on a terminal");
  command.add_flag("--linear", options.linear, "Histograms with linear instead of logarithmic heights");
  AddFailOn(command, options.fail_on);
}

int WatchJob(const Context& context, const std::string& name, const WatchOptions& options) {
  ConnectionState connection;
  const bool live = IsLive(context, options);
  const bool lines = !live && !context.json && !context.quiet;
  Client client = context.MakeClient([&](const absl::Status& failure, absl::Duration) {
    if (!live && connection.text().empty()) context.Note("connection lost, trying again");
    connection.Lost(failure);
  });
  absl::StatusOr<v1::Job> job = client.GetJob(name, v1::JOB_VIEW_SPEC);
  if (!job.ok()) return context.Fail(job.status());

  v1::WatchJobRequest request;
  request.set_name(name);
  request.set_uid(job->uid());
  request.set_after_sequence(options.after_sequence);
  for (const v1::EventKind kind : options.kinds) request.add_kinds(kind);
  for (const std::string& layer : options.layers) request.add_layers(layer);
  if (options.snapshot) return Snapshot(context, client, *job, request, options);

  JobView view(*job);
  Signals signals;
  std::unique_ptr<LiveScreen> screen = live ? std::make_unique<LiveScreen>(context.out()) : nullptr;
  Receiver receiver(client.WatchJob(request), connection);
  QueueWatch queue;
  std::string waits;  // What was last said of the queue.
  absl::Time next_frame = absl::InfinitePast();
  const auto draw = [&] {
    if (signals.TakeResized()) screen->Clear();
    const TerminalSize size = GetTerminalSize(STDOUT_FILENO);
    screen->Draw(RenderLiveView(view, {.width = size.width,
                                       .height = size.height - 1,
                                       .color = context.color(),
                                       .logarithmic = !options.linear,
                                       .now = absl::Now(),
                                       .connection = connection.text(),
                                       .summary_follows = IsTerminal(view.state())}));
    next_frame = absl::Now() + kFrameTime;
  };
  bool error_line = false;  // The last event told the error.
  bool stopped = false;     // By options.until.
  std::optional<absl::Status> ended;
  while (!ended && !stopped && !signals.interrupted()) {
    const auto events = receiver.queue().Take(kFrameTime);
    for (const v1::Event& event : events) {
      view.Apply(event);
      if (context.json) context.PrintJson(event);
      error_line = event.has_state() && event.state().has_error();
      if (lines) context.out() << PlainLines(event, !options.layers.empty()) << std::flush;
      // Totals, attempts and restarts are in the record alone.
      if (live && event.has_state()) {
        if (job = client.GetJob(name, v1::JOB_VIEW_BASIC); job.ok()) view.SetJob(*job);
      }
      if (options.until && options.until(event)) stopped = true;
      if (stopped) break;
    }
    if (!events.empty()) queue.HeardOf(view);
    if ((live || lines) && queue.Refresh(client, view) && lines) {
      const std::string now = DescribeQueue(view.job().queue());
      if (!now.empty() && now != waits) context.out() << PlainQueueLine(view.job(), absl::Now()) << std::flush;
      waits = now;
    }
    if (live && absl::Now() >= next_frame) draw();
    ended = receiver.queue().Ended();
    // A reader that went away ends the watch, as it ends other programs.
    if (!live && context.out().fail()) return kFailed;
  }
  if (live) draw();
  screen.reset();
  if (stopped) return kOk;
  if (!ended) return Detach(context, name);
  if (!ended->ok()) return context.Fail(*ended);
  if (!context.json && !context.quiet) {
    if (job = client.GetJob(name, v1::JOB_VIEW_BASIC); job.ok()) view.SetJob(*job);
    context.out() << (live ? "\n" : "") << RenderSummary(view, context.color() && live, lines && error_line);
  }
  const int code = ExitCodeOf(view.state());
  const bool found = std::any_of(view.findings().begin(), view.findings().end(),
                                 [&](const auto& one) { return FailsOn(one.second, options.fail_on); });
  return code == kOk && found ? kFailed : code;
}

}  // namespace traind::client
